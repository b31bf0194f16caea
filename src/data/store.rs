//! The token store: the ids of one split, memory-mapped, so that nothing loads a corpus.
//!
//! Layout: `docs/architecture.md`, Data. Every byte is covered by a check on opening.

use crate::error::{Error, Result};
use memmap2::Mmap;
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"ABLSTORE";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 128;
/// What of the header is used; the rest is zero.
const HEADER_USED_BYTES: usize = 104;
const OFFSET_BYTES: u64 = 8;

/// blake3 of a file.
pub type Hash = [u8; 32];

/// Everything that the header says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Header {
    bytes_per_id: u32,
    pairs: u64,
    source_ids: u64,
    target_ids: u64,
    tokenizer: Hash,
    content: Hash,
}

impl Header {
    fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let fields: [&[u8]; 8] = [
            MAGIC,
            &VERSION.to_le_bytes(),
            &self.bytes_per_id.to_le_bytes(),
            &self.pairs.to_le_bytes(),
            &self.source_ids.to_le_bytes(),
            &self.target_ids.to_le_bytes(),
            &self.tokenizer,
            &self.content,
        ];
        bytes[..HEADER_USED_BYTES].copy_from_slice(&fields.concat());
        bytes
    }

    /// Reads a header, or says what is wrong with it.
    fn from_bytes(bytes: &[u8]) -> std::result::Result<Self, String> {
        let bytes: &[u8; HEADER_BYTES] =
            bytes.first_chunk().ok_or_else(|| format!("it has {} bytes, less than a header", bytes.len()))?;
        let header = Header {
            bytes_per_id: u32_at(bytes, 12),
            pairs: u64_at(bytes, 16),
            source_ids: u64_at(bytes, 24),
            target_ids: u64_at(bytes, 32),
            tokenizer: array_at(bytes, 40),
            content: array_at(bytes, 72),
        };
        if array_at::<8>(bytes, 0) != *MAGIC {
            return Err("it does not begin with ABLSTORE".into());
        }
        if u32_at(bytes, 8) != VERSION {
            return Err(format!("it has version {}, this program reads version {VERSION}", u32_at(bytes, 8)));
        }
        if !matches!(header.bytes_per_id, 2 | 4) || bytes[HEADER_USED_BYTES..].iter().any(|&byte| byte != 0) {
            return Err("its header is damaged".into());
        }
        Ok(header)
    }

    /// Size of the whole file, unless the numbers are nonsense.
    fn file_bytes(&self) -> Option<u64> {
        let offsets = self.pairs.checked_add(1)?.checked_mul(2 * OFFSET_BYTES)?;
        let ids = self.source_ids.checked_add(self.target_ids)?.checked_mul(u64::from(self.bytes_per_id))?;
        offsets.checked_add(ids)?.checked_add(HEADER_BYTES as u64)
    }
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

/// Writes a store pair by pair; it holds the lengths of the sides in memory, not the ids.
pub struct StoreWriter {
    path: PathBuf,
    bytes_per_id: u32,
    tokenizer: Hash,
    source: SideWriter,
    target: SideWriter,
}

/// The ids of one side, in a file of their own until the store is put together.
struct SideWriter {
    path: PathBuf,
    file: BufWriter<File>,
    lengths: Vec<u32>,
    ids: u64,
}

impl SideWriter {
    fn create(path: PathBuf) -> Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
        let file = BufWriter::new(file.map_err(Error::io("create", &path))?);
        Ok(SideWriter { path, file, lengths: Vec::new(), ids: 0 })
    }

    fn push(&mut self, ids: &[u32], bytes_per_id: u32) -> Result<()> {
        let length = u32::try_from(ids.len()).map_err(|_| Error::user("a line has more than 2^32 tokens"))?;
        for id in ids {
            self.file
                .write_all(&id.to_le_bytes()[..bytes_per_id as usize])
                .map_err(Error::io("write", &self.path))?;
        }
        self.lengths.push(length);
        self.ids += u64::from(length);
        Ok(())
    }

    fn write_offsets(&self, sink: &mut impl Write) -> std::io::Result<()> {
        let mut offset = 0u64;
        sink.write_all(&offset.to_le_bytes())?;
        self.lengths.iter().try_for_each(|&length| {
            offset += u64::from(length);
            sink.write_all(&offset.to_le_bytes())
        })
    }

    fn copy_ids(self, sink: &mut impl Write) -> Result<()> {
        let copy = || Error::io("copy", &self.path);
        let mut file =
            self.file.into_inner().map_err(|error| Error::io("write", &self.path)(error.into_error()))?;
        file.seek(SeekFrom::Start(0)).map_err(copy())?;
        std::io::copy(&mut file, sink).map_err(copy())?;
        std::fs::remove_file(&self.path).map_err(Error::io("remove", &self.path))
    }
}

impl StoreWriter {
    /// Begins the store at `path` for ids below `vocabulary`.
    pub fn create(path: &Path, vocabulary: usize, tokenizer: Hash) -> Result<Self> {
        Ok(StoreWriter {
            path: path.into(),
            bytes_per_id: if vocabulary <= 1 << 16 { 2 } else { 4 },
            tokenizer,
            source: SideWriter::create(path.with_extension("source.part"))?,
            target: SideWriter::create(path.with_extension("target.part"))?,
        })
    }

    /// Adds a pair.
    pub fn push(&mut self, source: &[u32], target: &[u32]) -> Result<()> {
        self.source.push(source, self.bytes_per_id)?;
        self.target.push(target, self.bytes_per_id)
    }

    /// Puts the store together and has it on the disk when this returns.
    pub fn finish(self) -> Result<()> {
        let write = || Error::io("write", &self.path);
        let mut header = Header {
            bytes_per_id: self.bytes_per_id,
            pairs: self.source.lengths.len() as u64,
            source_ids: self.source.ids,
            target_ids: self.target.ids,
            tokenizer: self.tokenizer,
            content: [0; 32],
        };
        let mut file = File::create(&self.path).map_err(Error::io("create", &self.path))?;
        file.write_all(&[0; HEADER_BYTES]).map_err(write())?;
        let mut sink = Hashing { sink: BufWriter::new(&mut file), hasher: blake3::Hasher::new() };
        self.source.write_offsets(&mut sink).map_err(write())?;
        self.target.write_offsets(&mut sink).map_err(write())?;
        self.source.copy_ids(&mut sink)?;
        self.target.copy_ids(&mut sink)?;
        sink.flush().map_err(write())?;
        header.content = *sink.hasher.finalize().as_bytes();
        drop(sink);
        file.seek(SeekFrom::Start(0)).map_err(write())?;
        file.write_all(&header.to_bytes()).map_err(write())?;
        file.sync_all().map_err(write())
    }
}

/// Hashes what is written through it.
struct Hashing<W> {
    sink: W,
    hasher: blake3::Hasher,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.sink.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.sink.flush()
    }
}

/// The pairs of one split, as token ids without end-of-sentence.
#[derive(Debug)]
pub struct Store {
    map: Mmap,
    header: Header,
}

#[derive(Clone, Copy)]
enum Side {
    Source,
    Target,
}

impl Store {
    /// Maps a store into memory and checks every byte of it.
    ///
    /// # Errors
    /// A user error that names the file where anything is cut off, changed, or belongs to
    /// another tokenizer (`tokenizer`: blake3 of its `tokenizer.json`).
    pub fn open(path: &Path, tokenizer: Hash) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("read", path))?;
        // SAFETY: prepared data is never written in place (a directory is renamed into existence
        // once), so the mapped bytes do not change under us.
        let map = unsafe { Mmap::map(&file) }.map_err(Error::io("map", path))?;
        let damaged = |problem: String| {
            let directory = path.parent().unwrap_or(Path::new("."));
            Error::user(format!(
                "{}: {problem}; delete {} and run `ablate prepare` again",
                path.display(),
                directory.display()
            ))
        };
        let header = Header::from_bytes(&map).map_err(damaged)?;
        if header.file_bytes() != Some(map.len() as u64) {
            return Err(damaged(format!("it has {} bytes, not those that its header says", map.len())));
        }
        if header.tokenizer != tokenizer {
            return Err(damaged("it was made with another tokenizer".into()));
        }
        if blake3::hash(&map[HEADER_BYTES..]) != blake3::Hash::from_bytes(header.content) {
            return Err(damaged("its checksum is wrong, so the file is damaged".into()));
        }
        let store = Store { map, header };
        if !store.offsets_are_sound() {
            return Err(damaged("its offsets are out of order".into()));
        }
        Ok(store)
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

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.header.pairs as usize
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Source ids of a pair.
    ///
    /// # Panics
    /// All four accessors panic where `pair` is not below [`Store::len`].
    pub fn source(&self, pair: usize) -> Vec<u32> {
        self.ids(Side::Source, pair)
    }

    /// Target ids of a pair.
    pub fn target(&self, pair: usize) -> Vec<u32> {
        self.ids(Side::Target, pair)
    }

    /// Number of source ids of a pair.
    pub fn source_length(&self, pair: usize) -> usize {
        self.range(Side::Source, pair).len()
    }

    /// Number of target ids of a pair.
    pub fn target_length(&self, pair: usize) -> usize {
        self.range(Side::Target, pair).len()
    }

    /// Number of source ids of all pairs.
    pub fn source_tokens(&self) -> u64 {
        self.header.source_ids
    }

    /// Number of target ids of all pairs.
    pub fn target_tokens(&self) -> u64 {
        self.header.target_ids
    }

    fn offset(&self, side: Side, index: usize) -> u64 {
        let first = match side {
            Side::Source => 0,
            Side::Target => self.len() + 1,
        };
        u64_at(&self.map, HEADER_BYTES + (first + index) * OFFSET_BYTES as usize)
    }

    /// Places of a pair's ids among the ids of its side.
    fn range(&self, side: Side, pair: usize) -> std::ops::Range<usize> {
        assert!(pair < self.len(), "pair {pair} of a store of {}", self.len());
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

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENIZER: Hash = [7; 32];
    const PAIRS: [(&[u32], &[u32]); 4] =
        [(&[3, 500], &[4]), (&[], &[]), (&[9], &[0xfffe, 1, 2]), (&[], &[8])];

    fn written(vocabulary: usize) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("train.store");
        let mut writer = StoreWriter::create(&path, vocabulary, TOKENIZER).unwrap();
        PAIRS.iter().for_each(|(source, target)| writer.push(source, target).unwrap());
        writer.finish().unwrap();
        (directory, path)
    }

    fn refused(path: &Path, what: &str) {
        let error = Store::open(path, TOKENIZER).err().unwrap_or_else(|| panic!("{what} was not noticed"));
        let shown = error.to_string();
        assert!(
            shown.contains("train.store") && shown.contains("run `ablate prepare` again"),
            "{what}: {shown}"
        );
    }

    #[test]
    fn what_is_written_is_read() {
        for (vocabulary, width) in [(1 << 16, 2), ((1 << 16) + 1, 4)] {
            let (directory, path) = written(vocabulary);
            let store = Store::open(&path, TOKENIZER).unwrap();
            assert_eq!((store.len(), store.header.bytes_per_id), (PAIRS.len(), width));
            assert_eq!((store.source_tokens(), store.target_tokens()), (3, 5));
            for (pair, (source, target)) in PAIRS.iter().enumerate() {
                assert_eq!((&*store.source(pair), &*store.target(pair)), (*source, *target));
                assert_eq!(
                    (store.source_length(pair), store.target_length(pair)),
                    (source.len(), target.len())
                );
            }
            let files = std::fs::read_dir(directory.path()).unwrap().count();
            assert_eq!(files, 1, "the parts are gone");
        }
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
        let (_directory, path) = written(1000);
        let mut bytes = std::fs::read(&path).unwrap();
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &bytes).unwrap();
            refused(&path, &format!("flipped bit {bit}"));
            bytes[bit / 8] ^= 1 << (bit % 8);
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
