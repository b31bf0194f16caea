//! The span of self-attention, chosen by `model.attention.span` and, for the decoder, `model.attention.decoder_span`.
//!
//! [`Local`] and [`BigBird`] are patterns of visible pairs. A pattern is defined by a mask over all pairs, which short
//! sequences and the recording of maps use. A longer sequence is computed in blocks, whose time and memory grow with
//! its length, not with the square. [`Linformer`] attends to a fixed number of mixtures of positions instead.

mod big_bird;
mod linformer;
mod local;
mod pattern;

pub use big_bird::BigBird;
pub use linformer::Linformer;
pub use local::Local;
pub use pattern::{Mixing, Pattern, mask_of};

use crate::model::weights::Scope;
use crate::model::{CausalSpan, ModelConfig, Span};

/// The positions that a layer's self-attention sees.
#[derive(Debug)]
pub enum Reach {
    /// Everything that the mask shows.
    Full,
    Local(Local),
    BigBird(BigBird),
    Linformer(Linformer),
}

impl Reach {
    /// Builds the reach of an encoder layer at `scope`.
    pub fn of_encoder(scope: &Scope, config: &ModelConfig) -> Self {
        match config.attention.span {
            Span::Full => Reach::Full,
            Span::Local(width) => Reach::Local(Local::around(width)),
            Span::Linformer(count) => Reach::Linformer(Linformer::build(scope, config, count)),
            Span::BigBird { block, random, global } => {
                Reach::BigBird(BigBird::build(scope, block, random, global))
            }
        }
    }

    /// Returns the reach of a decoder layer, which sees no later position.
    pub fn of_decoder(config: &ModelConfig) -> Self {
        match config.attention.decoder_span() {
            CausalSpan::Full => Reach::Full,
            CausalSpan::Local(width) => Reach::Local(Local::before(width)),
        }
    }

    /// Whether the layer takes a mask of pairs of positions. Other layers compute what they see from the numbers of the
    /// sentences alone; see [`Visible`](crate::model::mask::Visible).
    pub fn takes_masks_of_pairs(&self) -> bool {
        matches!(self, Reach::Full)
    }

    /// Returns how many of the last of `length` positions a decoder's cache must keep.
    pub fn kept(&self, length: i64) -> i64 {
        match self {
            Reach::Local(local) => local.width().min(length),
            Reach::Full | Reach::BigBird(_) | Reach::Linformer(_) => length,
        }
    }

    /// Returns the length of the longest sequence that the layer takes; `None` if there is no limit.
    pub fn limit(&self) -> Option<i64> {
        match self {
            Reach::Linformer(linformer) => Some(linformer.longest()),
            Reach::Full | Reach::Local(_) | Reach::BigBird(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::attention::plain;
    use crate::model::attention::score::ScoreFunction;
    use crate::model::dropout::Dropout;
    use crate::model::keys_and_values::KeysAndValues;
    use crate::model::mask::Mask;
    use crate::model::mode::Mode;
    use crate::model::position::{Places, Stack, StackPositions};
    use crate::model::{AttentionConfig, Position, Score};
    use tch::{Device, Kind, Tensor};

    const HEADS: i64 = 2;

    fn leaf(size: &[i64], by: f64) -> Tensor {
        let count = size.iter().product::<i64>();
        (Tensor::arange(count, (Kind::Double, Device::Cpu)) * by).sin().view(size).set_requires_grad(true)
    }

    /// Computes the output at positions without padding and the gradients of queries, keys and values, as one row.
    fn results(sentences: &Tensor, attend: impl Fn(&Tensor, &KeysAndValues) -> Tensor) -> Tensor {
        let (rows, length) = sentences.size2().unwrap();
        let queries = leaf(&[rows, HEADS, length, 3], 0.7);
        let attended = KeysAndValues {
            keys: leaf(&[rows, HEADS, length, 3], 1.1),
            values: leaf(&[rows, HEADS, length, 5], 1.9),
        };
        let real = sentences.not_equal(0).view([rows, 1, length, 1]);
        let output = attend(&queries, &attended) * real;
        let weights = (Tensor::arange(output.numel() as i64, (Kind::Double, Device::Cpu)) * 0.3).cos();
        (&output * weights.view(output.size().as_slice())).sum(Kind::Double).backward();
        let row = |x: &Tensor| x.detach().flatten(0, -1);
        Tensor::cat(&[&output, &queries.grad(), &attended.keys.grad(), &attended.values.grad()].map(row), 0)
    }

    /// Rows of several lengths, and rows of several sentences.
    fn rows(length: i64, packed: bool) -> Tensor {
        let sentence = |row: i64, place: i64| match (packed, row) {
            (false, row) => i64::from(place < length - 4 * row),
            (true, 0) => 1 + place / 7,
            (true, _) => {
                if place < length - 5 {
                    1 + place / (length / 2)
                } else {
                    0
                }
            }
        };
        let numbers: Vec<i64> =
            (0..3).flat_map(|row| (0..length).map(move |place| sentence(row, place))).collect();
        Tensor::from_slice(&numbers).view([3, length])
    }

    #[test]
    fn blocks_compute_what_the_mask_defines_with_every_score_and_bias() {
        let big_bird = |block, random, global| -> Box<dyn Pattern> {
            let scope = Scope::seeded(3, Kind::Double, Device::Cpu).child("encoder.0.self_attention");
            Box::new(BigBird::build(&scope, block, random, global))
        };
        let patterns: Vec<(&str, Box<dyn Pattern>, bool)> = vec![
            ("2 around", Box::new(Local::around(2)), true),
            ("5 around", Box::new(Local::around(5)), true),
            ("8 around", Box::new(Local::around(8)), true),
            ("2 before", Box::new(Local::before(2)), true),
            ("6 before", Box::new(Local::before(6)), true),
            ("blocks of 1", big_bird(1, 2, 1), false),
            ("blocks of 2, two global", big_bird(2, 1, 2), false),
            ("blocks of 3, window alone", big_bird(3, 0, 0), false),
            ("blocks of 2, random", big_bird(2, 3, 0), false),
        ];
        for (name, pattern, packs) in &patterns {
            for length in [19, 24] {
                assert!(!pattern.is_short(length), "{name}");
                for packed in [false, true].into_iter().filter(|packed| *packs || !packed) {
                    for score in [Score::ScaledDot, Score::Additive] {
                        for position in [Position::None, Position::Alibi, Position::T5] {
                            let attention = AttentionConfig { score, ..Default::default() };
                            let config =
                                ModelConfig { heads: HEADS, position, attention, ..Default::default() };
                            let scope = Scope::seeded(1, Kind::Double, Device::Cpu);
                            let sentences = rows(length, packed);
                            let stack = StackPositions::build(&scope, &config, Stack::Encoder);
                            let places = if packed { Places::Within(&sentences) } else { Places::From(0) };
                            let positions = stack.pass_in_blocks((places, length), &leaf(&[1], 1.0));
                            let mixing = Mixing {
                                score: &ScoreFunction::build(&scope, score, HEADS, 3),
                                positions: &positions,
                                dropout: &Dropout::at("dropout", 0.0),
                                mode: &Mode::evaluation(),
                            };
                            let defined = results(&sentences, |queries, attended| {
                                let mask = mask_of(pattern.as_ref(), &sentences, &positions, queries);
                                let (mask, dropout, mode) = (Mask::Added(&mask), mixing.dropout, mixing.mode);
                                plain(mixing.score, queries, attended, mask, |_| None, dropout, mode)
                            });
                            let found = results(&sentences, |queries, attended| {
                                pattern.attend_in_blocks(&mixing, queries, attended, &sentences)
                            });
                            let gap = (defined - found).abs().max().double_value(&[]);
                            assert!(
                                gap < 1e-13,
                                "{name}, {length}, packed {packed}, {score:?}, {position:?}: {gap:e}"
                            );
                        }
                    }
                }
            }
        }
    }
}
