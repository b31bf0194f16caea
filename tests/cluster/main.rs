//! Several processes: simulated Slurm, the processes of one training, cards.

#[path = "../common/mod.rs"]
mod common;

mod devices;
mod distributed;
mod launch;
mod simulated;
