//! Keys of `[model]` that its parts do not read: the keys of self-attention stacks in a model without them, the keys of
//! `[model.recurrent]` and `[model.convolutional]` in a model without such parts, and the keys that another choice in
//! the section makes idle.

use super::experiment::setting_text;
use crate::model::convolutional::{Block, SourceAttention};
use crate::model::recurrent::{Alignment, Cell};
use crate::model::{
    AttentionConfig, ConvolutionalConfig, DecoderKind, EncoderKind, ModelConfig, RecurrentConfig, Span,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A key that is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// `model.key`
    pub key: &'static str,
    /// The settings that are the reason.
    pub because: Because,
}

/// Settings as a reason, with keys and values as in a file.
pub type Because = Vec<(&'static str, String)>;

/// The keys that choose the parts.
pub const PARTS: [&str; 2] = ["model.encoder", "model.decoder"];

/// The keys that only stacks of self-attention read.
const SELF_ATTENTION: [&str; 16] = [
    "model.layers",
    "model.d_ff",
    "model.activation",
    "model.feed_forward",
    "model.residual",
    "model.heads",
    "model.d_k",
    "model.d_v",
    "model.attention_dropout",
    "model.activation_dropout",
    "model.norm",
    "model.norm_kind",
    "model.attention.score",
    "model.attention.projections",
    "model.attention.span",
    "model.attention_biases",
];

/// The keys that all parts except recurrent ones read.
const POSITIONS: [&str; 2] = ["model.position", "model.learned_positions"];

/// The keys that only a decoder of self-attention reads.
const SELF_ATTENTION_DECODER: [&str; 2] = ["model.attention.cross_score", "model.attention.decoder_span"];

/// The keys that both recurrent parts read.
const RECURRENT: [&str; 5] = [
    "model.recurrent.cell",
    "model.recurrent.hidden",
    "model.recurrent.residual_from",
    "model.recurrent.dropout_masks",
    "model.recurrent.recurrent_biases",
];

/// The keys that only a recurrent encoder reads.
const RECURRENT_ENCODER: [&str; 2] = ["model.recurrent.encoder_layers", "model.recurrent.bidirectional"];

/// The keys that only a recurrent decoder reads.
const RECURRENT_DECODER: [&str; 5] = [
    "model.recurrent.decoder_layers",
    "model.recurrent.attention",
    "model.recurrent.input_feeding",
    "model.recurrent.readout",
    "model.recurrent.bridge",
];

/// The keys that only a model without a decoder reads.
const MASKED: [&str; 4] = [
    "model.masked.embedding_norm",
    "model.masked.head",
    "model.masked.segments",
    "model.masked.next_sentence",
];

/// The keys that every model reads except word vectors, which are only two matrices that start as those of word2vec.
const BESIDE_WORD_VECTORS: [&str; 6] = [
    "model.dropout",
    "model.tying",
    "model.initialisation",
    "model.embedding_deviation",
    "model.embedding_scale",
    "model.softmax_bias",
];

/// The keys that both convolutional parts read.
const CONVOLUTIONAL: [&str; 6] = [
    "model.convolutional.block",
    "model.convolutional.channels",
    "model.convolutional.kernel",
    "model.convolutional.further_layers",
    "model.convolutional.dilations",
    "model.convolutional.weight_normalisation",
];

/// The keys that only a convolutional encoder reads.
const CONVOLUTIONAL_ENCODER: [&str; 2] =
    ["model.convolutional.encoder_layers", "model.convolutional.scale_encoder_gradients"];

/// The keys that only a convolutional decoder reads; `CONVOLUTIONAL_ATTENTION` are those that its attention reads.
const CONVOLUTIONAL_DECODER: [&str; 2] =
    ["model.convolutional.decoder_layers", "model.convolutional.attention"];
const CONVOLUTIONAL_ATTENTION: [&str; 2] =
    ["model.convolutional.attention_layers", "model.convolutional.attention_projections"];

/// The keys that a model of this configuration does not read.
pub fn unread(model: &ModelConfig) -> Vec<Unread> {
    let parts = chosen_parts(model);
    let (reads, writes) = (&parts[..1], &parts[1..]);
    let mut found = of_self_attention(model);
    let mut add = |keys: &[_], because: &[_]| found.extend(all_unread(keys, because));
    if model.decoder != DecoderKind::SelfAttention {
        add(&SELF_ATTENTION_DECODER, writes);
    } else if !model.has_encoder() {
        add(&["model.attention.cross_score"], reads);
    }
    if model.has_decoder() {
        add(&MASKED, writes);
    } else if !model.has_encoder() {
        add(&MASKED, reads);
        add(&BESIDE_WORD_VECTORS, &parts);
    }
    found.extend(of_recurrence(model));
    found.extend(of_convolution(model));
    found
}

/// The settings that choose the encoder and the decoder, as reasons.
fn chosen_parts(model: &ModelConfig) -> [(&'static str, String); 2] {
    [("model.encoder", setting_text(&model.encoder)), ("model.decoder", setting_text(&model.decoder))]
}

/// [`unread`] for the keys of self-attention stacks, of positions and of norms.
fn of_self_attention(model: &ModelConfig) -> Vec<Unread> {
    let parts = chosen_parts(model);
    let mut found = Vec::new();
    let mut add = |keys: &[_], because: &[_]| found.extend(all_unread(keys, because));
    if !model.has_self_attention() {
        // The head of a masked language model has an activation and norms of its own.
        let has_norm = model.normalises_embeddings() || model.has_transform();
        let reads = |key: &str| match key {
            "model.activation" => model.has_transform(),
            "model.norm_kind" => has_norm,
            _ => false,
        };
        let unread: Vec<&str> = SELF_ATTENTION.into_iter().filter(|key| !reads(key)).collect();
        add(&unread, &parts);
        if !model.has_convolution() {
            add(&POSITIONS, &parts);
        }
        if has_norm {
            // These norms read the epsilon.
        } else if !model.has_convolution() {
            add(&["model.layer_norm_epsilon"], &parts);
        } else if model.convolutional.block != Block::Bottleneck {
            let block = ("model.convolutional.block", setting_text(&model.convolutional.block));
            add(&["model.layer_norm_epsilon"], &[&parts[..], &[block]].concat());
        }
    } else if model.encoder != EncoderKind::SelfAttention {
        let AttentionConfig { span, decoder_span, .. } = &model.attention;
        // A decoder without a span of its own takes a local span of the encoder.
        let is_the_decoders = match span {
            Span::Full | Span::Local(_) => decoder_span.is_none(),
            Span::Linformer(_) | Span::BigBird { .. } => false,
        };
        if !is_the_decoders {
            add(&["model.attention.span"], &parts[..1]);
        }
    }
    found
}

/// [`unread`] for `[model.recurrent]`.
fn of_recurrence(model: &ModelConfig) -> Vec<Unread> {
    let RecurrentConfig {
        cell,
        encoder_layers,
        decoder_layers,
        residual_from,
        attention,
        // The lists above say which parts read these.
        hidden: _,
        bidirectional: _,
        attention_width: _,
        attend: _,
        input_feeding: _,
        readout: _,
        bridge: _,
        dropout_masks: _,
        recurrent_biases: _,
        forget_bias: _,
    } = &model.recurrent;
    let parts = chosen_parts(model);
    let (reads, writes) = (&parts[..1], &parts[1..]);
    let (encodes, decodes) =
        (model.encoder == EncoderKind::Recurrent, model.decoder == DecoderKind::Recurrent);
    let mut found = Vec::new();
    let mut add = |keys: &[_], because: &[_]| found.extend(all_unread(keys, because));
    if !(encodes || decodes) {
        add(&RECURRENT, &parts);
    }
    if !encodes {
        add(&RECURRENT_ENCODER, reads);
    }
    if !decodes {
        add(&RECURRENT_DECODER, writes);
    }
    if !(encodes || decodes) {
        add(&["model.recurrent.forget_bias"], &parts);
    } else if *cell != Cell::Lstm {
        add(&["model.recurrent.forget_bias"], &[("model.recurrent.cell", setting_text(cell))]);
    }
    let of_attention = ["model.recurrent.attention_width", "model.recurrent.attend"];
    let chosen = [("model.recurrent.attention", setting_text(attention))];
    match attention {
        _ if !decodes => add(&of_attention, writes),
        Alignment::Additive => {}
        Alignment::Dot | Alignment::General => add(&of_attention[..1], &chosen),
        Alignment::None => add(&of_attention, &chosen),
    }
    let layers = [(encodes, encoder_layers), (decodes, decoder_layers)];
    let deepest = layers.into_iter().filter(|(chosen, _)| *chosen).map(|(_, layers)| *layers).max();
    if let (Some(first), Some(deepest)) = (residual_from, deepest)
        && *first > deepest
    {
        let mut because = Vec::new();
        let names = ["model.recurrent.encoder_layers", "model.recurrent.decoder_layers"];
        for ((chosen, layers), name) in layers.into_iter().zip(names) {
            because.extend(chosen.then(|| (name, layers.to_string())));
        }
        add(&["model.recurrent.residual_from"], &because);
    }
    if (encodes || decodes) && model.dropout == 0.0 {
        add(&["model.recurrent.dropout_masks"], &[("model.dropout", "0.0".into())]);
    }
    found
}

/// [`unread`] for `[model.convolutional]`.
fn of_convolution(model: &ModelConfig) -> Vec<Unread> {
    let ModelConfig { encoder, decoder, convolutional, .. } = model;
    let ConvolutionalConfig {
        block: _,
        channels: _,
        kernel,
        encoder_layers: _,
        decoder_layers,
        further_layers,
        dilations: _,
        attention,
        attention_layers,
        attention_projections: _,
        weight_normalisation: _,
        scale_encoder_gradients: _,
    } = convolutional;
    let (encodes, decodes) = (*encoder == EncoderKind::Convolutional, *decoder == DecoderKind::Convolutional);
    let [reads, writes] = chosen_parts(model);
    let attends = ("model.convolutional.attention", setting_text(attention));
    let mut found = Vec::new();
    let mut add = |keys: &[_], because: &[_]| found.extend(all_unread(keys, because));
    if !(encodes || decodes) {
        add(&CONVOLUTIONAL, &[reads.clone(), writes.clone()]);
    } else if *kernel == 1 && further_layers.iter().all(|group| group.kernel == 1) {
        // A kernel of one position has no distances.
        add(&["model.convolutional.dilations"], &[("model.convolutional.kernel", "1".into())]);
    }
    if !encodes {
        add(&CONVOLUTIONAL_ENCODER, std::slice::from_ref(&reads));
    } else if model.attending_layers() <= 1 {
        // The gradients would be divided by 1, or there is no attention.
        let mut because = vec![writes.clone()];
        if decodes {
            because.push(match (attention, attention_layers) {
                (SourceAttention::None, _) => attends.clone(),
                (_, Some(layers)) => ("model.convolutional.attention_layers", format!("{layers:?}")),
                (_, None) => ("model.convolutional.decoder_layers", decoder_layers.to_string()),
            });
        }
        add(&CONVOLUTIONAL_ENCODER[1..], &because);
    }
    if !decodes {
        add(&[CONVOLUTIONAL_DECODER, CONVOLUTIONAL_ATTENTION].concat(), &[writes]);
    } else if !model.has_encoder() {
        add(&[&CONVOLUTIONAL_DECODER[1..], &CONVOLUTIONAL_ATTENTION].concat(), &[reads]);
    } else if *attention == SourceAttention::None {
        add(&CONVOLUTIONAL_ATTENTION, &[attends]);
    }
    found
}

/// The keys as [`Unread`], all for the same reason.
pub(super) fn all_unread(keys: &[&'static str], because: &[(&'static str, String)]) -> Vec<Unread> {
    keys.iter().map(|&key| Unread { key, because: because.to_vec() }).collect()
}

/// The model with every unread key at its default.
pub fn without_unread(model: &ModelConfig) -> ModelConfig {
    at_defaults(model, unread(model))
}

/// The section with the keys of `unread`, which must all be keys of the section, at their defaults.
pub(super) fn at_defaults<T>(section: &T, unread: Vec<Unread>) -> T
where
    T: Clone + Serialize + DeserializeOwned,
{
    let mut tree = serde_json::to_value(section).unwrap_or_default();
    for Unread { key, .. } in unread {
        let path: Vec<&str> = key.split('.').skip(1).collect();
        let (last, sections) = path.split_last().expect("a key has a name");
        let within = sections.iter().try_fold(&mut tree, |tree, name| tree.get_mut(name));
        if let Some(table) = within.and_then(Value::as_object_mut) {
            table.remove(*last);
        }
    }
    // Absent keys get their defaults.
    serde_json::from_value(tree).unwrap_or_else(|_| section.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::recurrent::Attend;
    use crate::model::{CausalSpan, Head, Initialisation, MaskedConfig};

    fn keys(model: &ModelConfig) -> Vec<&'static str> {
        unread(model).into_iter().map(|unread| unread.key).collect()
    }

    #[test]
    fn parts_read_their_own_keys() {
        let plain = ModelConfig::default();
        let count = |section: &str| keys(&plain).into_iter().filter(|key| key.starts_with(section)).count();
        let counts = ["model.recurrent.", "model.convolutional.", "model.masked."].map(count);
        assert_eq!((counts, keys(&plain).len()), ([15, 12, 4], 31));
        let hybrid = ModelConfig { decoder: DecoderKind::Recurrent, ..plain.clone() };
        let not_convolutional = |key: &&'static str| !key.starts_with("model.convolutional.");
        assert_eq!(
            keys(&hybrid).into_iter().filter(not_convolutional).collect::<Vec<_>>(),
            [
                "model.attention.cross_score",
                "model.attention.decoder_span",
                "model.masked.embedding_norm",
                "model.masked.head",
                "model.masked.segments",
                "model.masked.next_sentence",
                "model.recurrent.encoder_layers",
                "model.recurrent.bidirectional",
                "model.recurrent.forget_bias"
            ]
        );
        let both = ModelConfig { encoder: EncoderKind::Recurrent, ..hybrid };
        for key in ["model.heads", "model.residual", "model.attention.score", "model.attention.cross_score"] {
            assert!(keys(&both).contains(&key), "{key}");
        }
        // The first values of embeddings, and of the transform of a masked model, follow `initialisation` in every model.
        for key in ["model.tying", "model.initialisation"] {
            assert!(!keys(&both).contains(&key), "{key}");
        }
        let initialisation = Initialisation::Normal;
        let convolutional = ModelConfig {
            encoder: EncoderKind::Convolutional,
            decoder: DecoderKind::Convolutional,
            initialisation,
            ..Default::default()
        };
        for model in [ModelConfig { initialisation, ..both }, convolutional] {
            assert_eq!(without_unread(&model).initialisation, initialisation);
        }
    }

    /// Without a decoder, a transform with an activation and a norm follows a recurrent encoder.
    #[test]
    fn a_masked_model_reads_what_its_head_consists_of() {
        let of = |encoder, head, embedding_norm| {
            let masked = MaskedConfig { head, embedding_norm, ..Default::default() };
            let decoder = DecoderKind::None;
            let found = keys(&ModelConfig { encoder, decoder, masked, ..Default::default() });
            assert!(found.contains(&"model.attention.decoder_span") && !found.contains(&"model.masked.head"));
            ["model.activation", "model.norm_kind", "model.heads"].map(|key| !found.contains(&key))
        };
        let recurrent = EncoderKind::Recurrent;
        assert_eq!(of(EncoderKind::SelfAttention, Head::None, false), [true, true, true]);
        assert_eq!(of(recurrent, Head::Transform, false), [true, true, false]);
        assert_eq!(of(recurrent, Head::None, true), [false, true, false]);
        assert_eq!(of(recurrent, Head::None, false), [false, false, false]);
    }

    /// Word vectors read only their width and their number of rows in `[model]`.
    #[test]
    fn word_vectors_read_sizes_alone() {
        let (encoder, decoder) = (EncoderKind::None, DecoderKind::None);
        let words = ModelConfig { encoder, decoder, ..Default::default() };
        let found = keys(&words);
        let tree = serde_json::to_value(ModelConfig {
            d_k: Some(1),
            d_v: Some(1),
            embedding_rows: Some(9),
            embedding_multiple: Some(9),
            embedding_deviation: Some(0.1),
            ..Default::default()
        });
        let mut read: Vec<String> =
            tree.unwrap().as_object().unwrap().keys().map(|key| format!("model.{key}")).collect();
        read.retain(|key| !found.contains(&key.as_str()));
        read.sort();
        assert_eq!(read, ["model.d_model", "model.embedding_multiple", "model.embedding_rows"]);
        assert!(found.contains(&"model.masked.head") && found.contains(&"model.attention.span"));
        let initialisation = Initialisation::Normal;
        let other = ModelConfig { dropout: 0.3, d_model: 7, initialisation, ..words.clone() };
        assert_eq!(without_unread(&other), ModelConfig { d_model: 7, ..words });
    }

    /// A local span of an encoder also holds for a decoder without its own span; other spans hold for the encoder alone.
    #[test]
    fn a_decoder_of_self_attention_reads_a_local_span() {
        let read = |encoder, span, decoder_span| {
            let attention = AttentionConfig { span, decoder_span, ..Default::default() };
            let model = ModelConfig { encoder, attention, ..Default::default() };
            !keys(&model).contains(&"model.attention.span")
        };
        let (stack, recurrent) = (EncoderKind::SelfAttention, EncoderKind::Recurrent);
        assert!(read(stack, Span::Linformer(4), None) && read(stack, Span::Local(3), Some(CausalSpan::Full)));
        assert!(read(recurrent, Span::Local(3), None) && !read(recurrent, Span::Linformer(4), None));
        assert!(!read(recurrent, Span::Local(3), Some(CausalSpan::Full)));
    }

    #[test]
    fn convolutional_parts_read_positions_and_what_their_choices_ask_for() {
        let with = |change: fn(&mut ConvolutionalConfig)| {
            let mut model = ModelConfig {
                encoder: EncoderKind::Convolutional,
                decoder: DecoderKind::Convolutional,
                ..Default::default()
            };
            change(&mut model.convolutional);
            keys(&model)
        };
        let plain = with(|_| ());
        assert!(!plain.iter().any(|key| key.starts_with("model.convolutional.")), "{plain:?}");
        assert!(!plain.contains(&"model.position") && plain.contains(&"model.layer_norm_epsilon"));
        assert!(!with(|c| c.block = Block::Bottleneck).contains(&"model.layer_norm_epsilon"));
        let standing = with(|c| c.attention = SourceAttention::None);
        for key in ["attention_layers", "attention_projections", "scale_encoder_gradients"] {
            assert!(standing.contains(&format!("model.convolutional.{key}").as_str()), "{key}");
        }
        assert!(with(|c| c.kernel = 1).contains(&"model.convolutional.dilations"));
        assert!(with(|c| c.decoder_layers = 1).contains(&"model.convolutional.scale_encoder_gradients"));
    }

    #[test]
    fn unread_keys_go_back_to_their_defaults_and_others_stay() {
        let model = ModelConfig {
            heads: 3,
            d_k: Some(7),
            recurrent: RecurrentConfig { attend: Attend::BeforeStep, ..Default::default() },
            ..Default::default()
        };
        let plain = without_unread(&model);
        assert_eq!(plain, ModelConfig { heads: 3, d_k: Some(7), ..Default::default() });
        let recurrent =
            ModelConfig { encoder: EncoderKind::Recurrent, decoder: DecoderKind::Recurrent, ..model };
        let found = without_unread(&recurrent);
        assert_eq!((found.heads, found.d_k, found.recurrent.attend), (8, None, Attend::BeforeStep));
        assert_eq!(without_unread(&found), found);
    }

    #[test]
    fn every_key_of_the_section_has_a_switch() {
        let recurrent = serde_json::to_value(RecurrentConfig {
            residual_from: Some(2),
            attention_width: Some(3),
            ..Default::default()
        });
        let convolutional = serde_json::to_value(ConvolutionalConfig {
            attention_layers: Some(vec![1]),
            ..Default::default()
        });
        let found = keys(&ModelConfig::default());
        for (section, tree) in [("recurrent", recurrent), ("convolutional", convolutional)] {
            for key in tree.unwrap().as_object().unwrap().keys() {
                assert!(found.contains(&format!("model.{section}.{key}").as_str()), "{section}.{key}");
            }
        }
    }
}
