//! Files of named tensors that verify: safetensors, with a checksum over everything that loading uses.
//!
//! The metadata is one JSON text under the key `ablate`.

use super::checkpoint::{Progress, RunState, State};
use crate::error::{Error, Result};
use crate::files;
use safetensors::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// What stands in a file's metadata.
#[derive(Debug, Serialize, Deserialize)]
struct Metadata {
    /// blake3 over the state and the names, types, shapes and bytes of all tensors, in order of names.
    checksum: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    progress: Option<Progress>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    run: Option<RunState>,
}

impl Metadata {
    fn new(checksum: String, state: Option<State>) -> Self {
        let (progress, run) = state.map_or((None, None), |state| (Some(state.progress), state.run));
        Metadata { checksum, progress, run }
    }

    /// The checksum as stated, and the state.
    fn into_parts(self) -> (String, Option<State>) {
        let Metadata { checksum, progress, run } = self;
        (checksum, progress.map(|progress| State { progress, run }))
    }
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
    tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
    Ok(Bytes {
        dtype: dtype(tensor.kind())?,
        shape: tensor.size().iter().map(|&n| n as usize).collect(),
        bytes,
    })
}

/// Over everything that loading would use, in order of names.
fn checksum<'a>(
    tensors: impl Iterator<Item = (&'a str, Dtype, &'a [usize], &'a [u8])>,
    state: &Option<State>,
) -> String {
    let mut sorted: Vec<_> = tensors.collect();
    sorted.sort_by_key(|(name, ..)| *name);
    let mut hash = blake3::Hasher::new();
    if let Some(State { progress, run }) = state {
        // Debug shows every digit of a float, so equal texts are equal values.
        hash.update(format!("{progress:?}\0").as_bytes());
        if let Some(RunState { identity, metrics }) = run {
            hash.update(format!("{identity}\0{metrics}\0").as_bytes());
        }
    }
    for (name, dtype, shape, bytes) in sorted {
        hash.update(format!("{name}\0{dtype:?}\0{shape:?}\0").as_bytes());
        hash.update(bytes);
    }
    hash.finalize().to_hex().to_string()
}

/// Writes `named` and what else the state holds, atomically; gives the blake3 of the file's bytes.
pub(super) fn write(path: &Path, named: &[(String, Tensor)], state: Option<State>) -> Result<String> {
    let tensors: Vec<(&str, Bytes)> =
        named.iter().map(|(name, tensor)| Ok((name.as_str(), bytes_of(tensor)?))).collect::<Result<_>>()?;
    let checksum = checksum(
        tensors.iter().map(|(name, b)| (*name, b.dtype, b.shape.as_slice(), b.bytes.as_slice())),
        &state,
    );
    let metadata = serde_json::to_string(&Metadata::new(checksum, state))
        .map_err(|e| Error::failed(format!("cannot describe {}: {e}", path.display())))?;
    let metadata = HashMap::from([("ablate".to_string(), metadata)]);
    let bytes = safetensors::serialize(tensors.iter().map(|(name, bytes)| (*name, bytes)), Some(metadata))
        .map_err(|e| Error::failed(format!("cannot serialise {}: {e}", path.display())))?;
    files::write_atomically(path, &bytes)?;
    Ok(blake3::hash(&bytes).to_hex().to_string())
}

/// Copies a file's tensors into `named`, after all of it was verified; gives the state that it holds.
pub(super) fn read(path: &Path, named: &[(String, Tensor)]) -> Result<Option<State>> {
    let (loaded, state) = load(path, named)?;
    tch::no_grad(|| {
        for ((_, tensor), value) in named.iter().zip(&loaded) {
            tensor.shallow_clone().copy_(value);
        }
    });
    Ok(state)
}

/// Checks that [`read`] would succeed, and copies nothing.
pub(super) fn verify(path: &Path, named: &[(String, Tensor)]) -> Result<()> {
    load(path, named).map(|_| ())
}

/// The state that a file holds, whatever the model; the file is verified.
pub(super) fn read_state(path: &Path) -> Result<Option<State>> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    open(path, &bytes).map(|(_, state)| state)
}

fn damaged(path: &Path, what: String) -> Error {
    Error::failed(format!("{}: {what}", path.display()))
}

/// The tensors of a file's bytes and its state, both as the checksum says.
fn open<'a>(path: &Path, bytes: &'a [u8]) -> Result<(SafeTensors<'a>, Option<State>)> {
    let damaged = |what| damaged(path, what);
    let (_, header) = SafeTensors::read_metadata(bytes)
        .map_err(|e| damaged(format!("not a whole safetensors file ({e})")))?;
    let text = header
        .metadata()
        .as_ref()
        .and_then(|m| m.get("ablate"))
        .ok_or_else(|| damaged("no ablate metadata".into()))?;
    let metadata: Metadata =
        serde_json::from_str(text).map_err(|e| damaged(format!("unreadable metadata ({e})")))?;
    let file = SafeTensors::deserialize(bytes)
        .map_err(|e| damaged(format!("not a whole safetensors file ({e})")))?;
    let (stated, state) = metadata.into_parts();
    let views = file.tensors();
    let seen = checksum(
        views.iter().map(|(name, view)| (name.as_str(), view.dtype(), view.shape(), view.data())),
        &state,
    );
    if seen != stated {
        return Err(damaged("the checksum does not fit the content".into()));
    }
    Ok((file, state))
}

/// The verified tensors of a file in the order of `named`, and its state.
fn load(path: &Path, named: &[(String, Tensor)]) -> Result<(Vec<Tensor>, Option<State>)> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let damaged = |what| damaged(path, what);
    let (file, state) = open(path, &bytes)?;
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
        loaded.push(Tensor::f_from_data_size(view.data(), &shape, tensor.kind())?);
    }
    if file.len() != named.len() {
        return Err(damaged(format!("holds {} tensors, the model has {}", file.len(), named.len())));
    }
    Ok((loaded, state))
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

    fn written() -> (tempfile::TempDir, std::path::PathBuf, State, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("step-00000003.state.safetensors");
        let progress = Progress { step: 3, epoch: 1, micro_batch: 5, best: None };
        let run = RunState { identity: "ab12".into(), metrics: "step,tag,value\n3,train/loss,0.25\n".into() };
        let state = State { progress, run: Some(run) };
        let hash = write(&path, &tensors(1.0), Some(state.clone())).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(hash, blake3::hash(&bytes).to_hex().to_string());
        (folder, path, state, bytes)
    }

    #[test]
    fn tensors_and_state_come_back() {
        let (_folder, path, state, _) = written();
        let target = tensors(9.0);
        assert_eq!(read(&path, &target).unwrap(), Some(state.clone()));
        assert!(target.iter().zip(tensors(1.0)).all(|((_, a), (_, b))| a.equal(&b)));
        assert_eq!(read_state(&path).unwrap(), Some(state));
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_noticed_before_anything_is_copied() {
        let (_folder, path, state, bytes) = written();
        let target = tensors(9.0);
        let refused = |bytes: &[u8], how: &str| {
            std::fs::write(&path, bytes).unwrap();
            match read(&path, &target) {
                Err(error) => assert_eq!(error.exit_code(), 1, "{how}"),
                // A blank of the header may become another kind of blank: the values are then the same.
                Ok(found) => {
                    assert_eq!(found, Some(state.clone()), "{how}");
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
