//! Kills, full disks, signals and limits at every step.

#[path = "../common/mod.rs"]
mod common;

mod fault;
mod full_disk;
mod interruptions;
mod kills;
mod limits;
mod prepare;
