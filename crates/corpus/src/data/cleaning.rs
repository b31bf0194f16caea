//! Cleaning of the training pairs, with a count of the pairs that each step drops.
//!
//! The steps run in the order of [`CleaningCounts`]; a pair counts for the first that drops it. Dev and test
//! sets are never cleaned. Config keys: `data.recipe.cleaning`; `data.max_length` and `data.max_length_ratio`,
//! which count tokens.
//!
//! # Source
//! Moses's `clean-corpus-n.perl` (numbers of words, their ratio, longest word; a pair is dropped if a side is
//! beyond them, ratios either way) and `remove-non-printing-char.perl` (control characters become blanks).

use super::cleaning_counts::CleaningCounts;
use super::corpus::Pair;
use super::lines::Defect;
use super::recipe::{Cleaning, ControlCharacters, Overlap};
use super::text_form::TextForm;
use crate::white_space::words;
use std::borrow::Cow;
use std::collections::HashSet;
use unicode_general_category::{GeneralCategory, get_general_category};

/// Applies the steps before tokenisation, pair by pair.
///
/// Remembers 8 bytes of every pair where repetitions are to be found: equal hashes count as equal text, which
/// among 40 million pairs drops one wrongly with a chance of 1 in 20,000.
pub struct Cleaner<'a> {
    cleaning: &'a Cleaning,
    forms: &'a [TextForm; 2],
    seen: HashSet<u64>,
    evaluation: HashSet<u64>,
    pub counts: CleaningCounts,
}

impl<'a> Cleaner<'a> {
    pub fn new(cleaning: &'a Cleaning, forms: &'a [TextForm; 2]) -> Self {
        Cleaner {
            cleaning,
            forms,
            seen: HashSet::new(),
            evaluation: HashSet::new(),
            counts: CleaningCounts::default(),
        }
    }

    /// Remembers a pair of dev or test, held out or from a file, as the model sees it.
    pub fn evaluate(&mut self, source: &str, target: &str) {
        self.evaluation.extend(self.overlap().hashes(source, target).into_iter().flatten());
    }

    /// Whether dev or test hold the pair or, where overlap is to be dropped, what the recipe calls overlap.
    pub fn is_evaluated(&self, source: &str, target: &str) -> bool {
        // Without evaluation pairs there is nothing to hash.
        if self.evaluation.is_empty() {
            return false;
        }
        let hashes = self.overlap().hashes(source, target);
        hashes.into_iter().flatten().any(|hash| self.evaluation.contains(&hash))
    }

    fn overlap(&self) -> Overlap {
        self.cleaning.drop_overlap.unwrap_or(Overlap::Pair)
    }

    /// The pair as the model sees it, if no step drops it. Counts it as read, and as dropped if it is.
    pub fn clean<'p>(&mut self, pair: Pair<'p>) -> Option<[Cow<'p, str>; 2]> {
        self.counts.read += 1;
        match self.judge(pair) {
            Ok(sides) => Some(sides),
            Err(step) => {
                *step(&mut self.counts) += 1;
                None
            }
        }
    }

    /// The sides, or the count of the step that drops the pair.
    fn judge<'p>(&mut self, pair: Pair<'p>) -> Result<[Cow<'p, str>; 2], Step> {
        let steps = self.cleaning;
        let raw = match pair {
            Pair::Text(source, target) => [source, target],
            Pair::Defective(Defect::NotUtf8 { .. }) => return Err(|counts| &mut counts.not_utf8),
            Pair::Defective(Defect::TooLong) => return Err(|counts| &mut counts.too_many_characters),
        };
        if let Some(most) = steps.max_characters
            && raw.iter().any(|side| side.len() > most && side.chars().count() > most)
        {
            return Err(|counts| &mut counts.too_many_characters);
        }
        let mut sides = raw.map(Cow::Borrowed);
        match steps.control_characters {
            Some(ControlCharacters::Drop) if raw.iter().any(|side| side.contains(is_control)) => {
                return Err(|counts| &mut counts.control_characters);
            }
            Some(ControlCharacters::Blank) => {
                for side in sides.iter_mut().filter(|side| side.contains(is_control)) {
                    *side = Cow::Owned(side.replace(is_control, " "));
                }
            }
            _ => {}
        }
        for (side, form) in sides.iter_mut().zip(self.forms) {
            *side = match std::mem::take(side) {
                Cow::Borrowed(text) => form.apply(text),
                Cow::Owned(text) => Cow::Owned(form.apply(&text).into_owned()),
            };
        }
        let [source, target] = &sides;
        if !has_text(source, target) {
            return Err(|counts| &mut counts.empty);
        }
        self.judge_words(source, target)?;
        if steps.drop_identical && source == target {
            return Err(|counts| &mut counts.identical);
        }
        let shared = self.is_evaluated(source, target);
        if shared && steps.drop_overlap.is_some() {
            return Err(|counts| &mut counts.overlap);
        }
        if steps.drop_duplicates && !self.seen.insert(hash_of(0, &[source, target])) {
            return Err(|counts| &mut counts.duplicate);
        }
        self.counts.shared += usize::from(shared);
        Ok(sides)
    }

    fn judge_words(&self, source: &str, target: &str) -> Result<(), Step> {
        let Cleaning { min_words, max_words, max_word_characters, max_word_ratio, .. } = self.cleaning;
        if min_words.is_none()
            && max_words.is_none()
            && max_word_characters.is_none()
            && max_word_ratio.is_none()
        {
            return Ok(());
        }
        let counts = [source, target].map(|side| words(side).count());
        let (fewer, more) = (counts[0].min(counts[1]), counts[0].max(counts[1]));
        if min_words.is_some_and(|least| fewer < least) {
            return Err(|counts| &mut counts.too_few_words);
        }
        if max_words.is_some_and(|most| more > most) {
            return Err(|counts| &mut counts.too_many_words);
        }
        if let Some(most) = *max_word_characters
            && words(source).chain(words(target)).any(|word| word.len() > most && word.chars().count() > most)
        {
            return Err(|counts| &mut counts.long_word);
        }
        if max_word_ratio.is_some_and(|ratio| more as f64 > ratio * fewer as f64) {
            return Err(|counts| &mut counts.word_ratio);
        }
        Ok(())
    }
}

/// The count that a dropped pair adds to.
type Step = fn(&mut CleaningCounts) -> &mut usize;

impl Overlap {
    /// Returns the hashes of the parts of a pair that must not be shared; pairs overlap if they have a hash in common.
    fn hashes(self, source: &str, target: &str) -> [Option<u64>; 2] {
        let (of_source, of_target) = (|| Some(hash_of(1, &[source])), || Some(hash_of(2, &[target])));
        match self {
            Overlap::Pair => [Some(hash_of(0, &[source, target])), None],
            Overlap::Source => [of_source(), None],
            Overlap::Target => [None, of_target()],
            Overlap::Either => [of_source(), of_target()],
        }
    }
}

/// 64 bits of the blake3 of texts, none of which holds a line feed.
pub fn hash_of(salt: u8, texts: &[&str]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[salt]);
    texts.iter().for_each(|text| _ = hasher.update(text.as_bytes()).update(b"\n"));
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(bytes)
}

/// Whether a training pair has text on both sides.
fn has_text(source: &str, target: &str) -> bool {
    !source.trim().is_empty() && !target.trim().is_empty()
}

/// Unicode's category C: control and format characters, private use, and what is not assigned.
fn is_control(character: char) -> bool {
    use GeneralCategory::{Control, Format, PrivateUse, Surrogate, Unassigned};
    match character {
        ' '..='~' => false,
        other => {
            matches!(get_general_category(other), Control | Format | PrivateUse | Surrogate | Unassigned)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Corpus, DataConfig, GeneratedCorpus, Recipe};

    fn config(lowercase: bool) -> DataConfig {
        let corpus = Corpus::Generated(GeneratedCorpus { train: 1, dev: 1, test: 1, seed: 1 });
        let recipe = Recipe::new("g", "en", "de", corpus);
        DataConfig { lowercase, merges: 1, max_length: 9, max_length_ratio: 3.0, ..DataConfig::new(recipe) }
    }

    /// Returns the pairs that cleaning keeps, and the steps that dropped pairs.
    fn cleaned(cleaning: &Cleaning, pairs: &[(&str, &str)]) -> (Vec<String>, Vec<(&'static str, usize)>) {
        let forms = TextForm::both(&config(false)).unwrap();
        let mut cleaner = Cleaner::new(cleaning, &forms);
        cleaner.evaluate("held", "out");
        let mut left = Vec::new();
        for &(source, target) in pairs {
            left.extend(cleaner.clean(Pair::Text(source, target)).map(|sides| sides.join("|")));
        }
        let steps = cleaner.counts.steps().into_iter().filter(|step| step.2 > 0);
        let steps: Vec<_> = steps.map(|(key, _, taken)| (key, taken)).collect();
        assert_eq!(cleaner.counts.read, pairs.len());
        assert_eq!(left.len() + steps.iter().map(|step| step.1).sum::<usize>(), pairs.len());
        (left, steps)
    }

    #[test]
    fn without_steps_only_empty_sides_are_dropped() {
        let pairs = [("a", "b"), ("a", "b"), ("a", "a"), ("", "b"), ("a", " \u{3000}"), ("a\u{7}", "b")];
        let (left, steps) = cleaned(&Cleaning::default(), &pairs);
        assert_eq!(left, ["a|b", "a|b", "a|a", "a\u{7}|b"]);
        assert_eq!(steps, [("empty", 2)]);
    }

    #[test]
    fn every_step_drops_what_it_says_and_nothing_else() {
        let check = |change: fn(&mut Cleaning), pairs: &[(&str, &str)], step, kept: &[&str]| {
            let mut cleaning = Cleaning::default();
            change(&mut cleaning);
            let (left, steps) = cleaned(&cleaning, pairs);
            assert_eq!(steps, [(step, pairs.len() - kept.len())]);
            assert_eq!(left, kept, "{step}");
        };
        let lengths =
            [("a", "b b b"), ("a a", "b b b"), ("a a a", "b b"), ("a a", "b b b b"), ("a a a a", "b b")];
        check(
            |c| c.min_words = Some(2),
            &lengths,
            "too_few_words",
            &["a a|b b b", "a a a|b b", "a a|b b b b", "a a a a|b b"],
        );
        check(|c| c.max_words = Some(3), &lengths, "too_many_words", &["a|b b b", "a a|b b b", "a a a|b b"]);
        // Exactly the ratio is kept.
        check(|c| c.max_word_ratio = Some(1.5), &lengths, "word_ratio", &["a a|b b b", "a a a|b b"]);
        check(
            |c| c.max_word_characters = Some(3),
            &[("äöü x", "y"), ("x", "abcd")],
            "long_word",
            &["äöü x|y"],
        );
        check(
            |c| c.max_characters = Some(3),
            &[("äöü", "y"), ("x", "a b ")],
            "too_many_characters",
            &["äöü|y"],
        );
        check(|c| c.drop_identical = true, &[("a", "a"), ("a", "a ")], "identical", &["a|a "]);
        check(
            |c| c.drop_duplicates = true,
            &[("a", "b"), ("a", "c"), ("a", "b")],
            "duplicate",
            &["a|b", "a|c"],
        );
    }

    #[test]
    fn overlap_is_with_either_side_or_both() {
        let pairs = [("held", "out"), ("held", "x"), ("x", "out"), ("out", "held")];
        let left = |overlap| {
            let cleaning = Cleaning { drop_overlap: Some(overlap), ..Cleaning::default() };
            cleaned(&cleaning, &pairs).0
        };
        assert_eq!(left(Overlap::Pair), ["held|x", "x|out", "out|held"]);
        assert_eq!(left(Overlap::Source), ["x|out", "out|held"]);
        assert_eq!(left(Overlap::Target), ["held|x", "out|held"]);
        assert_eq!(left(Overlap::Either), ["out|held"]);
    }

    #[test]
    fn overlap_that_is_not_dropped_is_counted() {
        let pairs = [("held", "out"), ("held", "x"), ("held", "out")];
        let shared = |cleaning: &Cleaning| {
            let forms = TextForm::both(&config(false)).unwrap();
            let mut cleaner = Cleaner::new(cleaning, &forms);
            cleaner.evaluate("held", "out");
            for (source, target) in pairs {
                cleaner.clean(Pair::Text(source, target));
            }
            (cleaner.counts.shared, cleaner.counts.overlap)
        };
        assert_eq!(shared(&Cleaning::default()), (2, 0));
        assert_eq!(shared(&Cleaning { drop_duplicates: true, ..Default::default() }), (1, 0));
        assert_eq!(shared(&Cleaning { drop_overlap: Some(Overlap::Pair), ..Default::default() }), (0, 2));
    }

    #[test]
    fn control_characters_become_blanks_or_drop_the_pair() {
        let pairs = [("a\0b\u{ad}c", "d\te"), ("é ß 中 😀", "f\u{a0}g")];
        let with = |what| Cleaning { control_characters: Some(what), ..Cleaning::default() };
        assert_eq!(cleaned(&with(ControlCharacters::Blank), &pairs).0, ["a b c|d e", "é ß 中 😀|f\u{a0}g"]);
        let (left, steps) = cleaned(&with(ControlCharacters::Drop), &pairs);
        assert_eq!((left.len(), steps), (1, vec![("control_characters", 1)]));
    }

    #[test]
    fn defective_lines_are_counted() {
        let forms = TextForm::both(&config(false)).unwrap();
        let cleaning = Cleaning::default();
        let mut cleaner = Cleaner::new(&cleaning, &forms);
        assert_eq!(cleaner.clean(Pair::Defective(Defect::TooLong)), None);
        assert_eq!(cleaner.clean(Pair::Defective(Defect::NotUtf8 { byte: 1 })), None);
        assert_eq!(
            (cleaner.counts.too_many_characters, cleaner.counts.not_utf8, cleaner.counts.read),
            (1, 1, 2)
        );
    }

    #[test]
    fn a_section_without_steps_leaves_no_trace() {
        assert_eq!(serde_json::to_string(&Cleaning::default()).unwrap(), "{}");
    }
}
