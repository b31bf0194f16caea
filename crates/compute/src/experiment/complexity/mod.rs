//! `ablate complexity`: the cost of layers by length and width, the number of their operations that must follow each
//! other, and the number of layers between two positions.
//!
//! The measured layers are the models' own encoders with one layer, without the parts around it: nothing is rewritten here.

mod chain;
mod cost;
mod path;
mod single_layer;

use super::provenance::provenance;
use super::stopped;
use crate::complexity::{Layer, LeftOut, PathLength, Point, Report, Request};
use crate::config::experiment::RunConfig;
use crate::device;
use crate::error::Result;
use crate::signal::StopFlag;
use crate::telemetry::format::{bytes, counted, quantity, thousands};
use cost::{KIND, unless_out_of_memory};
use single_layer::SingleLayer;
use tch::Device;

/// The greatest length at which paths are measured: a convolution of three positions takes a thousand layers there.
const LONGEST_PATH: i64 = 1_024;

/// Index of the timed layer in a stack: the second, because the first of dilated convolutions has no gaps.
const TIMED: usize = 1;

/// Length of a first pass that shows how much memory a longer one will need.
const PROBE: i64 = 512;

/// Share of the free memory that a pass may be expected to take.
const SHARE: f64 = 0.8;

/// Makes the requested measurements; `tell` receives a line about each.
///
/// # Errors
/// If the device cannot be used, or if a signal stops the command. A measurement for which memory is not enough is no
/// error: the report lists it as left out.
pub fn measure(
    request: &Request,
    run: &RunConfig,
    stop: &StopFlag,
    tell: &mut dyn FnMut(&str),
) -> Result<Report> {
    let device = device::open_option(run)?;
    let (mut depths, mut paths, mut points, mut left_out) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for &layer in &request.layers {
        depths.extend(chain::measure(layer, &request.sizes)?);
        for &length in request.lengths.iter().filter(|&&length| length <= LONGEST_PATH) {
            let Some(layers) = path::layers_between_ends(layer, &request.sizes, length, stop)? else { break };
            let (length_text, path_text) = (thousands(length as u64), counted(layers, "layer"));
            tell(&format!("{}, n {length_text}: longest path {path_text}", layer.name()));
            let layers = layers as i64;
            let steps = depths.last().map_or(1, |depth| depth.steps(length));
            paths.push(PathLength { layer, length, layers, steps: layers * steps });
        }
        for &width in &request.widths {
            let found = of_width(request, layer, width, device, stop, tell)?;
            points.extend(found.0);
            left_out.extend(found.1);
        }
    }
    Ok(Report::of(provenance(device), request, points, left_out, depths, paths))
}

/// Measures all lengths of one layer and width, in the order of the request.
fn of_width(
    request: &Request,
    layer: Layer,
    width: i64,
    device: Device,
    stop: &StopFlag,
    tell: &mut dyn FnMut(&str),
) -> Result<(Vec<Point>, Vec<LeftOut>)> {
    let (mut points, mut left_out) = (Vec::new(), Vec::new());
    let sizes = &request.sizes;
    let longest = request.lengths.iter().copied().max().unwrap_or(PROBE).max(PROBE);
    let size = (width, longest);
    let too_large = SingleLayer::bytes(layer, sizes, size, TIMED, KIND).and_then(|own| too_much(own, device));
    let build = || Ok(SingleLayer::build(layer, sizes, size, TIMED, (KIND, device)));
    // The layer, or the reason why memory is not enough at any length; none if the layer is only counted.
    let mut built = match too_large {
        Some(reason) => Some(Err(reason)),
        None => if_memory_suffices(build)?.transpose(),
    };
    // A measured length and its bytes.
    let mut known: Option<(i64, u64)> = None;
    for &length in &request.lengths {
        let flops = layer.flops(sizes, width, length);
        if stop.is_raised() {
            return Err(stopped());
        }
        if let (Some(Ok(layer)), None, true) = (&built, known, length > PROBE) {
            let probing = Request { repeat: 1, ..request.clone() };
            match if_memory_suffices(|| cost::measure(layer, (PROBE, width), device, &probing))? {
                Ok(measured) => known = Some((PROBE, measured.peak_bytes)),
                Err(reason) => built = Some(Err(reason)),
            }
        }
        let found = match &built {
            None => {
                points.push(Point { layer, width, length, flops, measured: None });
                continue;
            }
            Some(Err(reason)) => Err(reason.clone()),
            Some(Ok(layer)) => match known.and_then(|known| refusal(known, length, device)) {
                Some(reason) => Err(reason),
                None => if_memory_suffices(|| cost::measure(layer, (length, width), device, request))?,
            },
        };
        let what = format!("{}, d {}, n {}", layer.name(), thousands(width as u64), thousands(length as u64));
        match found {
            Ok(measured) => {
                known = Some((length, measured.peak_bytes));
                let milliseconds = quantity(1e3 * measured.training_seconds);
                tell(&format!("{what}: {milliseconds} ms, {}", bytes(measured.peak_bytes as f64)));
                points.push(Point { layer, width, length, flops, measured: Some(measured) });
            }
            Err(reason) => {
                tell(&format!("{what}: left out: {reason}"));
                left_out.push(LeftOut { layer, width, length, reason });
            }
        }
    }
    Ok((points, left_out))
}

/// Returns the reason not to measure a sequence of `length`, from the bytes of a shorter one: memory grows at most with
/// the square of the length. On a GPU libtorch itself reports when memory is not enough.
fn refusal((shorter, taken): (i64, u64), length: i64, device: Device) -> Option<String> {
    too_much(taken as f64 * (length as f64 / shorter as f64).powi(2), device)
}

/// Returns the reason not to try a measurement that may need `expected` bytes: on a CPU, too much memory ends the process.
fn too_much(expected: f64, device: Device) -> Option<String> {
    let free = if device == Device::Cpu { device::available_memory()? } else { return None };
    (expected > SHARE * free as f64)
        .then(|| format!("it may need {} of memory, and {} are free", bytes(expected), bytes(free as f64)))
}

/// Returns the result of `work`, or the reason to leave it out.
fn if_memory_suffices<T>(work: impl FnOnce() -> Result<T>) -> Result<std::result::Result<T, String>> {
    Ok(unless_out_of_memory(work)?.map_err(|said| format!("memory was not enough: {said}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::complexity::{Quantity, Sizes, Variable};

    #[test]
    fn a_report_has_all_points_and_the_exponents_of_counted_bytes() {
        let layers = vec![Layer::SelfAttention, Layer::Recurrent, Layer::NeuralGpu];
        let sizes = Sizes { heads: 4, ..Sizes::default() };
        let request = Request {
            layers,
            widths: vec![8, 16],
            lengths: vec![64, 128, 256, 512],
            sizes,
            repeat: 1,
            seconds: 60.0,
        };
        let run = RunConfig { threads: 1, ..Default::default() };
        let mut told = 0;
        let report = measure(&request, &run, &StopFlag::never(), &mut |_| told += 1).unwrap();
        assert_eq!((report.points.len(), report.left_out.len()), (3 * 2 * 4, 0));
        assert_eq!((report.depths.len(), report.paths.len(), told), (2, 2 * 4, 2 * 4 + 2 * 2 * 4));
        let memory = |layer| {
            let variable = Variable::Length { width: 8 };
            report.exponent(layer, variable, Quantity::PeakBytes).unwrap().value
        };
        assert!((1.7..2.0).contains(&memory(Layer::SelfAttention)), "{}", memory(Layer::SelfAttention));
        assert!((0.7..1.1).contains(&memory(Layer::Recurrent)), "{}", memory(Layer::Recurrent));
        assert_eq!(report.path_exponent(Layer::SelfAttention).unwrap().value, 0.0);
        assert!((report.path_exponent(Layer::Recurrent).unwrap().value - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_width_that_does_not_fit_costs_no_other_measurement() {
        let request = Request {
            layers: vec![Layer::Recurrent],
            widths: vec![1 << 24, 8],
            lengths: vec![32, 64],
            sizes: Sizes::default(),
            repeat: 1,
            seconds: 60.0,
        };
        let run = RunConfig { threads: 1, ..Default::default() };
        let report = measure(&request, &run, &StopFlag::never(), &mut |_| ()).unwrap();
        let measured: Vec<_> = report.points.iter().map(|point| (point.width, point.length)).collect();
        assert_eq!(measured, [(8, 32), (8, 64)]);
        let left_out: Vec<_> = report.left_out.iter().map(|point| (point.width, point.length)).collect();
        assert_eq!(left_out, [(1 << 24, 32), (1 << 24, 64)]);
        assert!(report.left_out[0].reason.starts_with("it may need "), "{}", report.left_out[0].reason);
    }

    #[test]
    fn what_would_not_fit_is_left_out_with_both_sizes() {
        assert_eq!(refusal((512, 1 << 20), 1_024, Device::Cpu), None);
        let reason = refusal((512, 1 << 40), 1_024, Device::Cpu).unwrap();
        assert!(
            reason.starts_with("it may need 4.0 TiB of memory, and ") && reason.ends_with(" are free"),
            "{reason}"
        );
    }
}
