//! What is kept of runs, and how it is shown.

pub mod attention;
pub mod compare;
pub mod cost;
pub mod hyperparameters;
pub mod index;
pub mod layout;
pub mod metric;
pub mod position;
pub mod published;
pub mod record;
pub mod recorded;
pub mod render;
pub mod sheet;
pub mod significance;
pub mod summary;
pub mod systems;
pub mod t_test;
pub mod table;
pub mod verdict;
