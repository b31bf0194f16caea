//! Numbers of training pairs that each step of cleaning drops; they are in the manifest and printed.

use super::DataConfig;
use crate::left_out::is_default;
use serde::{Deserialize, Serialize};

/// Numbers of training pairs: read, kept, dropped by each step, and moved to dev or test.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CleaningCounts {
    pub read: usize,
    pub kept: usize,
    /// Not taken: `sample` of the file.
    #[serde(default, skip_serializing_if = "is_default")]
    pub not_sampled: usize,
    /// Dropped: a side that is not UTF-8.
    #[serde(default, skip_serializing_if = "is_default")]
    pub not_utf8: usize,
    /// Dropped: a side of more than `max_characters`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub too_many_characters: usize,
    /// Dropped: a control character.
    #[serde(default, skip_serializing_if = "is_default")]
    pub control_characters: usize,
    /// Dropped: a side without text.
    pub empty: usize,
    /// Dropped: a side of fewer than `min_words`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub too_few_words: usize,
    /// Dropped: a side of more than `max_words`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub too_many_words: usize,
    /// Dropped: a word of more than `max_word_characters`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub long_word: usize,
    /// Dropped: the sides differ by more than a factor of `max_word_ratio`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub word_ratio: usize,
    /// Dropped: the sides are equal.
    #[serde(default, skip_serializing_if = "is_default")]
    pub identical: usize,
    /// Dropped: dev or test hold it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub overlap: usize,
    /// Not dropped, though dev or test hold the same pair, because the recipe does not say what to do about it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub shared: usize,
    /// Dropped: it came before.
    #[serde(default, skip_serializing_if = "is_default")]
    pub duplicate: usize,
    /// Moved to the dev set.
    #[serde(default, skip_serializing_if = "is_default")]
    pub held_out_dev: usize,
    /// Moved to the test set.
    #[serde(default, skip_serializing_if = "is_default")]
    pub held_out_test: usize,
    /// Dropped: a side of more than `max_length` tokens.
    pub too_long: usize,
    /// Dropped: the sides differ by more than a factor of `max_length_ratio`.
    pub unbalanced: usize,
}

impl CleaningCounts {
    /// Counts a pair with text on both sides, by the tokens of each; says whether it is kept.
    pub fn keep(&mut self, source_length: usize, target_length: usize, config: &DataConfig) -> bool {
        let (shorter, longer) = (source_length.min(target_length), source_length.max(target_length));
        if longer > config.max_length {
            self.too_long += 1;
            false
        } else if longer as f64 > config.max_length_ratio * shorter as f64 {
            self.unbalanced += 1;
            false
        } else {
            self.kept += 1;
            true
        }
    }

    /// Returns every step in order: its key, its description, and the number of pairs that it removed.
    pub fn steps(&self) -> [(&'static str, &'static str, usize); 16] {
        [
            ("not_sampled", "not in the sample", self.not_sampled),
            ("not_utf8", "not UTF-8", self.not_utf8),
            ("too_many_characters", "too many characters", self.too_many_characters),
            ("control_characters", "control characters", self.control_characters),
            ("empty", "a side without text", self.empty),
            ("too_few_words", "too few words", self.too_few_words),
            ("too_many_words", "too many words", self.too_many_words),
            ("long_word", "a word too long", self.long_word),
            ("word_ratio", "ratio of words", self.word_ratio),
            ("identical", "equal sides", self.identical),
            ("overlap", "in dev or test", self.overlap),
            ("duplicate", "came before", self.duplicate),
            ("held_out_dev", "held out for dev", self.held_out_dev),
            ("held_out_test", "held out for test", self.held_out_test),
            ("too_long", "too many tokens", self.too_long),
            ("unbalanced", "ratio of tokens", self.unbalanced),
        ]
    }

    /// Returns the number of pairs that the steps of cleaning left, those that are held out included.
    pub fn cleaned(&self) -> usize {
        let taken: usize = self.steps().iter().map(|step| step.2).sum();
        self.read - taken + self.held_out_dev + self.held_out_test
    }

    /// Returns the steps that removed pairs, one per line, with the number of pairs left after each; then a warning if
    /// training pairs are also in dev or test.
    pub fn report(&self) -> Vec<String> {
        let mut left = self.read;
        let mut lines = vec![format!("{:<24}{:>12}{:>12}", "training pairs", "dropped", "left")];
        lines.push(format!("{:<24}{:>12}{left:>12}", "read", ""));
        for (_, what, taken) in self.steps().into_iter().filter(|step| step.2 > 0) {
            left -= taken;
            lines.push(format!("{what:<24}{taken:>12}{left:>12}"));
        }
        if self.shared > 0 {
            let (are, them) = if self.shared == 1 { ("pair is", "it") } else { ("pairs are", "them") };
            let count = self.shared;
            // `drop_overlap` needs sets that are known before the training text is read.
            let remedy = match self.held_out_dev + self.held_out_test {
                0 => "drop_overlap",
                _ => "drop_duplicates",
            };
            lines.push(format!(
                "{count} training {are} in dev or test, too; {remedy} in the recipe's [cleaning] drops {them}"
            ));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Corpus, GeneratedCorpus, Recipe};

    fn config() -> DataConfig {
        let corpus = Corpus::Generated(GeneratedCorpus { train: 1, dev: 1, test: 1, seed: 1 });
        let recipe = Recipe::new("g", "en", "de", corpus);
        DataConfig {
            lowercase: false,
            merges: 1,
            max_length: 9,
            max_length_ratio: 3.0,
            ..DataConfig::new(recipe)
        }
    }

    #[test]
    fn tokens_count_as_before() {
        let mut counts = CleaningCounts::default();
        let kept = [(9, 3), (9, 2), (10, 9), (3, 9)].map(|(a, b)| counts.keep(a, b, &config()));
        assert_eq!(kept, [true, false, false, true]);
        assert_eq!((counts.kept, counts.unbalanced, counts.too_long), (2, 1, 1));
    }

    #[test]
    fn a_report_ends_with_what_is_kept() {
        let counts = CleaningCounts { read: 10, kept: 6, empty: 1, too_long: 3, ..CleaningCounts::default() };
        let lines = counts.report();
        assert_eq!(lines.len(), 4);
        assert_eq!((counts.cleaned(), CleaningCounts { held_out_dev: 2, ..counts }.cleaned()), (6, 6));
        assert!(lines[1].ends_with("10") && lines[2].contains("without text"), "{lines:?}");
        assert!(lines[3].ends_with("6"), "{lines:?}");
    }

    #[test]
    fn a_report_says_what_training_shares_with_dev_or_test() {
        let last = |shared| {
            CleaningCounts { read: 9, kept: 9, shared, ..Default::default() }.report().pop().unwrap()
        };
        assert!(last(0).starts_with("read"));
        assert_eq!(
            [last(1), last(2)].map(|line| line.split(';').next().unwrap().to_string()),
            ["1 training pair is in dev or test, too", "2 training pairs are in dev or test, too"]
        );
    }

    #[test]
    fn steps_that_took_nothing_leave_no_trace_in_a_manifest() {
        let counts = CleaningCounts { read: 1, kept: 1, ..CleaningCounts::default() };
        let text = r#"{"read":1,"kept":1,"empty":0,"too_long":0,"unbalanced":0}"#;
        assert_eq!(serde_json::to_string(&counts).unwrap(), text);
    }
}
