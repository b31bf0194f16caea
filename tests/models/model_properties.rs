//! Properties that every variant of the model with an encoder has, whatever its weights, at tiny sizes: in float64 by the
//! definition, and in float32 by the kernels that decode on a CPU. Those of models without one: `decoder_only.rs`.

use crate::common::data::stored;
use crate::common::long;
use crate::common::updates::StoreUpdates;
use crate::common::variants::{
    add_noise, assert_gradients, choices, convolutional, convolutional_variants, copy_weights, largest_gap,
    least_gradient, recurrent_variants, single_and_paired, starts_small,
};
use ablate::error::Error;
use ablate::model::mode::Mode;
use ablate::model::weights::Weights;
use ablate::model::{
    Encoded, EncoderDecoder, Initialisation, ModelConfig, Network, NormKind, PackedRows, Position, Score,
    Tying,
};
use ablate::shim::decoding;
use ablate::train::TrainingConfig;
use ablate::train::adam::Adam;
use ablate::train::loss::cross_entropy;
use tch::{Device, Kind, Tensor};

pub(super) const VOCABULARY: i64 = 13;

/// Returns the sizes of heads that a configuration can ask for, by their peculiarity.
pub(super) fn head_shapes() -> [(&'static str, ModelConfig); 6] {
    let small = ModelConfig {
        layers: 2,
        d_model: 8,
        d_ff: 12,
        heads: 2,
        learned_positions: 9,
        dropout: 0.0,
        ..Default::default()
    };
    [
        ("plain", small.clone()),
        ("one head, d_k = d_model", ModelConfig { heads: 1, ..small.clone() }),
        ("d_k != d_v", ModelConfig { d_k: Some(3), d_v: Some(5), ..small.clone() }),
        ("heads * d_k != d_model", ModelConfig { heads: 3, d_k: Some(2), d_v: Some(2), ..small.clone() }),
        ("padded embedding", ModelConfig { embedding_rows: Some(16), ..small.clone() }),
        ("embedding of a multiple", ModelConfig { embedding_multiple: Some(8), ..small }),
    ]
}

/// Returns, named, each shape of heads with every choice, the plain one also with every pair of choices, and recurrent
/// and convolutional parts with their choices. In the long suite every shape comes with every pair, except those with a
/// choice of `[model.attention]`, which are many.
pub(super) fn variants() -> Vec<(String, ModelConfig)> {
    let of = |(shape, config): (&str, ModelConfig)| {
        let named = |(name, config)| (format!("{shape}, {name}"), config);
        // Rotation turns pairs of numbers.
        let possible = |(_, config): &(String, ModelConfig)| {
            config.has_encoder() && (config.position != Position::Rotary || config.d_k() % 2 == 0)
        };
        let wanted = |(name, _): &(String, ModelConfig)| {
            let is_pair = name.contains(", ");
            shape == "plain" || !is_pair || (long() && !name.contains("attention."))
        };
        let all = single_and_paired(&config).into_iter();
        all.filter(possible).filter(wanted).map(named).collect::<Vec<_>>()
    };
    let [(_, plain), ..] = head_shapes();
    let parts = recurrent_variants(&plain).into_iter().chain(convolutional_variants(&plain));
    parts.chain(head_shapes().into_iter().flat_map(of)).collect()
}

pub(super) fn build(config: &ModelConfig, seed: u64) -> EncoderDecoder {
    build_in(Kind::Double, config, seed)
}

fn build_in(kind: Kind, config: &ModelConfig, seed: u64) -> EncoderDecoder {
    tch::set_num_threads(1);
    EncoderDecoder::build(config, VOCABULARY as usize, seed, kind, Device::Cpu)
}

/// Returns the variants in float64 and in float32, where other code reads and decodes sentences: [`decoding`]'s kernels.
/// The noise makes the two ways of initialisation alike, so one of them is enough in float32.
fn noisy_models() -> impl Iterator<Item = (String, ModelConfig, EncoderDecoder)> {
    [Kind::Double, Kind::Float].into_iter().flat_map(|kind| {
        assert_eq!(decoding::takes(kind, Device::Cpu), kind == Kind::Float);
        let wanted = move |config: &ModelConfig| {
            kind == Kind::Double || config.initialisation == Initialisation::Tensor2tensor
        };
        variants().into_iter().filter(move |(_, config)| wanted(config)).map(move |(name, config)| {
            let model = noisy_in(kind, &config);
            (format!("{name}, {kind:?}"), config, model)
        })
    })
}

/// Returns the largest difference of equal results computed in another order, most with gates before batch normalisation.
fn rounding(model: &EncoderDecoder) -> f64 {
    if model.kind() == Kind::Double { 1e-12 } else { 5e-5 }
}

/// Returns the encoder's output, computed by the code that decodes.
fn read(model: &EncoderDecoder, source: &Tensor, lengths: &[i64]) -> Encoded {
    tch::no_grad(|| model.read(source, lengths))
}

fn noisy(config: &ModelConfig) -> EncoderDecoder {
    noisy_in(Kind::Double, config)
}

/// Returns the variant's model with noise on every variable and running statistic, so that no bias is 0 and no scale 1.
fn noisy_in(kind: Kind, config: &ModelConfig) -> EncoderDecoder {
    let model = build_in(kind, config, 5);
    add_noise(model.weights());
    model
}

/// Returns a tensor whose row `i` holds `rows[i]`; all rows have one length.
fn ids<const N: usize>(rows: &[[i64; N]]) -> Tensor {
    Tensor::from_slice2(rows)
}

fn evaluate(model: &EncoderDecoder, source: &Tensor, lengths: &[i64], target: &Tensor) -> (Encoded, Tensor) {
    tch::no_grad(|| {
        let encoded = model.encode(source, lengths, &Mode::evaluation());
        let decoded = model.decode(target, &encoded, &Mode::evaluation());
        (encoded, decoded)
    })
}

/// Returns a copy of `ids` with another token at (`row`, `column`).
fn with_other_token(ids: &Tensor, row: i64, column: i64) -> Tensor {
    let changed = ids.copy();
    let _ = changed.get(row).get(column).fill_((ids.int64_value(&[row, column]) + 1) % VOCABULARY);
    changed
}

/// Returns all values of all variables and running statistics, by path.
pub(super) fn bytes(weights: &Weights) -> Vec<(String, Vec<f64>)> {
    let values = |t: &Tensor| Vec::<f64>::try_from(t.detach().flatten(0, -1)).unwrap();
    weights.saved().iter().map(|(path, variable)| (path.clone(), values(variable))).collect()
}

const SOURCE: [[i64; 5]; 2] = [[4, 9, 3, 12, 2], [7, 5, 2, 0, 0]];
const SOURCE_LENGTHS: [i64; 2] = [5, 3];
const TARGET: [[i64; 6]; 2] = [[1, 8, 3, 3, 11, 6], [1, 10, 4, 5, 9, 7]];

#[test]
fn no_output_depends_on_a_later_target_token() {
    // Without residual connections the target reaches the output only through the queries of the attention to the source.
    // Two layers bring that below the rounding of float32. They bring it below that of float64 where no norm brings every
    // vector back to one size, where embeddings or all weights are small, or where scores are additive, so that a query
    // adds nearly the same to all keys.
    for (name, config, model) in noisy_models() {
        let (source, target) = (ids(&SOURCE), ids(&TARGET));
        let (encoded, decoded) = evaluate(&model, &source, &SOURCE_LENGTHS, &target);
        for place in 0..6 {
            let changed = with_other_token(&target, 0, place);
            let other = tch::no_grad(|| model.decode(&changed, &encoded, &Mode::evaluation()));
            assert_eq!(
                other.narrow(1, 0, place),
                decoded.narrow(1, 0, place),
                "{name}: token {place} leaks back"
            );
            assert_eq!(other.get(1), decoded.get(1), "{name}: token {place} leaks into the other sentence");
            let scores = [config.attention.score, config.attention.cross_score()];
            let rescaled = matches!(config.norm_kind, NormKind::Layer | NormKind::Rms);
            let small = !config.embedding_scale || starts_small(&config);
            let weak = scores.contains(&Score::Additive) || !rescaled || small;
            let hidden = !config.residual && (weak || model.kind() == Kind::Float);
            assert!(
                hidden || other.get(0).get(place) != decoded.get(0).get(place),
                "{name}: token {place} is not seen"
            );
        }
    }
}

#[test]
fn padding_cannot_change_a_bit() {
    for (name, _, model) in noisy_models() {
        let (source, target) = (ids(&SOURCE), ids(&TARGET));
        let (encoded, decoded) = evaluate(&model, &source, &SOURCE_LENGTHS, &target);
        let mut garbage = source.copy();
        for column in 3..5 {
            garbage = with_other_token(&garbage, 1, column);
        }
        let (other, other_decoded) = evaluate(&model, &garbage, &SOURCE_LENGTHS, &target);
        assert_eq!(other.output.get(0), encoded.output.get(0), "{name}");
        assert_eq!(other.output.get(1).narrow(0, 0, 3), encoded.output.get(1).narrow(0, 0, 3), "{name}");
        assert_eq!(other_decoded, decoded, "{name}");
        let [clean, other] = [&source, &garbage].map(|ids| read(&model, ids, &SOURCE_LENGTHS).output);
        assert_eq!(clean.get(0), other.get(0), "{name}");
        assert_eq!(clean.get(1).narrow(0, 0, 3), other.get(1).narrow(0, 0, 3), "{name}");
        // The last real token, in contrast, has an effect.
        let (_, seen) = evaluate(&model, &with_other_token(&source, 1, 2), &SOURCE_LENGTHS, &target);
        assert_ne!(seen.get(1), decoded.get(1), "{name}");
    }
}

#[test]
fn a_sentence_alone_gives_what_it_gives_in_a_padded_batch() {
    for (name, _, model) in noisy_models() {
        let (_, decoded) = evaluate(&model, &ids(&SOURCE), &SOURCE_LENGTHS, &ids(&TARGET));
        let (_, alone) = evaluate(&model, &ids(&[[7, 5, 2]]), &[3], &ids(&[[1, 10, 4, 5]]));
        let gap = largest_gap(&alone.get(0), &decoded.get(1).narrow(0, 0, 4));
        assert!(gap < rounding(&model), "{name}: {gap:e}");
    }
}

/// The batch has more tokens than are read at once.
#[test]
fn a_sentence_alone_gives_what_it_gives_in_a_large_batch() {
    tch::set_num_threads(1);
    // The shorter sentences are read first.
    let lengths: Vec<i64> = (0..480).map(|row| 1 + row * 7 % if row < 300 { 5 } else { 9 }).collect();
    let mut sources = vec![0; 480 * 9];
    for (row, &length) in lengths.iter().enumerate() {
        let ids = (0..length).map(|place| 3 + (row as i64 * 7 + place * 3) % 10);
        sources.splice(row * 9..row * 9 + length as usize, ids);
    }
    let sources = Tensor::from_slice(&sources).view([480, 9]);
    // Single choices are enough: pairs of them do not affect reading.
    for (name, config) in variants().into_iter().filter(|(name, _)| name.matches(", ").count() < 2) {
        let model = noisy_in(Kind::Float, &config);
        let together = read(&model, &sources, &lengths).output;
        for row in [0, 1, 204, 205, 479] {
            let length = lengths[row as usize];
            let source = sources.narrow(0, row, 1).narrow(1, 0, length);
            let alone = read(&model, &source, &[length]).output;
            let gap = largest_gap(&together.narrow(0, row, 1).narrow(1, 0, length), &alone);
            assert!(gap < rounding(&model), "{name}, row {row}: {gap:e}");
        }
    }
}

#[test]
fn a_sentence_in_a_packed_row_gives_what_it_gives_alone() {
    for (name, _, model) in noisy_models() {
        let (_, alone) = evaluate(&model, &ids(&SOURCE), &SOURCE_LENGTHS, &ids(&TARGET));
        // The two sentences packed into one row in reverse order, then a row with one of them and padding.
        let source = ids(&[[7, 5, 2, 4, 9, 3, 12, 2], [7, 5, 2, 0, 0, 0, 0, 0]]);
        let source_sentences = ids(&[[1, 1, 1, 2, 2, 2, 2, 2], [1, 1, 1, 0, 0, 0, 0, 0]]);
        let target = ids(&[[1, 10, 4, 5, 1, 8, 3, 3, 11, 6], [1, 10, 4, 5, 0, 0, 0, 0, 0, 0]]);
        let target_sentences = ids(&[[1, 1, 1, 1, 2, 2, 2, 2, 2, 2], [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]]);
        let packed = tch::no_grad(|| {
            model.forward_packed(
                PackedRows { ids: &source, sentences: &source_sentences },
                PackedRows { ids: &target, sentences: &target_sentences },
                &Mode::evaluation(),
            )
        });
        assert!(packed.isfinite().all().int64_value(&[]) == 1, "{name}: padding is not a number");
        let short = alone.get(1).narrow(0, 0, 4);
        let gaps = [
            largest_gap(&packed.get(0).narrow(0, 4, 6), &alone.get(0)),
            largest_gap(&packed.get(0).narrow(0, 0, 4), &short),
            largest_gap(&packed.get(1).narrow(0, 0, 4), &short),
        ];
        assert!(gaps.iter().all(|gap| *gap < rounding(&model)), "{name}: {gaps:?}");
    }
}

#[test]
fn decoding_step_by_step_equals_decoding_at_once() {
    for (name, _, model) in noisy_models() {
        let target = ids(&TARGET);
        let (_, decoded) = evaluate(&model, &ids(&SOURCE), &SOURCE_LENGTHS, &target);
        tch::no_grad(|| {
            let mut cache = model.cache(&read(&model, &ids(&SOURCE), &SOURCE_LENGTHS));
            for place in 0..6 {
                assert_eq!(cache.length(), place);
                let step = model.step(&target.narrow(1, place, 1), cache.as_mut());
                let gap = largest_gap(&step, &decoded.select(1, place));
                assert!(gap < rounding(&model), "{name}: position {place}: {gap:e}");
            }
        });
    }
}

#[test]
fn a_cache_follows_the_rows_that_are_kept() {
    for (name, _, model) in noisy_models() {
        let target = ids(&TARGET);
        let (_, decoded) = evaluate(&model, &ids(&SOURCE), &SOURCE_LENGTHS, &target);
        tch::no_grad(|| {
            let mut cache = model.cache(&read(&model, &ids(&SOURCE), &SOURCE_LENGTHS));
            for place in 0..2 {
                let _ = model.step(&target.narrow(1, place, 1), cache.as_mut());
            }
            cache.select(&[1, 0, 1], false);
            let rows = Tensor::from_slice(&[1i64, 0, 1]);
            let step = model.step(&target.index_select(0, &rows).narrow(1, 2, 1), cache.as_mut());
            let gap = largest_gap(&step, &decoded.index_select(0, &rows).select(1, 2));
            assert!(gap < rounding(&model), "{name}: {gap:e}");
        });
    }
}

#[test]
fn every_variable_gets_a_gradient() {
    for (name, config) in variants() {
        let model = noisy(&config);
        let encoded = model.encode(&ids(&SOURCE), &SOURCE_LENGTHS, &Mode::evaluation());
        let decoded = model.decode(&ids(&TARGET), &encoded, &Mode::evaluation());
        let targets = ids(&TARGET).roll([-1], [1]).flatten(0, -1);
        cross_entropy(&model.logits(&decoded.flatten(0, 1)), &targets, 0.1).smoothed.backward();
        assert_gradients(&name, &config, model.weights(), least_gradient(&config));
    }
}

#[test]
fn training_gives_the_same_bytes_again_and_others_with_another_seed() {
    let pairs = [(vec![4, 9, 3, 11], vec![5, 10, 7]), (vec![7, 5], vec![10, 4, 5, 8, 6])];
    let (_folder, store) = stored(VOCABULARY as usize, &pairs);
    // One way of initialisation is enough, because all trainings start with the same weights.
    let one_start =
        |(_, config): &(String, ModelConfig)| config.initialisation == Initialisation::Tensor2tensor;
    for (name, config) in variants().into_iter().filter(one_start) {
        let config = ModelConfig { dropout: 0.2, attention_dropout: 0.2, activation_dropout: 0.2, ..config };
        // The weights are equal at first, so that training makes the difference.
        let train = |seed| {
            let model = build(&config, 1);
            let training = TrainingConfig { seed, warmup_steps: 2, ..Default::default() };
            let mut adam = Adam::build(&training, model.weights());
            let updates = StoreUpdates { model: &model, config: &training, store: &store };
            let loss = match updates.step(&mut adam, &[vec![0], vec![1]], 1) {
                Ok(stats) => stats.loss,
                // A narrow model without norms may begin with a loss that training takes for divergence.
                Err(Error::Diverged { loss, .. }) if config.norm_kind == NormKind::None => loss,
                Err(error) => panic!("{name}: {error}"),
            };
            (loss, bytes(model.weights()))
        };
        let first = train(1);
        assert_eq!(first, train(1), "{name}");
        assert_ne!(first.0, train(2).0, "{name}");
    }
}

#[test]
fn dropout_acts_in_training_alone_and_each_kind_by_itself() {
    let (source, target) = (ids(&SOURCE), ids(&TARGET));
    // Fresh weights may depend on the rate of dropout, so they are copied from the model without dropout.
    let with_weights_of = |plain: &ModelConfig, config: &ModelConfig| {
        let model = build(config, 3);
        copy_weights(build(plain, 3).weights(), model.weights());
        model
    };
    let train = |plain: &ModelConfig, config: &ModelConfig, seed| {
        let model = with_weights_of(plain, config);
        tch::no_grad(|| {
            let mode = Mode::training(seed);
            let encoded = model.encode(&source, &SOURCE_LENGTHS, &mode);
            model.decode(&target, &encoded, &mode)
        })
    };
    for (name, config) in variants() {
        let (_, plain) = evaluate(&build(&config, 3), &source, &SOURCE_LENGTHS, &target);
        let undropped = train(&config, &config, 1);
        // Batch normalisation uses other statistics in training, with or without dropout.
        assert_eq!(undropped == plain, config.norm_kind != NormKind::Batch, "{name}: rate 0");
        let kinds = ["dropout", "attention_dropout", "activation_dropout"];
        // Cells and convolutions have no other kind.
        for kind in kinds.into_iter().filter(|kind| *kind == "dropout" || config.has_self_attention()) {
            if kind == "activation_dropout" && !config.feed_forward {
                continue;
            }
            let mut dropping = config.clone();
            match kind {
                "dropout" => dropping.dropout = 0.4,
                "attention_dropout" => dropping.attention_dropout = 0.4,
                _ => dropping.activation_dropout = 0.4,
            }
            let (_, evaluated) =
                evaluate(&with_weights_of(&config, &dropping), &source, &SOURCE_LENGTHS, &target);
            assert_eq!(evaluated, plain, "{name}: {kind} acts in evaluation");
            assert_eq!(
                train(&config, &dropping, 1),
                train(&config, &dropping, 1),
                "{name}: {kind} is not a function of its seed"
            );
            let dropped = |seed| train(&config, &dropping, seed);
            assert_ne!(dropped(1), dropped(2), "{name}: {kind} ignores its seed");
            assert_ne!(dropped(1), undropped, "{name}: {kind} does nothing");
        }
    }
}

/// In training, batch normalisation counts only real tokens: neither more padding nor packed rows change a result or a
/// running statistic. It mixes the sentences of a batch and sees later tokens, so causality is a property of
/// evaluation.
#[test]
fn batch_normalisation_counts_every_real_token_once() {
    let (source, lengths) = (ids(&[[4, 9, 3, 12, 2], [7, 5, 2, 0, 0]]), [5, 3]);
    let target = ids(&[[1, 8, 3, 3, 11, 6], [1, 10, 4, 5, 0, 0]]);
    let mode = || Mode::training(1);
    for (name, config) in variants().into_iter().filter(|(_, config)| config.norm_kind == NormKind::Batch) {
        let outputs = |compute: &dyn Fn(&EncoderDecoder) -> Tensor| {
            let model = noisy(&config);
            let output = tch::no_grad(|| compute(&model)).flatten(0, 1);
            model.weights().running_statistics().iter().for_each(|statistics| statistics.finish_update());
            (output, bytes(model.weights()))
        };
        let padded = |target: &Tensor, more: i64| {
            let wider = |ids: &Tensor| ids.constant_pad_nd([0, more]);
            let (source, target) = (wider(&source), wider(target));
            move |model: &EncoderDecoder| {
                model.decode(&target, &model.encode(&source, &lengths, &mode()), &mode())
            }
        };
        let (plain, statistics) = outputs(&padded(&target, 0));
        let (wide, wide_statistics) = outputs(&padded(&target, 2));
        let (packed, packed_statistics) = outputs(&|model| {
            let source = ids(&[[7, 5, 2, 4, 9, 3, 12, 2, 0]]);
            let target = ids(&[[1, 10, 4, 5, 1, 8, 3, 3, 11, 6]]);
            model.forward_packed(
                PackedRows { ids: &source, sentences: &ids(&[[1, 1, 1, 2, 2, 2, 2, 2, 0]]) },
                PackedRows { ids: &target, sentences: &ids(&[[1, 1, 1, 1, 2, 2, 2, 2, 2, 2]]) },
                &mode(),
            )
        });
        let rows = |output: &Tensor, places: &[i64]| output.index_select(0, &Tensor::from_slice(places));
        let real = rows(&plain, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let gaps = [
            largest_gap(&rows(&wide, &[0, 1, 2, 3, 4, 5, 8, 9, 10, 11]), &real),
            largest_gap(&rows(&packed, &[4, 5, 6, 7, 8, 9, 0, 1, 2, 3]), &real),
        ];
        assert!(gaps.iter().all(|gap| *gap < 1e-10), "{name}: {gaps:?}");
        for other in [wide_statistics, packed_statistics] {
            for ((path, before), (_, after)) in statistics.iter().zip(other) {
                let gap = before.iter().zip(after).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(gap < 1e-10, "{name}: {path} {gap:e}");
            }
        }
        let (later, _) = outputs(&padded(&with_other_token(&target, 0, 5), 0));
        assert_ne!(rows(&later, &[0, 6]), rows(&plain, &[0, 6]), "{name}");
    }
}

/// Returns which of (encoder's embedding, decoder's embedding, softmax) a change of the variable `path` affects.
fn seen_through(config: &ModelConfig, path: &str) -> [bool; 3] {
    let model = build(config, 4);
    let (source, target) = (ids(&[[3, 2]]), ids(&[[1, 3]]));
    let (encoded, decoded) = evaluate(&model, &source, &[2], &target);
    let logits = tch::no_grad(|| model.logits(&decoded));
    let (_, variable) = model.weights().named().iter().find(|(p, _)| p == path).expect("the variable exists");
    let _ = tch::no_grad(|| variable.get(3).fill_(0.25));
    tch::no_grad(|| {
        let encoded_after = model.encode(&source, &[2], &Mode::evaluation());
        let decoded_after = model.decode(&target, &encoded, &Mode::evaluation());
        let logits_after = model.logits(&decoded);
        [encoded_after.output != encoded.output, decoded_after != decoded, logits_after != logits]
    })
}

#[test]
fn shared_matrices_are_one_and_others_are_not() {
    for (_, config) in head_shapes() {
        let seen = |tying, path: &str| seen_through(&ModelConfig { tying, ..config.clone() }, path);
        assert_eq!(seen(Tying::All, "embedding.shared.weight"), [true, true, true]);
        assert_eq!(seen(Tying::Decoder, "embedding.source.weight"), [true, false, false]);
        assert_eq!(seen(Tying::Decoder, "embedding.target.weight"), [false, true, true]);
        assert_eq!(seen(Tying::None, "embedding.source.weight"), [true, false, false]);
        assert_eq!(seen(Tying::None, "embedding.target.weight"), [false, true, false]);
        assert_eq!(seen(Tying::None, "embedding.softmax.weight"), [false, false, true]);
    }
}

#[test]
fn without_positions_the_encoder_sees_a_bag_and_with_them_it_does_not() {
    let (_, plain) = head_shapes().into_iter().next().expect("there are shapes");
    for choice in choices().into_iter().filter(|choice| choice.key == "position") {
        let config = choice.made_in(&plain);
        let (position, model) = (config.position, noisy(&config));
        let (first, _) = evaluate(&model, &ids(&[[4, 9, 3]]), &[3], &ids(&[[1]]));
        let (second, _) = evaluate(&model, &ids(&[[9, 4, 3]]), &[3], &ids(&[[1]]));
        let gap = largest_gap(&first.output.select(1, 2), &second.output.select(1, 2));
        assert_eq!(gap < 1e-12, position == Position::None, "{position:?}: {gap:e}");
    }
}

/// Gehring et al. 2017, §5.4: 13 layers of three taps see 27 words. What stands further away changes no bit.
#[test]
fn a_layer_sees_as_far_as_its_kernels_reach() {
    for (dilations, reach) in [(vec![1], 2), (vec![1, 2], 3)] {
        let mut config = convolutional(&head_shapes()[0].1);
        config.convolutional.dilations = dilations;
        let model = noisy(&config);
        let long: [[i64; 9]; 1] = [[4, 9, 3, 12, 7, 5, 11, 6, 8]];
        let encode =
            |source: &Tensor| tch::no_grad(|| model.encode(source, &[9], &Mode::evaluation()).output);
        let (plain, changed) = (encode(&ids(&long)), encode(&with_other_token(&ids(&long), 0, 4)));
        let differs = |place: i64| plain.select(1, place) != changed.select(1, place);
        let seen: Vec<i64> = (0..9).filter(|&place| differs(place)).collect();
        assert_eq!(seen, (4 - reach..=4 + reach).collect::<Vec<_>>());
    }
}
