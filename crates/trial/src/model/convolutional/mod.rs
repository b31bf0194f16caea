//! Settings of convolutional encoders and decoders, which combine freely with the other parts.
//!
//! Configuration section `[model.convolutional]`, read where `model.encoder` or `model.decoder` is `convolutional`.
//! Shape letters beside the usual ones: I and C width of a layer's input and output, K taps of its kernel.

pub mod cost;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `[model.convolutional]` section: convolutional encoders and decoders. The defaults are ConvS2S (Gehring et al. 2017)
/// with eight layers on each side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConvolutionalConfig {
    /// Computation of a layer.
    pub block: Block,
    /// Width of the output of a layer.
    pub channels: i64,
    /// Number of positions that a kernel multiplies. In the encoder they lie on both sides of the position that is
    /// computed; in the decoder they are this position and the ones before it.
    pub kernel: i64,
    /// Number of layers of a convolutional encoder, before `further_layers`.
    pub encoder_layers: usize,
    /// Number of layers of a convolutional decoder, before `further_layers`.
    pub decoder_layers: usize,
    /// Layers of other sizes that follow on these, in the encoder and in the decoder, as in the models of Gehring et al.
    /// 2017 for WMT: `[{ layers = 3, channels = 768, kernel = 3 }, { layers = 2, channels = 2048, kernel = 1 }]`.
    pub further_layers: Vec<FurtherLayers>,
    /// Distance between two positions that a kernel multiplies, of the first layer, of the second, and so on; behind the
    /// last layer of this list it begins anew. ByteNet has `[1, 2, 4, 8, 16]`.
    pub dilations: Vec<i64>,
    /// Attention of the decoder to the source.
    pub attention: SourceAttention,
    /// Numbers of the layers of the decoder that attend to the source, counted from 1. If absent, all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention_layers: Option<Vec<usize>>,
    /// Whether layers that attend share their two linear maps.
    pub attention_projections: AttentionProjections,
    /// Whether every matrix of a convolutional part is a length times a direction for each of its rows, which are trained
    /// apart (Salimans and Kingma 2016). Embeddings and the matrix before the softmax are not.
    pub weight_normalisation: bool,
    /// Whether the gradients that reach a convolutional encoder are divided by the number of layers of the decoder that
    /// attend to it (Gehring et al. 2017, §3.5). Those that reach the embeddings beside it are not. The authors' program
    /// divides by twice that number.
    pub scale_encoder_gradients: bool,
}

/// Layers of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FurtherLayers {
    /// Number of these layers.
    pub layers: usize,
    /// Width of the output of each.
    pub channels: i64,
    /// Number of positions that a kernel multiplies.
    pub kernel: i64,
}

/// Computation of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// A convolution to twice the channels, half of which gate the other half; the layer's input is added, and the sum is
    /// multiplied by √0.5 (ConvS2S, Gehring et al. 2017, §3.2).
    Gated,
    /// Three times layer normalisation, ReLU and a map: to half of the channels, the convolution between these halves, and
    /// back to all channels; the layer's input is added (ByteNet, Kalchbrenner et al. 2016, §3.5).
    Bottleneck,
}

/// Attention of a convolutional decoder to the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceAttention {
    /// Layers attend to the source by dot products, each by itself ("multi-step attention"): a query of the layer's output
    /// and the embedded target meets the states of the source, and their weights sum up these states and the embedded
    /// source (Gehring et al. 2017, §3.3).
    Dot,
    /// No attention: position i of the target reads the state of position i of the source, zeros behind its end (ByteNet,
    /// Kalchbrenner et al. 2016, §3.1).
    None,
}

/// Whether layers that attend share their two linear maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttentionProjections {
    /// Each layer has its own, as in Gehring et al. 2017.
    PerLayer,
    /// All layers have the same two, which therefore must be equally wide.
    Shared,
}

impl Default for ConvolutionalConfig {
    fn default() -> Self {
        ConvolutionalConfig {
            block: Block::Gated,
            channels: 512,
            kernel: 3,
            encoder_layers: 8,
            decoder_layers: 8,
            further_layers: Vec::new(),
            dilations: vec![1],
            attention: SourceAttention::Dot,
            attention_layers: None,
            attention_projections: AttentionProjections::PerLayer,
            weight_normalisation: true,
            scale_encoder_gradients: true,
        }
    }
}

/// The sizes of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerShape {
    /// Width of the input: I.
    pub inputs: i64,
    /// Width of the output: C.
    pub channels: i64,
    /// Number of positions that the kernel multiplies: K.
    pub kernel: i64,
    /// Distance between two neighbouring ones of these positions.
    pub dilation: i64,
}

impl LayerShape {
    /// Number of positions, without its own, that a position of the output depends on.
    pub fn context(&self) -> i64 {
        (self.kernel - 1) * self.dilation
    }

    /// Number of positions in an encoder's context after the position itself; the others are before it.
    pub fn behind(&self) -> i64 {
        self.context() - self.context() / 2
    }

    /// Width of the inner maps of [`Block::Bottleneck`].
    pub fn narrow(&self) -> i64 {
        self.channels / 2
    }
}

impl ConvolutionalConfig {
    /// The layers of an encoder, from the lowest.
    pub fn encoder_shapes(&self) -> Vec<LayerShape> {
        self.shapes(self.encoder_layers)
    }

    /// The layers of a decoder, from the lowest.
    pub fn decoder_shapes(&self) -> Vec<LayerShape> {
        self.shapes(self.decoder_layers)
    }

    fn shapes(&self, first: usize) -> Vec<LayerShape> {
        let first = FurtherLayers { layers: first, channels: self.channels, kernel: self.kernel };
        let mut inputs = self.channels;
        let groups = std::iter::once(&first).chain(&self.further_layers);
        let sizes = groups.flat_map(|group| (0..group.layers).map(|_| (group.channels, group.kernel)));
        let shapes = sizes.zip(self.dilations.iter().cycle()).map(|((channels, kernel), &dilation)| {
            let shape = LayerShape { inputs, channels, kernel, dilation };
            inputs = channels;
            shape
        });
        shapes.collect()
    }

    /// Number of layers of a decoder.
    pub fn decoder_depth(&self) -> usize {
        self.decoder_layers + self.further_layers.iter().map(|group| group.layers).sum::<usize>()
    }

    /// Whether layer `index` of the decoder, from 0, attends to the source.
    pub fn attends(&self, index: usize) -> bool {
        self.attention == SourceAttention::Dot
            && self.attention_layers.as_ref().is_none_or(|layers| layers.contains(&(index + 1)))
    }

    /// The layers of a decoder that attend to the source, from the lowest.
    pub fn attending(&self) -> Vec<LayerShape> {
        let shapes = self.decoder_shapes().into_iter().enumerate();
        shapes.filter(|(index, _)| self.attends(*index)).map(|(_, shape)| shape).collect()
    }

    /// Returns the settings without a list of attending layers if it names all layers.
    pub fn without_repetitions(&self) -> Self {
        let all = (0..self.decoder_depth()).all(|index| self.attends(index));
        let attention_layers = self.attention_layers.clone().filter(|_| !all);
        ConvolutionalConfig { attention_layers, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The encoder of Gehring et al. 2017 for WMT 2014 English-German, as printed in §4.2, with the reach stated in §5.4.
    #[test]
    fn groups_of_layers_follow_on_each_other_and_dilations_repeat() {
        let further = |layers, channels, kernel| FurtherLayers { layers, channels, kernel };
        let config = ConvolutionalConfig {
            encoder_layers: 10,
            further_layers: vec![further(3, 768, 3), further(2, 2048, 1)],
            dilations: vec![1, 2, 4],
            ..Default::default()
        };
        let shapes = config.encoder_shapes();
        assert_eq!(shapes.len(), 15);
        assert_eq!(shapes[9], LayerShape { inputs: 512, channels: 512, kernel: 3, dilation: 1 });
        assert_eq!(shapes[10], LayerShape { inputs: 512, channels: 768, kernel: 3, dilation: 2 });
        assert_eq!(shapes[13], LayerShape { inputs: 768, channels: 2048, kernel: 1, dilation: 2 });
        assert_eq!(shapes[14].inputs, 2048);
        let plain = ConvolutionalConfig { dilations: vec![1], ..config };
        assert_eq!(1 + plain.encoder_shapes().iter().map(LayerShape::context).sum::<i64>(), 27);
    }

    #[test]
    fn attending_layers_are_those_that_are_named_or_all() {
        let of = |layers: Option<Vec<usize>>| ConvolutionalConfig {
            decoder_layers: 3,
            attention_layers: layers,
            ..Default::default()
        };
        assert_eq!(of(None).attending().len(), 3);
        let some = of(Some(vec![1, 3]));
        assert_eq!((0..3).map(|index| some.attends(index)).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(of(Some(vec![1, 2, 3])).without_repetitions(), of(None));
        assert_eq!(some.without_repetitions(), some);
        let none = ConvolutionalConfig { attention: SourceAttention::None, ..of(None) };
        assert!(none.attending().is_empty());
    }
}
