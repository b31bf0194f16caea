//! One line per trial, for the running sweep and for `ablate status`: the trial's state, folded to the space there is.

use super::state::StateKind;
use crate::telemetry::format::{counted, duration, quantity, thousands};
use std::collections::BTreeMap;

/// The content of a trial's line.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Line {
    /// `base seed 1`
    pub name: String,
    pub stage: Stage,
    /// Number of updates done, and of the whole training.
    pub step: u64,
    pub steps: u64,
    /// The last training loss, smoothed, nats per target token.
    pub loss: Option<f64>,
    /// Title and last value of the score of the model's output: on the dev set while it trains, on the test set once it
    /// is finished.
    pub score: Option<(&'static str, f64)>,
    pub tokens_per_second: Option<f64>,
    /// Seconds until the last update.
    pub seconds_left: Option<f64>,
    /// Further information: the reason of a failure, or the source of a reused result.
    pub note: String,
}

/// The state of a trial, in the order in which a short terminal shows trials.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Running,
    Failed,
    /// Waits for the driver that shows it to run it.
    #[default]
    Queued,
    /// Anything else; see [`StateKind`].
    Other(StateKind),
    Finished,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Stage::Running => StateKind::Running.name(),
            Stage::Failed => StateKind::Failed.name(),
            Stage::Queued => "queued",
            Stage::Other(state) => state.name(),
            Stage::Finished => StateKind::Finished.name(),
        }
    }
}

impl From<StateKind> for Stage {
    fn from(state: StateKind) -> Self {
        match state {
            StateKind::Running => Stage::Running,
            StateKind::Failed => Stage::Failed,
            StateKind::Finished => Stage::Finished,
            other => Stage::Other(other),
        }
    }
}

/// Returns the number of trials in each state: `8 trials: 2 running, 1 failed, 3 queued, 2 finished`.
pub fn counts(lines: &[Line]) -> String {
    format!("{}: {}", counted(lines.len(), "trial"), tally(lines.iter()))
}

fn tally<'a>(lines: impl Iterator<Item = &'a Line>) -> String {
    let mut counts: BTreeMap<Stage, usize> = BTreeMap::new();
    lines.for_each(|line| *counts.entry(line.stage).or_default() += 1);
    let counts: Vec<String> =
        counts.into_iter().map(|(stage, count)| format!("{count} {}", stage.name())).collect();
    counts.join(", ")
}

/// Returns the lines as at most `height` texts of at most `width` characters each. If they do not fit, running trials
/// come first, then failed and waiting ones; a last line counts the others. The lines shown stay in the sweep's order.
pub fn render(lines: &[Line], width: usize, height: usize) -> Vec<String> {
    let shown = chosen(lines, height);
    let cells: Vec<[String; 7]> = shown.iter().map(|&number| cells(&lines[number])).collect();
    let mut widths = [0; 7];
    for row in &cells {
        widths.iter_mut().zip(row).for_each(|(width, cell)| *width = (*width).max(cell.chars().count()));
    }
    let mut text: Vec<String> = cells.iter().map(|row| cut(&aligned(row, &widths), width)).collect();
    if shown.len() < lines.len() && height > 0 {
        let folded = (0..lines.len()).filter(|number| !shown.contains(number)).map(|number| &lines[number]);
        text.push(cut(&format!("… and {} more: {}", lines.len() - shown.len(), tally(folded)), width));
    }
    text
}

/// The numbers of the lines to show, ascending.
fn chosen(lines: &[Line], height: usize) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..lines.len()).collect();
    if lines.len() > height {
        numbers.sort_by_key(|&number| lines[number].stage);
        numbers.truncate(height.saturating_sub(1));
        numbers.sort_unstable();
    }
    numbers
}

/// Returns name, state, step, loss, BLEU, speed, and the remaining time with the note.
fn cells(line: &Line) -> [String; 7] {
    let begun = line.step > 0 && line.stage != Stage::Queued || line.stage == Stage::Running;
    let some = |value: Option<f64>, text: &dyn Fn(f64) -> String| value.map_or_else(String::new, text);
    let left = some(line.seconds_left, &|seconds| format!("{} left", duration(seconds)));
    let parts = [left.as_str(), line.note.as_str()];
    let rest: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    [
        line.name.clone(),
        line.stage.name().to_string(),
        if begun { format!("{}/{}", thousands(line.step), thousands(line.steps)) } else { String::new() },
        some(line.loss, &|loss| format!("loss {loss:.3}")),
        line.score.map_or_else(String::new, |(title, score)| format!("{title} {score:.2}")),
        some(line.tokens_per_second, &|rate| format!("{} tok/s", quantity(rate))),
        rest.join("  "),
    ]
}

/// Returns a line in which steps and speeds are aligned right, other cells left.
fn aligned(cells: &[String; 7], widths: &[usize; 7]) -> String {
    let columns = cells.iter().zip(widths).enumerate().filter(|(_, (_, width))| **width > 0);
    let columns: Vec<String> = columns
        .map(|(index, (cell, &width))| match index {
            2 | 5 => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        })
        .collect();
    columns.join("  ").trim_end().to_string()
}

/// Returns a line without control characters, cut to the width of the terminal.
fn cut(text: &str, width: usize) -> String {
    let text: String =
        text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    match text.char_indices().nth(width) {
        None => text,
        Some(_) if width == 0 => String::new(),
        Some(_) => text.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, stage: impl Into<Stage>) -> Line {
        Line { name: name.into(), stage: stage.into(), steps: 8000, ..Line::default() }
    }

    fn running(name: &str) -> Line {
        Line {
            step: 1200,
            loss: Some(3.2119),
            score: Some(("BLEU", 24.13)),
            tokens_per_second: Some(6213.4),
            seconds_left: Some(1080.0),
            ..line(name, StateKind::Running)
        }
    }

    #[test]
    fn every_trial_has_a_line_with_what_is_known_of_it() {
        let mut failed = line("wide seed 1", StateKind::Failed);
        (failed.step, failed.note) = (300, "diverged".into());
        let mut finished = line("base seed 2", StateKind::Finished);
        (finished.step, finished.score) = (8000, Some(("BLEU", 40.7)));
        let lines = [running("base seed 1"), finished, failed, line("wide seed 2", Stage::Queued)];
        assert_eq!(counts(&lines), "4 trials: 1 running, 1 failed, 1 queued, 1 finished");
        assert_eq!(
            render(&lines, 100, 24),
            [
                "base seed 1  running   1,200/8,000  loss 3.212  BLEU 24.13  6,213 tok/s  18m left",
                "base seed 2  finished  8,000/8,000              BLEU 40.70",
                "wide seed 1  failed      300/8,000                                       diverged",
                "wide seed 2  queued",
            ]
        );
    }

    #[test]
    fn what_does_not_fit_is_counted_and_the_running_come_first() {
        let mut lines: Vec<Line> =
            (0..200).map(|n| line(&format!("row seed {n}"), StateKind::Finished)).collect();
        lines[150] = running("row seed 150");
        lines[170] = line("row seed 170", StateKind::Failed);
        lines[199] = line("row seed 199", Stage::Queued);
        let shown = render(&lines, 80, 5);
        let names: Vec<&str> = shown.iter().map(|line| line.get(..12).unwrap_or(line)).collect();
        assert_eq!(names[..4], ["row seed 0  ", "row seed 150", "row seed 170", "row seed 199"]);
        assert_eq!(shown[4], "… and 196 more: 196 finished");
        assert_eq!(render(&lines, 80, 1), ["… and 200 more: 1 running, 1 failed, 1 queued, 197 finished"]);
        assert!(render(&lines, 80, 0).is_empty());
        assert_eq!(render(&lines, 80, 200).len(), 200);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_or_breaks() {
        let mut line = running("ein-sehr-langer-name-mit-ü seed 1");
        line.note = "two\nlines\u{1b}[31m".into();
        for width in 0..120 {
            let shown = render(&[line.clone()], width, 3);
            assert!(shown[0].chars().count() <= width && !shown[0].contains(['\n', '\u{1b}']), "{shown:?}");
        }
        assert!(render(&[line], 30, 3)[0].ends_with('…'));
    }
}
