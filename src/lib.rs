//! `ablate` trains, decodes and scores Transformers as *Attention Is All You Need* defines them, and its ablations.
//!
//! The code is in the crates below `crates/`; this crate re-exports their modules for tests and benchmarks. The map is
//! `docs/architecture.md`.

pub use ablate_base::{
    allocator, cards, clock, color, constituency_tree, error, files, folders, printable, seed, signal,
    stopwatch, tree_repair, white_space, world,
};
pub use ablate_command::{cli, commands};
pub use ablate_compute::{data, decode, device, experiment, export, model, pinned_memory, shim, task, train};
pub use ablate_corpus::fetch;
pub use ablate_figures::figures;
pub use ablate_score::{moses, score};
pub use ablate_sweep::{report, sweep};
pub use ablate_trial::{config, results, telemetry};
