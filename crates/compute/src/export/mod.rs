//! Exports a finished run in the formats of other toolkits, one file per format.
//!
//! An export is exact or refused: a setting that the format cannot express is named before anything is written, and the
//! written model computes the same function as the run, up to rounding.

mod bert;
mod ctranslate2;
mod hugging_face;
mod marian;
mod openai_gpt;
mod reading_tokenizer;
mod run;
mod safetensors;
mod tensors;
mod word2vec;

pub use run::Run;

use crate::config::{Experiment, to_toml};
use crate::data::staging::{Staging, write_durably};
use crate::error::{Error, Result};
use run::Files;
use std::path::Path;

pub use ablate_trial::export::Format;

/// Writes `run` to the directory `out`, which appears complete or not at all.
///
/// # Errors
/// The errors of [`check`] and [`check_place`].
pub fn export(format: Format, run: &Run, out: &Path) -> Result<()> {
    check(format, run.experiment)?;
    check_place(out)?;
    let mut files = files(format, run)?;
    let version = env!("CARGO_PKG_VERSION");
    let origin = format!("# exported by ablate {version} from trial {}\n\n", run.identity);
    files.push(("config.toml", (origin + &to_toml(run.experiment)?).into_bytes()));
    let staging = Staging::create(out)?;
    for (name, bytes) in &files {
        write_durably(&staging.path().join(name), bytes)?;
    }
    if staging.publish(out)? { Ok(()) } else { Err(taken(out)) }
}

/// Refuses a directory that cannot be written or is not empty.
pub fn check_place(out: &Path) -> Result<()> {
    if out.file_name().is_none() {
        return Err(Error::user(format!("--out {} names no directory that could be made", out.display())));
    }
    match std::fs::read_dir(out).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(taken(out)),
        Err(_) if !out.exists() => Ok(()),
        Err(error) => Err(Error::user(format!("--out {}: {error}; choose a new directory", out.display()))),
    }
}

fn taken(out: &Path) -> Error {
    Error::user(format!("{} is not empty; choose a new directory or remove it", out.display()))
}

/// # Errors
/// A user error that names the setting that does not fit into the format, and the formats into which the model fits.
pub fn check(format: Format, experiment: &Experiment) -> Result<()> {
    let Err(refused) = fits(format, experiment) else { return Ok(()) };
    // In reverse order: the first format holds every model and is the last resort.
    let others = Format::every().iter().rev().filter(|other| fits(**other, experiment).is_ok());
    let names = others.map(|other| other.name()).collect::<Vec<_>>().join(" or ");
    Err(Error::user(format!("{refused}; use --format {names}")))
}

fn fits(format: Format, experiment: &Experiment) -> Result<()> {
    match format {
        Format::Safetensors => Ok(()),
        Format::Marian => marian::check(experiment),
        Format::Ctranslate2 => ctranslate2::check(experiment),
        Format::OpenaiGpt => openai_gpt::check(experiment),
        Format::Bert => bert::check(experiment),
        Format::Word2vec => word2vec::check(&experiment.model),
    }
}

fn files(format: Format, run: &Run) -> Result<Files> {
    match format {
        Format::Safetensors => safetensors::files(run),
        Format::Marian => marian::files(run),
        Format::Ctranslate2 => ctranslate2::files(run),
        Format::OpenaiGpt => openai_gpt::files(run),
        Format::Bert => bert::files(run),
        Format::Word2vec => word2vec::files(run),
    }
}

/// Returns a Python program that loads the export in `out` and reads a line. A translation model prints the
/// translation, a language model the continuation, and a masked language model its prediction of the middle token or,
/// if trained on next sentences, whether the second line follows the first.
pub fn example(format: Format, out: &Path, experiment: &Experiment) -> String {
    let directory = format!("{:?}", out.display().to_string());
    match format {
        Format::Safetensors => safetensors::example(&directory),
        Format::Marian => marian::example(&directory),
        Format::Word2vec => word2vec::example(&directory),
        Format::Ctranslate2 => ctranslate2::example(&directory, &experiment.decoding),
        Format::OpenaiGpt => openai_gpt::example(&directory, experiment),
        Format::Bert => bert::example(&directory, experiment),
    }
}
