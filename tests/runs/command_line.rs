//! The command line as a whole: help, completions, manual, colour, JSON.

use crate::common::runs::RUN;
use crate::common::{Outcome, Workshop};
use ablate::cli::Cli;
use clap::{Command, CommandFactory, Parser};
use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command as Process, Stdio};

/// Returns every visible command, with the words that call it.
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
fn variables_name_the_directories_unless_an_option_does() {
    let workshop = Workshop::new();
    workshop.write("small.toml", "base = \"tiny.toml\"\nseeds = [1]\n[[row]]\nlabel = \"base\"\n");
    let run = |words: &[&str]| {
        let mut command = workshop.command(words);
        command.env("ABLATE_RESULTS", "elsewhere").env("ABLATE_DATA", "texts");
        Outcome(command.output().unwrap())
    };
    assert!(run(&["status", "small.toml"]).expect(0).out().contains("elsewhere/small"));
    assert!(run(&["status", "small.toml", "--results", "here"]).expect(0).out().contains("here/small"));
    run(&["prepare", "tiny.toml"]).expect(0);
    assert!(workshop.path("texts").is_dir() && !workshop.path("data").exists());
}

#[test]
fn completions_and_manual_know_every_command() {
    let workshop = Workshop::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = workshop.run(&["completions", shell]).expect(0).out();
        for (words, _) in commands() {
            assert!(script.contains(words.last().unwrap()), "{shell}: {words:?}");
        }
        // Commands that the program calls by itself, found by their help texts.
        for hidden in ["started by the sweep", "started by a plan", "ablate__keep", "ablate__subcmd__keep"] {
            assert!(!script.contains(hidden), "{shell}: {hidden}");
        }
        let recipes = crate::common::root().join("experiments/recipes");
        let named =
            workshop.command(&["completions", shell]).env("ABLATE_RECIPES", recipes).output().unwrap();
        let named = String::from_utf8(named.stdout).unwrap();
        let completes = ["bash", "zsh", "fish"].contains(&shell);
        assert_eq!(named.contains("multi30k-en-de") && named.contains("wmt14-en-fr"), completes, "{shell}");
        // A script that its shell cannot read completes nothing.
        for script in [&script, &named] {
            let reads = ["-n", "/dev/stdin"];
            let mut command = Process::new(shell);
            let command = command.args(reads).stdin(Stdio::piped()).stderr(Stdio::piped());
            // The other shells have no such option, and not every machine has every shell.
            if completes && let Ok(mut process) = command.spawn() {
                process.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
                let done = process.wait_with_output().unwrap();
                assert!(done.status.success(), "{shell}: {}", String::from_utf8_lossy(&done.stderr));
            } else {
                assert_ne!(shell, "bash", "the scripts of this project need it");
            }
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
    let json = |words: &[&str], code: i32| workshop.run(words).expect(code).json();
    let prepared = json(&["prepare", "tiny.toml", "--json"], 0);
    assert_eq!(prepared["counts"]["test"], 12);
    let record = json(&["train", "tiny.toml", "--json"], 0);
    assert_eq!(record["data"]["fingerprint"], prepared["fingerprint"]);
    assert_eq!(record, workshop.record(RUN));
    assert_eq!(json(&["verify", RUN, "--json"], 0)["holds"], true);

    let translate = |words: &[&str]| workshop.run_with_input(words, b"a \"dog\"\n\n").expect(0).out();
    let plain = translate(&["translate", RUN]);
    let lines: Vec<serde_json::Value> = translate(&["translate", RUN, "--n-best", "2", "--json"])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["source"], "a \"dog\"");
    assert_eq!(lines[0]["translations"][0]["text"], plain.lines().next().unwrap());
    assert!(lines[0]["translations"][0]["score"].as_f64().unwrap() <= 0.0);

    workshop.write(&format!("{RUN}/hypotheses/test.txt"), "changed\n");
    let changed = workshop.run(&["verify", RUN, "--json"]).code();
    assert_ne!(changed, Some(0));
}

#[test]
fn a_working_directory_that_is_gone_is_named() {
    let workshop = Workshop::new();
    let script = "mkdir gone && cd gone && rmdir ../gone && exec \"$0\" \"$@\"";
    let run = |words: &[&str]| {
        let mut command = Process::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_ablate")]).args(words).current_dir(workshop.path(""));
        Outcome(command.output().unwrap())
    };
    for words in [&["train", "tiny.toml"][..], &["sweep", "small.toml", "--plan"]] {
        let outcome = run(words).expect(2);
        assert_eq!(outcome.err().lines().count(), 1, "{}", outcome.err());
        outcome.says("error: the working directory does not exist any more");
    }
    // These need no directory.
    for word in ["--version", "--help"] {
        run(&[word]).expect(0);
    }
}

#[test]
fn a_directory_whose_name_is_not_utf8_is_named_where_a_path_leads_from_it() {
    let workshop = Workshop::new();
    let name = std::ffi::OsStr::from_bytes(b"n\xff");
    let folder = workshop.path(name);
    std::fs::create_dir(&folder).unwrap();
    let experiment = workshop.text("tiny.toml");
    for (file, text) in [
        ("base.toml", experiment.as_str()),
        ("e.toml", "base = \"base.toml\"\n"),
        ("s.toml", "base = \"base.toml\"\nseeds = [1]\n"),
        ("i.toml", "base = \"../tiny.toml\"\ninclude = [\"part.toml\"]\nseeds = [1]\n"),
    ] {
        std::fs::write(folder.join(file), text).unwrap();
    }
    for (words, file) in [("train", "e.toml"), ("sweep", "s.toml"), ("sweep", "i.toml")] {
        let mut command = workshop.command(&[words]);
        let outcome = Outcome(command.arg(std::path::Path::new(name).join(file)).output().unwrap()).expect(2);
        outcome
            .says("whose name is not UTF-8")
            .says("give the directory a name in UTF-8, or call ablate inside of it");
    }
    // In an existing directory the command works.
    let mut command = workshop.command(&["sweep", "s.toml", "--plan"]);
    Outcome(command.current_dir(&folder).output().unwrap()).expect(0);
}

/// Returns what a terminal receives from the standard output or error of `ablate` with this input.
fn on_a_terminal(workshop: &Workshop, words: &[&str], input: &[u8]) -> String {
    let (mut master, mut slave) = (0, 0);
    let null = std::ptr::null_mut();
    // SAFETY: both numbers are there to be written, and become files that are closed once.
    let (mut terminal, output) = unsafe {
        assert_eq!(libc::openpty(&mut master, &mut slave, null, null.cast(), null.cast()), 0);
        (std::fs::File::from_raw_fd(master), std::fs::File::from_raw_fd(slave))
    };
    let mut command = workshop.command(words);
    command.stdin(Stdio::piped()).stdout(output.try_clone().unwrap()).stderr(output);
    let mut child = command.spawn().unwrap();
    // The command object holds the terminal's other end open.
    drop(command);
    child.stdin.take().unwrap().write_all(input).unwrap();
    let mut shown = Vec::new();
    // On Linux, reading ends with an error once no process writes to the terminal.
    let _ = terminal.read_to_end(&mut shown);
    child.wait().unwrap();
    String::from_utf8_lossy(&shown).into_owned()
}

#[test]
fn a_terminal_gets_no_control_characters_of_others() {
    let workshop = Workshop::new();
    let text = "a\u{1b}]0;b\u{7}c\u{9b}2Jd\n";
    let words = ["moses", "normalize", "-l", "en"];
    let raw = workshop.run_with_input(&words, text.as_bytes()).expect(0).out();
    assert!(raw.contains("\u{1b}]0;b\u{7}c\u{9b}2Jd"), "a pipe gets every byte: {raw:?}");
    let shown = on_a_terminal(&workshop, &words, text.as_bytes());
    assert!(shown.contains("a\\u001b]0;b\\u0007c\\u009b2Jd"), "{shown:?}");
    assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{9b}']), "{shown:?}");
    // Errors repeat lines of files, also into pipes.
    workshop.write("e.toml", "label = \"a\u{1b}[2Jb\"\n");
    let said = workshop.run(&["train", "e.toml"]).expect(2).err();
    assert!(said.contains("label = \"a\\u001b[2Jb\"") && !said.contains('\u{1b}'), "{said:?}");
    workshop.write("e.toml", "label = \"a\\u001B[2Jb\"\n[data]\nrecipe = \"\\u009Bx\"\n");
    let said = workshop.run(&["train", "e.toml"]).expect(2).err();
    assert!(!said.contains(|character: char| character.is_control() && character != '\n'), "{said:?}");
}
