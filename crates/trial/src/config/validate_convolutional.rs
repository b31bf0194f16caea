//! Checks of `[model.convolutional]`.

use super::validate::{Checked, Checks, LARGEST_SIZE, MOST_LAYERS};
use crate::model::convolutional::{Block, FurtherLayers};
use crate::model::{ConvolutionalConfig, ModelConfig};

/// Most positions that one layer sees beside its own: far more than a sentence has, and few enough that the rows of
/// zeros fit into memory.
const FURTHEST: i64 = 1 << 12;

impl Checks<'_> {
    /// Checks the range of each number; [`super::conflict`] checks what goes together.
    pub(super) fn convolutional(&self, model: &ModelConfig) -> Checked {
        let ConvolutionalConfig {
            block,
            channels,
            kernel,
            encoder_layers,
            decoder_layers,
            further_layers,
            dilations,
            attention_layers,
            ..
        } = &model.convolutional;
        self.channels("model.convolutional.channels", *channels, *block)?;
        self.kernel("model.convolutional.kernel", *kernel)?;
        let key = "model.convolutional.further_layers";
        for &FurtherLayers { layers, channels, kernel } in further_layers {
            self.count(&format!("{key}.layers"), layers)?;
            self.channels(&format!("{key}.channels"), channels, *block)?;
            self.kernel(&format!("{key}.kernel"), kernel)?;
        }
        let further = further_layers.iter().fold(0usize, |sum, group| sum.saturating_add(group.layers));
        for (key, count) in [
            ("model.convolutional.encoder_layers", *encoder_layers),
            ("model.convolutional.decoder_layers", *decoder_layers),
        ] {
            self.one_to(key, count, MOST_LAYERS)?;
        }
        let first = *encoder_layers.max(decoder_layers);
        self.require(
            further.saturating_add(first) <= MOST_LAYERS,
            "model.convolutional.further_layers",
            format!("{further} layers"),
            &format!(
                "{} at most: a part has {MOST_LAYERS} layers at most, and {first} come first",
                MOST_LAYERS - first
            ),
        )?;
        let key = "model.convolutional.dilations";
        let widest = further_layers.iter().map(|group| group.kernel).fold(*kernel, i64::max);
        let holds = |dilation: &i64| *dilation >= 1 && (widest - 1).saturating_mul(*dilation) <= FURTHEST;
        let accepted = format!(
            "one or more numbers of 1 or more, such as [1, 2, 4], whose products with kernel - 1 are {FURTHEST} at most"
        );
        let sound = !dilations.is_empty() && dilations.iter().all(holds);
        self.require(sound, key, format!("{dilations:?}"), &accepted)?;
        let Some(layers) = attention_layers else { return Ok(()) };
        let depth = model.convolutional.decoder_depth();
        let rising = layers.is_sorted_by(|lower, higher| lower < higher);
        let there = layers.iter().all(|layer| (1..=depth).contains(layer));
        let accepted = format!(
            "one or more rising numbers of the decoder's layers, 1 to {depth}; without any, state attention = \"none\""
        );
        let key = "model.convolutional.attention_layers";
        self.require(rising && there && !layers.is_empty(), key, format!("{layers:?}"), &accepted)
    }

    fn channels(&self, key: &str, channels: i64, block: Block) -> Checked {
        let (holds, accepted) = match block {
            Block::Gated => (true, format!("an integer from 1 to {LARGEST_SIZE}")),
            Block::Bottleneck => (
                channels % 2 == 0,
                format!(
                    "an even integer from 2 to {LARGEST_SIZE}: model.convolutional.block = \"bottleneck\" halves it"
                ),
            ),
        };
        self.require(holds && (1..=LARGEST_SIZE).contains(&channels), key, channels, &accepted)
    }

    fn kernel(&self, key: &str, kernel: i64) -> Checked {
        self.one_to(key, kernel, FURTHEST)
    }
}
