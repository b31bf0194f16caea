//! Tests whether two rows differ by more than chance.
//!
//! A difference between mean scores can be due to the sentences that happen to be in the set, or to the seeds with
//! which the models happened to be trained. Both are tested, and a row differs only if
//! neither explains the difference: the p-value of the comparison is the larger one (an intersection–union
//! test, whose level is that of its parts).
//!
//! - **Sentences**: paired approximate randomisation on the mean score over seeds; see
//!   [`randomization_of_means`](crate::score::randomization_of_means). Seeds are paired in ascending order. If one row
//!   has more seeds than the other, the seeds of both are repeated until they pair up, so that the test is about the
//!   difference of the means over all seeds.
//! - **Seeds**: Welch's t-test on the scores of all finished seeds. If every seed of the row
//!   decodes the base row's training of the same seed, both sides share the chance in training: then the test
//!   is the paired t-test on the differences by seed, and seeds that only the base row has take no part in any test.
//!   With one seed per side there is no test over seeds, and no conclusion about training. There is none either
//!   if the scores of the seeds, or their differences, are all equal.
//!
//! The p-values of all rows of a column are one family, to which Holm's correction applies.
//!
//! # Source
//! Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure"; Berger 1982, "Multiparameter Hypothesis Testing
//! and Acceptance Sampling" (intersection–union tests). The tests over seeds: `t_test`.

use super::comparison::{Comparison, OverSentences, SeedTest, Significance, Untested};
use super::metric::F1;
use super::summary::Summary;
use super::t_test::{paired, welch};
use super::table::{ResultTable, Row};
use crate::error::Result;
use crate::score::{
    BOOTSTRAP_RESAMPLES, BleuConfig, BracketF1, Counts, Metric, RANDOMIZATION_TRIALS, RESAMPLING_SEED,
    confidence_of_difference, randomization_of_means,
};
use std::collections::{BTreeMap, BTreeSet};
use std::thread;

/// The counts of BLEU in the kept translations, or of F1 in the kept parses, sentence by sentence: by row and column,
/// one entry for each seed in ascending order.
#[derive(Debug, Default)]
pub struct Evidence {
    pub counts: BTreeMap<(String, String), Vec<Counts>>,
    /// The reasons why counts are missing.
    pub missing: Vec<String>,
}

/// Compares every row with its base row, in the columns that are [tested](super::metric::Metric::tested).
///
/// # Errors
/// None occurs for evidence of one set of sentences.
pub fn compare_rows(table: &mut ResultTable, evidence: &Evidence) -> Result<()> {
    let missing = [evidence.missing.clone(), without_base(table)].concat();
    let mut compared = false;
    for column in 0..table.columns.len() {
        if !table.columns[column].is_tested() {
            continue;
        }
        let found = comparisons(table, column, evidence)?;
        for (row, comparison) in table.rows.iter_mut().zip(found) {
            row.cells[column].comparison = comparison;
        }
        let cells = table.rows.iter_mut().map(|row| &mut row.cells[column]);
        let found: Vec<&mut Comparison> = cells.flat_map(|cell| &mut cell.comparison).collect();
        let corrected = holm(&found.iter().map(|comparison| comparison.p).collect::<Vec<_>>());
        compared |= !found.is_empty();
        found.into_iter().zip(corrected).for_each(|(comparison, p)| comparison.p_corrected = p);
    }
    table.significance = Significance {
        randomization_trials: compared.then_some(RANDOMIZATION_TRIALS),
        bootstrap_resamples: compared.then_some(BOOTSTRAP_RESAMPLES),
        resampling_seed: compared.then_some(RESAMPLING_SEED),
        paired: rows_with(table, |found| {
            found.seeds.as_ref().is_some_and(|seeds| seeds.test == SeedTest::Paired)
        }),
        no_spread: cells_with(table, Untested::NoSpread),
        equal_differences: cells_with(table, Untested::EqualDifferences),
        missing,
    };
    Ok(())
}

/// The reasons why rows have no base row to be compared with.
fn without_base(table: &ResultTable) -> Vec<String> {
    let mut missing = Vec::new();
    match table.base_row() {
        None if table.rows.len() > 1 => {
            missing.push("no row is the base: name one as base = \"LABEL\" under [table]".to_string());
        }
        Some(base) if base.finished == 0 && table.rows.iter().any(|row| row.finished > 0) => {
            missing.push(format!("no trial of the base row, {}, is finished", base.layout.label));
        }
        _ => {}
    }
    if let Some(base) = table.base_row().filter(|base| base.fingerprint.is_some()) {
        let apart = table.rows.iter().filter(|row| row.fingerprint.is_some() && table.base_of(row).is_none());
        let (otherwise, elsewhere): (Vec<&Row>, Vec<&Row>) = apart.partition(|row| {
            let of_system = |other: &&Row| other.layout.system == base.layout.system;
            table.rows.iter().filter(of_system).any(|other| other.has_text_of(row))
        });
        let labels =
            |rows: Vec<&Row>| rows.iter().map(|row| row.layout.label.as_str()).collect::<Vec<_>>().join(", ");
        let (unknown, elsewhere): (Vec<&Row>, Vec<&Row>) =
            elsewhere.into_iter().partition(|row| base.scored_text.is_none() || row.scored_text.is_none());
        if !unknown.is_empty() {
            missing.push(format!(
                "it is not known whether {} and the base row were scored on one text, which records before 2026-12-02 do not \
                 state",
                labels(unknown)
            ));
        }
        if !elsewhere.is_empty() {
            missing.push(format!("no base row was scored on the text of {}", labels(elsewhere)));
        }
        if !otherwise.is_empty() {
            missing.push(format!("no base row was scored as {}", labels(otherwise)));
        }
    }
    missing
}

/// The labels of the rows with a comparison that meets a condition in some column.
fn rows_with(table: &ResultTable, wanted: impl Fn(&Comparison) -> bool) -> Vec<String> {
    let found = |row: &&Row| row.cells.iter().flat_map(|cell| &cell.comparison).any(&wanted);
    table.rows.iter().filter(found).map(|row| row.layout.label.clone()).collect()
}

/// The cells, as row and column, without a test over seeds for this reason.
fn cells_with(table: &ResultTable, why: Untested) -> Vec<String> {
    let mut found = Vec::new();
    for row in &table.rows {
        for (column, cell) in table.columns.iter().zip(&row.cells) {
            if cell.comparison.as_ref().is_some_and(|comparison| comparison.seeds_untested == Some(why)) {
                found.push(format!("{} in {}", row.layout.label, column.name));
            }
        }
    }
    found
}

/// Compares every row with its base row, as many at a time as there are cores.
fn comparisons(table: &ResultTable, column: usize, evidence: &Evidence) -> Result<Vec<Option<Comparison>>> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut found = Vec::with_capacity(table.rows.len());
    for rows in table.rows.chunks(threads) {
        let of_rows = thread::scope(|scope| {
            let start = |row| {
                thread::Builder::new().spawn_scoped(scope, move || comparison(table, row, column, evidence))
            };
            let started: Vec<_> = rows.iter().map(|row| (row, start(row))).collect();
            started
                .into_iter()
                .map(|(row, started)| match started {
                    Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                    // The system refuses so many threads.
                    Err(_) => comparison(table, row, column, evidence),
                })
                .collect::<Result<Vec<_>>>()
        })?;
        found.extend(of_rows);
    }
    Ok(found)
}

/// Compares a row with its base row, without correction; `None` if there is nothing to compare.
fn comparison(
    table: &ResultTable,
    row: &Row,
    column: usize,
    evidence: &Evidence,
) -> Result<Option<Comparison>> {
    let Some(base) = table.base_of(row).filter(|base| base.layout.label != row.layout.label) else {
        return Ok(None);
    };
    let name = &table.columns[column].name;
    let counts = |row: &Row| evidence.counts.get(&(row.layout.label.clone(), name.clone()));
    let (Some(theirs), Some(ours)) = (counts(base), counts(row)) else { return Ok(None) };
    let (Some(their_scores), Some(our_scores)) = (&base.cells[column].summary, &row.cells[column].summary)
    else {
        return Ok(None);
    };
    let label = &base.layout.label;
    // The counts contain the effect of tokenization; the rest of the configuration has its defaults.
    let (bleu, f1) = (BleuConfig::default(), BracketF1);
    let is_f1 = table.columns[column].metric.is_some_and(|metric| metric.name == F1);
    let metric: &dyn Metric = if is_f1 { &f1 } else { &bleu };
    match of_same_trainings(base, row, column) {
        None => compare(metric, label, SeedTest::Welch, (their_scores, theirs), (our_scores, ours)),
        Some(their_scores) => {
            let theirs = of_same_seeds(base, row, theirs);
            compare(metric, label, SeedTest::Paired, (&their_scores, &theirs), (our_scores, ours))
        }
    }
    .map(Some)
}

/// The places, among the `base` trainings, of those that a row decodes, in the order of the row's trials; `None` unless
/// each trial decodes the base's training of its seed. A training that an old record does not state matches none.
pub fn same_trainings(base: &[(u64, Option<String>)], row: &[(u64, Option<String>)]) -> Option<Vec<usize>> {
    let place = |training: &(u64, Option<String>)| {
        training.1.as_ref()?;
        base.iter().position(|known| known == training)
    };
    row.iter().map(place).collect()
}

/// The scores of the base row's trials whose trainings a row decodes, in the order of the row's trials; `None` if
/// [`same_trainings`] is.
fn of_same_trainings(base: &Row, row: &Row, column: usize) -> Option<Summary> {
    let theirs = &base.cells[column].summary.as_ref()?.values;
    let ours = &row.cells[column].summary.as_ref()?.values;
    // If a trial lacks the score, the values cannot be assigned to seeds.
    if theirs.len() != base.trainings.len() || ours.len() != row.trainings.len() {
        return None;
    }
    let places = same_trainings(&base.trainings, &row.trainings)?;
    Summary::of(&places.into_iter().map(|place| theirs[place]).collect::<Vec<f64>>())
}

/// The base row's counts for the seeds that a row has, by ascending seed.
fn of_same_seeds(base: &Row, row: &Row, counts: &[Counts]) -> Vec<Counts> {
    let seeds = |row: &Row| row.trainings.iter().map(|(seed, _)| *seed).collect::<BTreeSet<u64>>();
    let (theirs, ours) = (seeds(base), seeds(row));
    let both = theirs.iter().zip(counts).filter(|(seed, _)| ours.contains(seed));
    both.map(|(_, counts)| counts.clone()).collect()
}

/// Compares two sides; each has the scores of its seeds and the counts of its translations. For the paired test, the
/// scores of both belong to the same seeds in the same order. The p-value is not corrected.
///
/// # Errors
/// A user error if the sides differ in their sentences, or one has none.
pub fn compare(
    metric: &dyn Metric,
    base: &str,
    test: SeedTest,
    (their_scores, theirs): (&Summary, &[Counts]),
    (our_scores, ours): (&Summary, &[Counts]),
) -> Result<Comparison> {
    let sentences = over_sentences(metric, theirs, ours)?;
    let tested = match test {
        SeedTest::Welch => welch(their_scores, our_scores),
        SeedTest::Paired => paired(&their_scores.values, &our_scores.values),
    };
    let (seeds, seeds_untested) = match tested {
        Ok(seeds) => (Some(seeds), None),
        Err(why) => (None, Some(why)),
    };
    let p = seeds.as_ref().map_or(sentences.p, |seeds| seeds.p.max(sentences.p));
    Ok(Comparison {
        base: base.to_string(),
        difference: our_scores.mean - their_scores.mean,
        sentences,
        seeds,
        seeds_untested,
        p,
        p_corrected: p,
    })
}

/// The test over sentences, in which every seed of a side has the same weight.
///
/// # Errors
/// The same as for [`compare`].
fn over_sentences(metric: &dyn Metric, theirs: &[Counts], ours: &[Counts]) -> Result<OverSentences> {
    let pairs = least_common_multiple(theirs.len(), ours.len());
    let repeated = |side: &[Counts]| side.iter().cycle().take(pairs).cloned().collect::<Vec<Counts>>();
    let (theirs, ours) = (repeated(theirs), repeated(ours));
    let interval = confidence_of_difference(metric, &theirs, &ours, BOOTSTRAP_RESAMPLES, RESAMPLING_SEED)?;
    let p = randomization_of_means(metric, &theirs, &ours, RANDOMIZATION_TRIALS, RESAMPLING_SEED)?;
    Ok(OverSentences { pairs, p, half_width: interval.half_width })
}

/// The least common multiple of both numbers; 0 if one of them is 0.
fn least_common_multiple(a: usize, b: usize) -> usize {
    (1..=b).map(|times| times * a).find(|multiple| multiple % b == 0).unwrap_or(0)
}

/// Holm's step-down correction: the smallest of m p-values times m, the next times m - 1, …; never below the previous
/// one, and at most 1. In the order of `p_values`.
fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut corrected = vec![0.0; p_values.len()];
    let mut largest: f64 = 0.0;
    for (rank, &index) in order.iter().enumerate() {
        largest = largest.max(p_values[index] * (p_values.len() - rank) as f64).min(1.0);
        corrected[index] = largest;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::super::comparison::LEVEL;
    use super::super::examples::{finished, row, table3};
    use super::super::trial_result::TrialOutcome;
    use super::*;
    use crate::score::paired_randomization;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn holm_by_hand() {
        // Sorted: 0.005·4 = 0.02, 0.01·3 = 0.03, 0.03·2 = 0.06, 0.04·1 = 0.04 but not below 0.06.
        let corrected = holm(&[0.01, 0.04, 0.03, 0.005]);
        assert!(corrected.iter().zip([0.03, 0.06, 0.06, 0.02]).all(|(a, b)| near(*a, b)), "{corrected:?}");
        assert_eq!(holm(&[0.9, 0.6]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }

    /// Counts of forty lines, of which every `n`th lacks a word in the middle.
    fn counts(n: usize) -> Counts {
        let reference: Vec<String> = (0..40).map(|i| format!("a{i} b c{i} d e{i} f g{i}")).collect();
        let broken =
            |(i, line): (usize, &String)| if i % n == 0 { line.replace(" d ", " ") } else { line.clone() };
        let hypotheses: Vec<String> = reference.iter().enumerate().map(broken).collect();
        BleuConfig::default().counts(&hypotheses, &[reference]).unwrap()
    }

    fn score(counts: &Counts) -> f64 {
        BleuConfig::default().score(&counts.sum())
    }

    /// A table of these rows, each with translations of several seeds and with its own trainings.
    fn compared(rows: &[(&str, Vec<Counts>)]) -> ResultTable {
        compared_with(rows, |label, seed| format!("{label} {seed}"))
    }

    /// [`compared`], with the training of each trial given.
    fn compared_with(rows: &[(&str, Vec<Counts>)], training: impl Fn(&str, u64) -> String) -> ResultTable {
        let mut layout = table3(rows.iter().map(|(label, _)| row(label, None, &[])).collect());
        layout.columns = vec!["dev/bleu".into()];
        layout.rows.iter_mut().for_each(|row| row.seeds = (1..=4).collect());
        let mut evidence = Evidence::default();
        let mut results = Vec::new();
        for (label, seeds) in rows {
            results.extend(seeds.iter().zip(1..).map(|(counts, seed)| {
                let mut result = finished(label, seed, 5.0, score(counts));
                if let TrialOutcome::Finished { record, .. } = &mut result.outcome {
                    record.training_identity = Some(training(label, seed));
                }
                result
            }));
            evidence.counts.insert((label.to_string(), "dev/bleu".to_string()), seeds.clone());
        }
        let mut table = ResultTable::new(&layout, &results).unwrap();
        compare_rows(&mut table, &evidence).unwrap();
        table
    }

    #[test]
    fn one_seed_gets_the_p_value_of_the_paired_test_and_no_verdict_on_training() {
        let table = compared(&[("base", vec![counts(9)]), ("worse", vec![counts(2)])]);
        let found = table.rows[1].cells[0].comparison.as_ref().unwrap();
        let known = paired_randomization(
            &BleuConfig::default(),
            &counts(9),
            &counts(2),
            RANDOMIZATION_TRIALS,
            RESAMPLING_SEED,
        );
        let known = known.unwrap();
        // The random draws are the same; only exact ties may count for more.
        assert!(found.p >= known && found.p - known < 0.01, "{} {known}", found.p);
        assert!(found.significant_over_sentences_alone() && !found.significant());
        assert_eq!((found.seeds.is_some(), found.p_corrected), (false, found.p));
        assert!(found.difference < 0.0 && found.difference.abs() > found.sentences.half_width);
        assert_eq!(table.rows[0].cells[0].comparison, None);
    }

    #[test]
    fn seeds_that_scatter_as_much_as_rows_differ_leave_no_significance() {
        let table = compared(&[
            ("base", vec![counts(9), counts(7), counts(9)]),
            ("worse", vec![counts(2), counts(2), counts(2)]),
            ("unsteady", vec![counts(2), counts(9), counts(40)]),
        ]);
        let [worse, unsteady] = [1, 2].map(|row| table.rows[row].cells[0].comparison.clone().unwrap());
        assert!(worse.significant(), "{worse:?}");
        assert!(!unsteady.significant() && !unsteady.significant_over_sentences_alone(), "{unsteady:?}");
        assert_eq!(worse.p, worse.seeds.as_ref().unwrap().p.max(worse.sentences.p));
        // Two rows are tested: the smaller p counts twice.
        assert!(near(worse.p_corrected, 2.0 * worse.p));
        assert_eq!(worse.sentences.pairs, 3);
    }

    #[test]
    fn of_rows_with_different_numbers_of_seeds_the_means_over_all_are_compared() {
        let base = vec![counts(2), counts(9), counts(8)];
        let table = compared(&[("base", base.clone()), ("worse", vec![counts(3)])]);
        let found = table.rows[1].cells[0].comparison.clone().unwrap();
        let means = [&table.rows[1], &table.rows[0]].map(|row| row.cells[0].summary.as_ref().unwrap().mean);
        assert!(near(found.difference, means[0] - means[1]));
        // The first seed of the base alone is on the other side of the row.
        assert!(found.difference < 0.0 && score(&counts(3)) > score(&base[0]));
        let metric = BleuConfig::default();
        assert_eq!(found.sentences, over_sentences(&metric, &base, &vec![counts(3); 3]).unwrap());
        assert_ne!(
            found.sentences.p,
            over_sentences(&metric, &base[..1], &[counts(3)]).unwrap().p,
            "the difference of the first seeds"
        );
        assert_eq!(found.sentences.pairs, 3);
        assert_eq!(over_sentences(&metric, &base, &base[..2]).unwrap().pairs, 6);
        assert_eq!([(5, 5), (4, 6), (0, 3), (3, 0)].map(|(a, b)| least_common_multiple(a, b)), [5, 12, 0, 0]);
    }

    #[test]
    fn rows_that_decode_the_same_trainings_are_paired_by_seed() {
        // Seeds scatter more than decoding differs, and decoding improves each of them.
        let rows = [
            ("base", vec![counts(2), counts(5), counts(13), counts(3)]),
            ("decoding", vec![counts(3), counts(9), counts(20)]),
            ("trained", vec![counts(3), counts(9), counts(20)]),
        ];
        let table = compared_with(&rows, |label, seed| match label {
            "trained" => format!("other {seed}"),
            _ => format!("shared {seed}"),
        });
        let [decoding, trained] = [1, 2].map(|row| table.rows[row].cells[0].comparison.clone().unwrap());
        let scores = |row: usize| rows[row].1[..3].iter().map(score).collect::<Vec<_>>();
        let by_hand = paired(&scores(0), &scores(1)).unwrap();
        assert_eq!(decoding.seeds, Some(by_hand.clone()));
        assert_eq!(trained.seeds.as_ref().unwrap().test, SeedTest::Welch);
        assert!(by_hand.p < trained.seeds.as_ref().unwrap().p);
        assert_eq!(table.significance.paired, ["decoding"]);
        // The base's fourth seed has no partner.
        let mean = |scores: Vec<f64>| scores.iter().sum::<f64>() / 3.0;
        assert!(near(decoding.difference, mean(scores(1)) - mean(scores(0))), "{decoding:?}");
        assert!(!near(decoding.difference, trained.difference));
        // One seed of another training is enough for the unpaired test.
        let table = compared_with(&rows, |label, seed| match (label, seed) {
            ("decoding", 3) => "another".to_string(),
            _ => format!("shared {seed}"),
        });
        let found = table.rows[1].cells[0].comparison.as_ref().unwrap();
        assert_eq!(found.seeds.as_ref().unwrap().test, SeedTest::Welch);
    }

    #[test]
    fn seeds_that_do_not_differ_are_not_one_seed() {
        let same = |n: usize| vec![counts(n), counts(n)];
        let table = compared(&[("base", same(9)), ("worse", same(2))]);
        let found = table.rows[1].cells[0].comparison.as_ref().unwrap();
        assert_eq!((&found.seeds, found.seeds_untested), (&None, Some(Untested::NoSpread)));
        assert!(found.p_corrected <= LEVEL);
        assert!(!found.significant() && !found.significant_over_sentences_alone());
        assert_eq!(table.significance.no_spread, ["worse in dev/bleu"]);
        assert!(!Untested::NoSpread.text().contains("one seed"));
        // Two decodings with equal translations, from seeds that differ.
        let rows = [("base", vec![counts(2), counts(9)]), ("decoding", vec![counts(2), counts(9)])];
        let table = compared_with(&rows, |_, seed| format!("shared {seed}"));
        assert_eq!(table.significance.equal_differences, ["decoding in dev/bleu"]);
        assert!(table.significance.no_spread.is_empty());
        let single = compared(&[("base", vec![counts(9)]), ("worse", vec![counts(2)])]);
        let found = single.rows[1].cells[0].comparison.as_ref().unwrap();
        assert_eq!(found.seeds_untested, Some(Untested::OneSeed));
        assert!(single.significance.no_spread.is_empty());
    }

    #[test]
    fn without_a_base_row_or_translations_nothing_is_compared_and_it_says_so() {
        let unfinished = compared(&[("base", Vec::new()), ("other", vec![counts(2)])]);
        assert_eq!(unfinished.significance.missing, ["no trial of the base row, base, is finished"]);
        let mut table = compared(&[("one", vec![counts(9)]), ("two", vec![counts(2)])]);
        assert!(table.significance.missing[0].contains("base = \"LABEL\""));
        table.base = Some("one".into());
        let missing = vec!["not prepared".to_string()];
        compare_rows(&mut table, &Evidence { missing: missing.clone(), ..Evidence::default() }).unwrap();
        assert_eq!((table.significance.missing, table.rows[1].cells[0].comparison.clone()), (missing, None));
        assert_eq!(table.significance.randomization_trials, None);
    }
}
