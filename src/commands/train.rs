//! `ablate train`: one trial in this process.

use super::{print, stem};
use crate::cli::{Places, TrainArguments};
use crate::config::load_experiment;
use crate::config::validate::is_directory_name;
use crate::error::{Error, Result};
use crate::experiment::{Finished, Trial, run_dir};
use crate::results::record::Record;
use crate::signal::StopFlag;
use crate::telemetry::console::TrainingProgress;

pub fn run(arguments: TrainArguments, places: &Places) -> Result<()> {
    let experiment = load_experiment(&arguments.experiment, &arguments.sets)?;
    let name = match (arguments.name, &experiment.label) {
        (Some(name), _) => name,
        (None, Some(label)) => label.clone(),
        (None, None) => stem(&arguments.experiment)?,
    };
    if !is_directory_name(&name) {
        return Err(Error::user(format!("{name:?} cannot be a run's name; choose one with --name")));
    }
    let run_dir = run_dir(&places.results, &name, experiment.training.seed);
    let stop = StopFlag::listen().map_err(Error::io("listen to", "signals"))?;
    let trial = Trial { experiment: &experiment, label: &name, run_dir: &run_dir, data_root: &places.data };
    let mut observer = TrainingProgress::new(&name, experiment.training.steps);
    let finished = trial.run(&mut observer, &stop)?;
    drop(observer);
    if let Finished::Before(_) = &finished {
        eprintln!("{} is finished already; nothing to do", run_dir.display());
    }
    print(&summary(finished.record(), &run_dir))
}

/// The final scores, for people.
pub fn summary(record: &Record, run_dir: &std::path::Path) -> String {
    let value = |tag: &str| record.metrics.get(tag).map_or_else(|| "-".to_string(), |v| format!("{v:.2}"));
    format!(
        "dev   perplexity {}  BLEU {}\ntest  perplexity {}  BLEU {}\n{}\n{}\n",
        value("dev/perplexity"),
        value("dev/bleu"),
        value("test/perplexity"),
        value("test/bleu"),
        record.signature,
        run_dir.display()
    )
}
