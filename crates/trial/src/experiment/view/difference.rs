//! `difference.md` of a run: the differences between its settings and those of the sweep's base row.

use crate::config::Experiment;
use crate::error::Result;
use crate::experiment::hparams::hparams;
use crate::files;
use std::path::Path;

/// The name of the file in a run directory.
pub const DIFFERENCE_FILE: &str = "difference.md";

/// Writes into a run directory the differences between `experiment` and that of the row called `base_label`.
pub fn write_difference(
    run_dir: &Path,
    experiment: &Experiment,
    base: &Experiment,
    base_label: &str,
) -> Result<()> {
    files::write_atomically(
        &run_dir.join(DIFFERENCE_FILE),
        difference(experiment, base, base_label).as_bytes(),
    )
}

/// Reads the differences as Markdown; `None` if the run is no row of a sweep.
pub fn read(run_dir: &Path) -> Result<Option<String>> {
    let bytes = files::read_if_exists(&run_dir.join(DIFFERENCE_FILE))?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

fn difference(experiment: &Experiment, base: &Experiment, base_label: &str) -> String {
    let (own, other) = (hparams(experiment), hparams(base));
    let mut lines = String::new();
    for (key, value) in &own {
        if other.get(key) != Some(value) {
            let before = other.get(key).map_or_else(|| "–".to_string(), ToString::to_string);
            lines += &format!("| {key} | {value} | {before} |\n");
        }
    }
    for (key, before) in other.iter().filter(|(key, _)| !own.contains_key(*key)) {
        lines += &format!("| {key} | – | {before} |\n");
    }
    if lines.is_empty() {
        return format!("The settings are those of row {base_label}.\n");
    }
    format!("| setting | here | row {base_label} |\n| --- | --- | --- |\n{lines}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_differ_stand_beside_those_of_the_base() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/demo.toml");
        let load = |sets: &[&str]| {
            let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
            crate::config::load_experiment(&file, &sets).unwrap()
        };
        let base = load(&[]);
        let changed = load(&["model.heads=2", "training.clip_norm=1.5", "training.seed=9", "run.threads=2"]);
        assert_eq!(
            difference(&changed, &base, "base"),
            "| setting | here | row base |\n| --- | --- | --- |\n| model.d_k | 32 | 16 |\n| model.d_v | 32 | 16 |\n\
             | model.heads | 2 | 4 |\n| training.clip_norm | 1.5 | – |\n"
        );
        assert_eq!(difference(&base, &changed, "x").lines().last(), Some("| training.clip_norm | – | 1.5 |"));
        assert_eq!(difference(&base, &base, "base"), "The settings are those of row base.\n");
    }
}
