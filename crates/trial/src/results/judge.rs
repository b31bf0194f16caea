//! Judges, by the rule of [`verdict`](super::verdict), whether the paper's claims about its groups of rows hold here.

use super::comparison::{Comparison, Untested};
use super::table::{ResultTable, Row};
use super::verdict::{Answer, COLUMN, Claim, FLOOR, MARGIN, RowVerdict, Verdict};

/// Judges the groups that have published values; to be called after [`compare_rows`](super::significance::compare_rows).
pub fn judge(table: &mut ResultTable) {
    let Some(column) = table.columns.iter().position(|column| column.name == COLUMN) else { return };
    let paper = |row: &Row| row.cells[column].published_value();
    let Some(base) = table.base_row() else { return };
    let Some(base_value) = paper(base) else { return };
    let mut groups: Vec<Verdict> = Vec::new();
    for row in table.rows.iter().filter(|row| row.layout.label != base.layout.label) {
        let Some(value) = paper(row) else { continue };
        let low = [table.base_of(row).unwrap_or(base), row].into_iter().find_map(|row| too_low(row, column));
        let judged = judge_row(row, value - base_value, low, row.cells[column].comparison.as_ref());
        let group = row.layout.group.clone().unwrap_or_else(|| row.layout.label.clone());
        match groups.iter_mut().find(|known| known.group == group) {
            Some(known) => known.rows.push(judged),
            None => groups.push(Verdict { group, answer: Answer::NotDistinguishable, rows: vec![judged] }),
        }
    }
    groups.iter_mut().for_each(decide);
    table.verdicts = groups;
}

/// Derives the answer of a group from the answers of its rows.
fn decide(group: &mut Verdict) {
    if group.rows.iter().any(|row| row.claim != Claim::Same) {
        group.rows.retain(|row| row.claim != Claim::Same);
    }
    let answers = || group.rows.iter().map(|row| row.answer);
    group.answer = if answers().any(|answer| answer == Answer::No) {
        Answer::No
    } else if answers().all(|answer| answer == Answer::Yes) {
        Answer::Yes
    } else {
        let unjudged = [Answer::NotJudged, Answer::NotCompared];
        let found = unjudged.into_iter().find(|&unjudged| answers().any(|answer| answer == unjudged));
        found.unwrap_or(Answer::NotDistinguishable)
    };
}

/// A row's score, in words, if it is below the floor.
fn too_low(row: &Row, column: usize) -> Option<String> {
    let mean = row.cells[column].summary.as_ref()?.mean;
    (mean < FLOOR).then(|| format!("{} has {mean:.2}", row.layout.label))
}

/// Judges a row by its comparison, unless a score is too low.
fn judge_row(
    row: &Row,
    paper_difference: f64,
    low: Option<String>,
    found: Option<&Comparison>,
) -> RowVerdict {
    // Printed values have one decimal: 25.3 - 25.8 is -0.5.
    let paper_difference = (paper_difference * 1e6).round() / 1e6;
    let claim = match paper_difference {
        difference if difference >= MARGIN => Claim::Higher,
        difference if difference <= -MARGIN => Claim::Lower,
        _ => Claim::Same,
    };
    let open = |why: &str| (Answer::NotDistinguishable, Some(why.to_string()));
    let (answer, why) = match found {
        _ if low.is_some() => (Answer::NotJudged, low),
        None => (Answer::NotCompared, Some("not compared".to_string())),
        Some(Comparison { seeds: None, seeds_untested, .. }) => {
            open(seeds_untested.map_or("no test over seeds", Untested::text))
        }
        Some(found @ Comparison { seeds: Some(seeds), difference, .. }) => match claim {
            Claim::Same => {
                let half_widths = [found.sentences.half_width, seeds.half_width];
                if half_widths.iter().all(|half_width| difference.abs() + half_width <= MARGIN) {
                    (Answer::Yes, None)
                } else if half_widths.iter().all(|half_width| difference.abs() - half_width > MARGIN) {
                    (Answer::No, None)
                } else {
                    open("an interval reaches across ±0.5")
                }
            }
            _ if !found.significant() => open("p > 0.05"),
            Claim::Higher if *difference > 0.0 => (Answer::Yes, None),
            Claim::Lower if *difference < 0.0 => (Answer::Yes, None),
            Claim::Higher | Claim::Lower => (Answer::No, None),
        },
    };
    RowVerdict { row: row.layout.label.clone(), claim, paper_difference, answer, why }
}

#[cfg(test)]
mod tests {
    use super::super::comparison::{OverSeeds, OverSentences, SeedTest};
    use super::super::examples::{finished, row, table3};
    use super::super::published::Published;
    use super::super::verdict::RULE;
    use super::*;

    fn over_seeds(p: f64, half_width: f64) -> OverSeeds {
        OverSeeds { test: SeedTest::Welch, p, half_width, degrees_of_freedom: 4.0 }
    }

    /// A comparison with a difference, its corrected p-value and its half-widths, the same over sentences and seeds.
    fn found(difference: f64, p: f64, half_width: f64) -> Comparison {
        Comparison {
            base: "base".into(),
            difference,
            sentences: OverSentences { pairs: 3, p, half_width },
            seeds: Some(over_seeds(p, half_width)),
            seeds_untested: None,
            p,
            p_corrected: p,
        }
    }

    /// The verdicts on a table of these rows of the paper, each with its comparison.
    fn judged(rows: &[(&str, &str, Option<Comparison>)]) -> Vec<Verdict> {
        judged_with(rows, |_| 25.0)
    }

    /// [`judged`], each row with a score.
    fn judged_with(rows: &[(&str, &str, Option<Comparison>)], bleu: impl Fn(&str) -> f64) -> Vec<Verdict> {
        let mut layouts = vec![row("base", None, &[])];
        layouts.extend(rows.iter().map(|(group, label, _)| row(label, Some(group), &[])));
        layouts.iter_mut().for_each(|row| row.paper = Some(row.label.clone()));
        let results: Vec<_> =
            layouts.iter().map(|row| finished(&row.label, 1, 5.0, bleu(&row.label))).collect();
        let mut layout = table3(layouts);
        layout.published = Some(Published::named("table3").unwrap());
        let mut table = ResultTable::new(&layout, &results).unwrap();
        for (row, (_, _, found)) in table.rows[1..].iter_mut().zip(rows) {
            row.cells[3].comparison = found.clone();
        }
        judge(&mut table);
        table.verdicts
    }

    fn answers(rows: &[(&str, &str, Option<Comparison>)]) -> Vec<(String, Answer, usize)> {
        judged(rows).into_iter().map(|verdict| (verdict.group, verdict.answer, verdict.rows.len())).collect()
    }

    #[test]
    fn directions_hold_fail_or_stay_open() {
        let lower = |p| Some(found(-2.0, p, 0.4));
        // In (A) the paper has a direction for one head alone: 24.9 beside 25.8; four heads have 25.5.
        let rows = [("A", "A-h1", lower(0.01)), ("A", "A-h4", lower(0.9))];
        assert_eq!(answers(&rows), [("A".to_string(), Answer::Yes, 1)]);
        let rows = [("A", "A-h1", Some(found(2.0, 0.01, 0.4)))];
        assert_eq!(answers(&rows), [("A".to_string(), Answer::No, 1)]);
        // Half of (C): one confirmed row is not enough, one contradiction is.
        let rows = [("C", "C-N2", lower(0.01)), ("C", "C-d256", lower(0.06))];
        assert_eq!(answers(&rows), [("C".to_string(), Answer::NotDistinguishable, 2)]);
        let rows = [("C", "C-N2", lower(0.06)), ("C", "C-d256", Some(found(0.7, 0.05, 0.4)))];
        assert_eq!(answers(&rows), [("C".to_string(), Answer::No, 2)]);
    }

    #[test]
    fn a_row_without_a_comparison_is_not_judged_and_leaves_its_group_open() {
        let verdict = judged(&[("C", "C-N2", None)]).remove(0);
        let row = &verdict.rows[0];
        assert_eq!((verdict.answer, row.answer), (Answer::NotCompared, Answer::NotCompared));
        assert_eq!((row.answer.text(), row.why.as_deref()), ("not judged", Some("not compared")));
        // Beside such a row, only a contradiction decides.
        let beside = |difference, p| {
            answers(&[("C", "C-N2", None), ("C", "C-d256", Some(found(difference, p, 0.4)))])[0].1
        };
        assert_eq!(beside(-2.0, 0.01), Answer::NotCompared);
        assert_eq!(beside(-2.0, 0.9), Answer::NotCompared);
        assert_eq!(beside(2.0, 0.01), Answer::No);
    }

    #[test]
    fn one_seed_is_never_enough() {
        let single = Some(untested(Untested::OneSeed));
        let verdicts = judged(&[("A", "A-h1", single.clone()), ("E", "E-learned", single)]);
        assert!(verdicts.iter().all(|verdict| verdict.answer == Answer::NotDistinguishable));
        assert!(verdicts[0].rows[0].why.as_ref().unwrap().contains("one seed"));
    }

    fn untested(why: Untested) -> Comparison {
        Comparison { seeds: None, seeds_untested: Some(why), ..found(-9.0, 0.0001, 0.1) }
    }

    #[test]
    fn several_seeds_without_spread_are_not_called_one() {
        let verdicts = judged(&[("A", "A-h1", Some(untested(Untested::NoSpread)))]);
        assert_eq!(verdicts[0].answer, Answer::NotDistinguishable);
        let why = verdicts[0].rows[0].why.as_ref().unwrap();
        assert!(why.contains("the seeds do not differ") && !why.contains("one seed"), "{why}");
    }

    #[test]
    fn models_that_translate_nothing_are_not_judged() {
        assert!(Answer::NotJudged.text().contains(&format!("below {FLOOR} BLEU")));
        assert!(RULE.contains(&format!("below {FLOOR} BLEU")));
        let same = [("E", "E-learned", Some(found(0.0, 0.9, 0.1)))];
        let lower = [("A", "A-h1", Some(found(-9.0, 0.001, 0.1)))];
        // (rows, BLEU of the base, BLEU of the row, answer, why)
        let cases = [
            (&same, 25.0, 25.0, Answer::Yes, None),
            (&same, 5.0, 5.0, Answer::Yes, None),
            (&same, 0.3, 0.3, Answer::NotJudged, Some("base has 0.30")),
            (&same, 25.0, 4.99, Answer::NotJudged, Some("E-learned has 4.99")),
            (&lower, 25.0, 1.0, Answer::NotJudged, Some("A-h1 has 1.00")),
            (&lower, 25.0, 16.0, Answer::Yes, None),
        ];
        for (rows, base, own, answer, why) in cases {
            let verdict = judged_with(rows, |label| if label == "base" { base } else { own }).remove(0);
            let row = &verdict.rows[0];
            assert_eq!((verdict.answer, row.answer, row.why.as_deref()), (answer, answer, why));
        }
        // In a group, one row that cannot be judged leaves the claim open; one that contradicts it decides.
        let of_group = |second: Comparison| {
            let rows = [("C", "C-N2", Some(found(-9.0, 0.001, 0.1))), ("C", "C-d256", Some(second))];
            judged_with(&rows, |label| if label == "C-N2" { 1.0 } else { 25.0 }).remove(0).answer
        };
        assert_eq!(of_group(found(-2.0, 0.01, 0.1)), Answer::NotJudged);
        assert_eq!(of_group(found(2.0, 0.01, 0.1)), Answer::No);
    }

    #[test]
    fn that_nothing_changes_takes_intervals_within_the_margin() {
        // Learned positions: 25.7 beside 25.8.
        let learned = |difference, half_width| {
            answers(&[("E", "E-learned", Some(found(difference, 0.5, half_width)))])[0].1
        };
        assert_eq!(learned(-0.1, 0.3), Answer::Yes);
        assert_eq!(learned(-0.3, 0.3), Answer::NotDistinguishable);
        assert_eq!(learned(-0.9, 0.3), Answer::No);
        // Within the margin by one interval alone.
        let mut one = found(0.1, 0.5, 0.2);
        one.seeds = Some(over_seeds(0.5, 2.0));
        assert_eq!(answers(&[("E", "E-learned", Some(one))])[0].1, Answer::NotDistinguishable);
    }

    #[test]
    fn the_edge_of_the_margin_is_a_direction_and_rows_without_a_group_stand_alone() {
        // ε_ls 0.0 is printed 25.3: just 0.5 below.
        let mut rows = judged(&[("D", "D-ls0.0", Some(found(-1.0, 0.01, 0.2)))]);
        assert_eq!(rows.remove(0).rows[0].claim, Claim::Lower);
        let mut table = vec![row("base", None, &[]), row("big", None, &[])];
        table.iter_mut().for_each(|row| row.paper = Some(row.label.clone()));
        let results = [finished("base", 1, 5.0, 25.0)];
        let mut table = ResultTable::new(&table3(table), &results).unwrap();
        judge(&mut table);
        assert_eq!(
            (table.verdicts[0].group.as_str(), table.verdicts[0].rows[0].claim),
            ("big", Claim::Higher)
        );
    }
}
