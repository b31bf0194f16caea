//! `ablate tensorboard`: writes TensorBoard's files of a sweep again, from its run directories.

use super::{OpenSweep, Places};
use crate::error::{Error, Result};
use crate::experiment::view::is_run;
use crate::experiment::{is_at_work, run_configuration};
use crate::results::record::Record;
use crate::sweep::collect::{self, OtherSettings};
use crate::sweep::expand::TrialPurpose;
use crate::sweep::tensorboard::SweepView;
use crate::sweep::trial::{Trial, run_dir};
use crate::sweep::{directory, driver};
use crate::telemetry::console::print_message;
use crate::telemetry::format::counted;
use clap::Args;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Sweep file.
    pub sweep: PathBuf,
    /// Setting with which the sweep was run: section.key=value. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let OpenSweep { spec, trials, dir: sweep_dir, .. } =
        OpenSweep::load(TrialPurpose::Show, &arguments.sweep, &arguments.sets, places)?;
    let (mut runs, mut uncovered) = (Vec::new(), 0);
    for trial in &trials {
        let run_dir = run_dir(&sweep_dir, trial);
        if is_run(&run_dir)? {
            runs.push((trial, run_dir));
        }
    }
    if runs.is_empty() {
        return Err(Error::user(format!(
            "{} holds no run of this sweep; run `ablate sweep {}`",
            sweep_dir.display(),
            arguments.sweep.display()
        )));
    }
    directory::check(&sweep_dir)?;
    let _lock = driver::lock(&sweep_dir)?;
    // Files that were changed since they were recorded are refused before anything is written.
    for (_, run_dir) in &runs {
        if let Some(record) = Record::load(run_dir)? {
            record.check_shown_files(run_dir)?;
            uncovered += usize::from(!record.covers_shown_files());
        }
    }
    let mut view = SweepView::open(&spec, &sweep_dir, &trials);
    for (trial, run_dir) in &runs {
        if is_at_work(run_dir)? {
            print_message(&format!(
                "{}: a process is at work there, and writes its files itself",
                run_dir.display()
            ));
            continue;
        }
        // The settings of the training, which the sweep file may have changed since.
        let experiment = run_configuration(run_dir, &[])?;
        let trial = Trial { experiment, ..(*trial).clone() };
        view.begin(&trials, &trial, run_dir);
        view.rewrite(&trial, run_dir);
    }
    runs.iter().for_each(|(trial, _)| view.end(trial));
    let records = collect::records_of_settings(&sweep_dir, &trials);
    let sources = collect::Sources {
        spec: &spec,
        sweep_dir: &sweep_dir,
        trials: &trials,
        records: &records,
        reused: &BTreeMap::new(),
    };
    view.conclude(&trials, &collect::table(&sources, &places.data)?.table);
    if records.iter().all(Option::is_none)
        && let Some(others) = OtherSettings::of(&sweep_dir, &trials)
    {
        print_message(&format!("warning: {}", others.told(&sweep_dir)));
    }
    if uncovered > 0 {
        print_message(&format!(
            "{} recorded by an earlier version, without checksums of curves and pictures: nothing tells whether these are as \
             the runs wrote them",
            counted(uncovered, "run")
        ));
    }
    print_message(&format!(
        "{} written anew: tensorboard --logdir {}",
        counted(runs.len(), "run"),
        sweep_dir.display()
    ));
    Ok(())
}
