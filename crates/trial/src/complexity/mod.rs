//! Table 1 of the paper, measured: what a layer of each kind costs by the length n of a sequence and the width d, how many
//! operations follow on each other, and how many layers lie between two positions.
//!
//! The parts here need no libtorch: the layers with their published complexity, the request of the command line, and
//! the report with its exponents, tables and charts. `experiment/complexity` of the crate `compute` measures.

mod charts;
mod exponent;
mod layer;
mod report;
mod request;
mod sheets;

pub use charts::{Drawn, charts};
pub use exponent::{Exponent, exponent};
pub use layer::{Layer, LayerFlops, Sizes, Stated};
pub use report::{Depth, Fit, LeftOut, Measured, PathLength, Point, Quantity, Report, Variable};
pub use request::{Options, Request};
pub use sheets::{csv, exponents_csv, latex, markdown, terminal};
