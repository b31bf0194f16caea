//! Constituency trees: read and written in Penn Treebank form, and as one sequence of tokens for a parsing model.
//!
//! # Source
//! Marcus et al. 1993 (the form); Vinyals et al. 2015, "Grammar as a Foreign Language", §3 (the sequence), which
//! the paper's §6.3 follows: the tree depth first, `(S` where a constituent begins, `)S` where it ends, `XX` for each
//! word with its tag.
//!
//! Neither reading nor writing recurses: a tree may be as deep as its line is long.

use std::fmt;

/// A tree that serves as an example in error messages.
pub const EXAMPLE: &str = "(S (NP (NN dog)) (VP (VBZ barks)))";

/// The symbol of a word in a sequence without tags.
pub const WORD: &str = "XX";
/// The tag of traces, which are not words.
pub const TRACE: &str = "-NONE-";
/// The label that a sequence gives to a constituent without a label.
pub(crate) const UNNAMED: &str = "TOP";

/// The symbol that stands for a word in a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeafForm {
    /// [`WORD`], whatever the tag: the model predicts constituents alone (Vinyals et al. 2015).
    Word,
    /// The word's tag: the model predicts tags, too, as in the paper's released code (tensor2tensor, `wsj_parsing.py`).
    Tag,
}

impl LeafForm {
    /// Returns the symbol of a word with this tag.
    fn symbol(self, tag: &str) -> &str {
        match self {
            LeafForm::Word => WORD,
            LeafForm::Tag => tag,
        }
    }

    /// Returns the tag that `symbol` gives to a word whose known tag is `tag`; `None` if the symbol does not stand for
    /// a word. `symbol` must not begin with a bracket.
    pub(crate) fn tag<'a>(self, symbol: &'a str, tag: &'a str) -> Option<&'a str> {
        match self {
            LeafForm::Word if symbol == WORD => Some(tag),
            LeafForm::Word => None,
            // Sequences have no traces.
            LeafForm::Tag if symbol == TRACE => None,
            LeafForm::Tag => Some(symbol),
        }
    }
}

/// One part of a tree; a tree is the list of its parts, depth first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The beginning of a constituent. The label may be empty, as around each tree of the Penn Treebank.
    Open(String),
    /// A word with its tag.
    Leaf { tag: String, word: String },
    /// The end of the constituent that was opened last.
    Close,
}

/// A constituency tree: its parts are balanced, and every constituent holds something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree(pub(crate) Vec<Part>);

impl Tree {
    /// Reads one tree: `(S (NP (DT the) (NN dog)) (VP (VBZ barks)))`.
    ///
    /// # Errors
    /// A message that states the mistake and its byte.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts: Vec<Part> = Vec::new();
        let mut depth = 0;
        let mut tokens = tokens(text).peekable();
        while let Some((at, token)) = tokens.next() {
            let wrong = |problem: &str| Err(format!("byte {}: {problem}", at + 1));
            if depth == 0 && !parts.is_empty() {
                return wrong("there is text behind the tree");
            }
            match token {
                "(" => {
                    let label = tokens.next_if(|&(_, next)| next != "(" && next != ")");
                    let label = label.map_or("", |(_, label)| label).to_string();
                    match tokens.next_if(|&(_, next)| next != "(" && next != ")") {
                        None => {
                            parts.push(Part::Open(label));
                            depth += 1;
                        }
                        Some((_, word)) => {
                            parts.push(Part::Leaf { tag: label, word: word.to_string() });
                            match tokens.next() {
                                Some((_, ")")) if depth > 0 => {}
                                Some((at, ")")) => {
                                    return Err(format!(
                                        "byte {}: a word with its tag alone is no tree",
                                        at + 1
                                    ));
                                }
                                Some((at, "(")) => {
                                    return Err(format!(
                                        "byte {}: a word stands beside a constituent",
                                        at + 1
                                    ));
                                }
                                Some((at, _)) => {
                                    return Err(format!(
                                        "byte {}: a word needs a tag of its own, as in (NN dog)",
                                        at + 1
                                    ));
                                }
                                None => return Err("1 bracket is not closed".into()),
                            }
                        }
                    }
                }
                ")" if depth == 0 => return wrong("nothing is open that ) could close"),
                ")" if matches!(parts.last(), Some(Part::Open(_))) => {
                    return wrong("a constituent holds nothing");
                }
                ")" => {
                    parts.push(Part::Close);
                    depth -= 1;
                }
                _ if depth == 0 => return wrong("a tree begins with ("),
                _ => return wrong("a word needs a tag of its own, as in (NN dog)"),
            }
        }
        match (parts.is_empty(), depth) {
            (true, _) => Err("there is no tree".into()),
            (false, 0) => Ok(Tree(parts)),
            (false, 1) => Err("1 bracket is not closed".into()),
            (false, open) => Err(format!("{open} brackets are not closed")),
        }
    }

    /// The parts, depth first.
    pub fn parts(&self) -> &[Part] {
        &self.0
    }

    /// Returns tag and word of every leaf, in order, without traces.
    pub fn leaves(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|part| match part {
            Part::Leaf { tag, word } if tag != TRACE => Some((tag.as_str(), word.as_str())),
            _ => None,
        })
    }

    /// Replaces the tags: `tag` receives the number of a word, from 0, and its tag. Traces keep their tag.
    pub fn with_tags(mut self, tag: impl Fn(usize, &str) -> String) -> Self {
        let mut word = 0;
        for part in &mut self.0 {
            if let Part::Leaf { tag: known, .. } = part
                && known != TRACE
            {
                *known = tag(word, known);
                word += 1;
            }
        }
        self
    }

    /// Returns the words, separated by spaces: the input of a parser.
    pub fn sentence(&self) -> String {
        self.leaves().map(|(_, word)| word).collect::<Vec<_>>().join(" ")
    }

    /// Returns the tree in the form in which a parser writes it: `(S (NP XX XX )NP (VP XX )VP )S`, with tags in place
    /// of `XX` for [`LeafForm::Tag`]. The text is empty if nothing is left of the tree.
    ///
    /// The sequence leaves out traces and the constituents that hold nothing else, the part of a label from `-` or `=`
    /// on, and an outermost constituent without a label.
    pub fn sequence(&self, leaves: LeafForm) -> String {
        let mut tokens: Vec<String> = Vec::new();
        let mut open: Vec<(usize, &str)> = Vec::new();
        for part in &self.0 {
            match part {
                Part::Open(label) => {
                    open.push((tokens.len(), plain(label)));
                    tokens.push(format!("({}", plain(label)));
                }
                Part::Leaf { tag, .. } if tag == TRACE => {}
                Part::Leaf { tag, .. } => tokens.push(leaves.symbol(tag).to_string()),
                Part::Close => {
                    let (begin, label) = open.pop().expect("a tree is balanced");
                    match tokens.len() {
                        length if length == begin + 1 => tokens.truncate(begin),
                        _ => tokens.push(format!("){label}")),
                    }
                }
            }
        }
        if tokens.first().is_some_and(|first| first == "(") {
            // One constituent inside takes the place of the nameless one; several need a name around them.
            match children(&tokens[1..tokens.len() - 1]) {
                1 if tokens[1].starts_with('(') => tokens = tokens[1..tokens.len() - 1].to_vec(),
                _ => {}
            }
        }
        for token in &mut tokens {
            if token == "(" || token == ")" {
                token.push_str(UNNAMED);
            }
        }
        tokens.join(" ")
    }

    /// Builds the tree of a sequence over these tags and words. Tags in the sequence replace the tags of `leaves`.
    ///
    /// # Errors
    /// A message that names the token that does not fit, counted from 1, or says that the numbers of words differ.
    pub fn from_sequence<'a>(
        sequence: &str,
        form: LeafForm,
        leaves: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, String> {
        let mut leaves = leaves.into_iter();
        let mut parts = Vec::new();
        let mut open: Vec<&str> = Vec::new();
        for (number, token) in (1..).zip(sequence.split_ascii_whitespace()) {
            let wrong = |problem: String| Err(format!("token {number}, {token}: {problem}"));
            if open.is_empty() && !parts.is_empty() {
                return wrong("the tree has ended before it".into());
            }
            match (token, token.strip_prefix('('), token.strip_prefix(')')) {
                (_, Some(label), _) if !label.is_empty() => {
                    open.push(label);
                    parts.push(Part::Open(label.to_string()));
                }
                (_, _, Some(label)) => match open.pop() {
                    Some(_) if matches!(parts.last(), Some(Part::Open(_))) => {
                        return wrong("the constituent holds nothing".into());
                    }
                    Some(opened) if opened == label => parts.push(Part::Close),
                    Some(opened) => return wrong(format!("({opened} is open")),
                    None => return wrong("nothing is open".into()),
                },
                ("(", ..) => return wrong("expected a label behind the bracket".into()),
                _ if form.tag(token, token).is_none() => {
                    return wrong(format!("expected (LABEL, )LABEL or {WORD}"));
                }
                _ if open.is_empty() => return wrong("a word stands outside of the tree".into()),
                _ => match leaves.next() {
                    Some((tag, word)) => {
                        let tag = form.tag(token, tag).unwrap_or(tag).to_string();
                        parts.push(Part::Leaf { tag, word: word.into() });
                    }
                    None => return wrong("there is no word left".into()),
                },
            }
        }
        match (parts.is_empty(), open.last(), leaves.count()) {
            (true, ..) => Err("there is no tree".into()),
            (_, Some(label), _) => Err(format!("({label} is not closed")),
            (_, _, 0) => Ok(Tree(parts)),
            (_, _, more) => Err(format!("{more} words are not in the sequence")),
        }
    }
}

impl fmt::Display for Tree {
    /// Writes the Penn Treebank form in one line.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (index, part) in self.0.iter().enumerate() {
            match part {
                Part::Open(label) => write!(f, "{}({label}", if index == 0 { "" } else { " " })?,
                Part::Leaf { tag, word } => write!(f, " ({tag} {word})")?,
                Part::Close => f.write_str(")")?,
            }
        }
        Ok(())
    }
}

/// Counts the constituents and words at the top level of `tokens`.
fn children(tokens: &[String]) -> usize {
    let mut depth = 0;
    let mut count = 0;
    for token in tokens {
        count += usize::from(depth == 0 && !token.starts_with(')'));
        depth += isize::from(token.starts_with('(')) - isize::from(token.starts_with(')'));
    }
    count
}

/// Returns a label without function and index: `NP` of `NP-SBJ-1`. A label that begins with a dash stays whole, as `-LRB-`.
pub fn plain(label: &str) -> &str {
    if label.starts_with('-') {
        return label;
    }
    let end = label
        .char_indices()
        .find(|&(at, c)| at > 0 && (c == '-' || c == '='))
        .map_or(label.len(), |(at, _)| at);
    &label[..end]
}

/// Splits a text at brackets and ASCII white space (words may hold other white space). Gives each token with its first byte.
fn tokens(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_ascii_start();
        let first = rest.chars().next()?;
        let end = match first {
            '(' | ')' => 1,
            _ => rest.find(|c: char| c == '(' || c == ')' || c.is_ascii_whitespace()).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at(end);
        let at = text.len() - rest.len();
        rest = after;
        Some((at, token))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Tree {
        Tree::parse(text).unwrap()
    }

    #[test]
    fn trees_are_written_as_they_were_read() {
        for text in [
            "(S (NP (DT the) (NN dog)) (VP (VBZ barks)) (. .))",
            "( (S (NP-SBJ (-NONE- *PRO*)) (VP (VB go))))",
            "(X (Y (Z (NN a))))",
            "( (NP (NN a)) (NP (NN b)))",
        ] {
            assert_eq!(tree(text).to_string(), text);
        }
        assert_eq!(tree(" (S\t(NN  a\u{a0}b) (NN b) ) ").to_string(), "(S (NN a\u{a0}b) (NN b))");
    }

    #[test]
    fn sequences_have_neither_traces_nor_functions_and_come_back() {
        for (text, sentence, sequence, again) in [
            (
                "( (S (NP-SBJ-1 (DT the) (NN dog)) (VP (VBZ wants) (S (NP-SBJ (-NONE- *PRO*-1)) (VP (TO to) (VP (VB go))))) (. .)) )",
                "the dog wants to go .",
                "(S (NP XX XX )NP (VP XX (S (VP XX (VP XX )VP )VP )S )VP XX )S",
                "(S (NP (DT the) (NN dog)) (VP (VBZ wants) (S (VP (TO to) (VP (VB go))))) (. .))",
            ),
            (
                "( (NP (NN a)) (NP (NN b)))",
                "a b",
                "(TOP (NP XX )NP (NP XX )NP )TOP",
                "(TOP (NP (NN a)) (NP (NN b)))",
            ),
            ("( (NN a))", "a", "(TOP XX )TOP", "(TOP (NN a))"),
            ("(S=2 (-LRB- -LRB-) (NN a))", "-LRB- a", "(S XX XX )S", "(S (-LRB- -LRB-) (NN a))"),
            ("(S (NP (-NONE- *)))", "", "", ""),
        ] {
            let tree = tree(text);
            assert_eq!(
                (tree.sentence().as_str(), tree.sequence(LeafForm::Word).as_str()),
                (sentence, sequence)
            );
            if !sequence.is_empty() {
                let back = Tree::from_sequence(sequence, LeafForm::Word, tree.leaves()).unwrap();
                assert_eq!(back.to_string(), again);
                assert_eq!(back.sequence(LeafForm::Word), sequence, "again the same");
            }
        }
    }

    #[test]
    fn tags_stand_for_words_where_they_are_asked_for() {
        let tree = tree("( (S (NP-SBJ (DT the) (NN dog)) (VP (VBZ barks))))");
        let sequence = "(S (NP DT NN )NP (VP VBZ )VP )S";
        assert_eq!(tree.sequence(LeafForm::Tag), sequence);
        let words = ["the", "dog", "barks"].map(|word| ("XX", word));
        let back = Tree::from_sequence(sequence, LeafForm::Tag, words).unwrap();
        assert_eq!(back.to_string(), "(S (NP (DT the) (NN dog)) (VP (VBZ barks)))");
        let numbered = back.with_tags(|word, tag| format!("{tag}{word}"));
        assert_eq!(numbered.to_string(), "(S (NP (DT0 the) (NN1 dog)) (VP (VBZ2 barks)))");
        // A tree of one word with a nameless constituent around it.
        assert_eq!(Tree::parse("( (NN a))").unwrap().sequence(LeafForm::Tag), "(TOP NN )TOP");
    }

    #[test]
    fn labels_lose_function_and_number_unless_they_begin_with_a_dash() {
        let found = ["NP", "NP-SBJ-1", "S=2", "-LRB-", "-NONE-", ""].map(plain);
        assert_eq!(found, ["NP", "NP", "S", "-LRB-", "-NONE-", ""]);
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        for (text, problem) in [
            ("", "no tree"),
            ("dog", "byte 1: a tree begins with ("),
            ("(S", "1 bracket is not closed"),
            ("(S (NN a", "1 bracket is not closed"),
            ("(S (NP (NN a)", "2 brackets are not closed"),
            ("(S (NN a)))", "byte 11: there is text behind"),
            (")", "byte 1: nothing is open"),
            ("(S ())", "byte 5: a constituent holds nothing"),
            ("(NN a)", "byte 6: a word with its tag alone"),
            ("(S (NN a b))", "byte 10: a word needs a tag"),
            ("(S (NN a (X b)))", "byte 10: a word stands beside"),
            ("(S (NN a) b)", "byte 11: a word needs a tag"),
        ] {
            let shown = Tree::parse(text).unwrap_err();
            assert!(shown.contains(problem), "{text}: {shown}");
        }
        let deep = format!("{}(NN a){}", "(S ".repeat(100_000), ")".repeat(100_000));
        assert_eq!(tree(&deep).parts().len(), 200_001);
    }

    #[test]
    fn what_a_model_writes_need_not_be_a_tree() {
        for (sequence, problem) in [
            ("", "no tree"),
            ("XX", "token 1, XX: a word stands outside"),
            ("(S XX )NP", "token 3, )NP: (S is open"),
            ("(S )S", "token 2, )S: the constituent holds nothing"),
            (")S", "token 1, )S: nothing is open"),
            ("(S XX XX )S", "token 3, XX: there is no word left"),
            ("(S (NP XX )NP", "(S is not closed"),
            ("(S XX )S XX", "token 4, XX: the tree has ended"),
            ("(S dog )S", "token 2, dog: expected (LABEL"),
            ("( XX )", "token 1, (: expected a label"),
        ] {
            let shown = Tree::from_sequence(sequence, LeafForm::Word, [("NN", "dog")]).unwrap_err();
            assert!(shown.contains(problem), "{sequence}: {shown}");
        }
        let leaves = [("DT", "the"), ("NN", "dog")];
        let shown = Tree::from_sequence("(S XX )S", LeafForm::Word, leaves).unwrap_err();
        assert_eq!(shown, "1 words are not in the sequence");
    }
}
