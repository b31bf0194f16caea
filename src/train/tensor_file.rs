//! Files of named tensors that verify: safetensors, with a checksum over everything that loading uses.
//!
//! The metadata is one JSON text under the key `ablate`.

use super::run_state::{Owner, Progress, RunState};
use crate::error::{Error, Result};
use crate::files;
use crate::shim::torch_error;
use safetensors::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// What a file states beside its tensors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Statement {
    /// Of a training state.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub progress: Option<Progress>,
    /// Of a training state. Absent in those of version 0.1.0.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub run: Option<RunState>,
    /// Of the weights after an update. Absent in those of before 2026-11-28.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<Owner>,
}

impl Statement {
    /// The trial that saved the file, if it is stated.
    pub fn owner(&self) -> Option<&Owner> {
        self.run.as_ref().map(|run| &run.owner).or(self.owner.as_ref())
    }

    /// Adds everything that is stated to a checksum.
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

/// What stands in a file's metadata.
#[derive(Debug, Serialize, Deserialize)]
struct Metadata {
    /// blake3 over the statement and the names, types, shapes and bytes of all tensors, in order of names.
    checksum: String,
    #[serde(flatten)]
    statement: Statement,
}

/// A tensor's bytes with what safetensors wants to know of it.
pub(crate) struct Bytes {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for &Bytes {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

fn dtype(kind: Kind) -> Result<Dtype> {
    match kind {
        Kind::Float => Ok(Dtype::F32),
        Kind::Double => Ok(Dtype::F64),
        other => Err(Error::failed(format!("weights of type {other:?} cannot be saved"))),
    }
}

pub(crate) fn bytes_of(tensor: &Tensor) -> Result<Bytes> {
    let tensor = tensor.detach().to_device(Device::Cpu).contiguous();
    let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
    tensor.f_copy_data_u8(&mut bytes, tensor.numel()).map_err(torch_error)?;
    Ok(Bytes {
        dtype: dtype(tensor.kind())?,
        shape: tensor.size().iter().map(|&n| n as usize).collect(),
        bytes,
    })
}

/// Over everything that loading would use, in order of names.
fn checksum<'a>(
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

/// Writes `named` and a statement, atomically; gives the blake3 of the file's bytes.
pub(super) fn write(path: &Path, named: &[(String, Tensor)], statement: Statement) -> Result<String> {
    let tensors: Vec<(&str, Bytes)> =
        named.iter().map(|(name, tensor)| Ok((name.as_str(), bytes_of(tensor)?))).collect::<Result<_>>()?;
    let checksum = checksum(
        tensors.iter().map(|(name, b)| (*name, b.dtype, b.shape.as_slice(), b.bytes.as_slice())),
        &statement,
    );
    let metadata = serde_json::to_string(&Metadata { checksum, statement })
        .map_err(|e| Error::failed(format!("cannot describe {}: {e}", path.display())))?;
    let metadata = HashMap::from([("ablate".to_string(), metadata)]);
    let bytes = safetensors::serialize(tensors.iter().map(|(name, bytes)| (*name, bytes)), Some(metadata))
        .map_err(|e| Error::failed(format!("cannot serialise {}: {e}", path.display())))?;
    files::write_atomically(path, &bytes)?;
    Ok(blake3::hash(&bytes).to_hex().to_string())
}

/// Copies a file's tensors into `named`, after all of it was verified and `accept` has seen its statement, which
/// it gives.
pub(super) fn read(path: &Path, named: &[(String, Tensor)], accept: Accept) -> Result<Statement> {
    let (loaded, statement) = load(path, named, accept)?;
    tch::no_grad(|| {
        for ((_, tensor), value) in named.iter().zip(&loaded) {
            tensor.shallow_clone().copy_(value);
        }
    });
    Ok(statement)
}

/// Checks that [`read`] would succeed, and copies nothing.
pub(super) fn verify(path: &Path, named: &[(String, Tensor)], accept: Accept) -> Result<()> {
    load(path, named, accept).map(|_| ())
}

/// What a file states, whatever the model; the file is verified.
pub(super) fn read_statement(path: &Path) -> Result<Statement> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    open(path, &bytes).map(|(_, statement)| statement)
}

/// Decides by its statement whether a file at a path may be used, before its tensors are looked at.
pub(super) type Accept<'a> = &'a dyn Fn(&Path, &Statement) -> Result<()>;

fn damaged(path: &Path, what: String) -> Error {
    Error::failed(format!("{}: {what}", path.display()))
}

/// The tensors of a file's bytes and its statement, both as the checksum says.
fn open<'a>(path: &Path, bytes: &'a [u8]) -> Result<(SafeTensors<'a>, Statement)> {
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

/// The verified tensors of a file in the order of `named`, and its statement.
fn load(path: &Path, named: &[(String, Tensor)], accept: Accept) -> Result<(Vec<Tensor>, Statement)> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let damaged = |what| damaged(path, what);
    let (file, statement) = open(path, &bytes)?;
    accept(path, &statement)?;
    let mut loaded = Vec::with_capacity(named.len());
    for (name, tensor) in named {
        let view = file
            .tensor(name)
            .map_err(|_| damaged(format!("holds no {name}; it belongs to another model")))?;
        let shape: Vec<i64> = view.shape().iter().map(|&n| n as i64).collect();
        if shape != tensor.size() || view.dtype() != dtype(tensor.kind())? {
            return Err(damaged(format!(
                "{name} is {:?} {shape:?}, the model wants {:?} {:?}",
                view.dtype(),
                tensor.kind(),
                tensor.size()
            )));
        }
        loaded.push(Tensor::f_from_data_size(view.data(), &shape, tensor.kind()).map_err(torch_error)?);
    }
    if file.len() != named.len() {
        return Err(damaged(format!("holds {} tensors, the model has {}", file.len(), named.len())));
    }
    Ok((loaded, statement))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensors(start: f32) -> Vec<(String, Tensor)> {
        let numbers = [start, start + 0.5, -start];
        vec![
            ("decoder.0.weight".to_string(), Tensor::from_slice(&numbers)),
            ("encoder.0.bias".to_string(), Tensor::from_slice(&numbers[..2])),
        ]
    }

    const ALL: Accept = &|_, _| Ok(());

    fn written() -> (tempfile::TempDir, std::path::PathBuf, Statement, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("step-00000003.state.safetensors");
        let progress = Progress { step: 3, epoch: 1, micro_batch: 5, best: None };
        let owner = Owner { identity: "ab12".into(), training_identity: Some("cd34".into()) };
        let metrics = "step,tag,value\n3,train/loss,0.25\n".into();
        let run = RunState { owner: owner.clone(), metrics };
        // No file states its owner twice; here both fields are tested at once.
        let statement = Statement { progress: Some(progress), run: Some(run), owner: Some(owner) };
        let hash = write(&path, &tensors(1.0), statement.clone()).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(hash, blake3::hash(&bytes).to_hex().to_string());
        (folder, path, statement, bytes)
    }

    #[test]
    fn tensors_and_statement_come_back_and_a_file_that_is_not_accepted_is_not_copied() {
        let (_folder, path, statement, _) = written();
        let target = tensors(9.0);
        let refuse: Accept = &|_, statement| match statement.owner() {
            Some(owner) if owner.identity == "ab12" => Err(Error::user("another trial's")),
            _ => Ok(()),
        };
        assert_eq!(read(&path, &target, refuse).unwrap_err().to_string(), "another trial's");
        assert!(target.iter().zip(tensors(9.0)).all(|((_, a), (_, b))| a.equal(&b)));
        assert_eq!(read(&path, &target, ALL).unwrap(), statement);
        assert!(target.iter().zip(tensors(1.0)).all(|((_, a), (_, b))| a.equal(&b)));
        assert_eq!(read_statement(&path).unwrap(), statement);
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_noticed_before_anything_is_copied() {
        let (_folder, path, statement, bytes) = written();
        let target = tensors(9.0);
        let refused = |bytes: &[u8], how: &str| {
            std::fs::write(&path, bytes).unwrap();
            match read(&path, &target, ALL) {
                Err(error) => assert_eq!(error.exit_code(), 1, "{how}"),
                // A blank of the header may become another kind of blank: the values are then the same.
                Ok(found) => {
                    assert_eq!(found, statement, "{how}");
                    assert!(target[0].1.equal(&tensors(1.0)[0].1), "{how}");
                    let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
                    assert!(bytes[8..header].is_ascii(), "{how}");
                    return 1;
                }
            }
            0
        };
        for length in 0..bytes.len() {
            assert_eq!(refused(&bytes[..length], &format!("cut to {length}")), 0);
        }
        assert!(target.iter().zip(tensors(9.0)).all(|((_, a), (_, b))| a.equal(&b)), "something was copied");
        let mut flipped = bytes.clone();
        let mut harmless = 0;
        for bit in 0..bytes.len() * 8 {
            flipped[bit / 8] ^= 1 << (bit % 8);
            harmless += refused(&flipped, &format!("bit {bit}"));
            flipped[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(harmless < 64, "{harmless} flips went unseen");
    }
}
