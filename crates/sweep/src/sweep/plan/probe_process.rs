//! Starts `ablate probe` for a trial's shape as a separate process, so that running out of memory ends only this.

use super::history::{Rate, RateSource};
use crate::config::{Experiment, to_toml};
use crate::error::{Error, OUT_OF_MEMORY_CODE, Result};
use crate::experiment::measurement::Measurement;
use crate::sweep::launch::process::{killed_by, this_program};
use std::io::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Measures the shape of `experiment` on this machine; the inner `Err` is the reason why it cannot be trained here.
///
/// # Errors
/// If the process cannot be started.
pub fn measure(experiment: &Experiment, data_root: &Path) -> Result<std::result::Result<Rate, String>> {
    let program = this_program()?;
    let mut command = Command::new(program);
    command.arg("--data").arg(data_root).args(["probe", "/dev/stdin"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // SAFETY: between fork and exec only one system call is made, which touches no memory.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
    let configuration = to_toml(experiment)?;
    let mut child = command.spawn().map_err(Error::io("start", program))?;
    if let Some(mut input) = child.stdin.take() {
        // A probe that ended early states the reason on standard error.
        let _ = input.write_all(configuration.as_bytes());
    }
    Ok(read(&child.wait_with_output().map_err(Error::io("wait for", program))?))
}

fn read(output: &Output) -> std::result::Result<Rate, String> {
    if output.status.success() {
        return serde_json::from_slice(&output.stdout).map(rate).map_err(|error| error.to_string());
    }
    let log = String::from_utf8_lossy(&output.stderr);
    let last = log.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no message");
    Err(match (output.status.code(), output.status.signal()) {
        (Some(code), _) if code == i32::from(OUT_OF_MEMORY_CODE) => "out of memory".to_string(),
        (None, Some(libc::SIGKILL)) => killed_by(libc::SIGKILL),
        (None, Some(signal)) => format!("{}: {last}", killed_by(signal)),
        _ => last.strip_prefix("error: ").unwrap_or(last).to_string(),
    })
}

fn rate(measured: Measurement) -> Rate {
    Rate {
        source: RateSource::Probe,
        seconds_per_token: measured.seconds_per_token,
        seconds_per_update: measured.seconds_per_update,
        evaluation_seconds_per_update: None,
        scoring_seconds: None,
        peak_memory_bytes: measured.peak_memory_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::ExitStatus;

    #[test]
    fn a_probe_that_fails_says_why() {
        let ended = |status, stderr: &str| {
            read(&Output { status: ExitStatus::from_raw(status), stdout: Vec::new(), stderr: stderr.into() })
                .unwrap_err()
        };
        assert_eq!(ended(4 << 8, "error: x\n"), "out of memory");
        assert_eq!(ended(9, ""), "killed by signal 9, perhaps for lack of memory");
        assert_eq!(ended(6, "allocation failed\n"), "killed by signal 6: allocation failed");
        assert_eq!(ended(2 << 8, "note\nerror: run.device asks for CUDA\n"), "run.device asks for CUDA");
        assert!(ended(0, "").contains("EOF"));
    }
}
