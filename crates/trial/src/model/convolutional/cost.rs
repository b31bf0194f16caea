//! The cost of convolutional parts, by the configuration alone; terms and units as in [`crate::model::cost`].
//!
//! A convolutional model gives each sentence of a packed row its own row. The formulas count the positions of the
//! packed rows.

use super::{AttentionProjections, Block, ConvolutionalConfig, LayerShape, SourceAttention};
use crate::model::ModelConfig;
use crate::model::forward_flops::{BatchShape, ForwardFlops};

/// A linear map or a kernel of a part, by its sizes.
#[derive(Debug, Clone, Copy)]
struct Map {
    inputs: i64,
    outputs: i64,
    taps: i64,
    bias: bool,
}

impl Map {
    fn linear(inputs: i64, outputs: i64) -> Self {
        Map { inputs, outputs, taps: 1, bias: true }
    }

    fn weights(&self) -> i64 {
        self.inputs * self.outputs * self.taps
    }

    fn parameters(&self, config: &ConvolutionalConfig) -> i64 {
        let lengths = if config.weight_normalisation { self.outputs } else { 0 };
        self.weights() + lengths + if self.bias { self.outputs } else { 0 }
    }
}

/// The maps of a layer: its kernel, the maps beside it, and the map on the residual connection if widths differ.
struct LayerMaps {
    kernel: Map,
    beside: Vec<Map>,
}

impl LayerMaps {
    fn of(config: &ConvolutionalConfig, shape: &LayerShape) -> Self {
        let &LayerShape { inputs, channels, kernel: taps, .. } = shape;
        let (kernel, mut beside) = match config.block {
            Block::Gated => (Map { taps, ..Map::linear(inputs, 2 * channels) }, Vec::new()),
            Block::Bottleneck => {
                let narrow = shape.narrow();
                let beside = vec![Map::linear(inputs, narrow), Map::linear(narrow, channels)];
                (Map { taps, ..Map::linear(narrow, narrow) }, beside)
            }
        };
        if inputs != channels {
            beside.push(Map::linear(inputs, channels));
        }
        LayerMaps { kernel, beside }
    }

    /// Number of parameters in the layer's norms: scales and offsets.
    fn norms(config: &ConvolutionalConfig, shape: &LayerShape) -> i64 {
        match config.block {
            Block::Gated => 0,
            Block::Bottleneck => 2 * (shape.inputs + 2 * shape.narrow()),
        }
    }
}

/// The maps around a stack: from the embedding's width to that of the first layer, and from the last layer's width back.
fn around(d_model: i64, shapes: &[LayerShape]) -> [Map; 2] {
    let [first, last] = [shapes.first().map(|shape| shape.inputs), shapes.last().map(|shape| shape.channels)];
    [Map::linear(d_model, first.unwrap_or(0)), Map::linear(last.unwrap_or(0), d_model)]
}

/// The map from the source's state at each position to the first layer of a decoder without attention.
fn standing(config: &ModelConfig) -> Option<Map> {
    let convolutional = &config.convolutional;
    let map = Map { bias: false, ..Map::linear(config.d_model, convolutional.channels) };
    (config.has_encoder() && convolutional.attention == SourceAttention::None).then_some(map)
}

/// The layers that attend to an encoder.
fn attending(config: &ModelConfig) -> Vec<LayerShape> {
    if config.has_encoder() { config.convolutional.attending() } else { Vec::new() }
}

/// The query and output maps of one layer's attention.
fn attention(d_model: i64, shape: &LayerShape) -> [Map; 2] {
    [Map::linear(shape.channels, d_model), Map::linear(d_model, shape.channels)]
}

fn stack_parameters(config: &ModelConfig, shapes: &[LayerShape]) -> i64 {
    let convolutional = &config.convolutional;
    let layers = shapes.iter().map(|shape| {
        let LayerMaps { kernel, beside } = LayerMaps::of(convolutional, shape);
        let maps = std::iter::once(kernel).chain(beside).map(|map| map.parameters(convolutional));
        maps.sum::<i64>() + LayerMaps::norms(convolutional, shape)
    });
    let around = around(config.d_model, shapes).map(|map| map.parameters(convolutional));
    layers.sum::<i64>() + around.iter().sum::<i64>()
}

/// Number of parameters of a convolutional encoder.
pub fn encoder_parameters(config: &ModelConfig) -> i64 {
    stack_parameters(config, &config.convolutional.encoder_shapes())
}

/// Number of parameters of a convolutional decoder.
pub fn decoder_parameters(config: &ModelConfig) -> i64 {
    let convolutional = &config.convolutional;
    let attending = attending(config);
    let own = match convolutional.attention_projections {
        AttentionProjections::PerLayer => &attending[..],
        AttentionProjections::Shared => &attending[..attending.len().min(1)],
    };
    let maps = own.iter().flat_map(|shape| attention(config.d_model, shape)).chain(standing(config));
    stack_parameters(config, &convolutional.decoder_shapes())
        + maps.map(|map| map.parameters(convolutional)).sum::<i64>()
}

/// Operations of one pass forward of a stack over `positions`.
fn stack_forward(config: &ModelConfig, shapes: &[LayerShape], positions: f64) -> ForwardFlops {
    let products = |map: &Map| 2.0 * map.weights() as f64 * positions;
    let mut found = ForwardFlops::default();
    for shape in shapes {
        let LayerMaps { kernel, beside } = LayerMaps::of(&config.convolutional, shape);
        found.convolutional += products(&kernel);
        found.projections += beside.iter().map(products).sum::<f64>();
    }
    found.projections += around(config.d_model, shapes).iter().map(products).sum::<f64>();
    found
}

/// Operations of one pass forward of a convolutional encoder.
pub fn encoder_forward(config: &ModelConfig, shape: &BatchShape) -> ForwardFlops {
    let sources = (shape.pairs * shape.source) as f64;
    stack_forward(config, &config.convolutional.encoder_shapes(), sources)
}

/// Operations of one pass forward of a convolutional decoder, without the softmax.
pub fn decoder_forward(config: &ModelConfig, shape: &BatchShape) -> ForwardFlops {
    let targets = (shape.pairs * shape.target) as f64;
    let stack = stack_forward(config, &config.convolutional.decoder_shapes(), targets);
    let attending = attending(config);
    let maps = attending.iter().flat_map(|layer| attention(config.d_model, layer)).chain(standing(config));
    let projections: f64 = maps.map(|map| 2.0 * map.weights() as f64 * targets).sum();
    // Queries times keys, and weights times values.
    let pairs_of_words = targets * shape.source as f64 * attending.len() as f64;
    ForwardFlops {
        projections: stack.projections + projections,
        attention: 4.0 * config.d_model as f64 * pairs_of_words,
        ..stack
    }
}

/// Numbers that autograd keeps for a stack: those of each position, and once per pass the weights that are computed
/// from lengths and directions.
fn stack_kept(config: &ModelConfig, shapes: &[LayerShape], positions: f64) -> f64 {
    let convolutional = &config.convolutional;
    let dropped = if config.dropout > 0.0 { 1.0 } else { 0.0 };
    let mut found = 0.0;
    for shape in shapes {
        let [inputs, channels, narrow] =
            [shape.inputs, shape.channels, shape.narrow()].map(|width| width as f64);
        let of_position = match convolutional.block {
            // The padded input and the mask of dropout; the input of the gate.
            Block::Gated => inputs * (1.0 + dropped) + 2.0 * channels,
            // The input and the output (after ReLU) of each norm; the mask of dropout.
            Block::Bottleneck => inputs * (2.0 + dropped) + 5.0 * narrow,
        };
        let projected = if shape.inputs == shape.channels { 0.0 } else { inputs };
        found += positions * (of_position + projected);
    }
    let ends = [shapes.first().map(|_| config.d_model), shapes.last().map(|shape| shape.channels)];
    let maps = shapes.iter().flat_map(|shape| {
        let LayerMaps { kernel, beside } = LayerMaps::of(convolutional, shape);
        std::iter::once(kernel).chain(beside)
    });
    let made: i64 = maps.chain(around(config.d_model, shapes)).map(|map| map.weights()).sum();
    let made = if convolutional.weight_normalisation { made as f64 } else { 0.0 };
    found + positions * ends.into_iter().flatten().sum::<i64>() as f64 + made
}

/// Numbers that autograd keeps for a convolutional encoder.
pub fn encoder_kept(config: &ModelConfig, shape: &BatchShape) -> f64 {
    let sources = (shape.pairs * shape.source) as f64;
    stack_kept(config, &config.convolutional.encoder_shapes(), sources)
}

/// Numbers that autograd keeps for a convolutional decoder.
pub fn decoder_kept(config: &ModelConfig, shape: &BatchShape) -> f64 {
    let [pairs, source, target] = [shape.pairs, shape.source, shape.target].map(|n| n as f64);
    let (sources, targets) = (pairs * source, pairs * target);
    let d_model = config.d_model as f64;
    let convolutional = &config.convolutional;
    // The layer's output, the query, the context; the weights of each pair of words.
    let attention: f64 = attending(config)
        .iter()
        .map(|shape| targets * (shape.channels as f64 + 2.0 * d_model + source))
        .sum();
    // The sums of states and embedded source, or the states at the target's positions.
    let of_source = match convolutional.attention {
        _ if !config.has_encoder() => 0.0,
        SourceAttention::Dot => sources * d_model,
        SourceAttention::None => targets * d_model,
    };
    let dropped = if config.dropout > 0.0 { d_model } else { 0.0 };
    stack_kept(config, &convolutional.decoder_shapes(), targets) + attention + of_source + targets * dropped
}

/// Numbers that the largest layer needs in addition to the kept ones: its convolution's output and the gradient of
/// that, and its input copied into the order of convolutions and the gradient of that.
fn layers_passing(shapes: &[LayerShape], positions: f64) -> f64 {
    let widest = shapes.iter().map(|shape| 4 * shape.channels + 2 * shape.inputs).max();
    positions * widest.unwrap_or(0) as f64
}

/// Numbers that the largest layer of a convolutional encoder needs in addition to the kept ones.
pub fn encoder_passing(config: &ModelConfig, shape: &BatchShape) -> f64 {
    layers_passing(&config.convolutional.encoder_shapes(), (shape.pairs * shape.source) as f64)
}

/// Numbers that the largest layer of a convolutional decoder needs in addition to the kept ones.
pub fn decoder_passing(config: &ModelConfig, shape: &BatchShape) -> f64 {
    let [pairs, source, target] = [shape.pairs, shape.source, shape.target].map(|n| n as f64);
    let layers = layers_passing(&config.convolutional.decoder_shapes(), pairs * target);
    layers.max(3.0 * pairs * target * source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DecoderKind, EncoderKind};

    const SHAPE: BatchShape = BatchShape { pairs: 2, source: 7, target: 5, scored: 9 };

    fn one_layer(block: Block) -> ModelConfig {
        let convolutional = ConvolutionalConfig {
            block,
            encoder_layers: 1,
            decoder_layers: 1,
            weight_normalisation: false,
            ..Default::default()
        };
        ModelConfig {
            encoder: EncoderKind::Convolutional,
            decoder: DecoderKind::Convolutional,
            convolutional,
            ..Default::default()
        }
    }

    /// A gated layer has 2 k d² weights. A block of ByteNet has (4 + k) d² with d inner and 2 d outer channels.
    #[test]
    fn layers_cost_their_squares_a_word() {
        let (square, words) = (512.0 * 512.0, 14.0);
        let around = 2.0 * 2.0 * square * words;
        let gated = encoder_forward(&one_layer(Block::Gated), &SHAPE);
        assert_eq!(gated.convolutional, 12.0 * square * words);
        assert_eq!(gated.total(), 12.0 * square * words + around);
        let bottleneck = encoder_forward(&one_layer(Block::Bottleneck), &SHAPE);
        assert_eq!(bottleneck.total() - around, 2.0 * (4.0 + 3.0) * 256.0 * 256.0 * words);
    }

    #[test]
    fn every_attending_layer_meets_all_pairs_of_words() {
        let mut config = one_layer(Block::Gated);
        config.convolutional.decoder_layers = 3;
        assert_eq!(decoder_forward(&config, &SHAPE).attention, 3.0 * 4.0 * 512.0 * 70.0);
        config.convolutional.attention_layers = Some(vec![2]);
        assert_eq!(decoder_forward(&config, &SHAPE).attention, 4.0 * 512.0 * 70.0);
        config.convolutional.attention = SourceAttention::None;
        assert_eq!(decoder_forward(&config, &SHAPE).attention, 0.0);
    }
}
