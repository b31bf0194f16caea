//! Running text for masked language models: an example is a block under one of its masks.
//!
//! Example number m · B + b of a text of B blocks is block b under its mask m. Epoch e takes every block under mask
//! e mod M, where M is the number of masks of a block (`training.masking.copies`). An example's number says all that its
//! mask depends on beside the seed, so that a resumed training, and every process of a training on several, has the same
//! masks.

use super::TrainingConfig;
use super::examples::Examples;
use crate::data::batch::{block_batches, block_batches_in_order};
use crate::data::masking::{MaskedBlock, Masks};
use crate::data::store::Store;
use crate::model::cost::BatchShape;

/// The blocks of a store as a masked language model takes them.
#[derive(Debug, Clone, Copy)]
pub struct MaskedBlocks<'a> {
    pub store: &'a Store,
    pub masks: Masks,
    /// The seed of the order of the batches.
    seed: u64,
    /// Tokens of a micro-batch at most.
    tokens: usize,
    /// Masks of a block.
    copies: u32,
}

impl<'a> MaskedBlocks<'a> {
    /// `vocabulary`: tokens of the vocabulary, special ones counted.
    pub fn of(store: &'a Store, config: &TrainingConfig, vocabulary: usize) -> Self {
        // Where masks do not repeat, as many as numbers of 32 bits can tell apart.
        let most = u32::MAX / (store.len() as u32).max(1);
        MaskedBlocks {
            store,
            masks: Masks::of_training(config.masking, config.seed, vocabulary),
            seed: config.seed,
            tokens: config.micro_batch_tokens,
            copies: config.masking.copies.unwrap_or(most).clamp(1, most.max(1)),
        }
    }

    /// The blocks for evaluation, where each has one mask, the same for every training.
    pub fn of_evaluation(store: &'a Store, tokens: usize, vocabulary: usize) -> Self {
        MaskedBlocks { store, masks: Masks::of_evaluation(vocabulary), seed: 0, tokens, copies: 1 }
    }

    /// The batches of all blocks in the order of the text.
    pub fn in_order(&self) -> Vec<Vec<u32>> {
        block_batches_in_order(self.store, self.tokens)
    }

    /// The block of an example.
    fn block(&self, example: u32) -> usize {
        example as usize % self.store.len()
    }

    /// The tokens of an example's block, and what the model reads of them.
    pub fn example(&self, example: u32) -> (Vec<u32>, MaskedBlock) {
        let ids = self.store.target(self.block(example));
        let masked = self.masks.draw(&ids, example);
        (ids, masked)
    }

    fn length(&self, example: u32) -> usize {
        self.store.target_length(self.block(example))
    }
}

impl Examples for MaskedBlocks<'_> {
    fn epoch(&self, epoch: u64) -> Vec<Vec<u32>> {
        let first = (epoch % u64::from(self.copies)) as u32 * self.store.len() as u32;
        let mut batches = block_batches(self.store, self.seed, epoch, self.tokens);
        batches.iter_mut().flatten().for_each(|number| *number += first);
        batches
    }

    /// All tokens that are read.
    fn epoch_tokens(&self) -> u64 {
        self.store.target_tokens()
    }

    /// The tokens that are predicted.
    fn target_tokens(&self, examples: &[u32]) -> usize {
        examples.iter().map(|&example| self.masks.count(self.length(example))).sum()
    }

    /// All tokens that are read, so that trainings of other masks read as much text.
    fn budget_tokens(&self, examples: &[u32]) -> usize {
        examples.iter().map(|&example| self.length(example)).sum()
    }

    fn shape(&self, examples: &[u32]) -> BatchShape {
        let longest = examples.iter().map(|&example| self.length(example)).max();
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
            let mut found: Vec<usize> = numbers.iter().map(|&number| blocks.block(number)).collect();
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
