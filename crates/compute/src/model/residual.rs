//! The connection around every sub-layer (§3.1, §5.4), chosen by `model.norm` and `model.residual`.
//!
//! No other file knows the place of normalisation.

use super::dropout::Dropout;
use super::mode::Mode;
use super::norm::Normalisation;
use super::weights::Scope;
use super::{ModelConfig, Norm};
use tch::Tensor;

/// Adds a sub-layer's output to its input and normalises.
#[derive(Debug)]
pub struct Residual {
    norm: Normalisation,
    dropout: Dropout,
    place: Norm,
    adds_input: bool,
}

impl Residual {
    pub fn build(scope: &Scope, config: &ModelConfig) -> Self {
        Residual {
            norm: Normalisation::build(&scope.child("norm"), config),
            dropout: Dropout::build(&scope.child("dropout"), config.dropout),
            place: config.norm,
            adds_input: config.residual,
        }
    }

    /// Post: Norm(x + Dropout(f(x))). Pre: x + Dropout(f(Norm(x))). Without `model.residual` the term x is left out.
    ///
    /// # Shapes
    /// [B, T, D] → [B, T, D], and so for `sublayer`.
    pub fn forward(&self, x: &Tensor, mode: &Mode, sublayer: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
        let pass = |x: &Tensor| self.dropout.forward(sublayer(x), mode);
        let connect = |output: Tensor| if self.adds_input { x + output } else { output };
        match self.place {
            Norm::Post => self.norm.forward(&connect(pass(x)), mode),
            Norm::Pre => connect(pass(&self.norm.forward(x, mode))),
        }
    }
}

/// The end of a stack, after its last layer: a norm if the layers normalise first, otherwise nothing.
#[derive(Debug)]
pub struct StackEnd {
    norm: Option<Normalisation>,
}

impl StackEnd {
    pub fn build(scope: &Scope, config: &ModelConfig) -> Self {
        let norm = match config.norm {
            Norm::Post => None,
            Norm::Pre => Some(Normalisation::build(&scope.child("norm"), config)),
        };
        StackEnd { norm }
    }

    /// # Shapes
    /// [B, T, D] → [B, T, D].
    pub fn forward(&self, x: Tensor, mode: &Mode) -> Tensor {
        match &self.norm {
            Some(norm) => norm.forward(&x, mode),
            None => x,
        }
    }
}
