//! Token embeddings and the softmax matrix (§3.4), shared as `model.tying` says.

use super::weights::Scope;
use super::{EncoderKind, ModelConfig, Tying, VocabularySizes, init};
use tch::Tensor;

/// The matrices [V, D] that turn tokens into vectors and vectors into scores of tokens.
///
/// Shared matrices are handles to one tensor. Rows beyond the vocabulary
/// (`model.embedding_rows`, `model.embedding_multiple`) exist only to take part in the softmax.
#[derive(Debug)]
pub struct Embeddings {
    source: Tensor,
    target: Tensor,
    softmax: Tensor,
    factor: f64,
}

impl Embeddings {
    /// A matrix that both sides share has a row for every id of either. Without an encoder nothing reads a source, and the
    /// source's matrix is the target's.
    pub fn build(scope: &Scope, config: &ModelConfig, vocabulary: impl Into<VocabularySizes>) -> Self {
        let VocabularySizes { source, target } = vocabulary.into();
        let [source_rows, target_rows, shared_rows] =
            [source, target, source.max(target)].map(|size| config.rows(size));
        let matrix = |name: &str, rows: i64| {
            scope.child(name).variable("weight", &[rows, config.d_model], init::embedding(config))
        };
        let (source, target, softmax) = match (config.encoder, config.tying) {
            (EncoderKind::None, tying) => {
                let target = matrix("target", target_rows);
                let softmax = match tying {
                    Tying::All | Tying::Decoder => target.shallow_clone(),
                    Tying::None => matrix("softmax", target_rows),
                };
                (target.shallow_clone(), target, softmax)
            }
            (EncoderKind::SelfAttention, Tying::All) => {
                let shared = matrix("shared", shared_rows);
                (shared.shallow_clone(), shared.shallow_clone(), shared)
            }
            (EncoderKind::SelfAttention, Tying::Decoder) => {
                let (source, shared) = (matrix("source", source_rows), matrix("target", target_rows));
                (source, shared.shallow_clone(), shared)
            }
            (EncoderKind::SelfAttention, Tying::None) => {
                (matrix("source", source_rows), matrix("target", target_rows), matrix("softmax", target_rows))
            }
        };
        Embeddings { source, target, softmax, factor: (config.d_model as f64).sqrt() }
    }

    /// # Shapes
    /// Ids [B, S] → [B, S, D], scaled by √d_model.
    pub fn source(&self, ids: &Tensor) -> Tensor {
        Tensor::embedding(&self.source, ids, -1, false, false) * self.factor
    }

    /// # Shapes
    /// Ids [B, T] → [B, T, D], scaled by √d_model.
    pub fn target(&self, ids: &Tensor) -> Tensor {
        Tensor::embedding(&self.target, ids, -1, false, false) * self.factor
    }

    /// The source's matrix [V, D], not scaled.
    pub fn source_matrix(&self) -> &Tensor {
        &self.source
    }

    /// The matrix before the softmax [V, D]; it has no bias and is not scaled.
    pub fn softmax(&self) -> &Tensor {
        &self.softmax
    }
}
