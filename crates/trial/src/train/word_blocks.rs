//! Running text for word vectors: an example is a block in one of its passes.
//!
//! The number of an example ([`NumberedBlocks`]) selects the pass, and so the contexts and noise words.

use super::TrainingConfig;
use super::examples::Examples;
use super::numbered_blocks::NumberedBlocks;
use crate::data::store::Store;
use crate::data::words::{DrawnWords, WordDraws, WordModel, WordsConfig, count_words};
use crate::model::cost::BatchShape;

/// The blocks of a store as a model of word vectors takes them.
#[derive(Debug, Clone)]
pub struct WordBlocks<'a> {
    pub numbered: NumberedBlocks<'a>,
    draws: WordDraws,
}

impl<'a> WordBlocks<'a> {
    /// `vocabulary`: tokens of the vocabulary, special ones counted.
    pub fn of(store: &'a Store, config: &TrainingConfig, vocabulary: usize) -> Self {
        let counts = count_words(store, vocabulary);
        WordBlocks {
            numbered: NumberedBlocks::new(store, config.seed, config.micro_batch_tokens, None),
            draws: WordDraws::of_training(config.words, config.seed, &counts),
        }
    }

    /// The blocks for evaluation in one pass, which is the same for every training. Noise is drawn by the counts of
    /// this text.
    pub fn of_evaluation(store: &'a Store, model: WordModel, tokens: usize, vocabulary: usize) -> Self {
        let draws = WordDraws::of_evaluation(model, &count_words(store, vocabulary));
        WordBlocks { numbered: NumberedBlocks::once(store, tokens), draws }
    }

    pub fn config(&self) -> &WordsConfig {
        self.draws.config()
    }

    /// Returns the input and the predictions of an example.
    pub fn example(&self, example: u32) -> DrawnWords {
        self.draws.draw(&self.numbered.ids(example), example)
    }

    /// The numbers of rows and of predictions in these examples.
    fn count(&self, examples: &[u32]) -> (usize, usize) {
        let of = |&example: &u32| self.draws.count(&self.numbered.ids(example), example);
        examples.iter().map(of).fold((0, 0), |sum, (rows, predictions)| (sum.0 + rows, sum.1 + predictions))
    }
}

impl Examples for WordBlocks<'_> {
    fn epoch(&self, epoch: u64) -> Vec<Vec<u32>> {
        self.numbered.epoch(epoch)
    }

    /// All tokens of the text.
    fn epoch_tokens(&self) -> u64 {
        self.numbered.store.target_tokens()
    }

    /// The number of predictions.
    fn target_tokens(&self, examples: &[u32]) -> usize {
        self.count(examples).1
    }

    /// All tokens of the text, so that trainings with other windows and thresholds take the same amount of text.
    fn budget_tokens(&self, examples: &[u32]) -> usize {
        examples.iter().map(|&example| self.numbered.length(example)).sum()
    }

    fn shape(&self, examples: &[u32]) -> BatchShape {
        let (rows, predictions) = self.count(examples);
        shape(self.config(), rows as u64, predictions as u64)
    }
}

/// The shape of a micro-batch of `rows` rows and `predictions` predictions.
pub(super) fn shape(config: &WordsConfig, rows: u64, predictions: u64) -> BatchShape {
    BatchShape {
        pairs: rows,
        source: config.row_words() as u64,
        target: config.scores() as u64,
        scored: predictions,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::store::StoreWriter;
    use crate::train::workload::Workload;

    /// Nine blocks of 20 tokens and one of 5.
    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.store");
        let mut writer = StoreWriter::create(&path, 100, [0; 32]).unwrap();
        (0..9)
            .try_for_each(|n| writer.push(&[], &(0..20).map(|k| 4 + (n + k) % 30).collect::<Vec<_>>()))
            .and_then(|()| writer.push(&[], &[50; 5]))
            .unwrap();
        writer.finish().unwrap();
        (folder, Store::open(&path, [0; 32]).unwrap())
    }

    fn config(model: WordModel) -> TrainingConfig {
        let words = WordsConfig { model, subsampling: 0.0, ..Default::default() };
        TrainingConfig { batch_tokens: 80, micro_batch_tokens: 40, steps: 9, words, ..Default::default() }
    }

    #[test]
    fn every_epoch_takes_every_block_in_a_new_pass() {
        let (_folder, store) = store();
        let blocks = WordBlocks::of(&store, &config(WordModel::Cbow), 100);
        let of_epoch = |epoch| {
            let mut numbers = blocks.epoch(epoch).concat();
            numbers.sort_unstable();
            assert_eq!(
                numbers.iter().map(|&n| blocks.numbered.block(n)).collect::<Vec<_>>(),
                (0..10).collect::<Vec<_>>()
            );
            numbers.into_iter().map(|number| blocks.example(number)).collect::<Vec<_>>()
        };
        let first = of_epoch(0);
        assert!(first == of_epoch(0) && first != of_epoch(1));
        // All words are predicted, whatever the pass.
        assert_eq!(first[3].targets, store.target(3));
        for epoch in [u64::from(u32::MAX) / 10 - 1, u64::from(u32::MAX), u64::MAX] {
            of_epoch(epoch);
        }
    }

    #[test]
    fn an_update_takes_the_tokens_of_text_that_are_asked_for() {
        let (_folder, store) = store();
        for (model, width, predictions) in [(WordModel::SkipGram, 1, 5.1), (WordModel::Cbow, 10, 1.0)] {
            let config = config(model);
            let blocks = WordBlocks::of(&store, &config, 100);
            assert_eq!((blocks.epoch_tokens(), blocks.budget_tokens(&[0, 19])), (185, 25));
            let found = blocks.shape(&[0, 11]);
            assert_eq!((found.pairs, found.source, found.target), (40, width, 6));
            assert_eq!(found.scored as usize, blocks.target_tokens(&[0, 11]));
            let drawn = [0, 11].map(|number| blocks.example(number).targets.len());
            assert_eq!(blocks.target_tokens(&[0, 11]), drawn[0] + drawn[1]);
            let workload = Workload::of(&blocks, &config).unwrap();
            assert!((workload.target_tokens() / (80.0 * predictions) - 1.0).abs() < 0.1, "{workload:?}");
            let assumed = Workload::assumed_word_blocks(&config, 20);
            assert!((assumed.target_tokens() / (80.0 * predictions) - 1.0).abs() < 0.1, "{assumed:?}");
            assert_eq!(assumed.shapes[0].pairs, 40);
        }
    }
}
