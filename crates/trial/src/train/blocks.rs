//! Running text: the blocks of a store become micro-batches. Each token of a block is predicted from the tokens before
//! it in the block, the first from `training.first_input`, so a block of n tokens has n targets and n inputs.

use super::TrainingConfig;
use super::examples::Examples;
use crate::data::batch::block_batches;
use crate::data::reading::BlockReading;
use crate::data::store::Store;
use crate::model::cost::BatchShape;

/// The blocks of a store as training takes them; an example is a block.
#[derive(Debug, Clone, Copy)]
pub struct Blocks<'a> {
    pub store: &'a Store,
    /// The seed of the order of the batches.
    pub seed: u64,
    /// Tokens of a micro-batch at most.
    pub tokens: usize,
    pub reading: BlockReading,
}

impl<'a> Blocks<'a> {
    pub fn of(store: &'a Store, config: &TrainingConfig) -> Self {
        Blocks {
            store,
            seed: config.seed,
            tokens: config.micro_batch_tokens,
            reading: config.block_reading(),
        }
    }
}

impl Examples for Blocks<'_> {
    fn epoch(&self, epoch: u64) -> Vec<Vec<u32>> {
        block_batches(self.store, self.seed, epoch, self.tokens)
    }

    fn epoch_tokens(&self) -> u64 {
        self.store.target_tokens()
    }

    fn target_tokens(&self, blocks: &[u32]) -> usize {
        blocks.iter().map(|&block| self.store.target_length(block as usize)).sum()
    }

    fn shape(&self, blocks: &[u32]) -> BatchShape {
        let lengths = blocks.iter().map(|&block| self.store.target_length(block as usize));
        BatchShape {
            pairs: blocks.len() as u64,
            source: 0,
            target: lengths.max().unwrap_or(0) as u64,
            scored: self.target_tokens(blocks) as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::store::StoreWriter;
    use crate::train::workload::Workload;

    #[test]
    fn an_update_has_the_tokens_that_are_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.store");
        let mut writer = StoreWriter::create(&path, 10, [0; 32]).unwrap();
        (0..99)
            .try_for_each(|_| writer.push(&[], &[4; 16]))
            .and_then(|()| writer.push(&[], &[4; 3]))
            .unwrap();
        writer.finish().unwrap();
        let store = Store::open(&path, [0; 32]).unwrap();
        let config =
            TrainingConfig { batch_tokens: 160, micro_batch_tokens: 80, steps: 5, ..Default::default() };
        let blocks = Blocks::of(&store, &config);
        assert_eq!(blocks.epoch_tokens(), 99 * 16 + 3);
        let whole = blocks.shape(&[0, 1, 2, 3, 4]);
        assert_eq!(whole, BatchShape { pairs: 5, source: 0, target: 16, scored: 80 });
        assert_eq!(blocks.shape(&[99]), BatchShape { pairs: 1, source: 0, target: 3, scored: 3 });
        assert_eq!(blocks.shape(&[0, 99]).scored, 19);
        let workload = Workload::of(&blocks, &config).unwrap();
        assert_eq!(workload.updates, 5.0);
        assert!((workload.target_tokens() - 160.0).abs() < 6.0, "{}", workload.target_tokens());
        let assumed = Workload::assumed_blocks(&config, 16);
        assert_eq!((assumed.target_tokens(), assumed.shapes[0]), (160.0, whole));
    }
}
