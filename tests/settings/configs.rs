//! Every committed TOML loads, passes validation and says what its comments claim.

use ablate::config::{Experiment, configuration_hash, identity, load_experiment, to_toml};
use ablate::data::opening::directory;
use ablate::results::published::Published;
use ablate::sweep::expand::expand;
use ablate::sweep::spec::SweepSpec;
use ablate::sweep::table_section::layout;
use ablate::sweep::trial::Trial;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the TOML files below a folder, sorted; recipes are parts of experiments, not experiments.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "recipes") {
            found.extend(files_in(&path));
        } else if path.extension().is_some_and(|end| end == "toml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn trials(sweep: &str) -> Vec<Trial> {
    expand(&SweepSpec::load(&root().join("sweeps").join(sweep)).unwrap(), &[]).unwrap()
}

#[test]
fn every_experiment_loads_and_its_resolved_form_loads_back_equal() {
    let files = files_in(&root().join("experiments"));
    assert!(files.len() >= 4, "{files:?}");
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let experiment = load_experiment(&file, &[]).unwrap_or_else(|error| panic!("{error}"));
        let copy = folder.path().join("config.toml");
        std::fs::write(&copy, to_toml(&experiment).unwrap()).unwrap();
        let again = load_experiment(&copy, &[]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(again, experiment, "{}", file.display());
        assert_eq!(identity(&again, "f"), identity(&experiment, "f"), "{}", file.display());
    }
}

/// Keys that are not stated do not change an identity; RESULT_VERSION does.
#[test]
fn the_identity_of_multi30k_tiny_is_pinned() {
    let experiment = load_experiment(&root().join("experiments/multi30k/tiny.toml"), &[]).unwrap();
    let record = std::fs::read_to_string(root().join("results/multi30k-tiny/records.jsonl")).unwrap();
    let record: serde_json::Value = serde_json::from_str(record.lines().next().unwrap()).unwrap();
    let fingerprint = record["data"]["fingerprint"].as_str().unwrap();
    assert_eq!(
        identity(&experiment, fingerprint),
        "3a47e8a80f3fff3e0c072e5919c7dbe9f9938ab966af8be8aaa0da0c2f06e543"
    );
}

#[test]
fn every_sweep_expands_to_different_configurations() {
    let files = files_in(&root().join("sweeps"));
    assert!(files.len() >= 4, "{files:?}");
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("config.toml");
    for file in files {
        let spec = SweepSpec::load(&file).unwrap_or_else(|error| panic!("{error}"));
        let trials = expand(&spec, &[]).unwrap_or_else(|error| panic!("{error}"));
        let layout = layout(&spec, &trials).unwrap();
        assert_eq!(layout.rows.len() * layout.rows[0].seeds.len(), trials.len(), "{}", file.display());
        let mut hashes: Vec<_> = trials.iter().map(|trial| configuration_hash(&trial.experiment)).collect();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), layout.rows.len(), "{}", file.display());
        for Trial { row, experiment, .. } in &trials {
            std::fs::write(&copy, to_toml(experiment).unwrap()).unwrap();
            assert_eq!(load_experiment(&copy, &[]).unwrap(), *experiment, "{row} of {}", file.display());
        }
    }
}

#[test]
fn base_toml_is_the_papers_base_model_and_the_programs_defaults() {
    let Experiment { model, training, decoding, .. } =
        load_experiment(&root().join("experiments/base.toml"), &[]).unwrap();
    assert_eq!(model, Default::default());
    assert_eq!(decoding, Default::default());
    let defaults = ablate::train::TrainingConfig::default();
    let dev_bleu_interval_steps = training.dev_bleu_interval_steps;
    assert_eq!(training, ablate::train::TrainingConfig { dev_bleu_interval_steps, ..defaults });
}

#[test]
fn every_row_of_table_3_has_the_papers_hyper_parameters() {
    let published = Published::named("table3").unwrap();
    let trials = trials("table3.toml");
    assert_eq!(trials.len(), published.rows.len());
    for (trial, row) in trials.iter().zip(&published.rows) {
        assert_eq!(trial.paper.as_deref(), Some(row.label.as_str()));
        let cell = |heading: &str| row.cell(heading).unwrap();
        let number = |heading: &str| cell(heading).parse::<f64>().unwrap();
        let Experiment { model, training, .. } = &trial.experiment;
        let sizes = [
            ("layers", model.layers as f64),
            ("d_model", model.d_model as f64),
            ("d_ff", model.d_ff as f64),
            ("heads", model.heads as f64),
            ("d_k", model.d_k() as f64),
            ("d_v", model.d_v() as f64),
            ("dropout", model.dropout),
            ("label_smoothing", training.label_smoothing),
            ("steps", training.steps as f64),
        ];
        for (heading, ours) in sizes {
            assert_eq!(ours, number(heading), "{} {heading}", row.label);
        }
        let position = serde_json::to_value(model.position).unwrap();
        assert_eq!(position, cell("position"), "{}", row.label);
        assert_eq!(model.embedding_rows, Some(40_960));
        assert_eq!(training.average_checkpoints, 1);
    }
}

#[test]
fn the_multi30k_sweep_asks_every_question_of_table_3() {
    let trials = trials("multi30k-table3.toml");
    let mut asked: Vec<_> = trials.iter().filter_map(|trial| trial.paper.clone()).collect();
    asked.dedup();
    let published = Published::named("table3").unwrap();
    assert_eq!(asked, published.rows.iter().map(|row| row.label.clone()).collect::<Vec<_>>());
    // Additional rows, such as those with another learning rate, do not name a row of the paper.
    let of_paper = trials.iter().filter(|trial| trial.paper.is_some()).count();
    assert_eq!(of_paper, 3 * asked.len());
}

#[test]
fn the_peak_rate_of_tiny_is_the_stated_one() {
    let Experiment { model, training, .. } =
        load_experiment(&root().join("experiments/multi30k/tiny.toml"), &[]).unwrap();
    let warmup = training.warmup_steps as f64;
    let peak = training.learning_rate_scale * (model.d_model as f64).powf(-0.5) * warmup.powf(-0.5);
    assert!((peak - 0.005).abs() < 1e-5, "{peak}");
}

/// Addresses, cleaning that is not stated and other new keys must not change the names of directories prepared before.
#[test]
fn a_directory_keeps_its_name() {
    let file = root().join("experiments/multi30k/tiny.toml");
    let data = ablate::config::load_data(&file, &[]).unwrap();
    assert_eq!(
        directory(&data, Path::new("data")).unwrap(),
        Path::new("data/multi30k-en-de-951524911ea40449")
    );
    // The recipe's own settings equal those of the experiment.
    let recipe = file.parent().unwrap().join("../recipes/multi30k-en-de.toml");
    let alone = ablate::config::load_data(&recipe, &[]).unwrap();
    assert_eq!(directory(&alone, Path::new("")).unwrap(), directory(&data, Path::new("")).unwrap());
}
