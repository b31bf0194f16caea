//! `ablate train`: trains one experiment in this process.

use ablate_base::error::{Error, Result};
use ablate_base::folders::{DIRECTORY_NAME_HELP, is_directory_name};
use ablate_base::signal::StopFlag;
use ablate_base::world::World;
use ablate_command::commands::train::Arguments;
use ablate_command::commands::{Places, print, print_json};
use ablate_compute::experiment::{Finished, Trial, distributed, note_on_bleu, run_dir};
use ablate_sweep::sweep::idle_check::check_experiment;
use ablate_trial::config::load::{apply_sets, load_experiment_tree};
use ablate_trial::results::metric::{
    BITS_PER_CHARACTER, BLEU, DEV, F1, LOSS, MALFORMED, MASKED_ACCURACY, MASKED_PERPLEXITY,
    NEXT_SENTENCE_ACCURACY, PERPLEXITY, PRECISION, PREDICTION_ACCURACY, RECALL, TEST, TEST_F1,
    TEST_MASKED_PERPLEXITY, TEST_PREDICTION_ACCURACY, WORD_PERPLEXITY, tag,
};
use ablate_trial::results::record::Record;
use ablate_trial::telemetry::console::{TrainingProgress, print_message};
use std::path::Path;

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let world = World::of_environment()?;
    let file = load_experiment_tree(&arguments.experiment, &[])?;
    let mut tree = file.clone();
    apply_sets(&mut tree, &arguments.sets)?;
    let mut experiment = tree.experiment()?;
    check_experiment(&file, &arguments.sets)?;
    let name = match (arguments.name, &experiment.label) {
        (Some(name), _) => name,
        (None, Some(label)) => label.clone(),
        (None, None) => return Err(no_label(&arguments.experiment)),
    };
    if !is_directory_name(&name) {
        return Err(Error::user(format!("--name {name:?} is not a safe name: {DIRECTORY_NAME_HELP}")));
    }
    experiment.label.get_or_insert_with(|| name.clone());
    let run_dir = run_dir(&places.results, &name, experiment.training.seed);
    let stop = StopFlag::listen().map_err(Error::io("listen to", "signals"))?;
    let trial = Trial {
        experiment: &experiment,
        label: &name,
        run_dir: &run_dir,
        data_root: &places.data,
        results: &places.results,
        until: None,
    };
    if let Some(world) = world.as_ref().filter(|world| world.rank > 0) {
        return distributed::follow(&trial, world, &stop);
    }
    if let Some(note) = note_on_bleu(&experiment.data.recipe, experiment.decoding.tokenize) {
        print_message(&note);
    }
    let mut observer = TrainingProgress::new(&name, experiment.training.steps);
    let finished = match &world {
        Some(world) => distributed::lead(&trial, world, &mut observer, &stop)?,
        None => trial.run(&mut observer, &stop)?,
    };
    drop(observer);
    if let Finished::Before(_) = &finished {
        print_message(&format!("{} is finished already; nothing to do", run_dir.display()));
    }
    if arguments.json {
        return print_json(finished.record());
    }
    print(&summary(finished.record(), &run_dir))
}

/// Returns the error for an experiment file that states no label and whose name cannot be one.
fn no_label(file: &Path) -> Error {
    Error::user(format!(
        "{}: an experiment without a label is called by its file's name, and this one cannot be a label; \
         state `label = \"…\"` in the file, or choose a name with --name\n  help: {DIRECTORY_NAME_HELP}",
        file.display()
    ))
}

/// Returns the final scores as text.
fn summary(record: &Record, run_dir: &Path) -> String {
    let has = |tag: &str| record.metrics.contains_key(tag);
    let line = |set: &str| {
        let measured = |name: &str| record.metrics.get(&tag(set, name)).copied();
        let rounded = |name: &str, digits: usize| {
            measured(name).map_or_else(|| "-".to_string(), |value| format!("{value:.digits$}"))
        };
        let value = |name: &str| rounded(name, 2);
        let scores = match () {
            _ if has(TEST_F1) => format!(
                "perplexity {}  F1 {} (precision {}, recall {}), {:.1} % malformed",
                value(PERPLEXITY),
                value(F1),
                value(PRECISION),
                value(RECALL),
                100.0 * measured(MALFORMED).unwrap_or_default()
            ),
            _ if record.has_translations() => {
                format!("perplexity {}  BLEU {}", value(PERPLEXITY), value(BLEU))
            }
            _ if has(TEST_MASKED_PERPLEXITY) => format!(
                "loss {}, perplexity {}, accuracy {} of hidden tokens{}",
                value(LOSS),
                value(MASKED_PERPLEXITY),
                value(MASKED_ACCURACY),
                measured(NEXT_SENTENCE_ACCURACY)
                    .map_or_else(String::new, |share| format!(", {share:.2} of second texts"))
            ),
            _ if has(TEST_PREDICTION_ACCURACY) => format!(
                "loss {}, accuracy {} of predictions",
                rounded(LOSS, 4),
                rounded(PREDICTION_ACCURACY, 4)
            ),
            _ => format!(
                "perplexity {} per token, {} per word; {} bits per character",
                value(PERPLEXITY),
                value(WORD_PERPLEXITY),
                value(BITS_PER_CHARACTER)
            ),
        };
        format!("{set:<5} {scores}\n")
    };
    let signature = match record.signature.as_str() {
        "" => String::new(),
        signature => format!("{signature}\n"),
    };
    format!("{}{}{signature}{}\n", line(DEV), line(TEST), run_dir.display())
}
