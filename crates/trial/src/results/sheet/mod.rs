//! A table as texts in cells, before it becomes Markdown, LaTeX or lines on a terminal: the content without the format.

mod cells;
mod details;
mod identity;
mod notes;
mod rows;

pub use cells::{EMPTY, Heading, LatexHeading, Line, Note, Sheet, Text, p_value, signed};
pub use details::details;
pub use identity::{Identity, RowNames, setting_heading, setting_text};
pub use notes::{notes, provenance, score_title, seeds_of_rows, signatures, significance, signs};
pub use rows::{changes, list, table3, value_and_count};
