//! Real texts, which are not part of the repository.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The directory that `ABLATE_TEST_CORPORA` names. Tests on real texts are ignored unless they are asked for.
pub fn directory_of_texts() -> PathBuf {
    PathBuf::from(
        std::env::var_os("ABLATE_TEST_CORPORA").expect("ABLATE_TEST_CORPORA names a directory of texts"),
    )
}

/// Compresses these bytes with gzip.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// Returns the content of a gzip file.
pub fn unpacked(path: &Path) -> Vec<u8> {
    let file = std::fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    flate2::read::MultiGzDecoder::new(file).read_to_end(&mut bytes).expect("a whole gzip file");
    bytes
}

/// Returns the lines of a gzip file, which end only at line feeds.
pub fn lines_of(path: &Path) -> Vec<String> {
    let text = String::from_utf8(unpacked(path)).expect("UTF-8");
    text.split_terminator('\n').map(String::from).collect()
}
