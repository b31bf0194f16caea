//! `.slurm/N.json` in a sweep's directory: the trials of the sweep's N-th job array. Beside it are the batch script
//! `N.sh` and the log `N.log`, with what jobs print before their trial starts.
//!
//! The file is written before sbatch is called and names the array, so that a driver that was killed at any moment
//! finds its jobs again. A job whose file is missing or settled does nothing: no driver expects its result.

use crate::error::{Error, Result};
use crate::experiment::run_files::saved_step;
use crate::files;
use crate::json;
use crate::sweep::launch::launcher::Order;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The folder in a sweep's directory.
const FOLDER: &str = ".slurm";

/// A job array of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Submission {
    pub number: u32,
    /// The name of the jobs, which no other array of the cluster has.
    pub name: String,
    /// The number of the array; None until sbatch has returned it.
    pub array: Option<u64>,
    /// Whether no driver waits for its jobs any more.
    pub settled: bool,
    pub elements: Vec<Element>,
}

/// The trial of one job of an array.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Element {
    /// The run directory below the sweep's: `row/seed-1`.
    pub run: PathBuf,
    pub identity: String,
    /// The update after which it pauses; None: it finishes.
    pub until: Option<u64>,
    /// The update of the state that was saved before it was submitted.
    pub from: u64,
}

impl Element {
    pub fn new(sweep_dir: &Path, order: &Order) -> Result<Self> {
        let run = order.run_dir.strip_prefix(sweep_dir).unwrap_or(&order.run_dir).to_path_buf();
        let from = saved_step(&order.run_dir)?;
        Ok(Element { run, identity: order.identity.clone(), until: order.until, from })
    }
}

impl Submission {
    /// Creates and saves the next submission of a sweep.
    pub fn create(sweep_dir: &Path, elements: Vec<Element>) -> Result<Self> {
        files::create_dir(&folder(sweep_dir))?;
        let number = numbers(sweep_dir)?.last().map_or(1, |last| last + 1);
        let submission =
            Submission { number, name: name(sweep_dir, number)?, array: None, settled: false, elements };
        submission.save(sweep_dir)?;
        Ok(submission)
    }

    /// Reads all submissions of a sweep that are not settled, the first one first.
    pub fn open(sweep_dir: &Path) -> Result<Vec<Submission>> {
        let load = |number| Submission::load(&path(sweep_dir, number, "json"));
        let all: Vec<_> = numbers(sweep_dir)?.into_iter().map(load).collect::<Result<_>>()?;
        Ok(all.into_iter().flatten().filter(|submission| !submission.settled).collect())
    }

    /// Reads a submission's file; None if it does not exist.
    pub fn load(path: &Path) -> Result<Option<Submission>> {
        let Some(bytes) = files::read_if_exists(path)? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            Error::user(format!(
                "{} is damaged ({error}); cancel the sweep's jobs with scancel, remove the file, and give the command \
                 again",
                path.display()
            ))
        })
    }

    pub fn save(&self, sweep_dir: &Path) -> Result<()> {
        let text = json::page(self)?;
        files::write_atomically(&self.path(sweep_dir, "json"), text.as_bytes())
    }

    /// Returns the path of this submission's file with this ending.
    pub fn path(&self, sweep_dir: &Path, ending: &str) -> PathBuf {
        path(sweep_dir, self.number, ending)
    }
}

/// Returns the files of a sweep's settled submissions, which only users may still want to read. The last submission is
/// kept, because the next number follows from it and no number is used twice.
///
/// # Errors
/// If a submission's file is damaged or cannot be read.
pub fn settled_files(sweep_dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let numbers = numbers(sweep_dir)?;
    let Some((_last, earlier)) = numbers.split_last() else { return Ok(files) };
    for &number in earlier {
        let submission = Submission::load(&path(sweep_dir, number, "json"))?;
        if submission.is_some_and(|submission| submission.settled) {
            let all = ["json", "sh", "log"].map(|ending| path(sweep_dir, number, ending));
            files.extend(all.into_iter().filter(|path| path.exists()));
        }
    }
    Ok(files)
}

/// Returns the folder of a sweep's submissions.
pub fn folder(sweep_dir: &Path) -> PathBuf {
    sweep_dir.join(FOLDER)
}

/// Returns the sweep's directory for the file of a submission.
pub fn sweep_dir(submission: &Path) -> Result<PathBuf> {
    let folder = submission.parent().and_then(Path::parent);
    folder.map(Path::to_path_buf).ok_or_else(|| {
        Error::user(format!(
            "{} is not the file of a submission in a sweep's directory",
            submission.display()
        ))
    })
}

fn path(sweep_dir: &Path, number: u32, ending: &str) -> PathBuf {
    folder(sweep_dir).join(format!("{number}.{ending}"))
}

/// Returns the numbers of a sweep's submissions, ascending.
fn numbers(sweep_dir: &Path) -> Result<Vec<u32>> {
    let folder = folder(sweep_dir);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let number = |entry: std::io::Result<std::fs::DirEntry>| {
        let name = entry.map_err(Error::io("list", &folder))?.file_name();
        Ok(name.to_str().and_then(|name| name.strip_suffix(".json")?.parse().ok()))
    };
    let entries = std::fs::read_dir(&folder).map_err(Error::io("list", &folder))?;
    let mut numbers: Vec<u32> =
        entries.map(number).collect::<Result<Vec<Option<u32>>>>()?.into_iter().flatten().collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Returns the name `ablate-<sweep>-<hash of its path>.<number>`.
fn name(sweep_dir: &Path, number: u32) -> Result<String> {
    let absolute = sweep_dir.canonicalize().map_err(Error::io("find", sweep_dir))?;
    let hash = blake3::hash(absolute.as_os_str().as_encoded_bytes()).to_hex();
    let sweep = absolute.file_name().unwrap_or_default().to_string_lossy();
    // Slurm takes commas between names, and squeue's answer is split at bars.
    let plain: String = sweep.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    Ok(format!("ablate-{plain}-{}.{number}", &hash[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(sweep_dir: &Path) -> Order {
        Order {
            trial: 0,
            name: "base seed 1".into(),
            identity: "i".into(),
            run_dir: sweep_dir.join("base/seed-1"),
            until: None,
        }
    }

    #[test]
    fn submissions_are_numbered_named_and_found_again_until_they_are_settled() {
        let folder = tempfile::tempdir().unwrap();
        let sweep_dir = folder.path().join("a sweep, odd");
        files::create_dir(&sweep_dir).unwrap();
        let element = || vec![Element::new(&sweep_dir, &order(&sweep_dir)).unwrap()];
        let mut first = Submission::create(&sweep_dir, element()).unwrap();
        let second = Submission::create(&sweep_dir, element()).unwrap();
        assert_eq!((first.number, second.number), (1, 2));
        assert!(
            first.name.starts_with("ablate-a-sweep--odd-") && first.name.ends_with(".1"),
            "{}",
            first.name
        );
        assert_eq!(first.elements[0].run, Path::new("base/seed-1"));
        assert_eq!(Submission::open(&sweep_dir).unwrap(), [first.clone(), second.clone()]);
        first.settled = true;
        first.save(&sweep_dir).unwrap();
        assert_eq!(Submission::open(&sweep_dir).unwrap(), [second]);
        let files = settled_files(&sweep_dir).unwrap();
        assert_eq!(files, [first.path(&sweep_dir, "json")]);
        std::fs::remove_file(&files[0]).unwrap();
        // No name is used twice.
        let mut third = Submission::create(&sweep_dir, element()).unwrap();
        assert_eq!(third.number, 3);
        third.settled = true;
        third.save(&sweep_dir).unwrap();
        assert_eq!(settled_files(&sweep_dir).unwrap(), [] as [PathBuf; 0]);
    }

    #[test]
    fn a_damaged_file_is_named_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let submission = Submission::create(folder.path(), Vec::new()).unwrap();
        std::fs::write(submission.path(folder.path(), "json"), "{").unwrap();
        let error = Submission::open(folder.path()).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(
            error.to_string().contains("1.json is damaged") && error.to_string().contains("scancel"),
            "{error}"
        );
    }
}
