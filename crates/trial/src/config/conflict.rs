//! Which settings of the parts and of attention contradict others of the model.

use super::experiment::setting_text;
use crate::model::{AttentionConfig, CausalSpan, ModelConfig, Position, Projections, Score, Span};

/// Settings that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The key to point at.
    pub key: &'static str,
    pub message: String,
    pub help: &'static str,
}

/// Settings of an encoder, or of the attention to it, where there is none.
fn without_encoder(config: &ModelConfig) -> Option<Conflict> {
    let AttentionConfig { cross_score, span, .. } = config.attention;
    let (key, value, what) = match (cross_score, span) {
        _ if config.has_encoder() => return None,
        (Some(score), _) => (
            "model.attention.cross_score",
            setting_text(&score),
            "is the score of the attention to an encoder",
        ),
        (None, Span::Linformer(_) | Span::BigBird { .. }) => (
            "model.attention.span",
            setting_text(&span),
            "sees what follows a position, and so is for encoders",
        ),
        (None, Span::Full | Span::Local(_)) => return None,
    };
    Some(Conflict {
        key,
        message: format!("{key} = {value} {what}, and there is none with model.encoder = \"none\""),
        help: "leave it out; model.attention.score and model.attention.decoder_span are the decoder's",
    })
}

/// The first settings that no model can have together.
pub fn conflict(config: &ModelConfig) -> Option<Conflict> {
    if let Some(conflict) = without_encoder(config) {
        return Some(conflict);
    }
    let AttentionConfig { score, projections, span, .. } = config.attention;
    let unprojected: &[(&str, i64)] = match projections {
        Projections::Separate | Projections::SharedQueryKey => &[],
        Projections::ValuesOnly => &[("d_k", config.d_k())],
        Projections::None => &[("d_k", config.d_k()), ("d_v", config.d_v())],
    };
    for (name, width) in unprojected {
        if config.heads.checked_mul(*width) != Some(config.d_model) {
            let (d_model, heads) = (config.d_model, config.heads);
            return Some(Conflict {
                key: "model.attention.projections",
                message: format!(
                    "model.attention.projections = {} splits the input into heads, but model.heads = {heads} heads of \
                     {name} = {width} are not model.d_model = {d_model} numbers wide",
                    setting_text(&projections)
                ),
                help: "leave model.d_k and model.d_v out and choose heads that divide d_model, or choose other projections",
            });
        }
    }
    let position = config.position;
    // What positions do to queries and keys, or to products with them, that the score must be made of.
    let on_products = match position {
        Position::Rotary => Some("turns them so that their product tells how far apart they stand"),
        Position::Relative(_) => Some("adds a vector for the distance to the key in that product"),
        Position::Sinusoidal
        | Position::SinusoidalHalves
        | Position::Learned
        | Position::Alibi
        | Position::T5
        | Position::None => None,
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
    let on_pairs = match position {
        Position::Relative(_) | Position::Rotary | Position::Alibi | Position::T5 => true,
        Position::Sinusoidal | Position::SinusoidalHalves | Position::Learned | Position::None => false,
    };
    if matches!(span, Span::Linformer(_)) && on_pairs {
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
