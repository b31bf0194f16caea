//! Sweeps: a file to trials, and trials to processes.

pub mod collect;
pub mod combine;
pub mod condition;
pub mod draw;
pub mod expand;
pub mod factor;
pub mod file;
pub mod include;
pub mod label;
pub mod ledger;
pub mod place;
pub mod plan;
pub mod policy;
pub mod process;
pub mod progress;
pub mod queue;
pub mod scheduler;
pub mod schema;
pub mod selection;
pub mod settings;
pub mod spec;
pub mod tensorboard;
