//! The recurrent encoder (`model.encoder = "recurrent"`): layers of LSTM or GRU cells.

use super::cell::{Lengths, ReadingLayer};
use super::dropout::SequenceDropout;
use super::state::State;
use crate::model::ModelConfig;
use crate::model::kinds::wide;
use crate::model::mask;
use crate::model::mode::Mode;
use crate::model::parts::{Encoded, EncoderPart, SourceRows};
use crate::model::weights::Scope;
use tch::Tensor;

/// `encoder_layers` layers. Sentences of different lengths are packed, so that padding is neither read nor computed.
///
/// # Source
/// Bahdanau et al. 2015, A.2.1; Wu et al. 2016, §3.1 and 3.2 (residual connections, one layer in both directions).
#[derive(Debug)]
pub struct RecurrentEncoder {
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    reading: ReadingLayer,
    /// Dropout on the layer's input; absent in the first layer, where the embedded source has its own.
    dropout: Option<SequenceDropout>,
    adds_input: bool,
}

impl RecurrentEncoder {
    pub fn build(scope: &Scope, config: &ModelConfig) -> Self {
        let recurrent = &config.recurrent;
        let layer = |index: usize| {
            let scope = scope.child(index);
            let inputs = recurrent.encoder_layer_inputs(index, config.d_model);
            let dropout =
                SequenceDropout::build(&scope.child("dropout"), config.dropout, recurrent.dropout_masks);
            Layer {
                reading: ReadingLayer::build(&scope, inputs, recurrent.reads_both_ways(index), recurrent),
                dropout: (index > 0).then_some(dropout),
                adds_input: recurrent.adds_input(index),
            }
        };
        RecurrentEncoder { layers: (0..recurrent.encoder_layers).map(layer).collect() }
    }
}

impl EncoderPart for RecurrentEncoder {
    /// The recurrence of bfloat16 inputs is computed in float32.
    ///
    /// # Panics
    /// If rows hold several sentences; see [`takes_packed_rows`](EncoderPart::takes_packed_rows).
    fn encode(&self, x: Tensor, rows: SourceRows, mode: &Mode) -> Encoded {
        let SourceRows::Single(lengths) = rows else {
            panic!("a recurrent encoder reads one sentence a row")
        };
        let (kind, device, width) = (x.kind(), x.device(), x.size()[1]);
        let sorted = Lengths::of(lengths, width, device);
        let (mut output, mut last) = (wide(&x), Vec::new());
        for layer in &self.layers {
            let input = match &layer.dropout {
                Some(dropout) => dropout.forward(output, mode),
                None => output,
            };
            let run = layer.reading.read(&input, &sorted);
            output = if layer.adds_input { run.output + input } else { run.output };
            last.push(run.last);
        }
        let mask = mask::padding(lengths, width, kind, device);
        Encoded { output: output.to_kind(kind), embedded: x, mask, lengths: lengths.to_vec(), last }
    }
}

impl Encoded {
    /// Returns one vector for each sentence: the last state of the last layer or, for an encoder that is not recurrent,
    /// the mean of the states, in a kind for sums.
    ///
    /// # Shapes
    /// → [B, E].
    pub(super) fn summary(&self) -> Tensor {
        match self.last.last() {
            Some(State { hidden, .. }) => hidden.shallow_clone(),
            None => {
                let states = wide(&self.output);
                let (batch, length) = (states.size()[0], states.size()[1]);
                let real = self.mask.view([batch, length, 1]).eq(0.0).to_kind(states.kind());
                let count = real.sum_dim_intlist(1, false, None);
                // States at padding may be any numbers; they are multiplied by 0.
                (states * real).sum_dim_intlist(1, false, None) / count
            }
        }
    }
}
