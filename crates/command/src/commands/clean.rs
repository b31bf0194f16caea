//! `ablate clean`: lists the files of a sweep that are no longer needed, and removes them if the user agrees.

use super::{OpenSweep, Places, print};
use crate::error::{Error, Result};
use crate::experiment::run_paths::run_dir;
use crate::sweep::clean::{Found, Item, Request, find, remove};
use crate::sweep::drawing::Drawing;
use crate::sweep::expand::TrialPurpose;
use crate::sweep::{directory, driver};
use crate::telemetry::console::print_message;
use crate::telemetry::format::{bytes, counted};
use clap::Args;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Sweep file.
    pub sweep: PathBuf,
    /// Remove the files without asking.
    #[arg(long)]
    pub yes: bool,
    /// Setting with which the sweep was run: section.key=value. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let OpenSweep { trials, dir: sweep_dir, search, .. } =
        OpenSweep::load(TrialPurpose::Show, &arguments.sweep, &arguments.sets, places)?;
    if !sweep_dir.is_dir() {
        return print(&format!("{} is not there: nothing to remove\n", sweep_dir.display()));
    }
    // Checked first: the lock is a file, which must not be written into an unrelated directory.
    if !directory::is_recognised(&sweep_dir)? {
        return Err(Error::user(format!(
            "{} is not the directory of a sweep: it has no ledger, records or runs of this program; nothing is removed. \
             Is --results right?",
            sweep_dir.display()
        )));
    }
    let _lock = driver::lock(&sweep_dir)?;
    let to_come = search.iter().flat_map(Drawing::runs_to_come);
    let to_come = to_come.map(|(row, seed)| run_dir(&sweep_dir, &row, seed)).collect();
    let request = Request { sweep_dir: &sweep_dir, data_root: &places.data, trials: &trials, to_come };
    let found = find(&request)?;
    print(&text(&found))?;
    if found.items.is_empty() {
        return Ok(());
    }
    if !arguments.yes && !asked()? {
        print_message("nothing was removed; --yes removes it");
        return Ok(());
    }
    remove(&found, &mut |line| print_message(line))?;
    print_message("removed");
    Ok(())
}

/// Returns the listing: all items by kind, with their sizes; then the files that stay, and the reasons.
fn text(found: &Found) -> String {
    let mut text = String::new();
    let mut last = None;
    for item in &found.items {
        if last.replace(item.kind) != Some(item.kind) {
            text += &format!("{}\n", item.kind.describe());
        }
        text += &line(item);
    }
    for (index, (path, why)) in found.kept.iter().enumerate() {
        text += if index == 0 { "kept\n" } else { "" };
        text += &format!("              {}: {why}\n", path.display());
    }
    match found.items.is_empty() {
        true => text + "nothing to remove\n",
        false => text + &format!("\nremoving all of it frees {}\n", bytes(found.bytes() as f64)),
    }
}

fn line(item: &Item) -> String {
    let size = bytes(item.bytes as f64);
    let files = counted(item.files.len(), "file");
    format!("  {size:>10}  {} ({files})\n", item.path.display())
}

/// Asks the user whether to remove the files. Returns false without a terminal.
fn asked() -> Result<bool> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Ok(false);
    }
    let mut err = std::io::stderr();
    let _ = write!(err, "remove it? [y/N] ").and_then(|()| err.flush());
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(Error::io("read", "standard input"))?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
