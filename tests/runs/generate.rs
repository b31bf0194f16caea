//! `ablate generate`: a language model writes. Its sampling: the tests of `decode/sample`.

use crate::common::Workshop;
use crate::common::runs::RUN;
use serde_json::Value;

#[test]
fn a_model_writes_the_same_with_the_same_seed_and_continues_its_prompt() {
    let workshop = Workshop::of_language_model();
    workshop.run(&["train", "tiny.toml"]).expect(0);
    let write = |words: &[&str]| {
        let words = [&["generate", RUN, "--prompt", "A cat\nThe", "--tokens", "50"], words].concat();
        workshop.run(&words).expect(0).out()
    };
    let first = write(&[]);
    assert!(first.starts_with("A cat\nThe") && first.len() > "A cat\nThe\n".len(), "{first:?}");
    assert_eq!(first, write(&["--seed", "1"]));
    assert_ne!(first, write(&["--seed", "2"]));
    let greedy = write(&["--temperature", "0"]);
    assert_eq!(greedy, write(&["--temperature", "0", "--seed", "7"]));
    // Each of the three leaves only the most probable token.
    assert_eq!(greedy, write(&["--top-k", "1"]));
    assert_eq!(greedy, write(&["--top-p", "1e-9"]));
    let json: Value = serde_json::from_str(&write(&["--json"])).unwrap();
    assert_eq!(format!("{}\n", json["text"].as_str().unwrap()), first);
    assert_eq!((json["prompt"].as_str(), json["tokens"].as_array().unwrap().len()), (Some("A cat\nThe"), 50));
    assert!(!workshop.run(&["generate", RUN, "--tokens", "3"]).expect(0).out().is_empty());
    for (words, said) in [
        (["--temperature", "-1"], "--temperature -1 is out of range: use a finite number, 0 or more"),
        (["--top-k", "0"], "--top-k 0 is out of range"),
        (["--top-p", "1.5"], "--top-p 1.5 is out of range: use a number above 0, at most 1"),
        (["--tokens", "0"], "--tokens 0 is out of range: use 1 or more"),
        (["--set", "training.steps=3"], "cannot change what a trained model writes"),
    ] {
        // A value may begin with a dash.
        let word = words.join("=");
        workshop.run(&["generate", RUN, &word]).expect(2).says(said);
    }
}

#[test]
fn a_model_of_characters_writes_characters() {
    let workshop = Workshop::of_language_model();
    workshop.write(
        "tiny.toml",
        &crate::common::LANGUAGE_MODEL.replace("[data]", "[data]\npieces = \"characters\""),
    );
    workshop.run(&["prepare", "tiny.toml", "--source", "."]).expect(0);
    workshop.run(&["train", "tiny.toml"]).expect(0);
    let words = ["generate", RUN, "--prompt", "The", "--tokens", "30", "--json"];
    let written = workshop.run(&words).expect(0).json();
    assert_eq!(written["tokens"].as_array().unwrap().len(), 30, "{written}");
    let text = written["text"].as_str().unwrap();
    assert!(text.starts_with("The") && !text.contains('\u{fffd}'), "{text:?}");
    assert!((4..=33).contains(&text.chars().count()), "{text:?}");
}

/// The prompt is the end of what a backward model writes; it has learned the letters that stand before others.
#[test]
fn a_backward_model_writes_what_comes_before_its_prompt() {
    let workshop = Workshop::of_language_model();
    let set = ["--set", "training.direction=backward"];
    let out = workshop.run(&[&["train", "tiny.toml"][..], &set].concat()).expect(0).out();
    assert!(out.contains("bits per character"), "{out}");
    let views = workshop.text(format!("{RUN}/views.jsonl"));
    assert!(views.contains("| text, from its end | continued to its beginning | as it was |"), "{views}");
    let write = ["generate", RUN, "--prompt", "mice.\n", "--tokens", "12", "--temperature", "0"];
    let out = workshop.run(&write).expect(0).out();
    assert!(out.ends_with("mice.\n\n") && out.len() > "mice.\n\n".len(), "{out:?}");
    workshop.run(&["verify", RUN]).expect(0);
    let pairs = [&["train", "pairs.toml"][..], &set].concat();
    workshop.write("pairs.toml", crate::common::EXPERIMENT);
    workshop.run(&pairs).expect(2).says("training.direction has no effect with data.recipe");
}

/// A model that was trained behind the tokens of the text continues from the end of a line if there is no prompt.
#[test]
fn a_model_that_does_not_read_bos_begins_a_line() {
    let workshop = Workshop::of_language_model_without_bos();
    let text = workshop.text("tiny.toml").replace("[data]", "[data]\npieces = \"characters\"");
    workshop.write("tiny.toml", &text);
    workshop.run(&["prepare", "tiny.toml", "--source", "."]).expect(0);
    let set = "training.first_input=previous_token";
    for direction in ["forward", "backward"] {
        let set = format!("training.direction={direction}");
        let sets = ["--set", "model.position=learned", "--set", "model.learned_positions=16", "--set", &set];
        workshop.run(&[&["train", "tiny.toml", "--name", direction][..], &sets].concat()).expect(0);
        let run = format!("results/{direction}/seed-1");
        let write = |words: &[&str]| {
            let words = [&["generate", &run, "--tokens", "40", "--temperature", "0"], words].concat();
            workshop.run(&words).expect(0).out()
        };
        let (alone, behind_line_end) = (write(&[]), write(&["--prompt", "\n"]));
        match direction == "forward" {
            true => assert_eq!(format!("\n{alone}"), behind_line_end),
            false => assert_eq!(format!("{}\n\n", alone.strip_suffix('\n').unwrap()), behind_line_end),
        }
        let words = ["The cat never saw 17 mice.\nA cat once saw 235 mice.\nThe cat once saw mice", "T"];
        for prompt in words {
            let out = write(&["--prompt", prompt]);
            let (begins, ends) = (out.starts_with(prompt), out.ends_with(&format!("{prompt}\n")));
            assert!(if direction == "forward" { begins } else { ends }, "{out:?}");
        }
    }
    workshop.write("pairs.toml", crate::common::EXPERIMENT);
    let pairs = ["train", "pairs.toml", "--set", set];
    workshop.run(&pairs).expect(2).says("training.first_input has no effect with data.recipe");
    let masked = ["train", "masked.toml", "--set", set];
    workshop.write(
        "masked.toml",
        &crate::common::LANGUAGE_MODEL.replace("encoder = \"none\"", "decoder = \"none\""),
    );
    workshop.run(&masked).expect(2).says("training.first_input has no effect with model.decoder");
}

/// A text continues when the positions of a block are full.
#[test]
fn learned_positions_do_not_end_a_text() {
    let workshop = Workshop::of_language_model();
    let sets = ["model.position=\"learned\"", "model.learned_positions=16", "training.steps=5"];
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    workshop.run(&[&["train", "tiny.toml"], &sets[..]].concat()).expect(0);
    let json = workshop.run(&["generate", RUN, "--tokens", "40", "--json"]).expect(0).json();
    assert_eq!(json["tokens"].as_array().unwrap().len(), 40);
}

#[test]
fn a_model_that_translates_does_not_write() {
    let workshop = Workshop::new();
    let short = ["--set", "training.steps=2", "--set", "training.dev_bleu_interval_steps=0"];
    workshop.run(&[&["train", "tiny.toml"], &short[..]].concat()).expect(0);
    workshop.run(&["generate", RUN]).expect(2).says("is no language model: it reads a source");
}
