//! Training: the model learns, sums are right, and batches keep to their budget. Whole runs: `training_runs.rs`.

use crate::common::data::{Pair, stored};
use crate::common::updates::StoreUpdates;
use ablate::data::batch::epoch_batches;
use ablate::data::collate::micro_batch;
use ablate::decode::DecodingConfig;
use ablate::decode::translate::translate;
use ablate::error::Error;
use ablate::model::weights::Weights;
use ablate::model::{EncoderDecoder, ModelConfig, Network, Position};
use ablate::signal::StopFlag;
use ablate::task::pairs::likelihood;
use ablate::train::TrainingConfig;
use ablate::train::adam::Adam;
use ablate::train::examples::Examples;
use ablate::train::pairs::Pairs;
use ablate::train::run_state::Progress;
use ablate::train::step::Updates;
use ablate::train::stream::BatchStream;
use tch::{Device, Kind, Tensor};

pub(super) const VOCABULARY: usize = 13;

/// Returns `count` sentences of 1 to `longest` ordinary tokens, from a multiplicative generator.
pub(super) fn sentences(count: usize, longest: u64, seed: u64) -> Vec<Vec<u32>> {
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

pub(super) fn small() -> ModelConfig {
    ModelConfig { layers: 1, d_model: 16, d_ff: 32, heads: 2, dropout: 0.0, ..Default::default() }
}

pub(super) fn build(config: &ModelConfig, seed: u64, kind: Kind) -> EncoderDecoder {
    tch::set_num_threads(1);
    EncoderDecoder::build(config, VOCABULARY, seed, kind, Device::Cpu)
}

fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

pub(super) fn all_values(weights: &Weights) -> Vec<Vec<f64>> {
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
