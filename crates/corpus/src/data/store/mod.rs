//! The token store: the ids of one split, memory-mapped, so that nothing loads a corpus.
//!
//! Layout: `docs/architecture.md`, Data. Opening reads headers and offsets and checks them; [`Store::verify`]
//! reads every byte.

mod header;
mod writer;

pub use header::Hash;
pub use writer::StoreWriter;

use crate::error::{Error, Result};
use header::{HEADER_BYTES, Header, OFFSET_BYTES, u64_at};
use memmap2::Mmap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The file of shard `number` of the store at `path`: `train.store`, `train.1.store`, …
pub fn shard_path(path: &Path, number: usize) -> PathBuf {
    if number == 0 { path.into() } else { path.with_extension(format!("{number}.store")) }
}

/// The pairs of one split, as token ids without end-of-sentence.
#[derive(Debug)]
pub struct Store {
    shards: Vec<Shard>,
    /// Number of pairs in all files.
    stored: usize,
    /// The pairs that callers see, if some are left out.
    seen: Option<Seen>,
}

/// A part of the stored pairs.
#[derive(Debug)]
struct Seen {
    /// Their numbers among the stored ones, in order.
    pairs: Vec<u32>,
    source_tokens: u64,
    target_tokens: u64,
}

/// One file of a store.
#[derive(Debug)]
struct Shard {
    path: PathBuf,
    map: Mmap,
    header: Header,
    /// Number of its first pair in the whole store.
    first: usize,
}

#[derive(Clone, Copy)]
enum Side {
    Source,
    Target,
}

impl Store {
    /// Tokens of the longest sentence of either side, without its end.
    pub fn longest_sentence(&self) -> usize {
        let longer = |pair| {
            let (source, target) = self.lengths(pair);
            source.max(target)
        };
        (0..self.len() as u32).map(longer).max().unwrap_or(0)
    }

    /// Tokens of the longest pair, of both sides together, without their ends.
    pub fn longest_pair(&self) -> usize {
        let both = |pair| {
            let (source, target) = self.lengths(pair);
            source + target
        };
        (0..self.len() as u32).map(both).max().unwrap_or(0)
    }

    /// Maps a store into memory and checks that its files belong together, are whole, and that every pair lies
    /// inside of them. [`Store::verify`] checks whether the ids are those that were written.
    ///
    /// # Errors
    /// A user error that names the file where anything is missing or cut off, does not hold together, or belongs
    /// to another tokenizer (`tokenizer`: blake3 of its `tokenizer.json`).
    pub fn open(path: &Path, tokenizer: Hash) -> Result<Self> {
        let mut shards: Vec<Shard> = Vec::new();
        loop {
            let (number, first) =
                (shards.len(), shards.last().map_or(0, |before| before.first + before.len()));
            let shard = Shard::open(shard_path(path, number), tokenizer, first)?;
            let count = shards.first().unwrap_or(&shard).header.shards;
            if (shard.header.shard as usize, shard.header.shards) != (number, count) {
                return Err(shard.damaged(&format!("it is not part {number} of {count} of its store")));
            }
            shards.push(shard);
            if shards.len() == count as usize {
                break;
            }
        }
        let stored = shards.iter().map(Shard::len).sum();
        Ok(Store { shards, stored, seen: None })
    }

    /// The same store without the pairs of which a side has more than `length` ids; the others keep their order.
    pub fn without_longer_than(self, length: usize) -> Self {
        let all = Store { seen: None, ..self };
        let mut seen = Seen { pairs: Vec::new(), source_tokens: 0, target_tokens: 0 };
        for pair in 0..all.stored as u32 {
            let (source, target) = all.lengths(pair);
            if source.max(target) <= length {
                seen.pairs.push(pair);
                seen.source_tokens += source as u64;
                seen.target_tokens += target as u64;
            }
        }
        Store { seen: Some(seen), ..all }
    }

    /// Number of stored pairs that are left out.
    pub fn left_out(&self) -> usize {
        self.stored - self.len()
    }

    /// Reads every byte, on two threads where there are several shards.
    ///
    /// # Errors
    /// A user error that names the first file whose checksum is wrong.
    pub fn verify(&self) -> Result<()> {
        let (some, others) = self.shards.split_at(self.shards.len() / 2);
        let check = |shards: &[Shard]| shards.iter().try_for_each(Shard::verify);
        std::thread::scope(|scope| {
            let others = scope.spawn(|| check(others));
            check(some).and(others.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.seen.as_ref().map_or(self.stored, |seen| seen.pairs.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Source ids of a pair.
    ///
    /// # Panics
    /// All four accessors panic where `pair` is not below [`Store::len`].
    pub fn source(&self, pair: usize) -> Vec<u32> {
        let (shard, pair) = self.place(pair);
        shard.ids(Side::Source, pair)
    }

    /// Target ids of a pair.
    pub fn target(&self, pair: usize) -> Vec<u32> {
        let (shard, pair) = self.place(pair);
        shard.ids(Side::Target, pair)
    }

    /// Number of source ids of a pair.
    pub fn source_length(&self, pair: usize) -> usize {
        let (shard, pair) = self.place(pair);
        shard.range(Side::Source, pair).len()
    }

    /// Number of target ids of a pair.
    pub fn target_length(&self, pair: usize) -> usize {
        let (shard, pair) = self.place(pair);
        shard.range(Side::Target, pair).len()
    }

    /// Numbers of source and target ids of a pair, by the index that batches have.
    pub fn lengths(&self, pair: u32) -> (usize, usize) {
        (self.source_length(pair as usize), self.target_length(pair as usize))
    }

    /// Number of source ids of all pairs.
    pub fn source_tokens(&self) -> u64 {
        let all = || self.shards.iter().map(|shard| shard.header.source_ids).sum();
        self.seen.as_ref().map_or_else(all, |seen| seen.source_tokens)
    }

    /// Number of target ids of all pairs.
    pub fn target_tokens(&self) -> u64 {
        let all = || self.shards.iter().map(|shard| shard.header.target_ids).sum();
        self.seen.as_ref().map_or_else(all, |seen| seen.target_tokens)
    }

    /// Number of target tokens of all pairs with the ends of sentences, each of which is a token, too.
    pub fn epoch_tokens(&self) -> u64 {
        self.target_tokens() + self.len() as u64
    }

    /// The shard that holds a pair, and its number there.
    fn place(&self, pair: usize) -> (&Shard, usize) {
        assert!(pair < self.len(), "pair {pair} of a store of {}", self.len());
        let pair = self.seen.as_ref().map_or(pair, |seen| seen.pairs[pair] as usize);
        let shard = &self.shards[self.shards.partition_point(|shard| shard.first <= pair) - 1];
        (shard, pair - shard.first)
    }
}

impl Shard {
    fn open(path: PathBuf, tokenizer: Hash, first: usize) -> Result<Self> {
        let file = match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(damaged(&path, "it is missing"));
            }
            other => other.map_err(Error::io("read", &path))?,
        };
        // SAFETY: prepared data is never written in place (a directory is renamed into existence
        // once), so the mapped bytes do not change under us.
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io("map", &path))?;
        let header = Header::from_bytes(&map).map_err(|problem| damaged(&path, &problem))?;
        let shard = Shard { path, map, header, first };
        if shard.header.file_bytes() != Some(shard.map.len() as u64) {
            let problem = format!("it has {} bytes, not those that its header says", shard.map.len());
            return Err(shard.damaged(&problem));
        }
        if shard.header.tokenizer != tokenizer {
            return Err(shard.damaged("it was made with another tokenizer"));
        }
        if !shard.offsets_are_sound() {
            return Err(shard.damaged("its offsets are out of order"));
        }
        Ok(shard)
    }

    fn offsets_are_sound(&self) -> bool {
        [(Side::Source, self.header.source_ids), (Side::Target, self.header.target_ids)].into_iter().all(
            |(side, ids)| {
                let rises =
                    (0..self.len()).all(|pair| self.offset(side, pair) <= self.offset(side, pair + 1));
                rises && self.offset(side, 0) == 0 && self.offset(side, self.len()) == ids
            },
        )
    }

    fn verify(&self) -> Result<()> {
        if blake3::hash(&self.map[HEADER_BYTES..]) != blake3::Hash::from_bytes(self.header.content) {
            return Err(self.damaged("its checksum is wrong, so the file is damaged"));
        }
        Ok(())
    }

    fn damaged(&self, problem: &str) -> Error {
        damaged(&self.path, problem)
    }

    fn len(&self) -> usize {
        self.header.pairs as usize
    }

    fn offset(&self, side: Side, index: usize) -> u64 {
        let first = match side {
            Side::Source => 0,
            Side::Target => self.len() + 1,
        };
        u64_at(&self.map, HEADER_BYTES + (first + index) * OFFSET_BYTES as usize)
    }

    /// Places of a pair's ids among the ids of its side.
    fn range(&self, side: Side, pair: usize) -> Range<usize> {
        self.offset(side, pair) as usize..self.offset(side, pair + 1) as usize
    }

    fn ids(&self, side: Side, pair: usize) -> Vec<u32> {
        let before = match side {
            Side::Source => 0,
            Side::Target => self.header.source_ids as usize,
        };
        let range = self.range(side, pair);
        let width = self.header.bytes_per_id as usize;
        let base = HEADER_BYTES + 2 * (self.len() + 1) * OFFSET_BYTES as usize + before * width;
        self.map[base + range.start * width..base + range.end * width]
            .chunks_exact(width)
            .map(|bytes| bytes.iter().rev().fold(0, |id, &byte| id << 8 | u32::from(byte)))
            .collect()
    }
}

/// Makes the user error about a file of prepared text that is not what was prepared.
pub(super) fn damaged(path: &Path, problem: &str) -> Error {
    let directory = path.parent().unwrap_or(Path::new("."));
    Error::user(format!(
        "{}: {problem}; delete {} and run `ablate prepare` again",
        path.display(),
        directory.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENIZER: Hash = [7; 32];
    const PAIRS: [(&[u32], &[u32]); 4] =
        [(&[3, 500], &[4]), (&[], &[]), (&[9], &[0xfffe, 1, 2]), (&[], &[8])];

    fn written(vocabulary: usize) -> (tempfile::TempDir, PathBuf) {
        written_in_shards(vocabulary, 100)
    }

    fn written_in_shards(vocabulary: usize, shard_pairs: usize) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("train.store");
        let mut writer = StoreWriter::with_shards_of(shard_pairs, &path, vocabulary, TOKENIZER).unwrap();
        PAIRS.iter().for_each(|(source, target)| writer.push(source, target).unwrap());
        let files = writer.finish().unwrap();
        assert_eq!(files, PAIRS.len().div_ceil(shard_pairs));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), files, "the parts are gone");
        (directory, path)
    }

    fn opened_and_verified(path: &Path) -> Result<Store> {
        let store = Store::open(path, TOKENIZER)?;
        store.verify().map(|()| store)
    }

    fn refused(path: &Path, what: &str) {
        let error = opened_and_verified(path).err().unwrap_or_else(|| panic!("{what} was not noticed"));
        let shown = error.to_string();
        assert!(shown.contains("/train.") && shown.contains("run `ablate prepare` again"), "{what}: {shown}");
    }

    #[test]
    fn what_is_written_is_read() {
        for (vocabulary, width) in [(1 << 16, 2), ((1 << 16) + 1, 4)] {
            for shard_pairs in 1..6 {
                let (_directory, path) = written_in_shards(vocabulary, shard_pairs);
                let store = opened_and_verified(&path).unwrap();
                assert_eq!((store.len(), store.shards[0].header.bytes_per_id), (PAIRS.len(), width));
                assert_eq!((store.source_tokens(), store.target_tokens()), (3, 5));
                for (pair, (source, target)) in PAIRS.iter().enumerate() {
                    assert_eq!((&*store.source(pair), &*store.target(pair)), (*source, *target));
                    assert_eq!(
                        (store.source_length(pair), store.target_length(pair)),
                        (source.len(), target.len())
                    );
                }
            }
        }
    }

    #[test]
    fn longer_pairs_can_be_left_out() {
        for shard_pairs in 1..6 {
            let (_directory, path) = written_in_shards(1000, shard_pairs);
            for length in 0..4 {
                let store = opened_and_verified(&path).unwrap().without_longer_than(length);
                let kept: Vec<_> = PAIRS
                    .iter()
                    .filter(|(source, target)| source.len().max(target.len()) <= length)
                    .collect();
                assert_eq!((store.len(), store.left_out()), (kept.len(), PAIRS.len() - kept.len()));
                for (pair, (source, target)) in kept.iter().enumerate() {
                    assert_eq!((&*store.source(pair), &*store.target(pair)), (*source, *target));
                    assert_eq!(store.lengths(pair as u32), (source.len(), target.len()));
                }
                let tokens =
                    |side: fn(&(&[u32], &[u32])) -> usize| kept.iter().map(|pair| side(pair)).sum::<usize>();
                assert_eq!(store.source_tokens(), tokens(|(source, _)| source.len()) as u64);
                assert_eq!(store.target_tokens(), tokens(|(_, target)| target.len()) as u64);
            }
        }
    }

    #[test]
    fn a_shard_that_is_missing_or_in_the_wrong_place_is_noticed() {
        let (_directory, path) = written_in_shards(1000, 1);
        let [second, third, fourth] = [1, 2, 3].map(|number| shard_path(&path, number));
        assert!(fourth.ends_with("train.3.store"));
        let bytes = std::fs::read(&third).unwrap();
        std::fs::copy(&second, &third).unwrap();
        refused_naming(&path, "train.2.store", "not part 2 of 4");
        std::fs::write(&third, &bytes).unwrap();
        std::fs::remove_file(&fourth).unwrap();
        refused_naming(&path, "train.3.store", "missing");
        // A store of fewer shards that left one behind does not read it.
        let (_other, whole) = written(1000);
        std::fs::copy(&whole, &path).unwrap();
        assert_eq!(opened_and_verified(&path).unwrap().len(), PAIRS.len());
    }

    #[test]
    fn a_store_of_a_later_version_says_so() {
        let (_directory, path) = written(1000);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[8] = 3;
        std::fs::write(&path, &bytes).unwrap();
        refused_naming(&path, "train.store", "it has version 3, this program reads versions 1 and 2");
    }

    fn refused_naming(path: &Path, file: &str, problem: &str) {
        let shown = opened_and_verified(path).unwrap_err().to_string();
        assert!(shown.contains(file) && shown.contains(problem), "{shown}");
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let (_directory, path) = written(1000);
        let bytes = std::fs::read(path).unwrap();
        assert_eq!(bytes.len(), 128 + 2 * 5 * 8 + 2 * (3 + 5));
        assert_eq!(bytes[..12], *b"ABLSTORE\x01\0\0\0");
        assert_eq!([16, 24, 32].map(|at| u64_at(&bytes, at)), [4, 3, 5]);
        assert_eq!(bytes[72..104], *blake3::hash(&bytes[128..]).as_bytes());
        assert_eq!([0, 1, 2, 3, 4].map(|n| u64_at(&bytes, 128 + 8 * n)), [0, 2, 2, 3, 3]);
        assert_eq!(bytes[208..212], [3, 0, 244, 1]);
        assert!(bytes[104..128].iter().all(|&byte| byte == 0));
        let (_directory, path) = written_in_shards(1000, 3);
        let bytes = std::fs::read(shard_path(&path, 1)).unwrap();
        assert_eq!((bytes[8], &bytes[104..112]), (2, &[1, 0, 0, 0, 2, 0, 0, 0][..]));
    }

    #[test]
    fn every_truncation_and_any_addition_is_noticed() {
        let (_directory, path) = written(1000);
        let bytes = std::fs::read(&path).unwrap();
        for length in 0..bytes.len() {
            std::fs::write(&path, &bytes[..length]).unwrap();
            refused(&path, &format!("a cut to {length} bytes"));
        }
        std::fs::write(&path, [&bytes[..], b"\0"].concat()).unwrap();
        refused(&path, "an added byte");
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        for shard_pairs in [100, 2] {
            let (directory, path) = written_in_shards(1000, shard_pairs);
            for file in std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()) {
                let mut bytes = std::fs::read(&file).unwrap();
                for bit in 0..bytes.len() * 8 {
                    bytes[bit / 8] ^= 1 << (bit % 8);
                    std::fs::write(&file, &bytes).unwrap();
                    refused(&path, &format!("{}: flipped bit {bit}", file.display()));
                    bytes[bit / 8] ^= 1 << (bit % 8);
                }
                std::fs::write(&file, &bytes).unwrap();
            }
        }
    }

    #[test]
    fn offsets_out_of_order_are_noticed_despite_a_right_checksum() {
        let (_directory, path) = written(1000);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[128 + 8] = 200;
        let content = *blake3::hash(&bytes[HEADER_BYTES..]).as_bytes();
        bytes[72..104].copy_from_slice(&content);
        std::fs::write(&path, &bytes).unwrap();
        refused(&path, "an offset beyond the ids");
    }
}
