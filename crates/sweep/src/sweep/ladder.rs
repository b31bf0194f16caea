//! The comparisons of halving: the dev losses of all trials at each comparison, and the trials that continue.

use super::ledger::{self, Kind};
use super::policy::Halving;
use super::trial::{Trial, run_dir};
use crate::error::Result;
use crate::experiment::run_files::saved_step;
use crate::experiment::{claimed_identity, settings_since};
use crate::results::metric::DEV_LOSS;
use crate::results::record::Record;
use crate::telemetry::{METRICS_FILE, metrics_log};
use std::collections::BTreeMap;
use std::path::Path;

/// The progress of a trial through the comparisons of halving.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Climb {
    /// The updates at which the trial is compared with others, ascending; none without halving.
    pub rungs: Vec<u64>,
    /// Its dev losses at the comparisons that it reached.
    pub losses: Vec<f64>,
    /// Whether it waits at the last of these comparisons; otherwise it went on beyond it.
    pub waits: bool,
}

impl Climb {
    /// Reads the progress of the run in a directory. If it is not `finished`, its checkpoints tell where it continues,
    /// provided that the run belongs to the trial with this identity.
    pub fn of(run_dir: &Path, identity: &str, rungs: Vec<u64>, finished: bool) -> Self {
        let is_own = || matches!(claimed_identity(run_dir), Ok(Some(owner)) if owner == identity);
        let saved = match finished {
            true => u64::MAX,
            false if is_own() => saved_step(run_dir).unwrap_or(0),
            false => 0,
        };
        let measured = dev_losses(run_dir);
        // Losses that were measured after the checkpoint will be measured again.
        let got_to = rungs.iter().take_while(|&&step| step <= saved);
        let losses: Vec<f64> = got_to.map_while(|step| measured.get(step).copied()).collect();
        let waits = losses.len().checked_sub(1).is_some_and(|last| rungs[last] == saved);
        Climb { rungs, losses, waits }
    }

    /// Returns the update after which the trial pauses next; None if it is to finish.
    fn until(&self) -> Option<u64> {
        self.rungs.get(self.losses.len()).copied()
    }

    /// Returns the update of the last comparison that the trial reached, and its dev loss there.
    pub fn last(&self) -> Option<(u64, f64)> {
        let last = self.losses.len().checked_sub(1)?;
        Some((self.rungs[last], self.losses[last]))
    }
}

/// Reads the dev losses that a run measured, by update; empty if nothing can be read.
pub fn dev_losses(run_dir: &Path) -> BTreeMap<u64, f64> {
    let rows = metrics_log::read(&run_dir.join(METRICS_FILE)).unwrap_or_default();
    rows.into_iter().filter(|row| row.tag == DEV_LOSS).map(|row| (row.step, row.value)).collect()
}

/// Returns the unfinished trials, by number, that wait at a comparison of halving, with the update of that comparison.
/// After the end of a sweep, these are the trials that halving ended. Runs of other settings are left out.
///
/// # Errors
/// If the ledger exists and cannot be read.
pub fn halved(
    halving: Option<&Halving>,
    sweep_dir: &Path,
    trials: &[Trial],
    records: &[Option<Record>],
) -> Result<BTreeMap<usize, u64>> {
    let Some(halving) = halving else { return Ok(BTreeMap::new()) };
    let entries = ledger::read(sweep_dir)?;
    let update = |trial: &Trial| {
        let last = entries.iter().rfind(|entry| entry.row == trial.row && entry.seed == trial.seed)?;
        if last.event != Kind::Paused {
            return None;
        }
        let run_dir = run_dir(sweep_dir, trial);
        let rungs = halving.rungs(trial.experiment.training.steps);
        let (update, _) = Climb::of(&run_dir, &last.identity, rungs, false).last()?;
        settings_since(&run_dir, &trial.experiment).is_empty().then_some(update)
    };
    let unfinished = trials.iter().zip(records).enumerate().filter(|(_, (_, record))| record.is_none());
    Ok(unfinished.filter_map(|(number, (trial, _))| Some((number, update(trial)?))).collect())
}

/// The progress of all trials, finished ones included.
#[derive(Debug)]
pub struct Ladder {
    /// One of this many trials continues after a comparison; None without halving.
    factor: Option<u64>,
    /// By trial number.
    climbs: BTreeMap<usize, Climb>,
}

impl Ladder {
    pub fn new(factor: Option<u64>) -> Self {
        Ladder { factor, climbs: BTreeMap::new() }
    }

    /// Adds trials by their numbers.
    pub fn extend(&mut self, climbs: BTreeMap<usize, Climb>) {
        self.climbs.extend(climbs);
    }

    /// Returns the progress of a trial, if halving compares it.
    pub fn climb(&self, trial: usize) -> Option<&Climb> {
        self.climbs.get(&trial)
    }

    /// Returns the update after which a trial pauses next; None if it is to finish.
    pub fn until(&self, trial: usize) -> Option<u64> {
        self.climbs.get(&trial)?.until()
    }

    /// Notes that a trial reached its next comparison, with this dev loss, and waits there.
    pub fn pause(&mut self, trial: usize, dev_loss: f64) {
        if let Some(climb) = self.climbs.get_mut(&trial) {
            climb.losses.push(dev_loss);
            climb.waits = true;
        }
    }

    /// Notes that a trial goes on beyond the comparison where it waited.
    pub fn go_on(&mut self, trial: usize) {
        self.climbs.entry(trial).and_modify(|climb| climb.waits = false);
    }

    /// Notes that a trial finished, with the dev losses that it measured. Some may be missing if the training was that
    /// of another trial.
    pub fn finish(&mut self, trial: usize, measured: impl FnOnce() -> BTreeMap<u64, f64>) {
        if let Some(climb) = self.climbs.get_mut(&trial) {
            let measured = measured();
            climb.losses = climb.rungs.iter().map_while(|step| measured.get(step).copied()).collect();
            climb.waits = false;
        }
    }

    /// Returns the waiting trials that may continue, those of the last comparison first, and better ones first. With
    /// `last`, when nothing else is left to do, one trial of each comparison continues however few reached it.
    pub fn candidates(&self, last: bool) -> Vec<usize> {
        let Some(factor) = self.factor else { return Vec::new() };
        let of_rung = |rung: usize| {
            let got_there = self.climbs.iter().filter(|(_, climb)| climb.losses.len() > rung);
            let mut ranked: Vec<(f64, usize)> =
                got_there.map(|(&trial, climb)| (climb.losses[rung], trial)).collect();
            ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let quota = (ranked.len() as u64 / factor).max(u64::from(last)) as usize;
            let waits_here =
                |trial: &usize| self.climbs[trial].waits && self.climbs[trial].losses.len() == rung + 1;
            ranked.into_iter().take(quota).map(|(_, trial)| trial).filter(waits_here).collect::<Vec<_>>()
        };
        let rungs = self.climbs.values().map(|climb| climb.losses.len()).max().unwrap_or(0);
        (0..rungs).rev().flat_map(of_rung).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ladder(factor: u64, trials: usize) -> Ladder {
        let mut ladder = Ladder::new(Some(factor));
        let climb = Climb { rungs: vec![10, 30], ..Climb::default() };
        ladder.extend((0..trials).map(|trial| (trial, climb.clone())).collect());
        ladder
    }

    #[test]
    fn the_best_third_goes_on_and_the_furthest_first() {
        let mut ladder = ladder(3, 4);
        for (trial, loss) in [(0, 5.0), (1, 3.0)] {
            ladder.pause(trial, loss);
        }
        assert!(ladder.candidates(false).is_empty(), "two of three");
        ladder.pause(2, 4.0);
        assert_eq!(ladder.candidates(false), [1]);
        ladder.go_on(1);
        assert_eq!((ladder.until(0), ladder.until(1)), (Some(30), Some(30)));
        assert!(ladder.candidates(false).is_empty());
        ladder.pause(1, 2.0);
        assert!(ladder.candidates(false).is_empty());
        // Nothing else to do: one trial has to continue.
        assert_eq!(ladder.candidates(true), [1]);
        ladder.go_on(1);
        assert!(ladder.candidates(true).is_empty());
        assert_eq!(ladder.until(1), None);
    }

    #[test]
    fn finished_trials_count_at_every_comparison() {
        let mut ladder = ladder(2, 3);
        ladder.finish(0, || BTreeMap::from([(10, 1.0), (20, 0.9), (30, 0.8)]));
        ladder.pause(1, 2.0);
        assert!(ladder.candidates(true).is_empty(), "the better one has finished");
        ladder.pause(2, 0.5);
        assert_eq!(ladder.candidates(true), [2]);
    }

    #[test]
    fn losses_that_are_no_numbers_come_last_and_ties_go_to_the_earlier_trial() {
        let mut ladder = ladder(2, 4);
        for (trial, loss) in [(0, f64::NAN), (3, 2.0), (2, 1.0), (1, 1.0)] {
            ladder.pause(trial, loss);
        }
        assert_eq!(ladder.candidates(false), [1, 2]);
    }

    #[test]
    fn a_run_tells_how_far_it_got() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path();
        let lines = "step,tag,value\n10,dev/loss,3.5\n20,dev/loss,3\n30,dev/loss,2.5\n";
        std::fs::write(run.join(METRICS_FILE), lines).unwrap();
        let of = |finished| Climb::of(run, "own", vec![10, 30], finished);
        assert_eq!(of(false).losses, [0.0; 0], "nothing says whose run it is");
        assert_eq!((of(true).losses, of(true).waits), (vec![3.5, 2.5], false));
    }
}
