//! `ablate report`: a sweep as one web page, from its run directories.

use super::sweep::Committed;
use super::{
    OpenSweep, Places, check_directory, check_figure, check_output, print, write_figure, write_output,
};
use crate::error::Result;
use crate::experiment::present_failure;
use crate::files;
use crate::report::{self, Made, Report, Searched, Trial};
use crate::sweep::committed::CommittedRecords;
use crate::sweep::directory::REPORT;
use crate::sweep::expand::TrialPurpose;
use crate::sweep::trial::run_dir;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Sweep file.
    pub sweep: PathBuf,
    #[command(flatten)]
    pub committed: Committed,
    /// Setting with which the sweep was run: section.key=value. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// File to write. By default report.html beside the runs of the sweep.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Also write every figure into this directory, as SVG and PNG.
    #[arg(long, value_name = "DIR")]
    pub figures: Option<PathBuf>,
}

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let Arguments { sweep: file, committed, sets, out, figures } = arguments;
    places.check()?;
    figures.as_deref().map_or(Ok(()), |folder| check_directory("--figures", folder))?;
    let committed = CommittedRecords::read(&committed.reuse_records)?;
    let sweep = OpenSweep::load(TrialPurpose::Show, &file, &sets, places)?;
    let (name, sweep_dir) = (sweep.spec.name.clone(), sweep.dir.clone());
    let out = out.unwrap_or_else(|| sweep_dir.join(REPORT));
    check_output(&out, "a report of ablate", report::is_own)?;
    let continuous = sweep.spec.continuous_keys();
    let found = sweep.collected(&file, &committed, places)?;
    let trials = found.trials.iter().zip(&found.records).enumerate().map(|(number, (trial, record))| {
        let run_dir = run_dir(&sweep_dir, trial);
        Trial {
            row: &trial.row,
            group: trial.group.as_deref(),
            seed: trial.seed,
            experiment: &trial.experiment,
            failure: if record.is_none() { present_failure(&run_dir, &trial.experiment) } else { None },
            record: record.as_ref(),
            is_reused: found.reused.contains(&number),
            halved_at: found.halved.get(&number).copied(),
            run_dir,
        }
    });
    let search = found.search.as_ref().map(|search| Searched {
        objective: &search.objective,
        better: search.better,
        count: search.count,
    });
    let sweep_text = files::read_to_string(&file)?;
    let report = Report {
        name: &name,
        sweep_file: &file,
        sweep_text: &sweep_text,
        sets: &sets,
        trials: trials.collect(),
        table: &found.table,
        search,
        continuous: &continuous,
        data_root: &places.data,
    };
    let Made { html, figures: drawn } = report::make(&report)?;
    if let Some(folder) = &figures {
        drawn.iter().try_for_each(|figure| check_figure(&folder.join(&figure.file)))?;
    }
    files::create_dir(files::parent(&out))?;
    let mut written = write_output(&out, html.as_bytes())?;
    if let Some(folder) = figures {
        files::create_dir(&folder)?;
        for figure in drawn {
            written += &write_figure(&folder.join(&figure.file), &figure.svg)?;
        }
    }
    print(&written)
}
