//! A trial as a separate process, so that its crash does not affect others.

use super::launcher::Ending;
use crate::error::{BUSY_CODE, DIVERGED_CODE, Error, OUT_OF_MEMORY_CODE, Result, STOPPED_CODE, USER_CODE};
use crate::experiment::LOG_FILE;
use crate::files;
use crate::results::record::FailureKind;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;

/// The processors that a worker may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cores(Vec<usize>);

impl Cores {
    /// Divides this process's processors among `workers` with `threads` each, because workers that share processors slow
    /// each other down several times. None unless the workers take all of them: if some are left, the system finds free
    /// ones, also beside another sweep, which would be given the same ones.
    pub fn split(workers: usize, threads: usize) -> Option<Vec<Cores>> {
        let all = allowed_cores()?;
        (threads > 0 && workers * threads == all.len())
            .then(|| all.chunks(threads).take(workers).map(|cores| Cores(cores.to_vec())).collect())
    }
}

fn allowed_cores() -> Option<Vec<usize>> {
    // SAFETY: an all-zero cpu_set_t is an empty set, and the kernel fills it up to its size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) != 0 {
            return None;
        }
        Some((0..libc::CPU_SETSIZE as usize).filter(|&core| libc::CPU_ISSET(core, &set)).collect())
    }
}

/// The signal that a trial gets when its driver dies. The kernel sends it again for each thread of a killed driver that
/// ends. A second SIGTERM would end the trial before it has saved its state.
const DEATH_NOTICE: libc::c_int = libc::SIGUSR2;

/// The path of this program's file at the first use. After a build has replaced the file, the system's answer would end
/// in ` (deleted)`.
static PROGRAM: LazyLock<std::io::Result<PathBuf>> = LazyLock::new(std::env::current_exe);

/// Returns the path of this program, from which it starts trials. A driver calls this when it begins, so that it still
/// knows the path after a build has replaced the file.
///
/// # Errors
/// If the file no longer exists.
pub fn this_program() -> Result<&'static Path> {
    match &*PROGRAM {
        Ok(program) => check_there(program).map(|()| program.as_path()),
        Err(error) => Err(Error::failed(format!("cannot find this program: {error}"))),
    }
}

fn check_there(program: &Path) -> Result<()> {
    if program.exists() {
        return Ok(());
    }
    Err(Error::failed(format!(
        "{} is not there any more, and trials are started by it: build or install ablate again, and give the same command \
         again, which goes on",
        program.display()
    )))
}

/// Starts `ablate trial RUN_DIR` in its own process group. Its standard error is appended to the run's log; its
/// standard output, with the progress events, goes to `told`. If this process dies, the trial saves a checkpoint and
/// stops.
///
/// `until` is the update after which to pause; `environment` is added to this process's environment.
pub fn spawn(
    run_dir: &Path,
    data_root: &Path,
    results: &Path,
    until: Option<u64>,
    cores: Option<&Cores>,
    environment: &[(&str, String)],
    told: Stdio,
) -> Result<Child> {
    let log = open_log(run_dir)?;
    let program = this_program()?;
    let cores = cores.cloned();
    let mut command = Command::new(program);
    command.arg("--data").arg(data_root).arg("--results").arg(results).arg("trial").arg(run_dir);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command.args(until.map(|step| format!("--until={step}")));
    command.stdin(Stdio::null()).stdout(told).stderr(log).process_group(0);
    // SAFETY: between fork and exec only a few system calls are made, on memory that is already there.
    unsafe {
        command.pre_exec(move || {
            crate::signal::hold_back();
            libc::prctl(libc::PR_SET_PDEATHSIG, DEATH_NOTICE);
            if let Some(Cores(cores)) = &cores {
                let mut set: libc::cpu_set_t = std::mem::zeroed();
                cores.iter().for_each(|&core| libc::CPU_SET(core, &mut set));
                libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
            }
            Ok(())
        });
    }
    command.spawn().map_err(Error::io("start", program))
}

fn open_log(run_dir: &Path) -> Result<File> {
    let path = run_dir.join(LOG_FILE);
    files::open_own(File::options().append(true).create(true), &path).map_err(Error::io("open", &path))
}

/// Adds a line of the driver to a run's log.
pub fn log(run_dir: &Path, line: &str) -> Result<()> {
    writeln!(open_log(run_dir)?, "{line}").map_err(Error::io("write", run_dir.join(LOG_FILE)))
}

/// Sends a signal to a trial's process group.
pub fn signal(process: u32, signal: i32) {
    // SAFETY: kill has no effect on this process's memory.
    unsafe { libc::kill(-(process as i32), signal) };
}

/// Returns the length of a run's log in bytes. Later bytes are from the next process.
pub fn log_length(run_dir: &Path) -> u64 {
    std::fs::metadata(run_dir.join(LOG_FILE)).map_or(0, |about| about.len())
}

/// Returns the ending of a process, from its exit status, if known, and from the log behind byte `begin`.
pub fn classify(status: Option<ExitStatus>, run_dir: &Path, begin: u64) -> Ending {
    let log_path = run_dir.join(LOG_FILE);
    let lines = last_lines(&log_path, begin);
    let code = status.and_then(|status| status.code()).and_then(|code| u8::try_from(code).ok());
    let signal = status.and_then(|status| status.signal());
    let (kind, reason) = match (code, signal) {
        (Some(0), _) => return Ending::Finished,
        (Some(STOPPED_CODE), _) => return Ending::Stopped,
        // The other process began after the driver had looked, or still saves its state after its driver was killed.
        (Some(BUSY_CODE), _) => {
            return Ending::Requeued("another process is at work on it".to_string());
        }
        (Some(USER_CODE), _) => (FailureKind::BadConfiguration, "bad configuration or data".to_string()),
        (Some(DIVERGED_CODE), _) => (FailureKind::Diverged, "diverged".to_string()),
        (Some(OUT_OF_MEMORY_CODE), _) => (FailureKind::OutOfMemory, "out of memory".to_string()),
        // If the memory does not suffice for the libraries, the process ends before its own code runs.
        (_, Some(libc::SIGABRT)) if lines.contains("std::bad_alloc") => {
            (FailureKind::OutOfMemory, "out of memory".to_string())
        }
        (Some(code), _) => (FailureKind::Failed, format!("failed with exit code {code}")),
        (None, Some(signal)) => (FailureKind::Killed, killed_by(signal)),
        (None, None) => (FailureKind::Lost, "ended in an unknown way".to_string()),
    };
    Ending::Failed { kind, reason, detail: lines }
}

/// Describes the signal that ended a process.
pub fn killed_by(signal: i32) -> String {
    let why = if signal == libc::SIGKILL { ", perhaps for lack of memory" } else { "" };
    format!("killed by signal {signal}{why}")
}

/// Number of lines of a log that a failure shows.
const SHOWN_LINES: usize = 5;

/// Returns the last [`SHOWN_LINES`] lines of a file behind byte `begin`; empty if the file cannot be read.
pub fn last_lines(path: &Path, begin: u64) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    let begin = usize::try_from(begin).map_or(bytes.len(), |begin| begin.min(bytes.len()));
    let text = String::from_utf8_lossy(&bytes[begin..]);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_gone_is_named_by_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("ablate");
        let error = check_there(&program).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{} is not there any more", program.display())), "{error}");
        // Another file at this path is another build, or the same one again.
        std::fs::write(&program, "").unwrap();
        check_there(&program).unwrap();
        assert_eq!(this_program().unwrap(), std::env::current_exe().unwrap());
    }

    #[test]
    fn lines_of_an_earlier_process_are_not_told_again() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join(LOG_FILE);
        assert_eq!(log_length(folder.path()), 0);
        std::fs::write(&log, "begun\nerror: first\n").unwrap();
        let begin = log_length(folder.path());
        std::fs::write(&log, "begun\nerror: first\nerror: second\n").unwrap();
        match classify(Some(ExitStatus::from_raw(1 << 8)), folder.path(), begin) {
            Ending::Failed { detail, .. } => assert_eq!(detail, "error: second"),
            other => panic!("{other:?}"),
        }
        assert_eq!(last_lines(&log, 1_000), "", "a log that was cut since");
    }

    #[test]
    fn exit_codes_and_signals_have_their_reasons() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(LOG_FILE), "a\nb\nc\nd\ne\nerror: last\n").unwrap();
        let reason = |raw| match classify(Some(ExitStatus::from_raw(raw)), folder.path(), 0) {
            Ending::Failed { reason, detail, .. } => {
                assert_eq!(detail, "b\nc\nd\ne\nerror: last");
                reason
            }
            other => format!("{other:?}"),
        };
        assert_eq!(reason(0), "Finished");
        assert_eq!(reason(75 << 8), "Stopped");
        assert_eq!(reason(5 << 8), "Requeued(\"another process is at work on it\")");
        assert_eq!(reason(2 << 8), "bad configuration or data");
        assert_eq!(reason(3 << 8), "diverged");
        assert_eq!(reason(4 << 8), "out of memory");
        assert_eq!(reason(101 << 8), "failed with exit code 101");
        assert_eq!(reason(11), "killed by signal 11");
        std::fs::write(folder.path().join(LOG_FILE), "terminate called after throwing 'std::bad_alloc'\n")
            .unwrap();
        let ending = classify(Some(ExitStatus::from_raw(libc::SIGABRT)), folder.path(), 0);
        assert!(matches!(ending, Ending::Failed { kind: FailureKind::OutOfMemory, .. }), "{ending:?}");
    }

    #[test]
    fn workers_get_processors_of_their_own_or_none_at_all() {
        let all = allowed_cores().unwrap().len();
        assert_eq!(Cores::split(all + 1, 1), None);
        let split = Cores::split(all, 1).unwrap();
        assert_eq!(split.len(), all);
        assert!(split.iter().all(|cores| cores.0.len() == 1));
        assert_eq!(Cores::split(1, 0), None);
        // Another sweep may want those that are left.
        assert!((1..all).all(|fewer| Cores::split(fewer, 1).is_none()));
    }
}
