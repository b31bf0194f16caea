//! BLEU exactly as sacreBLEU computes it.
//!
//! # Source
//! Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation"; choices
//! that the paper leaves open are those of sacreBLEU 2.6.0, `metrics/bleu.py`.

use super::metric::{Counts, Metric, check_lines};
use super::ngram::{self, Interner, MAX_ORDER, NgramCounts};
use super::signature::Signature;
use super::smoothing::Smoothing;
use super::tokenization::Tokenization;
use crate::error::Result;
use crate::white_space::trim_end;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// Settings of BLEU: tokens, case, and the treatment of zero counts. The defaults are sacreBLEU's.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BleuConfig {
    pub tokenizer: Tokenization,
    /// Lower-case everything before it is tokenised.
    ///
    /// # Deviation
    /// Letters follow Unicode as of the Rust release, in sacreBLEU as of the Python release. All
    /// letters of Unicode 14 (Python 3.11) agree.
    pub lowercase: bool,
    pub smoothing: Smoothing,
    /// Average over the orders that the hypothesis is long enough for, instead of over all four.
    /// Meant for single sentences.
    pub effective_order: bool,
}

impl BleuConfig {
    /// Returns the signature of a score with this configuration against `references` references.
    pub fn signature(&self, references: usize) -> Signature {
        Signature::new(references)
            .with("case", "c", if self.lowercase { "lc" } else { "mixed" })
            .with("eff", "e", if self.effective_order { "yes" } else { "no" })
            .with("tok", "tok", self.tokenizer.name())
            .with("smooth", "s", self.smoothing.to_string())
    }

    /// Returns the ids of the tokens of `segment`.
    fn tokens(&self, segment: &str, interner: &mut Interner) -> Vec<u32> {
        let segment =
            if self.lowercase { Cow::Owned(segment.to_lowercase()) } else { Cow::Borrowed(segment) };
        let mut ids = Vec::new();
        self.tokenizer.for_each_token(trim_end(&segment), |token| ids.push(interner.id(token)));
        ids
    }
}

/// The counts from which BLEU of a sentence is computed. Their sum over sentences gives BLEU of a corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SentenceStatistics {
    /// N-grams of the hypothesis found in a reference, clipped, by order.
    pub matches: [u64; MAX_ORDER],
    /// N-grams of the hypothesis, by order.
    pub totals: [u64; MAX_ORDER],
    /// Tokens of the hypothesis.
    pub hypothesis_length: u64,
    /// Tokens of the reference nearest in length; of two equally near, the shorter.
    pub reference_length: u64,
}

impl SentenceStatistics {
    /// Number of columns in a row of [`Counts`].
    pub(super) const WIDTH: usize = 2 * MAX_ORDER + 2;

    pub(super) fn new(hypothesis: &[u32], references: &[Vec<u32>]) -> Self {
        let hypothesis_length = hypothesis.len();
        let lengths = references.iter().map(Vec::len);
        let nearest = lengths.min_by_key(|&length| (length.abs_diff(hypothesis_length), length));
        let counts =
            references.iter().map(|reference| NgramCounts::of(reference)).reduce(|mut all, counts| {
                all.merge(counts);
                all
            });
        SentenceStatistics {
            matches: counts.unwrap_or_default().matches(hypothesis),
            totals: ngram::totals(hypothesis_length),
            hypothesis_length: hypothesis_length as u64,
            reference_length: nearest.unwrap_or(0) as u64,
        }
    }
}

/// Makes a row of [`Counts`]: matches, totals and both lengths.
impl From<SentenceStatistics> for [u64; SentenceStatistics::WIDTH] {
    fn from(statistics: SentenceStatistics) -> Self {
        let [m1, m2, m3, m4] = statistics.matches;
        let [t1, t2, t3, t4] = statistics.totals;
        [m1, m2, m3, m4, t1, t2, t3, t4, statistics.hypothesis_length, statistics.reference_length]
    }
}

impl From<&[u64]> for SentenceStatistics {
    /// Reads a row that BLEU has counted; missing numbers are 0.
    fn from(row: &[u64]) -> Self {
        let number = |index: usize| row.get(index).copied().unwrap_or(0);
        SentenceStatistics {
            matches: std::array::from_fn(number),
            totals: std::array::from_fn(|order| number(MAX_ORDER + order)),
            hypothesis_length: number(2 * MAX_ORDER),
            reference_length: number(2 * MAX_ORDER + 1),
        }
    }
}

/// A BLEU score and its parts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bleu {
    /// 0 to 100; a perfect match may exceed 100 in the last bit, as sacreBLEU's does.
    pub score: f64,
    /// Precisions by order, after smoothing, 0 to 100; all 0 where nothing matches at any order.
    pub precisions: [f64; MAX_ORDER],
    /// Matches by order, without the ones that add-k smoothing adds.
    pub matches: [u64; MAX_ORDER],
    /// Totals by order, without the ones that add-k smoothing adds.
    pub totals: [u64; MAX_ORDER],
    /// 0 to 1.
    pub brevity_penalty: f64,
    /// In tokens.
    pub hypothesis_length: u64,
    /// In tokens.
    pub reference_length: u64,
}

impl Bleu {
    /// Computes the score of a sentence or, from summed statistics, of a corpus.
    pub fn from_statistics(config: &BleuConfig, statistics: &SentenceStatistics) -> Self {
        let SentenceStatistics { matches, totals, hypothesis_length, reference_length } = *statistics;
        let brevity_penalty = brevity_penalty(hypothesis_length, reference_length);
        let (precisions, orders) = precisions(config, statistics);
        let score = if matches == [0; MAX_ORDER] {
            0.0
        } else {
            let logarithms: f64 = precisions[..orders].iter().map(|p| p.ln()).sum();
            brevity_penalty * (logarithms / orders as f64).exp()
        };
        Bleu { score, precisions, matches, totals, brevity_penalty, hypothesis_length, reference_length }
    }

    /// Returns precisions and lengths: `82.9/58.1/35.7/16.0 (BP = 0.918 ratio = 0.921 …)`.
    pub fn details(&self) -> String {
        let ([p1, p2, p3, p4], ratio) = (self.precisions, self.length_ratio());
        format!(
            "{p1:.1}/{p2:.1}/{p3:.1}/{p4:.1} (BP = {:.3} ratio = {ratio:.3} hyp_len = {} ref_len = {})",
            self.brevity_penalty, self.hypothesis_length, self.reference_length
        )
    }

    /// Returns length of the hypotheses over length of the references; 0 where the references are empty.
    pub fn length_ratio(&self) -> f64 {
        match self.reference_length {
            0 => 0.0,
            length => self.hypothesis_length as f64 / length as f64,
        }
    }
}

impl fmt::Display for Bleu {
    /// Writes sacreBLEU's line: `BLEU = 37.37 82.9/58.1/35.7/16.0 (BP = 0.918 ratio = 0.921 …)`.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "BLEU = {:.2} {}", self.score, self.details())
    }
}

/// exp(1 - r/c) for a hypothesis of c tokens that is shorter than the reference's r, else 1
/// (Papineni et al. 2002, section 2.2.2).
fn brevity_penalty(hypothesis_length: u64, reference_length: u64) -> f64 {
    if hypothesis_length >= reference_length {
        1.0
    } else if hypothesis_length == 0 {
        0.0
    } else {
        (1.0 - reference_length as f64 / hypothesis_length as f64).exp()
    }
}

/// Returns the smoothed precisions, and the number of orders over which the score averages.
///
/// The first order for which no sentence is long enough ends the loop: it and all above stay 0.
fn precisions(config: &BleuConfig, statistics: &SentenceStatistics) -> ([f64; MAX_ORDER], usize) {
    let mut precisions = [0.0; MAX_ORDER];
    let mut orders = MAX_ORDER;
    if statistics.matches == [0; MAX_ORDER] {
        return (precisions, orders);
    }
    let mut halved = 1.0;
    for (index, precision) in precisions.iter_mut().enumerate() {
        let added = match config.smoothing {
            Smoothing::AddK(k) if index > 0 => k,
            _ => 0.0,
        };
        let matches = statistics.matches[index] as f64 + added;
        let total = statistics.totals[index] as f64 + added;
        if total == 0.0 {
            break;
        }
        if config.effective_order {
            orders = index + 1;
        }
        *precision = if matches > 0.0 {
            100.0 * matches / total
        } else {
            match config.smoothing {
                Smoothing::Exp => {
                    halved *= 2.0;
                    100.0 / (halved * total)
                }
                Smoothing::Floor(value) => 100.0 * value / total,
                Smoothing::AddK(_) | Smoothing::None => 0.0,
            }
        };
    }
    (precisions, orders)
}

/// Computes BLEU of a corpus: line i of `hypotheses` against line i of every stream of `references`.
///
/// # Errors
/// A user error as for [`sentence_statistics`].
pub fn corpus_bleu(
    config: &BleuConfig,
    hypotheses: &[impl AsRef<str>],
    references: &[Vec<impl AsRef<str>>],
) -> Result<Bleu> {
    let sum = sentence_statistics(config, hypotheses, references)?.sum();
    Ok(Bleu::from_statistics(config, &SentenceStatistics::from(sum.as_slice())))
}

/// Returns the statistics of every line, in order: rows from which [`SentenceStatistics`] are made.
///
/// # Errors
/// A user error where there is no line, no reference, a reference of another number of lines than
/// the hypotheses, or a smoothing value that is negative or not finite.
pub fn sentence_statistics(
    config: &BleuConfig,
    hypotheses: &[impl AsRef<str>],
    references: &[Vec<impl AsRef<str>>],
) -> Result<Counts> {
    config.smoothing.validate()?;
    check_lines(hypotheses, references)?;
    let mut interner = Interner::default();
    let mut counts = Counts::with_capacity(SentenceStatistics::WIDTH, hypotheses.len());
    for (line, hypothesis) in hypotheses.iter().enumerate() {
        let references: Vec<_> = references
            .iter()
            .map(|reference| config.tokens(reference[line].as_ref(), &mut interner))
            .collect();
        let hypothesis = config.tokens(hypothesis.as_ref(), &mut interner);
        let statistics = SentenceStatistics::new(&hypothesis, &references);
        counts.push(&<[u64; SentenceStatistics::WIDTH]>::from(statistics));
    }
    Ok(counts)
}

impl Metric for BleuConfig {
    fn name(&self) -> String {
        "BLEU".to_string()
    }

    fn signature(&self, references: usize) -> Signature {
        BleuConfig::signature(self, references)
    }

    fn counts(&self, hypotheses: &[String], references: &[Vec<String>]) -> Result<Counts> {
        sentence_statistics(self, hypotheses, references)
    }

    fn score(&self, counts: &[u64]) -> f64 {
        Bleu::from_statistics(self, &counts.into()).score
    }

    fn details(&self, counts: &[u64]) -> Option<String> {
        Some(Bleu::from_statistics(self, &counts.into()).details())
    }

    fn json(&self, counts: &[u64]) -> serde_json::Value {
        serde_json::json!(Bleu::from_statistics(self, &counts.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bleu(smoothing: Smoothing, hypothesis: &str, references: &[&str]) -> Bleu {
        let config = BleuConfig { smoothing, ..BleuConfig::default() };
        let references: Vec<_> = references.iter().map(|reference| vec![*reference]).collect();
        corpus_bleu(&config, &[hypothesis], &references).unwrap()
    }

    #[test]
    fn the_line_shown_is_sacrebleu_s() {
        let shown = bleu(Smoothing::Exp, "a b c d", &["a b x d"]).to_string();
        let expected = "BLEU = 35.36 75.0/33.3/25.0/25.0 (BP = 1.000 ratio = 1.000 hyp_len = 4 ref_len = 4)";
        assert_eq!(shown, expected);
    }

    #[test]
    fn an_equally_near_reference_counts_with_the_shorter_length() {
        let score = bleu(Smoothing::Exp, "a b c d e f", &["a b c d e f g h", "a b c d"]);
        assert_eq!((score.hypothesis_length, score.reference_length, score.brevity_penalty), (6, 4, 1.0));
    }

    #[test]
    fn a_corpus_is_the_sum_of_its_sentences() {
        let config = BleuConfig::default();
        let (hypotheses, reference) = (["a b c d e", "x"], vec!["a b c d", "x y"]);
        let sentences = sentence_statistics(&config, &hypotheses, &[reference]).unwrap();
        let sum = SentenceStatistics::from(sentences.sum().as_slice());
        assert_eq!((sum.matches, sum.totals), ([5, 3, 2, 1], [6, 4, 3, 2]));
        assert_eq!((sum.hypothesis_length, sum.reference_length), (6, 6));
    }

    #[test]
    fn lines_that_do_not_pair_up_are_the_user_s_mistake() {
        let config = BleuConfig::default();
        let message = |hypotheses: &[&str], references: &[Vec<&str>]| {
            let error = corpus_bleu(&config, hypotheses, references).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            error.to_string()
        };
        let unequal = message(&["a", "b"], &[vec!["a", "b"], vec!["a"]]);
        assert!(unequal.contains("reference 2 of 2 differ in their number of lines, 2 and 1;"), "{unequal}");
        assert!(message(&["a"], &[]).contains("no reference"));
        assert!(message(&[], &[vec![]]).contains("no line"));
    }

    #[test]
    fn configurations_use_the_names_of_signatures() {
        let config: BleuConfig =
            serde_json::from_str(r#"{"tokenizer": "none", "lowercase": true, "smoothing": {"add-k": 1.0}}"#)
                .unwrap();
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            config.signature(2).to_string(),
            format!("nrefs:2|case:lc|eff:no|tok:none|smooth:add-k[1.00]|version:ablate-{version}")
        );
        assert_eq!(
            BleuConfig::default().signature(1).to_string(),
            format!("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:ablate-{version}")
        );
    }
}
