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

pub fn run(arguments: Arguments, mut command: Command) -> Result<()> {
    let Some(folder) = arguments.out else {
        let page = page(&command)?;
        return print(&String::from_utf8(page).map_err(|error| Error::failed(error.to_string()))?);
    };
    // `help` and the like are added, and options of all commands handed down.
    command.build();
    files::create_dir(&folder)?;
    let mut written = String::new();
    write(&command, command.get_name(), &folder, &mut written)?;
    print(&written)
}

/// The pages of a command and of those below it.
fn write(command: &Command, name: &str, folder: &Path, written: &mut String) -> Result<()> {
    let path = folder.join(format!("{name}.1"));
    // The page is called as its file, not as the word on the command line.
    files::write_atomically(&path, &page(&command.clone().name(leaked(name)))?)?;
    *written += &format!("{}\n", path.display());
    for below in command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help")
    {
        write(below, &format!("{name}-{}", below.get_name()), folder, written)?;
    }
    Ok(())
}

/// The parser keeps names for the length of the program, of which this is the end.
fn leaked(name: &str) -> &'static str {
    name.to_string().leak()
}

fn page(command: &Command) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page).map_err(|error| Error::failed(error.to_string()))?;
    Ok(page)
}
