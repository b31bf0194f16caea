//! Constituency trees: `ablate tree`, a corpus of trees, and real trees where `ABLATE_TEST_CORPORA` names a directory
//! that has them.

use crate::common::Workshop;
use crate::common::corpora::{directory_of_texts, lines_of};
use ablate::constituency_tree::{LeafForm, Tree};
use ablate::data::Split;
use ablate::tree_repair::{Defects, repair};
use proptest::prelude::*;
use std::io::Write;

const TREES: &str = "( (S (NP-SBJ (DT the) (NN dog)) (VP (VBZ wants) (S (NP (-NONE- *)) (VP (TO to) (VP (VB go))))) (. .)) )\n(X (NN a))\n";
const SEQUENCES: &str = "(S (NP XX XX )NP (VP XX (S (VP XX (VP XX )VP )VP )S )VP XX )S\n(X XX )X\n";

#[test]
fn the_program_takes_trees_apart_and_restores_them() {
    let workshop = Workshop::new();
    std::fs::write(workshop.path("gold.tree"), TREES).unwrap();
    let run = |words: &[&str], input: &str| workshop.run_with_input(words, input.as_bytes());
    assert_eq!(run(&["tree", "words"], TREES).expect(0).out(), "the dog wants to go .\na\n");
    assert_eq!(run(&["tree", "sequence"], TREES).expect(0).out(), SEQUENCES);
    let restore = ["tree", "restore", "--like", "gold.tree"];
    let restored =
        "(S (NP (DT the) (NN dog)) (VP (VBZ wants) (S (VP (TO to) (VP (VB go))))) (. .))\n(X (NN a))\n";
    assert_eq!(run(&restore, SEQUENCES).expect(0).out(), restored);
    // The trees may be compressed in any form.
    let mut packed = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    packed.write_all(TREES.as_bytes()).unwrap();
    std::fs::write(workshop.path("gold.bz2"), packed.finish().unwrap()).unwrap();
    assert_eq!(run(&["tree", "restore", "--like", "gold.bz2"], SEQUENCES).expect(0).out(), restored);
    // A model may write text that is not a tree: its line stays empty, and the program reports it.
    let outcome = run(&restore, "(S XX )NP\n(X XX )X\n").expect(0);
    assert_eq!(outcome.out(), "\n(X (NN a))\n");
    outcome.says("1 of 2 sequences are no tree; the first: line 1: token 3, )NP: (S is open");
    // With --repair, the line is its repaired tree.
    let repaired = [&restore[..], &["--repair"]].concat();
    let outcome = run(&repaired, "(S (NP XX )S\n(X XX )X\n").expect(0);
    assert!(outcome.out().starts_with("(S (NP (DT the)) (NN dog) "), "{}", outcome.out());
    outcome.says("1 of 2 sequences are no tree; the first: line 1: token 4, )S: (NP is open");
    let tagged = run(&["tree", "sequence", "--tags"], TREES).expect(0).out();
    assert!(tagged.ends_with("(X NN )X\n") && tagged.starts_with("(S (NP DT NN )NP (VP VBZ (S"), "{tagged}");
    assert_eq!(run(&[&restore[..], &["--tags"]].concat(), &tagged).expect(0).out(), restored);
    run(&restore, "(X XX )X\n").expect(2).says("gold.tree has 2 lines, but standard input has 1");
    run(&["tree", "words"], "(X (NN a))\ndog\n")
        .expect(2)
        .says("standard input: line 2: byte 1: a tree begins with (");
    run(&["tree", "restore", "--like", "none"], "").expect(2).says("none");
}

#[test]
fn a_parser_s_corpus_is_prepared_from_trees() {
    let workshop = Workshop::new();
    let trees: String = (0..30).map(|n| format!("(S (NP (NN dog{n}))\n  (VP (VBZ barks)))\n\n")).collect();
    std::fs::write(workshop.path("all.tree"), trees).unwrap();
    let recipe = "name = \"parses\"\nsource_language = \"en\"\ntarget_language = \"trees\"\n[data]\nmerges = 20\n\
                  [[corpus.files.train]]\nsource = \"all.tree\"\ntarget = \"all.tree\"\nformat = \"trees\"\n\
                  [corpus.files.hold_out.lines]\ndev = 5\ntest = 7\n";
    std::fs::write(workshop.path("r.toml"), recipe).unwrap();
    let out = workshop.run(&["prepare", "r.toml", "--source", "."]).expect(0).out();
    let config = ablate::config::load_data(&workshop.path("r.toml"), &[]).unwrap();
    let prepared = ablate::data::Prepared::load(&workshop.path(out.trim()), &config).unwrap();
    let dev = prepared.text(Split::Dev).unwrap();
    assert_eq!(
        (dev.source[0].as_str(), dev.target[0].as_str()),
        ("dog4 barks", "(S (NP (NN dog4)) (VP (VBZ barks)))")
    );
    let store = prepared.split(Split::Dev).unwrap();
    assert_eq!(prepared.tokenizers.target().decode(&store.target(0)), "(S (NP XX )NP (VP XX )VP )S");
    let train = prepared.split(Split::Train).unwrap();
    assert_eq!(prepared.tokenizers.target().decode(&train.target(0)), "(S (NP XX )NP (VP XX )VP )S");

    for (old, new, problem) in [
        ("target = \"all.tree\"", "target = \"b.tree\"", "trees come from one file"),
        ("merges = 20", "merges = 20\nlowercase = true", "lower-cased"),
        (
            "[corpus.files.hold_out.lines]",
            "[moses]\n[corpus.files.hold_out.lines]",
            "would change the words and brackets",
        ),
    ] {
        std::fs::write(workshop.path("r.toml"), recipe.replace(old, new)).unwrap();
        workshop.run(&["prepare", "r.toml", "--source", "."]).expect(2).says(problem);
    }
}

/// Generates a tree over any words, with functions, traces, unary chains and nameless constituents, as its text.
fn any_tree() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        ("(NN|VB|DT|\\.|-LRB-)", "[a-zé0-9\\u{a0}]{1,4}").prop_map(|(tag, word)| format!("({tag} {word})")),
        Just("(-NONE- *T*-1)".to_string()),
    ];
    let constituent = |children: Vec<String>, label: String| format!("({label} {})", children.join(" "));
    let tree = leaf.prop_recursive(6, 60, 4, move |inside| {
        (proptest::collection::vec(inside, 1..4), "(S|NP|NP-SBJ|VP=2|WHNP-1|X)")
            .prop_map(move |(children, label)| constituent(children, label))
    });
    (proptest::collection::vec(tree, 1..3), "(S|TOP|)")
        .prop_map(move |(children, label)| constituent(children, label))
}

/// Generates symbols that a model may write, in any order.
fn any_sequence() -> impl Strategy<Value = String> {
    let symbol = "(\\(S|\\(NP|\\(VP|\\)S|\\)NP|\\)VP|XX|XX|\\(|\\)|dog)";
    proptest::collection::vec(symbol, 0..25).prop_map(|symbols| symbols.join(" "))
}

proptest! {
    #[test]
    fn every_tree_comes_back_from_its_sequence(text in any_tree()) {
        let tree = Tree::parse(&text).unwrap();
        prop_assert_eq!(&Tree::parse(&tree.to_string()).unwrap(), &tree);
        for form in [LeafForm::Word, LeafForm::Tag] {
            let sequence = tree.sequence(form);
            let (repaired, defects) = repair(&sequence, form, tree.leaves());
            prop_assert_eq!(defects, Defects::default(), "{}", sequence);
            let Some(back) = repaired else {
                // The tree has only traces.
                prop_assert_eq!((sequence.as_str(), tree.leaves().count()), ("", 0));
                continue;
            };
            prop_assert_eq!(&Tree::from_sequence(&sequence, form, tree.leaves()).unwrap(), &back);
            prop_assert_eq!(back.leaves().collect::<Vec<_>>(), tree.leaves().collect::<Vec<_>>());
            prop_assert_eq!(back.sequence(form), sequence);
        }
    }

    #[test]
    fn every_sequence_becomes_a_tree_over_the_words(sequence in any_sequence(), words in 1usize..9) {
        let words: Vec<String> = (0..words).map(|n| format!("w{n}")).collect();
        let leaves = || words.iter().map(|word| ("NN", word.as_str()));
        let (tree, defects) = repair(&sequence, LeafForm::Word, leaves());
        let tree = tree.unwrap();
        prop_assert_eq!(tree.leaves().collect::<Vec<_>>(), leaves().collect::<Vec<_>>());
        prop_assert_eq!(&Tree::parse(&tree.to_string()).unwrap(), &tree);
        let strict = Tree::from_sequence(&sequence, LeafForm::Word, leaves());
        prop_assert_eq!(defects.is_none(), strict.is_ok(), "{:?}", strict);
        // A repaired tree needs no repair.
        let again = repair(&tree.sequence(LeafForm::Word), LeafForm::Word, leaves());
        prop_assert_eq!(again, (Some(tree), Defects::default()));
    }
}

#[test]
#[ignore = "needs the real texts that ABLATE_TEST_CORPORA names"]
fn sequences_of_real_trees_come_back() {
    let directory = directory_of_texts();
    let trees = lines_of(&directory.join("treebank/craft.tree.gz"));
    let mut words = 0;
    for line in &trees {
        let tree = Tree::parse(line).unwrap();
        words += tree.leaves().count();
        for form in [LeafForm::Word, LeafForm::Tag] {
            let sequence = tree.sequence(form);
            let back = Tree::from_sequence(&sequence, form, tree.leaves()).unwrap();
            assert_eq!((back.sequence(form), back.sentence()), (sequence.clone(), tree.sentence()), "{line}");
            assert_eq!(Tree::parse(&back.to_string()).unwrap(), back);
            assert_eq!(repair(&sequence, form, tree.leaves()), (Some(back), Defects::default()));
        }
    }
    assert!(words > 20 * trees.len(), "{words}");
}
