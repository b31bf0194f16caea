//! Multi-head scaled dot-product attention (§3.2).

use super::dropout::Dropout;
use super::implementations::Implementations;
use super::init::{self, Attends};
use super::keys_and_values::KeysAndValues;
use super::linear::Linear;
use super::mask::Mask;
use super::mode::Mode;
use super::position::{AttentionPositions, PassPositions};
use super::weights::Scope;
use super::{ModelConfig, fused_attention};
use crate::shim::decoding;
use tch::Tensor;

/// Concat(head₁ … head_H) W_O with head_i = softmax(Q_i K_iᵀ / √d_k) V_i.
///
/// Heads, d_k and d_v are independent of d_model and of each other.
///
/// # Source
/// Vaswani et al. 2017, §3.2.1 eq. 1 and §3.2.2.
#[derive(Debug)]
pub struct MultiHeadAttention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    heads: i64,
    d_k: i64,
    d_v: i64,
    dropout: Dropout,
    positions: AttentionPositions,
    /// Whether libtorch's fused kernel computes this attention.
    may_fuse: bool,
}

impl MultiHeadAttention {
    pub fn build(scope: &Scope, config: &ModelConfig, attends: Attends) -> Self {
        let (d_model, heads, d_k, d_v) = (config.d_model, config.heads, config.d_k(), config.d_v());
        let starts = init::projections(config, attends);
        let linear = |name: &str, inputs, outputs, start| {
            Linear::build(&scope.child(name), inputs, outputs, start, config.attention_biases)
        };
        MultiHeadAttention {
            query: linear("query", d_model, heads * d_k, starts.query),
            key: linear("key", d_model, heads * d_k, starts.key),
            value: linear("value", d_model, heads * d_v, starts.value),
            output: linear("output", heads * d_v, d_model, init::glorot(heads * d_v, d_model)),
            heads,
            d_k,
            d_v,
            dropout: Dropout::build(&scope.child("attention_dropout"), config.attention_dropout),
            positions: AttentionPositions::build(scope, config, attends),
            may_fuse: Implementations::of(config).fused_attention.is_ok(),
        }
    }

    /// Keys and values of `x`, to be attended to once or, in decoding, many times.
    ///
    /// # Shapes
    /// [B, S, D] → [B, H, S, K] and [B, H, S, d_v].
    pub fn keys_and_values(&self, x: &Tensor, positions: &PassPositions) -> KeysAndValues {
        let [keys, values] = self.unsplit_keys_and_values(x, positions);
        KeysAndValues { keys: self.split_heads(&keys, self.d_k), values: self.split_heads(&values, self.d_v) }
    }

    /// The same before they are split into heads.
    ///
    /// # Shapes
    /// [B, S, D] → [B, S, H·K] and [B, S, H·d_v].
    pub fn unsplit_keys_and_values(&self, x: &Tensor, positions: &PassPositions) -> [Tensor; 2] {
        [self.positions.on_queries_and_keys(self.key.forward(x), positions), self.value.forward(x)]
    }

    /// [B, T, D] → [B, T, H·K].
    fn queries(&self, x: &Tensor, positions: &PassPositions) -> Tensor {
        self.positions.on_queries_and_keys(self.query.forward(x), positions)
    }

    /// One query a row to the first `lengths[r]` of `seen`, on a CPU in float32; see [`decoding`].
    ///
    /// # Shapes
    /// `x` [R, 1, D] → [R, 1, D].
    pub fn forward_once(
        &self,
        x: &Tensor,
        positions: &PassPositions,
        seen: &[decoding::Position],
        lengths: &[i64],
    ) -> Tensor {
        let queries = self.queries(x, positions).squeeze_dim(1);
        let heads = decoding::attend_once(&queries, seen, lengths, self.heads, (self.d_k, self.d_v));
        self.output.forward(&heads).unsqueeze(1)
    }

    /// Attention of `x` to itself, on a CPU in float32 and without a graph; see [`decoding`].
    ///
    /// # Shapes
    /// `x` [B, S, D] with the real length of each row → [B, S, D].
    pub fn forward_rows(&self, x: &Tensor, positions: &PassPositions, lengths: &[i64]) -> Tensor {
        let (batch, width, _) = x.size3().expect("rows of positions");
        let each = |of: fn(usize, i64) -> i64| -> Vec<i64> {
            let rows = lengths.iter().enumerate();
            rows.flat_map(|(row, &length)| std::iter::repeat_n(of(row, length), width as usize)).collect()
        };
        let (owners, lengths) = (each(|row, _| row as i64), each(|_, length| length));
        let projected = self.unsplit_keys_and_values(x, positions);
        let at = |position| projected.each_ref().map(|vectors| vectors.select(1, position));
        let vectors: Vec<[Tensor; 2]> = (0..width).map(at).collect();
        let owners = &owners[..];
        let seen: Vec<decoding::Position> =
            vectors.iter().map(|[keys, values]| decoding::Position { keys, values, owners }).collect();
        let queries = self.queries(x, positions).view([batch * width, self.heads * self.d_k]);
        let heads = decoding::attend_once(&queries, &seen, &lengths, self.heads, (self.d_k, self.d_v));
        self.output.forward(&heads.view([batch, width, self.heads * self.d_v]))
    }

    /// Attention of `x` to what may be attended to. `mask` holds what [`PassPositions::on_mask`] adds to it.
    ///
    /// # Shapes
    /// `x` [B, T, D], `attended` of length S, `mask` for [B, H, T, S] → [B, T, D].
    pub fn forward(
        &self,
        x: &Tensor,
        attended: &KeysAndValues,
        mask: Mask,
        positions: &PassPositions,
        mode: &Mode,
    ) -> Tensor {
        let queries = self.split_heads(&self.queries(x, positions), self.d_k);
        let bias = self.positions.on_scores(&queries, positions);
        let masked = bias.map(|bias| mask.with(bias));
        let mask = masked.as_ref().map_or(mask, Mask::Added);
        let heads = if self.may_fuse
            && !mode.records_attention()
            && fused_attention::serves(&queries, attended)
        {
            fused_attention::attend(&queries, attended, mask, self.dropout.rate(), self.dropout.stream(mode))
        } else {
            let on_values = |weights: &Tensor| self.positions.on_values(weights, positions);
            plain(&queries, attended, mask, on_values, &self.dropout, mode)
        }; // [B, H, T, d_v]
        let (batch, length) = (x.size()[0], x.size()[1]);
        self.output.forward(&heads.transpose(1, 2).reshape([batch, length, self.heads * self.d_v]))
    }

    /// [B, T, H·width] → [B, H, T, width].
    fn split_heads(&self, x: &Tensor, width: i64) -> Tensor {
        let (batch, length) = (x.size()[0], x.size()[1]);
        x.view([batch, length, self.heads, width]).transpose(1, 2)
    }
}

/// The definition: softmax(QKᵀ / √d_k + mask) V, operation by operation, with weights that can be watched. What
/// `on_values` makes of the weights is added.
///
/// # Shapes
/// `queries` [B, H, T, K], not scaled → [B, H, T, d_v].
pub(super) fn plain(
    queries: &Tensor,
    attended: &KeysAndValues,
    mask: Mask,
    on_values: impl Fn(&Tensor) -> Option<Tensor>,
    dropout: &Dropout,
    mode: &Mode,
) -> Tensor {
    let d_k = queries.size()[3];
    // Scaling the queries instead of the scores touches K numbers a position, not S.
    let queries = queries * (d_k as f64).powf(-0.5);
    let scores = queries.matmul(&attended.keys.transpose(-2, -1));
    let scores = match mask {
        Mask::None => scores,
        Mask::Added(added) | Mask::Causal(added) => scores + added,
    };
    let weights = scores.softmax(-1, None); // [B, H, T, S]
    mode.record_attention(&weights);
    let weights = dropout.forward(weights, mode);
    let mixed = weights.matmul(&attended.values);
    match on_values(&weights) {
        Some(more) => mixed + more,
        None => mixed,
    }
}
