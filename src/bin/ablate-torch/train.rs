//! `ablate train`: one trial in this process.

use ablate_base::error::{Error, Result};
use ablate_base::folders::{DIRECTORY_NAME_HELP, is_directory_name};
use ablate_base::signal::StopFlag;
use ablate_base::world::World;
use ablate_command::commands::train::Arguments;
use ablate_command::commands::{Places, print, print_json};
use ablate_compute::experiment::{Finished, Trial, distributed, run_dir};
use ablate_sweep::sweep::idle_check::check_experiment;
use ablate_trial::config::load::{apply_sets, load_experiment_tree};
use ablate_trial::results::metric::{
    BITS_PER_CHARACTER, DEV, DEV_BLEU, DEV_PERPLEXITY, F1, LOSS, MALFORMED, MASKED_ACCURACY,
    MASKED_PERPLEXITY, NEXT_SENTENCE_ACCURACY, PERPLEXITY, PRECISION, PREDICTION_ACCURACY, RECALL, TEST,
    TEST_BLEU, TEST_F1, TEST_MASKED_PERPLEXITY, TEST_PERPLEXITY, TEST_PREDICTION_ACCURACY, WORD_PERPLEXITY,
    tag,
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

/// The error for an experiment file that states no label and whose name cannot be one.
fn no_label(file: &Path) -> Error {
    Error::user(format!(
        "{}: an experiment without a label is called by its file's name, and this one cannot be a label; \
         state `label = \"…\"` in the file, or choose a name with --name\n  help: {DIRECTORY_NAME_HELP}",
        file.display()
    ))
}

/// The final scores, for people.
pub fn summary(record: &Record, run_dir: &Path) -> String {
    let value = |tag: &str| record.metrics.get(tag).map_or_else(|| "-".to_string(), |v| format!("{v:.2}"));
    if record.metrics.contains_key(TEST_F1) {
        let of = |set: &str| {
            let [token, f1, precision, recall] =
                [PERPLEXITY, F1, PRECISION, RECALL].map(|name| value(&tag(set, name)));
            let malformed = record.metrics.get(&tag(set, MALFORMED)).copied().unwrap_or_default();
            format!(
                "{set:<5} perplexity {token}  F1 {f1} (precision {precision}, recall {recall}), {:.1} % malformed",
                100.0 * malformed
            )
        };
        let signature = &record.signature;
        return format!("{}\n{}\n{signature}\n{}\n", of(DEV), of(TEST), run_dir.display());
    }
    if !record.has_translations() {
        let masked = |set: &str| {
            let [loss, perplexity, accuracy] =
                [LOSS, MASKED_PERPLEXITY, MASKED_ACCURACY].map(|name| value(&tag(set, name)));
            let of_second_texts = record
                .metrics
                .get(&tag(set, NEXT_SENTENCE_ACCURACY))
                .map_or_else(String::new, |share| format!(", {share:.2} of second texts"));
            format!(
                "{set:<5} loss {loss}, perplexity {perplexity}, accuracy {accuracy} of hidden tokens{of_second_texts}"
            )
        };
        if record.metrics.contains_key(TEST_MASKED_PERPLEXITY) {
            return format!("{}\n{}\n{}\n", masked(DEV), masked(TEST), run_dir.display());
        }
        let words = |set: &str| {
            let [loss, accuracy] = [LOSS, PREDICTION_ACCURACY].map(|name| {
                record
                    .metrics
                    .get(&tag(set, name))
                    .map_or_else(|| "-".to_string(), |value| format!("{value:.4}"))
            });
            format!("{set:<5} loss {loss}, accuracy {accuracy} of predictions")
        };
        if record.metrics.contains_key(TEST_PREDICTION_ACCURACY) {
            return format!("{}\n{}\n{}\n", words(DEV), words(TEST), run_dir.display());
        }
        let of = |set: &str| {
            let [token, word, bits] =
                [PERPLEXITY, WORD_PERPLEXITY, BITS_PER_CHARACTER].map(|name| value(&tag(set, name)));
            format!("{set:<5} perplexity {token} per token, {word} per word; {bits} bits per character")
        };
        return format!("{}\n{}\n{}\n", of(DEV), of(TEST), run_dir.display());
    }
    format!(
        "dev   perplexity {}  BLEU {}\ntest  perplexity {}  BLEU {}\n{}\n{}\n",
        value(DEV_PERPLEXITY),
        value(DEV_BLEU),
        value(TEST_PERPLEXITY),
        value(TEST_BLEU),
        record.signature,
        run_dir.display()
    )
}
