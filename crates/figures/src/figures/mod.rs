//! Figures: pure functions from data to [`Svg`], which is text, a part of a web page, or a PNG.
//!
//! The bytes depend on the data alone. Colours tell apart for all kinds of colour vision and come with marks and
//! dashes that tell apart in grey; every colour has its counterpart for dark pages.

pub mod chart;
pub mod dots;
pub mod font;
pub mod heatmap;
pub mod mark;
pub mod paint;
pub mod scale;
pub mod svg;

pub use chart::{Chart, Horizontal, Point, Series, chart};
pub use dots::{Dot, Dots, dots};
pub use heatmap::{Heatmap, Image, Matrix, heatmap, image};
pub use svg::{Png, Svg};
