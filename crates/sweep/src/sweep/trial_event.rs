//! What the process of a trial tells its sweep while it trains.

use crate::error::Result;
use crate::telemetry::observer::{Observer, Report};
use serde::{Deserialize, Serialize};
use std::io::Write;

/// What a trial's process tells the sweep, one JSON text a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialEvent {
    /// Updates that earlier attempts did.
    Begin(u64),
    Report(Report),
    /// A measurement between updates: `dev/bleu`.
    Metric {
        step: u64,
        tag: String,
        value: f64,
    },
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

    fn metric(&mut self, step: u64, tag: &str, value: f64) -> Result<()> {
        EventPipe::send(&TrialEvent::Metric { step, tag: tag.to_string(), value })
    }

    fn message(&mut self, text: &str) -> Result<()> {
        EventPipe::send(&TrialEvent::Message(text.to_string()))
    }
}
