//! Reading parallel text: line n of one side translates line n of the other.

use super::FilePair;
use super::inputs::Inputs;
use super::lines::{Defect, SourceFile};
use super::recipe::{Cleaning, Side, TextFormat};
use super::sentences::TextReader;
use crate::error::{Error, Result};

/// Content of two parallel files at one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pair<'a> {
    Text(&'a str, &'a str),
    /// One side is not valid text, and this defect is tolerated.
    Defective(Defect),
}

/// Defects that concern only a pair. Any other defect is an error of the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tolerance {
    pub not_utf8: bool,
    pub too_long: bool,
    /// The character U+0000, which most tools do not preserve.
    pub nul: bool,
}

impl Tolerance {
    /// Tolerates every defect; for files whose content is known.
    pub const ALL: Tolerance = Tolerance { not_utf8: true, too_long: true, nul: true };

    /// Returns the defects that a step of the cleaning handles.
    pub fn of(cleaning: &Cleaning) -> Tolerance {
        Tolerance {
            not_utf8: cleaning.drop_not_utf8,
            too_long: cleaning.max_characters.is_some(),
            nul: cleaning.control_characters.is_some(),
        }
    }

    fn allows(self, defect: Defect) -> bool {
        match defect {
            Defect::NotUtf8 { .. } => self.not_utf8,
            Defect::TooLong => self.too_long,
        }
    }
}

/// Calls `visit` with every pair of sentences and returns summaries of the two files.
///
/// # Errors
/// User errors that name the file, and the line where there is one: missing, empty, unreadable (see
/// [`TextReader::advance`]), a defect that is not tolerated, sides of unequal length, or not the number of pairs that
/// the recipe states.
pub fn read_pairs(
    pair: &FilePair,
    inputs: &Inputs,
    tolerance: Tolerance,
    mut visit: impl FnMut(Pair) -> Result<()>,
) -> Result<[SourceFile; 2]> {
    let open = |name: &str, column, side| {
        let reader = TextReader::open(inputs.path(name)?, pair.format, column, side)?;
        Ok::<_, Error>(reader.of_translator(pair.translator.as_deref()))
    };
    let mut source = open(&pair.source, pair.source_column, Side::Source)?;
    let mut target = open(&pair.target, pair.target_column, Side::Target)?;
    loop {
        match (source.advance()?, target.advance()?) {
            (true, true) => visit(current(&source, &target, tolerance)?)?,
            (false, false) => break,
            (true, false) => return Err(unequal(&mut source, &target)),
            (false, true) => return Err(unequal(&mut target, &source)),
        }
    }
    if source.sentences() == 0 {
        let expected = match source.format() {
            TextFormat::Lines => "one sentence a line",
            TextFormat::Running => "text",
            TextFormat::Trees => "trees",
            TextFormat::Segments | TextFormat::WmtXml | TextFormat::IwsltTags => "sentences",
        };
        return Err(Error::user(format!(
            "{}: the file is empty; expected {expected}",
            source.path().display()
        )));
    }
    if let Some(stated) = pair.pairs.filter(|&stated| stated != source.sentences()) {
        return Err(Error::user(format!(
            "{}: has {} lines, but the recipe states pairs = {stated}; it is another version of the file, or a part of it",
            source.path().display(),
            source.sentences()
        )));
    }
    Ok([source.summary(&pair.source), target.summary(&pair.target)])
}

/// The present sentences of both sides.
fn current<'a>(source: &'a TextReader, target: &'a TextReader, tolerance: Tolerance) -> Result<Pair<'a>> {
    let mut texts = [""; 2];
    let mut found = None;
    for (side, text) in [source, target].into_iter().zip(&mut texts) {
        match side.current() {
            Ok(sentence) if sentence.contains('\0') && !tolerance.nul => {
                // Running text is never cleaned.
                let cleaning = match side.format() {
                    TextFormat::Running => "",
                    _ => {
                        "; training pairs with such characters can be mended or left out with \
                         cleaning.control_characters in the recipe"
                    }
                };
                return Err(side.lines().mistake(&format!(
                    "this line holds a NUL character; the file is damaged, or is no text{cleaning}"
                )));
            }
            Ok(sentence) => *text = sentence,
            Err(defect) if tolerance.allows(defect) => found = Some(defect),
            Err(defect) => return Err(side.defect(defect)),
        }
    }
    Ok(found.map_or(Pair::Text(texts[0], texts[1]), Pair::Defective))
}

/// Returns the error for two sides of which `longer` continues after the end of `shorter`.
fn unequal(longer: &mut TextReader, shorter: &TextReader) -> Error {
    loop {
        match longer.advance() {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => return error,
        }
    }
    Error::user(format!(
        "{} has {} lines, but {} has {}; line n of one must translate line n of the other",
        longer.path().display(),
        longer.sentences(),
        shorter.path().display(),
        shorter.sentences()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::archive::tests::compressed;
    use crate::fetch::compression::Compression;

    fn read_with(
        files: &[(&str, &[u8])],
        pair: &FilePair,
        tolerance: Tolerance,
    ) -> Result<Vec<(String, String)>> {
        let directory = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, bytes)| std::fs::write(directory.path().join(name), bytes).unwrap());
        let inputs = Inputs::in_folder(&[&pair.source, &pair.target], directory.path())?;
        let mut pairs = Vec::new();
        read_pairs(pair, &inputs, tolerance, |pair| {
            pairs.push(match pair {
                Pair::Text(source, target) => (source.to_string(), target.to_string()),
                Pair::Defective(defect) => (format!("{defect:?}"), String::new()),
            });
            Ok(())
        })?;
        Ok(pairs)
    }

    fn read(files: &[(&str, &[u8])], pair: &FilePair) -> Result<Vec<(String, String)>> {
        read_with(files, pair, Tolerance::default())
    }

    fn message(files: &[(&str, &[u8])], pair: &FilePair) -> String {
        let error = read(files, pair).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        error.to_string()
    }

    fn texts<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
        pairs.map(|(a, b)| (a.to_string(), b.to_string())).to_vec()
    }

    #[test]
    fn a_compressed_name_finds_the_plain_file_and_the_other_way_round() {
        let two_members =
            [b"x\n".as_slice(), b"y\n"].map(|part| compressed(Compression::Gzip, part)).concat();
        let ab = FilePair::new("a", "b.gz");
        assert_eq!(
            read(&[("a.gz", &two_members), ("b", b"1\n2\n")], &ab).unwrap(),
            texts([("x", "1"), ("y", "2")])
        );
        for compression in Compression::ALL {
            let packed = compressed(compression, b"x\ny\n");
            let name = format!("a{}", compression.ending());
            let pairs = read(&[(&name, &packed), ("b", b"1\n2\n")], &ab).unwrap();
            assert_eq!(pairs, texts([("x", "1"), ("y", "2")]), "{name}");
        }
    }

    #[test]
    fn both_sides_may_be_columns_of_one_file() {
        let pair = FilePair { source_column: Some(1), target_column: Some(2), ..FilePair::new("a", "a") };
        let pairs = read(&[("a", b"x\t1\tby\ny\t2\tby\n")], &pair).unwrap();
        assert_eq!(pairs, texts([("x", "1"), ("y", "2")]));
    }

    #[test]
    fn the_hash_is_that_of_the_text_however_compressed() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("a"), b"x\n").unwrap();
        std::fs::write(path("b.gz"), compressed(Compression::Gzip, b"x\n")).unwrap();
        let inputs = Inputs::in_folder(&["a", "b"], directory.path()).unwrap();
        let [a, b] = read_pairs(&FilePair::new("a", "b"), &inputs, Tolerance::default(), |_| Ok(())).unwrap();
        assert_eq!((&a.blake3, a.lines), (&b.blake3, b.lines));
    }

    #[test]
    fn mistakes_in_files_are_named_with_file_and_line() {
        let ab = FilePair::new("a", "b");
        let missing = message(&[("a", b"x\n")], &ab);
        assert!(
            missing.contains("no file b") && missing.contains(".gz") && missing.contains("--source"),
            "{missing}"
        );
        let encoding = message(&[("a", b"x\ny\n"), ("b", b"1\n2\xff\n")], &ab);
        assert!(encoding.contains("b:2: byte 2 of this line is not UTF-8"), "{encoding}");
        let unequal = message(&[("a", b"x\n"), ("b", b"1\n2\n3\n")], &ab);
        assert!(unequal.contains("b has 3 lines, but") && unequal.contains("a has 1;"), "{unequal}");
        let stated = message(&[("a", b"x\n"), ("b", b"1\n")], &FilePair { pairs: Some(7), ..ab.clone() });
        assert!(stated.contains("has 1 lines, but the recipe states pairs = 7"), "{stated}");
        let empty = message(&[("a", b""), ("b", b"")], &ab);
        assert!(empty.contains("a: the file is empty"), "{empty}");
        let one_empty = message(&[("a", b""), ("b", b"1\n")], &ab);
        assert!(one_empty.contains("b has 1 lines, but") && one_empty.contains("a has 0"), "{one_empty}");
        let nul = message(&[("a", b"x\ny\0\n"), ("b", b"1\n2\n")], &ab);
        assert!(nul.contains("a:2: this line holds a NUL character"), "{nul}");
        let long = message(&[("a", "x".repeat(10 << 20).as_bytes()), ("b", b"1\n")], &ab);
        assert!(long.contains("a:1: this line has more than 1048576 bytes"), "{long}");
    }

    #[test]
    fn what_is_tolerated_is_the_pairs_mistake_alone() {
        let ab = FilePair::new("a", "b");
        let files: [(&str, &[u8]); 2] = [("a", b"x\n\xff\ny\0\nz\n"), ("b", b"1\n2\n3\n4\n")];
        let pairs = read_with(&files, &ab, Tolerance::ALL).unwrap();
        assert_eq!(pairs, texts([("x", "1"), ("NotUtf8 { byte: 1 }", ""), ("y\0", "3"), ("z", "4")]));
    }

    #[test]
    fn every_truncation_of_a_gzip_file_is_an_error() {
        let text = "one line and another\n".repeat(20);
        let (whole, plain) = (compressed(Compression::Gzip, text.as_bytes()), text.as_bytes());
        let ab = FilePair::new("a", "b");
        for length in 0..whole.len() {
            let shown = message(&[("a.gz", &whole[..length]), ("b", plain)], &ab);
            assert!(shown.contains("a.gz"), "{length}: {shown}");
        }
        assert!(read(&[("a.gz", &whole), ("b", plain)], &ab).is_ok());
    }
}
