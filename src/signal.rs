//! Signals that ask to stop: once means checkpoint and stop, twice means now.

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR2};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set once SIGINT, SIGTERM or SIGUSR2 has come; looked at between steps.
#[derive(Debug, Clone)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Listens to the signals from now on. A second one ends the process at once with 128 + n.
    pub fn listen() -> std::io::Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGUSR2] {
            // Registered first, so that it acts only when the flag was set by an earlier signal.
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&flag))?;
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
        }
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
