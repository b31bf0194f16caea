//! One trial: configuration → data → model → training → decoding → scores → record.

pub mod attempts;
pub mod bench;
mod claim;
pub mod compared;
pub mod distributed;
pub mod doctor;
mod evaluate;
pub mod limits;
mod monitor;
pub mod probe;
mod reporting;
mod resume;
pub mod reuse;
pub mod run_files;
pub mod single_update;
mod stand_in;
mod trained;
pub mod verify;
pub mod view;

pub use claim::{claim, claimed_identity};
pub use evaluate::{bleu_config, recorded_hypotheses};
pub use trained::{TrainedModel, finished_run, run_configuration};
pub use verify::scored_weights_hold;

use crate::config::subsections::{settings_of, written};
use crate::config::unread_keys::unread;
use crate::config::{Experiment, configuration_hash, identity, shape_hash, training_identity};
use crate::data::prepare;
use crate::data::prepared::Prepared;
use crate::data::{Split, store::Store};
use crate::error::{Error, Result};
use crate::model::cost::Cost;
use crate::model::{self, Network};
use crate::results::metric::{BEST_DEV_PERPLEXITY, DEV_BLEU, final_tag};
use crate::results::record::{DataRecord, FAILURE_FILE, Provenance, RECORD_FILE, Record};
use crate::results::recorded;
use crate::signal::StopFlag;
use crate::telemetry::hparams::{HParamValue, Outcome};
use crate::telemetry::observer::Observer;
use crate::telemetry::{METRICS_FILE, Telemetry, metrics_log};
use crate::train::adam::Adam;
use crate::train::checkpoint::{Checkpoints, Owner, Progress};
use crate::train::trainer::Trainer;
use crate::train::workload::Workload;
use crate::{device, files};
use attempts::{Attempts, Effort};
use distributed::Team;
use limits::DataLimits;
use monitor::RunMonitor;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tch::Device;

/// The resolved configuration in a run directory, loadable as an experiment.
pub const CONFIG_FILE: &str = "config.toml";
/// The checkpoints in a run directory.
pub const CHECKPOINTS: &str = "checkpoints";
/// What a trial printed, when it ran as a process of a sweep.
pub const LOG_FILE: &str = "log.txt";
/// How the last job of a trial ended, when it ran as a job of Slurm.
pub const ENDING_FILE: &str = "ending.json";
/// What a trial tells while it runs as a job of Slurm.
pub const EVENTS_FILE: &str = "events.jsonl";
/// A record that did not verify, set aside.
pub const DAMAGED_RECORD: &str = "record.json.damaged";

/// The commit that this binary was built from; see `build.rs`.
pub const COMMIT: &str = env!("ABLATE_COMMIT");

/// One trial and where it lives.
pub struct Trial<'a> {
    pub experiment: &'a Experiment,
    /// What people call it: the row's label or the experiment's name.
    pub label: &'a str,
    pub run_dir: &'a Path,
    pub data_root: &'a Path,
    /// Where all runs are; see [`lock_trial`].
    pub results: &'a Path,
    /// Pause after this update instead of finishing.
    pub until: Option<u64>,
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
        self.run_in(&Team::alone(), observer, stop)
    }

    /// The same as the first of several processes.
    fn run_in(&self, team: &Team, observer: &mut dyn Observer, stop: &StopFlag) -> Result<Finished> {
        let data = prepare::open(&self.experiment.data, self.data_root)?;
        DataLimits::of(&self.experiment.data, Some(&data))?.check(self.experiment)?;
        let identity = identity(self.experiment, data.fingerprint());
        run_files::check_vacant(self.run_dir)?;
        files::create_dir(self.run_dir)?;
        let busy = || Error::Busy(format!("another process is at work in {}", self.run_dir.display()));
        let _lock = lock_run(self.run_dir)?.ok_or_else(busy)?;
        if let Some(record) = self.undamaged_record(observer)? {
            if record.identity != identity {
                return Err(self.occupied());
            }
            self.claim(&identity, observer)?;
            return Ok(Finished::Before(record));
        }
        let elsewhere = || Error::Busy("another process trains the same trial at this moment".to_string());
        let _trial_lock = lock_trial(self.results, &identity)?.ok_or_else(elsewhere)?;
        team.agree(self.experiment, data.fingerprint())?;
        self.claim(&identity, observer)?;
        let training_identity = Some(training_identity(self.experiment, data.fingerprint()));
        let record = self.execute(&data, &Owner { identity, training_identity }, team, observer, stop)?;
        // A failure that is told beside a record does no harm.
        let _ = files::remove(&self.run_dir.join(FAILURE_FILE));
        Ok(Finished::Now(record))
    }

    /// The record, if the trial is finished. A damaged one is set aside where checkpoints can make it again.
    fn undamaged_record(&self, observer: &mut dyn Observer) -> Result<Option<Record>> {
        let error = match Record::load(self.run_dir) {
            Err(error) if Checkpoints::owner(&self.checkpoints())?.is_some() => error,
            other => return other,
        };
        let path = self.run_dir.join(RECORD_FILE);
        let aside = self.run_dir.join(DAMAGED_RECORD);
        observer.message(&format!(
            "{error}; it is kept as {}, and the trial is scored again from its last checkpoint",
            aside.display()
        ))?;
        files::rename(&path, &aside)?;
        Ok(None)
    }

    /// Makes the run directory this trial's, or checks that it is.
    fn claim(&self, identity: &str, observer: &mut dyn Observer) -> Result<()> {
        match claimed_identity(self.run_dir)? {
            Some(owner) if owner != identity => return Err(self.occupied()),
            Some(_) if claim::is_sound(self.run_dir)? => return Ok(()),
            Some(_) => observer.message(&format!(
                "{} is damaged and is written anew; other files of the run show that it belongs to this trial",
                self.run_dir.join(CONFIG_FILE).display()
            ))?,
            None => {}
        }
        claim(self.run_dir, self.experiment, identity)
    }

    fn checkpoints(&self) -> PathBuf {
        self.run_dir.join(CHECKPOINTS)
    }

    fn occupied(&self) -> Error {
        Error::user(format!(
            "{} holds a run with other settings or data; remove it, or choose another name or place (--name, --results)",
            self.run_dir.display()
        ))
    }

    fn execute(
        &self,
        data: &Prepared,
        owner: &Owner,
        team: &Team,
        observer: &mut dyn Observer,
        stop: &StopFlag,
    ) -> Result<Record> {
        let Experiment { model: model_config, training, .. } = self.experiment;
        let vocabulary = data.tokenizers.sizes();
        // Damage in the data is found before the attempt begins.
        let stores = Stores::open(data)?;
        resume::refuse_lost_checkpoints(self.run_dir, training)?;
        let device = team.device.map_or_else(|| device::open(&self.experiment.run), Ok)?;
        let model = model::build(model_config, vocabulary, training.seed, training.precision.kinds(), device);
        let mut adam = Adam::build(training, model.weights());
        let checkpoints = Checkpoints::open(&self.checkpoints())?;
        let restored = forward_messages(observer, |report| {
            let averaged = training.averaged_steps(training.steps);
            let is_own = |other: &Owner| resume::trains_the_same(owner, other, self.results);
            checkpoints.restore(model.weights(), &adam, &averaged, &is_own, report)
        })?;
        let resume_step = restored.as_ref().map(|state| state.progress.step);
        if let Some(step) = resume_step {
            observer.message(&format!("going on from step {step}"))?;
        }
        observer.begin(resume_step.unwrap_or(0))?;
        let mut attempts = forward_messages(observer, |report| {
            Ok(Attempts::begin(self.run_dir, resume_step.unwrap_or(0), report))
        })?;
        if let Some(run) = restored.as_ref().and_then(|state| state.run.as_ref()) {
            forward_messages(observer, |report| {
                metrics_log::restore(&self.run_dir.join(METRICS_FILE), &run.metrics, report)
            })?;
        }
        let mut telemetry = Telemetry::open(self.run_dir, resume_step, self.experiment.run.tensorboard)?;
        telemetry.session_start(&view::session(
            self.experiment,
            self.label,
            self.run_dir,
            attempts.first_start(),
        )?);
        let progress = restored.map_or_else(Progress::default, |state| state.progress);
        let work = Work {
            trial: self,
            data,
            stores: &stores,
            owner,
            model: &*model,
            checkpoints: &checkpoints,
            team,
            stop,
        };
        let mut effort = Effort {
            shape: shape_hash(self.experiment, data.fingerprint()),
            device: device::name(device),
            threads: tch::get_num_threads() as usize,
            processes: team.ranks.size(),
            ..Effort::default()
        };
        let outcome = work.finish(&mut adam, progress, &mut telemetry, observer, &mut effort);
        match &outcome {
            Ok(_) => telemetry.session_end(Outcome::Success),
            // A run that was stopped goes on: it has not ended.
            Err(
                Error::Interrupted { .. } | Error::Paused { .. } | Error::Stopped(_) | Error::Peer { .. },
            ) => {}
            Err(_) => telemetry.session_end(Outcome::Failure),
        }
        let ending = outcome.as_ref().map_or_else(|error| error.to_string(), |_| "finished".into());
        let saved_step = match &outcome {
            Ok(record) => Some(record.steps),
            Err(Error::Interrupted { step } | Error::Paused { step }) => Some(*step),
            Err(_) => None,
        };
        forward_messages(observer, |report| {
            attempts.end(&ending, saved_step, effort, report);
            Ok(())
        })?;
        outcome
    }
}

/// A trial with everything that it works on.
struct Work<'a> {
    trial: &'a Trial<'a>,
    data: &'a Prepared,
    stores: &'a Stores,
    owner: &'a Owner,
    model: &'a dyn Network,
    checkpoints: &'a Checkpoints,
    team: &'a Team,
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
        let stores = self.stores;
        let progress = self.team.share(self.model.weights(), adam, progress)?;
        let mut monitor = RunMonitor::new(self, telemetry, observer, &progress, effort);
        let trainer = Trainer {
            model: self.model,
            config: training,
            store: &stores.train,
            checkpoints: Some(self.checkpoints),
            ranks: &self.team.ranks,
            stop: self.stop,
            until: self.trial.until,
        };
        let trained = trainer.run(adam, progress, &mut monitor)?;
        let begun = Instant::now();
        let averaged_steps = training.averaged_steps(trained.step);
        self.checkpoints.load_average(self.model.weights(), &averaged_steps)?;
        let weights = self.checkpoints.save_scored(self.model.weights())?;
        let scores = evaluate::final_scores(self.trial, self.data, stores, self.model, observer, self.stop)?;
        effort.scoring_seconds = Some(begun.elapsed().as_secs_f64());
        let mut metrics = scores.metrics;
        for (tag, value) in &metrics {
            telemetry.metric(trained.step, &final_tag(tag), *value)?;
            // The curves end in the final scores, where training itself measured nothing of the kind.
            if is_final(tag) {
                telemetry.metric(trained.step, tag, *value)?;
            }
        }
        if let Some(best) = trained.best {
            metrics.insert(BEST_DEV_PERPLEXITY.into(), best.dev_loss.exp());
            telemetry.metric(trained.step, BEST_DEV_PERPLEXITY, best.dev_loss.exp())?;
        }
        self.show(trained.step, &scores.dev, telemetry)?;
        telemetry.sync()?;
        let mut checksums = recorded::checksums(self.trial.run_dir)?;
        checksums.extend(scores.checksums);
        checksums.insert(WEIGHTS.into(), weights);
        let record = Record {
            identity: self.owner.identity.clone(),
            training_identity: self.owner.training_identity.clone(),
            configuration_hash: configuration_hash(experiment),
            label: self.trial.label.to_string(),
            seed: training.seed,
            provenance: provenance(self.model.device()),
            data: DataRecord {
                recipe: experiment.data.recipe.name.clone(),
                fingerprint: self.data.fingerprint().to_string(),
                train_pairs: stores.train.len(),
                vocabulary: self.data.tokenizers.target().len(),
            },
            parameters: self.model.weights().parameters(),
            steps: trained.step,
            training_flops: Some(trained.step as f64 * self.flops_of_update()?),
            averaged_steps,
            metrics,
            signature: scores.signature,
            checksums,
            configuration: serde_json::to_value(experiment).map_err(|e| Error::failed(e.to_string()))?,
        };
        record.save(self.trial.run_dir)?;
        Ok(record)
    }

    /// Operations of an update, forward and backward, on average over the first epoch.
    fn flops_of_update(&self) -> Result<f64> {
        let Experiment { model, training, .. } = self.trial.experiment;
        let cost = Cost::of(model, self.data.tokenizers.sizes());
        Ok(Workload::of_store(&self.stores.train, training)?.flops(&cost))
    }
}

/// The scored weights among the checksums of a record.
const WEIGHTS: &str = "weights";

/// Whether a value of the last update is one of the final scores, measured once training is over.
fn is_final(tag: &str) -> bool {
    tag == DEV_BLEU || ["test/", "final/", "best/"].iter().any(|kind| tag.starts_with(kind))
}

/// Passes the messages of `work` on to an observer, once the work is done.
fn forward_messages<T>(
    observer: &mut dyn Observer,
    work: impl FnOnce(&mut dyn FnMut(&str)) -> Result<T>,
) -> Result<T> {
    let mut notes = Vec::new();
    let outcome = work(&mut |note| notes.push(note.to_string()));
    notes.iter().try_for_each(|note| observer.message(note))?;
    outcome
}

/// The three splits, memory-mapped.
struct Stores {
    train: Store,
    dev: Store,
    test: Store,
}

impl Stores {
    /// Also reads the texts that translations will be compared with, so that no damage is found late.
    fn open(data: &Prepared) -> Result<Self> {
        data.text(Split::Dev)?;
        data.text(Split::Test)?;
        Ok(Stores {
            train: data.split(Split::Train)?,
            dev: data.split(Split::Dev)?,
            test: data.split(Split::Test)?,
        })
    }
}

/// Held while a process works in a run directory.
pub const LOCK_FILE: &str = ".lock";
/// Below the results directory: a lock for each trial at work, named by its identity.
const LOCKS: &str = ".locks";

/// The lock of one trial among all runs below `results`, so that two sweeps never train the same at
/// once; `None` if somebody holds it.
pub fn lock_trial(results: &Path, identity: &str) -> Result<Option<files::Lock>> {
    let folder = results.join(LOCKS);
    files::create_shared_dir(&folder)?;
    // One of this user's that was made before it was to be shared.
    files::share(&folder);
    files::lock(&folder.join(identity)).map_err(|error| match error {
        Error::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => Error::user(format!(
            "{} belongs to another user and cannot be written; its owner opens it to the group with `chmod -R g+rwX`, \
             or choose another place with --results",
            folder.display()
        )),
        other => other,
    })
}

/// The lock of a run directory that is there; `None` if a process works in it.
pub fn lock_run(run_dir: &Path) -> Result<Option<files::Lock>> {
    files::lock(&run_dir.join(LOCK_FILE))
}

/// Whether a process works in the run directory.
pub fn is_at_work(run_dir: &Path) -> Result<bool> {
    files::is_locked(&run_dir.join(LOCK_FILE))
}

/// Whether no process works in the run directory or, elsewhere, on the same trial.
pub fn is_free(run_dir: &Path, results: &Path, identity: &str) -> Result<bool> {
    Ok(!is_at_work(run_dir)? && !files::is_locked(&results.join(LOCKS).join(identity))?)
}

/// The directory of `ablate train`: `<results>/<experiment>/seed-<n>`.
pub fn run_dir(results: &Path, name: &str, seed: u64) -> PathBuf {
    results.join(name).join(format!("seed-{seed}"))
}

/// Every setting that can change a result but the seed, by key, with absent ones resolved. What the parts of the model do
/// not read is left out.
pub fn settings(experiment: &Experiment) -> BTreeMap<String, HParamValue> {
    let resolved = Experiment { model: experiment.model.with_head_widths_stated(), ..experiment.clone() };
    let mut settings = BTreeMap::new();
    let value = serde_json::to_value(&resolved).unwrap_or_default();
    let unread: Vec<&str> = unread(&resolved.model).into_iter().map(|unread| unread.key).collect();
    for section in ["data", "model", "training", "decoding"] {
        let Some(table) = value.get(section).and_then(serde_json::Value::as_object) else { continue };
        let read = |key: &str| key != "training.seed" && !unread.contains(&key);
        for (key, value) in settings_of(section, table).into_iter().filter(|(key, _)| read(key)) {
            let value = match value {
                serde_json::Value::Number(number) => HParamValue::Number(number.as_f64().unwrap_or(f64::NAN)),
                serde_json::Value::Bool(flag) => HParamValue::Bool(*flag),
                serde_json::Value::String(text) => HParamValue::Text(text.clone()),
                // A recipe goes by its name.
                other => HParamValue::Text(match other.get("name").and_then(|name| name.as_str()) {
                    Some(name) => name.to_string(),
                    None => written(other),
                }),
            };
            settings.insert(key, value);
        }
    }
    settings
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
