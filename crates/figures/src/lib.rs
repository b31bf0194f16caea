//! Charts and heat maps from data, as SVG and PNG.

// Both macros panic if the output is closed.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

pub mod figures;

use ablate_base::error;
