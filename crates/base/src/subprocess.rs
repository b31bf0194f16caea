//! Runs external programs that may never answer, as when a card's driver hangs or a network file system is gone.

use std::io::{Error, ErrorKind, Result};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Time limit for a program that needs no other machine to answer.
pub const LOCAL: Duration = Duration::from_secs(60);

/// Does what [`Command::output`] does, with a time limit: a program that has not ended by then is killed.
///
/// # Errors
/// If the program cannot be started, or with [`ErrorKind::TimedOut`].
pub fn output_within(command: &mut Command, limit: Duration) -> Result<Output> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let process = child.id();
    let (sender, receiver) = mpsc::channel();
    // The thread outlives the limit if the kernel does not let the program end.
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    receiver.recv_timeout(limit).unwrap_or_else(|_| {
        // SAFETY: kill has no effect on this process's memory. The program may have ended a moment ago; the system does not
        // give its number to another one so soon.
        unsafe { libc::kill(process as i32, libc::SIGKILL) };
        Err(Error::new(ErrorKind::TimedOut, format!("it has not answered for {} s", limit.as_secs_f64())))
    })
}

/// Prepares a call of git, the program at `program`, for the repository in `root` alone: the environment cannot name
/// another one, and git does not fall back to a repository around a damaged one.
pub fn git(program: &str, root: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .arg("-C")
        .arg(root)
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .env("GIT_CEILING_DIRECTORIES", root.parent().unwrap_or(root));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(words: &str, limit: Duration) -> Result<Output> {
        output_within(Command::new("sh").args(["-c", words]), limit)
    }

    #[test]
    fn what_a_program_prints_comes_back_with_its_status() {
        let output = shell("echo out; echo err >&2; exit 3", LOCAL).unwrap();
        assert_eq!(
            (output.status.code(), output.stdout, output.stderr),
            (Some(3), b"out\n".into(), b"err\n".into())
        );
    }

    #[test]
    fn a_program_that_does_not_end_is_given_up() {
        let error = shell("exec sleep 1000", Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "it has not answered for 0.05 s");
        // The program has ended, but another process still holds its end of the pipe.
        let error = shell("sleep 1 & exit 0", Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
}
