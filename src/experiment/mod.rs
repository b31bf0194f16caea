//! One trial: configuration → data → model → training → decoding → scores → record.

mod evaluate;
mod monitor;

pub use evaluate::{score_translations, stored_hypotheses};
use evaluate::Scores;

use crate::config::{Experiment, configuration_hash, identity, to_toml, validate_vocabulary};
use crate::data::prepare;
use crate::data::prepared::Prepared;
use crate::data::{Split, store::Store};
use crate::error::{Error, Result};
use crate::model::Transformer;
use crate::results::record::{DataRecord, FAILURE_FILE, Provenance, Record};
use crate::signal::StopFlag;
use crate::telemetry::hparams::{HParam, HParamValue, Outcome, Session};
use crate::telemetry::observer::Observer;
use crate::telemetry::Telemetry;
use crate::train::adam::Adam;
use crate::train::checkpoint::{Checkpoints, Progress};
use crate::train::trainer::Trainer;
use crate::train::Precision;
use crate::{device, files};
use monitor::RunMonitor;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
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
        let outcome = self.execute(&data, &identity, observer, stop);
        if outcome.is_ok() {
            let _ = std::fs::remove_file(self.run_dir.join(FAILURE_FILE));
        }
        outcome.map(Finished::Now)
    }

    /// Writes config.toml with the identity on top, or checks the one that is there.
    fn claim(&self, identity: &str) -> Result<()> {
        let path = self.run_dir.join(CONFIG_FILE);
        match claimed_identity(self.run_dir)? {
            Some(owner) if owner == identity => Ok(()),
            Some(_) => Err(self.occupied()),
            None => {
                let text = format!("{IDENTITY_LINE}{identity}\n\n{}", to_toml(self.experiment)?);
                files::write_atomically(&path, text.as_bytes())
            }
        }
    }

    fn occupied(&self) -> Error {
        Error::user(format!(
            "{} holds a run with other settings or data; remove it, or choose another place with --results",
            self.run_dir.display()
        ))
    }

    fn execute(&self, data: &Prepared, identity: &str, observer: &mut dyn Observer, stop: &StopFlag) -> Result<Record> {
        let Experiment { model: model_config, training, .. } = self.experiment;
        let vocabulary = data.tokenizer.len();
        validate_vocabulary(self.experiment, vocabulary)?;
        let device = device::open(&self.experiment.run)?;
        let model = Transformer::build(model_config, vocabulary, training.seed, kind(training.precision), device);
        let mut adam = Adam::build(training, model.weights());
        let checkpoints = Checkpoints::open(&self.run_dir.join("checkpoints"))?;
        let mut notes = Vec::new();
        let restored = checkpoints.restore(model.weights(), &adam, &mut |note| notes.push(note.to_string()))?;
        notes.iter().try_for_each(|note| observer.message(note))?;
        if let Some(progress) = &restored {
            observer.message(&format!("going on from step {}", progress.step))?;
        }
        let resume_step = restored.as_ref().map(|progress| progress.step);
        let mut telemetry = Telemetry::open(self.run_dir, resume_step, self.experiment.run.tensorboard)?;
        telemetry.session_start(&self.session());
        let progress = restored.unwrap_or(Progress { step: 0, epoch: 0, micro_batch: 0, best: None });
        let stores = Stores { train: data.split(Split::Train)?, dev: data.split(Split::Dev)?, test: data.split(Split::Test)? };
        let mut monitor = RunMonitor::new(self, data, &stores, &mut telemetry, observer, stop, progress.step);
        let trainer = Trainer {
            model: &model,
            config: training,
            d_model: model_config.d_model,
            store: &stores.train,
            checkpoints: &checkpoints,
            stop,
        };
        let trained = trainer.run(&mut adam, progress, &mut monitor);
        if let Err(error @ (Error::Diverged { .. } | Error::OutOfMemory(_))) = trained {
            telemetry.session_end(Outcome::Failure);
            return Err(error);
        }
        trained?;
        let averaged_steps = training.averaged_steps();
        checkpoints.load_average(model.weights(), &averaged_steps)?;
        let scored = checkpoints.save_scored(model.weights())?;
        let Scores { metrics, signature, mut checksums } = evaluate::final_scores(self, data, &stores, &model, observer, stop)?;
        checksums.insert("weights".into(), scored);
        for (tag, value) in &metrics {
            telemetry.metric(training.steps, &format!("final/{}", tag.replace('/', "_")), *value)?;
        }
        let record = Record {
            identity: identity.to_string(),
            configuration_hash: configuration_hash(self.experiment),
            label: self.label.to_string(),
            seed: training.seed,
            provenance: provenance(device),
            data: DataRecord {
                recipe: self.experiment.data.recipe.name.clone(),
                fingerprint: data.fingerprint().to_string(),
                train_pairs: stores.train.len(),
                vocabulary,
            },
            parameters: model.weights().parameters(),
            steps: training.steps,
            averaged_steps,
            metrics,
            signature,
            checksums,
            configuration: serde_json::to_value(self.experiment).map_err(|e| Error::failed(e.to_string()))?,
        };
        telemetry.sync()?;
        record.save(self.run_dir)?;
        telemetry.session_end(Outcome::Success);
        Ok(record)
    }

    /// What TensorBoard's HParams page shows of the run; the seeds of a configuration form a group.
    fn session(&self) -> Session {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Session {
            hparams: settings(self.experiment).into_iter().map(|(name, value)| HParam { name, value }).collect(),
            group: configuration_hash(self.experiment),
            started: now.map_or(0.0, |elapsed| elapsed.as_secs_f64()),
        }
    }
}

/// The three splits, memory-mapped.
struct Stores {
    train: Store,
    dev: Store,
    test: Store,
}

const IDENTITY_LINE: &str = "# trial ";

/// The identity of the trial that a run directory was begun for.
pub fn claimed_identity(run_dir: &Path) -> Result<Option<String>> {
    let path = run_dir.join(CONFIG_FILE);
    if !path.exists() {
        return Ok(None);
    }
    let text = files::read_to_string(&path)?;
    Ok(Some(text.lines().next().and_then(|line| line.strip_prefix(IDENTITY_LINE)).unwrap_or("").to_string()))
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
        let config = run_dir.join(CONFIG_FILE);
        if !config.exists() {
            return Err(Error::user(format!("{} is not a run directory: it has no {CONFIG_FILE}", run_dir.display())));
        }
        let experiment = crate::config::load_experiment(&config, sets)?;
        if Record::load(run_dir)?.is_none() {
            return Err(Error::user(format!("{} is not finished: it has no record.json yet", run_dir.display())));
        }
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

/// Every setting that can change a result, by key, with absent ones resolved.
pub fn settings(experiment: &Experiment) -> BTreeMap<String, HParamValue> {
    let mut resolved = experiment.clone();
    resolved.model.d_k = Some(experiment.model.d_k());
    resolved.model.d_v = Some(experiment.model.d_v());
    let mut settings = BTreeMap::new();
    let value = serde_json::to_value(&resolved).unwrap_or_default();
    for section in ["data", "model", "training", "decoding"] {
        let Some(table) = value.get(section).and_then(serde_json::Value::as_object) else { continue };
        for (key, value) in table {
            let value = match value {
                serde_json::Value::Number(number) => HParamValue::Number(number.as_f64().unwrap_or(f64::NAN)),
                serde_json::Value::Bool(flag) => HParamValue::Bool(*flag),
                serde_json::Value::String(text) => HParamValue::Text(text.clone()),
                other => HParamValue::Text(other.get("name").and_then(|n| n.as_str()).unwrap_or_default().to_string()),
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
