//! Makes rows of the draws of a search, and reads draws from the ledger.

use super::combine::{Ground, of_choice};
use super::corpora::Corpora;
use super::draw;
use super::factor::Factor;
use super::idle_check::Effects;
use super::ledger::{self, DrawEntry, DrawKind};
use super::objective::check_measured;
use super::rows::{keys_of, load_base, row, section_tree, with_seed};
use super::search_section::{SEARCH, Search};
use super::section::Section;
use super::settings::{Setting, mistake};
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
    /// The value of each key of the search as a number of its domain; None if its condition does not hold.
    pub values: Vec<Option<f64>>,
}

/// Makes rows from draws.
#[derive(Debug)]
pub struct Drawer {
    pub search: Search,
    section: Section,
    /// The base with the changes that the sweep makes in every row.
    tree: Tree,
    /// The same with `--set`, which is applied last.
    common: Tree,
    /// The changes of the sweep's `set`.
    set: Vec<Setting>,
    sets: Vec<String>,
    of_sets: Vec<String>,
}

impl Drawer {
    /// Creates the drawer of a sweep and its search.
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
            check_measured(&search.objective, &experiment, &search.objective_place)?;
        }
        Ok(Drawer {
            search: search.clone(),
            section: section.clone(),
            tree,
            common,
            set: spec.set.clone(),
            sets: sets.to_vec(),
            of_sets: keys_of(sets)?,
        })
    }

    /// Returns the domain of each key.
    pub fn domains(&self) -> Vec<Domain> {
        self.search.keys.iter().map(|drawn| drawn.distribution.domain()).collect()
    }

    /// Returns the `--set` options of the command line.
    pub fn sets(&self) -> &[String] {
        &self.sets
    }

    /// Returns the seeds with which each draw is trained.
    pub fn seeds(&self) -> &[u64] {
        &self.section.seeds
    }

    /// Returns the random values of a draw. Attempt 0 has the values of `[random]` with the same seed.
    pub fn random(&self, number: usize, attempt: u64) -> Vec<Option<f64>> {
        let number = number as u64 + (attempt << 32);
        let value = |drawn: &draw::DrawnKey| {
            let text = drawn.random(self.search.seed, number).inline();
            drawn.distribution.number(&text)
        };
        self.search.keys.iter().map(value).collect()
    }

    /// Returns the draw of these values and its row, still without a seed; None if an `[[exclude]]` matches.
    ///
    /// # Errors
    /// The values make no valid experiment, or one of them has no effect.
    pub fn row(&self, number: usize, values: &[Option<f64>]) -> Result<Option<(Draw, Trial)>> {
        let choice = self.search.choice(number, values);
        let ground = Ground { tree: self.tree.clone(), set: &self.set, sets: &self.sets };
        let Some(combination) = of_choice(&self.section, SEARCH, &choice, &ground)? else { return Ok(None) };
        let (tree, mut trial) = row(&self.section, &combination, &ground, &self.of_sets)?;
        Effects::default().add(&self.section, &combination, &tree)?;
        check_measured(&self.search.objective, &trial.experiment, &self.search.objective_place)?;
        trial.place = self.search.place.clone();
        // The values as a file would state them: rounded.
        let stated = self.search.keys.iter().zip(&choice.changes).map(|(drawn, change)| {
            let is_drawn = trial.varied.contains(&drawn.key);
            is_drawn.then(|| drawn.distribution.number(&change.setting.value.inline())).flatten()
        });
        Ok(Some((Draw { values: stated.collect() }, trial)))
    }

    /// Returns the trials of a row, one for each seed.
    pub fn trials(&self, row: &Trial) -> Vec<Trial> {
        self.section.seeds.iter().map(|&seed| with_seed(row, seed)).collect()
    }

    /// Returns the section's factor with these draws as its choices.
    pub fn factor(&self, draws: &[Draw]) -> Factor {
        let choices = draws.iter().enumerate().map(|(number, draw)| self.search.choice(number, &draw.values));
        Factor {
            name: SEARCH,
            place: self.search.place.clone(),
            when: None,
            drawn: true,
            continuous: draw::continuous_keys(&self.search.keys),
            choices: choices.collect(),
        }
    }

    /// Returns a hash of everything on which the draws depend, except the results and the count: keys with their
    /// distributions and conditions, exclusions, seed, objective, and the experiment that the draws change.
    pub fn hash(&self) -> String {
        let mut text = format!("{} {}\n", self.search.seed, self.search.objective);
        for draw::DrawnKey { key, distribution, when, .. } in &self.search.keys {
            let when = when.as_ref().map_or("", |when| when.text());
            text += &format!("{key} {} {when}\n", distribution.text());
        }
        self.section.exclude.iter().for_each(|condition| text += &format!("exclude {}\n", condition.text()));
        // An experiment that is invalid until a draw completes it has no hash. Its text is hashed instead.
        text += &match self.common.experiment() {
            Ok(experiment) => configuration_hash(&experiment),
            Err(_) => {
                let entries = self.common.table.iter();
                entries.map(|(key, node)| format!("{} {}\n", key.name, node.inline())).collect()
            }
        };
        blake3::hash(text.as_bytes()).to_hex()[..16].to_string()
    }

    /// Returns the draws of this search in the ledger of a sweep's directory, up to the first missing one.
    ///
    /// # Errors
    /// If the ledger exists and cannot be read.
    pub fn recorded(&self, sweep_dir: &Path) -> Result<Vec<Draw>> {
        let entries = ledger::read_draws(sweep_dir, &self.hash())?;
        let rows: BTreeMap<&str, &DrawEntry> =
            entries.iter().map(|entry| (entry.row.as_str(), entry)).collect();
        let draws =
            (0..self.search.count).map_while(|number| self.read(rows.get(draw::label(number).as_str())?));
        Ok(draws.collect())
    }

    /// Reads a draw from its entry; None if a value is not in the distribution of its key.
    fn read(&self, entry: &DrawEntry) -> Option<Draw> {
        let value = |drawn: &draw::DrawnKey| match entry.values.get(&drawn.key) {
            Some(text) => drawn.distribution.number(text).map(Some),
            None => Some(None),
        };
        Some(Draw { values: self.search.keys.iter().map(value).collect::<Option<_>>()? })
    }

    /// Returns the ledger's entry of a draw.
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

    /// Refuses a search if one of a hundred random draws would be refused, so that this happens before the training and
    /// not in the middle of it.
    ///
    /// # Errors
    /// The problem of the first refused draw.
    pub fn probe(&self) -> Result<()> {
        self.samples().map(drop)
    }

    /// Does the same for draws that do not suit the prepared text, as far as it is known.
    ///
    /// # Errors
    /// The problem of the first refused draw, or a corpus that exists and is damaged.
    pub fn probe_text(&self, corpora: &mut Corpora) -> Result<()> {
        let mut samples = self.samples()?.into_iter();
        samples.try_for_each(|row| corpora.check(&[row])).map_err(may_be_refused)
    }

    /// Returns the rows of a hundred random draws, each made as if it were the first draw.
    fn samples(&self) -> Result<Vec<Trial>> {
        /// Attempt numbers that no draw reaches.
        const FIRST: u64 = 1 << 20;
        let row = |attempt| self.row(0, &self.random(0, FIRST + attempt)).transpose();
        (0..100).filter_map(row).map(|row| Ok(row.map_err(may_be_refused)?.1)).collect()
    }
}

/// Turns the error of a random draw into one of the search.
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
