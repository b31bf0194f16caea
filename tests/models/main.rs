//! What models compute, how they train and decode, and what is exported of them.

#[path = "../common/mod.rs"]
mod common;

mod decoder_only;
mod encoder_only;
mod export;
mod export_language_models;
mod flops;
mod gpu;
mod model_properties;
mod precision;
mod search;
mod training;
