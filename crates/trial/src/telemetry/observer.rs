//! What a training loop tells the outside. Observers cannot alter training; they can only fail.

use crate::error::Result;

/// The state of training at a log interval.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Report {
    /// Optimizer updates done.
    pub step: u64,
    /// Nats per target token, as trained on: smoothed.
    pub loss: f64,
    /// Without smoothing, per token; none of a model that gives no probabilities.
    pub perplexity: Option<f64>,
    pub learning_rate: f64,
    /// Target tokens without padding per second since the last report.
    pub tokens_per_second: f64,
}

/// Receives what happens in training. All methods do nothing unless overridden.
///
/// Everything of a step is to be told before the checkpoint of that step is written, and [`sync`](Self::sync)
/// called between: what comes later is told again by a run that goes on from the checkpoint.
pub trait Observer {
    /// A value that equal runs share: losses, scores, counts.
    fn metric(&mut self, _step: u64, _tag: &str, _value: f64) -> Result<()> {
        Ok(())
    }

    /// A value that differs between equal runs: times, rates, memory.
    fn timing(&mut self, _step: u64, _tag: &str, _value: f64) -> Result<()> {
        Ok(())
    }

    /// A text for people, in Markdown.
    fn text(&mut self, _step: u64, _tag: &str, _markdown: &str) -> Result<()> {
        Ok(())
    }

    /// Training begins, or goes on after `step` updates that earlier attempts did.
    fn begin(&mut self, _step: u64) -> Result<()> {
        Ok(())
    }

    /// The state for people who watch; comes after the metrics and timings of its step.
    fn report(&mut self, _report: &Report) -> Result<()> {
        Ok(())
    }

    /// A line for people who watch: "dev perplexity 12.3, the best so far".
    fn message(&mut self, _text: &str) -> Result<()> {
        Ok(())
    }

    /// A checkpoint follows: what was told so far must outlive a crash.
    fn sync(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Nobody watches.
impl Observer for () {}

/// Two observers as one; both are told, the first one first. Pairs of pairs make more.
impl<A: Observer, B: Observer> Observer for (A, B) {
    fn metric(&mut self, step: u64, tag: &str, value: f64) -> Result<()> {
        self.0.metric(step, tag, value)?;
        self.1.metric(step, tag, value)
    }

    fn timing(&mut self, step: u64, tag: &str, value: f64) -> Result<()> {
        self.0.timing(step, tag, value)?;
        self.1.timing(step, tag, value)
    }

    fn text(&mut self, step: u64, tag: &str, markdown: &str) -> Result<()> {
        self.0.text(step, tag, markdown)?;
        self.1.text(step, tag, markdown)
    }

    fn begin(&mut self, step: u64) -> Result<()> {
        self.0.begin(step)?;
        self.1.begin(step)
    }

    fn report(&mut self, report: &Report) -> Result<()> {
        self.0.report(report)?;
        self.1.report(report)
    }

    fn message(&mut self, text: &str) -> Result<()> {
        self.0.message(text)?;
        self.1.message(text)
    }

    fn sync(&mut self) -> Result<()> {
        self.0.sync()?;
        self.1.sync()
    }
}
