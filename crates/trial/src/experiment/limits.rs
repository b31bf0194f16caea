//! The demands of the data on an experiment's settings that no file alone can check: whether embeddings, beam,
//! positions and batches suit the text. They are checked before any work starts.

use crate::config::Experiment;
use crate::data::prepared::{Prepared, vocabulary_sizes};
use crate::data::store::Store;
use crate::data::text_pairs::FEWEST_BLOCKS;
use crate::data::tokenizer::sizes;
use crate::data::{DataConfig, Split};
use crate::error::{Diagnostic, Result};
use crate::model::VocabularySizes;
use crate::train::stream::{self, check_budget};

/// Sizes of a corpus that settings must suit. For a corpus that is not prepared, only bounds are known.
#[derive(Debug, Clone)]
pub struct DataLimits {
    /// The fewest tokens that each side can have, special ones included.
    fewest: VocabularySizes,
    /// The most tokens that each side can have.
    most: VocabularySizes,
    texts: Option<Texts>,
}

/// Sizes of prepared text.
#[derive(Debug, Clone)]
struct Texts {
    sets: Sets,
    /// Target tokens of an epoch of the training text, with the ends of sentences; running text has no such ends.
    target_tokens: u64,
}

/// Sizes of the sets of a corpus.
#[derive(Debug, Clone)]
enum Sets {
    Pairs {
        /// Tokens of the longest sentence of either side, without its end, in the sets whose sentences are never dropped.
        longest: [(Split, usize); 2],
        /// Tokens of the longest pair, source and target together.
        longest_pairs: [(Split, usize); 2],
    },
    /// The number of blocks of running text in each set. No block is longer than the settings allow.
    Blocks([(Split, usize); 3]),
}

impl DataLimits {
    /// The limits of the corpus of `config`, prepared or not. Reads lengths alone.
    ///
    /// # Errors
    /// A damaged store.
    pub fn of(config: &DataConfig, prepared: Option<&Prepared>) -> Result<Self> {
        let most = VocabularySizes::from(vocabulary_sizes(config, prepared));
        let Some(data) = prepared else {
            let [fewest, _] = sizes(config.pieces, config.merges);
            return Ok(DataLimits { fewest: fewest.into(), most, texts: None });
        };
        let train = data.split_unverified(Split::Train)?;
        let held_out = |measure: fn(&Store) -> usize| -> Result<[(Split, usize); 2]> {
            let of = |split| -> Result<_> { Ok((split, measure(&data.split_unverified(split)?))) };
            Ok([of(Split::Dev)?, of(Split::Test)?])
        };
        let texts = match config.recipe.is_running_text() {
            true => {
                let [dev, test] = held_out(Store::len)?;
                let sets = Sets::Blocks([(Split::Train, train.len()), dev, test]);
                Texts { sets, target_tokens: train.target_tokens() }
            }
            false => {
                let longest = held_out(Store::longest_sentence)?;
                let sets = Sets::Pairs { longest, longest_pairs: held_out(Store::longest_pair)? };
                Texts { sets, target_tokens: train.epoch_tokens() }
            }
        };
        Ok(DataLimits { fewest: most, most, texts: Some(texts) })
    }

    /// Checks all settings with which an experiment is trained and scored.
    ///
    /// # Errors
    /// The first setting that does not suit the data.
    pub fn check(&self, experiment: &Experiment) -> Result<()> {
        self.check_vocabulary(experiment)?;
        let Some(texts) = &self.texts else { return Ok(()) };
        if texts.target_tokens == 0 {
            return Err(Diagnostic::new(stream::EMPTY)
                .help("check data.max_length, data.max_train_length and [cleaning] of the recipe")
                .into());
        }
        match texts.sets {
            Sets::Blocks(sets) if experiment.model.tells_next_sentence() => {
                let length = experiment.data.max_length;
                sets.into_iter().try_for_each(|(split, blocks)| check_blocks(split, blocks, length))?;
            }
            Sets::Pairs { longest, longest_pairs } if experiment.model.has_learned_positions() => {
                let positions = experiment.model.learned_positions;
                let in_one_row = experiment.reads_prefixes();
                let sets = if in_one_row { longest_pairs } else { longest };
                sets.into_iter()
                    .try_for_each(|(split, longest)| check_length(positions, split, longest, in_one_row))?;
            }
            Sets::Blocks(_) | Sets::Pairs { .. } => {}
        }
        check_budget(texts.target_tokens, &experiment.training)
    }

    /// Checks the settings with which a trained model is decoded.
    ///
    /// # Errors
    /// The embedding has fewer rows than there are tokens, or the beam is wider than the vocabulary.
    pub fn check_vocabulary(&self, experiment: &Experiment) -> Result<()> {
        let fewest = self.fewest.source.max(self.fewest.target);
        if let Some(rows) = experiment.model.embedding_rows
            && usize::try_from(rows).is_ok_and(|rows| rows < fewest)
        {
            let message =
                format!("model.embedding_rows = {rows} is less than the vocabulary's {fewest} tokens");
            let help = format!("use {fewest} or more, leave it out, or lower data.merges");
            return Err(Diagnostic::new(message).help(help).into());
        }
        let (beam, most) = (experiment.decoding.beam, self.most.target);
        if beam > most && experiment.task().has_pairs() {
            let message = format!("decoding.beam = {beam} is more than the vocabulary's {most} tokens");
            return Err(Diagnostic::new(message).help(format!("use {most} or less")).into());
        }
        Ok(())
    }

    /// The vocabulary sizes to build the model for: those of the prepared corpus, else the largest possible ones that
    /// the embedding has rows for.
    pub fn vocabulary(&self, experiment: &Experiment) -> VocabularySizes {
        let rows =
            experiment.model.embedding_rows.and_then(|rows| usize::try_from(rows).ok()).unwrap_or(usize::MAX);
        VocabularySizes { source: self.most.source.min(rows), target: self.most.target.min(rows) }
    }
}

/// Checks that a set has enough blocks to take second texts from.
fn check_blocks(split: Split, blocks: usize, length: usize) -> Result<()> {
    if blocks >= FEWEST_BLOCKS {
        return Ok(());
    }
    let message = format!(
        "model.masked.next_sentence = true takes second texts from other blocks, but the {} set has {blocks} of \
         data.max_length = {length} tokens; {FEWEST_BLOCKS} are needed",
        split.name()
    );
    Err(Diagnostic::new(message)
        .help("lower data.max_length, use a longer text, or leave the key out")
        .into())
}

/// Checks that every sentence fits into the learned positions, or every pair if source and target stand in one row.
fn check_length(positions: i64, split: Split, longest: usize, in_one_row: bool) -> Result<()> {
    let needed = longest + if in_one_row { 2 } else { 1 };
    if usize::try_from(positions).is_ok_and(|positions| positions >= needed) {
        return Ok(());
    }
    let set = split.name();
    let found = match in_one_row {
        false => {
            format!(
                "the longest sentence of the {set} set has {longest} tokens, which with its end make {needed}"
            )
        }
        true => format!(
            "source and target of the longest pair of the {set} set have {longest} tokens, which with two ends make \
             {needed}, and a model without an encoder reads them in one row"
        ),
    };
    let message = format!("model.learned_positions = {positions} is too few: {found}");
    let help =
        format!("use {needed} or more; dev and test sentences are never dropped, unlike training pairs");
    Err(Diagnostic::new(message).help(help).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EncoderKind, Position};

    fn experiment(change: impl Fn(&mut Experiment)) -> Experiment {
        let mut experiment = Experiment::of_generated_text();
        experiment.data.merges = 100;
        change(&mut experiment);
        experiment
    }

    #[test]
    fn second_texts_need_other_blocks() {
        assert!(check_blocks(Split::Train, 3, 16).is_ok());
        let error = check_blocks(Split::Dev, 2, 16).unwrap_err().to_string();
        assert!(error.contains("the dev set has 2 of data.max_length = 16 tokens; 3 are needed"), "{error}");
    }

    #[test]
    fn learned_positions_are_enough_for_the_longest_side_and_its_end() {
        assert!(check_length(9, Split::Test, 8, false).is_ok());
        let error = check_length(8, Split::Test, 8, false).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let expected = "model.learned_positions = 8 is too few: the longest sentence of the test set has 8 tokens, which with its end make 9";
        assert!(error.to_string().contains(expected), "{error}");
    }

    #[test]
    fn without_a_corpus_what_no_vocabulary_allows_is_refused_and_nothing_else() {
        let said = |change: fn(&mut Experiment)| {
            let experiment = experiment(change);
            let limits = DataLimits::of(&experiment.data, None).unwrap();
            limits
                .check(&experiment)
                .map(|()| limits.vocabulary(&experiment))
                .map_err(|error| error.to_string())
        };
        // There are 515 tokens without any merge, 615 with all of them.
        assert_eq!(said(|_| ()), Ok(615.into()));
        assert_eq!(said(|e| e.model.embedding_rows = Some(600)), Ok(600.into()));
        assert_eq!(said(|e| e.decoding.beam = 600), Ok(615.into()));
        let rows = said(|e| e.model.embedding_rows = Some(500)).unwrap_err();
        assert!(
            rows.contains("model.embedding_rows = 500 is less than the vocabulary's 515 tokens"),
            "{rows}"
        );
        let beam = said(|e| e.decoding.beam = 1_000).unwrap_err();
        assert!(beam.contains("decoding.beam = 1000 is more than the vocabulary's 615 tokens"), "{beam}");
    }

    #[test]
    fn prepared_text_limits_positions_and_batches() {
        let sets = Sets::Pairs {
            longest: [(Split::Dev, 300), (Split::Test, 9)],
            longest_pairs: [(Split::Dev, 310), (Split::Test, 18)],
        };
        let texts = Some(Texts { sets, target_tokens: 100 });
        let limits = DataLimits { fewest: 600.into(), most: 600.into(), texts };
        let said = |change: fn(&mut Experiment)| {
            limits.check(&experiment(change)).map_err(|error| error.to_string())
        };
        assert_eq!(said(|e| e.training.batch_tokens = 10_000), Ok(()));
        assert!(said(|_| ()).unwrap_err().contains("training.batch_tokens = 25000 is out of range"));
        let few = |e: &mut Experiment| {
            e.training.batch_tokens = 100;
            (e.model.position, e.model.learned_positions) = (Position::Learned, 300);
        };
        assert!(said(few).unwrap_err().contains("learned_positions = 300 is too few"));
        // Without an encoder, source and target have to fit into one row.
        let alone = |e: &mut Experiment| {
            e.training.batch_tokens = 100;
            e.model.encoder = EncoderKind::None;
            (e.model.position, e.model.learned_positions) = (Position::Learned, 311);
        };
        assert!(said(alone).unwrap_err().contains("have 310 tokens, which with two ends make 312"));
        let sets = Sets::Blocks([Split::Train, Split::Dev, Split::Test].map(|split| (split, 0)));
        let empty = DataLimits { texts: Some(Texts { sets, target_tokens: 0 }), ..limits.clone() };
        assert!(
            empty.check(&experiment(|_| ())).unwrap_err().to_string().contains("the training text is empty")
        );
    }
}
