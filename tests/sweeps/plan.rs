//! `ablate sweep --plan`: before, during and after a sweep; for people and for scripts.

use crate::common::Workshop;
use serde_json::Value;

const SWEEP: &str = r#"
base = "quiet.toml"
seeds = [1, 2]
workers = 2
set = { "training.steps" = 8 }

[[row]]
label = "base"

[[row]]
label = "no-positions"
set = { "model.position" = "none" }
"#;

/// Returns the plan of the sweep with further words.
fn json(workshop: &Workshop, words: &[&str]) -> Value {
    workshop.run(&[&["sweep", "small.toml", "--plan", "--json"], words].concat()).expect(0).json()
}

fn text(workshop: &Workshop) -> String {
    workshop.run(&["sweep", "small.toml", "--plan"]).expect(0).out()
}

#[test]
fn without_a_corpus_a_plan_says_what_it_assumes_and_leaves_nothing() {
    let workshop = Workshop::with_sweep(SWEEP);
    let plan = text(&workshop);
    for expected in [
        "2 rows, 4 trials of 8 updates: 0 finished, 4 to run (4 never started)",
        "position = \"none\"",
        "corpus not prepared: tiny: made when the sweep starts",
        "≤  bound",
        "~  estimate: sentences of 30 tokens",
        "--plan --probe measures",
    ] {
        assert!(plan.contains(expected), "no {expected:?} in\n{plan}");
    }
    assert!(plan.lines().all(|line| line.chars().count() <= 120), "{plan}");
    assert!(!workshop.path("results").exists() && !workshop.path("data").exists());
}

#[test]
fn the_json_has_the_names_that_scripts_rely_on() {
    let workshop = Workshop::with_sweep(SWEEP);
    let plan = workshop.plan("small.toml");
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(keys(&plan), "rows totals trials unprepared");
    assert_eq!(keys(&plan["rows"][1]), "changes group paper price row seeds states");
    assert_eq!(
        keys(&plan["rows"][1]["price"]),
        "assumed bound disk_bytes disk_passing_bytes embedding_rows memory_bytes memory_estimate \
         memory_measured parameters probe_failure rate target_tokens training_flops updates"
    );
    assert_eq!(
        keys(&plan["rows"][0]["price"]["memory_estimate"]),
        "activations evaluation gradients kernels moments process transient weights"
    );
    assert_eq!(
        keys(&plan["trials"][3]),
        "disk_bytes_left flops_left identity row run_dir seconds_left seed state step updates_left why"
    );
    assert_eq!(
        keys(&plan["totals"]),
        "disk_bytes_left disk_free_bytes finished flops_left memory_available_bytes memory_bytes \
         seconds_left trials unknown_times workers"
    );
    assert_eq!(
        plan["rows"][1]["changes"],
        serde_json::json!([{ "key": "model.position", "value": "\"none\"" }])
    );
    assert_eq!(plan["trials"][3]["state"], "never_started");
    assert_eq!(plan["totals"]["unknown_times"], 4);
    assert_eq!(plan["rows"][0]["price"]["assumed"], true);
}

/// Rows with the same batches may still cost differently: with R-Drop every micro-batch passes twice.
#[test]
fn two_passes_are_counted_twice() {
    let workshop = Workshop::with_sweep(SWEEP);
    let sweep =
        "\n[[row]]\nlabel = \"twice\"\nset = { \"training.r_drop\" = 1.0, \"model.dropout\" = 0.1 }\n";
    workshop.write("small.toml", &(SWEEP.to_string() + sweep));
    let rows = workshop.plan("small.toml")["rows"].as_array().unwrap().clone();
    let flops: Vec<f64> = rows.iter().map(|row| row["price"]["training_flops"].as_f64().unwrap()).collect();
    assert_eq!(flops[2], 2.0 * flops[0], "{flops:?}");
}

#[test]
fn what_ran_here_tells_time_and_memory_of_what_has_not() {
    let workshop = Workshop::with_sweep(SWEEP);
    workshop.run(&["sweep", "small.toml", "--set", "training.steps=6"]).expect(0);
    // Other lengths of training make other trials of the same shapes.
    let plan = workshop.plan("small.toml");
    assert_eq!(plan["trials"][0]["state"], "changed");
    for row in plan["rows"].as_array().unwrap() {
        let price = &row["price"];
        assert_eq!(price["rate"]["source"], "earlier_runs");
        assert!(price["rate"]["seconds_per_token"].as_f64().unwrap() > 0.0);
        assert!(price["rate"]["scoring_seconds"].as_f64().unwrap() > 0.0);
        assert_eq!((&price["memory_measured"], &price["bound"]), (&true.into(), &false.into()));
    }
    let total = plan["totals"]["seconds_left"].as_f64().unwrap();
    let each: Vec<f64> =
        plan["trials"].as_array().unwrap().iter().map(|t| t["seconds_left"].as_f64().unwrap()).collect();
    let sum: f64 = each.iter().sum();
    assert!(total < sum && total >= sum / 2.0 - 1e-9, "{total} with two workers, {each:?}");
    // Another number of threads has another speed.
    let other = json(&workshop, &["--set", "run.threads=2"]);
    assert_eq!(other["rows"][0]["price"]["rate"], Value::Null);

    let finished =
        workshop.run(&["sweep", "small.toml", "--plan", "--set", "training.steps=6"]).expect(0).out();
    assert!(finished.contains("4 trials of 6 updates: all finished, nothing to do"), "{finished}");
}

#[test]
fn a_plan_says_why_a_trial_is_not_finished() {
    let workshop = Workshop::swept(SWEEP);
    let run = |row: &str, seed: u64| workshop.path(format!("results/small/{row}/seed-{seed}"));
    std::fs::remove_file(run("base", 2).join("record.json")).unwrap();
    std::fs::remove_file(run("no-positions", 1).join("record.json")).unwrap();
    let claim = std::fs::read_to_string(run("no-positions", 1).join("config.toml")).unwrap();
    let identity = claim.split_whitespace().nth(2).unwrap();
    let failure = serde_json::json!({ "identity": identity, "kind": "diverged", "reason": "diverged",
        "detail": "the loss is NaN", "attempts": 1 });
    std::fs::write(run("no-positions", 1).join("failure.json"), failure.to_string()).unwrap();
    std::fs::write(run("no-positions", 2).join("record.json"), "{}").unwrap();
    let plan = text(&workshop);
    for expected in [
        "\nbase                              1/2",
        "\nno-positions  position = \"none\"   0/2",
        "1 finished, 3 to run (1 stopped, 1 failed, 1 damaged)",
        "base seed 2: stopped at 8 of 8: trained; the final scores are missing",
        "no-positions seed 1: failed at 8 of 8: diverged: the loss is NaN",
        "no-positions seed 2: damaged: ",
    ] {
        assert!(plan.contains(expected), "no {expected:?} in\n{plan}");
    }
}

#[test]
fn what_another_run_or_row_does_is_not_counted_again() {
    let workshop = Workshop::new();
    // With BLEU measured during training, decoding is a part of training.
    let steps = "\"training.steps\" = 8, \"training.dev_bleu_interval_steps\" = 0";
    let head = format!("base = \"tiny.toml\"\nseeds = [1]\nset = {{ {steps} }}\n");
    workshop.write("small.toml", &format!("{head}[[row]]\nlabel = \"base\"\n"));
    workshop.run(&["sweep", "small.toml"]).expect(0);
    let rows = "\n[[row]]\nlabel = \"same\"\n\n[[row]]\nlabel = \"wider\"\nset = { \"decoding.beam\" = 3 }\n\n\
                [[row]]\nlabel = \"new\"\nset = { \"model.layers\" = 2 }\n\n\
                [[row]]\nlabel = \"new-wider\"\nset = { \"model.layers\" = 2, \"decoding.beam\" = 3 }\n";
    workshop.write("other.toml", &format!("{head}{rows}"));
    let plan = workshop.plan("other.toml");
    let trial = |number: usize| {
        let trial = &plan["trials"][number];
        let why = trial["why"].as_str().unwrap_or_default().to_string();
        (trial["state"].as_str().unwrap().to_string(), trial["updates_left"].as_u64().unwrap(), why)
    };
    let (state, left, why) = trial(0);
    assert_eq!((state.as_str(), left), ("finished_elsewhere", 0));
    assert!(why.contains("results/small/base/seed-1"), "{why}");
    let (state, left, why) = trial(1);
    assert_eq!((state.as_str(), left), ("never_started", 0));
    assert!(why.contains("results/small/base/seed-1") && why.contains("decoding"), "{why}");
    assert_eq!(trial(2), ("never_started".into(), 8, String::new()));
    let (_, left, why) = trial(3);
    assert_eq!((left, why.contains("new seed 1")), (0, true), "{why}");
    assert_eq!(plan["totals"]["finished"], 1);
}

#[test]
fn a_probe_measures_what_has_never_run() {
    let workshop = Workshop::with_sweep(SWEEP);
    let plan = json(&workshop, &["--probe"]);
    for row in plan["rows"].as_array().unwrap() {
        let rate = &row["price"]["rate"];
        assert_eq!(rate["source"], "probe");
        assert!(rate["seconds_per_token"].as_f64().unwrap() > 0.0);
        assert!(rate["peak_memory_bytes"].as_u64().unwrap() > 50 << 20);
    }
    assert_eq!(plan["totals"]["unknown_times"], 0);
    assert!(!workshop.path("results").exists() && !workshop.path("data").exists());
    // Equal shapes are measured once.
    let again = workshop.run(&["sweep", "small.toml", "--plan", "--probe"]).expect(0);
    assert_eq!(again.err().matches("measuring").count(), 2, "{}", again.err());
    workshop.run(&["sweep", "small.toml", "--probe"]).expect(2).says("--plan");

    // More memory than any address space has.
    let too_large = ["model.embedding_rows=16777216", "model.d_model=4194304"];
    let sets = too_large.iter().flat_map(|set| ["--set", set]);
    let words: Vec<&str> = ["sweep", "small.toml", "--plan", "--probe"].into_iter().chain(sets).collect();
    let broken = workshop.run(&words).expect(0).out();
    assert!(broken.contains("!  base: cannot be trained here: "), "{broken}");
    assert!(broken.contains("of one trial are more; make its model smaller"), "{broken}");
}

/// A sweep of two rows, of which the later one sets `setting`.
fn later_row(workshop: &Workshop, setting: &str) {
    let rows = format!("[[row]]\nlabel = \"base\"\n[[row]]\nlabel = \"later\"\nset = {{ {setting} }}\n");
    workshop.write("later.toml", &format!("base = \"tiny.toml\"\nseeds = [1]\n{rows}"));
}

#[test]
fn every_row_is_held_to_the_prepared_text_before_anything_starts() {
    let workshop = Workshop::new();
    let plan = ["sweep", "later.toml", "--plan"];
    // More rows than any vocabulary needs without merges, fewer than this text's vocabulary.
    later_row(&workshop, "\"model.embedding_rows\" = 520");
    workshop.run(&plan).expect(0);
    let few = workshop.run(&["sweep", "later.toml"]).expect(2);
    few.says("later.toml:6: row \"later\": model.embedding_rows = 520 is less than the vocabulary's");
    workshop.run(&plan).expect(2).says("row \"later\": model.embedding_rows = 520");
    for (setting, says) in [
        ("\"decoding.beam\" = 1000", "decoding.beam = 1000 is more than the vocabulary's"),
        ("\"training.batch_tokens\" = 100000000", "training.batch_tokens = 100000000 is out of range"),
        (
            "\"data.max_length\" = 30, \"model.position\" = \"learned\", \"model.learned_positions\" = 35",
            "model.learned_positions = 35 is too few",
        ),
        (
            "\"data.max_length_ratio\" = 8.5",
            "rows \"base\" and \"later\" compute the same: data.max_length_ratio",
        ),
    ] {
        later_row(&workshop, setting);
        // The first row prepares the texts.
        workshop.run(&["sweep", "later.toml"]).expect(2).says(says).says("later.toml:6: ");
        workshop.run(&plan).expect(2).says(says);
    }
    workshop
        .run(&["train", "tiny.toml", "--set", "decoding.beam=1000"])
        .expect(2)
        .says("decoding.beam = 1000");
    workshop.write("long.toml", "base = \"tiny.toml\"\ntraining.batch_tokens = 100000000\n");
    workshop.run(&["probe", "long.toml"]).expect(2).says("training.batch_tokens = 100000000");
    workshop.run(&["bench", "long.toml"]).expect(2).says("training.batch_tokens = 100000000");
    assert!(!workshop.path("results").exists());
}

#[test]
fn a_plan_is_of_the_trials_that_are_asked_for() {
    let workshop = Workshop::with_sweep(SWEEP);
    let only = |words: &[&str]| {
        let plan = json(&workshop, words);
        let trials = plan["trials"].as_array().unwrap().clone();
        let name = |trial: &Value| format!("{}/{}", trial["row"].as_str().unwrap(), trial["seed"]);
        (trials.iter().map(name).collect::<Vec<_>>().join(" "), plan["totals"]["trials"].as_u64().unwrap())
    };
    assert_eq!(only(&["--only", "base"]), ("base/1 base/2".into(), 2));
    assert_eq!(only(&["--only", "no-positions/seed-2"]), ("no-positions/2".into(), 1));
    assert_eq!(only(&["--only", "failed"]), (String::new(), 0));
    workshop.run(&["sweep", "small.toml", "--plan", "--only", "failed"]).expect(0);
}
