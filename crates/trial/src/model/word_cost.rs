//! The cost of word vectors. For a batch, B is the number of rows, S the number of words in a row, N the number of
//! predictions; the target length is C, the number of words scored for a prediction: the predicted one and its noise words.

use super::forward_flops::{BatchShape, ForwardFlops};
use super::{ModelConfig, VocabularySizes};

/// Number of parameters: an input and an output vector for each word.
pub(super) fn parameters(config: &ModelConfig, vocabulary: VocabularySizes) -> u64 {
    (2 * config.rows(vocabulary.target) * config.d_model) as u64
}

/// Operations: products of a mean of input vectors with the output vectors of the scored words. Means do not count.
pub(super) fn forward(config: &ModelConfig, shape: &BatchShape) -> ForwardFlops {
    ForwardFlops { logits: 2.0 * scores(shape) * config.d_model as f64, ..Default::default() }
}

/// Numbers kept: the vectors of the rows, one for each prediction, and those of the scored words; and three numbers for
/// each score, among them its logarithm and whether it counts.
pub(super) fn kept(config: &ModelConfig, shape: &BatchShape) -> f64 {
    let [rows, words, predictions] = [shape.pairs, shape.source, shape.scored].map(|n| n as f64);
    let vectors = rows * words + predictions + scores(shape);
    vectors * config.d_model as f64 + 3.0 * scores(shape)
}

/// Numbers for the gradients of the scored words' vectors, and for the gradient of a whole matrix.
pub(super) fn passing(config: &ModelConfig, matrix_rows: i64, shape: &BatchShape) -> f64 {
    (scores(shape) + matrix_rows as f64) * config.d_model as f64
}

fn scores(shape: &BatchShape) -> f64 {
    shape.scored as f64 * shape.target as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cost::Cost;
    use crate::model::{DecoderKind, EncoderKind};

    /// 692,000 words with 300 numbers each, like the Google News vectors of Mikolov et al. 2013, and their output vectors.
    #[test]
    fn word_vectors_have_two_matrices_and_a_product_for_each_score() {
        let config = ModelConfig {
            encoder: EncoderKind::None,
            decoder: DecoderKind::None,
            d_model: 300,
            ..Default::default()
        };
        let cost = Cost::of(&config, 692_000);
        assert_eq!(cost.parameters(), 2 * 692_000 * 300);
        let shape = BatchShape { pairs: 100, source: 1, target: 6, scored: 500 };
        assert_eq!(cost.forward(&shape).training(), 3.0 * 2.0 * 300.0 * 6.0 * 500.0);
        assert_eq!((cost.width(), cost.has_softmax()), (300, false));
        assert!(cost.kept(&shape) > 300.0 * 3_600.0 && cost.passing(&shape) > 300.0 * 692_000.0);
    }
}
