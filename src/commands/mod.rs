//! One file a subcommand.

pub mod evalb;
pub mod export;
pub mod moses;
pub mod prepare;
pub mod probe;
pub mod schema;
pub mod score;
pub mod sweep;
pub mod table;
pub mod train;
pub mod translate;
pub mod trial;
pub mod verify;

use crate::error::{Error, Result};
use clap::Args;
use std::path::{Path, PathBuf};

/// Where things are kept.
#[derive(Debug, Clone, Args)]
pub struct Places {
    /// Directory of the prepared corpora.
    #[arg(long, global = true, value_name = "DIR", default_value = "data", env = "ABLATE_DATA")]
    pub data: PathBuf,
    /// Directory of the runs.
    #[arg(long, global = true, value_name = "DIR", default_value = "results", env = "ABLATE_RESULTS")]
    pub results: PathBuf,
}

/// A file's name without ending: what an experiment or a sweep is called.
fn stem(path: &Path) -> Result<String> {
    match path.file_stem().and_then(|stem| stem.to_str()) {
        Some(stem) if !stem.is_empty() => Ok(stem.to_string()),
        _ => Err(Error::user(format!("{} has no name that a directory could take", path.display()))),
    }
}

/// Prints a result to standard output. A reader that stopped reading, as `head` does, is not an error.
fn print(text: &str) -> Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::io("write", "standard output")(error))
        }
        _ => Ok(()),
    }
}

/// All of standard input.
fn read_standard_input() -> Result<String> {
    use std::io::Read;
    let mut text = Vec::new();
    std::io::stdin().read_to_end(&mut text).map_err(Error::io("read", "standard input"))?;
    String::from_utf8(text).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|&&byte| byte == b'\n').count() + 1;
        Error::user(format!("standard input, line {line}: not UTF-8"))
    })
}

/// Columns of the terminal, or what reads well in a file.
fn terminal_width() -> u16 {
    comfy_table::Table::new()
        .set_content_arrangement(comfy_table::ContentArrangement::Dynamic)
        .width()
        .unwrap_or(100)
}
