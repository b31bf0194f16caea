//! Language models from running text to generated text: the measures, views and refusals.

use crate::common::runs::RUN;
use crate::common::{LANGUAGE_MODEL, Workshop};
use ablate::data::Split;
use ablate::results::record::Record;
use serde_json::Value;

/// All measures follow from one number, the probability of the whole text, divided by its tokens, words and characters.
#[test]
fn a_trained_model_is_measured_by_tokens_words_and_characters() {
    let workshop = Workshop::of_language_model();
    let out = workshop.run(&["train", "tiny.toml"]).expect(0).out();
    assert!(out.contains("bits per character") && !out.contains("BLEU"), "{out}");
    let record = Record::load(&workshop.path(RUN)).unwrap().unwrap();
    let data = workshop.prepared();
    let mut expected = vec!["best/dev_perplexity".to_string()];
    for (split, file) in [(Split::Dev, "dev.txt"), (Split::Test, "test.txt")] {
        let of = |metric: &str| record.metrics[&format!("{}/{metric}", split.name())];
        let store = data.split(split).unwrap();
        let tokens: usize = (0..store.len()).map(|block| store.target_length(block)).sum();
        let text = workshop.text(file);
        let words = text.split_whitespace().count() + text.lines().count();
        let nats = of("loss") * tokens as f64;
        for (metric, value) in [
            ("perplexity", of("loss").exp()),
            ("word_perplexity", (nats / words as f64).exp()),
            ("character_perplexity", (nats / text.len() as f64).exp()),
            ("bits_per_character", nats / text.len() as f64 / 2f64.ln()),
        ] {
            assert!((of(metric) / value - 1.0).abs() < 1e-12, "{metric}: {} and {value}", of(metric));
        }
        assert!(of("accuracy") > 0.05 && of("accuracy") <= 1.0);
        let metrics = [
            "accuracy",
            "bits_per_character",
            "character_perplexity",
            "loss",
            "perplexity",
            "word_perplexity",
        ];
        expected.extend(metrics.map(|metric| format!("{}/{metric}", split.name())));
    }
    assert_eq!(record.metrics.keys().cloned().collect::<Vec<_>>(), expected);
    // Better than a uniform distribution over all tokens.
    assert!(record.metrics["dev/perplexity"] < 0.5 * data.tokenizers.target().len() as f64);
    assert_eq!(record.data.train_pairs, data.split(Split::Train).unwrap().len());
    assert!(!workshop.path(RUN).join("hypotheses").exists());
    // The views show its input, its continuation and its attention.
    let views = workshop.text(format!("{RUN}/views.jsonl"));
    assert!(views.contains("| text | continued | as it was |"), "{views}");
    let attention: Value = serde_json::from_str(&workshop.text(format!("{RUN}/attention.json"))).unwrap();
    let sentence = &attention["sentences"][0];
    assert_eq!(sentence["source"], Value::Array(Vec::new()));
    assert_eq!(sentence["target"].as_array().unwrap().len(), 16);
    assert!(sentence["maps"].as_array().unwrap().iter().all(|map| map["kind"] == "decoder"));
    workshop.run(&["verify", RUN, "--decode"]).expect(0);
}

#[test]
fn what_needs_translations_is_refused_of_a_language_model() {
    let workshop = Workshop::of_language_model();
    workshop.run(&["train", "tiny.toml", "--set", "training.steps=2"]).expect(0);
    for words in [&["translate", RUN][..], &["score", RUN], &["compare", RUN, RUN]] {
        workshop.run(words).expect(2).says("is a language model, which").says(RUN);
    }
    for format in ["marian", "ctranslate2"] {
        workshop
            .run(&["export", RUN, "--format", format, "--out", "out"])
            .expect(2)
            .says("model.encoder = \"none\"");
    }
    workshop.run(&["export", RUN, "--format", "safetensors", "--out", "out"]).expect(0);
}

#[test]
fn settings_without_a_meaning_for_running_text_are_refused_at_their_line() {
    let workshop = Workshop::of_language_model();
    for (key, said) in [
        ("model.encoder=\"self_attention\"", "this model has an encoder and translates"),
        ("data.vocabulary=\"separate\"", "it has one side alone"),
        ("data.max_train_length=5", "its blocks have one length, data.max_length"),
        ("training.packed_length=64", "its blocks fill their rows already"),
        ("training.dev_bleu_interval_steps=5", "a language model writes nothing that has a reference"),
        ("training.micro_batch_tokens=15", "is less than the 16 tokens of a block"),
    ] {
        workshop.refuses("tiny.toml", &[key], &[said]);
    }
    let process = workshop.run(&["train", "tiny.toml", "--set", "training.packed_length=64"]).expect(2);
    process.says("its blocks fill their rows already");
    let too_few = "model.learned_positions = 15 is too few for blocks of data.max_length = 16 tokens";
    let sets = ["model.position=\"learned\"", "model.learned_positions=15"];
    workshop.refuses("tiny.toml", &sets, &[too_few]);
    assert!(!workshop.path("results").exists());
}

/// The positions of one block are enough to train, to measure and to write samples.
#[test]
fn learned_positions_are_those_of_a_block() {
    let workshop = Workshop::of_language_model();
    let text = LANGUAGE_MODEL.replace("[model]", "[model]\nposition = \"learned\"\nlearned_positions = 16");
    workshop.write("tiny.toml", &text.replace("[run]", "[run]\nattention_statistics = 2"));
    workshop.run(&["train", "tiny.toml", "--set", "training.steps=10"]).expect(0);
    assert!(workshop.text(format!("{RUN}/metrics.csv")).contains("attention/decoder_1_entropy"));
}

/// The blocks are the same as those of a model that reads `<s>` before each, every token is measured once, and the views
/// show the input of a block with the token before it.
#[test]
fn a_block_can_be_read_behind_the_token_before_it() {
    let workshop = Workshop::of_language_model_without_bos();
    workshop.run(&["train", "tiny.toml", "--set", "run.attention_sentences=2"]).expect(0);
    let data = workshop.prepared();
    let store = data.split(Split::Dev).unwrap();
    let attention: Value = serde_json::from_str(&workshop.text(format!("{RUN}/attention.json"))).unwrap();
    for (block, before) in [(0, "<s>".to_string()), (1, data.tokenizers.target().label(store.target(0)[15]))]
    {
        let target = attention["sentences"][block]["target"].as_array().unwrap();
        assert_eq!((target.len(), &target[0]), (16, &Value::from(before)));
        assert_eq!(target[1], data.tokenizers.target().label(store.target(block)[0]));
    }
    let line_end = data.line_end();
    assert!(data.encode_text("17 mice.\n").ends_with(&line_end) && data.decode_text(&line_end) == "\n");
    let out = workshop.run(&["verify", RUN, "--decode"]).expect(0).out();
    for measure in ["dev/loss", "dev/bits_per_character", "dev/accuracy", "test/perplexity"] {
        assert!(out.contains(&format!("holds    {measure}")), "without {measure}:\n{out}");
    }
    workshop.run(&["export", RUN, "--format", "safetensors", "--out", "out"]).expect(0);
    // With the default it is another run, which has another identity and does not state the key.
    workshop
        .run(&["train", "tiny.toml", "--set", "training.first_input=bos"])
        .expect(2)
        .says("training.first_input");
    let config = |name: &str| workshop.text(format!("results/{name}/seed-1/config.toml"));
    let sets = ["--set", "training.first_input=bos", "--set", "training.steps=2"];
    workshop.run(&[&["train", "tiny.toml", "--name", "bos"], &sets[..]].concat()).expect(0);
    assert!(
        config("tiny").contains("first_input = \"previous_token\"") && !config("bos").contains("first_input")
    );
}

#[test]
fn a_sweep_of_language_models_is_planned_run_and_shown() {
    let workshop = Workshop::of_language_model();
    workshop.write(
        "small.toml",
        "base = \"tiny.toml\"\nseeds = [1, 2]\nset = { \"training.steps\" = 8 }\n\
         [[row]]\nlabel = \"base\"\n[[row]]\nlabel = \"no-positions\"\nset = { \"model.position\" = \"none\" }\n\
         [[row]]\nlabel = \"backward\"\nset = { \"training.direction\" = \"backward\" }\n",
    );
    let before = workshop.plan("small.toml");
    let price = &before["rows"][0]["price"];
    let tokens = price["target_tokens"].as_f64().unwrap();
    assert!((350.0..450.0).contains(&tokens), "{tokens}");
    assert_eq!(before["totals"]["finished"], 0);
    // Without the text, the plan assumes whole blocks.
    let assumed = workshop.without_data(|workshop| workshop.plan("small.toml"));
    assert_eq!(assumed["rows"][0]["price"]["target_tokens"], 400.0);
    let (table, header) = workshop.sweep_and_show();
    // A narrow heading breaks behind "per_".
    assert!(table.contains("dev/bits_"), "{table}");
    assert!(header.contains("dev/perplexity,") && header.contains("test/bits_per_character"), "{header}");
    assert!(!header.contains("bleu"), "{header}");
}

/// The perplexity of the two words of a line without a blank is greater than any number. The run ends without that score,
/// and its record can be read.
#[test]
fn a_score_that_is_no_finite_number_is_left_out() {
    let workshop = Workshop::of_language_model();
    let mut number = 1u32;
    let mut letter = |_| {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'a' + (number >> 24) as u8 % 26)
    };
    for (name, length) in [("text.txt", 9000), ("dev.txt", 3000), ("test.txt", 3000)] {
        workshop.write(name, &((0..length).map(&mut letter).collect::<String>() + "\n"));
    }
    std::fs::remove_dir_all(workshop.path("data")).unwrap();
    workshop.run(&["prepare", "text.toml", "--source", "."]).expect(0);
    let words = ["train", "tiny.toml", "--set", "training.steps=2"];
    workshop
        .run(&words)
        .expect(0)
        .says("dev/word_perplexity is left out of the scores, because it is not finite");
    let record = Record::load(&workshop.path(RUN)).unwrap().unwrap();
    assert!(record.metrics.contains_key("test/bits_per_character"), "{:?}", record.metrics);
    assert!(!record.metrics.keys().any(|tag| tag.ends_with("/word_perplexity")), "{:?}", record.metrics);
    assert!(!workshop.text(format!("{RUN}/metrics.csv")).contains("inf"));
    workshop.run(&["verify", RUN, "--decode"]).expect(0);
}
