//! Running text as blocks of tokens that follow each other, for language models.
//!
//! A block is the target side of a pair without a source: the store, its checks and its batches are those of pairs.

use super::store::StoreWriter;
use crate::error::Result;

/// Cuts a sequence of ids into blocks of one length, the last one shorter.
pub struct BlockWriter {
    store: StoreWriter,
    length: usize,
    /// Ids that do not fill a block yet.
    pending: Vec<u32>,
    blocks: usize,
    tokens: u64,
}

impl BlockWriter {
    /// Creates a writer of blocks of `length` ids.
    pub fn new(store: StoreWriter, length: usize) -> Self {
        BlockWriter { store, length, pending: Vec::new(), blocks: 0, tokens: 0 }
    }

    /// Appends `ids` and writes the blocks that are full.
    pub fn push(&mut self, mut ids: &[u32]) -> Result<()> {
        self.tokens += ids.len() as u64;
        while self.pending.len() + ids.len() >= self.length {
            let (now, later) = ids.split_at(self.length - self.pending.len());
            self.pending.extend_from_slice(now);
            self.write()?;
            ids = later;
        }
        self.pending.extend_from_slice(ids);
        Ok(())
    }

    /// Writes the last block. Returns the store, still to be finished, and the numbers of blocks and of their tokens.
    pub fn finish(mut self) -> Result<(StoreWriter, usize, u64)> {
        if !self.pending.is_empty() {
            self.write()?;
        }
        Ok((self.store, self.blocks, self.tokens))
    }

    fn write(&mut self) -> Result<()> {
        self.store.push(&[], &self.pending)?;
        self.pending.clear();
        self.blocks += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::store::Store;

    #[test]
    fn blocks_follow_each_other_whatever_the_lines() {
        for lines in [&[3, 4, 5][..], &[12], &[1; 12], &[0, 12, 0], &[5, 5, 2]] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.store");
            let mut writer = BlockWriter::new(StoreWriter::create(&path, 100, [7; 32]).unwrap(), 5);
            let mut next = 0..;
            for &count in lines {
                let ids: Vec<u32> = next.by_ref().take(count).collect();
                writer.push(&ids).unwrap();
            }
            let (store, blocks, tokens) = writer.finish().unwrap();
            store.finish().unwrap();
            assert_eq!((blocks, tokens), (3, 12), "{lines:?}");
            let store = Store::open(&path, [7; 32]).unwrap();
            assert_eq!([0, 1, 2].map(|block| store.target(block).len()), [5, 5, 2]);
            assert_eq!(
                (0..3).flat_map(|block| store.target(block)).collect::<Vec<_>>(),
                (0..12).collect::<Vec<_>>()
            );
            assert!((0..3).all(|block| store.source(block).is_empty()));
        }
    }
}
