//! The directory of a sweep: the names of the sweep's own files, and how to distinguish the directory from an unrelated
//! folder with the sweep's name.

use super::committed::RECORDS_FILE;
use super::driver::LOCK_FILE;
use super::ledger::{self, LEDGER_FILE};
use super::place::is_run;
use super::record_file;
use super::sentence_counts::COUNTS_FILE;
use crate::error::{Error, Result};
use crate::experiment::Holder;
use crate::files;
use crate::folders::{entries, is_real_dir, is_real_file};
use crate::results::render::latex;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The copy of the sweep's file.
pub const SWEEP_COPY: &str = "sweep.toml";
/// The tables as LaTeX, Markdown and CSV. The first line of the LaTeX names the program that wrote it.
pub const TABLES: [&str; 3] = ["table.tex", "table.md", "table.csv"];
/// The web page that `ablate report` writes by default.
pub const REPORT: &str = "report.html";

/// The files that a sweep replaces without asking: neither its lock nor the report, which is recognised by its content.
const REPLACED: [&str; 7] =
    [LEDGER_FILE, RECORDS_FILE, COUNTS_FILE, SWEEP_COPY, TABLES[0], TABLES[1], TABLES[2]];

/// Largest number of rows of other sweeps that a note names.
const MOST_NAMED: usize = 3;

/// Whether a file with this name, directly in the directory of a sweep, is one of the sweep's own.
pub fn is_own(name: &str) -> bool {
    REPLACED.contains(&name) || [LOCK_FILE, REPORT].contains(&name)
}

/// Whether a sweep of this program created the directory, according to its ledger, records, lock or runs.
///
/// # Errors
/// If the directory cannot be read.
pub fn is_recognised(sweep_dir: &Path) -> Result<bool> {
    let read = |name: &str| {
        let path = sweep_dir.join(name);
        if is_real_file(&path) { files::read_if_exists(&path) } else { Ok(None) }
    };
    if read(LEDGER_FILE)?.is_some() && !ledger::read(sweep_dir)?.is_empty()
        || read(RECORDS_FILE)?.is_some_and(|bytes| record_file::lines(&bytes).any(|line| line.record.is_ok()))
        // A trial signs the lock of its run in the same way.
        || read(LOCK_FILE)?.is_some_and(|bytes| Holder::read(&bytes).is_some()) && !is_run(sweep_dir)
    {
        return Ok(true);
    }
    for row in entries(sweep_dir)?.into_iter().filter(|path| is_real_dir(path)) {
        if entries(&row)?.iter().any(|path| is_run(path)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether this program wrote the tables in a folder, according to their LaTeX.
pub fn has_own_tables(folder: &Path) -> Result<bool> {
    let path = folder.join(TABLES[0]);
    let text = if is_real_file(&path) { files::read_if_exists(&path)? } else { None };
    Ok(text.is_some_and(|text| latex::is_own(&text)))
}

/// Refuses a directory in which a sweep would replace files that no sweep wrote.
///
/// # Errors
/// A user error that names the files.
pub fn check(sweep_dir: &Path) -> Result<()> {
    if sweep_dir.exists() && !sweep_dir.is_dir() {
        return Err(Error::user(format!(
            "{} is a file, and the sweep's runs go into a directory of that name; choose another place with --results",
            sweep_dir.display()
        )));
    }
    // The program does not write through links to the files that it writes in place.
    if let Some(name) = [LOCK_FILE, LEDGER_FILE].into_iter().find(|name| sweep_dir.join(name).is_symlink()) {
        return Err(Error::user(format!(
            "{} is a symbolic link, and ablate writes through none; replace it by a file",
            sweep_dir.join(name).display()
        )));
    }
    if !sweep_dir.exists() || is_recognised(sweep_dir)? {
        return Ok(());
    }
    let mut taken: Vec<&str> =
        REPLACED.into_iter().filter(|name| sweep_dir.join(name).symlink_metadata().is_ok()).collect();
    let lock = sweep_dir.join(LOCK_FILE);
    // An empty lock file is of a driver that was killed before it had signed.
    if lock.symlink_metadata().is_ok()
        && !(is_real_file(&lock)
            && Holder::may_have_signed(&files::read_if_exists(&lock)?.unwrap_or_default()))
    {
        taken.push(LOCK_FILE);
    }
    if taken.is_empty() {
        return Ok(());
    }
    Err(Error::user(format!(
        "{} is not the directory of a sweep: it has no ledger, records or runs, but {}, which the sweep would replace. \
         Choose another place with --results, or move them away",
        sweep_dir.display(),
        taken.join(", ")
    )))
}

/// Names the rows with runs in the directory of a sweep that the sweep does not have. They belong to an earlier state
/// of its file, or to another sweep whose file has the same name.
///
/// # Errors
/// If the directory cannot be read.
pub fn note_of_other_rows(
    sweep_dir: &Path,
    sweep_file: &Path,
    is_own: impl Fn(&str) -> bool,
) -> Result<Option<String>> {
    let mut others = Vec::new();
    for path in entries(sweep_dir)?.into_iter().filter(|path| is_real_dir(path)) {
        let label = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !is_own(&label) && entries(&path)?.iter().any(|run| is_run(run)) {
            others.push(label);
        }
    }
    if others.is_empty() {
        return Ok(None);
    }
    let mut named = others[..others.len().min(MOST_NAMED)].join(", ");
    if others.len() > MOST_NAMED {
        named += &format!(" and {} more", others.len() - MOST_NAMED);
    }
    Ok(Some(format!(
        "{} has runs of rows that {} does not state: {named}. If they are of another sweep file of this name, rename one of \
         the files, or choose another place with --results",
        sweep_dir.display(),
        sweep_file.display()
    )))
}

/// Refuses rows whose path is not a directory, or is the directory of another row.
///
/// # Errors
/// A user error that names the row.
pub fn check_rows<'a>(sweep_dir: &Path, rows: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let mut places: BTreeMap<PathBuf, &str> = BTreeMap::new();
    for row in rows {
        let path = sweep_dir.join(row);
        if path.symlink_metadata().is_err() {
            continue;
        }
        if !path.is_dir() {
            return Err(Error::user(format!(
                "{} is no directory, and the runs of row {row:?} go into one of that name; move it away, or choose \
                 another label",
                path.display()
            )));
        }
        let place = path.canonicalize().map_err(Error::io("read", &path))?;
        match places.get(&place) {
            Some(other) if *other != row => {
                return Err(Error::user(format!(
                    "the rows {other:?} and {row:?} share one directory, {}, by a symbolic link; remove the link",
                    place.display()
                )));
            }
            _ => drop(places.insert(place, row)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::driver;
    use super::*;

    #[test]
    fn a_folder_of_the_users_is_not_taken_for_a_sweeps() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        check(&dir.join("absent")).unwrap();
        check(dir).unwrap();
        std::fs::write(dir.join("README.md"), "What is asked here").unwrap();
        std::fs::write(dir.join(LOCK_FILE), "").unwrap();
        check(dir).unwrap();
        assert!(!is_recognised(dir).unwrap());
        for name in ["table.md", "records.jsonl", "ledger.jsonl", "sweep.toml", ".lock"] {
            std::fs::write(dir.join(name), "{\"mine\": 1}\n").unwrap();
            let error = check(dir).unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains(name), "{error}");
            assert!(!is_recognised(dir).unwrap(), "{name}");
            std::fs::remove_file(dir.join(name)).unwrap();
        }
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../results/demo");
        assert!(is_recognised(&demo).unwrap(), "by its committed records");
        drop(driver::lock(dir).unwrap());
        assert!(is_recognised(dir).unwrap(), "by the lock of its last driver");
        std::fs::write(dir.join("file"), "").unwrap();
        assert!(check(&dir.join("file")).is_err());
    }
}
