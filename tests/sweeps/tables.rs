//! Tables and comparisons: made of run directories, in every format, and repeated.

use crate::common::{Outcome, Workshop};
use ablate::results::metric::{METRICS, of_tasks};
use ablate::results::table_layout::columns;
use ablate::train::TaskKind;
use serde_json::Value;
use std::collections::BTreeSet;

const TABLE3: &str = r#"
base = "quiet.toml"
seeds = [1, 2]
workers = 2
set = { "training.steps" = 8 }

[table]
layout = "table3"
paper = "table3"

[[row]]
label = "base"
paper = "base"

[[row]]
label = "A-h1"
group = "A"
paper = "A-h1"
set = { "model.heads" = 1 }

[[row]]
label = "E-learned"
group = "E"
paper = "E-learned"
set = { "model.position" = "learned" }
"#;

const FILES: [&str; 3] = ["table.md", "table.tex", "table.csv"];

/// Returns a metric of a run, which is named by its path.
fn metric(workshop: &Workshop, run: &str, tag: &str) -> f64 {
    workshop.record(run)["metrics"][tag].as_f64().unwrap()
}

#[test]
fn table_3_is_made_of_run_directories_alone_and_again_to_the_byte() {
    let workshop = Workshop::swept(TABLE3);
    let files = || FILES.map(|file| workshop.text(format!("results/small/{file}")));
    let first = files();
    let shown = workshop.run(&["table", "small.toml"]).expect(0).out();
    assert_eq!(first, files());
    assert!(shown.lines().all(|line| line.chars().count() <= 100), "{shown}");
    let [markdown, latex, csv] = &first;

    // The paper's columns, blank where a row equals the base.
    let row = |label: &str| {
        markdown.lines().find(|line| line.contains(&format!("| {label} |"))).unwrap().to_string()
    };
    assert!(markdown.starts_with("| group | row | N | d_model | d_ff | h | d_k | d_v | P_drop | ε_ls | steps | PPL (dev) | BLEU (dev) | params ×10⁶ |\n"));
    assert!(
        row("base").starts_with("|  | base | 1 | 16 | 16 | 2 | 8 | 8 | 0.1 | 0.1 | 8 | "),
        "{}",
        row("base")
    );
    assert!(row("A-h1").starts_with("| (A) | A-h1 |  |  |  | 1 | 16 | 16 |  |  |  | "), "{}", row("A-h1"));
    assert!(
        row("E-learned").starts_with("| (E) | E-learned | position=learned |  |  |"),
        "{}",
        row("E-learned")
    );
    assert!(
        latex.contains("\\multicolumn{9}{c}{position=learned}") && latex.matches("\\toprule").count() == 4,
        "{latex}"
    );

    // Values and tests equal those of the records and of `ablate score`.
    let table = workshop.run(&["table", "small.toml", "--json"]).expect(0).json();
    let cell = &table["rows"][1]["cells"][1];
    let scores = [1, 2].map(|seed| metric(&workshop, &format!("results/small/A-h1/seed-{seed}"), "dev/bleu"));
    assert_eq!(cell["summary"]["values"], serde_json::json!(scores));
    assert_eq!(
        (&cell["comparison"]["base"], &cell["comparison"]["sentences"]["pairs"]),
        (&"base".into(), &2.into())
    );
    assert_eq!(table["significance"]["missing"], serde_json::json!([]));
    assert_eq!(table["verdicts"][1]["group"], "E");
    assert!(table["rows"][0]["cost"]["counted_flops"].as_f64().unwrap() > 0.0);
    // Batches, and with them padding, depend on the seed; the plan prices the first seed.
    let record = workshop.record("results/small/base/seed-1");
    let counted = record["training_flops"].as_f64().unwrap();
    let of_translation = of_tasks(&METRICS, &[TaskKind::Translation]);
    // A column can be any value of a record: these two and the metrics, one of which is the best value measured in
    // training, and one is measured only by length (tests/runs/lengths.rs).
    let metrics = record["metrics"].as_object().unwrap().keys().cloned();
    let others = ["parameters", "steps", "best/dev_perplexity", "dev/exact_match", "test/exact_match"]
        .map(String::from);
    assert_eq!(metrics.chain(others).collect::<BTreeSet<_>>(), BTreeSet::from_iter(columns(&of_translation)));
    assert_eq!(workshop.plan("small.toml")["rows"][0]["price"]["training_flops"], counted);
    assert!(csv.starts_with("row,group,changes,finished,seeds,model.position,model.layers,"), "{csv}");
    assert!(
        markdown.contains("**not judged: below 5 BLEU**")
            && markdown.contains("Welch's t-test")
            && markdown.contains("fingerprint `")
    );
}

#[test]
fn a_report_draws_differences_beside_the_papers() {
    let workshop = Workshop::swept(TABLE3);
    let files = workshop.run(&["report", "small.toml", "--figures", "figures"]).expect(0).out();
    assert!(files.contains("figures/differences.svg"), "{files}");
    let figure = workshop.text("figures/differences.svg");
    assert!(figure.contains("the paper's difference, on WMT 2014"), "{figure}");
    // The paper's 24.9 for one head is 0.9 below its base.
    assert!(figure.contains("<title>−0.9</title>"), "{figure}");
    assert!(
        workshop
            .text("results/small/report.html")
            .contains("Differences to the base row, here and in the paper")
    );
}

#[test]
fn a_table_that_cannot_be_written_is_shown_all_the_same() {
    let workshop = Workshop::swept(TABLE3);
    let shown = workshop.run(&["table", "small.toml"]).expect(0).out();
    // A file cannot replace a directory, whoever made it.
    std::fs::remove_file(workshop.path("results/small/table.md")).unwrap();
    std::fs::create_dir(workshop.path("results/small/table.md")).unwrap();
    let outcome = workshop.run(&["table", "small.toml"]).expect(1).says("its files are not written: cannot ");
    assert_eq!(outcome.out(), shown);
}

#[test]
fn a_table_that_cannot_be_shown_is_written_all_the_same() {
    let workshop = Workshop::swept(TABLE3);
    let paths = FILES.map(|file| workshop.path(format!("results/small/{file}")));
    for words in [&["table", "small.toml"][..], &["table", "small.toml", "--json"], &["sweep", "small.toml"]]
    {
        paths.iter().for_each(|path| std::fs::remove_file(path).unwrap());
        let mut command = workshop.command(words);
        command.stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
        let outcome = Outcome(
            command.stderr(std::process::Stdio::piped()).spawn().unwrap().wait_with_output().unwrap(),
        );
        outcome.expect(1).says("cannot write standard output: No space left on device");
        assert!(paths.iter().all(|path| path.is_file()), "{words:?}");
    }
    // Events are printed while the sweep runs, which continues without them.
    let mut command = workshop.command(&["sweep", "small.toml", "--json"]);
    command.stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let outcome =
        Outcome(command.stderr(std::process::Stdio::piped()).spawn().unwrap().wait_with_output().unwrap());
    let said = outcome.expect(0).err();
    assert_eq!(said.matches("warning: cannot write events to standard output").count(), 1, "{said}");
}

#[test]
fn one_seed_is_tested_over_sentences_as_ablate_score_tests_it() {
    let sweep = TABLE3
        .replace("seeds = [1, 2]", "seeds = [1]")
        .replace("layout = \"table3\"\npaper", "columns = [\"test/bleu\"]\npaper");
    let workshop = Workshop::swept(&sweep);
    let table = workshop.run(&["table", "small.toml", "--json"]).expect(0).json();
    let found = &table["rows"][1]["cells"][0]["comparison"];
    let references = workshop.data_folder().join("test.target.txt");
    let words = [
        "score",
        "--hyp",
        "results/small/base/seed-1/hypotheses/test.txt",
        "results/small/A-h1/seed-1/hypotheses/test.txt",
        "--ref",
        references.to_str().unwrap(),
        "--paired-ar",
        "--json",
    ];
    let scored = workshop.run(&words).expect(0).json();
    let expected = &scored["systems"][1]["bleu"];
    let close = |a: &Value, b: f64| (a.as_f64().unwrap() - b).abs() < 1e-9;
    let baseline = scored["systems"][0]["bleu"]["score"].as_f64().unwrap();
    assert!(close(&found["difference"], expected["score"].as_f64().unwrap() - baseline));
    // With barely trained models ties are frequent: the table's test counts them, that of `ablate score` does not.
    let (ours, theirs) = (found["sentences"]["p"].as_f64().unwrap(), expected["p_value"].as_f64().unwrap());
    assert!(ours >= theirs && ours <= 1.0, "{ours} {theirs}");
    assert!(found["seeds"].is_null());
    let verdict = &table["verdicts"];
    assert_eq!(verdict, &serde_json::json!([]));
}

#[test]
fn without_the_corpus_rows_are_not_compared_and_the_table_says_why() {
    let workshop = Workshop::swept(TABLE3);
    let shown = workshop.without_data(|workshop| workshop.run(&["table", "small.toml"]).expect(0).out());
    assert!(shown.contains("significance not tested: the corpus tiny is not prepared in data"), "{shown}");
    let markdown = workshop.text("results/small/table.md");
    assert!(!markdown.contains("Against the base row") && markdown.contains("Against the paper's Table 3"));

    // Translations that differ from the record are no evidence.
    workshop.write("results/small/A-h1/seed-2/hypotheses/dev.txt", "forged\n");
    let table = workshop.run(&["table", "small.toml", "--json"]).expect(0).json();
    assert!(
        table["rows"][1]["cells"][1]["comparison"].is_null()
            && !table["rows"][2]["cells"][1]["comparison"].is_null()
    );
    assert!(table["significance"]["missing"][0].as_str().unwrap().contains("dev.txt is not as recorded"));
}

const TABLE2: &str = r#"
base = "quiet.toml"
seeds = [1]
set = { "training.steps" = 8 }

[table]
layout = "table2"
paper = "table2"

[table.peak_tflops]
DEVICE = 0.05

[[section]]
label = "en-de"

[[section.row]]
label = "base"
paper = "base"

[[section.row]]
label = "big"
paper = "big"
set = { "model.d_ff" = 32 }

[[section]]
label = "en-fr"
set = { "data.recipe" = "fr.toml" }

[[section.row]]
label = "base"
paper = "base"
"#;

const FRENCH: &str = "name = \"fr\"\nsource_language = \"en\"\ntarget_language = \"fr\"\n\
    [corpus.generated]\ntrain = 200\ndev = 9\ntest = 9\nseed = 4\n";

#[test]
fn table_2_has_systems_by_language_pairs_from_sections_or_from_sweeps() {
    let workshop = Workshop::new();
    workshop.write("fr.toml", FRENCH);
    workshop.write("small.toml", &TABLE2.replace("DEVICE", "\"no such device\""));
    workshop.run(&["sweep", "small.toml"]).expect(0);
    let table = workshop.run(&["table", "small.toml", "--json"]).expect(0).json();
    assert_eq!(table["pairs"], serde_json::json!(["en-de", "en-fr"]));
    assert_eq!(table["systems"][0]["name"], "base");
    let device =
        table["systems"][0]["results"][0][1]["cost"]["unknown_peaks"][0].as_str().unwrap().to_string();
    workshop.write("small.toml", &TABLE2.replace("DEVICE", &format!("{device:?}")));
    let table = workshop.run(&["table", "small.toml", "--json"]).expect(0).json();
    let cost = &table["systems"][0]["results"][0][1]["cost"];
    assert!(cost["measured_flops"].as_f64().unwrap() > 0.0 && cost["counted_flops"].as_f64().unwrap() > 0.0);
    let markdown = workshop.text("results/small/table.md");
    for line in [
        "| system | BLEU en-de | BLEU en-fr | FLOPs by count en-de |",
        "| paper: ByteNet | 23.75 |  |",
        "| paper: Transformer (big) | 28.4 | 41.8 |",
    ] {
        assert!(markdown.contains(line), "{line}\n{markdown}");
    }
    // Each system is compared with the base on its own pair.
    assert_eq!(table["systems"][1]["results"][0][1]["bleu"]["comparison"]["base"], "en-de,base");

    // The same table from two sweeps.
    let (sections, _) = TABLE2.split_once("[[section]]\nlabel = \"en-fr\"").unwrap();
    let german = sections
        .replace("DEVICE", &format!("{device:?}"))
        .replace("[[section]]\nlabel = \"en-de\"\n", "")
        .replace("section.row", "row");
    let (start, _) = german.split_once("[[row]]\nlabel = \"big\"").unwrap();
    let french =
        start.replace("\"training.steps\" = 8", "\"training.steps\" = 8, \"data.recipe\" = \"fr.toml\"");
    workshop.write("de.toml", &german);
    workshop.write("french.toml", &french);
    for sweep in ["de.toml", "french.toml"] {
        workshop.run(&["sweep", sweep]).expect(0);
    }
    let both = workshop.run(&["table", "de.toml", "french.toml", "--out", "both", "--json"]).expect(0).json();
    for system in [0, 1] {
        let summary = |table: &Value| table["systems"][system]["results"][0][1]["bleu"]["summary"].clone();
        assert_eq!(summary(&both), summary(&table));
    }
    assert!(FILES.iter().all(|file| workshop.path(format!("both/{file}")).exists()));
    workshop.run(&["table", "de.toml", "de.toml"]).expect(2).says("are both the system \"base\" on en-de");
    workshop.write(
        "list.toml",
        &german
            .replace("layout = \"table2\"\npaper = \"table2\"", "")
            .replace("paper = \"base\"", "")
            .replace("paper = \"big\"", ""),
    );
    workshop.run(&["sweep", "list.toml"]).expect(0);
    workshop.run(&["table", "list.toml", "de.toml"]).expect(2).says("layout = \"table2\" under [table]");
    workshop
        .run(&["table", "de.toml", "--out", "x"])
        .expect(2)
        .says("--out is for the table of several sweeps, or a part of one");
}

#[test]
fn rows_and_runs_are_compared_with_tests_sentences_and_lengths() {
    let workshop = Workshop::swept(TABLE3);
    let rows = ["compare", "results/small/base", "results/small/A-h1"];
    let found = workshop.run(&[&rows[..], &["--json"]].concat()).expect(0).json();
    assert_eq!(found["systems"][0]["seeds"], serde_json::json!([1, 2]));
    let keys: Vec<&str> =
        found["configuration"].as_array().unwrap().iter().map(|c| c["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["model.d_k", "model.d_v", "model.heads"]);
    let scores = found["scores"].as_array().unwrap();
    let bleu = scores.iter().find(|score| score["tag"] == "test/bleu").unwrap();
    let values =
        [1, 2].map(|seed| metric(&workshop, &format!("results/small/base/seed-{seed}"), "test/bleu"));
    assert_eq!(bleu["summaries"][0]["values"], serde_json::json!(values));
    // The table has the same test.
    let table = workshop.run(&["table", "small.toml", "--json"]).expect(0).json();
    let dev = scores.iter().find(|score| score["tag"] == "dev/bleu").unwrap();
    assert_eq!(dev["sentences"], table["rows"][1]["cells"][1]["comparison"]["sentences"]);
    assert_eq!(dev["seeds"], table["rows"][1]["cells"][1]["comparison"]["seeds"]);
    for buckets in ["by_source_length", "by_reference_length"] {
        let sizes =
            found[buckets].as_array().unwrap().iter().map(|bucket| bucket["sentences"].as_u64().unwrap());
        assert_eq!(sizes.sum::<u64>(), 12, "{found}");
    }
    for pair in found["sentences"].as_array().unwrap() {
        assert_ne!(pair["translations"][0], pair["translations"][1]);
    }
    let text = workshop.run(&rows).expect(0).out();
    assert!(text.starts_with("A  results/small/base: seeds 1, 2; "), "{text}");
    assert!(text.contains("model.heads") && text.contains("  reference "), "{text}");

    // One run has no test over seeds; a run does not differ from itself.
    let run = "results/small/base/seed-1";
    let same =
        workshop.run(&["compare", run, run, "--json", "--split", "dev", "--by", "bleu"]).expect(0).json();
    assert_eq!(
        (&same["configuration"], &same["sentences"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );
    let bleu =
        &same["scores"].as_array().unwrap().iter().find(|score| score["tag"] == "dev/bleu").unwrap().clone();
    assert_eq!((&bleu["sentences"]["p"], &bleu["seeds"]), (&1.0.into(), &Value::Null));
}

#[test]
fn what_does_not_compare_is_refused() {
    let workshop = Workshop::swept(TABLE3);
    let base = "results/small/base";
    workshop.run(&["compare", base, "results/none"]).expect(2).says("there is no directory results/none");
    workshop.run(&["compare", base, "results/small"]).expect(2).says("is neither a finished run nor a row");
    workshop.write("fr.toml", FRENCH);
    workshop
        .run(&[
            "train",
            "tiny.toml",
            "--set",
            "data.recipe=fr.toml",
            "--set",
            "training.steps=4",
            "--name",
            "fr",
        ])
        .expect(0);
    workshop.run(&["compare", base, "results/fr/seed-1"]).expect(2).says(
        "translate different dev sentences, of tiny and fr: compare runs that were scored on the same text",
    );
    workshop
        .run(&[
            "train",
            "tiny.toml",
            "--set",
            "data.lowercase=true",
            "--set",
            "training.steps=4",
            "--name",
            "low",
        ])
        .expect(0);
    workshop.run(&["compare", base, "results/low/seed-1"]).expect(2).says("are scored differently");
    // A row has one configuration.
    std::fs::rename(workshop.path("results/low/seed-1"), workshop.path("results/small/base/seed-3")).unwrap();
    workshop.run(&["compare", base, base]).expect(2).says("differ in more than the seed");
    std::fs::remove_file(workshop.path("results/small/base/seed-3/record.json")).unwrap();
    workshop.run(&["compare", base, base]).expect(0).says("seed-3 is not finished and is left out");
    // Equal text can be compared, whatever the merges.
    workshop
        .run(&[
            "train",
            "tiny.toml",
            "--set",
            "data.merges=50",
            "--set",
            "training.steps=4",
            "--name",
            "merges",
        ])
        .expect(0);
    workshop.run(&["compare", base, "results/merges/seed-1"]).expect(0);
}

#[test]
fn scores_of_different_signatures_stand_in_one_table_and_are_never_compared() {
    let sweep = "base = \"tiny.toml\"\nseeds = [1]\nset = { \"training.steps\" = 4, \"training.dev_bleu_interval_steps\" = 2 }\n\
                 [[row]]\nlabel = \"base\"\n\
                 [[row]]\nlabel = \"lowercased\"\nset = { \"data.lowercase\" = true }\n\
                 [[row]]\nlabel = \"merges\"\nset = { \"data.merges\" = 50 }\n";
    let workshop = Workshop::swept(sweep);
    let markdown = workshop.text("results/small/table.md");
    for expected in [
        "BLEU of different signatures does not compare.",
        "BLEU of base, merges: `nrefs:1|case:mixed|",
        "BLEU of lowercased: `nrefs:1|case:lc|",
        "significance not tested: no base row was scored on the text of lowercased",
    ] {
        assert!(markdown.contains(expected), "no {expected:?} in\n{markdown}");
    }
    let csv = workshop.text("results/small/table.csv");
    let signatures: Vec<&str> = csv.lines().map(|line| line.rsplit(',').next().unwrap()).collect();
    assert!(signatures[0] == "BLEU signature" && signatures[2].contains("|case:lc|"), "{csv}");
    let table = workshop.run(&["table", "small.toml", "--json"]).expect(0).json();
    assert_eq!(table["signature"], Value::Null);
    assert!(table["rows"][1]["signature"].as_str().unwrap().contains("|case:lc|"));
    // Other merges make other tokens of the same text, so BLEU compares.
    let bleu =
        table["columns"].as_array().unwrap().iter().position(|column| column["name"] == "test/bleu").unwrap();
    let compared = |row: usize| &table["rows"][row]["cells"][bleu]["comparison"]["base"];
    assert_eq!([compared(1), compared(2)], [&Value::Null, &Value::from("base")]);
    let page = workshop.run(&["report", "small.toml", "--out", "r.html"]).expect(0);
    assert!(
        workshop.text("r.html").contains("Scored otherwise, and left out: lowercased."),
        "{}",
        page.err()
    );
}
