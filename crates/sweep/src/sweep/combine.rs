//! The combinations of a section: its rows times its factors, as far as conditions allow.

use super::condition::{Condition, Watch, resolve};
use super::factor::{Choice, Factor, MOST_COMBINATIONS, too_many};
use super::label::{self, Labels};
use super::section::{Row, Section};
use super::settings::{Setting, about, mistake};
use crate::config::Experiment;
use crate::config::load::apply_sets;
use crate::config::toml_tree::Tree;
use crate::error::{Error, Mistakes, Result};
use std::collections::BTreeSet;

/// Most factors of a section: even with one value each they make every label longer.
const MOST_FACTORS: usize = 100;

/// The name of a row's own changes in messages.
const ROW: &str = "[[row]]";

/// One combination of a section: a row, and a choice of every factor that applies.
#[derive(Debug, Clone)]
pub struct Combination<'a> {
    pub row: Option<&'a Row>,
    /// The labels of the section, the row and the choices.
    labels: Vec<String>,
    /// The labels that are names, rather than made of settings and their values.
    names: Vec<String>,
    /// Changes of the row and the choices, each with the table of the file that states it.
    changes: Vec<(Setting, &'static str)>,
}

impl Combination<'_> {
    /// The label of the sweep's row.
    pub fn label(&self) -> String {
        label::join(self.labels.iter().map(String::as_str))
    }

    /// Returns the label without the parts that are made of settings and their values; None if nothing is left.
    pub fn name(&self) -> Option<String> {
        (self.labels.is_empty() || !self.names.is_empty())
            .then(|| label::join(self.names.iter().map(String::as_str)))
    }

    /// The keys that the choices change, in the order in which they apply.
    pub fn varied(&self) -> Vec<String> {
        let of_choices = self.changes.iter().filter(|(_, by)| *by != ROW);
        of_choices.map(|(setting, _)| setting.key.clone()).collect()
    }

    /// The changes of the row and the choices, in the order in which they apply.
    pub fn changes(&self) -> impl Iterator<Item = &Setting> {
        self.changes.iter().map(|(setting, _)| setting)
    }

    /// Adds the changes of a choice whose conditions hold, in their order.
    fn take(&mut self, choice: &Choice, labels: &Labels, name: &'static str, ground: &Ground) -> Result<()> {
        let part = labels.part(choice);
        for change in &choice.changes {
            if let Some(when) = &change.when
                && !ground.matches(self, &mut Watch::new(when))?
            {
                continue;
            }
            let setting = &change.setting;
            if let Some((_, other)) = self.changes.iter().find(|(earlier, _)| earlier.key == setting.key) {
                let message = format!("row {:?}: {other} and {name} both set {}", self.label(), setting.key);
                let help = "remove one of them, or give them conditions (`when`) that never hold together";
                return Err(mistake(message, &setting.place, help));
            }
            self.changes.push((setting.clone(), name));
        }
        self.names.extend(choice.label.clone());
        self.labels.push(part);
        Ok(())
    }
}

/// The state that the combinations of a section change.
#[derive(Debug, Clone)]
pub struct Ground<'a> {
    /// The base with the sweep's and the section's `set`.
    pub tree: Tree,
    /// The changes of the sweep's `set`.
    pub set: &'a [Setting],
    /// The command line's `--set`, applied last.
    pub sets: &'a [String],
}

impl Ground<'_> {
    /// Returns the base with the changes of the combination.
    pub fn tree(&self, combination: &Combination) -> Result<Tree> {
        self.changed(combination.changes(), |error| about_row(error, &combination.label()))
    }

    /// Returns the base with the changes of a row, without any choice.
    pub fn tree_of(&self, row: &Row) -> Result<Tree> {
        self.changed(row.set.iter(), |error| about_row(error, &row.label))
    }

    fn changed<'s>(
        &self,
        changes: impl Iterator<Item = &'s Setting>,
        about: impl Fn(Error) -> Error,
    ) -> Result<Tree> {
        let mut tree = self.tree.clone();
        for Setting { key, place, value } in changes {
            tree.set(key, place, value.clone()).map_err(&about)?;
        }
        apply_sets(&mut tree, self.sets)?;
        Ok(tree)
    }

    /// Returns what conditions look at: [`Ground::tree`], and the experiment that it resolves to.
    fn view(&self, combination: &Combination) -> Result<(Tree, Experiment)> {
        let tree = self.tree(combination)?;
        let resolved = resolve(&tree).map_err(|error| about_row(error, &combination.label()))?;
        Ok((tree, resolved))
    }

    fn matches(&self, combination: &Combination, watch: &mut Watch) -> Result<bool> {
        let (tree, resolved) = self.view(combination)?;
        watch.holds(&tree, &resolved)
    }
}

/// Returns the combinations of a section, except those that conditions of rows and exclusions drop. `mistakes` holds
/// the sweep's mistakes so far. A combination that sets a key twice, or has a value that a condition cannot look at,
/// adds a mistake and is dropped. Whether a condition ever holds is checked only if there are no mistakes.
///
/// # Errors
/// Too many combinations, a condition on a key that does not exist or that never holds, or no combination left.
pub fn combinations<'a>(
    section: &'a Section,
    ground: &Ground,
    mistakes: &mut Mistakes,
) -> Result<Vec<Combination<'a>>> {
    if section.rows.len() > MOST_COMBINATIONS {
        return Err(too_many(&section.place));
    }
    if section.factors.len() > MOST_FACTORS {
        let message = format!("{} axes, zips and draws multiply the rows", section.factors.len());
        let help = format!("expected at most {MOST_FACTORS}");
        return Err(mistake(message, &section.place, help));
    }
    if mistakes.is_empty() {
        check_conditions(section, ground)?;
    }
    let labels = Labels::new(&section.factors);
    let mut combinations: Vec<Combination> = match section.rows.as_slice() {
        [] => vec![start(section, None)],
        rows => rows.iter().map(|row| start(section, Some(row))).collect(),
    };
    for factor in &section.factors {
        combinations = multiply(combinations, factor, &labels, ground, section, mistakes)?;
    }
    let combinations = keep_wanted(section, combinations, ground, mistakes)?;
    if combinations.is_empty() && mistakes.is_empty() {
        let help = "remove an [[exclude]], or narrow it";
        let place = section.exclude.first().map_or(&section.place, Condition::place);
        return Err(mistake("every combination is excluded", place, help));
    }
    Ok(combinations)
}

fn start<'a>(section: &Section, row: Option<&'a Row>) -> Combination<'a> {
    let labels: Vec<String> = section.label.iter().cloned().chain(row.map(|row| row.label.clone())).collect();
    let settings = row.map_or(&[][..], |row| &row.set);
    Combination {
        row,
        names: labels.clone(),
        labels,
        changes: settings.iter().map(|setting| (setting.clone(), ROW)).collect(),
    }
}

/// Returns every combination with every choice of the factor, the choices changing fastest.
fn multiply<'a>(
    combinations: Vec<Combination<'a>>,
    factor: &Factor,
    labels: &Labels,
    ground: &Ground,
    section: &Section,
    mistakes: &mut Mistakes,
) -> Result<Vec<Combination<'a>>> {
    let mut watch = factor.when.as_ref().map(Watch::new);
    let mut longer: Vec<Combination> = Vec::new();
    for combination in combinations {
        let applies = watch.as_mut().map_or(Ok(true), |watch| ground.matches(&combination, watch));
        // Without the factor, this might be a row that the sweep does not have.
        let Some(applies) = mistakes.keep(applies)? else { continue };
        if !applies {
            longer.push(combination);
            continue;
        }
        if longer.len() + factor.choices.len() > MOST_COMBINATIONS {
            return Err(too_many(&factor.place));
        }
        for choice in &factor.choices {
            let mut next = combination.clone();
            let taken = next.take(choice, labels, factor.name, ground);
            longer.extend(mistakes.keep(taken)?.map(|()| next));
        }
    }
    if let Some(watch) = watch
        && mistakes.is_empty()
        && !by_chance(factor.when.as_ref(), section)
    {
        let below = section.factors.iter().rev().take_while(|other| !std::ptr::eq(*other, factor));
        watch.conclude(&below.flat_map(Factor::keys).collect::<Vec<_>>())?;
    }
    Ok(longer)
}

/// Returns the combination of one choice of the factor `name`, in a section without rows; None if it is excluded.
///
/// # Errors
/// A condition on a key that does not exist.
pub fn of_choice<'a>(
    section: &'a Section,
    name: &'static str,
    choice: &Choice,
    ground: &Ground,
) -> Result<Option<Combination<'a>>> {
    let mut combination = start(section, None);
    combination.take(choice, &Labels::new(&[]), name, ground)?;
    if section.exclude.is_empty() {
        return Ok(Some(combination));
    }
    let (tree, resolved) = ground.view(&combination)?;
    for condition in &section.exclude {
        if Watch::new(condition).holds(&tree, &resolved)? {
            return Ok(None);
        }
    }
    Ok(Some(combination))
}

/// Drops the combinations whose row's `when` fails, and those that are excluded.
fn keep_wanted<'a>(
    section: &'a Section,
    combinations: Vec<Combination<'a>>,
    ground: &Ground,
    mistakes: &mut Mistakes,
) -> Result<Vec<Combination<'a>>> {
    let of_row = |row: &'a Row| Some((row.label.as_str(), Watch::new(row.when.as_ref()?)));
    let mut of_rows: Vec<(&str, Watch)> = section.rows.iter().filter_map(of_row).collect();
    let mut exclusions: Vec<Watch> = section.exclude.iter().map(Watch::new).collect();
    if of_rows.is_empty() && exclusions.is_empty() {
        return Ok(combinations);
    }
    let mut kept = Vec::new();
    for combination in combinations {
        // If no condition can look at it, this might be a row that the sweep does not have.
        let Some((tree, resolved)) = mistakes.keep(ground.view(&combination))? else { continue };
        let row = combination.row;
        let own = of_rows.iter_mut().find(|(label, _)| row.is_some_and(|row| row.label == *label));
        let holds = own.map_or(Ok(true), |(_, watch)| watch.holds(&tree, &resolved));
        let mut wanted = mistakes.keep(holds)? == Some(true);
        for watch in &mut exclusions {
            // Each looks at every combination, so that one shadowed by another is not called idle.
            wanted &= mistakes.keep(watch.holds(&tree, &resolved))? == Some(false);
        }
        if wanted {
            kept.push(combination);
        }
    }
    for watch in of_rows.iter().map(|(_, watch)| watch).chain(&exclusions) {
        if mistakes.is_empty() && !by_chance(Some(watch.condition()), section) {
            watch.conclude(&[])?;
        }
    }
    Ok(kept)
}

/// Whether a condition looks at a key that is drawn at random, so that it may fail by chance.
fn by_chance(condition: Option<&Condition>, section: &Section) -> bool {
    let drawn = section.factors.iter().filter(|factor| factor.drawn);
    let mut keys = drawn.flat_map(|factor| &factor.choices).take(1).flat_map(|choice| &choice.changes);
    condition
        .is_some_and(|condition| keys.any(|change| condition.keys().any(|key| key == change.setting.key)))
}

/// Checks every condition of the section, before anything is combined.
fn check_conditions(section: &Section, ground: &Ground) -> Result<()> {
    let rows = section.rows.iter();
    let of_rows = rows.filter_map(|row| row.when.as_ref());
    let factors = section.factors.iter();
    let of_factors = factors.clone().filter_map(|factor| factor.when.as_ref());
    let firsts = factors.filter_map(|factor| factor.choices.first());
    let of_changes = firsts.flat_map(|choice| &choice.changes).filter_map(|change| change.when.as_ref());
    let conditions: Vec<&Condition> =
        of_rows.chain(of_factors).chain(of_changes).chain(&section.exclude).collect();
    if conditions.is_empty() {
        return Ok(());
    }
    let mut tree = ground.tree.clone();
    apply_sets(&mut tree, ground.sets)?;
    let in_rows = section.rows.iter().flat_map(|row| &row.set);
    let in_factors = section.factors.iter().flat_map(Factor::keys);
    let keys: BTreeSet<&str> = in_rows.map(|setting| setting.key.as_str()).chain(in_factors).collect();
    let stated = |key: &str| {
        let path: Vec<&str> = key.split('.').collect();
        keys.contains(key) || tree.place(&path).is_some()
    };
    let mut mistakes = Mistakes::default();
    for condition in conditions {
        mistakes.keep(condition.check(&tree, stated))?;
    }
    mistakes.end(Ok(()))
}

/// Puts the row's name before a message.
pub fn about_row(error: Error, label: &str) -> Error {
    about(&format!("row {label:?}"), error)
}
