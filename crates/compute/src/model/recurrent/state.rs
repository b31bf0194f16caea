//! What a layer of cells remembers from one step to the next.

use super::Cell;
use tch::{Device, Kind, Tensor};

/// The state of a layer.
#[derive(Debug)]
pub struct State {
    /// What the layer gives, [B, N].
    pub hidden: Tensor,
    /// The memory of LSTM cells, [B, N].
    pub memory: Option<Tensor>,
}

impl State {
    pub fn zeros(cell: Cell, rows: i64, hidden: i64, kind: Kind, device: Device) -> Self {
        let zeros = || Tensor::zeros([rows, hidden], (kind, device));
        State { hidden: zeros(), memory: (cell == Cell::Lstm).then(zeros) }
    }

    /// The same done to both vectors.
    pub fn map(&self, work: impl Fn(&Tensor) -> Tensor) -> Self {
        State { hidden: work(&self.hidden), memory: self.memory.as_ref().map(work) }
    }

    /// [directions, B, N] → [B, directions · N].
    pub fn unstacked(&self) -> Self {
        self.map(|x| Tensor::cat(&x.unbind(0), -1))
    }
}
