//! A table as texts in cells, before it is Markdown, LaTeX or lines on a terminal: what is shown, not how.

mod cells;
mod details;
mod identity;
mod notes;
mod rows;

pub use cells::{EMPTY, Heading, LatexHeading, Line, Note, Sheet, Text, p_value, signed};
pub use details::details;
pub use identity::{Identity, RowNames};
pub use notes::{notes, provenance, signatures, significance, signs};
pub use rows::{changes, count, list, table3, value};
