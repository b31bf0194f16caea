//! Experiment files: what a TOML file means.
//!
//! A file is parsed ([`parse`]) into a [`toml_tree`] that remembers places, laid over its bases and changed
//! by `--set` ([`load`]), read as the typed [`experiment`] ([`deserialize`]) and checked
//! ([`validate`]). [`settings`] lists the values of one, [`identity`] says when two are the same, [`changes`] how they
//! differ, [`idle_settings`] which settings change nothing, [`unread_keys`] which the parts of a model do not read,
//! [`switched_off`] which another key switches off, [`task_keys`] which the task does not read, [`conflict`] which contradict each other. [`json_schema`] tells editors what a file
//! may hold, and [`key_reference`] tells readers.

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
