//! Score functions of queries and keys (§3.2.1), chosen by `model.attention.score` and, for attention to the encoder,
//! `model.attention.cross_score`.

use crate::model::Score;
use crate::model::init::glorot;
use crate::model::kinds::like;
use crate::model::weights::Scope;
use tch::Tensor;

/// The score function of the heads of a layer.
///
/// # Source
/// Vaswani et al. 2017, §3.2.1, eq. 1; Luong et al. 2015, eq. 8 ("dot", "general"); Bahdanau et al. 2015, §3.1, where
/// the matrices W and U of v · tanh(W q + U k) are the projections of queries and keys here.
#[derive(Debug)]
pub enum ScoreFunction {
    /// scale · (q · k).
    Dot { scale: f64 },
    /// q W k. `weight` [H, K, K].
    Multiplicative { weight: Tensor },
    /// v · tanh(q + k). `vector` [H, K].
    Additive { vector: Tensor },
}

impl ScoreFunction {
    pub fn build(scope: &Scope, score: Score, heads: i64, d_k: i64) -> Self {
        let scope = scope.child("score");
        match score {
            Score::ScaledDot => ScoreFunction::Dot { scale: (d_k as f64).powf(-0.5) },
            Score::Dot => ScoreFunction::Dot { scale: 1.0 },
            Score::Multiplicative => ScoreFunction::Multiplicative {
                weight: scope.variable("weight", &[heads, d_k, d_k], glorot(d_k, d_k)),
            },
            Score::Additive => {
                ScoreFunction::Additive { vector: scope.variable("vector", &[heads, d_k], glorot(d_k, 1)) }
            }
        }
    }

    /// Replaces the queries by q W if the score has a matrix, so that the score is a product.
    ///
    /// # Shapes
    /// [B, T, H·K] → [B, T, H·K].
    pub fn on_queries(&self, queries: Tensor) -> Tensor {
        match self {
            ScoreFunction::Multiplicative { weight } => {
                let (batch, length, width) = queries.size3().expect("rows of positions");
                let (heads, d_k, _) = weight.size3().expect("a matrix for each head");
                let split = queries.view([batch, length, heads, d_k]).transpose(1, 2);
                split.matmul(&like(weight, &queries)).transpose(1, 2).reshape([batch, length, width])
            }
            ScoreFunction::Dot { .. } | ScoreFunction::Additive { .. } => queries,
        }
    }

    /// Returns the factor of the products of queries and keys; `None` if the score is not a product.
    pub fn scale(&self) -> Option<f64> {
        match self {
            ScoreFunction::Dot { scale } => Some(*scale),
            ScoreFunction::Multiplicative { .. } => Some(1.0),
            ScoreFunction::Additive { .. } => None,
        }
    }

    /// Computes the score of every query with every key.
    ///
    /// # Shapes
    /// Queries [B, H, .., T, K] after [`on_queries`](Self::on_queries), keys [B, H, .., S, K] → [B, H, .., T, S].
    pub fn of(&self, queries: &Tensor, keys: &Tensor) -> Tensor {
        match self {
            // Scaling the queries instead of the scores changes K numbers per position, not S.
            ScoreFunction::Dot { scale } if *scale != 1.0 => {
                (queries * *scale).matmul(&keys.transpose(-2, -1))
            }
            ScoreFunction::Dot { .. } | ScoreFunction::Multiplicative { .. } => {
                queries.matmul(&keys.transpose(-2, -1))
            }
            ScoreFunction::Additive { vector } => {
                // Split heads are strided, and so would their sums be: the product with the vector would copy these.
                let (queries, keys) = (queries.contiguous(), keys.contiguous());
                let hidden = (queries.unsqueeze(-2) + keys.unsqueeze(-3)).tanh(); // [B, H, .., T, S, K]
                let (heads, d_k) = vector.size2().expect("a vector for each head");
                let mut shape = vec![heads];
                shape.resize(queries.dim() - 2, 1);
                shape.extend([d_k, 1]);
                hidden.matmul(&like(vector, &hidden).view(shape.as_slice())).squeeze_dim(-1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn numbers(size: &[i64], by: f64) -> Tensor {
        let count = size.iter().product::<i64>();
        (Tensor::arange(count, (Kind::Double, Device::Cpu)) * by).sin().view(size)
    }

    /// Each score of each head by its formula, number by number.
    #[test]
    fn scores_follow_their_formulas() {
        let (heads, d_k, queries, keys) = (2, 3, numbers(&[2, 4, 2 * 3], 0.7), numbers(&[2, 2, 5, 3], 1.3));
        for score in [Score::ScaledDot, Score::Dot, Score::Additive, Score::Multiplicative] {
            let scope = Scope::seeded(4, Kind::Double, Device::Cpu);
            let function = ScoreFunction::build(&scope, score, heads, d_k);
            let split = |x: Tensor| x.view([2, 4, heads, d_k]).transpose(1, 2);
            let found = function.of(&split(function.on_queries(queries.shallow_clone())), &keys);
            assert_eq!(found.size(), [2, heads, 4, 5]);
            let plain = split(queries.shallow_clone());
            for (row, head, t, s) in [(0, 0, 0, 0), (1, 0, 3, 2), (0, 1, 2, 4), (1, 1, 1, 3)] {
                let q: Vec<f64> = plain.get(row).get(head).get(t).try_into().unwrap();
                let k: Vec<f64> = keys.get(row).get(head).get(s).try_into().unwrap();
                let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
                let wanted = match &function {
                    ScoreFunction::Dot { .. } if score == Score::ScaledDot => dot(&q, &k) / 3f64.sqrt(),
                    ScoreFunction::Dot { .. } => dot(&q, &k),
                    ScoreFunction::Multiplicative { weight } => {
                        let column = |b: i64| -> f64 {
                            (0..3).map(|a| q[a as usize] * weight.double_value(&[head, a, b])).sum()
                        };
                        dot(&(0..3).map(column).collect::<Vec<_>>(), &k)
                    }
                    ScoreFunction::Additive { vector } => {
                        let v: Vec<f64> = vector.get(head).try_into().unwrap();
                        let hidden: Vec<f64> = q.iter().zip(&k).map(|(q, k)| (q + k).tanh()).collect();
                        dot(&v, &hidden)
                    }
                };
                let gap = (found.double_value(&[row, head, t, s]) - wanted).abs();
                assert!(gap < 1e-14, "{score:?}: {gap:e}");
            }
        }
    }
}
