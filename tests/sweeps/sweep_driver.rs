//! The driver of a sweep: its handling of failures, budgets, poor trials and finished work.

use crate::common::runs::{RUN_FILES, assert_same_files, last_step, signal, wait};
use crate::common::{Outcome, Workshop};
use std::process::Stdio;

const SWEEP: &str = r#"
base = "quiet.toml"
seeds = [1]
set = { "training.steps" = 8 }

[[row]]
label = "base"
"#;

fn row(label: &str, set: &str) -> String {
    format!("\n[[row]]\nlabel = \"{label}\"\nset = {{ {set} }}\n")
}

/// Returns the rows of the events of a kind in the ledger.
fn events(workshop: &Workshop, kind: &str) -> Vec<String> {
    let ledger = workshop.text("results/small/ledger.jsonl");
    let lines = ledger.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines.filter(|line| line["event"] == kind).map(|line| line["row"].as_str().unwrap().to_string()).collect()
}

/// Expects that two runs of one trial share all files of such runs; they may have different labels.
#[track_caller]
fn assert_same_but_label(one: (&Workshop, &str), other: (&Workshop, &str)) {
    let [here, there] = [one, other].map(|(workshop, run)| workshop.path(run));
    let files = RUN_FILES.into_iter().filter(|file| *file != "record.json");
    assert_same_files(&here, &there, files, &format!("what was done to {}", other.1));
    assert_eq!(record_but_label(one.0, one.1), record_but_label(other.0, other.1));
}

fn record_but_label(workshop: &Workshop, run: &str) -> String {
    let mut record = workshop.record(run);
    record["label"] = "".into();
    record["configuration"]["label"] = "".into();
    record.to_string()
}

/// Starts the sweep, kills the process that trains a trial after two updates, and waits for the end of the sweep.
fn sweep_with_a_kill(workshop: &Workshop, words: &[&str], run: &str) -> Outcome {
    let mut command = workshop.command(words);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let run = workshop.path(run);
    let mut process = None;
    wait("the trial trains", || {
        let timing = std::fs::read_to_string(run.join("timing.json")).unwrap_or_default();
        let attempts: serde_json::Value = serde_json::from_str(&timing).unwrap_or_default();
        process = attempts[0]["process"].as_i64();
        process.is_some() && last_step(&run) >= Some(2)
    });
    signal(process.unwrap() as i32, libc::SIGKILL);
    Outcome(child.wait_with_output().unwrap())
}

#[test]
fn a_killed_trial_is_tried_again_and_ends_the_same() {
    let long = SWEEP.replace("= 8", "= 60");
    let (whole, killed) = (Workshop::with_sweep(&long), Workshop::with_sweep(&long));
    whole.run(&["sweep", "small.toml"]).expect(0);
    let outcome = sweep_with_a_kill(&killed, &["sweep", "small.toml"], "results/small/base/seed-1");
    outcome.expect(0).says("killed by signal 9").says("to be tried again").says("finished in");
    assert_eq!(events(&killed, "retried"), ["base"]);
    let run = "results/small/base/seed-1";
    assert_same_but_label((&whole, run), (&killed, run));
    assert!(!killed.path(format!("{run}/failure.json")).exists());
}

#[test]
fn attempts_have_a_limit() {
    let workshop =
        Workshop::with_sweep(&format!("{}\n[retry]\nattempts = 1\n", SWEEP.replace("= 8", "= 60")));
    let outcome = sweep_with_a_kill(&workshop, &["sweep", "small.toml"], "results/small/base/seed-1");
    outcome.expect(1).says("1 of 1 trial failed; the same command tries them again");
    let failure = workshop.text("results/small/base/seed-1/failure.json");
    assert!(failure.contains("\"kind\": \"killed\""), "{failure}");
    // The process could not record its end; the driver did.
    let events = std::fs::read_dir(workshop.path("results/small/base/seed-1")).unwrap();
    let ended = events.map(|entry| entry.unwrap().path()).any(|path| {
        path.to_string_lossy().contains("tfevents")
            && String::from_utf8_lossy(&std::fs::read(path).unwrap()).contains("_hparams_/session_end_info")
    });
    assert!(ended);
    workshop.run(&["sweep", "small.toml"]).expect(0);
}

#[test]
fn a_failure_that_would_repeat_itself_is_tried_again_only_if_asked_for() {
    let explodes = row("explodes", "\"training.learning_rate_scale\" = 1e30");
    let workshop = Workshop::with_sweep(&format!("{SWEEP}{explodes}"));
    workshop.run(&["sweep", "small.toml"]).expect(1).says("1 would fail again");
    let again = workshop.run(&["sweep", "small.toml"]).expect(1).says("nothing else is to be run");
    assert!(again.err().contains("explodes seed 1: diverged"), "{}", again.err());
    assert_eq!(events(&workshop, "failed").len(), 1);
    workshop.run(&["sweep", "small.toml", "--only", "failed"]).expect(1);
    assert_eq!(events(&workshop, "failed").len(), 2);
    // The exit code is about the selected trials alone.
    let part = workshop.run(&["sweep", "small.toml", "--only", "base"]).expect(0);
    assert!(!part.err().contains("\nfailed:"), "{}", part.err());
    part.says("note: --only leaves out 1 trial that failed earlier; `--only failed` tries them again");
    // Other settings are another trial.
    workshop.write("small.toml", &format!("{SWEEP}{}", explodes.replace("1e30", "1.5")));
    workshop.run(&["sweep", "small.toml"]).expect(0);
}

#[test]
fn a_loss_that_explodes_is_a_divergence_though_it_is_a_number() {
    let explodes = row("explodes", "\"training.learning_rate_scale\" = 300.0");
    let workshop = Workshop::with_sweep(&format!("{}{explodes}", SWEEP.replace("= 8", "= 40")));
    workshop.run(&["sweep", "small.toml"]).expect(1).says("explodes seed 1: diverged");
    let failure = workshop.text("results/small/explodes/seed-1/failure.json");
    let failure: serde_json::Value = serde_json::from_str(&failure).unwrap();
    let detail = failure["detail"].as_str().unwrap();
    let loss = detail.split("the loss is ").nth(1).and_then(|rest| rest.split(';').next()).unwrap();
    assert!(loss.parse::<f64>().unwrap() > 30.0, "{detail}");
    assert_eq!(failure["kind"], "diverged");
}

#[test]
fn only_the_named_rows_and_trials_run() {
    let sweep = SWEEP.replace("[1]", "[1, 2]") + &row("wide", "\"model.d_ff\" = 24");
    let workshop = Workshop::with_sweep(&sweep);
    workshop.run(&["sweep", "small.toml", "--only", "wide"]).expect(0);
    assert_eq!(events(&workshop, "finished"), ["wide", "wide"]);
    workshop.run(&["sweep", "small.toml", "--only", "base/seed-2"]).expect(0);
    assert!(workshop.path("results/small/base/seed-2/record.json").exists());
    assert!(!workshop.path("results/small/base/seed-1").exists());
    workshop.run(&["sweep", "small.toml", "--only", "wyde"]).expect(2).says("did you mean \"wide\"?");
    workshop.run(&["sweep", "small.toml", "--only", "base/seed-3"]).expect(2);
}

#[test]
fn fail_fast_ends_the_sweep_and_the_rest_goes_on_later() {
    let explodes = row("explodes", "\"training.learning_rate_scale\" = 1e30");
    let sweep = SWEEP.replace("\n[[row]]\nlabel = \"base\"\n", &format!("{explodes}{}", row("base", "")));
    let workshop = Workshop::with_sweep(&sweep);
    workshop
        .run(&["sweep", "small.toml", "--fail-fast"])
        .expect(75)
        .says("--fail-fast after explodes seed 1 failed");
    assert!(!workshop.path("results/small/base").exists());
    workshop.run(&["sweep", "small.toml"]).expect(1).says("1 of 2 trials failed");
    assert!(workshop.path("results/small/base/seed-1/record.json").exists());
}

#[test]
fn budgets_end_one_call_and_the_next_goes_on() {
    let sweep = SWEEP.replace("[1]", "[1, 2, 3]").replace("base =", "max_trials = 2\nbase =");
    let workshop = Workshop::with_sweep(&sweep);
    workshop
        .run(&["sweep", "small.toml"])
        .expect(75)
        .says("max_trials is reached and 1 trial is not started");
    assert_eq!(events(&workshop, "finished").len(), 2);
    workshop.run(&["sweep", "small.toml", "--max-hours", "1e-9"]).expect(75).says("stopped by max_hours");
    workshop.run(&["sweep", "small.toml"]).expect(0);
}

#[test]
fn a_trial_that_finished_elsewhere_is_taken_over() {
    let workshop = Workshop::swept(SWEEP);
    // The same trial in another sweep, under another label.
    workshop.write("other.toml", &SWEEP.replace("\"base\"", "\"renamed\""));
    workshop
        .run(&["sweep", "other.toml"])
        .expect(0)
        .says("the same trial finished in results/small/base/seed-1");
    let (old, new) = ("results/small/base/seed-1", "results/other/renamed/seed-1");
    assert_same_but_label((&workshop, old), (&workshop, new));
    assert!(workshop.text(format!("{new}/record.json")).contains("\"label\": \"renamed\""));
    workshop.run(&["verify", new, "--decode"]).expect(0);
    workshop.run(&["sweep", "other.toml"]).expect(0).says("the trial is finished already");
    // A damaged run is not reused.
    workshop.write(&format!("{old}/hypotheses/test.txt"), "changed\n");
    workshop.write(&format!("{new}/hypotheses/test.txt"), "changed\n");
    workshop.write("third.toml", SWEEP);
    workshop.run(&["sweep", "third.toml"]).expect(0).says("is not as recorded; it is trained anew");
}

#[test]
fn rows_that_only_decode_differently_share_one_training() {
    let sweep = SWEEP.replace("= 8 }", "= 8, \"training.dev_bleu_interval_steps\" = 0 }")
        + &row("greedy", "\"decoding.beam\" = 1");
    let (shared, alone) = (Workshop::with_sweep(&sweep), Workshop::with_sweep(&sweep));
    shared
        .run(&["sweep", "small.toml", "--workers", "2"])
        .expect(0)
        .says("greedy seed 1: goes on from the training of");
    alone.run(&["sweep", "small.toml", "--only", "greedy"]).expect(0);
    let run = "results/small/greedy/seed-1";
    assert_same_but_label((&alone, run), (&shared, run));
    assert_ne!(record_but_label(&shared, run), record_but_label(&shared, "results/small/base/seed-1"));
    assert_eq!(events(&shared, "reused"), ["greedy"]);

    // Changed curves are not copied.
    std::fs::remove_dir_all(shared.path(run)).unwrap();
    let curves = shared.text("results/small/base/seed-1/metrics.csv");
    shared
        .write("results/small/base/seed-1/metrics.csv", &curves.replacen(",train/loss,", ",train/loss,1", 1));
    let again = shared.run(&["sweep", "small.toml"]).expect(0).says("it is trained anew");
    again.says("base/seed-1/metrics.csv is not as recorded");
    assert_same_but_label((&alone, run), (&shared, run));
}

#[test]
fn halving_finishes_the_best_with_the_bytes_it_would_have_anyway() {
    let base = SWEEP.replace("= 8 }", "= 40 }").replace("[1]", "[1, 2]")
        + &row("slow", "\"training.learning_rate_scale\" = 0.01");
    let (all, halved) = (
        Workshop::with_sweep(&base),
        Workshop::with_sweep(&format!("{base}\n[halving]\nfirst = 10\nfactor = 2\n")),
    );
    all.run(&["sweep", "small.toml"]).expect(0);
    let outcome =
        halved.run(&["sweep", "small.toml"]).expect(0).says("paused at step 10").says("go no further");
    let finished = events(&halved, "finished");
    assert!(!finished.is_empty() && finished.len() < 4, "{finished:?}\n{}", outcome.err());
    assert!(finished.iter().all(|row| row == "base"), "{finished:?}");
    for seed in [1, 2] {
        let run = format!("results/small/base/seed-{seed}");
        if halved.path(format!("{run}/record.json")).exists() {
            assert_same_but_label((&all, &run), (&halved, &run));
        }
    }
    let wrong = format!("{base}\n[halving]\nfirst = 7\n");
    Workshop::with_sweep(&wrong)
        .run(&["sweep", "small.toml"])
        .expect(2)
        .says("halving.first = 7")
        .says("dev_interval_steps = 10");
}

/// Three trials, of which halving continues only the first.
fn halved() -> String {
    let slow = |label: &str, scale: &str| row(label, &format!("\"training.learning_rate_scale\" = {scale}"));
    let rows = slow("slow", "0.01") + &slow("slower", "0.001");
    let sweep = SWEEP.replace("quiet.toml", "tiny.toml").replace("= 8 }", "= 60 }");
    format!("{sweep}{rows}\n[halving]\nfirst = 10\nfactor = 3\n")
}

#[test]
fn halving_ends_the_same_whatever_is_killed_and_however_often_the_command_is_given() {
    let (whole, killed) = (Workshop::with_sweep(&halved()), Workshop::with_sweep(&halved()));
    whole.run(&["sweep", "small.toml"]).expect(0).says("halving let 2 trials go no further");
    assert_eq!(events(&whole, "finished"), ["base"]);
    let before = events(&whole, "started").len();
    whole.run(&["sweep", "small.toml"]).expect(0).says("halving let 2 trials go no further");
    assert_eq!(events(&whole, "started").len(), before, "nothing goes on that was halved");
    let told = "ended by halving: slow seed 1, slower seed 1 at update 10";
    assert!(whole.text("results/small/table.md").contains(told));
    whole.run(&["report", "small.toml"]).expect(0);
    let page = whole.text("results/small/report.html");
    assert!(page.contains("<td>slower</td><td>1</td><td>ended by halving at update 10</td>"), "{page}");
    assert!(page.contains("Halving compares trials by their dev loss"), "{page}");
    let status = whole.run(&["status", "small.toml", "--json"]).expect(0).json();
    let why = status["trials"][1]["why"].as_str().unwrap().to_string();
    let loss = why.strip_prefix("halving compared it at step 10, dev loss ").unwrap();
    assert_eq!(loss.split_once('.').unwrap().1.len(), 4, "{why}");

    // The sweep is killed once on its way to the second comparison, at update 30.
    let mut command = killed.command(&["sweep", "small.toml"]);
    let driver = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let run = "results/small/base/seed-1";
    let place = killed.path(run);
    wait("the best trial goes on", || last_step(&place).is_some_and(|step| step > 10));
    let attempts = killed.attempts(run);
    signal(attempts.last().unwrap()["process"].as_i64().unwrap() as i32, libc::SIGKILL);
    Outcome(driver.wait_with_output().unwrap()).expect(0).says("to be tried again");
    assert_eq!(events(&killed, "finished"), ["base"]);
    assert_same_but_label((&whole, run), (&killed, run));
}

#[test]
fn a_failure_that_is_history_does_not_keep_a_trial_from_running() {
    let workshop = Workshop::with_sweep(SWEEP);
    let sweep = ["sweep", "small.toml", "--set", "run.device=\"cuda:0\""];
    workshop.run(&sweep).expect(1).says("base seed 1");
    let hasty = ["sweep", "small.toml", "--only", "base", "--max-hours", "0.00001"];
    workshop.run(&hasty).expect(75).says("base seed 1: stopped after");
    assert!(workshop.path("results/small/base/seed-1/failure.json").exists());
    workshop.run(&["sweep", "small.toml"]).expect(0).says("finished in");
}

#[test]
fn a_sweep_that_is_stopped_before_any_trial_ended_writes_no_table() {
    let workshop = Workshop::with_sweep(SWEEP);
    let stopped = workshop.run(&["sweep", "small.toml", "--max-hours", "0.00001"]).expect(75);
    let files = std::fs::read_dir(workshop.path("results/small/base/seed-1/checkpoints"));
    let is_state = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.unwrap().file_name().to_string_lossy().contains(".state.")
    };
    let state = match files.is_ok_and(|mut files| files.any(is_state)) {
        true => "its state is saved",
        false => "before its first checkpoint",
    };
    stopped.says("base seed 1: stopped after").says(state);
    for file in ["table.md", "table.tex", "table.csv", "records.jsonl"] {
        assert!(!workshop.path(format!("results/small/{file}")).exists(), "{file}");
    }
    workshop.run(&["sweep", "small.toml"]).expect(0);
    assert!(workshop.path("results/small/table.md").exists());
}

#[test]
fn a_table_that_no_longer_holds_is_written_anew_where_nothing_has_ended() {
    let explodes = row("explodes", "\"training.learning_rate_scale\" = 1e30");
    let sweep = SWEEP.replace("\n[[row]]\nlabel = \"base\"\n", &explodes);
    let workshop = Workshop::with_sweep(&sweep);
    workshop.run(&["sweep", "small.toml"]).expect(1);
    let table = workshop.text("results/small/table.md");
    assert!(table.contains("diverged"), "{table}");
    workshop.write("small.toml", &sweep.replace("1e30", "0.5"));
    workshop.run(&["sweep", "small.toml", "--only", "failed"]).expect(0);
    let table = workshop.text("results/small/table.md");
    assert!(!table.contains("diverged"), "{table}");
}

#[test]
fn what_failed_with_other_settings_is_not_said_to_have_failed() {
    let diverges = SWEEP.to_string() + &row("explodes", "\"training.learning_rate_scale\" = 1e30");
    let workshop = Workshop::with_sweep(&diverges);
    workshop.run(&["sweep", "small.toml"]).expect(1);
    let table = workshop.run(&["table", "small.toml"]).expect(0);
    assert!(table.out().contains("failed: explodes"), "{}", table.out());
    workshop.write("small.toml", &diverges.replace("1e30", "0.5"));
    let table = workshop.run(&["table", "small.toml"]).expect(0);
    assert!(!table.out().contains("failed"), "{}", table.out());
}

#[test]
fn the_end_of_a_sweep_tells_what_finished_also_after_an_error() {
    let workshop = Workshop::swept(SWEEP);
    std::fs::remove_file(workshop.path("results/small/table.md")).unwrap();
    std::fs::create_dir(workshop.path("results/small/table.md")).unwrap();
    let outcome = workshop.run(&["sweep", "small.toml", "--json"]).expect(1);
    let ended = outcome.out().lines().last().unwrap().to_string();
    let ended: serde_json::Value = serde_json::from_str(&ended).unwrap();
    assert_eq!((ended["event"].as_str(), ended["finished"].as_u64()), (Some("sweep_ended"), Some(1)));
}

#[test]
fn patience_ends_a_training_early_and_a_resumed_one_at_the_same_update() {
    let workshop = Workshop::new();
    let words = |results: &'static str, sets: &[&'static str]| {
        let mut words = vec!["train", "tiny.toml", "--results", results];
        sets.iter().for_each(|set| words.extend(["--set", set]));
        words
    };
    // A learning rate that soon makes the loss worse.
    let sets = [
        "training.early_stopping_patience=2",
        "training.learning_rate_scale=20.0",
        "training.steps=400",
        "training.dev_interval_steps=5",
    ];
    let early = workshop.run(&words("early", &sets)).expect(0);
    let record = workshop.record("early/tiny/seed-1");
    let steps = record["steps"].as_u64().unwrap();
    assert!(steps < 400 && steps.is_multiple_of(5), "{steps}");
    assert_eq!(record["averaged_steps"].as_array().unwrap().last().unwrap().as_u64(), Some(steps));
    early.says(&format!(
        "step {steps}: training ends early, of 400 updates; the dev loss was best at step {}, and \
         training.early_stopping_patience = 2",
        steps - 10
    ));
    // Its last dev losses are no better than the best before.
    let metrics = workshop.text("early/tiny/seed-1/metrics.csv");
    let losses: Vec<f64> = metrics
        .lines()
        .filter_map(|line| line.split_once(",dev/loss,"))
        .map(|(_, value)| value.parse().unwrap())
        .collect();
    let (last, before) = losses.split_at(losses.len() - 2);
    let best = last.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(before.iter().all(|&loss| loss >= best), "{losses:?}");
    // The end of the training has one score, that of the kept weights.
    let mut sets = sets.to_vec();
    sets.push("training.dev_bleu_interval_steps=5");
    workshop.run(&words("scored", &sets)).expect(0);
    let metrics = workshop.text("scored/tiny/seed-1/metrics.csv");
    let scores =
        |step: u64| metrics.lines().filter(|line| line.starts_with(&format!("{step},dev/bleu,"))).count();
    assert_eq!((scores(steps - 5), scores(steps)), (1, 1), "{metrics}");
    workshop
        .run(&words("bad", &["training.early_stopping_patience=2", "training.dev_interval_steps=0"]))
        .expect(2);
}
