//! Two systems side by side, as text for a terminal.

use super::super::buckets::{Bucket, range_text};
use super::super::compare::{Rank, ScorePair, SentencePair, SystemComparison};
use super::super::metric::{METRICS, find};
use super::super::sheet::{EMPTY, Heading, Line, Note, Sheet, p_value, signed};
use super::super::summary::Summary;
use super::text::named;
use super::{Screen, grid, paragraph};
use crate::printable;
use crate::score::{BOOTSTRAP_RESAMPLES, RANDOMIZATION_TRIALS, RESAMPLING_SEED};
use crate::telemetry::format::thousands;

/// Writes the whole comparison, the sentences last.
pub fn comparison(found: &SystemComparison, screen: Screen) -> String {
    let mut blocks = vec![systems(found)];
    blocks.push(grid(&configuration(found), screen));
    blocks.push(grid(&scores(found), screen));
    blocks.extend(notes(found).iter().map(|note| paragraph(note, screen)));
    let lengths = [("source", &found.by_source_length), ("reference", &found.by_reference_length)];
    blocks.extend(lengths.map(|(side, buckets)| grid(&by_length(found, side, buckets), screen)));
    blocks.push(sentences(found, screen));
    blocks.join("\n")
}

fn systems(found: &SystemComparison) -> String {
    let line = |(letter, system): (char, &super::super::compare::Described)| {
        let seeds: Vec<String> = system.seeds.iter().map(u64::to_string).collect();
        let plural = if seeds.len() == 1 { "seed" } else { "seeds" };
        let parameters = thousands(system.parameters);
        format!(
            "{letter}  {}: {plural} {}; {parameters} parameters; commit {}\n",
            printable::line(&system.name),
            seeds.join(", "),
            system.commits.join(", ")
        )
    };
    ['A', 'B'].into_iter().zip(&found.systems).map(line).collect()
}

fn configuration(found: &SystemComparison) -> Sheet {
    let mut lines: Vec<Line> = found
        .configuration
        .iter()
        .map(|changed| {
            let [a, b] = changed.values.clone();
            Line::plain([changed.key.clone(), a, b])
        })
        .collect();
    if lines.is_empty() {
        lines.push(Line::plain(["none", "", ""]));
    }
    let headings = ["setting that differs", "A", "B"].map(Heading::words).to_vec();
    Sheet { title: String::new(), headings, keys: 1, lines }
}

fn scores(found: &SystemComparison) -> Sheet {
    let mut headings = vec![Heading::words("score")];
    headings.extend(["A", "B", "B − A", "p sentences", "p seeds"].map(Heading::numbers));
    let digits = |tag: &str| find(&METRICS, tag).map_or(2, |(metric, _)| metric.digits);
    let mean = |summary: &Summary, half_width: Option<f64>, digits: usize| {
        let width = half_width.map_or(String::new(), |half_width| format!(" ± {half_width:.digits$}"));
        format!("{:.digits$}{width}", summary.mean)
    };
    let line = |score: &ScorePair| {
        let digits = digits(&score.tag);
        let [a, b] = [0, 1].map(|side| {
            mean(&score.summaries[side], score.half_widths.map(|half_widths| half_widths[side]), digits)
        });
        let sentences = score.sentences.as_ref();
        let width = sentences.map_or(String::new(), |found| format!(" ± {:.digits$}", found.half_width));
        Line::plain([
            score.tag.clone(),
            a,
            b,
            signed(score.difference, digits) + &width,
            sentences.map_or(EMPTY.to_string(), |found| p_value(found.p)),
            score.seeds.as_ref().map_or(EMPTY.to_string(), |found| p_value(found.p)),
        ])
    };
    Sheet { title: String::new(), headings, keys: 1, lines: found.scores.iter().map(line).collect() }
}

fn notes(found: &SystemComparison) -> Vec<Note> {
    let mut notes = vec![Note::text(format!(
        "Means over seeds; ±: half of the 95 % interval over sentences ({} bootstrap resamples). \
         p sentences: paired approximate randomisation ({} trials, seed {RESAMPLING_SEED}), a \
         sentence's translations by all seeds changing sides together. p seeds: Welch's t-test on the scores of the \
         seeds, or the paired t-test where both decode the same trainings. The systems differ if neither explains the difference.",
        thousands(u64::from(BOOTSTRAP_RESAMPLES)),
        thousands(u64::from(RANDOMIZATION_TRIALS)),
    ))];
    if found.systems.iter().any(|system| system.seeds.len() == 1) {
        notes.push(Note::text("With one seed, the luck of training is unknown: no p over seeds."));
    } else if found.scores.iter().any(|score| score.seeds.is_none()) {
        notes.push(Note::text(
            "Where the scores of the seeds do not differ, or their paired differences, there is no p over seeds.",
        ));
    }
    // The note on chrF is in its signature.
    if let Some(atat) = found.scores.iter().find(|score| score.tag.ends_with("/atat")) {
        notes.extend(find(&METRICS, &atat.tag).and_then(|(metric, _)| metric.note).map(Note::text));
    }
    if !found.of_one_alone.is_empty() {
        let scores = found.of_one_alone.join(", ");
        notes.push(Note::text(format!("Not compared, because one of the two alone has it: {scores}.")));
    }
    for (name, signature) in ["BLEU:", "chrF:"].into_iter().zip(&found.signatures) {
        notes.push(Note { text: name.into(), verbatim: Some(signature.clone()) });
    }
    notes
}

fn by_length(found: &SystemComparison, side: &str, buckets: &[Bucket]) -> Sheet {
    let mut headings = vec![Heading::words("words")];
    headings.extend(["sentences", "BLEU A", "BLEU B", "B − A", "length A", "length B"].map(Heading::numbers));
    let line = |bucket: &Bucket| {
        Line::plain([
            range_text(bucket.words),
            bucket.sentences.to_string(),
            format!("{:.2}", bucket.bleu[0]),
            format!("{:.2}", bucket.bleu[1]),
            signed(bucket.bleu[1] - bucket.bleu[0], 2),
            format!("{:.3}", bucket.length_ratio[0]),
            format!("{:.3}", bucket.length_ratio[1]),
        ])
    };
    Sheet {
        title: format!(
            "{} by {side} length; length: tokens of the translation over the reference's",
            found.split
        ),
        headings,
        keys: 1,
        lines: buckets.iter().map(line).collect(),
    }
}

fn sentences(found: &SystemComparison, screen: Screen) -> String {
    let by = match found.ranked_by {
        Rank::Bleu => "sentence BLEU",
        Rank::Chrf => "chrF",
    };
    let mut blocks = Vec::new();
    let of_side = |better: bool| found.sentences.iter().filter(move |pair| (pair.difference > 0.0) == better);
    for (letter, better) in [('A', false), ('B', true)] {
        if of_side(better).next().is_some() {
            blocks.push(format!(
                "{} sentences that {letter} translates better, by {by}{}\n",
                found.split,
                which_seeds(found)
            ));
        }
        blocks.extend(of_side(better).map(|pair| sentence(pair, screen)));
    }
    match blocks.is_empty() {
        true if found.differing_sentences > 0 => String::new(),
        true => format!("no {} sentence is translated better by one of them\n", found.split),
        false => blocks.join("\n"),
    }
}

/// States which translations are shown if a system has several seeds; their scores are means over all seeds.
fn which_seeds(found: &SystemComparison) -> String {
    let [a, b] = &found.systems;
    let several = a.seeds.len() > 1 || b.seeds.len() > 1;
    match (a.seeds.first(), b.seeds.first()) {
        (Some(of_a), Some(of_b)) if several => {
            format!(
                "; scores are means over seeds, the translations those of seed {of_a} of A and seed {of_b} of B"
            )
        }
        _ => String::new(),
    }
}

fn sentence(pair: &SentencePair, screen: Screen) -> String {
    let line = |name: &str, text: &str| named(name, text, screen);
    let head = format!(
        "{}: chrF {:.1} and {:.1}, BLEU {:.1} and {:.1}\n",
        pair.line, pair.chrf[0], pair.chrf[1], pair.bleu[0], pair.bleu[1]
    );
    head + &line("source", &pair.source)
        + &line("reference", &pair.reference)
        + &line("A", shown(&pair.translations[0]))
        + &line("B", shown(&pair.translations[1]))
}

/// A translation, or `(empty)` for one without words.
fn shown(translation: &str) -> &str {
    if translation.trim().is_empty() { "(empty)" } else { translation }
}
