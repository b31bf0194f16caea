//! `ablate export`: writes a finished run for other toolkits.

use ablate_base::error::Result;
use ablate_command::commands::Places;
use ablate_command::commands::export::Arguments;
use ablate_compute::data::Split;
use ablate_compute::data::words::count_words;
use ablate_compute::experiment::{TrainedModel, finished_run};
use ablate_compute::export::{self, Run, check_place};
use ablate_compute::train::TaskKind;
use ablate_trial::telemetry::console::print_message;

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let Arguments { run, format, out } = arguments;
    let (experiment, record) = finished_run(&run, &[])?;
    export::check(format, &experiment)?;
    check_place(&out)?;
    let on_cpu = ["run.device=cpu".to_string()];
    let TrainedModel { data, model, .. } = TrainedModel::load(&run, &places.data, &on_cpu)?;
    let word_counts = match experiment.task() {
        TaskKind::WordVectors => count_words(&data.split(Split::Train)?, data.tokenizers.target().len()),
        _ => Vec::new(),
    };
    let trained = Run {
        experiment: &experiment,
        identity: &record.identity,
        tokenizer: data.tokenizers.target(),
        source_tokenizer: data.tokenizers.source_alone(),
        weights: model.weights(),
        word_counts: &word_counts,
    };
    export::export(format, &trained, &out)?;
    print_message(
        format!("wrote {}; in Python:\n\n{}", out.display(), export::example(format, &out, &experiment))
            .trim_end(),
    );
    Ok(())
}
