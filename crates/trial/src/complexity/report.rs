//! The report: all measurements, and the exponents that follow from them.

use super::exponent::{Exponent, exponent};
use super::layer::{Layer, LayerFlops, Stated};
use super::request::Request;
use crate::results::record::Provenance;
use serde::Serialize;
use std::collections::BTreeMap;

/// The measurements of one command, with everything derived from them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The command that made the file, for its readers.
    pub command: &'static str,
    pub provenance: Provenance,
    pub request: Request,
    /// The published complexity of each layer.
    pub stated: BTreeMap<Layer, Stated>,
    pub points: Vec<Point>,
    pub left_out: Vec<LeftOut>,
    pub depths: Vec<Depth>,
    pub paths: Vec<PathLength>,
    pub exponents: Vec<Fit>,
}

/// The counts and measurements of one layer of one width on one sequence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    pub layer: Layer,
    pub width: i64,
    pub length: i64,
    /// Operations of the pass forward; forward and backward are three times as many.
    pub flops: LayerFlops,
    /// `None` for a layer that is only counted.
    pub measured: Option<Measured>,
}

/// Time and memory of one pass through a layer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measured {
    /// Time of the fastest pass forward, which keeps the tensors that the pass backward needs.
    pub forward_seconds: f64,
    /// Time of the fastest pass forward and backward, to the gradients of the weights and of the input.
    pub training_seconds: f64,
    /// Passes that were timed.
    pub passes: usize,
    /// The most bytes that tensors held at once during a pass forward and backward, without weights, their gradients and the
    /// input.
    pub peak_bytes: u64,
}

/// A point that was not measured, and the reason.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeftOut {
    pub layer: Layer,
    pub width: i64,
    pub length: i64,
    pub reason: String,
}

/// The longest chain of dependent operations in a layer's pass forward.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Depth {
    pub layer: Layer,
    /// Pairs of the length of a sequence and the number of operations in its longest chain.
    pub found: Vec<(i64, i64)>,
    /// Operations at any length, and further ones for each position; `None` unless all of `found` lies on one line.
    pub line: Option<(f64, f64)>,
}

impl Depth {
    pub fn of(layer: Layer, found: Vec<(i64, i64)>) -> Depth {
        let line = match found[..] {
            [(first, at_first), .., (last, at_last)] if last > first => {
                let for_each = (at_last - at_first) as f64 / (last - first) as f64;
                let constant = at_first as f64 - for_each * first as f64;
                let lies_on =
                    |&(n, depth): &(i64, i64)| (constant + for_each * n as f64 - depth as f64).abs() < 1e-6;
                found.iter().all(lies_on).then_some((constant, for_each))
            }
            _ => None,
        };
        Depth { layer, found, line }
    }

    /// Steps of one layer over `length` positions: `length` if each position adds operations to the chain, else 1.
    pub fn steps(&self, length: i64) -> i64 {
        match self.line {
            Some((_, for_each)) if for_each > 0.0 => length,
            _ => 1,
        }
    }
}

/// The longest path between positions of a sequence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PathLength {
    pub layer: Layer,
    pub length: i64,
    /// The smallest number of stacked layers with which the first, the middle and the last position of the output have
    /// a gradient with respect to every position of the input that can reach them through any number of layers.
    pub layers: i64,
    /// Layers times the steps of each.
    pub steps: i64,
}

/// The measured or counted quantity that grows with a power of n or d.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Operations of the term that Table 1 names, by count.
    TermFlops,
    /// All operations, by count.
    Flops,
    ForwardSeconds,
    TrainingSeconds,
    PeakBytes,
}

impl Quantity {
    pub const ALL: [Quantity; 5] = [
        Quantity::TermFlops,
        Quantity::Flops,
        Quantity::ForwardSeconds,
        Quantity::TrainingSeconds,
        Quantity::PeakBytes,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Quantity::TermFlops => "named term",
            Quantity::Flops => "all operations",
            Quantity::ForwardSeconds => "time forward",
            Quantity::TrainingSeconds => "time with backward",
            Quantity::PeakBytes => "memory",
        }
    }

    pub fn of(self, point: &Point) -> Option<f64> {
        let measured = point.measured.as_ref();
        match self {
            Quantity::TermFlops => Some(point.flops.term),
            Quantity::Flops => Some(point.flops.total),
            Quantity::ForwardSeconds => measured.map(|found| found.forward_seconds),
            Quantity::TrainingSeconds => measured.map(|found| found.training_seconds),
            Quantity::PeakBytes => measured.map(|found| found.peak_bytes as f64),
        }
    }
}

/// The variable of a power law, and the size that stays fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Variable {
    /// n, at one width.
    Length { width: i64 },
    /// d, at one length.
    Width { length: i64 },
}

/// A fitted exponent, and the layer, variable and quantity that it belongs to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fit {
    pub layer: Layer,
    pub variable: Variable,
    pub quantity: Quantity,
    pub exponent: Exponent,
}

/// Most points of a fit over lengths. If lengths double, they span a factor of eight, more than call overhead hides.
const LONGEST: usize = 4;
/// Fewest points from which an exponent of n is fitted.
const LEAST: usize = 3;

impl Report {
    /// The report of these measurements, with its exponents.
    pub fn of(
        provenance: Provenance,
        request: &Request,
        points: Vec<Point>,
        left_out: Vec<LeftOut>,
        depths: Vec<Depth>,
        paths: Vec<PathLength>,
    ) -> Report {
        let exponents = fits(request, &points);
        let stated = request.layers.iter().map(|&layer| (layer, layer.stated())).collect();
        Report {
            command: "ablate complexity",
            provenance,
            request: request.clone(),
            stated,
            points,
            left_out,
            depths,
            paths,
            exponents,
        }
    }

    pub fn point(&self, layer: Layer, width: i64, length: i64) -> Option<&Point> {
        self.points.iter().find(|point| (point.layer, point.width, point.length) == (layer, width, length))
    }

    pub fn exponent(&self, layer: Layer, variable: Variable, quantity: Quantity) -> Option<&Exponent> {
        let is_it = |fit: &&Fit| (fit.layer, fit.variable, fit.quantity) == (layer, variable, quantity);
        self.exponents.iter().find(is_it).map(|fit| &fit.exponent)
    }

    /// The exponent of n of a layer's path, over the longest lengths that the layer computes in its final form.
    pub fn path_exponent(&self, layer: Layer) -> Option<Exponent> {
        let from = layer.form_from(&self.request.sizes);
        let of_layer = self.paths.iter().filter(|path| path.layer == layer && path.length >= from);
        let points: Vec<(f64, f64)> = of_layer.map(|path| (path.length as f64, path.steps as f64)).collect();
        if points.len() < LEAST { None } else { exponent(&points[points.len().saturating_sub(LONGEST)..]) }
    }
}

/// Fits all exponents: of n over the longest lengths of each width, from the length where the leading term dominates;
/// of d over all widths at the longest length that all of them have.
fn fits(request: &Request, points: &[Point]) -> Vec<Fit> {
    let mut fits = Vec::new();
    for &layer in &request.layers {
        for &width in &request.widths {
            let from = layer.asymptotic_from(&request.sizes, width);
            let is_of = |point: &&Point| (point.layer, point.width) == (layer, width) && point.length >= from;
            let all: Vec<&Point> = points.iter().filter(is_of).collect();
            let longest = &all[all.len().saturating_sub(LONGEST)..];
            if longest.len() >= LEAST {
                let variable = Variable::Length { width };
                fits.extend(of_quantities(layer, variable, longest, |point| point.length));
            }
        }
        let has_all = |length: &&i64| {
            let has = |width: &i64| {
                points
                    .iter()
                    .any(|point| (point.layer, point.width, point.length) == (layer, *width, **length))
            };
            request.widths.iter().all(has)
        };
        if let Some(&length) = request.lengths.iter().rev().find(has_all) {
            let at: Vec<&Point> =
                points.iter().filter(|point| (point.layer, point.length) == (layer, length)).collect();
            fits.extend(of_quantities(layer, Variable::Width { length }, &at, |point| point.width));
        }
    }
    fits
}

fn of_quantities(layer: Layer, variable: Variable, points: &[&Point], x: fn(&Point) -> i64) -> Vec<Fit> {
    let fit = |quantity: Quantity| {
        let pairs: Option<Vec<(f64, f64)>> =
            points.iter().map(|point| Some((x(point) as f64, quantity.of(point)?))).collect();
        Some(Fit { layer, variable, quantity, exponent: exponent(&pairs?)? })
    };
    Quantity::ALL.into_iter().filter_map(fit).collect()
}

/// Reports without measurements, for tests.
#[cfg(test)]
pub mod examples {
    use super::super::layer::Sizes;
    use super::*;

    /// A report with times of `(layer, width, length)` that follow the stated powers.
    pub fn report(layers: &[Layer], widths: &[i64], lengths: &[i64]) -> Report {
        let sizes = Sizes::default();
        let request = Request {
            layers: layers.to_vec(),
            widths: widths.to_vec(),
            lengths: lengths.to_vec(),
            sizes,
            repeat: 3,
            seconds: 1.0,
        };
        let mut points = Vec::new();
        for (&layer, &width) in layers.iter().flat_map(|layer| widths.iter().map(move |width| (layer, width)))
        {
            for &length in lengths {
                let [of_n, of_d] = layer.stated().exponents;
                let seconds = 1e-9 * (length as f64).powf(of_n) * (width as f64).powf(of_d);
                let measured = layer.config(&sizes, (width, length), 0).map(|_| Measured {
                    forward_seconds: seconds,
                    training_seconds: 3.0 * seconds,
                    passes: 3,
                    peak_bytes: (8 * length * width) as u64,
                });
                points.push(Point {
                    layer,
                    width,
                    length,
                    flops: layer.flops(&sizes, width, length),
                    measured,
                });
            }
        }
        let provenance = Provenance {
            ablate: "0.1.0".into(),
            commit: "0123abc".into(),
            libtorch: "2.11.0".into(),
            device: "cpu".into(),
            device_name: "AMD EPYC, AVX2".into(),
            threads: 2,
        };
        let measured = layers.iter().copied().filter(|layer| layer.config(&sizes, (8, 8), 0).is_some());
        let depths = measured
            .clone()
            .map(|layer| match layer {
                Layer::Recurrent => Depth::of(layer, vec![(16, 101), (32, 197), (48, 293)]),
                _ => Depth::of(layer, vec![(16, 9), (32, 9), (48, 9)]),
            })
            .collect();
        let paths = measured
            .flat_map(|layer| lengths.iter().map(move |&length| (layer, length)))
            .map(|(layer, length)| {
                let steps = if layer == Layer::Recurrent { length } else { 1 };
                PathLength { layer, length, layers: 1, steps }
            })
            .collect();
        let left_out = vec![LeftOut {
            layer: layers[0],
            width: widths[0],
            length: 1 << 20,
            reason: "it would need about 3.1 TiB".into(),
        }];
        Report::of(provenance, &request, points, left_out, depths, paths)
    }
}

#[cfg(test)]
mod tests {
    use super::examples::report;
    use super::*;

    #[test]
    fn exponents_are_those_of_the_longest_lengths_and_of_all_widths() {
        let lengths = [64, 128, 256, 512, 1_024, 2_048];
        let found = report(&[Layer::SelfAttention, Layer::Recurrent, Layer::NeuralGpu], &[64, 256], &lengths);
        for layer in [Layer::SelfAttention, Layer::Recurrent] {
            let [of_n, of_d] = layer.stated().exponents;
            let time = |variable| found.exponent(layer, variable, Quantity::TrainingSeconds).copied();
            let fitted = time(Variable::Length { width: 256 }).unwrap();
            assert!((fitted.value - of_n).abs() < 1e-9, "{fitted:?}");
            let fitted = time(Variable::Width { length: 2_048 }).unwrap();
            assert!((fitted.value - of_d).abs() < 1e-9, "{fitted:?}");
            assert_eq!((fitted.from, fitted.to, fitted.points), (64.0, 256.0, 2));
        }
        // At d = 256 attention's own products lead from n = 512 on; at d = 64 the longest four count.
        let range = |layer, width| {
            let fit = found.exponent(layer, Variable::Length { width }, Quantity::Flops).unwrap();
            (fit.from, fit.to, fit.points)
        };
        assert_eq!(range(Layer::SelfAttention, 256), (512.0, 2_048.0, 3));
        assert_eq!(range(Layer::SelfAttention, 64), (256.0, 2_048.0, 4));
        assert_eq!(range(Layer::Recurrent, 256), (256.0, 2_048.0, 4));
        // A layer that is only counted has exponents of counts alone.
        let variable = Variable::Length { width: 64 };
        assert!(found.exponent(Layer::NeuralGpu, variable, Quantity::ForwardSeconds).is_none());
        let counted = found.exponent(Layer::NeuralGpu, variable, Quantity::Flops).unwrap();
        assert!((counted.value - 2.0).abs() < 1e-9);
    }

    #[test]
    fn few_lengths_and_one_width_tell_no_exponent() {
        let found = report(&[Layer::Recurrent], &[64], &[64, 128]);
        assert_eq!(found.exponents, []);
    }

    #[test]
    fn a_chain_is_a_line_where_all_lengths_lie_on_one() {
        let depth = |found: &[(i64, i64)]| Depth::of(Layer::Recurrent, found.to_vec());
        let grows = depth(&[(16, 101), (32, 197), (48, 293)]);
        assert_eq!((grows.line, grows.steps(1_000)), (Some((5.0, 6.0)), 1_000));
        let stays = depth(&[(16, 9), (32, 9), (48, 9)]);
        assert_eq!((stays.line, stays.steps(1_000)), (Some((9.0, 0.0)), 1));
        assert_eq!(depth(&[(16, 9), (32, 10), (48, 9)]).line, None);
    }
}
