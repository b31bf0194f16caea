//! The results that runs leave, their comparison, and their display.

pub mod attention_file;
mod best;
pub mod buckets;
pub mod compare;
pub mod comparison;
#[doc(hidden)]
pub mod examples;
pub mod hyperparameters;
pub mod importance;
pub mod index;
pub mod judge;
mod length_class;
pub mod metric;
mod metric_names;
pub mod pivot;
pub mod positions_file;
pub mod published;
pub mod record;
pub mod recorded;
pub mod render;
mod row;
pub mod selection;
pub mod sheet;
pub mod significance;
pub mod summary;
pub mod systems;
pub mod t_test;
pub mod table;
pub mod table_layout;
pub mod training_cost;
pub mod trial_result;
pub mod varied;
pub mod verdict;
