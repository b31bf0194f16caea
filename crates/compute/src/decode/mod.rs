//! Decoding: greedy search, beam search and sampling.
//!
//! Configuration section `[decoding]`, whose settings are in `crates/trial`.

pub mod beam;
pub mod greedy;
pub mod sample;
pub mod search;
pub mod translate;

pub use ablate_trial::decode::*;
