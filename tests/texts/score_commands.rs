//! `ablate score` with sacreBLEU's words prints what sacreBLEU prints.

use crate::common::Workshop;
use ablate::commands::score::words;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::OsString;

/// Content of the file that `scripts/make_score_command_fixtures.py` writes.
#[derive(Deserialize)]
struct Fixture {
    sacrebleu: String,
    files: BTreeMap<String, Vec<String>>,
    commands: Vec<Command>,
}

#[derive(Deserialize)]
struct Command {
    arguments: String,
    output: String,
}

#[test]
fn commands_of_sacre_bleu_print_what_sacre_bleu_prints() {
    let fixture: Fixture = crate::common::fixture("score_commands.json");
    assert!(fixture.commands.len() > 15, "only {} commands", fixture.commands.len());
    let workshop = Workshop::new();
    for (name, lines) in &fixture.files {
        workshop.write(name, &lines.iter().map(|line| line.clone() + "\n").collect::<String>());
    }
    for Command { arguments, output } in &fixture.commands {
        let words: Vec<&str> = ["score"].into_iter().chain(arguments.split(' ')).collect();
        let ours = workshop.run(&words).expect(0).out();
        // A signature names the program, which also shifts lines that are aligned at their scores.
        let ours = ours.replace(&format!("ablate-{}", env!("CARGO_PKG_VERSION")), &fixture.sacrebleu);
        // Intervals are drawn by another generator: only their form is compared.
        assert_eq!(without_intervals(&ours), without_intervals(output), "{arguments}");
    }
}

/// Returns a text in which the numbers of confidence intervals are replaced by #.
fn without_intervals(text: &str) -> String {
    let mut text = text.to_string();
    for mark in ["μ = ", "± ", "\"confidence_mean\": ", "\"confidence_var\": "] {
        let mut parts = text.split(mark);
        let mut masked = parts.next().unwrap_or_default().to_string();
        for part in parts {
            let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
            assert!(rest.len() < part.len(), "no number after {mark:?}: {part}");
            masked += &format!("{mark}#{rest}");
        }
        text = masked;
    }
    text
}

#[test]
fn the_words_of_sacre_bleu_are_understood() {
    let of = |line: &str| {
        let changed = words(line.split(' ').map(OsString::from));
        changed.into_iter().map(|word| word.into_string().unwrap()).collect::<Vec<_>>().join(" ")
    };
    for (theirs, ours) in [
        (
            "ablate score ref -i hyp -m bleu chrf ter -tok intl -lc",
            "ablate score ref -i hyp -m bleu,chrf,ter --tokenize intl --lowercase",
        ),
        ("ablate score ref -i hyp --metrics ter", "ablate score ref -i hyp --metric ter"),
        ("ablate score -m bleu,ter results/demo", "ablate score -m bleu,ter results/demo"),
        (
            "ablate --data d --color=never score -sl r",
            "ablate --data d --color=never score --sentence-level r",
        ),
        ("ablate score -- -lc", "ablate score -- -lc"),
        ("ablate score -m", "ablate score -m"),
        // Other commands, and a directory that has the name of the command.
        ("ablate moses tokenize -l de", "ablate moses tokenize -l de"),
        ("ablate --data score train -lc", "ablate --data score train -lc"),
        ("ablate", "ablate"),
    ] {
        assert_eq!(of(theirs), ours);
    }
}

#[test]
fn a_perfect_sentence_of_three_words_has_the_full_score() {
    let workshop = Workshop::new();
    workshop.write("three", "a b c\n");
    let scores =
        |more: &[&str]| workshop.run(&[&["score", "three", "-i", "three"], more].concat()).expect(0).out();
    assert_eq!(scores(&["--sentence-level"]), "100.00\n");
    assert_eq!(scores(&["-sl", "-w", "1"]), "100.0\n");
    assert!(scores(&[]).starts_with("BLEU = 0.00 "), "{}", scores(&[]));
    let json: serde_json::Value = serde_json::from_str(&scores(&["--sentence-level", "--json"])).unwrap();
    assert!((json["bleu"]["sentences"][0].as_f64().unwrap() - 100.0).abs() < 1e-9, "{json}");
    assert!(json["bleu"]["signature"].as_str().unwrap().contains("|eff:yes|"), "{json}");
}

#[test]
fn words_that_do_not_fit_together_are_refused() {
    let workshop = Workshop::new();
    workshop.write("a", "a b c d\n");
    for (words, message) in [
        ("-i a", "--hyp needs references"),
        ("a -i a --ref a", "cannot be used with"),
        (
            "a",
            "a is a file, not the directory of a run; to score translations against it, write `ablate score a -i",
        ),
        ("a -i a a --format text", "the scores of one system"),
        ("a -i a a -b", "the scores of one system"),
        ("a -i a --format text --json", "cannot be used with"),
        ("a -i a --json -w 3", "cannot be used with"),
        ("a -i a -w 18", "--width"),
        ("a -i a -sv 1", "--smooth"),
        ("a -i a -s exp -sv 1", "--smooth-value is for --smooth floor and add-k"),
        ("a -i a -m chrf -lc", "--chrf-lowercase"),
        ("a -i a -m ter --chrf-lowercase", "--metric chrf"),
        ("a -i a -m chrf -cc 0", "character order"),
        ("a -i a -sl -b -m bleu ter", "takes one metric"),
        ("a -i a -sl -f json", "use --json"),
        ("a -i a -f latex", "text, json"),
    ] {
        let words: Vec<&str> = ["score"].into_iter().chain(words.split(' ')).collect();
        let outcome = workshop.run(&words).expect(2).says(message);
        assert_eq!(outcome.out(), "", "{words:?}");
    }
}
