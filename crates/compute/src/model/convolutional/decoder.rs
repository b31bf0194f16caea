//! The convolutional decoder (`model.decoder = "convolutional"`), whole sequences at once or token by token with the last
//! inputs of every kernel.

use super::attention::{Attention, ReadyAttention, Source};
use super::layer::{Layer, ReadyLayer, deviation, retained};
use super::map::{Map, ReadyMap};
use super::{AttentionProjections, SourceAttention};
use crate::model::ModelConfig;
use crate::model::dropout::Dropout;
use crate::model::mode::Mode;
use crate::model::parts::{DecoderPart, DecodingState, Encoded, FirstRows, TargetRows};
use crate::model::weights::Scope;
use tch::Tensor;

/// `decoder_layers` and further layers, between two linear maps from and to the width of the embeddings. A position
/// sees itself and the positions before it.
///
/// # Source
/// Gehring et al. 2017, §3; Kalchbrenner et al. 2016, §3.
///
/// # Deviation
/// Compared with ByteNet: a source has one state per word, where Kalchbrenner et al. extend it to 1.2 times its length.
#[derive(Debug)]
pub struct ConvolutionalDecoder {
    input: Map,
    /// Map from the source's state at each position to the first layer; only with an encoder and `attention = "none"`.
    standing: Option<Map>,
    layers: Vec<Layer>,
    attentions: Vec<Attention>,
    /// Index in `attentions` of each layer's attention.
    attends: Vec<Option<usize>>,
    output: Map,
    /// Dropout of the hidden states.
    dropout: Dropout,
}

/// The decoder's view of the source.
#[derive(Debug)]
enum Memory {
    Attended(Source),
    /// The states, zeros at padding: [B, S, D].
    Standing(Tensor),
    /// There is no encoder.
    Nothing,
}

/// The decoder with its weights ready for one pass.
struct Ready<'a> {
    input: ReadyMap,
    standing: Option<ReadyMap>,
    layers: Vec<ReadyLayer<'a>>,
    attentions: Vec<ReadyAttention>,
    output: ReadyMap,
}

impl ConvolutionalDecoder {
    pub fn build(scope: &Scope, config: &ModelConfig) -> Self {
        let (settings, d_model) = (&config.convolutional, config.d_model);
        let shapes = settings.decoder_shapes();
        let last = shapes.last().map_or(settings.channels, |shape| shape.channels);
        let moment = 1.0 / retained(config);
        let input = (d_model, settings.channels);
        let shared = settings.attention_projections == AttentionProjections::Shared;
        let (mut attentions, mut attends) = (Vec::new(), Vec::new());
        for (index, shape) in shapes.iter().enumerate() {
            let attends_here = config.has_encoder() && settings.attends(index);
            let is_new = attends_here && (!shared || attentions.is_empty());
            if is_new {
                let place = if shared { scope.clone() } else { scope.child(index) };
                attentions.push(Attention::build(
                    &place.child("attention"),
                    shape.channels,
                    d_model,
                    settings,
                ));
            }
            attends.push(attends_here.then(|| attentions.len() - 1));
        }
        ConvolutionalDecoder {
            input: Map::linear(&scope.child("input"), input, deviation(d_model, moment), settings),
            standing: (config.has_encoder() && settings.attention == SourceAttention::None)
                .then(|| Map::without_bias(&scope.child("source"), input, deviation(d_model, 1.0), settings)),
            layers: shapes
                .into_iter()
                .enumerate()
                .map(|(index, shape)| Layer::build(&scope.child(index), shape, config))
                .collect(),
            attentions,
            attends,
            output: Map::linear(&scope.child("output"), (last, d_model), deviation(last, 1.0), settings),
            dropout: Dropout::build(&scope.child("dropout"), config.dropout),
        }
    }

    fn ready(&self, x: &Tensor) -> Ready<'_> {
        Ready {
            input: self.input.ready(x),
            standing: self.standing.as_ref().map(|map| map.ready(x)),
            layers: self.layers.iter().map(|layer| layer.ready(x)).collect(),
            attentions: self.attentions.iter().map(|attention| attention.ready(x)).collect(),
            output: self.output.ready(x),
        }
    }

    fn memory(&self, encoded: Option<&Encoded>) -> Memory {
        let Some(encoded) = encoded else { return Memory::Nothing };
        if self.standing.is_none() {
            return Memory::Attended(Source::of(encoded));
        }
        let (rows, length) = (encoded.output.size()[0], encoded.output.size()[1]);
        let padding = encoded.mask.view([rows, length, 1]).not_equal(0.0);
        Memory::Standing(encoded.output.masked_fill(&padding, 0.0))
    }

    /// Computes positions of the target, beginning with number `first`. `with_context` prepends the preceding positions
    /// to the input of a layer's kernel.
    ///
    /// # Shapes
    /// [B, T, D] → [B, T, D].
    fn forward(
        &self,
        ready: &Ready,
        x: &Tensor,
        first: i64,
        memory: &Memory,
        mut with_context: impl FnMut(usize, Tensor) -> Tensor,
        mode: &Mode,
    ) -> Tensor {
        let mut hidden = ready.input.forward(x);
        if let (Some(map), Memory::Standing(states)) = (&ready.standing, memory) {
            hidden += map.forward(&at_positions(states, first, x.size()[1]));
        }
        for (index, layer) in ready.layers.iter().enumerate() {
            let made = layer.transform(&hidden, |inner| with_context(index, inner), mode);
            let made = match (self.attends[index], memory) {
                (Some(number), Memory::Attended(source)) => {
                    ready.attentions[number].forward(&made, x, source, mode)
                }
                _ => made,
            };
            hidden = layer.join(&hidden, made);
        }
        self.dropout.forward(ready.output.forward(&hidden), mode)
    }
}

/// Returns the states number `first` to `first + length`, zeros beyond the last one.
///
/// # Shapes
/// [B, S, D] → [B, T, D].
fn at_positions(states: &Tensor, first: i64, length: i64) -> Tensor {
    let there = (states.size()[1] - first).clamp(0, length);
    let first = first.min(states.size()[1]);
    states.narrow(1, first, there).constant_pad_nd([0, 0, 0, length - there])
}

impl DecoderPart for ConvolutionalDecoder {
    /// # Panics
    /// If rows hold several sentences; see [`takes_packed_rows`](DecoderPart::takes_packed_rows).
    fn decode(&self, x: Tensor, rows: TargetRows, encoded: Option<&Encoded>, mode: &Mode) -> Tensor {
        assert!(matches!(rows, TargetRows::Single), "a convolutional decoder writes one sentence a row");
        let memory = self.memory(encoded);
        let with_zeros =
            |index: usize, inner: Tensor| inner.constant_pad_nd([0, 0, self.layers[index].context(), 0]);
        self.forward(&self.ready(&x), &x, 0, &memory, with_zeros, mode)
    }

    fn start<'a>(&'a self, rows: FirstRows) -> Box<dyn DecodingState + 'a> {
        let FirstRows { count, kind, device, encoded } = rows;
        let zeros =
            |layer: &Layer| Tensor::zeros([count, layer.context(), layer.kernel_width()], (kind, device));
        Box::new(Decoding {
            decoder: self,
            ready: self.ready(&Tensor::zeros([1], (kind, device))),
            memory: self.memory(encoded),
            before: self.layers.iter().map(zeros).collect(),
            length: 0,
        })
    }
}

/// Decoding with the last inputs of every kernel, as many as the kernel reads beside the newest: [R, context, ·] each.
struct Decoding<'a> {
    decoder: &'a ConvolutionalDecoder,
    ready: Ready<'a>,
    memory: Memory,
    before: Vec<Tensor>,
    length: i64,
}

impl DecodingState for Decoding<'_> {
    fn length(&self) -> i64 {
        self.length
    }

    fn step(&mut self, x: Tensor) -> Tensor {
        let Decoding { decoder, ready, memory, before, length } = self;
        let first = *length;
        *length += 1;
        let with_context = |index: usize, inner: Tensor| {
            let all = Tensor::cat(&[&before[index], &inner], 1);
            before[index] = all.narrow(1, 1, all.size()[1] - 1);
            all
        };
        decoder.forward(ready, &x, first, memory, with_context, &Mode::evaluation())
    }

    fn select(&mut self, rows: &[i64], same_sources: bool) {
        let Some(first) = self.before.first() else { return };
        let rows = Tensor::from_slice(rows).to_device(first.device());
        self.before = self.before.iter().map(|before| before.index_select(0, &rows)).collect();
        if !same_sources {
            self.memory = match &self.memory {
                Memory::Attended(source) => Memory::Attended(source.select(&rows)),
                Memory::Standing(states) => Memory::Standing(states.index_select(0, &rows)),
                Memory::Nothing => Memory::Nothing,
            };
        }
    }
}
