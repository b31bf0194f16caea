//! Multi-head attention (§3.2), and its variants of section `[model.attention]`, one concept a file.

pub mod cache;
pub mod config;
pub mod fused;
pub mod maps;
pub mod projections;
pub mod score;
pub mod span;

use super::ModelConfig;
use super::dropout::Dropout;
use super::implementations::Implementations;
use super::init::Attends;
use super::mask::Mask;
use super::mode::Mode;
use super::position::{AttentionPositions, Places};
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

/// Projected keys [B, H, S, K] and values [B, H, S, d_v] that queries attend to.
#[derive(Debug)]
pub struct KeysAndValues {
    pub keys: Tensor,
    pub values: Tensor,
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
            positions: AttentionPositions::build(config, attends),
            may_fuse: Implementations::of_layer(config, attends).fused_attention.is_ok(),
        }
    }

    /// The same layer, of a sequence that attends to itself, with this reach.
    pub fn reaching(self, reach: Reach) -> Self {
        MultiHeadAttention { reach, ..self }
    }

    /// How far the layer sees.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Keys and values of `x`, to be attended to once or, in decoding, many times.
    ///
    /// # Shapes
    /// [B, S, D] → [B, H, S, K] and [B, H, S, d_v].
    pub fn keys_and_values(&self, x: &Tensor, places: Places) -> KeysAndValues {
        let [keys, values] = self.unsplit_keys_and_values(x, places);
        KeysAndValues { keys: self.split_heads(&keys, self.d_k), values: self.split_heads(&values, self.d_v) }
    }

    /// The same before they are split into heads.
    ///
    /// # Shapes
    /// [B, S, D] → [B, S, H·K] and [B, S, H·d_v].
    pub fn unsplit_keys_and_values(&self, x: &Tensor, places: Places) -> [Tensor; 2] {
        [self.positions.on_queries_and_keys(self.projections.key(x), places), self.projections.value(x)]
    }

    /// [B, T, D] → [B, T, H·K].
    fn queries(&self, x: &Tensor, places: Places) -> Tensor {
        self.positions.on_queries_and_keys(self.score.on_queries(self.projections.query(x)), places)
    }

    /// One query a row, at `place`, to the first `lengths[r]` of `seen`, on a CPU in float32; see [`decoding`].
    ///
    /// # Shapes
    /// `x` [R, 1, D] → [R, 1, D].
    pub fn forward_once(
        &self,
        x: &Tensor,
        place: i64,
        seen: &[decoding::Position],
        lengths: &[i64],
    ) -> Tensor {
        let queries = self.queries(x, Places::From(place)).squeeze_dim(1);
        self.projections.output(&self.attend_once(&queries, seen, lengths)).unsqueeze(1)
    }

    /// Attention of `x` to itself, on a CPU in float32 and without a graph; see [`decoding`].
    ///
    /// # Shapes
    /// `x` [B, S, D] with the real length of each row → [B, S, D].
    pub fn forward_rows(&self, x: &Tensor, lengths: &[i64]) -> Tensor {
        let (batch, width, _) = x.size3().expect("rows of positions");
        let each = |of: fn(usize, i64) -> i64| -> Vec<i64> {
            let rows = lengths.iter().enumerate();
            rows.flat_map(|(row, &length)| std::iter::repeat_n(of(row, length), width as usize)).collect()
        };
        let (owners, lengths) = (each(|row, _| row as i64), each(|_, length| length));
        let projected = self.unsplit_keys_and_values(x, Places::From(0));
        let at = |position| projected.each_ref().map(|vectors| vectors.select(1, position));
        let vectors: Vec<[Tensor; 2]> = (0..width).map(at).collect();
        let owners = &owners[..];
        let seen: Vec<decoding::Position> =
            vectors.iter().map(|[keys, values]| decoding::Position { keys, values, owners }).collect();
        let queries = self.queries(x, Places::From(0)).view([batch * width, self.heads * self.d_k]);
        let heads = self.attend_once(&queries, &seen, &lengths);
        self.projections.output(&heads.view([batch, width, self.heads * self.d_v]))
    }

    /// [`decoding::attend_once`] with this layer's score: [R, H·K] → [R, H·d_v].
    fn attend_once(&self, queries: &Tensor, seen: &[decoding::Position], lengths: &[i64]) -> Tensor {
        let scale = self.score.scale().expect("the gate of fast paths lets products alone come here");
        decoding::attend_once(queries, seen, lengths, self.heads, (self.d_k, self.d_v), scale)
    }

    /// Attention of `x`, whose tokens stand at `places`, to what stands at `seen`.
    ///
    /// # Shapes
    /// `x` [B, T, D], `attended` of length S, `mask` for [B, H, T, S] → [B, T, D].
    pub fn forward(
        &self,
        x: &Tensor,
        places: Places,
        attended: &KeysAndValues,
        seen: Places,
        mask: Mask,
        mode: &Mode,
    ) -> Tensor {
        let queries = self.split_heads(&self.queries(x, places), self.d_k);
        let heads = match &self.reach {
            Reach::Full => self.to_all(&queries, places, attended, seen, mask, mode),
            Reach::Local(pattern) => self.in_pattern(pattern, &queries, places, attended, mask, mode),
            Reach::BigBird(pattern) => self.in_pattern(pattern, &queries, places, attended, mask, mode),
            Reach::Linformer(linformer) => {
                let sentences = span::sentences(places, mask, x.size()[1], x.device());
                let mixtures = linformer.mix(attended, &sentences);
                // Weights of mixtures are no map of positions.
                let unwatched = Mode::evaluation();
                let mode = if mode.records_attention() { &unwatched } else { mode };
                self.to_all(&queries, places, &mixtures, seen, Mask::None, mode)
            }
        };
        self.joined(heads)
    }

    /// Attention of the next token `x`, which stands at `place`, to itself and those before it that a cache has kept:
    /// `attended`, the first of which stands at `first`.
    ///
    /// # Shapes
    /// `x` [B, 1, D] → [B, 1, D].
    pub fn forward_to_past(&self, x: &Tensor, place: i64, attended: &KeysAndValues, first: i64) -> Tensor {
        let here = Places::From(place);
        let queries = self.split_heads(&self.queries(x, here), self.d_k);
        let (seen, mode) = (Places::From(first), Mode::evaluation());
        self.joined(self.to_all(&queries, here, attended, seen, Mask::None, &mode))
    }

    /// All that `mask` shows.
    ///
    /// # Shapes
    /// `queries` [B, H, T, K] → [B, H, T, d_v].
    fn to_all(
        &self,
        queries: &Tensor,
        places: Places,
        attended: &KeysAndValues,
        seen: Places,
        mask: Mask,
        mode: &Mode,
    ) -> Tensor {
        let (length, seen_length) = (queries.size()[2], attended.keys.size()[2]);
        let bias = self.positions.on_scores((places, length), (seen, seen_length), queries);
        let masked = bias.map(|bias| mask.with(bias));
        let mask = masked.as_ref().map_or(mask, Mask::Added);
        match self.score.scale().filter(|_| self.may_fuse && !mode.records_attention()) {
            Some(scale) if fused::serves(queries, attended) => {
                let dropped = (self.dropout.rate(), self.dropout.stream(mode));
                fused::attend(queries, attended, mask, scale, dropped)
            }
            _ => plain(&self.score, queries, attended, mask, &self.dropout, mode),
        }
    }

    /// The pairs of a pattern that are real and of one sentence.
    ///
    /// # Shapes
    /// `queries` [B, H, T, K] → [B, H, T, d_v].
    fn in_pattern(
        &self,
        pattern: &dyn Pattern,
        queries: &Tensor,
        places: Places,
        attended: &KeysAndValues,
        mask: Mask,
        mode: &Mode,
    ) -> Tensor {
        let length = queries.size()[2];
        let sentences = span::sentences(places, mask, length, queries.device());
        if mode.records_attention() || pattern.is_short(length) {
            let mask = span::mask_of(pattern, &sentences, queries.kind());
            return self.to_all(queries, places, attended, places, Mask::Added(&mask), mode);
        }
        let (score, positions, dropout) = (&self.score, &self.positions, &self.dropout);
        let mixing = Mixing { score, positions, dropout, mode };
        pattern.attend_in_blocks(&mixing, queries, attended, &sentences)
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

/// The definition: softmax(score(Q, K) + mask) V, operation by operation, with weights that can be watched.
///
/// # Shapes
/// `queries` [B, H, T, K], not scaled → [B, H, T, d_v].
pub(super) fn plain(
    score: &ScoreFunction,
    queries: &Tensor,
    attended: &KeysAndValues,
    mask: Mask,
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
    dropout.forward(weights, mode).matmul(&attended.values)
}
