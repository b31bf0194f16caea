//! Position encodings (§3.5), chosen by `model.position`.

use super::init;
use super::weights::Scope;
use super::{ModelConfig, Position};
use std::cell::RefCell;
use tch::{Device, Kind, Tensor};

/// Adds word order to embeddings.
#[derive(Debug)]
pub enum PositionEncoding {
    /// A fixed table, made longer when a longer sequence comes.
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
            Position::None => PositionEncoding::None,
        }
    }

    /// Adds the encodings of positions `first`, `first + 1`, …
    ///
    /// # Shapes
    /// [B, T, D] → [B, T, D].
    ///
    /// # Panics
    /// If a learned table is shorter than `first` + T; [`PositionEncoding::limit`] tells.
    pub fn add(&self, x: Tensor, first: i64) -> Tensor {
        let length = x.size()[1];
        match self.at_least(first + length, &x) {
            Some(table) => x + table.narrow(0, first, length),
            None => x,
        }
    }

    /// Adds the encodings of positions 0, 1, … within each sentence of rows that hold several.
    ///
    /// # Shapes
    /// [B, T, D] and the numbers of the sentences [B, T], 0 for padding → [B, T, D].
    ///
    /// # Panics
    /// If a learned table is shorter than a sentence.
    pub fn add_within(&self, x: Tensor, sentences: &Tensor) -> Tensor {
        match self.at_least(x.size()[1], &x) {
            Some(table) => x + Tensor::embedding(&table, &positions_within(sentences), -1, false, false),
            None => x,
        }
    }

    /// The table, of `count` rows or more, for numbers like those of `x`; none if nothing is added.
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

    /// The encodings of the first `rows` positions, [P, D]; none if nothing is added.
    pub fn table(&self, rows: i64, kind: Kind, device: Device) -> Option<Tensor> {
        match self {
            PositionEncoding::Fixed { formula, d_model, .. } => {
                Some(fixed_table(*formula, rows, *d_model, kind, device))
            }
            PositionEncoding::Learned { table } => Some(table.narrow(0, 0, rows)),
            PositionEncoding::None => None,
        }
    }

    /// The longest sequence that has an encoding; absent: any.
    pub fn limit(&self) -> Option<i64> {
        match self {
            PositionEncoding::Learned { table } => Some(table.size()[0]),
            _ => None,
        }
    }
}

/// How far each position is from the beginning of its sentence; padding has 0 everywhere.
///
/// # Shapes
/// Numbers of the sentences [B, T] → [B, T].
fn positions_within(sentences: &Tensor) -> Tensor {
    let (rows, length) = sentences.size2().expect("rows of positions");
    let places = Tensor::arange(length, (Kind::Int64, sentences.device())).expand([rows, length], false);
    let before = sentences.narrow(1, 0, length - 1);
    let begins = sentences.narrow(1, 1, length - 1).ne_tensor(&before).constant_pad_nd([1, 0]);
    let (beginnings, _) = (&places * begins).cummax(1);
    (places - beginnings) * sentences.not_equal(0)
}

/// The paper's formula: sin(pos / 10000^(2i/d)) in column 2i, cos of the same in column 2i + 1.
///
/// # Source
/// Vaswani et al. 2017, §3.5.
fn interleaved(position: i64, column: i64, d_model: i64) -> f64 {
    let angle = position as f64 / 10_000f64.powf((column / 2 * 2) as f64 / d_model as f64);
    if column % 2 == 0 { angle.sin() } else { angle.cos() }
}

/// The released code's table: sines in the first half, cosines in the second, wavelengths
/// growing with exponent i / (d/2 - 1).
///
/// # Deviation
/// From the paper's formula, not only in column order: the wavelengths differ as well.
fn halves(position: i64, column: i64, d_model: i64) -> f64 {
    let half = d_model / 2;
    let exponent = (column % half) as f64 / (half - 1).max(1) as f64;
    let angle = position as f64 / 10_000f64.powf(exponent);
    if column < half { angle.sin() } else { angle.cos() }
}

/// [rows, D], computed in f64 and rounded once.
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
        let row: Vec<f64> = Vec::try_from(encoding.add(zeros(), 5).flatten(0, -1)).unwrap();
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
        let before = encoding.add(zeros(10), 0);
        let _ = encoding.add(zeros(500), 0);
        assert_eq!(before, encoding.add(zeros(10), 0));
        assert_eq!(encoding.add(zeros(4), 6), before.narrow(1, 6, 4));
    }

    #[test]
    fn positions_begin_anew_with_every_sentence() {
        let sentences = Tensor::from_slice(&[1i64, 1, 1, 2, 3, 3, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]).view([2, 8]);
        let positions: Vec<i64> = Vec::try_from(positions_within(&sentences).flatten(0, -1)).unwrap();
        assert_eq!(positions, [0, 1, 2, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7]);
        let encoding =
            PositionEncoding::build(&Scope::shapes_only(), &ModelConfig { d_model: 8, ..Default::default() });
        let zeros = |rows, length| Tensor::zeros([rows, length, 8], (Kind::Double, Device::Cpu));
        let table = encoding.add(zeros(1, 8), 0).squeeze_dim(0);
        let added = encoding.add_within(zeros(2, 8), &sentences).view([16, 8]);
        assert_eq!(added, table.index_select(0, &Tensor::from_slice(&positions)));
    }
}
