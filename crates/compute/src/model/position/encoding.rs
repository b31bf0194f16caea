//! Positions on embeddings: the paper's sines and cosines (§3.5), tensor2tensor's, and a trained table.

use super::Places;
use crate::model::weights::Scope;
use crate::model::{ModelConfig, Position, init};
use std::cell::RefCell;
use tch::{Device, Kind, Tensor};

/// The vectors that are added to embeddings.
#[derive(Debug)]
pub enum PositionEncoding {
    /// A fixed table, which grows when a longer sequence comes.
    Fixed { formula: fn(i64, i64, i64) -> f64, d_model: i64, table: RefCell<Option<Tensor>> },
    /// A trained table.
    Learned { table: Tensor },
    /// Nothing is added.
    None,
}

impl PositionEncoding {
    pub fn build(scope: &Scope, config: &ModelConfig) -> Self {
        let fixed =
            |formula| PositionEncoding::Fixed { formula, d_model: config.d_model, table: RefCell::new(None) };
        match config.position {
            Position::Sinusoidal => fixed(interleaved),
            Position::SinusoidalHalves => fixed(halves),
            Position::Learned => PositionEncoding::Learned {
                table: scope.variable(
                    "weight",
                    &[config.learned_positions, config.d_model],
                    init::embedding(config),
                ),
            },
            Position::Relative(_) | Position::Rotary | Position::Alibi | Position::T5 | Position::None => {
                PositionEncoding::None
            }
        }
    }

    /// The first hook: adds the encoding of each token's position.
    ///
    /// # Shapes
    /// [B, T, D] → [B, T, D].
    ///
    /// # Panics
    /// If a learned table is shorter than a sequence; see [`PositionEncoding::limit`].
    pub fn on_embeddings(&self, x: Tensor, places: Places) -> Tensor {
        let length = x.size()[1];
        match places {
            Places::From(first) => match self.at_least(first + length, &x) {
                Some(table) => x + table.narrow(0, first, length),
                None => x,
            },
            Places::Within(_) => match self.at_least(length, &x) {
                Some(table) => {
                    x + Tensor::embedding(&table, &places.numbers(length, table.device()), -1, false, false)
                }
                None => x,
            },
        }
    }

    /// Returns the table, with at least `count` rows, in the number format of `x`; `None` if nothing is added.
    fn at_least(&self, count: i64, x: &Tensor) -> Option<Tensor> {
        match self {
            PositionEncoding::Fixed { formula, d_model, table } => {
                let mut table = table.borrow_mut();
                let rows = table.as_ref().map_or(0, |t| t.size()[0]);
                if rows < count {
                    let rows = count.max(2 * rows).max(64);
                    *table = Some(fixed_table(*formula, rows, *d_model, x.kind(), x.device()));
                }
                table.as_ref().map(Tensor::shallow_clone)
            }
            PositionEncoding::Learned { table } => Some(table.shallow_clone()),
            PositionEncoding::None => None,
        }
    }

    /// Returns the encodings of the first `rows` positions, [P, D]; `None` if nothing is added.
    pub fn table(&self, rows: i64, kind: Kind, device: Device) -> Option<Tensor> {
        match self {
            PositionEncoding::Fixed { formula, d_model, .. } => {
                Some(fixed_table(*formula, rows, *d_model, kind, device))
            }
            PositionEncoding::Learned { table } => Some(table.narrow(0, 0, rows)),
            PositionEncoding::None => None,
        }
    }

    /// Returns the length of the longest sequence that has an encoding; `None` if there is no limit.
    pub fn limit(&self) -> Option<i64> {
        match self {
            PositionEncoding::Learned { table } => Some(table.size()[0]),
            _ => None,
        }
    }
}

/// Computes the paper's formula: sin(pos / 10000^(2i/d)) in column 2i, cos of the same in column 2i + 1.
///
/// # Source
/// Vaswani et al. 2017, §3.5.
fn interleaved(position: i64, column: i64, d_model: i64) -> f64 {
    let angle = position as f64 / 10_000f64.powf((column / 2 * 2) as f64 / d_model as f64);
    if column % 2 == 0 { angle.sin() } else { angle.cos() }
}

/// Computes the released code's table: sines in the first half, cosines in the second, with wavelengths that grow with
/// exponent i / (d/2 - 1).
///
/// # Deviation
/// Differs from the paper's formula not only in the order of columns: the wavelengths differ as well.
fn halves(position: i64, column: i64, d_model: i64) -> f64 {
    let half = d_model / 2;
    let exponent = (column % half) as f64 / (half - 1).max(1) as f64;
    let angle = position as f64 / 10_000f64.powf(exponent);
    if column < half { angle.sin() } else { angle.cos() }
}

/// Returns a table [rows, D], computed in float64 and rounded once.
fn fixed_table(
    formula: fn(i64, i64, i64) -> f64,
    rows: i64,
    d_model: i64,
    kind: Kind,
    device: Device,
) -> Tensor {
    let values: Vec<f64> =
        (0..rows).flat_map(|row| (0..d_model).map(move |column| formula(row, column, d_model))).collect();
    Tensor::from_slice(&values).view([rows, d_model]).to_kind(kind).to_device(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sinusoids_follow_the_papers_formula() {
        let encoding =
            PositionEncoding::build(&Scope::shapes_only(), &ModelConfig { d_model: 6, ..Default::default() });
        let zeros = || Tensor::zeros([1, 1, 6], (Kind::Double, Device::Cpu));
        let row: Vec<f64> =
            Vec::try_from(encoding.on_embeddings(zeros(), Places::From(5)).flatten(0, -1)).unwrap();
        let third = 5.0 / 10_000f64.powf(2.0 / 6.0);
        let two_thirds = 5.0 / 10_000f64.powf(4.0 / 6.0);
        let expected = [5f64.sin(), 5f64.cos(), third.sin(), third.cos(), two_thirds.sin(), two_thirds.cos()];
        for (seen, wanted) in row.iter().zip(expected) {
            assert!((seen - wanted).abs() < 1e-15, "{row:?}");
        }
    }

    #[test]
    fn a_longer_table_keeps_its_first_rows() {
        let encoding =
            PositionEncoding::build(&Scope::shapes_only(), &ModelConfig { d_model: 8, ..Default::default() });
        let zeros = |n| Tensor::zeros([1, n, 8], (Kind::Float, Device::Cpu));
        let before = encoding.on_embeddings(zeros(10), Places::From(0));
        let _ = encoding.on_embeddings(zeros(500), Places::From(0));
        assert_eq!(before, encoding.on_embeddings(zeros(10), Places::From(0)));
        assert_eq!(encoding.on_embeddings(zeros(4), Places::From(6)), before.narrow(1, 6, 4));
    }

    #[test]
    fn positions_begin_anew_with_every_sentence() {
        let sentences = Tensor::from_slice(&[1i64, 1, 1, 2, 3, 3, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]).view([2, 8]);
        let positions: Vec<i64> =
            Vec::try_from(super::super::positions_within(&sentences).flatten(0, -1)).unwrap();
        assert_eq!(positions, [0, 1, 2, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7]);
        let encoding =
            PositionEncoding::build(&Scope::shapes_only(), &ModelConfig { d_model: 8, ..Default::default() });
        let zeros = |rows, length| Tensor::zeros([rows, length, 8], (Kind::Double, Device::Cpu));
        let table = encoding.on_embeddings(zeros(1, 8), Places::From(0)).squeeze_dim(0);
        let added = encoding.on_embeddings(zeros(2, 8), Places::Within(&sentences)).view([16, 8]);
        assert_eq!(added, table.index_select(0, &Tensor::from_slice(&positions)));
    }
}
