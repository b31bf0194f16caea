//! `[search]`: draws that learn from results, on tiny models: the same draws whatever stops the driver, and the output.

use crate::common::Workshop;
use crate::common::runs::wait;
use serde_json::Value;
use std::process::Stdio;

const SEARCH: &str = r#"
base = "quiet.toml"
seeds = [1]
workers = 1
set = { "training.steps" = 4, "training.dev_interval_steps" = 2, "training.dev_bleu_interval_steps" = 0 }

[table]
columns = ["dev/loss", "test/bleu"]

[search]
seed = 3
count = 12
objective = "dev/loss"
"model.norm" = { choice = ["post", "pre"] }
"model.dropout" = { uniform = [0.0, 0.3] }
"training.learning_rate_scale" = { log_uniform = [0.1, 10.0] }
"training.warmup_steps" = { integer = [1, 30] }
"training.clip_norm" = { log_uniform = [0.3, 3.0], when = { "model.norm" = "post" } }
"#;

const SWEEP: [&str; 2] = ["sweep", "small.toml"];

/// Returns the draws in the ledger of a results directory: row and values.
fn draws(workshop: &Workshop, results: &str) -> Vec<(String, Value)> {
    let ledger = workshop.text(format!("{results}/small/ledger.jsonl"));
    // A line that a driver is still writing is ignored.
    let lines = ledger.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let drawn = lines.filter(|line| line["event"] == "drawn");
    drawn.map(|line| (line["row"].as_str().unwrap().to_string(), line["values"].clone())).collect()
}

fn table(workshop: &Workshop) -> String {
    workshop.text("results/small/table.md")
}

#[test]
fn a_search_that_is_stopped_and_killed_draws_the_same() {
    let (whole, stopped) = (Workshop::with_sweep(SEARCH), Workshop::with_sweep(SEARCH));
    whole.run(&SWEEP).expect(0).says("12 trials, 0 finished already; 12 to run, up to 1 at once");
    let drawn = draws(&whole, "results");
    let rows: Vec<&str> = drawn.iter().map(|(row, _)| row.as_str()).collect();
    let expected: Vec<String> = (1..=12).map(|number| format!("draw-{number:03}")).collect();
    assert_eq!(rows, expected);
    for (row, values) in &drawn {
        let is_post = values["model.norm"] == "\"post\"";
        assert_eq!(values.get("training.clip_norm").is_some(), is_post, "{row}: {values}");
        let dropout: f64 = values["model.dropout"].as_str().unwrap().parse().unwrap();
        assert!((0.0..=0.3).contains(&dropout), "{row}: {values}");
    }

    stopped
        .run(&["sweep", "small.toml", "--max-trials", "10"])
        .expect(75)
        .says("max_trials is reached and 2 trials are not started");
    assert_eq!(draws(&stopped, "results"), drawn[..10]);
    // The driver dies once the eleventh is drawn; the twelfth follows from it.
    let mut driver = stopped.command(&SWEEP).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait("an eleventh draw is made", || draws(&stopped, "results").len() >= 11);
    driver.kill().unwrap();
    driver.wait().unwrap();
    stopped.run(&SWEEP).expect(0);
    assert_eq!(draws(&stopped, "results"), drawn);
    assert_eq!(table(&stopped), table(&whole));
    assert_records_of_later_draws_stay(&whole.text("results/small/records.jsonl"));

    // Without its ledger the search makes the same draws, because the runs are there; more draws continue from them.
    std::fs::remove_file(stopped.path("results/small/ledger.jsonl")).unwrap();
    let plan = stopped.run(&["sweep", "small.toml", "--plan"]).expect(0);
    assert!(!plan.err().contains("does not state"), "runs of draws are the search's own: {}", plan.err());
    stopped.write("small.toml", &SEARCH.replace("count = 12", "count = 13"));
    stopped.run(&SWEEP).expect(0);
    assert_eq!(draws(&stopped, "results")[..12], drawn[..]);
    assert_eq!(draws(&stopped, "results").len(), 13);
    assert!(stopped.path("results/small/draw-013/seed-1/record.json").exists());

    // The records alone are enough: every draw follows from those before, and none is trained.
    let again =
        ["sweep", "small.toml", "--results", "again", "--reuse-records", "results/small/records.jsonl"];
    let outcome = stopped.run(&again).expect(0);
    assert_eq!(draws(&stopped, "again"), draws(&stopped, "results"));
    assert!(!stopped.path("again/small/draw-013").exists(), "{}", outcome.err());
    let shown = [
        "table",
        "small.toml",
        "--results",
        "shown",
        "--reuse-records",
        "results/small/records.jsonl",
        "--json",
    ];
    assert_eq!(stopped.run(&shown).expect(0).json()["rows"].as_array().unwrap().len(), 13);
    // A changed space is another search.
    stopped.write("small.toml", &SEARCH.replace("[0.0, 0.3]", "[0.0, 0.2]"));
    let plan = stopped.plan("small.toml");
    assert_eq!((&plan["search"]["known"], &plan["search"]["trials_to_come"]), (&10.into(), &2.into()));
}

/// A clone of a finished search has its records in the search's own file. They stay there when a part of the search is
/// run, though most draws are still to come.
fn assert_records_of_later_draws_stay(records: &str) {
    let clone = Workshop::with_sweep(SEARCH);
    clone.write("committed.jsonl", records);
    std::fs::create_dir_all(clone.path("results/small")).unwrap();
    clone.write("results/small/records.jsonl", records);
    let part = ["sweep", "small.toml", "--reuse-records", "committed.jsonl", "--only", "draw-001"];
    clone.run(&part).expect(0);
    assert_eq!(clone.text("results/small/records.jsonl").lines().count(), 12);
}

#[test]
fn draws_at_random_are_those_of_a_random_sweep_and_workers_do_not_wait() {
    let workshop =
        Workshop::with_sweep(&SEARCH.replace("workers = 1", "workers = 3").replace("[1]", "[1, 2]"));
    let random = SEARCH.replace("[search]", "[random]").replace("objective = \"dev/loss\"\n", "");
    workshop.write("random.toml", &random.replace("count = 12", "count = 10"));
    let events = workshop.run(&["sweep", "small.toml", "--json"]).expect(0).out();
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_kind = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
    // The ten initial draws are there before anything runs.
    assert_eq!((of_kind("drawn"), of_kind("trial_finished")), (2, 24));
    assert_eq!((&events[0]["trials"], &events[0]["to_run"]), (&24.into(), &24.into()));
    let drawn = draws(&workshop, "results");
    let mut different: Vec<String> = drawn.iter().map(|(_, values)| values.to_string()).collect();
    different.sort();
    different.dedup();
    assert_eq!((drawn.len(), different.len()), (12, 12));

    let plan = workshop.plan("random.toml");
    for (row, (label, values)) in plan["rows"].as_array().unwrap().iter().zip(&drawn) {
        assert_eq!(row["row"], label.as_str());
        for change in row["changes"].as_array().unwrap() {
            assert_eq!(values[change["key"].as_str().unwrap()], change["value"], "{label}");
        }
    }

    let status = workshop.run(&["status", "small.toml", "--json"]).expect(0).json();
    assert_eq!(status["states"]["finished"], 24);
    let shown = workshop.run(&["table", "small.toml", "--sort", "dev/loss", "--top", "3"]).expect(0).out();
    let head: Vec<&str> = shown.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(head[..3], ["row", "norm", "dropout"], "{shown}");
    workshop.run(&["report", "small.toml", "--figures", "figures"]).expect(0);
    let page = workshop.text("results/small/report.html");
    for words in [
        "<h2>Progress of the search</h2>",
        "12 of 12 draws are finished. The first 10 are random",
        "The search looks for the lowest loss (dev).",
        "<caption>The best draws</caption>",
        "± over seeds",
        // Settings are judged by the objective, not by the test set.
        "Every row from its settings to its loss (dev): 12 rows by ",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(
        workshop.path("figures/search-best.svg").exists()
            && workshop.path("figures/search-draws.svg").exists()
    );
    workshop.run(&["tensorboard", "small.toml"]).expect(0).says("24 runs written anew");
}

#[test]
fn plans_selections_and_halving_know_the_search() {
    let halved = SEARCH.replace("\"training.steps\" = 4", "\"training.steps\" = 8")
        + "\n[halving]\nfirst = 2\nfactor = 3\n";
    let workshop = Workshop::with_sweep(&halved);
    let plan = workshop.run(&["sweep", "small.toml", "--plan"]).expect(0).out();
    for words in [
        "search for the best dev/loss: 12 draws, the first 10 of them random; 10 are in the plan",
        "dropout              uniform = [0.0, 0.3]",
        "log_uniform = [0.3, 3.0]   when { model.norm = \"post\" }",
        "2 trials to come: at most ",
    ] {
        assert!(plan.contains(words), "{words} in\n{plan}");
    }
    let only = ["sweep", "small.toml", "--only", "draw-003"];
    workshop.run(&["sweep", "small.toml", "--only", "draw-012"]).expect(2).says("neither a row of the sweep");
    workshop.run(&only).expect(0).says("with --only the search makes no further draws");
    assert_eq!(draws(&workshop, "results").len(), 10);
    assert_eq!(workshop.run(&["status", "small.toml", "--json"]).expect(0).json()["to_come"], 2);
    let status = workshop.run(&["status", "small.toml"]).expect(0).out();
    assert!(status.contains("2 more trials to be drawn"), "{status}");
    workshop.run(&SWEEP).expect(0).says("halving let ");
    assert_eq!(draws(&workshop, "results").len(), 12);
    let status = workshop.run(&["status", "small.toml", "--json"]).expect(0).json();
    assert_eq!(status["to_come"], 0);
    let at = |state: &str| status["states"][state].as_u64().unwrap_or(0);
    assert_eq!(at("finished") + at("paused"), 12);
    assert!(at("finished") >= 1 && at("paused") >= 1, "{status}");

    workshop
        .run(&["sweep", "small.toml", "--launcher", "slurm"])
        .expect(2)
        .says("state how many trials run at once with --workers or max_running");
    workshop
        .run(&["sweep", "small.toml", "--launcher", "slurm", "--workers", "2", "--detach"])
        .expect(2)
        .says("the next draws of [search] follow from their results");
}

#[test]
fn a_search_that_cannot_train_makes_no_further_draws_and_learns_nothing_of_it() {
    let workshop = Workshop::with_sweep(SEARCH);
    let outcome = workshop.run(&["sweep", "small.toml", "--set", "run.device=\"cuda:0\""]).expect(1);
    let told = outcome.says("the search makes no further draws: all of its first 10 failed");
    assert_eq!(draws(&workshop, "results").len(), 10, "{}", told.err());
}

#[test]
fn a_space_with_draws_that_the_text_forbids_is_refused_before_anything_starts() {
    let table = "\"model.learned_positions\" = { integer = [10, 2000] }\n\"training.clip_norm\"";
    let text = SEARCH
        .replace("[table]", "[set]\n\"model.position\" = \"learned\"\n\n[table]")
        .replace("set = { ", "# set = { ")
        .replace("\"training.clip_norm\"", table);
    let workshop = Workshop::with_sweep(&text);
    workshop
        .run(&SWEEP)
        .expect(2)
        .says("search: it may come to a draw that is refused: ")
        .says("`when` and [[exclude]] leave out draws that are not wanted");
    assert!(!workshop.path("results/small").exists());
}

#[test]
fn a_space_with_few_settings_ends_the_search_early() {
    let workshop = Workshop::with_sweep(
        &(SEARCH[..SEARCH.find("\"model.norm\"").unwrap()].to_string()
            + "\"model.norm\" = { choice = [\"post\", \"pre\"] }\n\"training.warmup_steps\" = { integer = [1, 3] }\n"),
    );
    workshop.run(&SWEEP).expect(0).says("the search ends after 6 of 12 draws");
    assert_eq!(draws(&workshop, "results").len(), 6);
    workshop.run(&SWEEP).expect(0).says("the search ends after 6 of 12 draws");
}
