//! `ablate complexity`: its files, its numbers apart from times, and the inputs that it refuses.

use crate::common::{Workshop, names};
use serde_json::Value;

const SMALL: [&str; 13] = [
    "complexity",
    "--widths",
    "8,16",
    "--lengths",
    "16,32,64",
    "--heads",
    "2",
    "--repeat",
    "1",
    "--threads",
    "1",
    "--device",
    "cpu",
];

fn with<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [&SMALL[..], words].concat()
}

#[test]
fn tables_and_pictures_of_all_layers_are_written_and_written_again() {
    let workshop = Workshop::new();
    let sizes = ["--radius", "5", "--mixtures", "4", "--block", "2", "--out", "table1"];
    let shown = workshop.run(&with(&sizes)).expect(0);
    for words in ["As stated, as counted and as found", "restricted self-attention", "Extended Neural GPU"] {
        assert!(shown.out().contains(words), "{}", shown.out());
    }
    assert!(shown.err().contains("BigBird, n 64: longest path 2 layers"), "{}", shown.err());
    let mut wanted =
        ["complexity.csv", "complexity.json", "complexity.md", "complexity.tex", "exponents.csv"]
            .map(String::from)
            .to_vec();
    for name in ["memory-d16", "memory-d8", "operations-d16", "operations-d8", "paths", "time-d16", "time-d8"]
    {
        wanted.extend([format!("{name}.png"), format!("{name}.svg")]);
    }
    assert_eq!(names(&workshop.path("table1")), wanted);
    for name in &wanted {
        assert!(shown.out().contains(&format!("table1/{name}\n")), "{name}");
    }
    assert_eq!(workshop.text("table1/complexity.csv").lines().count(), 1 + 8 * 2 * 3);
    assert!(workshop.text("table1/complexity.tex").contains("\\begin{tabular}"));
    // It overwrites its own files.
    let again = workshop.run(&with(&["--layers", "linformer", "--out", "table1", "--json"])).expect(0);
    let report = again.json();
    let kept: Value = serde_json::from_str(&workshop.text("table1/complexity.json")).unwrap();
    assert_eq!(report, kept);
    assert_eq!(report["request"]["layers"], serde_json::json!(["linformer"]));
}

#[test]
fn the_numbers_of_a_report_belong_together() {
    let workshop = Workshop::new();
    let words = with(&[
        "--layers",
        "self-attention,recurrent,convolutional,dilated,restricted,neural-gpu",
        "--radius",
        "5",
        "--json",
    ]);
    let report = workshop.run(&words).expect(0).json();
    let found = |part: &str, layer: &str| -> Vec<Value> {
        let all = report[part].as_array().unwrap();
        all.iter().filter(|entry| entry["layer"] == layer).cloned().collect()
    };
    for layer in ["self-attention", "recurrent", "convolutional", "dilated", "restricted"] {
        let points = found("points", layer);
        assert_eq!(points.len(), 2 * 3, "{layer}");
        for point in points {
            let measured = |name: &str| point["measured"][name].as_f64().unwrap();
            for name in ["forward_seconds", "training_seconds", "peak_bytes"] {
                assert!(measured(name) > 0.0, "{layer}: {name}");
            }
            assert_eq!(measured("passes"), 1.0);
        }
    }
    let layers =
        |layer| found("paths", layer).iter().map(|path| path["layers"].as_i64().unwrap()).collect::<Vec<_>>();
    assert_eq!(layers("self-attention"), [1, 1, 1]);
    assert_eq!(layers("recurrent"), [1, 1, 1]);
    assert_eq!(layers("restricted"), [8, 16, 32]);
    assert_eq!(layers("convolutional"), [15, 31, 63]);
    assert_eq!(layers("dilated"), [4, 4, 5]);
    let steps: Vec<Value> = found("paths", "recurrent").iter().map(|path| path["steps"].clone()).collect();
    assert_eq!(steps, [16, 32, 64]);
    // 4n²d and 8nd² of the paper's layer, 16nd² of LSTM cells.
    let flops = |layer| found("points", layer)[2]["flops"].clone();
    assert_eq!(flops("self-attention")["term"], 4.0 * 64.0 * 64.0 * 8.0);
    assert_eq!(flops("self-attention")["total"], 4.0 * 64.0 * 64.0 * 8.0 + 8.0 * 64.0 * 8.0 * 8.0);
    assert_eq!(flops("recurrent")["total"], 16.0 * 64.0 * 8.0 * 8.0);
    assert_eq!(flops("convolutional")["total"], 4.0 * 3.0 * 64.0 * 8.0 * 8.0);
    let counted = &found("points", "neural-gpu")[0];
    assert!(counted["measured"].is_null() && found("depths", "neural-gpu").is_empty(), "{counted}");
}

#[test]
fn what_cannot_be_measured_is_refused_before_any_work() {
    let workshop = Workshop::new();
    for (words, said) in [
        (vec!["--widths", "64,65"], "--widths 65 is not divisible by --heads 8"),
        (vec!["--lengths", "many"], "invalid value 'many'"),
        (vec!["--layers", "attention"], "possible values: self-attention, recurrent"),
        (vec!["--layers", "recurrent,recurrent"], "twice"),
        (vec!["--kernel", "1"], "--kernel 1 is out of range: use 2 to"),
        (vec!["--seconds", "-1"], "--seconds -1 is out of range: use 0 to"),
        (vec!["--radius", "-3"], "--radius -3 is out of range: use 2 to"),
        (vec!["--threads", "5000"], "5000 is not in 0..=4096"),
        (vec!["--device", "tpu"], "none of"),
    ] {
        let words = [vec!["complexity", "--out", "made"], words].concat();
        let refused = workshop.run(&words).expect(2).says(said);
        assert!(!refused.err().contains("longest path"), "{words:?}: {}", refused.err());
    }
    assert!(!workshop.path("made").exists());
    // Files of the user's with the name of a table or of a picture, and a file where a directory is needed.
    ["mine", "drawn"].iter().for_each(|folder| std::fs::create_dir(workshop.path(folder)).unwrap());
    workshop.write("mine/complexity.md", "mine");
    workshop.write("drawn/time-d8.png", "mine");
    workshop.write("file", "mine");
    for (folder, said) in [
        ("mine", "mine/complexity.md is there already and is not a table of ablate"),
        ("drawn", "drawn/time-d8.png is there already and is not a figure of ablate"),
        ("file", "--out file is a file; name a directory"),
    ] {
        workshop.run(&with(&["--out", folder])).expect(2).says(said);
    }
    assert_eq!(names(&workshop.path("mine")), ["complexity.md"]);
    assert_eq!(workshop.text("drawn/time-d8.png"), "mine");
}
