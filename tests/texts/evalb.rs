//! `ablate evalb`, and its counts compared with PYEVALB's (`scripts/make_evalb_fixtures.py`).

use crate::common::{Workshop, fixture};
use ablate::constituency_tree::Tree;
use ablate::score::{Brackets, EvalbCounts};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

/// Two trees, and the counts of PYEVALB.
#[derive(Deserialize)]
struct Case {
    gold: String,
    test: String,
    matched: usize,
    gold_brackets: usize,
    test_brackets: usize,
    crossing: usize,
    words: usize,
    right_tags: usize,
}

#[test]
fn trees_without_what_collins_prm_deletes_are_counted_as_pyevalb_counts_them() {
    let fixture: Fixture = fixture("evalb.json");
    assert!(fixture.cases.len() >= 300);
    for case in fixture.cases {
        let [gold, test] = [&case.gold, &case.test].map(|text| Brackets::of(&Tree::parse(text).unwrap()));
        let found = EvalbCounts::of(&gold, Some(&test));
        let numbers = |found: EvalbCounts| {
            (found.matched, found.gold, found.test, found.crossing, found.words, found.right_tags)
        };
        let expected = (
            case.matched,
            case.gold_brackets,
            case.test_brackets,
            case.crossing,
            case.words,
            case.right_tags,
        );
        assert_eq!(numbers(found), expected, "{}\n{}", case.gold, case.test);
    }
}

#[test]
fn trees_are_scored_line_by_line() {
    let workshop = Workshop::new();
    workshop.write("gold", "(S (NP (NNS dogs)) (VP (VBP bark)))\n( (S (NP (NNS cats)) (VP (VBP eat) (NP (NN fish)))) )\n(S (UH yes))\n");
    workshop.write(
        "test",
        "(S (NP (NNS dogs)) (VP (VBP bark)))\n(S (NP (NNS cats)) (VP (VBP eat)) (NP (NN fish)))\n\n",
    );
    let shown = workshop.run(&["evalb", "gold", "test"]).expect(0).out();
    // Gold has 3 + 4 brackets, the test 3 + 4; VP ends elsewhere, so that 6 match.
    assert!(
        shown.starts_with(
            "F1 85.71 (recall 85.71, precision 85.71); 2 sentences, 0 with other words, 1 without a tree\n"
        ),
        "{shown}"
    );
    let json = workshop.run(&["evalb", "gold", "test", "--json"]).expect(0).json();
    assert_eq!((&json["all"]["matched"], &json["all"]["complete_match"]), (&6.into(), &50.0.into()));
}

#[test]
fn mistakes_name_file_and_line() {
    let workshop = Workshop::new();
    workshop.write("gold", "(S (NN a))\n(S (NN b))\n");
    workshop.write("short", "(S (NN a))\n");
    workshop.run(&["evalb", "gold", "short"]).expect(2).says("gold has 2 lines, but short has 1");
    workshop.write("broken", "(S (NN a))\n(S (NN b)\n");
    workshop.run(&["evalb", "gold", "broken"]).expect(2).says("broken:2: 1 bracket is not closed");
    workshop.run(&["evalb", "gold", "absent"]).expect(2).says("absent");
    // Files that do not belong together have no score. A parser that finds no tree has one.
    workshop.write("other", "(S (NN c))\n\n");
    let outcome = workshop.run(&["evalb", "gold", "other"]).expect(2).says("no tree of other has the words");
    assert_eq!(outcome.out(), "");
    workshop.write("none", "\n\n");
    assert!(workshop.run(&["evalb", "gold", "none"]).expect(0).out().contains("2 without a tree"));
}
