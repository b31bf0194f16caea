//! `ablate evalb` as a user calls it.

mod common;

use common::Workshop;

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
    let json: serde_json::Value =
        serde_json::from_str(&workshop.run(&["evalb", "gold", "test", "--json"]).expect(0).out()).unwrap();
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
}
