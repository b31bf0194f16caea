//! Constituency parsing: sentences to trees as sequences, decoding by search, F1 as in EVALB.
//!
//! # Source
//! Vaswani et al. 2017, §6.3; Vinyals et al. 2015, "Grammar as a Foreign Language". Linearisation:
//! [`Tree::sequence`]; repair of outputs that are not trees: [`tree_repair`](crate::tree_repair).

use super::output::side_by_side;
use super::pairs;
use super::{Output, Score, Task, Written};
use crate::config::Experiment;
use crate::constituency_tree::{EXAMPLE, LeafForm, Tree, WORD};
use crate::data::prepared::Prepared;
use crate::data::{Split, store::Store};
use crate::error::{Error, Result};
use crate::model::Network;
use crate::results::metric::{
    ACCURACY, EXACT_MATCH, F1, F1_SHORT, F1_WELL_FORMED, LOSS, MALFORMED, PERPLEXITY, PRECISION, RECALL,
    TAGGING,
};
use crate::signal::StopFlag;
use crate::train::batch_source::BatchSource;
use crate::train::likelihood::Likelihood;
use crate::tree_repair::{DEFECTS, Defects, repair};
use ablate_score::score::{BracketF1, EvalbCounts, Metric, evalb_of_lines, is_deleted_tag};

/// Word for a hypothesis.
const CALLED: &str = "parse";

/// An experiment that trains a model to parse.
pub struct Parsing<'a> {
    experiment: &'a Experiment,
    /// The symbol that the model writes for a word.
    leaves: LeafForm,
}

impl<'a> Parsing<'a> {
    pub fn of(experiment: &'a Experiment) -> Self {
        Parsing { experiment, leaves: experiment.data.recipe.tree_leaves().unwrap_or(LeafForm::Word) }
    }

    /// Returns the parses of the `sequences` of token ids that a model has written, each over the words of its
    /// reference. If the sequences have no tags, words get the tags of the reference.
    fn parses(&self, data: &Prepared, sequences: &[Vec<u32>], references: &[String]) -> Result<Parses> {
        let mut parses = Parses::default();
        for (number, (ids, reference)) in sequences.iter().zip(references).enumerate() {
            let reference = Tree::parse(reference).map_err(|problem| {
                Error::user(format!(
                    "{}: line {} of the references is no tree ({problem}; expected {EXAMPLE}); delete the folder and run \
                     `ablate prepare` again",
                    data.directory().display(),
                    number + 1
                ))
            })?;
            let (tree, defects) = repair(&data.decode_target(ids), self.leaves, reference.leaves());
            let tree = tree.map(|tree| comparable(tree, &reference).to_string());
            parses.trees.push(tree.unwrap_or_default());
            parses.defects += defects;
            parses.well_formed.push(defects.is_none());
        }
        Ok(parses)
    }
}

/// Gives a parse the punctuation of the reference. EVALB removes the words that are tagged as punctuation from both
/// sentences, and skips the sentence if the remaining words differ: without this, a parse with one wrong tag would not
/// be scored at all.
fn comparable(parse: Tree, reference: &Tree) -> Tree {
    let tags: Vec<&str> = reference.leaves().map(|(tag, _)| tag).collect();
    parse.with_tags(|word, tag| {
        match tags.get(word) {
            Some(right) if is_deleted_tag(right) => right,
            _ if is_deleted_tag(tag) => WORD,
            _ => tag,
        }
        .to_string()
    })
}

/// The trees that a model has written for a set.
#[derive(Default)]
struct Parses {
    /// Trees in one line each; empty for a sentence without words.
    trees: Vec<String>,
    defects: Defects,
    /// Whether each sequence was a tree without repair.
    well_formed: Vec<bool>,
}

impl Parses {
    /// Returns the scores that follow from the repairs in a set.
    fn scores(&self, references: &[String]) -> Result<Vec<Score>> {
        let sound: Vec<usize> = (0..self.trees.len()).filter(|&line| self.well_formed[line]).collect();
        let malformed = self.trees.len() - sound.len();
        let share = malformed as f64 / self.trees.len().max(1) as f64;
        let kinds = DEFECTS.iter().zip(self.defects.counts()).filter(|(_, count)| *count > 0);
        let kinds: Vec<String> = kinds.map(|((_, what), count)| format!("{count} {what}")).collect();
        let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        let text = format!("{:.1} % malformed{kinds}", 100.0 * share);
        let mut scores = vec![Score { metric: MALFORMED, value: share, text }];
        if !sound.is_empty() {
            let of_sound =
                |lines: &[String]| sound.iter().map(|&line| lines[line].clone()).collect::<Vec<_>>();
            let [all, _] = evalb_of_lines(&of_sound(&self.trees), &of_sound(references))?;
            scores.push(Score { metric: F1_WELL_FORMED, value: all.f1(), text: String::new() });
        }
        let counted = DEFECTS.iter().zip(self.defects.counts());
        scores.extend(counted.map(|((metric, _), count)| Score {
            metric,
            value: count as f64,
            text: String::new(),
        }));
        Ok(scores)
    }
}

impl Task for Parsing<'_> {
    fn batches<'a>(&self, store: &'a Store) -> Box<dyn BatchSource + 'a> {
        pairs::batches(self.experiment, store)
    }

    fn likelihood(&self, model: &dyn Network, store: &Store) -> Result<Likelihood> {
        pairs::likelihood_of(self.experiment, model, store)
    }

    fn measures(&self, found: &Likelihood, _: &[String]) -> Vec<(&'static str, f64)> {
        vec![(LOSS, found.loss()), (PERPLEXITY, found.perplexity()), (ACCURACY, found.accuracy())]
    }

    /// Parses greedily.
    fn samples(&self, model: &dyn Network, data: &Prepared, store: &Store, count: usize) -> Result<String> {
        let text = data.text(Split::Dev)?;
        let sequences = pairs::written_greedily(model, &self.experiment.decoding, data, store, count)?;
        let parses = self.parses(data, &sequences, &text.target)?;
        Ok(side_by_side(CALLED, &text.source, &parses.trees, &text.target))
    }

    fn written(&self) -> Option<&dyn Written> {
        Some(self)
    }
}

impl Written for Parsing<'_> {
    /// Parses a set; counts and repairs outputs that are not trees.
    fn output(
        &self,
        model: &dyn Network,
        data: &Prepared,
        store: &Store,
        split: Split,
        stop: &StopFlag,
    ) -> Result<Output> {
        let text = data.text(split)?;
        let tokens = pairs::written(model, &self.experiment.decoding, data, store, store.len(), stop)?;
        let parses = self.parses(data, &tokens, &text.target)?;
        let mut scores = self.scores(&parses.trees, &text.target)?;
        scores.extend(parses.scores(&text.target)?);
        Ok(Output {
            sources: text.source,
            hypotheses: parses.trees,
            tokens,
            references: text.target,
            called: CALLED,
            scores,
        })
    }

    fn scores(&self, hypotheses: &[String], references: &[String]) -> Result<Vec<Score>> {
        let [all, _] = evalb_of_lines(hypotheses, references)?;
        let text = format!(
            "F1 {:.2} (precision {:.2}, recall {:.2}), complete match {:.1} %",
            all.f1(),
            all.precision(),
            all.recall(),
            100.0 * exact_match(&all)
        );
        Ok(vec![Score { metric: F1, value: all.f1(), text }])
    }

    fn further_scores(
        &self,
        hypotheses: &[String],
        references: &[String],
    ) -> Result<Vec<(&'static str, f64)>> {
        let [all, short] = evalb_of_lines(hypotheses, references)?;
        let mut scores = vec![
            (PRECISION, all.precision()),
            (RECALL, all.recall()),
            (EXACT_MATCH, exact_match(&all)),
            (F1_SHORT, short.f1()),
        ];
        // Without tags in the sequences, parses have the tags of the references.
        if self.leaves == LeafForm::Tag {
            scores.push((TAGGING, all.right_tags as f64 / all.words.max(1) as f64));
        }
        Ok(scores)
    }

    fn signature(&self) -> String {
        let tags = match self.leaves {
            LeafForm::Word => "reference",
            LeafForm::Tag => "predicted",
        };
        BracketF1.signature(1).with("tags", "t", tags).to_string()
    }
}

/// Returns the share of sentences in which all brackets match, 0 to 1.
fn exact_match(counts: &EvalbCounts) -> f64 {
    counts.complete as f64 / counts.sentences.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_is_that_of_the_reference() {
        let tree = |text: &str| Tree::parse(text).unwrap();
        let reference = tree("(S (NP (NN a) (, ,)) (VP (VB b) (NP (-NONE- *) (NN c))) (. .))");
        let parse = tree("(S (NP (, a) (NN ,)) (VP (NN b) (NP (NN c))) (. .))");
        let expected = "(S (NP (XX a) (, ,)) (VP (NN b) (NP (NN c))) (. .))";
        assert_eq!(comparable(parse, &reference).to_string(), expected);
    }

    #[test]
    fn malformed_sequences_are_counted_and_scored_apart() {
        let lines = |text: &str| text.split('|').map(String::from).collect::<Vec<_>>();
        let references = lines("(S (NP (NN a)) (VP (VB b)))|(S (NP (NN a)) (VP (VB b)))");
        let parses = Parses {
            trees: lines("(S (NP (NN a)) (VP (VB b)))|(S (NN a) (VB b))"),
            defects: Defects { missing_words: 2, unclosed_brackets: 1, ..Defects::default() },
            well_formed: vec![true, false],
        };
        let scores = parses.scores(&references).unwrap();
        let of = |metric: &str| scores.iter().find(|score| score.metric == metric).unwrap();
        assert_eq!(
            of(MALFORMED).text,
            "50.0 % malformed (1 constituents that are not closed, 2 words that the sequence lacks)"
        );
        assert_eq!((of(MALFORMED).value, of(F1_WELL_FORMED).value), (0.5, 100.0));
        assert_eq!((of("missing_words").value, of("extra_words").value), (2.0, 0.0));
    }
}
