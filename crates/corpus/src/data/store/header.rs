//! The first 128 bytes of a shard.

const MAGIC: &[u8; 8] = b"ABLSTORE";
/// Version of a store that is one file.
const WHOLE: u32 = 1;
/// Version of the files of a store that has several; the header then states the file's number.
const SHARD: u32 = 2;
pub const HEADER_BYTES: usize = 128;
/// Number of bytes of the header in use; the rest is zero.
const HEADER_USED_BYTES: usize = 112;
pub const OFFSET_BYTES: u64 = 8;

/// blake3 of a file.
pub type Hash = [u8; 32];

/// Everything that the header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub bytes_per_id: u32,
    pub pairs: u64,
    pub source_ids: u64,
    pub target_ids: u64,
    pub tokenizer: Hash,
    /// blake3 of everything behind the header.
    pub content: Hash,
    /// Number of this file in the store, from 0.
    pub shard: u32,
    pub shards: u32,
}

impl Header {
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let whole = self.shards == 1;
        let mut bytes = [0; HEADER_BYTES];
        let fields: [&[u8]; 10] = [
            MAGIC,
            &if whole { WHOLE } else { SHARD }.to_le_bytes(),
            &self.bytes_per_id.to_le_bytes(),
            &self.pairs.to_le_bytes(),
            &self.source_ids.to_le_bytes(),
            &self.target_ids.to_le_bytes(),
            &self.tokenizer,
            &self.content,
            &self.shard.to_le_bytes(),
            &if whole { 0 } else { self.shards }.to_le_bytes(),
        ];
        bytes[..HEADER_USED_BYTES].copy_from_slice(&fields.concat());
        bytes
    }

    /// Reads a header, or says what is wrong with it.
    pub fn from_bytes(bytes: &[u8]) -> std::result::Result<Self, String> {
        let bytes: &[u8; HEADER_BYTES] =
            bytes.first_chunk().ok_or_else(|| format!("it has {} bytes, less than a header", bytes.len()))?;
        let version = u32_at(bytes, 8);
        let (shard, shards) = (u32_at(bytes, 104), u32_at(bytes, 108));
        let header = Header {
            bytes_per_id: u32_at(bytes, 12),
            pairs: u64_at(bytes, 16),
            source_ids: u64_at(bytes, 24),
            target_ids: u64_at(bytes, 32),
            tokenizer: array_at(bytes, 40),
            content: array_at(bytes, 72),
            shard,
            shards: if version == WHOLE { 1 } else { shards },
        };
        if array_at::<8>(bytes, 0) != *MAGIC {
            return Err("it does not begin with ABLSTORE".into());
        }
        if !matches!(version, WHOLE | SHARD) {
            return Err(format!("it has version {version}, this program reads versions {WHOLE} and {SHARD}"));
        }
        // One file is written as version 1 alone, so that no two headers mean the same.
        let place_is_sound = match version {
            WHOLE => (shard, shards) == (0, 0),
            _ => shard < shards && shards > 1,
        };
        let rest_is_zero = bytes[HEADER_USED_BYTES..].iter().all(|&byte| byte == 0);
        if !matches!(header.bytes_per_id, 2 | 4) || !place_is_sound || !rest_is_zero {
            return Err("its header is damaged".into());
        }
        Ok(header)
    }

    /// Returns the size of the whole file; `None` if the numbers are too large to be true.
    pub fn file_bytes(&self) -> Option<u64> {
        let offsets = self.pairs.checked_add(1)?.checked_mul(2 * OFFSET_BYTES)?;
        let ids = self.source_ids.checked_add(self.target_ids)?.checked_mul(u64::from(self.bytes_per_id))?;
        offsets.checked_add(ids)?.checked_add(HEADER_BYTES as u64)
    }
}

pub fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}
