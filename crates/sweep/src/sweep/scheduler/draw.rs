//! The next draw of a search, whose trials join the queue.

use super::{ActiveSweep, Scheduler, Work};
use crate::error::Result;
use crate::sweep::board::Stage;
use crate::sweep::drawing::Drawn;
use crate::sweep::json_event::SweepEvent;
use crate::sweep::ledger::{Event, Kind};
use crate::sweep::record_file;
use crate::sweep::searching::NewDraw;

impl ActiveSweep<'_, '_> {
    /// Lets the search make its next draw, and queues its trials. Some may be finished already.
    pub(super) fn draw(&mut self) -> Result<()> {
        let Scheduler { sweep_dir, progress, .. } = *self.scheduler;
        let Work { trials, identities, reused, search: Some(search) } = &mut *self.work else {
            return Ok(());
        };
        let mut notes = Vec::new();
        let new = search.draw(trials.len(), |trial, step| self.queue.held(trial, step), &mut notes)?;
        notes.iter().for_each(|note| progress.message(note));
        let Some(NewDraw { drawn: Drawn { entry, trials: new }, survey, reused: stand_ins }) = new else {
            progress.add(&[], 0);
            return Ok(());
        };
        // Written before the draw's trials leave any files.
        self.ledger.note_draw(&entry)?;
        progress.tell(&SweepEvent::Drawn { row: &entry.row, values: &entry.values });
        progress.add(&new, search.to_come());
        trials.extend(new);
        identities.extend(survey.identities);
        self.view.extend(trials);
        let mut records = survey.finished;
        for (&number, found) in &stand_ins {
            let trial = &trials[number];
            records.insert(number, found.under(&trial.row));
            let (event, place) = (Kind::Recorded, found.place());
            let identity = &identities[number];
            progress.note(number, event, Some(&place));
            let reason = Some(place.as_str());
            self.ledger.note(&Event { event, row: &trial.row, seed: trial.seed, identity, reason })?;
        }
        for (&number, record) in &records {
            progress.finished(number, &record.metrics);
            search.finish(number, record)?;
        }
        self.tally.finished += records.len();
        record_file::add(sweep_dir, trials, &records)?;
        reused.extend(stand_ins);
        // Trials that would fail again are not run, as at the start of a call.
        let mut pending = survey.pending;
        for (number, failure) in survey.failures.into_iter().filter(|(_, failure)| failure.kind.repeats()) {
            pending.retain(|pending| pending.trial != number);
            progress.set(number, Stage::Failed, &failure.reason);
            search.fail(number, &failure);
            self.tally.failed.push((number, failure));
        }
        self.queue.add(pending, survey.climbs);
        Ok(())
    }
}
