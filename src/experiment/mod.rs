//! One trial: configuration → data → model → training → decoding → scores → record.

pub mod attempts;
pub mod bench;
mod claim;
pub mod compared;
pub mod distributed;
pub mod doctor;
mod evaluate;
pub mod limits;
mod locks;
mod monitor;
pub mod probe;
mod provenance;
mod reporting;
mod resume;
pub mod reuse;
pub mod run_files;
mod run_paths;
mod settings;
pub mod single_update;
mod stand_in;
mod team;
mod trained;
mod trial;
pub mod verify;
pub mod view;
mod work;

pub use claim::{claim, claimed_identity};
pub use evaluate::recorded_hypotheses;
pub use locks::{is_at_work, is_free, lock_run, lock_trial};
pub use run_paths::{
    CHECKPOINTS, CONFIG_FILE, DAMAGED_RECORD, ENDING_FILE, EVENTS_FILE, LOCK_FILE, LOG_FILE, run_dir,
};
pub use settings::settings;
pub use trained::{TrainedModel, finished_run, run_configuration};
pub use trial::{Finished, Trial};
pub use verify::scored_weights_hold;
