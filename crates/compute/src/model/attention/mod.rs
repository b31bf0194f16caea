//! Multi-head attention (§3.2), and its variants of section `[model.attention]`, one concept per file.

pub mod cache;
pub mod fused;
pub mod maps;
pub mod projections;
pub mod score;
pub mod span;

use super::ModelConfig;
use super::dropout::Dropout;
use super::implementations::Implementations;
use super::init::Attends;
use super::keys_and_values::KeysAndValues;
use super::mask::{Mask, Visible};
use super::mode::Mode;
use super::position::{AttentionPositions, PassPositions};
use super::weights::Scope;
use crate::shim::decoding;
use projections::ProjectionMatrices;
use score::ScoreFunction;
use span::{Mixing, Pattern, Reach};
use tch::Tensor;

/// Concat(head₁ … head_H) W_O with head_i = softmax(score(Q_i, K_i)) V_i; the paper's score is Q_i K_iᵀ / √d_k.
///
/// Heads, d_k and d_v are independent of d_model and of each other.
///
/// # Source
/// Vaswani et al. 2017, §3.2.1 eq. 1 and §3.2.2.
#[derive(Debug)]
pub struct MultiHeadAttention {
    projections: ProjectionMatrices,
    score: ScoreFunction,
    reach: Reach,
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
        let (heads, d_k, d_v) = (config.heads, config.d_k(), config.d_v());
        let score = match attends {
            Attends::Itself => config.attention.score,
            Attends::Encoder => config.attention.cross_score(),
        };
        MultiHeadAttention {
            projections: ProjectionMatrices::build(scope, config, attends),
            score: ScoreFunction::build(scope, score, heads, d_k),
            reach: Reach::Full,
            heads,
            d_k,
            d_v,
            dropout: Dropout::build(&scope.child("attention_dropout"), config.attention_dropout),
            positions: AttentionPositions::build(scope, config, attends),
            may_fuse: Implementations::of_layer(config, attends).fused_attention.is_ok(),
        }
    }

    /// Returns this self-attention layer with another reach.
    ///
    /// # Panics
    /// If positions need the scores of all pairs and the reach does not compute them, which
    /// [`conflicts`](crate::config::conflict::conflicts) refuses.
    pub fn reaching(self, reach: Reach) -> Self {
        assert!(
            reach.takes_masks_of_pairs() || !self.positions.need_all_pairs(),
            "relative positions have no form for spans"
        );
        MultiHeadAttention { reach, ..self }
    }

    /// Returns the reach of the layer.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Computes keys and values of `x`, for one attention or, in decoding, for many.
    ///
    /// # Shapes
    /// [B, S, D] → [B, H, S, K] and [B, H, S, d_v].
    pub fn keys_and_values(&self, x: &Tensor, positions: &PassPositions) -> KeysAndValues {
        let [keys, values] = self.unsplit_keys_and_values(x, positions);
        KeysAndValues { keys: self.split_heads(&keys, self.d_k), values: self.split_heads(&values, self.d_v) }
    }

    /// Computes the same before the split into heads.
    ///
    /// # Shapes
    /// [B, S, D] → [B, S, H·K] and [B, S, H·d_v].
    pub fn unsplit_keys_and_values(&self, x: &Tensor, positions: &PassPositions) -> [Tensor; 2] {
        [self.positions.on_queries_and_keys(self.projections.key(x), positions), self.projections.value(x)]
    }

    /// [B, T, D] → [B, T, H·K].
    fn queries(&self, x: &Tensor, positions: &PassPositions) -> Tensor {
        self.positions.on_queries_and_keys(self.score.on_queries(self.projections.query(x)), positions)
    }

    /// Attends with one query a row to the first `lengths[r]` of `seen`, on a CPU in float32; see [`decoding`].
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
        self.projections.output(&self.attend_once(&queries, seen, lengths)).unsqueeze(1)
    }

    /// Computes attention of `x` to itself, on a CPU in float32 and without a graph; see [`decoding`].
    ///
    /// # Shapes
    /// `x` [B, S, D] with each row's length without padding → [B, S, D].
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
        let heads = self.attend_once(&queries, &seen, &lengths);
        self.projections.output(&heads.view([batch, width, self.heads * self.d_v]))
    }

    /// [`decoding::attend_once`] with this layer's score: [R, H·K] → [R, H·d_v].
    fn attend_once(&self, queries: &Tensor, seen: &[decoding::Position], lengths: &[i64]) -> Tensor {
        let scale = self.score.scale().expect("the gate of fast paths lets products alone come here");
        decoding::attend_once(queries, seen, lengths, self.heads, (self.d_k, self.d_v), scale)
    }

    /// Computes attention of `x` to all of `attended` that `mask` shows, whatever the layer's reach. `mask` includes
    /// the addition of [`PassPositions::on_mask`].
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
        self.joined(self.to_all(&queries, attended, mask, positions, mode))
    }

    /// Computes attention of `x` to itself, as far as the layer reaches. A mask in `visible` includes the addition of
    /// [`PassPositions::on_mask`].
    ///
    /// # Shapes
    /// [B, T, D] → [B, T, D].
    pub fn forward_to_itself(
        &self,
        x: &Tensor,
        visible: Visible,
        positions: &PassPositions,
        mode: &Mode,
    ) -> Tensor {
        let attended = self.keys_and_values(x, positions);
        let sentences = match visible {
            Visible::Masked(mask) => return self.forward(x, &attended, mask, positions, mode),
            Visible::Sentences(sentences) => sentences,
        };
        let queries = self.split_heads(&self.queries(x, positions), self.d_k);
        let in_pattern =
            |pattern: &dyn Pattern| self.in_pattern(pattern, &queries, &attended, sentences, positions, mode);
        self.joined(match &self.reach {
            Reach::Full => unreachable!("a layer that reaches everything takes a mask of pairs"),
            Reach::Local(local) => in_pattern(local),
            Reach::BigBird(big_bird) => in_pattern(big_bird),
            Reach::Linformer(linformer) => {
                let mixtures = linformer.mix(&attended, sentences);
                // Weights of mixtures are not a map of positions, so they are not recorded.
                let unwatched = Mode::evaluation();
                let mode = if mode.records_attention() { &unwatched } else { mode };
                self.to_all(&queries, &mixtures, Mask::None, positions, mode)
            }
        })
    }

    /// Attends to everything that `mask` shows.
    ///
    /// # Shapes
    /// `queries` [B, H, T, K] → [B, H, T, d_v].
    fn to_all(
        &self,
        queries: &Tensor,
        attended: &KeysAndValues,
        mask: Mask,
        positions: &PassPositions,
        mode: &Mode,
    ) -> Tensor {
        let scale = self.score.scale();
        let bias = scale.and_then(|scale| self.positions.on_scores(queries, scale, positions));
        let masked = bias.map(|bias| mask.with(bias));
        let mask = masked.as_ref().map_or(mask, Mask::Added);
        match scale.filter(|_| self.may_fuse && !mode.records_attention()) {
            Some(scale) if fused::serves(queries, attended) => {
                let dropped = (self.dropout.rate(), self.dropout.stream(mode));
                fused::attend(queries, attended, mask, scale, dropped)
            }
            _ => {
                let on_values = |weights: &Tensor| self.positions.on_values(weights, positions);
                plain(&self.score, queries, attended, mask, on_values, &self.dropout, mode)
            }
        }
    }

    /// Attends to the pairs of a pattern, without padding and within one sentence.
    ///
    /// # Shapes
    /// `queries` [B, H, T, K] → [B, H, T, d_v].
    fn in_pattern(
        &self,
        pattern: &dyn Pattern,
        queries: &Tensor,
        attended: &KeysAndValues,
        sentences: &Tensor,
        positions: &PassPositions,
        mode: &Mode,
    ) -> Tensor {
        if mode.records_attention() || pattern.is_short(queries.size()[2]) {
            let mask = span::mask_of(pattern, sentences, positions, queries);
            return self.to_all(queries, attended, Mask::Added(&mask), positions, mode);
        }
        let mixing = Mixing { score: &self.score, positions, dropout: &self.dropout, mode };
        pattern.attend_in_blocks(&mixing, queries, attended, sentences)
    }

    /// [B, H, T, d_v] → [B, T, D].
    fn joined(&self, heads: Tensor) -> Tensor {
        self.projections.output(&heads.transpose(1, 2).flatten(2, 3))
    }

    /// [B, T, H·width] → [B, H, T, width].
    fn split_heads(&self, x: &Tensor, width: i64) -> Tensor {
        let (batch, length) = (x.size()[0], x.size()[1]);
        x.view([batch, length, self.heads, width]).transpose(1, 2)
    }
}

/// Computes the definition, softmax(score(Q, K) + mask) V, operation by operation, and records the weights if `mode`
/// asks for it. Adds the result of `on_values` for the weights.
///
/// # Shapes
/// `queries` [B, H, T, K], not scaled → [B, H, T, d_v].
pub(super) fn plain(
    score: &ScoreFunction,
    queries: &Tensor,
    attended: &KeysAndValues,
    mask: Mask,
    on_values: impl Fn(&Tensor) -> Option<Tensor>,
    dropout: &Dropout,
    mode: &Mode,
) -> Tensor {
    let scores = score.of(queries, &attended.keys);
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
