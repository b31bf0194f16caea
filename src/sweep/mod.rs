//! Sweeps: rows, axes and seeds to trials, and trials to processes.

pub mod collect;
pub mod expand;
pub mod ledger;
pub mod plan;
pub mod process;
pub mod progress;
pub mod scheduler;
pub mod spec;
