//! One layer of LSTM or GRU cells in one direction, by libtorch's own kernels: whole sequences at once, or a step.

use super::state::State;
use super::{Cell, RecurrentConfig};
use crate::model::kinds::like;
use crate::model::weights::{Scope, Start};
use tch::{Device, Kind, Tensor};

/// Weights of a layer of cells in one direction.
///
/// The gates stand in libtorch's order: input, forget, candidate, output of an LSTM; reset, update, candidate of a GRU.
#[derive(Debug)]
pub struct CellLayer {
    cell: Cell,
    hidden: i64,
    /// [gates · N, I]
    input_weight: Tensor,
    input_bias: Tensor,
    /// [gates · N, N]
    state_weight: Tensor,
    /// Absent where one bias serves both products.
    state_bias: Option<Tensor>,
}

/// What a layer makes of whole sequences.
#[derive(Debug)]
pub struct Run {
    /// [B, T, N], or [B, T, 2 N] of both directions.
    pub output: Tensor,
    /// Behind the last word of each sequence, both directions side by side.
    pub last: State,
}

impl CellLayer {
    /// # Source
    /// Weights start uniform in ±1/√N, as in torch; biases start at 0 but for those of forget gates.
    pub fn build(scope: &Scope, inputs: i64, config: &RecurrentConfig) -> Self {
        let RecurrentConfig { cell, hidden, recurrent_biases, forget_bias, .. } = *config;
        let rows = cell.gates() * hidden;
        let weights = Start::Uniform { limit: (hidden as f64).powf(-0.5) };
        let bias = match cell {
            Cell::Gru => Start::Zeros,
            // The second of four gates.
            Cell::Lstm => {
                Start::ZerosBut { from: hidden as usize, to: 2 * hidden as usize, value: forget_bias }
            }
        };
        let (input, state) = (scope.child("input"), scope.child("state"));
        CellLayer {
            cell,
            hidden,
            input_weight: input.variable("weight", &[rows, inputs], weights),
            input_bias: input.bias("bias", &[rows], bias),
            state_weight: state.variable("weight", &[rows, hidden], weights),
            state_bias: recurrent_biases.then(|| state.bias("bias", &[rows], Start::Zeros)),
        }
    }

    /// Weights and biases as libtorch's functions take them, in the kind of `x`.
    pub fn parameters(&self, x: &Tensor) -> [Tensor; 4] {
        let state_bias = match &self.state_bias {
            Some(bias) => like(bias, x),
            None => Tensor::zeros(self.input_bias.size(), (x.kind(), x.device())),
        };
        [like(&self.input_weight, x), like(&self.state_weight, x), like(&self.input_bias, x), state_bias]
    }

    /// One step.
    ///
    /// # Shapes
    /// `x` [B, I], state [B, N].
    pub fn step(&self, x: &Tensor, state: &State, parameters: &[Tensor; 4]) -> State {
        let [input, recurrent, input_bias, state_bias] = parameters;
        let (input_bias, state_bias) = (Some(input_bias), Some(state_bias));
        match &state.memory {
            None => {
                let hidden = x.gru_cell(&state.hidden, input, recurrent, input_bias, state_bias);
                State { hidden, memory: None }
            }
            Some(memory) => {
                let (hidden, memory) =
                    x.lstm_cell(&[&state.hidden, memory], input, recurrent, input_bias, state_bias);
                State { hidden, memory: Some(memory) }
            }
        }
    }

    /// From the first position to the last, padding included, which nothing before it can see.
    ///
    /// # Shapes
    /// `x` [B, T, I], state [B, N] → [B, T, N].
    pub fn over(&self, x: &Tensor, start: &State) -> Tensor {
        run(self.cell, x, start, &self.parameters(x), false).output
    }

    /// The state before the first word: zeros.
    pub fn zeros(&self, rows: i64, kind: Kind, device: Device) -> State {
        State::zeros(self.cell, rows, self.hidden, kind, device)
    }
}

/// Layers of the encoder: one direction, or both.
#[derive(Debug)]
pub struct ReadingLayer {
    forward: CellLayer,
    backward: Option<CellLayer>,
}

impl ReadingLayer {
    pub fn build(scope: &Scope, inputs: i64, both: bool, config: &RecurrentConfig) -> Self {
        ReadingLayer {
            forward: CellLayer::build(&scope.child("forward"), inputs, config),
            backward: both.then(|| CellLayer::build(&scope.child("backward"), inputs, config)),
        }
    }

    /// Reads sequences; what is computed depends on no padding.
    ///
    /// # Shapes
    /// `x` [B, S, I] → [B, S, N] or [B, S, 2 N]; zeros where there is padding.
    pub fn read(&self, x: &Tensor, lengths: &Lengths) -> Run {
        let parameters: Vec<Tensor> = [Some(&self.forward), self.backward.as_ref()]
            .into_iter()
            .flatten()
            .flat_map(|layer| layer.parameters(x))
            .collect();
        let both = self.backward.is_some();
        let (cell, hidden) = (self.forward.cell, self.forward.hidden);
        let directions = if both { 2 } else { 1 };
        // Of both directions one behind the other: [directions, B, N].
        let zeros = || Tensor::zeros([directions, x.size()[0], hidden], (x.kind(), x.device()));
        let Some(sorted) = &lengths.sorted else {
            let start = State { hidden: zeros(), memory: (cell == Cell::Lstm).then(zeros) };
            return run_stacked(cell, x, &start, &parameters, both);
        };
        let (data, sizes) =
            x.index_select(0, &sorted.order).internal_pack_padded_sequence(&sorted.lengths, true);
        let (data, last) = match cell {
            Cell::Gru => {
                let (data, last) =
                    Tensor::gru_data(&data, &sizes, &zeros(), &parameters, true, 1, 0.0, false, both);
                (data, State { hidden: last, memory: None })
            }
            Cell::Lstm => {
                let (data, last, memory) = Tensor::lstm_data(
                    &data,
                    &sizes,
                    &[zeros(), zeros()],
                    &parameters,
                    true,
                    1,
                    0.0,
                    false,
                    both,
                );
                (data, State { hidden: last, memory: Some(memory) })
            }
        };
        let (output, _) = Tensor::internal_pad_packed_sequence(&data, &sizes, true, 0.0, x.size()[1]);
        let back = |x: &Tensor| x.index_select(0, &sorted.back);
        Run { output: back(&output), last: last.unstacked().map(back) }
    }
}

/// Whole sequences in one direction, from the state `start`.
fn run(cell: Cell, x: &Tensor, start: &State, parameters: &[Tensor], both: bool) -> Run {
    run_stacked(cell, x, &start.map(|x| x.unsqueeze(0)), parameters, both)
}

/// The same from states [directions, B, N].
fn run_stacked(cell: Cell, x: &Tensor, start: &State, parameters: &[Tensor], both: bool) -> Run {
    match (cell, &start.memory) {
        (Cell::Lstm, Some(memory)) => {
            let start = [&start.hidden, memory].map(Tensor::contiguous);
            let (output, hidden, memory) = x.lstm(&start, parameters, true, 1, 0.0, false, both, true);
            Run { output, last: State { hidden, memory: Some(memory) }.unstacked() }
        }
        _ => {
            let start = start.hidden.contiguous();
            let (output, hidden) = x.gru(&start, parameters, true, 1, 0.0, false, both, true);
            Run { output, last: State { hidden, memory: None }.unstacked() }
        }
    }
}

/// Real lengths of a batch's sequences, ready for packing.
#[derive(Debug)]
pub struct Lengths {
    /// Absent where all sequences are as long as the batch is wide: nothing is padding.
    sorted: Option<Sorted>,
}

#[derive(Debug)]
struct Sorted {
    /// From the longest to the shortest, on the CPU.
    lengths: Tensor,
    /// Which row stands at each place of this order.
    order: Tensor,
    /// At which place of this order each row stands.
    back: Tensor,
}

impl Lengths {
    pub fn of(lengths: &[i64], width: i64, device: Device) -> Self {
        if lengths.iter().all(|&length| length == width) {
            return Lengths { sorted: None };
        }
        let mut order: Vec<i64> = (0..lengths.len() as i64).collect();
        order.sort_by_key(|&row| std::cmp::Reverse(lengths[row as usize]));
        let mut back = vec![0i64; order.len()];
        for (place, &row) in order.iter().enumerate() {
            back[row as usize] = place as i64;
        }
        let sorted: Vec<i64> = order.iter().map(|&row| lengths[row as usize]).collect();
        Lengths {
            sorted: Some(Sorted {
                lengths: Tensor::from_slice(&sorted),
                order: Tensor::from_slice(&order).to_device(device),
                back: Tensor::from_slice(&back).to_device(device),
            }),
        }
    }
}
