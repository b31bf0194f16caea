//! Counting the n-grams that a hypothesis shares with its references.

use crate::seed::mix;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// The longest n-gram that BLEU looks at.
pub(super) const MAX_ORDER: usize = 4;

/// Numbers for tokens, the same for equal tokens, from 1 upwards. Memory would run out long before
/// 32 bits do.
#[derive(Default)]
pub(super) struct Interner {
    /// Short tokens, which are nearly all, by their bytes and length: no other memory is read to find them.
    short: HashMap<u128, u32, Mixing>,
    long: HashMap<Box<str>, u32, Mixing>,
}

impl Interner {
    pub(super) fn id(&mut self, token: &str) -> u32 {
        let next = (self.short.len() + self.long.len()) as u32 + 1;
        if let Some(packed) = packed(token) {
            return *self.short.entry(packed).or_insert(next);
        }
        if let Some(&id) = self.long.get(token) {
            return id;
        }
        self.long.insert(token.into(), next);
        next
    }
}

/// Packs up to 15 bytes of text and their number into one integer; `None` for longer text.
fn packed(token: &str) -> Option<u128> {
    let mut bytes = [0; 16];
    let (length, text) = bytes.split_last_mut()?;
    text.get_mut(..token.len())?.copy_from_slice(token.as_bytes());
    *length = token.len() as u8;
    Some(u128::from_le_bytes(bytes))
}

/// Number of times that each n-gram of every order up to [`MAX_ORDER`] may still be matched.
///
/// An n-gram is packed into 128 bits, 32 a token. No token is 0, so orders never mix.
#[derive(Default)]
pub(super) struct NgramCounts(HashMap<u128, u32, Mixing>);

impl NgramCounts {
    /// Counts the n-grams of a sentence given as token ids.
    pub(super) fn of(tokens: &[u32]) -> Self {
        let mut counts = HashMap::with_capacity_and_hasher(MAX_ORDER * tokens.len(), Mixing::default());
        for_each_ngram(tokens, |_, ngram| *counts.entry(ngram).or_insert(0) += 1);
        NgramCounts(counts)
    }

    /// Makes this the union of both: each n-gram as often as in the text where it is most frequent.
    pub(super) fn merge(&mut self, other: NgramCounts) {
        for (ngram, count) in other.0 {
            let own = self.0.entry(ngram).or_insert(0);
            *own = count.max(*own);
        }
    }

    /// Returns the clipped matches of a hypothesis by order: every n-gram counts at most as often as here.
    pub(super) fn matches(mut self, tokens: &[u32]) -> [u64; MAX_ORDER] {
        let mut matches = [0; MAX_ORDER];
        for_each_ngram(tokens, |order, ngram| {
            if let Some(left) = self.0.get_mut(&ngram).filter(|left| **left > 0) {
                *left -= 1;
                matches[order - 1] += 1;
            }
        });
        matches
    }
}

/// Returns the number of n-grams by order in a sentence of `length` tokens.
pub(super) fn totals(length: usize) -> [u64; MAX_ORDER] {
    std::array::from_fn(|shorter| length.saturating_sub(shorter) as u64)
}

/// Calls `visit` with the order and the packed form of every n-gram.
fn for_each_ngram(tokens: &[u32], mut visit: impl FnMut(usize, u128)) {
    for start in 0..tokens.len() {
        let mut ngram = 0;
        for (shorter, &token) in tokens[start..].iter().take(MAX_ORDER).enumerate() {
            ngram = ngram << 32 | u128::from(token);
            visit(shorter + 1, ngram);
        }
    }
}

type Mixing = BuildHasherDefault<MixingHasher>;

/// A hash for keys of a few bytes: every 8 bytes are mixed into the state by SplitMix64.
#[derive(Default)]
struct MixingHasher(u64);

impl Hasher for MixingHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = mix(self.0 ^ u64::from_le_bytes(word));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_are_clipped_at_the_count_in_the_reference() {
        // Papineni et al. 2002, section 2.1: "the the the …" against "the cat is on the mat".
        let reference = NgramCounts::of(&[1, 2, 3, 4, 1, 5]);
        assert_eq!(reference.matches(&[1; 7]), [2, 0, 0, 0]);
        assert_eq!(totals(7), [7, 6, 5, 4]);
        assert_eq!(totals(2), [2, 1, 0, 0]);
    }

    #[test]
    fn several_references_clip_at_the_largest_count() {
        let mut references = NgramCounts::of(&[1, 1, 2]);
        references.merge(NgramCounts::of(&[1, 3, 3, 3]));
        assert_eq!(references.matches(&[1, 1, 1, 3, 3]), [4, 3, 1, 0]);
    }

    #[test]
    fn equal_tokens_get_equal_numbers() {
        let mut interner = Interner::default();
        let long = "a".repeat(16);
        let tokens = ["a", "b", "a", "ab", "a\0", "", &long[1..], &long, &long[1..], &long, "ab"];
        let ids: Vec<u32> = tokens.iter().map(|token| interner.id(token)).collect();
        assert_eq!(ids, [1, 2, 1, 3, 4, 5, 6, 7, 6, 7, 3]);
    }
}
