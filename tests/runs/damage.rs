//! Files that were cut or changed after they were written: the damage is found, reported, and mended or refused.

use crate::common::runs::{RUN, SHOWN_FILES, assert_same_run};
use crate::common::{Workshop, files_below, names};

/// A run that was stopped by a signal after `step`.
fn stopped(step: u64) -> Workshop {
    let workshop = Workshop::new();
    assert_eq!(workshop.train_until(step, libc::SIGTERM), Some(75));
    workshop
}

fn change(workshop: &Workshop, file: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let path = workshop.path(format!("{RUN}/{file}"));
    let mut bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

fn flip(bytes: &mut [u8]) {
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
}

#[track_caller]
fn assert_same(whole: &Workshop, other: &Workshop, told: &str) {
    let further = [&["config.toml"][..], &SHOWN_FILES].concat();
    assert_same_run(&whole.path(RUN), &other.path(RUN), &further, told);
}

#[test]
fn a_damaged_record_is_kept_aside_and_the_trial_scored_again() {
    let whole = Workshop::trained();
    let other = Workshop::trained();
    change(&other, "record.json", |bytes| bytes.truncate(bytes.len() / 2));
    other.run(&["train", "tiny.toml"]).expect(0).says("record.json is damaged").says("going on from step 40");
    assert_same(&whole, &other, "a cut record");
    assert_eq!(other.first_steps(RUN), [0, 40]);
    assert!(other.path(format!("{RUN}/record.json.damaged")).exists());
    // Without checkpoints the record could not be made again: the user must decide.
    std::fs::remove_dir_all(other.path(format!("{RUN}/checkpoints"))).unwrap();
    change(&other, "record.json", |bytes| flip(bytes));
    other.run(&["train", "tiny.toml"]).expect(1).says("record.json is damaged");
    assert_eq!(other.first_steps(RUN), [0, 40]);
}

#[test]
fn a_finished_run_with_a_damaged_configuration_gets_it_back() {
    let whole = Workshop::trained();
    let other = Workshop::trained();
    change(&other, "config.toml", |bytes| flip(bytes));
    other.run(&["verify", RUN]).expect(2).says("config.toml is damaged");
    other.run(&["train", "tiny.toml"]).expect(0).says("config.toml is damaged and is written anew");
    assert_same(&whole, &other, "a changed configuration");
    assert_eq!(other.first_steps(RUN), [0]);
}

#[test]
fn whatever_file_of_a_stopped_run_is_damaged_it_goes_on_and_says_so() {
    let whole = Workshop::trained();
    let other = stopped(18);
    let mut states = names(&other.path(format!("{RUN}/checkpoints"))).into_iter();
    let newest = states.rfind(|name| name.contains(".state.")).unwrap();
    let newest = format!("checkpoints/{newest}");
    type Damage = fn(&mut Vec<u8>);
    let cases: [(&str, Damage, &str); 7] = [
        // The identity on the first line: the run must not pass for that of another trial.
        ("config.toml", |bytes| bytes[20] ^= 1, "config.toml is damaged and is written anew"),
        ("config.toml", |bytes| bytes.truncate(30), "config.toml is damaged and is written anew"),
        ("metrics.csv", |bytes| bytes[40] ^= 1, "metrics.csv is damaged and restored from the checkpoint"),
        (
            "metrics.csv",
            |bytes| bytes.truncate(100),
            "metrics.csv is damaged and restored from the checkpoint",
        ),
        ("timing.csv", |bytes| bytes[20..60].fill(0xff), "damaged lines of"),
        ("timing.json", |bytes| bytes.truncate(50), "timing.json is damaged"),
        (&newest, |bytes| flip(bytes), "is damaged, trying the one before"),
    ];
    let saved = files_below(&other.path("results"));
    for (file, damage, says) in cases {
        std::fs::remove_dir_all(other.path("results")).unwrap();
        for (path, bytes) in &saved {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        change(&other, file, damage);
        other.run(&["train", "tiny.toml"]).expect(0).says(says).says("going on from step 1");
        assert_same(&whole, &other, &format!("damage in {file}"));
    }
}

#[test]
fn what_cannot_be_read_at_this_moment_is_not_taken_for_damaged() {
    let whole = Workshop::trained();
    let other = stopped(37);
    // No user can read a folder as bytes; permissions would not stop the superuser.
    let out_of_reach = |file: &str, says: &str| {
        let path = other.path(format!("{RUN}/{file}"));
        let aside = path.with_extension("aside");
        std::fs::rename(&path, &aside).unwrap();
        std::fs::create_dir(&path).unwrap();
        let before = files_below(&other.path("results"));
        other.run(&["train", "tiny.toml"]).expect(1).says(says);
        let gone: Vec<_> = before.iter().filter(|(path, _)| !path.exists()).collect();
        assert!(gone.is_empty(), "{file}: {gone:?}");
        std::fs::remove_dir(&path).unwrap();
        std::fs::rename(&aside, &path).unwrap();
    };
    let checkpoints = names(&other.path(format!("{RUN}/checkpoints")));
    for ending in [".state.safetensors", ".weights.safetensors"] {
        let newest = checkpoints.iter().rfind(|name| name.ends_with(ending)).unwrap();
        out_of_reach(&format!("checkpoints/{newest}"), &format!("{newest}: Is a directory"));
    }
    out_of_reach("checkpoints/step-00000028.weights.safetensors", "Is a directory");
    other.run(&["train", "tiny.toml"]).expect(0).says("going on from step 37");
    assert_same(&whole, &other, "files out of reach");
    out_of_reach("record.json", "record.json: Is a directory");
    assert_same(&whole, &other, "a record out of reach");
}

#[test]
fn where_no_checkpoint_serves_the_run_is_refused_not_begun_anew() {
    let other = stopped(37);
    // The mean needs steps 28, 35 and 40, and training on from 35 does not make 28 again.
    change(&other, "checkpoints/step-00000028.weights.safetensors", |bytes| flip(bytes));
    let refused = other.run(&["train", "tiny.toml"]).expect(1).says("step-00000028.weights.safetensors");
    assert!(refused.err().contains("the final average needs it"), "{}", refused.err());
    assert!(refused.err().contains("remove the run's directory to train again"), "{}", refused.err());
    assert_eq!(other.first_steps(RUN), [0]);

    let folder = other.path(format!("{RUN}/checkpoints"));
    for (path, mut bytes) in files_below(&folder) {
        flip(&mut bytes);
        std::fs::write(path, bytes).unwrap();
    }
    other.run(&["train", "tiny.toml"]).expect(1).says("no checkpoint in");
    // Lost states differ from states that never existed.
    for (path, _) in files_below(&folder) {
        if path.to_string_lossy().contains(".state.") {
            std::fs::remove_file(path).unwrap();
        }
    }
    other.run(&["train", "tiny.toml"]).expect(1).says("no checkpoint in");
    assert_eq!(other.first_steps(RUN), [0]);
}

/// Puts the checkpoints of another run in place of those of `run`, or only the files whose names contain `what`.
fn take_checkpoints(workshop: &Workshop, from: &str, run: &str, what: &str) {
    for (path, bytes) in files_below(&workshop.path(format!("{from}/checkpoints"))) {
        if path.to_string_lossy().contains(what) {
            let name = path.file_name().unwrap();
            std::fs::write(workshop.path(format!("{run}/checkpoints")).join(name), bytes).unwrap();
        }
    }
}

#[test]
fn checkpoints_of_another_trial_are_refused_and_told() {
    const OTHER: &str = "results/tiny/seed-2";
    let workshop = Workshop::trained();
    workshop.run(&["train", "tiny.toml", "--set", "training.seed=2"]).expect(0);
    let saved = files_below(&workshop.path(RUN));
    let restore = || saved.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());

    // All checkpoints, in an unfinished run: nothing is trained, and nothing is removed.
    std::fs::remove_file(workshop.path(format!("{RUN}/record.json"))).unwrap();
    take_checkpoints(&workshop, OTHER, RUN, "");
    let before = files_below(&workshop.path(format!("{RUN}/checkpoints")));
    let refused = workshop.run(&["train", "tiny.toml"]).expect(2);
    assert!(
        refused.err().contains("step-00000040.state.safetensors was saved by another trial"),
        "{}",
        refused.err()
    );
    assert!(refused.err().contains("or remove the run's directory"), "{}", refused.err());
    assert!(before == files_below(&workshop.path(format!("{RUN}/checkpoints"))));
    assert_eq!(workshop.first_steps(RUN), [0]);

    // A checkpoint that only the average needs.
    restore();
    std::fs::remove_file(workshop.path(format!("{RUN}/record.json"))).unwrap();
    take_checkpoints(&workshop, OTHER, RUN, "step-00000028.weights");
    workshop
        .run(&["train", "tiny.toml"])
        .expect(2)
        .says("step-00000028.weights.safetensors was saved by another");

    // A finished run; then with scored weights, configuration and record of the other run.
    restore();
    workshop.run(&["verify", RUN]).expect(0);
    take_checkpoints(&workshop, OTHER, RUN, "step-");
    let found = workshop.run(&["verify", RUN]).expect(1).out();
    assert!(
        found.contains("DIFFERS  checkpoints: step-00000028.weights.safetensors was saved by another"),
        "{found}"
    );
    take_checkpoints(&workshop, OTHER, RUN, "scored");
    workshop.run(&["translate", RUN]).expect(1).says("scored.weights.safetensors is not as recorded");
    workshop
        .run(&["export", RUN, "--format", "safetensors", "--out", "out"])
        .expect(1)
        .says("not as recorded");
    assert!(!workshop.path("out").exists());
    restore();
    workshop.write(&format!("{RUN}/config.toml"), &workshop.text(format!("{OTHER}/config.toml")));
    workshop.run(&["verify", RUN]).expect(2).says("config.toml and record.json are of different trials");
    restore();
    workshop
        .write(&format!("{RUN}/hypotheses/test.txt"), &workshop.text(format!("{OTHER}/hypotheses/test.txt")));
    workshop.run(&["score", RUN]).expect(1).says("test.txt is not as recorded");
    restore();
    std::fs::remove_file(workshop.path(format!("{RUN}/record.json"))).unwrap();
    workshop.run(&["train", "tiny.toml"]).expect(0).says("going on from step 40");
    let record = saved.iter().find(|(path, _)| path.ends_with("record.json")).unwrap();
    assert!(*record.1 == workshop.read(format!("{RUN}/record.json")));
}

#[test]
fn a_run_whose_checkpoints_are_gone_is_not_begun_anew() {
    let workshop = Workshop::trained();
    std::fs::remove_file(workshop.path(format!("{RUN}/record.json"))).unwrap();
    for (path, _) in files_below(&workshop.path(format!("{RUN}/checkpoints"))) {
        std::fs::remove_file(path).unwrap();
    }
    let metrics = workshop.text(format!("{RUN}/metrics.csv"));
    let refused = workshop.run(&["train", "tiny.toml"]).expect(1);
    assert!(
        refused.err().contains("metrics.csv goes to step 40, and the first checkpoint is saved at step 7")
    );
    assert!(refused.err().contains("put its checkpoints back, or remove"), "{}", refused.err());
    assert_eq!(metrics, workshop.text(format!("{RUN}/metrics.csv")));
    std::fs::remove_file(workshop.path(format!("{RUN}/metrics.csv"))).unwrap();
    workshop.run(&["train", "tiny.toml"]).expect(1).says("timing.json says that it stood at step 40");
    assert_eq!(workshop.first_steps(RUN), [0]);
}

#[test]
fn every_file_that_is_shown_of_a_finished_run_is_verified() {
    let workshop = Workshop::trained();
    workshop.run(&["verify", RUN]).expect(0);
    for file in [
        "metrics.csv",
        "views.jsonl",
        "attention.json",
        "positions.json",
        "projector/vectors.tsv",
        "projector/labels.tsv",
        "projector_config.pbtxt",
    ] {
        let whole = workshop.text(format!("{RUN}/{file}"));
        change(&workshop, file, |bytes| flip(bytes));
        let found = workshop.run(&["verify", RUN]).expect(1).says("does not hold").out();
        assert!(found.contains(&format!("DIFFERS  {file}: its content changed")), "{found}");
        std::fs::remove_file(workshop.path(format!("{RUN}/{file}"))).unwrap();
        let found = workshop.run(&["verify", RUN]).expect(1).out();
        assert!(found.contains(&format!("DIFFERS  {file}: it is missing")), "{found}");
        workshop.write(&format!("{RUN}/{file}"), &whole);
    }
    workshop.run(&["verify", RUN]).expect(0);
}

#[test]
fn what_cannot_be_computed_of_a_damaged_run_is_told_beside_all_other_checks() {
    let workshop = Workshop::trained();
    let file = format!("{RUN}/hypotheses/test.txt");
    let whole = workshop.text(&file);
    let verified = |options: &[&str]| {
        let words = [&["verify", RUN][..], options].concat();
        workshop.run(&words).expect(1).says("does not hold").out()
    };
    let path = workshop.path(&file);
    let damages: [&dyn Fn(); 4] = [
        &|| workshop.write(&file, &format!("{whole}one more\n")),
        &|| std::fs::write(&path, b"not UTF-8: \xff\n").unwrap(),
        &|| std::fs::remove_file(&path).unwrap(),
        &|| std::fs::create_dir(&path).unwrap(),
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        damage();
        let found = verified(&[]);
        for line in [
            "holds    weights",
            "holds    dev/bleu",
            "DIFFERS  hypotheses/test.txt: ",
            "unknown  test scores: not computed: hypotheses/test.txt is not as recorded",
        ] {
            assert!(found.contains(line), "damage {number} without {line:?}:\n{found}");
        }
    }
    let found = verified(&["--decode"]);
    assert!(found.contains("holds    dev decoded again"), "{found}");
    assert!(
        found.contains("unknown  test decoded again: not computed: hypotheses/test.txt is not"),
        "{found}"
    );
    std::fs::remove_dir(&path).unwrap();
    // Files with equal numbers of lines are compared line by line; another number of lines differs as a whole.
    workshop.write(&file, &format!("{whole}one more\n"));
    let found = verified(&["--decode"]);
    assert!(
        found.contains("DIFFERS  test decoded again: ") && found.contains("lines, recorded are"),
        "{found}"
    );
    workshop.write(&file, &whole);

    std::fs::write(workshop.data_folder().join("test.target.txt"), "cut").unwrap();
    let found = verified(&["--decode"]);
    for line in [
        "DIFFERS  data: ",
        "holds    dev/bleu",
        "unknown  test scores: not computed: data is not as recorded",
        "unknown  decoded again: not computed: data is not as recorded",
    ] {
        assert!(found.contains(line), "without {line:?}:\n{found}");
    }
}

#[test]
fn damaged_data_is_named_before_anything_is_trained() {
    let other = stopped(18);
    for file in ["train.store", "tokenizer.json", "manifest.json", "test.target.txt"] {
        let path = other.data_folder().join(file);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        other.run(&["train", "tiny.toml"]).expect(2).says(file).says("run `ablate prepare` again");
        std::fs::write(&path, bytes).unwrap();
    }
    assert_eq!(other.first_steps(RUN), [0]);
    other.run(&["train", "tiny.toml"]).expect(0);
    assert_same(&Workshop::trained(), &other, "damage in the data that was undone");
}

#[test]
fn a_damaged_ledger_costs_a_sweep_nothing() {
    let workshop = Workshop::new();
    let sweep = "base = \"tiny.toml\"\nseeds = [1]\nset = { \"training.steps\" = 4 }\n";
    workshop.write("small.toml", sweep);
    let first = workshop.run(&["sweep", "small.toml"]).expect(0);
    let path = workshop.path("results/small/ledger.jsonl");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[5] = 0xff;
    bytes.truncate(bytes.len() - 7);
    std::fs::write(&path, &bytes).unwrap();
    std::fs::remove_file(workshop.path("results/small/base/seed-1/record.json")).unwrap();
    let second = workshop.run(&["sweep", "small.toml"]).expect(0);
    assert_eq!(first.out(), second.out());
    let ledger = std::fs::read(&path).unwrap();
    let lines: Vec<_> = ledger.split_inclusive(|&byte| byte == b'\n').collect();
    assert!(lines[1..].iter().all(|line| serde_json::from_slice::<serde_json::Value>(line).is_ok()));
    assert_eq!(lines.len(), 3, "one of the first start, two of the second");
}
