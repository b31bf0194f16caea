//! `ablate schema`: what the files may hold, for editors.

use super::print;
use crate::config::json_schema;
use crate::error::{Error, Result};
use crate::sweep;
use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Kind of file.
    pub kind: Kind,
}

/// The kinds of TOML files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// experiments/**/*.toml
    Experiment,
    /// sweeps/*.toml
    Sweep,
    /// Files that sweeps include
    Part,
    /// experiments/recipes/*.toml
    Recipe,
}

pub fn run(arguments: Arguments) -> Result<()> {
    let schema = match arguments.kind {
        Kind::Experiment => json_schema::experiment(),
        Kind::Sweep => sweep::file::sweep_schema(),
        Kind::Part => sweep::file::part_schema(),
        Kind::Recipe => json_schema::recipe(),
    };
    let text = serde_json::to_string_pretty(&schema).map_err(|error| Error::failed(error.to_string()))?;
    print(&format!("{text}\n"))
}
