//! Results of models, their training and decoding, and their exports.

#[path = "../common/mod.rs"]
mod common;

mod decoder_only;
mod encoder_only;
mod export;
mod export_language_models;
mod flops;
mod gpu;
mod model_properties;
mod model_variables;
mod precision;
mod search;
mod training;
mod training_runs;
