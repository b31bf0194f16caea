//! Initial scales of the weights (`model.initialisation`).
//!
//! The paper does not state them; see [`Initialisation`] for the choices.

use super::weights::Start;
use super::{Initialisation, ModelConfig};

/// Glorot uniform: limit sqrt(6 / (fan_in + fan_out)).
///
/// # Source
/// Glorot and Bengio 2010, eq. 16.
pub fn glorot(fan_in: i64, fan_out: i64) -> Start {
    Start::Uniform { limit: (6.0 / (fan_in + fan_out) as f64).sqrt() }
}

/// Deviation of all weights of GPT (Radford et al. 2018, §4.1).
const GPT: f64 = 0.02;

/// Embeddings and learned positions: normal with deviation d_model^-0.5, which the factor sqrt(d_model) of §3.4 scales
/// to deviation 1 for embeddings; or with the configured deviation.
pub fn embedding(config: &ModelConfig) -> Start {
    let deviation = match config.initialisation {
        Initialisation::Tensor2tensor | Initialisation::Glorot => (config.d_model as f64).powf(-0.5),
        Initialisation::Normal | Initialisation::NormalScaled => GPT,
    };
    Start::Normal { deviation: config.embedding_deviation.unwrap_or(deviation) }
}

/// Returns the start of a matrix inside a layer.
pub fn matrix(config: &ModelConfig, fan_in: i64, fan_out: i64) -> Start {
    match config.initialisation {
        Initialisation::Tensor2tensor | Initialisation::Glorot => glorot(fan_in, fan_out),
        Initialisation::Normal | Initialisation::NormalScaled => Start::Normal { deviation: GPT },
    }
}

/// Returns the start of a sub-layer's last matrix, whose output is added to the residual stream.
pub fn last_matrix(config: &ModelConfig, fan_in: i64, fan_out: i64) -> Start {
    match config.initialisation {
        Initialisation::Tensor2tensor | Initialisation::Glorot | Initialisation::Normal => {
            matrix(config, fan_in, fan_out)
        }
        // Twice the number of layers: as many as a GPT has sub-layers.
        Initialisation::NormalScaled => {
            Start::Normal { deviation: GPT / (2.0 * config.layers as f64).sqrt() }
        }
    }
}

/// The source of an attention layer's keys and values.
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

/// Returns the starts of an attention layer's input projections.
///
/// # Source
/// tensor2tensor at its first commit: one matrix for query, key and value of self-attention, one
/// for key and value of cross-attention, each Glorot uniform as a whole.
pub fn projections(config: &ModelConfig, attends: Attends) -> ProjectionStarts {
    let d_model = config.d_model;
    let (keys, values) = (config.heads * config.d_k(), config.heads * config.d_v());
    match (config.initialisation, attends) {
        (Initialisation::Glorot | Initialisation::Normal | Initialisation::NormalScaled, _) => {
            ProjectionStarts {
                query: matrix(config, d_model, keys),
                key: matrix(config, d_model, keys),
                value: matrix(config, d_model, values),
            }
        }
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
    fn gpt_starts_every_matrix_alike_and_gpt_2_the_last_ones_smaller() {
        let deviation = |start| match start {
            Start::Normal { deviation } => deviation,
            _ => panic!("not normal"),
        };
        for (initialisation, last) in [(Initialisation::Normal, 0.02), (Initialisation::NormalScaled, 0.01)] {
            let config = ModelConfig { initialisation, layers: 2, ..Default::default() };
            let ProjectionStarts { query, key, value } = projections(&config, Attends::Encoder);
            for start in [query, key, value, embedding(&config), matrix(&config, 3, 4)] {
                assert_eq!(deviation(start), 0.02);
            }
            assert_eq!(deviation(last_matrix(&config, 3, 4)), last);
        }
    }

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
