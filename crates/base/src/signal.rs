//! Signals that ask the process to stop: the first means save a checkpoint and stop, the second means stop now.
//!
//! Some signals never mean now, because more of them follow while the checkpoint is being written: SIGUSR2, a cluster's
//! warning before the time limit; SIGXCPU, the kernel's (`ulimit -St`), every second; SIGHUP after the terminal was closed
//! or the connection lost, from the kernel and again from the shell. If SIGHUP is ignored (`nohup`), it stays ignored.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR2, SIGXCPU};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Signals that end the process at once when they come a second time.
const URGENT: [i32; 2] = [SIGINT, SIGTERM];
/// Signals that only ask to stop.
const WARNINGS: [i32; 3] = [SIGUSR2, SIGXCPU, SIGHUP];

/// A flag that is set once a signal has asked to stop. Training checks it between micro-batches.
#[derive(Debug, Clone)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Listens to the signals from now on. A second SIGINT or SIGTERM ends the process at once with 128 + n.
    pub fn listen() -> std::io::Result<Self> {
        let flag = StopFlag::on(&WARNINGS)?;
        let asked = Arc::new(AtomicBool::new(false));
        for signal in URGENT {
            // Registered first, so that it acts only when an earlier signal has asked.
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asked))?;
            signal_hook::flag::register(signal, Arc::clone(&asked))?;
            signal_hook::flag::register(signal, Arc::clone(&flag.0))?;
        }
        change_mask(libc::SIG_UNBLOCK);
        Ok(flag)
    }

    /// Creates a flag that each of these signals sets, however often it comes; SIGHUP only if it was not ignored before.
    pub fn on(signals: &[i32]) -> std::io::Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for &signal in signals {
            if signal != SIGHUP || !is_ignored(signal) {
                signal_hook::flag::register(signal, Arc::clone(&flag))?;
            }
        }
        Ok(StopFlag(flag))
    }

    /// Creates a flag that no signal sets, for tests and for work too short to interrupt.
    pub fn never() -> Self {
        StopFlag(Arc::new(AtomicBool::new(false)))
    }

    /// Asks to stop, as a signal would.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Blocks the signals until [`StopFlag::listen`]: between the start of the process and that call they would end it. A
/// program that the process becomes with `exec` inherits the block. Makes system calls only.
pub fn hold_back() {
    change_mask(libc::SIG_BLOCK);
}

fn change_mask(how: i32) {
    // SAFETY: the set is initialised before it is used, and the calls change nothing but this thread's mask.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in URGENT.into_iter().chain(WARNINGS) {
            libc::sigaddset(&mut set, signal);
        }
        libc::pthread_sigmask(how, &set, std::ptr::null_mut());
    }
}

fn is_ignored(signal: i32) -> bool {
    // SAFETY: the call fills the structure where it succeeds, and an all-zero one is valid.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &mut action) == 0 && action.sa_sigaction == libc::SIG_IGN
    }
}

/// Lets a write beyond the file size limit (`ulimit -f`) fail with an error that names the file, as on a full disk.
/// SIGXFSZ would end the process without a message.
pub fn refuse_writes_beyond_limits() {
    // SAFETY: no handler is set that could run.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_not_the_first_of_two_signals() {
        let flag = StopFlag::listen().unwrap();
        assert!(!flag.is_raised());
        // As a cluster or an ending shell does: warnings, then SIGTERM while the state is being saved.
        for signal in WARNINGS.into_iter().chain([SIGUSR2, SIGTERM]) {
            signal_hook::low_level::raise(signal).unwrap();
        }
        assert!(flag.is_raised());
    }
}
