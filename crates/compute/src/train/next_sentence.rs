//! Next-sentence prediction: whether the second text of a row follows the first (Devlin et al. 2019, §3.1).

use crate::data::collate::SecondTexts;
use crate::model::kinds::wide;
use tch::{Kind, Tensor};

/// Returns the cross-entropy in nats, with each row weighted by its number of tokens to predict: divided by the number
/// of all these tokens, it is the mean over rows of equal length, which BERT adds to the mean over tokens.
///
/// # Shapes
/// `scores` [B, 2] → a scalar of float64. Differentiable.
pub fn loss(scores: &Tensor, texts: &SecondTexts) -> Tensor {
    let log_probabilities = wide(scores).log_softmax(-1, None);
    let of_rows = log_probabilities.gather(1, &texts.targets.unsqueeze(1), false).squeeze_dim(1);
    -(of_rows.to_kind(Kind::Double) * &texts.weights).sum(Kind::Double)
}

/// Returns the number of rows in which the right answer has the higher score.
pub fn correct(scores: &Tensor, texts: &SecondTexts) -> usize {
    let right = scores.argmax(-1, false).eq_tensor(&texts.targets).sum(Kind::Int64);
    right.int64_value(&[]) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: -ln σ(2) = 0.12692801104297263 and -ln σ(-1) = 1.3132616875182228.
    #[test]
    fn rows_are_weighed_by_their_tokens() {
        let texts = SecondTexts {
            segments: Tensor::zeros([2, 3], tch::kind::INT64_CPU),
            targets: Tensor::from_slice(&[1i64, 0]),
            weights: Tensor::from_slice(&[3.0, 1.0]),
        };
        let scores = Tensor::from_slice2(&[[1.0, 3.0], [0.5, 1.5]]).set_requires_grad(true);
        let found = loss(&scores, &texts);
        let expected = 3.0 * 0.126_928_011_042_972_63 + 1.313_261_687_518_222_8;
        assert!((found.double_value(&[]) - expected).abs() < 1e-12);
        assert_eq!(correct(&scores, &texts), 1);
        found.backward();
        // Softmax minus the target, times the weight.
        let gradient = scores.grad().double_value(&[0, 0]);
        assert!((gradient - 3.0 * 0.119_202_922_022_117_57).abs() < 1e-12, "{gradient}");
    }
}
