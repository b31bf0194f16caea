//! What is kept of runs, and how it is shown.

pub mod attention;
pub mod index;
pub mod position;
pub mod published;
pub mod record;
pub mod render;
pub mod table;
