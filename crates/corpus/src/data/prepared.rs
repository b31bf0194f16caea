//! A prepared corpus: the directory that `prepare` made, opened and checked.

use super::cleaning_counts::CleaningCounts;
use super::lines::SourceFile;
use super::store::{Hash, Store, damaged, shard_path};
use super::text_form::TextForm;
use super::tokenizer::{EncodeCache, Tokenizer, sizes};
use super::tokenizers::{self, Tokenizers, file_names};
use super::{DataConfig, Split, Vocabulary};
use crate::error::{Error, Result};
use crate::white_space::words;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};

pub const MANIFEST: &str = "manifest.json";
/// Raised when the same configuration would give other files.
pub const FORMAT_VERSION: u32 = 1;

/// The content of `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub version: u32,
    pub config: DataConfig,
    pub counts: Counts,
    /// The files that the corpus was read from; none for a generated one.
    pub sources: Vec<SourceFile>,
    /// Every other file of the directory, in a fixed order.
    pub files: Vec<FileRecord>,
    /// blake3 over the contents of all files: the same for the same data on any machine, at any path.
    pub fingerprint: String,
}

/// Sizes of a prepared corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Training pairs before and after cleaning.
    pub train: CleaningCounts,
    pub dev: usize,
    pub test: usize,
    /// Token ids in use, of the target side; a model may have more rows.
    pub vocabulary: usize,
    /// Token ids in use of the source side, if it has its own vocabulary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_vocabulary: Option<usize>,
    /// Tokens of the kept training pairs in all segmentations, without ends of sentences.
    pub train_source_tokens: u64,
    pub train_target_tokens: u64,
}

/// A file of the directory, as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    pub name: String,
    pub bytes: u64,
    pub blake3: String,
}

/// Every file of a prepared directory but the manifest, in the order of the fingerprint; `shards` is the number of
/// files that the store of each split has.
pub fn content_files(vocabulary: Vocabulary, shards: [usize; 3]) -> Vec<String> {
    let stores = Split::ALL.into_iter().zip(shards).flat_map(|(split, shards)| {
        (0..shards).map(move |number| shard_path(Path::new(&store_name(split)), number).display().to_string())
    });
    let texts = [Split::Dev, Split::Test].into_iter().flat_map(text_names);
    file_names(vocabulary).iter().map(|name| name.to_string()).chain(stores).chain(texts).collect()
}

/// Returns the number of files of each split's store, counted by their names.
fn shards(files: &[FileRecord]) -> [usize; 3] {
    Split::ALL.map(|split| {
        let is_shard =
            |name: &str| name.ends_with(".store") && name.starts_with(&format!("{}.", split.name()));
        files.iter().filter(|file| is_shard(&file.name)).count()
    })
}

/// Returns the part of the configuration that decides the content: all but the limit of the length in training.
pub(super) fn content(config: &DataConfig) -> DataConfig {
    DataConfig { max_train_length: None, ..config.clone() }
}

/// Returns the `[data]` section as it is hashed and compared: all that decides the content, without `origin` and the
/// limit of the length in training. It includes the addresses of pairs of files (`source_url`, `target_url`), though they
/// do not change the content, so that existing directories keep their names.
pub fn section(config: &DataConfig) -> Result<String> {
    serde_json::to_string(&content(config)).map_err(|error| Error::failed(format!("[data]: {error}")))
}

pub fn store_name(split: Split) -> String {
    format!("{}.store", split.name())
}

/// File names of the two sides of a split's text.
pub fn text_names(split: Split) -> [String; 2] {
    ["source", "target"].map(|side| format!("{}.{side}.txt", split.name()))
}

/// blake3 over names and hashes of `files`.
pub fn fingerprint<'a>(files: impl IntoIterator<Item = &'a FileRecord>) -> String {
    let mut hasher = blake3::Hasher::new();
    files
        .into_iter()
        .for_each(|file| _ = hasher.update(format!("{} {}\n", file.name, file.blake3).as_bytes()));
    hasher.finalize().to_hex().to_string()
}

/// Size and hash of a file as it is on the disk now.
pub fn record_file(directory: &Path, name: &str) -> Result<FileRecord> {
    let path = directory.join(name);
    let mut file = File::open(&path).map_err(Error::io("read", &path))?;
    let mut hasher = blake3::Hasher::new();
    let bytes = std::io::copy(&mut file, &mut hasher).map_err(Error::io("read", &path))?;
    Ok(FileRecord { name: name.into(), bytes, blake3: hasher.finalize().to_hex().to_string() })
}

/// The two sides of a split as text: the sources to translate, and the references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParallelText {
    pub source: Vec<String>,
    pub target: Vec<String>,
}

/// A prepared corpus. Stores and texts are opened, and checked, when asked for.
#[derive(Debug)]
pub struct Prepared {
    pub tokenizers: Tokenizers,
    tokenizer_hash: Hash,
    directory: PathBuf,
    manifest: Manifest,
    forms: [TextForm; 2],
    /// See [`DataConfig::limit_of_training`].
    limit_of_training: Option<usize>,
}

impl Prepared {
    /// Opens a directory that `config` was prepared into.
    ///
    /// # Errors
    /// A user error that names the file where manifest or tokenizer are missing or damaged.
    pub fn load(directory: &Path, config: &DataConfig) -> Result<Self> {
        let manifest_file = directory.join(MANIFEST);
        let text = read_text(&manifest_file)?;
        let manifest: Manifest = serde_json::from_str(&text)
            .map_err(|error| damaged(&manifest_file, &format!("it cannot be read ({error})")))?;
        let complete = manifest
            .files
            .iter()
            .map(|file| &file.name)
            .eq(&content_files(config.vocabulary, shards(&manifest.files)));
        if manifest.version != FORMAT_VERSION
            || !complete
            || manifest.fingerprint != fingerprint(&manifest.files)
        {
            return Err(damaged(&manifest_file, "it does not hold together"));
        }
        if section(&manifest.config)? != section(config)? {
            return Err(damaged(&manifest_file, "it belongs to another [data] section"));
        }
        let mut texts = Vec::new();
        let mut found = Vec::new();
        for name in file_names(config.vocabulary) {
            let file = directory.join(name);
            let text = read_text(&file)?;
            check_hash(&manifest, directory, name, text.as_bytes())?;
            let tokenizer = Tokenizer::from_json(config.pieces, &text);
            found.push(tokenizer.map_err(|error| damaged(&file, &error.to_string()))?);
            texts.push(text);
        }
        let target = found.pop().ok_or_else(|| Error::failed("a corpus has a tokenizer"))?;
        Ok(Prepared {
            tokenizers: Tokenizers::new(found.pop(), target),
            tokenizer_hash: tokenizers::hash(texts.iter().map(String::as_str)),
            directory: directory.into(),
            manifest,
            forms: TextForm::both(config)?,
            limit_of_training: config.limit_of_training(),
        })
    }

    /// Returns the token ids of a line of the source language; none for a line without text.
    pub fn encode_source(&self, line: &str, cache: &mut EncodeCache) -> Vec<u32> {
        match words(line).next() {
            Some(_) => self.tokenizers.source().encode(&self.forms[0].apply(line), cache),
            None => Vec::new(),
        }
    }

    /// Returns the token ids of the first `count` sources of a split for translation. A line without text gives none,
    /// although the tokenizer has tokens for its blanks.
    pub fn sources_to_translate(&self, store: &Store, count: usize) -> Vec<Vec<u32>> {
        let tokenizer = self.tokenizers.source();
        let blank = |ids: &[u32]| words(&tokenizer.decode(ids)).next().is_none();
        let sources = (0..count.min(store.len())).map(|pair| store.source(pair));
        sources.map(|ids| if blank(&ids) { Vec::new() } else { ids }).collect()
    }

    /// Token ids of running text, as it is prepared: line by line, each with its end.
    pub fn encode_text(&self, text: &str) -> Vec<u32> {
        let (mut ids, mut cache) = (Vec::new(), EncodeCache::default());
        for line in text.split_inclusive('\n') {
            let (body, end) = line.strip_suffix('\n').map_or((line, ""), |body| (body, "\n"));
            let line = format!("{}{end}", self.forms[1].apply(body));
            self.tokenizers.target().encode_into(&line, &mut cache, &mut ids);
        }
        ids
    }

    /// Returns the token ids of the end of a line of running text that is not empty. (In an empty line, the blank that
    /// BPE puts before every line is part of the token.)
    pub fn line_end(&self) -> Vec<u32> {
        let line = "a";
        self.encode_text(&format!("{line}\n")).split_off(self.encode_text(line).len())
    }

    /// Returns the running text that `ids` stand for; undoes [`encode_text`](Self::encode_text), except for lower-casing.
    pub fn decode_text(&self, ids: &[u32]) -> String {
        self.tokenizers.target().decode_lines(ids)
    }

    /// The text that a model's ids stand for: one line, detokenised where the corpus was tokenised.
    pub fn decode_target(&self, ids: &[u32]) -> String {
        let text = self.tokenizers.target().decode(ids);
        let text = if text.contains(['\n', '\r']) { text.replace(['\n', '\r'], " ") } else { text };
        self.forms[1].restore(text)
    }

    /// Compares every file with the manifest.
    ///
    /// # Errors
    /// A user error that names the first file that is missing or differs.
    pub fn verify(&self) -> Result<()> {
        for expected in &self.manifest.files {
            let path = self.directory.join(&expected.name);
            if !path.is_file() {
                return Err(damaged(&path, "it is missing"));
            }
            if record_file(&self.directory, &expected.name)? != *expected {
                return Err(damaged(&path, "it is not what was prepared"));
            }
        }
        Ok(())
    }

    /// Opens the token ids of a split and checks every byte. The training split lacks the pairs that
    /// `data.max_train_length` leaves out.
    ///
    /// # Errors
    /// A user error that names the file that is missing or damaged.
    pub fn split(&self, split: Split) -> Result<Store> {
        let store = self.split_unverified(split)?;
        store.verify().map(|()| store)
    }

    /// Opens the token ids of a split without checking every byte. Lengths are checked, and may be relied on.
    pub fn split_unverified(&self, split: Split) -> Result<Store> {
        let store = Store::open(&self.directory.join(store_name(split)), self.tokenizer_hash)?;
        Ok(match (split, self.limit_of_training) {
            (Split::Train, Some(limit)) => store.without_longer_than(limit),
            _ => store,
        })
    }

    /// Both sides of the dev or test set as text, lower-cased if the configuration says so, never tokenised.
    ///
    /// # Errors
    /// A user error for a damaged file; a failure for the training set, of which no text is kept.
    pub fn text(&self, split: Split) -> Result<ParallelText> {
        if split == Split::Train {
            return Err(Error::failed("no text of the training set is kept; decode the ids of its store"));
        }
        let [source, target] = text_names(split).map(|name| -> Result<Vec<String>> {
            let text = read_text(&self.directory.join(&name))?;
            check_hash(&self.manifest, &self.directory, &name, text.as_bytes())?;
            // Not `str::lines`, which would drop a carriage return that is part of the sentence.
            Ok(text.split_terminator('\n').map(str::to_string).collect())
        });
        Ok(ParallelText { source: source?, target: target? })
    }

    /// blake3 over the contents, in hexadecimal; part of a trial's identity.
    pub fn fingerprint(&self) -> &str {
        &self.manifest.fingerprint
    }

    /// blake3 over the dev and test texts alone, in hexadecimal: the same for each tokenization of one text, and for each
    /// training text beside it.
    pub fn scored_text(&self) -> String {
        let names: Vec<String> = [Split::Dev, Split::Test].into_iter().flat_map(text_names).collect();
        let texts = self.manifest.files.iter().filter(|file| names.contains(&file.name));
        fingerprint(texts)
    }

    pub fn counts(&self) -> &Counts {
        &self.manifest.counts
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// Returns the vocabulary sizes of source and target: those of the prepared corpus, or else the largest possible ones.
pub fn vocabulary_sizes(config: &DataConfig, prepared: Option<&Prepared>) -> (usize, usize) {
    let [_, most] = sizes(config.pieces, config.merges);
    prepared.map_or((most, most), |prepared| prepared.tokenizers.sizes())
}

fn read_text(path: &Path) -> Result<String> {
    match std::fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| damaged(path, "it is not UTF-8")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(damaged(path, "it is missing")),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

fn check_hash(manifest: &Manifest, directory: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let hash = blake3::hash(bytes).to_hex();
    match manifest.files.iter().find(|file| file.name == name) {
        Some(file) if file.blake3 == hash.as_str() => Ok(()),
        _ => Err(damaged(&directory.join(name), "it is not what was prepared")),
    }
}
