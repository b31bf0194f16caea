//! `ablate compare`: two systems side by side.

use super::{Places, print_json, print_styled, screen};
use crate::error::Result;
use crate::experiment::compared::Compared;
use crate::results::compare::{Question, Rank, compare};
use crate::results::render;
use crate::telemetry::console::print_message;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// A finished run, or a row of a sweep with all its seeds: results/SWEEP/ROW.
    pub a: PathBuf,
    /// The run or row to compare with A. Differences are B minus A.
    pub b: PathBuf,
    /// Set whose sentences and lengths are shown.
    #[arg(long, value_name = "SET", default_value = "test", value_parser = ["dev", "test"])]
    pub split: String,
    /// Number of sentences to show that A translates better, and of sentences that B translates better.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub sentences: usize,
    /// Score by which sentences are ranked.
    #[arg(long, value_enum, default_value_t = Rank::Chrf)]
    pub by: Rank,
    /// Print one JSON document with all numbers at full precision.
    #[arg(long)]
    pub json: bool,
}

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let Arguments { a, b, split, sentences, by, json } = arguments;
    let Compared { sides, texts, bleu, notes } = Compared::load([&a, &b], &places.data)?;
    notes.iter().for_each(|note| print_message(note));
    let found = compare(&sides, &texts, &Question { split, sentences, rank: by, bleu })?;
    if json {
        return print_json(&found);
    }
    print_styled(&render::comparison(&found, screen()))
}
