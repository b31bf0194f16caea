//! The command line as a whole: help, completions, manual, colour, JSON.

mod common;

use ablate::cli::Cli;
use clap::{Command, CommandFactory, Parser};
use common::Workshop;

/// Every command that is shown, with the words that call it.
fn commands() -> Vec<(Vec<String>, Command)> {
    fn below(command: &Command, words: Vec<String>, found: &mut Vec<(Vec<String>, Command)>) {
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
            let words = [words.clone(), vec![sub.get_name().to_string()]].concat();
            found.push((words.clone(), sub.clone()));
            below(sub, words, found);
        }
    }
    let mut found = Vec::new();
    below(&Cli::command(), Vec::new(), &mut found);
    found
}

#[test]
fn every_help_has_an_example_that_the_program_accepts() {
    let commands = commands();
    assert!(commands.len() > 15, "{}", commands.len());
    for (words, mut command) in commands {
        let help = command.render_long_help().to_string();
        let examples: Vec<&str> =
            help.lines().filter_map(|line| line.trim_start().strip_prefix("Example: ")).collect();
        assert!(!examples.is_empty(), "{words:?} has no example:\n{help}");
        for example in examples {
            let (_, call) = example.split_once("ablate ").unwrap_or_else(|| panic!("{example}"));
            let call = call.split(['<', '>', '|']).next().unwrap();
            assert!(call.trim().starts_with(&words.join(" ")), "{words:?} shows another command: {example}");
            let parsed = Cli::try_parse_from(["ablate"].into_iter().chain(call.split_whitespace()));
            assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
        }
    }
}

#[test]
fn completions_and_manual_know_every_command() {
    let workshop = Workshop::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = workshop.run(&["completions", shell]).expect(0).out();
        for (words, _) in commands() {
            assert!(script.contains(words.last().unwrap()), "{shell}: {words:?}");
        }
    }
    workshop.run(&["completions", "tcsh"]).expect(2).says("possible values");
    let first = workshop.run(&["man"]).expect(0).out();
    assert!(first.contains(".TH ablate 1") && first.contains("ablate\\-report(1)"), "{first}");
    let written = workshop.run(&["man", "--out", "man"]).expect(0).out();
    assert_eq!(written.lines().count(), commands().len() + 1, "{written}");
    for (words, _) in commands() {
        let page = workshop.text(format!("man/ablate-{}.1", words.join("-")));
        assert!(page.contains("Example:") && page.contains(".SH OPTIONS"), "{words:?}: {page}");
    }
}

#[test]
fn colour_is_used_where_it_is_asked_for_and_never_into_pipes() {
    let workshop = Workshop::new();
    let wrong = ["train", "missing.toml"];
    let plain = workshop.run(&wrong).expect(2).err();
    assert!(plain.starts_with("error: ") && !plain.contains('\u{1b}'), "{plain}");
    let coloured = workshop.run(&["train", "missing.toml", "--color", "always"]).expect(2).err();
    assert!(coloured.starts_with("\u{1b}[1;31merror:\u{1b}[0m "), "{coloured}");
    // The parser's own errors and help follow the same choice.
    assert!(workshop.run(&["--color=always", "trian"]).expect(2).err().contains('\u{1b}'));
    assert!(!workshop.run(&["--color=never", "trian"]).expect(2).err().contains('\u{1b}'));
    assert!(workshop.run(&["--help", "--color", "always"]).expect(0).out().contains('\u{1b}'));
    assert!(!workshop.run(&["--help"]).expect(0).out().contains('\u{1b}'));
    workshop
        .run(&["--color", "red", "train", "tiny.toml"])
        .expect(2)
        .says("possible values: auto, always, never");
}

#[test]
fn help_fits_a_narrow_terminal() {
    let narrow = Cli::command().term_width(40).render_long_help().to_string();
    for line in narrow.lines().filter(|line| line.contains(' ') && !line.contains("Example:")) {
        assert!(line.trim_end().chars().count() <= 40, "{line:?}");
    }
}

#[test]
fn json_says_what_the_text_says() {
    let workshop = Workshop::new();
    let json = |words: &[&str], code: i32| -> serde_json::Value {
        serde_json::from_str(&workshop.run(words).expect(code).out()).unwrap()
    };
    let prepared = json(&["prepare", "tiny.toml", "--json"], 0);
    assert_eq!(prepared["counts"]["test"], 12);
    let record = json(&["train", "tiny.toml", "--json"], 0);
    assert_eq!(record["data"]["fingerprint"], prepared["fingerprint"]);
    let run = "results/tiny/seed-1";
    let stored: serde_json::Value =
        serde_json::from_slice(&workshop.read(format!("{run}/record.json"))).unwrap();
    assert_eq!(record, stored["record"]);
    assert_eq!(json(&["verify", run, "--json"], 0)["holds"], true);

    let translate = |words: &[&str]| workshop.run_with_input(words, b"a \"dog\"\n\n").expect(0).out();
    let plain = translate(&["translate", run]);
    let lines: Vec<serde_json::Value> = translate(&["translate", run, "--n-best", "2", "--json"])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["source"], "a \"dog\"");
    assert_eq!(lines[0]["translations"][0]["text"], plain.lines().next().unwrap());
    assert!(lines[0]["translations"][0]["score"].as_f64().unwrap() <= 0.0);

    workshop.write(&format!("{run}/hypotheses/test.txt"), "changed\n");
    let changed = workshop.run(&["verify", run, "--json"]).code();
    assert_ne!(changed, Some(0));
}
