//! `ablate completions`: what shells complete, from the definitions of the command line.

use super::print;
use crate::error::{Error, Result};
use clap::{Args, Command};
use clap_complete::{Shell, generate};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the shell.
    pub shell: Shell,
}

pub fn run(arguments: Arguments, mut command: Command) -> Result<()> {
    let mut script = Vec::new();
    let name = command.get_name().to_string();
    generate(arguments.shell, &mut command, name, &mut script);
    print(&String::from_utf8(script).map_err(|error| Error::failed(error.to_string()))?)
}
