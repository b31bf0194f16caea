//! `ablate bench`: its numbers are consistent. No test can check how fast anything is.

use crate::common::Workshop;
use crate::common::runs::RUN;
use ablate::results::record::Record;
use serde_json::Value;

fn bench(workshop: &Workshop, words: &[&str]) -> Value {
    let few = ["--warmup", "1", "--updates", "4", "--sentences", "6", "--passes", "2", "--json"];
    let words = [&["bench"], words, &few].concat();
    workshop.run(&words).expect(0).json()
}

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().filter(|number| number.is_finite()).unwrap_or_else(|| panic!("{name} of {value}"))
}

/// Checks that the phases have these names, add up to the total, and leave out no time.
fn check_split(split: &Value, names: &[&str]) {
    let phases = split["phases"].as_object().unwrap();
    assert_eq!(phases.len(), names.len(), "{split}");
    let sum: f64 = names.iter().map(|name| number(&split["phases"], name)).sum();
    assert!((sum / number(split, "total") - 1.0).abs() < 1e-9, "{split}");
    // Laps follow each other without a gap, so another process on the core slows both.
    assert!((0.5..1.001).contains(&number(split, "accounted")), "{split}");
}

#[test]
fn figures_belong_together() {
    let workshop = Workshop::new();
    let report = bench(&workshop, &["tiny.toml"]);
    assert_eq!(report["provenance"]["device"], "cpu");
    assert_eq!(report["random_text"], false);
    assert_eq!(report["fresh_weights"], true);
    let training = &report["training"];
    assert_eq!(training["updates"], 4);
    assert!((number(training, "seconds_per_step") * number(training, "steps_per_second") - 1.0).abs() < 1e-9);
    // Updates of about 400 target tokens, and as many source tokens.
    assert!((300.0..500.0).contains(&number(training, "target_tokens_per_step")), "{training}");
    let both = number(training, "tokens_per_second") / number(training, "target_tokens_per_second");
    assert!((1.5..2.5).contains(&both), "{training}");
    let share = number(training, "flops_per_second") / number(&report["peak"], "flops_per_second");
    assert!((share - number(training, "peak_share")).abs() < 1e-9);
    assert!(number(&report["peak"], "copy_bytes_per_second") > 0.0);
    assert!(number(training, "peak_memory_bytes") > 1e6);
    check_split(&training["split"], &["data", "forward", "loss", "backward", "optimizer", "logging"]);

    let decoding = report["decoding"].as_array().unwrap();
    assert_eq!(decoding.iter().map(|found| number(found, "beam")).collect::<Vec<_>>(), [1.0, 2.0]);
    for found in decoding {
        assert_eq!((number(found, "sentences"), number(found, "passes")), (6.0, 2.0));
        let tokens = number(found, "target_tokens");
        assert!(tokens >= 6.0);
        let seconds = number(found, "seconds_per_pass");
        assert!((number(found, "target_tokens_per_second") * seconds / tokens - 1.0).abs() < 1e-9);
        assert!((number(found, "sentences_per_second") * seconds / 6.0 - 1.0).abs() < 1e-9);
        check_split(&found["split"], &["data", "encoder", "decoder", "next_token", "search", "cache"]);
    }
    // Nothing of the run is left.
    assert!(!workshop.path("results").exists());
}

/// The count equals that of the plan, whose updates are the same.
#[test]
fn operations_are_those_of_the_plan() {
    let workshop = Workshop::new();
    workshop.write("sweep.toml", "base = \"tiny.toml\"\nseeds = [1]\n[[row]]\nlabel = \"base\"\n");
    workshop.run(&["prepare", "tiny.toml"]).expect(0);
    for r_drop in ["training.r_drop=0.0", "training.r_drop=1.0"] {
        // One update in the training, so that the mean over its updates is that of the timed one.
        let one = ["--set", "training.steps=1", "--set", r_drop];
        let words = [&["sweep", "sweep.toml", "--plan", "--json"], &one[..]].concat();
        let plan = workshop.run(&words).expect(0).json();
        let few = ["--warmup", "0", "--updates", "1", "--sentences", "1", "--passes", "1", "--json"];
        let words = [&["bench", "tiny.toml"], &one[..], &few].concat();
        let report = workshop.run(&words).expect(0).json();
        let planned = &plan["rows"][0]["price"];
        assert_eq!(report["training"]["flops_per_step"], planned["training_flops"], "{r_drop}: {planned}");
        assert_eq!(report["training"]["target_tokens_per_step"], planned["target_tokens"], "{planned}");
        assert_eq!(report["parameters"], planned["parameters"]);
    }
}

#[test]
fn a_runs_weights_decode_for_their_own_model_alone() {
    let workshop = Workshop::trained();
    let report = bench(&workshop, &["tiny.toml", "--run", RUN]);
    assert_eq!(report["fresh_weights"], false);
    // As many tokens as the run's own search found.
    let own = bench(&workshop, &[&format!("{RUN}/config.toml"), "--run", RUN]);
    assert_eq!(report["decoding"][1]["target_tokens"], own["decoding"][1]["target_tokens"]);
    let words = ["bench", "tiny.toml", "--run", RUN, "--set", "model.layers=2"];
    workshop.run(&words).expect(2).says("differs from the experiment in [model]");
    workshop.run(&["bench", "tiny.toml", "--run", "results"]).expect(2).says("not a run directory");
    // The run may have been moved to other text under the same settings.
    let mut record = Record::load(&workshop.path(RUN)).unwrap().unwrap();
    record.data.fingerprint = "0".repeat(64);
    record.save(&workshop.path(RUN)).unwrap();
    workshop.run(&["bench", "tiny.toml", "--run", RUN]).expect(2).says("was trained on other data");
}

#[test]
fn a_corpus_that_is_not_prepared_is_replaced_by_random_text() {
    let workshop = Workshop::new();
    let files = "[data.recipe.corpus.files]\ntrain = [{ source = \"a\", target = \"b\" }]\n\
                 dev = { source = \"a\", target = \"b\" }\ntest = { source = \"a\", target = \"b\" }\n";
    let generated = crate::common::EXPERIMENT.split("[data.recipe.corpus.generated]").collect::<Vec<_>>();
    let rest = &generated[1][generated[1].find("[model]").unwrap()..];
    workshop.write("files.toml", &format!("{}{files}{rest}", generated[0]));
    let report = bench(&workshop, &["files.toml"]);
    assert_eq!(report["random_text"], true);
    let half = bench(&workshop, &["files.toml", "--only", "decoding"]);
    assert!(half.get("training").is_none() && half["decoding"].as_array().unwrap().len() == 2);
    let half = bench(&workshop, &["files.toml", "--only", "training"]);
    assert!(half["decoding"].as_array().unwrap().is_empty());
    let text = workshop.run(&["bench", "files.toml", "--updates", "1", "--sentences", "2"]).expect(0).out();
    assert!(text.contains("random text") && text.contains("decoding, beam 2:"), "{text}");
    assert!(text.contains(", 1 thread, float32, libtorch "), "{text}");
}

#[test]
fn rates_name_what_a_model_counts() {
    for (workshop, counted) in [
        (Workshop::new(), " target tokens/s, "),
        (Workshop::of_language_model(), " tokens/s, "),
        (Workshop::of_masked_language_model(), " read + hidden tokens/s, "),
        (Workshop::of_word_vectors(), " predictions/s, "),
    ] {
        let words = ["bench", "tiny.toml", "--only", "training", "--warmup", "0", "--updates", "1"];
        let text = workshop.run(&words).expect(0).out();
        let line = text.lines().find(|line| line.starts_with("training: ")).unwrap();
        assert!(line.contains(counted), "{line}");
        assert_eq!(line.contains("target"), counted.contains("target"), "{line}");
    }
}

#[test]
fn mistakes_are_told_with_exit_code_2() {
    let workshop = Workshop::new();
    workshop.run(&["bench", "missing.toml"]).expect(2).says("missing.toml");
    workshop.run(&["bench", "tiny.toml", "--set", "model.layer=1"]).expect(2).says("did you mean \"layers\"");
    workshop.run(&["bench", "tiny.toml", "--updates", "0"]).expect(2).says("0 is not in 1..=1000000");
    workshop.run(&["bench", "tiny.toml", "--set", "run.device=cuda:99"]).expect(2).says("cuda");
    let export = ["bench", "tiny.toml", "--export", "peer", "--set"];
    let masks = "model.recurrent.dropout_masks = \"per_sequence\"";
    let recurrent = ["model.encoder=recurrent", "--set", "model.recurrent.dropout_masks=per_sequence"];
    let separate = ["data.vocabulary=separate", "--set", "model.tying=none"];
    for (named, settings) in [(masks, recurrent), ("data.vocabulary = \"separate\"", separate)] {
        let refused = workshop.run(&[&export[..], &settings].concat()).expect(2);
        refused.says(&format!("{named} does not fit into --export"));
        assert!(!workshop.path("peer").exists() && !workshop.path("data").exists(), "{named}");
    }
}

/// Exports are consistent for every architecture; `scripts/bench/train_speed.py` reads them and compares losses.
#[test]
fn exports_of_every_architecture_belong_together() {
    let workshop = Workshop::new();
    for (name, settings) in [
        ("recurrent", &["model.encoder=recurrent", "model.decoder=recurrent"][..]),
        (
            "convolutional",
            &[
                "model.encoder=convolutional",
                "model.decoder=convolutional",
                "model.convolutional.channels=16",
                "model.convolutional.encoder_layers=2",
                "model.convolutional.decoder_layers=2",
                "model.embedding_scale=false",
                "model.embedding_deviation=0.1",
            ],
        ),
        ("decoder", &["model.encoder=none", "model.softmax_bias=true", "model.embedding_scale=false"]),
        ("packed", &["training.packed_length=64"]),
    ] {
        let mut words = vec!["bench", "tiny.toml", "--export", name, "--warmup", "1", "--updates", "2"];
        words.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        let exported = workshop.run(&words).expect(0).json();
        let json =
            |file: &str| -> Value { serde_json::from_str(&workshop.text(format!("{name}/{file}"))).unwrap() };
        let (experiment, updates) = (json("experiment.json"), json("batches.json"));
        let updates = updates.as_array().unwrap();
        for list in ["learning_rates", "flops"] {
            let numbers = experiment[list].as_array().unwrap();
            assert!(numbers.len() == 3 && numbers.iter().all(|number| number.as_f64().unwrap() > 0.0));
        }
        let rows = |micro_batch: &Value, side: &str| -> Vec<Vec<u64>> {
            serde_json::from_value(micro_batch[side].clone()).unwrap()
        };
        let mut predicted = 0;
        for micro_batch in updates[0].as_array().unwrap() {
            let (input, target) = (rows(micro_batch, "input"), rows(micro_batch, "target"));
            assert_eq!(rows(micro_batch, "source").len(), input.len());
            for (input, target) in input.iter().zip(&target) {
                assert_eq!(input.len(), target.len());
                // Each predicted token is in the input one position later, except the last one.
                let places = (0..input.len() - 1).filter(|&place| input[place + 1] > 2 && target[place] > 2);
                places.for_each(|place| assert_eq!(target[place], input[place + 1]));
                predicted += target.iter().filter(|&&id| id != 0).count();
            }
        }
        assert_eq!(exported["target_tokens"], predicted);
        assert_eq!(updates.len(), 3);
        assert!((1.0..20.0).contains(&number(&exported, "loss")), "{exported}");
    }
}
