//! The training loop.

use super::TrainingConfig;
use super::adam::Adam;
use super::batch_source::BatchSource;
use super::checkpoint::Checkpoints;
use super::prefetch::{Prefetch, Share};
use super::ranks::Ranks;
use super::run_state::{Best, Progress, RunState};
use super::step::{StepStats, Updates};
use super::stream::BatchStream;
use crate::error::{Error, Result};
use crate::model::Network;
use crate::signal::StopFlag;
use crate::stopwatch::{Phase, lap};
use std::time::{Duration, Instant};

/// Callbacks of the training loop. They measure and report; none can change what an update computes. The default
/// callbacks report nothing, and fail if they must measure or save something.
pub trait Monitor {
    /// Called before every update with the time that it waited for its batches.
    fn waited(&mut self, _wait: Duration) {}

    /// Called after every update.
    fn updated(&mut self, _stats: &StepStats) -> Result<()> {
        Ok(())
    }

    /// Whether the monitor needs the gradient norm of update `step`.
    fn wants_gradient_norm(&self, _step: u64) -> bool {
        false
    }

    /// Measures the dev loss, in nats per target token, unsmoothed.
    fn dev_loss(&mut self, _model: &dyn Network, step: u64) -> Result<f64> {
        Err(Error::failed(format!("step {step} asks for a dev loss, which nobody measures here")))
    }

    /// Scores translations of the dev set.
    fn dev_bleu(&mut self, _model: &dyn Network, step: u64) -> Result<()> {
        Err(Error::failed(format!("step {step} asks for translations, which nobody scores here")))
    }

    /// Called if training ends after update `step`, before the last one of the schedule, because the dev loss did not
    /// improve on `best`.
    fn ended_early(&mut self, _step: u64, _best: Best) -> Result<()> {
        Ok(())
    }

    /// Called before a checkpoint: brings all reports so far to the disk, and returns what the checkpoint keeps of them.
    fn sync(&mut self) -> Result<RunState> {
        Err(Error::failed("training asks for a checkpoint, which nobody keeps here"))
    }
}

/// One model in training.
pub struct Trainer<'a> {
    pub model: &'a dyn Network,
    pub config: &'a TrainingConfig,
    pub batches: &'a dyn BatchSource,
    /// Absent on ranks other than 0.
    pub checkpoints: Option<&'a Checkpoints>,
    pub ranks: &'a Ranks,
    pub stop: &'a StopFlag,
    /// Update after which to pause, unless training is over by then.
    pub until: Option<u64>,
}

impl Trainer<'_> {
    /// Trains from `progress` to the last update, which is always saved; returns the progress there.
    ///
    /// # Errors
    /// If the stop flag is raised, the current update is dropped before its next micro-batch, the state is saved, and
    /// the result is [`Error::Interrupted`]. [`Error::Paused`] after a checkpoint at `until`; [`Error::Diverged`];
    /// [`Error::Peer`] if another rank failed or is lost.
    pub fn run(&self, adam: &mut Adam, progress: Progress, monitor: &mut dyn Monitor) -> Result<Progress> {
        let stream = BatchStream::start(self.batches, self.config, &progress)?;
        let share = Share { first: self.ranks.rank(), of: self.ranks.size() };
        let device = self.model.device();
        std::thread::scope(|scope| {
            self.train(adam, progress, &Prefetch::start(scope, self.batches, stream, share, device), monitor)
        })
    }

    fn train(
        &self,
        adam: &mut Adam,
        mut progress: Progress,
        data: &Prefetch,
        monitor: &mut dyn Monitor,
    ) -> Result<Progress> {
        let Trainer { model, config, ranks, .. } = *self;
        let updates = Updates { model, config };
        let mut saved = progress.step;
        while !self.is_over(&progress) {
            if self.until.is_some_and(|until| progress.step >= until) {
                return Err(Error::Paused { step: progress.step });
            }
            let number = progress.step + 1;
            let asked = Instant::now();
            let ready = data.next_update();
            monitor.waited(asked.elapsed());
            lap(Phase::Data);
            let wants_norm = monitor.wants_gradient_norm(number);
            let batches = ready.batches.iter().map(|(index, batch)| (*index, batch));
            // If a stop is requested, the gradients of this update are incomplete and must not be used. The flag cannot
            // be lowered again, so checking it once afterwards is enough.
            let until_stopped = batches.take_while(|_| !self.stop.is_raised());
            let mut sums = updates.accumulate(until_stopped, ready.target_tokens, number);
            if ranks.any(self.stop.is_raised())? {
                if progress.step > saved {
                    self.save(adam, &progress, monitor)?;
                }
                return Err(Error::Interrupted { step: progress.step });
            }
            ranks.add_up(model.weights(), &mut sums)?;
            let stats = updates.finish(adam, sums, number, wants_norm)?;
            monitor.updated(&stats)?;
            progress.step = number;
            (progress.epoch, progress.micro_batch) = ready.place;
            if number == config.steps || due(number, config.dev_interval_steps) {
                let dev_loss = ranks.measured_by_leader(|| monitor.dev_loss(model, number))?;
                // The update itself may have diverged: its own loss was computed before it.
                if !dev_loss.is_finite() {
                    return Err(Error::Diverged { step: number, loss: dev_loss });
                }
                self.remember_best(&mut progress, dev_loss)?;
            }
            let over = self.is_over(&progress);
            // After the last update the final scores are measured anyway.
            if !over && due(number, config.dev_bleu_interval_steps) {
                ranks.done_by_leader(|| monitor.dev_bleu(model, number))?;
            }
            if let (true, Some(best)) = (over && number < config.steps, progress.best) {
                monitor.ended_early(number, best)?;
            }
            if config.saves_at(number) || over || self.until == Some(number) {
                self.save(adam, &progress, monitor)?;
                saved = number;
            }
        }
        Ok(progress)
    }

    fn is_over(&self, progress: &Progress) -> bool {
        self.config.is_over(progress.step, progress.best.map(|best| best.step))
    }

    /// Saves a checkpoint; all ranks wait until rank 0 has saved it.
    fn save(&self, adam: &Adam, progress: &Progress, monitor: &mut dyn Monitor) -> Result<()> {
        self.ranks.done_by_leader(|| {
            let Some(checkpoints) = self.checkpoints else { return Ok(()) };
            let run = monitor.sync()?;
            checkpoints.save(self.model.weights(), adam, progress, run, self.config)
        })?;
        self.ranks.note_saved(progress.step);
        Ok(())
    }

    fn remember_best(&self, progress: &mut Progress, dev_loss: f64) -> Result<()> {
        if progress.best.is_none_or(|best| dev_loss < best.dev_loss) {
            progress.best = Some(Best { step: progress.step, dev_loss });
            if self.config.keep_best {
                let save = || self.checkpoints.map_or(Ok(()), |place| place.save_best(self.model.weights()));
                self.ranks.done_by_leader(save)?;
            }
        }
        Ok(())
    }
}

/// Returns whether `step` is a multiple of `interval`; never if that is 0.
fn due(step: u64, interval: u64) -> bool {
    interval > 0 && step.is_multiple_of(interval)
}
