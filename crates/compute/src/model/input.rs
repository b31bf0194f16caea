//! The steps between embedded tokens and the first layer of a stack: positions, the norm of masked language models, dropout.

use super::mode::Mode;
use super::norm::Normalisation;
use super::position::{Places, PositionEncoding};
use super::recurrent::{DropoutMasks, SequenceDropout};
use super::weights::Scope;
use super::{DecoderKind, EncoderKind, Kinds, ModelConfig, NormKind};
use crate::data::tokenizer::PAD;
use tch::{Device, Tensor};

/// Position encoding and dropout of one side, before its first layer.
#[derive(Debug)]
pub struct Input {
    pub position: PositionEncoding,
    /// The norm of the sums of embeddings and positions; only in masked language models.
    norm: Option<Normalisation>,
    dropout: SequenceDropout,
    kinds: Kinds,
    /// Whether norms compute statistics over the tokens of a batch, in which padding must not count.
    norms_over_batch: bool,
    device: Device,
}

impl Input {
    /// Builds the input of the encoder.
    pub fn source(scope: &Scope, config: &ModelConfig, kinds: Kinds, device: Device) -> Self {
        Self::build(scope, "source", config.encoder == EncoderKind::Recurrent, config, kinds, device)
    }

    /// Builds the input of the decoder.
    pub fn target(scope: &Scope, config: &ModelConfig, kinds: Kinds, device: Device) -> Self {
        Self::build(scope, "target", config.decoder == DecoderKind::Recurrent, config, kinds, device)
    }

    /// `side` begins the paths of its weights. Recurrent parts know the order of words without positions.
    fn build(
        scope: &Scope,
        side: &str,
        is_recurrent: bool,
        config: &ModelConfig,
        kinds: Kinds,
        device: Device,
    ) -> Self {
        let (position, masks) = if is_recurrent {
            (PositionEncoding::None, config.recurrent.dropout_masks)
        } else {
            let scope = scope.child(format!("{side}_position"));
            (PositionEncoding::build(&scope, config), DropoutMasks::PerStep)
        };
        let norm = || Normalisation::build(&scope.child(format!("{side}_norm")), config);
        Input {
            position,
            norm: config.normalises_embeddings().then(norm),
            dropout: SequenceDropout::build(&scope.child(format!("{side}_dropout")), config.dropout, masks),
            kinds,
            norms_over_batch: config.norm_kind == NormKind::Batch,
            device,
        }
    }

    /// Returns the input of a stack's first layer. Tells the layers which tokens are real, if they need that.
    ///
    /// # Shapes
    /// Ids [B, T] at `places`, and their embeddings [B, T, D] → the same shape, in the number format of the pass.
    pub fn forward(&self, ids: &Tensor, x: Tensor, places: Places, mode: &Mode) -> Tensor {
        if self.norms_over_batch && mode.is_training() {
            mode.enter_stack(ids.not_equal(i64::from(PAD)));
        }
        let x = self.position.on_embeddings(x, places).to_kind(self.kinds.of_pass(mode));
        let x = match &self.norm {
            Some(norm) => norm.forward(&x, mode),
            None => x,
        };
        self.dropout.forward(x, mode)
    }

    /// Returns the vectors that are added to tokens at positions 0 to `count` - 1, or as many as there are; see
    /// [`Network::position_table`](super::network::Network::position_table).
    pub fn table(&self, count: i64) -> Option<Tensor> {
        let rows = self.position.limit().map_or(count, |limit| limit.min(count));
        self.position.table(rows, self.kinds.weights, self.device)
    }
}
