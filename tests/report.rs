//! `ablate report`: the page of a small sweep.

mod common;

use common::Workshop;

const SWEEP: &str = r#"
#:schema sweep.json
# Do <layers> & widths matter?
#   ablate sweep s.toml
base = "tiny.toml"
seeds = [1, 2]
set = { "training.steps" = 20, "run.attention_sentences" = 0 }
[table]
columns = ["parameters", "dev/perplexity", "test/bleu"]
base = "layers=1"
[axes]
"model.layers" = [1, 2]
"#;

/// A finished sweep of two rows with two seeds.
fn swept() -> Workshop {
    let workshop = Workshop::new();
    workshop.write("s.toml", SWEEP);
    workshop.run(&["sweep", "s.toml"]).expect(0);
    workshop
}

/// The SVG pictures in a page.
fn pictures(page: &str) -> Vec<&str> {
    let parts = page.split("<svg ").skip(1);
    parts.map(|part| part.split("</svg>").next().unwrap()).collect()
}

#[test]
fn a_report_is_one_file_that_is_the_same_each_time() {
    let workshop = swept();
    let first = workshop.run(&["report", "s.toml", "--figures", "figures"]).expect(0);
    let page = workshop.text("results/s/report.html");
    workshop.run(&["report", "s.toml", "--out", "again/page.html", "--figures", "again"]).expect(0);
    assert!(page == workshop.text("again/page.html"), "the page is another the second time");

    // Nothing is loaded: the only addresses are names of formats and places in the page.
    for word in ["src=", "<script", "<link", "@import", "http"] {
        let used = page.match_indices(word).filter(|(at, _)| {
            !page[*at..].starts_with("http://www.w3.org/2000/svg") && !page[*at..].starts_with("http-equiv")
        });
        assert_eq!(used.count(), 0, "{word}");
    }
    let place = workshop.path("").to_string_lossy().into_owned();
    assert!(!page.contains(&place), "a path of this machine is in the page");
    assert!(page.contains("Do &lt;layers&gt; &amp; widths matter?"));
    assert!(page.contains("2 rows, 4 trials: 4 finished. Base row: layers=1."));
    assert!(page.contains("None: every trial of the sweep is finished."));

    // One score by row, one by the axis, one learning curve (dev BLEU is measured once), one by length.
    let drawn = pictures(&page);
    assert_eq!(drawn.len(), 4);
    let files: Vec<String> = first.out().lines().skip(1).map(String::from).collect();
    assert_eq!(files.len(), 2 * drawn.len());
    for file in ["rows", "axis-model-layers", "curves-dev-perplexity", "length"] {
        assert!(workshop.text(format!("figures/{file}.svg")).contains("@font-face"), "{file}");
        let png = workshop.read(format!("figures/{file}.png"));
        assert!(png.starts_with(b"\x89PNG"), "{file}");
        assert!(png == workshop.read(format!("again/{file}.png")), "{file} is another the second time");
    }

    // The values are those of the table.
    let table = workshop.text("results/s/table.md");
    for line in table.lines().filter(|line| line.starts_with("| layers=")).take(2) {
        for cell in line.split('|').map(str::trim).filter(|cell| cell.contains('±')) {
            assert!(page.contains(cell.trim_matches('*')), "{cell}");
        }
    }
}

#[test]
fn without_the_corpus_the_report_says_what_it_leaves_out() {
    let workshop = swept();
    std::fs::rename(workshop.path("data"), workshop.path("elsewhere")).unwrap();
    workshop.run(&["report", "s.toml"]).expect(0);
    let page = workshop.text("results/s/report.html");
    assert!(page.contains("Left out, because sources are missing"), "{page}");
    assert!(page.contains("Without sources and references, which are not prepared here."));
    assert_eq!(pictures(&page).len(), 3);
    workshop.run(&["report", "s.toml", "--data", "elsewhere"]).expect(0);
    assert_eq!(pictures(&workshop.text("results/s/report.html")).len(), 4);
}

#[test]
fn failures_and_trials_to_come_are_told() {
    let workshop = swept();
    let gone = workshop.path("results/s/layers=2/seed-2/record.json");
    std::fs::remove_file(gone).unwrap();
    let failure = r#"{"identity": "x", "kind": "diverged", "reason": "diverged", "detail": "loss <NaN>", "attempts": 2}"#;
    workshop.write("results/s/layers=2/seed-2/failure.json", failure);
    workshop.run(&["report", "s.toml"]).expect(0);
    let page = workshop.text("results/s/report.html");
    assert!(page.contains("4 trials: 3 finished, 1 failed"), "{page}");
    assert!(page.contains("diverged, after 2 attempts<pre>loss &lt;NaN&gt;</pre>"));
}

#[test]
fn what_cannot_be_reported_is_refused() {
    let workshop = Workshop::new();
    workshop.write("s.toml", "base = \"tiny.toml\"\nseeds = [1]\n");
    workshop.run(&["report", "s.toml"]).expect(2).says("holds no finished trial");
    workshop.run(&["report", "missing.toml"]).expect(2).says("missing.toml");
    std::fs::create_dir(workshop.path("folder")).unwrap();
    workshop.run(&["report", "s.toml", "--out", "folder"]).expect(2).says("is a directory");
}

#[test]
fn what_the_run_kept_is_drawn_and_what_was_changed_is_refused() {
    let workshop = Workshop::new();
    let sweep = "base = \"tiny.toml\"\nseeds = [1]\nset = { \"training.steps\" = 4, \"training.dev_interval_steps\" = 2, \
                 \"run.attention_heads\" = [2] }\n";
    workshop.write("s.toml", sweep);
    workshop.run(&["sweep", "s.toml"]).expect(0);
    workshop.run(&["report", "s.toml", "--figures", "figures"]).expect(0);
    let page = workshop.text("results/s/report.html");
    assert!(page.contains("encoder–decoder, layer 1, head 2"), "{page}");
    assert!(!page.contains("nothing tells whether"), "{page}");
    assert!(workshop.path("figures/attention-base-cross-layer-1-head-2.png").exists());
    let status = || {
        let text = workshop.run(&["status", "s.toml", "--json"]).expect(0).out();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["trials"][0]["train_loss"].clone()
    };
    assert!(status().is_number());

    let run = "results/s/base/seed-1";
    let change = |file: &str, from: &str, to: &str| {
        let text = workshop.text(format!("{run}/{file}"));
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{file}");
        workshop.write(&format!("{run}/{file}"), &changed);
        text
    };
    let events = |workshop: &Workshop| {
        let entries = std::fs::read_dir(workshop.path(run)).unwrap().map(|entry| entry.unwrap());
        let events = entries.filter(|entry| entry.file_name().to_string_lossy().contains("tfevents"));
        events.map(|entry| std::fs::read(entry.path()).unwrap()).collect::<Vec<_>>()
    };
    let shown = events(&workshop);
    for (file, from, to) in [
        ("metrics.csv", "2,dev/perplexity,", "2,dev/perplexity,1"),
        ("attention.json", "[1.0,", "[0.5,"),
        ("positions.json", "[[0.0,", "[[0.5,"),
        ("views.jsonl", "dev/samples", "dev/sample"),
    ] {
        let whole = change(file, from, to);
        let told = format!("{file} is not as recorded (its content changed)");
        workshop.run(&["tensorboard", "s.toml"]).expect(1).says(&told);
        assert!(shown == events(&workshop), "nothing is written anew");
        if file == "metrics.csv" || file == "attention.json" {
            workshop.run(&["report", "s.toml"]).expect(1).says(&told);
        }
        assert_eq!(status().is_number(), file != "metrics.csv", "{file}");
        workshop.write(&format!("{run}/{file}"), &whole);
    }

    // A record of an earlier version, and one of another seed.
    let path = workshop.path(run);
    let record = ablate::results::record::Record::load(&path).unwrap().unwrap();
    let mut old = record.clone();
    old.checksums.retain(|name, _| name == "weights" || name.starts_with("hypotheses/"));
    old.save(&path).unwrap();
    workshop.run(&["report", "s.toml"]).expect(0);
    assert!(workshop.text("results/s/report.html").contains("1 of the records are of an earlier version"));
    workshop.run(&["tensorboard", "s.toml"]).expect(0).says("1 runs were recorded by an earlier version");
    let verified = workshop.run(&["verify", run]).expect(0).out();
    assert!(verified.contains("unknown  metrics.csv: the record is of an earlier version"), "{verified}");
    ablate::results::record::Record { seed: 2, ..record }.save(&path).unwrap();
    workshop.run(&["table", "s.toml"]).expect(2).says("holds no finished trial");
}
