//! The texts that a model has written for a set, and their scores.

use crate::results::render::markdown;

/// The texts that a model has written for the sentences of a set, with references and scores.
pub struct Output {
    pub sources: Vec<String>,
    pub hypotheses: Vec<String>,
    /// The hypotheses as token ids, without `</s>`.
    pub tokens: Vec<Vec<u32>>,
    pub references: Vec<String>,
    /// Word for a hypothesis in tables, such as `translation`.
    pub called: &'static str,
    pub scores: Vec<Score>,
}

/// A score of hypotheses.
pub struct Score {
    /// The metric's name in [`METRICS`](crate::results::metric::METRICS).
    pub metric: &'static str,
    pub value: f64,
    /// The score in words, with its parts; empty for a score that messages leave out.
    pub text: String,
}

impl Output {
    /// Formats the first `count` sentences with their references as a Markdown table.
    pub fn samples(&self, count: usize) -> String {
        let hypotheses = &self.hypotheses[..count.min(self.hypotheses.len())];
        side_by_side(self.called, &self.sources, hypotheses, &self.references)
    }
}

/// Formats as many sentences as there are hypotheses as a Markdown table; `called` is the word for a hypothesis.
pub(super) fn side_by_side(
    called: &str,
    sources: &[String],
    hypotheses: &[String],
    references: &[String],
) -> String {
    let mut table = format!("| source | {called} | reference |\n| --- | --- | --- |\n");
    for ((source, hypothesis), reference) in sources.iter().zip(hypotheses).zip(references) {
        let [source, hypothesis, reference] =
            [source, hypothesis, reference].map(|text| markdown::escape(text));
        table += &format!("| {source} | {hypothesis} | {reference} |\n");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_stand_side_by_side_whatever_they_hold() {
        let lines = |text: &str| text.split('/').map(String::from).collect::<Vec<_>>();
        let table = side_by_side("translation", &lines("a|b/c/d"), &lines("*x*/<s>"), &lines("y_/z/w"));
        assert_eq!(
            table,
            "| source | translation | reference |\n| --- | --- | --- |\n| a\\|b | \\*x\\* | y\\_ |\n| c | &lt;s> | z |\n"
        );
    }
}
