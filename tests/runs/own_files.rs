//! Files of the user are never deleted, replaced or moved without a message: not by `clean`, not by a sweep that
//! takes a run over, not by `--out`, and not by a results directory that is another folder of the user.

use crate::common::{Workshop, names};
use ablate::experiment::run_files::Contents;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

const SWEEP: &str = r#"
base = "tiny.toml"
seeds = [1, 2]
set = { "training.steps" = 14, "training.dev_bleu_interval_steps" = 0 }

[[row]]
label = "base"

[[row]]
label = "wide"
set = { "model.d_ff" = 24 }
"#;

const BASE: &str = "results/small/base/seed-1";

fn without_wide() -> String {
    SWEEP.split("\n[[row]]\nlabel = \"wide\"").next().unwrap().to_string()
}

/// Writes a file of the user's, with its folder.
fn mine(workshop: &Workshop, name: &str) -> PathBuf {
    let path = workshop.path(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, format!("mine: {name}")).unwrap();
    path
}

#[track_caller]
fn assert_mine(workshop: &Workshop, name: &str) {
    assert_eq!(workshop.text(name), format!("mine: {name}"));
}

#[test]
fn a_finished_run_holds_no_name_outside_of_the_list() {
    let workshop = Workshop::new();
    let sweep = SWEEP.replace(
        "\"training.steps\" = 14",
        "\"training.steps\" = 14, \"training.keep_best\" = true, \"run.attention_sentences\" = 1, \
         \"run.projector_tokens\" = 9, \"run.sample_sentences\" = 1, \"model.position\" = \"learned\"",
    );
    workshop.write("small.toml", &sweep.replace("[1, 2]", "[1]"));
    workshop.run(&["sweep", "small.toml", "--only", "base"]).expect(0);
    workshop.write(&format!("{BASE}/record.json"), "{");
    workshop.run(&["sweep", "small.toml", "--only", "base"]).expect(0);
    let run = workshop.path(BASE);
    let Contents { own, foreign, folders } = Contents::of(&run).unwrap();
    assert_eq!(foreign, [] as [PathBuf; 0]);
    assert_eq!(folders.len(), 3, "{folders:?}");
    for name in ["record.json.damaged", "projector/labels.tsv", "attention.json", "difference.md", "log.txt"]
    {
        assert!(own.contains(&run.join(name)), "{name} is not made any more: {own:?}");
    }
}

#[test]
fn clean_removes_what_is_proved_to_be_a_run_and_leaves_what_lies_beside_and_in_it() {
    let workshop = Workshop::swept(SWEEP);
    workshop.write("small.toml", &without_wide());
    std::fs::remove_file(workshop.path("results/small/records.jsonl")).unwrap();
    let kept = [
        "results/small/mine/seed-corpus/notes.txt",
        "results/small/mine/seed-7/notes.txt",
        "results/small/wide/seed-1/my-analysis.ipynb",
        "results/small/wide/seed-1/checkpoints/mine/model.bin",
        "results/small/.x.tmp/notes.txt",
        "results/small/.mine.tmp",
        "results/small/base/seed-1/notes.damaged",
        "results/small/base/seed-1/dir.damaged/notes.txt",
        "results/small/base/seed-1/checkpoints/.mine.tmp",
        "results/small/base/seed-1/checkpoints/step-mine.weights.safetensors",
        "results/.superseded/small/wide/seed-bank/notes.txt",
    ];
    kept.iter().for_each(|name| drop(mine(&workshop, name)));
    // A copy that the user made of a run, under a name of the user's.
    std::fs::create_dir(workshop.path("results/small/wide/seed-2-copy")).unwrap();
    std::fs::copy(
        workshop.path("results/small/wide/seed-2/config.toml"),
        workshop.path("results/small/wide/seed-2-copy/config.toml"),
    )
    .unwrap();
    let shown = workshop.run(&["clean", "small.toml", "--yes"]).expect(0);
    kept.iter().for_each(|name| assert_mine(&workshop, name));
    for named in [
        "mine/seed-corpus: no checksum proves",
        "mine/seed-7: no checksum proves",
        "wide/seed-2-copy: its name is not one",
        "wide/seed-1/my-analysis.ipynb: no file that this program makes",
        "wide/seed-1/checkpoints/mine: no file that",
        "small/.x.tmp: no file that",
        "small/.mine.tmp: no file that",
        "seed-1/notes.damaged: no file that",
        "seed-1/dir.damaged: no file that",
        "wide/seed-bank: no checksum proves",
    ] {
        assert!(shown.out().contains(named), "{named}:\n{}", shown.out());
    }
    assert_eq!(names(&workshop.path("results/small/wide")), ["seed-1", "seed-2-copy"]);
    assert_eq!(names(&workshop.path("results/small/wide/seed-1")), ["checkpoints", "my-analysis.ipynb"]);
    assert_eq!(names(&workshop.path("results/small/wide/seed-1/checkpoints")), ["mine"]);
    workshop.run(&["verify", BASE]).expect(0);
}

#[test]
fn clean_follows_no_link_and_looks_into_no_folder_of_somebodys() {
    let workshop = Workshop::swept(SWEEP);
    workshop.write("small.toml", &without_wide());
    std::fs::remove_file(workshop.path("results/small/records.jsonl")).unwrap();
    // The row lies elsewhere, one seed is a link, and so are the checkpoints of a finished trial.
    let moved = workshop.path("elsewhere");
    std::fs::rename(workshop.path("results/small/wide"), &moved).unwrap();
    symlink(&moved, workshop.path("results/small/wide")).unwrap();
    std::fs::create_dir(workshop.path("results/small/other")).unwrap();
    symlink(moved.join("seed-1"), workshop.path("results/small/other/seed-1")).unwrap();
    std::fs::rename(workshop.path(format!("{BASE}/checkpoints")), workshop.path("checkpoints")).unwrap();
    symlink(workshop.path("checkpoints"), workshop.path(format!("{BASE}/checkpoints"))).unwrap();
    let before = [
        names(&moved.join("seed-1")),
        names(&moved.join("seed-1/checkpoints")),
        names(&workshop.path("checkpoints")),
    ];
    let shown = workshop.run(&["clean", "small.toml", "--yes"]).expect(0);
    let after = [
        names(&moved.join("seed-1")),
        names(&moved.join("seed-1/checkpoints")),
        names(&workshop.path("checkpoints")),
    ];
    assert_eq!(before, after);
    for named in ["small/wide: a symbolic link", "other/seed-1: a symbolic link"] {
        assert!(shown.out().contains(named), "{named}:\n{}", shown.out());
    }

    // A sweep does not move away what is behind a link either, nor write into it.
    workshop
        .write("linked.toml", &SWEEP.replace("= 14", "= 15").replace("label = \"wide\"", "label = \"row\""));
    std::fs::create_dir(workshop.path("results/linked")).unwrap();
    symlink(&moved, workshop.path("results/linked/row")).unwrap();
    let told = workshop.run(&["sweep", "linked.toml", "--only", "row"]).expect(1);
    assert!(told.err().contains("row/seed-1 is behind a symbolic link"), "{}", told.err());
    assert_eq!(names(&moved.join("seed-1")), before[0]);

    // A home directory as results, with a folder named like the sweep.
    workshop.write("garden.toml", &without_wide());
    let kept =
        ["home/garden/vegetables/seed-1/potatoes.txt", "home/garden/.x.tmp/notes", "home/garden/.mine.tmp"];
    kept.iter().for_each(|name| drop(mine(&workshop, name)));
    let words = ["clean", "garden.toml", "--yes", "--results", "home"];
    workshop.run(&words).expect(2).says("is not the directory of a sweep");
    assert_eq!(
        names(&workshop.path("home/garden")),
        [".mine.tmp", ".x.tmp", "vegetables"],
        "no lock is left"
    );
    kept.iter().for_each(|name| assert_mine(&workshop, name));
}

#[test]
fn what_git_cannot_be_asked_about_stays() {
    let workshop = Workshop::swept(SWEEP);
    let git = |words: &[&str]| {
        let done =
            std::process::Command::new("git").args(words).current_dir(workshop.path("")).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    git(&["init", "-q"]);
    git(&["add", "-f", "results"]);
    let before = names(&workshop.path(format!("{BASE}/checkpoints")));
    let clean = |change: &dyn Fn(&mut std::process::Command)| {
        let mut command = workshop.command(&["clean", "small.toml", "--yes"]);
        change(&mut command);
        let shown = crate::common::Outcome(command.output().unwrap()).expect(0);
        assert_eq!(before, names(&workshop.path(format!("{BASE}/checkpoints"))));
        shown.out()
    };
    assert!(clean(&|_| ()).contains("git tracks it"));
    // The repository seems to belong to another user.
    let dubious = |command: &mut std::process::Command| {
        command.env("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1").env("HOME", workshop.path(""));
    };
    assert!(clean(&dubious).contains("git cannot be asked whether it tracks this: fatal: detected dubious"));
    let missing = |command: &mut std::process::Command| {
        command.env("PATH", workshop.path("nothing"));
    };
    assert!(clean(&missing).contains("cannot start git"));
}

#[test]
fn taking_a_run_over_neither_removes_nor_takes_what_is_the_users() {
    let workshop = Workshop::new();
    workshop.write("small.toml", &SWEEP.replace("[1, 2]", "[1]"));
    workshop.write("other.toml", &SWEEP.replace("[1, 2]", "[1]").replace("\"wide\"", "\"broad\""));
    // A folder that is not a run is refused before anything is trained, and nothing is written into it.
    mine(&workshop, "results/small/wide/seed-1/thesis.tex");
    workshop.run(&["sweep", "small.toml"]).expect(2).says("holds no run of this program, but thesis.tex");
    assert_eq!(names(&workshop.path("results/small/wide/seed-1")), ["thesis.tex"]);
    assert!(!workshop.path(BASE).exists());
    mine(&workshop, "results/tiny/seed-1/metrics.csv");
    workshop.run(&["train", "tiny.toml"]).expect(2).says("but metrics.csv");
    assert_eq!(names(&workshop.path("results/tiny/seed-1")), ["metrics.csv"]);
    std::fs::remove_dir_all(workshop.path("results/small")).unwrap();

    // An unfinished run that contains files of the user gives way to a finished run of the same trial.
    workshop.run(&["sweep", "small.toml"]).expect(0);
    std::fs::remove_file(workshop.path("results/small/wide/seed-1/record.json")).unwrap();
    workshop.run(&["sweep", "other.toml"]).expect(0);
    mine(&workshop, "results/other/broad/seed-1/theirs.md");
    mine(&workshop, "results/other/broad/seed-1/checkpoints/theirs.bin");
    std::fs::write(workshop.path("results/small/wide/seed-1/NOTES.md"), "notes").unwrap();
    std::fs::create_dir(workshop.path("results/small/wide/seed-1/analysis")).unwrap();
    std::fs::write(workshop.path("results/small/wide/seed-1/analysis/a.txt"), "analysis").unwrap();
    let told = workshop.run(&["sweep", "small.toml"]).expect(0);
    let told =
        told.says("small/wide/seed-1: the unfinished run is in results/.superseded/small/wide/seed-1-");
    told.says("the same trial finished in results/other/broad/seed-1");
    let place = workshop.path("results/.superseded/small/wide");
    let place = place.join(&names(&place)[0]);
    assert_eq!(std::fs::read(place.join("NOTES.md")).unwrap(), b"notes");
    assert_eq!(std::fs::read(place.join("analysis/a.txt")).unwrap(), b"analysis");
    let taken = Contents::of(&workshop.path("results/small/wide/seed-1")).unwrap();
    assert_eq!(taken.foreign, [] as [PathBuf; 0], "what is the user's is not copied either");
    workshop.run(&["verify", "results/small/wide/seed-1"]).expect(0);
}

#[test]
fn rows_that_the_sweep_no_longer_has_are_moved_away_and_come_back_with_them() {
    let workshop = Workshop::swept(SWEEP);
    let records = workshop.text("results/small/records.jsonl");
    let wide = workshop.path("results/small/wide");
    mine(&workshop, "results/small/notes/seed-1/notes.txt");
    // One of its runs is not finished.
    std::fs::remove_file(wide.join("seed-2/record.json")).unwrap();
    let attempts = || workshop.attempts("results/small/wide/seed-2").len();
    let before = attempts();
    workshop.write("small.toml", &without_wide());
    let told = workshop.run(&["sweep", "small.toml"]).expect(0);
    told.says(
        "wide/seed-1: the sweep no longer has it; the run is in results/.superseded/small/wide/seed-1-",
    );
    assert!(!wide.exists(), "TensorBoard would show it");
    assert_mine(&workshop, "results/small/notes/seed-1/notes.txt");
    assert_eq!(workshop.text("results/small/records.jsonl").lines().count(), 2);
    // The records move with the runs.
    let retired = workshop.text("results/.superseded/small/records.jsonl");
    assert!(retired.lines().count() == 2 && retired.lines().all(|line| records.contains(line)), "{retired}");

    workshop.write("small.toml", SWEEP);
    let told = workshop.run(&["sweep", "small.toml"]).expect(0);
    let told = told.says("wide seed 1: the same trial finished in results/.superseded/small/wide/seed-1-");
    told.says(
        "wide seed 2: goes on with the run that had been moved to results/.superseded/small/wide/seed-2-",
    );
    assert_eq!((before, attempts()), (1, 2));
    assert_eq!(workshop.text("results/small/records.jsonl"), records);
}

#[test]
fn records_stay_unless_contradicted_and_what_is_damaged_is_named() {
    let workshop = Workshop::swept(SWEEP);
    let records = workshop.text("results/small/records.jsonl");
    let path = workshop.path("results/small/base/seed-2/record.json");
    let sound = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, sound.replacen("\"steps\": 14", "\"steps\": 15", 1)).unwrap();
    for words in [&["table", "small.toml"][..], &["report", "small.toml"]] {
        workshop.run(words).expect(0).says("base/seed-2/record.json is damaged (its checksum does not fit)");
    }
    let table = workshop.text("results/small/table.md");
    assert!(table.contains("not in the table: base seed 2 (record.json is damaged (its checksum"), "{table}");
    assert!(workshop.text("results/small/report.html").contains("not in the table: base seed 2"));
    assert_eq!(workshop.text("results/small/records.jsonl"), records);
    std::fs::remove_file(&path).unwrap();
    workshop.run(&["table", "small.toml"]).expect(0);
    let table = workshop.text("results/small/table.md");
    assert!(table.contains("base seed 2 (it has no finished run, and records.jsonl its record"), "{table}");

    // Only the records are there, as in a repository, with one line that cannot be read.
    ["base", "wide"].iter().for_each(|row| {
        std::fs::remove_dir_all(workshop.path(format!("results/small/{row}"))).unwrap();
    });
    workshop.write("results/small/records.jsonl", &format!("{{\"cut\n{records}"));
    let told = workshop.run(&["sweep", "small.toml", "--only", "base/seed-1"]).expect(0);
    // The line where it is since the first finished trial added its record.
    told.says("results/small/records.jsonl:5: not a record");
    assert_eq!(workshop.text("results/small/records.jsonl"), format!("{records}{{\"cut\n"));
}

#[test]
fn outputs_replace_nothing_but_earlier_outputs() {
    let workshop = Workshop::swept(SWEEP);
    let refused = |out: &str, why: &str| {
        workshop.run(&["report", "small.toml", "--out", out]).expect(2).says(why);
    };
    for own in ["small.toml", "results/small/base/seed-1/record.json", "results/small/table.md"] {
        let before = workshop.read(own);
        refused(own, "is there already and is not a report of ablate");
        assert_eq!(before, workshop.read(own));
    }
    refused("/dev/null", "is a device");
    symlink("page.html", workshop.path("link.html")).unwrap();
    refused("link.html", "is a symbolic link");
    workshop.write("page.html", "<!DOCTYPE html>\n<title>My page</title>\n");
    refused("page.html", "is not a report of ablate");
    workshop.write("page.html", "");
    let report = ["report", "small.toml", "--out", "page.html", "--figures", "figures"];
    workshop.run(&report).expect(0);
    workshop.run(&report).expect(0);
    workshop.write("figures/rows.svg", "<svg/>");
    workshop.run(&report).expect(2).says("rows.svg is there already and is not a figure of ablate");
    std::fs::remove_file(workshop.path("figures/rows.svg")).unwrap();
    workshop.run(&report).expect(2).says("rows.png is there already");

    workshop.run(&["man", "--out", "man"]).expect(0);
    workshop.run(&["man", "--out", "man"]).expect(0);
    workshop.write("man/ablate-train.1", ".TH mine 1");
    workshop.run(&["man", "--out", "man"]).expect(2).says("ablate-train.1 is there already");
    // Files with the names of tables in a folder that no sweep made: of one sweep, and of several.
    workshop.write("other.toml", SWEEP);
    mine(&workshop, "results/other/table.md");
    workshop
        .run(&["sweep", "other.toml", "--plan"])
        .expect(2)
        .says("but table.md, which the sweep would replace");
    workshop.run(&["sweep", "other.toml"]).expect(2).says("is not the directory of a sweep");
    assert_eq!(names(&workshop.path("results/other")), ["table.md"]);
    let both = ["table", "small.toml", "other.toml", "--out", "tables"];
    mine(&workshop, "tables/table.csv");
    workshop.run(&both).expect(2).says("table.csv is there already and is not a table of ablate");
}

/// Covers each file that the program writes in place instead of replacing it by a new file.
#[test]
fn nothing_is_written_through_a_link() {
    let workshop = Workshop::swept(SWEEP);
    let linked = |name: &str| {
        let _ = std::fs::remove_file(workshop.path(name));
        symlink(workshop.path("precious.txt"), workshop.path(name)).unwrap();
    };
    // Without a final line end: a torn line of a ledger would be cut off.
    std::fs::write(workshop.path("precious.txt"), "mine: precious.txt").unwrap();
    for name in [".lock", "ledger.jsonl"] {
        let path = format!("results/small/{name}");
        let kept = workshop.read(&path);
        linked(&path);
        for words in [&["sweep", "small.toml"][..], &["tensorboard", "small.toml"]] {
            workshop.run(words).expect(2).says("is a symbolic link, and ablate writes through none");
        }
        if name == ".lock" {
            let outcome = workshop.run(&["clean", "small.toml", "--yes"]);
            assert_ne!(outcome.code(), Some(0), "{}", outcome.out());
        }
        assert_mine(&workshop, "precious.txt");
        std::fs::remove_file(workshop.path(&path)).unwrap();
        std::fs::write(workshop.path(&path), kept).unwrap();
    }
    for folder in ["results/small", BASE] {
        let events =
            names(&workshop.path(folder)).into_iter().find(|name| name.contains("tfevents")).unwrap();
        linked(&format!("{folder}/{events}"));
    }
    workshop.run(&["tensorboard", "small.toml"]).expect(0);
    assert_mine(&workshop, "precious.txt");
    // The log of a run that starts again.
    std::fs::remove_file(workshop.path(format!("{BASE}/record.json"))).unwrap();
    linked(&format!("{BASE}/log.txt"));
    let outcome = workshop.run(&["sweep", "small.toml"]);
    assert_ne!(outcome.code(), Some(0));
    assert!(outcome.err().contains("writes through none"), "{}", outcome.err());
    assert_mine(&workshop, "precious.txt");
}

#[test]
fn a_place_that_no_row_can_have_is_found_before_anything_is_trained() {
    let workshop = Workshop::new();
    workshop.write("small.toml", SWEEP);
    let wide = workshop.path("results/small/wide");
    std::fs::create_dir_all(workshop.path("results/small/base")).unwrap();
    let refused = |words: &str| {
        for plan in [&["sweep", "small.toml", "--plan"][..], &["sweep", "small.toml"]] {
            workshop.run(plan).expect(2).says(words);
        }
        assert!(names(&workshop.path("results/small/base")).is_empty(), "something was trained");
        std::fs::remove_file(&wide).unwrap();
    };
    std::fs::write(&wide, "a file").unwrap();
    refused("is no directory, and the runs of row \"wide\"");
    symlink("/nowhere", &wide).unwrap();
    refused("is no directory, and the runs of row \"wide\"");
    symlink("base", &wide).unwrap();
    refused("share one directory");
}
