//! Every choice that `[model]` offers, read off its schema: a value that is added appears in the tests by itself.

use ablate::config::conflict::conflicts;
use ablate::config::json_schema;
use ablate::config::unread_keys::unread;
use ablate::model::convolutional::{Block, FurtherLayers, SourceAttention};
use ablate::model::recurrent::{Alignment, Bidirectional, InputFeeding};
use ablate::model::weights::Weights;
use ablate::model::{
    AttentionConfig, ConvolutionalConfig, DecoderKind, EncoderKind, Head, Initialisation, MaskedConfig,
    ModelConfig, Position, Projections, RecurrentConfig, Score, Span, Tying,
};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

/// Keys of `[model]` that the error for an unknown key lists.
pub const MODEL_KEYS: &str = "accepted: encoder, decoder, layers, d_model, d_ff, activation, feed_forward, heads, d_k, d_v, dropout, attention_dropout, \
    activation_dropout, position, learned_positions, tying, residual, norm, norm_kind, layer_norm_epsilon, attention_biases, \
    initialisation, embedding_rows, embedding_multiple, embedding_deviation, embedding_scale, softmax_bias, attention, convolutional, recurrent, masked";

/// The values of a choice of `[model]`, as an error lists them.
pub fn accepted_values(key: &str) -> String {
    let values = choices().into_iter().filter(|choice| choice.key == key);
    // A value with data is listed by its name.
    let name = |value: Value| match value.as_object().and_then(|object| object.keys().next()) {
        Some(name) => Value::from(name.as_str()),
        None => value,
    };
    values.map(|choice| name(choice.value).to_string()).collect::<Vec<_>>().join(", ")
}

/// A setting and one of its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Key such as `norm`, or `attention.score` in a section inside of `[model]`.
    pub key: String,
    pub value: Value,
}

impl Choice {
    /// Returns `config` with this choice made.
    pub fn made_in(&self, config: &ModelConfig) -> ModelConfig {
        let mut tree = serde_json::to_value(config).unwrap();
        let (section, name) = self.key.rsplit_once('.').unwrap_or(("", &self.key));
        let section = if section.is_empty() { &mut tree } else { &mut tree[section] };
        section[name] = self.value.clone();
        serde_json::from_value(tree).unwrap_or_else(|error| panic!("{self:?}: {error}"))
    }

    pub fn is_made_in(&self, config: &ModelConfig) -> bool {
        self.made_in(config) == *config
    }

    /// Returns `config` with this choice made, and with recurrent or convolutional parts or without a decoder if only
    /// such models read it.
    pub fn effective_in(&self, config: &ModelConfig) -> ModelConfig {
        match () {
            () if self.is_of_recurrent_parts() => self.made_in(&recurrent(config)),
            () if self.is_of_convolutional_parts() => self.made_in(&convolutional(config)),
            () if self.is_of_masked_models() => self.made_in(&masked(config)),
            () => self.made_in(config),
        }
    }

    pub fn is_of_masked_models(&self) -> bool {
        self.key.starts_with("masked.")
    }

    pub fn is_of_convolutional_parts(&self) -> bool {
        self.key.starts_with("convolutional.")
    }

    pub fn is_of_recurrent_parts(&self) -> bool {
        self.key.starts_with("recurrent.")
    }
}

impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} = {}", self.key, self.value)
    }
}

/// Returns every value of every setting of `[model]` that offers a choice; sizes and rates do not.
pub fn choices() -> Vec<Choice> {
    let schema = json_schema::experiment().to_value();
    let found = choices_of(&schema, "ModelConfig", "");
    assert!(found.len() > 10, "{found:?}");
    found
}

/// Returns the choices of the section that the schema defines as `name`; `prefix` is the beginning of its keys.
fn choices_of(schema: &Value, name: &str, prefix: &str) -> Vec<Choice> {
    let definition = |name: &str| &schema["definitions"][name];
    let mut found = Vec::new();
    for (key, property) in definition(name)["properties"].as_object().unwrap() {
        let key = format!("{prefix}{key}");
        let reference = property["$ref"].as_str().or_else(|| property["allOf"][0]["$ref"].as_str());
        let reference = reference.map(|reference| reference.rsplit('/').next().unwrap());
        let values = match reference {
            Some(section) if definition(section)["properties"].is_object() => {
                found.extend(choices_of(schema, section, &format!("{key}.")));
                continue;
            }
            Some(choice) => values(&key, definition(choice)),
            // Lists are of sizes.
            None if is_of(property, "array") => continue,
            None if property["type"] == "boolean" => vec![json!(true), json!(false)],
            None if ["integer", "number"].iter().any(|kind| is_of(property, kind)) => continue,
            None => panic!("model.{key}: neither a number nor a choice: {property}"),
        };
        found.extend(values.into_iter().map(|value| Choice { key: key.clone(), value }));
    }
    found
}

fn is_of(property: &Value, kind: &str) -> bool {
    property["type"] == kind || property["type"].as_array().is_some_and(|kinds| kinds.contains(&kind.into()))
}

fn values(key: &str, choice: &Value) -> Vec<Value> {
    if let Some(values) = choice["enum"].as_array() {
        return values.clone();
    }
    let of = |variant: &Value| match (&variant["const"], &variant["enum"]) {
        (Value::Null, Value::Null) => vec![example(key, variant)],
        (Value::Null, several) => several.as_array().unwrap().clone(),
        (one, _) => vec![one.clone()],
    };
    choice["oneOf"]
        .as_array()
        .unwrap_or_else(|| panic!("model.{key}: {choice}"))
        .iter()
        .flat_map(of)
        .collect()
}

/// Returns a value of a variant that has numbers of its own; sentences of five tokens are long enough for it.
fn example(key: &str, variant: &Value) -> Value {
    let properties = variant["properties"].as_object().into_iter().flatten();
    match &properties.map(|(name, content)| (name.as_str(), content)).collect::<Vec<_>>()[..] {
        [("big_bird", _)] => json!({ "big_bird": { "block": 1, "random": 1, "global": 0 } }),
        [("linformer", _)] => json!({ "linformer": 3 }),
        [(name, content)] if content["type"] == "integer" => json!({ *name: 2 }),
        _ => panic!("model.{key}: state here an example of {variant}"),
    }
}

/// Returns, named, `base` as it is, with each choice that differs from it, and with each pair of such choices.
/// Contradictory models are left out.
pub fn single_and_paired(base: &ModelConfig) -> Vec<(String, ModelConfig)> {
    let of_parts = |choice: &Choice| {
        choice.key == "encoder"
            || choice.key == "decoder"
            || choice.is_of_recurrent_parts()
            || choice.is_of_convolutional_parts()
            || choice.is_of_masked_models()
    };
    let mut found = pairs(base, |choice| !of_parts(choice));
    found.retain(|(_, config)| conflicts(config).is_empty());
    found
}

/// A small recurrent model in which each choice of `[model.recurrent]` can be made alone.
pub fn recurrent(base: &ModelConfig) -> ModelConfig {
    ModelConfig {
        encoder: EncoderKind::Recurrent,
        decoder: DecoderKind::Recurrent,
        tying: Tying::None,
        recurrent: RecurrentConfig {
            hidden: 6,
            encoder_layers: 2,
            decoder_layers: 2,
            bidirectional: Bidirectional::None,
            ..Default::default()
        },
        ..base.clone()
    }
}

/// Returns, named, every encoder with every decoder where one is recurrent: each with every choice of `[model.recurrent]`
/// and `[model.attention]`, two recurrent parts with each pair of the former. No contradictory models.
pub fn recurrent_variants(base: &ModelConfig) -> Vec<(String, ModelConfig)> {
    let both = recurrent(base);
    let mut found = pairs(&both, Choice::is_of_recurrent_parts);
    let reading = ModelConfig { decoder: DecoderKind::SelfAttention, tying: Tying::All, ..both.clone() };
    let writing = ModelConfig { encoder: EncoderKind::SelfAttention, ..both };
    for (name, parts) in [("recurrent encoder", reading), ("recurrent decoder", writing)] {
        let of_either =
            |choice: &Choice| choice.is_of_recurrent_parts() || choice.key.starts_with("attention.");
        let choices = choices().into_iter().filter(of_either);
        found.push((name.to_string(), parts.clone()));
        found.extend(choices.map(|choice| (format!("{name}, {choice}"), choice.made_in(&parts))));
    }
    for bidirectional in [Bidirectional::None, Bidirectional::All] {
        let mut residual = recurrent(base);
        (residual.recurrent.residual_from, residual.recurrent.decoder_layers) = (Some(2), 3);
        residual.recurrent.bidirectional = bidirectional;
        found.push((format!("residual connections, {bidirectional:?}"), residual));
    }
    let biased = ModelConfig { softmax_bias: true, ..recurrent(base) };
    found.push(("bias of the softmax".into(), biased));
    found.retain(|(_, config)| conflicts(config).is_empty());
    found.into_iter().map(|(name, config)| (format!("recurrent: {name}"), config)).collect()
}

/// A small convolutional model in which each choice of `[model.convolutional]` can be made alone.
pub fn convolutional(base: &ModelConfig) -> ModelConfig {
    ModelConfig {
        encoder: EncoderKind::Convolutional,
        decoder: DecoderKind::Convolutional,
        convolutional: ConvolutionalConfig {
            channels: 6,
            kernel: 3,
            encoder_layers: 2,
            decoder_layers: 2,
            ..Default::default()
        },
        ..base.clone()
    }
}

/// Returns, named, every encoder with every decoder where one of them is convolutional: each with every choice of
/// `[model.convolutional]`, and two convolutional parts with each pair of them, several lists of sizes and every
/// position. Contradictory models are left out.
pub fn convolutional_variants(base: &ModelConfig) -> Vec<(String, ModelConfig)> {
    let both = convolutional(base);
    let mut found = pairs(&both, Choice::is_of_convolutional_parts);
    let positions = choices().into_iter().filter(|choice| choice.key == "position");
    found.extend(positions.map(|choice| (choice.to_string(), choice.made_in(&both))));
    let recurrent = recurrent(base);
    for (name, encoder, decoder) in [
        ("encoder", EncoderKind::Convolutional, DecoderKind::SelfAttention),
        ("decoder", EncoderKind::SelfAttention, DecoderKind::Convolutional),
        ("before recurrent", EncoderKind::Convolutional, DecoderKind::Recurrent),
        ("after recurrent", EncoderKind::Recurrent, DecoderKind::Convolutional),
    ] {
        let parts = ModelConfig { encoder, decoder, recurrent: recurrent.recurrent.clone(), ..both.clone() };
        let choices = choices().into_iter().filter(Choice::is_of_convolutional_parts);
        found.push((name.to_string(), parts.clone()));
        found.extend(choices.map(|choice| (format!("{name}, {choice}"), choice.made_in(&parts))));
    }
    type Change = fn(&mut ConvolutionalConfig);
    let sizes: [(&str, Change); 6] = [
        ("an even kernel", |c| c.kernel = 4),
        ("a kernel of one position", |c| c.kernel = 1),
        ("dilations", |c| (c.dilations, c.encoder_layers, c.decoder_layers) = (vec![1, 2], 3, 3)),
        ("further layers", |c| {
            let further = |channels, kernel| FurtherLayers { layers: 1, channels, kernel };
            c.further_layers = vec![further(10, 1), further(8, 2)];
        }),
        ("some layers attend", |c| (c.decoder_layers, c.attention_layers) = (3, Some(vec![1, 3]))),
        ("blocks of ByteNet", |c| {
            (c.block, c.attention) = (Block::Bottleneck, SourceAttention::None);
            (c.dilations, c.weight_normalisation) = (vec![1, 2], false);
        }),
    ];
    for (name, change) in sizes {
        for block in [Block::Gated, Block::Bottleneck] {
            let mut sized = both.clone();
            sized.convolutional.block = block;
            change(&mut sized.convolutional);
            found.push((format!("{name}, {block:?}"), sized));
        }
    }
    let stated =
        ModelConfig { embedding_deviation: Some(0.1), embedding_scale: false, tying: Tying::None, ..both };
    found.push(("stated deviation of embeddings".into(), stated));
    found.retain(|(_, config)| conflicts(config).is_empty());
    found.into_iter().map(|(name, config)| (format!("convolutional: {name}"), config)).collect()
}

/// Returns, named, a recurrent decoder without an encoder, with each choice of `[model.recurrent]` and each pair of them.
/// Contradictory models are left out.
pub fn recurrent_alone(base: &ModelConfig) -> Vec<(String, ModelConfig)> {
    let both = recurrent(base);
    let alone = ModelConfig {
        encoder: EncoderKind::None,
        recurrent: RecurrentConfig {
            attention: Alignment::None,
            input_feeding: InputFeeding::None,
            ..both.recurrent.clone()
        },
        ..both
    };
    let unread: Vec<&str> = unread(&alone).into_iter().map(|unread| unread.key).collect();
    let is_read = |choice: &Choice| !unread.contains(&format!("model.{}", choice.key).as_str());
    let mut found = pairs(&alone, |choice| choice.is_of_recurrent_parts() && is_read(choice));
    found.retain(|(_, config)| conflicts(config).is_empty());
    found.into_iter().map(|(name, config)| (format!("recurrent alone: {name}"), config)).collect()
}

/// Returns `base` without a decoder.
pub fn masked(base: &ModelConfig) -> ModelConfig {
    ModelConfig { decoder: DecoderKind::None, ..base.clone() }
}

/// Returns, named, a model without a decoder with each choice that an encoder of self-attention reads and each of
/// `[model.masked]`, and each pair of them; and recurrent and convolutional encoders with each choice of their sections,
/// under each head. Contradictory models are left out.
pub fn masked_variants(base: &ModelConfig) -> Vec<(String, ModelConfig)> {
    let alone = masked(base);
    let read_by = |config: &ModelConfig| {
        let unread: Vec<String> = unread(config).into_iter().map(|unread| unread.key.to_string()).collect();
        move |choice: &Choice| !unread.contains(&format!("model.{}", choice.key))
    };
    let is_part = |choice: &Choice| choice.key == "encoder" || choice.key == "decoder";
    let is_read = read_by(&alone);
    let mut found = pairs(&alone, |choice| !is_part(choice) && is_read(choice));
    for (head, parts) in [Head::Transform, Head::None]
        .into_iter()
        .flat_map(|head| [recurrent(base), convolutional(base)].map(|parts| (head, parts)))
    {
        let masked = MaskedConfig { head, ..Default::default() };
        let reading = ModelConfig { masked, decoder: DecoderKind::None, ..parts };
        let is_read = read_by(&reading);
        let of_parts = |choice: &Choice| choice.is_of_recurrent_parts() || choice.is_of_convolutional_parts();
        let of_either = |choice: &Choice| {
            is_read(choice) && (of_parts(choice) || ["norm_kind", "activation"].contains(&&*choice.key))
        };
        let named = pairs(&reading, of_either).into_iter();
        found
            .extend(named.map(|(name, config)| (format!("{:?}, {head:?}: {name}", reading.encoder), config)));
    }
    found.retain(|(_, config)| conflicts(config).is_empty());
    found
}

/// Returns, named, a convolutional decoder without an encoder, with each choice of `[model.convolutional]` that it reads,
/// each pair of them and every position. Contradictory models are left out.
pub fn convolutional_alone(base: &ModelConfig) -> Vec<(String, ModelConfig)> {
    let alone = ModelConfig { encoder: EncoderKind::None, ..convolutional(base) };
    let unread: Vec<&str> = unread(&alone).into_iter().map(|unread| unread.key).collect();
    let is_read = |choice: &Choice| !unread.contains(&format!("model.{}", choice.key).as_str());
    let mut found = pairs(&alone, |choice| choice.is_of_convolutional_parts() && is_read(choice));
    let positions = choices().into_iter().filter(|choice| choice.key == "position");
    found.extend(positions.map(|choice| (choice.to_string(), choice.made_in(&alone))));
    found.retain(|(_, config)| conflicts(config).is_empty());
    found.into_iter().map(|(name, config)| (format!("convolutional alone: {name}"), config)).collect()
}

/// Whether either part of a model is recurrent.
pub fn has_recurrence(config: &ModelConfig) -> bool {
    config.encoder == EncoderKind::Recurrent || config.decoder == DecoderKind::Recurrent
}

/// Whether the first values of all weights are as small as GPT's.
pub fn starts_small(config: &ModelConfig) -> bool {
    matches!(config.initialisation, Initialisation::Normal | Initialisation::NormalScaled)
}

/// Returns a lower bound of the largest number of every gradient. Without residual connections gradients vanish with
/// depth, recurrent weights act on later steps through several squashing functions, and small weights pass little on.
pub fn least_gradient(config: &ModelConfig) -> f64 {
    match config.residual {
        false => 0.0,
        true if has_recurrence(config) || starts_small(config) => 1e-9,
        true => 1e-6,
    }
}

/// Expects every variable to have a gradient: one with a number above `least`, or one that is 0 but for rounding if the
/// softmax does not see the variable.
#[track_caller]
pub fn assert_gradients(name: &str, config: &ModelConfig, weights: &Weights, least: f64) {
    let mut largest = Vec::new();
    for (path, variable) in weights.named() {
        let gradient = variable.grad();
        assert!(gradient.defined(), "{name}: {path} has no gradient");
        largest.push((path, gradient.abs().max().double_value(&[])));
    }
    // Without norms, gradients may be large.
    let size = largest.iter().map(|(_, gradient)| *gradient).fold(1.0, f64::max);
    for (path, gradient) in largest {
        match is_unseen_key_bias(config, path) {
            true => assert!(gradient < 1e-13 * size, "{name}: {path} {gradient:e}"),
            false => assert!(gradient > least, "{name}: {path} {gradient:e}"),
        }
    }
}

/// Whether the bias of keys at `path` adds the same to all scores of a query, which the softmax does not see.
pub fn is_unseen_key_bias(config: &ModelConfig, path: &str) -> bool {
    let AttentionConfig { score, projections, span, .. } = config.attention;
    // A mixture of keys contains the bias multiplied by the sum of its weights.
    let mixed = path.starts_with("encoder") && matches!(span, Span::Linformer(_));
    let itself = path.contains("self_attention");
    let score = if itself { score } else { config.attention.cross_score() };
    path.ends_with("key.bias")
        && score != Score::Additive
        && projections != Projections::SharedQueryKey
        && !mixed
        && !(itself && config.position == Position::Rotary)
}

/// Adds noise to every variable and running statistic of a model, so that no bias is 0 and no scale 1.
pub fn add_noise(weights: &Weights) {
    tch::no_grad(|| {
        for (index, (_, mut variable)) in weights.saved().into_iter().enumerate() {
            let count = variable.numel() as i64;
            let noise = (Tensor::arange(count, (Kind::Double, Device::Cpu)) * 0.7 + index as f64).sin() * 0.1;
            variable += noise.view_as(&variable);
        }
    });
}

/// Returns the largest difference of two results, relative to the largest number of `b` if that is above 1, as it may be
/// without norms.
pub fn largest_gap(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a - b).abs().max().double_value(&[]) / b.abs().max().double_value(&[]).max(1.0)
}

/// Copies the weights and running statistics of a model to another that has the same ones.
pub fn copy_weights(from: &Weights, to: &Weights) {
    tch::no_grad(|| {
        for ((path, mut variable), (other, value)) in to.saved().into_iter().zip(from.saved()) {
            assert_eq!(path, other);
            variable.copy_(&value);
        }
    });
}

/// Returns, named, `base` as it is, with each choice among the `wanted` that differs from it, and with each pair of them.
fn pairs(base: &ModelConfig, wanted: impl Fn(&Choice) -> bool) -> Vec<(String, ModelConfig)> {
    let others: Vec<Choice> =
        choices().into_iter().filter(|choice| wanted(choice) && !choice.is_made_in(base)).collect();
    let mut found = vec![("plain".to_string(), base.clone())];
    for (index, first) in others.iter().enumerate() {
        found.push((first.to_string(), first.made_in(base)));
        for second in others[index + 1..].iter().filter(|second| second.key != first.key) {
            found.push((format!("{first}, {second}"), second.made_in(&first.made_in(base))));
        }
    }
    found
}
