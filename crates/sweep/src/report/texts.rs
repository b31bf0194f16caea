//! The sentences that trials were scored on, as far as their corpora are prepared.

use super::subject::Report;
use crate::data::{ParallelText, Split};
use crate::experiment::scored_text;
use crate::results::metric::{TEST_BLEU, TEST_F1};
use crate::results::record::Record;
use std::collections::BTreeMap;

/// Sources and references by the fingerprint of their data, or the reason why they are missing.
pub struct Texts {
    pub split: Split,
    known: BTreeMap<String, Result<ParallelText, String>>,
}

impl Texts {
    pub fn read(report: &Report) -> Texts {
        let split = match report.score() {
            TEST_BLEU | TEST_F1 => Split::Test,
            _ => Split::Dev,
        };
        let mut texts = Texts { split, known: BTreeMap::new() };
        for trial in &report.trials {
            let Some(record) = trial.record else { continue };
            let fingerprint = &record.data.fingerprint;
            texts.known.entry(fingerprint.clone()).or_insert_with(|| {
                // A report holds no path of this machine.
                scored_text(&trial.experiment.data, fingerprint, split, report.data_root, "")
            });
        }
        texts
    }

    /// The sentences that a finished trial was scored on.
    pub fn of(&self, record: &Record) -> Option<&ParallelText> {
        self.known.get(&record.data.fingerprint)?.as_ref().ok()
    }

    /// Returns the reasons why sentences are missing.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        self.known.values().filter_map(|found| found.as_ref().err()).map(String::as_str)
    }
}
