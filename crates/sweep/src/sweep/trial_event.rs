//! The events that the process of a trial sends to its sweep during the training.

use crate::error::Result;
use crate::telemetry::observer::{Observer, Report};
use serde::{Deserialize, Serialize};
use std::io::Write;

/// An event of a trial's process, sent as one JSON object per line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialEvent {
    /// The training begins; the number of updates that earlier attempts did.
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

/// Sends events to the sweep through standard output. If the sweep has ended, they are lost.
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
