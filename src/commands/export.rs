//! `ablate export`: a finished run for other toolkits.

use super::Places;
use crate::error::Result;
use crate::experiment::{TrainedModel, finished_run};
use crate::export::{Format, Run, check_place, export};
use crate::telemetry::console::print_message;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Directory of a finished run.
    pub run: PathBuf,
    /// Format to write. If the format cannot represent a setting of the run, the command names the setting and writes
    /// nothing.
    #[arg(long, value_enum)]
    pub format: Format,
    /// Directory to create. A directory that is not empty is refused.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let Arguments { run, format, out } = arguments;
    let (experiment, record) = finished_run(&run, &[])?;
    format.check(&experiment.model)?;
    check_place(&out)?;
    let on_cpu = ["run.device=cpu".to_string()];
    let TrainedModel { data, model, .. } = TrainedModel::load(&run, &places.data, &on_cpu)?;
    let trained = Run {
        experiment: &experiment,
        identity: &record.identity,
        tokenizer: data.tokenizers.target(),
        source_tokenizer: data.tokenizers.source_alone(),
        weights: model.weights(),
    };
    export(format, &trained, &out)?;
    print_message(
        format!("wrote {}; in Python:\n\n{}", out.display(), format.example(&out, &experiment)).trim_end(),
    );
    Ok(())
}
