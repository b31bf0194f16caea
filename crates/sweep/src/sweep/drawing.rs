//! A search in progress: its draws so far, and the next one.

use super::draw::{self, bits};
use super::drawer::{Draw, Drawer};
use super::ledger::DrawEntry;
use super::rows::{TrialPurpose, rows};
use super::search_section::SEARCH;
use super::settings::mistake;
use super::spec::SweepSpec;
use super::trial::Trial;
use crate::config::idle_settings::effect_hash;
use crate::error::Result;
use crate::search::{Observation, Outcome, STARTUP_DRAWS, propose};
use crate::seed::{Purpose, uniform};
use std::collections::BTreeSet;

/// Number of attempts at one draw. An attempt fails if it repeats an earlier draw, is excluded or is refused. The
/// second half of them is random, because the estimator may repeat its proposal.
const ATTEMPTS: u64 = 100;

/// The draws of a search.
#[derive(Debug)]
pub struct Drawing {
    pub drawer: Drawer,
    pub draws: Vec<Draw>,
    /// Number of first draws that are in the ledger.
    recorded: usize,
    /// Hashes of the draws' settings that have an effect, to avoid training the same twice.
    seen: BTreeSet<String>,
    /// Whether no attempt led to a new draw.
    exhausted: bool,
}

/// The next draw.
#[derive(Debug)]
pub struct Drawn {
    /// The entry for the ledger.
    pub entry: DrawEntry,
    pub trials: Vec<Trial>,
}

impl Drawing {
    /// Creates a search with its recorded draws and the random ones at its start, which follow from the seed alone.
    /// Also returns the trials of all of them.
    ///
    /// # Errors
    /// The errors of [`expand`](super::expand::expand); for training, also a search that may come to refused draws.
    pub fn open(
        drawer: Drawer,
        purpose: TrialPurpose,
        spec: &SweepSpec,
        recorded: Vec<Draw>,
    ) -> Result<(Drawing, Vec<Trial>)> {
        if purpose == TrialPurpose::Train {
            drawer.probe()?;
        }
        let mut drawing = Drawing {
            drawer,
            draws: Vec::new(),
            recorded: recorded.len(),
            seen: BTreeSet::new(),
            exhausted: false,
        };
        for (number, draw) in recorded.into_iter().enumerate() {
            if let Some((_, row)) = drawing.drawer.row(number, &draw.values)? {
                drawing.seen.insert(effect_hash(&row.experiment));
            }
            drawing.draws.push(draw);
        }
        let startup = STARTUP_DRAWS.min(drawing.drawer.search.count);
        while drawing.draws.len() < startup && !drawing.exhausted {
            drawing
                .add(|drawer, number, attempt| drawer.random(number, attempt), &mut |refused| Err(refused))?;
        }
        if drawing.draws.is_empty() {
            let help = "remove an [[exclude]], or narrow it";
            return Err(mistake("every draw is excluded", &drawing.drawer.search.place, help));
        }
        let mut with_draws = spec.clone();
        if let Some(section) = with_draws.sections.first_mut() {
            section.factors = vec![drawing.drawer.factor(&drawing.draws)];
        }
        let trials = rows(purpose, &with_draws, drawing.drawer.sets())?;
        Ok((drawing, trials))
    }

    /// Returns the random draws at the start that the ledger did not have when it was read.
    pub fn unrecorded(&self) -> Vec<DrawEntry> {
        let new = self.draws.iter().enumerate().skip(self.recorded);
        new.map(|(number, draw)| self.drawer.entry(number, draw)).collect()
    }

    /// Returns row and seed of every run that is still to be drawn.
    pub fn runs_to_come(&self) -> BTreeSet<(String, u64)> {
        let numbers = self.draws.len()..self.draws.len() + self.to_come();
        let seeds = self.drawer.seeds();
        numbers.flat_map(|number| seeds.iter().map(move |&seed| (draw::label(number), seed))).collect()
    }

    /// Whether a row, with a seed if one is given, is a draw of this search or may become one.
    pub fn lists(&self, row: &str, seed: Option<u64>) -> bool {
        let is_draw = (0..self.drawer.search.count).any(|number| draw::label(number) == row);
        is_draw && seed.is_none_or(|seed| self.drawer.seeds().contains(&seed))
    }

    /// Returns the number of draws that are still to come.
    pub fn to_come(&self) -> usize {
        if self.exhausted { 0 } else { self.drawer.search.count.saturating_sub(self.draws.len()) }
    }

    /// Returns the reason why the search ends before its count, if it does.
    pub fn early_end(&self) -> Option<String> {
        let (found, count) = (self.draws.len(), self.drawer.search.count);
        (self.exhausted && found < count).then(|| {
            format!("the search ends after {found} of {count} draws: there are hardly any others that differ from these")
        })
    }

    /// Makes the next draw from the outcomes of the draws so far; None if no attempt led to a new one. Messages for the
    /// user are added to `notes`.
    ///
    /// # Errors
    /// If files cannot be read. A refused draw is no error: another one is drawn.
    pub fn next(&mut self, outcomes: &[Option<Outcome>], notes: &mut Vec<String>) -> Result<Option<Drawn>> {
        let known = self.draws.iter().zip(outcomes);
        let observations: Vec<Observation> = known
            .filter_map(|(draw, outcome)| {
                Some(Observation { values: draw.values.clone(), outcome: (*outcome)? })
            })
            .collect();
        let domains = self.drawer.domains();
        let values = |drawer: &Drawer, number: usize, attempt: u64| {
            let stream = bits(drawer.search.seed, SEARCH, number as u64 + (attempt << 32));
            let mut counter = 0;
            let mut uniform = || {
                counter += 1;
                uniform(stream, Purpose::SweepDraw, counter)
            };
            let proposed = match attempt < ATTEMPTS / 2 {
                true => propose(&domains, &observations, &mut uniform),
                false => None,
            };
            proposed
                .map(|values| values.into_iter().map(Some).collect())
                .unwrap_or_else(|| drawer.random(number, attempt))
        };
        let number = self.draws.len();
        let row = self.add(values, &mut |refused| {
            notes.push(format!("draw {} is drawn again: {refused}", number + 1));
            Ok(())
        })?;
        Ok(row.map(|row| Drawn {
            entry: self.drawer.entry(number, &self.draws[number]),
            trials: self.drawer.trials(&row),
        }))
    }

    /// Adds the first draw of `values` (by its number and the attempt) that is new and neither excluded nor refused,
    /// and returns its row.
    fn add(
        &mut self,
        values: impl Fn(&Drawer, usize, u64) -> Vec<Option<f64>>,
        refused: &mut dyn FnMut(crate::error::Error) -> Result<()>,
    ) -> Result<Option<Trial>> {
        let number = self.draws.len();
        for attempt in 0..ATTEMPTS {
            match self.drawer.row(number, &values(&self.drawer, number, attempt)) {
                Ok(Some((draw, row))) => {
                    if self.seen.insert(effect_hash(&row.experiment)) {
                        self.draws.push(draw);
                        return Ok(Some(row));
                    }
                }
                Ok(None) => {}
                Err(error) if error.is_user() => refused(error)?,
                Err(error) => return Err(error),
            }
        }
        self.exhausted = true;
        Ok(None)
    }
}
