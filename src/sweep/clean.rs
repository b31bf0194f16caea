//! `ablate clean`: what a sweep's directory holds that nobody needs any more.
//!
//! Nothing is found that a process works in, that git tracks, that a trial of the sweep would take over, or that
//! holds the run of a record in `records.jsonl`. What a finished run keeps is enough for `ablate verify --decode`,
//! `translate`, `export` and for being taken over by others.

use super::collect::run_dir;
use super::committed::RECORDS_FILE;
use super::corpora::Corpora;
use super::expand::Trial;
use super::launch::slurm;
use super::state::{StateKind, TrialState};
use super::tensorboard::MEAN;
use crate::config::{identity, training_identity};
use crate::error::{Error, Result};
use crate::experiment::{CHECKPOINTS, claimed_identity, is_at_work, lock_run, scored_weights_hold};
use crate::files::{self, is_leftover};
use crate::results::record::Record;
use crate::train::checkpoint::is_training_file;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Something that can go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub kind: Kind,
    /// A run directory, or the files of one kind in a directory.
    pub path: PathBuf,
    /// Of a directory: these files in it; none: all of it.
    pub files: Vec<PathBuf>,
    pub bytes: u64,
}

/// Why something can go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A run that a change of settings or data moved away.
    Superseded,
    /// The run of a row or seed that the sweep no longer has.
    Orphan,
    /// Training states of a finished trial, and the weights that were averaged.
    Checkpoints,
    /// Damaged files that were set aside.
    Damaged,
    /// Files of job arrays that are over.
    Submissions,
    /// What killed writers left.
    Temporary,
}

impl Kind {
    /// What it is, for people.
    pub fn describe(self) -> &'static str {
        match self {
            Kind::Superseded => "superseded runs: their settings or data have changed since",
            Kind::Orphan => "runs of rows and seeds that the sweep no longer has",
            Kind::Checkpoints => {
                "checkpoints of finished trials, but for the weights that were scored and the best"
            }
            Kind::Damaged => "damaged files that were set aside",
            Kind::Submissions => "files of Slurm job arrays that are over",
            Kind::Temporary => "temporary files that killed processes left",
        }
    }
}

/// What was found.
#[derive(Debug, Default, PartialEq)]
pub struct Found {
    /// By kind, then by path.
    pub items: Vec<Item>,
    /// What looks as if it could go, and why it stays.
    pub kept: Vec<(PathBuf, String)>,
}

impl Found {
    /// Bytes of the disk that removing everything frees: a file with another name elsewhere stays there.
    pub fn bytes(&self) -> u64 {
        let mut links: BTreeMap<(u64, u64), (u64, u64, u64)> = BTreeMap::new();
        for file in self.items.iter().flat_map(|item| &item.files) {
            if let Ok(about) = file.symlink_metadata() {
                let entry =
                    links.entry((about.dev(), about.ino())).or_insert((0, about.nlink(), about.len()));
                entry.0 += 1;
            }
        }
        links.values().filter(|(seen, all, _)| seen >= all).map(|(.., bytes)| bytes).sum()
    }
}

/// A sweep and where its runs are.
pub struct Request<'a> {
    pub results: &'a Path,
    pub sweep_dir: &'a Path,
    pub data_root: &'a Path,
    pub trials: &'a [Trial],
}

/// What the trials of the sweep are, and what they still need.
struct Needs {
    /// Run directory, state and training identity of every trial.
    trials: Vec<(PathBuf, StateKind, Option<String>)>,
    /// Identities and training identities of the trials that are not finished.
    identities: BTreeSet<String>,
    trainings: BTreeSet<String>,
    /// Some trial's corpus is not prepared: nobody knows what it could take over.
    unknown: bool,
    /// Identities in `records.jsonl`.
    evidence: BTreeSet<String>,
    /// What git tracks below the results directory.
    tracked: BTreeSet<PathBuf>,
}

/// Looks for what can go. Changes nothing.
///
/// # Errors
/// A directory that cannot be read; a corpus that is there and damaged.
pub fn find(request: &Request) -> Result<Found> {
    let needs = Needs::read(request)?;
    let mut found = Found::default();
    let superseded =
        request.results.join(".superseded").join(request.sweep_dir.file_name().unwrap_or_default());
    for run in runs_below(&superseded)? {
        found.run(Kind::Superseded, &run, &needs)?;
    }
    for run in runs_below(request.sweep_dir)? {
        if !needs.trials.iter().any(|(own, ..)| *own == run) {
            found.run(Kind::Orphan, &run, &needs)?;
        }
    }
    for (run, state, training) in &needs.trials {
        if run.is_dir() && !is_at_work(run)? {
            if *state == StateKind::Finished {
                found.checkpoints(run, training.as_deref(), &needs)?;
            }
            found.rubbish(run, &needs)?;
        }
    }
    let submissions = slurm::folder(request.sweep_dir);
    let settled = slurm::settled_files(request.sweep_dir)?;
    found.files(Kind::Submissions, &submissions, settled.into_iter(), &needs);
    let mut folders = vec![request.sweep_dir.to_path_buf()];
    for parent in [request.sweep_dir, &superseded] {
        folders.extend(entries(parent)?.into_iter().filter(|path| path.is_dir()));
    }
    for folder in folders {
        let leftovers = entries(&folder)?.into_iter().filter(|path| is_temporary(path));
        found.files(Kind::Temporary, &folder, leftovers, &needs);
    }
    found.items.sort_by(|a, b| (a.kind, &a.path).cmp(&(b.kind, &b.path)));
    found.kept.sort();
    Ok(found)
}

impl Needs {
    fn read(request: &Request) -> Result<Self> {
        let mut corpora = Corpora::new(request.data_root);
        let mut needs = Needs {
            trials: Vec::new(),
            identities: BTreeSet::new(),
            trainings: BTreeSet::new(),
            unknown: false,
            evidence: evidence(&request.sweep_dir.join(RECORDS_FILE))?,
            tracked: tracked(request.results),
        };
        for trial in request.trials {
            let experiment = &trial.experiment;
            let run = run_dir(request.sweep_dir, trial);
            let fingerprint = corpora.fingerprint(experiment)?;
            let own = fingerprint.as_ref().map(|fingerprint| identity(experiment, fingerprint));
            let training = fingerprint.map(|fingerprint| training_identity(experiment, &fingerprint));
            let state = TrialState::of(&run, experiment, own.as_deref())?.state;
            if state != StateKind::Finished {
                needs.unknown |= own.is_none();
                needs.identities.extend(own);
                needs.trainings.extend(training.clone());
            }
            needs.trials.push((run, state, training));
        }
        Ok(needs)
    }

    /// Why a whole run must stay.
    fn keep(&self, run: &Path) -> Result<Option<String>> {
        let why = |text: &str| Ok(Some(text.to_string()));
        if is_at_work(run)? {
            return why("a process is at work in it");
        }
        if self.tracks(run) {
            return why("git tracks a file in it");
        }
        let record = Record::load(run).ok().flatten();
        let owner = match &record {
            Some(record) => Some(record.identity.clone()),
            None => claimed_identity(run).ok().flatten(),
        };
        let training = record.and_then(|record| record.training_identity);
        if owner.as_ref().is_some_and(|owner| self.evidence.contains(owner)) {
            return why("records.jsonl states its record; run the sweep first, which writes that file anew");
        }
        if self.unknown {
            return why("a trial may take it over: its corpus is not prepared, so that nobody can tell");
        }
        let wanted = owner.is_some_and(|owner| self.identities.contains(&owner))
            || training.is_some_and(|training| self.trainings.contains(&training));
        if wanted {
            return why("a trial of the sweep takes it over");
        }
        Ok(None)
    }

    fn tracks(&self, path: &Path) -> bool {
        self.tracked.iter().any(|tracked| tracked.starts_with(path))
    }
}

impl Found {
    /// A whole run that is not one of the sweep's, unless somebody needs it.
    fn run(&mut self, kind: Kind, run: &Path, needs: &Needs) -> Result<()> {
        if let Some(why) = needs.keep(run)? {
            self.kept.push((run.to_path_buf(), why));
            return Ok(());
        }
        let mut files = Vec::new();
        all_files(run, &mut files)?;
        let bytes = bytes(&files);
        self.items.push(Item { kind, path: run.to_path_buf(), files, bytes });
        Ok(())
    }

    /// The checkpoints of a finished trial that no later use of it reads.
    fn checkpoints(&mut self, run: &Path, training: Option<&str>, needs: &Needs) -> Result<()> {
        let folder = run.join(CHECKPOINTS);
        let files = entries(&folder)?.into_iter().filter(|path| is_training_file(path));
        let files: Vec<PathBuf> = files.collect();
        if files.is_empty() {
            return Ok(());
        }
        let why = match training {
            Some(training) if needs.trainings.contains(training) => {
                "a trial of the sweep takes its training over"
            }
            // They could make scores and record again.
            _ if !scored_weights_hold(run)? => "its scored weights are not as recorded; see `ablate verify`",
            _ => {
                self.files(Kind::Checkpoints, &folder, files.into_iter(), needs);
                return Ok(());
            }
        };
        self.kept.push((folder, why.to_string()));
        Ok(())
    }

    /// What was set aside and what killed writers left in a run of the sweep.
    fn rubbish(&mut self, run: &Path, needs: &Needs) -> Result<()> {
        for folder in [run.to_path_buf(), run.join(CHECKPOINTS), run.join("hypotheses")] {
            let all = entries(&folder)?;
            let damaged = all.iter().filter(|path| path.extension().is_some_and(|end| end == "damaged"));
            self.files(Kind::Damaged, &folder, damaged.cloned(), needs);
            self.files(Kind::Temporary, &folder, all.into_iter().filter(|path| is_temporary(path)), needs);
        }
        Ok(())
    }

    /// Files of one kind in a folder, if there are any that git does not track.
    fn files(&mut self, kind: Kind, folder: &Path, files: impl Iterator<Item = PathBuf>, needs: &Needs) {
        let files: Vec<PathBuf> = files.filter(|file| !needs.tracks(file)).collect();
        if !files.is_empty() {
            let bytes = bytes(&files);
            self.items.push(Item { kind, path: folder.to_path_buf(), files, bytes });
        }
    }
}

/// Removes what was found. `report` is told what has to stay after all because a process began to work in it.
///
/// A run goes in one step: it gets the name of a temporary directory first, so that no half of it is ever taken
/// for a run.
pub fn remove(found: &Found, report: &mut dyn FnMut(&str)) -> Result<()> {
    for item in &found.items {
        let run = match item.kind {
            Kind::Superseded | Kind::Orphan => item.path.as_path(),
            Kind::Checkpoints => item.path.parent().unwrap_or(&item.path),
            // Found in runs where nobody is at work, and in the sweep's own directory, whose lock is ours.
            Kind::Submissions | Kind::Damaged | Kind::Temporary => {
                item.files.iter().try_for_each(|path| remove_path(path))?;
                continue;
            }
        };
        if !run.is_dir() {
            continue;
        }
        let Some(_lock) = lock_run(run)? else {
            report(&format!("{} stays: a process has begun to work in it", run.display()));
            continue;
        };
        match item.kind {
            Kind::Checkpoints => {
                // States first: weights without states lend no training.
                let states = |path: &&PathBuf| path.to_string_lossy().contains(".state.");
                item.files.iter().filter(states).try_for_each(|path| files::remove(path))?;
                item.files.iter().try_for_each(|path| files::remove(path))?;
                files::sync_dir(&item.path)?;
            }
            _ => {
                let aside = files::temporary_beside(run);
                files::rename(run, &aside)?;
                remove_path(&aside)?;
                run.parent().map_or(Ok(()), remove_empty_row)?;
            }
        }
    }
    Ok(())
}

/// Removes a row's folder, with the mean that TensorBoard shows of it, once its last seed is gone.
fn remove_empty_row(row: &Path) -> Result<()> {
    if entries(row)?.iter().any(|path| is_run(path)) {
        return Ok(());
    }
    let mean = row.join(MEAN);
    if mean.is_dir() {
        remove_path(&mean)?;
    }
    // Whatever else lies there is somebody's own.
    let _ = std::fs::remove_dir(row);
    Ok(())
}

fn remove_path(path: &Path) -> Result<()> {
    match path.is_dir() {
        true => std::fs::remove_dir_all(path).map_err(Error::io("remove", path)),
        false => files::remove(path),
    }
}

fn is_run(path: &Path) -> bool {
    path.is_dir() && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("seed-"))
}

/// Run directories `<folder>/<row>/seed-<n>…`.
fn runs_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut runs = Vec::new();
    for row in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        runs.extend(entries(&row)?.into_iter().filter(|path| is_run(path)));
    }
    Ok(runs)
}

fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    let name = name.to_string_lossy();
    is_leftover(&name) || (name.starts_with("events-") && name.ends_with(".tmp"))
}

/// What a folder holds, in order; nothing if it is not there.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let list = Error::io("list", folder);
    let entries = std::fs::read_dir(folder).and_then(|entries| entries.collect::<std::io::Result<Vec<_>>>());
    let mut paths: Vec<PathBuf> = entries.map_err(list)?.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

/// All files in a folder and below.
fn all_files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for path in entries(folder)? {
        match path.is_dir() && !path.is_symlink() {
            true => all_files(&path, found)?,
            false => found.push(path),
        }
    }
    Ok(())
}

fn bytes(files: &[PathBuf]) -> u64 {
    files.iter().filter_map(|file| file.symlink_metadata().ok()).map(|about| about.len()).sum()
}

/// The identities in a file of records; none if there is no file. Lines that say none are others' business.
fn evidence(file: &Path) -> Result<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Line {
        identity: String,
    }
    let bytes = files::read_if_exists(file)?.unwrap_or_default();
    let lines = bytes.split(|&byte| byte == b'\n');
    Ok(lines.filter_map(|line| serde_json::from_slice::<Line>(line).ok()).map(|line| line.identity).collect())
}

/// The files below a folder that git tracks; none where git or a repository is not there.
fn tracked(folder: &Path) -> BTreeSet<PathBuf> {
    let output = Command::new("git").arg("-C").arg(folder).args(["ls-files", "-z", "."]).output();
    let listed = output.map(|output| if output.status.success() { output.stdout } else { Vec::new() });
    let listed = listed.unwrap_or_default();
    let names = listed.split(|&byte| byte == 0).filter(|name| !name.is_empty());
    names.map(|name| folder.join(String::from_utf8_lossy(name).as_ref())).collect()
}
