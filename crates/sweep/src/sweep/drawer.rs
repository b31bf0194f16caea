//! From the values of a search's draw to the row that they make, and back from the ledger.

use super::combine::{Ground, of_choice};
use super::corpora::Corpora;
use super::draw;
use super::factor::Factor;
use super::idle_check::Effects;
use super::ledger::{self, DrawEntry, DrawKind};
use super::objective::check_task;
use super::rows::{keys_of, load_base, row, section_tree, with_seed};
use super::search_section::{SEARCH, Search};
use super::section::Section;
use super::settings::mistake;
use super::spec::SweepSpec;
use super::trial::Trial;
use crate::config::configuration_hash;
use crate::config::load::apply_sets;
use crate::config::toml_tree::Tree;
use crate::error::{Error, Result};
use crate::search::Domain;
use std::collections::BTreeMap;
use std::path::Path;

/// The values of one draw.
#[derive(Debug, Clone, PartialEq)]
pub struct Draw {
    /// For each key of the search its value as a number of its domain; none where its condition does not hold.
    pub values: Vec<Option<f64>>,
}

/// Makes rows of draws.
#[derive(Debug)]
pub struct Drawer {
    pub search: Search,
    section: Section,
    /// The base as the sweep changes every row.
    tree: Tree,
    /// The same with `--set`, which applies last.
    common: Tree,
    sets: Vec<String>,
    of_sets: Vec<String>,
}

impl Drawer {
    /// That of a sweep and its search.
    ///
    /// # Errors
    /// A base that cannot be read, or changes of it that are not accepted.
    pub fn of(search: &Search, spec: &SweepSpec, sets: &[String]) -> Result<Drawer> {
        let Some(section) = spec.sections.first() else {
            let help = "state [search] in the sweep file itself";
            return Err(mistake("[search] has no section to draw in", &search.place, help));
        };
        let tree = section_tree(&load_base(spec)?, spec, section)?;
        let mut common = tree.clone();
        apply_sets(&mut common, sets)?;
        if let Ok(experiment) = common.experiment() {
            check_task(&search.objective, experiment.task(), &search.objective_place)?;
        }
        Ok(Drawer {
            search: search.clone(),
            section: section.clone(),
            tree,
            common,
            sets: sets.to_vec(),
            of_sets: keys_of(sets)?,
        })
    }

    /// What each key can have.
    pub fn domains(&self) -> Vec<Domain> {
        self.search.keys.iter().map(|drawn| drawn.distribution.domain()).collect()
    }

    /// The `--set` of the command line.
    pub fn sets(&self) -> &[String] {
        &self.sets
    }

    /// The seeds with which each draw is trained.
    pub fn seeds(&self) -> &[u64] {
        &self.section.seeds
    }

    /// The values at random of a draw: the first attempt at it has those of `[random]` with the same seed.
    pub fn random(&self, number: usize, attempt: u64) -> Vec<Option<f64>> {
        let number = number as u64 + (attempt << 32);
        let value = |drawn: &draw::DrawnKey| {
            let text = drawn.random(self.search.seed, number).inline();
            drawn.distribution.number(&text)
        };
        self.search.keys.iter().map(value).collect()
    }

    /// The draw with this number and a value for each key, and its row, for no seed yet; none if an `[[exclude]]` matches.
    ///
    /// # Errors
    /// What these values make is no experiment, or one of them has no effect.
    pub fn row(&self, number: usize, values: &[Option<f64>]) -> Result<Option<(Draw, Trial)>> {
        let choice = self.search.choice(number, values);
        let ground = Ground { tree: self.tree.clone(), sets: &self.sets };
        let Some(combination) = of_choice(&self.section, SEARCH, &choice, &ground)? else { return Ok(None) };
        let (tree, mut trial) = row(&self.section, &combination, &ground, &self.of_sets)?;
        Effects::default().add(&combination, &tree)?;
        check_task(&self.search.objective, trial.experiment.task(), &self.search.objective_place)?;
        trial.place = self.search.place.clone();
        // As a file would state them: rounded.
        let stated = self.search.keys.iter().zip(&choice.changes).map(|(drawn, change)| {
            let is_drawn = trial.varied.contains(&drawn.key);
            is_drawn.then(|| drawn.distribution.number(&change.setting.value.inline())).flatten()
        });
        Ok(Some((Draw { values: stated.collect() }, trial)))
    }

    /// A row with each seed.
    pub fn trials(&self, row: &Trial) -> Vec<Trial> {
        self.section.seeds.iter().map(|&seed| with_seed(row, seed)).collect()
    }

    /// The section's factor with these draws as its choices.
    pub fn factor(&self, draws: &[Draw]) -> Factor {
        let choices = draws.iter().enumerate().map(|(number, draw)| self.search.choice(number, &draw.values));
        Factor {
            name: SEARCH,
            place: self.search.place.clone(),
            when: None,
            drawn: true,
            choices: choices.collect(),
        }
    }

    /// A hash of what the draws depend on but for the results and the count: keys with their distributions and
    /// conditions, exclusions, seed and objective, and the experiment that the draws change.
    pub fn hash(&self) -> String {
        let mut text = format!("{} {}\n", self.search.seed, self.search.objective);
        for draw::DrawnKey { key, distribution, when, .. } in &self.search.keys {
            let when = when.as_ref().map_or("", |when| when.text());
            text += &format!("{key} {} {when}\n", distribution.text());
        }
        self.section.exclude.iter().for_each(|condition| text += &format!("exclude {}\n", condition.text()));
        // What is no experiment before a draw completes it has no hash, and counts as it is written.
        text += &match self.common.experiment() {
            Ok(experiment) => configuration_hash(&experiment),
            Err(_) => {
                let entries = self.common.table.iter();
                entries.map(|(key, node)| format!("{} {}\n", key.name, node.inline())).collect()
            }
        };
        blake3::hash(text.as_bytes()).to_hex()[..16].to_string()
    }

    /// The draws that the ledger of a sweep's directory has of this search, up to the first that it lacks.
    ///
    /// # Errors
    /// If the ledger is there and cannot be read.
    pub fn recorded(&self, sweep_dir: &Path) -> Result<Vec<Draw>> {
        let entries = ledger::read_draws(sweep_dir, &self.hash())?;
        let rows: BTreeMap<&str, &DrawEntry> =
            entries.iter().map(|entry| (entry.row.as_str(), entry)).collect();
        let draws =
            (0..self.search.count).map_while(|number| self.read(rows.get(draw::label(number).as_str())?));
        Ok(draws.collect())
    }

    /// A draw as its entry states it; none if the entry has a value that is none of its key.
    fn read(&self, entry: &DrawEntry) -> Option<Draw> {
        let value = |drawn: &draw::DrawnKey| match entry.values.get(&drawn.key) {
            Some(text) => drawn.distribution.number(text).map(Some),
            None => Some(None),
        };
        Some(Draw { values: self.search.keys.iter().map(value).collect::<Option<_>>()? })
    }

    /// The entry of a draw.
    pub fn entry(&self, number: usize, draw: &Draw) -> DrawEntry {
        let values = self.search.keys.iter().zip(&draw.values).filter_map(|(drawn, value)| {
            Some((drawn.key.clone(), drawn.distribution.value((*value)?, &drawn.value_place).inline()))
        });
        DrawEntry {
            event: DrawKind::Drawn,
            row: draw::label(number),
            search: self.hash(),
            values: values.collect(),
        }
    }

    /// Refuses a space of which one in a hundred random draws would be refused: before anything is trained, and not in the
    /// midst of it.
    ///
    /// # Errors
    /// What is wrong with the first of them.
    pub fn probe(&self) -> Result<()> {
        self.samples().map(drop)
    }

    /// The same for what the prepared text allows, as far as it is known.
    ///
    /// # Errors
    /// What is wrong with the first of them, or a corpus that is there and damaged.
    pub fn probe_text(&self, corpora: &mut Corpora) -> Result<()> {
        let mut samples = self.samples()?.into_iter();
        samples.try_for_each(|row| corpora.check(&[row])).map_err(may_be_refused)
    }

    /// The rows of a hundred random draws, as if each were the first one.
    fn samples(&self) -> Result<Vec<Trial>> {
        /// Attempts that no draw makes.
        const FIRST: u64 = 1 << 20;
        let row = |attempt| self.row(0, &self.random(0, FIRST + attempt)).transpose();
        (0..100).filter_map(row).map(|row| Ok(row.map_err(may_be_refused)?.1)).collect()
    }
}

/// The error of a draw at random as one of the search.
fn may_be_refused(error: Error) -> Error {
    let Error::Config(mut refused) = error else { return error };
    let row = format!("row {:?}: ", draw::label(0));
    for other in refused.more.iter_mut() {
        other.message = other.message.trim_start_matches(&row).to_string();
    }
    let why = refused.message.trim_start_matches(&row);
    refused.message = format!("search: it may come to a draw that is refused: {why}");
    let help = "`when` and [[exclude]] leave out draws that are not wanted";
    refused.help = Some(refused.help.map_or(help.to_string(), |own| format!("{own}; {help}")));
    Error::Config(refused)
}
