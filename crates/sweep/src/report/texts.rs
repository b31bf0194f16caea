//! The sentences that trials were scored on, as far as their corpora are prepared.

use super::subject::Report;
use crate::data::prepared::ParallelText;
use crate::data::{self, Split};
use crate::results::metric::{TEST_BLEU, TEST_F1};
use crate::results::record::Record;
use std::collections::BTreeMap;

/// Sources and references by the fingerprint of their data, or why there are none.
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
            texts.known.entry(record.data.fingerprint.clone()).or_insert_with(|| {
                let data = data::open_if_prepared(&trial.experiment.data, report.data_root);
                let data = data.map_err(|error| error.to_string())?.ok_or_else(|| {
                    format!("the corpus {} is not prepared; `ablate prepare` makes it", record.data.recipe)
                })?;
                match data.fingerprint() == record.data.fingerprint {
                    true => data.text(split).map_err(|error| error.to_string()),
                    false => Err(format!(
                        "the corpus {} that is prepared here is not the one that was trained on",
                        record.data.recipe
                    )),
                }
            });
        }
        texts
    }

    /// The sentences that a finished trial was scored on.
    pub fn of(&self, record: &Record) -> Option<&ParallelText> {
        self.known.get(&record.data.fingerprint)?.as_ref().ok()
    }

    /// Why sentences are missing.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        self.known.values().filter_map(|found| found.as_ref().err()).map(String::as_str)
    }
}
