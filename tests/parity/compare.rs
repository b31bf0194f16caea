//! Tolerances of the comparisons, and the gaps that are recorded.

use crate::common::gaps::Gap;
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

/// Kind of a number with respect to rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantity {
    Output,
    Gradient,
    /// A gradient that is 0 up to rounding, such as that of a key's bias, which adds the same to all scores of a query.
    ZeroGradient,
    Loss,
    Perplexity,
    GradientNorm,
    LearningRate,
    /// Weights and moments that Adam computed from given gradients.
    Weight,
    /// Losses, norms and weights after updates of the model: each update goes on from the rounding of the
    /// one before, and Adam scales small gradients up.
    Trained,
    /// A weight after updates by the rounding of a [`Quantity::ZeroGradient`], scaled up to a full step.
    TrainedByRounding,
}

impl Quantity {
    /// Whether gaps are absolute, because the quantity consists of rounding.
    pub fn is_absolute(self) -> bool {
        matches!(self, Quantity::ZeroGradient | Quantity::TrainedByRounding)
    }
}

/// Returns the name of a quantity in the table, and its largest gaps in float64 and in float32. Most are
/// 3 to 10 times the largest that was seen.
///
/// Gaps are relative to the number itself or, in a tensor, to the mean absolute value of its numbers, except
/// for those that are [absolute](Quantity::is_absolute).
const fn row(quantity: Quantity) -> (&'static str, f64, f64) {
    match quantity {
        Quantity::Output => ("outputs", 1e-14, 5e-6),
        Quantity::Gradient => ("gradients", 1e-13, 3e-5),
        Quantity::ZeroGradient => ("gradients that are 0", 3e-15, 1e-6),
        Quantity::Loss => ("loss", 5e-15, 1e-6),
        Quantity::Perplexity => ("perplexity", 5e-15, 1e-6),
        Quantity::GradientNorm => ("gradient norm", 5e-15, 1e-6),
        Quantity::LearningRate => ("learning rate", 1e-15, 1e-15),
        Quantity::Weight => ("weights and moments", 4e-15, 4e-6),
        Quantity::Trained => ("after updates", 2e-14, 2e-5),
        // In float32 only rounding decides their direction, so they are not compared.
        Quantity::TrainedByRounding => {
            ("weights with gradients that are 0, after updates", 1e-9, f64::INFINITY)
        }
    }
}

/// Returns the largest gap allowed in arithmetic of `kind`.
pub fn tolerance(quantity: Quantity, kind: Kind) -> f64 {
    let (_, float64, float32) = row(quantity);
    match kind {
        Kind::Double => float64,
        _ => float32,
    }
}

/// The largest gaps of the cases so far, and the gaps beyond their tolerance.
pub struct Comparison {
    kind: Kind,
    largest: BTreeMap<Quantity, Seen>,
    pub mistakes: Vec<String>,
}

#[derive(Default)]
struct Seen {
    gap: f64,
    numbers: usize,
}

impl Comparison {
    pub fn new(kind: Kind) -> Self {
        Comparison { kind, largest: BTreeMap::new(), mistakes: Vec::new() }
    }

    pub fn mistake(&mut self, what: String) {
        self.mistakes.push(format!("{:?}: {what}", self.kind));
    }

    /// Compares a number, relative to itself.
    pub fn number(&mut self, quantity: Quantity, name: &str, ours: f64, theirs: f64) {
        self.gap(quantity, name, ours, theirs, theirs.abs());
    }

    /// Compares every number of a tensor, relative to their mean absolute value.
    pub fn tensor(&mut self, quantity: Quantity, name: &str, ours: &Tensor, shape: &[i64], theirs: &[f64]) {
        if ours.size() != shape {
            return self.mistake(format!("{name} is {:?}, not {shape:?}", ours.size()));
        }
        let ours = values(ours);
        let size = match quantity.is_absolute() {
            true => 1.0,
            false => theirs.iter().map(|v| v.abs()).sum::<f64>() / theirs.len() as f64,
        };
        for (index, (&ours, &theirs)) in ours.iter().zip(theirs).enumerate() {
            // Learning rates differ by orders of magnitude.
            let size = if quantity == Quantity::LearningRate { theirs.abs() } else { size };
            self.gap(quantity, &format!("{name}{:?}", indices(index, shape)), ours, theirs, size);
        }
    }

    /// Records a gap, relative to `size` unless that is 0.
    pub fn gap(&mut self, quantity: Quantity, name: &str, ours: f64, theirs: f64, size: f64) {
        let gap = if size > 0.0 { (ours - theirs).abs() / size } else { (ours - theirs).abs() };
        let seen = self.largest.entry(quantity).or_default();
        seen.numbers += 1;
        // Not `max`, which forgets NaN.
        if gap.is_nan() || gap > seen.gap {
            seen.gap = gap;
        }
        let limit = tolerance(quantity, self.kind);
        if gap.is_nan() || gap > limit {
            let what = row(quantity).0;
            self.mistake(format!("{what}: {name} is {ours:e}, not {theirs:e}: {gap:.1e} > {limit:e}"));
        }
    }

    /// Returns the largest gaps, for docs/parity.md.
    pub fn gaps(&self, what: &str, peer: &str, cases: usize) -> Vec<Gap> {
        let float = if self.kind == Kind::Double { "float64" } else { "float32" };
        let gap = |(&quantity, seen): (&Quantity, &Seen)| {
            let tolerance = tolerance(quantity, self.kind);
            let ok = seen.gap <= tolerance;
            let what = format!("{what}, {float}: {}", row(quantity).0);
            let cases = if cases == 1 { "1 case".into() } else { format!("{cases} cases") };
            let size = format!("{cases}, {} numbers", seen.numbers);
            Gap { what, peer: peer.to_string(), size, tolerance, gap: seen.gap, ok }
        };
        let compared = self.largest.iter().filter(|&(&q, _)| tolerance(q, self.kind).is_finite());
        compared.map(gap).collect()
    }
}

/// Fails with the first 40 mistakes, if there are any.
pub fn expect_none(mistakes: &[String]) {
    let first = mistakes[..mistakes.len().min(40)].join("\n");
    assert!(mistakes.is_empty(), "{} mistakes, the first:\n{first}", mistakes.len());
}

/// Returns the numbers of a tensor in order.
pub fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.detach().to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

/// Returns the place in a tensor of the number with position `index`.
fn indices(index: usize, shape: &[i64]) -> Vec<usize> {
    let mut rest = index;
    let mut indices: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&length| {
            let index = rest % length as usize;
            rest /= length as usize;
            index
        })
        .collect();
    indices.reverse();
    indices
}
