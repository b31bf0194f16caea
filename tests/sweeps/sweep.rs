//! Sweeps as their users see them: processes, failures, repeats.

use crate::common::Workshop;
use crate::common::runs::{last_step, signal, wait_beside};
use std::process::{Child, Stdio};

const SWEEP: &str = r#"
base = "quiet.toml"
seeds = [1, 2]
workers = 2
set = { "training.steps" = 8 }

[table]
columns = ["parameters", "dev/perplexity", "test/bleu"]

[[row]]
label = "base"

[[row]]
label = "no-positions"
set = { "model.position" = "none" }
"#;

/// Starts the sweep.
fn started(workshop: &Workshop) -> Child {
    let mut command = workshop.command(&["sweep", "small.toml"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_sweep_trains_every_trial_once_and_says_so_the_second_time() {
    let workshop = Workshop::with_sweep(SWEEP);
    let first = workshop.run(&["sweep", "small.toml"]).expect(0);
    let records = workshop.text("results/small/records.jsonl");
    assert_eq!(records.lines().count(), 4);
    for row in ["base", "no-positions"] {
        for seed in [1, 2] {
            let folder = format!("results/small/{row}/seed-{seed}");
            let record = workshop.text(format!("{folder}/record.json"));
            assert!(record.contains(&format!("\"seed\": {seed}")), "{record}");
            for file in
                ["config.toml", "metrics.csv", "timing.csv", "timing.json", "log.txt", "hypotheses/test.txt"]
            {
                assert!(workshop.path(format!("{folder}/{file}")).exists(), "{folder}/{file}");
            }
        }
    }
    assert!(first.out().contains("no-positions"), "{}", first.out());
    let table = workshop.read("results/small/table.md");
    let ledger = workshop.text("results/small/ledger.jsonl");
    assert_eq!(ledger.matches("\"finished\"").count(), 4, "{ledger}");

    let second = workshop.run(&["sweep", "small.toml"]).expect(0).says("all 4 trials are finished already");
    assert_eq!(first.out(), second.out());
    assert_eq!(table, workshop.read("results/small/table.md"));
    assert_eq!(ledger, workshop.text("results/small/ledger.jsonl"));
    let table_again = workshop.run(&["table", "small.toml"]).expect(0);
    assert_eq!(first.out().trim(), table_again.out().trim());
}

#[test]
fn a_failing_trial_is_recorded_with_its_reason_and_the_rest_go_on() {
    let workshop = Workshop::with_sweep(SWEEP);
    let row = "\n[[row]]\nlabel = \"explodes\"\nset = { \"training.learning_rate_scale\" = 1e30 }\n";
    workshop.write("small.toml", &format!("{SWEEP}{row}"));
    let outcome = workshop.run(&["sweep", "small.toml"]).expect(1).says("2 of 6 trials failed");
    assert!(outcome.err().contains("explodes seed 1: diverged"), "{}", outcome.err());
    assert_eq!(workshop.text("results/small/records.jsonl").lines().count(), 4);
    let failure = workshop.text("results/small/explodes/seed-1/failure.json");
    assert!(failure.contains("\"reason\": \"diverged\""), "{failure}");
    assert!(outcome.out().contains("diverged"), "{}", outcome.out());
    let again = workshop.run(&["sweep", "small.toml", "--only", "failed"]).expect(1);
    again.says("6 trials, 4 finished already; 2 to run");
}

#[test]
fn a_changed_setting_trains_anew_and_keeps_the_old_run() {
    let workshop = Workshop::swept(SWEEP);
    let old = workshop.read("results/small/base/seed-1/record.json");
    workshop.write("small.toml", &SWEEP.replace("\"training.steps\" = 8", "\"training.steps\" = 9"));
    // Plan, status and table name the setting, with both values.
    let steps = "training.steps changed from 8 to 9";
    for words in [&["sweep", "small.toml", "--plan"][..], &["status", "small.toml"]] {
        let text = workshop.run(words).expect(0).out();
        assert!(text.contains(&format!("since it was finished, {steps}; the old run")), "{words:?}: {text}");
    }
    let outcome = workshop.run(&["sweep", "small.toml"]).expect(0);
    outcome.says("its settings or data changed; the old run is in").says(&format!("({steps})"));
    assert_ne!(old, workshop.read("results/small/base/seed-1/record.json"));
    let kept = std::fs::read_dir(workshop.path("results/.superseded/small/base")).unwrap();
    let mut kept = kept.map(|entry| entry.unwrap().path());
    let moved = kept.find(|path| path.file_name().unwrap().to_string_lossy().starts_with("seed-1-")).unwrap();
    assert!(old == std::fs::read(moved.join("record.json")).unwrap());
}

#[test]
fn rows_of_another_sweep_file_of_the_same_name_are_told() {
    let workshop = Workshop::new();
    for (folder, row) in [("a", "one"), ("b", "two")] {
        std::fs::create_dir(workshop.path(folder)).unwrap();
        let sweep = format!(
            "base = \"../tiny.toml\"\nseeds = [1]\nset = {{ \"training.steps\" = 2 }}\n[[row]]\nlabel = \"{row}\"\n"
        );
        workshop.write(&format!("{folder}/x.toml"), &sweep);
    }
    workshop.run(&["sweep", "a/x.toml"]).expect(0);
    let again = workshop.run(&["sweep", "a/x.toml"]).expect(0);
    assert!(!again.err().contains("has runs of rows"), "{}", again.err());
    let told = "note: results/x has runs of rows that b/x.toml does not state: one. If they are of another sweep file";
    workshop.run(&["sweep", "b/x.toml", "--plan"]).expect(0).says(told);
    workshop.run(&["sweep", "b/x.toml"]).expect(0).says(told);
}

#[test]
fn records_are_kept_as_trials_finish() {
    let workshop = Workshop::with_sweep(SWEEP);
    let endless = "\n[[row]]\nlabel = \"endless\"\nset = { \"training.steps\" = 1000000 }\n";
    workshop.write("small.toml", &format!("{}{endless}", SWEEP.replace("workers = 2", "workers = 1")));
    let mut sweep = started(&workshop);
    let records = workshop.path("results/small/records.jsonl");
    let lines = || std::fs::read_to_string(&records).map_or(0, |text| text.lines().count());
    // The last row never ends: files that are there now were not written at the end of the sweep.
    assert!(wait_beside(&mut sweep, "four records are kept", || lines() >= 4), "the sweep has ended");
    assert!(!workshop.path("results/small/table.md").exists());
    signal(sweep.id() as i32, libc::SIGTERM);
    assert_eq!(sweep.wait().unwrap().code(), Some(75));
    assert_eq!(lines(), 4);
}

#[test]
fn a_command_line_makes_a_sweep_and_saves_it() {
    let workshop = Workshop::new();
    let words = ["sweep", "tiny.toml", "--axis", "model.dropout=0.0,0.1", "--set", "model.norm=pre,post"];
    let more = ["--seeds", "1,2", "--set", "training.steps=8"];
    let words = [&words[..], &more].concat();
    let plan = workshop.run(&[&words[..], &["--plan"]].concat()).expect(0).out();
    assert!(plan.contains("4 rows, 8 trials"), "{plan}");
    assert!(!workshop.path("tiny-dropout-norm.toml").exists(), "a plan writes nothing");
    // Files that an earlier sweep of this name left are no sign that this one has begun.
    std::fs::create_dir_all(workshop.path("results/tiny-dropout-norm")).unwrap();
    workshop.run(&[&words[..], &["--workers", "0"]].concat()).expect(2);
    assert!(!workshop.path("tiny-dropout-norm.toml").exists(), "what is refused leaves no file");
    workshop.run(&words).expect(0).says("the sweep is saved as tiny-dropout-norm.toml");
    let expected = "base = \"tiny.toml\"\nseeds = [1, 2]\nset = { \"training.steps\" = 8 }\n\n[axes]\n\"model.dropout\" = [0.0, 0.1]\n\
                    \"model.norm\" = [\"pre\", \"post\"]\n";
    let text = workshop.text("tiny-dropout-norm.toml");
    assert!(text.ends_with(expected), "{text}");
    // The same words find it again, and so does the file, which states all their settings.
    workshop.run(&words).expect(0).says("all 8 trials are finished already");
    workshop.run(&["sweep", "tiny-dropout-norm.toml"]).expect(0).says("all 8 trials are finished already");
    let status = workshop.run(&["status", "tiny-dropout-norm.toml"]).expect(0).out();
    assert!(status.contains("8 trials: 8 finished"), "{status}");
    let table = workshop.run(&["table", "tiny-dropout-norm.toml"]).expect(0).out();
    assert!(table.starts_with("dropout  norm  n "), "{table}");
    let other = ["sweep", "tiny.toml", "--axis", "model.dropout=0.0,0.2", "--axis", "model.norm=pre,post"];
    workshop.run(&other).expect(2).says("states another sweep").says("--save FILE");
    let elsewhere = [&other[..], &["--save", "other.toml", "--plan"]].concat();
    workshop.run(&elsewhere).expect(0);

    for (words, message) in [
        (&["tiny.toml"][..], "tiny.toml is an experiment, not a sweep; `ablate train tiny.toml` trains it"),
        (&["tiny-dropout-norm.toml", "--axis", "model.heads=1,2"], "is a sweep file, whose own [axes]"),
        (&["tiny.toml", "--axis", "model.heads"], "states no values"),
        (
            &["tiny.toml", "--axis", "model.headz=1,2"],
            "error: --axis:1: row \"headz=1\": unknown key model.headz",
        ),
        (&["tiny.toml", "--axis", "layers=1,2"], "error: --axis:1: axes sets \"layers\""),
        (
            &["tiny.toml", "--axis", "model.layers=1,2", "--axis", "model.layers=2,3"],
            "error: --axis:1: the values of model.layers are stated twice",
        ),
        (&["tiny.toml", "--axis", "model.layers=1,"], "there is no value after \",\""),
        (&["tiny.toml", "--seeds", "1,1"], "error: --seeds:1: seeds states 1 twice\n 1 | 1,1\n"),
        (&["tiny.toml", "--seeds", "1-3"], "write whole numbers with commas between them, as in 1,2,3"),
        (
            &["tiny.toml", "--seeds", "1,2", "--set", "model.headz=1"],
            "error: --set:1: unknown key model.headz",
        ),
        (&["tiny.toml", "--seeds", "1,2", "--set", "training.seed=3"], "--set states training.seed"),
        (&["tiny-dropout-norm.toml", "--save", "x.toml"], "--save is for"),
    ] {
        workshop.run(&[&["sweep"], words].concat()).expect(2).says(message);
    }
    for name in ["headz", "layers", "layers-layers", "seeds"] {
        let file = format!("tiny-{name}.toml");
        assert!(!workshop.path(&file).exists(), "{file}: what is refused leaves no file");
    }
    let replaced = ["sweep", "tiny-dropout-norm.toml", "--plan", "--set", "model.dropout=0.1"];
    workshop
        .run(&replaced)
        .expect(2)
        .says("--set replaces what the file states for model.dropout, so that rows");
    let recipe =
        crate::common::EXPERIMENT.split("[data.recipe]").nth(1).unwrap().split("[model]").next().unwrap();
    workshop.write("recipe.toml", &recipe.replace("data.recipe.", ""));
    for (words, message) in [
        (&["train", "tiny-dropout-norm.toml"][..], "tiny-dropout-norm.toml is a sweep, not an experiment"),
        (&["status", "tiny.toml"], "tiny.toml is an experiment, not a sweep"),
        (&["train", "tiny.toml", "--set", "model.layers="], "there is no value after \"=\""),
        (&["train", "tiny.toml", "--set", "model.layers=1,2"], "`ablate sweep FILE --axis model.layers=1,2`"),
        (&["train", "tiny.toml", "--data", "tiny.toml"], "tiny.toml is not a directory; name another place"),
        (
            &["train", "tiny.toml", "--results", "tiny.toml"],
            "tiny.toml is not a directory; name another place",
        ),
        (
            &["status", "tiny-dropout-norm.toml", "--results", "tiny.toml"],
            "--results tiny.toml: tiny.toml is not a directory; name another place",
        ),
        (
            &["sweep", "tiny-dropout-norm.toml", "--plan", "--results", "tiny.toml"],
            "--results tiny.toml: tiny.toml is not a directory",
        ),
        (
            &["table", "tiny-dropout-norm.toml", "--sort", "test/bleu", "--out", "tiny.toml"],
            "--out tiny.toml: tiny.toml is not a directory",
        ),
        (&["schema", "--out", "tiny.toml"], "--out tiny.toml: tiny.toml is not a directory"),
        (&["man", "--out", "tiny.toml"], "--out tiny.toml: tiny.toml is not a directory"),
        (
            &["sweep", "tiny.toml", "--seeds", "1", "--save", "nowhere/x.toml"],
            "--save nowhere/x.toml: there is no directory nowhere",
        ),
        (&["sweep", "recipe.toml"], "recipe.toml is a recipe, not a sweep; `ablate prepare recipe.toml`"),
        (&["sweep", "recipe.toml", "--seeds", "1"], "recipe.toml is a recipe, not a sweep"),
        (
            &["prepare", "tiny.toml", "--set", "data.segmentations=3"],
            "data.segmentations has no effect with data.bpe_dropout = 0.0",
        ),
        (&["prepare", "tiny.toml", "--source", "."], "is generated and reads no files; leave --source out"),
    ] {
        workshop.run(words).expect(2).says(message);
    }
}

#[test]
fn what_would_be_left_out_is_told() {
    let workshop = Workshop::with_sweep(SWEEP);
    let idle = "decoding.length_penalty has no effect with decoding.beam = 1";
    let sets = ["--set", "decoding.beam=1", "--set", "decoding.length_penalty=0.5"];
    for words in [["train", "tiny.toml"], ["sweep", "small.toml"]] {
        workshop.run(&[&words[..], &sets].concat()).expect(2).says(idle);
    }
    let grid = |penalty: &str| {
        let text = "base = \"tiny.toml\"\nseeds = [1]\n[axes]\n\"decoding.beam\" = [1, 2, 4]\n\"decoding.length_penalty\"";
        workshop.write("grid.toml", &format!("{text} = {penalty}\n"));
        workshop.run(&["sweep", "grid.toml", "--plan"])
    };
    let condition = "when = { \"decoding.beam\" = [2, 4] }";
    grid("[0.0, 0.6]").expect(2).says(idle).says(&format!(
        "help: give it the condition `{condition}`, below decoding.beam, or leave such rows out with [[exclude]]"
    ));
    grid(&format!("{{ values = [0.0, 0.6], {condition} }}")).expect(0);
    let plan = workshop.run(&["sweep", "small.toml", "--plan", "--max-trials", "1", "--fail-fast"]).expect(0);
    plan.says(
        "the plan shows all trials that are left; max_trials = 1 or --fail-fast would end the sweep before",
    );
    // The label still names settings that a row states itself.
    workshop.write(
        "rows.toml",
        "base = \"tiny.toml\"\nseeds = [1]\n[[row]]\nlabel = \"base\"\n\
         [[row]]\nlabel = \"long\"\nset = { \"training.steps\" = 80, \"model.dropout\" = 0.2 }\n",
    );
    workshop
        .run(&["sweep", "rows.toml", "--plan", "--set", "training.steps=8"])
        .expect(0)
        .says("note: --set training.steps replaces what the file states for long\n");
}

#[test]
fn a_sweep_without_a_finished_trial_prints_no_table() {
    let workshop = Workshop::new();
    let text = "base = \"tiny.toml\"\nseeds = [1]\nset = { \"training.learning_rate_scale\" = 1e30 }\n";
    workshop.write("none.toml", text);
    let outcome = workshop.run(&["sweep", "none.toml"]).expect(1).says("1 of 1 trial failed");
    assert_eq!(outcome.out(), "");
}

#[test]
fn one_worker_and_two_give_the_same_records() {
    let (one, two) = (Workshop::with_sweep(SWEEP), Workshop::swept(SWEEP));
    one.run(&["sweep", "small.toml", "--workers", "1"]).expect(0);
    assert_eq!(one.text("results/small/records.jsonl"), two.text("results/small/records.jsonl"));
    assert_eq!(one.text("results/small/table.csv"), two.text("results/small/table.csv"));
}

#[test]
fn a_stopped_sweep_saves_its_trials_and_goes_on() {
    let (whole, stopped) = (Workshop::swept(SWEEP), Workshop::with_sweep(SWEEP));
    let mut child = started(&stopped);
    let run = stopped.path("results/small/base/seed-1");
    assert!(wait_beside(&mut child, "a trial trains", || last_step(&run) >= Some(2)), "the sweep has ended");
    signal(child.id() as i32, libc::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(75));
    stopped.run(&["sweep", "small.toml"]).expect(0);
    assert_eq!(whole.text("results/small/records.jsonl"), stopped.text("results/small/records.jsonl"));
}
