//! The prepared corpora that the trials of a sweep use, each opened once.

use crate::config::Experiment;
use crate::data::{self, Prepared};
use crate::error::{Error, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

/// Prepares nothing: a corpus that is not there is absent.
#[derive(Debug)]
pub struct Corpora<'a> {
    root: &'a Path,
    opened: BTreeMap<String, Option<Rc<Prepared>>>,
}

impl<'a> Corpora<'a> {
    /// Below the data directory `root`.
    pub fn new(root: &'a Path) -> Self {
        Corpora { root, opened: BTreeMap::new() }
    }

    /// Where they are.
    pub fn root(&self) -> &'a Path {
        self.root
    }

    /// The prepared corpus of a trial, if there is one.
    ///
    /// # Errors
    /// If it is there and damaged.
    pub fn of(&mut self, experiment: &Experiment) -> Result<Option<Rc<Prepared>>> {
        let key = key_of(&experiment.data)?;
        if let Some(known) = self.opened.get(&key) {
            return Ok(known.clone());
        }
        let opened = data::open_if_prepared(&experiment.data, self.root)?.map(Rc::new);
        self.opened.insert(key, opened.clone());
        Ok(opened)
    }

    /// Its fingerprint.
    pub fn fingerprint(&mut self, experiment: &Experiment) -> Result<Option<String>> {
        Ok(self.of(experiment)?.map(|corpus| corpus.fingerprint().to_string()))
    }
}

/// What equal values share.
pub fn key_of(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::failed(error.to_string()))
}
