//! Masked language modelling: hidden tokens of running text are predicted from the tokens around them (Devlin et al. 2019,
//! §3.1). With `model.masked.next_sentence` a model also predicts whether the second of two texts follows the first.

use super::Task;
use super::blocks::check_length;
use crate::config::Experiment;
use crate::data::collate::{Batch, collate_masked};
use crate::data::masking::{MaskedBlock, MaskedExample};
use crate::data::prepared::Prepared;
use crate::data::store::Store;
use crate::data::text_pairs::Second;
use crate::data::tokenizer::MASK;
use crate::error::Result;
use crate::model::Network;
use crate::model::mode::Mode;
use crate::results::metric::{LOSS, MASKED_ACCURACY, MASKED_PERPLEXITY, NEXT_SENTENCE_ACCURACY};
use crate::results::render::markdown;
use crate::train::batch_source::BatchSource;
use crate::train::likelihood::{self, Likelihood};
use crate::train::masked_blocks::MaskedBlocks;
use std::slice;
use tch::Device;

/// Number of tokens at the beginning of a block that a sample shows.
const SAMPLE: usize = 48;

/// An experiment that trains a model to predict hidden tokens.
pub struct MaskedLanguageModelling<'a> {
    pub experiment: &'a Experiment,
    /// Number of tokens in the vocabulary, special ones included.
    pub vocabulary: usize,
}

impl BatchSource for MaskedBlocks<'_> {
    fn collate(&self, examples: &[u32], device: Device) -> Batch {
        let examples: Vec<_> = examples.iter().map(|&example| self.example(example)).collect();
        collate_masked(&examples, device)
    }
}

impl MaskedLanguageModelling<'_> {
    /// Returns the blocks of a set under the masks of evaluation. With next-sentence prediction the model reads each
    /// block as two texts, of which the second really follows the first.
    fn measured<'a>(&self, store: &'a Store) -> MaskedBlocks<'a> {
        let second = self.experiment.model.tells_next_sentence().then_some(Second::Following);
        self.measured_before(store, second)
    }

    /// Returns the same with other second texts.
    fn measured_before<'a>(&self, store: &'a Store, second: Option<Second>) -> MaskedBlocks<'a> {
        let tokens = self.experiment.training.micro_batch_tokens;
        MaskedBlocks::of_evaluation(store, tokens, second, self.vocabulary)
    }
}

impl Task for MaskedLanguageModelling<'_> {
    fn batches<'a>(&self, store: &'a Store) -> Box<dyn BatchSource + 'a> {
        let Experiment { model, training, .. } = self.experiment;
        Box::new(MaskedBlocks::of(store, training, model, self.vocabulary))
    }

    /// Computes the likelihood of the hidden tokens, under the same masks for every model. With next-sentence prediction,
    /// the model also judges each block's own second text and one of another block, whose hidden tokens do not count.
    fn likelihood(&self, model: &dyn Network, store: &Store) -> Result<Likelihood> {
        let mut found = likelihood(model, &self.measured(store))?;
        if self.experiment.model.tells_next_sentence() {
            let random = self.measured_before(store, Some(Second::Random));
            for examples in random.numbered.in_order() {
                let batch = random.collate(&examples, model.device());
                let outputs = tch::no_grad(|| model.outputs(&batch, &Mode::evaluation()));
                found.add_second_texts(outputs.second_texts, &batch);
            }
        }
        Ok(found)
    }

    fn measures(&self, found: &Likelihood, _lines: &[String]) -> Vec<(&'static str, f64)> {
        let of_tokens = [
            (LOSS, found.loss()),
            (MASKED_PERPLEXITY, found.perplexity()),
            (MASKED_ACCURACY, found.accuracy()),
        ];
        let of_pairs = found.next_sentence_accuracy().map(|accuracy| (NEXT_SENTENCE_ACCURACY, accuracy));
        of_tokens.into_iter().chain(of_pairs).collect()
    }

    /// Shows the beginnings of blocks as the model reads them, and its most probable tokens in the places to predict. A
    /// place is shown as its number, with the token that stands there if it is not hidden.
    fn samples(&self, model: &dyn Network, data: &Prepared, store: &Store, count: usize) -> Result<String> {
        let blocks = self.measured(store);
        check_length(model, blocks.longest())?;
        let mut table = String::from("| text | found | as it was |\n| --- | --- | --- |\n");
        for block in 0..count.min(store.len()) {
            let example = blocks.example(block as u32);
            let batch = collate_masked(slice::from_ref(&example), model.device());
            let MaskedExample { masked, targets, .. } = example;
            let most_probable = tch::no_grad(|| {
                let logits = model.logits(&model.hidden(&batch, &Mode::evaluation()));
                // Rows beyond the vocabulary are not tokens.
                logits.narrow(1, 0, self.vocabulary as i64).argmax(-1, false).to_device(Device::Cpu)
            });
            let found: Vec<i64> = Vec::try_from(most_probable).expect("a number for each place");
            let shown = &masked.places[..masked.places.partition_point(|&place| place < SAMPLE)];
            let tokens = |ids: &mut dyn Iterator<Item = u32>| {
                let numbered = (1..).zip(ids).map(|(number, id)| format!("{number}: {}", label(data, id)));
                numbered.collect::<Vec<_>>().join(", ")
            };
            let cells = [
                text(data, &masked, shown),
                tokens(&mut found.iter().take(shown.len()).map(|&id| id as u32)),
                tokens(&mut targets.iter().take(shown.len()).copied()),
            ];
            let [text, found, was] = cells.map(|cell| markdown::escape(&cell));
            table += &format!("| {text} | {found} | {was} |\n");
        }
        Ok(table)
    }
}

/// Computes the likelihood of the tokens to predict, given all others of their block, without dropout.
///
/// # Errors
/// A user error if a block is longer than a learned position table.
pub fn likelihood(model: &dyn Network, blocks: &MaskedBlocks) -> Result<Likelihood> {
    check_length(model, blocks.longest())?;
    let batches = blocks.numbered.in_order().into_iter();
    Ok(likelihood::likelihood(model, batches.map(|examples| blocks.collate(&examples, model.device()))))
}

fn label(data: &Prepared, id: u32) -> String {
    data.tokenizers.target().label(id)
}

/// Returns the beginning of a block as the model reads it, with the numbers of the `places` to predict: `[1]` for a
/// hidden token, `[2 token]` for a visible one.
fn text(data: &Prepared, masked: &MaskedBlock, places: &[usize]) -> String {
    let mut text = String::new();
    let mut next = 0;
    for (number, &place) in (1..).zip(places) {
        text += &data.decode_target(&masked.input[next..place]);
        text += &match masked.input[place] {
            MASK => format!(" [{number}] "),
            id => format!(" [{number} {}] ", label(data, id)),
        };
        next = place + 1;
    }
    text + &data.decode_target(&masked.input[next..masked.input.len().min(SAMPLE).max(next)])
}
