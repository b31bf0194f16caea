//! The state of a layer of cells between two steps.

use super::Cell;
use tch::{Device, Kind, Tensor};

/// The state of a layer.
#[derive(Debug)]
pub struct State {
    /// The output of the layer, [B, N].
    pub hidden: Tensor,
    /// The memory of LSTM cells, [B, N].
    pub memory: Option<Tensor>,
}

impl State {
    /// Returns the state before the first word: vectors of zeros of this shape.
    pub fn zeros(cell: Cell, shape: &[i64], kind: Kind, device: Device) -> Self {
        let zeros = || Tensor::zeros(shape, (kind, device));
        State { hidden: zeros(), memory: (cell == Cell::Lstm).then(zeros) }
    }

    /// Applies `work` to both vectors.
    pub fn map(&self, work: impl Fn(&Tensor) -> Tensor) -> Self {
        State { hidden: work(&self.hidden), memory: self.memory.as_ref().map(work) }
    }

    /// Concatenates the states of the directions.
    ///
    /// # Shapes
    /// [directions, B, N] → [B, directions · N].
    pub fn unstacked(&self) -> Self {
        self.map(|x| Tensor::cat(&x.unbind(0), -1))
    }
}
