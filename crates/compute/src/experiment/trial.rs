//! One trial, from its configuration to its record: `run_in`, `execute` and `finish` show every stage in order.

use super::attempts::{Attempts, Effort};
use super::claim;
use super::evaluate;
use super::limits::DataLimits;
use super::memory;
use super::monitor::RunMonitor;
use super::provenance::provenance;
use super::resume;
use super::run_files;
use super::run_paths::{CHECKPOINTS, CONFIG_FILE, DAMAGED_RECORD, WEIGHTS_CHECKSUM};
use super::team::Team;
use super::view;
use super::work::{Stores, Work};
use super::{busy_run, changes_since, claimed_identity, lock_run, lock_trial};
use crate::config::{Experiment, configuration_hash, identity, shape_hash, training_identity};
use crate::data::prepare;
use crate::data::prepared::Prepared;
use crate::error::{Error, Result};
use crate::model;
use crate::model::cost::Cost;
use crate::results::metric::{best_on_dev, final_tag, is_final_score};
use crate::results::record::{DataRecord, FAILURE_FILE, RECORD_FILE, Record};
use crate::results::recorded;
use crate::signal::StopFlag;
use crate::task;
use crate::telemetry::format::thousands;
use crate::telemetry::hparams::Outcome;
use crate::telemetry::observer::Observer;
use crate::telemetry::{METRICS_FILE, Telemetry, metrics_log};
use crate::train::adam::Adam;
use crate::train::checkpoint::Checkpoints;
use crate::train::checkpoint_files;
use crate::train::run_state::{Owner, Progress};
use crate::train::trainer::Trainer;
use crate::train::workload::Workload;
use crate::{device, files};
use std::path::{Path, PathBuf};
use std::time::Instant;
use tch::Device;

/// One trial with the paths of its files.
pub struct Trial<'a> {
    pub experiment: &'a Experiment,
    /// Name for people: the row's label or the experiment's name.
    pub label: &'a str,
    pub run_dir: &'a Path,
    pub data_root: &'a Path,
    /// Directory of all runs; see [`lock_trial`](super::lock_trial).
    pub results: &'a Path,
    /// Update after which to pause instead of finishing.
    pub until: Option<u64>,
}

/// The result of a successful [`Trial::run`].
#[derive(Debug)]
pub enum Finished {
    /// The record existed already.
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
    /// Trains, decodes and scores, continuing where an earlier call was stopped. Does nothing if the trial is finished.
    ///
    /// # Errors
    /// See [`Error`]; the run directory stays resumable. A directory that holds another trial's run is refused.
    pub fn run(&self, observer: &mut dyn Observer, stop: &StopFlag) -> Result<Finished> {
        self.run_in(&Team::alone(), observer, stop)
    }

    /// Does the same as the first of several processes.
    pub(super) fn run_in(
        &self,
        team: &Team,
        observer: &mut dyn Observer,
        stop: &StopFlag,
    ) -> Result<Finished> {
        // A missing device is reported before any work; a finished run needs no device.
        let device = match team.device {
            None if !self.run_dir.join(RECORD_FILE).exists() => Some(device::open(&self.experiment.run)?),
            device => device,
        };
        let data = prepare::open(&self.experiment.data, self.data_root)?;
        DataLimits::of(&self.experiment.data, Some(&data))?.check(self.experiment)?;
        if let Some(device) = device {
            memory::check_fits(self.experiment, data.tokenizers.sizes(), device)?;
        }
        let identity = identity(self.experiment, data.fingerprint());
        run_files::check_vacant(self.run_dir)?;
        let elsewhere = || Error::Busy("another process trains the same trial at this moment".to_string());
        let lock_trial = || lock_trial(self.results, &identity)?.ok_or_else(elsewhere);
        // A refused trial leaves no new directory behind.
        let early = if self.run_dir.exists() { None } else { Some(lock_trial()?) };
        files::create_dir(self.run_dir)?;
        let _lock = lock_run(self.run_dir)?.ok_or_else(|| busy_run(self.run_dir))?;
        if let Some(record) = self.undamaged_record(observer)? {
            if record.identity != identity {
                return Err(self.occupied());
            }
            self.claim(&identity, observer)?;
            return Ok(Finished::Before(record));
        }
        let _trial_lock = early.map_or_else(lock_trial, Ok)?;
        team.agree(self.experiment, data.fingerprint())?;
        self.claim(&identity, observer)?;
        let training_identity = Some(training_identity(self.experiment, data.fingerprint()));
        let device = device.map_or_else(|| device::open(&self.experiment.run), Ok)?;
        let owner = Owner { identity, training_identity };
        let record = self.execute(&data, &owner, (device, team), observer, stop)?;
        // A failure file beside a record does no harm.
        let _ = files::remove(&self.run_dir.join(FAILURE_FILE));
        Ok(Finished::Now(record))
    }

    /// Returns the record if the trial is finished. A damaged record is set aside if checkpoints allow to make it again.
    fn undamaged_record(&self, observer: &mut dyn Observer) -> Result<Option<Record>> {
        let error = match Record::load(self.run_dir) {
            Err(error) if error.is_damage() && checkpoint_files::owner(&self.checkpoints())?.is_some() => {
                error
            }
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

    /// Claims the run directory for this trial, or checks that it belongs to it.
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
            "{} holds a run with other settings or data: {}; remove it, or choose another name or place (--name, \
             --results)",
            self.run_dir.display(),
            changes_since(self.run_dir, self.experiment)
        ))
    }

    fn execute(
        &self,
        data: &Prepared,
        owner: &Owner,
        (device, team): (Device, &Team),
        observer: &mut dyn Observer,
        stop: &StopFlag,
    ) -> Result<Record> {
        let Experiment { model: model_config, training, .. } = self.experiment;
        let vocabulary = data.tokenizers.sizes();
        // Damaged data is found before the attempt begins.
        let stores = Stores::open(data)?;
        resume::refuse_lost_checkpoints(self.run_dir, training)?;
        let model = model::build(model_config, vocabulary, training.seed, training.precision, device);
        let mut adam = Adam::build(training, model.weights());
        let checkpoints = Checkpoints::open(&self.checkpoints())?;
        let restored = forward_messages(observer, |report| {
            let is_own = |other: &Owner| resume::trains_the_same(owner, other, self.results);
            checkpoints.restore(model.weights(), &adam, training, &is_own, report)
        })?;
        let resume_step = restored.as_ref().map(|state| state.progress.step);
        if let Some(step) = resume_step {
            observer.message(&format!("going on from step {step}"))?;
        }
        if let Some(limit) = self.experiment.data.limit_of_training() {
            let [kept, left_out] =
                [stores.train.len(), stores.train.left_out()].map(|pairs| thousands(pairs as u64));
            observer.message(&format!(
                "data.max_train_length = {limit}: training on {kept} pairs, {left_out} longer ones are left out"
            ))?;
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
        let task = task::of(self.experiment, data.tokenizers.target().len());
        let work = Work {
            experiment: self.experiment,
            run_dir: self.run_dir,
            task: &*task,
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
        let outcome = self.finish(&work, &mut adam, progress, &mut telemetry, observer, &mut effort);
        effort.peak_memory_bytes = device::peak_memory();
        effort.peak_device_bytes = device::held_on_card(device);
        record_ending(&outcome, &mut attempts, effort, &mut telemetry, observer)?;
        outcome
    }

    /// Trains the remaining updates, scores, and writes the record. Fills `effort`, however the work ends.
    fn finish(
        &self,
        work: &Work,
        adam: &mut Adam,
        progress: Progress,
        telemetry: &mut Telemetry,
        observer: &mut dyn Observer,
        effort: &mut Effort,
    ) -> Result<Record> {
        let Work { experiment, stores, model, .. } = *work;
        let training = &experiment.training;
        let progress = work.team.share(model.weights(), adam, progress)?;
        let mut monitor = RunMonitor::new(work, telemetry, observer, &progress, effort);
        let batches = work.task.batches(&stores.train);
        let trainer = Trainer {
            model,
            config: training,
            batches: &*batches,
            checkpoints: Some(work.checkpoints),
            ranks: &work.team.ranks,
            stop: work.stop,
            until: self.until,
        };
        let trained = trainer.run(adam, progress, &mut monitor)?;
        let begun = Instant::now();
        let averaged_steps = training.averaged_steps(trained.step);
        work.checkpoints.load_average(model.weights(), &averaged_steps)?;
        let weights = work.checkpoints.save_scored(model.weights())?;
        let scores = evaluate::final_scores(work, observer)?;
        effort.scoring_seconds = Some(begun.elapsed().as_secs_f64());
        let mut metrics = scores.metrics;
        for (tag, value) in &metrics {
            telemetry.metric(trained.step, &final_tag(tag), *value)?;
            // The curves end with the final scores, if training itself measured no such scores.
            if is_final_score(tag) {
                telemetry.metric(trained.step, tag, *value)?;
            }
        }
        let best = trained.best.map(|best| best_on_dev(experiment.task(), best.dev_loss));
        if let Some((tag, value)) = best.filter(|(_, value)| Record::can_hold(*value)) {
            telemetry.metric(trained.step, &tag, value)?;
            metrics.insert(tag, value);
        }
        view::show(work, trained.step, scores.dev.as_ref(), telemetry, observer)?;
        telemetry.sync()?;
        let mut checksums = recorded::checksums(self.run_dir)?;
        checksums.extend(scores.checksums);
        checksums.insert(WEIGHTS_CHECKSUM.into(), weights);
        let record = Record {
            identity: work.owner.identity.clone(),
            training_identity: work.owner.training_identity.clone(),
            configuration_hash: configuration_hash(experiment),
            label: self.label.to_string(),
            seed: training.seed,
            provenance: provenance(model.device()),
            data: DataRecord {
                recipe: experiment.data.recipe.name.clone(),
                fingerprint: work.data.fingerprint().to_string(),
                scored_text: Some(work.data.scored_text()),
                train_pairs: stores.train.len(),
                left_out_pairs: experiment.data.limit_of_training().map(|_| stores.train.left_out()),
                vocabulary: work.data.tokenizers.target().len(),
            },
            parameters: model.weights().parameters(),
            steps: trained.step,
            training_flops: Some(trained.step as f64 * flops_of_update(work)?),
            averaged_steps,
            metrics,
            signature: scores.signature,
            checksums,
            configuration: serde_json::to_value(experiment).map_err(|e| Error::failed(e.to_string()))?,
        };
        record.save(self.run_dir)?;
        Ok(record)
    }
}

/// Records the outcome of an attempt and its effort.
fn record_ending(
    outcome: &Result<Record>,
    attempts: &mut Attempts,
    effort: Effort,
    telemetry: &mut Telemetry,
    observer: &mut dyn Observer,
) -> Result<()> {
    match outcome {
        Ok(_) => telemetry.session_end(Outcome::Success),
        // A stopped run has not ended: it can continue.
        Err(Error::Interrupted { .. } | Error::Paused { .. } | Error::Stopped(_) | Error::Peer { .. }) => {}
        Err(_) => telemetry.session_end(Outcome::Failure),
    }
    let ending = outcome.as_ref().map_or_else(|error| error.to_string(), |_| "finished".into());
    let saved_step = match outcome {
        Ok(record) => Some(record.steps),
        Err(Error::Interrupted { step } | Error::Paused { step }) => Some(*step),
        Err(_) => None,
    };
    forward_messages(observer, |report| {
        attempts.end(&ending, saved_step, effort, report);
        Ok(())
    })
}

/// Counts the operations of an update, forward and backward, on average over the first epoch.
fn flops_of_update(work: &Work) -> Result<f64> {
    let Experiment { model, training, .. } = work.experiment;
    let cost = Cost::of(model, work.data.tokenizers.sizes());
    Ok(Workload::of(&*work.task.batches(&work.stores.train), training)?.flops(&cost))
}

/// Forwards the messages of `work` to an observer, once the work is done.
fn forward_messages<T>(
    observer: &mut dyn Observer,
    work: impl FnOnce(&mut dyn FnMut(&str)) -> Result<T>,
) -> Result<T> {
    let mut notes = Vec::new();
    let outcome = work(&mut |note| notes.push(note.to_string()));
    notes.iter().try_for_each(|note| observer.message(note))?;
    outcome
}
