//! Time and memory of earlier runs on this machine: the `timing.json` of every run below the results directory.

use crate::experiment::attempts::{Effort, TIMING_JSON, host, load};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Largest depth of run directories: `.superseded/<sweep>/<row>/seed-<n>`.
const DEPTH: usize = 4;

/// The properties that two runs on one machine must share for similar time and memory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// See `config::shape_hash`.
    pub shape: String,
    pub device: String,
    pub threads: usize,
}

/// The training speed of a shape.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rate {
    pub source: RateSource,
    /// Seconds for each target token, without padding.
    pub seconds_per_token: f64,
    /// Seconds of an update beside those for its tokens.
    pub seconds_per_update: f64,
    /// Seconds of perplexities and BLEU between updates, divided by the updates; None if never measured.
    pub evaluation_seconds_per_update: Option<f64>,
    /// Seconds of the final scores of a trial; None if never measured.
    pub scoring_seconds: Option<f64>,
    pub peak_memory_bytes: Option<u64>,
}

/// The source of a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RateSource {
    EarlierRuns,
    Probe,
}

impl Rate {
    /// Returns the seconds of `updates` updates with `target_tokens` each, and of the final scores, as far as known.
    pub fn seconds(&self, updates: u64, target_tokens: f64) -> f64 {
        let update = target_tokens * self.seconds_per_token
            + self.seconds_per_update
            + self.evaluation_seconds_per_update.unwrap_or(0.0);
        updates as f64 * update + self.scoring_seconds.unwrap_or(0.0)
    }
}

/// The efforts of this machine's earlier attempts.
#[derive(Debug, Default)]
pub struct History {
    efforts: BTreeMap<Key, Vec<Effort>>,
}

impl History {
    /// Reads every run below `results`. Runs that cannot be read are skipped.
    pub fn scan(results: &Path) -> Self {
        let mut history = History::default();
        history.visit(results, &host(), DEPTH);
        history
    }

    fn visit(&mut self, folder: &Path, host: &str, depth: usize) {
        if folder.join(TIMING_JSON).is_file() {
            let here = load(folder).into_iter().filter(|attempt| attempt.host == host);
            // Only runs of one process, as trials of a sweep are.
            let alone = here.filter_map(|attempt| attempt.effort).filter(|effort| effort.processes == 1);
            for effort in alone {
                let Effort { shape, device, threads, .. } = effort.clone();
                self.efforts.entry(Key { shape, device, threads }).or_default().push(effort);
            }
        } else if depth > 0 {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
                self.visit(&entry.path(), host, depth - 1);
            }
        }
    }

    /// Returns the largest number of bytes that a run of this shape held on a card; None if it was not measured.
    pub fn peak_on_card(&self, shape: &str) -> Option<u64> {
        let same = self.efforts.iter().filter(|(key, _)| key.shape == shape);
        same.flat_map(|(_, efforts)| efforts).filter_map(|effort| effort.peak_device_bytes).max()
    }

    /// Returns the mean rate of all measured runs of this key; None if there are none.
    pub fn rate(&self, key: &Key) -> Option<Rate> {
        let efforts = self.efforts.get(key)?;
        let sum = |of: fn(&Effort) -> f64| efforts.iter().map(of).sum::<f64>();
        let (tokens, updates) = (sum(|e| e.target_tokens as f64), sum(|e| e.updates as f64));
        let scoring: Vec<f64> = efforts.iter().filter_map(|effort| effort.scoring_seconds).collect();
        // A run that was stopped before it evaluated has not reached the peak.
        let evaluated = efforts.iter().filter(|e| e.evaluation_seconds > 0.0 || e.scoring_seconds.is_some());
        (tokens > 0.0).then(|| Rate {
            source: RateSource::EarlierRuns,
            seconds_per_token: sum(|e| e.training_seconds) / tokens,
            seconds_per_update: 0.0,
            evaluation_seconds_per_update: Some(sum(|e| e.evaluation_seconds) / updates),
            scoring_seconds: (!scoring.is_empty())
                .then(|| scoring.iter().sum::<f64>() / scoring.len() as f64),
            peak_memory_bytes: evaluated.filter_map(|effort| effort.peak_memory_bytes).max(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::create_dir;

    fn run(folder: &Path, host: &str, seconds: f64) {
        create_dir(folder).unwrap();
        let text = serde_json::json!([
            { "host": host, "process": 1, "started": 0.0, "ended": null, "from_step": 0, "outcome": null },
            { "host": host, "process": 2, "started": 0.0, "ended": 9.0, "from_step": 0, "outcome": "finished",
              "effort": { "shape": "s", "device": "cpu", "threads": 1, "updates": 10, "target_tokens": 1000,
                "training_seconds": seconds, "evaluation_seconds": 1.0, "scoring_seconds": 4.0,
                "peak_memory_bytes": 7, "peak_device_bytes": 1000 * seconds as u64 } }
        ]);
        std::fs::write(folder.join(TIMING_JSON), text.to_string()).unwrap();
    }

    #[test]
    fn runs_of_the_same_shape_on_this_machine_are_averaged() {
        let results = tempfile::tempdir().unwrap();
        run(&results.path().join("sweep/row/seed-1"), &host(), 10.0);
        run(&results.path().join(".superseded/sweep/row/seed-1-abc"), &host(), 30.0);
        run(&results.path().join("elsewhere/seed-1"), "another machine", 1e9);
        let history = History::scan(results.path());
        let key = Key { shape: "s".into(), device: "cpu".into(), threads: 1 };
        let rate = history.rate(&key).unwrap();
        assert_eq!(rate.seconds_per_token, 40.0 / 2000.0);
        assert_eq!(rate.evaluation_seconds_per_update, Some(0.1));
        assert_eq!((rate.scoring_seconds, rate.peak_memory_bytes), (Some(4.0), Some(7)));
        assert!((rate.seconds(100, 50.0) - (100.0 * (50.0 * 0.02 + 0.1) + 4.0)).abs() < 1e-9);
        assert_eq!((history.peak_on_card("s"), history.peak_on_card("t")), (Some(30_000), None));
        for other in [Key { threads: 2, ..key.clone() }, Key { shape: "t".into(), ..key }] {
            assert_eq!(history.rate(&other), None);
        }
    }

    #[test]
    fn a_damaged_file_and_a_missing_folder_tell_nothing() {
        let results = tempfile::tempdir().unwrap();
        run(&results.path().join("a/seed-1"), &host(), 1.0);
        std::fs::write(results.path().join("a/seed-1").join(TIMING_JSON), "[{").unwrap();
        assert!(History::scan(results.path()).efforts.is_empty());
        assert!(History::scan(&results.path().join("missing")).efforts.is_empty());
    }
}
