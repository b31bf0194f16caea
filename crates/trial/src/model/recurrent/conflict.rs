//! Settings of recurrent parts that contradict each other.

use super::{Alignment, Bidirectional, Bridge, RecurrentConfig};
use crate::model::{DecoderKind, EncoderKind, ModelConfig, Tying};
use serde::Serialize;

/// Settings that no model can have together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The key to point at.
    pub key: &'static str,
    pub message: String,
    pub help: &'static str,
}

/// The first settings of recurrent parts that no model can have together.
pub fn conflict(config: &ModelConfig) -> Option<Conflict> {
    let found = if config.decoder == DecoderKind::Recurrent { of_decoder(config) } else { None };
    found.or_else(
        || if config.encoder == EncoderKind::Recurrent { of_encoder(&config.recurrent) } else { None },
    )
}

fn of_encoder(recurrent: &RecurrentConfig) -> Option<Conflict> {
    let RecurrentConfig { bidirectional, residual_from, encoder_layers, .. } = *recurrent;
    (bidirectional == Bidirectional::First && residual_from == Some(2) && encoder_layers > 1).then(|| Conflict {
        key: "model.recurrent.residual_from",
        message: "model.recurrent.residual_from = 2 adds the output of the first layer to that of the second, but with \
                  model.recurrent.bidirectional = \"first\" it is twice as wide"
            .into(),
        help: "use 3 or more, or another value of bidirectional",
    })
}

fn of_decoder(config: &ModelConfig) -> Option<Conflict> {
    let recurrent = &config.recurrent;
    let RecurrentConfig { hidden, attention, readout, bridge, .. } = *recurrent;
    let states = config.encoder_width();
    if attention == Alignment::Dot && hidden != states {
        return Some(Conflict {
            key: "model.recurrent.attention",
            message: format!(
                "model.recurrent.attention = \"dot\" multiplies states of the decoder with states of the source, but those \
                 are {hidden} numbers wide (model.recurrent.hidden) and these {states}"
            ),
            help: "use \"general\" or \"additive\", or choose widths that are equal; both directions of a layer count",
        });
    }
    if bridge == Bridge::Copy {
        let RecurrentConfig { encoder_layers, decoder_layers, bidirectional, .. } = *recurrent;
        let why = if config.encoder != EncoderKind::Recurrent {
            format!("model.encoder = {} has no such states", written(&config.encoder))
        } else if encoder_layers != decoder_layers {
            format!("the encoder has {encoder_layers} layers and the decoder {decoder_layers}")
        } else if bidirectional != Bidirectional::None {
            format!("with model.recurrent.bidirectional = {} they are twice as wide", written(&bidirectional))
        } else {
            String::new()
        };
        if !why.is_empty() {
            return Some(Conflict {
                key: "model.recurrent.bridge",
                message: format!(
                    "model.recurrent.bridge = \"copy\" starts every layer of the decoder with the last state of the \
                     encoder's layer, but {why}"
                ),
                help: "use \"tanh\", \"linear\" or \"zeros\"",
            });
        }
    }
    let width = config.softmax_width();
    if config.tying != Tying::None && width != config.d_model {
        return Some(Conflict {
            key: "model.tying",
            message: format!(
                "model.tying = {} makes the target embedding the matrix before the softmax, but the embedding is {} numbers \
                 wide (model.d_model) and model.recurrent.readout = {} needs {width}",
                written(&config.tying),
                config.d_model,
                written(&readout)
            ),
            help: "set model.tying = \"none\", or model.recurrent.readout = \"attentional\"",
        });
    }
    if attention != Alignment::None && !recurrent.reads_context() {
        return Some(Conflict {
            key: "model.recurrent.attention",
            message: format!(
                "model.recurrent.attention = {} makes a context that nothing reads: model.recurrent.input_feeding = {} and \
                 model.recurrent.readout = {}",
                written(&attention),
                written(&recurrent.input_feeding),
                written(&readout)
            ),
            help: "use attention = \"none\", input_feeding = \"context\" or another readout",
        });
    }
    (attention == Alignment::None && bridge == Bridge::Zeros && !recurrent.reads_context()).then(|| Conflict {
        key: "model.recurrent.bridge",
        message: "model.recurrent.bridge = \"zeros\", and without attention, input_feeding = \"context\" or a readout \
                  that has the context, the decoder knows nothing of the source"
            .into(),
        help: "set model.recurrent.bridge, attention, input_feeding or readout",
    })
}

fn written(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
