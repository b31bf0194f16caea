//! Writing a store, shard by shard.

use super::header::{HEADER_BYTES, Header};
use super::{Hash, shard_path};
use crate::error::{Error, Result};
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Pairs of a shard, unless it is the last: about 150 MB of ordinary text.
const SHARD_PAIRS: usize = 1 << 20;
/// Size of the buffers for writing.
const BUFFER_BYTES: usize = 1 << 16;

/// Writes a store pair by pair; it holds the lengths of one shard's sides in memory, not the ids.
pub struct StoreWriter {
    layout: Layout,
    shard_pairs: usize,
    /// Headers of the complete shards, whose field `shards` is not known yet.
    complete: Vec<Header>,
    current: ShardWriter,
}

/// Properties that all shards of a store share.
struct Layout {
    path: PathBuf,
    bytes_per_id: u32,
    tokenizer: Hash,
}

/// The shard that is being written.
struct ShardWriter {
    source: SideWriter,
    target: SideWriter,
}

/// The ids of one side, in a file of their own until the shard is put together.
struct SideWriter {
    path: PathBuf,
    file: BufWriter<File>,
    lengths: Vec<u32>,
    ids: u64,
    buffer: Vec<u8>,
}

impl SideWriter {
    fn create(path: PathBuf) -> Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
        let file = BufWriter::with_capacity(BUFFER_BYTES, file.map_err(Error::io("create", &path))?);
        Ok(SideWriter { path, file, lengths: Vec::new(), ids: 0, buffer: Vec::new() })
    }

    fn push(&mut self, ids: &[u32], bytes_per_id: u32) -> Result<()> {
        let length = u32::try_from(ids.len()).map_err(|_| Error::user("a line has more than 2^32 tokens"))?;
        self.buffer.clear();
        ids.iter().for_each(|id| self.buffer.extend(&id.to_le_bytes()[..bytes_per_id as usize]));
        self.file.write_all(&self.buffer).map_err(Error::io("write", &self.path))?;
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

impl ShardWriter {
    fn create(path: &Path) -> Result<Self> {
        Ok(ShardWriter {
            source: SideWriter::create(path.with_extension("source.part"))?,
            target: SideWriter::create(path.with_extension("target.part"))?,
        })
    }

    /// Writes shard `number`, except its header, which is returned.
    fn finish(self, layout: &Layout, number: usize) -> Result<Header> {
        let path = shard_path(&layout.path, number);
        let write = || Error::io("write", &path);
        let mut header = Header {
            bytes_per_id: layout.bytes_per_id,
            pairs: self.source.lengths.len() as u64,
            source_ids: self.source.ids,
            target_ids: self.target.ids,
            tokenizer: layout.tokenizer,
            content: [0; 32],
            shard: number as u32,
            shards: 0,
        };
        let mut file = File::create(&path).map_err(Error::io("create", &path))?;
        file.write_all(&[0; HEADER_BYTES]).map_err(write())?;
        let mut sink = Hashing {
            sink: BufWriter::with_capacity(BUFFER_BYTES, &mut file),
            hasher: blake3::Hasher::new(),
        };
        self.source.write_offsets(&mut sink).map_err(write())?;
        self.target.write_offsets(&mut sink).map_err(write())?;
        self.source.copy_ids(&mut sink)?;
        self.target.copy_ids(&mut sink)?;
        sink.flush().map_err(write())?;
        header.content = *sink.hasher.finalize().as_bytes();
        Ok(header)
    }
}

impl StoreWriter {
    /// Begins the store at `path` for ids below `vocabulary`.
    pub fn create(path: &Path, vocabulary: usize, tokenizer: Hash) -> Result<Self> {
        Self::with_shards_of(SHARD_PAIRS, path, vocabulary, tokenizer)
    }

    /// Does the same as [`StoreWriter::create`], with `shard_pairs` pairs in every shard but the last.
    pub(super) fn with_shards_of(
        shard_pairs: usize,
        path: &Path,
        vocabulary: usize,
        tokenizer: Hash,
    ) -> Result<Self> {
        let bytes_per_id = if vocabulary <= 1 << 16 { 2 } else { 4 };
        Ok(StoreWriter {
            layout: Layout { path: path.into(), bytes_per_id, tokenizer },
            shard_pairs,
            complete: Vec::new(),
            current: ShardWriter::create(path)?,
        })
    }

    /// Adds a pair.
    pub fn push(&mut self, source: &[u32], target: &[u32]) -> Result<()> {
        if self.current.source.lengths.len() == self.shard_pairs {
            let next = ShardWriter::create(&shard_path(&self.layout.path, self.complete.len() + 1))?;
            let full = std::mem::replace(&mut self.current, next);
            self.complete.push(full.finish(&self.layout, self.complete.len())?);
        }
        self.current.source.push(source, self.layout.bytes_per_id)?;
        self.current.target.push(target, self.layout.bytes_per_id)
    }

    /// Completes the store and syncs it to the disk; returns the number of its files.
    pub fn finish(self) -> Result<usize> {
        let StoreWriter { layout, mut complete, current, .. } = self;
        complete.push(current.finish(&layout, complete.len())?);
        let shards = complete.len();
        for (number, header) in complete.into_iter().enumerate() {
            let path = shard_path(&layout.path, number);
            let header = Header { shards: shards as u32, ..header };
            let written = File::options().write(true).open(&path).and_then(|mut file| {
                file.write_all(&header.to_bytes())?;
                file.sync_all()
            });
            written.map_err(Error::io("write", &path))?;
        }
        Ok(shards)
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
