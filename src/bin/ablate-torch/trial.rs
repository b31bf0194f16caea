//! `ablate trial`: one trial of a sweep. The sweep starts it and reads its standard output.

use ablate_base::error::{Error, Result};
use ablate_base::signal::StopFlag;
use ablate_command::commands::Places;
use ablate_command::commands::trial::Arguments;
use ablate_compute::experiment::{Trial, run_configuration};
use ablate_sweep::sweep::trial_event::EventPipe;
use ablate_trial::telemetry::console::TrainingProgress;

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let stop = StopFlag::listen().map_err(Error::io("listen to", "signals"))?;
    let experiment = run_configuration(&arguments.run_dir, &[])?;
    let label = experiment.label.clone().unwrap_or_default();
    let trial = Trial {
        experiment: &experiment,
        label: &label,
        run_dir: &arguments.run_dir,
        data_root: &places.data,
        results: &places.results,
        until: arguments.until,
    };
    let mut observer = (TrainingProgress::new(&label, experiment.training.steps), EventPipe);
    trial.run(&mut observer, &stop).map(|_| ())
}
