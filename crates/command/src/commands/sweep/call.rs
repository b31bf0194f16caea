//! One call of `ablate sweep` after all checks: it runs trials and writes records and tables.

use crate::commands::{print_styled, screen};
use crate::error::Result;
use crate::experiment::note_on_bleu;
use crate::results::record::{Failure, Record};
use crate::results::render::Tabulated;
use crate::sweep::board::Stage;
use crate::sweep::committed::{CommittedRecords, RECORDS_FILE};
use crate::sweep::corpora::Corpora;
use crate::sweep::devices::CardPool;
use crate::sweep::json_event::SweepEvent;
use crate::sweep::launch::LauncherKind;
use crate::sweep::launch::launcher::Setup;
use crate::sweep::launch::slurm::slurm_spec::SlurmSpec;
use crate::sweep::ledger::{self, Ledger};
use crate::sweep::scheduler::{Scheduler, Tally, Work};
use crate::sweep::selection::Selection;
use crate::sweep::spec::SweepSpec;
use crate::sweep::state::StateKind;
use crate::sweep::survey::{Survey, survey};
use crate::sweep::tensorboard::SweepView;
use crate::sweep::trial::Trial;
use crate::sweep::trial_queue::PendingTrial;
use crate::sweep::{collect, directory, place, record_file};
use crate::telemetry::format::counted;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The inputs of one call of `ablate sweep`.
pub struct Call<'a> {
    pub spec: &'a SweepSpec,
    pub sweep_file: &'a Path,
    pub data_root: &'a Path,
    pub scheduler: &'a Scheduler<'a>,
    pub launcher: LauncherKind,
    pub slurm: SlurmSpec,
    pub workers: usize,
    pub pool: Option<CardPool>,
    pub only: Selection,
    pub committed: &'a CommittedRecords,
}

impl<'a> Call<'a> {
    /// Runs the pending trials, and writes and prints the table. `tally` holds the counts also after an error.
    pub fn run(&self, corpora: &mut Corpora, work: &mut Work<'a>, tally: &mut Tally) -> Result<()> {
        let Scheduler { results, sweep_dir, policy, progress, .. } = *self.scheduler;
        let Call { workers, data_root, .. } = *self;
        let Survey { identities, finished, failures, pending, climbs } =
            survey(&work.trials, 0, sweep_dir, corpora, self.committed, policy)?;
        work.identities = identities;
        let committed =
            |pending: &PendingTrial| self.committed.of(&pending.identity).map(|found| (pending.trial, found));
        work.reused = pending.iter().filter_map(committed).collect();
        let (pending, left): (Vec<_>, Vec<_>) = pending
            .into_iter()
            .filter(|pending| !work.reused.contains_key(&pending.trial))
            .partition(|pending| self.only.wants(&work.trials[pending.trial], failures.get(&pending.trial)));
        let finished_before = finished.len() + work.reused.len();
        tally.finished = finished_before;
        let to_come = self.begin_search(work, &finished, &failures, &left)?;
        let (all, to_run) = (work.trials.len() + to_come, pending.len() + to_come);
        progress.tell(&SweepEvent::SweepStarted {
            sweep: &self.spec.name,
            directory: sweep_dir,
            trials: all,
            finished: finished_before,
            to_run,
            workers,
        });
        finished.keys().for_each(|&number| progress.set(number, Stage::Finished, ""));
        for pending in &left {
            match failures.get(&pending.trial) {
                Some(failure) => progress.set(pending.trial, Stage::Failed, &failure.reason),
                None => progress.set(pending.trial, StateKind::NeverStarted.into(), "not asked for"),
            }
        }
        progress.add(&[], to_come);
        self.move_unlisted_runs(work)?;
        let recorded: Vec<&Trial> = work.reused.keys().map(|&number| &work.trials[number]).collect();
        for note in corpora.notes_on_records(&recorded, self.committed)? {
            progress.message(&format!("note: {note}"));
        }
        let of_trial =
            |trial: &Trial| note_on_bleu(&trial.experiment.data.recipe, trial.experiment.decoding.tokenize);
        let on_bleu: BTreeSet<String> = work.trials.iter().filter_map(of_trial).collect();
        on_bleu.iter().for_each(|note| progress.message(note));
        self.note_reused(work)?;
        self.keep_records(work, finished)?;
        let from = match work.reused.len() {
            0 => String::new(),
            count => format!(" ({count} by committed records)"),
        };
        let trials = counted(all, "trial");
        let mut view = if to_run == 0 {
            progress.message(&match finished_before == all {
                true if all == 1 => format!("the trial is finished already{from}; nothing to train"),
                true => format!("all {trials} are finished already{from}; nothing to train"),
                false => {
                    format!("{trials}, {finished_before} finished already{from}; nothing else is to be run")
                }
            });
            None
        } else {
            let mut launcher = self.launcher.open(&Setup {
                sweep_dir,
                data_root,
                results,
                workers,
                trials: to_run,
                threads: threads(&work.trials, &pending),
                pool: self.pool.as_ref(),
                slurm: &self.slurm,
                stop: self.scheduler.stop,
            })?;
            progress.message(&format!(
                "{trials}, {finished_before} finished already{from}; {to_run} to run, {}",
                launcher.describe()
            ));
            let mut view = SweepView::open(self.spec, sweep_dir, &work.trials);
            let outcome = self.scheduler.run(work, pending, climbs, launcher.as_mut(), &mut view, tally);
            progress.close();
            outcome?;
            Some(view)
        };
        let hopeless: Vec<(usize, Failure)> = left
            .iter()
            .filter_map(|pending| Some((pending.trial, failures.get(&pending.trial)?.clone())))
            .collect();
        if self.only.is_all() {
            tally.failed.extend(hopeless);
        } else if !hopeless.is_empty() {
            progress.message(&format!(
                "note: --only leaves out {} that failed earlier; `--only failed` tries them again",
                counted(hopeless.len(), "trial")
            ));
        }
        tally.failed.sort_by_key(|(number, _)| *number);
        self.tabulate(work, view.as_mut())
    }

    /// Tells the search which trials are over, and writes its first draws to the ledger. Returns the number of trials
    /// that are still to be drawn.
    fn begin_search(
        &self,
        work: &mut Work,
        finished: &BTreeMap<usize, Record>,
        failures: &BTreeMap<usize, Failure>,
        left: &[PendingTrial],
    ) -> Result<usize> {
        let Some(search) = &mut work.search else { return Ok(0) };
        let ledger = Ledger::open(self.scheduler.sweep_dir)?;
        search.drawing.unrecorded().iter().try_for_each(|draw| ledger.note_draw(draw))?;
        let reused = work.reused.iter().map(|(number, found)| (number, &found.record));
        finished.iter().chain(reused).try_for_each(|(&number, record)| search.finish(number, record))?;
        for pending in left {
            match failures.get(&pending.trial) {
                Some(failure) => search.fail(pending.trial, failure),
                None => search.leave(pending.trial),
            }
        }
        search.drawing.early_end().iter().for_each(|end| self.scheduler.progress.message(end));
        Ok(search.to_come())
    }

    /// Writes the records of the trials that are finished already; each of the others adds its own when it finishes.
    fn keep_records(&self, work: &Work, finished: BTreeMap<usize, Record>) -> Result<()> {
        let Scheduler { sweep_dir, .. } = *self.scheduler;
        let Work { trials, reused, .. } = work;
        let mut records = finished;
        records.extend(reused.iter().map(|(&number, found)| (number, found.under(&trials[number].row))));
        match records.is_empty() {
            true => Ok(()),
            false => record_file::add(sweep_dir, trials, &records),
        }
    }

    /// Moves the runs of rows and seeds away that the sweep no longer has, and says so.
    fn move_unlisted_runs(&self, work: &Work) -> Result<()> {
        let Scheduler { sweep_dir, progress, .. } = *self.scheduler;
        let is_listed = |row: &str, seed: Option<u64>| {
            let is_trial = |trial: &Trial| trial.row == row && seed.is_none_or(|seed| trial.seed == seed);
            work.trials.iter().any(is_trial)
                || work.search.as_ref().is_some_and(|search| search.drawing.lists(row, seed))
        };
        for moved in place::move_unlisted_runs(sweep_dir, is_listed)? {
            let to = moved.to.display().to_string();
            progress.message(&format!(
                "{}: the sweep no longer has it; the run is in {to}",
                moved.from.display()
            ));
            Ledger::open(sweep_dir)?.note(&ledger::Event {
                event: ledger::Kind::Superseded,
                row: &moved.row,
                seed: moved.seed,
                identity: &moved.identity,
                reason: Some(&to),
            })?;
        }
        Ok(())
    }

    /// Reports the trials that committed records stand for: on the display, and once in the ledger.
    fn note_reused(&self, work: &Work) -> Result<()> {
        let Scheduler { sweep_dir, progress, .. } = *self.scheduler;
        let Work { trials, reused, .. } = work;
        let known = match reused.is_empty() {
            true => Vec::new(),
            false => ledger::read(sweep_dir)?,
        };
        for (&number, found) in reused {
            let (trial, place) = (&trials[number], found.place());
            progress
                .message(&format!("{} seed {}: the record in {place} stands for it", trial.row, trial.seed));
            progress.note(number, ledger::Kind::Recorded, Some(&place));
            progress.set(number, StateKind::Recorded.into(), &format!("by {place}"));
            let identity = &found.record.identity;
            let last = known.iter().rfind(|entry| entry.identity == *identity && entry.row == trial.row);
            if last.is_none_or(|entry| entry.event != ledger::Kind::Recorded) {
                Ledger::open(sweep_dir)?.note(&ledger::Event {
                    event: ledger::Kind::Recorded,
                    row: &trial.row,
                    seed: trial.seed,
                    identity,
                    reason: Some(&place),
                })?;
            }
        }
        Ok(())
    }

    fn tabulate(&self, work: &Work, view: Option<&mut SweepView>) -> Result<()> {
        let Scheduler { sweep_dir, progress, .. } = *self.scheduler;
        let Work { trials, identities, reused, search } = work;
        let mut records =
            collect::records(sweep_dir, trials, |number, record| record.identity == identities[number]);
        for (&number, found) in reused {
            records[number].get_or_insert_with(|| found.under(&trials[number].row));
        }
        let sources = collect::Sources { spec: self.spec, sweep_dir, trials, records: &records, reused };
        let collect::Table { table, counts, .. } = collect::table(&sources, self.data_root)?;
        // Files first: standard output may be full. If they cannot be written, the table is still printed.
        let to_come = search.as_ref().map_or_else(BTreeSet::new, |search| search.drawing.runs_to_come());
        // Without any result, and without records and tables of earlier calls, there is nothing to keep.
        let has_results = collect::has_ended(sweep_dir, trials, &records)
            || sweep_dir.join(RECORDS_FILE).exists()
            || directory::has_own_tables(sweep_dir)?;
        let kept = match has_results {
            true => collect::write(self.sweep_file, sweep_dir, (&table, &counts), trials, &records, &to_come),
            false => Ok(Vec::new()),
        };
        // With --json, standard output is for events. A table without values is not shown.
        let is_shown = !progress.is_json() && records.iter().any(Option::is_some);
        let shown = match is_shown {
            true => print_styled(&Tabulated::of(&table)?.terminal(screen())),
            false => Ok(()),
        };
        for note in kept? {
            progress.message(&format!("warning: {note}"));
        }
        if let Some(view) = view {
            view.conclude(trials, &table);
        }
        progress.message(&format!("\nresults: {0}   compare: tensorboard --logdir {0}", sweep_dir.display()));
        shown
    }
}

/// The most threads that a pending trial states; 0 if one of them leaves their number open.
fn threads(trials: &[Trial], pending: &[PendingTrial]) -> usize {
    let of = |trial: &Trial| trial.experiment.run.threads;
    let stated: Vec<usize> = match pending.is_empty() {
        // All trials to run are still to be drawn.
        true => trials.iter().map(of).collect(),
        false => pending.iter().map(|pending| of(&trials[pending.trial])).collect(),
    };
    if stated.contains(&0) { 0 } else { stated.into_iter().max().unwrap_or(0) }
}
