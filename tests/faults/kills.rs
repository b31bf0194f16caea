//! A small sweep that is killed again and again ends with the bytes of one that was never stopped.
//!
//! `ABLATE_KILLS` sets how often (`scripts/test-kills` takes 100), `ABLATE_KILLS_SEED` repeats a run, and
//! `ABLATE_KILLS_REPORT` names a file for the table of docs/reliability.md.

use crate::common::Outcome;
use crate::common::runs::{last_step, signal};
use crate::fault::{Fault, PLACES, Place, Running, STEPS, Site, TRIALS, assert_same};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// One way to kill a sweep.
#[derive(Debug, Clone, Copy)]
enum Kill {
    /// A process kills itself at a call on a file.
    At(Fault),
    /// From outside, once a running trial has recorded this step.
    Step(Victim, u64),
    /// From outside, while the final translations are made.
    Decoding(Victim),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    /// The trials then save their state and stop, while the sweep is given again.
    Driver,
    Trial,
    /// All processes, as when the machine stops.
    Everything,
}

const VICTIMS: [Victim; 3] = [Victim::Driver, Victim::Trial, Victim::Everything];

/// The sweep that is being killed, and the record of its kills.
struct Series<'a> {
    whole: &'a Site,
    site: Site,
    /// Steps from which the next attempt at a trial must at least begin, by number of attempts before it.
    promised: Vec<(usize, usize, u64)>,
    told: Vec<String>,
}

impl<'a> Series<'a> {
    /// Creates a series; `prepared`: with the data of the uninterrupted sweep.
    fn new(whole: &'a Site, prepared: bool) -> Self {
        let site = if prepared { Site::with_data_of(whole) } else { Site::new() };
        Series { whole, site, promised: Vec::new(), told: Vec::new() }
    }

    /// Runs the sweep once, with a kill; returns false if the sweep ended before.
    fn suffer(&mut self, kill: &Kill) -> bool {
        let struck = match kill {
            Kill::At(fault) => {
                let outcome = Outcome(self.site.faulty(self.site.sweep(), fault).output().unwrap());
                assert!(matches!(outcome.code(), None | Some(0 | 1)), "{kill:?}: {}", outcome.err());
                self.site.struck()
            }
            Kill::Step(victim, step) => {
                self.kill_once(*victim, |site, trial| last_step(&site.workshop.path(trial)) >= Some(*step))
            }
            Kill::Decoding(victim) => self.kill_once(*victim, |site, trial| {
                let begun = site.workshop.path(trial).join("hypotheses").exists();
                begun && !site.workshop.path(trial).join("hypotheses/test.txt").exists()
            }),
        };
        let Some(struck) = struck else { return false };
        self.told.push(format!("{kill:?}: {struck}"));
        for (number, trial) in TRIALS.iter().enumerate() {
            if let Some(step) = self.site.newest_state(trial) {
                self.promised.push((number, self.site.attempts(trial).len(), step));
            }
        }
        true
    }

    /// Kills once `reached` holds of an unfinished trial; returns the trial.
    fn kill_once(&self, victim: Victim, reached: impl Fn(&Site, &str) -> bool) -> Option<String> {
        let mut running = Running::start(&self.site);
        let begun = Instant::now();
        loop {
            let unfinished = |trial: &&&str| !self.site.workshop.path(trial).join("record.json").exists();
            let at = TRIALS.iter().filter(unfinished).find(|trial| reached(&self.site, trial));
            if let Some(trial) = at.filter(|_| !running.trials().is_empty()) {
                if victim != Victim::Trial {
                    signal(running.driver.id() as i32, libc::SIGKILL);
                }
                if victim != Victim::Driver {
                    running.kill_trials();
                }
                running.driver.wait().unwrap();
                // A kill after the end of the trial does not count.
                return unfinished(&trial).then(|| trial.to_string());
            }
            if running.driver.try_wait().unwrap().is_some() {
                return None;
            }
            assert!(begun.elapsed() < Duration::from_secs(300), "the sweep does not end; {:?}", self.told);
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    /// Runs the sweep until it succeeds, and compares.
    fn finish(self) {
        let told = self.told.join("\n");
        let begun = Instant::now();
        loop {
            let outcome = Outcome(self.site.sweep().output().unwrap());
            if outcome.code() == Some(0) {
                break;
            }
            // A trial whose driver was killed may still be saving.
            assert!(begun.elapsed() < Duration::from_secs(300), "{told}\n{}", outcome.err());
            std::thread::sleep(Duration::from_millis(100));
        }
        assert_same(self.whole, &self.site, &told);
        for (number, attempts, step) in self.promised {
            let from = self.site.attempts(TRIALS[number]);
            if let Some(from) = from.get(attempts) {
                assert!(
                    *from >= step,
                    "{} began at {from} though it had saved {step}: {told}",
                    TRIALS[number]
                );
            }
        }
    }
}

/// Returns kills in an order that the seed decides: every place and every victim once before any twice.
fn kills(count: usize, calls: &BTreeMap<(&str, &str), usize>, random: &mut StdRng) -> Vec<Kill> {
    let mut all = Vec::new();
    while all.len() < count {
        let mut round: Vec<Kill> = Vec::new();
        for place in PLACES {
            let at = random.random_range(1..=calls[&(place.process, place.name)]);
            let what = ["before", "half", "after"][random.random_range(0..3)];
            round.push(Kill::At(Fault { place, at, what }));
        }
        round.extend(VICTIMS.map(|victim| Kill::Step(victim, random.random_range(1..=STEPS))));
        round.extend(VICTIMS.map(Kill::Decoding));
        round.shuffle(random);
        round.truncate(count - all.len());
        all.extend(round);
    }
    all
}

/// Counts how often one process of an uninterrupted sweep comes to each place.
fn count_calls(calls: &[Vec<String>; 2]) -> BTreeMap<(&'static str, &'static str), usize> {
    let [sweep, trial] = calls;
    let count = |place: &Place| {
        let pattern = regex(place.pattern);
        let lines = if place.process == "sweep" { sweep } else { trial };
        let found = lines.iter().filter(|line| pattern.is_match(line)).count();
        // Two trials, two processes.
        let each = if place.process == "sweep" { found } else { found / TRIALS.len() };
        assert!(each > 0, "no call of the {} matches {}", place.process, place.pattern);
        ((place.process, place.name), each)
    };
    PLACES.iter().map(count).collect()
}

fn regex(pattern: &str) -> regex::Regex {
    regex::Regex::new(&format!("^{}$", regex::escape(pattern).replace("\\*", ".*"))).unwrap()
}

#[test]
fn killed_anywhere_a_sweep_ends_with_the_same_bytes() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let count = number("ABLATE_KILLS").unwrap_or(8) as usize;
    let seed = number("ABLATE_KILLS_SEED").unwrap_or_else(|| std::process::id().into());
    println!("{count} kills, ABLATE_KILLS_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let whole = Site::new();
    let calls = count_calls(&whole.calls());
    let begun = Instant::now();
    let mut report: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut sweeps = 1;
    let mut series = Series::new(&whole, true);
    for kill in kills(count, &calls, &mut random) {
        let data = matches!(kill, Kill::At(Fault { place: Place { name: "prepared data", .. }, .. }));
        let mut fresh = 0;
        while (data && fresh == 0) || !series.suffer(&kill) {
            assert!(fresh < 5, "{kill:?} never struck (ABLATE_KILLS_SEED={seed})");
            fresh += 1;
            series.finish();
            sweeps += 1;
            series = Series::new(&whole, !data);
        }
        *report.entry(kill.described()).or_default() += 1;
    }
    series.finish();
    println!("{count} kills in {sweeps} sweeps took {:.0?}", begun.elapsed());
    if let Some(path) = std::env::var_os("ABLATE_KILLS_REPORT") {
        let mut table = format!(
            "{count} kills in {sweeps} sweeps, `ABLATE_KILLS_SEED={seed}`; every sweep ended byte-identical.\n\n\
             | killed | where | times | outcome |\n| --- | --- | ---: | --- |\n"
        );
        for ((killed, place), times) in report {
            table += &format!("| {killed} | {place} | {times} | byte-identical |\n");
        }
        std::fs::write(path, table).unwrap();
    }
}

impl Kill {
    /// Describes the victim and the place of the kill.
    fn described(&self) -> (String, String) {
        let victim = |victim: &Victim| match victim {
            Victim::Driver => "driver, from outside",
            Victim::Trial => "trial, from outside",
            Victim::Everything => "driver and trial, from outside",
        };
        match self {
            Kill::At(Fault { place, what, .. }) => {
                let process = if place.process == "sweep" { "driver" } else { "trial" };
                let what = match *what {
                    "half" => "amid a call on",
                    other => &format!("{other} a call on"),
                };
                (process.to_string(), format!("{what} {}", place.name))
            }
            Kill::Step(who, _) => (victim(who).to_string(), "at a random step".to_string()),
            Kill::Decoding(who) => (victim(who).to_string(), "while decoding".to_string()),
        }
    }
}
