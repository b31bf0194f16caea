//! Sweeps: from the file to trials, records, tables and reports.

#[path = "../common/mod.rs"]
mod common;

mod clean;
mod committed_records;
mod committed_results;
mod grids;
mod plan;
mod report;
mod searches;
mod status;
mod sweep;
mod sweep_driver;
mod tables;
