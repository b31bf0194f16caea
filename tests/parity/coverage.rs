//! Every variant of the model and every corner of its axes has a case, in the layer and in the model.

use crate::common::every;
use crate::layers::{self, Layer};
use crate::model;
use ablate::model::{ModelConfig, Norm, Position, Tying};

pub fn check() {
    // A field that is added does not compile until it is named here and has its cases below. Those
    // without any: the fixtures set all weights themselves, and no two programs share dropout's masks.
    let ModelConfig {
        layers: _,
        d_model: _,
        d_ff: _,
        heads: _,
        d_k: _,
        d_v: _,
        dropout: _,
        attention_dropout: _,
        activation_dropout: _,
        position: _,
        learned_positions: _,
        tying: _,
        norm: _,
        layer_norm_epsilon: _,
        attention_biases: _,
        initialisation: _,
        embedding_rows: _,
        // Rows, however they are stated.
        embedding_multiple: _,
    } = ModelConfig::default();

    use Layer::{
        CrossAttention, CrossEntropy, Decoder, Embedding, Encoder, LayerNorm, ProjectedCrossEntropy,
        Residual, SelfAttention,
    };
    let cases = Cases::load();
    for position in every!(Position: Sinusoidal, SinusoidalHalves, Learned, None) {
        cases.need(&format!("{position:?}"), &[Embedding], |model| model.position == position);
    }
    for tying in every!(Tying: All, Decoder, None) {
        cases.need(&format!("tying {tying:?}"), &[Embedding], |model| model.tying == tying);
    }
    for norm in every!(Norm: Post, Pre) {
        cases.need(&format!("{norm:?}"), &[Residual, Encoder, Decoder], |model| model.norm == norm);
    }
    cases.need("one head with d_k = d_model", &[SelfAttention], |m| m.heads == 1 && m.d_k() == m.d_model);
    cases.need("d_k is not d_v", &[CrossAttention], |model| model.d_k() != model.d_v());
    cases.need("heads times d_k is not d_model", &[SelfAttention], |m| m.heads * m.d_k() != m.d_model);
    cases.need("no biases", &[CrossAttention], |model| !model.attention_biases);
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
    for layer in every!(Layer:
        SelfAttention, CrossAttention, FeedForward, LayerNorm, Residual, Embedding, CrossEntropy,
        ProjectedCrossEntropy, Encoder, Decoder, Optimizer, Schedule)
    {
        assert!(cases.layers.iter().any(|case| case.layer == layer), "{layer:?} has no case");
    }
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
