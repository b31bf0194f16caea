//! The loss of word vectors: a word against noise words (Mikolov et al. 2013b, §2.2).

use crate::model::kinds::{like, wide};
use tch::{Kind, Tensor};

/// The scores of predictions: products of hidden states with output vectors.
#[derive(Debug)]
pub struct Scores {
    /// Scores of the predicted words, [N].
    words: Tensor,
    /// Scores of their noise words, [N, K].
    noise: Tensor,
    /// Whether each noise word counts, [N, K]: not if it is the predicted word itself.
    counted: Tensor,
}

impl Scores {
    /// # Shapes
    /// `hidden` [N, D], `matrix` of output vectors [V, D], `targets` [N], `negatives` [N, K]. Differentiable. For a
    /// bfloat16 `hidden`, products are computed in bfloat16 and everything else in float32.
    pub fn of(hidden: &Tensor, matrix: &Tensor, targets: &Tensor, negatives: &Tensor) -> Self {
        let targets = targets.unsqueeze(1);
        let words = Tensor::cat(&[&targets, negatives], 1);
        let vectors = like(&Tensor::embedding(matrix, &words, -1, false, false), hidden);
        let scores = wide(&vectors.bmm(&hidden.unsqueeze(2)).squeeze_dim(2));
        Scores {
            words: scores.select(1, 0),
            noise: scores.narrow(1, 1, negatives.size()[1]),
            counted: negatives.not_equal_tensor(&targets),
        }
    }

    /// Returns the sum over all predictions of -ln σ(score of the word) - Σ ln σ(-score of a noise word), in nats; a
    /// scalar of float64.
    ///
    /// # Source
    /// Mikolov et al. 2013b, eq. 4. As in the released code, a noise word that is the predicted word itself is left out.
    pub fn loss(&self) -> Tensor {
        let noise = (-&self.noise).log_sigmoid() * self.counted.to_kind(self.noise.kind());
        -(self.words.log_sigmoid().sum(Kind::Double) + noise.sum(Kind::Double))
    }

    /// Returns the number of predictions in which the word has a higher score than every noise word.
    pub fn correct(&self) -> usize {
        let right =
            self.words.unsqueeze(1).greater_tensor(&self.noise).logical_or(&self.counted.logical_not());
        right.all_dim(1, false).sum(Kind::Int64).int64_value(&[]) as usize
    }
}

/// Returns the loss if every score is 0, in nats for a prediction with `negatives` noise words.
pub fn uniform_guess(negatives: usize) -> f64 {
    (negatives + 1) as f64 * std::f64::consts::LN_2
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns scores 0 and ln 3 of two words; noise words with the scores ln 3 and 0, and the second word itself.
    #[test]
    fn loss_and_accuracy_are_those_computed_by_hand() {
        let ln3 = 3f64.ln();
        let matrix = Tensor::from_slice2(&[[0.0, 1.0], [ln3, 0.0]]);
        let hidden = Tensor::from_slice2(&[[1.0, 0.0], [1.0, 0.0]]);
        let targets = Tensor::from_slice(&[0i64, 1]);
        let negatives = Tensor::from_slice2(&[[1i64, 1], [0, 1]]);
        let scores = Scores::of(&hidden, &matrix, &targets, &negatives);
        // σ(0) = 1/2, σ(ln 3) = 3/4, σ(-ln 3) = 1/4.
        let by_hand = -(0.5f64.ln() + 2.0 * 0.25f64.ln()) - (0.75f64.ln() + 0.5f64.ln());
        assert!((scores.loss().double_value(&[]) - by_hand).abs() < 1e-12);
        assert_eq!(scores.correct(), 1);
        let nothing = Scores::of(&(hidden * 0.0), &matrix, &targets, &negatives.narrow(1, 0, 1));
        assert!((nothing.loss().double_value(&[]) - 2.0 * uniform_guess(1)).abs() < 1e-12);
        assert_eq!(nothing.correct(), 0);
    }

    #[test]
    fn no_prediction_has_no_loss() {
        let (rows, ids) =
            (Tensor::zeros([0, 2], (Kind::Float, tch::Device::Cpu)), Tensor::from_slice::<i64>(&[]));
        let matrix = Tensor::ones([3, 2], (Kind::Float, tch::Device::Cpu)).set_requires_grad(true);
        let scores = Scores::of(&rows, &matrix, &ids, &ids.view([0, 4]));
        scores.loss().backward();
        assert_eq!((scores.loss().double_value(&[]), scores.correct()), (0.0, 0));
        assert_eq!(matrix.grad(), Tensor::zeros([3, 2], (Kind::Float, tch::Device::Cpu)));
    }
}
