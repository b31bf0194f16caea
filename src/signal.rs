//! Signals that ask to stop: once means checkpoint and stop, twice means now.
//!
//! SIGUSR2 is a cluster's warning that time will be over soon. It only ever asks: SIGTERM may follow while the
//! checkpoint is being written, and what follows that is SIGKILL anyway.

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR2};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set once SIGINT, SIGTERM or SIGUSR2 has come; looked at between micro-batches.
#[derive(Debug, Clone)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Listens to the signals from now on. A second SIGINT or SIGTERM ends the process at once with 128 + n.
    pub fn listen() -> std::io::Result<Self> {
        let flag = StopFlag::on(SIGUSR2)?;
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // Registered first, so that it acts only when an earlier signal has asked.
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asked))?;
            signal_hook::flag::register(signal, Arc::clone(&asked))?;
            signal_hook::flag::register(signal, Arc::clone(&flag.0))?;
        }
        change_mask(libc::SIG_UNBLOCK);
        Ok(flag)
    }

    /// A flag that this signal sets, however often it comes.
    pub fn on(signal: i32) -> std::io::Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal, Arc::clone(&flag))?;
        Ok(StopFlag(flag))
    }

    /// A flag that no signal sets, for tests and for work too short to interrupt.
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

/// Holds the signals back until [`StopFlag::listen`], for the time between the start of a process and that: they would
/// end it. Is inherited by programs that the process becomes. Makes system calls only.
pub fn hold_back() {
    change_mask(libc::SIG_BLOCK);
}

fn change_mask(how: i32) {
    // SAFETY: the set is initialised before it is used, and the calls change nothing but this thread's mask.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in [SIGINT, SIGTERM, SIGUSR2] {
            libc::sigaddset(&mut set, signal);
        }
        libc::pthread_sigmask(how, &set, std::ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_not_the_first_of_two_signals() {
        let flag = StopFlag::listen().unwrap();
        assert!(!flag.is_raised());
        // What a cluster does: warnings, and the end of its patience while the state is being saved.
        for signal in [SIGUSR2, SIGUSR2, SIGTERM] {
            signal_hook::low_level::raise(signal).unwrap();
        }
        assert!(flag.is_raised());
    }
}
