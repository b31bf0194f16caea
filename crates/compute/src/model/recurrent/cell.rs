//! One layer of LSTM or GRU cells in one direction, by libtorch's own kernels: for whole sequences or one step.

use super::state::State;
use super::{Cell, RecurrentConfig};
use crate::model::kinds::like;
use crate::model::weights::{Scope, Start};
use tch::{Device, Kind, Tensor};

/// Weights of a layer of cells in one direction.
///
/// The gates are in libtorch's order: input, forget, candidate, output of an LSTM; reset, update, candidate of a GRU.
#[derive(Debug)]
pub struct CellLayer {
    cell: Cell,
    hidden: i64,
    /// [gates · N, I]
    input_weight: Tensor,
    input_bias: Tensor,
    /// [gates · N, N]
    state_weight: Tensor,
    /// Absent if one bias serves both products.
    state_bias: Option<Tensor>,
}

/// The result of a layer for whole sequences.
#[derive(Debug)]
pub struct Run {
    /// [B, T, N], or [B, T, 2 N] for both directions.
    pub output: Tensor,
    /// The state behind the last word of each sequence, both directions side by side.
    pub last: State,
}

impl CellLayer {
    /// # Source
    /// Weights start uniform in ±1/√N, as in torch; biases start at 0, except those of forget gates.
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

    /// Returns weights and biases in the order of libtorch's functions, in the kind of `x`.
    pub fn parameters(&self, x: &Tensor) -> [Tensor; 4] {
        let state_bias = match &self.state_bias {
            Some(bias) => like(bias, x),
            None => Tensor::zeros(self.input_bias.size(), (x.kind(), x.device())),
        };
        [like(&self.input_weight, x), like(&self.state_weight, x), like(&self.input_bias, x), state_bias]
    }

    /// Computes one step.
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

    /// Computes all positions from the first to the last, padding included: it follows the real words, which cannot see
    /// it.
    ///
    /// # Shapes
    /// `x` [B, T, I], state [B, N] → [B, T, N].
    pub fn over(&self, x: &Tensor, start: &State) -> Tensor {
        run(x, &start.map(|x| x.unsqueeze(0)), &self.parameters(x), false).output
    }
}

/// A layer of the encoder, which reads in one direction or in both.
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

    /// Reads sequences. No result depends on padding.
    ///
    /// # Shapes
    /// `x` [B, S, I] → [B, S, N] or [B, S, 2 N], zeros at padding.
    pub fn read(&self, x: &Tensor, lengths: &Lengths) -> Run {
        let layers = std::iter::once(&self.forward).chain(&self.backward);
        let parameters: Vec<Tensor> = layers.flat_map(|layer| layer.parameters(x)).collect();
        let both = self.backward.is_some();
        let shape = [if both { 2 } else { 1 }, x.size()[0], self.forward.hidden];
        let start = State::zeros(self.forward.cell, &shape, x.kind(), x.device());
        let Some(sorted) = &lengths.sorted else {
            return run(x, &start, &parameters, both);
        };
        let (data, sizes) =
            x.index_select(0, &sorted.order).internal_pack_padded_sequence(&sorted.lengths, true);
        let train = records_gradients(x, &parameters);
        let (data, last) = match start.memory {
            None => {
                let (data, hidden) =
                    Tensor::gru_data(&data, &sizes, &start.hidden, &parameters, true, 1, 0.0, train, both);
                (data, State { hidden, memory: None })
            }
            Some(memory) => {
                let start = [start.hidden, memory];
                let (data, hidden, memory) =
                    Tensor::lstm_data(&data, &sizes, &start, &parameters, true, 1, 0.0, train, both);
                (data, State { hidden, memory: Some(memory) })
            }
        };
        let (output, _) = Tensor::internal_pad_packed_sequence(&data, &sizes, true, 0.0, x.size()[1]);
        let back = |x: &Tensor| x.index_select(0, &sorted.back);
        Run { output: back(&output), last: last.unstacked().map(back) }
    }
}

/// Runs whole sequences, padding included, from the state `start`, in one direction or in both.
///
/// # Shapes
/// `x` [B, T, I], state [directions, B, N].
fn run(x: &Tensor, start: &State, parameters: &[Tensor], both: bool) -> Run {
    let start = start.map(Tensor::contiguous);
    let train = records_gradients(x, parameters);
    let (output, hidden, memory) = match start.memory {
        None => {
            let (output, hidden) = x.gru(&start.hidden, parameters, true, 1, 0.0, train, both, true);
            (output, hidden, None)
        }
        Some(memory) => {
            let start = [start.hidden, memory];
            let (output, hidden, memory) = x.lstm(&start, parameters, true, 1, 0.0, train, both, true);
            (output, hidden, Some(memory))
        }
    };
    Run { output, last: State { hidden, memory }.unstacked() }
}

/// Returns whether a backward pass may follow a pass over `x`. On a GPU, only cells that are told to train keep the
/// tensors for it, which take memory. On a CPU both compute the same, because a layer has no dropout inside.
fn records_gradients(x: &Tensor, parameters: &[Tensor]) -> bool {
    // A weight requires a gradient even where no graph is recorded, but a result computed from it there does not.
    let number = Tensor::ones([], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let recorded = (&number + &number).requires_grad();
    recorded && parameters.iter().chain([x]).any(Tensor::requires_grad)
}

/// Lengths of a batch's sequences without padding, ready for packing.
#[derive(Debug)]
pub struct Lengths {
    /// Absent if all sequences are as long as the batch is wide: there is no padding.
    sorted: Option<Sorted>,
}

#[derive(Debug)]
struct Sorted {
    /// Lengths from the longest to the shortest, on the CPU.
    lengths: Tensor,
    /// The row at each place of this order.
    order: Tensor,
    /// The place of each row in this order.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise cuDNN refuses the backward pass: "cudnn RNN backward can only be called in training mode".
    #[test]
    fn cells_are_told_to_train_where_gradients_are_recorded_and_nowhere_else() {
        let scope = Scope::seeded(1, Kind::Float, Device::Cpu);
        let layer = CellLayer::build(&scope, 3, &RecurrentConfig { hidden: 4, ..Default::default() });
        let x = Tensor::ones([2, 5, 3], (Kind::Float, Device::Cpu));
        let parameters = layer.parameters(&x);
        assert!(records_gradients(&x, &parameters));
        assert!(!tch::no_grad(|| records_gradients(&x, &parameters)));
        let constant = layer.parameters(&x).map(|tensor| tensor.detach());
        assert!(!records_gradients(&x, &constant));
        assert!(records_gradients(&x.set_requires_grad(true), &constant));
    }
}
