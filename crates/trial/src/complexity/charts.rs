//! The pictures of a report: time, memory and operations by length for each width, and paths.

use super::layer::Layer;
use super::report::{Point, Quantity, Report};
use crate::figures::mark::SeriesStyle;
use crate::figures::{Chart, Horizontal, Point as Mark, Series, Svg, chart};
use crate::telemetry::format::thousands;

/// A picture with the name of its file, without ending.
#[derive(Debug)]
pub struct Drawn {
    pub name: String,
    pub svg: Svg,
}

/// The charts drawn for each width: file name, quantity, title, unit of the vertical axis, and factor to that unit.
const OF_WIDTH: [(&str, Quantity, &str, &str, f64); 3] = [
    ("time", Quantity::TrainingSeconds, "Time of a pass forward and backward", "milliseconds", 1e3),
    ("memory", Quantity::PeakBytes, "Memory of a pass forward and backward", "MiB", 1.0 / (1 << 20) as f64),
    ("operations", Quantity::Flops, "Operations of a pass forward", "GFLOP", 1e-9),
];

/// All pictures that have a point.
pub fn charts(report: &Report) -> Vec<Drawn> {
    let mut drawn = Vec::new();
    for &(name, quantity, title, unit, scale) in &OF_WIDTH {
        for &width in &report.request.widths {
            let value = |point: &Point| quantity.of(point).map(|value| value * scale);
            let series = |layer: Layer| -> Vec<(i64, f64)> {
                let of_it = report.points.iter().filter(|point| (point.layer, point.width) == (layer, width));
                of_it.filter_map(|point| Some((point.length, value(point)?))).collect()
            };
            let title = format!("{title}, width {}", thousands(width as u64));
            drawn.extend(picture(report, &format!("{name}-d{width}"), &title, unit, series));
        }
    }
    let paths = |layer: Layer| -> Vec<(i64, f64)> {
        let of_it = report.paths.iter().filter(|path| path.layer == layer);
        of_it.map(|path| (path.length, path.steps as f64)).collect()
    };
    drawn.extend(picture(report, "paths", "Longest path between two positions", "steps", paths));
    drawn
}

/// Draws one chart. Both axes are logarithmic, so that a power is a straight line. `None` without a point.
fn picture(
    report: &Report,
    name: &str,
    title: &str,
    unit: &str,
    points: impl Fn(Layer) -> Vec<(i64, f64)>,
) -> Option<Drawn> {
    let series = |(index, &layer): (usize, &Layer)| {
        let mark = |(x, y): (i64, f64)| Mark { x: x as f64, y, spread: None, values: Vec::new() };
        Series {
            name: layer.name().to_string(),
            look: SeriesStyle(index),
            points: points(layer).into_iter().map(mark).collect(),
        }
    };
    let series: Vec<Series> = report
        .request
        .layers
        .iter()
        .enumerate()
        .map(series)
        .filter(|series| !series.points.is_empty())
        .collect();
    if series.is_empty() {
        return None;
    }
    let svg = chart(&Chart {
        title: title.to_string(),
        x: Horizontal::Numbers { name: "length n".into(), logarithmic: true },
        y: unit.to_string(),
        logarithmic: true,
        joined: true,
        series,
        beside: Vec::new(),
    });
    Some(Drawn { name: name.to_string(), svg })
}

#[cfg(test)]
mod tests {
    use super::super::report::examples::report;
    use super::*;

    #[test]
    fn every_width_has_its_pictures_and_each_layer_its_line() {
        let report = report(&[Layer::SelfAttention, Layer::NeuralGpu], &[64, 256], &[64, 128, 256]);
        let drawn = charts(&report);
        let names: Vec<&str> = drawn.iter().map(|drawn| drawn.name.as_str()).collect();
        let wanted = [
            "time-d64",
            "time-d256",
            "memory-d64",
            "memory-d256",
            "operations-d64",
            "operations-d256",
            "paths",
        ];
        assert_eq!(names, wanted);
        // For the layer that is only counted, only operations are drawn.
        let named = |index: usize| drawn[index].svg.inline().contains("Extended Neural GPU");
        assert!(!named(0) && named(4) && !named(6));
        assert!(drawn[0].svg.to_png(1.0).unwrap().width > 100);
    }
}
