//! How word order enters (§3.5), chosen by `model.position`: three hooks, which every sequence meets and of which a
//! variant uses one.
//!
//! - on the embeddings: [`PositionEncoding::on_embeddings`];
//! - on the queries and keys of self-attention: [`AttentionPositions::on_queries_and_keys`];
//! - on its scores: [`AttentionPositions::on_scores`].

use super::init::{self, Attends};
use super::weights::Scope;
use super::{ModelConfig, Position};
use std::cell::RefCell;
use tch::{Device, Kind, Tensor};

/// Where the tokens of a sequence stand.
#[derive(Debug, Clone, Copy)]
pub enum Places<'a> {
    /// At `first`, `first + 1`, … in every row.
    From(i64),
    /// Counted anew within each sentence of rows that hold several: the numbers of the sentences [B, T], 0 for padding.
    Within(&'a Tensor),
}

impl Places<'_> {
    /// The position of each of `length` tokens: [1, T], or [B, T] where sentences are counted.
    fn numbers(self, length: i64, device: Device) -> Tensor {
        match self {
            Places::From(first) => {
                Tensor::arange_start(first, first + length, (Kind::Int64, device)).unsqueeze(0)
            }
            Places::Within(sentences) => positions_within(sentences),
        }
    }
}

/// What is added to embeddings.
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
            Position::Rotary | Position::Alibi | Position::None => PositionEncoding::None,
        }
    }

    /// The first hook: adds the encoding of each token's position.
    ///
    /// # Shapes
    /// [B, T, D] → [B, T, D].
    ///
    /// # Panics
    /// If a learned table is shorter than a sequence; [`PositionEncoding::limit`] tells.
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

/// What word order does inside of an attention layer. Between two sequences, as in attention to the encoder, positions
/// have no common axis, and nothing is done.
#[derive(Debug)]
pub struct AttentionPositions {
    kind: Position,
    heads: i64,
}

impl AttentionPositions {
    pub fn build(config: &ModelConfig, attends: Attends) -> Self {
        let kind = match attends {
            Attends::Itself => config.position,
            Attends::Encoder => Position::None,
        };
        AttentionPositions { kind, heads: config.heads }
    }

    /// The second hook: turns queries, or keys, by their position.
    ///
    /// # Shapes
    /// [B, T, H·K] → [B, T, H·K].
    ///
    /// # Source
    /// Su et al. 2021, eq. 34: numbers 2i and 2i + 1 of a head are a plane, turned by position · 10000^(-2i/K).
    pub fn on_queries_and_keys(&self, x: Tensor, places: Places) -> Tensor {
        match self.kind {
            Position::Rotary => {
                let (batch, length, width) = x.size3().expect("rows of positions");
                let d_k = width / self.heads;
                let angles =
                    places.numbers(length, x.device()).to_kind(Kind::Double).view([-1, length, 1, 1])
                        * frequencies(d_k).to_device(x.device());
                let (cosine, sine) = (angles.cos().to_kind(x.kind()), angles.sin().to_kind(x.kind()));
                let planes = x.view([batch, length, self.heads, d_k / 2, 2]);
                let (first, second) = (planes.select(-1, 0), planes.select(-1, 1));
                let turned = [&first * &cosine - &second * &sine, first * sine + second * cosine];
                Tensor::stack(&turned, -1).view([batch, length, width])
            }
            Position::Sinusoidal
            | Position::SinusoidalHalves
            | Position::Learned
            | Position::Alibi
            | Position::None => x,
        }
    }

    /// The third hook: what is added to the scores, in the kind of `like`; none if nothing is.
    ///
    /// # Shapes
    /// Places of T queries and S keys → [1 or B, H, T, S].
    ///
    /// # Source
    /// Press et al. 2022, §3: -slope · distance, with a slope for each head.
    ///
    /// # Deviation
    /// The paper has causal attention alone; an encoder is given the same penalty on both sides.
    pub fn on_scores(&self, queries: (Places, i64), keys: (Places, i64), like: &Tensor) -> Option<Tensor> {
        match self.kind {
            Position::Alibi => {
                let numbers = |(places, length): (Places, i64)| places.numbers(length, like.device());
                let distance = (numbers(queries).unsqueeze(2) - numbers(keys).unsqueeze(1)).abs();
                let slopes =
                    Tensor::from_slice(&slopes(self.heads)).view([-1, 1, 1]).to_device(like.device());
                Some((distance.unsqueeze(1).to_kind(Kind::Double) * -slopes).to_kind(like.kind()))
            }
            Position::Sinusoidal
            | Position::SinusoidalHalves
            | Position::Learned
            | Position::Rotary
            | Position::None => None,
        }
    }
}

/// 10000^(-2i/d_k) for each plane i: [K / 2].
fn frequencies(d_k: i64) -> Tensor {
    let values: Vec<f64> = (0..d_k / 2).map(|i| 10_000f64.powf(-2.0 * i as f64 / d_k as f64)).collect();
    Tensor::from_slice(&values)
}

/// The slope of each head: 2^(-8h/H) for h from 1 to H where H is a power of two; else those of the power of two below,
/// and between them every other one of the next power, as in the authors' code.
fn slopes(heads: i64) -> Vec<f64> {
    let of_power = |count: i64| (1..=count).map(move |h| 2f64.powf(-8.0 * h as f64 / count as f64));
    let power = 1 << heads.ilog2();
    of_power(power).chain(of_power(2 * power).step_by(2)).take(heads as usize).collect()
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
        let positions: Vec<i64> = Vec::try_from(positions_within(&sentences).flatten(0, -1)).unwrap();
        assert_eq!(positions, [0, 1, 2, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7]);
        let encoding =
            PositionEncoding::build(&Scope::shapes_only(), &ModelConfig { d_model: 8, ..Default::default() });
        let zeros = |rows, length| Tensor::zeros([rows, length, 8], (Kind::Double, Device::Cpu));
        let table = encoding.on_embeddings(zeros(1, 8), Places::From(0)).squeeze_dim(0);
        let added = encoding.on_embeddings(zeros(2, 8), Places::Within(&sentences)).view([16, 8]);
        assert_eq!(added, table.index_select(0, &Tensor::from_slice(&positions)));
    }

    /// The product of a turned query and a turned key depends on how far apart they stand, and on nothing else of them.
    #[test]
    fn turned_products_depend_on_the_distance_alone() {
        let config = ModelConfig { position: Position::Rotary, heads: 2, d_model: 12, ..Default::default() };
        let positions = AttentionPositions::build(&config, Attends::Itself);
        let numbers = |by: f64| (Tensor::arange(12, (Kind::Double, Device::Cpu)) * by).sin().view([1, 1, 12]);
        let product = |query: i64, key: i64| {
            let turned = |x, place| positions.on_queries_and_keys(x, Places::From(place));
            (turned(numbers(0.7), query) * turned(numbers(1.3), key)).sum(Kind::Double).double_value(&[])
        };
        assert!((product(3, 1) - product(10, 8)).abs() < 1e-12);
        assert!((product(3, 1) - product(3, 2)).abs() > 1e-3);
        // At the first position nothing is turned, and the first plane turns by a radian a position.
        let first = positions.on_queries_and_keys(numbers(0.7), Places::From(0));
        assert_eq!(first, numbers(0.7));
        let [x, y] = [0, 1].map(|i| numbers(0.7).double_value(&[0, 0, i]));
        let turned = positions.on_queries_and_keys(numbers(0.7), Places::From(1)).double_value(&[0, 0, 0]);
        assert!((turned - (x * 1f64.cos() - y * 1f64.sin())).abs() < 1e-15);
    }

    #[test]
    fn slopes_are_those_of_the_authors_code() {
        assert_eq!(slopes(8), [0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625]);
        let of_three = [0.0625, 0.00390625, 0.25];
        assert_eq!(slopes(3), of_three);
        let config = ModelConfig { position: Position::Alibi, heads: 8, ..Default::default() };
        let like = Tensor::zeros([1], (Kind::Float, Device::Cpu));
        let of = |attends| {
            AttentionPositions::build(&config, attends).on_scores(
                (Places::From(2), 1),
                (Places::From(0), 4),
                &like,
            )
        };
        let bias = of(Attends::Itself).unwrap();
        assert_eq!(bias.size(), [1, 8, 1, 4]);
        let first: Vec<f64> = bias.to_kind(Kind::Double).get(0).get(0).get(0).try_into().unwrap();
        assert_eq!(first, [-1.0, -0.5, 0.0, -0.5]);
        assert!(of(Attends::Encoder).is_none());
    }
}
