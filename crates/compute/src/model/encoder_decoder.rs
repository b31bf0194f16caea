//! The whole model (§3, figure 1): embeddings, an encoder, a decoder and the matrix before the softmax.
//!
//! The kinds of encoders and decoders: [`super::parts`].

use super::attention::maps::{AttentionMaps, of_one_sentence};
use super::embedding::Embeddings;
use super::foundation::Foundation;
use super::input::Input;
use super::linear::Linear;
use super::mode::Mode;
use super::network::{Generator, Network, Stepper};
use super::parts::{
    self, DecoderPart, DecodingState, Encoded, EncoderPart, FirstRows, SourceRows, TargetRows,
};
use super::position::Places;
use super::unpack::{PackedRows, Unpacked};
use super::weights::Scope;
use super::{Kinds, ModelConfig, VocabularySizes};
use crate::data::collate::Batch;
use tch::{Device, Tensor};

/// A model that reads a source and writes a target.
#[derive(Debug)]
pub struct EncoderDecoder {
    foundation: Foundation,
    source: Input,
    target: Input,
    encoder: Box<dyn EncoderPart>,
    /// Map from the encoder's states to the decoder's input width; absent if the widths are equal.
    encoder_output: Option<Linear>,
    decoder: Box<dyn DecoderPart>,
}

/// Builds the map from the encoder's states to the decoder's input width; `None` if the widths are equal.
fn encoder_output_map(scope: &Scope, config: &ModelConfig) -> Option<Linear> {
    config.maps_encoder_states().then(|| Linear::glorot(scope, config.encoder_width(), config.d_model, true))
}

impl EncoderDecoder {
    /// Builds a model with fresh weights drawn from `seed`.
    pub fn build(
        config: &ModelConfig,
        vocabulary: impl Into<VocabularySizes>,
        seed: u64,
        kinds: impl Into<Kinds>,
        device: Device,
    ) -> Self {
        let kinds = kinds.into();
        let root = Scope::seeded(seed, kinds.weights, device);
        let embeddings = Embeddings::build(&root.child("embedding"), config, vocabulary.into());
        EncoderDecoder {
            source: Input::source(&root, config, kinds, device),
            target: Input::target(&root, config, kinds, device),
            encoder: parts::encoder(&root.child("encoder"), config),
            encoder_output: encoder_output_map(&root.child("encoder_output"), config),
            decoder: parts::decoder(&root.child("decoder"), config),
            foundation: Foundation::finish(root, embeddings, kinds, device),
        }
    }

    /// Returns the input of the encoder's first layer.
    fn embed_source(&self, ids: &Tensor, places: Places, mode: &Mode) -> Tensor {
        self.source.forward(ids, self.foundation.embeddings.source(ids), places, mode)
    }

    /// Returns the input of the decoder's first layer.
    fn embed_target(&self, ids: &Tensor, places: Places, mode: &Mode) -> Tensor {
        self.target.forward(ids, self.foundation.embeddings.target(ids), places, mode)
    }

    /// # Shapes
    /// Source ids [B, S] with each row's length without padding (≥ 1) → states [B, S, E], or [B, S, D] if the decoder
    /// reads that width.
    pub fn encode(&self, source: &Tensor, lengths: &[i64], mode: &Mode) -> Encoded {
        let x = self.embed_source(source, Places::From(0), mode);
        self.mapped(self.encoder.encode(x, SourceRows::Single(lengths), mode))
    }

    /// Does the same as [`encode`](Self::encode) for decoding: without dropout, and on a CPU by kernels that keep no graph.
    pub fn read(&self, source: &Tensor, lengths: &[i64]) -> Encoded {
        let x = self.embed_source(source, Places::From(0), &Mode::evaluation());
        self.mapped(self.encoder.read_source(x, lengths))
    }

    /// Returns `encoded` with states of the decoder's input width.
    fn mapped(&self, encoded: Encoded) -> Encoded {
        match &self.encoder_output {
            Some(linear) => Encoded { output: linear.forward(&encoded.output), ..encoded },
            None => encoded,
        }
    }

    /// Computes the hidden states of a known target, all positions at once.
    ///
    /// # Shapes
    /// Target ids shifted right [B, T] → [B, T, W].
    pub fn decode(&self, target: &Tensor, encoded: &Encoded, mode: &Mode) -> Tensor {
        let x = self.embed_target(target, Places::From(0), mode);
        self.decoder.decode(x, TargetRows::Single, Some(encoded), mode)
    }

    /// Computes the hidden states of rows with several sentences: each sentence gets the states that it would get in a
    /// row of its own. Unpacks the rows first if a part does not take packed rows.
    ///
    /// # Shapes
    /// Source ids [B, S], target ids shifted right [B, T] → [B, T, W].
    pub fn forward_packed(&self, source: PackedRows, target: PackedRows, mode: &Mode) -> Tensor {
        if !(self.encoder.takes_packed_rows() && self.decoder.takes_packed_rows()) {
            let (source, target) = (Unpacked::of(source), Unpacked::of(target));
            let encoded = self.encode(&source.ids, &source.lengths, mode);
            return target.back(&self.decode(&target.ids, &encoded, mode));
        }
        let sources = SourceRows::Packed(source.sentences);
        let x = self.embed_source(source.ids, Places::Within(source.sentences), mode);
        let encoded = self.mapped(self.encoder.encode(x, sources, mode));
        let targets = TargetRows::Packed { sentences: target.sentences, sources: Some(source.sentences) };
        let x = self.embed_target(target.ids, Places::Within(target.sentences), mode);
        self.decoder.decode(x, targets, Some(&encoded), mode)
    }

    /// Returns the state of decoding token by token, before the first token.
    pub fn cache(&self, encoded: &Encoded) -> Box<dyn DecodingState + '_> {
        self.decoder.start(FirstRows::of_sources(encoded))
    }

    /// Computes the hidden state behind the next token of each row, given the tokens before it.
    ///
    /// # Shapes
    /// Ids [R, 1] → [R, W].
    pub fn step(&self, ids: &Tensor, state: &mut (dyn DecodingState + '_)) -> Tensor {
        let x = self.embed_target(ids, Places::From(state.length()), &Mode::evaluation());
        state.step(x).squeeze_dim(1)
    }
}

impl Network for EncoderDecoder {
    fn foundation(&self) -> &Foundation {
        &self.foundation
    }

    fn hidden(&self, batch: &Batch, mode: &Mode) -> Tensor {
        let hidden = match &batch.sentences {
            None => {
                let encoded = self.encode(&batch.source, &batch.source_lengths, mode);
                self.decode(&batch.target_input, &encoded, mode)
            }
            Some(sentences) => self.forward_packed(
                PackedRows { ids: &batch.source, sentences: &sentences.source },
                PackedRows { ids: &batch.target_input, sentences: &sentences.target },
                mode,
            ),
        };
        hidden.flatten(0, 1).index_select(0, &batch.positions)
    }

    fn longest(&self) -> Option<i64> {
        let limits = [&self.source, &self.target].map(|side| side.position.limit());
        limits.into_iter().flatten().chain(self.encoder.longest()).min()
    }

    fn position_table(&self, count: i64) -> Option<Tensor> {
        self.source.table(count).or_else(|| self.target.table(count))
    }

    fn attention_maps(&self, source: &Tensor, target: &Tensor, _segments: Option<&Tensor>) -> AttentionMaps {
        let (reading, writing) = (Mode::recording_attention(), Mode::recording_attention());
        tch::no_grad(|| {
            let encoded = self.encode(source, &[source.size()[1]], &reading);
            let _ = self.decode(target, &encoded, &writing);
        });
        let decoder = self.decoder.maps(writing.into_attention());
        AttentionMaps {
            encoder: of_one_sentence(reading.into_attention()),
            decoder: of_one_sentence(decoder.own),
            cross: of_one_sentence(decoder.cross),
        }
    }

    fn generator(&self) -> Option<&dyn Generator> {
        Some(self)
    }
}

impl Generator for EncoderDecoder {
    fn start<'a>(&'a self, source: &Tensor, lengths: &[i64]) -> Box<dyn Stepper + 'a> {
        let state = self.cache(&self.read(source, lengths));
        Box::new(Decoding { model: self, state })
    }
}

/// Decoding with the decoder's state of the source and of all tokens so far.
struct Decoding<'a> {
    model: &'a EncoderDecoder,
    state: Box<dyn DecodingState + 'a>,
}

impl Stepper for Decoding<'_> {
    fn step(&mut self, ids: &Tensor) -> Tensor {
        self.model.step(ids, self.state.as_mut())
    }

    fn select(&mut self, rows: &[i64], same_sources: bool) {
        self.state.select(rows, same_sources);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Norm;
    use tch::Kind;

    #[test]
    fn reading_for_decoding_is_encoding() {
        tch::set_num_threads(2);
        let small = ModelConfig { layers: 2, d_model: 48, d_ff: 64, heads: 3, ..Default::default() };
        let uneven = ModelConfig { d_k: Some(5), d_v: Some(18), norm: Norm::Pre, ..small.clone() };
        for config in [small, uneven] {
            let model = EncoderDecoder::build(&config, 11, 3, Kind::Float, Device::Cpu);
            let source = Tensor::from_slice2(&[[4i64, 9, 3, 10, 2], [7, 5, 2, 0, 0], [6, 2, 0, 0, 0]]);
            let lengths = [5, 3, 2];
            tch::no_grad(|| {
                let [read, encoded] =
                    [model.read(&source, &lengths), model.encode(&source, &lengths, &Mode::evaluation())];
                for (row, &length) in lengths.iter().enumerate() {
                    let [read, encoded] =
                        [&read, &encoded].map(|of| of.output.get(row as i64).narrow(0, 0, length));
                    let gap = (read - encoded).abs().max().double_value(&[]);
                    assert!(gap < 1e-5, "row {row}: {gap:e}");
                }
                assert_eq!(read.lengths, lengths);
            });
        }
    }
}
