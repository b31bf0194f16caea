//! Masked language models from running text to a table: the measures, views, resumption and refusals.

use crate::common::Workshop;
use crate::common::runs::RUN;
use ablate::data::Split;
use ablate::data::masking::Masks;
use ablate::results::record::Record;
use serde_json::Value;

/// Loss and accuracy cover the tokens that the fixed masks choose, and beat any guess that ignores the text.
#[test]
fn a_trained_model_is_measured_by_the_tokens_that_it_finds() {
    let workshop = Workshop::of_masked_language_model();
    let out = workshop.run(&["train", "tiny.toml", "--set", "training.steps=120"]).expect(0).out();
    assert!(out.contains("of hidden tokens") && !out.contains("BLEU") && !out.contains("character"), "{out}");
    let record = Record::load(&workshop.path(RUN)).unwrap().unwrap();
    let data = workshop.prepared();
    let masks = Masks::of_evaluation(data.tokenizers.target().len());
    let mut expected = vec!["best/dev_masked_perplexity".to_string()];
    for split in [Split::Dev, Split::Test] {
        let of = |metric: &str| record.metrics[&format!("{}/{metric}", split.name())];
        assert!((of("masked_perplexity") / of("loss").exp() - 1.0).abs() < 1e-12);
        let store = data.split(split).unwrap();
        let count: usize = (0..store.len()).map(|block| masks.count(store.target_length(block))).sum();
        let right = of("masked_accuracy") * count as f64;
        assert!((right - right.round()).abs() < 1e-9 && right > 0.0, "{right} of {count}");
        expected.extend(
            ["loss", "masked_accuracy", "masked_perplexity"].map(|name| format!("{}/{name}", split.name())),
        );
    }
    assert_eq!(record.metrics.keys().cloned().collect::<Vec<_>>(), expected);
    assert!(record.metrics["dev/masked_perplexity"] < 0.5 * data.tokenizers.target().len() as f64);
    let metrics = workshop.text(format!("{RUN}/metrics.csv"));
    for tag in ["train/masked_perplexity", "dev/masked_perplexity", "dev/masked_accuracy", "dev/loss"] {
        assert!(metrics.contains(&format!(",{tag},")), "{tag}");
    }
    assert!(!metrics.contains(",dev/perplexity,") && !workshop.path(RUN).join("hypotheses").exists());
    // The views show its input, its predictions and its attention.
    let views = workshop.text(format!("{RUN}/views.jsonl"));
    assert!(views.contains("| text | found | as it was |") && views.contains("[1"), "{views}");
    let attention: Value = serde_json::from_str(&workshop.text(format!("{RUN}/attention.json"))).unwrap();
    let sentence = &attention["sentences"][0];
    assert_eq!(sentence["source"].as_array().unwrap().len(), 16);
    assert_eq!(sentence["target"], Value::Array(Vec::new()));
    assert!(sentence["maps"].as_array().unwrap().iter().all(|map| map["kind"] == "encoder"));
    workshop.run(&["verify", RUN, "--decode"]).expect(0);
}

/// A model with that task tells two texts apart; it finds the same hidden tokens as other models.
#[test]
fn second_texts_are_told_beside_the_hidden_tokens() {
    let workshop = Workshop::of_second_texts();
    let out = workshop.run(&["train", "tiny.toml"]).expect(0).out();
    assert!(out.contains("of hidden tokens, 0.") && out.contains(" of second texts"), "{out}");
    let record = Record::load(&workshop.path(RUN)).unwrap().unwrap();
    let data = workshop.prepared();
    let masks = Masks::of_evaluation(data.tokenizers.target().len());
    for split in [Split::Dev, Split::Test] {
        let of = |metric: &str| record.metrics[&format!("{}/{metric}", split.name())];
        let store = data.split(split).unwrap();
        let count: usize = (0..store.len()).map(|block| masks.count(store.target_length(block))).sum();
        // Each block is read with its own second text, and with another one.
        for (share, of_all) in [("masked_accuracy", count), ("next_sentence_accuracy", 2 * store.len())] {
            let right = of(share) * of_all as f64;
            assert!((right - right.round()).abs() < 1e-9 && (0.0..=1.0).contains(&of(share)), "{right}");
        }
    }
    let metrics = workshop.text(format!("{RUN}/metrics.csv"));
    assert!(metrics.contains(",dev/next_sentence_accuracy,"), "{metrics}");
    // Attention is shown over both texts with the tokens around them.
    let attention: Value = serde_json::from_str(&workshop.text(format!("{RUN}/attention.json"))).unwrap();
    let source = attention["sentences"][0]["source"].as_array().unwrap();
    let ends: Vec<usize> = (0..source.len()).filter(|&place| source[place] == "</s>").collect();
    assert!(source.len() == 19 && ends.len() == 3 && ends[0] == 0 && ends[2] == 18, "{source:?}");
    let views = workshop.text(format!("{RUN}/views.jsonl"));
    assert!(views.contains("| text | found | as it was |"), "{views}");
    workshop.run(&["verify", RUN, "--decode"]).expect(0);
    for (sets, said) in [
        (
            &["model.position=\"learned\"", "model.learned_positions=18"][..],
            "for blocks of data.max_length = 16 tokens, around whose two texts",
        ),
        (
            &["model.encoder=\"recurrent\"", "model.recurrent.bidirectional=\"none\""],
            "this state has read no other token",
        ),
        // Behind the first token there are 16 tokens and two ends of texts; one layer reaches 17.
        (
            &["model.attention.span={ local = 36 }"],
            "with model.attention.span = { local = 36 } in model.layers = 1 layers this state has read the next 17 tokens",
        ),
        (
            &["model.encoder=\"convolutional\"", "model.convolutional.encoder_layers=17"],
            "with the kernels of model.encoder = \"convolutional\" this state has read the next 17 tokens alone",
        ),
        (&["data.max_length=1"], "data.max_length = 1 is out of range"),
    ] {
        workshop.refuses("tiny.toml", sets, &[said]);
    }
}

#[test]
fn what_needs_a_writer_is_refused_of_a_masked_model() {
    let workshop = Workshop::of_masked_language_model();
    workshop.run(&["train", "tiny.toml", "--set", "training.steps=2"]).expect(0);
    for (words, said) in [
        (
            &["translate", RUN][..],
            "is a masked language model, which writes nothing: model.decoder = \"none\"",
        ),
        (&["generate", RUN, "--prompt", "A cat"], "is a masked language model, which continues no text"),
        (&["score", RUN], "is a language model, which"),
        (&["compare", RUN, RUN], "is a language model, which"),
    ] {
        workshop.run(words).expect(2).says(said).says(RUN);
    }
    for format in ["marian", "ctranslate2"] {
        let out = workshop.run(&["export", RUN, "--format", format, "--out", "out"]).expect(2);
        out.says("model.decoder = \"none\"");
    }
    workshop.run(&["export", RUN, "--format", "safetensors", "--out", "out"]).expect(0);
}

#[test]
fn settings_without_a_meaning_for_masked_models_are_refused_at_their_line() {
    let workshop = Workshop::of_masked_language_model();
    for (key, said) in [
        ("training.dev_bleu_interval_steps=5", "a language model writes nothing that has a reference"),
        ("training.packed_length=64", "its blocks fill their rows already"),
        ("data.vocabulary=\"separate\"", "it has one side alone"),
        ("decoding.beam=2", "decoding.beam has no effect with model.decoder = \"none\""),
        (
            "decoding.length_buckets=[3]",
            "decoding.length_buckets has no effect with model.decoder = \"none\"",
        ),
        (
            "model.attention.cross_score=\"dot\"",
            "model.attention.cross_score has no effect with model.decoder = \"none\"",
        ),
        ("model.attention.decoder_span=\"full\"", "model.attention.decoder_span has no effect with"),
        (
            "model.recurrent.bridge=\"tanh\"",
            "model.recurrent.bridge has no effect with model.decoder = \"none\"",
        ),
        ("training.direction=\"backward\"", "training.direction has no effect with model.decoder = \"none\""),
        ("training.masking.rate=0", "training.masking.rate = 0 is out of range"),
        ("training.masking.hidden=1.5", "training.masking.hidden = 1.5 is out of range"),
        ("training.masking.random=0.3", "are more than 1 together"),
        ("training.masking.copies=0", "training.masking.copies = 0 is out of range"),
        ("model.masked.segments=-1", "model.masked.segments = -1 is out of range"),
        ("training.micro_batch_tokens=15", "is less than the 16 tokens of a block"),
    ] {
        workshop.refuses("tiny.toml", &[key], &[said]);
    }
    let process = workshop.run(&["train", "tiny.toml", "--set", "training.packed_length=64"]).expect(2);
    process.says("its blocks fill their rows already");
    // In a file the error has its line; the same keys are accepted with a decoder.
    let text = workshop.text("tiny.toml");
    for (from, to, line, said) in [
        ("[run]", "[decoding]\nbeam = 2\n[run]", "e.toml:20:", "decoding.beam has no effect with"),
        (
            "d_ff = 16",
            "d_ff = 16\nattention.cross_score = \"dot\"",
            "e.toml:9:",
            "model.attention.cross_score has no effect",
        ),
        (
            "decoder = \"none\"",
            "encoder = \"none\"\nmasked.head = \"none\"",
            "e.toml:6:",
            "model.masked.head has no effect with",
        ),
        (
            "decoder = \"none\"",
            "encoder = \"none\"\n[training.masking]\nrate = 0.3\n[model]",
            "e.toml:",
            "training.masking.rate has no effect with",
        ),
    ] {
        let (head, tail) = to.split_once("\n[training.masking]").unwrap_or((to, ""));
        let mut text = text.replace(from, head);
        if !tail.is_empty() {
            text += &format!("[training.masking]{}", tail.replace("[model]", ""));
        }
        workshop.write("e.toml", &text);
        workshop.refuses("e.toml", &[], &[said, line]);
    }
    workshop
        .write("pairs.toml", &crate::common::EXPERIMENT.replace("[model]", "[model]\ndecoder = \"none\""));
    workshop.refuses(
        "pairs.toml",
        &[],
        &["is a corpus of sentence pairs", "pairs.toml:15:", "a recipe of running text"],
    );
    let recurrent = "decoder = \"none\"\nencoder = \"recurrent\"\nmasked.head = \"none\"";
    let text = text.replace("decoder = \"none\"", recurrent);
    let keys = ["layers = 1\n", "d_ff = 16\n", "heads = 2\n"];
    workshop.write("e.toml", &keys.iter().fold(text, |text, key| text.replace(key, "")));
    let said = ["the states of the encoder are 1024", "model.masked.head = \"transform\""];
    workshop.refuses("e.toml", &[], &said);
    assert!(!workshop.path("results").exists());
}

#[test]
fn a_sweep_of_masked_models_is_planned_run_and_shown() {
    let workshop = Workshop::of_masked_language_model();
    workshop.write(
        "small.toml",
        "base = \"tiny.toml\"\nseeds = [1, 2]\nset = { \"training.steps\" = 8 }\n\
         [[row]]\nlabel = \"base\"\n[[row]]\nlabel = \"more\"\nset = { \"training.masking.rate\" = 0.4 }\n\
         [[row]]\nlabel = \"recurrent\"\nset = { \"model.encoder\" = \"recurrent\", \"model.recurrent.hidden\" = 8 }\n",
    );
    let tokens = |workshop: &Workshop| {
        let plan = workshop.plan("small.toml");
        [0, 1].map(|row| plan["rows"][row]["price"]["target_tokens"].as_f64().unwrap())
    };
    // Two of 16 tokens are found, or six; an update reads 25 blocks.
    let [few, more] = tokens(&workshop);
    assert!((few / 50.0 - 1.0).abs() < 0.15 && (more / 150.0 - 1.0).abs() < 0.15, "{few}, {more}");
    assert_eq!(workshop.without_data(tokens), [50.0, 150.0]);
    let (_, header) = workshop.sweep_and_show();
    assert!(header.contains("dev/masked_perplexity,") && header.contains("test/masked_accuracy"), "{header}");
    assert!(!header.contains("dev/perplexity"), "{header}");
    workshop.write(
        "bleu.toml",
        &workshop.text("small.toml").replace("seeds", "table.columns = [\"test/bleu\"]\nseeds"),
    );
    let out = workshop.run(&["sweep", "bleu.toml"]).expect(2);
    out.says("column \"test/bleu\" is not measured of these trials")
        .says("dev/masked_perplexity")
        .says("bleu.toml:2");
}
