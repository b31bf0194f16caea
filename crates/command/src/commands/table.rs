//! `ablate table`: the table of a sweep, or of several in the layout of Table 2, from their run directories.

use super::sweep::Committed;
use super::{OpenSweep, Places, check_directory, check_output, print, print_styled, screen};
use crate::error::{Error, Result};
use crate::results::pivot::PivotTable;
use crate::results::render::Tabulated;
use crate::results::selection::RowSelection;
use crate::results::systems::SystemTable;
use crate::results::table::ResultTable;
use crate::results::table_layout::Form;
use crate::sweep::collected::Collected;
use crate::sweep::committed::CommittedRecords;
use crate::sweep::expand::TrialPurpose;
use crate::sweep::{collect, directory};
use crate::telemetry::console::print_message;
use clap::Args;
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
    /// Show only rows in which a setting, named by its key or its column, has this value. May be repeated; a row is shown
    /// if it has one of the values that are given for each setting.
    #[arg(long = "where", value_name = "KEY=VALUE")]
    pub conditions: Vec<String>,
    /// Sort the rows by a column: the best score comes first, or the lowest value of a setting.
    #[arg(long, value_name = "COLUMN")]
    pub sort: Option<String>,
    /// Show only the first N rows.
    #[arg(long, value_name = "N", requires = "sort", value_parser = clap::value_parser!(u32).range(1..))]
    pub top: Option<u32>,
    /// Show one score with a line for each value of setting A and a column for each value of setting B. `row` stands for
    /// the names of rows without the values of axes, `group` for the groups of rows.
    #[arg(long, value_name = "A,B", conflicts_with = "sort")]
    pub pivot: Option<String>,
    /// Column that --pivot shows. By default test/bleu.
    #[arg(long, value_name = "COLUMN", requires = "pivot")]
    pub metric: Option<String>,
    /// Directory for the table of several sweeps, or for what --where, --sort, --top and --pivot show. The whole table of one
    /// sweep is written beside its runs.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print one JSON document with all numbers at full precision.
    #[arg(long)]
    pub json: bool,
}

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let view = View::of(&arguments)?;
    let Arguments { sweep: files, committed, sets, out, json, .. } = arguments;
    let committed = CommittedRecords::read(&committed.reuse_records)?;
    let show = |table: &Tabulated| match json {
        true => print(&table.json()?),
        false => print_styled(&table.terminal(screen())),
    };
    if let [file] = &files[..] {
        if out.is_some() && view.is_whole() {
            return Err(Error::user(
                "--out is for the table of several sweeps, or a part of one; one sweep's whole table is written beside \
                 its runs",
            ));
        }
        out.as_deref().map_or(Ok(()), check_tables)?;
        let Collected { sweep_dir, table, counts, trials, records, to_come, .. } =
            OpenSweep::load(TrialPurpose::Show, file, &sets, places)?.collected(file, &committed, places)?;
        let shown = view.of_table(&table)?;
        // Files first: standard output may be full or closed. If they cannot be written, the table is still printed.
        let kept = collect::write(file, &sweep_dir, (&table, &counts), &trials, &records, &to_come);
        let part = out.map_or(Ok(()), |folder| collect::write_tables(&folder, &shown.tabulated()?));
        show(&shown.tabulated()?)?;
        kept.and_then(|notes| part.map(|()| notes))
            .map_err(not_kept)?
            .iter()
            .for_each(|note| print_message(&format!("warning: {note}")));
        return Ok(());
    }
    if !view.is_whole() {
        return Err(Error::user(
            "--where, --sort, --top and --pivot are for the table of one sweep; name one",
        ));
    }
    if let Some(folder) = &out {
        check_tables(folder)?;
    }
    let mut tables = Vec::new();
    for file in &files {
        let sweep = OpenSweep::load(TrialPurpose::Show, file, &sets, places)?;
        let Collected { table, .. } = sweep.collected(file, &committed, places)?;
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

/// The part of a sweep's table that is shown, and its form.
struct View {
    rows: RowSelection,
    /// The two settings of --pivot.
    pivot: Option<[String; 2]>,
    metric: Option<String>,
}

/// A part of a table, or all of it.
enum Shown {
    Rows(ResultTable),
    Pivot(PivotTable),
}

impl View {
    fn of(arguments: &Arguments) -> Result<View> {
        let condition = |word: &String| match word.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() && !value.trim().is_empty() => {
                Ok((key.trim().to_string(), value.trim().to_string()))
            }
            _ => Err(Error::user(format!("--where {word:?}: write KEY=VALUE, as in dropout=0.1"))),
        };
        let pivot = |word: &String| match word.split(',').map(str::trim).collect::<Vec<_>>()[..] {
            [rows, columns] if !rows.is_empty() && !columns.is_empty() => {
                Ok([rows.to_string(), columns.to_string()])
            }
            _ => Err(Error::user(format!("--pivot {word:?}: name two settings, as in dropout,heads"))),
        };
        Ok(View {
            rows: RowSelection {
                conditions: arguments.conditions.iter().map(condition).collect::<Result<_>>()?,
                sort: arguments.sort.clone(),
                top: arguments.top.map(|top| top as usize),
            },
            pivot: arguments.pivot.as_ref().map(pivot).transpose()?,
            metric: arguments.metric.clone(),
        })
    }

    fn is_whole(&self) -> bool {
        self.rows.is_all() && self.pivot.is_none()
    }

    /// # Errors
    /// A user error if the table does not have a setting, value or column that is asked for.
    fn of_table(&self, table: &ResultTable) -> Result<Shown> {
        let mut table = table.clone();
        table.select(&self.rows)?;
        Ok(match &self.pivot {
            None => Shown::Rows(table),
            Some([rows, columns]) => {
                Shown::Pivot(PivotTable::of(&table, [rows, columns], self.metric.as_deref())?)
            }
        })
    }
}

impl Shown {
    fn tabulated(&self) -> Result<Tabulated<'_>> {
        match self {
            Shown::Rows(table) => Tabulated::of(table),
            Shown::Pivot(table) => Ok(Tabulated::Pivot(table)),
        }
    }
}

/// Refuses a file in the place of a folder for tables, and a folder with files of the tables' names that `ablate table` has
/// not written.
fn check_tables(folder: &Path) -> Result<()> {
    check_directory("--out", folder)?;
    let own = directory::has_own_tables(folder)?;
    directory::TABLES
        .iter()
        .try_for_each(|name| check_output(&folder.join(name), "a table of ablate", |_| own))
}

/// Returns the error for a table that was shown but not written, for example into a read-only directory.
fn not_kept(error: Error) -> Error {
    Error::failed(format!("the table is shown, but its files are not written: {error}"))
}
