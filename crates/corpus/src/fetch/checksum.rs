//! Sizes and checksums of files, as publishers state them.

use super::Mirror;
use crate::error::{Error, Result};
use md5::Md5;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Size and checksums of a file on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digests {
    pub bytes: u64,
    /// 64 hexadecimal digits.
    pub sha256: String,
    /// 32 hexadecimal digits.
    pub md5: String,
}

impl Digests {
    /// Reads the whole file at `path`.
    pub fn of(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(Error::io("read", path))?;
        let (mut sha256, mut md5) = (Sha256::new(), Md5::new());
        let mut buffer = vec![0; 1 << 16];
        let mut bytes = 0;
        loop {
            let read = file.read(&mut buffer).map_err(Error::io("read", path))?;
            if read == 0 {
                break;
            }
            sha256.update(&buffer[..read]);
            md5.update(&buffer[..read]);
            bytes += read as u64;
        }
        Ok(Digests { bytes, sha256: hexadecimal(&sha256.finalize()), md5: hexadecimal(&md5.finalize()) })
    }

    /// Describes the first contradiction to the mirror's statements; `None` if all agree.
    pub fn contradiction(&self, stated: &Mirror) -> Option<String> {
        let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
        match stated {
            Mirror { bytes: Some(bytes), .. } if *bytes != self.bytes => {
                Some(format!("it has {} bytes instead of {bytes}", self.bytes))
            }
            Mirror { sha256: Some(sha256), .. } if !same(sha256, &self.sha256) => {
                Some(format!("its sha256 is {} instead of {sha256}", self.sha256))
            }
            Mirror { md5: Some(md5), .. } if !same(md5, &self.md5) => {
                Some(format!("its md5 is {} instead of {md5}", self.md5))
            }
            _ => None,
        }
    }
}

impl Mirror {
    /// Whether a checksum is stated, so that another file cannot pass for this one.
    pub fn is_pinned(&self) -> bool {
        self.sha256.is_some() || self.md5.is_some()
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        let found = Digests::of(&path).unwrap();
        // FIPS 180-2, appendix B.1; RFC 1321, appendix A.5.
        assert_eq!(found.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!((found.bytes, found.md5.as_str()), (3, "900150983cd24fb0d6963f7d28e17f72"));
        let mirror = |bytes, sha256: Option<&str>, md5: Option<&str>| Mirror {
            url: String::new(),
            bytes,
            sha256: sha256.map(String::from),
            md5: md5.map(String::from),
        };
        let upper = found.sha256.to_uppercase();
        assert_eq!(found.contradiction(&mirror(Some(3), Some(&upper), Some(&found.md5))), None);
        assert_eq!(found.contradiction(&mirror(None, None, None)), None);
        for (wrong, word) in [
            (mirror(Some(4), None, None), "4"),
            (mirror(None, Some("00"), None), "sha256"),
            (mirror(None, None, Some("00")), "md5"),
        ] {
            let said = found.contradiction(&wrong).unwrap();
            assert!(said.contains(word), "{said}");
        }
    }
}
