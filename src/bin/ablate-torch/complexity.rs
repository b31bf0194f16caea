//! `ablate complexity`: the cost of layers by length and width on this machine.

use ablate_base::error::{Error, Result};
use ablate_base::signal::StopFlag;
use ablate_command::commands::complexity::Arguments;
use ablate_compute::experiment::complexity::measure;
use ablate_trial::telemetry::console::print_message;

pub fn run(arguments: Arguments) -> Result<()> {
    let (request, run) = arguments.request()?;
    let stop = StopFlag::listen().map_err(Error::io("listen to", "signals"))?;
    arguments.show(&measure(&request, &run, &stop, &mut |line| print_message(line))?)
}
