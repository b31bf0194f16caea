//! The run directory of a trial that is about to start.

use super::{ActiveSweep, Scheduler};
use crate::error::Result;
use crate::experiment::changes_since;
use crate::sweep::launch::launcher::Order;
use crate::sweep::ledger::Kind;
use crate::sweep::place::{self, Reuse};
use crate::sweep::trial::Trial;
use crate::sweep::trial_queue::Turn;

impl ActiveSweep<'_, '_> {
    /// Prepares the trial's run directory, and reuses the work of another run. Returns whether nothing is left to do.
    pub(super) fn make_place(&mut self, turn: &Turn, trial: &Trial, order: &Order) -> Result<bool> {
        let Scheduler { results, sweep_dir, .. } = *self.scheduler;
        let Order { name, run_dir, .. } = order;
        let threads = self.launcher.threads();
        if let Some(place) = place::make_room(sweep_dir, trial, &turn.pending.identity, threads)? {
            self.scheduler.progress.message(&format!(
                "{}: its settings or data changed; the old run is in {} ({})",
                run_dir.display(),
                place.display(),
                changes_since(&place, &trial.experiment)
            ));
            self.note(turn, Kind::Superseded, Some(&place.display().to_string()))?;
        }
        self.index.refresh(results);
        let (other, what, finished) = match place::reuse(&self.index, run_dir, trial, &turn.pending, threads)
        {
            Ok(Reuse::Nothing) => return Ok(false),
            Ok(Reuse::Whole { other, moved }) => {
                if let Some(place) = moved {
                    self.scheduler.progress.message(&format!(
                        "{}: the unfinished run is in {}",
                        run_dir.display(),
                        place.display()
                    ));
                    self.note(turn, Kind::Superseded, Some(&place.display().to_string()))?;
                }
                (other, "the same trial finished in", true)
            }
            Ok(Reuse::Begun(other)) => (other, "goes on with the run that had been moved to", false),
            Ok(Reuse::Training(other)) => (other, "goes on from the training of", false),
            Err(error) => {
                self.scheduler.progress.message(&format!("{name}: {error}; it is trained anew"));
                place::make_room(sweep_dir, trial, &turn.pending.identity, threads)?;
                return Ok(false);
            }
        };
        self.scheduler.progress.message(&format!("{name}: {what} {}", other.display()));
        self.note(turn, Kind::Reused, Some(&other.display().to_string()))?;
        Ok(finished)
    }
}
