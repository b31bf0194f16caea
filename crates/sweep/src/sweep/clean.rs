//! `ablate clean`: finds and removes files in a sweep's directory that are no longer needed.
//!
//! A run is removed only if a checksum proves that it is a run and its name is one that the program gives; and of its
//! directory only the files that a run makes (`experiment/run_files`). Symbolic links are never followed. Nothing is
//! removed that a process works in, that git tracks or cannot be asked about, that a trial of the sweep would take
//! over, or that alone holds the run of a record in `records.jsonl`. The rest of a finished run is enough for `ablate
//! verify --decode`, `translate`, `export` and for being taken over by others.

use super::committed::RECORDS_FILE;
use super::corpora::Corpora;
use super::directory;
use super::launch::slurm;
use super::place::{is_run, is_run_name, is_superseded_name, superseded};
use super::state::{StateKind, TrialState};
use super::tensorboard::mean_directory::remove_mean;
use super::tracked::Tracked;
use super::trial::{Trial, run_dir};
use crate::error::Result;
use crate::experiment::run_files::{Contents, is_temporary, proven_identity};
use crate::experiment::{
    CHECKPOINTS, CONFIG_FILE, DAMAGED_RECORD, LOCK_FILE, is_at_work, lock_run, scored_weights_hold,
};
use crate::files::{self, name_of_temporary};
use crate::folders::{entries, is_real_dir, is_real_file, remove_if_empty};
use crate::results::record::{RECORD_FILE, Record};
use crate::train::checkpoint_files::is_training_file;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A run, or files of a directory, that can be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub kind: Kind,
    /// A run directory, or the files of one kind in a directory.
    pub path: PathBuf,
    /// The files to remove; no directories.
    pub files: Vec<PathBuf>,
    pub bytes: u64,
}

/// The reason why an item can be removed.
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
    /// Temporary files that killed processes left.
    Temporary,
}

impl Kind {
    /// Returns a description for the user.
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

/// The result of a search for files that can be removed.
#[derive(Debug, Default, PartialEq)]
pub struct Found {
    /// By kind, then by path.
    pub items: Vec<Item>,
    /// Paths that look removable, and the reasons why they stay.
    pub kept: Vec<(PathBuf, String)>,
}

impl Found {
    /// Returns the bytes that removing all items frees. A file with a further hard link elsewhere does not count.
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
    pub sweep_dir: &'a Path,
    pub data_root: &'a Path,
    pub trials: &'a [Trial],
    /// Run directories of draws that a search may still come to.
    pub to_come: Vec<PathBuf>,
}

/// The trials of the sweep, and what they still need from other runs.
struct Needs {
    /// Run directory, state and training identity of every trial.
    trials: Vec<(PathBuf, StateKind, Option<String>)>,
    /// Run directories of trials that a search may still draw.
    to_come: Vec<PathBuf>,
    /// Identities and training identities of the trials that are not finished.
    identities: BTreeSet<String>,
    trainings: BTreeSet<String>,
    /// Identities of the trials that are finished in their own directories.
    finished: BTreeSet<String>,
    /// Whether some trial's corpus is not prepared, so that it is not known which runs the trial could take over.
    unknown: bool,
    /// Identities in `records.jsonl`.
    evidence: BTreeSet<String>,
}

/// Finds everything that can be removed. Changes nothing.
///
/// # Errors
/// A directory that cannot be read; a corpus that is there and damaged.
pub fn find(request: &Request) -> Result<Found> {
    let mut search =
        Search { needs: Needs::read(request)?, tracked: Tracked::of_environment(), found: Found::default() };
    if request.sweep_dir.is_symlink() {
        search.keep(request.sweep_dir, LINK);
        return Ok(search.found);
    }
    let superseded = superseded(request.sweep_dir);
    match superseded.parent() {
        Some(folder) if folder.is_symlink() => search.keep(folder, LINK),
        _ => search.runs(Kind::Superseded, &superseded)?,
    }
    search.runs(Kind::Orphan, request.sweep_dir)?;
    let trials = std::mem::take(&mut search.needs.trials);
    for (run, state, training) in &trials {
        let row = run.parent().unwrap_or(run);
        // Paths that are no run, or behind a link, are not searched.
        if is_real_dir(row) && proven_identity(run).is_some() && !is_at_work(run)? {
            if *state == StateKind::Finished {
                search.checkpoints(run, training.as_deref())?;
            }
            search.leftovers(run)?;
        }
    }
    if is_real_dir(&slurm::folder(request.sweep_dir)) {
        let settled = slurm::settled_files(request.sweep_dir)?;
        search.files(Kind::Submissions, &slurm::folder(request.sweep_dir), settled);
    }
    let leftovers = entries(request.sweep_dir)?.into_iter().filter(|path| ends_as_rubbish(path)).collect();
    search.own_files(Kind::Temporary, request.sweep_dir, leftovers, |path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        is_temporary(path) && name_of_temporary(name).is_none_or(directory::is_own)
    });
    let mut found = search.found;
    found.items.sort_by(|a, b| (a.kind, &a.path).cmp(&(b.kind, &b.path)));
    found.kept.sort();
    found.kept.dedup();
    Ok(found)
}

impl Needs {
    fn read(request: &Request) -> Result<Self> {
        let mut corpora = Corpora::new(request.data_root);
        let mut needs = Needs {
            trials: Vec::new(),
            to_come: request.to_come.clone(),
            identities: BTreeSet::new(),
            trainings: BTreeSet::new(),
            finished: BTreeSet::new(),
            unknown: false,
            evidence: evidence(&request.sweep_dir.join(RECORDS_FILE))?,
        };
        for trial in request.trials {
            let experiment = &trial.experiment;
            let run = run_dir(request.sweep_dir, trial);
            let (own, training) = corpora.identities(experiment)?.unzip();
            let state = TrialState::of(&run, experiment, own.as_deref())?.state;
            if state == StateKind::Finished {
                needs.finished.extend(own);
            } else {
                needs.unknown |= own.is_none();
                needs.identities.extend(own);
                needs.trainings.extend(training.clone());
            }
            needs.trials.push((run, state, training));
        }
        Ok(needs)
    }

    /// Returns the reason why the run with the identity `owner` must stay, if there is one.
    fn keep(&self, run: &Path, owner: &str) -> Result<Option<&'static str>> {
        if is_at_work(run)? {
            return Ok(Some("a process is at work in it"));
        }
        // The trial's own directory has the run of that record, too.
        if self.evidence.contains(owner) && !self.finished.contains(owner) {
            return Ok(Some(
                "records.jsonl states its record; run the sweep first, which writes that file anew",
            ));
        }
        if self.unknown {
            return Ok(Some(
                "a trial may take it over: whether its data are the same is known once its corpus is prepared",
            ));
        }
        let record = match Record::load(run) {
            Err(error) if !error.is_damage() => return Ok(Some("its record cannot be read at this moment")),
            record => record.ok().flatten(),
        };
        let training = record.and_then(|record| record.training_identity);
        let wanted = self.identities.contains(owner)
            || training.is_some_and(|training| self.trainings.contains(&training));
        Ok(wanted.then_some("a trial of the sweep takes it over"))
    }
}

/// A search in progress.
struct Search {
    needs: Needs,
    tracked: Tracked,
    found: Found,
}

impl Search {
    fn keep(&mut self, path: &Path, why: impl Into<String>) {
        self.found.kept.push((path.to_path_buf(), why.into()));
    }

    /// Finds the runs `<folder>/<row>/seed-<n>…` that belong to no trial.
    fn runs(&mut self, kind: Kind, folder: &Path) -> Result<()> {
        if folder.is_symlink() {
            self.keep(folder, LINK);
        }
        for row in entries(folder)? {
            if row.is_symlink() && row.is_dir() {
                self.keep(&row, LINK);
            }
            for run in entries(&row)? {
                let name = run.file_name().unwrap_or_default().to_string_lossy().into_owned();
                // A copy to another file system that was cut short has the name of a temporary file.
                let name = name_of_temporary(&name).unwrap_or(&name);
                let Needs { trials, to_come, .. } = &self.needs;
                let own = trials.iter().any(|(own, ..)| *own == run) || to_come.contains(&run);
                if !own && name.starts_with("seed-") && run.is_dir() {
                    self.run(kind, &run, name)?;
                }
            }
        }
        Ok(())
    }

    /// Adds a run that belongs to no trial of the sweep, unless something still needs it.
    fn run(&mut self, kind: Kind, run: &Path, name: &str) -> Result<()> {
        if run.is_symlink() {
            self.keep(run, LINK);
            return Ok(());
        }
        let Some(owner) = proven_identity(run) else {
            self.keep(run, "no checksum proves that it is a run of this program");
            return Ok(());
        };
        let given = match kind {
            Kind::Superseded => is_superseded_name(name, &owner),
            _ => is_run_name(name),
        };
        let why = match self.needs.keep(run, &owner)? {
            _ if !given => Some("its name is not one that the program gives to a run".to_string()),
            Some(why) => Some(why.to_string()),
            None => self.tracked.keeps(run),
        };
        if let Some(why) = why {
            self.keep(run, why);
            return Ok(());
        }
        let Contents { own, foreign, .. } = Contents::of(run)?;
        foreign.iter().for_each(|path| self.keep(path, FOREIGN));
        let bytes = bytes(&own);
        self.found.items.push(Item { kind, path: run.to_path_buf(), files: own, bytes });
        Ok(())
    }

    /// Adds the checkpoints of a finished trial that no later use of the run reads.
    fn checkpoints(&mut self, run: &Path, training: Option<&str>) -> Result<()> {
        let folder = run.join(CHECKPOINTS);
        let is_training = |path: &PathBuf| {
            is_real_file(path)
                && path.file_name().and_then(|name| name.to_str()).is_some_and(is_training_file)
        };
        let files: Vec<PathBuf> = entries(&folder)?.into_iter().filter(is_training).collect();
        if files.is_empty() {
            return Ok(());
        }
        match training {
            Some(training) if self.needs.trainings.contains(training) => {
                self.keep(&folder, "a trial of the sweep takes its training over");
            }
            // The checkpoints could produce the scores and the record again.
            _ if !scored_weights_hold(run)? => {
                self.keep(&folder, "its scored weights are not as recorded; see `ablate verify`");
            }
            _ => self.files(Kind::Checkpoints, &folder, files),
        }
        Ok(())
    }

    /// Adds the damaged record that was set aside and the temporary files in a run of the sweep.
    fn leftovers(&mut self, run: &Path) -> Result<()> {
        let Contents { own, foreign, folders } = Contents::of(run)?;
        for path in foreign.iter().filter(|path| ends_as_rubbish(path)) {
            self.keep(path, FOREIGN);
        }
        let damaged = run.join(DAMAGED_RECORD);
        self.files(Kind::Damaged, run, own.iter().filter(|path| **path == damaged).cloned().collect());
        for folder in [run.to_path_buf()].iter().chain(&folders) {
            let inside = own.iter().filter(|path| path.parent() == Some(folder) && is_temporary(path));
            self.files(Kind::Temporary, folder, inside.cloned().collect());
        }
        Ok(())
    }

    /// Adds those of `files` that the program wrote. The others are listed as kept.
    fn own_files(&mut self, kind: Kind, folder: &Path, files: Vec<PathBuf>, is_own: impl Fn(&Path) -> bool) {
        let (own, foreign): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|path| is_real_file(path) && is_own(path));
        foreign.iter().for_each(|path| self.keep(path, FOREIGN));
        self.files(kind, folder, own);
    }

    /// Adds files of one kind in a folder, except those that git tracks.
    fn files(&mut self, kind: Kind, folder: &Path, files: Vec<PathBuf>) {
        let mut free = Vec::new();
        for file in files {
            match self.tracked.keeps(&file) {
                Some(why) => self.keep(&file, why),
                None => free.push(file),
            }
        }
        if !free.is_empty() {
            let bytes = bytes(&free);
            self.found.items.push(Item { kind, path: folder.to_path_buf(), files: free, bytes });
        }
    }
}

/// Removes the items that were found. `report` is told of runs that stay because a process has begun to work in them.
///
/// The record of a run is removed first and `config.toml` last: the rest of an interrupted removal is no finished run,
/// lends no training, and is still recognised as a run by the next call.
pub fn remove(found: &Found, report: &mut dyn FnMut(&str)) -> Result<()> {
    for item in &found.items {
        let run = match item.kind {
            Kind::Superseded | Kind::Orphan => item.path.as_path(),
            Kind::Checkpoints => item.path.parent().unwrap_or(&item.path),
            // Found in runs without a working process, and in the sweep's own directory, whose lock this process holds.
            Kind::Submissions | Kind::Damaged | Kind::Temporary => {
                remove_files(&item.files)?;
                continue;
            }
        };
        if proven_identity(run).is_none() {
            continue;
        }
        let Some(_lock) = lock_run(run)? else {
            report(&format!("{} stays: a process has begun to work in it", run.display()));
            continue;
        };
        let mut files = item.files.clone();
        files.sort_by_key(|path| order(path));
        remove_files(&files)?;
        if item.kind == Kind::Checkpoints {
            files::sync_dir(&item.path)?;
            continue;
        }
        // The lock that was just taken may have made its file.
        remove_files(&[run.join(LOCK_FILE)])?;
        Contents::of(run)?.folders.iter().try_for_each(|folder| remove_if_empty(folder))?;
        remove_if_empty(run)?;
        run.parent().map_or(Ok(()), remove_empty_row)?;
    }
    Ok(())
}

/// Returns the rank of a run's file in the order of removal: states before weights, which alone lend no training.
fn order(path: &Path) -> u8 {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match name {
        RECORD_FILE => 0,
        name if name.contains(".state.") => 1,
        CONFIG_FILE => 3,
        _ => 2,
    }
}

/// Removes files. A path that is no longer a regular file stays.
fn remove_files(paths: &[PathBuf]) -> Result<()> {
    paths.iter().filter(|path| is_real_file(path)).try_for_each(|path| files::remove(path))
}

/// Removes a row's folder, with the mean curves for TensorBoard, once its last run is gone.
fn remove_empty_row(row: &Path) -> Result<()> {
    if entries(row)?.iter().any(|path| is_run(path)) {
        return Ok(());
    }
    remove_mean(row)?;
    // Other files in the folder are the user's.
    remove_if_empty(row)
}

/// The reason why anything behind a symbolic link stays.
const LINK: &str = "a symbolic link, which is not followed";
/// The reason why a file stays that the program has not written.
const FOREIGN: &str = "no file that this program makes";

/// Whether a name has the ending of files that may be removable.
fn ends_as_rubbish(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "tmp" || end == "damaged")
}

fn bytes(files: &[PathBuf]) -> u64 {
    files.iter().filter_map(|file| file.symlink_metadata().ok()).map(|about| about.len()).sum()
}

/// Returns the identities in a file of records; none if there is no file. Lines without an identity are ignored.
fn evidence(file: &Path) -> Result<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Line {
        identity: String,
    }
    let bytes = files::read_if_exists(file)?.unwrap_or_default();
    let lines = bytes.split(|&byte| byte == b'\n');
    Ok(lines.filter_map(|line| serde_json::from_slice::<Line>(line).ok()).map(|line| line.identity).collect())
}
