//! Attention of a recurrent decoder to the states of the source (`model.recurrent.attention`).

use super::Alignment;
use crate::model::ModelConfig;
use crate::model::init::glorot;
use crate::model::kinds::like;
use crate::model::linear::Linear;
use crate::model::weights::Scope;
use tch::Tensor;

/// How a state of the decoder is compared with the states of the source.
#[derive(Debug)]
pub enum Scores {
    /// v · tanh(W s + U h + b). The bias stands in U, whose products are computed once a sentence.
    Additive { state: Linear, source: Linear, vector: Linear },
    /// s · h
    Dot,
    /// s · W h
    General { source: Linear },
}

/// What is attended to, the same for all steps.
#[derive(Debug)]
pub struct Source {
    /// What queries are compared with: [B, S, A], or [B, S, E] of dot products.
    keys: Tensor,
    /// The states, [B, S, E].
    states: Tensor,
    /// Added to the scores, [B, 1, S].
    mask: Tensor,
}

impl Scores {
    /// None with `attention = "none"`.
    pub fn build(scope: &Scope, config: &ModelConfig) -> Option<Self> {
        let (hidden, states) = (config.recurrent.hidden, config.encoder_width());
        let width = config.recurrent.attention_width();
        let linear = |name: &str, inputs, outputs, bias| {
            Linear::build(&scope.child(name), inputs, outputs, glorot(inputs, outputs), bias)
        };
        Some(match config.recurrent.attention {
            Alignment::None => return None,
            Alignment::Additive => Scores::Additive {
                state: linear("state", hidden, width, false),
                source: linear("source", states, width, true),
                vector: linear("vector", width, 1, false),
            },
            Alignment::Dot => Scores::Dot,
            Alignment::General => Scores::General { source: linear("source", states, hidden, false) },
        })
    }

    /// # Shapes
    /// States [B, S, E], mask [B, 1, 1, S].
    pub fn source(&self, states: Tensor, mask: &Tensor) -> Source {
        let keys = match self {
            Scores::Additive { source, .. } | Scores::General { source } => source.forward(&states),
            Scores::Dot => states.shallow_clone(),
        };
        Source { keys, mask: like(&mask.squeeze_dim(1), &states), states }
    }

    /// The context of each state of the decoder, and the weights with which it was made.
    ///
    /// # Shapes
    /// `queries` [B, T, N] → context [B, T, E], weights [B, T, S].
    pub fn attend(&self, queries: &Tensor, source: &Source) -> (Tensor, Tensor) {
        let scores = match self {
            Scores::Additive { state, vector, .. } => {
                let sums = state.forward(queries).unsqueeze(2) + source.keys.unsqueeze(1);
                vector.forward(&sums.tanh()).squeeze_dim(-1)
            }
            Scores::Dot | Scores::General { .. } => queries.matmul(&source.keys.transpose(1, 2)),
        };
        let weights = (scores + &source.mask).softmax(-1, None);
        (weights.matmul(&source.states), weights)
    }
}

impl Source {
    /// Width of the states: E.
    pub fn width(&self) -> i64 {
        self.states.size()[2]
    }

    /// The rows that `rows` names.
    pub fn select(&self, rows: &Tensor) -> Self {
        let select = |x: &Tensor| x.index_select(0, rows);
        Source { keys: select(&self.keys), states: select(&self.states), mask: select(&self.mask) }
    }
}
