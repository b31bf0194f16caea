//! `ablate table`: a sweep's table, from its run directories.

use super::sweep::Committed;
use super::{Places, print, stem, terminal_width};
use crate::error::{Error, Result};
use crate::results::render;
use crate::sweep::collect;
use crate::sweep::committed::CommittedRecords;
use crate::sweep::corpora::Corpora;
use crate::sweep::expand::expand;
use crate::sweep::spec::SweepSpec;
use clap::Args;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Sweep file.
    pub sweep: PathBuf,
    #[command(flatten)]
    pub committed: Committed,
    /// Settings that the sweep was run with.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let spec = SweepSpec::load(&arguments.sweep)?;
    let trials = expand(&spec, &arguments.sets)?;
    let sweep_dir = places.results.join(stem(&arguments.sweep)?);
    // The settings of a record are its own; that they are the sweep's shows in the configuration's hash.
    let mut records = collect::records(&sweep_dir, &trials, |trial, record| {
        record.configuration_hash == crate::config::configuration_hash(&trial.experiment)
    })?;
    let committed = CommittedRecords::read(&arguments.committed.reuse_records)?;
    let mut corpora = Corpora::new(&places.data);
    let mut reused = BTreeMap::new();
    for (number, trial) in trials.iter().enumerate().filter(|(number, _)| records[*number].is_none()) {
        let fingerprint = corpora.fingerprint(&trial.experiment)?;
        let identity =
            fingerprint.map(|fingerprint| crate::config::identity(&trial.experiment, &fingerprint));
        reused.extend(identity.and_then(|identity| Some((number, committed.of(&identity)?))));
    }
    reused.iter().for_each(|(&number, found)| records[number] = Some(found.under(&trials[number].row)));
    if records.iter().all(Option::is_none) {
        return Err(Error::user(format!(
            "{} holds no finished trial of this sweep; run `ablate sweep {}`",
            sweep_dir.display(),
            arguments.sweep.display()
        )));
    }
    let mut table = collect::table(&spec, &sweep_dir, &trials, &records)?;
    table.notes.extend(collect::note_of_reused(&trials, &reused));
    collect::write(&arguments.sweep, &sweep_dir, &table, &records)?;
    print(&render::terminal(&table, terminal_width()))
}
