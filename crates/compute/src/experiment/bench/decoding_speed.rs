//! Times translations as `ablate translate` makes them, pass by pass over the same sentences.

use super::measure::{Effort, Split, median};
use crate::decode::DecodingConfig;
use crate::decode::search::Hypothesis;
use crate::decode::translate::translate;
use crate::device::settle;
use crate::error::{Error, Result};
use crate::experiment::stopped;
use crate::model::Network;
use crate::signal::StopFlag;
use crate::stopwatch::{Phase, Stopwatch};
use serde::Serialize;
use std::time::Instant;

/// Number of sentences to translate before the clock starts.
const WARM_UP: usize = 16;

/// Decoding speed: medians over the timed passes.
#[derive(Debug, Clone, Serialize)]
pub struct Decoding {
    /// Width of the beam; 1 is greedy search.
    pub beam: usize,
    pub sentences: usize,
    /// Number of timed passes.
    pub passes: usize,
    pub seconds_per_pass: f64,
    pub sentences_per_second: f64,
    /// Tokens of the best translations, ends of sentences included.
    pub target_tokens: usize,
    pub target_tokens_per_second: f64,
    /// Seconds of one pass by phase.
    pub split: Split,
}

pub fn measure(
    model: &dyn Network,
    config: &DecodingConfig,
    vocabulary: usize,
    sources: &[Vec<u32>],
    effort: &Effort,
    stop: &StopFlag,
) -> Result<Decoding> {
    let device = model.device();
    let pass = |sources: &[Vec<u32>]| -> Result<(Vec<Vec<Hypothesis>>, f64)> {
        let begun = Instant::now();
        let found = translate(model, config, vocabulary, sources, 1, stop, &mut |_| ());
        let found = found.map_err(|error| match error {
            Error::Stopped(_) => stopped(),
            other => other,
        })?;
        settle(device);
        Ok((found, begun.elapsed().as_secs_f64()))
    };
    pass(&sources[..WARM_UP.min(sources.len())])?;
    let begun = Instant::now();
    let (found, first) = pass(sources)?;
    let mut seconds = vec![first];
    while seconds.len() < effort.passes && begun.elapsed().as_secs_f64() < effort.seconds {
        seconds.push(pass(sources)?.1);
    }
    let stopwatch = Stopwatch::start(move || settle(device));
    let (_, clock) = pass(sources)?;
    let laps = stopwatch.take();
    let phases = [Phase::Data, Phase::Encoder, Phase::Decoder, Phase::NextToken, Phase::Search, Phase::Cache];
    let target_tokens: usize = found.iter().map(|best| best[0].tokens.len() + 1).sum();
    let passes = seconds.len();
    let seconds_per_pass = median(seconds);
    Ok(Decoding {
        beam: config.beam,
        sentences: sources.len(),
        passes,
        seconds_per_pass,
        sentences_per_second: sources.len() as f64 / seconds_per_pass,
        target_tokens,
        target_tokens_per_second: target_tokens as f64 / seconds_per_pass,
        split: Split::of(phases.map(|phase| (phase, laps.seconds(phase))).into(), laps.total() / clock),
    })
}
