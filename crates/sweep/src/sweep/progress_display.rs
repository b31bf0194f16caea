//! The display of a running sweep: one line per trial on a terminal, plain lines elsewhere, and events for programs.

use super::board::{self, Line, Stage};
use super::json_event::{SweepEvent, TrialName};
use super::ledger::Kind;
use super::plan::makespan;
use super::state::StateKind;
use super::trial::Trial;
use super::trial_event::TrialEvent;
use crate::printable;
use crate::results::metric::{DEV, TEST, main_score};
use crate::results::record::Failure;
use crate::telemetry::console::{print_message, seconds_left, state, terminal_size};
use crate::telemetry::format::duration;
use crate::telemetry::observer::Report;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Shortest time between two lines of progress of one trial, without a terminal.
const QUIET: Duration = Duration::from_secs(30);
/// Number of lines of the terminal that are left to earlier messages.
const ABOVE: usize = 6;

/// The display of a sweep.
pub struct SweepProgress {
    workers: usize,
    lines: Mutex<Lines>,
    screen: Option<Screen>,
    /// Whether events go to standard output.
    json: bool,
    /// Whether an event could not be written.
    write_failed: AtomicBool,
}

/// The state of the trials.
#[derive(Default)]
struct Lines {
    /// One line for each trial.
    trials: Vec<Line>,
    /// Their rows and seeds.
    names: Vec<(String, u64)>,
    /// Number of further trials that a search will draw.
    to_come: usize,
}

impl Lines {
    fn add(&mut self, trials: &[Trial]) {
        self.trials.extend(trials.iter().map(|trial| Line {
            name: format!("{} seed {}", trial.row, trial.seed),
            stage: Stage::Queued,
            steps: trial.experiment.training.steps,
            ..Line::default()
        }));
        self.names.extend(trials.iter().map(|trial| (trial.row.clone(), trial.seed)));
    }
}

/// The board on a terminal.
struct Screen {
    bars: MultiProgress,
    /// Not a progress bar: its message is the board.
    board: ProgressBar,
}

/// The display of one running trial.
pub struct TrialProgress<'a> {
    sweep: &'a SweepProgress,
    number: usize,
    start_step: u64,
    started: Instant,
    last_line: Instant,
}

impl SweepProgress {
    /// Creates the display with every trial queued. With `json`, events go to standard output and plain lines to
    /// standard error.
    pub fn new(trials: &[Trial], workers: usize, json: bool) -> Self {
        let screen = (!json && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{msg}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
            let bars = MultiProgress::new();
            let board = bars.add(ProgressBar::no_length().with_style(style));
            Screen { bars, board }
        });
        let mut lines = Lines::default();
        lines.add(trials);
        SweepProgress {
            workers,
            lines: Mutex::new(lines),
            screen,
            json,
            write_failed: AtomicBool::new(false),
        }
    }

    /// Sets the state of a trial that this call does not run.
    pub fn set(&self, number: usize, stage: Stage, note: &str) {
        let line = &mut self.lines().trials[number];
        let (name, steps) = (line.name.clone(), line.steps);
        *line = Line { name, steps, stage, note: note.to_string(), ..Line::default() };
    }

    /// Adds trials that a search has drawn. `to_come` is the number of trials that it will still draw.
    pub fn add(&self, trials: &[Trial], to_come: usize) {
        let mut lines = self.lines();
        lines.add(trials);
        lines.to_come = to_come;
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints a message for the user, above the board.
    pub fn message(&self, line: &str) {
        if self.json {
            self.tell(&SweepEvent::Message { text: line });
        }
        // Without standard error there is no user to inform.
        let _ = match &self.screen {
            Some(screen) => screen.bars.println(printable::lines(line)),
            None => writeln!(std::io::stderr(), "{}", printable::lines(line)),
        };
    }

    /// Whether standard output is for events.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Warns once if events cannot be written. A closed pipe is no reason to warn.
    fn warn_once(&self, told: std::io::Result<()>) {
        if let Err(error) = told
            && error.kind() != std::io::ErrorKind::BrokenPipe
            && !self.write_failed.swap(true, Ordering::Relaxed)
        {
            print_message(&format!(
                "warning: cannot write events to standard output: {error}; the sweep goes on"
            ));
        }
    }

    /// Prints an event for programs. A closed pipe does not end the sweep.
    pub fn tell(&self, event: &SweepEvent) {
        if self.json {
            let mut out = std::io::stdout().lock();
            let line = event.to_line() + "\n";
            let told = out.write_all(printable::on_stdout(&line).as_bytes()).and_then(|()| out.flush());
            self.warn_once(told);
        }
    }

    /// Reports an event of a trial; for endings see also [`finished`](Self::finished) and [`failed`](Self::failed).
    pub fn note(&self, number: usize, kind: Kind, reason: Option<&str>) {
        let name = self.name(number);
        let trial = name_of(&name);
        let text = reason.unwrap_or_default();
        match kind {
            // The trial may wait in a cluster's queue: see `start`.
            Kind::Started => {}
            Kind::Stopped => self.tell(&SweepEvent::TrialStopped { trial }),
            Kind::Submitted => self.tell(&SweepEvent::TrialSubmitted { trial, reason: text }),
            Kind::Requeued => self.tell(&SweepEvent::TrialRequeued { trial, reason: text }),
            Kind::Paused => self.tell(&SweepEvent::TrialPaused { trial, reason }),
            Kind::Reused | Kind::Recorded => self.tell(&SweepEvent::TrialReused { trial, from: text }),
            Kind::Superseded => self.tell(&SweepEvent::TrialSuperseded { trial, to: text }),
            Kind::Finished | Kind::Failed | Kind::Retried => {}
        }
        self.change(number, |line| {
            line.note = String::new();
            match kind {
                Kind::Requeued | Kind::Submitted => {
                    (line.stage, line.note) = (Stage::Queued, text.to_string())
                }
                Kind::Stopped => line.stage = Stage::Other(StateKind::Stopped),
                Kind::Paused => line.stage = Stage::Other(StateKind::Paused),
                Kind::Reused => line.note = format!("from {text}"),
                _ => {}
            }
        });
    }

    /// Reports a finished trial, with its final scores.
    pub fn finished(&self, number: usize, metrics: &BTreeMap<String, f64>) {
        self.tell(&SweepEvent::TrialFinished { trial: name_of(&self.name(number)), metrics });
        self.change(number, |line| {
            (line.stage, line.step) = (Stage::Finished, line.steps);
            line.score = main_score(TEST, |tag| metrics.get(tag).copied());
        });
    }

    /// Reports a failed attempt, and whether the trial is tried again.
    pub fn failed(&self, number: usize, failure: &Failure, log: &Path, again: bool) {
        let Failure { kind, reason, detail, attempts, .. } = failure;
        let name = self.name(number);
        let trial = name_of(&name);
        let (kind, attempts) = (*kind, *attempts);
        self.tell(&SweepEvent::TrialFailed { trial, kind, reason, detail, log, attempts, again });
        self.change(number, |line| {
            line.stage = if again { Stage::Queued } else { Stage::Failed };
            line.note = if again { format!("{reason}, to be tried again") } else { reason.clone() };
        });
    }

    /// Shows a trial whose process has begun to run.
    pub fn start(&self, number: usize) -> TrialProgress<'_> {
        self.tell(&SweepEvent::TrialStarted { trial: name_of(&self.name(number)) });
        self.change(number, |line| (line.stage, line.note) = (Stage::Running, String::new()));
        let now = Instant::now();
        TrialProgress { sweep: self, number, start_step: 0, started: now, last_line: now }
    }

    /// Removes the board, so that later output stands below the messages.
    pub fn close(&self) {
        if let Some(screen) = &self.screen {
            screen.board.finish_and_clear();
        }
    }

    /// Returns the row and the seed of a trial.
    fn name(&self, number: usize) -> (String, u64) {
        self.lines().names[number].clone()
    }

    /// Changes a trial's line and shows it.
    fn change(&self, number: usize, change: impl FnOnce(&mut Line)) {
        let mut lines = self.lines();
        let line = &mut lines.trials[number];
        change(line);
        if line.stage != Stage::Running {
            (line.tokens_per_second, line.seconds_left) = (None, None);
        }
        if let Some(screen) = &self.screen {
            let (width, height) = terminal_size().unwrap_or((80, 24));
            let mut text = vec![headline(&lines.trials, self.workers)];
            if lines.to_come > 0 {
                text[0] += &format!("; {} more trials to be drawn", lines.to_come);
            }
            text.extend(board::render(&lines.trials, width, height.saturating_sub(ABOVE)));
            screen.board.set_message(text.join("\n"));
            screen.board.tick();
        }
    }
}

/// Returns the name of a trial in events.
fn name_of((row, seed): &(String, u64)) -> TrialName<'_> {
    TrialName { row, seed: *seed }
}

/// Returns the number of trials in each state and the remaining time at the speed of the running trials.
fn headline(lines: &[Line], workers: usize) -> String {
    let at = |stage: Stage| lines.iter().filter(move |line| line.stage == stage);
    let known: Vec<(f64, f64)> = at(Stage::Running)
        .filter_map(|line| Some((line.seconds_left?, line.steps.saturating_sub(line.step) as f64)))
        .filter(|(seconds, updates)| seconds.is_finite() && *updates > 0.0)
        .collect();
    let counts = board::counts(lines);
    if known.is_empty() {
        return counts;
    }
    let rate = known.iter().map(|(seconds, updates)| seconds / updates).sum::<f64>() / known.len() as f64;
    let left =
        |line: &Line| line.seconds_left.unwrap_or((line.steps.saturating_sub(line.step)) as f64 * rate);
    let seconds: Vec<f64> = at(Stage::Running).chain(at(Stage::Queued)).map(left).collect();
    format!("{counts}; about {} left", duration(makespan(&seconds, workers)))
}

impl TrialProgress<'_> {
    /// Shows an event of the trial.
    pub fn handle_event(&mut self, event: &TrialEvent) {
        let name = self.sweep.name(self.number);
        let trial = name_of(&name);
        match event {
            TrialEvent::Begin(step) => {
                self.start_step = *step;
                self.started = Instant::now();
                self.sweep.change(self.number, |line| line.step = *step);
            }
            TrialEvent::Report(report) => self.report(trial, report),
            TrialEvent::Metric { step, tag, value } => {
                self.sweep.tell(&SweepEvent::TrialMetric { trial, step: *step, tag, value: *value });
                if let Some(score) = main_score(DEV, |known| (tag == known).then_some(*value)) {
                    self.sweep.change(self.number, |line| line.score = Some(score));
                }
            }
            TrialEvent::Message(text) => {
                self.sweep.tell(&SweepEvent::TrialMessage { trial, text });
                self.sweep.change(self.number, |line| line.note = text.clone());
            }
        }
    }

    fn report(&mut self, trial: TrialName, report: &Report) {
        let steps = self.sweep.lines().trials[self.number].steps;
        let elapsed = self.started.elapsed().as_secs_f64();
        let left = seconds_left(elapsed, self.start_step, report.step, steps);
        let Report { step, loss, perplexity, learning_rate, tokens_per_second } = *report;
        self.sweep.tell(&SweepEvent::TrialProgress {
            trial,
            step,
            steps,
            loss,
            perplexity,
            learning_rate,
            tokens_per_second,
            seconds_left: left.is_finite().then_some(left),
        });
        self.sweep.change(self.number, |line| {
            (line.step, line.loss) = (step, Some(loss));
            (line.tokens_per_second, line.seconds_left) = (Some(tokens_per_second), Some(left));
            line.note = String::new();
        });
        // A terminal has the board, and a program has the events.
        if self.sweep.screen.is_none() && !self.sweep.json && self.last_line.elapsed() >= QUIET {
            self.last_line = Instant::now();
            let (row, seed) = (trial.row, trial.seed);
            self.sweep.message(&format!("{row} seed {seed}  step {step}/{steps}  {}", state(report, left)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_that_of_the_workers_taking_what_is_queued() {
        let line =
            |stage, step, seconds_left| Line { stage, step, steps: 100, seconds_left, ..Line::default() };
        let lines = [
            line(Stage::Running, 50, Some(100.0)),
            line(Stage::Running, 0, None),
            line(Stage::Queued, 0, None),
            line(Stage::Finished, 100, None),
            line(Stage::Failed, 7, None),
        ];
        // Two seconds an update: 100 and 200 are left of those that run, then 200 of the one that waits.
        assert!(headline(&lines, 2).ends_with("; about 5m00s left"), "{}", headline(&lines, 2));
        assert!(!headline(&lines[2..], 2).contains("left"), "nothing runs that could tell");
    }
}
