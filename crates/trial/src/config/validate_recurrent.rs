//! Checks of `[model.recurrent]`.

use super::validate::{Checked, Checks, MOST_LAYERS};
use crate::model::{ModelConfig, RecurrentConfig};

impl Checks<'_> {
    /// Checks the range of each number; [`super::conflict`] checks what goes together.
    pub(super) fn recurrent(&self, model: &ModelConfig) -> Checked {
        let RecurrentConfig {
            hidden,
            encoder_layers,
            decoder_layers,
            residual_from,
            attention_width,
            forget_bias,
            ..
        } = model.recurrent;
        self.size("model.recurrent.hidden", hidden)?;
        for (key, count) in [
            ("model.recurrent.encoder_layers", encoder_layers),
            ("model.recurrent.decoder_layers", decoder_layers),
        ] {
            self.one_to(key, count, MOST_LAYERS)?;
        }
        if let Some(first) = residual_from {
            let accepted = "2 or more: the input of the first layer is the embedded token";
            self.require(first >= 2, "model.recurrent.residual_from", first, accepted)?;
        }
        attention_width.map_or(Ok(()), |width| self.size("model.recurrent.attention_width", width))?;
        let key = "model.recurrent.forget_bias";
        self.require(forget_bias.is_finite(), key, forget_bias, "a finite number")
    }
}
