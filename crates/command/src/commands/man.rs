//! `ablate man`: the manual's pages, from the definitions of the command line.

use super::{check_directory, check_output, print, write_output};
use crate::error::{Error, Result};
use crate::files;
use clap::{Args, Command};
use clap_mangen::Man;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Directory for the pages of all commands, named as `man` expects them (ablate-train.1). Without it, the page of
    /// `ablate` is printed.
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
    check_directory("--out", &folder)?;
    let mut pages = Vec::new();
    add_pages(&command, &mut pages)?;
    let pages: Vec<(PathBuf, Vec<u8>)> =
        pages.into_iter().map(|(name, page)| (folder.join(name), page)).collect();
    pages.iter().try_for_each(|(path, _)| check_output(path, "a page of this manual", is_own))?;
    files::create_dir(&folder)?;
    let mut written = String::new();
    for (path, page) in pages {
        written += &write_output(&path, &page)?;
    }
    print(&written)
}

/// Appends the pages of a command and of its subcommands, each with the name of its file.
fn add_pages(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    pages.push(page(command)?);
    let mut below = command.get_subcommands().filter(|below| !below.is_hide_set());
    below.try_for_each(|below| add_pages(below, pages))
}

/// Returns whether `page` is a page of this manual, of any version of the program.
fn is_own(page: &[u8]) -> bool {
    let title = b".TH ablate";
    page.windows(title.len()).any(|window| window == title)
}

/// Returns the file name and the text of a command's page.
fn page(command: &Command) -> Result<(String, Vec<u8>)> {
    let man =
        Man::new(command.clone()).source(concat!("ablate ", env!("CARGO_PKG_VERSION"))).manual("ablate");
    let mut page = Vec::new();
    man.render(&mut page).map_err(|error| Error::failed(error.to_string()))?;
    Ok((man.get_filename(), page))
}
