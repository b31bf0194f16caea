//! Running text for masked language models: an example is a block under one of its masks, with
//! `model.masked.next_sentence` as two texts, of which the second may be another block's.
//!
//! The number of an example ([`NumberedBlocks`]) selects its mask and texts: `training.masking.copies` of them take turns.

use super::TrainingConfig;
use super::examples::Examples;
use super::numbered_blocks::NumberedBlocks;
use crate::data::masking::{MaskedExample, Masks};
use crate::data::store::Store;
use crate::data::text_pairs::{AROUND, Second, TextPair};
use crate::model::ModelConfig;
use crate::model::cost::BatchShape;

/// The blocks of a store as a masked language model takes them.
#[derive(Debug, Clone, Copy)]
pub struct MaskedBlocks<'a> {
    pub numbered: NumberedBlocks<'a>,
    pub masks: Masks,
    /// The rule for the text after the cut of each block; `None` if blocks are not cut.
    second: Option<Second>,
}

impl<'a> MaskedBlocks<'a> {
    /// `vocabulary`: tokens of the vocabulary, special ones counted.
    pub fn of(store: &'a Store, config: &TrainingConfig, model: &ModelConfig, vocabulary: usize) -> Self {
        let TrainingConfig { masking, seed, micro_batch_tokens, .. } = *config;
        MaskedBlocks {
            numbered: NumberedBlocks::new(store, seed, micro_batch_tokens, masking.copies),
            masks: Masks::of_training(masking, seed, vocabulary),
            second: model.tells_next_sentence().then_some(Second::Drawn),
        }
    }

    /// The blocks for evaluation. Each has one mask and one cut, the same for every training, and the same hidden
    /// tokens whether blocks are cut or not.
    pub fn of_evaluation(store: &'a Store, tokens: usize, second: Option<Second>, vocabulary: usize) -> Self {
        let (numbered, masks) = (NumberedBlocks::once(store, tokens), Masks::of_evaluation(vocabulary));
        MaskedBlocks { numbered, masks, second }
    }

    /// The most tokens that the model reads for one block.
    pub fn longest(&self) -> usize {
        self.numbered.store.longest_sentence() + around(self.second.is_some())
    }

    /// Returns the input and the targets of an example.
    pub fn example(&self, example: u32) -> MaskedExample {
        let block = self.numbered.block(example);
        let Some(second) = self.second else {
            let ids = self.numbered.ids(example);
            let masked = self.masks.draw(&ids, example);
            return MaskedExample { targets: at(&ids, &masked.places), masked, second: None };
        };
        let pair = TextPair::draw(self.numbered.store, block, second, self.masks.seed(), example);
        let masked = self.masks.draw(&pair.ids, example);
        MaskedExample {
            targets: at(&pair.ids, &masked.places),
            masked: pair.surround(masked),
            second: Some((pair.before_second(), pair.follows)),
        }
    }
}

fn at(ids: &[u32], places: &[usize]) -> Vec<u32> {
    places.iter().map(|&place| ids[place]).collect()
}

impl Examples for MaskedBlocks<'_> {
    fn epoch(&self, epoch: u64) -> Vec<Vec<u32>> {
        self.numbered.epoch(epoch)
    }

    /// All tokens of the text.
    fn epoch_tokens(&self) -> u64 {
        self.numbered.store.target_tokens()
    }

    /// The number of predicted tokens.
    fn target_tokens(&self, examples: &[u32]) -> usize {
        examples.iter().map(|&example| self.masks.count(self.numbered.length(example))).sum()
    }

    /// The number of tokens read, so that trainings with other masks read the same amount of text.
    fn budget_tokens(&self, examples: &[u32]) -> usize {
        examples.iter().map(|&example| self.numbered.length(example)).sum()
    }

    fn shape(&self, examples: &[u32]) -> BatchShape {
        let longest = examples.iter().map(|&example| self.numbered.length(example)).max();
        BatchShape {
            pairs: examples.len() as u64,
            source: longest.map_or(0, |longest| longest + around(self.second.is_some())) as u64,
            target: 0,
            scored: self.target_tokens(examples) as u64,
        }
    }
}

/// Number of tokens that a model reads in addition to a block's.
pub fn around(next_sentence: bool) -> usize {
    if next_sentence { AROUND } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::masking::{MaskedBlock, MaskingConfig};
    use crate::data::store::StoreWriter;
    use crate::data::tokenizer::EOS;
    use crate::model::{DecoderKind, MaskedConfig};
    use crate::train::workload::Workload;

    /// Nine blocks of 20 tokens, of which 3 are predicted, and one of 5, of which 1 is.
    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.store");
        let mut writer = StoreWriter::create(&path, 100, [0; 32]).unwrap();
        (0..9)
            .try_for_each(|n| writer.push(&[], &[4 + n; 20]))
            .and_then(|()| writer.push(&[], &[50; 5]))
            .unwrap();
        writer.finish().unwrap();
        (folder, Store::open(&path, [0; 32]).unwrap())
    }

    /// An encoder alone.
    fn model(next_sentence: bool) -> ModelConfig {
        let masked = MaskedConfig { next_sentence, ..Default::default() };
        ModelConfig { decoder: DecoderKind::None, masked, ..Default::default() }
    }

    fn config(copies: Option<u32>) -> TrainingConfig {
        let masking = MaskingConfig { copies, ..Default::default() };
        TrainingConfig { batch_tokens: 80, micro_batch_tokens: 40, steps: 9, masking, ..Default::default() }
    }

    #[test]
    fn epochs_take_the_masks_of_a_block_in_turn() {
        let (_folder, store) = store();
        let masks = |copies| {
            let config = config(copies);
            let blocks = MaskedBlocks::of(&store, &config, &model(false), 100);
            let of_epoch = move |epoch| {
                let mut numbers = blocks.epoch(epoch).concat();
                numbers.sort_unstable();
                assert_eq!(numbers.len(), 10);
                let found: Vec<MaskedBlock> =
                    numbers.into_iter().map(|number| blocks.example(number).masked).collect();
                assert!(
                    found.iter().map(|masked| masked.input.len()).eq([[20; 9].as_slice(), &[5]].concat())
                );
                found
            };
            (0..4).map(of_epoch).collect::<Vec<_>>()
        };
        let fixed = masks(Some(1));
        assert!(fixed.iter().all(|epoch| *epoch == fixed[0]));
        let two = masks(Some(2));
        assert!(two[0] != two[1] && two[0] == two[2] && two[1] == two[3]);
        let dynamic = masks(None);
        for epoch in 1..4 {
            assert!(dynamic[..epoch].iter().all(|before| *before != dynamic[epoch]));
        }
        // The first masks are the same whatever follows them.
        assert!(fixed[0] == two[0] && two[0] == dynamic[0] && two[1] == dynamic[1]);
    }

    /// Two texts take three more places; the number of hidden and counted tokens stays the same.
    #[test]
    fn two_texts_stand_in_the_place_of_a_block() {
        let (_folder, store) = store();
        let config = config(None);
        let [one, two] = [false, true].map(|next| MaskedBlocks::of(&store, &config, &model(next), 100));
        assert_eq!(two.budget_tokens(&[0, 9]), one.budget_tokens(&[0, 9]));
        assert_eq!(two.target_tokens(&[0, 9]), one.target_tokens(&[0, 9]));
        assert_eq!((two.shape(&[0]).source, one.shape(&[0]).source), (23, 20));
        let assumed = Workload::assumed_masked_blocks(&config, &model(true), 20);
        assert_eq!(assumed.shapes[0], two.shape(&[10, 11]));
        let follows = (0..200).filter(|&number| {
            let MaskedExample { masked, targets, second } = two.example(number);
            let (before, follows) = second.unwrap();
            let length = two.numbered.length(number) + 3;
            assert_eq!((masked.input.len(), targets.len()), (length, masked.places.len()));
            assert_eq!([0, before - 1, length - 1].map(|place| masked.input[place]), [EOS; 3]);
            assert!(
                masked.places.iter().all(|&place| place > 0 && place != before - 1 && place < length - 1)
            );
            follows
        });
        assert!((70..130).contains(&follows.count()));
        // In evaluation the hidden tokens are those of the block under its one mask.
        let of = |second| MaskedBlocks::of_evaluation(&store, 40, second, 100).example(3);
        let (plain, cut) = (of(None), of(Some(Second::Following)));
        assert_eq!((plain.targets, cut.second.unwrap().1), (cut.targets, true));
        assert!(!of(Some(Second::Random)).second.unwrap().1);
    }

    #[test]
    fn the_number_of_an_example_has_room_for_any_epoch() {
        let (_folder, store) = store();
        let blocks = MaskedBlocks::of(&store, &config(None), &model(false), 100);
        for epoch in [u64::from(u32::MAX) / 10 - 1, u64::from(u32::MAX), u64::MAX] {
            let numbers = blocks.epoch(epoch).concat();
            let mut found: Vec<usize> = numbers.iter().map(|&number| blocks.numbered.block(number)).collect();
            found.sort_unstable();
            assert_eq!(found, (0..10).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_update_reads_the_tokens_that_are_asked_for() {
        let (_folder, store) = store();
        let config = config(None);
        let blocks = MaskedBlocks::of(&store, &config, &model(false), 100);
        assert_eq!((blocks.epoch_tokens(), blocks.budget_tokens(&[0, 19])), (185, 25));
        assert_eq!(blocks.target_tokens(&[0, 1, 9, 19]), 8);
        assert_eq!(blocks.shape(&[10, 11]), BatchShape { pairs: 2, source: 20, target: 0, scored: 6 });
        let workload = Workload::of(&blocks, &config).unwrap();
        assert!((workload.target_tokens() - 12.0).abs() < 1.0, "{}", workload.target_tokens());
        let assumed = Workload::assumed_masked_blocks(&config, &model(false), 20);
        assert_eq!((assumed.target_tokens(), assumed.shapes[0]), (12.0, blocks.shape(&[10, 11])));
    }
}
