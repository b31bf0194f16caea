//! Expands a sweep file to its trials: its rows with their seeds, or the known draws of its search.

use super::drawer::{Draw, Drawer};
use super::drawing::Drawing;
pub use super::rows::TrialPurpose;
use super::rows::{check, rows};
use super::spec::SweepSpec;
use super::trial::Trial;
use crate::error::{Mistakes, Result};
use std::path::Path;

/// Returns all trials of a sweep to be trained, row by row, seeds innermost. `sets` are `section.key=value`, applied
/// last to each.
///
/// # Errors
/// All mistakes in the sweep, its base or its trials, with their places; the message about a trial names the row.
pub fn expand(spec: &SweepSpec, sets: &[String]) -> Result<Vec<Trial>> {
    Ok(expand_with(TrialPurpose::Train, spec, sets, |_| Ok(Vec::new()))?.0)
}

/// Does the same, for any purpose, for a sweep in `sweep_dir`, whose ledger may have draws of its search. Also returns
/// the search.
///
/// # Errors
/// The errors of [`expand`] that matter for the purpose, and a ledger that cannot be read.
pub fn expand_recorded(
    purpose: TrialPurpose,
    spec: &SweepSpec,
    sets: &[String],
    sweep_dir: &Path,
) -> Result<(Vec<Trial>, Option<Drawing>)> {
    expand_with(purpose, spec, sets, |drawer| drawer.recorded(sweep_dir))
}

fn expand_with(
    purpose: TrialPurpose,
    spec: &SweepSpec,
    sets: &[String],
    recorded: impl FnOnce(&Drawer) -> Result<Vec<Draw>>,
) -> Result<(Vec<Trial>, Option<Drawing>)> {
    let Some(search) = &spec.search else {
        let mut mistakes = Mistakes::default();
        mistakes.keep(check(spec))?;
        return Ok((mistakes.end(rows(purpose, spec, sets))?, None));
    };
    spec.mistakes.clone().end(check(spec))?;
    let drawer = Drawer::of(search, spec, sets)?;
    let recorded = recorded(&drawer)?;
    let (drawing, trials) = Drawing::open(drawer, purpose, spec, recorded)?;
    Ok((trials, Some(drawing)))
}
