//! Settings that change nothing, stated in a sweep or in an experiment: refused before anything is trained.

use super::combine::{Combination, about_row};
use super::factor::Factor;
use super::section::Section;
use super::settings::{Setting, of_sets};
use crate::config::idle_settings::{Idle, idle, idle_data, is_default};
use crate::config::load::apply_sets;
use crate::config::toml_tree::Tree;
use crate::data::DataConfig;
use crate::error::{Diagnostic, Error, Place, Result};
use crate::sequence::distinct;
use std::collections::BTreeMap;

/// Settings without effect, by their keys.
type Found = BTreeMap<&'static str, Idle>;

/// The keys that have had no effect in any row so far.
///
/// A key that a row or a factor states must have an effect in that row. A key that is stated for several rows (by `set`
/// of the sweep or of a section, or by `--set`) must have an effect in some of them. So must a key of the base, unless
/// only settings of the sweep removed its effect, for example fewer updates in a trial run. A key of the base may also
/// be [switched off](Idle::off) by another key, for sweeps that switch it on.
#[derive(Debug, Default)]
pub struct Effects {
    everywhere: Option<Found>,
    in_section: Option<Found>,
}

impl Effects {
    /// Adds a row of a section, whose experiment is written in `tree`.
    ///
    /// # Errors
    /// A key that the row states and that has no effect in it.
    pub fn add(&mut self, section: &Section, combination: &Combination, tree: &Tree) -> Result<()> {
        // The experiment as written: loading it would set idle keys to their defaults.
        let mut found = idle(&tree.read()?);
        if let Some(idle) =
            found.iter_mut().find(|idle| combination.changes().any(|setting| setting.key == idle.key))
        {
            idle.help = advice(section, idle.key, tree).unwrap_or_else(|| idle.help.clone());
            return Err(about_row(mistake(idle, place(idle, tree)), &combination.label()));
        }
        let found = by_key(found);
        for so_far in [&mut self.everywhere, &mut self.in_section] {
            match so_far {
                None => *so_far = Some(found.clone()),
                Some(so_far) => so_far.retain(|key, _| found.contains_key(key)),
            }
        }
        Ok(())
    }

    /// Ends a section, whose `set` has these settings.
    ///
    /// # Errors
    /// One of these keys has no effect in any row of the section.
    pub fn end_section(&mut self, settings: &[Setting]) -> Result<()> {
        check_settings(settings, &self.in_section.take().unwrap_or_default())
    }

    /// Ends the sweep, whose `set` has these settings; `sets` are those of `--set`, and `base` is the experiment.
    ///
    /// # Errors
    /// A key that is stated for all rows has no effect in any of them.
    pub fn end(self, settings: &[Setting], sets: &[String], base: &Tree) -> Result<()> {
        let found = self.everywhere.unwrap_or_default();
        check_settings(settings, &found)?;
        check_file(base, sets, found)
    }
}

/// Returns advice on the key of a factor that has no effect in a row, if it has one with other values of another factor.
/// `tree` is the experiment of the row.
fn advice(section: &Section, key: &str, tree: &Tree) -> Option<String> {
    let (own, others): (Vec<&Factor>, Vec<&Factor>) =
        section.factors.iter().partition(|factor| factor.keys().any(|other| other == key));
    // Drawn values are many, and no list for a condition.
    if own.is_empty() || own.iter().any(|factor| factor.drawn) {
        return None;
    }
    let has_effect = |setting: &&Setting| {
        let mut other = tree.clone();
        other.set(&setting.key, &setting.place, setting.value.clone()).is_ok()
            && other.read().is_ok_and(|experiment| idle(&experiment).iter().all(|idle| idle.key != key))
    };
    let others = others.into_iter().filter(|factor| !factor.drawn).flat_map(Factor::changes);
    let others: Vec<&Setting> = others.map(|change| &change.setting).filter(has_effect).collect();
    let switch = &others.first()?.key;
    let values = others.iter().filter(|setting| setting.key == *switch).map(|setting| setting.value.inline());
    Some(format!(
        "give it the condition `when = {{ {switch:?} = [{}] }}`, below {switch}, or leave such rows out with [[exclude]]",
        distinct(values).join(", ")
    ))
}

/// Checks an experiment that is trained on its own, stated by its `file` and by `sets`.
///
/// # Errors
/// A key that the file or a `--set` states and that has no effect.
pub fn check_experiment(file: &Tree, sets: &[String]) -> Result<()> {
    let mut whole = file.clone();
    apply_sets(&mut whole, sets)?;
    check_file(file, sets, by_key(idle(&whole.read()?)))
}

/// Checks the settings of `--set` for a corpus that is prepared on its own.
///
/// # Errors
/// One of these keys of `[data]` has no effect.
pub fn check_data(data: &DataConfig, sets: &[String]) -> Result<()> {
    check_settings(&of_sets(sets)?, &by_key(idle_data(data)))
}

/// Refuses keys without effect that a `--set` states, or that the file states and that have no effect in the file
/// alone. A key at its default counts as not stated, because a run's own configuration states all keys.
fn check_file(file: &Tree, sets: &[String], mut found: Found) -> Result<()> {
    check_settings(&of_sets(sets)?, &found)?;
    found.retain(|_, idle| !idle.off);
    let Ok(alone) = file.read() else { return Ok(()) };
    for idle in idle(&alone) {
        let stated = place(&idle, file).filter(|_| !is_default(&alone, idle.key));
        if let (true, Some(place)) = (found.contains_key(idle.key), stated)
            && concerns(&idle, &place, file)
        {
            return Err(mistake(&idle, Some(place)));
        }
    }
    Ok(())
}

/// Whether the file that states an idle key at `place` is at fault: a key that depends on a choice of the model may
/// stand in another file than the choice, for files that inherit from it.
fn concerns(idle: &Idle, place: &Place, file: &Tree) -> bool {
    let beside = |switch: &&str| {
        let switch = file.place(&switch.split('.').collect::<Vec<_>>());
        switch.is_some_and(|switch| switch.file == place.file)
    };
    idle.switches.is_empty() || idle.switches.iter().any(beside)
}

fn check_settings(settings: &[Setting], found: &Found) -> Result<()> {
    let stated = settings.iter().find_map(|setting| Some((setting, found.get(setting.key.as_str())?)));
    stated.map_or(Ok(()), |(setting, idle)| Err(mistake(idle, Some(setting.value.place.clone()))))
}

fn by_key(found: Vec<Idle>) -> Found {
    found.into_iter().map(|idle| (idle.key, idle)).collect()
}

fn place(idle: &Idle, tree: &Tree) -> Option<Place> {
    tree.place(&idle.key.split('.').collect::<Vec<_>>())
}

fn mistake(idle: &Idle, place: Option<Place>) -> Error {
    Diagnostic::new(idle.message.as_str()).at(place).help(idle.help.as_str()).into()
}
