//! The views of runs and sweeps in TensorBoard, as far as they can be checked without TensorBoard; the rest is
//! `scripts/check_tensorboard.py`.

use crate::common::Workshop;
use crate::common::runs::{RUN, RUN_FILES, assert_same_files};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Returns the content of the one event file of a directory.
fn events(workshop: &Workshop, directory: &str) -> Vec<u8> {
    std::fs::read(event_file(workshop, directory)).unwrap()
}

fn event_file(workshop: &Workshop, directory: &str) -> PathBuf {
    let files: Vec<PathBuf> = std::fs::read_dir(workshop.path(directory))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("tfevents") && path.metadata().unwrap().len() > 0)
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

fn remove_events(workshop: &Workshop, directory: &str) {
    for entry in std::fs::read_dir(workshop.path(directory)).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains("tfevents") {
            std::fs::remove_file(path).unwrap();
        }
    }
}

fn count(bytes: &[u8], text: &str) -> usize {
    bytes.windows(text.len()).filter(|window| *window == text.as_bytes()).count()
}

fn views(workshop: &Workshop, run: &str) -> Vec<serde_json::Value> {
    let text = workshop.text(format!("{run}/views.jsonl"));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_is_shown_changes_no_result() {
    let (shown, hidden) = (Workshop::new(), Workshop::new());
    let settings = |samples: u32, interval: u32, sentences: u32, tokens: u32| {
        [
            format!("run.sample_sentences={samples}"),
            format!("run.histogram_interval_steps={interval}"),
            format!("run.attention_sentences={sentences}"),
            format!("run.projector_tokens={tokens}"),
        ]
    };
    for (workshop, sets) in [(&shown, settings(3, 8, 2, 50)), (&hidden, settings(0, 0, 0, 0))] {
        let sets = sets.iter().flat_map(|set| ["--set", set.as_str()]);
        workshop.run(&["train", "tiny.toml"].into_iter().chain(sets).collect::<Vec<_>>()).expect(0);
    }
    // The record states the views.
    let files = RUN_FILES.into_iter().filter(|file| *file != "record.json");
    assert_same_files(&shown.path(RUN), &hidden.path(RUN), files, "showing nothing");
    let identity = |workshop: &Workshop| workshop.record(RUN)["identity"].to_string();
    assert_eq!(identity(&shown), identity(&hidden));
    assert_eq!(hidden.text(format!("{RUN}/views.jsonl")), "");
    for file in ["attention.json", "positions.json", "projector_config.pbtxt"] {
        assert!(shown.path(RUN).join(file).exists() && !hidden.path(RUN).join(file).exists(), "{file}");
    }
    assert_eq!(shown.text(format!("{RUN}/projector/labels.tsv")).lines().count(), 51);
}

/// A run with more views than by default, and attention of fewer heads.
fn shown() -> Workshop {
    let sets = ["run.histogram_interval_steps=16", "run.attention_heads=[2, 7]", "run.attention_sentences=2"];
    Workshop::copied(sets.join(" "), || {
        let workshop = Workshop::new();
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        workshop.run(&["train", "tiny.toml"].into_iter().chain(sets).collect::<Vec<_>>()).expect(0);
        workshop
    })
}

#[test]
fn samples_come_with_every_evaluation_and_histograms_at_their_interval() {
    let workshop = shown();
    let mut steps: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for view in views(&workshop, RUN) {
        steps
            .entry(view["tag"].as_str().unwrap().to_string())
            .or_default()
            .push(view["step"].as_u64().unwrap());
    }
    // The dev loss is measured every 10 updates, BLEU every 20.
    assert_eq!(steps["dev/samples"], [10, 20, 30, 40]);
    assert_eq!(steps["final/samples"], [40]);
    let histograms: Vec<_> = steps.iter().filter(|(tag, _)| !tag.ends_with("/samples")).collect();
    assert!(histograms.iter().all(|(_, steps)| **steps == [16, 32, 40]), "{histograms:?}");
    let of = |kind: &str| histograms.iter().filter(|(tag, _)| tag.starts_with(kind)).count();
    assert!(of("weights/") > 20 && of("weights/") == of("gradients/"), "{histograms:?}");
    let events = events(&workshop, RUN);
    assert_eq!(count(&events, "run/configuration"), 1);
    assert_eq!(count(&events, "positions/similarity"), 1);
}

#[test]
fn attention_is_recorded_of_the_layers_and_heads_that_are_asked_for() {
    let workshop = shown();
    let attention: serde_json::Value =
        serde_json::from_str(&workshop.text(format!("{RUN}/attention.json"))).unwrap();
    let sentences = attention["sentences"].as_array().unwrap();
    assert_eq!(sentences.len(), 2);
    for sentence in sentences {
        let kinds: Vec<_> = sentence["maps"].as_array().unwrap().iter().map(|map| &map["kind"]).collect();
        assert_eq!(kinds, ["encoder", "decoder", "cross"]);
        assert_eq!(sentence["source"].as_array().unwrap().last().unwrap(), "</s>");
        assert_eq!(sentence["target"][0], "<s>");
        for map in sentence["maps"].as_array().unwrap() {
            assert_eq!((map["layer"].as_u64(), map["head"].as_u64()), (Some(1), Some(2)));
            for row in map["weights"].as_array().unwrap() {
                let sum: f64 = row.as_array().unwrap().iter().map(|weight| weight.as_f64().unwrap()).sum();
                assert!((sum - 1.0).abs() < 0.005, "{sum}");
            }
        }
    }
    assert_eq!(count(&events(&workshop, RUN), "view: encoder-decoder attention/layer 1 sentence 2"), 1);
    workshop
        .run(&["train", "tiny.toml", "--name", "other", "--set", "run.attention_layers=[0]"])
        .expect(2)
        .says("run.attention_layers = [0] is out of range");
}

/// A recurrent decoder attends in one layer with one head, and a recurrent encoder does not attend.
#[test]
fn the_alignments_of_a_recurrent_decoder_are_its_one_map() {
    let workshop = Workshop::new();
    let train = |name: &str, sets: &[&str]| {
        let parts = ["model.encoder=recurrent", "model.decoder=recurrent", "model.recurrent.hidden=12"];
        let own = ["training.steps=20", "run.attention_sentences=2", "run.attention_statistics=3"];
        let sets = [&parts[..], &own, sets].concat();
        let sets = sets.into_iter().flat_map(|set| ["--set", set]);
        let words: Vec<&str> = ["train", "tiny.toml", "--name", name].into_iter().chain(sets).collect();
        workshop.run(&words).expect(0);
        let attention = workshop.text(format!("results/{name}/seed-1/attention.json"));
        serde_json::from_str::<serde_json::Value>(&attention).unwrap()
    };
    // One code takes one step after the other, the other takes all steps at once.
    for (name, set) in [("steps", "input_feeding=readout"), ("at-once", "input_feeding=none")] {
        let attention = train(name, &[&format!("model.recurrent.{set}")]);
        for sentence in attention["sentences"].as_array().unwrap() {
            let [map] = &sentence["maps"].as_array().unwrap()[..] else { panic!("{sentence}") };
            assert_eq!((&map["kind"], &map["layer"], &map["head"]), (&"cross".into(), &1.into(), &1.into()));
            let length = |side: &str| sentence[side].as_array().unwrap().len();
            let rows = map["weights"].as_array().unwrap();
            assert_eq!(rows.len(), length("target"));
            for row in rows {
                let row = row.as_array().unwrap();
                let sum: f64 = row.iter().map(|weight| weight.as_f64().unwrap()).sum();
                assert!(row.len() == length("source") && (sum - 1.0).abs() < 0.005, "{sum}");
            }
        }
        let run = format!("results/{name}/seed-1");
        let events = events(&workshop, &run);
        for sentence in 1..=2 {
            let tag = format!("view: encoder-decoder attention/layer 1 sentence {sentence}");
            assert_eq!(count(&events, &tag), 1, "{name}");
        }
        assert_eq!(count(&events, "attention encoder/") + count(&events, "attention decoder/"), 0);
        let metrics = workshop.text(format!("{run}/metrics.csv"));
        assert!(metrics.contains("attention/cross_1_entropy") && !metrics.contains("attention/encoder"));
    }
    let attention = train("none", &["model.recurrent.attention=none"]);
    for sentence in attention["sentences"].as_array().unwrap() {
        assert_eq!(sentence["maps"].as_array().unwrap().len(), 0);
    }
    assert_eq!(count(&events(&workshop, "results/none/seed-1"), "attention encoder-decoder"), 0);
}

/// Every layer that attends has one map, in a file and in TensorBoard; a convolutional encoder has none.
#[test]
fn every_attending_layer_of_a_convolutional_decoder_has_one_map() {
    let workshop = Workshop::new();
    let train = |name: &str, set: &str| {
        let sets = [
            "model.encoder=convolutional",
            "model.decoder=convolutional",
            "model.convolutional.channels=12",
            "model.convolutional.encoder_layers=1",
            "model.convolutional.decoder_layers=3",
            "training.steps=20",
            "run.attention_sentences=1",
            "run.attention_statistics=3",
            set,
        ];
        let sets = sets.into_iter().flat_map(|set| ["--set", set]);
        let words: Vec<&str> = ["train", "tiny.toml", "--name", name].into_iter().chain(sets).collect();
        workshop.run(&words).expect(0);
        let attention = workshop.text(format!("results/{name}/seed-1/attention.json"));
        let attention: serde_json::Value = serde_json::from_str(&attention).unwrap();
        let maps = attention["sentences"][0]["maps"].as_array().unwrap();
        let places = maps.iter().map(|map| {
            assert_eq!((&map["kind"], &map["head"]), (&"cross".into(), &1.into()), "{map}");
            map["layer"].as_u64().unwrap()
        });
        places.collect::<Vec<u64>>()
    };
    assert_eq!(train("all", "model.convolutional.kernel=2"), [1, 2, 3]);
    let events = events(&workshop, "results/all/seed-1");
    for layer in 1..=3 {
        let tag = format!("view: encoder-decoder attention/layer {layer}");
        assert_eq!(count(&events, &tag), 1, "{layer}");
    }
    assert_eq!(count(&events, "attention encoder/") + count(&events, "attention decoder/"), 0);
    let metrics = workshop.text("results/all/seed-1/metrics.csv");
    assert!(metrics.contains("attention/cross_3_entropy") && !metrics.contains("attention/encoder"));
    assert_eq!(train("none", "model.convolutional.attention=none"), [0u64; 0]);
}

const SWEEP: &str = r#"
base = "tiny.toml"
seeds = [1, 2]
set = { "training.steps" = 10 }

[[row]]
label = "base"

[[row]]
label = "bag"
group = "order"
set = { "model.position" = "none" }

[[row]]
label = "explodes"
group = "rate"
set = { "training.learning_rate_scale" = 1e30 }
"#;

#[test]
fn a_sweep_shows_its_means_and_its_files_can_be_written_anew_from_the_run_directories() {
    let workshop = Workshop::new();
    workshop.write("small.toml", SWEEP);
    workshop.run(&["sweep", "small.toml"]).expect(1);
    let runs = ["base/seed-1", "base/seed-2", "bag/seed-1", "explodes/seed-2", "base/mean", "bag/mean", ""];
    let places = runs.map(|run| format!("results/small/{run}"));
    let before = places.each_ref().map(|place| events(&workshop, place));
    assert_eq!(count(&before[0], "The settings are those of row base."), 1);
    assert_eq!(count(&before[2], "| model.position | none | sinusoidal |"), 1);
    for run in &before[..4] {
        assert_eq!(count(run, "_hparams_/session_end_info"), 1);
    }
    // A row without a group is in the charts of every group; one with a group in its own.
    assert_eq!(count(&before[4], "seeds/order/dev/perplexity/lower"), 1);
    assert_eq!(count(&before[4], "seeds/rate/dev/perplexity/lower"), 1);
    assert_eq!(count(&before[5], "seeds/rate/dev/perplexity/lower"), 0);
    assert!(!workshop.path("results/small/explodes/mean").exists(), "no seed finished");
    assert_eq!(count(&before[6], "custom_scalars__config__"), 1);

    places.iter().for_each(|place| remove_events(&workshop, place));
    workshop.run(&["tensorboard", "small.toml"]).expect(0).says("6 runs written anew");
    for (place, before) in places.iter().zip(&before).take(6) {
        // Only times may differ, and they take as many bytes.
        assert_eq!(events(&workshop, place).len(), before.len(), "{place}");
    }
    workshop.run(&["tensorboard", "small.toml"]).expect(0);
    // There is no mean of one seed, and the settings that tell rows apart have the names of the table.
    workshop.write("one.toml", &SWEEP.replace("seeds = [1, 2]", "seeds = [1]"));
    std::fs::create_dir_all(workshop.path("results/one/base/mean")).unwrap();
    std::fs::copy(
        event_file(&workshop, "results/small/base/mean"),
        workshop.path("results/one/base/mean/events.out.tfevents.0000000001.ablate"),
    )
    .unwrap();
    workshop.run(&["sweep", "one.toml"]).expect(1);
    for row in ["base", "bag", "explodes"] {
        assert!(!workshop.path(format!("results/one/{row}/mean")).exists(), "{row}");
    }
    let root = events(&workshop, "results/one");
    // As protobuf encodes them: field 1 is the title of a category and the name of a column, field 2 the column's title.
    assert_eq!(count(&root, "\u{a}\u{9}every row\u{12}"), 1);
    assert_eq!(count(&root, "\u{a}\u{1c}training.learning_rate_scale\u{12}\u{13}learning_rate_scale"), 1);
    assert_eq!(count(&root, "\u{a}\u{3}row"), 0);
    workshop.write("other.toml", SWEEP);
    workshop.run(&["tensorboard", "other.toml"]).expect(2).says("holds no run of this sweep");
}
