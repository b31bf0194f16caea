//! Token embeddings and the softmax matrix (§3.4), shared according to `model.tying`.

use super::matrix::Matrix;
use super::weights::{Scope, Start};
use super::{ModelConfig, Tying, VocabularySizes, init};
use tch::Tensor;

/// The matrices that turn tokens into vectors, [V, D], and hidden states into scores of tokens, [V, W].
///
/// Shared matrices are handles to one tensor. Rows beyond the vocabulary
/// (`model.embedding_rows`, `model.embedding_multiple`) exist only to take part in the softmax.
#[derive(Debug)]
pub struct Embeddings {
    source: Tensor,
    target: Tensor,
    softmax: Matrix,
    /// The bias of the softmax, [V].
    bias: Option<Tensor>,
    factor: Option<f64>,
}

impl Embeddings {
    /// Builds the matrices. A matrix that both sides share has a row for every id of either side. Without an encoder or
    /// without a decoder there is one text with the target's tokens, and source and target are one matrix.
    pub fn build(scope: &Scope, config: &ModelConfig, vocabulary: impl Into<VocabularySizes>) -> Self {
        let VocabularySizes { source, target } = vocabulary.into();
        let [source_rows, target_rows, shared_rows] =
            [source, target, source.max(target)].map(|size| config.rows(size));
        let of_width = |name: &str, rows: i64, width: i64| {
            scope.child(name).variable("weight", &[rows, width], init::embedding(config))
        };
        let matrix = |name: &str, rows: i64| of_width(name, rows, config.d_model);
        let softmax_matrix = || of_width("softmax", target_rows, config.softmax_width());
        let (source, target, softmax) = match (config.has_both_parts(), config.tying) {
            (false, tying) => {
                let name = if config.has_encoder() { "source" } else { "target" };
                let only = matrix(name, target_rows);
                let softmax = match tying {
                    Tying::All | Tying::Decoder => only.shallow_clone(),
                    Tying::None => softmax_matrix(),
                };
                (only.shallow_clone(), only, softmax)
            }
            (true, Tying::All) => {
                let shared = matrix("shared", shared_rows);
                (shared.shallow_clone(), shared.shallow_clone(), shared)
            }
            (true, Tying::Decoder) => {
                let (source, shared) = (matrix("source", source_rows), matrix("target", target_rows));
                (source, shared.shallow_clone(), shared)
            }
            (true, Tying::None) => {
                (matrix("source", source_rows), matrix("target", target_rows), softmax_matrix())
            }
        };
        let bias = config
            .softmax_bias
            .then(|| scope.child("softmax").bias("bias", &[softmax.size()[0]], Start::Zeros));
        let factor = config.embedding_scale.then(|| (config.d_model as f64).sqrt());
        Embeddings { source, target, softmax: scope.matrix(&softmax), bias, factor }
    }

    /// Builds the matrices of word vectors: input vectors as the source matrix, output vectors as the softmax matrix.
    ///
    /// # Source
    /// The released code of word2vec: input vectors begin uniform in ±0.5 / D, output vectors at 0.
    pub fn of_words(scope: &Scope, config: &ModelConfig, vocabulary: VocabularySizes) -> Self {
        let shape = [config.rows(vocabulary.target), config.d_model];
        let limit = 0.5 / config.d_model as f64;
        let input = scope.child("input").variable("weight", &shape, Start::Uniform { limit });
        let output = scope.child("output").variable("weight", &shape, Start::Zeros);
        let softmax = scope.matrix(&output);
        Embeddings { source: input.shallow_clone(), target: input, softmax, bias: None, factor: None }
    }

    /// # Shapes
    /// Ids [B, S] → [B, S, D], scaled by √d_model with `model.embedding_scale`.
    pub fn source(&self, ids: &Tensor) -> Tensor {
        self.embedded(&self.source, ids)
    }

    /// # Shapes
    /// Ids [B, T] → [B, T, D], scaled by √d_model with `model.embedding_scale`.
    pub fn target(&self, ids: &Tensor) -> Tensor {
        self.embedded(&self.target, ids)
    }

    fn embedded(&self, matrix: &Tensor, ids: &Tensor) -> Tensor {
        let embedded = Tensor::embedding(matrix, ids, -1, false, false);
        match self.factor {
            Some(factor) => embedded * factor,
            None => embedded,
        }
    }

    /// Returns the source's matrix [V, D], not scaled.
    pub fn source_matrix(&self) -> &Tensor {
        &self.source
    }

    /// Returns the matrix before the softmax [V, W], not scaled.
    pub fn softmax(&self) -> &Tensor {
        self.softmax.weight()
    }

    /// Computes the score of every token: the product of softmax matrix and hidden states, plus the bias.
    ///
    /// # Shapes
    /// [.., W] → [.., V].
    pub fn scores(&self, hidden: &Tensor) -> Tensor {
        self.softmax.product(hidden, self.bias.as_ref())
    }

    /// Returns the bias of the scores, [V]; `None` if there is none.
    pub fn softmax_bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }
}
