//! The command line of `ablate complexity`, and the files that it writes.

use super::{
    check_figure, check_output, print, print_json, print_styled, screen, write_figure, write_output,
};
use crate::complexity::{
    Drawn, Layer, Options, Report, Request, charts, csv, exponents_csv, latex, markdown, terminal,
};
use crate::config::DeviceChoice;
use crate::config::experiment::RunConfig;
use crate::error::{Error, Result};
use crate::results::render::latex::is_own;
use crate::{files, folders, json};
use clap::Args;
use clap::builder::RangedU64ValueParser;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    pub options: Options,
    /// Number of CPU threads. 0 uses all cores.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = RangedU64ValueParser::<usize>::new().range(0..=MOST_THREADS))]
    pub threads: usize,
    /// Device: auto, cpu, cuda or cuda:N.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: DeviceChoice,
    /// Also write the tables as Markdown, LaTeX, CSV and JSON, and the pictures as SVG and PNG, into this directory.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print one JSON document in place of the tables.
    #[arg(long)]
    pub json: bool,
}

/// More threads than any machine has cores.
const MOST_THREADS: u64 = 4_096;

/// Names of the table files. The content of the first one tells whether this program wrote them all.
const TABLES: [&str; 5] =
    ["complexity.tex", "complexity.md", "complexity.csv", "exponents.csv", "complexity.json"];

impl Arguments {
    /// Returns the layers, sizes and lengths to measure, and the device that computes them.
    ///
    /// # Errors
    /// A user error for options that cannot be, and for files in the directory of the output that are not this program's.
    pub fn request(&self) -> Result<(Request, RunConfig)> {
        use clap::ValueEnum;
        let mut options = self.options.clone();
        if options.layers.is_empty() {
            options.layers = Layer::value_variants().to_vec();
        }
        let request = Request::of(&options)?;
        if let Some(folder) = &self.out {
            check(folder)?;
        }
        Ok((request, RunConfig { device: self.device, threads: self.threads, ..Default::default() }))
    }

    /// Prints a report, and writes its files if `--out` is given.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn show(&self, report: &Report) -> Result<()> {
        // Files first: standard output may be full or closed. If they cannot be written, the report is still printed.
        let kept = self.out.as_ref().map(|folder| write(folder, report)).transpose();
        match self.json {
            true => print_json(report)?,
            false => print_styled(&terminal(report, screen()))?,
        }
        match kept {
            Ok(Some(written)) if !self.json => print(&format!("\n{written}")),
            Ok(_) => Ok(()),
            Err(error) => {
                Err(Error::failed(format!("the report is shown, but its files are not all written: {error}")))
            }
        }
    }
}

/// Refuses a directory with files of these names that are not this program's.
fn check(folder: &Path) -> Result<()> {
    if folder.exists() && !folder.is_dir() {
        return Err(Error::user(format!("--out {} is a file; name a directory", folder.display())));
    }
    let own = files::read_if_exists(&folder.join(TABLES[0]))?.is_some_and(|text| is_own(&text));
    TABLES.iter().try_for_each(|name| check_output(&folder.join(name), "a table of ablate", |_| own))?;
    // The names of the new figures are not known yet, so that every existing figure is checked.
    if !folder.exists() {
        return Ok(());
    }
    let figures = ["time-d", "memory-d", "operations-d", "paths."];
    for path in folders::list(folder)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_figure = name.ends_with(".svg") || name.ends_with(".png");
        if is_figure && figures.iter().any(|start| name.starts_with(start)) {
            check_figure(&path)?;
        }
    }
    Ok(())
}

/// Writes tables and figures. Returns their paths, one per line.
fn write(folder: &Path, report: &Report) -> Result<String> {
    files::create_dir(folder)?;
    let texts = [latex(report), markdown(report), csv(report)?, exponents_csv(report)?, json::page(report)?];
    let mut written = String::new();
    for (name, text) in TABLES.iter().zip(texts) {
        written += &write_output(&folder.join(name), text.as_bytes())?;
    }
    for Drawn { name, svg } in charts(report) {
        written += &write_figure(&folder.join(format!("{name}.svg")), &svg)?;
    }
    Ok(written)
}
