//! `ablate report`: the page of a small sweep.

use crate::common::{Workshop, names};

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
    Workshop::swept_as("s.toml", SWEEP)
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
    for word in ["src=", "<link", "@import", "http", "url(http", "fetch("] {
        let used = page.match_indices(word).filter(|(at, _)| {
            !page[*at..].starts_with("http://www.w3.org/2000/svg") && !page[*at..].starts_with("http-equiv")
        });
        assert_eq!(used.count(), 0, "{word}");
    }
    // One script, which the page's policy names by its hash.
    assert_eq!((page.matches("<script").count(), page.matches("script-src 'sha256-").count()), (1, 1));
    let place = workshop.path("").to_string_lossy().into_owned();
    assert!(!page.contains(&place), "a path of this machine is in the page");
    assert!(page.contains("Do &lt;layers&gt; &amp; widths matter?"));
    assert!(page.contains("2 rows, 4 trials: 4 finished. Base row: layers=1."));
    assert!(page.contains("None: every trial of the sweep is finished."));

    // One figure of scores by row, one by the axis, one learning curve (dev BLEU is measured once), one by length.
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

    // The values equal those of the table.
    let table = workshop.text("results/s/table.md");
    for line in table.lines().filter(|line| line.starts_with("| layers=")).take(2) {
        for cell in line.split('|').map(str::trim).filter(|cell| cell.contains('±')) {
            assert!(page.contains(cell.trim_matches('*')), "{cell}");
        }
    }
}

const GRID: &str = r#"
base = "tiny.toml"
seeds = [1]
set = { "training.steps" = 4, "training.dev_interval_steps" = 2, "run.attention_sentences" = 0 }
[axes]
"training.learning_rate_scale" = [0.5, 1.0]
"model.dropout" = [0.0, 0.1, 0.3]
"model.position" = ["sinusoidal", "none"]
"#;

/// A grid of twelve rows with given scores: positions matter most, then dropout.
fn grid() -> Workshop {
    let workshop = Workshop::new();
    workshop.write("grid.toml", GRID);
    workshop.run(&["sweep", "grid.toml"]).expect(0);
    for (index, row) in
        names(&workshop.path("results/grid")).iter().filter(|name| name.contains('=')).enumerate()
    {
        let path = workshop.path(format!("results/grid/{row}/seed-1"));
        let mut record = ablate::results::record::Record::load(&path).unwrap().unwrap();
        let dropout = if row.contains("dropout=0.3") { 5.0 } else { 0.0 };
        let score = 10.0 + 0.01 * index as f64 - dropout - if row.contains("none") { 8.0 } else { 0.0 };
        record.metrics.insert("test/bleu".into(), score);
        record.save(&path).unwrap();
    }
    workshop
}

#[test]
fn a_grid_is_shown_by_its_settings_and_no_row_is_lost() {
    let workshop = grid();
    let files = workshop.run(&["report", "grid.toml", "--figures", "figures"]).expect(0).out();
    let page = workshop.text("results/grid/report.html");
    let names: Vec<&str> =
        files.lines().filter_map(|line| line.strip_prefix("figures/")?.strip_suffix(".svg")).collect();
    assert_eq!(
        names,
        [
            "rows",
            "importance",
            "parallel",
            "pair-training-learning-rate-scale-model-dropout",
            "pair-model-position-training-learning-rate-scale",
            "pair-model-position-model-dropout",
            "axis-training-learning-rate-scale",
            "axis-model-dropout",
            "axis-model-position",
            "curves-dev-perplexity-learning-rate-scale-0-5-1-of-2",
            "curves-dev-perplexity-learning-rate-scale-1-0-2-of-2",
            "length-learning-rate-scale-0-5-1-of-2",
            "length-learning-rate-scale-1-0-2-of-2",
        ]
    );
    assert!(page.contains(
        "12 finished. No base row; others are shown beside the first row, learning_rate_scale=0.5,dropout=0.0,position=sinusoidal."
    ));
    assert!(page.contains("<h2>Settings against the first row</h2>"));
    // The table has a line for each row, and a column for each setting.
    assert_eq!(page.matches("<tr data-row=\"learning_rate_scale=").count(), 12);
    for heading in ["learning_rate_scale", "dropout", "position"] {
        assert!(page.contains(&format!(" data-key>{heading}</th>")), "{heading} is no column");
    }
    // Positions decide which rows are best, and the means say by how much.
    let importance = workshop.text("figures/importance.svg");
    assert!(importance.find(">position<") < importance.find(">dropout<"), "{importance}");
    assert!(page.contains("<td>position</td><td>sinusoidal</td>"), "{page}");
    // Every row is a line of the parallel coordinates, and a point of each setting's figure.
    assert_eq!(workshop.text("figures/parallel.svg").matches("<title>").count(), 12);
    for setting in ["training-learning-rate-scale", "model-dropout", "model-position"] {
        let figure = workshop.text(format!("figures/axis-{setting}.svg"));
        assert_eq!(figure.matches("<title>").count(), 12, "{setting}");
    }
    let curves: String = names
        .iter()
        .filter(|name| name.starts_with("curves"))
        .map(|name| workshop.text(format!("figures/{name}.svg")))
        .collect();
    // The base row is in both figures.
    assert_eq!(curves.matches("stroke-linejoin").count(), 13);
}

#[test]
fn the_script_makes_the_sweep_again_in_an_empty_folder() {
    let workshop = Workshop::new();
    std::fs::create_dir_all(workshop.path("mine/recipes")).unwrap();
    let (recipe, rest) = {
        let text = crate::common::EXPERIMENT;
        let (before, after) = text.split_once("[data.recipe]\n").unwrap();
        let (recipe, after) = after.split_once("[model]").unwrap();
        (
            recipe.replace("[data.recipe.corpus", "[corpus"),
            format!("{before}recipe = \"recipes/it's.toml\"\n[model]{after}"),
        )
    };
    workshop.write("mine/recipes/it's.toml", &recipe);
    workshop.write("mine/x.toml", &rest);
    workshop.write("mine/part.toml", "[[row]]\nlabel = \"deep\"\nset = { \"model.layers\" = 2 }\n");
    let sweep = "# Again & <again>?\nbase = \"x.toml\"\nseeds = [1]\ninclude = [\"part.toml\"]\n[[row]]\nlabel = \"base\"\n";
    workshop.write("mine/s.toml", sweep);
    let sets = ["--set", "training.steps=4"];
    workshop.run(&[&["sweep", "mine/s.toml"], &sets[..]].concat()).expect(0);
    workshop.run(&[&["report", "mine/s.toml"], &sets[..]].concat()).expect(0);
    let page = workshop.text("results/s/report.html");
    let script = page.split("<pre id=\"again\">").nth(1).unwrap().split("</pre>").next().unwrap();
    let script =
        script.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");

    let clone = Workshop::new();
    std::fs::remove_file(clone.path("tiny.toml")).unwrap();
    for folder in ["scripts", "bin"] {
        std::fs::create_dir(clone.path(folder)).unwrap();
    }
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ablate"), clone.path("scripts/ablate")).unwrap();
    // The folder is not a clone: this git only notes its arguments.
    clone.write("bin/git", "#!/bin/sh\necho \"$@\" >> asked\n");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(clone.path("bin/git"), executable).unwrap();
    clone.write("again.sh", &script);
    let path = format!("{}:{}", clone.path("bin").display(), std::env::var("PATH").unwrap());
    let mut bash = std::process::Command::new("bash");
    bash.args(["-eu", "again.sh"]).current_dir(clone.path("")).env("PATH", path);
    let output = bash.env_remove("ABLATE_DATA").env_remove("ABLATE_RESULTS").output().unwrap();
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
    // A build outside of a repository has no commit.
    assert_eq!(script.contains("git checkout "), clone.path("asked").exists());
    assert_eq!(clone.text("again/s.toml"), sweep);
    for file in ["table.csv", "base/seed-1/metrics.csv", "deep/seed-1/metrics.csv"] {
        assert_eq!(
            clone.text(format!("results/s/{file}")),
            workshop.text(format!("results/s/{file}")),
            "{file}"
        );
    }
    assert!(clone.text("results/s/report.html").contains("Again &amp; &lt;again&gt;?"));
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

    // Attempts of earlier calls count, as in the status.
    let attempt = serde_json::json!({ "host": "here", "process": 1, "started": 1.0, "ended": 2.0, "from_step": 0,
        "outcome": "failed" });
    let attempts = serde_json::json!([attempt, attempt, attempt]).to_string();
    workshop.write("results/s/layers=2/seed-2/timing.json", &attempts);
    workshop.run(&["report", "s.toml"]).expect(0);
    assert!(workshop.text("results/s/report.html").contains("diverged, after 3 attempts<pre>"));
}

#[test]
fn a_sweep_that_was_run_with_other_settings_is_not_said_to_be_missing() {
    let workshop = Workshop::new();
    workshop.write("s.toml", "base = \"tiny.toml\"\nseeds = [1, 2]\n");
    let set = ["--set", "training.steps=8"];
    workshop.run(&[&["sweep", "s.toml"][..], &set].concat()).expect(0);
    for command in ["table", "report"] {
        let told = workshop.run(&[command, "s.toml"]).expect(2).err();
        assert!(
            told.contains(
                "results/s holds no finished trial of this sweep, but 2 finished trials with other settings \
                 (training.steps 8, not 40); if the sweep was run with --set, give the same --set here"
            ),
            "{told}"
        );
        workshop.run(&[&[command, "s.toml"][..], &set].concat()).expect(0);
    }
    // Runs are shown in TensorBoard as they are; the summary of the sweep would be empty.
    let told = workshop.run(&["tensorboard", "s.toml"]).expect(0).err();
    assert!(told.contains("2 finished trials with other settings (training.steps 8, not 40)"), "{told}");
    let told = workshop.run(&[&["tensorboard", "s.toml"][..], &set].concat()).expect(0).err();
    assert!(!told.contains("other settings"), "{told}");
}

#[test]
fn what_cannot_be_reported_is_refused() {
    let workshop = Workshop::new();
    workshop.write("s.toml", "base = \"tiny.toml\"\nseeds = [1]\n");
    workshop.run(&["report", "s.toml"]).expect(2).says("of this sweep; run `ablate sweep s.toml`");
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
    assert!(page.contains("encoder-decoder attention, layer 1") && page.contains(">head 2<"), "{page}");
    assert!(!page.contains("nothing tells whether"), "{page}");
    assert!(workshop.path("figures/attention-base-encoder-decoder-layer-1.png").exists());
    let status = || {
        let status = workshop.run(&["status", "s.toml", "--json"]).expect(0).json();
        status["trials"][0]["train_loss"].clone()
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
    workshop.run(&["tensorboard", "s.toml"]).expect(0).says("1 run recorded by an earlier version");
    let verified = workshop.run(&["verify", run]).expect(0).out();
    assert!(verified.contains("unknown  metrics.csv: the record is of an earlier version"), "{verified}");
    ablate::results::record::Record { seed: 2, ..record }.save(&path).unwrap();
    workshop.run(&["table", "s.toml"]).expect(2).says("holds no finished trial");
}
