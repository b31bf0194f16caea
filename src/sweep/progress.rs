//! A running sweep on the terminal: one line a worker, or plain lines where there is no terminal.

use crate::error::Result;
use crate::telemetry::console::{seconds_left, state};
use crate::telemetry::observer::{Observer, Report};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// What a trial's process tells the sweep, one JSON text a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialEvent {
    /// Updates that earlier attempts did.
    Begin(u64),
    Report(Report),
    Message(String),
}

/// Tells the sweep through standard output. A sweep that is gone does not hear it.
pub struct EventPipe;

impl EventPipe {
    fn send(event: &TrialEvent) -> Result<()> {
        if let Ok(line) = serde_json::to_string(event) {
            let mut out = std::io::stdout().lock();
            let _ = writeln!(out, "{line}").and_then(|()| out.flush());
        }
        Ok(())
    }
}

impl Observer for EventPipe {
    fn begin(&mut self, step: u64) -> Result<()> {
        EventPipe::send(&TrialEvent::Begin(step))
    }

    fn report(&mut self, report: &Report) -> Result<()> {
        EventPipe::send(&TrialEvent::Report(*report))
    }

    fn message(&mut self, text: &str) -> Result<()> {
        EventPipe::send(&TrialEvent::Message(text.to_string()))
    }
}

/// Lines of one trial that does not finish soon come at least so far apart, off the terminal.
const QUIET: Duration = Duration::from_secs(30);

/// The display of a sweep; shared by the threads that wait for trials.
pub struct SweepProgress {
    bars: Option<MultiProgress>,
}

/// The display of one running trial.
pub struct TrialProgress<'a> {
    sweep: &'a SweepProgress,
    name: String,
    steps: u64,
    start_step: u64,
    started: Instant,
    said: Instant,
    bar: Option<ProgressBar>,
}

impl SweepProgress {
    pub fn new() -> Self {
        SweepProgress { bars: std::io::stderr().is_terminal().then(MultiProgress::new) }
    }

    /// Prints a line above the bars.
    pub fn say(&self, line: &str) {
        // Where stderr is gone there is nobody to tell.
        let _ = match &self.bars {
            Some(bars) => bars.println(line),
            None => writeln!(std::io::stderr(), "{line}"),
        };
    }

    /// Shows a trial that starts.
    pub fn start(&self, name: &str, steps: u64) -> TrialProgress<'_> {
        let bar = self.bars.as_ref().map(|bars| {
            let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len}  {msg}");
            let bar =
                ProgressBar::new(steps).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            let bar = bars.add(bar.with_prefix(name.to_string()));
            bar.tick();
            bar
        });
        let now = Instant::now();
        TrialProgress {
            sweep: self,
            name: name.to_string(),
            steps,
            start_step: 0,
            started: now,
            said: now,
            bar,
        }
    }
}

impl Default for SweepProgress {
    fn default() -> Self {
        SweepProgress::new()
    }
}

impl TrialProgress<'_> {
    /// Shows what the trial told.
    pub fn hear(&mut self, event: &TrialEvent) {
        match event {
            TrialEvent::Begin(step) => {
                self.start_step = *step;
                self.started = Instant::now();
                if let Some(bar) = &self.bar {
                    bar.set_position(*step);
                }
            }
            TrialEvent::Report(report) => {
                let left = seconds_left(
                    self.started.elapsed().as_secs_f64(),
                    self.start_step,
                    report.step,
                    self.steps,
                );
                let text = state(report, left);
                match &self.bar {
                    Some(bar) => {
                        bar.set_message(text);
                        bar.set_position(report.step);
                    }
                    None if self.said.elapsed() >= QUIET => {
                        self.said = Instant::now();
                        self.sweep
                            .say(&format!("{}  step {}/{}  {text}", self.name, report.step, self.steps));
                    }
                    None => {}
                }
            }
            TrialEvent::Message(text) => {
                if let Some(bar) = &self.bar {
                    bar.set_message(text.clone());
                }
            }
        }
    }

    /// Takes the trial's line away.
    pub fn end(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
