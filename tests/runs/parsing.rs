//! Parsers from trees to parses: the measures, views, repairs, resumption and refusals.

use crate::common::runs::RUN;
use crate::common::{TREES, Workshop, tree};
use ablate::constituency_tree::Tree;
use ablate::results::record::Record;
use serde_json::Value;

fn metrics(workshop: &Workshop) -> std::collections::BTreeMap<String, f64> {
    Record::load(&workshop.path(RUN)).unwrap().unwrap().metrics
}

#[test]
fn a_trained_parser_is_measured_by_evalb_over_every_sentence() {
    let workshop = Workshop::of_parser();
    let out = workshop.run(&["train", "tiny.toml"]).expect(0).out();
    assert!(out.contains("F1") && out.contains("% malformed") && !out.contains("BLEU"), "{out}");
    assert!(out.contains("evalb:COLLINS.prm|tags:reference"), "{out}");
    let metrics = metrics(&workshop);
    for (split, count) in [("dev", 12), ("test", 18)] {
        let of = |metric: &str| metrics[&format!("{split}/{metric}")];
        let hypotheses = workshop.text(format!("{RUN}/hypotheses/{split}.txt"));
        assert_eq!(hypotheses.lines().count(), count);
        let gold = workshop.text(format!("{split}.tree")).replace(")\n(VP", ") (VP");
        for (parse, gold) in hypotheses.lines().zip(gold.lines()) {
            let (parse, gold) = (Tree::parse(parse).unwrap(), Tree::parse(gold).unwrap());
            assert_eq!(parse.leaves().collect::<Vec<_>>(), gold.leaves().collect::<Vec<_>>());
        }
        // `ablate evalb` on the files gives the recorded scores.
        workshop.write("gold", &gold);
        let evalb = workshop.run(&["evalb", "gold", &format!("{RUN}/hypotheses/{split}.txt"), "--json"]);
        let evalb = evalb.expect(0).json();
        let all = &evalb["all"];
        assert_eq!(
            (&all["sentences"], &all["errors"], &all["skipped"]),
            (&count.into(), &0.into(), &0.into())
        );
        for (metric, value, factor) in [
            ("f1", &all["f1"], 1.0),
            ("precision", &all["precision"], 1.0),
            ("recall", &all["recall"], 1.0),
            ("exact_match", &all["complete_match"], 0.01),
            ("f1_at_most_40_words", &evalb["at_most_40_words"]["f1"], 1.0),
        ] {
            let expected = value.as_f64().unwrap() * factor;
            assert!((of(metric) - expected).abs() < 1e-9, "{metric}: {} and {expected}", of(metric));
        }
        assert!((0.0..=1.0).contains(&of("malformed")), "{}", of("malformed"));
        let defects = ["unclosed_brackets", "unopened_brackets", "empty_constituents", "missing_words"];
        let others = ["extra_words", "stray_symbols", "split_roots"];
        let found: f64 = defects.iter().chain(&others).map(|kind| of(kind)).sum();
        assert_eq!(found > 0.0, of("malformed") > 0.0, "{metrics:?}");
        assert!(!metrics.contains_key(&format!("{split}/bleu")), "{metrics:?}");
        assert!(!metrics.contains_key(&format!("{split}/tagging_accuracy")), "tags are the references'");
    }
    let curves = workshop.text(format!("{RUN}/metrics.csv"));
    for tag in ["30,dev/f1,", "60,dev/f1,", "30,dev/malformed,", "30,dev/missing_words,"] {
        assert!(curves.contains(tag), "{tag} is not in {curves}");
    }
    let views = workshop.text(format!("{RUN}/views.jsonl"));
    assert!(views.contains("| source | parse | reference |"), "{views}");
    workshop.run(&["verify", RUN, "--decode"]).expect(0);
}

#[test]
fn a_sweep_of_parsers_is_planned_compared_and_shown() {
    let workshop = Workshop::of_parser();
    workshop.write(
        "small.toml",
        "base = \"tiny.toml\"\nseeds = [1, 2]\nset = { \"training.steps\" = 20 }\n[table]\nbase = \"base\"\n\
         [[row]]\nlabel = \"base\"\n[[row]]\nlabel = \"greedy\"\nset = { \"decoding.beam\" = 1 }\n\
         [[row]]\nlabel = \"prefix\"\nset = { \"model.encoder\" = \"none\" }\n",
    );
    let plan = workshop.plan("small.toml");
    assert!(plan["rows"][0]["price"]["target_tokens"].as_f64().unwrap() > 300.0, "{plan}");
    let table = workshop.run(&["sweep", "small.toml"]).expect(0).out();
    assert!(table.contains("F1") || table.contains("f1"), "{table}");
    assert!(!table.contains("BLEU") && !table.contains("bleu"), "{table}");
    assert!(table.contains("of the mean F1 over seeds") && table.contains("evalb:COLLINS.prm"), "{table}");
    let csv = workshop.text("results/small/table.csv");
    let header = csv.lines().next().unwrap();
    assert!(header.contains("dev/f1,") && header.contains("test/malformed"), "{header}");
    workshop.run(&["report", "small.toml"]).expect(0);
    let status = workshop.run(&["status", "small.toml"]).expect(0).out();
    assert!(status.contains("F1 "), "{status}");
}

#[test]
fn raw_words_become_trees_over_these_words() {
    let workshop = Workshop::of_parser();
    workshop.run(&["train", "tiny.toml", "--set", "training.steps=20"]).expect(0);
    let input = "the dog sees 7 ( small ) birds .\n\na cat\n";
    let outcome = workshop.run_with_input(&["translate", RUN], input.as_bytes()).expect(0);
    let out = outcome.out();
    let lines: Vec<&str> = out.split_terminator('\n').collect();
    assert_eq!(lines.len(), 3, "{out}");
    let sentence = |line: &str| Tree::parse(line).unwrap().sentence();
    assert_eq!(sentence(lines[0]), "the dog sees 7 -LRB- small -RRB- birds .");
    assert_eq!((lines[1], sentence(lines[2]).as_str()), ("", "a cat"));
    let json = workshop.run_with_input(&["translate", RUN, "--json", "--n-best", "2"], input.as_bytes());
    let json = json.expect(0).out();
    let first: Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(first["source"], "the dog sees 7 ( small ) birds .");
    let parses = first["translations"].as_array().unwrap();
    assert!(parses.len() == 2 && parses.iter().all(|parse| parse["malformed"].is_boolean()), "{first}");
    // EVALB scores the parses of the run.
    let scores = workshop.run(&["score", RUN]).expect(0).out();
    assert!(scores.contains("on dev\nF1 ") && scores.contains("at most 40 words:\nF1 "), "{scores}");
    let json = workshop.run(&["score", RUN, "--split", "test", "--json"]).expect(0).json();
    assert_eq!(json["runs"][0]["test"]["all"]["f1"], metrics(&workshop)["test/f1"]);
    for words in [&["score", RUN, "-m", "chrf"][..], &["score", RUN, "--sentence-level"]] {
        workshop.run(words).expect(2).says("the parses of a run are scored by EVALB alone");
    }
    workshop.run(&["score", RUN, "--lowercase"]).expect(2).says("--lowercase is for");
    workshop.run(&["compare", RUN, RUN]).expect(2).says("is a parser, and only translations are compared");
    workshop.run(&["generate", RUN, "--prompt", "a"]).expect(2).says("is no language model");
}

#[test]
fn tags_are_predicted_if_the_trees_have_them() {
    let workshop = Workshop::of_trees();
    workshop.write("trees.toml", &format!("{TREES}[trees]\ntags = true\n"));
    workshop.run(&["prepare", "trees.toml", "--source", "."]).expect(0);
    let out = workshop.run(&["train", "tiny.toml", "--set", "training.steps=20"]).expect(0).out();
    assert!(out.contains("tags:predicted"), "{out}");
    let metrics = metrics(&workshop);
    workshop.write("gold", &workshop.text("test.tree").replace(")\n(VP", ") (VP"));
    let evalb = workshop.run(&["evalb", "gold", &format!("{RUN}/hypotheses/test.txt"), "--json"]);
    let evalb = evalb.expect(0).json();
    // Wrong tags of punctuation leave no sentence out.
    assert_eq!((&evalb["all"]["sentences"], &evalb["all"]["errors"]), (&18.into(), &0.into()));
    let tagging = metrics["test/tagging_accuracy"];
    assert!((0.0..=1.0).contains(&tagging), "{tagging}");
}

#[test]
fn what_is_no_corpus_of_trees_is_refused_with_file_and_line() {
    let workshop = Workshop::of_trees();
    let prepare = ["prepare", "trees.toml", "--source", "."];
    for (trees, said) in [
        ("(S (NN a))\n\n(S (NN a)\n", "train.tree:3: no tree begins here: the file ends before it is closed"),
        (
            "(S (NN a))\n(S (NN a)))\n",
            "train.tree:2: no tree begins here: byte 11: there is text behind the tree",
        ),
        ("(S (NN a))\n()\n", "train.tree:2: no tree begins here: byte 2: a constituent holds nothing"),
        ("(S (NN a))\ndog\n", "train.tree:2: no tree begins here: byte 1: a tree begins with ("),
        ("", "train.tree: the file is empty"),
    ] {
        workshop.write("train.tree", trees);
        workshop.run(&prepare).expect(2).says(said);
    }
    workshop.write("train.tree", &(0..300).map(tree).collect::<String>());
    for (old, new, said) in [
        (
            "dev.tree\", target = \"dev.tree\", format = \"trees\"",
            "a\", target = \"b\"",
            "all files of the recipe must have it",
        ),
        ("merges = 60", "merges = 60\nlowercase = true", "the labels of trees cannot be lower-cased"),
        (
            "[data]",
            "[cleaning]\ncontrol_characters = \"blank\"\n[data]",
            "control_characters = \"blank\" would take the words of trees apart",
        ),
    ] {
        workshop.write("trees.toml", &TREES.replacen(old, new, 1));
        workshop.run(&prepare).expect(2).says(said);
    }
    let lines = TREES.replace("train.tree\", target = \"train.tree\"", "a\", target = \"b\"");
    let lines = lines.replace("dev.tree\", target = \"dev.tree\"", "a\", target = \"b\"");
    let lines = lines.replace("test.tree\", target = \"test.tree\"", "a\", target = \"b\"");
    workshop
        .write("trees.toml", &format!("{}[trees]\ntags = true\n", lines.replace("trees\" }", "lines\" }")));
    workshop
        .run(&prepare)
        .expect(2)
        .says("data.recipe.trees.tags = true, but the recipe has no files of trees");
    workshop.write("trees.toml", TREES);
    workshop.run(&prepare).expect(0);
    for of_bleu in ["decoding.length_buckets=[5]", "decoding.tokenize=char"] {
        workshop.run(&["train", "tiny.toml", "--set", of_bleu]).expect(2).says("a parser has F1");
    }
    assert!(!workshop.path("results").exists());
}
