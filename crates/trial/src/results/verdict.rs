//! Verdicts: whether the paper's claims about a group of rows hold here, by a rule that is fixed before any result: see
//! [`RULE`], which is printed below every table that has verdicts.
//!
//! The margin: the paper's Table 3 has one run per row, scored on 3,000 sentences. Published spreads between runs that
//! differ in the seed alone are 0.04 to 0.3 BLEU (standard deviation), so two rows of the paper that are less than 0.5
//! apart may have their order by chance, and the rule reads no direction from them.
//!
//! Models that translate nothing are alike, whatever their settings: a row says nothing about a claim if its score or
//! its base row's score is below a floor.

use super::metric::DEV_BLEU;
use serde::Serialize;

/// BLEU by which two printed values must differ for a direction to be read from them.
pub const MARGIN: f64 = 0.5;

/// BLEU below which a score says nothing about a translation: a model that writes frequent words for any source has
/// some BLEU by chance, and the paper's rows have 23.7 and more. A verdict on perplexity, which has no such bottom,
/// would have no floor.
pub const FLOOR: f64 = 5.0;

/// The score that verdicts are about, from the paper's Table 3.
pub const COLUMN: &str = DEV_BLEU;

/// The rule in words, as it is printed.
pub const RULE: &str = "Verdicts: the paper claims a direction for a row whose BLEU (dev) lies 0.5 or more from its base. \
yes: every such row of the group differs from the base in that direction, p ≤ 0.05 by the test above. \
no: some such row differs in the other direction, p ≤ 0.05. \
A group without such a row claims that nothing changes: yes if the 95 % intervals over sentences and over seeds of every \
row lie within ±0.5, no if both of some row lie beyond. \
Otherwise, and always with one seed, the answer is: not distinguishable. \
A row is not judged if it or its base is below 5 BLEU or was not compared.";

/// The answer to the question whether a claim holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Yes,
    No,
    NotDistinguishable,
    /// A score is below the [`FLOOR`].
    NotJudged,
    /// A row was not compared with its base.
    NotCompared,
}

impl Answer {
    /// The answer in words.
    pub fn text(self) -> &'static str {
        match self {
            Answer::Yes => "yes",
            Answer::No => "no",
            Answer::NotDistinguishable => "not distinguishable",
            Answer::NotJudged => "not judged: below 5 BLEU",
            Answer::NotCompared => "not judged",
        }
    }
}

/// The paper's claim about a row in relation to its base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    Higher,
    Lower,
    /// The difference is within the margin.
    Same,
}

/// The judgement on one row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RowVerdict {
    pub row: String,
    pub claim: Claim,
    /// The paper's value minus its base's.
    pub paper_difference: f64,
    pub answer: Answer,
    /// The reason if the answer is neither yes nor no.
    pub why: Option<String>,
}

/// The judgement on a group of rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// The letter of the group, or the label of a row without one.
    pub group: String,
    pub answer: Answer,
    /// The rows that decide: those with a direction, or all rows if none has one.
    pub rows: Vec<RowVerdict>,
}
