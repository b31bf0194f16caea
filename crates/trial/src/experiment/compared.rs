//! The input of a comparison of two systems: a finished run each, or the runs of a row, which differ in the seed alone.

use super::finished::{finished_run, open_data};
use super::hparams::hparams;
use super::run_paths::{CONFIG_FILE, seed_of};
use super::translations::{bleu_config, recorded_hypotheses};
use crate::config::Experiment;
use crate::data::Split;
use crate::error::{Error, Result};
use crate::folders;
use crate::results::compare::{Side, Text};
use crate::results::record::{RECORD_FILE, Record};
use crate::score::BleuConfig;
use crate::train::TaskKind;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Two systems and the sentences that both translate.
pub struct Compared {
    pub sides: [Side; 2],
    /// The texts by split.
    pub texts: BTreeMap<String, Text>,
    /// The way in which BLEU of both is counted.
    pub bleu: BleuConfig,
    /// The runs of a row that were left out, with the reason, and what does not compare.
    pub notes: Vec<String>,
}

/// A run with its directory.
struct Run {
    folder: PathBuf,
    experiment: Experiment,
    record: Record,
}

impl Compared {
    /// Reads two systems: `paths` are run directories, or directories of `seed-<n>` runs.
    ///
    /// # Errors
    /// A user error if a path is neither, a row mixes configurations, data are not prepared, or the two do not
    /// translate the same sentences or are scored differently.
    pub fn load(paths: [&Path; 2], data_root: &Path) -> Result<Compared> {
        let mut notes = Vec::new();
        let runs = [runs(paths[0], &mut notes)?, runs(paths[1], &mut notes)?];
        let [one, other] = [&runs[0][0], &runs[1][0]];
        if let Some(run) = [one, other].into_iter().find(|run| run.experiment.task() == TaskKind::Parsing) {
            return Err(Error::user(format!(
                "{} is a parser, and only translations are compared; `ablate score {}` prints its F1, and the table of a sweep \
                 compares the F1 of its rows",
                run.folder.display(),
                run.folder.display()
            )));
        }
        if let Some(run) = [one, other].into_iter().find(|run| run.experiment.task() != TaskKind::Translation)
        {
            return Err(Error::user(format!(
                "{} is {}, which translates nothing that could be compared; its {} are in its record.json, and in the table of \
                 its sweep",
                run.folder.display(),
                run.experiment.task().model(),
                run.experiment.task().measures()
            )));
        }
        if one.record.signature != other.record.signature {
            return Err(Error::user(format!(
                "{} and {} are scored differently, {} and {}: their scores cannot be compared",
                paths[0].display(),
                paths[1].display(),
                one.record.signature,
                other.record.signature
            )));
        }
        if one.record.data.fingerprint != other.record.data.fingerprint {
            notes.push(format!(
                "note: {} and {} were trained on other text, or cut it into other tokens; with other tokens, the loss, perplexity \
                 and accuracy of tokens do not compare",
                paths[0].display(),
                paths[1].display()
            ));
        }
        let texts = [texts(one, data_root)?, texts(other, data_root)?];
        for (split, text) in &texts[0] {
            if texts[1].get(split) != Some(text) {
                return Err(Error::user(format!(
                    "{} and {} translate different {split} sentences, of {} and {}: compare runs that were scored on the same text",
                    paths[0].display(),
                    paths[1].display(),
                    one.experiment.data.recipe.name,
                    other.experiment.data.recipe.name
                )));
            }
        }
        let sides = [side(paths[0], &runs[0])?, side(paths[1], &runs[1])?];
        let [texts, _] = texts;
        Ok(Compared { sides, texts, bleu: bleu_config(&runs[0][0].experiment), notes })
    }
}

/// The runs of a system by ascending seed, at least one.
fn runs(path: &Path, notes: &mut Vec<String>) -> Result<Vec<Run>> {
    let load = |folder: &Path| -> Result<Run> {
        let (experiment, record) = finished_run(folder, &[])?;
        Ok(Run { folder: folder.to_path_buf(), experiment, record })
    };
    if path.join(CONFIG_FILE).exists() || path.join(RECORD_FILE).exists() {
        return Ok(vec![load(path)?]);
    }
    let mut runs: Vec<Run> = Vec::new();
    for folder in seeds(path)? {
        if !folder.join(RECORD_FILE).exists() {
            notes.push(format!("{} is not finished and is left out", folder.display()));
            continue;
        }
        runs.push(load(&folder)?);
    }
    runs.sort_by_key(|run| run.record.seed);
    let Some(first) = runs.first() else {
        return Err(Error::user(format!(
            "{} is neither a finished run nor a row with finished runs; name a directory such as results/SWEEP/ROW or results/SWEEP/ROW/seed-1",
            path.display()
        )));
    };
    let same = |run: &&Run| {
        (&run.record.configuration_hash, &run.record.data.fingerprint)
            != (&first.record.configuration_hash, &first.record.data.fingerprint)
    };
    match runs.iter().find(same) {
        None => Ok(runs),
        Some(other) => Err(Error::user(format!(
            "{} and {} differ in more than the seed; name one of them",
            first.folder.display(),
            other.folder.display()
        ))),
    }
}

/// The `seed-<n>` directories of a row.
fn seeds(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Err(Error::user(format!("there is no directory {}", path.display())));
    }
    let mut seeds = folders::list(path)?;
    seeds.retain(|path| path.is_dir() && seed_of(path).is_some());
    Ok(seeds)
}

fn side(path: &Path, runs: &[Run]) -> Result<Side> {
    let mut metrics: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut translations: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    for run in runs {
        for (tag, value) in &run.record.metrics {
            metrics.entry(tag.clone()).or_default().push(*value);
        }
        for split in [Split::Dev, Split::Test] {
            let lines = recorded_hypotheses(&run.folder, &run.record, split)?;
            translations.entry(split.name().to_string()).or_default().push(lines);
        }
    }
    let commits: BTreeSet<&String> = runs.iter().map(|run| &run.record.provenance.commit).collect();
    Ok(Side {
        name: path.display().to_string(),
        seeds: runs.iter().map(|run| run.record.seed).collect(),
        trainings: runs.iter().map(|run| run.record.training_identity.clone()).collect(),
        settings: hparams(&runs[0].experiment)
            .into_iter()
            .map(|(key, value)| (key, value.to_string()))
            .collect(),
        metrics,
        parameters: runs[0].record.parameters,
        commits: commits.into_iter().cloned().collect(),
        translations,
    })
}

/// The sentences that a run was scored on, by split.
fn texts(run: &Run, data_root: &Path) -> Result<BTreeMap<String, Text>> {
    let data = open_data(&run.folder, (&run.experiment, &run.record), data_root)?;
    let text = |split: Split| {
        let text = data.text(split)?;
        Ok((split.name().to_string(), Text { sources: text.source, references: text.target }))
    };
    [Split::Dev, Split::Test].into_iter().map(text).collect()
}
