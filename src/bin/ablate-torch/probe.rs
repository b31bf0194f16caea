//! `ablate probe`: measures the cost of a trial in a separate process. `ablate sweep --plan --probe` starts it.

use ablate_base::error::Result;
use ablate_base::json;
use ablate_command::commands::probe::Arguments;
use ablate_command::commands::{Places, print};
use ablate_compute::experiment::probe::probe;
use ablate_trial::config::load_experiment;

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let measurement = probe(&load_experiment(&arguments.experiment, &[])?, &places.data)?;
    print(&(json::line(&measurement)? + "\n"))
}
