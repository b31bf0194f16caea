//! Masks of masked language models (`[training.masking]`): which tokens of a block are to be predicted, and what the model
//! reads in their places.

use super::tokenizer::{FIRST_OF_TEXT, MASK};
use crate::seed::{Purpose, next_uniform, rng};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `[training.masking]` section. The defaults are BERT's (Devlin et al. 2019, §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MaskingConfig {
    /// Share of the tokens of a block that the model is to predict. The number of tokens is rounded to the nearest integer,
    /// and at least one is predicted.
    pub rate: f64,
    /// Probability that a token to be predicted is hidden: the model reads the mask in its place.
    pub hidden: f64,
    /// Probability that the model reads a random token of the vocabulary in the place of a token to be predicted. In the
    /// remaining cases it reads the token itself.
    pub random: f64,
    /// Number of masks of each block, which the epochs take in turn. 1 gives a block the same mask in every epoch; BERT has
    /// 10. If absent, every epoch has new masks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copies: Option<u32>,
}

impl Default for MaskingConfig {
    fn default() -> Self {
        MaskingConfig { rate: 0.15, hidden: 0.8, random: 0.1, copies: None }
    }
}

/// The seed of the masks of dev and test: the same for every trial, so that all are measured alike.
const EVALUATION_SEED: u64 = 0;

/// Drawing of masks. The mask of an example is a pure function of this value, the tokens and the number of the example.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Masks {
    config: MaskingConfig,
    seed: u64,
    /// Tokens of the vocabulary, special ones counted.
    vocabulary: usize,
}

/// A block under a mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskedBlock {
    /// Token ids that the model reads.
    pub input: Vec<u32>,
    /// Places of the tokens that the model is to predict, in rising order.
    pub places: Vec<usize>,
}

/// A block as a masked language model takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskedExample {
    /// Input of the model, and the places of the tokens that it is to predict.
    pub masked: MaskedBlock,
    /// The tokens that stand at these places.
    pub targets: Vec<u32>,
    /// For two texts: the number of tokens read before the second text, and whether the second text follows the first.
    pub second: Option<(usize, bool)>,
}

impl Masks {
    /// The masks of training with this seed.
    pub fn of_training(config: MaskingConfig, seed: u64, vocabulary: usize) -> Self {
        Masks { config, seed, vocabulary }
    }

    /// The masks of dev and test, whatever a model was trained with: BERT's shares, one mask for each block.
    pub fn of_evaluation(vocabulary: usize) -> Self {
        Masks { config: MaskingConfig::default(), seed: EVALUATION_SEED, vocabulary }
    }

    /// Returns the seed of all random choices of an example.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns the number of tokens to predict in a block of `length` tokens: their share, rounded to the nearest
    /// integer, at least one, and none in an empty block.
    ///
    /// # Source
    /// `create_pretraining_data.py` of the released code of BERT.
    ///
    /// # Deviation
    /// There is no upper limit, which is 20 in the released code; the published models were trained with 20 for blocks of
    /// 128 tokens and 77 for blocks of 512, which are the shares rounded.
    pub fn count(&self, length: usize) -> usize {
        let share = (self.config.rate * length as f64).round() as usize;
        share.clamp(length.min(1), length)
    }

    /// Draws the mask of example `number` and applies it to the tokens `ids`.
    pub fn draw(&self, ids: &[u32], number: u32) -> MaskedBlock {
        let MaskingConfig { hidden, random, .. } = self.config;
        let mut draws = rng(self.seed, Purpose::Masking, u64::from(number));
        let below = |draws: &mut _, bound: usize| (next_uniform(draws) * bound as f64) as usize;
        // The first steps of a shuffle (Fisher and Yates) choose without replacement.
        let mut order: Vec<usize> = (0..ids.len()).collect();
        let count = self.count(ids.len());
        for step in 0..count {
            let other = step + below(&mut draws, ids.len() - step);
            order.swap(step, other);
        }
        let mut places = order[..count].to_vec();
        places.sort_unstable();
        let mut input = ids.to_vec();
        let ordinary = self.vocabulary.saturating_sub(FIRST_OF_TEXT as usize);
        for &place in &places {
            let share = next_uniform(&mut draws);
            if share < hidden {
                input[place] = MASK;
            } else if share < hidden + random && ordinary > 0 {
                input[place] = FIRST_OF_TEXT + below(&mut draws, ordinary) as u32;
            }
        }
        MaskedBlock { input, places }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOCABULARY: usize = 1_000;

    fn ids(length: usize) -> Vec<u32> {
        (0..length as u32).map(|n| FIRST_OF_TEXT + n % 900).collect()
    }

    #[test]
    fn a_share_of_the_tokens_is_chosen_and_one_at_least() {
        let masks = Masks::of_evaluation(VOCABULARY);
        for (length, count) in [(0, 0), (1, 1), (2, 1), (9, 1), (10, 2), (20, 3), (128, 19), (512, 77)] {
            assert_eq!(masks.count(length), count, "{length}");
            let MaskedBlock { input, places } = masks.draw(&ids(length), 5);
            assert_eq!((input.len(), places.len()), (length, count));
            assert!(places.is_sorted_by(|a, b| a < b) && places.iter().all(|&place| place < length));
        }
        let all = Masks::of_training(MaskingConfig { rate: 1.0, ..Default::default() }, 1, VOCABULARY);
        assert_eq!(all.draw(&ids(7), 0).places, [0, 1, 2, 3, 4, 5, 6]);
    }

    /// Checks 15,000 chosen tokens; three standard deviations of the shares 0.8 and 0.1 are 0.010 and 0.007.
    #[test]
    fn chosen_tokens_are_hidden_replaced_and_kept_in_their_shares() {
        let masks = Masks::of_training(MaskingConfig::default(), 3, VOCABULARY);
        let text = ids(1_000);
        let (mut hidden, mut kept, mut others) = (0, 0, std::collections::BTreeSet::new());
        let mut chosen = vec![0; 1_000];
        for number in 0..100 {
            let MaskedBlock { input, places } = masks.draw(&text, number);
            for (place, (read, id)) in input.iter().zip(&text).enumerate() {
                match places.binary_search(&place) {
                    Err(_) => assert_eq!(read, id, "what is not chosen stays"),
                    Ok(_) if *read == MASK => hidden += 1,
                    Ok(_) if read == id => kept += 1,
                    Ok(_) => _ = others.insert((number, place, *read)),
                }
            }
            places.iter().for_each(|&place| chosen[place] += 1);
        }
        let share = |count: usize| count as f64 / 15_000.0;
        assert!((share(hidden) - 0.8).abs() < 0.01, "{hidden}");
        assert!((share(kept) - 0.1).abs() < 0.007, "{kept}");
        assert_eq!(hidden + kept + others.len(), 15_000);
        let tokens: std::collections::BTreeSet<u32> = others.iter().map(|&(_, _, id)| id).collect();
        assert!(tokens.iter().all(|id| (FIRST_OF_TEXT..VOCABULARY as u32).contains(id)));
        assert!(tokens.len() > 600, "{} tokens stand for others", tokens.len());
        // Every place is chosen 15 times on average.
        assert!(chosen.iter().all(|count| (1..40).contains(count)), "{chosen:?}");
    }

    #[test]
    fn a_mask_follows_from_the_seed_and_the_number_alone() {
        let text = ids(200);
        let of =
            |seed, number| Masks::of_training(MaskingConfig::default(), seed, VOCABULARY).draw(&text, number);
        assert_eq!(of(1, 7), of(1, 7));
        assert_ne!(of(1, 7), of(1, 8));
        assert_ne!(of(1, 7), of(2, 7));
        let evaluated = Masks::of_evaluation(VOCABULARY);
        assert_eq!(evaluated.draw(&text, 7), of(EVALUATION_SEED, 7));
    }
}
