//! Running text for masked language models: an example is a block under one of its masks.
//!
//! Its number ([`NumberedBlocks`]) says the mask: `training.masking.copies` of them are taken in turn.

use super::TrainingConfig;
use super::examples::Examples;
use super::numbered_blocks::NumberedBlocks;
use crate::data::masking::{MaskedBlock, Masks};
use crate::data::store::Store;
use crate::model::cost::BatchShape;

/// The blocks of a store as a masked language model takes them.
#[derive(Debug, Clone, Copy)]
pub struct MaskedBlocks<'a> {
    pub numbered: NumberedBlocks<'a>,
    pub masks: Masks,
}

impl<'a> MaskedBlocks<'a> {
    /// `vocabulary`: tokens of the vocabulary, special ones counted.
    pub fn of(store: &'a Store, config: &TrainingConfig, vocabulary: usize) -> Self {
        let TrainingConfig { masking, seed, micro_batch_tokens, .. } = *config;
        MaskedBlocks {
            numbered: NumberedBlocks::new(store, seed, micro_batch_tokens, masking.copies),
            masks: Masks::of_training(masking, seed, vocabulary),
        }
    }

    /// The blocks for evaluation, where each has one mask, the same for every training.
    pub fn of_evaluation(store: &'a Store, tokens: usize, vocabulary: usize) -> Self {
        MaskedBlocks {
            numbered: NumberedBlocks::once(store, tokens),
            masks: Masks::of_evaluation(vocabulary),
        }
    }

    /// The tokens of an example's block, and what the model reads of them.
    pub fn example(&self, example: u32) -> (Vec<u32>, MaskedBlock) {
        let ids = self.numbered.ids(example);
        let masked = self.masks.draw(&ids, example);
        (ids, masked)
    }
}

impl Examples for MaskedBlocks<'_> {
    fn epoch(&self, epoch: u64) -> Vec<Vec<u32>> {
        self.numbered.epoch(epoch)
    }

    /// All tokens that are read.
    fn epoch_tokens(&self) -> u64 {
        self.numbered.store.target_tokens()
    }

    /// The tokens that are predicted.
    fn target_tokens(&self, examples: &[u32]) -> usize {
        examples.iter().map(|&example| self.masks.count(self.numbered.length(example))).sum()
    }

    /// All tokens that are read, so that trainings of other masks read as much text.
    fn budget_tokens(&self, examples: &[u32]) -> usize {
        examples.iter().map(|&example| self.numbered.length(example)).sum()
    }

    fn shape(&self, examples: &[u32]) -> BatchShape {
        let longest = examples.iter().map(|&example| self.numbered.length(example)).max();
        BatchShape {
            pairs: examples.len() as u64,
            source: longest.unwrap_or(0) as u64,
            target: 0,
            scored: self.target_tokens(examples) as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::masking::MaskingConfig;
    use crate::data::store::StoreWriter;
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

    fn config(copies: Option<u32>) -> TrainingConfig {
        let masking = MaskingConfig { copies, ..Default::default() };
        TrainingConfig { batch_tokens: 80, micro_batch_tokens: 40, steps: 9, masking, ..Default::default() }
    }

    #[test]
    fn epochs_take_the_masks_of_a_block_in_turn() {
        let (_folder, store) = store();
        let masks = |copies| {
            let config = config(copies);
            let blocks = MaskedBlocks::of(&store, &config, 100);
            let of_epoch = move |epoch| {
                let mut numbers = blocks.epoch(epoch).concat();
                numbers.sort_unstable();
                assert_eq!(numbers.len(), 10);
                let found: Vec<MaskedBlock> =
                    numbers.into_iter().map(|number| blocks.example(number).1).collect();
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

    #[test]
    fn the_number_of_an_example_has_room_for_any_epoch() {
        let (_folder, store) = store();
        let blocks = MaskedBlocks::of(&store, &config(None), 100);
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
        let blocks = MaskedBlocks::of(&store, &config, 100);
        assert_eq!((blocks.epoch_tokens(), blocks.budget_tokens(&[0, 19])), (185, 25));
        assert_eq!(blocks.target_tokens(&[0, 1, 9, 19]), 8);
        assert_eq!(blocks.shape(&[10, 11]), BatchShape { pairs: 2, source: 20, target: 0, scored: 6 });
        let workload = Workload::of(&blocks, &config).unwrap();
        assert!((workload.target_tokens() - 12.0).abs() < 1.0, "{}", workload.target_tokens());
        let assumed = Workload::assumed_masked_blocks(&config, 20);
        assert_eq!((assumed.target_tokens(), assumed.shapes[0]), (12.0, blocks.shape(&[10, 11])));
    }
}
