//! Properties that every variant of a model without an encoder has, whatever its weights, at tiny sizes: in float64 by the
//! definition, and in float32 by the kernels that decode on a CPU.

use crate::common::variants::{
    add_noise, assert_gradients, convolutional_alone, copy_weights, largest_gap, recurrent_alone,
    single_and_paired,
};
use ablate::model::cost::Cost;
use ablate::model::mode::Mode;
use ablate::model::{
    DecoderOnly, EncoderKind, Generator, ModelConfig, Network, NormKind, PackedRows, Position, Tying,
};
use ablate::shim::decoding;
use ablate::train::loss::cross_entropy;
use tch::{Device, Kind, Tensor};

const VOCABULARY: i64 = 13;
const TEXTS: [[i64; 6]; 2] = [[1, 8, 3, 3, 11, 6], [1, 10, 4, 5, 9, 7]];

/// Returns, named, heads as usual with every choice and every pair of choices, and heads of other widths with every
/// choice; in the long suite those with every pair as well.
fn variants() -> Vec<(String, ModelConfig)> {
    let small = ModelConfig {
        encoder: EncoderKind::None,
        layers: 2,
        d_model: 8,
        d_ff: 12,
        heads: 2,
        learned_positions: 9,
        dropout: 0.0,
        ..Default::default()
    };
    let other =
        ModelConfig { heads: 3, d_k: Some(4), d_v: Some(5), embedding_rows: Some(16), ..small.clone() };
    let of = |(shape, base): (&str, ModelConfig)| {
        let found = single_and_paired(&base).into_iter().filter(|(_, config)| !config.has_encoder());
        let wanted = |(name, _): &(String, ModelConfig)| {
            shape == "plain" || !name.contains(", ") || crate::common::long()
        };
        found.filter(wanted).map(|(name, config)| (format!("{shape}, {name}"), config)).collect::<Vec<_>>()
    };
    let (recurrent, convolutional) = (recurrent_alone(&small), convolutional_alone(&small));
    let found = [("plain", small), ("other widths", other)].into_iter().flat_map(of);
    let found: Vec<_> = found.chain(recurrent).chain(convolutional).collect();
    assert!(found.len() > 200, "{}", found.len());
    found
}

/// The variants in float64 and in float32, with noise on every variable and running statistic.
fn noisy_models() -> impl Iterator<Item = (String, ModelConfig, DecoderOnly)> {
    tch::set_num_threads(1);
    [Kind::Double, Kind::Float].into_iter().flat_map(|kind| {
        assert_eq!(decoding::takes(kind, Device::Cpu), kind == Kind::Float);
        variants().into_iter().map(move |(name, config)| {
            let model = DecoderOnly::build(&config, VOCABULARY as usize, 5, kind, Device::Cpu);
            add_noise(model.weights());
            (format!("{name}, {kind:?}"), config, model)
        })
    })
}

/// Returns the largest difference of equal results that are computed in another order.
fn rounding(model: &DecoderOnly) -> f64 {
    if model.kind() == Kind::Double { 1e-12 } else { 5e-5 }
}

fn decoded(model: &DecoderOnly, ids: &Tensor) -> Tensor {
    tch::no_grad(|| model.decode(ids, &Mode::evaluation()))
}

#[test]
fn a_token_is_seen_from_its_place_on_and_not_before() {
    for (name, config, model) in noisy_models() {
        let ids = Tensor::from_slice2(&TEXTS);
        let plain = decoded(&model, &ids);
        for place in 0..6 {
            let changed = ids.copy();
            let _ = changed.get(0).get(place).fill_((ids.int64_value(&[0, place]) + 1) % VOCABULARY);
            let other = decoded(&model, &changed);
            assert_eq!(other.narrow(1, 0, place), plain.narrow(1, 0, place), "{name}: {place} leaks back");
            assert_eq!(other.get(1), plain.get(1), "{name}: {place} leaks into the other text");
            assert_ne!(other.get(0).get(place), plain.get(0).get(place), "{name}: {place} is not seen");
            // Without residual connections and norms a difference fades with every layer.
            if place < 5 && config.residual {
                assert_ne!(
                    other.get(0).get(place + 1),
                    plain.get(0).get(place + 1),
                    "{name}: {place} is not seen by the next"
                );
            }
        }
    }
}

#[test]
fn neither_padding_nor_packing_changes_a_text() {
    for (name, _, model) in noisy_models() {
        let plain = decoded(&model, &Tensor::from_slice2(&TEXTS));
        let padded = Tensor::from_slice2(&[[1i64, 8, 3, 3, 11, 6, 0, 0], [1, 10, 4, 5, 0, 0, 0, 0]]);
        let padded = decoded(&model, &padded);
        let ids =
            Tensor::from_slice2(&[[1i64, 10, 4, 5, 1, 8, 3, 3, 11, 6], [1, 10, 4, 5, 0, 0, 0, 0, 0, 0]]);
        let sentences =
            Tensor::from_slice2(&[[1i64, 1, 1, 1, 2, 2, 2, 2, 2, 2], [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]]);
        let rows = PackedRows { ids: &ids, sentences: &sentences };
        let packed = tch::no_grad(|| model.decode_packed(rows, &Mode::evaluation()));
        assert!(packed.isfinite().all().int64_value(&[]) == 1, "{name}: padding is not a number");
        let short = plain.get(1).narrow(0, 0, 4);
        let gaps = [
            largest_gap(&padded.get(0).narrow(0, 0, 6), &plain.get(0)),
            largest_gap(&padded.get(1).narrow(0, 0, 4), &short),
            largest_gap(&packed.get(0).narrow(0, 4, 6), &plain.get(0)),
            largest_gap(&packed.get(0).narrow(0, 0, 4), &short),
            largest_gap(&packed.get(1).narrow(0, 0, 4), &short),
        ];
        assert!(gaps.iter().all(|gap| *gap < rounding(&model)), "{name}: {gaps:?}");
    }
}

/// The interface by which everything else writes with a model; rows are multiplied, reordered and dropped.
#[test]
fn writing_token_by_token_equals_reading_at_once() {
    for (name, _, model) in noisy_models() {
        let ids = Tensor::from_slice2(&TEXTS);
        let plain = decoded(&model, &ids);
        tch::no_grad(|| {
            let mut stepper = model.start(&Tensor::zeros([2, 0], (Kind::Int64, Device::Cpu)), &[0, 0]);
            let mut rows: Vec<i64> = vec![0, 1];
            for (place, chosen) in
                [&[0i64, 1][..], &[1, 0, 1], &[2, 1], &[1], &[0, 0], &[1, 0]].into_iter().enumerate()
            {
                let (place, now) = (place as i64, Tensor::from_slice(&rows));
                let step = stepper.step(&ids.index_select(0, &now).narrow(1, place, 1));
                let gap = largest_gap(&step, &plain.index_select(0, &now).select(1, place));
                assert!(gap < rounding(&model), "{name}: position {place}: {gap:e}");
                stepper.select(chosen, false);
                rows = chosen.iter().map(|&row| rows[row as usize]).collect();
            }
        });
    }
}

#[test]
fn every_variable_gets_a_gradient() {
    for (name, config, model) in noisy_models().filter(|(.., model)| model.kind() == Kind::Double) {
        let ids = Tensor::from_slice2(&TEXTS);
        let hidden = model.decode(&ids, &Mode::evaluation()).flatten(0, 1);
        let targets = ids.roll([-1], [1]).flatten(0, -1);
        cross_entropy(&model.logits(&hidden), &targets, 0.1).smoothed.backward();
        for (path, _) in model.weights().named() {
            assert!(!path.contains("cross_attention") && !path.starts_with("encoder"), "{name}: {path}");
        }
        // Without residual connections gradients vanish with depth.
        let least = if config.residual { 1e-6 } else { 0.0 };
        assert_gradients(&name, &config, model.weights(), least);
    }
}

#[test]
fn dropout_acts_in_training_alone() {
    for (name, config) in variants() {
        // Fresh weights may depend on the rate of dropout, so they are copied from the model without dropout.
        let build = |dropout| {
            let [plain, model] = [0.0, dropout].map(|dropout| {
                let config = ModelConfig { dropout, ..config.clone() };
                DecoderOnly::build(&config, VOCABULARY as usize, 3, Kind::Double, Device::Cpu)
            });
            copy_weights(plain.weights(), model.weights());
            model
        };
        let ids = Tensor::from_slice2(&TEXTS);
        let train = |dropout, seed| tch::no_grad(|| build(dropout).decode(&ids, &Mode::training(seed)));
        let plain = decoded(&build(0.0), &ids);
        assert_eq!(decoded(&build(0.4), &ids), plain, "{name}");
        assert_eq!(train(0.0, 1) == plain, config.norm_kind != NormKind::Batch, "{name}");
        assert_eq!(train(0.4, 1), train(0.4, 1), "{name}");
        assert_ne!(train(0.4, 1), train(0.4, 2), "{name}");
    }
}

#[test]
fn counting_agrees_with_building() {
    for (name, config) in variants() {
        let model = DecoderOnly::build(&config, (99, VOCABULARY as usize), 1, Kind::Double, Device::Cpu);
        let counted = Cost::of(&config, (99, VOCABULARY as usize)).parameters();
        assert_eq!(counted, model.weights().parameters(), "{name}");
    }
}

/// Paths of variables are a file format: checkpoints hold these names, in this order.
#[test]
fn the_names_of_the_variables_are_pinned() {
    let names = |tying| {
        let config = ModelConfig {
            encoder: EncoderKind::None,
            layers: 1,
            d_model: 8,
            d_ff: 12,
            heads: 2,
            learned_positions: 9,
            position: Position::Learned,
            attention_biases: false,
            tying,
            ..Default::default()
        };
        let model = DecoderOnly::build(&config, VOCABULARY as usize, 1, Kind::Float, Device::Cpu);
        model.weights().named().iter().map(|(path, _)| path.clone()).collect::<Vec<_>>()
    };
    let mut expected = vec![
        "embedding.target.weight",
        "target_position.weight",
        "decoder.0.self_attention.query.weight",
        "decoder.0.self_attention.key.weight",
        "decoder.0.self_attention.value.weight",
        "decoder.0.self_attention.output.weight",
        "decoder.0.self_attention.norm.scale",
        "decoder.0.self_attention.norm.offset",
        "decoder.0.feed_forward.inner.weight",
        "decoder.0.feed_forward.inner.bias",
        "decoder.0.feed_forward.outer.weight",
        "decoder.0.feed_forward.outer.bias",
        "decoder.0.feed_forward.norm.scale",
        "decoder.0.feed_forward.norm.offset",
    ];
    assert_eq!(names(Tying::All), expected);
    assert_eq!(names(Tying::Decoder), expected);
    expected.insert(1, "embedding.softmax.weight");
    assert_eq!(names(Tying::None), expected);
}

/// Maps of attention are of the text to itself, and there are no others.
#[test]
fn attention_is_shown_of_the_text_alone() {
    let config = ModelConfig {
        encoder: EncoderKind::None,
        layers: 3,
        d_model: 8,
        d_ff: 12,
        heads: 2,
        ..Default::default()
    };
    let model = DecoderOnly::build(&config, VOCABULARY as usize, 1, Kind::Float, Device::Cpu);
    let ids = Tensor::from_slice2(&[[1i64, 8, 3, 3]]);
    let nothing = Tensor::zeros([1, 0], (Kind::Int64, Device::Cpu));
    let maps = model.attention_maps(&nothing, &ids, None);
    assert!(maps.encoder.is_empty() && maps.cross.is_empty());
    assert_eq!(maps.decoder.iter().map(Tensor::size).collect::<Vec<_>>(), [[2, 4, 4]; 3]);
    assert!(maps.decoder.iter().all(|map| map.tril(0) == *map), "causal");
}

#[test]
fn settings_of_an_encoder_are_refused_where_there_is_none() {
    let workshop = crate::common::Workshop::new();
    workshop.write("text.toml", crate::common::RUNNING_TEXT);
    let none = "with model.encoder = \"none\"";
    let recurrent = |setting: &str| {
        format!("encoder = \"none\"\ndecoder = \"recurrent\"\n[model.recurrent]\n{setting}\n[model]")
    };
    let decoder = |setting: &str| format!("encoder = \"none\"\nattention.{setting}");
    for (setting, said) in [
        (
            decoder("cross_score = \"dot\""),
            "model.attention.cross_score has no effect with model.encoder = \"none\"",
        ),
        (
            decoder("span = { linformer = 4 }"),
            "model.attention.span has no effect with model.encoder = \"none\"",
        ),
        (recurrent(""), "model.recurrent.attention = \"additive\" attends to the source, and"),
        (
            recurrent("attention = \"none\""),
            "model.recurrent.input_feeding = \"context\" feeds states of the source, and",
        ),
        (
            recurrent("attention = \"none\"\ninput_feeding = \"none\"\nbridge = \"tanh\""),
            "model.recurrent.bridge = \"tanh\" starts with states of the source, and",
        ),
    ] {
        // Keys of `[model.recurrent]` come last in the file.
        let (model, section) = setting.split_once("[model.recurrent]").unwrap_or((&setting, ""));
        let mut text = crate::common::LANGUAGE_MODEL.replace("encoder = \"none\"", model.trim());
        if !section.is_empty() {
            for key in ["layers = 1\n", "d_ff = 16\n", "heads = 2\n"] {
                text = text.replace(key, "");
            }
            text += &format!("[model.recurrent]\n{}\n", section.replace("[model]", ""));
        }
        workshop.write("e.toml", &text);
        workshop.refuses("e.toml", &[], &[said, none, "e.toml:"]);
    }
}
