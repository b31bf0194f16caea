//! Labelled-bracket F1 of parse trees, as EVALB with the parameters of Collins (`COLLINS.prm`) has it.
//!
//! # Source
//! Black et al. 1991 (PARSEVAL); Sekine and Collins 1997, EVALB. Words under `-NONE-` and under punctuation tags do
//! not count, brackets `TOP` and those without a word neither, tags are no brackets, `ADVP` and `PRT` are one label,
//! and what follows `-` or `=` in a label is left out.
//!
//! # Deviation
//! Where gold and test differ in their words, EVALB counts an error and goes on. This module does the same, without
//! EVALB's repair of quotation marks with different tags, so such a sentence is an error, too.

use super::metric::{Counts, Metric, check_lines};
use super::signature::Signature;
use crate::constituency_tree::{EXAMPLE, Part, TRACE, Tree, plain};
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::iter::Sum;
use std::ops::Add;

/// Tags whose words do not count (`DELETE_LABEL`).
const DELETED_TAGS: [&str; 6] = [TRACE, ",", ":", "``", "''", "."];

/// Whether EVALB leaves words with this tag out of account: traces and punctuation.
pub fn is_deleted_tag(tag: &str) -> bool {
    DELETED_TAGS.contains(&tag)
}

/// Labels whose brackets do not count, the empty one of Penn Treebank files included.
const DELETED_BRACKETS: [&str; 2] = ["TOP", ""];
/// Sentences up to this length are also counted apart (`CUTOFF_LEN`), words under `-NONE-` left out.
pub const CUTOFF: usize = 40;

/// A tree as EVALB sees it: words with their tags, and brackets over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brackets {
    words: Vec<(String, String)>,
    brackets: Vec<Bracket>,
    /// Number of words, without those under `-NONE-`.
    length: usize,
}

/// Label, first word, and the word behind the last.
type Bracket = (String, usize, usize);

impl Brackets {
    /// Extracts the words and brackets of a tree that count.
    pub fn of(tree: &Tree) -> Self {
        let mut brackets = Brackets { words: Vec::new(), brackets: Vec::new(), length: 0 };
        let mut open = Vec::new();
        for part in tree.parts() {
            match part {
                Part::Open(label) => open.push((label.clone(), brackets.words.len())),
                Part::Leaf { tag, word } => {
                    brackets.length += usize::from(tag != TRACE);
                    if !is_deleted_tag(tag) {
                        brackets.words.push((tag.clone(), word.clone()));
                    }
                }
                Part::Close => {
                    let (label, start) = open.pop().expect("a tree is balanced");
                    let label = compared(&label);
                    if !DELETED_BRACKETS.contains(&label) && start < brackets.words.len() {
                        brackets.brackets.push((label.to_string(), start, brackets.words.len()));
                    }
                }
            }
        }
        brackets
    }
}

/// Returns a label in the form that is compared.
fn compared(label: &str) -> &str {
    match plain(label) {
        "PRT" => "ADVP",
        label => label,
    }
}

/// Sums over sentences; everything that EVALB reports follows from them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EvalbCounts {
    /// Sentences that could be compared.
    pub sentences: usize,
    /// Sentences whose words differ.
    pub errors: usize,
    /// Sentences without a tree in the test file.
    pub skipped: usize,
    pub matched: usize,
    pub gold: usize,
    pub test: usize,
    /// Test brackets that overlap a gold bracket without nesting.
    pub crossing: usize,
    /// Sentences of which all brackets match; of which none cross; of which at most two do.
    pub complete: usize,
    pub none_crossing: usize,
    pub few_crossing: usize,
    pub words: usize,
    pub right_tags: usize,
}

impl EvalbCounts {
    /// Compares the trees of a sentence; without a tree of the test, the sentence is skipped.
    pub fn of(gold: &Brackets, test: Option<&Brackets>) -> Self {
        let Some(test) = test else { return EvalbCounts { skipped: 1, ..Default::default() } };
        let words = |tree: &Brackets| tree.words.iter().map(|(_, word)| word.clone()).collect::<Vec<_>>();
        if words(gold) != words(test) {
            return EvalbCounts { errors: 1, ..Default::default() };
        }
        let mut left: HashMap<&Bracket, usize> = HashMap::new();
        gold.brackets.iter().for_each(|bracket| *left.entry(bracket).or_default() += 1);
        let matched = test.brackets.iter().filter(|&bracket| match left.get_mut(bracket) {
            Some(count) if *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        });
        let matched = matched.count();
        let crosses = |&(_, a, b): &Bracket, &(_, c, d): &Bracket| {
            (a < c && c < b && b < d) || (c < a && a < d && d < b)
        };
        let crossing =
            test.brackets.iter().filter(|one| gold.brackets.iter().any(|other| crosses(one, other))).count();
        EvalbCounts {
            sentences: 1,
            errors: 0,
            skipped: 0,
            matched,
            gold: gold.brackets.len(),
            test: test.brackets.len(),
            crossing,
            complete: usize::from(matched == gold.brackets.len() && matched == test.brackets.len()),
            none_crossing: usize::from(crossing == 0),
            few_crossing: usize::from(crossing <= 2),
            words: gold.words.len(),
            right_tags: gold.words.iter().zip(&test.words).filter(|(gold, test)| gold.0 == test.0).count(),
        }
    }

    /// Returns labelled recall, 0 to 100; 0 where there is nothing to find.
    pub fn recall(&self) -> f64 {
        percent(self.matched, self.gold)
    }

    /// Returns labelled precision, 0 to 100.
    pub fn precision(&self) -> f64 {
        percent(self.matched, self.test)
    }

    /// Returns the harmonic mean of recall and precision, 0 to 100.
    pub fn f1(&self) -> f64 {
        percent(2 * self.matched, self.gold + self.test)
    }

    /// Returns the mean number of crossing brackets of a sentence; 0 without sentences.
    pub fn average_crossing(&self) -> f64 {
        self.crossing as f64 / self.sentences.max(1) as f64
    }
}

/// Returns `part` of `whole` in percent; 0 if `whole` is 0.
pub fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}

/// Returns the counts of all sentences, and of those of at most [`CUTOFF`] words in gold.
pub fn evalb(pairs: &[(Brackets, Option<Brackets>)]) -> [EvalbCounts; 2] {
    let counts = |longest: usize| {
        let short = pairs.iter().filter(|(gold, _)| gold.length <= longest);
        short.map(|(gold, test)| EvalbCounts::of(gold, test.as_ref())).sum()
    };
    [counts(usize::MAX), counts(CUTOFF)]
}

/// Computes [`evalb`] of trees as text, one a line; an empty line of `hypotheses` is a sentence without a tree.
///
/// # Errors
/// A user error where there is not one reference for each hypothesis, or a line is no tree.
pub fn evalb_of_lines(hypotheses: &[String], references: &[String]) -> Result<[EvalbCounts; 2]> {
    Ok(evalb(&brackets_of_lines(hypotheses, references)?))
}

fn brackets_of_lines(
    hypotheses: &[String],
    references: &[String],
) -> Result<Vec<(Brackets, Option<Brackets>)>> {
    check_lines(hypotheses, &[references.to_vec()])?;
    let read = |what: &str, number: usize, line: &str| {
        Tree::parse(line).map(|tree| Brackets::of(&tree)).map_err(|problem| {
            Error::user(format!(
                "{what}, line {}: {problem}; expected a tree a line, such as {EXAMPLE}",
                number + 1
            ))
        })
    };
    let pairs = hypotheses.iter().zip(references).enumerate();
    let pairs = pairs.map(|(number, (hypothesis, reference))| {
        let found = match hypothesis.trim().is_empty() {
            true => None,
            false => Some(read("parses", number, hypothesis)?),
        };
        Ok((read("references", number, reference)?, found))
    });
    pairs.collect()
}

/// Labelled-bracket F1 of all sentences as a [`Metric`] of trees, one a line. It counts in a sentence the brackets that
/// match, those of the reference and those of the parse; sentences that EVALB cannot compare count nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct BracketF1;

impl Metric for BracketF1 {
    fn name(&self) -> String {
        "F1".to_string()
    }

    fn signature(&self, references: usize) -> Signature {
        Signature::new(references).with("evalb", "e", "COLLINS.prm")
    }

    fn counts(&self, hypotheses: &[String], references: &[Vec<String>]) -> Result<Counts> {
        check_lines(hypotheses, references)?;
        let [references] = references else {
            return Err(Error::user("a parse is compared with one reference tree; give one reference"));
        };
        let mut counts = Counts::with_capacity(3, hypotheses.len());
        for (gold, test) in brackets_of_lines(hypotheses, references)? {
            let EvalbCounts { matched, gold, test, .. } = EvalbCounts::of(&gold, test.as_ref());
            counts.push(&[matched, gold, test].map(|count| count as u64));
        }
        Ok(counts)
    }

    fn score(&self, counts: &[u64]) -> f64 {
        let [matched, gold, test] = [0, 1, 2].map(|place| counts[place] as usize);
        percent(2 * matched, gold + test)
    }
}

impl Add for EvalbCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        EvalbCounts {
            sentences: self.sentences + other.sentences,
            errors: self.errors + other.errors,
            skipped: self.skipped + other.skipped,
            matched: self.matched + other.matched,
            gold: self.gold + other.gold,
            test: self.test + other.test,
            crossing: self.crossing + other.crossing,
            complete: self.complete + other.complete,
            none_crossing: self.none_crossing + other.none_crossing,
            few_crossing: self.few_crossing + other.few_crossing,
            words: self.words + other.words,
            right_tags: self.right_tags + other.right_tags,
        }
    }
}

impl Sum for EvalbCounts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(EvalbCounts::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Brackets {
        Brackets::of(&Tree::parse(text).unwrap())
    }

    fn against(gold: &str, test: &str) -> EvalbCounts {
        EvalbCounts::of(&tree(gold), Some(&tree(test)))
    }

    const GOLD: &str = "(TOP (S (NP-SBJ (DT the) (NN dog)) (VP (VBZ sees) (NP (DT a) (NN cat)) (PP (IN with) (NP (NNS eyes)))) (. .)))";

    #[test]
    fn a_tree_equals_itself() {
        let counts = against(GOLD, GOLD);
        // S, NP, VP, NP, PP, NP; seven words without the full stop.
        assert_eq!((counts.gold, counts.test, counts.matched, counts.words), (6, 6, 6, 7));
        assert_eq!((counts.complete, counts.none_crossing, counts.right_tags), (1, 1, 7));
        assert_eq!([counts.recall(), counts.precision(), counts.f1()], [100.0; 3]);
    }

    #[test]
    fn an_attachment_that_differs_by_hand() {
        // The PP is inside of the object: one bracket more, NP over "a cat with eyes", and nothing crosses.
        let low = "(S (NP (DT the) (NN dog)) (VP (VBZ sees) (NP (NP (DT a) (NN cat)) (PP (IN with) (NP (NNS eyes))))) (. .))";
        let counts = against(GOLD, low);
        assert_eq!((counts.matched, counts.gold, counts.test, counts.crossing), (6, 6, 7, 0));
        assert!((counts.f1() - 100.0 * 12.0 / 13.0).abs() < 1e-12);
        // A bracket over "cat with" crosses NP and PP, and counts once.
        let crossing =
            "(S (NP (DT the) (NN dog)) (VP (VBZ sees) (DT a) (X (NN cat) (IN with)) (NNS eyes)) (. .))";
        let counts = against(GOLD, crossing);
        assert_eq!((counts.matched, counts.test, counts.crossing, counts.none_crossing), (3, 4, 1, 0));
        assert_eq!((counts.recall(), counts.precision()), (50.0, 75.0));
    }

    #[test]
    fn labels_are_compared_without_functions_and_adverbs_are_particles() {
        let counts = against("(S (ADVP-TMP=2 (RB up)) (NP (NN x)))", "(S-1 (PRT (RP up)) (NX (NN x)))");
        assert_eq!((counts.matched, counts.right_tags), (2, 1));
        assert_eq!(super::compared("NP"), "NP");
    }

    #[test]
    fn equal_brackets_match_as_often_as_they_occur() {
        let counts = against("(S (NP (NP (NN a))) (VP (VB b)))", "(S (NP (NP (NP (NN a)))) (VP (VB b)))");
        assert_eq!((counts.matched, counts.gold, counts.test), (4, 4, 5));
    }

    #[test]
    fn traces_and_punctuation_do_not_count() {
        let gold = "( (S (NP (-NONE- *T*)) (VP (VB go) (, ,) (ADVP (RB away)))) )";
        let counts = against(gold, "(S (VP (VB go) (ADVP (RB away) (. !))))");
        assert_eq!((counts.matched, counts.gold, counts.test, counts.words), (3, 3, 3, 2));
        assert_eq!(tree(gold).length, 3);
    }

    #[test]
    fn sentences_that_cannot_be_compared_are_counted_apart() {
        assert_eq!(against("(S (NN a))", "(S (NN b))").errors, 1);
        let pairs = [(tree("(S (NN a))"), None), (tree("(S (NN a))"), Some(tree("(X (NN a))")))];
        let [all, short] = evalb(&pairs);
        assert_eq!((all.sentences, all.skipped, all.f1()), (1, 1, 0.0));
        assert_eq!(all, short);
        let long = format!("(S {})", "(NN a) ".repeat(CUTOFF + 1));
        let [all, short] = evalb(&[(tree(&long), Some(tree(&long)))]);
        assert_eq!((all.sentences, short.sentences), (1, 0));
    }

    #[test]
    fn the_metric_of_lines_counts_as_evalb() {
        let lines = |text: &str| text.split('|').map(String::from).collect::<Vec<_>>();
        let gold = lines("(S (NP (NN a)) (VP (VB b)))|(S (NN a))|(S (NN a))|(S (NP (NN c)))");
        let test = lines("(S (NP (NN a) (VB b)))|(S (NN x))||(S (NP (NN c)))");
        let [all, _] = evalb_of_lines(&test, &gold).unwrap();
        let counts = BracketF1.counts(&test, std::slice::from_ref(&gold)).unwrap();
        // S matches of three and two brackets; other words and no tree count nothing; all of the last.
        assert_eq!(counts.rows().collect::<Vec<_>>(), [[1, 3, 2], [0, 0, 0], [0, 0, 0], [2, 2, 2]]);
        assert_eq!(BracketF1.score(&counts.sum()), all.f1());
        assert_eq!((all.errors, all.skipped, all.f1()), (1, 1, 100.0 * 6.0 / 9.0));
        for (test, gold, problem) in [
            ("(S (NN a)", "(S (NN a))", "parses, line 1: 1 bracket is not closed"),
            ("(S (NN a))", "dog", "references, line 1: byte 1: a tree begins with ("),
            ("(S (NN a))|", "(S (NN a))", "differ in their number of lines"),
        ] {
            let error = evalb_of_lines(&lines(test), &lines(gold)).unwrap_err();
            assert!(error.to_string().contains(problem), "{error}");
        }
    }

    #[test]
    fn a_tree_may_be_deep() {
        let deep = format!("{}(NN a){}", "(S ".repeat(100_000), ")".repeat(100_000));
        assert_eq!(tree(&deep).brackets.len(), 100_000);
    }
}
