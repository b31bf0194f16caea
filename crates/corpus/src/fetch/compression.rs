//! Compressed files, told apart by how their names end: gzip, bzip2, xz and zstd.

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

/// A way to compress one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    Gzip,
    Bzip2,
    Xz,
    Zstd,
}

/// Largest ratio of expansion. Text shrinks to a tenth at best; data that grows by more may be a bomb that fills a disk.
const LARGEST_RATIO: u64 = 200;
/// Bytes that any file may expand to, however small it is.
pub const ALWAYS_ALLOWED: u64 = 64 << 20;
/// Memory in KiB that a dictionary of xz may take: more than `xz -9` needs.
const XZ_MEMORY: u32 = 512 << 10;

impl Compression {
    pub const ALL: [Compression; 4] =
        [Compression::Gzip, Compression::Bzip2, Compression::Xz, Compression::Zstd];

    /// Returns the ending of the names of such files.
    pub fn ending(self) -> &'static str {
        match self {
            Compression::Gzip => ".gz",
            Compression::Bzip2 => ".bz2",
            Compression::Xz => ".xz",
            Compression::Zstd => ".zst",
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Bzip2 => "bzip2",
            Compression::Xz => "xz",
            Compression::Zstd => "zstd",
        }
    }

    /// Returns the compression of a file of this name; `None` if it is not compressed.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|compression| name.ends_with(compression.ending()))
    }

    /// Returns the compression that the first bytes of a file show, whatever the name of the file is.
    pub fn of_content(bytes: &[u8]) -> Option<Self> {
        let beginning = |compression: &Compression| match compression {
            Compression::Gzip => bytes.starts_with(&[0x1f, 0x8b]),
            // A file without text has the end-of-stream mark where others have the first block's.
            Compression::Bzip2 => {
                bytes.starts_with(b"BZh")
                    && bytes.get(4..10).is_some_and(|mark| {
                        [*b"1AY&SY", [0x17, 0x72, 0x45, 0x38, 0x50, 0x90]].iter().any(|known| mark == known)
                    })
            }
            Compression::Xz => bytes.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]),
            Compression::Zstd => bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]),
        };
        Self::ALL.into_iter().find(beginning)
    }

    /// Returns a reader of the expanded `input`; several compressed files in a row are read as one.
    pub fn reader(self, input: impl BufRead + 'static) -> Box<dyn Read> {
        match self {
            Compression::Gzip => Box::new(MultiGzDecoder::new(input)),
            Compression::Bzip2 => Box::new(MultiBzDecoder::new(input)),
            Compression::Xz => Box::new(XzReader::new_mem_limit(input, true, XZ_MEMORY)),
            Compression::Zstd => Box::new(ZstdFrames::new(input)),
        }
    }
}

/// `name` without the ending of a compressed file.
pub fn plain_name(name: &str) -> &str {
    match Compression::of(name) {
        Some(compression) => name.strip_suffix(compression.ending()).unwrap_or(name),
        None => name,
    }
}

/// Opens a file for reading, decompressed if its name says so, and stops at a bomb.
pub fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let input = BufReader::with_capacity(1 << 16, file);
    Ok(match Compression::of(&name) {
        Some(compression) => Box::new(SizeLimit::new(compression.reader(input), size)),
        None => Box::new(input),
    })
}

/// Expands the bytes of a compressed file; stops at a bomb.
pub fn expanded(compression: Compression, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let size = bytes.len() as u64;
    let mut text = Vec::new();
    SizeLimit::new(compression.reader(io::Cursor::new(bytes)), size).read_to_end(&mut text)?;
    Ok(text)
}

/// Describes an error in reading the data of `name`; `None` if the data is not compressed or the operating system failed.
pub fn damage(name: &str, error: &io::Error) -> Option<String> {
    damage_of(Compression::of(name), error)
}

/// Does the same as [`damage`] for data whose compression is given.
pub fn damage_of(compression: Option<Compression>, error: &io::Error) -> Option<String> {
    if error.raw_os_error().is_some() {
        return None;
    }
    if error.get_ref().is_some_and(|inner| inner.is::<TooLarge>()) {
        return Some(error.to_string());
    }
    let compression = compression?.name();
    if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::OutOfMemory) {
        return Some(format!(
            "the {compression} data cannot be read by this program ({error}); decompress the file with another one, \
             and fetch it again if that finds it damaged"
        ));
    }
    Some(format!("the {compression} data is damaged or ends too early ({error}); fetch the file again"))
}

/// Passes bytes on, and fails when they are far more than a compressed text can expand to.
pub struct SizeLimit<R> {
    input: R,
    left: u64,
}

impl<R> SizeLimit<R> {
    /// Limits `input`, which is expanded from `compressed` bytes.
    pub fn new(input: R, compressed: u64) -> Self {
        SizeLimit { input, left: compressed.saturating_mul(LARGEST_RATIO).max(ALWAYS_ALLOWED) }
    }
}

impl<R: Read> Read for SizeLimit<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| io::Error::new(ErrorKind::InvalidData, TooLarge))?;
        Ok(read)
    }
}

/// The error of [`SizeLimit`].
#[derive(Debug, thiserror::Error)]
#[error("it expands to more than {LARGEST_RATIO} times its size, as no text does; refused")]
pub struct TooLarge;

/// Frames of zstd, one after the other; their checksums are compared.
struct ZstdFrames<R> {
    input: R,
    decoder: FrameDecoder,
    /// Whether a frame has begun and not ended.
    inside: bool,
}

impl<R: BufRead> ZstdFrames<R> {
    fn new(input: R) -> Self {
        ZstdFrames { input, decoder: FrameDecoder::new(), inside: false }
    }

    /// Begins the next frame; false after the last one.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.input.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.input) {
                Ok(()) => {
                    self.inside = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    if io::copy(&mut (&mut self.input).take(length), &mut io::sink())? < length {
                        return Err(ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(
                    error @ (FrameDecoderError::WindowSizeTooBig { .. }
                    | FrameDecoderError::DictNotProvided { .. }),
                ) => return Err(io::Error::new(ErrorKind::Unsupported, error.to_string())),
                Err(error) => return Err(damaged(error)),
            }
        }
        Ok(false)
    }

    fn end(&mut self) -> io::Result<()> {
        self.inside = false;
        let (stated, found) = (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum());
        if stated.is_some() && stated != found {
            return Err(damaged("the checksum does not match"));
        }
        Ok(())
    }
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.inside && !self.begin()? {
                return Ok(0);
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let step = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder.decode_blocks(&mut self.input, step).map_err(damaged)?;
            }
            let read = self.decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            self.end()?;
        }
    }
}

fn damaged(why: impl ToString) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::archive::tests::compressed;

    fn read(name: &str, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let mut found = Vec::new();
        open(&path)?.read_to_end(&mut found).map(|_| found)
    }

    #[test]
    fn every_form_is_read_and_may_come_in_parts() {
        assert_eq!(read("a.txt", b"one\n").unwrap(), b"one\n");
        for compression in Compression::ALL {
            let name = format!("a{}", compression.ending());
            assert_eq!(plain_name(&name), "a");
            let parts = [b"one\n".as_slice(), b"two\n"].map(|part| compressed(compression, part)).concat();
            assert_eq!(read(&name, &parts).unwrap(), b"one\ntwo\n", "{name}");
        }
    }

    #[test]
    fn every_truncation_and_most_changes_are_noticed() {
        let text = (0..400).map(|n| format!("line {}\n", n * n)).collect::<String>();
        for compression in Compression::ALL {
            let name = format!("a{}", compression.ending());
            let whole = compressed(compression, text.as_bytes());
            for length in 1..whole.len() {
                let error = read(&name, &whole[..length]).expect_err(&format!("{name} {length}"));
                let said = damage(&name, &error).unwrap();
                assert!(said.contains(compression.name()) && said.contains("fetch"), "{said}");
            }
            for at in (0..whole.len()).step_by(7) {
                let mut changed = whole.clone();
                changed[at] ^= 0x10;
                // Some bits say nothing about the content: dates and the like.
                assert!(read(&name, &changed).map_or(true, |found| found == text.as_bytes()), "{name} {at}");
            }
        }
    }

    #[test]
    fn bombs_do_not_go_off() {
        let zeros = vec![0; ALWAYS_ALLOWED as usize + 1];
        for compression in [Compression::Gzip, Compression::Zstd] {
            let name = format!("bomb{}", compression.ending());
            let error = read(&name, &compressed(compression, &zeros)).unwrap_err();
            assert!(damage(&name, &error).unwrap().contains("200 times"), "{error}");
        }
        // The same text is accepted if it is not compressed.
        assert_eq!(read("plain", &zeros).unwrap().len(), zeros.len());
    }

    #[test]
    fn what_takes_too_much_memory_is_not_called_damaged() {
        // A frame of zstd with a window of 2 GiB, as `zstd --long=31` writes it.
        let error = read("a.zst", &[0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00]).unwrap_err();
        let said = damage("a.zst", &error).unwrap();
        assert!(said.contains("decompress the file with another one"), "{said}");
    }

    #[test]
    fn errors_of_the_operating_system_are_no_damage() {
        assert_eq!(damage("a.gz", &io::Error::from_raw_os_error(libc::EIO)), None);
        assert_eq!(damage("a.txt", &ErrorKind::UnexpectedEof.into()), None);
    }
}
