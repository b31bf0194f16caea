//! Builds trees from a parser's output: sequences that are not trees are repaired, and every defect is counted.
//!
//! A model may forget to close a constituent, close one that is not open, or write too few words or too many. A parser
//! must still answer every sentence, and its score must count every answer. So each sequence becomes a tree over
//! exactly the words of the sentence, by these rules:
//!
//! - `)X` closes the innermost open constituent called X, and every constituent that is open inside it. If none is called
//!   X, the bracket is left out.
//! - Constituents that are still open at the end are closed there.
//! - A constituent without a word is left out.
//! - A word beyond those of the sentence is left out, and so is every symbol that is neither a bracket with a label nor a
//!   word.
//! - Words of the sentence that the sequence lacks become the last children of the outermost constituent.
//! - If several constituents or words stand side by side at the top, or if there is no constituent at all, a constituent
//!   called `TOP` is put around them. EVALB does not count its brackets.
//!
//! # Source
//! Vinyals et al. 2015, "Grammar as a Foreign Language", §3.2, where brackets are added at an end of the 1.5 % of outputs
//! that are malformed. The rules are this program's own.

use crate::constituency_tree::{LeafForm, Part, Tree, UNNAMED};
use std::ops::AddAssign;

/// Kinds of defects: the name of each in records, and a description.
pub const DEFECTS: [(&str, &str); 7] = [
    ("unclosed_brackets", "constituents that are not closed"),
    ("unopened_brackets", "closing brackets without a constituent"),
    ("empty_constituents", "constituents without a word"),
    ("missing_words", "words that the sequence lacks"),
    ("extra_words", "words beyond those of the sentence"),
    ("stray_symbols", "symbols that are neither brackets nor words"),
    ("split_roots", "sequences of several constituents side by side"),
];

/// Counts of the [`DEFECTS`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Defects {
    pub unclosed_brackets: usize,
    pub unopened_brackets: usize,
    pub empty_constituents: usize,
    pub missing_words: usize,
    pub extra_words: usize,
    pub stray_symbols: usize,
    pub split_roots: usize,
}

impl Defects {
    /// Returns the counts in the order of [`DEFECTS`].
    pub fn counts(&self) -> [usize; DEFECTS.len()] {
        [
            self.unclosed_brackets,
            self.unopened_brackets,
            self.empty_constituents,
            self.missing_words,
            self.extra_words,
            self.stray_symbols,
            self.split_roots,
        ]
    }

    /// Whether the sequence has no defect, so that it was a tree.
    pub fn is_none(&self) -> bool {
        *self == Defects::default()
    }
}

impl AddAssign for Defects {
    fn add_assign(&mut self, other: Self) {
        self.unclosed_brackets += other.unclosed_brackets;
        self.unopened_brackets += other.unopened_brackets;
        self.empty_constituents += other.empty_constituents;
        self.missing_words += other.missing_words;
        self.extra_words += other.extra_words;
        self.stray_symbols += other.stray_symbols;
        self.split_roots += other.split_roots;
    }
}

/// Builds a tree over exactly these tags and words from `sequence`, repaired if the sequence is not a tree, and counts
/// its defects. Tags in the sequence replace the tags of `leaves`. The tree is `None` if there are no words.
pub fn repair<'a>(
    sequence: &str,
    form: LeafForm,
    leaves: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> (Option<Tree>, Defects) {
    let mut leaves = leaves.into_iter();
    let mut tree = Unfinished::default();
    for token in sequence.split_ascii_whitespace() {
        match (token.strip_prefix('('), token.strip_prefix(')')) {
            (Some(""), _) | (_, Some("")) => tree.defects.stray_symbols += 1,
            (Some(label), _) => tree.open(label),
            (_, Some(label)) => tree.close(label),
            (None, None) => match form.tag(token, token) {
                None => tree.defects.stray_symbols += 1,
                Some(_) => match leaves.next() {
                    None => tree.defects.extra_words += 1,
                    Some((tag, word)) => tree.leaf(form.tag(token, tag).unwrap_or(tag), word),
                },
            },
        }
    }
    tree.finish(leaves)
}

/// A tree under construction, of which the beginning is known.
#[derive(Default)]
struct Unfinished {
    parts: Vec<Part>,
    /// The open constituents: their places in `parts` and their labels.
    open: Vec<(usize, String)>,
    /// Number of constituents and words at the top, including open constituents.
    roots: usize,
    defects: Defects,
}

impl Unfinished {
    fn open(&mut self, label: &str) {
        self.roots += usize::from(self.open.is_empty());
        self.open.push((self.parts.len(), label.to_string()));
        self.parts.push(Part::Open(label.to_string()));
    }

    fn leaf(&mut self, tag: &str, word: &str) {
        self.roots += usize::from(self.open.is_empty());
        self.parts.push(Part::Leaf { tag: tag.to_string(), word: word.to_string() });
    }

    /// Closes the innermost constituent of this label.
    fn close(&mut self, label: &str) {
        match self.open.iter().rposition(|(_, opened)| opened == label) {
            None => self.defects.unopened_brackets += 1,
            Some(depth) => {
                self.defects.unclosed_brackets += self.open.len() - depth - 1;
                while self.open.len() > depth {
                    self.close_last();
                }
            }
        }
    }

    /// Closes the constituent that was opened last, or drops it if it holds nothing.
    fn close_last(&mut self) {
        let Some((begin, _)) = self.open.pop() else { return };
        if self.parts.len() > begin + 1 {
            self.parts.push(Part::Close);
            return;
        }
        self.parts.truncate(begin);
        self.defects.empty_constituents += 1;
        self.roots -= usize::from(self.open.is_empty());
    }

    /// Closes the open constituents, appends the words that the sequence lacks, and adds a root if there is none.
    fn finish<'a>(mut self, left: impl Iterator<Item = (&'a str, &'a str)>) -> (Option<Tree>, Defects) {
        self.defects.unclosed_brackets += self.open.len();
        while !self.open.is_empty() {
            self.close_last();
        }
        let has_root = self.roots == 1 && matches!(self.parts.first(), Some(Part::Open(_)));
        self.defects.split_roots += usize::from(self.roots > 0 && !has_root);
        if has_root {
            self.parts.pop();
        } else {
            self.parts.insert(0, Part::Open(UNNAMED.to_string()));
        }
        for (tag, word) in left {
            self.defects.missing_words += 1;
            self.parts.push(Part::Leaf { tag: tag.to_string(), word: word.to_string() });
        }
        if self.parts.len() == 1 {
            return (None, self.defects);
        }
        self.parts.push(Part::Close);
        (Some(Tree(self.parts)), self.defects)
    }
}

/// Escapes brackets in raw words as the Penn Treebank does: `-LRB-` and `-RRB-`.
pub fn escaped(words: &str) -> String {
    words.replace('(', "-LRB-").replace(')', "-RRB-")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAVES: [(&str, &str); 3] = [("DT", "the"), ("NN", "dog"), ("VBZ", "barks")];

    #[test]
    fn every_defect_is_repaired_and_counted() {
        let none = Defects::default();
        for (sequence, repaired, defects) in [
            ("(S (NP XX XX )NP (VP XX )VP )S", "(S (NP (DT the) (NN dog)) (VP (VBZ barks)))", none),
            (
                "(S (NP XX XX (VP XX )VP )S",
                "(S (NP (DT the) (NN dog) (VP (VBZ barks))))",
                Defects { unclosed_brackets: 1, ..none },
            ),
            (
                "(S (NP XX XX )NP (VP XX",
                "(S (NP (DT the) (NN dog)) (VP (VBZ barks)))",
                Defects { unclosed_brackets: 2, ..none },
            ),
            (
                "(S (NP XX XX )PP )NP (VP XX )VP )S )S",
                "(S (NP (DT the) (NN dog)) (VP (VBZ barks)))",
                Defects { unopened_brackets: 2, ..none },
            ),
            (
                "(S (NP (X )X XX XX )NP (VP XX )VP )S",
                "(S (NP (DT the) (NN dog)) (VP (VBZ barks)))",
                Defects { empty_constituents: 1, ..none },
            ),
            (
                "(S (NP XX )NP )S",
                "(S (NP (DT the)) (NN dog) (VBZ barks))",
                Defects { missing_words: 2, ..none },
            ),
            (
                "(S XX XX (VP XX XX )VP XX )S",
                "(S (DT the) (NN dog) (VP (VBZ barks)))",
                Defects { extra_words: 2, ..none },
            ),
            (
                "(S ( XX dog XX ) (VP XX )VP )S",
                "(S (DT the) (NN dog) (VP (VBZ barks)))",
                Defects { stray_symbols: 3, ..none },
            ),
            (
                "(NP XX XX )NP (VP XX )VP",
                "(TOP (NP (DT the) (NN dog)) (VP (VBZ barks)))",
                Defects { split_roots: 1, ..none },
            ),
            (
                "XX (NP XX )NP",
                "(TOP (DT the) (NP (NN dog)) (VBZ barks))",
                Defects { split_roots: 1, missing_words: 1, ..none },
            ),
            (
                "(S )S",
                "(TOP (DT the) (NN dog) (VBZ barks))",
                Defects { empty_constituents: 1, missing_words: 3, ..none },
            ),
            ("", "(TOP (DT the) (NN dog) (VBZ barks))", Defects { missing_words: 3, ..none }),
        ] {
            let (tree, found) = repair(sequence, LeafForm::Word, LEAVES);
            assert_eq!((tree.unwrap().to_string().as_str(), found), (repaired, defects), "{sequence}");
        }
    }

    #[test]
    fn tags_come_from_the_sequence_if_it_has_some() {
        let (tree, defects) = repair("(S (NP DT NNS )NP )S", LeafForm::Tag, LEAVES);
        assert_eq!(tree.unwrap().to_string(), "(S (NP (DT the) (NNS dog)) (VBZ barks))");
        assert_eq!(defects, Defects { missing_words: 1, ..Defects::default() });
    }

    #[test]
    fn a_sentence_without_words_has_no_tree() {
        let (tree, defects) = repair("(S XX )S", LeafForm::Word, []);
        assert_eq!(tree, None);
        assert_eq!(defects, Defects { extra_words: 1, empty_constituents: 1, ..Defects::default() });
        assert_eq!(repair("", LeafForm::Word, []), (None, Defects::default()));
    }

    #[test]
    fn brackets_of_raw_words_are_spelled_out() {
        assert_eq!(escaped("f(x) ("), "f-LRB-x-RRB- -LRB-");
    }
}
