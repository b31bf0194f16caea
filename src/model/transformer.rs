//! The whole model (§3, figure 1).

use super::attention::cache::DecoderCache;
use super::attention::maps::AttentionMaps;
use super::decoder::Decoder;
use super::dropout::Dropout;
use super::embedding::Embeddings;
use super::encoder::Encoder;
use super::mask::Mask;
use super::mode::Mode;
use super::network::{Generator, Network, Stepper};
use super::position::{Places, PositionEncoding};
use super::weights::{Scope, Weights};
use super::{Kinds, ModelConfig, VocabularySizes, mask};
use crate::data::collate::Batch;
use tch::{Device, Kind, Tensor};

/// Encoder, decoder, embeddings and softmax matrix.
#[derive(Debug)]
pub struct Transformer {
    embeddings: Embeddings,
    source_position: PositionEncoding,
    target_position: PositionEncoding,
    source_dropout: Dropout,
    target_dropout: Dropout,
    encoder: Encoder,
    decoder: Decoder,
    weights: Weights,
    kinds: Kinds,
    device: Device,
}

/// The encoder's view of a batch of sources.
#[derive(Debug)]
pub struct Encoded {
    /// [B, S, D]
    pub output: Tensor,
    /// [B, 1, 1, S], added to attention scores.
    pub mask: Tensor,
    /// Real tokens of each source, [B].
    pub lengths: Vec<i64>,
}

/// Rows of several sentences each, and which of them stands where: [B, L] both, numbers from 1, 0 is padding.
#[derive(Debug, Clone, Copy)]
pub struct PackedRows<'a> {
    pub ids: &'a Tensor,
    pub sentences: &'a Tensor,
}

impl Transformer {
    /// A model with fresh weights drawn from `seed`.
    pub fn build(
        config: &ModelConfig,
        vocabulary: impl Into<VocabularySizes>,
        seed: u64,
        kinds: impl Into<Kinds>,
        device: Device,
    ) -> Self {
        let kinds = kinds.into();
        let scope = Scope::seeded(seed, kinds.weights, device);
        Transformer::declare(config, vocabulary.into(), scope, kinds, device)
    }

    /// Number of trained numbers of such a model, without building it.
    pub fn parameters(config: &ModelConfig, vocabulary: impl Into<VocabularySizes>) -> u64 {
        let vocabulary = vocabulary.into();
        let (scope, kinds) = (Scope::shapes_only(), Kinds::from(Kind::Float));
        let shapes = Transformer::declare(config, vocabulary, scope, kinds, Device::Cpu);
        shapes.weights.parameters()
    }

    fn declare(
        config: &ModelConfig,
        vocabulary: VocabularySizes,
        scope: Scope,
        kinds: Kinds,
        device: Device,
    ) -> Self {
        Transformer {
            embeddings: Embeddings::build(&scope.child("embedding"), config, vocabulary),
            source_position: PositionEncoding::build(&scope.child("source_position"), config),
            target_position: PositionEncoding::build(&scope.child("target_position"), config),
            source_dropout: Dropout::build(&scope.child("source_dropout"), config.dropout),
            target_dropout: Dropout::build(&scope.child("target_dropout"), config.dropout),
            encoder: Encoder::build(&scope.child("encoder"), config),
            decoder: Decoder::build(&scope.child("decoder"), config),
            weights: scope.into_weights(),
            kinds,
            device,
        }
    }

    /// The kind that a pass computes in.
    fn kind_of(&self, mode: &Mode) -> Kind {
        if mode.is_training() { self.kinds.training } else { self.kinds.weights }
    }

    /// # Shapes
    /// Source ids [B, S] with the real length of each row (≥ 1) → [B, S, D].
    pub fn encode(&self, source: &Tensor, lengths: &[i64], mode: &Mode) -> Encoded {
        let kind = self.kind_of(mode);
        let mask = mask::padding(lengths, source.size()[1], kind, self.device);
        let x =
            self.source_position.on_embeddings(self.embeddings.source(source), Places::From(0)).to_kind(kind);
        let x = self.source_dropout.forward(x, mode);
        let output = self.encoder.forward(x, Places::From(0), Mask::Added(&mask), mode);
        Encoded { output, mask, lengths: lengths.to_vec() }
    }

    /// [`encode`](Self::encode) for decoding: without dropout, and on a CPU by kernels that keep no graph.
    pub fn read(&self, source: &Tensor, lengths: &[i64]) -> Encoded {
        if !self.decoder.uses_kernels(self.kind(), self.device) {
            return self.encode(source, lengths, &Mode::evaluation());
        }
        let mask = mask::padding(lengths, source.size()[1], self.kind(), self.device);
        let x = self.source_position.on_embeddings(self.embeddings.source(source), Places::From(0));
        Encoded { output: self.encoder.read(x, lengths), mask, lengths: lengths.to_vec() }
    }

    /// The decoder's output for a known target, all positions at once.
    ///
    /// # Shapes
    /// Target ids shifted right [B, T] → [B, T, D].
    pub fn decode(&self, target: &Tensor, encoded: &Encoded, mode: &Mode) -> Tensor {
        let kind = self.kind_of(mode);
        let pairs = self.decoder.takes_masks_of_pairs();
        let causal = pairs.then(|| mask::causal(target.size()[1], kind, self.device));
        let x =
            self.target_position.on_embeddings(self.embeddings.target(target), Places::From(0)).to_kind(kind);
        let own = causal.as_ref().map_or(Mask::None, Mask::Causal);
        let x = self.target_dropout.forward(x, mode);
        self.decoder.forward(x, Places::From(0), &encoded.output, &encoded.mask, own, mode)
    }

    /// The decoder's output where rows hold several sentences: what each sentence would get in a row of its own.
    ///
    /// # Shapes
    /// Source ids [B, S], target ids shifted right [B, T] → [B, T, D].
    pub fn forward_packed(&self, source: PackedRows, target: PackedRows, mode: &Mode) -> Tensor {
        let kind = self.kind_of(mode);
        let same = |queries: PackedRows, keys: PackedRows| {
            mask::same_sentence(queries.sentences, keys.sentences, kind)
        };
        let (read, written) = (Places::Within(source.sentences), Places::Within(target.sentences));
        let x = self.source_position.on_embeddings(self.embeddings.source(source.ids), read);
        let x = self.source_dropout.forward(x.to_kind(kind), mode);
        let mask = self.encoder.takes_masks_of_pairs().then(|| same(source, source));
        let encoded = self.encoder.forward(x, read, mask.as_ref().map_or(Mask::None, Mask::Added), mode);
        let x = self.target_position.on_embeddings(self.embeddings.target(target.ids), written);
        let x = self.target_dropout.forward(x.to_kind(kind), mode);
        let own = self
            .decoder
            .takes_masks_of_pairs()
            .then(|| mask::causal(target.ids.size()[1], kind, self.device) + same(target, target));
        let own = own.as_ref().map_or(Mask::None, Mask::Added);
        self.decoder.forward(x, written, &encoded, &same(target, source), own, mode)
    }

    /// A cache for decoding token by token.
    pub fn cache(&self, encoded: &Encoded) -> DecoderCache {
        DecoderCache::start(&self.decoder, encoded)
    }

    /// The decoder's output for the next token of each row, given those in the cache.
    ///
    /// # Shapes
    /// Ids [R, 1] → [R, D].
    pub fn step(&self, ids: &Tensor, cache: &mut DecoderCache) -> Tensor {
        let x = self.target_position.on_embeddings(self.embeddings.target(ids), Places::From(cache.length()));
        self.decoder.step(x, cache).squeeze_dim(1)
    }
}

impl Network for Transformer {
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

    fn softmax_matrix(&self) -> &Tensor {
        self.embeddings.softmax()
    }

    fn longest(&self) -> Option<i64> {
        self.source_position.limit().into_iter().chain(self.encoder.limit()).min()
    }

    fn source_embedding(&self) -> &Tensor {
        self.embeddings.source_matrix()
    }

    fn position_table(&self, count: i64) -> Option<Tensor> {
        let rows = self.longest().map_or(count, |limit| limit.min(count));
        self.source_position.table(rows, self.kind(), self.device)
    }

    fn attention_maps(&self, source: &Tensor, target: &Tensor) -> AttentionMaps {
        AttentionMaps::of(self, source, target)
    }

    fn generator(&self) -> Option<&dyn Generator> {
        Some(self)
    }
}

impl Generator for Transformer {
    fn start<'a>(&'a self, source: &Tensor, lengths: &[i64]) -> Box<dyn Stepper + 'a> {
        let cache = self.cache(&self.read(source, lengths));
        Box::new(CachedDecoding { model: self, cache })
    }
}

/// Decoding with the keys and values of the source and of all tokens so far.
struct CachedDecoding<'a> {
    model: &'a Transformer,
    cache: DecoderCache,
}

impl Stepper for CachedDecoding<'_> {
    fn step(&mut self, ids: &Tensor) -> Tensor {
        self.model.step(ids, &mut self.cache)
    }

    fn select(&mut self, rows: &[i64], same_sources: bool) {
        self.cache.select(rows, same_sources);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Norm;

    #[test]
    fn reading_for_decoding_is_encoding() {
        tch::set_num_threads(2);
        let small = ModelConfig { layers: 2, d_model: 48, d_ff: 64, heads: 3, ..Default::default() };
        let uneven = ModelConfig { d_k: Some(5), d_v: Some(18), norm: Norm::Pre, ..small.clone() };
        for config in [small, uneven] {
            let model = Transformer::build(&config, 11, 3, Kind::Float, Device::Cpu);
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
