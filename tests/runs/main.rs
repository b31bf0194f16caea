//! Single runs by the command line: from the configuration to records, views and later commands.

#[path = "../common/mod.rs"]
mod common;

mod bench;
mod cli;
mod command_line;
mod complexity;
mod damage;
mod doctor;
mod generate;
mod language_model;
mod lengths;
mod masked_model;
mod other_data;
mod own_files;
mod parsing;
mod prefixes;
mod programs;
mod readme;
mod resume;
mod separate_vocabularies;
mod tensorboard;
mod word_vectors;
