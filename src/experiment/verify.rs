//! Whether a record still holds: its files are what it says, and its scores come out again.

use super::evaluate::{atat_bleu, hypotheses_file, score_translations, stored_hypotheses, translate_split};
use super::reuse::SCORED;
use super::{TrainedModel, finished_run};
use crate::config::identity;
use crate::data::{Split, prepare};
use crate::error::Result;
use crate::files;
use crate::results::record::Record;
use crate::signal::StopFlag;
use crate::train::likelihood::likelihood;
use std::path::Path;

/// One thing that a record says, and whether it is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at: `test/bleu`, `hypotheses/dev.txt`.
    pub what: String,
    /// What was found instead; absent if the record holds.
    pub found: Option<String>,
}

/// Perplexities computed again may differ by so much, relatively: matrix kernels vary with the
/// number of threads and the processor.
const PERPLEXITY_TOLERANCE: f64 = 1e-5;

/// Checks the record of a finished run against its files and its data; with `decode` also against its
/// weights, which are used to translate and to predict both sets again.
///
/// # Errors
/// If there is nothing to check: no run, no record, or data that is not prepared.
pub fn verify(run_dir: &Path, data_root: &Path, decode: bool) -> Result<Vec<Check>> {
    let (experiment, record) = finished_run(run_dir, &[])?;
    let data = prepare::open(&experiment.data, data_root)?;
    let mut checks = Checks { record: &record, done: Vec::new() };
    checks.add("data", data.verify().err().map(|error| error.to_string()));
    checks.same("fingerprint", &record.data.fingerprint, data.fingerprint());
    checks.same("identity", &record.identity, &identity(&experiment, data.fingerprint()));
    checks.file(run_dir, "weights", SCORED);
    for split in [Split::Dev, Split::Test] {
        let name = split.name();
        let file = hypotheses_file(split);
        checks.file(run_dir, &file, &file);
        let (hypotheses, references) = (stored_hypotheses(run_dir, split)?, data.text(split)?.target);
        let bleu = score_translations(&experiment, &hypotheses, &references)?;
        checks.metric(&format!("{name}/bleu"), bleu.score, 0.0);
        // Records of before 2026-11-26 have none.
        let atat = format!("{name}/atat");
        if record.metrics.contains_key(&atat)
            && let Some(score) = atat_bleu(&experiment, &hypotheses, &references)?
        {
            checks.metric(&atat, score, 0.0);
        }
    }
    if decode {
        let TrainedModel { experiment, data, model } = TrainedModel::load(run_dir, data_root, &[])?;
        for split in [Split::Dev, Split::Test] {
            let (name, store) = (split.name(), data.split(split)?);
            let found = likelihood(&model, &store, experiment.training.micro_batch_tokens)?;
            checks.metric(&format!("{name}/perplexity"), found.perplexity(), PERPLEXITY_TOLERANCE);
            let translated = translate_split(&experiment, &data, &store, &model, split, &StopFlag::never())?;
            let stored = stored_hypotheses(run_dir, split)?;
            let other =
                translated.hypotheses.iter().zip(&stored).filter(|(new, old)| new.trim_end() != old.as_str());
            let other = other.count();
            let found =
                (other > 0).then(|| format!("{other} of {} lines decode to something else", stored.len()));
            checks.add(&format!("{name} decoded again"), found);
        }
    }
    Ok(checks.done)
}

/// Whether the weights that a finished run was scored with are those of its record.
///
/// # Errors
/// If the record does not verify or a file cannot be read.
pub fn scored_weights_hold(run_dir: &Path) -> Result<bool> {
    let Some(record) = Record::load(run_dir)? else { return Ok(false) };
    let Some(bytes) = files::read_if_exists(&run_dir.join(SCORED))? else { return Ok(false) };
    Ok(record.checksums.get("weights").is_some_and(|stated| blake3::hash(&bytes).to_hex().as_str() == stated))
}

struct Checks<'a> {
    record: &'a Record,
    done: Vec<Check>,
}

impl Checks<'_> {
    fn add(&mut self, what: &str, found: Option<String>) {
        self.done.push(Check { what: what.to_string(), found });
    }

    fn same(&mut self, what: &str, recorded: &str, found: &str) {
        self.add(what, (recorded != found).then(|| format!("{found}, recorded as {recorded}")));
    }

    /// The blake3 of a file against the checksum called `name`.
    fn file(&mut self, run_dir: &Path, name: &str, file: &str) {
        let found = match (std::fs::read(run_dir.join(file)), self.record.checksums.get(name)) {
            (Err(error), _) => Some(format!("{file} cannot be read: {error}")),
            (_, None) => Some("the record has no checksum of it".to_string()),
            (Ok(bytes), Some(recorded)) => {
                let found = blake3::hash(&bytes).to_hex().to_string();
                (found != *recorded).then(|| format!("the content of {file} changed"))
            }
        };
        self.add(name, found);
    }

    /// A score within a relative tolerance of the recorded one.
    fn metric(&mut self, tag: &str, found: f64, tolerance: f64) {
        let outcome = match self.record.metrics.get(tag) {
            None => Some("the record has no such score".to_string()),
            Some(recorded) if (found - recorded).abs() <= tolerance * recorded.abs() => None,
            Some(recorded) => Some(format!("{found}, recorded as {recorded}")),
        };
        self.add(tag, outcome);
    }
}
