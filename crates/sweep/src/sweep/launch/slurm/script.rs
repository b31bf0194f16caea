//! The batch script of a job array, and the paths that Slurm and a shell read.
//!
//! Both interpret more than a path: a shell runs text behind the end of a line, and sbatch expands patterns (`%j`) in
//! the name of the log. Paths are quoted for either, or refused before anything is written.

use crate::error::{Error, Result};
use crate::printable::quoted;
use std::path::Path;

/// Returns a batch script that execs the keeper of one job of the array that `submission` describes. A comment in it
/// shows the options of sbatch.
///
/// # Errors
/// The errors of [`shell_word`].
pub fn text(
    options: &[String],
    program: &Path,
    data_root: &Path,
    results: &Path,
    submission: &Path,
) -> Result<String> {
    let [program, data, results, submission] = [program, data_root, results, submission].map(shell_word);
    // SIGUSR2 must not end the job before the program listens to it.
    Ok(format!(
        "#!/bin/sh\n# sbatch {}\ntrap '' USR2\nexec {} --data {} --results {} keep {}\n",
        options.join(" "),
        program?,
        data?,
        results?,
        submission?
    ))
}

/// Quotes a path as one word of a shell.
///
/// # Errors
/// A user error if it is not UTF-8 or holds a control character, such as the end of a line.
pub fn shell_word(path: &Path) -> Result<String> {
    Ok(quoted(plain(path)?))
}

/// Quotes a path as the name of a log for sbatch, which expands patterns in it.
///
/// # Errors
/// The errors of [`shell_word`], and a backslash, which disables patterns and is then removed.
pub fn log_name(path: &Path) -> Result<String> {
    let text = plain(path)?;
    match text.contains('\\') {
        true => Err(refusal(path, "holds a backslash, which sbatch leaves out of the log's name")),
        false => Ok(text.replace('%', "%%")),
    }
}

fn plain(path: &Path) -> Result<&str> {
    match path.to_str() {
        None => Err(refusal(path, "is not UTF-8")),
        Some(text) if text.contains(char::is_control) => {
            Err(refusal(path, "holds a control character, such as the end of a line"))
        }
        Some(text) => Ok(text),
    }
}

fn refusal(path: &Path, why: &str) -> Error {
    Error::user(format!(
        "{path:?} cannot be given to Slurm: the path {why}; choose another place with --results or --data, or move the \
         program"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::process::Command;

    #[test]
    fn a_path_with_quotes_and_blanks_is_one_word() {
        let path = Path::new("it's a place/$HOME `date` \\ %j \"x\"");
        let word = shell_word(path).unwrap();
        let output = Command::new("sh").arg("-c").arg(format!("printf %s {word}")).output();
        assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), path.display().to_string());
    }

    #[test]
    fn a_percent_sign_is_no_pattern_of_sbatch() {
        assert_eq!(log_name(Path::new("/50%jobs/1.log")).unwrap(), "/50%%jobs/1.log");
        let refused = log_name(Path::new("a\\b")).unwrap_err();
        assert_eq!(refused.exit_code(), 2);
        assert!(refused.to_string().contains("holds a backslash"), "{refused}");
    }

    #[test]
    fn what_a_script_could_not_state_is_refused() {
        let paths = [OsStr::new("a\ntouch b"), OsStr::new("a\rb"), OsStr::from_bytes(b"a\xff")];
        for path in paths.map(Path::new) {
            for refused in [shell_word(path), log_name(path), text(&[], path, path, path, path)] {
                let error = refused.unwrap_err();
                assert_eq!(error.exit_code(), 2);
                let told = error.to_string();
                assert!(told.contains("cannot be given to Slurm") && !told.contains('\n'), "{told}");
            }
        }
    }
}
