//! Progress on stderr: a bar on a terminal, plain lines elsewhere.

use super::format;
use super::observer::{Observer, Report};
use crate::error::Result;
use crate::{color, printable};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::os::fd::AsRawFd;
use std::time::Instant;

/// The progress of one training.
///
/// A closed or full stderr is ignored: training goes on without output.
pub struct TrainingProgress {
    label: String,
    steps: u64,
    start_step: u64,
    started: Instant,
    /// `None` if stderr is no terminal.
    bar: Option<ProgressBar>,
}

impl TrainingProgress {
    /// Creates the display of a training called `label` of `steps` updates.
    pub fn new(label: &str, steps: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr())
                .with_style(style())
                .with_prefix(label.to_string())
                // An error is reported below the last state, not over it.
                .with_finish(ProgressFinish::Abandon)
        });
        TrainingProgress { label: label.to_string(), steps, start_step: 0, started: Instant::now(), bar }
    }

    /// Shows the state of training.
    fn update(&mut self, report: &Report) {
        let left =
            seconds_left(self.started.elapsed().as_secs_f64(), self.start_step, report.step, self.steps);
        match &self.bar {
            Some(bar) => {
                bar.set_message(state(report, left));
                bar.set_position(report.step);
            }
            None => print_message(&format!(
                "{}  step {}/{}  {}",
                self.label,
                report.step,
                self.steps,
                state(report, left)
            )),
        }
    }

    /// Prints a line, above the bar if there is one.
    fn show(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(printable::lines(text)),
            None => print_message(text),
        }
    }
}

impl Observer for TrainingProgress {
    fn begin(&mut self, step: u64) -> Result<()> {
        self.start_step = step;
        self.started = Instant::now();
        if let Some(bar) = &self.bar {
            bar.set_position(step);
        }
        Ok(())
    }

    fn report(&mut self, report: &Report) -> Result<()> {
        self.update(report);
        Ok(())
    }

    fn message(&mut self, text: &str) -> Result<()> {
        self.show(text);
        Ok(())
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len}  {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// `loss 3.212  ppl 24.8  lr 4.1e-4  6,213 tok/s  18m left`
pub fn state(report: &Report, seconds_left: f64) -> String {
    let perplexity =
        report.perplexity.map_or(String::new(), |value| format!("  ppl {}", format::quantity(value)));
    format!(
        "loss {:.3}{perplexity}  lr {}  {} tok/s  {} left",
        report.loss,
        format::scientific(report.learning_rate),
        format::quantity(report.tokens_per_second),
        format::duration(seconds_left)
    )
}

/// The time that the remaining updates take at the speed of this attempt so far, validation included, in seconds; NaN
/// before its first update.
pub fn seconds_left(elapsed: f64, start_step: u64, step: u64, steps: u64) -> f64 {
    let done = step.saturating_sub(start_step);
    if done == 0 { f64::NAN } else { elapsed / done as f64 * steps.saturating_sub(step) as f64 }
}

/// Columns and lines of the terminal on stderr; `None` if stderr is no terminal or its size is unknown.
pub fn terminal_size() -> Option<(usize, usize)> {
    size_of(&std::io::stderr()).map(|(columns, lines)| (usize::from(columns), usize::from(lines)))
}

/// Columns of an open terminal; `None` if it is no terminal or its size is unknown.
pub fn terminal_columns(terminal: &impl AsRawFd) -> Option<u16> {
    size_of(terminal).map(|(columns, _)| columns)
}

fn size_of(terminal: &impl AsRawFd) -> Option<(u16, u16)> {
    // SAFETY: a successful call fills the structure, and an all-zero one is valid.
    let size = unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        (libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ, &mut size) == 0).then_some(size)
    }?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// Prints a line to stderr, control characters shown.
pub fn print_message(line: &str) {
    write_line(&printable::lines(line));
}

/// Prints an error to stderr, in colour if the user wants that.
pub fn print_error(message: &str) {
    write_line(&color::error(&printable::lines(message), color::on_stderr()));
}

/// Ignores errors: if stderr is closed, or a file on a full disk, there is no place for a message. `eprintln!` would panic.
fn write_line(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: Report = Report {
        step: 400,
        loss: 3.2119,
        perplexity: Some(24.83),
        learning_rate: 4.1e-4,
        tokens_per_second: 6213.4,
    };

    #[test]
    fn a_state_reads_like_this() {
        assert_eq!(state(&REPORT, 1080.0), "loss 3.212  ppl 24.8  lr 4.1e-4  6,213 tok/s  18m left");
        let words = Report { perplexity: None, ..REPORT };
        assert_eq!(state(&words, 1080.0), "loss 3.212  lr 4.1e-4  6,213 tok/s  18m left");
    }

    #[test]
    fn a_diverged_state_can_be_shown() {
        let report = Report { loss: f64::NAN, perplexity: Some(f64::INFINITY), ..REPORT };
        assert_eq!(state(&report, f64::NAN), "loss NaN  ppl inf  lr 4.1e-4  6,213 tok/s  ? left");
    }

    #[test]
    fn the_time_left_counts_the_updates_of_this_attempt_only() {
        assert_eq!(seconds_left(10.0, 400, 500, 1000), 50.0);
        assert_eq!(seconds_left(10.0, 0, 1000, 1000), 0.0);
        assert!(seconds_left(10.0, 400, 400, 1000).is_nan());
        assert_eq!(seconds_left(10.0, 0, 1200, 1000), 0.0);
    }

    #[test]
    fn the_style_of_the_bar_is_valid() {
        assert!(ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len}  {msg}").is_ok());
    }
}
