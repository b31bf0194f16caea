//! Measurements and reports of a trial during training.

use super::attempts::Effort;
use super::reporting::Interval;
use super::view;
use super::work::Work;
use crate::config::Experiment;
use crate::data::Split;
use crate::error::Result;
use crate::files;
use crate::model::Network;
use crate::results::metric::{
    DEV, DEV_LOSS, METRICS, NEXT_SENTENCE_ACCURACY, accuracy_of, find, perplexity_of, tag,
};
use crate::telemetry::observer::Observer;
use crate::telemetry::{METRICS_FILE, Telemetry};
use crate::train::run_state::{Best, Progress, RunState};
use crate::train::step::StepStats;
use crate::train::trainer::Monitor;
use std::time::{Duration, Instant};

/// The tag of sample translations with their sources and references.
const SAMPLES: &str = "dev/samples";

/// Writes the files of the run directory and informs the observer.
pub struct RunMonitor<'a> {
    work: &'a Work<'a>,
    telemetry: &'a mut Telemetry,
    observer: &'a mut dyn Observer,
    interval: Interval,
    best: Option<Best>,
    effort: &'a mut Effort,
    /// End of the last update or evaluation.
    mark: Instant,
}

impl<'a> RunMonitor<'a> {
    pub fn new(
        work: &'a Work<'a>,
        telemetry: &'a mut Telemetry,
        observer: &'a mut dyn Observer,
        progress: &Progress,
        effort: &'a mut Effort,
    ) -> Self {
        RunMonitor {
            work,
            telemetry,
            observer,
            interval: Interval::begin(work.experiment.task()),
            best: progress.best,
            effort,
            mark: Instant::now(),
        }
    }

    /// Logs sample translations, unless none are wanted or the whole dev set is about to be translated. After the last
    /// update, which may come before `training.steps`, the trainer does not translate the dev set.
    fn samples(&mut self, model: &dyn Network, step: u64) -> Result<()> {
        let Experiment { run, training, .. } = self.work.experiment;
        let whole = training.dev_bleu_interval_steps;
        let last = training.is_over(step, self.best.map(|best| best.step));
        if run.sample_sentences == 0 || (whole > 0 && step.is_multiple_of(whole) && !last) {
            return Ok(());
        }
        let Work { task, data, stores, .. } = *self.work;
        let text = task.samples(model, data, &stores.dev, run.sample_sentences)?;
        self.telemetry.text(step, SAMPLES, &text)
    }

    /// Logs histograms of weights and gradients.
    fn histograms(&mut self, step: u64) -> Result<()> {
        let begun = Instant::now();
        view::histograms(self.work.model.weights(), step, self.telemetry)?;
        self.evaluated(begun);
        Ok(())
    }

    /// Adds the time of an evaluation to the effort.
    fn evaluated(&mut self, begun: Instant) {
        self.interval.leave_out(begun.elapsed());
        self.effort.evaluation_seconds += begun.elapsed().as_secs_f64();
        self.mark = Instant::now();
    }
}

impl Monitor for RunMonitor<'_> {
    fn waited(&mut self, wait: Duration) {
        self.interval.waited(wait);
    }

    fn updated(&mut self, stats: &StepStats) -> Result<()> {
        self.effort.updates += 1;
        self.effort.target_tokens += stats.target_tokens as u64;
        self.effort.training_seconds += self.mark.elapsed().as_secs_f64();
        self.mark = Instant::now();
        self.interval.updated(stats);
        if self.wants_gradient_norm(stats.step) {
            let report = self.interval.report(stats, self.telemetry)?;
            let begun = Instant::now();
            self.observer.report(&report)?;
            self.interval.leave_out(begun.elapsed());
        }
        let Experiment { run, training, .. } = self.work.experiment;
        let interval = run.histogram_interval_steps;
        if interval > 0 && (stats.step.is_multiple_of(interval) || stats.step == training.steps) {
            self.histograms(stats.step)?;
        }
        Ok(())
    }

    /// Returns whether this update ends a log interval: every report has the gradient norm.
    fn wants_gradient_norm(&self, step: u64) -> bool {
        step.is_multiple_of(self.work.experiment.run.log_interval_steps.max(1))
            || step == self.work.experiment.training.steps
    }

    fn dev_loss(&mut self, model: &dyn Network, step: u64) -> Result<f64> {
        let begun = Instant::now();
        let found = self.work.task.likelihood(model, &self.work.stores.dev)?;
        self.telemetry.metric(step, DEV_LOSS, found.loss())?;
        self.observer.metric(step, DEV_LOSS, found.loss())?;
        let task = self.work.experiment.task();
        if let Some(name) = perplexity_of(task) {
            self.telemetry.metric(step, &tag(DEV, name), found.perplexity())?;
        }
        self.telemetry.metric(step, &tag(DEV, accuracy_of(task)), found.accuracy())?;
        let mut of_second_texts = String::new();
        if let Some(share) = found.next_sentence_accuracy() {
            self.telemetry.metric(step, &tag(DEV, NEXT_SENTENCE_ACCURACY), share)?;
            of_second_texts = format!(", {:.1} % of second texts", 100.0 * share);
        }
        self.telemetry.timing(step, "time/dev_loss_seconds", begun.elapsed().as_secs_f64())?;
        let improved = found.loss().is_finite() && self.best.is_none_or(|best| found.loss() < best.dev_loss);
        if improved {
            self.best = Some(Best { step, dev_loss: found.loss() });
        }
        // If the loss is not finite, skip the samples; the trainer reports divergence.
        if found.loss().is_finite() {
            self.samples(model, step)?;
            let Work { experiment, stores, .. } = self.work;
            for (tag, value) in view::attention_statistics(model, experiment, &stores.dev) {
                self.telemetry.metric(step, &tag, value)?;
            }
        }
        let best = if improved { ", the best so far" } else { "" };
        let measured = match perplexity_of(task) {
            Some(name) => format!("{} {:.3}", name.replace('_', " "), found.perplexity()),
            None => format!("loss {:.4}", found.loss()),
        };
        let accuracy = 100.0 * found.accuracy();
        self.observer.message(&format!(
            "step {step}: dev {measured}, accuracy {accuracy:.1} %{of_second_texts}{best}"
        ))?;
        self.telemetry.flush()?;
        self.evaluated(begun);
        Ok(found.loss())
    }

    fn dev_bleu(&mut self, model: &dyn Network, step: u64) -> Result<()> {
        let begun = Instant::now();
        let Work { experiment, task, data, stores, stop, .. } = *self.work;
        // Configurations that ask for BLEU in a task without scores are refused.
        let Some(written) = task.written() else { return Ok(()) };
        let output = written.output(model, data, &stores.dev, Split::Dev, stop)?;
        for score in &output.scores {
            let tag = tag(DEV, score.metric);
            self.telemetry.metric(step, &tag, score.value)?;
            self.observer.metric(step, &tag, score.value)?;
        }
        self.telemetry.timing(step, "time/dev_bleu_seconds", begun.elapsed().as_secs_f64())?;
        let count = experiment.run.sample_sentences;
        if count > 0 {
            self.telemetry.text(step, SAMPLES, &output.samples(count))?;
        }
        for score in output.scores.iter().filter(|score| !score.text.is_empty()) {
            let tag = tag(DEV, score.metric);
            let title = find(&METRICS, &tag).map_or_else(|| tag.clone(), |(metric, set)| metric.of_set(set));
            self.observer.message(&format!("step {step}: {title} {:.2}", score.value))?;
        }
        self.telemetry.flush()?;
        self.evaluated(begun);
        Ok(())
    }

    fn ended_early(&mut self, step: u64, best: Best) -> Result<()> {
        let training = &self.work.experiment.training;
        let patience = training.early_stopping_patience.unwrap_or_default();
        self.observer.message(&format!(
            "step {step}: training ends early, of {} updates; the dev loss was best at step {}, and \
             training.early_stopping_patience = {patience}",
            training.steps, best.step
        ))?;
        // When the update itself ended, it was not known to be the last one.
        let interval = self.work.experiment.run.histogram_interval_steps;
        if interval > 0 && !step.is_multiple_of(interval) { self.histograms(step) } else { Ok(()) }
    }

    fn sync(&mut self) -> Result<RunState> {
        self.telemetry.sync()?;
        let metrics = files::read_to_string(&self.work.run_dir.join(METRICS_FILE))?;
        Ok(RunState { owner: self.work.owner.clone(), metrics })
    }
}
