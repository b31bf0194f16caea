//! The second half of `prepare`: from the cleaned text of every split to its store.

use super::blocks::BlockWriter;
use super::cleaning_counts::CleaningCounts;
use super::parallel::encode_pairs;
use super::prepared::store_name;
use super::store::{Hash, StoreWriter};
use super::text_stage::StagedText;
use super::tokenizers::Tokenizers;
use super::{DataConfig, Segmentation, Split};
use crate::error::Result;
use std::path::Path;

/// Writes the stores of a directory.
pub struct Encoder<'a> {
    pub config: &'a DataConfig,
    pub text: &'a StagedText,
    pub tokenizers: &'a Tokenizers,
    pub tokenizer_hash: Hash,
    pub threads: usize,
    pub directory: &'a Path,
}

impl Encoder<'_> {
    fn store(&self, split: Split) -> Result<StoreWriter> {
        StoreWriter::create(
            &self.directory.join(store_name(split)),
            self.tokenizers.largest(),
            self.tokenizer_hash,
        )
    }

    /// Writes the pairs whose usual segmentation is within the limits of length, once in each of the requested
    /// segmentations; returns the counts of all steps, the tokens of each side, and the number of the store's files.
    pub fn encode_train(&self) -> Result<(CleaningCounts, (u64, u64), usize)> {
        let mut counts = self.text.counts;
        if self.config.recipe.is_running_text() {
            let (blocks, tokens, shards) = self.encode_blocks(Split::Train)?;
            counts.kept = blocks;
            return Ok((counts, (0, tokens), shards));
        }
        let (mut store, mut tokens) = (self.store(Split::Train)?, (0, 0));
        let mut push = |source: &[u32], target: &[u32]| {
            tokens = (tokens.0 + source.len() as u64, tokens.1 + target.len() as u64);
            store.push(source, target)
        };
        let mut keep = |source: &[u32], target: &[u32]| counts.keep(source.len(), target.len(), self.config);
        match self.config.bpe_dropout == 0.0 {
            true => self.encode(Split::Train, Segmentation::Usual, |source, target| {
                if keep(source, target) { push(source, target) } else { Ok(()) }
            })?,
            false => {
                let mut kept = Vec::new();
                self.encode(Split::Train, Segmentation::Usual, |source, target| {
                    kept.push(keep(source, target));
                    Ok(())
                })?;
                for cut in self.config.train_segmentations() {
                    let mut kept = kept.iter();
                    self.encode(Split::Train, cut, |source, target| match kept.next() {
                        Some(true) => push(source, target),
                        _ => Ok(()),
                    })?;
                }
            }
        }
        Ok((counts, tokens, store.finish()?))
    }

    fn encode(
        &self,
        split: Split,
        cut: Segmentation,
        sink: impl FnMut(&[u32], &[u32]) -> Result<()>,
    ) -> Result<()> {
        let pairs = |push: &mut dyn FnMut(&str, &str) -> Result<()>| self.text.for_each_pair(split, push);
        encode_pairs(self.tokenizers, cut, self.threads, pairs, sink)
    }

    /// Writes all pairs of the dev or test set; returns the number of the store's files.
    pub fn encode_evaluation(&self, split: Split) -> Result<usize> {
        if self.config.recipe.is_running_text() {
            return self.encode_blocks(split).map(|(_, _, shards)| shards);
        }
        let mut store = self.store(split)?;
        self.encode(split, Segmentation::Usual, |source, target| store.push(source, target))?;
        store.finish()
    }

    /// Writes running text; returns the number of blocks, of their tokens, and of the store's files.
    fn encode_blocks(&self, split: Split) -> Result<(usize, u64, usize)> {
        let mut writer = BlockWriter::new(self.store(split)?, self.config.max_length);
        let cuts = match split {
            Split::Train => self.config.train_segmentations(),
            Split::Dev | Split::Test => vec![Segmentation::Usual],
        };
        cuts.into_iter().try_for_each(|cut| self.encode(split, cut, |_, line| writer.push(line)))?;
        let (store, blocks, tokens) = writer.finish()?;
        Ok((blocks, tokens, store.finish()?))
    }
}
