//! Dropout along a sequence: a mask for each word, or one for the whole sentence (`model.recurrent.dropout_masks`).

use super::DropoutMasks;
use crate::model::dropout::Dropout;
use crate::model::mode::Mode;
use crate::model::weights::Scope;
use tch::Tensor;

/// Dropout whose masks may be shared by a whole sentence.
#[derive(Debug)]
pub struct SequenceDropout {
    dropout: Dropout,
    masks: DropoutMasks,
}

impl SequenceDropout {
    pub fn build(scope: &Scope, rate: f64, masks: DropoutMasks) -> Self {
        SequenceDropout { dropout: Dropout::build(scope, rate), masks }
    }

    /// # Shapes
    /// [B, T, I] → the same.
    pub fn forward(&self, x: Tensor, mode: &Mode) -> Tensor {
        match self.masks {
            DropoutMasks::PerStep => self.dropout.forward(x, mode),
            DropoutMasks::PerSequence => match self.mask(&x, mode) {
                Some(mask) => x * mask,
                None => x,
            },
        }
    }

    /// Returns the mask by which a decoder that goes step by step multiplies its input; `None` if nothing is dropped.
    ///
    /// # Shapes
    /// Numbers like those of `x` [B, T, I] → [B, T, I], or [B, 1, I] for all steps.
    pub fn mask(&self, x: &Tensor, mode: &Mode) -> Option<Tensor> {
        self.dropout.stream(mode)?;
        let ones = match self.masks {
            DropoutMasks::PerStep => x.detach().ones_like(),
            DropoutMasks::PerSequence => x.detach().narrow(1, 0, 1).ones_like(),
        };
        Some(self.dropout.forward(ones, mode))
    }
}
