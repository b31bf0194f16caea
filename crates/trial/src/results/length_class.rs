//! Classes of source lengths (`decoding.length_buckets`), and the tags of their scores.

/// The sign between a tag and the class of source lengths: `test/bleu@11-20`.
const CLASS: char = '@';

/// The tag without a class of source lengths: the tag of the whole set's score.
pub(super) fn whole_set(tag: &str) -> &str {
    tag.split(CLASS).next().unwrap_or(tag)
}

/// Whether a tag belongs to a class of source lengths.
pub fn is_of_class(tag: &str) -> bool {
    tag.contains(CLASS)
}

/// A class of sentences by the number of tokens of their sources, from shortest to longest inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LengthClass {
    pub shortest: usize,
    /// `None` if there is no upper bound.
    pub longest: Option<usize>,
}

impl LengthClass {
    /// The classes that `decoding.length_buckets` defines; empty without bounds.
    pub fn all(bounds: &[usize]) -> Vec<LengthClass> {
        let Some(last) = bounds.last() else { return Vec::new() };
        let first = [1].into_iter().chain(bounds.iter().map(|bound| bound + 1));
        let closed =
            first.zip(bounds).map(|(shortest, &bound)| LengthClass { shortest, longest: Some(bound) });
        closed.chain([LengthClass { shortest: last + 1, longest: None }]).collect()
    }

    /// Whether a source with this number of tokens belongs to the class; an empty line belongs to the shortest class.
    pub fn has(&self, tokens: usize) -> bool {
        tokens.max(1) >= self.shortest && self.longest.is_none_or(|longest| tokens <= longest)
    }

    /// The tag of the class's score; `tag` is that of the whole set.
    pub fn tag(&self, tag: &str) -> String {
        format!("{tag}{CLASS}{self}")
    }
}

impl std::fmt::Display for LengthClass {
    /// `11-20`, `21+`.
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self.longest {
            Some(longest) => write!(f, "{}-{longest}", self.shortest),
            None => write!(f, "{}+", self.shortest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLEU: &str = "test/bleu";

    #[test]
    fn every_length_is_in_one_class() {
        assert!(LengthClass::all(&[]).is_empty());
        let classes = LengthClass::all(&[10, 11, 30]);
        let shown: Vec<String> = classes.iter().map(|class| class.tag(BLEU)).collect();
        assert_eq!(shown, ["test/bleu@1-10", "test/bleu@11-11", "test/bleu@12-30", "test/bleu@31+"]);
        for tokens in 0..40 {
            let having: Vec<usize> = (0..4).filter(|&n| classes[n].has(tokens)).collect();
            let expected = [10, 11, 30].iter().filter(|&&bound| tokens > bound).count();
            assert_eq!(having, [expected], "{tokens}");
        }
        assert!(is_of_class(&shown[0]) && !is_of_class(BLEU));
        assert_eq!(whole_set(&shown[3]), BLEU);
    }
}
