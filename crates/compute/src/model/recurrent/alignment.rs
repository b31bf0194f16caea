//! Attention of a recurrent decoder to the states of the source (`model.recurrent.attention`).

use super::Alignment;
use crate::model::ModelConfig;
use crate::model::kinds::like;
use crate::model::linear::Linear;
use crate::model::weights::Scope;
use tch::Tensor;

/// A function that compares a state of the decoder with the states of the source.
#[derive(Debug)]
pub enum Scores {
    /// v · tanh(W s + U h + b). The bias belongs to U, whose products are computed once per sentence.
    Additive { state: Linear, source: Linear, vector: Linear },
    /// s · h
    Dot,
    /// s · W h
    General { source: Linear },
}

/// The states of a source, to which every step attends.
#[derive(Debug)]
pub struct Source<'a> {
    scores: &'a Scores,
    /// The vectors with which queries are compared: [B, S, A], or [B, S, E] for dot products.
    keys: Tensor,
    /// The states, [B, S, E].
    states: Tensor,
    /// A mask that is added to the scores, [B, 1, S].
    mask: Tensor,
}

impl Scores {
    /// Builds the score function; `None` if the configuration chooses no attention.
    pub fn build(scope: &Scope, config: &ModelConfig) -> Option<Self> {
        let (hidden, states) = (config.recurrent.hidden, config.encoder_width());
        let width = config.recurrent.attention_width();
        let linear =
            |name: &str, inputs, outputs, bias| Linear::glorot(&scope.child(name), inputs, outputs, bias);
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
    pub fn source(&self, states: Tensor, mask: &Tensor) -> Source<'_> {
        let keys = match self {
            Scores::Additive { source, .. } | Scores::General { source } => source.forward(&states),
            Scores::Dot => states.shallow_clone(),
        };
        Source { scores: self, keys, mask: like(&mask.squeeze_dim(1), &states), states }
    }
}

impl Source<'_> {
    /// Returns the context of each state of the decoder, and the attention weights.
    ///
    /// # Shapes
    /// `queries` [B, T, N] → context [B, T, E], weights [B, T, S].
    pub fn attend(&self, queries: &Tensor) -> (Tensor, Tensor) {
        let scores = match self.scores {
            Scores::Additive { state, vector, .. } => {
                let sums = state.forward(queries).unsqueeze(2) + self.keys.unsqueeze(1);
                vector.forward(&sums.tanh()).squeeze_dim(-1)
            }
            Scores::Dot | Scores::General { .. } => queries.matmul(&self.keys.transpose(1, 2)),
        };
        let weights = (scores + &self.mask).softmax(-1, None);
        (weights.matmul(&self.states), weights)
    }

    /// Returns the width of the states: E.
    pub fn width(&self) -> i64 {
        self.states.size()[2]
    }

    /// Returns the rows with these indices.
    pub fn select(&self, rows: &Tensor) -> Self {
        let select = |x: &Tensor| x.index_select(0, rows);
        let [keys, states, mask] = [&self.keys, &self.states, &self.mask].map(select);
        Source { scores: self.scores, keys, states, mask }
    }
}
