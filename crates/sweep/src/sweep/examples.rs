//! Sweeps for unit tests.

use super::expand::expand;
use super::spec::SweepSpec;
use super::trial::Trial;
use std::path::Path;

/// Returns a sweep of the demo's experiment that these lines of its file describe, and its trials.
pub fn of_demo(lines: &str) -> (SweepSpec, Vec<Trial>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.toml");
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/demo.toml");
    std::fs::write(&path, format!("base = {:?}\n{lines}", base.display().to_string())).unwrap();
    let spec = SweepSpec::load(&path).unwrap();
    let trials = expand(&spec, &[]).unwrap();
    (spec, trials)
}
