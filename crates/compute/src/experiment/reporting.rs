//! The report of a log interval: loss, learning rate, speed, memory.

use crate::error::Result;
use crate::results::metric::{TRAIN, TRAIN_LOSS, perplexity_of, tag};
use crate::telemetry::Telemetry;
use crate::telemetry::observer::Report;
use crate::train::TaskKind;
use crate::train::step::StepStats;
use std::time::{Duration, Instant};

/// The updates since the last report.
pub struct Interval {
    since: Instant,
    steps: u64,
    tokens: usize,
    /// Time for which updates waited for their batches.
    waited: Duration,
    task: TaskKind,
}

impl Interval {
    pub fn begin(task: TaskKind) -> Self {
        Interval { since: Instant::now(), steps: 0, tokens: 0, waited: Duration::ZERO, task }
    }

    pub fn updated(&mut self, stats: &StepStats) {
        self.steps += 1;
        self.tokens += stats.target_tokens;
    }

    pub fn waited(&mut self, wait: Duration) {
        self.waited += wait;
    }

    /// Excludes time that was not spent on updates.
    pub fn leave_out(&mut self, time: Duration) {
        self.since += time;
    }

    /// Records the interval that `stats` ends, returns its report, and begins the next interval.
    pub fn report(&mut self, stats: &StepStats, telemetry: &mut Telemetry) -> Result<Report> {
        let step = stats.step;
        let seconds = self.since.elapsed().as_secs_f64();
        let name = perplexity_of(self.task);
        let perplexity = name.map(|_| stats.unsmoothed_loss.exp());
        let tokens_per_second = self.tokens as f64 / seconds;
        telemetry.metric(step, TRAIN_LOSS, stats.loss)?;
        if let (Some(name), Some(perplexity)) = (name, perplexity) {
            telemetry.metric(step, &tag(TRAIN, name), perplexity)?;
        }
        telemetry.metric(step, "train/lr", stats.learning_rate)?;
        if let Some(norm) = stats.gradient_norm {
            telemetry.metric(step, "train/grad_norm", norm)?;
        }
        telemetry.timing(step, "train/tokens_per_second", tokens_per_second)?;
        telemetry.timing(step, "time/step_ms", 1e3 * seconds / self.steps as f64)?;
        let waited = self.waited.as_secs_f64();
        telemetry.timing(step, "time/data_wait_ms", 1e3 * waited / self.steps as f64)?;
        if let Some(bytes) = crate::device::peak_memory() {
            telemetry.timing(step, "memory/peak_mib", bytes as f64 / (1 << 20) as f64)?;
        }
        telemetry.flush()?;
        *self = Interval::begin(self.task);
        let StepStats { loss, learning_rate, .. } = *stats;
        Ok(Report { step, loss, perplexity, learning_rate, tokens_per_second })
    }
}
