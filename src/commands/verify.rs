//! `ablate verify`: does a record still hold?

use super::{Places, print};
use crate::error::{Error, Result};
use crate::experiment::verify::verify;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Directory of a finished run.
    pub run: PathBuf,
    /// Also translate and predict dev and test again with the stored weights.
    #[arg(long)]
    pub decode: bool,
}

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let checks = verify(&arguments.run, &places.data, arguments.decode)?;
    let mut text = String::new();
    for check in &checks {
        text += &match &check.found {
            None => format!("holds    {}\n", check.what),
            Some(found) => format!("DIFFERS  {}: {found}\n", check.what),
        };
    }
    print(&text)?;
    let failed = checks.iter().filter(|check| check.found.is_some()).count();
    match failed {
        0 => Ok(()),
        _ => Err(Error::failed(format!(
            "{failed} of {} checks failed: the record of {} does not hold",
            checks.len(),
            arguments.run.display()
        ))),
    }
}
