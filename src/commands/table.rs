//! `ablate table`: the table of a sweep, or of several in the layout of Table 2, from their run directories.

use super::sweep::Committed;
use super::{OpenSweep, Places, print, screen};
use crate::config::{configuration_hash, identity};
use crate::error::{Error, Result};
use crate::results::layout::Form;
use crate::results::record::Record;
use crate::results::render::Tabulated;
use crate::results::systems::SystemTable;
use crate::results::table::ResultTable;
use crate::sweep::collect;
use crate::sweep::committed::CommittedRecords;
use crate::sweep::corpora::Corpora;
use crate::sweep::expand::{Purpose, Trial};
use clap::Args;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Sweep file. Several make one table of systems by language pairs, if each has layout = "table2".
    #[arg(required = true)]
    pub sweep: Vec<PathBuf>,
    #[command(flatten)]
    pub committed: Committed,
    /// Settings that the sweep was run with.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Write the table of several sweeps into this directory. One sweep's is written beside its runs.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print one JSON document, with everything at full precision.
    #[arg(long)]
    pub json: bool,
}

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let Arguments { sweep: files, committed, sets, out, json } = arguments;
    let committed = CommittedRecords::read(&committed.reuse_records)?;
    let show = |table: &Tabulated| print(&if json { table.json()? } else { table.terminal(screen()) });
    if let [file] = &files[..] {
        if out.is_some() {
            return Err(Error::user(
                "--out is for the table of several sweeps; one sweep's is written beside its runs",
            ));
        }
        let Collected { sweep_dir, table, records, .. } = collected(file, &sets, &committed, places)?;
        show(&Tabulated::of(&table)?)?;
        return collect::write(file, &sweep_dir, &table, &records).map_err(not_kept);
    }
    let mut tables = Vec::new();
    for file in &files {
        let Collected { table, .. } = collected(file, &sets, &committed, places)?;
        if table.form != Form::Table2 {
            return Err(Error::user(format!(
                "{} is not laid out by systems; several sweeps make one table if each has layout = \"table2\" under [table]",
                file.display()
            )));
        }
        tables.push(table);
    }
    let table = Tabulated::Systems(SystemTable::of(&tables.iter().collect::<Vec<_>>())?);
    show(&table)?;
    match out {
        None => Ok(()),
        Some(folder) => collect::write_tables(&folder, &table).map_err(not_kept),
    }
}

/// What is said below a table that could be shown but not written: a folder may be there to be read alone.
fn not_kept(error: Error) -> Error {
    Error::failed(format!("the table is shown, but its files are not written: {error}"))
}

/// What the runs of a sweep left.
pub(super) struct Collected {
    pub sweep_dir: PathBuf,
    pub table: ResultTable,
    pub trials: Vec<Trial>,
    /// Of each trial that is finished.
    pub records: Vec<Option<Record>>,
}

/// Reads the runs of a sweep, of which one at least must be finished, `committed` records where a trial has none of
/// its own.
pub(super) fn collected(
    file: &Path,
    sets: &[String],
    committed: &CommittedRecords,
    places: &Places,
) -> Result<Collected> {
    let OpenSweep { spec, trials, dir: sweep_dir } = OpenSweep::load(Purpose::Show, file, sets, places)?;
    // The settings of a record are its own; that they are the sweep's shows in the configuration's hash.
    let mut records = collect::records(&sweep_dir, &trials, |trial, record| {
        record.configuration_hash == configuration_hash(&trial.experiment)
    })?;
    let mut corpora = Corpora::new(&places.data);
    let mut reused = BTreeMap::new();
    for (number, trial) in trials.iter().enumerate().filter(|(number, _)| records[*number].is_none()) {
        let fingerprint = corpora.fingerprint(&trial.experiment)?;
        let identity = fingerprint.map(|fingerprint| identity(&trial.experiment, &fingerprint));
        reused.extend(identity.and_then(|identity| Some((number, committed.of(&identity)?))));
    }
    reused.iter().for_each(|(&number, found)| records[number] = Some(found.under(&trials[number].row)));
    if records.iter().all(Option::is_none) {
        return Err(Error::user(format!(
            "{} holds no finished trial of this sweep; run `ablate sweep {}`",
            sweep_dir.display(),
            file.display()
        )));
    }
    let mut table = collect::table(&spec, &sweep_dir, &places.data, &trials, &records)?;
    table.notes.extend(collect::note_of_reused(&trials, &reused));
    Ok(Collected { sweep_dir, table, trials, records })
}
