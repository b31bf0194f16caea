//! A decoder without an encoder (`model.encoder = "none"`): a language model, which predicts each token from those before
//! it (Radford et al. 2018, §3.1). Of a batch it reads the target alone.
//!
//! Which decoder: [`super::parts`].

use super::attention::maps::AttentionMaps;
use super::embedding::Embeddings;
use super::encoder_decoder::Input;
use super::mode::Mode;
use super::network::{Generator, Network, Stepper};
use super::parts::{self, DecoderPart, DecodingState, FirstRows, TargetRows};
use super::position::Places;
use super::unpack::{PackedRows, Unpacked};
use super::weights::{Scope, Weights};
use super::{DecoderKind, Kinds, ModelConfig, VocabularySizes};
use crate::data::collate::Batch;
use tch::{Device, Kind, Tensor};

/// A model that writes a text and reads no other.
#[derive(Debug)]
pub struct DecoderOnly {
    embeddings: Embeddings,
    input: Input,
    decoder: Box<dyn DecoderPart>,
    weights: Weights,
    kinds: Kinds,
    device: Device,
}

impl DecoderOnly {
    /// A model with fresh weights drawn from `seed`; of the vocabulary it has the target's tokens.
    pub fn build(
        config: &ModelConfig,
        vocabulary: impl Into<VocabularySizes>,
        seed: u64,
        kinds: impl Into<Kinds>,
        device: Device,
    ) -> Self {
        let kinds = kinds.into();
        let scope = Scope::seeded(seed, kinds.weights, device);
        DecoderOnly {
            embeddings: Embeddings::build(&scope.child("embedding"), config, vocabulary.into()),
            input: Input::build(&scope, "target", config.decoder == DecoderKind::Recurrent, config, kinds),
            decoder: parts::decoder(&scope.child("decoder"), config),
            weights: scope.into_weights(),
            kinds,
            device,
        }
    }

    /// What the first layer reads, right before it does.
    fn embed(&self, ids: &Tensor, places: Places, mode: &Mode) -> Tensor {
        self.input.forward(ids, self.embeddings.target(ids), places, mode)
    }

    /// The hidden states of a known text, all positions at once.
    ///
    /// # Shapes
    /// Ids shifted right [B, T] → [B, T, W].
    pub fn decode(&self, ids: &Tensor, mode: &Mode) -> Tensor {
        self.decoder.decode(self.embed(ids, Places::From(0), mode), TargetRows::Single, None, mode)
    }

    /// The same where rows hold several texts: what each would get in a row of its own.
    ///
    /// # Shapes
    /// Ids shifted right [B, T] → [B, T, W].
    pub fn decode_packed(&self, rows: PackedRows, mode: &Mode) -> Tensor {
        if !self.decoder.takes_packed_rows() {
            let unpacked = Unpacked::of(rows);
            return unpacked.back(&self.decode(&unpacked.ids, mode));
        }
        let x = self.embed(rows.ids, Places::Within(rows.sentences), mode);
        let targets = TargetRows::Packed { sentences: rows.sentences, sources: None };
        self.decoder.decode(x, targets, None, mode)
    }
}

impl Network for DecoderOnly {
    fn weights(&self) -> &Weights {
        &self.weights
    }

    fn device(&self) -> Device {
        self.device
    }

    fn kind(&self) -> Kind {
        self.kinds.weights
    }

    fn hidden(&self, batch: &Batch, mode: &Mode) -> Tensor {
        let hidden = match &batch.sentences {
            None => self.decode(&batch.target_input, mode),
            Some(sentences) => self
                .decode_packed(PackedRows { ids: &batch.target_input, sentences: &sentences.target }, mode),
        };
        hidden.flatten(0, 1).index_select(0, &batch.positions)
    }

    fn softmax_matrix(&self) -> &Tensor {
        self.embeddings.softmax()
    }

    fn softmax_bias(&self) -> Option<&Tensor> {
        self.embeddings.softmax_bias()
    }

    fn longest(&self) -> Option<i64> {
        self.input.position.limit()
    }

    fn source_embedding(&self) -> &Tensor {
        self.embeddings.source_matrix()
    }

    fn position_table(&self, count: i64) -> Option<Tensor> {
        let rows = self.longest().map_or(count, |limit| limit.min(count));
        self.input.position.table(rows, self.kind(), self.device)
    }

    fn attention_maps(&self, _: &Tensor, target: &Tensor) -> AttentionMaps {
        let mode = Mode::recording_attention();
        tch::no_grad(|| _ = self.decode(target, &mode));
        let maps = self.decoder.maps(mode.into_attention());
        AttentionMaps {
            encoder: Vec::new(),
            decoder: maps.own.into_iter().map(|weights| weights.squeeze_dim(0)).collect(),
            cross: Vec::new(),
        }
    }

    fn generator(&self) -> Option<&dyn Generator> {
        Some(self)
    }
}

impl Generator for DecoderOnly {
    fn start<'a>(&'a self, _: &Tensor, lengths: &[i64]) -> Box<dyn Stepper + 'a> {
        let rows =
            FirstRows::Plain { count: lengths.len() as i64, kind: self.kinds.weights, device: self.device };
        Box::new(Writing { model: self, state: self.decoder.start(rows) })
    }
}

/// Writing with what the decoder remembers of all tokens so far.
struct Writing<'a> {
    model: &'a DecoderOnly,
    state: Box<dyn DecodingState + 'a>,
}

impl Stepper for Writing<'_> {
    fn step(&mut self, ids: &Tensor) -> Tensor {
        let x = self.model.embed(ids, Places::From(self.state.length()), &Mode::evaluation());
        self.state.step(x).squeeze_dim(1)
    }

    fn select(&mut self, rows: &[i64], same_sources: bool) {
        self.state.select(rows, same_sources);
    }
}
