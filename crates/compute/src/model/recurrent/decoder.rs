//! The recurrent decoder (`model.decoder = "recurrent"`): whole sequences layer by layer if no result of a step feeds
//! the next one, otherwise step by step.

use super::alignment::{Scores, Source};
use super::cell::CellLayer;
use super::dropout::SequenceDropout;
use super::state::State;
use super::{Attend, Bridge, InputFeeding, Readout, RecurrentConfig};
use crate::model::ModelConfig;
use crate::model::kinds::{wide, wide_kind};
use crate::model::linear::Linear;
use crate::model::mode::Mode;
use crate::model::parts::{DecoderPart, DecodingState, Encoded, FirstRows, TargetRows};
use crate::model::weights::Scope;
use tch::Tensor;

/// `decoder_layers` layers of cells, attention to the source, and the readout.
///
/// # Source
/// Bahdanau et al. 2015, A.2.2; Luong et al. 2015, §3; Britz et al. 2017, §3.
#[derive(Debug)]
pub struct RecurrentDecoder {
    config: RecurrentConfig,
    layers: Vec<CellLayer>,
    /// Dropout on the input of each layer except the first.
    dropouts: Vec<SequenceDropout>,
    scores: Option<Scores>,
    /// The map of the attentional readout.
    readout: Option<Linear>,
    /// The map from the source to the first states of all layers, concatenated.
    bridge: Option<Linear>,
    /// W, the width of the hidden states.
    width: i64,
}

/// The form in which every step reads the source.
#[derive(Debug)]
enum Memory<'a> {
    /// States for attention.
    Attended(Source<'a>),
    /// One vector for each source, [B, E]; without an encoder an empty one, [B, 0].
    Summary(Tensor),
}

/// The results of a step that the next one reads.
#[derive(Debug)]
struct Carried {
    /// The state of each layer.
    states: Vec<State>,
    /// Additional input of the first layer beside the next token, [B, ·]; absent if there is none, or if the next step
    /// computes it.
    fed: Option<Tensor>,
}

/// The results of a step other than its states.
struct Step {
    /// The output of the last layer, [B, N].
    hidden: Tensor,
    /// The context, [B, E]; absent if nothing reads it.
    context: Option<Tensor>,
    /// The readout, [B, W]; absent if the next step does not read it.
    readout: Option<Tensor>,
    /// Weights of attention, [B, 1, S].
    weights: Option<Tensor>,
}

impl RecurrentDecoder {
    pub fn build(scope: &Scope, config: &ModelConfig) -> Self {
        let recurrent = config.recurrent.clone();
        let (hidden, states) = (recurrent.hidden, config.encoder_width());
        let layers = (0..recurrent.decoder_layers).map(|index| {
            let inputs = recurrent.decoder_layer_inputs(index, config.d_model, states);
            CellLayer::build(&scope.child(index), inputs, &recurrent)
        });
        let layers = layers.collect();
        let dropouts = (1..recurrent.decoder_layers).map(|index| {
            SequenceDropout::build(
                &scope.child(index).child("dropout"),
                config.dropout,
                recurrent.dropout_masks,
            )
        });
        RecurrentDecoder {
            layers,
            dropouts: dropouts.collect(),
            scores: Scores::build(&scope.child("attention"), config),
            readout: (recurrent.readout == Readout::Attentional)
                .then(|| Linear::glorot(&scope.child("readout"), states + hidden, config.d_model, true)),
            bridge: matches!(recurrent.bridge, Bridge::Linear | Bridge::Tanh)
                .then(|| Linear::glorot(&scope.child("bridge"), states, recurrent.bridge_width(), true)),
            width: config.softmax_width(),
            config: recurrent,
        }
    }

    fn memory(&self, rows: FirstRows) -> Memory<'_> {
        match (rows.encoded, &self.scores) {
            (Some(encoded), Some(scores)) => {
                Memory::Attended(scores.source(wide(&encoded.output), &encoded.mask))
            }
            (Some(encoded), None) => Memory::Summary(encoded.summary()),
            (None, _) => Memory::Summary(Tensor::zeros([rows.count, 0], (wide_kind(rows.kind), rows.device))),
        }
    }

    /// Returns the first states of all layers; zeros without an encoder.
    fn first_states(&self, rows: FirstRows) -> Vec<State> {
        let zeros = || {
            let (shape, kind) = ([rows.count, self.config.hidden], wide_kind(rows.kind));
            let state = |_: &CellLayer| State::zeros(self.config.cell, &shape, kind, rows.device);
            self.layers.iter().map(state).collect()
        };
        let Some(encoded) = rows.encoded else { return zeros() };
        match (self.config.bridge, &self.bridge) {
            (Bridge::Copy, _) => encoded.last.iter().map(|state| state.map(Tensor::shallow_clone)).collect(),
            (bridge, Some(linear)) => {
                let started = linear.forward(&encoded.summary());
                let started = if bridge == Bridge::Tanh { started.tanh() } else { started };
                let mut vectors = started.split(self.config.hidden, 1).into_iter();
                let mut next = || vectors.next().expect("the bridge is as wide as all states");
                let state = |_: &CellLayer| State {
                    hidden: next(),
                    memory: (self.config.cell.states() > 1).then(&mut next),
                };
                self.layers.iter().map(state).collect()
            }
            (_, None) => zeros(),
        }
    }

    /// Returns the additional input of the first layer at the first token.
    fn first_fed(&self, states: &[State], memory: &Memory) -> Option<Tensor> {
        let like = &states[0].hidden;
        let zeros = |width: i64| Tensor::zeros([like.size()[0], width], (like.kind(), like.device()));
        match (self.config.input_feeding, memory) {
            (InputFeeding::None, _) => None,
            (InputFeeding::Context, Memory::Summary(summary)) => Some(summary.shallow_clone()),
            (InputFeeding::Context, Memory::Attended(source)) => match self.config.attend {
                Attend::AfterStep => Some(zeros(source.width())),
                Attend::BeforeStep => None,
            },
            (InputFeeding::Readout, _) => Some(zeros(self.width)),
        }
    }

    /// # Shapes
    /// State of the last layer [B, N] → context [B, E], weights [B, 1, S].
    fn context(&self, hidden: &Tensor, memory: &Memory) -> (Option<Tensor>, Option<Tensor>) {
        match memory {
            _ if !self.config.reads_context() => (None, None),
            Memory::Summary(summary) => (Some(summary.shallow_clone()), None),
            Memory::Attended(source) => {
                let (context, weights) = source.attend(&hidden.unsqueeze(1));
                (Some(context.squeeze_dim(1)), Some(weights))
            }
        }
    }

    /// Computes one step of all layers.
    ///
    /// # Shapes
    /// Embedded token [B, D]; dropout masks for the inputs of the layers except the first, [B, N] each.
    fn step(
        &self,
        x: &Tensor,
        carried: &mut Carried,
        memory: &Memory,
        parameters: &[[Tensor; 4]],
        masks: &[Option<Tensor>],
    ) -> Step {
        let before = carried.states.last().expect("a decoder has layers");
        let asked_before =
            (self.config.attend == Attend::BeforeStep).then(|| self.context(&before.hidden, memory));
        let fed = match (self.config.input_feeding, &asked_before) {
            (InputFeeding::Context, Some((context, _))) => context.as_ref(),
            _ => carried.fed.as_ref(),
        };
        let mut input = match fed {
            Some(fed) => Tensor::cat(&[x, fed], 1),
            None => x.shallow_clone(),
        };
        for (index, layer) in self.layers.iter().enumerate() {
            if let Some(Some(mask)) = index.checked_sub(1).and_then(|above| masks.get(above)) {
                // Not in place: the state below is the same tensor.
                input = &input * mask;
            }
            let state = layer.step(&input, &carried.states[index], &parameters[index]);
            input = match self.config.adds_input(index) {
                true => &state.hidden + input,
                false => state.hidden.shallow_clone(),
            };
            carried.states[index] = state;
        }
        let (context, weights) = asked_before.unwrap_or_else(|| self.context(&input, memory));
        let readout = (self.config.input_feeding == InputFeeding::Readout)
            .then(|| self.read_out(x, context.as_ref(), &input));
        carried.fed = match self.config.input_feeding {
            InputFeeding::None => None,
            InputFeeding::Context => context.as_ref().map(Tensor::shallow_clone),
            InputFeeding::Readout => readout.as_ref().map(Tensor::shallow_clone),
        };
        Step { hidden: input, context, readout, weights }
    }

    /// Returns the hidden states before the softmax.
    ///
    /// # Shapes
    /// Embedded token [.., D], context [.., E], state [.., N] → [.., W].
    fn read_out(&self, x: &Tensor, context: Option<&Tensor>, hidden: &Tensor) -> Tensor {
        match (self.config.readout, context, &self.readout) {
            (Readout::Concatenated, Some(context), _) => Tensor::cat(&[x, context, hidden], -1),
            (Readout::Attentional, Some(context), Some(linear)) => {
                linear.forward(&Tensor::cat(&[context, hidden], -1)).tanh()
            }
            _ => hidden.shallow_clone(),
        }
    }

    /// Computes all positions, one after the other.
    ///
    /// # Shapes
    /// [B, T, D] → [B, T, W].
    fn step_by_step(&self, x: &Tensor, states: Vec<State>, memory: &Memory, mode: &Mode) -> Tensor {
        let fed = self.first_fed(&states, memory);
        let mut carried = Carried { states, fed };
        let parameters: Vec<[Tensor; 4]> = self.layers.iter().map(|layer| layer.parameters(x)).collect();
        let (rows, length) = (x.size()[0], x.size()[1]);
        let inner = x.narrow(2, 0, 1).expand([rows, length, self.config.hidden], false);
        let masks: Vec<Option<Tensor>> =
            self.dropouts.iter().map(|dropout| dropout.mask(&inner, mode)).collect();
        let (mut hidden, mut contexts, mut readouts) = (Vec::new(), Vec::new(), Vec::new());
        let mut alignments = Vec::new();
        for place in 0..length {
            let at = |mask: &Tensor| mask.select(1, if mask.size()[1] == 1 { 0 } else { place });
            let masks: Vec<Option<Tensor>> = masks.iter().map(|mask| mask.as_ref().map(at)).collect();
            let step = self.step(&x.select(1, place), &mut carried, memory, &parameters, &masks);
            hidden.push(step.hidden);
            contexts.extend(step.context);
            readouts.extend(step.readout);
            alignments.extend(step.weights);
        }
        if mode.records_attention() && !alignments.is_empty() {
            mode.record_attention(&Tensor::cat(&alignments, 1).unsqueeze(1));
        }
        if !readouts.is_empty() {
            return Tensor::stack(&readouts, 1);
        }
        // No step reads the readouts, so they are computed for all positions at once.
        let context = (!contexts.is_empty()).then(|| Tensor::stack(&contexts, 1));
        self.read_out(x, context.as_ref(), &Tensor::stack(&hidden, 1))
    }

    /// Computes all positions, layer by layer.
    ///
    /// # Shapes
    /// [B, T, D] → [B, T, W].
    fn layer_by_layer(&self, x: &Tensor, states: &[State], memory: &Memory, mode: &Mode) -> Tensor {
        let length = x.size()[1];
        let everywhere = |vector: &Tensor| {
            let (rows, width) = vector.size2().expect("a vector a row");
            vector.unsqueeze(1).expand([rows, length, width], false)
        };
        let mut hidden = match (self.config.input_feeding, memory) {
            (InputFeeding::Context, Memory::Summary(summary)) => Tensor::cat(&[x, &everywhere(summary)], 2),
            _ => x.shallow_clone(),
        };
        for (index, (layer, state)) in self.layers.iter().zip(states).enumerate() {
            if index > 0 {
                hidden = self.dropouts[index - 1].forward(hidden, mode);
            }
            let output = layer.over(&hidden, state);
            hidden = if self.config.adds_input(index) { output + hidden } else { output };
        }
        let context = match memory {
            _ if !self.config.reads_context() => None,
            Memory::Summary(summary) => Some(everywhere(summary)),
            Memory::Attended(source) => {
                let (context, weights) = source.attend(&hidden);
                mode.record_attention(&weights.unsqueeze(1));
                Some(context)
            }
        };
        self.read_out(x, context.as_ref(), &hidden)
    }
}

impl DecoderPart for RecurrentDecoder {
    /// The recurrence of bfloat16 inputs is computed in float32.
    ///
    /// # Panics
    /// If rows hold several sentences; see [`takes_packed_rows`](DecoderPart::takes_packed_rows).
    fn decode(&self, x: Tensor, rows: TargetRows, encoded: Option<&Encoded>, mode: &Mode) -> Tensor {
        assert!(matches!(rows, TargetRows::Single), "a recurrent decoder writes one sentence a row");
        let kind = x.kind();
        let rows = FirstRows { count: x.size()[0], kind, device: x.device(), encoded };
        let (x, memory, states) = (wide(&x), self.memory(rows), self.first_states(rows));
        let hidden = if self.config.is_stepwise() {
            self.step_by_step(&x, states, &memory, mode)
        } else {
            self.layer_by_layer(&x, &states, &memory, mode)
        };
        hidden.to_kind(kind)
    }

    fn start<'a>(&'a self, rows: FirstRows) -> Box<dyn DecodingState + 'a> {
        let (memory, states) = (self.memory(rows), self.first_states(rows));
        let fed = self.first_fed(&states, &memory);
        let parameters = self.layers.iter().map(|layer| layer.parameters(&states[0].hidden)).collect();
        Box::new(Decoding { decoder: self, memory, carried: Carried { states, fed }, parameters, length: 0 })
    }
}

/// Decoding with the states of the layers.
struct Decoding<'a> {
    decoder: &'a RecurrentDecoder,
    memory: Memory<'a>,
    carried: Carried,
    parameters: Vec<[Tensor; 4]>,
    length: i64,
}

impl DecodingState for Decoding<'_> {
    fn length(&self) -> i64 {
        self.length
    }

    fn step(&mut self, x: Tensor) -> Tensor {
        self.length += 1;
        let x = x.squeeze_dim(1);
        let step = self.decoder.step(&x, &mut self.carried, &self.memory, &self.parameters, &[]);
        let readout =
            step.readout.unwrap_or_else(|| self.decoder.read_out(&x, step.context.as_ref(), &step.hidden));
        readout.unsqueeze(1)
    }

    fn select(&mut self, rows: &[i64], same_sources: bool) {
        let rows = Tensor::from_slice(rows).to_device(self.carried.states[0].hidden.device());
        let select = |x: &Tensor| x.index_select(0, &rows);
        self.carried.states = self.carried.states.iter().map(|state| state.map(select)).collect();
        self.carried.fed = self.carried.fed.as_ref().map(select);
        if !same_sources {
            self.memory = match &self.memory {
                Memory::Attended(source) => Memory::Attended(source.select(&rows)),
                Memory::Summary(summary) => Memory::Summary(select(summary)),
            };
        }
    }
}
