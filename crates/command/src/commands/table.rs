//! `ablate table`: the table of a sweep, or of several in the layout of Table 2, from their run directories.

use super::sweep::Committed;
use super::{OpenSweep, Places, check_output, print, print_styled, screen};
use crate::config::identity;
use crate::error::{Error, Result};
use crate::results::record::Record;
use crate::results::render::Tabulated;
use crate::results::systems::SystemTable;
use crate::results::table::ResultTable;
use crate::results::table_layout::Form;
use crate::sweep::committed::CommittedRecords;
use crate::sweep::corpora::Corpora;
use crate::sweep::expand::TrialPurpose;
use crate::sweep::trial::Trial;
use crate::sweep::{collect, directory};
use crate::telemetry::console::print_message;
use clap::Args;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Sweep file. Several files, each with layout = "table2", give one table of systems by language pairs.
    #[arg(required = true)]
    pub sweep: Vec<PathBuf>,
    #[command(flatten)]
    pub committed: Committed,
    /// Setting with which the sweep was run: section.key=value. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Directory for the table of several sweeps. The table of one sweep is written beside its runs.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print one JSON document with all numbers at full precision.
    #[arg(long)]
    pub json: bool,
}

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let Arguments { sweep: files, committed, sets, out, json } = arguments;
    let committed = CommittedRecords::read(&committed.reuse_records)?;
    let show = |table: &Tabulated| match json {
        true => print(&table.json()?),
        false => print_styled(&table.terminal(screen())),
    };
    if let [file] = &files[..] {
        if out.is_some() {
            return Err(Error::user(
                "--out is for the table of several sweeps; one sweep's is written beside its runs",
            ));
        }
        let Collected { sweep_dir, table, trials, records, .. } = collected(file, &sets, &committed, places)?;
        // Kept first: standard output may be full, or its reader gone. What cannot be kept is shown all the same.
        let kept = collect::write(file, &sweep_dir, &table, &trials, &records);
        show(&Tabulated::of(&table)?)?;
        kept.map_err(not_kept)?.iter().for_each(|note| print_message(&format!("warning: {note}")));
        return Ok(());
    }
    if let Some(folder) = &out {
        check_tables(folder)?;
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
    let kept = out.map_or(Ok(()), |folder| collect::write_tables(&folder, &table));
    show(&table)?;
    kept.map_err(not_kept)
}

/// Refuses a folder with files of the tables' names that `ablate table` has not written.
fn check_tables(folder: &Path) -> Result<()> {
    let own = directory::has_own_tables(folder)?;
    directory::TABLES
        .iter()
        .try_for_each(|name| check_output(&folder.join(name), "a table of ablate", |_| own))
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
    /// The trials, by number, that committed records stand for.
    pub reused: BTreeSet<usize>,
}

/// Reads the runs of a sweep, of which one at least must be finished, `committed` records where a trial has none of
/// its own.
pub(super) fn collected(
    file: &Path,
    sets: &[String],
    committed: &CommittedRecords,
    places: &Places,
) -> Result<Collected> {
    let OpenSweep { spec, trials, dir: sweep_dir } = OpenSweep::load(TrialPurpose::Show, file, sets, places)?;
    let mut records = collect::records_of_settings(&sweep_dir, &trials);
    let mut corpora = Corpora::new(&places.data);
    let mut reused = BTreeMap::new();
    for (number, trial) in trials.iter().enumerate().filter(|(number, _)| records[*number].is_none()) {
        let fingerprint = corpora.fingerprint(&trial.experiment)?;
        let identity = fingerprint.map(|fingerprint| identity(&trial.experiment, &fingerprint));
        reused.extend(identity.and_then(|identity| Some((number, committed.of(&identity)?))));
    }
    reused.iter().for_each(|(&number, found)| records[number] = Some(found.under(&trials[number].row)));
    let damaged = collect::damaged_records(&sweep_dir, &trials);
    if records.iter().all(Option::is_none) {
        let damaged: String = damaged.iter().map(|damage| format!("\n  {damage}")).collect();
        return Err(Error::user(format!(
            "{} holds no finished trial of this sweep; run `ablate sweep {}`{damaged}",
            sweep_dir.display(),
            file.display()
        )));
    }
    damaged.iter().for_each(|damage| print_message(&format!("warning: {damage}; its trial is left out")));
    let mut table = collect::table(&spec, &sweep_dir, &places.data, &trials, &records)?;
    table.notes.extend(collect::note_of_reused(&trials, &reused));
    Ok(Collected { sweep_dir, table, trials, records, reused: reused.into_keys().collect() })
}
