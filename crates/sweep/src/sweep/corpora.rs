//! The prepared corpora that the trials of a sweep use, each opened once.

use super::combine::about_row;
use super::committed::CommittedRecords;
use super::settings::mistake;
use super::trial::Trial;
use crate::config::idle_settings::{differences, effect_hash};
use crate::config::{Experiment, identity, training_identity};
use crate::data::{self, Corpus, DataConfig, GeneratedCorpus, Prepared, Recipe, opening};
use crate::error::Result;
use crate::experiment::limits::DataLimits;
use crate::json;
use crate::train::TrainingConfig;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;

/// Opened corpora and their limits, by the settings of `[data]`. A missing corpus is recorded as absent.
#[derive(Debug)]
pub struct Corpora<'a> {
    root: &'a Path,
    opened: BTreeMap<String, Option<Rc<Prepared>>>,
    limits: BTreeMap<String, Rc<DataLimits>>,
}

impl<'a> Corpora<'a> {
    /// Starts without opened corpora; `root` is the data directory.
    pub fn new(root: &'a Path) -> Self {
        Corpora { root, opened: BTreeMap::new(), limits: BTreeMap::new() }
    }

    /// Returns the data directory.
    pub fn root(&self) -> &'a Path {
        self.root
    }

    /// Returns the prepared corpus of a trial, if there is one.
    ///
    /// # Errors
    /// If the corpus exists and is damaged.
    pub fn of(&mut self, experiment: &Experiment) -> Result<Option<Rc<Prepared>>> {
        let key = json::line(&experiment.data)?;
        if let Some(known) = self.opened.get(&key) {
            return Ok(known.clone());
        }
        let opened = data::open_if_prepared(&experiment.data, self.root)?.map(Rc::new);
        self.opened.insert(key, opened.clone());
        Ok(opened)
    }

    /// Prepares the generated corpora of these trials, and opens all corpora. A trial that a committed record stands for
    /// can do without a corpus of files.
    ///
    /// # Errors
    /// A corpus of files that is not prepared, or a damaged corpus.
    pub fn prepare(&mut self, trials: &[Trial], committed: &CommittedRecords) -> Result<()> {
        for Trial { experiment, preparation, .. } in trials {
            if self.of(experiment)?.is_some() {
                continue;
            }
            let config = &experiment.data;
            let opened = match &config.recipe.corpus {
                Corpus::Generated(_) => data::open(config, self.root)?,
                Corpus::Files(_) if committed.of_unprepared(experiment).is_some() => continue,
                Corpus::Files(_) => data::open_if_prepared(config, self.root)?
                    .ok_or_else(|| opening::not_prepared(config, self.root, preparation))?,
            };
            let key = json::line(config)?;
            self.limits.remove(&key);
            self.opened.insert(key, Some(Rc::new(opened)));
        }
        Ok(())
    }

    /// Checks whether the settings of every row suit its text, as far as that is known, and whether rows that differ in
    /// how they prepare their text have different texts.
    ///
    /// # Errors
    /// The first row that fails.
    pub fn check(&mut self, trials: &[Trial]) -> Result<()> {
        let mut rows: BTreeMap<(String, String, String), &Trial> = BTreeMap::new();
        let mut before: Option<&Trial> = None;
        for trial in trials {
            // The seeds of a row stand together and have the same settings.
            if before.replace(trial).is_some_and(|before| before.row == trial.row) {
                continue;
            }
            let checked = self.limits(&trial.experiment)?.check(&trial.experiment);
            checked.map_err(|error| about_row(error, &trial.row).at(&trial.place))?;
            let Some(fingerprint) = self.fingerprint(&trial.experiment)? else { continue };
            // The way of reading running text has an effect only there, and the fingerprint identifies the text.
            let TrainingConfig { direction, masking, words, .. } = &trial.experiment.training;
            let reading = json::line(&(direction, masking, words))?;
            let effects = effect_hash(&without_text(&trial.experiment));
            let Some(other) = rows.insert((effects, reading, fingerprint), trial) else { continue };
            let message = format!(
                "rows {:?} and {:?} compute the same: {}, their only difference, does not change the prepared text",
                other.row,
                trial.row,
                differences(&other.experiment, &trial.experiment).join(", ")
            );
            return Err(mistake(message, &trial.place, "remove one, or change a setting that has an effect"));
        }
        Ok(())
    }

    fn limits(&mut self, experiment: &Experiment) -> Result<Rc<DataLimits>> {
        let key = json::line(&experiment.data)?;
        if let Some(known) = self.limits.get(&key) {
            return Ok(known.clone());
        }
        let corpus = self.of(experiment)?;
        let limits = Rc::new(DataLimits::of(&experiment.data, corpus.as_deref())?);
        Ok(self.limits.entry(key).or_insert(limits).clone())
    }

    fn fingerprint(&mut self, experiment: &Experiment) -> Result<Option<String>> {
        Ok(self.of(experiment)?.map(|corpus| corpus.fingerprint().to_string()))
    }

    /// Returns the identities of a trial and of its training; None while its corpus is not prepared.
    ///
    /// # Errors
    /// If the corpus exists and is damaged.
    pub fn identities(&mut self, experiment: &Experiment) -> Result<Option<(String, String)>> {
        Ok(self.fingerprint(experiment)?.map(|text| identities(experiment, &text)))
    }

    /// Does the same for a trial that a committed record may stand for: while its corpus is not prepared, the record of
    /// its settings alone tells its text.
    ///
    /// # Errors
    /// If the corpus exists and is damaged.
    pub fn identities_with(
        &mut self,
        experiment: &Experiment,
        committed: &CommittedRecords,
    ) -> Result<Option<(String, String)>> {
        if let Some(known) = self.identities(experiment)? {
            return Ok(Some(known));
        }
        let found = committed.of_unprepared(experiment);
        Ok(found.map(|found| identities(experiment, &found.record.data.fingerprint)))
    }

    /// Returns the notes on `committed` records that stand for these `trials`: on each missing corpus, because it is not
    /// certain that the records are of its text, and on records that stand for no trial.
    ///
    /// # Errors
    /// If a corpus exists and is damaged.
    pub fn notes_on_records(
        &mut self,
        trials: &[&Trial],
        committed: &CommittedRecords,
    ) -> Result<Vec<String>> {
        let mut notes = BTreeSet::new();
        for trial in trials {
            if self.of(&trial.experiment)?.is_none() {
                notes.insert(format!(
                    "--reuse-records: a corpus is not prepared, so the records alone say that they are of its text: {}",
                    how_to_prepare(trial)
                ));
            }
        }
        Ok(notes.into_iter().chain(committed.note(trials.len())).collect())
    }
}

/// Returns the identities of a trial and of its training on the text with this fingerprint.
fn identities(experiment: &Experiment, fingerprint: &str) -> (String, String) {
    (identity(experiment, fingerprint), training_identity(experiment, fingerprint))
}

/// Returns the experiment without `[data]`, except how translations are scored and which pairs are trained on.
fn without_text(experiment: &Experiment) -> Experiment {
    let Recipe { source_language, target_language, .. } = &experiment.data.recipe;
    let nothing = Corpus::Generated(GeneratedCorpus { train: 0, dev: 0, test: 0, seed: 0 });
    let recipe = Recipe::new("", source_language, target_language, nothing);
    let data = DataConfig {
        lowercase: experiment.data.lowercase,
        max_length: usize::MAX,
        max_train_length: experiment.data.limit_of_training(),
        ..DataConfig::new(recipe)
    };
    Experiment { data, ..experiment.clone() }
}

/// Returns advice on how to prepare the missing corpus of a trial.
pub fn how_to_prepare(trial: &Trial) -> String {
    let recipe = &trial.experiment.data.recipe;
    let name = &recipe.name;
    match &recipe.corpus {
        Corpus::Generated(_) => format!("{name}: made when the sweep starts"),
        Corpus::Files(_) => format!("{name}: run {}", opening::how_to_prepare(recipe, &trial.preparation)),
    }
}
