//! Every reader of files on damaged and hostile input: it returns a value or one error, and never panics.
//!
//! Each target starts from sound files and changes them at random: bits, bytes, numbers, pieces of other files, cuts. An
//! input that causes an error that was not seen before, or none, is kept and changed further; that leads deeper without
//! measuring which code ran. As part of `cargo test` the same few thousand changes are tried each time; `scripts/fuzz`
//! lets targets run for minutes from a seed of its own (`ABLATE_FUZZ_SECONDS`, `ABLATE_FUZZ_SEED`).
//! An input that makes a reader panic is written to `ABLATE_FUZZ_OUT`, or shown.

use crate::common::learn_tokenizer;
use ablate::config::load_experiment;
use ablate::data::Pieces;
use ablate::data::recipe::{Side, TextFormat};
use ablate::data::sentences::TextReader;
use ablate::data::store::{Store, StoreWriter};
use ablate::data::tokenizer::{EncodeCache, Tokenizer};
use ablate::error::{Error, Result};
use ablate::fetch::archive::extract;
use ablate::seed::{Purpose, rng};
use ablate::sweep::expand::expand;
use ablate::sweep::spec::SweepSpec;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use std::collections::HashSet;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Number of changes for each target as part of `cargo test`.
const USUAL: u64 = 1500;
/// Largest number of inputs that are kept for further changes.
const POOL: usize = 400;
/// Largest input: longer ones only take longer.
const LONGEST: usize = 1 << 16;

/// A reader under test.
struct Target<'a> {
    name: &'a str,
    /// Name of the file that it reads, in a folder of its own.
    file: &'a str,
    /// Sound files; the first must be read, later ones may need others beside them.
    seeds: Vec<Vec<u8>>,
    /// Repairs a checksum, so that the reader gets beyond it.
    repair: fn(&mut [u8]),
    read: &'a dyn Fn(&Path) -> Result<()>,
}

/// Random changes of files.
struct Mutator(ChaCha8Rng);

impl Mutator {
    fn below(&mut self, limit: usize) -> usize {
        (self.0.next_u64() % limit.max(1) as u64) as usize
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let longest = (length - start).min(1 << self.below(9));
        start..start + self.below(longest + 1)
    }

    /// Makes one to four changes of `input`, with pieces of `other`.
    fn change(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(4) {
            self.change_once(&mut bytes, other);
        }
        bytes.truncate(LONGEST);
        bytes
    }

    fn change_once(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        const WORDS: [&[u8]; 16] = [
            b"\0",
            b"\xff\xff\xff\xff",
            b"\xff\xff\xff\xff\xff\xff\xff\x7f",
            b"\xe2\x80\xa8",
            b"\"",
            b"[",
            b"]]",
            b"{ a = 1 }",
            b"\n",
            b"-1",
            b"1e400",
            b"nan",
            b"18446744073709551616",
            b"../",
            b"<seg>",
            b"\\u0000",
        ];
        let at = self.below(bytes.len() + 1);
        match self.below(9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 if at < bytes.len() => bytes[at] = self.below(256) as u8,
            2 => {
                let cut = self.range(bytes.len());
                bytes.drain(cut);
            }
            3 => {
                let copied = bytes[self.range(bytes.len())].to_vec();
                bytes.splice(at..at, copied);
            }
            4 => {
                let piece = other[self.range(other.len())].to_vec();
                let replaced = at..(at + self.below(piece.len() + 1)).min(bytes.len());
                bytes.splice(replaced, piece);
            }
            5 => {
                let word = WORDS[self.below(WORDS.len())];
                bytes.splice(at..at, word.iter().copied());
            }
            6 => bytes.truncate(at),
            7 => self.change_number(bytes, at),
            _ if at + 8 <= bytes.len() => {
                let few = self.below(70) as u64;
                let number = if self.below(2) == 0 { few } else { u64::MAX - few };
                bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
            }
            _ => {}
        }
    }

    /// Replaces the first number behind `at` by another one.
    fn change_number(&mut self, bytes: &mut Vec<u8>, at: usize) {
        const NUMBERS: [&str; 8] = ["0", "-1", "1", "2", "1e9", "65536", "4294967296", "0.5"];
        let digits = |byte: &u8| byte.is_ascii_digit();
        if let Some(start) = bytes[at..].iter().position(digits).map(|found| at + found) {
            let end = bytes[start..]
                .iter()
                .position(|byte| !digits(byte))
                .map_or(bytes.len(), |found| start + found);
            bytes.splice(start..end, NUMBERS[self.below(NUMBERS.len())].bytes());
        }
    }
}

/// Returns the text of an error without the parts of the input in it.
fn kind_of(error: &Error) -> String {
    let shown = error.to_string();
    let first = shown.lines().next().unwrap_or_default();
    let mut quoted = false;
    let kept = first.chars().filter(|&character| {
        quoted ^= character == '"' || character == '`';
        !quoted && !character.is_ascii_digit()
    });
    kept.take(120).collect()
}

fn seconds() -> Option<u64> {
    std::env::var("ABLATE_FUZZ_SECONDS")
        .ok()
        .map(|text| text.parse().expect("ABLATE_FUZZ_SECONDS is a number"))
}

impl Target<'_> {
    /// Changes inputs and reads them until the number of tries or the time is reached.
    fn run(&self) {
        let seed = std::env::var("ABLATE_FUZZ_SEED").ok().map_or(0, |text| text.parse().expect("a number"));
        let mut mutator = Mutator(rng(seed, Purpose::Resampling, 0));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(self.file);
        let mut pool = self.seeds.clone();
        let mut seen = HashSet::new();
        let begun = Instant::now();
        let limit = seconds().map(Duration::from_secs);
        let (mut tries, mut accepted) = (0u64, 0u64);
        while limit.map_or(tries < USUAL, |limit| begun.elapsed() < limit) {
            // The sound files come first, unchanged.
            let mut input = match self.seeds.get(tries as usize) {
                Some(sound) => sound.clone(),
                None => {
                    let [one, other] = [0; 2].map(|_| mutator.below(pool.len()));
                    mutator.change(&pool[one], &pool[other])
                }
            };
            if mutator.below(2) == 0 {
                (self.repair)(&mut input);
            }
            std::fs::write(&path, &input).unwrap();
            tries += 1;
            let outcome = catch_unwind(AssertUnwindSafe(|| (self.read)(&path)));
            if let (1, Ok(Err(error))) = (tries, &outcome) {
                panic!("{}: the first sound file is not read: {error}", self.name);
            }
            let found = match &outcome {
                Err(_) => self.report(&input),
                Ok(Ok(())) => {
                    accepted += 1;
                    format!("sound, of {} bytes", input.len().next_power_of_two())
                }
                Ok(Err(error)) => {
                    assert!(!error.to_string().is_empty());
                    kind_of(error)
                }
            };
            if seen.insert(found) && pool.len() < POOL {
                pool.push(input);
            }
        }
        println!(
            "{}: {tries} inputs in {:.0} s, {accepted} of them read, {} outcomes",
            self.name,
            begun.elapsed().as_secs_f64(),
            seen.len()
        );
    }

    /// Reports an input that made the reader panic, and fails.
    fn report(&self, input: &[u8]) -> String {
        let shown = match std::env::var_os("ABLATE_FUZZ_OUT").map(PathBuf::from) {
            Some(folder) => {
                let name = format!("{}-{}", self.name, &blake3::hash(input).to_hex()[..16]);
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(folder.join(&name), input).unwrap();
                folder.join(name).display().to_string()
            }
            None => input.escape_ascii().to_string(),
        };
        panic!("{}: the reader panicked on {shown}", self.name);
    }
}

fn unchanged(_: &mut [u8]) {}

const TOKENIZER: [u8; 32] = [7; 32];

/// Puts the right checksum of the content into a store's header.
fn repair_store(bytes: &mut [u8]) {
    if bytes.len() >= 128 {
        let content = *blake3::hash(&bytes[128..]).as_bytes();
        bytes[72..104].copy_from_slice(&content);
    }
}

#[test]
fn store() {
    let folder = tempfile::tempdir().unwrap();
    let seeds = [100usize, 70_000].map(|vocabulary| {
        let path = folder.path().join("train.store");
        let mut writer = StoreWriter::create(&path, vocabulary, TOKENIZER).unwrap();
        for length in 0..12u32 {
            writer.push(&vec![3 + length; length as usize], &[4, 5, length]).unwrap();
        }
        writer.finish().unwrap();
        std::fs::read(path).unwrap()
    });
    let read = |path: &Path| {
        let store = Store::open(path, TOKENIZER)?;
        // Lengths are used before the content is verified, and must be sound by then.
        let tokens: usize =
            (0..store.len()).map(|pair| store.source_length(pair) + store.target_length(pair)).sum();
        assert_eq!(tokens as u64, store.source_tokens() + store.target_tokens());
        let ids: usize =
            (0..store.len()).map(|pair| store.source(pair).len() + store.target(pair).len()).sum();
        assert_eq!(ids, tokens);
        store.verify()
    };
    Target { name: "store", file: "train.store", seeds: seeds.to_vec(), repair: repair_store, read: &read }
        .run();
}

#[test]
fn tokenizer() {
    let text = ["the cat sat on the mat", "die Katze saß auf der Matte, 30 mal!"];
    let seeds = [0, 5, 40].map(|merges| learn_tokenizer(text, merges).to_json().into_bytes());
    let read = |path: &Path| {
        let bytes = std::fs::read(path).unwrap();
        let Ok(json) = String::from_utf8(bytes) else { return Err(Error::user("not UTF-8")) };
        let tokenizer = Tokenizer::from_json(Pieces::Bpe, &json)?;
        let line = "the Katze\0 saß";
        assert_eq!(tokenizer.decode(&tokenizer.encode(line, &mut EncodeCache::default())), line);
        Ok(())
    };
    let target = Target {
        name: "tokenizer",
        file: "tokenizer.json",
        seeds: seeds.to_vec(),
        repair: unchanged,
        read: &read,
    };
    target.run();
}

/// Returns the committed files below `folder` that end in `.toml`.
fn committed(folder: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut names: Vec<PathBuf> =
        std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names.retain(|name| name.extension().is_some_and(|end| end == "toml"));
    names.iter().map(|name| std::fs::read(name).unwrap()).collect()
}

/// A whole experiment, without a base file.
const EXPERIMENT: &str = r#"
label = "small"
[data]
merges = 40
lowercase = true
[data.recipe]
name = "tiny"
source_language = "en"
target_language = "de"
[data.recipe.corpus.generated]
train = 50
dev = 5
test = 5
seed = 1
[model]
layers = 2
d_model = 64
heads = 4
position = "learned"
learned_positions = 400
[training]
steps = 10
learning_rate_scale = 0.5
[decoding]
beam = 2
"#;

#[test]
fn experiment() {
    let seeds = [vec![EXPERIMENT.into()], committed("experiments")];
    let read = |path: &Path| load_experiment(path, &[]).map(|_| ());
    let target = Target {
        name: "experiment",
        file: "small.toml",
        seeds: seeds.concat(),
        repair: unchanged,
        read: &read,
    };
    target.run();
}

#[test]
fn sweep() {
    let base = tempfile::tempdir().unwrap();
    let experiment = base.path().join("small.toml");
    std::fs::write(&experiment, EXPERIMENT).unwrap();
    // The committed sweeps, on a base that exists.
    let on_base = |bytes: &Vec<u8>| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        let lines = text.lines().map(|line| match line.starts_with("base =") {
            true => format!("base = {:?}", experiment.display().to_string()),
            false => line.to_string(),
        });
        lines.collect::<Vec<_>>().join("\n").into_bytes()
    };
    let seeds = committed("sweeps").iter().map(on_base).collect();
    let read = |path: &Path| {
        let spec = SweepSpec::load(path)?;
        expand(&spec, &[]).map(|_| ())
    };
    Target { name: "sweep", file: "some.toml", seeds, repair: unchanged, read: &read }.run();
}

#[test]
fn sgm() {
    let seeds = [
        "<srcset setid=\"x\" srclang=\"any\">\n<doc docid=\"a\">\n<p>\n<seg id=\"1\">One &amp; two</seg>\n<seg id=\"2\">Drei</seg>\n</p>\n</doc>\n</srcset>\n",
        "<seg id=\"1\">one\nline</seg><seg id=\"2\"> </seg>\n",
    ];
    let read = |path: &Path| read_sentences(path, None, Side::Source);
    let seeds = seeds.map(|text| text.as_bytes().to_vec()).to_vec();
    Target { name: "sgm", file: "test.sgm", seeds, repair: unchanged, read: &read }.run();
}

#[test]
fn wmt_xml() {
    let seeds = [
        "<?xml version='1.0' encoding='utf-8'?>\n<dataset id=\"x\">\n<doc origlang=\"en\" id=\"a\">\n<src lang=\"en\"><p>\n\
         <seg id=\"1\">One &amp; two</seg>\n<seg id=\"2\">x&#228;</seg></p></src>\n<ref lang=\"de\" translator=\"A\">\n\
         <seg id=\"1\">Eins</seg></ref></doc></dataset>\n",
        "<!DOCTYPE d [<!ENTITY e \"f\">]><d><doc><src><seg id='1'>&e;</seg></src><ref><seg id='1'><![CDATA[<]]></seg></ref></doc></d>",
    ];
    let read = |path: &Path| read_sentences(path, Some(TextFormat::WmtXml), Side::Target);
    let seeds = seeds.map(|text| text.as_bytes().to_vec()).to_vec();
    Target { name: "wmt_xml", file: "test.xml", seeds, repair: unchanged, read: &read }.run();
}

#[test]
fn trees() {
    let seeds = [
        "( (S (NP-SBJ (DT the) (NN dog))\n (VP (VBZ barks) (-NONE- *))))\n\n(X (NN a))\n",
        "(A (B (C c)) (D d))",
    ];
    let read = |path: &Path| {
        read_sentences(path, Some(TextFormat::Trees), Side::Source)?;
        read_sentences(path, Some(TextFormat::Trees), Side::Target)
    };
    let seeds = seeds.map(|text| text.as_bytes().to_vec()).to_vec();
    Target { name: "trees", file: "a.tree", seeds, repair: unchanged, read: &read }.run();
}

fn read_sentences(path: &Path, format: Option<TextFormat>, side: Side) -> Result<()> {
    let mut reader = TextReader::open(path, format, None, side)?;
    while reader.advance()? {
        if let Err(defect) = reader.current() {
            return Err(reader.defect(defect));
        }
    }
    Ok(())
}

/// A tar archive with two files below a folder.
fn tar() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for name in ["training/a.en", "training/a.de"] {
        let mut header = tar::Header::new_gnu();
        header.set_size(5);
        header.set_cksum();
        builder.append_data(&mut header, name, &b"text\n"[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

fn zip() -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in ["training/a.en", "training/a.de"] {
        writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(b"text\n").unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Extracts the members, and checks that nothing was written elsewhere.
fn extract_safely(archive: &Path) -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let outcome = extract(archive, &["training/a.en", "training/a.de"], &inner);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "something was written outside");
    outcome
}

#[test]
fn tar_members() {
    Target { name: "tar", file: "a.tar", seeds: vec![tar()], repair: repair_tar, read: &extract_safely }
        .run();
}

#[test]
fn zip_members() {
    Target { name: "zip", file: "a.zip", seeds: vec![zip()], repair: unchanged, read: &extract_safely }.run();
}

/// Puts the right checksum into the first header of a tar archive.
fn repair_tar(bytes: &mut [u8]) {
    if bytes.len() >= 512 {
        bytes[148..156].fill(b' ');
        let sum: u32 = bytes[..512].iter().map(|&byte| u32::from(byte)).sum();
        bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}
