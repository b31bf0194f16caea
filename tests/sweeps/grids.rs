//! Tables of grids: a column for each setting, rows chosen and sorted, two settings against each other.

use crate::common::Workshop;
use serde_json::Value;

const FILES: [&str; 3] = ["table.md", "table.tex", "table.csv"];

fn json(workshop: &Workshop, words: &[&str]) -> Value {
    workshop.run(words).expect(0).json()
}

const GRID: &str = r#"
base = "quiet.toml"
seeds = [1, 2]
workers = 2
set = { "training.steps" = 4, "training.dev_bleu_interval_steps" = 0 }

[axes]
"training.learning_rate_scale" = [0.5, 2.0]
"model.dropout" = [0.0, 0.2]
"model.position" = ["none"]
"decoding.beam" = [1, 2]
"#;

#[test]
fn a_grid_has_a_column_for_each_setting_that_varies_in_every_form() {
    let workshop = Workshop::swept(GRID);
    // Directories have the whole label; settings that are the same everywhere have no column.
    let first = "learning_rate_scale=0.5,dropout=0.0,position=none,beam=1";
    assert!(workshop.path(format!("results/small/{first}/seed-2/record.json")).exists());
    let shown = workshop.run(&["table", "small.toml"]).expect(0).out();
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with(" learning_  dropout  beam  n "), "{shown}");
    assert!(lines[1].starts_with("rate_scale ") && lines[1].contains(" perplexity"), "{shown}");
    assert!(lines[3].starts_with("       0.5      0.0     1  2  "), "{shown}");
    // Notes below the table are wrapped on a terminal.
    let mut of_table = lines.iter().take_while(|line| !line.starts_with('±'));
    assert!(of_table.all(|line| line.chars().count() <= 80), "{shown}");
    assert!(shown.contains("In every row: parameters ×10⁶ 0.01, steps 4, position=none."), "{shown}");
    for column in ["row", "what changed", "position"] {
        assert!(!lines[..3].concat().contains(column), "{column} in\n{shown}");
    }

    let [markdown, latex, csv] = FILES.map(|file| workshop.text(format!("results/small/{file}")));
    let head = "| learning_rate_scale | dropout | beam | n | dev/perplexity | dev/bleu | test/bleu |\n| --: | --: | --: | --: |";
    assert!(markdown.starts_with(head) && markdown.contains("\n| 0.5 | 0.0 | 1 | 2 | "), "{markdown}");
    for words in [
        "\\caption{Dev perplexity, dev BLEU and test BLEU by learning rate scale, dropout and beam (sweep small, on tiny). \
         Mean and sample standard deviation over 2 seeds.}",
        "\\label{tab:small}",
        "learning rate scale & dropout & beam & n & PPL (dev) & BLEU (dev) & BLEU (test)",
        "\\resizebox{\\linewidth}",
    ] {
        assert!(latex.contains(words), "{words} in\n{latex}");
    }
    let header = "row,group,changes,finished,seeds,training.learning_rate_scale,model.dropout,decoding.beam,parameters,";
    assert!(csv.starts_with(header), "{csv}");
    let line = csv.lines().find(|line| line.starts_with(&format!("\"{first}\","))).unwrap();
    assert!(line.contains(",2,2,0.5,0.0,1,"), "{line}");

    let table = json(&workshop, &["table", "small.toml", "--json"]);
    let names: Vec<_> = table["settings"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["learning_rate_scale", "dropout", "beam"]);
    let settings =
        serde_json::json!({ "decoding.beam": 1, "model.dropout": 0.0, "training.learning_rate_scale": 0.5 });
    assert_eq!((&table["rows"][0]["settings"], &table["rows"][0]["name"]), (&settings, &Value::Null));
    let plan = workshop.run(&["sweep", "small.toml", "--plan"]).expect(0).out();
    assert!(plan.starts_with(" learning_  dropout  beam  done"), "{plan}");
    let words: Vec<&str> = plan.split_whitespace().collect();
    assert!(words.join(" ").contains(", position = \"none\" 8 rows, 16 trials"), "{plan}");
}

#[test]
fn rows_of_a_grid_are_chosen_sorted_and_set_against_each_other() {
    let workshop = Workshop::swept(GRID);
    fn table<'a>(words: &[&'a str]) -> Vec<&'a str> {
        [&["table", "small.toml"], words].concat()
    }
    let whole = FILES.map(|file| workshop.text(format!("results/small/{file}")));
    let best =
        json(&workshop, &table(&["--where", "beam=2", "--sort", "dev/perplexity", "--top", "2", "--json"]));
    let all = json(&workshop, &table(&["--json"]));
    let column =
        all["columns"].as_array().unwrap().iter().position(|column| column["name"] == "dev/perplexity");
    let mean = |row: &Value| row["cells"][column.unwrap()]["summary"]["mean"].as_f64().unwrap();
    let mut expected: Vec<&Value> =
        all["rows"].as_array().unwrap().iter().filter(|row| row["settings"]["decoding.beam"] == 2).collect();
    expected.sort_by(|a, b| mean(a).total_cmp(&mean(b)));
    let labels: Vec<&Value> = best["rows"].as_array().unwrap().iter().map(|row| &row["label"]).collect();
    assert_eq!(labels, [&expected[0]["label"], &expected[1]["label"]]);
    let text = workshop
        .run(&table(&["--where", "beam=2", "--sort", "dev/perplexity", "--top", "2"]))
        .expect(0)
        .out();
    assert!(text.contains("2 of 8 rows with beam=2, by dev/perplexity, the lowest first."), "{text}");

    // Two settings against each other, and the third in tables of its own.
    let pivot = table(&["--pivot", "dropout,learning_rate_scale", "--metric", "dev/perplexity"]);
    let text = workshop.run(&pivot).expect(0).out();
    for beam in [1, 2] {
        let title = format!("dev/perplexity by dropout and learning_rate_scale: beam={beam}\n");
        assert!(text.contains(&title), "{text}");
    }
    let found = json(&workshop, &[&pivot[..], &["--json"]].concat());
    let cell = &found["panels"][1]["lines"][0]["cells"][1];
    let label = "learning_rate_scale=2.0,dropout=0.0,position=none,beam=2";
    let row = all["rows"].as_array().unwrap().iter().find(|row| row["label"] == label).unwrap();
    assert_eq!((&cell["row"], &cell["summary"]), (&label.into(), &row["cells"][column.unwrap()]["summary"]));
    assert_eq!(
        (&found["panels"][1]["settings"], &cell["wanted"]),
        (&serde_json::json!({ "decoding.beam": 2 }), &2.into())
    );

    // The files beside the runs stay complete; a part is written to `--out`.
    workshop.run(&[&pivot[..], &["--where", "beam=1", "--out", "part"]].concat()).expect(0);
    let csv = workshop.text("part/table.csv");
    let header = "model.dropout,training.learning_rate_scale=0.5,training.learning_rate_scale=0.5 sd,";
    assert!(csv.starts_with(header) && csv.lines().count() == 3, "{csv}");
    let latex = workshop.text("part/table.tex");
    assert!(
        latex.contains("\\caption{Dev perplexity by dropout and learning rate scale (sweep small)."),
        "{latex}"
    );
    assert_eq!(whole, FILES.map(|file| workshop.text(format!("results/small/{file}"))));

    for (words, says) in [
        (&["--where", "dropout"][..], "--where \"dropout\": write KEY=VALUE, as in dropout=0.1"),
        (
            &["--where", "droput=0.2"],
            "did you mean \"dropout\"? they differ in learning_rate_scale, dropout, beam, row",
        ),
        (&["--where", "dropout=0.3"], "no row has this; the values of dropout are 0.0, 0.2"),
        (&["--where", "position=none"], "the rows do not differ in \"position\""),
        (
            &["--sort", "test/blue"],
            "the table has no such column; did you mean \"test/bleu\"? it has parameters, steps, dev/",
        ),
        (&["--top", "3"], "--sort"),
        (&["--sort", "test/bleu", "--top", "0"], "0 is not in 1.."),
        (&["--pivot", "dropout"], "--pivot \"dropout\": name two settings, as in dropout,heads"),
        (&["--pivot", "dropout,heads"], "--pivot heads: the rows do not differ in \"heads\"; they differ in"),
        (&["--pivot", "dropout,beam", "--metric", "bleu"], "--metric bleu: the table has no such column"),
        (&["--metric", "test/bleu"], "--pivot"),
        (&["--out", "x"], "--out is for the table of several sweeps, or a part of one"),
    ] {
        workshop.run(&table(words)).expect(2).says(says);
    }
    workshop
        .run(&["table", "small.toml", "small.toml", "--sort", "row"])
        .expect(2)
        .says("are for the table of one sweep");
    assert!(!workshop.path("x").exists());
}
