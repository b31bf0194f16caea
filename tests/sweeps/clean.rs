//! `ablate clean`: the list that it shows, the files that it removes, and the files that it never touches.

use crate::common::{Workshop, files_below, names};
use std::collections::BTreeMap;
use std::path::PathBuf;

const SWEEP: &str = r#"
base = "quiet.toml"
seeds = [1]
set = { "training.steps" = 14, "training.dev_bleu_interval_steps" = 0, "training.keep_best" = true }

[[row]]
label = "base"

[[row]]
label = "wide"
set = { "model.d_ff" = 24 }
"#;

const BASE: &str = "results/small/base/seed-1";
const WIDE: &str = "results/small/wide/seed-1";

/// Returns every file below a folder with its content, except locks.
fn everything(workshop: &Workshop) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = files_below(&workshop.path("results"));
    found.retain(|path, _| !path.ends_with(".lock"));
    found
}

#[test]
fn without_yes_it_only_shows() {
    let workshop = Workshop::swept(SWEEP);
    let before = everything(&workshop);
    let shown =
        workshop.run(&["clean", "small.toml"]).expect(0).says("nothing was removed; --yes removes it");
    assert!(shown.out().contains("checkpoints of finished trials"), "{}", shown.out());
    assert!(shown.out().contains("results/small/base/seed-1/checkpoints (4 files)"), "{}", shown.out());
    assert!(shown.out().contains("removing all of it frees"), "{}", shown.out());
    assert_eq!(before, everything(&workshop));
}

#[test]
fn what_goes_leaves_a_finished_sweep_that_verifies_and_lends_its_runs() {
    let workshop = Workshop::swept(SWEEP);
    let table = workshop.read("results/small/table.md");
    workshop.write(&format!("{BASE}/record.json.damaged"), "{");
    workshop.write(&format!("{BASE}/checkpoints/.step-00000007.state.safetensors.9-0.tmp"), "part");
    workshop.write(&format!("{BASE}/events-0000000001.tmp"), "part");
    workshop.write("results/small/.table.md.9-0.tmp", "part");
    let shown = workshop.run(&["clean", "small.toml", "--yes"]).expect(0);
    for kind in ["checkpoints of finished trials", "were set aside", "temporary files"] {
        assert!(shown.out().contains(kind), "{}", shown.out());
    }
    let kept = ["best.weights.safetensors", "scored.weights.safetensors"];
    assert_eq!(names(&workshop.path(format!("{BASE}/checkpoints"))), kept);
    assert!(
        !names(&workshop.path(BASE)).iter().any(|name| name.ends_with(".tmp") || name.ends_with(".damaged"))
    );
    assert!(!names(&workshop.path("results/small")).iter().any(|name| name.ends_with(".tmp")));

    workshop.run(&["verify", BASE, "--decode"]).expect(0);
    workshop.run(&["sweep", "small.toml"]).expect(0).says("all 2 trials are finished already");
    assert_eq!(table, workshop.read("results/small/table.md"));
    workshop.write("other.toml", &SWEEP.replace("\"wide\"", "\"wider\""));
    workshop.run(&["sweep", "other.toml"]).expect(0).says("the same trial finished in results/small/wide");
    let again = workshop.run(&["clean", "small.toml"]).expect(0);
    assert!(again.out().contains("nothing to remove"), "{}", again.out());
}

#[test]
fn runs_that_the_sweep_does_not_have_any_more_go_once_no_record_states_them() {
    let workshop = Workshop::swept(SWEEP);
    let without = SWEEP.split("\n[[row]]\nlabel = \"wide\"").next().unwrap().to_string();
    workshop.write("small.toml", &without);
    // records.jsonl is evidence until the sweep rewrites it.
    let shown = workshop.run(&["clean", "small.toml", "--yes"]).expect(0);
    assert!(shown.out().contains("wide/seed-1: records.jsonl states its record"), "{}", shown.out());
    assert!(workshop.path(WIDE).exists());
    workshop.run(&["sweep", "small.toml"]).expect(0);
    let shown = workshop.run(&["clean", "small.toml", "--yes"]).expect(0);
    assert!(shown.out().contains("superseded runs"), "{}", shown.out());
    assert!(!workshop.path("results/.superseded/small/wide").exists());
    assert!(!workshop.path("results/small/wide").exists());
    assert!(workshop.path(format!("{BASE}/record.json")).exists());
}

#[test]
fn superseded_runs_go_unless_a_trial_would_take_them_over() {
    let workshop = Workshop::swept(SWEEP);
    let changed = SWEEP.replace("\"model.d_ff\" = 24", "\"model.d_ff\" = 28");
    workshop.write("small.toml", &changed);
    workshop.run(&["sweep", "small.toml"]).expect(0);
    // The old settings again, not run yet: the next sweep takes over the superseded run.
    workshop.write("small.toml", SWEEP);
    let shown = workshop.run(&["clean", "small.toml", "--yes"]).expect(0);
    assert!(shown.out().contains("a trial of the sweep takes it over"), "{}", shown.out());
    workshop.write("small.toml", &changed);
    let shown = workshop.run(&["clean", "small.toml", "--yes"]).expect(0);
    assert!(shown.out().contains("superseded runs"), "{}", shown.out());
    assert!(!workshop.path("results/.superseded/small/wide").exists());
    assert!(workshop.path(format!("{WIDE}/record.json")).exists());
}

#[test]
fn a_superseded_run_goes_once_its_trial_has_taken_it_over() {
    let workshop = Workshop::swept(SWEEP);
    for d_ff in [28, 24] {
        let changed = SWEEP.replace("\"model.d_ff\" = 24", &format!("\"model.d_ff\" = {d_ff}"));
        workshop.write("small.toml", &changed);
        workshop.run(&["sweep", "small.toml"]).expect(0);
    }
    assert!(workshop.path("results/.superseded/small/wide").exists());
    let shown = workshop.run(&["clean", "small.toml", "--yes"]).expect(0);
    assert!(!shown.out().contains("records.jsonl states its record"), "{}", shown.out());
    assert!(!workshop.path("results/.superseded/small/wide").exists(), "{}", shown.out());
    assert!(workshop.path(format!("{WIDE}/record.json")).exists());
}

#[test]
fn what_others_need_or_are_at_stays() {
    let workshop = Workshop::swept(SWEEP);
    // A trial that only decodes differently continues from the base's checkpoints.
    let greedy = "\n[[row]]\nlabel = \"greedy\"\nset = { \"decoding.beam\" = 1 }\n";
    workshop.write("small.toml", &format!("{SWEEP}{greedy}"));
    let shown = workshop.run(&["clean", "small.toml", "--yes"]).expect(0);
    assert!(shown.out().contains("a trial of the sweep takes its training over"), "{}", shown.out());
    workshop.run(&["sweep", "small.toml"]).expect(0).says("goes on from the training of results/small/base");

    // Scored weights that differ from the record: the checkpoints could make them again.
    workshop.write(&format!("{BASE}/checkpoints/scored.weights.safetensors"), "damaged");
    let before = names(&workshop.path(format!("{BASE}/checkpoints")));
    let shown = workshop.run(&["clean", "small.toml", "--yes"]).expect(0);
    assert!(shown.out().contains("not as recorded"), "{}", shown.out());
    assert_eq!(before, names(&workshop.path(format!("{BASE}/checkpoints"))));

    // A run with a process at work.
    workshop.write(&format!("{WIDE}/record.json.damaged"), "{");
    let lock = ablate::files::lock(&workshop.path(format!("{WIDE}/.lock"))).unwrap().unwrap();
    workshop.run(&["clean", "small.toml", "--yes"]).expect(0);
    assert!(workshop.path(format!("{WIDE}/record.json.damaged")).exists());
    drop(lock);

    // A sweep with a driver at work.
    let _driver = ablate::sweep::driver::lock(&workshop.path("results/small")).unwrap();
    let refused = workshop.run(&["clean", "small.toml", "--yes"]).expect(5);
    refused.says("another sweep is at work").says(&format!("process {}", std::process::id()));
    assert!(workshop.path(format!("{WIDE}/record.json.damaged")).exists());
}

#[test]
fn an_unfinished_trial_keeps_what_it_goes_on_from_and_git_what_it_tracks() {
    let workshop = Workshop::new();
    workshop.write("small.toml", SWEEP);
    workshop.run(&["sweep", "small.toml", "--max-trials", "1"]).expect(75);
    let before = everything(&workshop);
    std::fs::remove_file(workshop.path(format!("{BASE}/record.json"))).unwrap();
    let shown = workshop.run(&["clean", "small.toml", "--yes"]).expect(0);
    assert!(shown.out().contains("nothing to remove"), "{}", shown.out());
    workshop.run(&["sweep", "small.toml", "--only", "base"]).expect(0);
    let path = workshop.path(format!("{BASE}/record.json"));
    assert!(before.contains_key(&path));
    assert_eq!(before.get(&path), everything(&workshop).get(&path));

    let git = |words: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.args(words).current_dir(workshop.path("")).output().unwrap()
    };
    assert!(git(&["init", "-q"]).status.success());
    assert!(git(&["add", "-f", &format!("{BASE}/checkpoints")]).status.success());
    let shown = workshop.run(&["clean", "small.toml", "--yes"]).expect(0);
    assert!(shown.out().contains("nothing to remove"), "{}", shown.out());
    // Without its corpus, the owner of a run is not known.
    std::fs::remove_dir_all(workshop.path("data")).unwrap();
    std::fs::remove_dir_all(workshop.path(".git")).unwrap();
    let shown = workshop.run(&["clean", "small.toml", "--yes"]).expect(0);
    assert!(shown.out().contains("nothing to remove"), "{}", shown.out());
    workshop.run(&["clean", "absent.toml"]).expect(2);
}
