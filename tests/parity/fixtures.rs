//! The golden files, and the numbers that both sides compute from names instead of exchanging them.

use ablate::model::weights::Weights;
use ablate::seed::mix;
use serde::de::DeserializeOwned;
use std::path::Path;
use tch::{Kind, Tensor};

/// Reads every file in a folder of `tests/fixtures/parity`, sorted by name.
pub fn load<T: DeserializeOwned>(folder: &str) -> Vec<(String, T)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parity").join(folder);
    let mut fixtures: Vec<(String, T)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let fixture = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            (path.file_stem().unwrap().to_string_lossy().into_owned(), fixture)
        })
        .collect();
    fixtures.sort_by(|a, b| a.0.cmp(&b.0));
    fixtures
}

/// Returns `count` numbers in [-1, 1) of the variable `name`.
pub fn signed(name: &str, count: usize) -> Vec<f64> {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let uniform = |i: u64| (mix(hash.wrapping_add(i)) >> 11) as f64 * 0.5f64.powi(53);
    (0..count as u64).map(|i| 2.0 * uniform(i) - 1.0).collect()
}

/// Returns numbers in [-1, 1) of the variable `name`, rounded to `kind`.
pub fn signed_tensor(name: &str, shape: &[i64], kind: Kind) -> Tensor {
    Tensor::from_slice(&signed(name, shape.iter().product::<i64>() as usize)).view(shape).to_kind(kind)
}

/// Gives every variable and every running statistic the numbers of its name.
pub fn set_weights(weights: &Weights) {
    for (path, variable) in weights.saved() {
        let columns = *variable.size().last().unwrap() as f64;
        let (centre, scale) = match path.rsplit('.').next().unwrap() {
            "scale" | "running_variance" => (1.0, 0.2),
            "bias" | "offset" | "running_mean" => (0.0, 0.2),
            _ => (0.0, 1.5 / columns.sqrt()),
        };
        let values = signed_tensor(&path, &variable.size(), Kind::Double) * scale + centre;
        tch::no_grad(|| variable.shallow_clone().copy_(&values));
    }
}
