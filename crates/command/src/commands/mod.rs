//! One file per subcommand. For commands that need libtorch, only the arguments are here; `src/bin/ablate-torch`
//! implements them.

pub mod bench;
pub mod clean;
pub mod compare;
pub mod completions;
pub mod complexity;
pub mod doctor;
pub mod evalb;
pub mod export;
pub mod generate;
pub mod keep;
pub mod man;
pub mod moses;
pub mod prepare;
pub mod probe;
pub mod report;
pub mod schema;
pub mod score;
pub mod status;
pub mod sweep;
pub mod table;
pub mod tensorboard;
pub mod train;
pub mod translate;
pub mod tree;
pub mod trial;
pub mod verify;

use crate::color;
use crate::error::{Error, Result};
use crate::figures::{Svg, svg};
use crate::files;
use crate::json;
use crate::printable;
use crate::results::record::Failure;
use crate::results::render::Screen;
use crate::score::{STANDARD_INPUT, read_bytes};
use crate::sweep::collected::Collected;
use crate::sweep::committed::CommittedRecords;
use crate::sweep::drawing::Drawing;
use crate::sweep::expand::{TrialPurpose, expand_recorded};
use crate::sweep::spec::SweepSpec;
use crate::sweep::trial::Trial;
use crate::telemetry::console::terminal_columns;
use crate::utf8::{BYTE_ORDER_MARK, end_of};
use clap::Args;
use std::io::{ErrorKind, IsTerminal};
use std::path::{Path, PathBuf};

/// The directories of corpora and runs.
#[derive(Debug, Clone, Args)]
pub struct Places {
    // `GLOBAL_OPTIONS` in `score/sacre_bleu` repeats the names of these options.
    /// Directory of the prepared corpora.
    #[arg(long, global = true, value_name = "DIR", default_value = "data", env = "ABLATE_DATA")]
    pub data: PathBuf,
    /// Directory of the runs.
    #[arg(long, global = true, value_name = "DIR", default_value = "results", env = "ABLATE_RESULTS")]
    pub results: PathBuf,
}

impl Places {
    /// Refuses a file in the place of either directory.
    ///
    /// # Errors
    /// A user error that names the option.
    fn check(&self) -> Result<()> {
        check_directory("--data", &self.data)?;
        check_directory("--results", &self.results)
    }
}

/// A sweep, its trials, and the directory of its runs.
struct OpenSweep {
    spec: SweepSpec,
    trials: Vec<Trial>,
    dir: PathBuf,
    /// The search, with the draws of the ledger and the random ones at its start. `trials` has the trials of these
    /// draws.
    search: Option<Drawing>,
}

impl OpenSweep {
    /// Reads a sweep file with the settings of `--set`. The directory need not be there.
    fn load(purpose: TrialPurpose, file: &Path, sets: &[String], places: &Places) -> Result<Self> {
        places.check()?;
        let spec = SweepSpec::load(file)?;
        let dir = places.results.join(&spec.name);
        let (trials, search) = expand_recorded(purpose, &spec, sets, &dir)?;
        Ok(OpenSweep { spec, trials, dir, search })
    }

    /// Reads the results of the runs, and takes `committed` records where a trial has no run.
    fn collected(self, file: &Path, committed: &CommittedRecords, places: &Places) -> Result<Collected> {
        let OpenSweep { spec, trials, dir, search } = self;
        Collected::read(file, spec, trials, search, dir, committed, &places.data)
    }
}

/// Prints a result to standard output. On a terminal, control characters are made visible.
pub fn print(text: &str) -> Result<()> {
    print_styled(&printable::on_stdout(text))
}

/// Prints a text that may have bold parts and whose control characters are already visible. A pipe that its reader
/// closed, as `head` does, is not an error.
fn print_styled(text: &str) -> Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::io("write", "standard output")(error))
        }
        _ => Ok(()),
    }
}

/// Number of last lines of a failed trial's output that summaries repeat.
const LAST_LINES: usize = 3;

/// Returns the reason of a trial's failure, with the path of its log and the last lines of its output.
fn failure_text(row: &str, seed: u64, failure: &Failure, log: &Path) -> String {
    let attempts = match failure.attempts {
        0 | 1 => String::new(),
        attempts => format!(", {attempts} attempts"),
    };
    let mut text = format!("  {row} seed {seed}: {}{attempts}; {}", failure.reason, log.display());
    let lines: Vec<&str> = failure.detail.lines().collect();
    for line in &lines[lines.len().saturating_sub(LAST_LINES)..] {
        text += &format!("\n    {line}");
    }
    text
}

/// Reads all of standard input as UTF-8, without a byte-order mark at its start.
pub fn read_standard_input() -> Result<String> {
    let (name, bytes) = read_bytes(STANDARD_INPUT)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let (line, _) = end_of(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        Error::user(format!("{name}, line {line}: not UTF-8"))
    })?;
    Ok(text.strip_prefix(BYTE_ORDER_MARK).map(String::from).unwrap_or(text))
}

/// Refuses the path that `option` names if it, or a part of it, exists and is not a directory. The directory itself
/// need not exist.
///
/// # Errors
/// A user error that names the option and the path that is not a directory.
fn check_directory(option: &str, folder: &Path) -> Result<()> {
    match folder.ancestors().find(|part| part.symlink_metadata().is_ok() && !part.is_dir()) {
        None => Ok(()),
        Some(other) => Err(Error::user(format!(
            "{option} {}: {} is not a directory; name another place",
            folder.display(),
            other.display()
        ))),
    }
}

/// Refuses to replace a file that this program has not written, which `is_own` tells by its content. `what` names the
/// expected kind of file in the error. An empty file may be replaced.
///
/// # Errors
/// A user error that names the path and the reason.
fn check_output(path: &Path, what: &str, is_own: impl FnOnce(&[u8]) -> bool) -> Result<()> {
    let refused = |why: &str| Err(Error::user(format!("{} {why}", path.display())));
    let about = match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            return refused("lies below something that is not a directory; name another place");
        }
        about => about.map_err(Error::io("look at", path))?,
    };
    if about.is_dir() {
        return refused("is a directory; name a file");
    }
    if about.is_symlink() {
        return refused("is a symbolic link, which would be replaced; name the file itself");
    }
    if files::is_special(&about) {
        return refused("is a device, a pipe or a socket; name a file");
    }
    if about.len() == 0 || is_own(&std::fs::read(path).map_err(Error::io("read", path))?) {
        return Ok(());
    }
    refused(&format!("is there already and is not {what}; choose another name, or remove it first"))
}

/// Pixels of a PNG per pixel of its figure: sharp in print at the width of a column.
const PNG_SCALE: f32 = 2.0;

/// Refuses to replace a figure that this program has not made, by the path of either of its files. A PNG is known by the SVG
/// beside it, which is written first.
fn check_figure(path: &Path) -> Result<()> {
    let svg = path.with_extension("svg");
    check_output(&svg, "a figure of ablate", svg::is_own)?;
    check_output(&path.with_extension("png"), "a figure of ablate with its SVG beside it", |_| svg.exists())
}

/// Writes a figure as SVG and PNG. Returns the paths, one per line.
fn write_figure(path: &Path, figure: &Svg) -> Result<String> {
    let svg = write_output(&path.with_extension("svg"), figure.to_text().as_bytes())?;
    Ok(svg + &write_output(&path.with_extension("png"), &figure.to_png(PNG_SCALE)?.bytes)?)
}

/// Writes a file whole. Returns its path as a line.
fn write_output(path: &Path, bytes: &[u8]) -> Result<String> {
    files::write_atomically(path, bytes)?;
    Ok(format!("{}\n", path.display()))
}

/// Prints one JSON document to standard output.
pub fn print_json(value: &impl serde::Serialize) -> Result<()> {
    print(&json::page(value)?)
}

/// Returns the width of tables on standard output, and whether they may have bold text.
fn screen() -> Screen {
    Screen { width: terminal_width(), bold: color::on_stdout() }
}

/// Returns the number of columns of the terminal that standard output is, or one that reads well in a file.
fn terminal_width() -> u16 {
    let stdout = std::io::stdout();
    let columns = if stdout.is_terminal() { terminal_columns(&stdout) } else { None };
    columns.unwrap_or(100)
}
