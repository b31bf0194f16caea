//! Settings of a model that contradict each other.

use super::experiment::setting_text;
use super::unread_keys::without_unread;
use crate::model::convolutional::{AttentionProjections, SourceAttention};
use crate::model::recurrent::{Alignment, Bidirectional, Bridge, InputFeeding, RecurrentConfig};
use crate::model::{
    AttentionConfig, CausalSpan, DecoderKind, EncoderKind, ModelConfig, Position, Projections, Score, Span,
    Tying,
};

/// Settings that contradict each other, as the parts of an error message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The key to point at.
    pub key: &'static str,
    pub message: String,
    pub help: &'static str,
}

/// Returns the settings that no model can have together, of each part the first. What the chosen parts do not read
/// contradicts nothing.
pub fn conflicts(config: &ModelConfig) -> Vec<Conflict> {
    let config = &without_unread(config);
    let mut found = Vec::from_iter(
        [of_projections(config).or_else(|| of_positions(config)), of_masked(config), of_convolution(config)]
            .into_iter()
            .flatten(),
    );
    if config.decoder == DecoderKind::Recurrent {
        let without_source = without_source(config);
        if without_source.is_empty() {
            found.extend(of_recurrent_decoder(config));
        }
        found.extend(without_source);
    }
    if config.encoder == EncoderKind::Recurrent {
        found.extend(of_recurrent_encoder(&config.recurrent));
    }
    found
}

/// Refuses heads without maps of their own that do not share the input among them.
fn of_projections(config: &ModelConfig) -> Option<Conflict> {
    let projections = config.attention.projections;
    let unprojected: &[(&str, i64)] = match projections {
        Projections::Separate | Projections::SharedQueryKey => &[],
        Projections::ValuesOnly => &[("d_k", config.d_k())],
        Projections::None => &[("d_k", config.d_k()), ("d_v", config.d_v())],
    };
    let (name, width) =
        unprojected.iter().find(|(_, width)| config.heads.checked_mul(*width) != Some(config.d_model))?;
    let (d_model, heads) = (config.d_model, config.heads);
    Some(Conflict {
        key: "model.attention.projections",
        message: format!(
            "model.attention.projections = {} splits the input into heads, but model.heads = {heads} heads of \
             {name} = {width} are not model.d_model = {d_model} numbers wide",
            setting_text(&projections)
        ),
        help: "leave model.d_k and model.d_v out and choose heads that divide d_model, or choose other projections",
    })
}

/// Refuses a score or a span of attention beside a position encoding that works inside of it.
fn of_positions(config: &ModelConfig) -> Option<Conflict> {
    let AttentionConfig { score, span, .. } = config.attention;
    let position = config.position;
    // The position encoding's operation on the products of queries and keys, if it needs the score to have them.
    let on_products = match position {
        Position::Rotary => Some("turns them so that their product tells how far apart they stand"),
        Position::Relative(_) => Some("adds a vector for the distance to the key in that product"),
        _ => None,
    };
    if let (Score::Additive, Some(what)) = (score, on_products) {
        return Some(Conflict {
            key: "model.attention.score",
            message: format!(
                "model.attention.score = \"additive\" has no product of queries and keys, and model.position = {} {what}",
                setting_text(&position)
            ),
            help: "choose another score or another position encoding",
        });
    }
    if matches!(span, Span::Linformer(_)) && position.acts_in_self_attention() {
        return Some(Conflict {
            key: "model.attention.span",
            message: format!(
                "model.attention.span = {{ linformer = … }} mixes the keys of all positions, and model.position = {} needs to \
                 know where each key stands",
                setting_text(&position)
            ),
            help: "choose another span, or a position encoding on the embeddings",
        });
    }
    let pattern = match (span, config.attention.decoder_span()) {
        (Span::BigBird { .. }, _) => Some(("model.attention.span", "big_bird")),
        (Span::Local(_), _) => Some(("model.attention.span", "local")),
        (Span::Full | Span::Linformer(_), CausalSpan::Local(_)) => {
            Some(("model.attention.decoder_span", "local"))
        }
        (Span::Full | Span::Linformer(_), CausalSpan::Full) => None,
    };
    if let (Position::Relative(_), Some((key, name))) = (position, pattern) {
        return Some(Conflict {
            key,
            message: format!(
                "{key} = {{ {name} = … }} is computed in blocks, and model.position = {} needs the scores of all pairs of \
                 positions",
                setting_text(&position)
            ),
            help: "choose the span \"full\", or another position encoding",
        });
    }
    None
}

/// Refuses an encoder whose states and embedding differ in width although the embedding is tied to the softmax, or
/// whose first state has read no other token although it has to predict the next sentence.
fn of_masked(config: &ModelConfig) -> Option<Conflict> {
    let reads_forward =
        config.encoder == EncoderKind::Recurrent && config.recurrent.bidirectional == Bidirectional::None;
    if config.tells_next_sentence() && reads_forward {
        return Some(Conflict {
            key: "model.masked.next_sentence",
            message: "model.masked.next_sentence = true tells by the state of the first token whether one text follows \
                      another, but with model.recurrent.bidirectional = \"none\" this state has read no other token"
                .into(),
            help: "set model.recurrent.bidirectional = \"all\" or \"first\", or leave the key out",
        });
    }
    let width = config.softmax_width();
    let differ = !config.has_decoder() && config.tying != Tying::None && width != config.d_model;
    differ.then(|| Conflict {
        key: "model.tying",
        message: format!(
            "model.tying = {} makes the embedding the matrix before the softmax, but the embedding is {} numbers wide \
             (model.d_model) and the states of the encoder are {width}",
            setting_text(&config.tying),
            config.d_model
        ),
        help: "set model.tying = \"none\", or model.masked.head = \"transform\"",
    })
}

fn of_convolution(config: &ModelConfig) -> Option<Conflict> {
    let inside = config.position.acts_in_self_attention();
    if inside && config.has_convolution() && !config.has_self_attention() {
        return Some(Conflict {
            key: "model.position",
            message: format!(
                "model.position = {} acts inside of self-attention, but with model.encoder = {} and model.decoder = {} the \
                 model has none",
                setting_text(&config.position),
                setting_text(&config.encoder),
                setting_text(&config.decoder)
            ),
            help: "use \"learned\", \"sinusoidal\", \"sinusoidal_halves\" or \"none\": convolutions know the order of \
                   neighbours anyway",
        });
    }
    let convolutional = &config.convolutional;
    let shares = config.decoder == DecoderKind::Convolutional
        && convolutional.attention == SourceAttention::Dot
        && convolutional.attention_projections == AttentionProjections::Shared;
    let attending = convolutional.attending();
    let (first, other) = attending.split_first().filter(|_| shares)?;
    let other = other.iter().find(|layer| layer.channels != first.channels)?;
    Some(Conflict {
        key: "model.convolutional.attention_projections",
        message: format!(
            "model.convolutional.attention_projections = \"shared\" needs layers of one width, but the layers that attend \
             have {} and {} channels",
            first.channels, other.channels
        ),
        help: "use \"per_layer\", or name layers of one width in attention_layers",
    })
}

fn of_recurrent_encoder(recurrent: &RecurrentConfig) -> Option<Conflict> {
    let RecurrentConfig { bidirectional, residual_from, encoder_layers, .. } = *recurrent;
    (bidirectional == Bidirectional::First && residual_from == Some(2) && encoder_layers > 1).then(|| Conflict {
        key: "model.recurrent.residual_from",
        message: "model.recurrent.residual_from = 2 adds the output of the first layer to that of the second, but with \
                  model.recurrent.bidirectional = \"first\" it is twice as wide"
            .into(),
        help: "use 3 or more, or another value of bidirectional",
    })
}

/// Returns the settings by which a recurrent decoder takes something of a source, where no encoder reads one.
fn without_source(config: &ModelConfig) -> Vec<Conflict> {
    if config.has_encoder() {
        return Vec::new();
    }
    let RecurrentConfig { attention, input_feeding, bridge, .. } = config.recurrent;
    let attends = (attention != Alignment::None).then(|| {
        ("model.recurrent.attention", setting_text(&attention), "attends to the source", "use \"none\"")
    });
    let feeds = (input_feeding == InputFeeding::Context).then(|| {
        let help = "use \"none\" or \"readout\"";
        ("model.recurrent.input_feeding", setting_text(&input_feeding), "feeds states of the source", help)
    });
    let starts = (bridge != Bridge::Zeros).then(|| {
        ("model.recurrent.bridge", setting_text(&bridge), "starts with states of the source", "use \"zeros\"")
    });
    let conflict = |(key, value, what, help)| {
        let message = format!("{key} = {value} {what}, and with model.encoder = \"none\" nothing reads one");
        Conflict { key, message, help }
    };
    [attends, feeds, starts].into_iter().flatten().map(conflict).collect()
}

fn of_recurrent_decoder(config: &ModelConfig) -> Option<Conflict> {
    let recurrent = &config.recurrent;
    let RecurrentConfig { hidden, attention, readout, bridge, .. } = *recurrent;
    let states = config.encoder_width();
    if attention == Alignment::Dot && hidden != states {
        return Some(Conflict {
            key: "model.recurrent.attention",
            message: format!(
                "model.recurrent.attention = \"dot\" multiplies states of the decoder with states of the source, but those \
                 are {hidden} numbers wide (model.recurrent.hidden) and these {states}"
            ),
            help: "use \"general\" or \"additive\", or choose widths that are equal; both directions of a layer count",
        });
    }
    if bridge == Bridge::Copy
        && let Some(conflict) = of_copied_states(config)
    {
        return Some(conflict);
    }
    let width = config.softmax_width();
    if config.tying != Tying::None && width != config.d_model {
        return Some(Conflict {
            key: "model.tying",
            message: format!(
                "model.tying = {} makes the target embedding the matrix before the softmax, but the embedding is {} numbers \
                 wide (model.d_model) and model.recurrent.readout = {} needs {width}",
                setting_text(&config.tying),
                config.d_model,
                setting_text(&readout)
            ),
            help: "set model.tying = \"none\", or model.recurrent.readout = \"attentional\"",
        });
    }
    if attention != Alignment::None && !recurrent.reads_context() {
        return Some(Conflict {
            key: "model.recurrent.attention",
            message: format!(
                "model.recurrent.attention = {} makes a context that nothing reads: model.recurrent.input_feeding = {} and \
                 model.recurrent.readout = {}",
                setting_text(&attention),
                setting_text(&recurrent.input_feeding),
                setting_text(&readout)
            ),
            help: "use attention = \"none\", input_feeding = \"context\" or another readout",
        });
    }
    let sees_nothing = attention == Alignment::None && bridge == Bridge::Zeros && !recurrent.reads_context();
    (config.has_encoder() && sees_nothing).then(|| Conflict {
        key: "model.recurrent.bridge",
        message: "model.recurrent.bridge = \"zeros\", and without attention, input_feeding = \"context\" or a readout \
                  that has the context, the decoder knows nothing of the source"
            .into(),
        help: "set model.recurrent.bridge, attention, input_feeding or readout",
    })
}

/// Refuses to copy the encoder's last states if there are none, or they do not fit the decoder's.
fn of_copied_states(config: &ModelConfig) -> Option<Conflict> {
    let RecurrentConfig { encoder_layers, decoder_layers, bidirectional, .. } = config.recurrent;
    let problem = if config.encoder != EncoderKind::Recurrent {
        format!("model.encoder = {} has no such states", setting_text(&config.encoder))
    } else if encoder_layers != decoder_layers {
        format!("the encoder has {encoder_layers} layers and the decoder {decoder_layers}")
    } else if bidirectional != Bidirectional::None {
        format!(
            "with model.recurrent.bidirectional = {} they are twice as wide",
            setting_text(&bidirectional)
        )
    } else {
        return None;
    };
    Some(Conflict {
        key: "model.recurrent.bridge",
        message: format!(
            "model.recurrent.bridge = \"copy\" starts every layer of the decoder with the last state of the \
             encoder's layer, but {problem}"
        ),
        help: "use \"tanh\", \"linear\" or \"zeros\"",
    })
}
