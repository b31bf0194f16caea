//! Constituency trees: `ablate tree`, a corpus of trees, and real trees where `ABLATE_TEST_CORPORA` names a directory
//! that has them.

mod common;

use ablate::constituency_tree::Tree;
use ablate::data::Split;
use common::Workshop;
use common::corpora::{directory_of_texts, lines_of};

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
    // What a model writes may be no tree: its line stays empty, and the program says so.
    let outcome = run(&restore, "(S XX )NP\n(X XX )X\n").expect(0);
    assert_eq!(outcome.out(), "\n(X (NN a))\n");
    outcome.says("1 of 2 sequences are no tree; the first: line 1: token 3, )NP: (S is open");
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
        ("dog4 barks", "(S (NP XX )NP (VP XX )VP )S")
    );
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

#[test]
fn sequences_of_real_trees_come_back() {
    let Some(directory) = directory_of_texts() else { return };
    let trees = lines_of(&directory.join("treebank/craft.tree.gz"));
    let mut words = 0;
    for line in &trees {
        let tree = Tree::parse(line).unwrap();
        words += tree.leaves().count();
        let sequence = tree.sequence();
        let back = Tree::from_sequence(&sequence, tree.leaves()).unwrap();
        assert_eq!((back.sequence(), back.sentence()), (sequence, tree.sentence()), "{line}");
        assert_eq!(Tree::parse(&back.to_string()).unwrap(), back);
    }
    assert!(words > 20 * trees.len(), "{words}");
}
