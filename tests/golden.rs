//! Results of the program, pinned to the digit: no change of results lands unnoticed.
//!
//! `tests/fixtures/golden/*.json` hold the values of one `RESULT_VERSION`. A change that means to alter results raises
//! `RESULT_VERSION` and writes the files anew; one that adds cases adds theirs to the files:
//!
//! ```sh
//! ABLATE_GOLDEN=write cargo test --release --test golden
//! ```
//!
//! Writing never alters a value that is pinned for the same version. What each value is: docs/architecture.md, "What
//! pins the results".

mod common;

use ablate::config::RESULT_VERSION;
use ablate::data::batch::{Batching, block_batches, epoch_batches};
use ablate::data::store::Store;
use ablate::data::text_pairs::Second;
use ablate::data::words::{WordModel, WordsConfig};
use ablate::decode::DecodingConfig;
use ablate::decode::translate::translate;
use ablate::error::Result;
use ablate::model::dropout::Dropout;
use ablate::model::mode::Mode;
use ablate::model::weights::Scope;
use ablate::model::{
    self, ConvolutionalConfig, DecoderKind, EncoderKind, Initialisation, ModelConfig, Network, Norm,
    Position, RecurrentConfig, Tying,
};
use ablate::signal::StopFlag;
use ablate::sweep::committed::CommittedRecords;
use ablate::task::pairs::likelihood;
use ablate::task::{masked, words};
use ablate::train::TrainingConfig;
use ablate::train::adam::Adam;
use ablate::train::masked_blocks::MaskedBlocks;
use ablate::train::pairs::Pairs;
use ablate::train::ranks::Ranks;
use ablate::train::run_state::{Progress, RunState};
use ablate::train::schedule::Schedule;
use ablate::train::step::StepStats;
use ablate::train::trainer::{Monitor, Trainer};
use ablate::train::word_blocks::WordBlocks;
use common::data::stored;
use common::variants::{choices, convolutional, has_recurrence};
use common::{Workshop, every};
use serde_json::{Map, Value, json};
use std::path::Path;
use tch::{Device, Kind, Tensor};

const VOCABULARY: usize = 13;

/// Compares `computed`, by case, with the values in the file `section`; see the head of this file.
fn hold(section: &str, tolerance: f64, computed: Map<String, Value>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/golden/{section}.json"));
    let write = std::env::var_os("ABLATE_GOLDEN").is_some_and(|word| word == "write");
    let pinned: Value = match std::fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).unwrap(),
        Err(_) => json!({"result_version": 0, "cases": {}}),
    };
    let same_version = pinned["result_version"] == RESULT_VERSION;
    let cases = pinned["cases"].as_object().unwrap();
    let mut faults = Vec::new();
    if same_version {
        for (case, value) in cases {
            match computed.get(case) {
                Some(found) => differences(case, value, found, tolerance, &mut faults),
                None => faults.push(format!("{case}: pinned, but no longer computed")),
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{section}: results of version {RESULT_VERSION} have changed. If that is meant, raise RESULT_VERSION \
         (crates/trial/src/config/identity.rs), say why in CHANGELOG.md and write the values anew:\n{}",
        faults.join("\n")
    );
    if write {
        let lines: Vec<String> =
            computed.iter().map(|(case, value)| format!("{}: {value}", json!(case))).collect();
        let text =
            format!("{{\"result_version\": {RESULT_VERSION}, \"cases\": {{\n{}\n}}}}\n", lines.join(",\n"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        return;
    }
    assert!(
        same_version,
        "{section}: the pinned values are of another RESULT_VERSION than {RESULT_VERSION}: write them anew"
    );
    let new: Vec<&String> = computed.keys().filter(|case| !cases.contains_key(*case)).collect();
    assert!(new.is_empty(), "{section}: not pinned yet, write them: {new:?}");
}

/// Appends a line for every place where `found` is not `pinned`; numbers may differ by the part `tolerance`.
fn differences(place: &str, pinned: &Value, found: &Value, tolerance: f64, faults: &mut Vec<String>) {
    match (pinned, found) {
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                differences(&format!("{place}[{index}]"), before, after, tolerance, faults);
            }
        }
        (Value::Object(before), Value::Object(after)) if before.keys().eq(after.keys()) => {
            for (key, before) in before {
                differences(&format!("{place}.{key}"), before, &after[key], tolerance, faults);
            }
        }
        (Value::Number(before), Value::Number(after)) => {
            let [before, after] = [before, after].map(|number| number.as_f64().unwrap());
            if (before - after).abs() > tolerance * before.abs() {
                faults.push(format!("{place}: {before} was pinned, {after} is computed"));
            }
        }
        _ if pinned == found => {}
        _ => faults.push(format!("{place}: {pinned} was pinned, {found} is computed")),
    }
}

#[test]
fn differences_are_found_wherever_they_are() {
    let found = |pinned: Value, found: Value| {
        let mut faults = Vec::new();
        differences("case", &pinned, &found, 1e-9, &mut faults);
        faults.len()
    };
    assert_eq!(found(json!({"a": [1.0, "x"]}), json!({"a": [1.0 + 1e-12, "x"]})), 0);
    assert_eq!(found(json!({"a": [1.0, "x"]}), json!({"a": [1.0 + 1e-8, "y"]})), 2);
    assert_eq!(found(json!([1.0]), json!([1.0, 2.0])), 1);
    assert_eq!(found(json!({"a": 1}), json!({"b": 1})), 1);
    assert_eq!(found(json!([0.0]), json!([1e-30])), 1);
}

/// A multiplicative generator used only in this file: numbers below a bound.
fn draws(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(2) + 1;
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    }
}

/// A store of `count` pairs of 1 to `longest` tokens a side; the folder is removed with it.
fn store(count: usize, longest: u64, seed: u64) -> (tempfile::TempDir, Store) {
    written(count, seed, |draw| 1 + draw(longest))
}

/// A store of `count` pairs whose sides have as many tokens as `length` draws.
fn written(
    count: usize,
    seed: u64,
    length: impl Fn(&mut dyn FnMut(u64) -> u64) -> u64,
) -> (tempfile::TempDir, Store) {
    let mut draw = draws(seed);
    let mut side =
        || -> Vec<u32> { (0..length(&mut draw)).map(|_| 3 + draw(VOCABULARY as u64 - 3) as u32).collect() };
    let pairs: Vec<_> = (0..count).map(|_| (side(), side())).collect();
    stored(VOCABULARY, &pairs)
}

#[test]
fn orders_of_batches() {
    let (_small_folder, small) = store(200, 12, 1);
    let (_large_folder, large) = store(30_000, 30, 2);
    let mut cases = Map::new();
    for (name, store, tokens, packed_length) in [
        ("small", &small, 60, None),
        ("small, packed", &small, 60, Some(20)),
        ("beyond 3,200 micro-batches", &large, 80, None),
        ("beyond 3,200 micro-batches, packed", &large, 80, Some(40)),
    ] {
        for (seed, epoch) in [(1, 0), (1, 1), (2, 0)] {
            let batches = epoch_batches(store, seed, epoch, Batching { tokens, packed_length });
            assert_eq!(batches.len() > 3_200, name.starts_with("beyond"), "{name}: {}", batches.len());
            let mut hash = blake3::Hasher::new();
            for batch in &batches {
                hash.update(&(batch.len() as u32).to_le_bytes());
                for pair in batch {
                    hash.update(&pair.to_le_bytes());
                }
            }
            let hash = hash.finalize().to_hex().to_string();
            let value = json!({"micro_batches": batches.len(), "first": batches[0], "blake3": hash});
            cases.insert(format!("{name}, seed {seed}, epoch {epoch}"), value);
        }
    }
    for (seed, epoch) in [(1, 0), (1, 1), (2, 0)] {
        let batches = block_batches(&small, seed, epoch, 60);
        let bytes: Vec<u8> = batches.iter().flatten().flat_map(|block| block.to_le_bytes()).collect();
        let hash = blake3::hash(&bytes).to_hex().to_string();
        let value = json!({"micro_batches": batches.len(), "first": batches[0], "blake3": hash});
        cases.insert(format!("blocks, seed {seed}, epoch {epoch}"), value);
    }
    hold("batch_orders", 0.0, cases);
}

#[test]
fn masks_of_dropout() {
    let mut cases = Map::new();
    for path in
        ["source_dropout", "encoder.0.self_attention.dropout", "decoder.1.feed_forward.activation_dropout"]
    {
        for (seed, rate) in [(1, 0.1), (1, 0.5), (2, 0.5)] {
            let layer = Dropout::build(&Scope::shapes_only().child(path), rate);
            let ones = Tensor::ones([256], (Kind::Float, Device::Cpu));
            let kept = layer.forward(ones, &Mode::training(seed)).gt(0.0);
            let bits: Vec<bool> = kept.try_into().unwrap();
            let bits: String = bits.into_iter().map(|kept| if kept { '1' } else { '0' }).collect();
            cases.insert(format!("{path}, seed {seed}, rate {rate}"), bits.into());
        }
    }
    hold("dropout_masks", 0.0, cases);
}

/// Returns a small model with every kind of dropout, models that differ from it, and each choice of `[model]` that none
/// of these makes.
fn models() -> Vec<(String, ModelConfig)> {
    let base = ModelConfig {
        layers: 2,
        d_model: 16,
        d_ff: 24,
        heads: 2,
        dropout: 0.1,
        attention_dropout: 0.1,
        activation_dropout: 0.1,
        learned_positions: 24,
        convolutional: ConvolutionalConfig {
            channels: 12,
            encoder_layers: 2,
            decoder_layers: 2,
            ..Default::default()
        },
        recurrent: RecurrentConfig { hidden: 12, ..Default::default() },
        ..Default::default()
    };
    let mut models: Vec<(String, ModelConfig)> = [
        ("post-norm", base.clone()),
        ("pre-norm", ModelConfig { norm: Norm::Pre, ..base.clone() }),
        ("learned positions", ModelConfig { position: Position::Learned, ..base.clone() }),
        ("sines in halves", ModelConfig { position: Position::SinusoidalHalves, ..base.clone() }),
        ("no positions", ModelConfig { position: Position::None, ..base.clone() }),
        ("untied embeddings", ModelConfig { tying: Tying::None, ..base.clone() }),
        ("tied decoder", ModelConfig { tying: Tying::Decoder, ..base.clone() }),
        ("no attention biases", ModelConfig { attention_biases: false, ..base.clone() }),
        ("Glorot for each", ModelConfig { initialisation: Initialisation::Glorot, ..base.clone() }),
        ("three heads of other widths", ModelConfig { heads: 3, d_k: Some(4), d_v: Some(6), ..base.clone() }),
        ("padded embeddings", ModelConfig { embedding_rows: Some(17), ..base.clone() }),
        ("stated deviation of embeddings", ModelConfig { embedding_deviation: Some(0.1), ..base.clone() }),
        ("convolutional", convolutional(&base)),
    ]
    .map(|(name, config)| (name.to_string(), config))
    .into();
    let kinds =
        |config: &ModelConfig| (has_recurrence(config), config.has_convolution(), config.has_decoder());
    for choice in choices() {
        let config = choice.effective_in(&base);
        if !models.iter().any(|(_, made)| kinds(made) == kinds(&config) && choice.is_made_in(made)) {
            models.push((choice.to_string(), config));
        }
    }
    models
}

fn build(config: &ModelConfig, seed: u64, kind: Kind) -> Box<dyn Network> {
    tch::set_num_threads(1);
    model::build(config, VOCABULARY, seed, kind, Device::Cpu)
}

/// Collects the losses of a training.
struct Losses(Vec<f64>);

impl Monitor for Losses {
    fn updated(&mut self, stats: &StepStats) -> Result<()> {
        self.0.extend([stats.loss, stats.unsmoothed_loss]);
        Ok(())
    }

    fn wants_gradient_norm(&self, _: u64) -> bool {
        false
    }

    fn dev_loss(&mut self, _: &dyn Network, _: u64) -> Result<f64> {
        Ok(1.0)
    }

    fn dev_bleu(&mut self, _: &dyn Network, _: u64) -> Result<()> {
        Ok(())
    }

    fn sync(&mut self) -> Result<RunState> {
        unreachable!("nothing is saved")
    }
}

/// Trains for eight updates, over the end of the first epoch. Returns the smoothed and the plain loss of each update and,
/// last, the loss of another text.
fn losses(config: &ModelConfig, training: &TrainingConfig) -> (Box<dyn Network>, Vec<f64>) {
    // Second texts are cut from blocks of one length.
    let of = |count, seed| match config.tells_next_sentence() {
        true => written(count, seed, |_| 8),
        false => store(count, 8, seed),
    };
    let ((_folder, store), (_dev_folder, dev)) = (of(30, 3), of(8, 4));
    let model = build(config, training.seed, ablate::model::Kinds::from(training.precision).weights);
    let mut adam = Adam::build(training, model.weights());
    let mut losses = Losses(Vec::new());
    // A model without a decoder learns to find hidden tokens of the targets.
    let pairs = Pairs::of(&store, training);
    let blocks = MaskedBlocks::of(&store, training, config, VOCABULARY);
    let words = WordBlocks::of(&store, training, VOCABULARY);
    let trainer = Trainer {
        model: &*model,
        config: training,
        batches: match () {
            () if config.has_decoder() => &pairs,
            () if config.is_masked() => &blocks,
            () => &words,
        },
        checkpoints: None,
        ranks: &Ranks::alone(),
        stop: &StopFlag::never(),
        until: None,
    };
    let start = Progress::default();
    let end = trainer.run(&mut adam, start, &mut losses).unwrap();
    assert!(end.epoch > 0);
    let found = match () {
        () if config.has_decoder() => likelihood(&*model, &dev, 40),
        () if config.is_masked() => {
            let second = config.tells_next_sentence().then_some(Second::Following);
            masked::likelihood(&*model, &MaskedBlocks::of_evaluation(&dev, 40, second, VOCABULARY))
        }
        () => {
            let kind = training.words.model;
            words::likelihood(&*model, &WordBlocks::of_evaluation(&dev, kind, 40, VOCABULARY))
        }
    };
    losses.0.push(found.unwrap().loss());
    (model, losses.0)
}

fn training(packed_length: Option<usize>) -> TrainingConfig {
    TrainingConfig {
        seed: 5,
        steps: 8,
        batch_tokens: 60,
        micro_batch_tokens: 40,
        packed_length,
        warmup_steps: 3,
        learning_rate_scale: 0.5,
        clip_norm: Some(1.0),
        dev_interval_steps: 0,
        checkpoint_interval_steps: 0,
        precision: ablate::train::Precision::Float64,
        ..Default::default()
    }
}

#[test]
fn losses_of_updates_in_float64() {
    let mut cases = Map::new();
    for (name, config) in models() {
        cases.insert(name.clone(), losses(&config, &training(None)).1.into());
        // Blocks of running text fill their rows.
        if config.has_decoder() {
            cases.insert(format!("{name}, packed"), losses(&config, &training(Some(20))).1.into());
        }
    }
    let (name, config) = models().swap_remove(0);
    for schedule in every!(Schedule: Noam, InverseSqrt, Cosine, Linear, Constant) {
        let peak_learning_rate = schedule.has_stated_peak().then_some(0.05);
        let weight_decay = 0.3;
        let training = TrainingConfig { schedule, peak_learning_rate, weight_decay, ..training(None) };
        let found = losses(&config, &training).1;
        cases.insert(format!("{name}, {schedule:?} with weight decay"), found.into());
    }
    for model in every!(WordModel: SkipGram, Cbow) {
        let words = WordsConfig { model, window: 3, negatives: 4, subsampling: 0.05, ..Default::default() };
        let config = ModelConfig {
            encoder: EncoderKind::None,
            decoder: DecoderKind::None,
            d_model: 8,
            ..config.clone()
        };
        let found = losses(&config, &TrainingConfig { words, ..training(None) }).1;
        cases.insert(format!("word vectors, {model:?}"), found.into());
    }
    hold("losses", 1e-9, cases);
}

#[test]
fn first_values_of_weights() {
    let mut cases = Map::new();
    for (name, config) in models() {
        let model = build(&config, 5, Kind::Double);
        let mut first = Map::new();
        for (path, variable) in model.weights().named() {
            let numbers: Vec<f64> = variable.detach().flatten(0, -1).narrow(0, 0, 2).try_into().unwrap();
            first.insert(path.clone(), numbers.into());
        }
        cases.insert(name, first.into());
    }
    hold("weights", 1e-12, cases);
}

/// The model has its first weights, which are the same on every processor, but enlarged: then its output depends on the
/// source, and the best token is far enough from the next for any rounding.
#[test]
fn translations_in_float32() {
    let mut draw = draws(6);
    let mut sources: Vec<Vec<u32>> =
        (0..12).map(|_| (0..1 + draw(8)).map(|_| 3 + draw(10) as u32).collect()).collect();
    sources.push(Vec::new());
    let mut cases = Map::new();
    for (name, config) in models().into_iter().filter(|(_, config)| config.has_decoder()) {
        let model = build(&config, 5, Kind::Float);
        for (path, variable) in model.weights().named() {
            if path.ends_with(".weight") {
                let _ = tch::no_grad(|| variable.shallow_clone().g_mul_scalar_(3.0));
            }
        }
        for (search, beam, length_penalty) in [("greedy", 1, 0.0), ("beam of 4", 4, 0.6)] {
            let decoding = DecodingConfig {
                beam,
                length_penalty,
                max_extra_length: 6,
                batch_tokens: 150,
                ..Default::default()
            };
            let stop = StopFlag::never();
            let found = translate(&*model, &decoding, VOCABULARY, &sources, 1, &stop, &mut |_| ()).unwrap();
            let found: Vec<Value> = found
                .into_iter()
                .map(|mut best| best.swap_remove(0))
                .map(|best| {
                    let tokens: Vec<String> = best.tokens.iter().map(u32::to_string).collect();
                    json!([tokens.join(" "), best.log_probability, best.score])
                })
                .collect();
            cases.insert(format!("{name}, {search}"), found.into());
        }
    }
    hold("translations", 1e-4, cases);
}

/// The committed results that were made with each version, the newest last.
const RECORDS: [(u32, &str); 1] = [(3, "results/demo")];

/// The golden values pin the code that made the committed records: their settings have the same identities in this
/// version, and the first updates of one of them give its committed curve again.
#[test]
fn the_committed_records_of_this_version_agree() {
    let (version, folder) = RECORDS[RECORDS.len() - 1];
    assert_eq!(version, RESULT_VERSION, "name the committed records that were made with this version");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    // Reading checks each identity against the settings of its record, and passes over those of other versions.
    let records = CommittedRecords::read(std::slice::from_ref(&folder)).unwrap();
    let text = std::fs::read_to_string(folder.join("records.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!lines.is_empty());
    for line in &lines {
        let found = records.of(line["identity"].as_str().unwrap());
        assert!(found.is_some(), "{} seed {} is of another version", line["label"], line["seed"]);
    }

    let workshop = Workshop::new();
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/demo.toml");
    let mut words = vec!["train", demo.to_str().unwrap(), "--name", "demo"];
    let sets =
        ["training.steps=100", "training.average_checkpoints=1", "decoding.beam=1", "run.device=\"cpu\""];
    words.extend(sets.iter().chain(&["decoding.max_extra_length=0"]).flat_map(|set| ["--set", set]));
    workshop.run(&words).expect(0);
    let curve = |text: &str| -> Vec<(String, f64)> {
        let rows = text.lines().map(|line| line.rsplit_once(',').unwrap());
        rows.filter(|(place, _)| ["50,train/", "100,train/"].iter().any(|begin| place.starts_with(begin)))
            .map(|(place, value)| (place.to_string(), value.parse().unwrap()))
            .collect()
    };
    let recorded = curve(&std::fs::read_to_string(folder.join("base-seed-1.csv")).unwrap());
    let again = curve(&workshop.text("results/demo/seed-1/metrics.csv"));
    assert!(recorded.len() >= 6, "{recorded:?}");
    for ((place, before), (other, after)) in recorded.iter().zip(&again) {
        assert_eq!(place, other);
        // Processors round differently, and a hundred updates enlarge the difference.
        assert!(
            (before - after).abs() < 2e-3 * before.abs(),
            "{place}: {before} is recorded, {after} comes out"
        );
    }
    assert_eq!(recorded.len(), again.len());
}
