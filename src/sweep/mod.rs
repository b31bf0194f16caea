//! Sweeps: rows, axes and seeds to trials, and trials to processes.

pub mod expand;
pub mod spec;
