//! This crate holds what every crate of `ablate` shares: errors, files, signals, randomness, and small helpers for text.

// Both macros panic if the stream is closed.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

pub mod allocator;
pub mod cards;
pub mod clock;
pub mod color;
pub mod constituency_tree;
pub mod diagnostic;
pub mod error;
pub mod files;
pub mod folders;
pub mod json;
pub mod left_out;
pub mod printable;
pub mod seed;
pub mod sequence;
pub mod signal;
pub mod split;
pub mod stopwatch;
pub mod subprocess;
pub mod tree_repair;
pub mod utf8;
pub mod white_space;
pub mod world;
