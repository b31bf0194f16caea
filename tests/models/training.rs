//! Training as a whole: the model learns, sums are right, a run can be stopped anywhere, and damage is found.

use crate::common::data::{Pair, stored};
use crate::common::updates::StoreUpdates;
use ablate::data::batch::epoch_batches;
use ablate::data::collate::micro_batch;
use ablate::data::store::Store;
use ablate::decode::DecodingConfig;
use ablate::decode::translate::translate;
use ablate::error::{Error, Result};
use ablate::model::weights::Weights;
use ablate::model::{EncoderDecoder, ModelConfig, Network, Position};
use ablate::signal::StopFlag;
use ablate::task::pairs::likelihood;
use ablate::train::TrainingConfig;
use ablate::train::adam::Adam;
use ablate::train::checkpoint::Checkpoints;
use ablate::train::examples::Examples;
use ablate::train::pairs::Pairs;
use ablate::train::ranks::Ranks;
use ablate::train::run_state::{Owner, Progress, RunState};
use ablate::train::step::{StepStats, Updates};
use ablate::train::stream::BatchStream;
use ablate::train::trainer::{Monitor, Trainer};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tch::{Device, Kind, Tensor};

const VOCABULARY: usize = 13;

/// Returns `count` sentences of 1 to `longest` ordinary tokens, from a multiplicative generator.
fn sentences(count: usize, longest: u64, seed: u64) -> Vec<Vec<u32>> {
    let mut state = seed.wrapping_mul(2) + 1;
    let mut draw = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    (0..count)
        .map(|_| (0..1 + draw(longest)).map(|_| 3 + draw(VOCABULARY as u64 - 3) as u32).collect())
        .collect()
}

fn copies(count: usize, longest: u64, seed: u64) -> Vec<Pair> {
    sentences(count, longest, seed).into_iter().map(|s| (s.clone(), s)).collect()
}

fn small() -> ModelConfig {
    ModelConfig { layers: 1, d_model: 16, d_ff: 32, heads: 2, dropout: 0.0, ..Default::default() }
}

fn build(config: &ModelConfig, seed: u64, kind: Kind) -> EncoderDecoder {
    tch::set_num_threads(1);
    EncoderDecoder::build(config, VOCABULARY, seed, kind, Device::Cpu)
}

fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

fn all_values(weights: &Weights) -> Vec<Vec<f64>> {
    weights.named().iter().map(|(_, tensor)| values(tensor)).collect()
}

#[test]
fn a_batch_is_learned_by_heart() {
    let pairs: Vec<Pair> = sentences(4, 6, 1).into_iter().zip(sentences(4, 6, 2)).collect();
    let (_folder, store) = stored(VOCABULARY, &pairs);
    let model = build(&ModelConfig { d_model: 32, ..small() }, 1, Kind::Float);
    let config = TrainingConfig {
        warmup_steps: 40,
        learning_rate_scale: 0.3,
        label_smoothing: 0.0,
        ..Default::default()
    };
    let mut adam = Adam::build(&config, model.weights());
    let mut loss = f64::NAN;
    for number in 1..=1000 {
        loss = StoreUpdates { model: &model, config: &config, store: &store }
            .step(&mut adam, &[vec![0, 1, 2, 3]], number)
            .unwrap()
            .loss;
        // Well below the required loss: more updates would show the same.
        if loss < 5e-6 {
            break;
        }
    }
    assert!(loss < 1e-5, "{loss}");
    let found = likelihood(&model, &store, 1000).unwrap();
    assert_eq!(found.accuracy(), 1.0);
    assert!((found.perplexity() - 1.0).abs() < 1e-5, "{found:?}");
}

#[test]
fn copying_is_learned_and_decoded_without_a_mistake() {
    let (_folder, store) = stored(VOCABULARY, &copies(3_000, 8, 3));
    let config = TrainingConfig {
        steps: 500,
        batch_tokens: 500,
        micro_batch_tokens: 600,
        warmup_steps: 100,
        ..Default::default()
    };
    let model_config = ModelConfig { d_model: 64, d_ff: 64, heads: 4, dropout: 0.0, ..small() };
    let model = build(&model_config, 1, Kind::Float);
    let mut adam = Adam::build(&config, model.weights());
    let source = Pairs::of(&store, &config);
    let mut stream = BatchStream::start(&source, &config, &Progress::default()).unwrap();
    for number in 1..=config.steps {
        StoreUpdates { model: &model, config: &config, store: &store }
            .step(&mut adam, &stream.next_update(), number)
            .unwrap();
    }
    let unseen = sentences(100, 8, 4);
    for beam in [1, 4] {
        let decoding = DecodingConfig { beam, ..Default::default() };
        let found =
            translate(&model, &decoding, VOCABULARY, &unseen, 1, &StopFlag::never(), &mut |_| ()).unwrap();
        let right = unseen.iter().zip(&found).filter(|(source, best)| best[0].tokens == **source).count();
        assert_eq!(right, unseen.len(), "beam {beam}");
    }
}

#[test]
fn micro_batches_add_up_to_the_gradient_of_one_batch() {
    let pairs: Vec<Pair> = sentences(7, 9, 5).into_iter().zip(sentences(7, 9, 6)).collect();
    let (_folder, store) = stored(VOCABULARY, &pairs);
    let config = TrainingConfig { label_smoothing: 0.1, ..Default::default() };
    let gradients = |micro_batches: &[Vec<u32>]| {
        let model = build(&small(), 1, Kind::Double);
        let mut adam = Adam::build(&config, model.weights());
        let stats = StoreUpdates { model: &model, config: &config, store: &store }
            .step(&mut adam, micro_batches, 1)
            .unwrap();
        let gradients: Vec<(String, Vec<f64>)> =
            model.weights().named().iter().map(|(path, t)| (path.clone(), values(&t.grad()))).collect();
        (stats, gradients)
    };
    let (one, whole) = gradients(&[(0..7).collect()]);
    for parts in [
        vec![vec![0, 1], vec![2, 3, 4], vec![5, 6]],
        vec![vec![6, 2, 4, 0], vec![5, 1, 3]],
        (0..7).map(|i| vec![i]).collect(),
    ] {
        let (several, sum) = gradients(&parts);
        assert_eq!(several.target_tokens, one.target_tokens);
        assert_eq!(several.source_tokens, one.source_tokens);
        assert!(
            (several.loss - one.loss).abs() < 1e-12
                && (several.unsmoothed_loss - one.unsmoothed_loss).abs() < 1e-12
        );
        assert!((several.gradient_norm.unwrap() - one.gradient_norm.unwrap()).abs() < 1e-12);
        for ((path, whole), (_, sum)) in whole.iter().zip(&sum) {
            for (index, (a, b)) in whole.iter().zip(sum).enumerate() {
                assert!((a - b).abs() < 1e-12, "{path}[{index}]: {a:e} and {b:e}");
            }
        }
    }
}

#[test]
fn the_loss_is_the_mean_over_target_tokens_with_the_end_of_each_sentence() {
    let pairs: Vec<Pair> =
        vec![(vec![3, 4, 5], vec![6, 7]), (vec![8], vec![9, 10, 11, 12, 3]), (vec![4, 4], vec![])];
    let (_folder, store) = stored(VOCABULARY, &pairs);
    let config = TrainingConfig { label_smoothing: 0.1, ..Default::default() };
    let model = build(&small(), 2, Kind::Double);
    let (mut smoothed, mut unsmoothed) = (0.0, 0.0);
    for (source, target) in &pairs {
        let as_ids = |ids: &[u32], before: Option<i64>, after: Option<i64>| {
            let ids: Vec<i64> =
                before.into_iter().chain(ids.iter().map(|&t| i64::from(t))).chain(after).collect();
            Tensor::from_slice(&ids).unsqueeze(0)
        };
        tch::no_grad(|| {
            let mode = ablate::model::mode::Mode::evaluation();
            let encoded = model.encode(&as_ids(source, None, Some(2)), &[source.len() as i64 + 1], &mode);
            let hidden = model.decode(&as_ids(target, Some(1), None), &encoded, &mode);
            let log_p = model.logits(&hidden).log_softmax(-1, None).squeeze_dim(0);
            for (place, &token) in target.iter().chain([&2]).enumerate() {
                let row = values(&log_p.get(place as i64));
                let right = row[token as usize];
                let others: f64 = row.iter().sum::<f64>() - right;
                unsmoothed -= right;
                smoothed -= 0.9 * right + 0.1 / (VOCABULARY as f64 - 1.0) * others;
            }
        });
    }
    let found = likelihood(&model, &store, 1000).unwrap();
    assert_eq!(found.tokens, 3 + 6 + 1);
    assert!((found.nats - unsmoothed).abs() < 1e-12, "{found:?}, {unsmoothed}");
    assert!((found.perplexity() - (unsmoothed / 10.0).exp()).abs() < 1e-10);
    assert_eq!(likelihood(&model, &store, 1).unwrap().tokens, found.tokens);
    let mut adam = Adam::build(&config, model.weights());
    let stats = StoreUpdates { model: &model, config: &config, store: &store }
        .step(&mut adam, &[vec![0, 1, 2]], 1)
        .unwrap();
    assert_eq!((stats.target_tokens, stats.source_tokens), (10, 4 + 2 + 3));
    assert!((stats.loss - smoothed / 10.0).abs() < 1e-12, "{stats:?}, {smoothed}");
    assert!((stats.unsmoothed_loss - unsmoothed / 10.0).abs() < 1e-12);
}

#[test]
fn a_test_set_beyond_the_learned_positions_is_a_user_error() {
    let (_folder, store) = stored(VOCABULARY, &[(vec![3; 4], vec![5; 8])]);
    let model = |rows| {
        build(
            &ModelConfig { position: Position::Learned, learned_positions: rows, ..small() },
            1,
            Kind::Float,
        )
    };
    assert!(likelihood(&model(9), &store, 100).is_ok());
    let error = likelihood(&model(8), &store, 100).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(
        error.to_string().contains("8 tokens, but model.learned_positions = 8 leaves room for 7"),
        "{error}"
    );
}

#[test]
fn packed_rows_train_as_padded_ones() {
    let pairs: Vec<Pair> = sentences(60, 9, 11).into_iter().zip(sentences(60, 9, 12)).collect();
    let (_folder, store) = stored(VOCABULARY, &pairs);
    let trained = |packed_length| {
        let model = build(&small(), 4, Kind::Double);
        let config = TrainingConfig { packed_length, micro_batch_tokens: 2000, ..Default::default() };
        let updates = StoreUpdates { model: &model, config: &config, store: &store };
        let mut adam = Adam::build(&config, model.weights());
        let all: Vec<u32> = (0..60).collect();
        let losses: Vec<f64> = (1..=5)
            .map(|number| updates.step(&mut adam, std::slice::from_ref(&all), number).unwrap())
            .flat_map(|stats| [stats.loss, stats.unsmoothed_loss, stats.gradient_norm.unwrap()])
            .collect();
        (losses, all_values(model.weights()))
    };
    let (padded, packed) = (trained(None), trained(Some(20)));
    let gap = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(gap(&padded.0, &packed.0) < 1e-12, "{:?} and {:?}", padded.0, packed.0);
    assert!(padded.1.iter().zip(&packed.1).all(|(a, b)| gap(a, b) < 1e-9));
}

#[test]
fn updates_come_near_their_budget_and_every_pair_once_an_epoch() {
    let pairs: Vec<Pair> = sentences(400, 20, 7).into_iter().zip(sentences(400, 20, 8)).collect();
    let (_folder, store) = stored(VOCABULARY, &pairs);
    let padded = [(500, 100), (500, 1000), (90, 100), (1, 100), (10_000, 60)];
    let packed = [(500, 100, Some(21)), (10_000, 60, Some(60))];
    for (batch_tokens, micro_batch_tokens, packed_length) in
        padded.map(|(update, micro)| (update, micro, None)).into_iter().chain(packed)
    {
        let config =
            TrainingConfig { batch_tokens, micro_batch_tokens, packed_length, seed: 3, ..Default::default() };
        let epochs: Vec<Vec<u32>> =
            (0..3).flat_map(|epoch| epoch_batches(&store, 3, epoch, config.batching())).collect();
        let source = Pairs::of(&store, &config);
        let largest = epochs.iter().map(|batch| source.target_tokens(batch)).max().unwrap();
        let mut stream = BatchStream::start(&source, &config, &Progress::default()).unwrap();
        let mut taken: Vec<Vec<u32>> = Vec::new();
        let mut places = Vec::new();
        while taken.len() < epochs.len() {
            places.push((taken.len(), stream.place()));
            let update = stream.next_update();
            let tokens: usize = update.iter().map(|batch| source.target_tokens(batch)).sum();
            let gap = tokens.abs_diff(batch_tokens);
            assert!(
                update.len() == 1 && tokens >= batch_tokens || 2 * gap <= largest,
                "{tokens} of {batch_tokens}"
            );
            taken.extend(update);
        }
        assert_eq!(taken[..epochs.len()], epochs, "the order is not the epochs'");
        for (before, (epoch, micro_batch)) in places {
            let progress = Progress { epoch, micro_batch, ..Default::default() };
            let mut stream = BatchStream::start(&source, &config, &progress).unwrap();
            let next = stream.next_update();
            let known = next.len().min(taken.len() - before);
            assert_eq!(
                next[..known],
                taken[before..before + known],
                "update at epoch {epoch}, {micro_batch}"
            );
        }
    }
    let (_empty_folder, empty) = stored(VOCABULARY, &[]);
    assert_eq!(
        BatchStream::start(
            &Pairs::of(&empty, &TrainingConfig::default()),
            &TrainingConfig::default(),
            &Progress::default()
        )
        .unwrap_err()
        .exit_code(),
        2
    );
}

#[test]
fn an_update_of_more_than_a_hundred_epochs_is_a_user_error() {
    let (_folder, store) = stored(VOCABULARY, &[(vec![3; 4], vec![5; 8]), (vec![3; 2], vec![5])]);
    let start = |batch_tokens| {
        let config = TrainingConfig { batch_tokens, ..Default::default() };
        BatchStream::start(&Pairs::of(&store, &config), &config, &Progress::default()).map(|_| ())
    };
    assert!(start(1100).is_ok(), "11 tokens an epoch");
    for batch_tokens in [1101, i64::MAX as usize] {
        let error = start(batch_tokens).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let expected = format!(
            "training.batch_tokens = {batch_tokens} is out of range: an epoch of the training text has 11 tokens that count"
        );
        assert!(error.to_string().contains(&expected), "{error}");
    }
}

/// The interventions of a test in training, and its observations.
#[derive(Default)]
struct Watch<'a> {
    /// Raises the flag after this update.
    stop_at: Option<(u64, &'a StopFlag)>,
    /// Raises the flag when the batches of this update are there.
    stop_amid: Option<(u64, &'a StopFlag)>,
    /// Fails after this update, before any checkpoint of it: as if killed.
    killed_at: Option<u64>,
    /// Reports this as the dev loss of this update.
    dev_loss: Option<(u64, f64)>,
    steps: Vec<StepStats>,
    syncs: usize,
}

impl Monitor for Watch<'_> {
    fn waited(&mut self, _wait: Duration) {
        if let Some((step, flag)) = self.stop_amid
            && step == self.steps.len() as u64 + 1
        {
            flag.raise();
        }
    }

    fn updated(&mut self, stats: &StepStats) -> Result<()> {
        self.steps.push(stats.clone());
        if let Some((step, flag)) = self.stop_at
            && step == stats.step
        {
            flag.raise();
        }
        match self.killed_at {
            Some(step) if step == stats.step => Err(Error::failed("killed")),
            _ => Ok(()),
        }
    }

    fn wants_gradient_norm(&self, step: u64) -> bool {
        step.is_multiple_of(2)
    }

    fn dev_loss(&mut self, model: &dyn Network, step: u64) -> Result<f64> {
        assert_eq!(model.kind(), Kind::Float);
        Ok(match self.dev_loss {
            Some((at, loss)) if at == step => loss,
            _ => 1.0 / step as f64 + 0.1,
        })
    }

    fn dev_bleu(&mut self, _: &dyn Network, _: u64) -> Result<()> {
        Ok(())
    }

    fn sync(&mut self) -> Result<RunState> {
        self.syncs += 1;
        let owner = Owner { identity: "a trial".into(), training_identity: Some("a training".into()) };
        Ok(RunState { owner, metrics: "step,tag,value\n".into() })
    }
}

/// A run of a few updates with dropout, clipping and several epochs, with its checkpoints in `folder`.
struct Run {
    config: TrainingConfig,
    model: ModelConfig,
    store: Store,
    _store_folder: tempfile::TempDir,
    folder: tempfile::TempDir,
}

impl Run {
    fn new() -> Self {
        let pairs: Vec<Pair> = sentences(30, 8, 9).into_iter().zip(sentences(30, 8, 10)).collect();
        let (store_folder, store) = stored(VOCABULARY, &pairs);
        let config = TrainingConfig {
            steps: 12,
            batch_tokens: 60,
            micro_batch_tokens: 40,
            warmup_steps: 5,
            clip_norm: Some(1.0),
            dev_interval_steps: 3,
            checkpoint_interval_steps: 4,
            average_checkpoints: 2,
            keep_best: true,
            ..Default::default()
        };
        let model = ModelConfig { dropout: 0.3, ..small() };
        Run { config, model, store, _store_folder: store_folder, folder: tempfile::tempdir().unwrap() }
    }

    fn checkpoints(&self) -> Checkpoints {
        Checkpoints::open(self.folder.path()).unwrap()
    }

    /// Runs one process: from a fresh model, through any checkpoint, to the end; returns the mean of the last weights.
    /// `notes` gets the messages of restoring.
    fn go(&self, stop: &StopFlag, watch: &mut Watch, notes: &mut Vec<String>) -> Result<Vec<Vec<f64>>> {
        // Fresh weights of another seed: anything that a checkpoint does not restore would show.
        let fresh = !self
            .folder
            .path()
            .read_dir()
            .unwrap()
            .any(|e| e.unwrap().path().to_string_lossy().contains("state"));
        let model = build(&self.model, if fresh { 1 } else { 99 }, Kind::Float);
        let mut adam = Adam::build(&self.config, model.weights());
        let checkpoints = self.checkpoints();
        let restored = checkpoints.restore(model.weights(), &adam, &self.config, &|_| true, &mut |note| {
            notes.push(note.to_string())
        })?;
        let trainer = Trainer {
            model: &model,
            config: &self.config,
            batches: &Pairs::of(&self.store, &self.config),
            checkpoints: Some(&checkpoints),
            ranks: &Ranks::alone(),
            stop,
            until: None,
        };
        trainer.run(&mut adam, restored.map_or_else(Progress::default, |state| state.progress), watch)?;
        checkpoints.load_average(model.weights(), &self.config.averaged_steps(self.config.steps))?;
        checkpoints.save_scored(model.weights())?;
        Ok(all_values(model.weights()))
    }

    fn finish(&self, notes: &mut Vec<String>) -> Result<Vec<Vec<f64>>> {
        self.go(&StopFlag::never(), &mut Watch::default(), notes)
    }

    /// Returns every file of the checkpoints with its bytes, sorted by name.
    fn files(&self) -> Vec<(String, Vec<u8>)> {
        files_in(self.folder.path())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn files_in(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

fn names(files: &[(String, Vec<u8>)]) -> Vec<&str> {
    files.iter().map(|(name, _)| name.as_str()).collect()
}

/// The files and the mean weights of an uninterrupted run.
type Ending = (Vec<(String, Vec<u8>)>, Vec<Vec<f64>>);

fn uninterrupted() -> Ending {
    let run = Run::new();
    let average = run.finish(&mut Vec::new()).unwrap();
    (run.files(), average)
}

#[test]
fn a_run_keeps_what_is_averaged_and_two_states() {
    let (files, average) = uninterrupted();
    let expected = [
        "best.weights.safetensors",
        "scored.weights.safetensors",
        "step-00000008.state.safetensors",
        "step-00000008.weights.safetensors",
        "step-00000012.state.safetensors",
        "step-00000012.weights.safetensors",
    ];
    assert_eq!(names(&files), expected);
    let read = |name: &str| files.iter().find(|(n, _)| n == name).unwrap().1.clone();
    // The mean by hand, from the files' own tensors.
    let (eight, twelve) =
        (read("step-00000008.weights.safetensors"), read("step-00000012.weights.safetensors"));
    let parse = |bytes: &[u8], name: &str| -> Vec<f64> {
        let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
        let data = file.tensor(name).unwrap().data().to_vec();
        data.chunks(4).map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]]))).collect()
    };
    let names = build(&Run::new().model, 1, Kind::Float);
    for ((path, _), mean) in names.weights().named().iter().zip(&average) {
        for ((a, b), mean) in parse(&eight, path).iter().zip(parse(&twelve, path)).zip(mean) {
            assert_eq!(f64::from(((a + b) / 2.0) as f32), *mean, "{path}");
        }
    }
}

#[test]
fn a_run_that_was_stopped_anywhere_ends_byte_for_byte_as_the_uninterrupted_one() {
    let (files, average) = uninterrupted();
    for stopped_at in 1..12 {
        let run = Run::new();
        let stop = StopFlag::never();
        let mut watch = Watch { stop_at: Some((stopped_at, &stop)), ..Default::default() };
        let error = run.go(&stop, &mut watch, &mut Vec::new()).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Interrupted { step } if step == stopped_at), "{error}");
        assert_eq!(error.exit_code(), 75);
        assert_eq!(watch.steps.len() as u64, stopped_at);
        assert_eq!(watch.syncs as u64, stopped_at / 4 + u64::from(!stopped_at.is_multiple_of(4)));
        let mut notes = Vec::new();
        let resumed = run.finish(&mut notes).unwrap();
        assert!(notes.is_empty(), "{notes:?}");
        assert_eq!(resumed, average, "stopped at {stopped_at}");
        let state_of_the_stop = format!("step-{stopped_at:08}");
        for (name, bytes) in run.files().into_iter().filter(|(name, _)| !name.starts_with(&state_of_the_stop))
        {
            let before = files.iter().find(|(n, _)| *n == name).map(|(_, bytes)| bytes);
            assert!(before == Some(&bytes), "stopped at {stopped_at}: {name} differs");
        }
    }
}

#[test]
fn an_update_that_a_stop_cuts_short_is_left_undone() {
    let (_, average) = uninterrupted();
    // Before the first update there is nothing to keep, and after the fourth it is kept already.
    for (amid, syncs) in [(1, 0), (4, 1), (5, 1), (6, 2)] {
        let run = Run::new();
        let stop = StopFlag::never();
        let mut watch = Watch { stop_amid: Some((amid, &stop)), ..Default::default() };
        let error = run.go(&stop, &mut watch, &mut Vec::new()).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Interrupted { step } if step == amid - 1), "{error}");
        assert_eq!((watch.steps.len() as u64, watch.syncs), (amid - 1, syncs), "amid update {amid}");
        assert_eq!(run.finish(&mut Vec::new()).unwrap(), average, "amid update {amid}");
    }
}

#[test]
fn a_run_that_was_stopped_again_and_again_or_killed_ends_the_same() {
    let (_, average) = uninterrupted();
    let run = Run::new();
    for stopped_at in [2, 3, 7, 11] {
        let stop = StopFlag::never();
        let mut watch = Watch { stop_at: Some((stopped_at, &stop)), ..Default::default() };
        assert!(run.go(&stop, &mut watch, &mut Vec::new()).is_err());
    }
    assert_eq!(run.finish(&mut Vec::new()).unwrap(), average);

    for killed_at in [1, 5, 8, 10, 12] {
        let run = Run::new();
        let mut watch = Watch { killed_at: Some(killed_at), ..Default::default() };
        assert!(run.go(&StopFlag::never(), &mut watch, &mut Vec::new()).is_err());
        let mut watch = Watch::default();
        let resumed = run.go(&StopFlag::never(), &mut watch, &mut Vec::new()).unwrap();
        assert_eq!(watch.steps[0].step, (killed_at - 1) / 4 * 4 + 1, "killed at {killed_at}");
        assert_eq!(resumed, average, "killed at {killed_at}");
    }
}

#[test]
fn a_finished_run_that_goes_on_does_nothing() {
    let run = Run::new();
    let average = run.finish(&mut Vec::new()).unwrap();
    let mut watch = Watch::default();
    assert_eq!(run.go(&StopFlag::never(), &mut watch, &mut Vec::new()).unwrap(), average);
    assert!(watch.steps.is_empty());
}

/// Returns, named, ways in which a file gets damaged.
fn damages(whole: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let flipped = |at: usize| {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 1;
        bytes
    };
    vec![
        ("empty", Vec::new()),
        ("cut in its length", whole[..5].to_vec()),
        ("cut in its header", whole[..100].to_vec()),
        ("cut in the middle", whole[..whole.len() / 2].to_vec()),
        ("short of one byte", whole[..whole.len() - 1].to_vec()),
        ("longer by one byte", [whole, &[0]].concat()),
        ("another length of the header", flipped(0)),
        ("a huge header", flipped(7)),
        (
            "a flip in the first number",
            flipped(8 + u64::from_le_bytes(*whole.first_chunk().unwrap()) as usize),
        ),
        ("a flip in the middle", flipped(whole.len() / 2)),
        ("a flip in the last number", flipped(whole.len() - 1)),
    ]
}

#[test]
fn a_damaged_checkpoint_is_reported_and_the_one_before_is_used() {
    let (_, average) = uninterrupted();
    let run = Run::new();
    let mut watch = Watch { killed_at: Some(10), ..Default::default() };
    assert!(run.go(&StopFlag::never(), &mut watch, &mut Vec::new()).is_err());
    let saved = run.files();
    for damaged in ["step-00000008.weights.safetensors", "step-00000008.state.safetensors"] {
        let whole = saved.iter().find(|(name, _)| name == damaged).unwrap().1.clone();
        for (how, bytes) in damages(&whole) {
            for (name, _) in run.files() {
                std::fs::remove_file(run.path(&name)).unwrap();
            }
            saved.iter().for_each(|(name, bytes)| std::fs::write(run.path(name), bytes).unwrap());
            std::fs::write(run.path(damaged), bytes).unwrap();
            let mut notes = Vec::new();
            let mut watch = Watch::default();
            let resumed = run.go(&StopFlag::never(), &mut watch, &mut notes).unwrap();
            assert_eq!(watch.steps[0].step, 5, "{damaged}, {how}");
            assert!(
                notes.len() == 1 && notes[0].contains("step 8 is damaged"),
                "{damaged}, {how}: {notes:?}"
            );
            assert!(notes[0].contains(damaged), "{how}: {notes:?}");
            assert_eq!(resumed, average, "{damaged}, {how}");
        }
    }
}

#[test]
fn no_bit_of_the_stated_progress_can_change_unseen() {
    let run = Run::new();
    let mut watch = Watch { killed_at: Some(5), ..Default::default() };
    assert!(run.go(&StopFlag::never(), &mut watch, &mut Vec::new()).is_err());
    let path = run.path("step-00000004.state.safetensors");
    let whole = std::fs::read(&path).unwrap();
    let model = build(&run.model, 1, Kind::Float);
    let adam = Adam::build(&run.config, model.weights());
    let restore = || run.checkpoints().restore(model.weights(), &adam, &run.config, &|_| true, &mut |_| ());
    let state = restore().unwrap().unwrap();
    assert_eq!(state.progress.step, 4);
    let text = "\\\"progress\\\"";
    let begin =
        whole.windows(text.len()).position(|w| w == text.as_bytes()).expect("the header states progress");
    let end = begin + whole[begin..].iter().position(|&b| b == b'}').unwrap();
    for at in begin..end {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            std::fs::write(&path, &bytes).unwrap();
            // A blank may become another kind of blank; a number may not become another number.
            if let Ok(Some(seen)) = restore() {
                assert_eq!(seen, state, "byte {at}, bit {bit}");
            }
        }
    }
}

#[test]
fn when_every_checkpoint_is_damaged_nothing_starts_afresh() {
    let run = Run::new();
    let mut watch = Watch { killed_at: Some(10), ..Default::default() };
    assert!(run.go(&StopFlag::never(), &mut watch, &mut Vec::new()).is_err());
    for (name, bytes) in run.files() {
        std::fs::write(run.path(&name), &bytes[..bytes.len() - 3]).unwrap();
    }
    let mut notes = Vec::new();
    let error = run.finish(&mut notes).map(|_| ()).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("no checkpoint in"), "{error}");
    assert_eq!(notes.len(), 2, "{notes:?}");
}

#[test]
fn a_checkpoint_of_another_model_is_refused() {
    let run = Run::new();
    run.finish(&mut Vec::new()).unwrap();
    let other = build(&ModelConfig { d_ff: 48, ..run.model.clone() }, 1, Kind::Float);
    let adam = Adam::build(&run.config, other.weights());
    let before = all_values(other.weights());
    let mut notes = Vec::new();
    assert!(
        run.checkpoints()
            .restore(other.weights(), &adam, &run.config, &|_| true, &mut |note| notes.push(note.to_string()))
            .is_err()
    );
    assert!(notes.iter().all(|note| note.contains("the model wants")), "{notes:?}");
    assert_eq!(all_values(other.weights()), before);
}

#[test]
fn divergence_ends_the_run_with_its_own_error() {
    let mut run = Run::new();
    run.config.learning_rate_scale = 1e30;
    run.config.dev_interval_steps = 0;
    let mut watch = Watch::default();
    let error = run.go(&StopFlag::never(), &mut watch, &mut Vec::new()).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Diverged { step, loss } if step > 1 && !loss.is_finite()), "{error}");
    assert_eq!(error.exit_code(), 3);
}

#[test]
fn a_gradient_that_is_not_finite_is_not_clipped_and_does_not_reach_the_weights() {
    let (_folder, store) = stored(VOCABULARY, &copies(2, 4, 3));
    let updated = |config: &TrainingConfig, value: f64| {
        let model = build(&small(), 1, Kind::Float);
        let mut adam = Adam::build(config, model.weights());
        let before = all_values(model.weights());
        let batch = micro_batch(config.batching(), &store, &[0, 1], Device::Cpu);
        let updates = Updates { model: &model, config };
        let sums = updates.accumulate([(0, &batch)].into_iter(), batch.target_tokens, 1);
        let gradient = model.weights().named()[0].1.grad();
        let _ = tch::no_grad(|| gradient.shallow_clone().fill_(value));
        let outcome = updates.finish(&mut adam, sums, 1, true);
        (outcome, all_values(model.weights()) == before)
    };
    let clipped = TrainingConfig { clip_norm: Some(1.0), ..Default::default() };
    for value in [f64::NAN, f64::INFINITY] {
        let (outcome, is_untouched) = updated(&clipped, value);
        let error = outcome.unwrap_err();
        assert!(matches!(error, Error::GradientDiverged { step: 1, .. }), "{error}");
        assert!(error.exit_code() == 3 && is_untouched, "{error}");
    }
    // The squares of these overflow, but they are numbers.
    assert!(updated(&clipped, 1e30).0.is_ok());
    // Without clipping, the next loss ends the training.
    assert!(updated(&TrainingConfig::default(), f64::NAN).0.is_ok());
}

#[test]
fn a_dev_loss_that_is_no_number_is_divergence_and_is_not_saved() {
    for dev_loss in [f64::NAN, f64::INFINITY] {
        let run = Run::new();
        let mut watch = Watch { dev_loss: Some((12, dev_loss)), ..Default::default() };
        let error = run.go(&StopFlag::never(), &mut watch, &mut Vec::new()).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Diverged { step: 12, .. }), "{error}");
        assert!(!run.path("step-00000012.state.safetensors").exists());
        // The checkpoint saved before is sound: with a monitor that measures a number, the run can be finished.
        run.finish(&mut Vec::new()).unwrap();
    }
}
