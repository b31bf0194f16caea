//! The committed records of this version.

use crate::common::Workshop;
use ablate::config::RESULT_VERSION;
use ablate::sweep::committed::CommittedRecords;
use serde_json::Value;
use std::path::Path;

/// The committed results that were made with each version, the newest last.
const RECORDS: [(u32, &str); 1] = [(3, "results/demo")];

/// The golden values pin the code that made the committed records: their settings have the same identities in this
/// version, and the first updates of one of them give its committed curve again.
#[test]
fn the_committed_records_of_this_version_agree() {
    let (version, folder) = RECORDS[RECORDS.len() - 1];
    assert_eq!(version, RESULT_VERSION, "name the committed records that were made with this version");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    // Reading checks each identity against the settings of its record, and passes over those of other versions.
    let records = CommittedRecords::read(std::slice::from_ref(&folder)).unwrap();
    let text = std::fs::read_to_string(folder.join("records.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!lines.is_empty());
    for line in &lines {
        let found = records.of(line["identity"].as_str().unwrap());
        assert!(found.is_some(), "{} seed {} is of another version", line["label"], line["seed"]);
    }

    let workshop = Workshop::new();
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/demo.toml");
    let mut words = vec!["train", demo.to_str().unwrap(), "--name", "demo"];
    let sets =
        ["training.steps=100", "training.average_checkpoints=1", "decoding.beam=1", "run.device=\"cpu\""];
    words.extend(sets.iter().chain(&["decoding.max_extra_length=0"]).flat_map(|set| ["--set", set]));
    workshop.run(&words).expect(0);
    let curve = |text: &str| -> Vec<(String, f64)> {
        let rows = text.lines().map(|line| line.rsplit_once(',').unwrap());
        rows.filter(|(place, _)| ["50,train/", "100,train/"].iter().any(|begin| place.starts_with(begin)))
            .map(|(place, value)| (place.to_string(), value.parse().unwrap()))
            .collect()
    };
    let recorded = curve(&std::fs::read_to_string(folder.join("base-seed-1.csv")).unwrap());
    let again = curve(&workshop.text("results/demo/seed-1/metrics.csv"));
    assert!(recorded.len() >= 6, "{recorded:?}");
    for ((place, before), (other, after)) in recorded.iter().zip(&again) {
        assert_eq!(place, other);
        // Processors round differently, and a hundred updates enlarge the difference.
        assert!(
            (before - after).abs() < 2e-3 * before.abs(),
            "{place}: {before} is recorded, {after} comes out"
        );
    }
    assert_eq!(recorded.len(), again.len());
}
