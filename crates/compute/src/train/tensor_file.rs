//! Files of named tensors with a checksum over everything that loading uses, in the format safetensors. For their
//! statements beside the tensors see `statement` in `crates/trial`.

use super::statement::{Metadata, Statement, checksum, damaged, open};
use crate::error::{Error, Result};
use crate::files;
use crate::shim::torch_error;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::collections::HashMap;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// A tensor's bytes, with its type and shape for safetensors.
struct Bytes {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

fn dtype(kind: Kind) -> Result<Dtype> {
    match kind {
        Kind::Float => Ok(Dtype::F32),
        Kind::Double => Ok(Dtype::F64),
        other => Err(Error::failed(format!("weights of type {other:?} cannot be saved"))),
    }
}

fn bytes_of(tensor: &Tensor) -> Result<Bytes> {
    let tensor = tensor.detach().to_device(Device::Cpu).contiguous();
    let mut bytes = vec![0; tensor.numel() * tensor.kind().elt_size_in_bytes()];
    tensor.f_copy_data_u8(&mut bytes, tensor.numel()).map_err(torch_error)?;
    Ok(Bytes {
        dtype: dtype(tensor.kind())?,
        shape: tensor.size().iter().map(|&n| n as usize).collect(),
        bytes,
    })
}

fn all_bytes(named: &[(String, Tensor)]) -> Result<Vec<(&str, Bytes)>> {
    named.iter().map(|(name, tensor)| Ok((name.as_str(), bytes_of(tensor)?))).collect()
}

fn serialised(tensors: &[(&str, Bytes)], metadata: HashMap<String, String>) -> Result<Vec<u8>> {
    let views =
        tensors.iter().map(|(name, of)| Ok((*name, TensorView::new(of.dtype, of.shape.clone(), &of.bytes)?)));
    let views = views.collect::<std::result::Result<Vec<_>, safetensors::SafeTensorError>>();
    views
        .and_then(|views| safetensors::serialize(views, Some(metadata)))
        .map_err(|error| Error::failed(format!("cannot serialise the tensors: {error}")))
}

/// Returns the content of a safetensors file for other programs.
pub fn file_of(
    named: &[(String, Tensor)],
    metadata: impl IntoIterator<Item = (&'static str, String)>,
) -> Result<Vec<u8>> {
    let metadata = metadata.into_iter().map(|(key, value)| (key.to_string(), value)).collect();
    serialised(&all_bytes(named)?, metadata)
}

/// Writes `named` and a statement, atomically; returns the blake3 of the file's bytes.
pub fn write(path: &Path, named: &[(String, Tensor)], statement: Statement) -> Result<String> {
    let tensors = all_bytes(named)?;
    let checksum = checksum(
        tensors.iter().map(|(name, b)| (*name, b.dtype, b.shape.as_slice(), b.bytes.as_slice())),
        &statement,
    );
    let metadata = serde_json::to_string(&Metadata { checksum, statement })
        .map_err(|e| Error::failed(format!("cannot describe {}: {e}", path.display())))?;
    let metadata = HashMap::from([("ablate".to_string(), metadata)]);
    let bytes = serialised(&tensors, metadata)?;
    files::write_atomically(path, &bytes)?;
    Ok(blake3::hash(&bytes).to_hex().to_string())
}

/// Copies a file's tensors into `named`, after the whole file was verified and `accept` has approved its statement.
/// Returns the statement.
pub fn read(path: &Path, named: &[(String, Tensor)], accept: Accept) -> Result<Statement> {
    let (loaded, statement) = load(path, named, accept)?;
    tch::no_grad(|| {
        for ((_, tensor), value) in named.iter().zip(&loaded) {
            tensor.shallow_clone().copy_(value);
        }
    });
    Ok(statement)
}

/// Checks that [`read`] would succeed, without copying.
pub fn verify(path: &Path, named: &[(String, Tensor)], accept: Accept) -> Result<()> {
    load(path, named, accept).map(|_| ())
}

/// A function that decides by its statement whether a file may be used, before its tensors are checked.
pub type Accept<'a> = &'a dyn Fn(&Path, &Statement) -> Result<()>;

/// Returns the verified tensors of a file in the order of `named`, and its statement.
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
    use super::super::run_state::{Owner, Progress, RunState};
    use super::super::statement::read_statement;
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
        // A file never states its owner twice; this test sets both fields at once.
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
                // White space of the header may become other white space, with the same values.
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
