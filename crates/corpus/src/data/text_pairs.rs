//! Blocks of running text cut into two texts, of which the second follows the first or stands elsewhere. To predict which
//! of these is true, beside the masked tokens, is next sentence prediction (Devlin et al. 2019, §3.1).

use super::masking::MaskedBlock;
use super::store::Store;
use super::tokenizer::EOS;
use crate::seed::{Purpose, next_uniform, rng};

/// Tokens that stand around two texts: `</s> A </s> B </s>`. The first one has the place of BERT's `[CLS]`, the others that
/// of `[SEP]`.
pub const AROUND: usize = 3;

/// Smallest number of blocks that allows to draw another block for each. The last block is never drawn, because it may be
/// shorter than the others.
pub const FEWEST_BLOCKS: usize = 3;

/// Two texts in the length of one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextPair {
    /// The tokens of both, one behind the other.
    pub ids: Vec<u32>,
    /// Number of tokens of the first.
    pub cut: usize,
    /// Whether the second is what follows the first in the text.
    pub follows: bool,
}

/// The text behind the cut of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Second {
    /// The continuation of the first text.
    Following,
    /// The same places of another block, drawn at random.
    Random,
    /// Either of them, with the same chance.
    Drawn,
}

impl TextPair {
    /// Block `block` of a text of [`FEWEST_BLOCKS`] or more, cut at a place that follows from the seed and the number of the
    /// example. A block of one token has no second text.
    ///
    /// # Deviation
    /// A cut can be behind any token; the released code of BERT cuts between sentences, and draws the second text from another
    /// document.
    pub fn draw(store: &Store, block: usize, second: Second, seed: u64, number: u32) -> Self {
        let mut draws = rng(seed, Purpose::NextSentence, u64::from(number));
        let mut below = |bound: usize| (next_uniform(&mut draws) * bound as f64) as usize;
        let mut ids = store.target(block);
        let cut = 1 + below(ids.len().saturating_sub(1));
        let drawn = below(2);
        let follows = match second {
            Second::Following => true,
            Second::Random => false,
            Second::Drawn => drawn == 0,
        };
        if !follows {
            let whole = store.len() - 1;
            // Of all whole blocks but this one.
            let others = if block < whole { whole - 1 } else { whole };
            let other = below(others);
            let other = store.target(if other < block { other } else { other + 1 });
            let length = ids.len();
            ids[cut..].copy_from_slice(&other[cut..length]);
        }
        TextPair { ids, cut, follows }
    }

    /// Returns the model's input for the pair under a mask of its tokens: both texts with the tokens [around](AROUND)
    /// them. The places move with the tokens.
    pub fn surround(&self, masked: MaskedBlock) -> MaskedBlock {
        let (first, second) = masked.input.split_at(self.cut);
        let input = [&[EOS], first, &[EOS], second, &[EOS]].concat();
        let moved = |place| if place < self.cut { place + 1 } else { place + 2 };
        MaskedBlock { input, places: masked.places.into_iter().map(moved).collect() }
    }

    /// Returns the number of tokens that the model reads before the second text begins.
    pub fn before_second(&self) -> usize {
        self.cut + 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::store::StoreWriter;

    const LENGTH: usize = 10;

    /// Nine blocks of ten tokens that tell their block, and one of four.
    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.store");
        let mut writer = StoreWriter::create(&path, 1_000, [0; 32]).unwrap();
        for block in 0..10 {
            let length = if block == 9 { 4 } else { LENGTH as u32 };
            writer.push(&[], &(0..length).map(|place| 100 * block + place + 4).collect::<Vec<_>>()).unwrap();
        }
        writer.finish().unwrap();
        (folder, Store::open(&path, [0; 32]).unwrap())
    }

    #[test]
    fn the_second_text_follows_or_is_of_another_block() {
        let (_folder, store) = store();
        for block in 0..10 {
            let own = store.target(block);
            let mut partners = std::collections::BTreeSet::new();
            let mut cuts = std::collections::BTreeSet::new();
            for number in 0..300 {
                let following = TextPair::draw(&store, block, Second::Following, 1, number);
                assert_eq!((&following.ids, following.follows), (&own, true));
                let random = TextPair::draw(&store, block, Second::Random, 1, number);
                assert_eq!((random.cut, random.follows, random.ids.len()), (following.cut, false, own.len()));
                assert_eq!(random.ids[..random.cut], own[..random.cut]);
                let partner = random.ids[random.cut] as usize / 100;
                assert_eq!(random.ids[random.cut..], store.target(partner)[random.cut..own.len()]);
                partners.insert(partner);
                cuts.insert(random.cut);
                let drawn = TextPair::draw(&store, block, Second::Drawn, 1, number);
                assert!(drawn == if drawn.follows { following } else { random });
            }
            assert!(partners.into_iter().eq((0..9).filter(|&other| other != block)));
            assert!(cuts.into_iter().eq(1..own.len()));
        }
    }

    /// Checks 10,000 draws; three standard deviations are 0.015.
    #[test]
    fn half_of_the_second_texts_follow() {
        let (_folder, store) = store();
        let follows = |number: &u32| TextPair::draw(&store, 3, Second::Drawn, 5, *number).follows;
        let share = (0..10_000).filter(follows).count() as f64 / 10_000.0;
        assert!((share - 0.5).abs() < 0.015, "{share}");
    }

    #[test]
    fn places_move_with_their_tokens() {
        let pair = TextPair { ids: vec![5, 6, 7, 8], cut: 1, follows: true };
        let masked = MaskedBlock { input: vec![1, 6, 7, 1], places: vec![0, 1, 3] };
        let read = pair.surround(masked);
        assert_eq!(read.input, [EOS, 1, EOS, 6, 7, 1, EOS]);
        assert_eq!(read.places, [1, 3, 5]);
        assert_eq!((pair.before_second(), read.input.len()), (3, pair.ids.len() + AROUND));
    }
}
