//! Word vectors (`model.encoder = "none"` and `model.decoder = "none"`): an input vector and an output vector for each
//! word, and nothing else (Mikolov et al. 2013b, §2.2). A row of the source becomes the mean of its words' input
//! vectors, in skip-gram, with one word in a row, as in CBOW. The products of this mean with output vectors are the
//! scores of their words.

use super::attention::maps::AttentionMaps;
use super::embedding::Embeddings;
use super::foundation::Foundation;
use super::mode::Mode;
use super::network::Network;
use super::weights::Scope;
use super::{Kinds, ModelConfig, VocabularySizes};
use crate::data::collate::Batch;
use tch::{Device, Kind, Tensor};

/// A model of two matrices.
#[derive(Debug)]
pub struct WordVectors {
    foundation: Foundation,
}

impl WordVectors {
    /// Builds a model with fresh weights drawn from `seed`; its vocabulary is that of the target.
    pub fn build(
        config: &ModelConfig,
        vocabulary: impl Into<VocabularySizes>,
        seed: u64,
        kinds: impl Into<Kinds>,
        device: Device,
    ) -> Self {
        let kinds = kinds.into();
        let root = Scope::seeded(seed, kinds.weights, device);
        let embeddings = Embeddings::of_words(&root.child("embedding"), config, vocabulary.into());
        WordVectors { foundation: Foundation::finish(root, embeddings, kinds, device) }
    }

    /// Computes the mean of the input vectors of the words in each row, of which the first `lengths` count.
    ///
    /// # Shapes
    /// Ids [B, S] → [B, D].
    fn means(&self, ids: &Tensor, lengths: &[i64]) -> Tensor {
        let embedded = self.foundation.embeddings.source(ids);
        if ids.size()[1] == 1 {
            return embedded.squeeze_dim(1);
        }
        let lengths = Tensor::from_slice(lengths).to_device(ids.device()).unsqueeze(1);
        let places = Tensor::arange(ids.size()[1], (Kind::Int64, ids.device()));
        let shares = places.less_tensor(&lengths).to_kind(embedded.kind()) / lengths;
        (embedded * shares.unsqueeze(2)).sum_dim_intlist(1, false, None)
    }
}

impl Network for WordVectors {
    fn foundation(&self) -> &Foundation {
        &self.foundation
    }

    /// Computes the state of the row from which each prediction is made; `batch.positions` holds numbers of rows.
    fn hidden(&self, batch: &Batch, mode: &Mode) -> Tensor {
        let kind = self.foundation.kinds.of_pass(mode);
        self.means(&batch.source, &batch.source_lengths).index_select(0, &batch.positions).to_kind(kind)
    }

    fn longest(&self) -> Option<i64> {
        None
    }

    fn position_table(&self, _count: i64) -> Option<Tensor> {
        None
    }

    fn attention_maps(
        &self,
        _source: &Tensor,
        _target: &Tensor,
        _segments: Option<&Tensor>,
    ) -> AttentionMaps {
        AttentionMaps::default()
    }
}
