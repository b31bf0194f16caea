//! Figures: pure functions from data to [`Svg`], which is text, a part of a web page, or a PNG.
//!
//! The bytes depend on the data alone. Colours can be told apart with all kinds of colour vision, and come with marks and
//! dashes that can be told apart in grey; every colour has a counterpart for dark pages.

pub mod bars;
pub mod chart;
pub mod dots;
pub mod font;
mod frame;
pub mod heatmap;
pub mod mark;
pub mod paint;
pub mod parallel;
pub mod scale;
pub mod svg;
pub mod tiles;

pub use bars::{Bars, bars};
pub use chart::{Chart, Horizontal, Point, Series, chart, extent};
pub use dots::{Dot, Dots, dots};
pub use heatmap::{Heatmaps, Image, Matrix, heatmaps, image};
pub use parallel::{Coordinate, CoordinateKind, Parallel, Track, parallel};
pub use svg::{Png, Svg};
pub use tiles::{Tile, Tiles, tiles};
