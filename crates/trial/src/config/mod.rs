//! Experiment files: their parsing, their merging, and the meaning of their keys.
//!
//! A file is parsed ([`parse`]) into a [`toml_tree`] that remembers places, laid over its bases and changed by `--set`
//! ([`load`]), read as the typed [`experiment`] ([`deserialize`]) and checked ([`validate`]). [`settings`] lists the
//! values of an experiment, [`identity`] decides whether two are the same, [`changes`] lists their differences.
//! [`idle_settings`] finds settings without effect: [`unread_keys`] for keys that the parts of a model do not read,
//! [`switched_off`] for keys that another key switches off, [`task_keys`] for keys that the task does not read.
//! [`conflict`] finds contradictions. [`json_schema`] describes the files to editors, [`key_reference`] to readers.

mod canonical_json;
mod changes;
pub mod conflict;
pub mod deserialize;
pub mod experiment;
pub mod identity;
pub mod idle_settings;
mod idle_spans;
pub mod json_schema;
pub mod key_reference;
pub mod load;
mod mismatch;
mod other_names;
pub mod parse;
mod schema_shape;
pub mod settings;
pub mod subsections;
mod switched_off;
mod task_keys;
pub mod toml_tree;
pub mod unread_keys;
pub mod validate;
mod validate_convolutional;
mod validate_recipe;
mod validate_recurrent;
mod validate_task;
mod validate_training;

pub use changes::{Change, changes};
pub use experiment::{DeviceChoice, Experiment, RunConfig};
pub use identity::{RESULT_VERSION, configuration_hash, identity, shape_hash, to_toml, training_identity};
pub use load::{load_data, load_experiment};
