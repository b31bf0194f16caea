//! The computation of self-attention with each span for one sequence, by its length alone.

use super::{CausalSpan, Span};

/// Number of blocks in the window of a block of `big_bird`: itself and its two neighbours.
const WINDOW: i64 = 3;

/// The computation of self-attention for one head and one sequence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SpanWork {
    /// Number of scores of queries with keys.
    pub scores: f64,
    /// Positions whose keys and values are copied for blocks that see them; or mixtures, and the positions mixed in them.
    pub copied: f64,
    /// Number of positions times the number of their mixtures.
    pub mixed: f64,
}

/// Numbers of positions that a local span of an encoder shows before a position and after it. With an even width there
/// is one more before.
pub fn local_sides(width: i64) -> [i64; 2] {
    [width / 2, width - 1 - width / 2]
}

/// Number of keys that a block of r queries with a local span of r sees together: 2r - 1.
pub fn local_window(width: i64) -> i64 {
    2 * width - 1
}

/// Most blocks that a non-global block of `big_bird` sees.
pub fn big_bird_slots(random: i64, global: i64) -> i64 {
    global + WINDOW + random
}

impl SpanWork {
    pub fn of_encoder(span: Span, length: f64) -> Self {
        match span {
            Span::Full => full(length),
            Span::Local(width) => local(width, length),
            Span::Linformer(count) => {
                let count = count as f64;
                SpanWork { scores: length * count, copied: length + count, mixed: length * count }
            }
            Span::BigBird { block, random, global } => big_bird(block, random, global, length),
        }
    }

    pub fn of_decoder(span: CausalSpan, length: f64) -> Self {
        match span {
            CausalSpan::Full => full(length),
            CausalSpan::Local(width) => local(width, length),
        }
    }
}

fn full(length: f64) -> SpanWork {
    SpanWork { scores: length * length, copied: 0.0, mixed: 0.0 }
}

/// Each query has a score for the keys that its whole block sees, and the keys of neighbouring blocks overlap.
fn local(width: i64, length: f64) -> SpanWork {
    let (window, blocks) = (local_window(width) as f64, (length / width as f64).ceil());
    if length <= window {
        return full(length);
    }
    SpanWork { scores: blocks * width as f64 * window, copied: blocks * window, mixed: 0.0 }
}

/// Global queries meet all keys, and the other blocks meet copies of the blocks that they see.
fn big_bird(block: i64, random: i64, global: i64, length: f64) -> SpanWork {
    let (blocks, slots) = ((length / block as f64).ceil(), big_bird_slots(random, global) as f64);
    let (block, global) = (block as f64, global as f64);
    if blocks <= slots {
        return full(length);
    }
    let copied = (blocks - global) * slots * block;
    SpanWork { scores: global * block * length + copied * block, copied, mixed: 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_and_keys_of_a_local_span_grow_with_the_length_and_no_faster() {
        assert_eq!(local(4, 7.0), full(7.0));
        assert_eq!(local(4, 8.0).scores, 8.0 * 7.0);
        assert_eq!(local(4, 8_000.0).scores, 1_000.0 * local(4, 8.0).scores);
        assert_eq!(local(4, 8_000.0).copied, 2_000.0 * 7.0);
    }

    #[test]
    fn scores_of_blocks_grow_with_the_length_and_no_faster() {
        let scores = |length| big_bird(4, 2, 1, length).scores;
        assert_eq!(scores(24.0), 24.0 * 24.0);
        assert_eq!(scores(28.0), 4.0 * 28.0 + 6.0 * 4.0 * 24.0);
        assert!(scores(80_000.0) / scores(8_000.0) < 10.1);
    }
}
