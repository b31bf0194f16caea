//! Coverage: every variant of the model and every corner of its axes has a case, as a layer and in the model.

use crate::common::every;
use crate::common::variants::{Choice, choices};
use crate::layers::{self, Layer};
use crate::model;
use ablate::config::conflict::conflicts;
use ablate::model::{DecoderKind, EncoderKind, ModelConfig, Position};
use ablate::train::schedule::Schedule;

pub fn check() {
    use Layer::{
        CrossAttention, CrossEntropy, Decoder, Embedding, Encoder, LayerNorm, ProjectedCrossEntropy,
        Residual, SelfAttention,
    };
    let cases = Cases::load();
    for choice in choices() {
        // The fixtures set all weights themselves.
        if choice.key != "initialisation" {
            let layers: &[Layer] = match choice.key.as_str() {
                // These act inside of attention, not on embeddings.
                "position" if choice.value == "rotary" || choice.value.is_object() => &[SelfAttention],
                "position" if choice.value == "alibi" || choice.value == "t5" => &[],
                "position" | "tying" => &[Embedding],
                "norm" => &[Residual, Encoder, Decoder],
                "attention_biases" => &[CrossAttention],
                _ => &[],
            };
            let is_read = |model: &ModelConfig| {
                let parts = (model.encoder, model.decoder);
                match () {
                    () if choice.is_of_recurrent_parts() => {
                        parts == (EncoderKind::Recurrent, DecoderKind::Recurrent)
                    }
                    () if choice.is_of_convolutional_parts() => {
                        parts == (EncoderKind::Convolutional, DecoderKind::Convolutional)
                    }
                    () if choice.is_of_masked_models() => !model.has_decoder(),
                    () => true,
                }
            };
            cases.need(&choice.to_string(), layers, |model| is_read(model) && choice.is_made_in(model));
        }
    }
    cases.need("a recurrent decoder alone", &[], |model| {
        model.encoder == EncoderKind::None && model.decoder == DecoderKind::Recurrent
    });
    cases.need("a recurrent encoder alone", &[], |model| {
        model.encoder == EncoderKind::Recurrent && model.decoder == DecoderKind::None
    });
    for (position, attention) in positions_inside_of_attention() {
        cases.need(&format!("{position} and {attention}"), &[], |model| {
            position.is_made_in(model) && attention.is_made_in(model)
        });
    }
    cases.need("one head with d_k = d_model", &[SelfAttention], |m| m.heads == 1 && m.d_k() == m.d_model);
    cases.need("d_k is not d_v", &[CrossAttention], |model| model.d_k() != model.d_v());
    cases.need("heads times d_k is not d_model", &[SelfAttention], |m| m.heads * m.d_k() != m.d_model);
    cases.need("padded rows", &[Embedding], |model| model.embedding_rows.is_some());
    cases.need("two layers", &[Encoder, Decoder], |model| model.layers > 1);
    cases.need("another epsilon", &[LayerNorm], |model| model.layer_norm_epsilon > 1e-4);
    for smoothing in [0.0, 0.1, 0.2] {
        let with = |seen: f64| seen == smoothing;
        assert!(cases.model.iter().any(|case| with(case.training.label_smoothing)), "model: {smoothing}");
        for layer in [CrossEntropy, ProjectedCrossEntropy] {
            let found =
                cases.layers.iter().any(|case| case.layer == layer && case.label_smoothing.is_some_and(with));
            assert!(found, "{layer:?}: label smoothing {smoothing}");
        }
    }
    for schedule in every!(Schedule: Noam, InverseSqrt, Cosine, Linear, Constant) {
        let with = |case: &layers::Case| case.training.clone().unwrap_or_default().schedule == schedule;
        let found = cases.layers.iter().any(|case| case.layer == Layer::Schedule && with(case));
        assert!(found, "no case has the schedule {schedule:?}");
    }
    let decays = |case: &layers::Case| case.training.as_ref().is_some_and(|t| t.weight_decay > 0.0);
    assert!(
        cases.layers.iter().any(|case| case.layer == Layer::Optimizer && decays(case)),
        "no weight decays"
    );
    for layer in every!(Layer:
        SelfAttention, CrossAttention, FeedForward, LayerNorm, Residual, Embedding, CrossEntropy,
        ProjectedCrossEntropy, RDrop, Encoder, Decoder, Optimizer, Schedule)
    {
        assert!(cases.layers.iter().any(|case| case.layer == layer), "{layer:?} has no case");
    }
}

/// Each position that acts inside of self-attention with each choice that changes self-attention, unless they contradict
/// each other.
fn positions_inside_of_attention() -> impl Iterator<Item = (Choice, Choice)> {
    let plain = ModelConfig::default();
    let inside = |choice: &Choice| match choice.made_in(&plain).position {
        Position::Relative(_) | Position::Rotary | Position::Alibi | Position::T5 => true,
        Position::Sinusoidal | Position::SinusoidalHalves | Position::Learned | Position::None => false,
    };
    let changes = |choice: &Choice| {
        let changed = choice.made_in(&plain).attention;
        choice.key != "attention.cross_score" && changed.without_repetitions() != plain.attention
    };
    let of = |key: &str, wanted: &dyn Fn(&Choice) -> bool| -> Vec<Choice> {
        choices().into_iter().filter(|choice| choice.key.starts_with(key) && wanted(choice)).collect()
    };
    let (positions, attentions) = (of("position", &inside), of("attention.", &changes));
    let pairs = positions.into_iter().flat_map(move |position| {
        attentions.clone().into_iter().map(move |attention| (position.clone(), attention))
    });
    pairs.filter(|(position, attention)| {
        conflicts(&attention.made_in(&position.made_in(&ModelConfig::default()))).is_empty()
    })
}

struct Cases {
    layers: Vec<layers::Case>,
    model: Vec<model::Case>,
}

impl Cases {
    fn load() -> Self {
        let layers = layers::cases().into_iter().map(|(_, case)| case).collect();
        Cases { layers, model: model::cases().into_iter().map(|(_, case)| case).collect() }
    }

    /// Expects a case of the whole model and of each of `layers` that `fits`.
    fn need(&self, what: &str, layers: &[Layer], fits: impl Fn(&ModelConfig) -> bool) {
        assert!(self.model.iter().any(|case| fits(&case.model)), "the model has no case with {what}");
        for &layer in layers {
            let found = self.layers.iter().any(|case| case.layer == layer && fits(&case.model));
            assert!(found, "{layer:?} has no case with {what}");
        }
    }
}
