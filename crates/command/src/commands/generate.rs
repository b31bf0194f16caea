//! The command line of `ablate generate`.

use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Directory of a finished run of a language model.
    pub run: PathBuf,
    /// Text to continue. By default the model writes from the beginning of a text.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub prompt: String,
    /// Number of tokens to write.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub tokens: usize,
    /// Number by which the scores of tokens are divided before the softmax. Below 1, likely tokens are drawn more often; 0
    /// always takes the most probable one.
    #[arg(long, value_name = "T", default_value_t = 1.0)]
    pub temperature: f64,
    /// Draw among this many of the most probable tokens. By default among all.
    #[arg(long, value_name = "K")]
    pub top_k: Option<usize>,
    /// Draw among the fewest tokens whose probabilities add up to this share, from above 0 to 1. By default among all.
    #[arg(long, value_name = "P")]
    pub top_p: Option<f64>,
    /// Seed of the draws. The same seed writes the same text.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Print one JSON object: the prompt, the text that begins with it, and the tokens that were written.
    #[arg(long)]
    pub json: bool,
    /// Change a setting of `[run]`: run.key=value. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}
