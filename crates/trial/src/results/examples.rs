//! Results that the tests of several crates share. No program uses them.

use super::hyperparameters::Hyperparameters;
use super::metric::{DEV_BLEU, METRICS, Metric, find};
use super::published::Published;
use super::record::{DataRecord, Provenance, Record};
use super::table_layout::{Form, Layout, RowLayout};
use super::trial_result::{TrialOutcome, TrialResult};
use super::varied::VariedSetting;
use crate::train::TaskKind;
use std::collections::BTreeMap;

pub fn record() -> Record {
    Record {
        identity: "i".into(),
        training_identity: Some("t".into()),
        configuration_hash: "c".into(),
        label: "base".into(),
        seed: 1,
        provenance: Provenance {
            ablate: "0.1.0".into(),
            commit: "abc".into(),
            libtorch: "2.11.0".into(),
            device: "cpu".into(),
            device_name: "a processor".into(),
            threads: 2,
        },
        data: DataRecord {
            recipe: "r".into(),
            fingerprint: "f".into(),
            scored_text: None,
            train_pairs: 3,
            left_out_pairs: None,
            vocabulary: 9,
        },
        parameters: 65,
        steps: 10,
        training_flops: Some(1.5e9),
        averaged_steps: vec![10],
        metrics: BTreeMap::from([("test/bleu".to_string(), 27.300000000000004)]),
        signature: "s".into(),
        checksums: BTreeMap::new(),
        configuration: serde_json::json!({"model": {"dropout": 0.1}}),
    }
}

/// The table of metrics with one more metric.
pub fn with_comet() -> Vec<Metric> {
    let bleu = find(&METRICS, DEV_BLEU).unwrap().0;
    let comet = Metric { name: "comet", title: "COMET", digits: 1, tested: false, ..*bleu };
    METRICS.into_iter().chain([comet]).collect()
}

pub fn row(label: &str, group: Option<&str>, changes: &[(&str, &str)]) -> RowLayout {
    RowLayout {
        label: label.into(),
        system: label.into(),
        name: Some(label.into()),
        pair: "en-de".into(),
        group: group.map(String::from),
        paper: None,
        changes: changes.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        settings: BTreeMap::new(),
        hyperparameters: Hyperparameters::of(&Default::default(), &Default::default()),
        seeds: vec![1, 2, 3],
    }
}

pub fn finished(row: &str, seed: u64, perplexity: f64, bleu: f64) -> TrialResult {
    let metrics = [("dev/perplexity", perplexity), ("dev/bleu", bleu)];
    let record = Record {
        label: row.into(),
        training_identity: Some(format!("{row} {seed}")),
        seed,
        parameters: 65_110_016,
        steps: 100_000,
        metrics: metrics.into_iter().map(|(tag, value)| (tag.to_string(), value)).collect(),
        signature: "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0".into(),
        data: DataRecord { recipe: "wmt14-en-de".into(), ..record().data },
        ..record()
    };
    TrialResult {
        row: row.into(),
        seed,
        outcome: TrialOutcome::Finished { record: Box::new(record), time: None },
    }
}

pub fn table3(rows: Vec<RowLayout>) -> Layout {
    Layout {
        sweep: "small".into(),
        form: Form::List,
        columns: ["parameters", "steps", "dev/perplexity", "dev/bleu"].map(String::from).to_vec(),
        published: Some(Published::named("table3").unwrap()),
        base: Some("base".into()),
        peak_tflops: BTreeMap::new(),
        tasks: vec![TaskKind::Translation],
        settings: Vec::new(),
        rows,
    }
}

/// A grid of three dropouts and two encodings of positions, with two seeds each. Dropout 0.1 with rotary positions is
/// the best.
pub fn grid() -> (Layout, Vec<TrialResult>) {
    let setting = |key: &str, name: &str, numeric| VariedSetting {
        key: key.into(),
        name: name.into(),
        numeric,
        is_column: true,
    };
    let (mut rows, mut results) = (Vec::new(), Vec::new());
    for (dropout, worse) in [(0.0, 4.0), (0.1, 0.0), (0.2, 2.0)] {
        for (position, gain) in [("none", 0.0), ("rotary", 1.0)] {
            let label = format!("dropout={dropout:.1},position={position}");
            let stated = format!("{dropout:.1}");
            let changes = [("model.dropout", stated.as_str()), ("model.position", position)];
            let mut row = RowLayout { name: None, seeds: vec![1, 2], ..row(&label, None, &changes) };
            row.settings.insert("model.dropout".into(), dropout.into());
            row.settings.insert("model.position".into(), position.into());
            rows.push(row);
            for seed in [1, 2] {
                let spread = seed as f64;
                results.push(finished(
                    &label,
                    seed,
                    5.0 + worse - gain + spread,
                    25.0 - worse + gain + spread,
                ));
            }
        }
    }
    let layout = Layout {
        columns: ["dev/perplexity", "dev/bleu"].map(String::from).to_vec(),
        published: None,
        base: None,
        settings: vec![
            setting("model.dropout", "dropout", true),
            setting("model.position", "position", false),
        ],
        ..table3(rows)
    };
    (layout, results)
}

/// A sweep of three rows: one complete, one with a failure and a pending trial, one not begun.
pub fn example() -> (Layout, Vec<TrialResult>) {
    let mut rows = vec![
        row("base", None, &[]),
        row("A-h1", Some("A"), &[("model.heads", "1")]),
        row("own", None, &[("model.position", "\"none\""), ("training.label_smoothing", "0.0")]),
    ];
    rows[0].paper = Some("base".into());
    rows[1].paper = Some("A-h1".into());
    let outcome = TrialOutcome::Failed { reason: "diverged at step 300: the loss is NaN".into() };
    let failed = TrialResult { row: "A-h1".into(), seed: 2, outcome };
    let results = vec![
        finished("A-h1", 1, 5.25, 24.5),
        finished("base", 3, 5.0, 26.0),
        finished("base", 1, 4.75, 25.5),
        finished("base", 2, 5.25, 25.0),
        failed,
    ];
    (table3(rows), results)
}
