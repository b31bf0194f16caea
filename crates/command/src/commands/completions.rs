//! `ablate completions`: scripts for completion in shells, from the definitions of the command line.

use super::{prepare, print};
use crate::error::{Error, Result};
use clap::builder::PossibleValuesParser;
use clap::{Args, Command};
use clap_complete::{Shell, generate};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the shell.
    pub shell: Shell,
}

/// Prints the script. bash, zsh and fish also complete the names of the recipes that are there when this is called.
pub fn run(arguments: Arguments, command: Command) -> Result<()> {
    let recipes = prepare::recipe_names();
    let mut command = without_hidden(&command);
    if arguments.shell == Shell::Bash && !recipes.is_empty() {
        // bash falls back to file names if no recipe matches. The parser needs static names, so they are leaked: the
        // process ends with the script.
        let names: Vec<&'static str> = recipes.iter().map(|name| &*name.clone().leak()).collect();
        command = command.mut_subcommand("prepare", |prepare| {
            prepare.mut_arg("what", |what| what.value_parser(PossibleValuesParser::new(names)))
        });
    }
    let mut script = Vec::new();
    generate(arguments.shell, &mut command, "ablate", &mut script);
    let script = String::from_utf8(script).map_err(|error| Error::failed(error.to_string()))?;
    print(&match arguments.shell {
        Shell::Zsh if !recipes.is_empty() => with_names_in_zsh(&script, &recipes),
        Shell::Fish if !recipes.is_empty() => with_names_in_fish(script, &recipes),
        _ => script,
    })
}

/// Returns the command line without its hidden commands.
fn without_hidden(command: &Command) -> Command {
    let shown = command.get_subcommands().filter(|below| !below.is_hide_set());
    Command::new("ablate").args(command.get_arguments()).subcommands(shown.cloned())
}

/// Adds recipes to zsh's completion of the argument that the generator completes with files alone.
fn with_names_in_zsh(script: &str, recipes: &[String]) -> String {
    let names = recipes.join(" ");
    let both = format!(":{{_alternative \"recipes\\:recipe\\:({names})\" \"files\\:file\\:_files\"}}'");
    let lines = script.lines().map(|line| match line.trim_start().strip_prefix("'::what -- ") {
        Some(_) => line.replacen(":_files'", &both, 1),
        None => line.to_string(),
    });
    lines.map(|line| line + "\n").collect()
}

fn with_names_in_fish(script: String, recipes: &[String]) -> String {
    let names = recipes.join(" ");
    format!(
        "{script}complete -c ablate -n \"__fish_seen_subcommand_from prepare\" -a \"{names}\" -d Recipe\n"
    )
}
