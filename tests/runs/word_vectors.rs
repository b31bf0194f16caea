//! Word vectors from running text to vectors that other programs read: the computation, measures, views and refusals.
//! `tests/runs/resume.rs` checks that a resumed training ends with the same bytes, `tests/cluster/distributed.rs` that
//! several processes train like one.

use crate::common::Workshop;
use crate::common::runs::RUN;
use crate::common::variants::largest_gap;
use ablate::data::collate::collate_words;
use ablate::data::words::{DrawnWords, WordDraws, WordModel, WordsConfig, count_words};
use ablate::data::{Prepared, Split};
use ablate::model::mode::Mode;
use ablate::model::{self, DecoderKind, EncoderKind, ModelConfig, Network};
use ablate::results::record::Record;
use ablate::train::TrainingConfig;
use ablate::train::likelihood::likelihood;
use ablate::train::step::Updates;
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashSet;
use tch::{Device, Kind, Tensor};

const CBOW: [&str; 2] = ["--set", "training.words.model=\"cbow\""];

#[derive(Deserialize)]
struct Fixture {
    vocabulary: usize,
    width: i64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    predictions: Vec<Prediction>,
    loss: f64,
    correct: usize,
    input_gradient: Vec<f64>,
    output_gradient: Vec<f64>,
}

#[derive(Deserialize)]
struct Prediction {
    words: Vec<u32>,
    target: u32,
    noise: Vec<u32>,
}

fn words_alone(d_model: i64) -> ModelConfig {
    ModelConfig { encoder: EncoderKind::None, decoder: DecoderKind::None, d_model, ..Default::default() }
}

/// Returns the model of the fixture, whose weights follow from their places.
fn model_of(fixture: &Fixture) -> Box<dyn Network> {
    let model = model::build(&words_alone(fixture.width), fixture.vocabulary, 1, Kind::Double, Device::Cpu);
    for ((_, weight), first) in model.weights().named().iter().zip([0.5, 0.9]) {
        let places = Tensor::arange(weight.numel() as i64, (Kind::Double, Device::Cpu)) * 1.7 + first;
        tch::no_grad(|| weight.shallow_clone().copy_(&places.sin().view_as(weight)));
    }
    model
}

/// Loss, right predictions and gradients equal those of the formulas in numpy (`scripts/make_word_fixtures.py`).
#[test]
fn losses_and_gradients_are_those_of_the_formulas() {
    let fixture: Fixture = serde_json::from_str(include_str!("../fixtures/words.json")).unwrap();
    assert_eq!(fixture.cases.len(), 2);
    for case in &fixture.cases {
        let model = model_of(&fixture);
        let kind = if case.name == "cbow" { WordModel::Cbow } else { WordModel::SkipGram };
        let words = WordsConfig { model: kind, window: 2, negatives: 3, ..Default::default() };
        // In skip-gram, predictions from one word share its row.
        let mut drawn = DrawnWords::default();
        for (number, Prediction { words: read, target, noise }) in case.predictions.iter().enumerate() {
            let before = number.checked_sub(1).map(|number| &case.predictions[number].words);
            if kind == WordModel::Cbow || before != Some(read) {
                drawn.inputs.extend(read);
                drawn.lengths.push(read.len());
                drawn.inputs.resize(words.row_words() * drawn.lengths.len(), 0);
            }
            drawn.rows.push(drawn.lengths.len() - 1);
            drawn.targets.push(*target);
            drawn.negatives.extend(noise);
        }
        let batch = collate_words(&[drawn], &words, Device::Cpu);
        let count = case.predictions.len();
        let found = likelihood(&*model, [batch.on(Device::Cpu)]);
        assert!((found.nats - case.loss).abs() < 1e-12, "{}: {} and {}", case.name, found.nats, case.loss);
        assert_eq!((found.tokens, found.correct), (count, case.correct), "{}", case.name);
        let training = TrainingConfig { words, ..Default::default() };
        let updates = Updates { model: &*model, config: &training };
        let sums = updates.accumulate([(0, &batch)].into_iter(), count, 1);
        assert!((sums.loss.smoothed.double_value(&[]) - case.loss).abs() < 1e-12, "{}", case.name);
        let gradients = model.weights().named().iter().map(|(path, weight)| (path, weight.grad()));
        for ((path, gradient), expected) in gradients.zip([&case.input_gradient, &case.output_gradient]) {
            let expected = Tensor::from_slice(expected).view_as(&gradient) / count as f64;
            let gap = largest_gap(&gradient, &expected);
            assert!(gap < 1e-13, "{}: {path}: {gap:e}", case.name);
        }
    }
}

#[test]
fn first_values_and_names_are_word2vecs() {
    let model = model::build(&words_alone(50), 200, 7, Kind::Float, Device::Cpu);
    let named: Vec<&str> = model.weights().named().iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(named, ["embedding.input.weight", "embedding.output.weight"]);
    let input = model.source_embedding();
    assert_eq!(model.softmax_matrix().abs().max().double_value(&[]), 0.0);
    assert!((0.0099..=0.01).contains(&input.abs().max().double_value(&[])));
    assert!(input.mean(Kind::Double).abs().double_value(&[]) < 2e-4);
    assert!(model.generator().is_none() && model.longest().is_none() && model.position_table(4).is_none());
    // Without dropout, training and evaluation read alike.
    let words = WordsConfig { model: WordModel::Cbow, window: 1, negatives: 1, ..Default::default() };
    let drawn = DrawnWords {
        inputs: vec![5, 6, 7, 0],
        lengths: vec![2, 1],
        rows: vec![0, 1],
        targets: vec![8, 9],
        negatives: vec![3, 3],
    };
    let batch = collate_words(&[drawn], &words, Device::Cpu);
    let hidden = model.hidden(&batch, &Mode::evaluation());
    assert_eq!(hidden, model.hidden(&batch, &Mode::training(3)));
    let mean = (input.get(5) + input.get(6)) / 2.0;
    assert!(largest_gap(&hidden.get(0), &mean) < 1e-9 && hidden.get(1) == input.get(7));
}

/// Measures and views of a finished run of either model.
#[test]
fn trained_vectors_are_measured_shown_and_exported() {
    for set in [&[][..], &CBOW] {
        let workshop = Workshop::of_word_vectors();
        let steps = ["train", "tiny.toml", "--set", "training.steps=150"];
        let out = workshop.run(&[&steps[..], set].concat()).expect(0);
        assert!(out.out().contains("of predictions") && !out.out().contains("perplexity"), "{}", out.out());
        let record = Record::load(&workshop.path(RUN)).unwrap().unwrap();
        let tags =
            ["best/dev_loss", "dev/loss", "dev/prediction_accuracy", "test/loss", "test/prediction_accuracy"];
        assert!(record.metrics.keys().eq(tags), "{:?}", record.metrics.keys());
        let data = workshop.prepared();
        let vocabulary = data.tokenizers.target().len();
        assert_eq!(record.parameters, 2 * 16 * vocabulary as u64);
        let model = if set.is_empty() { WordModel::SkipGram } else { WordModel::Cbow };
        for split in [Split::Dev, Split::Test] {
            let store = data.split(split).unwrap();
            let draws = WordDraws::of_evaluation(model, &count_words(&store, vocabulary));
            let count: usize =
                (0..store.len()).map(|block| draws.count(&store.target(block), block as u32).1).sum();
            let of = |metric: &str| record.metrics[&format!("{}/{metric}", split.name())];
            let right = of("prediction_accuracy") * count as f64;
            assert!((right - right.round()).abs() < 1e-9, "{right} of {count}");
            // Guessing finds a sixth, with a loss of 6 ln 2.
            assert!(
                of("prediction_accuracy") > 0.3 && of("loss") < 0.8 * 6.0 * 2f64.ln(),
                "{:?}",
                record.metrics
            );
        }
        let metrics = workshop.text(format!("{RUN}/metrics.csv"));
        assert!(metrics.contains(",dev/prediction_accuracy,") && !metrics.contains("perplexity"));
        let views = workshop.text(format!("{RUN}/views.jsonl"));
        assert!(views.contains("nearest words, by the cosine of the vectors"), "{views}");
        for (file, exists) in
            [("projector/vectors.tsv", true), ("attention.json", false), ("hypotheses", false)]
        {
            assert_eq!(workshop.path(RUN).join(file).exists(), exists, "{file}");
        }
        workshop.run(&["verify", RUN, "--decode"]).expect(0);
        exported(&workshop, &data, vocabulary);
    }
}

/// The file has every word of the training text once, the most frequent first, with its input vector.
fn exported(workshop: &Workshop, data: &Prepared, vocabulary: usize) {
    workshop.run(&["export", RUN, "--format", "word2vec", "--out", "out"]).expect(0);
    workshop.run(&["export", RUN, "--format", "safetensors", "--out", "weights"]).expect(0);
    let bytes = workshop.read("weights/model.safetensors");
    let weights = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let input: Vec<f32> =
        weights.tensor("embedding.input.weight").unwrap().data().chunks(4).map(number).collect();
    let counts = count_words(&data.split(Split::Train).unwrap(), vocabulary);
    let text = workshop.text("out/vectors.txt");
    let mut lines = text.lines();
    let present = counts.iter().filter(|count| **count > 0).count();
    assert_eq!(lines.next().unwrap(), format!("{present} 16"));
    let mut words = HashSet::new();
    let mut order: Vec<usize> = (0..vocabulary).filter(|&id| counts[id] > 0).collect();
    order.sort_by_key(|&id| std::cmp::Reverse(counts[id]));
    for (line, id) in lines.zip(&order) {
        let (word, numbers) = line.split_once(' ').unwrap();
        let numbers: Vec<f32> = numbers.split(' ').map(|number| number.parse().unwrap()).collect();
        assert_eq!(numbers, input[16 * id..][..16], "{word}");
        assert!(words.insert(word.to_string()), "{word} is there twice");
    }
    assert_eq!(words.len(), present);
    assert!(words.contains("cat"));
}

fn number(bytes: &[u8]) -> f32 {
    f32::from_le_bytes(bytes.try_into().unwrap())
}

#[test]
fn what_needs_a_writer_is_refused_of_word_vectors() {
    let workshop = Workshop::of_word_vectors();
    workshop.run(&["train", "tiny.toml", "--set", "training.steps=2"]).expect(0);
    for (words, said) in [
        (&["translate", RUN][..], "is of word vectors, which write nothing: model.encoder = \"none\" and"),
        (&["generate", RUN, "--prompt", "A cat"], "has word vectors, which write nothing"),
        (&["score", RUN], "is a model of word vectors, which has translated nothing"),
        (&["compare", RUN, RUN], "is a model of word vectors, which translates nothing"),
        (&["export", RUN, "--format", "marian", "--out", "out"], "model.encoder = \"none\""),
        (&["export", RUN, "--format", "ctranslate2", "--out", "out"], "model.encoder = \"none\""),
    ] {
        workshop.run(words).expect(2).says(said);
    }
    let other = Workshop::of_masked_language_model();
    other.run(&["train", "tiny.toml", "--set", "training.steps=2"]).expect(0);
    let out = other.run(&["export", RUN, "--format", "word2vec", "--out", "out"]).expect(2);
    out.says("model.encoder = \"self_attention\" does not fit into word2vec")
        .says("use --format bert or safetensors");
}

#[test]
fn settings_without_a_meaning_for_word_vectors_are_refused_at_their_line() {
    let workshop = Workshop::of_word_vectors();
    for (key, said) in [
        ("training.dev_bleu_interval_steps=5", "training.dev_bleu_interval_steps = 5, but data.recipe: text"),
        ("training.packed_length=64", "its blocks fill their rows already"),
        ("data.vocabulary=\"separate\"", "it has one side alone"),
        ("data.max_length=1", "a word alone in its block has no context"),
        ("decoding.beam=2", "decoding.beam has no effect with model.decoder = \"none\""),
        (
            "model.layers=2",
            "model.layers has no effect with model.encoder = \"none\" and model.decoder = \"none\"",
        ),
        ("model.dropout=0.2", "model.dropout has no effect with"),
        ("model.tying=\"none\"", "model.tying has no effect with"),
        ("model.embedding_scale=false", "model.embedding_scale has no effect with"),
        ("model.softmax_bias=true", "model.softmax_bias has no effect with"),
        ("model.masked.head=\"none\"", "model.masked.head has no effect with model.encoder = \"none\""),
        ("training.label_smoothing=0.2", "training.label_smoothing has no effect with"),
        ("training.direction=\"backward\"", "training.direction has no effect with"),
        ("training.masking.rate=0.3", "training.masking.rate has no effect with model.encoder = \"none\""),
        ("training.words.window=0", "training.words.window = 0 is out of range"),
        ("training.words.negatives=0", "training.words.negatives = 0 is out of range"),
        ("training.words.noise_exponent=1.5", "training.words.noise_exponent = 1.5 is out of range"),
        ("training.words.subsampling=-0.1", "training.words.subsampling = -0.1 is out of range"),
        ("training.words.model=\"glove\"", "accepted: \"skip_gram\", \"cbow\""),
    ] {
        workshop.refuses("tiny.toml", &[key], &[said]);
    }
    let process = workshop.run(&["train", "tiny.toml", "--set", "training.packed_length=64"]).expect(2);
    process.says("its blocks fill their rows already");
    // In a file the error has its line; the same keys are accepted with an encoder or decoder.
    let text = workshop.text("tiny.toml");
    for (from, to, line, said) in [
        ("[run]", "[decoding]\nbeam = 2\n[run]", "e.toml:", "decoding.beam has no effect with"),
        ("d_model = 16", "d_model = 16\nheads = 2", "e.toml:8:", "model.heads has no effect with"),
        (
            "steps = 40",
            "steps = 40\nlabel_smoothing = 0.3",
            "e.toml:10:",
            "training.label_smoothing has no effect",
        ),
        (
            "encoder = \"none\"\ndecoder = \"none\"",
            "encoder = \"none\"",
            "e.toml:",
            "training.words.window has no effect with model.decoder = \"self_attention\"",
        ),
        (
            "encoder = \"none\"\ndecoder = \"none\"",
            "decoder = \"none\"",
            "e.toml:",
            "training.words.window has no effect with model.encoder = \"self_attention\"",
        ),
    ] {
        assert!(text.contains(from), "{from}");
        workshop.write("e.toml", &text.replace(from, to));
        workshop.refuses("e.toml", &[], &[said, line]);
    }
    let parts = "[model]\nencoder = \"none\"\ndecoder = \"none\"";
    workshop.write("pairs.toml", &crate::common::EXPERIMENT.replace("[model]", parts));
    workshop.refuses(
        "pairs.toml",
        &[],
        &["is a corpus of sentence pairs", "make word vectors", "a recipe of running text"],
    );
    assert!(!workshop.path("results").exists());
}

#[test]
fn a_sweep_of_word_vectors_is_planned_run_and_shown() {
    let workshop = Workshop::of_word_vectors();
    workshop.write(
        "small.toml",
        "base = \"tiny.toml\"\nseeds = [1, 2]\nset = { \"training.steps\" = 8 }\n\
         [[row]]\nlabel = \"base\"\n[[row]]\nlabel = \"cbow\"\nset = { \"training.words.model\" = \"cbow\" }\n\
         [[row]]\nlabel = \"noisy\"\nset = { \"training.words.negatives\" = 11 }\n",
    );
    let price = |plan: &Value, row: usize, key: &str| plan["rows"][row]["price"][key].as_f64().unwrap();
    let known = workshop.plan("small.toml");
    // CBOW predicts each word once, skip-gram each from up to three words on either side.
    let [skip_gram, cbow, noisy] = [0, 1, 2].map(|row| price(&known, row, "target_tokens"));
    assert!(
        cbow > 50.0 && cbow < 400.0 && skip_gram > 2.0 * cbow && noisy == skip_gram,
        "{skip_gram}, {cbow}"
    );
    let flops = |row| price(&known, row, "training_flops");
    assert_eq!(flops(2), 2.0 * flops(0));
    assert!((flops(0) / (8.0 * 3.0 * 2.0 * 16.0 * 6.0 * skip_gram) - 1.0).abs() < 1e-9, "{}", flops(0));
    let estimate = &known["rows"][0]["price"]["memory_estimate"];
    assert_eq!(estimate["evaluation"], 0.0);
    let assumed = workshop.without_data(|workshop| workshop.plan("small.toml"));
    assert_eq!(price(&assumed, 1, "target_tokens"), 400.0);
    let (_, header) = workshop.sweep_and_show();
    assert!(header.contains("best/dev_loss") && header.contains("test/prediction_accuracy"), "{header}");
    assert!(!header.contains("perplexity"), "{header}");
    for column in ["test/bleu", "dev/perplexity"] {
        let text = format!("table.columns = [\"{column}\"]\n{}", workshop.text("small.toml"));
        workshop.write("other.toml", &text);
        let out = workshop.run(&["sweep", "other.toml"]).expect(2);
        out.says(&format!("column \"{column}\" is not measured of these trials"))
            .says("dev/prediction_accuracy")
            .says("other.toml:1");
    }
}
