//! Times the updates of the trainer one by one.

use super::measure::{Effort, Split, median};
use super::peak::Peak;
use crate::config::Experiment;
use crate::data::store::Store;
use crate::device::{self, settle};
use crate::error::{Error, Result};
use crate::experiment::reporting::Interval;
use crate::experiment::stand_in::Scratch;
use crate::experiment::stopped;
use crate::model::Network;
use crate::model::cost::Cost;
use crate::signal::StopFlag;
use crate::stopwatch::{Phase, Split as Laps, Stopwatch, lap};
use crate::task;
use crate::telemetry::Telemetry;
use crate::train::TrainingConfig;
use crate::train::adam::Adam;
use crate::train::batch_source::BatchSource;
use crate::train::checkpoint::Checkpoints;
use crate::train::ranks::Ranks;
use crate::train::run_state::Progress;
use crate::train::step::StepStats;
use crate::train::stream::BatchStream;
use crate::train::trainer::{Monitor, Trainer};
use serde::Serialize;
use std::time::Instant;
use tch::Device;

/// Training speed: medians over the timed updates.
#[derive(Debug, Clone, Serialize)]
pub struct Training {
    /// Number of timed updates.
    pub updates: usize,
    pub seconds_per_step: f64,
    pub steps_per_second: f64,
    /// Target tokens, like all tokens here without padding and with ends of sentences.
    pub target_tokens_per_step: f64,
    pub target_tokens_per_second: f64,
    /// Source and target tokens.
    pub tokens_per_second: f64,
    /// Counted operations of the matrix products, forward and backward, padding included.
    pub flops_per_step: f64,
    pub flops_per_second: f64,
    /// Share of the measured speed of the device's matrix products.
    pub peak_share: f64,
    /// Most memory that the process held at once.
    pub peak_memory_bytes: Option<u64>,
    /// Most memory of the card that the tensors took at once, as libtorch counts it.
    pub peak_device_bytes: Option<u64>,
    /// Seconds per update. The time of a report is spread over the updates of the log interval.
    pub split: Split,
}

/// One timed update.
struct Timed {
    step: u64,
    seconds: f64,
    target_tokens: usize,
    source_tokens: usize,
}

#[derive(PartialEq)]
enum Stage {
    WarmUp,
    Rates,
    Split,
}

/// The trainer's monitor in a bench. It reports by the same code as a run's monitor.
struct Watch<'a> {
    effort: &'a Effort,
    stop: &'a StopFlag,
    device: Device,
    telemetry: Telemetry,
    log_interval: u64,
    interval: Interval,
    stage: Stage,
    /// Number of updates in this stage, and its beginning.
    done: usize,
    begun: Instant,
    /// End of the last update.
    mark: Instant,
    rates: Vec<Timed>,
    stopwatch: Option<Stopwatch>,
    laps: Vec<(Laps, f64)>,
}

impl Watch<'_> {
    fn next_stage(&mut self, stage: Stage) {
        (self.stage, self.done, self.begun) = (stage, 0, Instant::now());
    }
}

impl Monitor for Watch<'_> {
    /// Returns [`Error::Paused`] after enough updates, so that training ends without a checkpoint.
    fn updated(&mut self, stats: &StepStats) -> Result<()> {
        self.interval.updated(stats);
        if self.wants_gradient_norm(stats.step) {
            self.interval.report(stats, &mut self.telemetry)?;
        }
        lap(Phase::Logging);
        settle(self.device);
        let seconds = self.mark.elapsed().as_secs_f64();
        if let Some(stopwatch) = &self.stopwatch {
            self.laps.push((stopwatch.take(), seconds));
        } else if self.stage == Stage::Rates {
            let StepStats { step, target_tokens, source_tokens, .. } = *stats;
            self.rates.push(Timed { step, seconds, target_tokens, source_tokens });
        }
        if self.stop.is_raised() {
            return Err(stopped());
        }
        self.done += 1;
        let enough =
            |count: usize| self.done >= count || self.begun.elapsed().as_secs_f64() > self.effort.seconds;
        match self.stage {
            Stage::WarmUp if enough(self.effort.warmup) => self.next_stage(Stage::Rates),
            Stage::Rates if enough(self.effort.updates) => {
                self.next_stage(Stage::Split);
                let device = self.device;
                self.stopwatch = Some(Stopwatch::start(move || settle(device)));
            }
            Stage::Split if enough(self.effort.updates) => return Err(Error::Paused { step: stats.step }),
            _ => {}
        }
        self.mark = Instant::now();
        Ok(())
    }

    /// Returns whether this update has a report: as in a run; for the split always, since few updates may see no report.
    fn wants_gradient_norm(&self, step: u64) -> bool {
        self.stage == Stage::Split || step.is_multiple_of(self.log_interval)
    }
}

pub fn measure(
    experiment: &Experiment,
    store: &Store,
    model: &dyn Network,
    cost: &Cost,
    peak: &Peak,
    effort: &Effort,
    stop: &StopFlag,
) -> Result<Training> {
    // Only updates and reports, without an end.
    let config = TrainingConfig {
        steps: u64::MAX,
        dev_interval_steps: 0,
        dev_bleu_interval_steps: 0,
        checkpoint_interval_steps: 0,
        ..experiment.training.clone()
    };
    let folder = Scratch::create()?;
    let checkpoints = Checkpoints::open(folder.path())?;
    let log_interval = experiment.run.log_interval_steps.max(1);
    let mut watch = Watch {
        effort,
        stop,
        device: model.device(),
        telemetry: Telemetry::open(folder.path(), None, experiment.run.tensorboard)?,
        log_interval,
        interval: Interval::begin(experiment.task()),
        stage: if effort.warmup > 0 { Stage::WarmUp } else { Stage::Rates },
        done: 0,
        begun: Instant::now(),
        mark: Instant::now(),
        rates: Vec::new(),
        stopwatch: None,
        laps: Vec::new(),
    };
    let task = task::of(experiment, cost.vocabulary().target);
    let batches = task.batches(store);
    let trainer = Trainer {
        model,
        config: &config,
        batches: &*batches,
        checkpoints: Some(&checkpoints),
        ranks: &Ranks::alone(),
        stop: &StopFlag::never(),
        until: None,
    };
    let mut adam = Adam::build(&config, model.weights());
    let start = Progress::default();
    match trainer.run(&mut adam, start, &mut watch) {
        Err(Error::Paused { .. }) | Ok(_) => {}
        Err(error) => return Err(error),
    }
    let flops = flops_of(&watch.rates, &*batches, &config, cost)?;
    let over = |value: &dyn Fn(&Timed) -> f64| median(watch.rates.iter().map(value).collect());
    let flops_per_second =
        median(watch.rates.iter().zip(&flops).map(|(update, flops)| flops / update.seconds).collect());
    let seconds_per_step = over(&|update| update.seconds);
    Ok(Training {
        updates: watch.rates.len(),
        seconds_per_step,
        steps_per_second: 1.0 / seconds_per_step,
        target_tokens_per_step: over(&|update| update.target_tokens as f64),
        target_tokens_per_second: over(&|update| update.target_tokens as f64 / update.seconds),
        tokens_per_second: over(&|update| {
            (update.target_tokens + update.source_tokens) as f64 / update.seconds
        }),
        flops_per_step: median(flops),
        flops_per_second,
        peak_share: flops_per_second / peak.flops_per_second,
        peak_memory_bytes: device::peak_memory(),
        peak_device_bytes: device::card_memory(model.device()).map(|memory| memory.peak),
        split: split(&watch.laps, log_interval),
    })
}

/// Counts the operations of these updates. Their batches are a pure function of the step.
fn flops_of(
    updates: &[Timed],
    source: &dyn BatchSource,
    config: &TrainingConfig,
    cost: &Cost,
) -> Result<Vec<f64>> {
    let start = Progress::default();
    let mut stream = BatchStream::start(source, config, &start)?;
    let mut batches = (1..).map(|step| (step, stream.next_update()));
    let of = |update: &Timed| {
        let found = batches.find(|(step, _)| *step == update.step);
        let of_pass = found.map_or(0.0, |(_, pairs)| {
            pairs.iter().map(|pairs| cost.forward(&source.shape(pairs)).training()).sum()
        });
        config.passes() as f64 * of_pass
    };
    Ok(updates.iter().map(of).collect())
}

/// Computes medians over updates, each of which had a report.
fn split(laps: &[(Laps, f64)], log_interval: u64) -> Split {
    let phases =
        [Phase::Data, Phase::Forward, Phase::Loss, Phase::Backward, Phase::Optimizer, Phase::Logging];
    let seconds = |phase: Phase| {
        let median = median(laps.iter().map(|(laps, _)| laps.seconds(phase)).collect());
        (phase, if phase == Phase::Logging { median / log_interval as f64 } else { median })
    };
    let (found, clock) =
        laps.iter().fold((0.0, 0.0), |sum, (laps, clock)| (sum.0 + laps.total(), sum.1 + clock));
    Split::of(phases.map(seconds).into(), found / clock)
}
