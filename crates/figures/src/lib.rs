//! Charts and heat maps from data, as SVG and PNG.

// Both macros panic where nobody reads: `commands::print` and `telemetry::console::print_message` do not.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

pub mod figures;

pub use ablate_base::error;
