//! The files that git tracks. If git fails, everything counts as tracked.

use crate::files;
use crate::subprocess::{LOCAL, git, output_within};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The files of the repositories that were asked so far.
#[derive(Debug, Default)]
pub struct Tracked {
    /// The tracked files of each repository, or git's error; by the directory with `.git`, without symbolic links.
    repositories: BTreeMap<PathBuf, Result<BTreeSet<PathBuf>, String>>,
    /// Whether `GIT_DIR` is set: its repository may track files anywhere.
    elsewhere: bool,
}

impl Tracked {
    /// Starts without asked repositories, and reads `GIT_DIR` from the environment.
    pub fn of_environment() -> Self {
        Tracked { elsewhere: std::env::var_os("GIT_DIR").is_some(), ..Tracked::default() }
    }

    /// Returns the reason why a file, or a directory with its content, must stay; None if git tracks nothing of it.
    pub fn keeps(&mut self, path: &Path) -> Option<String> {
        if self.elsewhere {
            return Some(
                "GIT_DIR is set, so that its repository is not known; unset it to remove this".into(),
            );
        }
        // A link itself may be tracked, not its target.
        let place = match files::parent(path).canonicalize() {
            Ok(folder) => folder.join(path.file_name().unwrap_or_default()),
            Err(error) => return Some(format!("its place cannot be found: {error}")),
        };
        let root = place.ancestors().find(|folder| folder.join(".git").symlink_metadata().is_ok())?;
        let asked = self.repositories.entry(root.to_path_buf()).or_insert_with(|| ask("git", root));
        match asked {
            Ok(tracked) if tracked.iter().any(|file| file.starts_with(&place)) => {
                Some("git tracks it, or a file in it".into())
            }
            Ok(_) => None,
            Err(why) => Some(format!("git cannot be asked whether it tracks this: {why}")),
        }
    }
}

/// Returns the files that git tracks in the repository at `root`.
fn ask(program: &str, root: &Path) -> Result<BTreeSet<PathBuf>, String> {
    let mut command = git(program, root);
    command.args(["ls-files", "-z", "--full-name", "."]);
    let output = output_within(&mut command, LOCAL).map_err(|error| match error.kind() {
        ErrorKind::TimedOut => format!("git: {error}"),
        _ => format!("cannot start git: {error}"),
    })?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        return Err(message.lines().next().unwrap_or("git failed without a message").to_string());
    }
    let names = output.stdout.split(|&byte| byte == 0).filter(|name| !name.is_empty());
    Ok(names.map(|name| root.join(OsStr::from_bytes(name))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn what_git_cannot_say_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("runs/record.json");
        std::fs::create_dir(folder.path().join("runs")).unwrap();
        std::fs::write(&file, "{}").unwrap();
        let git = |words: &[&str]| {
            let done = Command::new("git").arg("-C").arg(folder.path()).args(words).output().unwrap();
            assert!(done.status.success(), "{done:?}");
        };
        git(&["init", "-q"]);
        assert_eq!(Tracked::default().keeps(&file), None);
        git(&["add", "-f", "runs/record.json"]);
        for path in [&file, &folder.path().join("runs")] {
            assert!(Tracked::default().keeps(path).unwrap().contains("git tracks it"));
        }
        assert_eq!(Tracked::default().keeps(&folder.path().join("run")), None);

        let missing = ask("no-such-git", folder.path()).unwrap_err();
        assert!(missing.contains("cannot start git"), "{missing}");
        std::fs::write(folder.path().join(".git/HEAD"), "damaged").unwrap();
        let why = Tracked::default().keeps(&file).unwrap();
        assert!(why.contains("git cannot be asked whether it tracks this: fatal"), "{why}");
        let elsewhere = &mut Tracked { elsewhere: true, ..Tracked::default() };
        assert!(elsewhere.keeps(&file).unwrap().contains("GIT_DIR is set"));
    }
}
