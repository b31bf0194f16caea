//! Displays of a running sweep: the board on a terminal, events for programs, `ablate status` from elsewhere.

use crate::common::{Outcome, Workshop};
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::os::fd::FromRawFd;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const SWEEP: &str = r#"
base = "quiet.toml"
seeds = [1]
set = { "training.steps" = 20, "training.dev_bleu_interval_steps" = 10 }

[retry]
attempts = 2

[[row]]
label = "base"

[[row]]
label = "explodes"
set = { "training.learning_rate_scale" = 1e30 }

[[row]]
label = "wide"
set = { "model.d_ff" = 24 }
"#;

fn events(outcome: &Outcome) -> Vec<Value> {
    outcome.out().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn status(workshop: &Workshop) -> Value {
    workshop.run(&["status", "small.toml", "--json"]).expect(0).json()
}

/// Returns the state of the trial of a row.
fn trial<'a>(status: &'a Value, row: &str) -> &'a Value {
    status["trials"].as_array().unwrap().iter().find(|trial| trial["row"] == row).unwrap()
}

/// Starts a sweep whose base trains long, and waits until it has measured BLEU twice, at update 20; states are saved
/// every 7 updates.
fn long_sweep(workshop: &Workshop) -> Child {
    workshop.write("small.toml", &SWEEP.replace("= 20,", "= 100000,"));
    let mut command = workshop.command(&["sweep", "small.toml"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    let metrics = workshop.path("results/small/base/seed-1/metrics.csv");
    while !std::fs::read_to_string(&metrics).is_ok_and(|text| text.matches("dev/bleu").count() >= 2) {
        if begun.elapsed() > Duration::from_secs(120) {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the trial never trained");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn events_tell_the_whole_sweep_to_a_program() {
    let workshop = Workshop::with_sweep(SWEEP);
    let outcome = workshop.run(&["sweep", "small.toml", "--json"]).expect(1).says("1 of 3 trials failed");
    let events = events(&outcome);
    assert!(events.iter().all(|event| event["time"].as_f64().unwrap() > 1e9));
    let of = |name: &str, row: &str| -> Vec<&Value> {
        events.iter().filter(|event| event["event"] == name && event["row"] == row).collect()
    };
    let first = &events[0];
    assert_eq!((&first["event"], &first["trials"]), (&"sweep_started".into(), &3.into()));
    assert_eq!((&first["to_run"], &first["finished"]), (&3.into(), &0.into()));
    let last = events.last().unwrap();
    assert_eq!((&last["event"], &last["exit_code"]), (&"sweep_ended".into(), &1.into()));
    assert_eq!((&last["finished"], &last["failed"]), (&2.into(), &1.into()));
    for row in ["base", "wide"] {
        assert_eq!((of("trial_started", row).len(), of("trial_finished", row).len()), (1, 1));
        let steps: Vec<u64> =
            of("trial_progress", row).iter().map(|event| event["step"].as_u64().unwrap()).collect();
        assert_eq!(steps, (1..=20).collect::<Vec<_>>(), "{row}");
        let progress = of("trial_progress", row)[9];
        assert!(progress["loss"].as_f64().unwrap() > 0.0 && progress["steps"] == 20, "{progress}");
        assert!(progress["tokens_per_second"].is_f64() && progress["seconds_left"].is_f64(), "{progress}");
        let bleu = of("trial_metric", row).into_iter().find(|event| event["tag"] == "dev/bleu").unwrap();
        assert_eq!(bleu["step"], 10);
        // The final scores equal those of the record.
        let record = workshop.record(&format!("results/small/{row}/seed-1"));
        assert_eq!(of("trial_finished", row)[0]["metrics"], record["metrics"]);
    }
    let failed = of("trial_failed", "explodes");
    assert_eq!(failed.len(), 1);
    assert_eq!((&failed[0]["kind"], &failed[0]["again"]), (&"diverged".into(), &false.into()));
    assert!(failed[0]["log"].as_str().unwrap().ends_with("explodes/seed-1/log.txt"));
    assert!(failed[0]["detail"].as_str().unwrap().contains("diverged at step"));

    // The second run has little to report, and still a first and a last line.
    let again = workshop.run(&["sweep", "small.toml", "--json"]).expect(1);
    let names: Vec<String> =
        self::events(&again).iter().map(|e| e["event"].as_str().unwrap().into()).collect();
    assert_eq!((names[0].as_str(), names.last().unwrap().as_str()), ("sweep_started", "sweep_ended"));
    assert!(!names.iter().any(|name| name.starts_with("trial_")), "{names:?}");
}

#[test]
fn the_summary_and_status_tell_what_every_trial_is_once_the_sweep_has_ended() {
    let workshop = Workshop::with_sweep(SWEEP);
    let before = status(&workshop);
    assert_eq!(trial(&before, "base")["state"], "never_started");
    assert_eq!(trial(&before, "base")["identity"], Value::Null, "no corpus yet");
    assert!(!workshop.path("results").exists(), "looking changes nothing");
    let told = workshop.run(&["sweep", "small.toml"]).expect(1).err();
    // The summary names the log and repeats its last lines.
    let summary = told.split("\nfailed:\n").nth(1).unwrap_or_else(|| panic!("no summary in\n{told}"));
    assert!(
        summary.contains("explodes seed 1: diverged; results/small/explodes/seed-1/log.txt"),
        "{summary}"
    );
    assert!(summary.contains("    error: training diverged at step"), "{summary}");
    let after = status(&workshop);
    assert_eq!((&after["at_work"], &after["sweep"]), (&false.into(), &"small".into()));
    assert_eq!((&after["states"]["finished"], &after["states"]["failed"]), (&2.into(), &1.into()));
    let base = trial(&after, "base");
    assert_eq!((&base["step"], &base["steps"], &base["attempts"]), (&20.into(), &20.into(), &1.into()));
    assert!(base["test_bleu"].is_f64() && base["train_loss"].is_f64() && base["dev_loss"].is_f64(), "{base}");
    let failed = trial(&after, "explodes");
    assert_eq!(failed["failure"]["kind"], "diverged");
    let text = workshop.run(&["status", "small.toml"]).expect(0).out();
    assert!(
        text.contains(
            "results/small: no driver (`ablate sweep`) is at work\n3 trials: 1 failed, 2 finished\n"
        ),
        "{text}"
    );
    assert!(text.contains("base seed 1      finished  20/20"), "{text}");
    assert!(
        text.contains("\nfailed:\n  explodes seed 1: diverged; results/small/explodes/seed-1/log.txt"),
        "{text}"
    );
}

#[test]
fn status_works_beside_a_driver_and_after_its_death() {
    let workshop = Workshop::with_sweep(SWEEP);
    let mut driver = long_sweep(&workshop);
    let during = status(&workshop);
    assert_eq!((&during["at_work"], &during["driver"]["process"]), (&true.into(), &driver.id().into()));
    let base = trial(&during, "base");
    assert_eq!((&base["state"], &base["attempts"]), (&"running".into(), &1.into()));
    assert!(base["step"].as_u64().unwrap() >= 10 && base["steps"] == 100_000, "{base}");
    assert!(base["dev_bleu"].is_f64() && base["tokens_per_second"].is_f64(), "{base}");
    assert!(base["seconds_left"].as_f64().unwrap() > 0.0 && base["host"].is_string(), "{base}");
    let text = workshop.run(&["status", "small.toml"]).expect(0).out();
    assert!(
        text.contains(&format!("a driver (`ablate sweep`) is at work: process {}", driver.id())),
        "{text}"
    );
    assert!(text.contains("1 running") && text.contains("tok/s") && text.contains(" left"), "{text}");
    let second = workshop.run(&["sweep", "small.toml"]).expect(5);
    second.says("another sweep is at work").says(&format!("process {}", driver.id()));

    // The driver is killed, and its trial saves its state and stops.
    driver.kill().unwrap();
    driver.wait().unwrap();
    let begun = Instant::now();
    let after = loop {
        let after = status(&workshop);
        if trial(&after, "base")["state"] != "running" {
            break after;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the trial goes on without its driver");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!((&after["at_work"], &after["driver"]), (&false.into(), &Value::Null));
    let base = trial(&after, "base");
    assert_eq!(base["state"], "stopped");
    assert!(base["why"].as_str().unwrap().contains("so is the driver"), "{base}");
    assert!(base["step"].as_u64().unwrap() >= 14, "its state was saved: {base}");
}

#[test]
fn a_terminal_shows_a_line_a_trial_and_none_is_too_long() {
    let workshop = Workshop::with_sweep(SWEEP);
    let (width, height) = (72, 12);
    let (mut main, mut side) = (0, 0);
    // SAFETY: openpty fills the two descriptors, which are ours from then on; the size is only read.
    let mut terminal = unsafe {
        let size = libc::winsize { ws_row: height, ws_col: width, ws_xpixel: 0, ws_ypixel: 0 };
        let none = std::ptr::null_mut();
        assert_eq!(libc::openpty(&mut main, &mut side, none, std::ptr::null(), &size), 0);
        File::from_raw_fd(main)
    };
    let mut command = workshop.command(&["sweep", "small.toml", "--workers", "2"]);
    // SAFETY: as above.
    command.stdout(Stdio::null()).stderr(unsafe { Stdio::from_raw_fd(side) }).env("TERM", "xterm");
    let mut child = command.spawn().unwrap();
    drop(command); // and with it our end of the terminal's other side
    let mut shown = Vec::new();
    // The reader gets an error once nobody has the terminal open any more.
    let _ = terminal.read_to_end(&mut shown);
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let shown = String::from_utf8_lossy(&shown);
    for part in ["3 trials: ", "queued", "running", "/20", "tok/s", "BLEU", "explodes seed 1  failed"] {
        assert!(shown.contains(part), "no {part:?} on the terminal:\n{shown}");
    }
    // The board is drawn in lines filled with blanks to the terminal's width: each begins at the right place.
    let plain = without_escapes(&shown);
    let boards: Vec<&str> = plain.split(['\n', '\r']).filter(|text| text.contains(" trials: ")).collect();
    let mut seen = 0;
    for board in boards {
        let characters: Vec<char> = board.chars().collect();
        let lines = characters.chunks(usize::from(width)).map(|line| line.iter().collect::<String>());
        // Messages stand above the board.
        for line in lines.skip_while(|line| !line.starts_with("3 trials: ")) {
            let begins = ["3 trials: ", "base seed 1 ", "explodes seed 1 ", "wide seed 1 "];
            assert!(line.trim().is_empty() || begins.iter().any(|begin| line.starts_with(begin)), "{line:?}");
            seen += 1;
        }
    }
    assert!(seen > 12, "{plain}");
}

/// Returns the text without the terminal's control sequences.
fn without_escapes(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        if character == '\u{1b}' && rest.next_if_eq(&'[').is_some() {
            while rest.next().is_some_and(|c| !c.is_ascii_alphabetic()) {}
            plain.push('\r');
        } else {
            plain.push(character);
        }
    }
    plain
}
