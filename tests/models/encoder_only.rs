//! Properties that every variant of a model without a decoder has, whatever its weights, at tiny sizes, in float64.

use crate::common::variants::{
    add_noise, assert_gradients, largest_gap, least_gradient, masked, masked_variants,
};
use ablate::data::collate::{Batch, collate_masked};
use ablate::data::masking::{MaskedBlock, MaskedExample};
use ablate::model::cost::Cost;
use ablate::model::mode::Mode;
use ablate::model::network::Outputs;
use ablate::model::{
    DecoderKind, EncoderOnly, Head, MaskedConfig, ModelConfig, Network, NormKind, Position, Span, Tying,
};
use ablate::train::loss::cross_entropy;
use ablate::train::next_sentence;
use tch::{Device, Kind, Tensor};

const VOCABULARY: i64 = 13;
/// Two texts, of which the second is shorter.
const TEXTS: [&[u32]; 2] = [&[8, 3, 7, 11, 6], &[10, 4, 5]];

fn small() -> ModelConfig {
    ModelConfig {
        layers: 2,
        d_model: 8,
        d_ff: 12,
        heads: 2,
        learned_positions: 9,
        dropout: 0.0,
        ..Default::default()
    }
}

/// Returns, named, heads as usual with every choice and every pair of choices, and of other widths with every choice.
fn variants() -> Vec<(String, ModelConfig)> {
    let other = ModelConfig { heads: 3, d_k: Some(4), d_v: Some(5), embedding_rows: Some(16), ..small() };
    let of = |(shape, base): (&str, ModelConfig)| {
        let found = masked_variants(&base).into_iter();
        let wanted = |(name, _): &(String, ModelConfig)| shape == "plain" || !name.contains(", ");
        found.filter(wanted).map(|(name, config)| (format!("{shape}, {name}"), config)).collect::<Vec<_>>()
    };
    let found: Vec<_> = [("plain", small()), ("other widths", other)].into_iter().flat_map(of).collect();
    assert!(found.len() > 500, "{}", found.len());
    found
}

/// The variants with noise on every variable and running statistic.
fn noisy_models() -> impl Iterator<Item = (String, ModelConfig, EncoderOnly)> {
    tch::set_num_threads(1);
    variants().into_iter().map(|(name, config)| {
        let model = EncoderOnly::build(&config, VOCABULARY as usize, 5, Kind::Double, Device::Cpu);
        add_noise(model.weights());
        (name, config, model)
    })
}

/// Returns a batch of these texts, in which the model is to find the tokens at `places`; none is hidden. A model that
/// predicts second texts reads one behind the first two tokens of each text, which follows them.
fn batch(config: &ModelConfig, texts: &[&[u32]], places: &[usize]) -> Batch {
    let example = |text: &&[u32]| {
        let places: Vec<usize> = places.iter().copied().filter(|&place| place < text.len()).collect();
        MaskedExample {
            targets: places.iter().map(|&place| text[place]).collect(),
            masked: MaskedBlock { input: text.to_vec(), places },
            second: config.tells_next_sentence().then_some((2, true)),
        }
    };
    collate_masked(&texts.iter().map(example).collect::<Vec<_>>(), Device::Cpu)
}

fn outputs(model: &EncoderOnly, batch: &Batch) -> Outputs {
    tch::no_grad(|| model.outputs(batch, &Mode::evaluation()))
}

fn hidden(model: &EncoderOnly, batch: &Batch) -> Tensor {
    outputs(model, batch).hidden
}

#[test]
fn padding_and_other_texts_change_nothing() {
    for (name, config, model) in noisy_models() {
        let together = outputs(&model, &batch(&config, &TEXTS, &[0, 2, 4]));
        assert_eq!(together.second_texts.is_some(), config.tells_next_sentence(), "{name}");
        for (row, text, first, count) in [(0, TEXTS[0], 0, 3), (1, TEXTS[1], 3, 2)] {
            let alone = outputs(&model, &batch(&config, &[text], &[0, 2, 4]));
            let gap = largest_gap(&together.hidden.narrow(0, first, count), &alone.hidden);
            assert!(gap < 1e-12, "{name}: {gap:e}");
            if let (Some(together), Some(alone)) = (&together.second_texts, &alone.second_texts) {
                let gap = largest_gap(&together.get(row), &alone.get(0));
                assert!(gap < 1e-12, "{name}: {gap:e}");
            }
        }
    }
}

/// The tokens on both sides of a token help to find it, unless they are further away than attention reaches, or a
/// recurrent encoder reads in one direction.
#[test]
fn tokens_are_found_by_those_around_them() {
    for (name, config, model) in noisy_models() {
        let plain = hidden(&model, &batch(&config, &TEXTS, &[2]));
        let seen = |place: usize| {
            let mut text = TEXTS[0].to_vec();
            text[place] = text[place] % 10 + 3;
            let other = hidden(&model, &batch(&config, &[&text, TEXTS[1]], &[2]));
            assert_eq!(other.get(1), plain.get(1), "{name}: {place} leaks into the other text");
            other.get(0) != plain.get(0)
        };
        // Without residual connections a difference fades with every layer, most of all with small first weights.
        if !config.residual || config.encoder != ablate::model::EncoderKind::SelfAttention {
            continue;
        }
        assert!(seen(2), "{name}: what stands in the place itself is not seen");
        if matches!(config.attention.span, Span::Full) {
            assert!((0..5).all(seen), "{name}: the text is not seen");
        }
    }
}

#[test]
fn every_variable_gets_a_gradient() {
    for (name, config, model) in noisy_models() {
        let batch = batch(&config, &TEXTS, &[0, 1, 2, 3, 4]);
        let Outputs { hidden, second_texts } = model.outputs(&batch, &Mode::evaluation());
        let mut loss = cross_entropy(&model.logits(&hidden), &batch.targets, 0.1).smoothed;
        if let Some(scores) = second_texts {
            loss += next_sentence::loss(&scores, batch.second_texts.as_ref().unwrap());
        }
        loss.backward();
        for (path, _) in model.weights().named() {
            assert!(!path.starts_with("decoder") && !path.contains("cross_attention"), "{name}: {path}");
        }
        assert_gradients(&name, &config, model.weights(), least_gradient(&config));
    }
}

#[test]
fn dropout_acts_in_training_alone() {
    // Single choices are enough: pairs of them do not affect dropout.
    for (name, config) in variants().into_iter().filter(|(name, _)| name.matches(", ").count() < 2) {
        let build = |dropout| {
            let config = ModelConfig { dropout, ..config.clone() };
            EncoderOnly::build(&config, VOCABULARY as usize, 3, Kind::Double, Device::Cpu)
        };
        let batch = batch(&config, &TEXTS, &[0, 2]);
        let train = |dropout, seed| tch::no_grad(|| build(dropout).hidden(&batch, &Mode::training(seed)));
        let plain = hidden(&build(0.0), &batch);
        assert_eq!(hidden(&build(0.4), &batch), plain, "{name}");
        assert_eq!(train(0.0, 1) == plain, config.norm_kind != NormKind::Batch, "{name}");
        assert_eq!(train(0.4, 1), train(0.4, 1), "{name}");
        assert_ne!(train(0.4, 1), train(0.4, 2), "{name}");
    }
}

#[test]
fn counting_agrees_with_building() {
    for (name, config) in variants() {
        let model = EncoderOnly::build(&config, VOCABULARY as usize, 1, Kind::Double, Device::Cpu);
        let counted = Cost::of(&config, VOCABULARY as usize).parameters();
        assert_eq!(counted, model.weights().parameters(), "{name}");
        assert_eq!(model.softmax_matrix().size()[1], config.softmax_width(), "{name}");
    }
}

/// Paths of variables are a file format: checkpoints hold these names, in this order.
#[test]
fn the_names_of_the_variables_are_pinned() {
    let names = |tying, masked: MaskedConfig| {
        let config = ModelConfig {
            decoder: DecoderKind::None,
            layers: 1,
            position: Position::Learned,
            attention_biases: false,
            softmax_bias: true,
            tying,
            masked,
            ..small()
        };
        let model = EncoderOnly::build(&config, VOCABULARY as usize, 1, Kind::Float, Device::Cpu);
        model.weights().named().iter().map(|(path, _)| path.clone()).collect::<Vec<_>>()
    };
    let mut expected = vec![
        "embedding.source.weight",
        "embedding.softmax.bias",
        "segment.weight",
        "source_position.weight",
        "source_norm.scale",
        "source_norm.offset",
        "encoder.0.self_attention.query.weight",
        "encoder.0.self_attention.key.weight",
        "encoder.0.self_attention.value.weight",
        "encoder.0.self_attention.output.weight",
        "encoder.0.self_attention.norm.scale",
        "encoder.0.self_attention.norm.offset",
        "encoder.0.feed_forward.inner.weight",
        "encoder.0.feed_forward.inner.bias",
        "encoder.0.feed_forward.outer.weight",
        "encoder.0.feed_forward.outer.bias",
        "encoder.0.feed_forward.norm.scale",
        "encoder.0.feed_forward.norm.offset",
        "transform.weight",
        "transform.bias",
        "transform.norm.scale",
        "transform.norm.offset",
    ];
    assert_eq!(names(Tying::All, MaskedConfig::default()), expected);
    assert_eq!(names(Tying::Decoder, MaskedConfig::default()), expected);
    let mut telling = expected.clone();
    telling.extend([
        "next_sentence.pooler.weight",
        "next_sentence.pooler.bias",
        "next_sentence.scores.weight",
        "next_sentence.scores.bias",
    ]);
    let next_sentence = MaskedConfig { next_sentence: true, ..Default::default() };
    assert_eq!(names(Tying::All, next_sentence), telling);
    expected.insert(1, "embedding.softmax.weight");
    assert_eq!(names(Tying::None, MaskedConfig::default()), expected);
    let plain = MaskedConfig { embedding_norm: false, head: Head::None, segments: 0, next_sentence: false };
    expected
        .retain(|name| !["segment", "source_norm", "transform"].iter().any(|part| name.starts_with(part)));
    assert_eq!(names(Tying::None, plain), expected);
}

/// Maps of attention are of the text to itself, and there are no others; nothing decodes.
#[test]
fn attention_is_shown_of_the_text_alone() {
    let config = masked(&ModelConfig { layers: 3, ..small() });
    let model = EncoderOnly::build(&config, VOCABULARY as usize, 1, Kind::Float, Device::Cpu);
    let ids = Tensor::from_slice2(&[[8i64, 3, 3, 5]]);
    let nothing = Tensor::zeros([1, 0], (Kind::Int64, Device::Cpu));
    let maps = model.attention_maps(&ids, &nothing, None);
    assert!(maps.decoder.is_empty() && maps.cross.is_empty());
    assert_eq!(maps.encoder.iter().map(Tensor::size).collect::<Vec<_>>(), [[2, 4, 4]; 3]);
    assert!(model.generator().is_none());
}

/// The model tells the second of two texts from the first only by its segments.
#[test]
fn segments_say_which_text_is_which() {
    let scores = |segments, before| {
        let masked = MaskedConfig { segments, next_sentence: true, ..Default::default() };
        let config = ModelConfig { decoder: DecoderKind::None, masked, ..small() };
        let model = EncoderOnly::build(&config, VOCABULARY as usize, 4, Kind::Double, Device::Cpu);
        add_noise(model.weights());
        let masked = MaskedBlock { input: TEXTS[0].to_vec(), places: vec![0] };
        let example = MaskedExample { masked, targets: vec![8], second: Some((before, true)) };
        outputs(&model, &collate_masked(&[example], Device::Cpu)).second_texts.unwrap()
    };
    for (segments, are_told) in [(0, false), (1, false), (2, true), (3, true)] {
        assert_eq!(scores(segments, 2) != scores(segments, 3), are_told, "{segments}");
    }
}
