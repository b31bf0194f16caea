//! Views of a trained model: attention, positions, embeddings. Nothing here can alter a result.
//!
//! The numbers are kept in the run directory. The module of the same name in `crates/trial` draws pictures and writes
//! TensorBoard's files from them.

mod attention_statistics;
mod attention_view;
mod histogram;
mod projector_view;
mod reading;

pub use ablate_trial::experiment::view::*;
pub(super) use attention_statistics::measure as attention_statistics;
pub(super) use histogram::histograms;

use super::work::Work;
use crate::error::Result;
use crate::files;
use crate::results::attention_file::ATTENTION_FILE;
use crate::results::positions_file::{POSITIONS_FILE, Positions};
use crate::task::Output;
use crate::telemetry::Telemetry;
use crate::telemetry::observer::Observer;
use crate::telemetry::projector::{PROJECTOR_CONFIG, PROJECTOR_LABELS, PROJECTOR_VECTORS};

/// Number of positions whose encodings are drawn.
const POSITIONS: i64 = 64;

/// Records and draws the views of the scored model. A picture that cannot be drawn is reported and left out: it must
/// not fail the trial.
pub(super) fn show(
    work: &Work,
    step: u64,
    dev: Option<&Output>,
    telemetry: &mut Telemetry,
    observer: &mut dyn Observer,
) -> Result<()> {
    let Work { experiment, run_dir, model, task, data, stores, .. } = *work;
    let run = &experiment.run;
    if run.sample_sentences > 0 {
        let samples = match dev {
            Some(dev) => dev.samples(run.sample_sentences),
            None => task.samples(model, data, &stores.dev, run.sample_sentences)?,
        };
        telemetry.text(step, "final/samples", &samples)?;
    }
    // Files that an earlier attempt wrote with other settings do not belong to this run.
    [ATTENTION_FILE, POSITIONS_FILE, PROJECTOR_CONFIG, PROJECTOR_VECTORS, PROJECTOR_LABELS]
        .iter()
        .try_for_each(|file| files::remove(&run_dir.join(file)))?;
    // Word vectors have no attention.
    if run.attention_sentences > 0 && !experiment.model.is_word_vectors() {
        attention_view::record(work, dev)?.save(run_dir)?;
        if let Some(table) = model.position_table(POSITIONS) {
            Positions { vectors: attention_view::rows(&table) }.save(run_dir)?;
        }
    }
    if run.projector_tokens > 0 {
        projector_view::project(work)?;
    }
    let pictures = picture::pictures(run_dir)?;
    for (tag, picture) in &pictures.drawn {
        telemetry.image(step, tag, picture);
    }
    if let Some(first) = pictures.left_out.first() {
        observer.message(&format!(
            "warning: pictures that are left out: {}; {first}; {ATTENTION_FILE} has their numbers",
            pictures.left_out.len()
        ))?;
    }
    Ok(())
}
