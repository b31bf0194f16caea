//! Initial scales of the weights (`model.initialisation`).
//!
//! The paper states none; see [`Initialisation`] for the choices.

use super::weights::Start;
use super::{Initialisation, ModelConfig};

/// Glorot uniform: limit sqrt(6 / (fan_in + fan_out)).
///
/// # Source
/// Glorot and Bengio 2010, eq. 16.
pub fn glorot(fan_in: i64, fan_out: i64) -> Start {
    Start::Uniform { limit: (6.0 / (fan_in + fan_out) as f64).sqrt() }
}

/// Embeddings and learned positions: normal with deviation d_model^-0.5, so that the
/// factor sqrt(d_model) of §3.4 brings embeddings to deviation 1; or the deviation that is stated.
pub fn embedding(config: &ModelConfig) -> Start {
    let usual = (config.d_model as f64).powf(-0.5);
    Start::Normal { deviation: config.embedding_deviation.unwrap_or(usual) }
}

/// What embeddings are multiplied by.
pub fn embedding_factor(config: &ModelConfig) -> f64 {
    match config.embedding_deviation {
        Some(_) => 1.0,
        None => (config.d_model as f64).sqrt(),
    }
}

/// Where an attention layer takes its keys and values from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attends {
    /// The sequence itself.
    Itself,
    /// The encoder's output.
    Encoder,
}

/// Starts of the query, key and value projections.
pub struct ProjectionStarts {
    pub query: Start,
    pub key: Start,
    pub value: Start,
}

/// The starts of an attention layer's input projections.
///
/// # Source
/// tensor2tensor at its first commit: one matrix for query, key and value of self-attention, one
/// for key and value of cross-attention, each Glorot uniform as a whole.
pub fn projections(config: &ModelConfig, attends: Attends) -> ProjectionStarts {
    let d_model = config.d_model;
    let (keys, values) = (config.heads * config.d_k(), config.heads * config.d_v());
    match (config.initialisation, attends) {
        (Initialisation::Glorot, _) => ProjectionStarts {
            query: glorot(d_model, keys),
            key: glorot(d_model, keys),
            value: glorot(d_model, values),
        },
        (Initialisation::Tensor2tensor, Attends::Itself) => {
            let fused = glorot(d_model, keys + keys + values);
            ProjectionStarts { query: fused, key: fused, value: fused }
        }
        (Initialisation::Tensor2tensor, Attends::Encoder) => {
            let fused = glorot(d_model, keys + values);
            ProjectionStarts { query: glorot(d_model, keys), key: fused, value: fused }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fused_self_attention_starts_at_glorot_over_root_two() {
        let config = ModelConfig::default();
        let Start::Uniform { limit } = projections(&config, Attends::Itself).query else {
            panic!("not uniform")
        };
        let Start::Uniform { limit: single } = glorot(512, 512) else { panic!("not uniform") };
        assert!((limit - single / 2f64.sqrt()).abs() < 1e-12);
    }
}
