//! `ablate verify`: does a record still hold?

use super::{Places, print, print_json};
use crate::error::{Error, Result};
use crate::experiment::verify::{Check, verify};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Directory of a finished run.
    pub run: PathBuf,
    /// Also translate and predict dev and test again with the stored weights.
    #[arg(long)]
    pub decode: bool,
    /// Print one JSON document; the exit code is the same.
    #[arg(long)]
    pub json: bool,
}

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let checks = verify(&arguments.run, &places.data, arguments.decode)?;
    if arguments.json {
        let one =
            |check: &Check| json!({"what": check.what, "holds": check.found.is_none(), "found": check.found});
        let holds = checks.iter().all(|check| check.found.is_none());
        print_json(&json!({"holds": holds, "checks": checks.iter().map(one).collect::<Vec<_>>()}))?;
    }
    let mut text = String::new();
    for check in &checks {
        text += &match &check.found {
            None => format!("holds    {}\n", check.what),
            Some(found) => format!("DIFFERS  {}: {found}\n", check.what),
        };
    }
    if !arguments.json {
        print(&text)?;
    }
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
