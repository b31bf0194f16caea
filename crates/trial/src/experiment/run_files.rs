//! The files of a directory that belong to a run, and whether the directory holds a run at all.
//!
//! The files that the program deletes, replaces or copies in a run directory are listed here; all others belong to the
//! user. A test compares the list with the files that runs write (`tests/runs/own_files.rs`).

use super::attempts::TIMING_JSON;
use super::claim::{self, claimed_identity};
use super::run_paths::{
    CHECKPOINTS, CONFIG_FILE, DAMAGED_RECORD, ENDING_FILE, EVENTS_FILE, HYPOTHESES, LOCK_FILE, LOG_FILE,
    hypotheses_file,
};
use super::view::difference::DIFFERENCE_FILE;
use crate::data::Split;
use crate::error::{Error, Result};
use crate::files::{self, name_of_temporary};
use crate::folders::{entries, is_real_dir, is_real_file, list};
use crate::results::attention_file::ATTENTION_FILE;
use crate::results::positions_file::POSITIONS_FILE;
use crate::results::record::{FAILURE_FILE, RECORD_FILE, Record};
use crate::telemetry::{METRICS_FILE, TIMING_FILE, VIEWS_FILE, projector, tensorboard_file};
use crate::train::checkpoint_files::{is_checkpoint_file, latest_step};
use std::path::{Path, PathBuf};

/// The files with fixed names directly in a run directory.
const FILES: [&str; 16] = [
    CONFIG_FILE,
    RECORD_FILE,
    DAMAGED_RECORD,
    FAILURE_FILE,
    LOCK_FILE,
    LOG_FILE,
    METRICS_FILE,
    TIMING_FILE,
    VIEWS_FILE,
    TIMING_JSON,
    ATTENTION_FILE,
    POSITIONS_FILE,
    DIFFERENCE_FILE,
    ENDING_FILE,
    EVENTS_FILE,
    projector::FILES[0],
];

/// The folders in a run directory.
const FOLDERS: [&str; 3] = [CHECKPOINTS, HYPOTHESES, "projector"];

/// Most foreign files that a message names.
const NAMED: usize = 3;

/// Whether a run writes a file with this path below its directory. A temporary file counts as the file that it was
/// meant to become.
pub fn is_own(path: &Path) -> bool {
    let Some(text) = path.to_str() else { return false };
    let (folder, name) = text.rsplit_once('/').unwrap_or(("", text));
    let name = name_of_temporary(name).unwrap_or(name);
    let path = if folder.is_empty() { name.to_string() } else { format!("{folder}/{name}") };
    match folder {
        "" => FILES.contains(&name) || tensorboard_file::is_own_file(name),
        CHECKPOINTS => is_checkpoint_file(name),
        HYPOTHESES => [Split::Dev, Split::Test].iter().any(|&split| hypotheses_file(split) == path),
        _ => projector::FILES.contains(&path.as_str()),
    }
}

/// Whether a name is that of a file that its writer has not completed.
pub fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name_of_temporary(name).is_some() || tensorboard_file::is_temporary(name)
}

/// The content of a run directory. Symbolic links are not followed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The regular files that a run writes.
    pub own: Vec<PathBuf>,
    /// All other files; a folder that no run makes counts as one entry.
    pub foreign: Vec<PathBuf>,
    /// The run's own folders, the deepest first.
    pub folders: Vec<PathBuf>,
}

impl Contents {
    /// Looks into a run directory.
    ///
    /// # Errors
    /// If a folder cannot be listed.
    pub fn of(run_dir: &Path) -> Result<Self> {
        let mut contents = Contents::default();
        contents.enter(run_dir, run_dir)?;
        Ok(contents)
    }

    fn enter(&mut self, run_dir: &Path, folder: &Path) -> Result<()> {
        for path in entries(folder)? {
            let below = path.strip_prefix(run_dir).unwrap_or(&path);
            if is_real_dir(&path) && FOLDERS.iter().any(|own| below == Path::new(own)) {
                self.enter(run_dir, &path)?;
                self.folders.push(path);
            } else if is_real_file(&path) && is_own(below) {
                self.own.push(path);
            } else {
                self.foreign.push(path);
            }
        }
        Ok(())
    }
}

/// The identity of the run that a directory holds, if the checksum of its `config.toml` or `record.json` proves that
/// this program made it. Neither the directory nor the files may be symbolic links.
pub fn proven_identity(run_dir: &Path) -> Option<String> {
    if !is_real_dir(run_dir) {
        return None;
    }
    let read = |name: &str| {
        let path = run_dir.join(name);
        is_real_file(&path).then(|| files::read_if_exists(&path).ok().flatten()).flatten()
    };
    let claimed = read(CONFIG_FILE).as_deref().and_then(claim::sealed_identity);
    claimed.or_else(|| {
        read(RECORD_FILE)?;
        Some(Record::readable(run_dir)?.identity)
    })
}

/// Whether the run has a training state to resume from.
pub fn has_checkpoint(run_dir: &Path) -> bool {
    latest_step(&run_dir.join(CHECKPOINTS)).is_ok_and(|step| step.is_some())
}

/// Returns the update of the newest training state that a run has saved; 0 if it has none.
pub fn saved_step(run_dir: &Path) -> Result<u64> {
    Ok(latest_step(&run_dir.join(CHECKPOINTS))?.unwrap_or(0))
}

/// Refuses a directory that is not empty but holds no run: a run in it would replace foreign files.
///
/// # Errors
/// A user error that names the files found.
pub fn check_vacant(run_dir: &Path) -> Result<()> {
    let refused = |what: String| {
        Err(Error::user(format!(
            "{} holds no run of this program, but {what}; a run there could replace it. Move it away, or choose another \
             name or place for the run",
            run_dir.display()
        )))
    };
    if !run_dir.exists() {
        return match run_dir.is_symlink() {
            true => refused("is a symbolic link to nothing".into()),
            false => Ok(()),
        };
    }
    if !run_dir.is_dir() {
        return refused("is a file".into());
    }
    let config = files::read_if_exists(&run_dir.join(CONFIG_FILE))?;
    if config.as_deref().is_some_and(claim::looks_claimed) {
        return Ok(());
    }
    // Record or checkpoints may state whose the run is, or that this is unknown.
    if !matches!(claimed_identity(run_dir), Ok(None)) || has_checkpoint(run_dir) {
        return Ok(());
    }
    let mut found = Vec::new();
    for path in list(run_dir)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // A process that was killed before it claimed the directory leaves these.
        if name != LOCK_FILE && name_of_temporary(&name) != Some(CONFIG_FILE) {
            found.push(name);
        }
    }
    let more = if found.len() > NAMED { ", …" } else { "" };
    found.truncate(NAMED);
    if found.is_empty() { Ok(()) } else { refused(format!("{}{more}", found.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn claimed(folder: &Path) -> String {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/demo.toml");
        let experiment = crate::config::load_experiment(&file, &[]).unwrap();
        let identity = crate::config::identity(&experiment, "data");
        fs::create_dir_all(folder).unwrap();
        claim::claim(folder, &experiment, &identity).unwrap();
        identity
    }

    #[test]
    fn names_that_no_run_makes_are_the_users() {
        let own = [
            "config.toml",
            ".lock",
            ".metrics.csv.12-0.tmp",
            "checkpoints/step-00000007.state.safetensors",
            "checkpoints/.step-00000007.state.safetensors.12-3.tmp",
            "hypotheses/test.txt",
            "projector/labels.tsv",
            "projector_config.pbtxt",
            "events.out.tfevents.0000000001.ablate",
            "events-0000000002.tmp",
        ];
        own.iter().for_each(|name| assert!(is_own(Path::new(name)), "{name}"));
        let foreign = [
            "notes.damaged",
            "analysis.ipynb",
            ".mine.tmp",
            ".mine.12-0.tmp",
            "events-mine.tmp",
            "events.out.tfevents.1763717539.host.12.0",
            "checkpoints/my.weights.safetensors",
            "hypotheses/train.txt",
            "hypotheses/dev.txt.old",
            "projector/projector_config.pbtxt",
            "deeper/config.toml",
            "checkpoints/config.toml",
        ];
        foreign.iter().for_each(|name| assert!(!is_own(Path::new(name)), "{name}"));
    }

    #[test]
    fn contents_are_told_apart_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (run, other) = (folder.path().join("run"), folder.path().join("other"));
        claimed(&run);
        fs::create_dir_all(other.join("deep")).unwrap();
        fs::write(other.join("dev.txt"), "mine").unwrap();
        fs::create_dir_all(run.join("checkpoints/mine")).unwrap();
        fs::write(run.join("checkpoints/best.weights.safetensors"), "").unwrap();
        fs::create_dir(run.join("analysis")).unwrap();
        fs::write(run.join("analysis/config.toml"), "").unwrap();
        symlink(&other, run.join("hypotheses")).unwrap();
        symlink(other.join("dev.txt"), run.join("metrics.csv")).unwrap();
        let Contents { own, foreign, folders } = Contents::of(&run).unwrap();
        let names = |paths: Vec<PathBuf>| -> Vec<String> {
            paths.iter().map(|path| path.strip_prefix(&run).unwrap().display().to_string()).collect()
        };
        assert_eq!(names(own), ["checkpoints/best.weights.safetensors", "config.toml"]);
        assert_eq!(names(foreign), ["analysis", "checkpoints/mine", "hypotheses", "metrics.csv"]);
        assert_eq!(names(folders), ["checkpoints"]);
    }

    #[test]
    fn only_a_checksum_in_the_directory_itself_proves_a_run() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let identity = claimed(&run);
        assert_eq!(proven_identity(&run), Some(identity));
        symlink(&run, folder.path().join("link")).unwrap();
        assert_eq!(proven_identity(&folder.path().join("link")), None);
        let other = folder.path().join("other");
        fs::create_dir(&other).unwrap();
        symlink(run.join(CONFIG_FILE), other.join(CONFIG_FILE)).unwrap();
        assert_eq!(proven_identity(&other), None);
        fs::write(run.join(CONFIG_FILE), "[model]\nheads = 4\n").unwrap();
        assert_eq!(proven_identity(&run), None);
    }

    #[test]
    fn only_the_state_of_a_step_is_one_to_go_on_from() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = folder.path().join(CHECKPOINTS);
        assert!(!has_checkpoint(folder.path()));
        fs::create_dir(&checkpoints).unwrap();
        fs::write(checkpoints.join("mine.state.safetensors"), "").unwrap();
        assert!(!has_checkpoint(folder.path()));
        fs::write(checkpoints.join("step-00000007.state.safetensors"), "").unwrap();
        assert!(has_checkpoint(folder.path()));
    }

    #[test]
    fn a_folder_with_something_else_than_a_run_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("seed-1");
        check_vacant(&run).unwrap();
        fs::create_dir(&run).unwrap();
        check_vacant(&run).unwrap();
        fs::write(run.join(".lock"), "").unwrap();
        fs::write(run.join(".config.toml.12-0.tmp"), "part").unwrap();
        check_vacant(&run).unwrap();
        for name in ["thesis.tex", "metrics.csv", "config.toml"] {
            fs::write(run.join(name), "mine").unwrap();
            let error = check_vacant(&run).unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains(name), "{error}");
            fs::remove_file(run.join(name)).unwrap();
        }
        // A run, even with a damaged configuration, is checked elsewhere.
        claimed(&run);
        fs::write(run.join("thesis.tex"), "mine").unwrap();
        check_vacant(&run).unwrap();
        let bytes = fs::read(run.join(CONFIG_FILE)).unwrap();
        fs::write(run.join(CONFIG_FILE), &bytes[..bytes.len() - 3]).unwrap();
        check_vacant(&run).unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(check_vacant(&folder.path().join("file")).is_err());
        symlink("nothing", folder.path().join("link")).unwrap();
        assert!(check_vacant(&folder.path().join("link")).is_err());
    }
}
