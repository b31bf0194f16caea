//! `ablate probe`: what a trial costs, measured in a process of its own. `ablate sweep --plan --probe` starts it.

use ablate_base::error::{Error, Result};
use ablate_command::commands::probe::Arguments;
use ablate_command::commands::{Places, print};
use ablate_compute::experiment::probe::probe;
use ablate_trial::config::load_experiment;

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let measurement = probe(&load_experiment(&arguments.experiment, &[])?, &places.data)?;
    let text = serde_json::to_string(&measurement).map_err(|e| Error::failed(e.to_string()))?;
    print(&format!("{text}\n"))
}
