//! Language modelling: consecutive blocks of running text, measured by the probability of every token.

use super::Task;
use super::blocks;
use crate::config::Experiment;
use crate::data::prepared::Prepared;
use crate::data::store::Store;
use crate::decode::sample::{Request, Sampling, generate};
use crate::error::Result;
use crate::model::Network;
use crate::results::metric::{
    ACCURACY, BITS_PER_CHARACTER, CHARACTER_PERPLEXITY, LOSS, PERPLEXITY, WORD_PERPLEXITY,
};
use crate::results::render::markdown;
use crate::seed::{Purpose, derive};
use crate::train::Direction;
use crate::train::batch_source::BatchSource;
use crate::train::blocks::Blocks;
use crate::train::likelihood::Likelihood;

/// Number of tokens of a block with which a sample begins, and number of tokens that the model writes behind them.
const SAMPLE: (usize, usize) = (16, 24);

/// An experiment that trains a model to predict text.
pub struct LanguageModelling<'a> {
    pub experiment: &'a Experiment,
}

impl Task for LanguageModelling<'_> {
    fn batches<'a>(&self, store: &'a Store) -> Box<dyn BatchSource + 'a> {
        Box::new(Blocks::of(store, &self.experiment.training))
    }

    fn likelihood(&self, model: &dyn Network, store: &Store) -> Result<Likelihood> {
        let training = &self.experiment.training;
        blocks::likelihood(model, store, training.block_reading(), training.micro_batch_tokens)
    }

    /// Counts words and characters of the text, whatever its tokens are. An end of line counts as one of each, so that
    /// the whole text is counted: word perplexity is then that of benchmarks with `<eos>` at the end of lines.
    fn measures(&self, found: &Likelihood, lines: &[String]) -> Vec<(&'static str, f64)> {
        let count = |of: fn(&String) -> usize| lines.iter().map(|line| of(line) + 1).sum::<usize>();
        let words = count(|line| line.split_whitespace().count());
        let characters = count(|line| line.chars().count());
        vec![
            (LOSS, found.loss()),
            (PERPLEXITY, found.perplexity()),
            (WORD_PERPLEXITY, found.perplexity_per(words)),
            (CHARACTER_PERPLEXITY, found.perplexity_per(characters)),
            (BITS_PER_CHARACTER, found.bits_per(characters)),
            (ACCURACY, found.accuracy()),
        ]
    }

    /// Continues the beginnings of blocks by the model's own distribution.
    fn samples(&self, model: &dyn Network, data: &Prepared, store: &Store, count: usize) -> Result<String> {
        let direction = self.experiment.training.direction;
        let heading = match direction {
            Direction::Forward => "| text | continued | as it was |",
            Direction::Backward => "| text, from its end | continued to its beginning | as it was |",
        };
        let mut table = format!("{heading}\n| --- | --- | --- |\n");
        for block in 0..count.min(store.len()) {
            let ids = direction.turned(store.target(block));
            let (prompt, rest) = ids.split_at(SAMPLE.0.min(ids.len() / 2));
            let request = Request {
                prompt,
                first_input: self.experiment.training.first_input,
                tokens: SAMPLE.1,
                sampling: Sampling::PLAIN,
                seed: derive(self.experiment.training.seed, Purpose::Writing, block as u64),
                vocabulary: data.tokenizers.target().len(),
                window: self.experiment.data.max_length,
            };
            let written = generate(model, &request, &mut |_| Ok(()))?;
            let cells = [prompt, &written[..], &rest[..SAMPLE.1.min(rest.len())]];
            let text = |ids: &[u32]| data.decode_target(&direction.turned(ids.to_vec()));
            let [prompt, written, rest] = cells.map(|ids| markdown::escape(&text(ids)));
            table += &format!("| {prompt} | {written} | {rest} |\n");
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Corpus, DataConfig, GeneratedCorpus, Recipe};

    /// Two lines of three words and of none, with 9 and 0 characters: 5 words and 11 characters with the ends of lines.
    #[test]
    fn ends_of_lines_are_words_and_characters() {
        let corpus = Corpus::Generated(GeneratedCorpus { train: 1, dev: 1, test: 1, seed: 1 });
        let experiment = Experiment {
            label: None,
            data: DataConfig::new(Recipe::new("text", "en", "en", corpus)),
            model: Default::default(),
            training: Default::default(),
            decoding: Default::default(),
            run: Default::default(),
        };
        let task = LanguageModelling { experiment: &experiment };
        let found = Likelihood { nats: 22.0, tokens: 8, correct: 2, ..Default::default() };
        let measured = task.measures(&found, &["a bcd efé".to_string(), String::new()]);
        let expected = [
            (LOSS, 2.75),
            (PERPLEXITY, 2.75f64.exp()),
            (WORD_PERPLEXITY, (22.0 / 5.0f64).exp()),
            (CHARACTER_PERPLEXITY, 2f64.exp()),
            (BITS_PER_CHARACTER, 2.0 / std::f64::consts::LN_2),
            (ACCURACY, 0.25),
        ];
        assert_eq!(measured, expected);
    }
}
