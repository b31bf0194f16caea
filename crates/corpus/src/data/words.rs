//! Words and noise words of word vectors (`[training.words]`): which words of a block are read, which of them are predicted
//! from which, and beside which words of noise.

use super::store::Store;
use super::tokenizer::PAD;
use crate::seed::{Purpose, next_uniform, rng};
use rand_chacha::rand_core::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

/// The `[training.words]` section. The defaults are those of the released code of word2vec (Mikolov et al. 2013), but for the
/// model, which is CBOW there.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WordsConfig {
    /// Which words are predicted from which.
    pub model: WordModel,
    /// Largest distance between a word and a word of its context. For each word the distance is drawn anew, uniformly from 1
    /// to this number, so that close words are seen more often.
    pub window: usize,
    /// Number of noise words beside each word that is predicted. A noise word that is the predicted word itself is left out.
    pub negatives: usize,
    /// Exponent of the counts in the distribution of the noise words: a word that occurs n times in the text is drawn with a
    /// probability in proportion to n to this power.
    pub noise_exponent: f64,
    /// Share of the text above which a word is left out at random, t: of a word with the share f, the part
    /// (√(f / t) + 1) · t / f stays, and all of it where this is more than 1. 0 leaves out none.
    pub subsampling: f64,
}

/// Which words are predicted from which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WordModel {
    /// Each word of the context from the word in its middle (Mikolov et al. 2013a, §3.2).
    SkipGram,
    /// The word in the middle from the mean of the vectors of its context: a continuous bag of words (§3.1).
    Cbow,
}

impl Default for WordsConfig {
    fn default() -> Self {
        WordsConfig {
            model: WordModel::SkipGram,
            window: 5,
            negatives: 5,
            noise_exponent: 0.75,
            subsampling: 1e-3,
        }
    }
}

impl WordsConfig {
    /// The number of words in a row of a batch: one word, or the most that a context has.
    pub fn row_words(&self) -> usize {
        match self.model {
            WordModel::SkipGram => 1,
            WordModel::Cbow => 2 * self.window,
        }
    }

    /// The number of scores of a prediction: those of the word and of its noise words.
    pub fn scores(&self) -> usize {
        self.negatives + 1
    }
}

/// The seed of what is drawn for dev and test: the same for every trial, so that all are measured alike.
const EVALUATION_SEED: u64 = 0;

/// Drawing of words. The words of an example are a pure function of this value, the words of its block and its number.
#[derive(Debug, Clone, PartialEq)]
pub struct WordDraws {
    config: WordsConfig,
    seed: u64,
    /// The probability with which each word of the vocabulary is kept.
    kept: Vec<f64>,
    /// The words that noise consists of, and the sums of their weights up to and with each of them.
    noise: Vec<u32>,
    weights: Vec<f64>,
}

/// A block as a model of word vectors takes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DrawnWords {
    /// The words that are read, in rows of [`WordsConfig::row_words`], which are padded.
    pub inputs: Vec<u32>,
    /// The number of words of each row.
    pub lengths: Vec<usize>,
    /// The row from which each word is predicted, in rising order.
    pub rows: Vec<usize>,
    /// The words that are predicted.
    pub targets: Vec<u32>,
    /// The noise words, `negatives` for each of the targets.
    pub negatives: Vec<u32>,
}

impl WordDraws {
    /// The draws of a training with this seed on a text with these counts of its words.
    pub fn of_training(config: WordsConfig, seed: u64, counts: &[u64]) -> Self {
        let total = counts.iter().sum::<u64>() as f64;
        let kept = |&count: &u64| {
            let times = count as f64 / (config.subsampling * total);
            if times.is_finite() && times > 0.0 { ((times.sqrt() + 1.0) / times).min(1.0) } else { 1.0 }
        };
        let noise: Vec<u32> = (0..).zip(counts).filter(|(_, count)| **count > 0).map(|(id, _)| id).collect();
        let mut sum = 0.0;
        let weights = noise.iter().map(|&id| {
            sum += (counts[id as usize] as f64).powf(config.noise_exponent);
            sum
        });
        WordDraws { kept: counts.iter().map(kept).collect(), weights: weights.collect(), noise, config, seed }
    }

    /// The draws of dev and test, whatever a model was trained with but for its kind: word2vec's windows and noise words, drawn
    /// once, and no word is left out.
    pub fn of_evaluation(model: WordModel, counts: &[u64]) -> Self {
        let config = WordsConfig { model, subsampling: 0.0, ..Default::default() };
        WordDraws::of_training(config, EVALUATION_SEED, counts)
    }

    pub fn config(&self) -> &WordsConfig {
        &self.config
    }

    /// Draws the rows, predictions and noise words of example `number`, whose words are `ids`.
    ///
    /// # Source
    /// The released code of word2vec, which leaves words out before it looks for contexts, so that these reach further.
    pub fn draw(&self, ids: &[u32], number: u32) -> DrawnWords {
        let mut random = rng(self.seed, Purpose::Words, u64::from(number));
        let words = self.read(ids, &mut random);
        let mut drawn = DrawnWords::default();
        if words.len() < 2 {
            return drawn;
        }
        let width = self.config.row_words();
        for (row, &word) in words.iter().enumerate() {
            let distance = self.distance(&mut random);
            let context = |drawn: &mut Vec<u32>| {
                drawn.extend_from_slice(&words[row.saturating_sub(distance)..row]);
                drawn.extend_from_slice(&words[row + 1..words.len().min(row + 1 + distance)]);
            };
            let (read, predicted) = match self.config.model {
                WordModel::SkipGram => {
                    let before = drawn.targets.len();
                    drawn.inputs.push(word);
                    context(&mut drawn.targets);
                    (1, drawn.targets.len() - before)
                }
                WordModel::Cbow => {
                    let before = drawn.inputs.len();
                    context(&mut drawn.inputs);
                    let read = drawn.inputs.len() - before;
                    drawn.inputs.resize(before + width, PAD);
                    drawn.targets.push(word);
                    (read, 1)
                }
            };
            drawn.lengths.push(read);
            drawn.rows.resize(drawn.rows.len() + predicted, row);
        }
        let count = drawn.targets.len() * self.config.negatives;
        drawn.negatives = (0..count).map(|_| self.noise_word(&mut random)).collect();
        drawn
    }

    /// Returns the numbers of rows and of predictions that [`draw`](Self::draw) would return.
    pub fn count(&self, ids: &[u32], number: u32) -> (usize, usize) {
        let mut random = rng(self.seed, Purpose::Words, u64::from(number));
        let words = self.read(ids, &mut random).len();
        if words < 2 {
            return (0, 0);
        }
        let predictions = match self.config.model {
            WordModel::Cbow => words,
            WordModel::SkipGram => (0..words)
                .map(|row| {
                    let distance = self.distance(&mut random);
                    row.min(distance) + (words - 1 - row).min(distance)
                })
                .sum(),
        };
        (words, predictions)
    }

    /// Returns the words that subsampling keeps.
    fn read(&self, ids: &[u32], random: &mut impl Rng) -> Vec<u32> {
        let mut stays = |id: &u32| {
            let kept = self.kept[*id as usize];
            kept >= 1.0 || next_uniform(random) < kept
        };
        ids.iter().copied().filter(|id| stays(id)).collect()
    }

    /// Draws the distance that the context of a word reaches.
    fn distance(&self, random: &mut impl Rng) -> usize {
        1 + (next_uniform(random) * self.config.window as f64) as usize
    }

    fn noise_word(&self, random: &mut impl Rng) -> u32 {
        let last = self.noise.len() - 1;
        let place = next_uniform(random) * self.weights[last];
        self.noise[self.weights.partition_point(|&sum| sum <= place).min(last)]
    }
}

/// Counts the occurrences of each of the `vocabulary` words in a text.
pub fn count_words(store: &Store, vocabulary: usize) -> Vec<u64> {
    let mut counts = vec![0; vocabulary];
    for block in 0..store.len() {
        store.target(block).into_iter().for_each(|id| counts[id as usize] += 1);
    }
    counts
}

/// Returns the tokens that occur, the most frequent first, equally frequent ones in the order of their ids.
pub fn by_frequency(counts: &[u64]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..counts.len() as u32).filter(|&id| counts[id as usize] > 0).collect();
    // The sort is stable.
    order.sort_by_key(|&id| Reverse(counts[id as usize]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(model: WordModel) -> WordsConfig {
        WordsConfig { model, window: 3, negatives: 2, subsampling: 0.0, ..Default::default() }
    }

    /// 40 words, each with a number of its own.
    fn text() -> (Vec<u32>, Vec<u64>) {
        ((3..43).collect(), [vec![0; 3], vec![1; 40]].concat())
    }

    /// Every context is what stands around its word, at most `window` away, and all distances are drawn.
    #[test]
    fn contexts_are_the_words_around_a_word() {
        let (ids, counts) = text();
        let skip_gram = WordDraws::of_training(config(WordModel::SkipGram), 1, &counts).draw(&ids, 7);
        let cbow = WordDraws::of_training(config(WordModel::Cbow), 1, &counts).draw(&ids, 7);
        assert_eq!((&skip_gram.inputs, &cbow.targets), (&ids, &ids));
        let mut distances = std::collections::BTreeSet::new();
        for (row, &word) in ids.iter().enumerate() {
            // Both models have the same contexts.
            let predicted = skip_gram.rows.iter().zip(&skip_gram.targets).filter(|(of, _)| **of == row);
            let context: Vec<u32> = predicted.map(|(_, target)| *target).collect();
            assert_eq!(cbow.inputs[6 * row..][..cbow.lengths[row]], context);
            assert!(cbow.inputs[6 * row..6 * row + 6][cbow.lengths[row]..].iter().all(|&id| id == PAD));
            let reach = context.iter().map(|other| other.abs_diff(word)).max().unwrap();
            let around = |other: &u32| *other != word && other.abs_diff(word) <= reach;
            assert_eq!(context, ids.iter().copied().filter(around).collect::<Vec<_>>());
            distances.insert(reach);
        }
        assert_eq!(distances, [1, 2, 3].into());
        assert_eq!((skip_gram.lengths, cbow.rows), (vec![1; 40], (0..40).collect()));
    }

    #[test]
    fn examples_are_counted_without_being_drawn() {
        let (ids, counts) = text();
        let few = &ids[..1];
        for model in [WordModel::SkipGram, WordModel::Cbow] {
            for subsampling in [0.0, 1e-2] {
                let draws = WordDraws::of_training(WordsConfig { subsampling, ..config(model) }, 3, &counts);
                for number in 0..20 {
                    let drawn = draws.draw(&ids, number);
                    assert_eq!(draws.count(&ids, number), (drawn.lengths.len(), drawn.targets.len()));
                    assert_eq!(drawn.rows.len(), drawn.targets.len());
                    assert_eq!(drawn.negatives.len(), 2 * drawn.targets.len());
                    assert_eq!(drawn.inputs.len(), draws.config().row_words() * drawn.lengths.len());
                }
                assert_eq!((draws.draw(few, 0), draws.count(few, 0)), (DrawnWords::default(), (0, 0)));
            }
        }
    }

    /// Checks 40,000 noise words; words that occur 1, 16 and 81 times have the weights 1, 8 and 27.
    #[test]
    fn noise_follows_the_counts_to_their_power() {
        let mut counts = vec![0; 10];
        (counts[3], counts[5], counts[9]) = (1, 16, 81);
        let draws = WordDraws::of_training(config(WordModel::Cbow), 3, &counts);
        let mut found = [0; 10];
        let ids = [5; 200];
        for number in 0..100 {
            draws.draw(&ids, number).negatives.into_iter().for_each(|id| found[id as usize] += 1);
        }
        assert_eq!(found.iter().sum::<u64>(), 40_000);
        assert!(found.iter().zip(&counts).all(|(found, count)| (*found > 0) == (*count > 0)), "{found:?}");
        for (id, weight) in [(3, 1.0), (5, 8.0), (9, 27.0)] {
            let share = found[id] as f64 / 40_000.0;
            assert!((share - weight / 36.0).abs() < 0.008, "{id}: {share}");
        }
    }

    /// A word of 4 % of the text with t = 1 % stays with (√4 + 1) / 4 = 3/4; one of 1 % and rarer ones always.
    #[test]
    fn frequent_words_are_left_out_in_their_share() {
        let mut counts = vec![0; 100];
        (counts[3], counts[4], counts[5]) = (40, 10, 950);
        let config = WordsConfig { subsampling: 1e-2, ..config(WordModel::SkipGram) };
        let draws = WordDraws::of_training(config, 1, &counts);
        assert_eq!((draws.kept[3], draws.kept[4], draws.kept[0]), (0.75, 1.0, 1.0));
        assert!((draws.kept[5] - (95f64.sqrt() + 1.0) / 95.0).abs() < 1e-15);
        let kept: usize = (0..100).map(|number| draws.count(&[3; 100], number).0).sum();
        assert!((kept as f64 / 10_000.0 - 0.75).abs() < 0.015, "{kept}");
    }

    #[test]
    fn draws_follow_from_the_seed_and_the_number_alone() {
        let (ids, counts) = text();
        let of =
            |seed, number| WordDraws::of_training(WordsConfig::default(), seed, &counts).draw(&ids, number);
        assert_eq!(of(1, 7), of(1, 7));
        assert_ne!(of(1, 7), of(1, 8));
        assert_ne!(of(1, 7), of(2, 7));
        let evaluated = WordDraws::of_evaluation(WordModel::Cbow, &counts).draw(&ids, 7);
        assert_eq!((evaluated.targets, evaluated.negatives.len()), (ids, 5 * 40));
    }
}
