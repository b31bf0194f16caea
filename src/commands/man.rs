//! `ablate man`: the manual's pages, from the definitions of the command line.

use super::print;
use crate::error::{Error, Result};
use crate::files;
use clap::{Args, Command};
use clap_mangen::Man;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Write the page of every command into this directory, as `man` looks for them: ablate-train.1. Without it,
    /// the first page is printed.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

pub fn run(arguments: Arguments, command: Command) -> Result<()> {
    // Names and options are handed down to the commands below.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let Some(folder) = arguments.out else {
        let (_, page) = page(&command)?;
        return print(&String::from_utf8(page).map_err(|error| Error::failed(error.to_string()))?);
    };
    files::create_dir(&folder)?;
    let mut written = String::new();
    write(&command, &folder, &mut written)?;
    print(&written)
}

/// The pages of a command and of those below it.
fn write(command: &Command, folder: &Path, written: &mut String) -> Result<()> {
    let (name, page) = page(command)?;
    let path = folder.join(name);
    files::write_atomically(&path, &page)?;
    *written += &format!("{}\n", path.display());
    command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
        .try_for_each(|below| write(below, folder, written))
}

/// A page with the name of its file.
fn page(command: &Command) -> Result<(String, Vec<u8>)> {
    let man =
        Man::new(command.clone()).source(concat!("ablate ", env!("CARGO_PKG_VERSION"))).manual("ablate");
    let mut page = Vec::new();
    man.render(&mut page).map_err(|error| Error::failed(error.to_string()))?;
    Ok((man.get_filename(), page))
}
