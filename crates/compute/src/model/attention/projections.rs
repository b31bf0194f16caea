//! The matrices of an attention layer (§3.2.2), chosen by `model.attention.projections`.

use crate::model::init::{self, Attends};
use crate::model::linear::Linear;
use crate::model::weights::Scope;
use crate::model::{ModelConfig, Projections};
use tch::Tensor;

/// The maps from the input to queries, keys and values of all heads, and from the heads to the output. A map that a
/// variant does not have is the identity.
///
/// # Source
/// Vaswani et al. 2017, §3.2.2. Kitaev et al. 2020, §2 (shared queries and keys).
#[derive(Debug)]
pub struct ProjectionMatrices {
    query: Option<Linear>,
    key: Option<Linear>,
    value: Option<Linear>,
    output: Option<Linear>,
    /// Whether the keys' matrix also computes the queries.
    shared: bool,
}

impl ProjectionMatrices {
    pub fn build(scope: &Scope, config: &ModelConfig, attends: Attends) -> Self {
        let (d_model, d_k, d_v) = (config.d_model, config.heads * config.d_k(), config.heads * config.d_v());
        let starts = init::projections(config, attends);
        let linear = |name: &str, inputs, outputs, start| {
            Some(Linear::build(&scope.child(name), inputs, outputs, start, config.attention_biases))
        };
        let query = || linear("query", d_model, d_k, starts.query);
        let key = || linear("key", d_model, d_k, starts.key);
        let value = || linear("value", d_model, d_v, starts.value);
        let output = || linear("output", d_v, d_model, init::last_matrix(config, d_v, d_model));
        let (query, key, value, output, shared) = match config.attention.projections {
            Projections::Separate => (query(), key(), value(), output(), false),
            Projections::SharedQueryKey => (None, key(), value(), output(), true),
            Projections::ValuesOnly => (None, None, value(), output(), false),
            Projections::None => (None, None, None, None, false),
        };
        ProjectionMatrices { query, key, value, output, shared }
    }

    /// [.., D] → [.., H·K].
    pub fn query(&self, x: &Tensor) -> Tensor {
        map(if self.shared { &self.key } else { &self.query }, x)
    }

    /// [.., D] → [.., H·K].
    pub fn key(&self, x: &Tensor) -> Tensor {
        map(&self.key, x)
    }

    /// [.., D] → [.., H·d_v].
    pub fn value(&self, x: &Tensor) -> Tensor {
        map(&self.value, x)
    }

    /// [.., H·d_v] → [.., D].
    pub fn output(&self, heads: &Tensor) -> Tensor {
        map(&self.output, heads)
    }
}

fn map(linear: &Option<Linear>, x: &Tensor) -> Tensor {
    linear.as_ref().map_or_else(|| x.shallow_clone(), |linear| linear.forward(x))
}
