//! The statement of the trial that saved a file of named tensors: a safetensors file with a checksum over everything
//! that loading uses. The metadata is one JSON text under the key `ablate`.

use super::run_state::{Owner, Progress, RunState};
use crate::error::{Error, Result};
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The data of a file in addition to its tensors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// Present in training states.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub progress: Option<Progress>,
    /// Present in training states, except those of version 0.1.0.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub run: Option<RunState>,
    /// Present in the weights after an update, except those from before 2026-11-28.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<Owner>,
}

impl Statement {
    /// The trial that saved the file, if it is stated.
    pub fn owner(&self) -> Option<&Owner> {
        self.run.as_ref().map(|run| &run.owner).or(self.owner.as_ref())
    }

    /// Adds the whole statement to a checksum.
    fn add_to(&self, hash: &mut blake3::Hasher) {
        let Statement { progress, run, owner } = self;
        if let Some(progress) = progress {
            // Debug shows every digit of a float, so equal texts are equal values.
            hash.update(format!("{progress:?}\0").as_bytes());
        }
        if let Some(RunState { owner: Owner { identity, training_identity }, metrics }) = run {
            hash.update(format!("{identity}\0{metrics}\0").as_bytes());
            training_identity.iter().for_each(|training| _ = hash.update(format!("{training}\0").as_bytes()));
        }
        if let Some(owner) = owner {
            hash.update(format!("{owner:?}\0").as_bytes());
        }
    }
}

/// The content of a file's metadata.
#[derive(Debug, Serialize, Deserialize)]
pub struct Metadata {
    /// blake3 over the statement and the names, types, shapes and bytes of all tensors, in order of names.
    pub checksum: String,
    #[serde(flatten)]
    pub statement: Statement,
}

/// The checksum of a file: blake3 over everything that loading would use, tensors in order of names.
pub fn checksum<'a>(
    tensors: impl Iterator<Item = (&'a str, Dtype, &'a [usize], &'a [u8])>,
    statement: &Statement,
) -> String {
    let mut sorted: Vec<_> = tensors.collect();
    sorted.sort_by_key(|(name, ..)| *name);
    let mut hash = blake3::Hasher::new();
    statement.add_to(&mut hash);
    for (name, dtype, shape, bytes) in sorted {
        hash.update(format!("{name}\0{dtype:?}\0{shape:?}\0").as_bytes());
        hash.update(bytes);
    }
    hash.finalize().to_hex().to_string()
}

/// Reads the statement of a file of any model, and verifies the file.
pub fn read_statement(path: &Path) -> Result<Statement> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    open(path, &bytes).map(|(_, statement)| statement)
}

/// The error for a file that is damaged.
pub fn damaged(path: &Path, what: String) -> Error {
    Error::failed(format!("{}: {what}", path.display()))
}

/// Reads tensors and statement from a file's bytes, and verifies the checksum.
pub fn open<'a>(path: &Path, bytes: &'a [u8]) -> Result<(SafeTensors<'a>, Statement)> {
    let damaged = |what| damaged(path, what);
    let (_, header) = SafeTensors::read_metadata(bytes)
        .map_err(|e| damaged(format!("not a whole safetensors file ({e})")))?;
    let text = header
        .metadata()
        .as_ref()
        .and_then(|m| m.get("ablate"))
        .ok_or_else(|| damaged("no ablate metadata".into()))?;
    let Metadata { checksum: stated, statement } =
        serde_json::from_str(text).map_err(|e| damaged(format!("unreadable metadata ({e})")))?;
    let file = SafeTensors::deserialize(bytes)
        .map_err(|e| damaged(format!("not a whole safetensors file ({e})")))?;
    let views = file.tensors();
    let seen = checksum(
        views.iter().map(|(name, view)| (name.as_str(), view.dtype(), view.shape(), view.data())),
        &statement,
    );
    if seen != stated {
        return Err(damaged("the checksum does not fit the content".into()));
    }
    Ok((file, statement))
}
