//! A run and its directory: its trial, its files, its cost and its results. Training is in `crates/compute`.

pub mod attempts;
pub mod by_length;
mod changed;
pub mod claim;
pub mod compared;
mod failure;
pub mod finished;
pub mod hparams;
pub mod limits;
mod locks;
pub mod measured;
pub mod measurement;
pub mod resume;
pub mod reuse;
pub mod run_files;
pub mod run_paths;
mod scored_text;
pub mod translations;
pub mod view;

pub use changed::{changes_since, settings_since};
pub use claim::{claim, claimed_identity};
pub use failure::{latest_failure, present_failure};
pub use finished::{finished_run, open_data, run_configuration, scored_weights_hold};
pub use hparams::hparams;
pub use locks::{Holder, busy_run, is_at_work, is_free, lock_run, lock_trial};
pub use run_paths::{
    CHECKPOINTS, CONFIG_FILE, DAMAGED_RECORD, ENDING_FILE, EVENTS_FILE, LOCK_FILE, LOG_FILE, run_dir,
};
pub use scored_text::scored_text;
pub use translations::{bleu_config, metric_of, note_on_bleu, recorded_hypotheses};
