//! One trial: configuration → data → model → training → decoding → scores → record.

pub mod attempts;
mod evaluate;
mod monitor;
pub mod probe;
pub mod verify;

pub use evaluate::{score_translations, stored_hypotheses};

use crate::config::{Experiment, configuration_hash, identity, shape_hash, to_toml, validate_vocabulary};
use crate::data::prepare;
use crate::data::prepared::Prepared;
use crate::data::{Split, store::Store};
use crate::error::{Error, Result};
use crate::model::Transformer;
use crate::results::record::{DataRecord, FAILURE_FILE, Provenance, Record};
use crate::signal::StopFlag;
use crate::telemetry::Telemetry;
use crate::telemetry::hparams::{HParam, HParamValue, Outcome, Session};
use crate::telemetry::observer::Observer;
use crate::train::Precision;
use crate::train::adam::Adam;
use crate::train::checkpoint::{Checkpoints, Progress};
use crate::train::trainer::Trainer;
use crate::{device, files};
use attempts::{Attempts, Effort};
use monitor::RunMonitor;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tch::{Device, Kind};

/// The resolved configuration in a run directory, loadable as an experiment.
pub const CONFIG_FILE: &str = "config.toml";
/// What a trial printed, when it ran as a process of a sweep.
pub const LOG_FILE: &str = "log.txt";

/// The commit that this binary was built from; see `build.rs`.
pub const COMMIT: &str = env!("ABLATE_COMMIT");

/// One trial and where it lives.
pub struct Trial<'a> {
    pub experiment: &'a Experiment,
    /// What people call it: the row's label or the experiment's name.
    pub label: &'a str,
    pub run_dir: &'a Path,
    pub data_root: &'a Path,
}

/// How [`Trial::run`] ended well.
#[derive(Debug)]
pub enum Finished {
    /// The record was there already.
    Before(Record),
    Now(Record),
}

impl Finished {
    pub fn record(&self) -> &Record {
        match self {
            Finished::Before(record) | Finished::Now(record) => record,
        }
    }
}

impl Trial<'_> {
    /// Trains, decodes and scores, going on from where an earlier call was stopped; does
    /// nothing if the trial is finished.
    ///
    /// # Errors
    /// See [`Error`]; the run directory stays resumable. A directory that holds another trial's run is refused.
    pub fn run(&self, observer: &mut dyn Observer, stop: &StopFlag) -> Result<Finished> {
        let data = prepare::open(&self.experiment.data, self.data_root)?;
        let identity = identity(self.experiment, data.fingerprint());
        files::create_dir(self.run_dir)?;
        let Some(_lock) = files::lock(&self.run_dir.join(".lock"))? else {
            return Err(Error::user(format!("another process is at work in {}", self.run_dir.display())));
        };
        if let Some(record) = Record::load(self.run_dir)? {
            return match record.identity == identity {
                true => Ok(Finished::Before(record)),
                false => Err(self.occupied()),
            };
        }
        self.claim(&identity)?;
        let record = self.execute(&data, &identity, observer, stop)?;
        let _ = std::fs::remove_file(self.run_dir.join(FAILURE_FILE));
        Ok(Finished::Now(record))
    }

    /// Makes the run directory this trial's, or checks that it is.
    fn claim(&self, identity: &str) -> Result<()> {
        match claimed_identity(self.run_dir)? {
            Some(owner) if owner == identity => Ok(()),
            Some(_) => Err(self.occupied()),
            None => claim(self.run_dir, self.experiment, identity),
        }
    }

    fn occupied(&self) -> Error {
        Error::user(format!(
            "{} holds a run with other settings or data; remove it, or choose another place with --results",
            self.run_dir.display()
        ))
    }

    fn execute(
        &self,
        data: &Prepared,
        identity: &str,
        observer: &mut dyn Observer,
        stop: &StopFlag,
    ) -> Result<Record> {
        let Experiment { model: model_config, training, .. } = self.experiment;
        let vocabulary = data.tokenizer.len();
        validate_vocabulary(self.experiment, vocabulary)?;
        let device = device::open(&self.experiment.run)?;
        let model =
            Transformer::build(model_config, vocabulary, training.seed, kind(training.precision), device);
        let mut adam = Adam::build(training, model.weights());
        let checkpoints = Checkpoints::open(&self.run_dir.join("checkpoints"))?;
        let mut notes = Vec::new();
        let restored =
            checkpoints.restore(model.weights(), &adam, &mut |note| notes.push(note.to_string()))?;
        notes.iter().try_for_each(|note| observer.message(note))?;
        if let Some(progress) = &restored {
            observer.message(&format!("going on from step {}", progress.step))?;
        }
        observer.begin(restored.as_ref().map_or(0, |progress| progress.step))?;
        let resume_step = restored.as_ref().map(|progress| progress.step);
        let mut attempts = Attempts::begin(self.run_dir, resume_step.unwrap_or(0))?;
        let mut telemetry = Telemetry::open(self.run_dir, resume_step, self.experiment.run.tensorboard)?;
        telemetry.session_start(&self.session(attempts.first_start()));
        if resume_step.is_none() {
            telemetry.text(0, "configuration", &format!("```toml\n{}\n```", to_toml(self.experiment)?))?;
        }
        let progress = restored.unwrap_or(Progress { step: 0, epoch: 0, micro_batch: 0, best: None });
        let work = Work { trial: self, data, identity, model: &model, checkpoints: &checkpoints, stop };
        let mut effort = Effort {
            shape: shape_hash(self.experiment, data.fingerprint()),
            device: device::name(device),
            threads: tch::get_num_threads() as usize,
            ..Effort::default()
        };
        let outcome = work.finish(&mut adam, progress, &mut telemetry, observer, &mut effort);
        match &outcome {
            Ok(_) => telemetry.session_end(Outcome::Success),
            // A run that was stopped goes on: it has not ended.
            Err(Error::Interrupted { .. } | Error::Stopped(_)) => {}
            Err(_) => telemetry.session_end(Outcome::Failure),
        }
        let ending = outcome.as_ref().map_or_else(|error| error.to_string(), |_| "finished".into());
        attempts.end(&ending, effort)?;
        outcome
    }

    /// What TensorBoard's HParams page shows of the run; the seeds of a configuration form a group.
    fn session(&self, started: f64) -> Session {
        Session {
            hparams: settings(self.experiment)
                .into_iter()
                .map(|(name, value)| HParam { name, value })
                .collect(),
            group: configuration_hash(self.experiment),
            started,
        }
    }
}

/// A trial with everything that it works on.
struct Work<'a> {
    trial: &'a Trial<'a>,
    data: &'a Prepared,
    identity: &'a str,
    model: &'a Transformer,
    checkpoints: &'a Checkpoints,
    stop: &'a StopFlag,
}

impl Work<'_> {
    /// Trains what is left, scores, and writes the record; `effort` learns what it took, however it ends.
    fn finish(
        &self,
        adam: &mut Adam,
        progress: Progress,
        telemetry: &mut Telemetry,
        observer: &mut dyn Observer,
        effort: &mut Effort,
    ) -> Result<Record> {
        let experiment = self.trial.experiment;
        let training = &experiment.training;
        let stores = Stores {
            train: self.data.split(Split::Train)?,
            dev: self.data.split(Split::Dev)?,
            test: self.data.split(Split::Test)?,
        };
        let mut monitor = RunMonitor::new(
            self.trial, self.data, &stores, telemetry, observer, self.stop, &progress, effort,
        );
        let trainer = Trainer {
            model: self.model,
            config: training,
            d_model: experiment.model.d_model,
            store: &stores.train,
            checkpoints: self.checkpoints,
            stop: self.stop,
        };
        let trained = trainer.run(adam, progress, &mut monitor)?;
        let begun = Instant::now();
        let averaged_steps = training.averaged_steps();
        self.checkpoints.load_average(self.model.weights(), &averaged_steps)?;
        let weights = self.checkpoints.save_scored(self.model.weights())?;
        let scores = evaluate::final_scores(self.trial, self.data, &stores, self.model, observer, self.stop)?;
        effort.scoring_seconds = Some(begun.elapsed().as_secs_f64());
        let mut metrics = scores.metrics;
        for (tag, value) in &metrics {
            telemetry.metric(training.steps, &format!("final/{}", tag.replace('/', "_")), *value)?;
            // The curves end in the final scores, where training itself measured nothing of the kind.
            if tag.ends_with("/bleu") || tag.starts_with("test/") {
                telemetry.metric(training.steps, tag, *value)?;
            }
        }
        if let Some(best) = trained.best {
            metrics.insert("best/dev_perplexity".into(), best.dev_loss.exp());
            telemetry.metric(training.steps, "best/dev_perplexity", best.dev_loss.exp())?;
        }
        telemetry.sync()?;
        let mut checksums = scores.checksums;
        checksums.insert("weights".into(), weights);
        let record = Record {
            identity: self.identity.to_string(),
            configuration_hash: configuration_hash(experiment),
            label: self.trial.label.to_string(),
            seed: training.seed,
            provenance: provenance(self.model.device()),
            data: DataRecord {
                recipe: experiment.data.recipe.name.clone(),
                fingerprint: self.data.fingerprint().to_string(),
                train_pairs: stores.train.len(),
                vocabulary: self.data.tokenizer.len(),
            },
            parameters: self.model.weights().parameters(),
            steps: training.steps,
            averaged_steps,
            metrics,
            signature: scores.signature,
            checksums,
            configuration: serde_json::to_value(experiment).map_err(|e| Error::failed(e.to_string()))?,
        };
        record.save(self.trial.run_dir)?;
        Ok(record)
    }
}

/// The three splits, memory-mapped.
struct Stores {
    train: Store,
    dev: Store,
    test: Store,
}

const IDENTITY_LINE: &str = "# trial ";

/// Writes `config.toml` with the trial's identity on top.
pub fn claim(run_dir: &Path, experiment: &Experiment, identity: &str) -> Result<()> {
    let text = format!("{IDENTITY_LINE}{identity}\n\n{}", to_toml(experiment)?);
    files::write_atomically(&run_dir.join(CONFIG_FILE), text.as_bytes())
}

/// The identity of the trial that a run directory was begun for.
pub fn claimed_identity(run_dir: &Path) -> Result<Option<String>> {
    let path = run_dir.join(CONFIG_FILE);
    if !path.exists() {
        return Ok(None);
    }
    let text = files::read_to_string(&path)?;
    Ok(Some(text.lines().next().and_then(|line| line.strip_prefix(IDENTITY_LINE)).unwrap_or("").to_string()))
}

/// The configuration, changed by `sets`, and the record of a finished run.
///
/// # Errors
/// A user error if `run_dir` is no run directory or its trial is not finished.
pub fn finished_run(run_dir: &Path, sets: &[String]) -> Result<(Experiment, Record)> {
    let config = run_dir.join(CONFIG_FILE);
    if !config.exists() {
        return Err(Error::user(format!(
            "{} is not a run directory: it has no {CONFIG_FILE}",
            run_dir.display()
        )));
    }
    let Some(record) = Record::load(run_dir)? else {
        return Err(Error::user(format!("{} is not finished: it has no record.json yet", run_dir.display())));
    };
    Ok((crate::config::load_experiment(&config, sets)?, record))
}

/// A finished run, ready to translate.
pub struct TrainedModel {
    pub experiment: Experiment,
    pub data: Prepared,
    pub model: Transformer,
}

impl TrainedModel {
    /// Loads the scored weights of `run_dir`. `sets` may change how it decodes and where it runs.
    pub fn load(run_dir: &Path, data_root: &Path, sets: &[String]) -> Result<Self> {
        let (experiment, _) = finished_run(run_dir, sets)?;
        let data = prepare::open(&experiment.data, data_root)?;
        let device = device::open(&experiment.run)?;
        let model = Transformer::build(
            &experiment.model,
            data.tokenizer.len(),
            experiment.training.seed,
            kind(experiment.training.precision),
            device,
        );
        Checkpoints::open(&run_dir.join("checkpoints"))?.load_scored(model.weights())?;
        Ok(TrainedModel { experiment, data, model })
    }
}

/// The directory of `ablate train`: `<results>/<experiment>/seed-<n>`.
pub fn run_dir(results: &Path, name: &str, seed: u64) -> PathBuf {
    results.join(name).join(format!("seed-{seed}"))
}

/// Every setting that can change a result but the seed, by key, with absent ones resolved.
pub fn settings(experiment: &Experiment) -> BTreeMap<String, HParamValue> {
    let mut resolved = experiment.clone();
    resolved.model.d_k = Some(experiment.model.d_k());
    resolved.model.d_v = Some(experiment.model.d_v());
    let mut settings = BTreeMap::new();
    let value = serde_json::to_value(&resolved).unwrap_or_default();
    for section in ["data", "model", "training", "decoding"] {
        let Some(table) = value.get(section).and_then(serde_json::Value::as_object) else { continue };
        for (key, value) in table.iter().filter(|(key, _)| *key != "seed") {
            let value = match value {
                serde_json::Value::Number(number) => HParamValue::Number(number.as_f64().unwrap_or(f64::NAN)),
                serde_json::Value::Bool(flag) => HParamValue::Bool(*flag),
                serde_json::Value::String(text) => HParamValue::Text(text.clone()),
                other => HParamValue::Text(
                    other.get("name").and_then(|n| n.as_str()).unwrap_or_default().to_string(),
                ),
            };
            settings.insert(format!("{section}.{key}"), value);
        }
    }
    settings
}

fn kind(precision: Precision) -> Kind {
    match precision {
        Precision::Float32 => Kind::Float,
        Precision::Float64 => Kind::Double,
    }
}

fn provenance(device: Device) -> Provenance {
    Provenance {
        ablate: env!("CARGO_PKG_VERSION").to_string(),
        commit: COMMIT.to_string(),
        libtorch: device::LIBTORCH_VERSION.to_string(),
        device: device::name(device),
        device_name: device::hardware(device),
        threads: tch::get_num_threads() as usize,
    }
}
