//! Sweeps: rows, axes and seeds to trials, and trials to processes.

pub mod collect;
pub mod expand;
pub mod ledger;
pub mod place;
pub mod plan;
pub mod policy;
pub mod process;
pub mod progress;
pub mod queue;
pub mod scheduler;
pub mod selection;
pub mod spec;
