//! Runs external programs that may never answer, as when a card's driver hangs or a network file system is gone.

use crate::signal::StopFlag;
use std::io::{Error, ErrorKind, Result};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Time limit for a program that needs no other machine to answer.
pub const LOCAL: Duration = Duration::from_secs(60);

/// Interval at which a waiting thread checks whether to stop.
const TICK: Duration = Duration::from_millis(20);

/// Does what [`Command::output`] does, with a time limit: a program that has not ended by then is killed.
///
/// # Errors
/// If the program cannot be started, or with [`ErrorKind::TimedOut`].
pub fn output_within(command: &mut Command, limit: Duration) -> Result<Output> {
    output_unless(&StopFlag::never(), command, limit)
}

/// Does the same, and also kills a program that is still at work once `stop` is raised.
///
/// # Errors
/// Those of [`output_within`], and [`ErrorKind::Interrupted`] after a stop.
pub fn output_unless(stop: &StopFlag, command: &mut Command, limit: Duration) -> Result<Output> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let process = child.id();
    let (sender, receiver) = mpsc::channel();
    // The thread outlives the limit if the kernel does not let the program end.
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let begun = Instant::now();
    loop {
        let left = limit.saturating_sub(begun.elapsed());
        match receiver.recv_timeout(left.min(TICK)) {
            Ok(output) => return output,
            Err(RecvTimeoutError::Timeout) if !left.is_zero() && !stop.is_raised() => {}
            Err(_) => break,
        }
    }
    // SAFETY: kill has no effect on this process's memory. The program may have ended a moment ago; the system does not
    // give its number to another one so soon.
    unsafe { libc::kill(process as i32, libc::SIGKILL) };
    Err(match stop.is_raised() {
        true => Error::new(ErrorKind::Interrupted, "a signal asked to stop before it answered"),
        false => {
            Error::new(ErrorKind::TimedOut, format!("it has not answered for {} s", limit.as_secs_f64()))
        }
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

    #[test]
    fn a_stop_ends_the_wait_for_a_program() {
        let stop = StopFlag::never();
        let raising = stop.clone();
        let raise = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            raising.raise();
        });
        let begun = Instant::now();
        let error = output_unless(&stop, Command::new("sleep").arg("1000"), LOCAL).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted);
        assert!(begun.elapsed() < LOCAL);
        raise.join().unwrap();
        // A program that ends at once has its answer all the same.
        let output = output_unless(&StopFlag::never(), Command::new("sh").args(["-c", "echo out"]), LOCAL);
        assert_eq!(output.unwrap().stdout, b"out\n");
    }
}
