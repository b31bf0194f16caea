//! `--reuse-records`: committed records stand for trials, and only for the very same.

use crate::common::Workshop;

const SWEEP: &str = r#"
base = "quiet.toml"
seeds = [1]
set = { "training.steps" = 8 }

[[row]]
label = "base"

[[row]]
label = "wide"
set = { "model.d_ff" = 24 }
"#;

/// Returns a workshop in which a sweep has run, and its records alone in a directory called `evidence/small`.
fn with_evidence() -> (Workshop, String) {
    let workshop = Workshop::swept(SWEEP);
    let records = workshop.text("results/small/records.jsonl");
    std::fs::create_dir_all(workshop.path("evidence/small")).unwrap();
    workshop.write("evidence/small/records.jsonl", &records);
    std::fs::remove_dir_all(workshop.path("results")).unwrap();
    (workshop, records)
}

#[test]
fn records_stand_for_trials_in_plan_table_and_status() {
    let (workshop, records) = with_evidence();
    let words = ["sweep", "small.toml", "--reuse-records", "evidence"];
    let plan = workshop.run(&[&words[..], &["--plan", "--json"]].concat()).expect(0).json();
    for trial in plan["trials"].as_array().unwrap() {
        assert_eq!((&trial["state"], &trial["updates_left"]), (&"recorded".into(), &0.into()));
        assert!(trial["why"].as_str().unwrap().contains("evidence/small/records.jsonl:"), "{trial}");
    }
    assert_eq!(plan["totals"]["finished"], 2);
    let text = workshop.run(&[&words[..], &["--plan"]].concat()).expect(0).out();
    assert!(text.contains("all finished, nothing to do"), "{text}");

    let outcome =
        workshop.run(&words).expect(0).says("all 2 trials are finished already (2 by committed records)");
    assert!(outcome.out().contains("committed records: all 2 trials by evidence/small/records.jsonl"));
    assert!(!workshop.path("results/small/base").exists(), "nothing was trained");
    assert_eq!(workshop.text("results/small/records.jsonl"), records);
    assert!(workshop.text("results/small/table.md").contains("committed records: all 2 trials by"));
    let status = workshop.run(&["status", "small.toml", "--json"]).expect(0).json();
    assert_eq!(status["states"]["recorded"], 2);

    // The ledger states it only once, and the table can be made again.
    let ledger = workshop.text("results/small/ledger.jsonl");
    workshop.run(&words).expect(0);
    assert_eq!(ledger, workshop.text("results/small/ledger.jsonl"));
    let table = workshop.run(&["table", "small.toml", "--reuse-records", "evidence"]).expect(0);
    assert_eq!(outcome.out().trim(), table.out().trim());

    // A missing test is reported once, not for every row.
    let missing = "committed records come without the translations";
    assert_eq!(outcome.out().matches(missing).count(), 1, "{}", outcome.out());
    assert!(!outcome.out().contains("is missing; is the run finished?"), "{}", outcome.out());

    // A report has the scores of committed records, and names what it leaves out.
    let words = ["report", "small.toml", "--reuse-records", "evidence", "--out", "report.html"];
    workshop.run(&words).expect(0);
    let report = workshop.text("report.html");
    assert!(report.contains("committed records: all 2 trials by"), "{report}");
    assert!(report.contains("Committed records have scores alone."), "{report}");
    // As in a clone, there are records without runs.
    let outcome =
        workshop.run(&["report", "small.toml"]).expect(2).says("holds no finished trial of this sweep");
    outcome.says("or take its records.jsonl with --reuse-records results/small");

    // Unused records are reported once.
    workshop.write("small.toml", &SWEEP.replace("seeds = [1]", "seeds = [2]"));
    let told = workshop
        .run(&["table", "small.toml", "--reuse-records", "evidence"])
        .expect(2)
        .says("note: --reuse-records: none of 2 records stands for a trial of this sweep");
    assert_eq!(told.err().matches("--reuse-records:").count(), 1, "{}", told.err());
    workshop.write("small.toml", SWEEP);

    // Without a prepared corpus, only the records tell which text they are of.
    let elsewhere = ["table", "small.toml", "--data", "none", "--reuse-records", "evidence"];
    let told = workshop
        .run(&elsewhere)
        .expect(0)
        .says("a corpus is not prepared, so the records alone say that they are of its text: tiny: ");
    assert_eq!(told.err().matches("--reuse-records:").count(), 1, "{}", told.err());
    assert!(told.out().contains("committed records: all 2 trials by"), "{}", told.out());
    let plan = ["sweep", "small.toml", "--plan", "--data", "none", "--reuse-records", "evidence"];
    let told = workshop.run(&plan).expect(0).says("the records alone say that they are of its text: tiny: ");
    assert!(told.out().contains("all finished, nothing to do"), "{}", told.out());

    // A table needs only the records: its directory is created.
    let words = ["table", "small.toml", "--results", "none/yet", "--reuse-records", "evidence"];
    assert!(workshop.run(&words).expect(0).out().contains("committed records: all 2 trials by"));
    assert_eq!(workshop.text("none/yet/small/records.jsonl"), records);
    assert!(workshop.path("none/yet/small/table.md").exists());
}

#[test]
fn a_corpus_of_files_is_needed_only_by_trials_without_a_record() {
    let workshop = Workshop::of_language_model();
    let sweep =
        "base = \"tiny.toml\"\nseeds = [1]\nset = { \"training.steps\" = 8 }\n[[row]]\nlabel = \"base\"\n";
    workshop.write("small.toml", sweep);
    workshop.run(&["sweep", "small.toml"]).expect(0);
    let elsewhere = ["--data", "none", "--results", "other", "--reuse-records", "results/small"];
    let words = [&["sweep", "small.toml"], &elsewhere[..]].concat();
    workshop.run(&words).expect(0).says("the trial is finished already (1 by committed records)").says(
        "the records alone say that they are of its text: text: run `ablate prepare tiny.toml --source DIR`",
    );

    workshop.write("small.toml", &sweep.replace("[1]", "[1, 2]"));
    workshop.run(&words).expect(2).says(
        "text is not prepared in none; run `ablate prepare tiny.toml --source DIR`, where DIR has its files",
    );
    let plan = workshop.run(&[&words[..], &["--plan", "--json"]].concat()).expect(0).json();
    assert_eq!(plan["totals"]["finished"], 1);
    assert_eq!(
        (&plan["trials"][0]["state"], &plan["trials"][1]["identity"]),
        (&"recorded".into(), &serde_json::Value::Null)
    );
}

#[test]
fn a_record_of_other_settings_seed_or_data_is_never_used() {
    let (workshop, _) = with_evidence();
    // One row changes, one keeps its settings under another label.
    let changed =
        SWEEP.replace("\"model.d_ff\" = 24", "\"model.d_ff\" = 28").replace("\"base\"", "\"renamed\"");
    workshop.write("small.toml", &changed);
    let words = ["sweep", "small.toml", "--reuse-records", "evidence/small/records.jsonl"];
    let outcome = workshop
        .run(&words)
        .expect(0)
        .says("2 trials, 1 finished already (1 by committed records); 1 to run");
    outcome.says("renamed seed 1: the record in evidence/small/records.jsonl:1 stands for it");
    assert!(workshop.path("results/small/wide/seed-1/record.json").exists());
    assert!(!workshop.path("results/small/renamed").exists());
    let records = workshop.text("results/small/records.jsonl");
    assert!(records.lines().next().unwrap().contains("\"label\":\"renamed\""), "{records}");
    for (from, to) in [("seeds = [1]", "seeds = [2]"), ("= 8 }", "= 8, \"data.merges\" = 61 }")] {
        workshop.write("small.toml", &SWEEP.replace(from, to));
        let plan = workshop.run(&[&words[..], &["--plan", "--json"]].concat()).expect(0).out();
        assert!(!plan.contains("recorded"), "{to}: {plan}");
        if from.starts_with("seeds") {
            let told = "note: --reuse-records: none of 2 records stands for a trial of this sweep";
            workshop.run(&[&words[..], &["--plan"]].concat()).expect(0).says(told);
        }
    }
}

#[test]
fn a_run_of_ones_own_comes_before_a_record_and_damage_is_refused() {
    let (workshop, records) = with_evidence();
    workshop.run(&["sweep", "small.toml", "--only", "base"]).expect(0);
    let words = ["sweep", "small.toml", "--reuse-records", "evidence"];
    let outcome = workshop.run(&words).expect(0).says("(1 by committed records)");
    assert!(outcome.out().contains("committed records: wide seed 1 by"), "{}", outcome.out());
    // A score, a setting, a seed and a label: all that a record says is covered by its checksum.
    let score = records.split("\"test/bleu\":").nth(2).unwrap().split(',').next().unwrap();
    let (before, after) = records.rsplit_once(&format!("\"test/bleu\":{score},")).unwrap();
    for (tampered, line) in [
        (format!("{before}\"test/bleu\":99.9,{after}"), 2),
        (records.replace("\"d_ff\":24", "\"d_ff\":16"), 2),
        (records.replacen("\"seed\":1", "\"seed\":2", 1), 1),
        (records.replacen("\"label\":\"base\"", "\"label\":\"else\"", 1), 1),
    ] {
        assert_ne!(tampered, records);
        workshop.write("evidence/small/records.jsonl", &tampered);
        let told = format!("evidence/small/records.jsonl:{line}: the record was changed");
        workshop.run(&words).expect(2).says(&told);
        workshop.run(&["table", "small.toml", "--reuse-records", "evidence"]).expect(2).says(&told);
    }
    let (start, _) = records.lines().next().unwrap().rsplit_once(",\"checksum\"").unwrap();
    workshop.write("evidence/small/records.jsonl", &format!("{start}}}\n"));
    workshop
        .run(&words)
        .expect(2)
        .says("records.jsonl:1: the record has no checksum")
        .says("`ablate table` writes");
    workshop.write("evidence/small/records.jsonl", &records[..records.len() - 40]);
    workshop.run(&words).expect(2).says("records.jsonl:2: not a record");
    workshop.run(&["sweep", "small.toml", "--reuse-records", "absent"]).expect(2).says(
        "absent: there is no such file or folder; expected a records.jsonl, or a folder with one in it",
    );
    std::fs::create_dir(workshop.path("empty")).unwrap();
    workshop
        .run(&["sweep", "small.toml", "--reuse-records", "empty"])
        .expect(2)
        .says("there is no records.jsonl");
}

/// With the counts of every sentence beside the records, a table is restored byte for byte without runs and text.
#[test]
fn a_table_comes_back_from_records_and_counts_alone() {
    let sweep = SWEEP.replace("seeds = [1]", "seeds = [1, 2]");
    let workshop = Workshop::swept(&sweep);
    let names = ["table.md", "table.csv", "table.tex", "records.jsonl", "sentence_counts.jsonl.gz"];
    let kept: Vec<Vec<u8>> = names.map(|name| workshop.read(format!("results/small/{name}"))).to_vec();
    assert!(workshop.text("results/small/table.md").contains("Against the base row"));
    let as_kept = || names.map(|name| workshop.read(format!("results/small/{name}"))).to_vec() == kept;
    for row in ["base", "wide"] {
        std::fs::remove_dir_all(workshop.path(format!("results/small/{row}"))).unwrap();
    }
    let words = ["table", "small.toml", "--data", "none", "--reuse-records", "results/small"];
    let out = workshop.run(&words).expect(0).out();
    assert!(out.contains("p (Holm)"), "{out}");
    assert!(as_kept(), "{out}");

    // One row is run again; the counts of the other stay.
    workshop.run(&["sweep", "small.toml", "--only", "base"]).expect(0);
    let sweep_again = ["sweep", "small.toml", "--reuse-records", "results/small"];
    workshop.run(&sweep_again).expect(0);
    assert!(as_kept());

    // Runs of other settings in the places of the trials are ignored.
    let places = ["evidence/small", "elsewhere"];
    std::fs::create_dir_all(workshop.path(places[0])).unwrap();
    for name in &names[3..] {
        std::fs::copy(
            workshop.path(format!("results/small/{name}")),
            workshop.path(format!("{}/{name}", places[0])),
        )
        .unwrap();
    }
    workshop.write("small.toml", &sweep.replace("steps\" = 8", "steps\" = 9"));
    workshop.run(&["sweep", "small.toml", "--results", places[1]]).expect(0);
    workshop.write("small.toml", &sweep);
    let words = ["table", "small.toml", "--results", places[1], "--reuse-records", "evidence", "--json"];
    let table = workshop.run(&words).expect(0).json();
    let words = ["table", "small.toml", "--reuse-records", "results/small", "--json"];
    let own = workshop.run(&words).expect(0).json();
    for row in [0, 1] {
        assert_eq!(table["rows"][row]["cells"], own["rows"][row]["cells"]);
    }
    assert!(table["rows"][1]["cells"].to_string().contains("p_corrected"), "{table}");

    // A sweep elsewhere takes the counts over with the records.
    let words = ["table", "small.toml", "--results", "other", "--reuse-records", "results"];
    assert!(workshop.run(&words).expect(0).out().contains("p (Holm)"));
    assert_eq!(workshop.read("other/small/sentence_counts.jsonl.gz"), kept[4]);

    // Damage is reported: with damaged counts of others the table has no test, and one's own are not overwritten.
    workshop.write("results/small/sentence_counts.jsonl.gz", "no archive");
    let words = ["table", "small.toml", "--results", "third", "--reuse-records", "results"];
    let out = workshop.run(&words).expect(0).out();
    assert!(out.contains("sentence_counts.jsonl.gz is damaged") && !out.contains("p (Holm)"), "{out}");
    workshop
        .run(&["table", "small.toml", "--reuse-records", "results/small"])
        .expect(1)
        .says("sentence_counts.jsonl.gz is damaged");
    assert_eq!(workshop.text("results/small/sentence_counts.jsonl.gz"), "no archive");
}
