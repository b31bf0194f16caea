//! The rows of a sweep, each a checked experiment, with their seeds: combinations × seeds.

use super::combine::{Combination, Ground, about_row, combinations};
use super::factor::{MOST_COMBINATIONS, too_many};
use super::idle_check::Effects;
use super::label;
use super::section::{Row, Section};
use super::settings::{Setting, at, checked_sets, mistake, named_at, one_label};
use super::spec::SweepSpec;
use super::table_section::{check_base, check_classes, check_measured, check_table};
use super::trial::Trial;
use crate::config::idle_settings::{differences, effect_hash};
use crate::config::load::{load_experiment_tree, relative_to};
use crate::config::toml_tree::{Node, Tree, Value};
use crate::config::{Experiment, configuration_hash};
use crate::error::{Diagnostic, Mistakes, Place, Result};
use crate::folders::{DIRECTORY_NAME_HELP, is_directory_name};
use crate::printable::shell_word;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// The purpose for which a sweep is expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrialPurpose {
    /// To be planned or trained: no trial may be useless or lack a directory.
    Train,
    /// To be shown: results of an earlier version of the program are shown even if newer rules would refuse the sweep.
    Show,
}

/// Returns the trials of a sweep without a search, or with the draws of a search as choices in its section.
///
/// # Errors
/// The mistakes of all rows. Checks over all rows together are made only if no row has a mistake.
pub fn rows(purpose: TrialPurpose, spec: &SweepSpec, sets: &[String]) -> Result<Vec<Trial>> {
    let mut mistakes = spec.mistakes.clone();
    let trials = all_rows(purpose, spec, sets, &mut mistakes);
    mistakes.end(trials)
}

fn all_rows(
    purpose: TrialPurpose,
    spec: &SweepSpec,
    sets: &[String],
    mistakes: &mut Mistakes,
) -> Result<Vec<Trial>> {
    let of_sets = keys_of(sets)?;
    let base = load_base(spec)?;
    let mut trials: Vec<Trial> = Vec::new();
    let mut known = Known::default();
    let mut effects = Effects::default();
    for section in &spec.sections {
        let Some(tree) = mistakes.keep(section_tree(&base, spec, section))? else { continue };
        let ground = Ground { tree, set: &spec.set, sets };
        let combinations = combinations(section, &ground, mistakes);
        let Some(combinations) = mistakes.keep(combinations)? else { continue };
        if trials.len() + combinations.len().saturating_mul(section.seeds.len()) > MOST_COMBINATIONS {
            return Err(too_many(&section.place));
        }
        let mut published = PublishedRows::default();
        for combination in &combinations {
            if mistakes.is_full() {
                return Ok(trials);
            }
            let made = row(section, combination, &ground, &of_sets);
            let Some((tree, mut trial)) = mistakes.keep(made)? else { continue };
            let mut check = || {
                known.add(&trial)?;
                if purpose == TrialPurpose::Train {
                    effects.add(section, combination, &tree)?;
                    known.add_to_train(&trial.experiment, &trial.row, &trial.place)?;
                }
                published.beside(&ground, combination, &trial.experiment)
            };
            let Some(paper) = mistakes.keep(check())? else { continue };
            trial.paper = paper;
            trials.extend(section.seeds.iter().map(|&seed| with_seed(&trial, seed)));
        }
        if mistakes.is_empty() {
            mistakes.keep(effects.end_section(&section.set))?;
        }
        if mistakes.is_empty() && purpose == TrialPurpose::Train {
            mistakes.keep(published.check())?;
        }
    }
    if !mistakes.is_empty() {
        return Ok(trials);
    }
    for check in [
        effects.end(&spec.set, sets, &base),
        check_base(spec, &trials),
        check_measured(spec, &trials),
        check_classes(spec, &trials),
    ] {
        mistakes.keep(check)?;
    }
    if purpose == TrialPurpose::Train {
        spec.policy.check_halving(&trials, spec.place(&["halving", "first"], None))?;
    }
    Ok(trials)
}

/// Returns the base with the changes that a sweep and one of its sections make in every row.
pub fn section_tree(base: &Tree, spec: &SweepSpec, section: &Section) -> Result<Tree> {
    let mut tree = base.clone();
    for Setting { key, place, value } in spec.set.iter().chain(&section.set) {
        tree.set(key, place, value.clone())?;
    }
    Ok(tree)
}

/// Returns the keys of `--set` arguments.
pub fn keys_of(sets: &[String]) -> Result<Vec<String>> {
    Ok(checked_sets(sets)?.into_iter().map(|setting| setting.key).collect())
}

/// Returns a combination's row, still without a seed, and its experiment as a tree. `of_sets` are the keys of `--set`.
///
/// # Errors
/// If the combination is no valid experiment.
pub fn row(
    section: &Section,
    combination: &Combination,
    ground: &Ground,
    of_sets: &[String],
) -> Result<(Tree, Trial)> {
    let tree = ground.tree(combination)?;
    let label = combination.label();
    let mut experiment = tree.experiment().map_err(|error| about_row(error, &label))?;
    experiment.label = Some(label.clone());
    let replaced = combination.changes().map(|setting| setting.key.clone());
    let trial = Trial {
        group: combination.row.and_then(|row| row.group.clone()).or_else(|| section.group.clone()),
        paper: None,
        changes: changes(section.set.iter().chain(combination.changes()), &tree),
        name: combination.name(),
        stated_row: combination.row.map(|row| row.label.clone()),
        varied: combination.varied(),
        replaced: replaced.filter(|key| of_sets.contains(key)).collect(),
        seed: 0,
        system: system(&label, section),
        row: label,
        preparation: preparation(section, combination, ground, &tree)?,
        experiment,
        place: place_of(combination, section),
    };
    Ok((tree, trial))
}

/// Returns a row's label without that of its section.
fn system(label: &str, section: &Section) -> String {
    let own =
        section.label.as_ref().and_then(|section| label.strip_prefix(section.as_str())?.strip_prefix(','));
    own.unwrap_or(label).to_string()
}

/// Returns a row with one of its seeds.
pub fn with_seed(trial: &Trial, seed: u64) -> Trial {
    let mut trial = trial.clone();
    trial.seed = seed;
    trial.experiment.training.seed = seed;
    trial
}

/// Returns the changes of these settings: each key once, with its final value.
fn changes<'s>(settings: impl Iterator<Item = &'s Setting>, tree: &Tree) -> Vec<(String, String)> {
    last_of_each_key(settings).into_iter().map(|setting| change(tree, setting)).collect()
}

/// Returns the last setting of each key.
fn last_of_each_key<'s>(settings: impl Iterator<Item = &'s Setting>) -> Vec<&'s Setting> {
    let mut last: Vec<&Setting> = Vec::new();
    for setting in settings {
        last.retain(|earlier| earlier.key != setting.key);
        last.push(setting);
    }
    last
}

/// Returns the arguments with which `ablate prepare` prepares the corpus of a combination: the base, and every setting
/// that changes its text. `tree` is its experiment.
fn preparation(section: &Section, combination: &Combination, ground: &Ground, tree: &Tree) -> Result<String> {
    let of_sets = checked_sets(ground.sets)?;
    let stated = ground.set.iter().chain(&section.set).chain(combination.changes()).chain(&of_sets);
    let stated = last_of_each_key(stated);
    // Some tyings go with one vocabulary alone.
    let with_tying = stated.iter().any(|setting| setting.key == "data.vocabulary");
    let changes_text = |key: &str| match key {
        "data.max_train_length" => false,
        "model.tying" => with_tying,
        _ => key.starts_with("data."),
    };
    let mut arguments = vec![shell_word(&tree.start.file)];
    for setting in stated.into_iter().filter(|setting| changes_text(&setting.key)) {
        let value = match &setting.value.value {
            // A path is relative to the file that states it.
            Value::String(path) if setting.key == "data.recipe" => {
                relative_to(&setting.place, path)?.display().to_string()
            }
            _ => change(tree, setting).1,
        };
        arguments.push(format!("--set {}", shell_word(&format!("{}={value}", setting.key))));
    }
    Ok(arguments.join(" "))
}

/// The rows of a section that name a row of the published table.
#[derive(Default)]
struct PublishedRows<'a> {
    /// The rows by their labels.
    rows: HashMap<&'a str, PublishedRow<'a>>,
}

struct PublishedRow<'a> {
    row: &'a Row,
    /// The [`effect_hash`] of the experiment that the row makes without any choice; None if that is invalid.
    alone: Option<String>,
    /// Whether some combination is the same experiment.
    is_found: bool,
}

impl<'a> PublishedRows<'a> {
    /// Returns the published row beside a combination. It is that of its row, unless choices of axes, zips, points or
    /// draws make another experiment, which is not in the paper.
    fn beside(
        &mut self,
        ground: &Ground,
        combination: &Combination<'a>,
        experiment: &Experiment,
    ) -> Result<Option<String>> {
        let Some((row, paper)) = combination.row.and_then(|row| Some((row, row.paper.as_ref()?))) else {
            return Ok(None);
        };
        let known = match self.rows.entry(&row.label) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let alone = ground.tree_of(row)?.experiment().ok().as_ref().map(effect_hash);
                place.insert(PublishedRow { row, alone, is_found: false })
            }
        };
        let is_same = combination.varied().is_empty() || known.alone == Some(effect_hash(experiment));
        known.is_found |= is_same;
        Ok(is_same.then(|| paper.clone()))
    }

    /// # Errors
    /// A row whose published values would be beside none of its combinations.
    fn check(&self) -> Result<()> {
        let lost = self.rows.values().filter(|known| !known.is_found).map(|known| known.row);
        let Some(row) = lost.min_by_key(|row| row.paper_place.span.start) else { return Ok(()) };
        let message = format!(
            "row {:?}: paper = {:?} is beside none of its rows, because each of them changes more than the row itself",
            row.label,
            row.paper.as_deref().unwrap_or_default()
        );
        let help = "add the row's own value to the axis, or remove `paper`";
        Err(mistake(message, &row.paper_place, help))
    }
}

/// Returns the place for messages about a row: its label, else the first factor, else the section.
fn place_of(combination: &Combination, section: &Section) -> Place {
    match (combination.row, section.factors.first()) {
        (Some(row), _) => row.label_place.clone(),
        (None, Some(factor)) => factor.place.clone(),
        (None, None) => section.place.clone(),
    }
}

/// The rows so far. No two may have the same label, because it names a directory. No two may be the same configuration
/// or compute the same, because one of them would be useless.
#[derive(Default)]
struct Known {
    labels: HashMap<String, Place>,
    /// The same by label in lower case, because some file systems ignore case.
    plain_labels: HashMap<String, (String, Place)>,
    /// Labels by configuration.
    configurations: HashMap<String, String>,
    /// Labels and experiments by the hash of the settings that have an effect.
    effects: HashMap<String, (String, Experiment)>,
}

impl Known {
    fn add(&mut self, trial: &Trial) -> Result<()> {
        let Trial { experiment, row: label, place, replaced, .. } = trial;
        if let Some(other) = self.labels.insert(label.clone(), place.clone()) {
            let message = format!("two rows are labelled {label:?}");
            return Err(mistake(message, place, one_label(&other, place)));
        }
        label::check_label(label, place)?;
        match self.configurations.insert(configuration_hash(experiment), label.to_string()) {
            None => Ok(()),
            Some(other) => {
                let message = format!("rows {other:?} and {label:?} are the same configuration");
                let help = match &replaced[..] {
                    [] => self.one_row(&other, label, place),
                    keys => format!(
                        "--set replaces what the file states for {}, so that rows which differ in nothing else become equal; \
                         leave it out",
                        keys.join(", ")
                    ),
                };
                Err(mistake(message, place, help))
            }
        }
    }

    /// Checks the further conditions for a row that is to be trained, beside those of [`Known::add`].
    fn add_to_train(&mut self, experiment: &Experiment, label: &str, place: &Place) -> Result<()> {
        if let Some(why) = label::reserved(label) {
            let message = format!("a row cannot be labelled {label:?}: {why}");
            return Err(mistake(message, place, "choose another label"));
        }
        let plain = label.to_ascii_lowercase();
        if let Some((other, other_place)) = self.plain_labels.insert(plain, (label.into(), place.clone())) {
            let message = format!("the labels {other:?} and {label:?} differ only in upper and lower case");
            return Err(mistake(message, place, one_label(&other_place, place)));
        }
        let before = self.effects.insert(effect_hash(experiment), (label.to_string(), experiment.clone()));
        let Some((other, before)) = before else { return Ok(()) };
        let message = format!(
            "rows {other:?} and {label:?} compute the same: {}, their only difference, has no effect here",
            differences(&before, experiment).join(", ")
        );
        Err(mistake(message, place, self.one_row(&other, label, place)))
    }

    /// Returns advice on two rows that are equal.
    fn one_row(&self, other: &str, label: &str, place: &Place) -> String {
        match self.labels.get(other) {
            Some(first) if first != place => {
                format!("remove one, or change a setting that has an effect; the other is {}", at(first, place))
            }
            _ if label.contains("draw-") => {
                "draws repeat each other: lower the count, change the seed or draw another key too; list a few values under [axes]"
                    .to_string()
            }
            _ => "remove one, or change a setting that has an effect".to_string(),
        }
    }
}

/// Reads the base with the places in its own files. A file that is missing or cannot be read is a mistake of the sweep.
pub fn load_base(spec: &SweepSpec) -> Result<Tree> {
    if !spec.base.is_file() {
        let message = format!("base: there is no file {}", spec.base.display());
        let help = "the path is relative to the sweep file";
        return Err(mistake(message, &spec.base_place, help));
    }
    load_experiment_tree(&spec.base, &[]).map_err(named_at(&spec.base_place))
}

/// Returns a row's change with its final value: a `--set` may have replaced it.
fn change(tree: &Tree, setting: &Setting) -> (String, String) {
    let path: Vec<&str> = setting.key.split('.').collect();
    // A recipe named by its path stays a path here, because its table would be too long for a cell.
    let value = match (&setting.value.value, tree.table.at(&path)) {
        (Value::String(_), Some(Node { value: Value::Table(_), .. })) | (_, None) => &setting.value,
        (_, Some(node)) => node,
    };
    (setting.key.clone(), value.inline())
}

/// Checks the sweep file alone, apart from the mistakes that reading it found.
///
/// # Errors
/// The mistakes that are found here.
pub fn check(spec: &SweepSpec) -> Result<()> {
    let mut mistakes = Mistakes::default();
    if !is_directory_name(&spec.name) {
        let message = format!(
            "{}: a sweep is called by its file, and the name {:?} is not a safe one",
            spec.start.file, spec.name
        );
        mistakes.add(Diagnostic::new(message).help(DIRECTORY_NAME_HELP));
    }
    mistakes.end(check_table(spec))
}

#[cfg(test)]
mod tests {
    use crate::sweep::examples::of_demo;

    #[test]
    fn the_command_that_prepares_a_row_states_all_that_changes_its_text() {
        let (_, trials) = of_demo(
            "seeds = [1]\nset = { \"data.merges\" = 500 }\n[[row]]\nlabel = \"a\"\n\
             set = { \"model.layers\" = 1 }\n[[row]]\nlabel = \"b\"\nset = { \"data.merges\" = 400 }\n\
             [[row]]\nlabel = \"c\"\nset = { \"data.lowercase\" = true }\n",
        );
        let expected = [
            "--set data.merges=500",
            "--set data.merges=400",
            "--set data.merges=500 --set data.lowercase=true",
        ];
        for (trial, settings) in trials.iter().zip(expected) {
            let (base, own) = trial.preparation.split_once(' ').unwrap();
            assert!(base.ends_with("experiments/demo.toml"), "{base}");
            assert_eq!(own, settings);
        }
    }
}
