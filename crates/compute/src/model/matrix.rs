//! The matrix of an affine map, and a copy of it in the memory order in which its product is fastest.
//!
//! MKL multiplies a few dozen rows by Wᵀ up to twice as fast if W is stored column by column. During translation the
//! weights do not change, so such copies pay off. They are used only where they change no bit of the product on
//! processors with AVX-512, so results do not depend on them (`scripts/bench/layouts.py` measures both).

use super::kinds::like;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tch::Tensor;

/// The fewest rows for which the copy is used; with fewer rows the two orders round differently.
const FEWEST_ROWS: usize = 16;

/// The same with at least [`MANY_INPUTS`] inputs: for some smaller numbers of rows the two orders round differently.
const FEWEST_ROWS_OF_MANY_INPUTS: usize = 256;
const MANY_INPUTS: i64 = 1024;

/// A weight [out, in] by which rows are multiplied.
#[derive(Debug)]
pub struct Matrix {
    weight: Tensor,
    inputs: i64,
    resting: Resting,
}

/// Whether a weight rests, and its copy by columns. Shared by a [`Matrix`] and the [`Weights`](super::weights::Weights)
/// of the model, which know when they rest.
#[derive(Debug, Clone, Default)]
pub(super) struct Resting(Rc<CopyByColumns>);

#[derive(Debug, Default)]
struct CopyByColumns {
    may_be_made: Cell<bool>,
    made: RefCell<Option<Tensor>>,
}

impl Matrix {
    pub(super) fn new(weight: Tensor, resting: Resting) -> Self {
        Matrix { inputs: weight.size()[1], weight, resting }
    }

    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// Computes x Wᵀ + b, in the kind of `x`.
    ///
    /// # Shapes
    /// [.., in] and the bias [out] → [.., out].
    pub fn product(&self, x: &Tensor, bias: Option<&Tensor>) -> Tensor {
        let bias = bias.map(|bias| like(bias, x));
        if self.resting.0.may_be_made.get() && x.numel() / self.inputs as usize >= self.fewest_rows() {
            let mut copy = self.resting.0.made.borrow_mut();
            return x.linear(copy.get_or_insert_with(|| by_columns(&self.weight)), bias);
        }
        x.linear(&like(&self.weight, x), bias)
    }

    fn fewest_rows(&self) -> usize {
        if self.inputs >= MANY_INPUTS { FEWEST_ROWS_OF_MANY_INPUTS } else { FEWEST_ROWS }
    }
}

impl Resting {
    /// Allows to make and use a copy: the weight will not change until [`end`](Self::end).
    pub(super) fn begin(&self) {
        self.0.may_be_made.set(true);
    }

    pub(super) fn end(&self) {
        self.0.may_be_made.set(false);
        self.0.made.replace(None);
    }
}

/// Returns the same matrix, stored column by column.
fn by_columns(weight: &Tensor) -> Tensor {
    weight.detach().tr().contiguous().tr()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::weights::{Scope, Start};
    use tch::{Device, Kind};

    #[test]
    fn a_resting_matrix_gives_the_same_product_and_follows_its_weight_afterwards() {
        let scope = Scope::seeded(1, Kind::Float, Device::Cpu);
        let weight = scope.variable("weight", &[24, 64], Start::Normal { deviation: 0.1 });
        let matrix = scope.matrix(&weight);
        let weights = scope.into_weights();
        let bias = Tensor::arange(24, (Kind::Float, Device::Cpu));
        tch::no_grad(|| {
            for rows in [1, FEWEST_ROWS as i64 - 1, FEWEST_ROWS as i64, 100] {
                let x = Tensor::randn([rows, 64], (Kind::Float, Device::Cpu));
                let moving = matrix.product(&x, Some(&bias));
                let at_rest = {
                    let _rest = weights.rest();
                    let product = matrix.product(&x, Some(&bias));
                    let copied = matrix.resting.0.made.borrow().is_some();
                    assert_eq!(copied, rows as usize >= FEWEST_ROWS, "{rows} rows");
                    product
                };
                let gap = (&at_rest - &moving).abs().max().double_value(&[]);
                assert!(gap < 1e-5, "{rows} rows: {gap:e}");
            }
            let mut weight = weight.shallow_clone();
            let _ = weight.zero_();
            let x = Tensor::ones([32, 64], (Kind::Float, Device::Cpu));
            let _rest = weights.rest();
            assert_eq!(matrix.product(&x, None).abs().max().double_value(&[]), 0.0);
        });
    }
}
