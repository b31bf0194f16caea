//! A report as tables: Markdown, LaTeX, CSV, and lines on a terminal.

use super::exponent::Exponent;
use super::layer::Layer;
use super::report::{Depth, Point, Quantity, Report, Variable};
use crate::error::Result;
use crate::results::render::csv::{number, text};
use crate::results::render::{Screen, latex as tex, markdown as md, text as screen_text};
use crate::results::sheet::{EMPTY, Heading, Line, Note, Sheet};
use crate::sequence::distinct;
use crate::telemetry::format::{bytes, counted, quantity, scientific, thousands};

/// Markdown: all tables, then the notes.
pub fn markdown(report: &Report) -> String {
    md::document(&sheets(report), &notes(report))
}

/// LaTeX for `\input`, as that of [`Tabulated::latex`](crate::results::render::Tabulated::latex).
pub fn latex(report: &Report) -> String {
    let caption = "Complexity of layers as stated (Vaswani et al. 2017, Table 1, and the papers of the later layers) and as \
                   measured.";
    let names = tex::Names { caption, label: "complexity", command: "complexity" };
    tex::document(&sheets(report), &notes(report), &names)
}

/// Text for a terminal.
pub fn terminal(report: &Report, screen: Screen) -> String {
    screen_text::document(&sheets(report), &notes(report), screen)
}

/// CSV: a line for each layer, width and length, at full precision. Seconds and bytes are per pass; cells without a
/// measurement are empty.
///
/// # Errors
/// None occurs for any report.
pub fn csv(report: &Report) -> Result<String> {
    let header = [
        "layer",
        "width",
        "length",
        "term FLOPs",
        "FLOPs",
        "forward seconds",
        "forward and backward seconds",
        "passes",
        "peak bytes",
    ];
    let mut records = vec![header.map(String::from).to_vec()];
    for point in &report.points {
        let measured = point.measured.as_ref();
        records.push(vec![
            point.layer.name().to_string(),
            point.width.to_string(),
            point.length.to_string(),
            number(Some(point.flops.term)),
            number(Some(point.flops.total)),
            number(measured.map(|found| found.forward_seconds)),
            number(measured.map(|found| found.training_seconds)),
            measured.map_or(String::new(), |found| found.passes.to_string()),
            measured.map_or(String::new(), |found| found.peak_bytes.to_string()),
        ]);
    }
    text(&records)
}

/// CSV: a line for each exponent, at full precision.
///
/// # Errors
/// None occurs for any report.
pub fn exponents_csv(report: &Report) -> Result<String> {
    let header = [
        "layer",
        "quantity",
        "variable",
        "at",
        "stated",
        "exponent",
        "standard error",
        "from",
        "to",
        "points",
    ];
    let mut records = vec![header.map(String::from).to_vec()];
    let mut add = |layer: Layer, quantity: &str, variable: &str, at: String, stated, found: &Exponent| {
        records.push(vec![
            layer.name().to_string(),
            quantity.to_string(),
            variable.to_string(),
            at,
            number(stated),
            number(Some(found.value)),
            number(found.standard_error),
            number(Some(found.from)),
            number(Some(found.to)),
            found.points.to_string(),
        ]);
    };
    for fit in &report.exponents {
        let [of_n, of_d] = fit.layer.stated().exponents;
        let (variable, at, stated) = match fit.variable {
            Variable::Length { width } => ("n", format!("d = {width}"), of_n),
            Variable::Width { length } => ("d", format!("n = {length}"), of_d),
        };
        // No publication states memory.
        let stated = (fit.quantity != Quantity::PeakBytes).then_some(stated);
        add(fit.layer, fit.quantity.name(), variable, at, stated, &fit.exponent);
    }
    for &layer in &report.request.layers {
        if let Some(found) = report.path_exponent(layer) {
            add(layer, "path", "n", String::new(), None, &found);
        }
    }
    text(&records)
}

/// All tables: published beside measured complexity, exponents of n and of d, paths, and the measurements.
fn sheets(report: &Report) -> Vec<Sheet> {
    let sheets = [
        overview(report),
        exponents_of_length(report),
        exponents_of_width(report),
        paths(report),
        by_length(report, "Milliseconds of a pass forward and backward", |point| {
            point.measured.map(|found| quantity(1e3 * found.training_seconds))
        }),
        by_length(report, "Milliseconds of a pass forward", |point| {
            point.measured.map(|found| quantity(1e3 * found.forward_seconds))
        }),
        by_length(report, "Most memory of tensors at once in a pass forward and backward", |point| {
            point.measured.map(|found| bytes(found.peak_bytes as f64))
        }),
        by_length(report, "Operations of a pass forward, by count", |point| {
            Some(scientific(point.flops.total))
        }),
    ];
    sheets.into_iter().filter(|sheet| !sheet.lines.is_empty()).collect()
}

/// Layer by layer: work, sequential operations and paths, as published and as measured.
fn overview(report: &Report) -> Sheet {
    let longest = report.paths.iter().map(|path| path.length).max();
    let mut headings = vec![
        layer_heading(),
        Heading::words("work, stated"),
        Heading::numbers("exponent of n"),
        Heading::numbers("exponent of d"),
        Heading::words("sequential, stated"),
        Heading::words("chain, measured"),
        Heading::words("path, stated"),
    ];
    if let Some(longest) = longest {
        headings.push(Heading::numbers(&format!("layers at n = {}", thousands(longest as u64))));
        headings.push(Heading::numbers("exponent of path"));
    }
    let widest = report.request.widths.last().copied().unwrap_or_default();
    let lines = report.request.layers.iter().map(|&layer| {
        let stated = layer.stated();
        let of_width = report.exponents.iter().find(|fit| {
            fit.layer == layer
                && fit.quantity == Quantity::TermFlops
                && matches!(fit.variable, Variable::Width { .. })
        });
        let of_length = report.exponent(layer, Variable::Length { width: widest }, Quantity::TermFlops);
        let depth = report.depths.iter().find(|depth| depth.layer == layer);
        let mut cells = vec![
            layer.name().to_string(),
            stated.work.to_string(),
            shown(of_length),
            shown(of_width.map(|fit| &fit.exponent)),
            stated.sequential.to_string(),
            depth.map_or(EMPTY.to_string(), chain),
            stated.path.to_string(),
        ];
        if let Some(longest) = longest {
            let found = report.paths.iter().find(|path| (path.layer, path.length) == (layer, longest));
            cells.push(found.map_or(EMPTY.to_string(), |path| thousands(path.layers as u64)));
            cells.push(shown(report.path_exponent(layer).as_ref()));
        }
        Line::plain(cells)
    });
    Sheet { title: "As stated, as counted and as found".into(), headings, keys: 1, lines: lines.collect() }
}

fn exponents_of_length(report: &Report) -> Sheet {
    let each = report.request.layers.iter().flat_map(|&layer| {
        report.request.widths.iter().map(move |&width| (layer, width, Variable::Length { width }))
    });
    exponents("Exponents of the length n", "d", each, 0, report)
}

fn exponents_of_width(report: &Report) -> Sheet {
    let each = report.request.layers.iter().filter_map(|&layer| {
        let length = report.exponents.iter().find_map(|fit| match fit.variable {
            Variable::Width { length } if fit.layer == layer => Some(length),
            _ => None,
        })?;
        Some((layer, length, Variable::Width { length }))
    });
    exponents("Exponents of the width d", "n", each, 1, report)
}

/// A line for each fit; layers without an exponent are left out.
fn exponents(
    title: &str,
    other: &str,
    each: impl Iterator<Item = (Layer, i64, Variable)>,
    stated: usize,
    report: &Report,
) -> Sheet {
    let mut headings = vec![
        layer_heading(),
        Heading::numbers(other),
        Heading::words("fitted over"),
        Heading::numbers("stated"),
    ];
    headings.extend(Quantity::ALL.map(|quantity| Heading::numbers(quantity.name())));
    let lines = each.filter_map(|(layer, at, variable)| {
        let range = report.exponent(layer, variable, Quantity::Flops)?;
        let [from, to] = [range.from, range.to].map(|x| thousands(x as u64));
        let mut cells = vec![
            layer.name().to_string(),
            thousands(at as u64),
            format!("{from} to {to}"),
            format!("{}", layer.stated().exponents[stated]),
        ];
        cells.extend(Quantity::ALL.map(|quantity| shown(report.exponent(layer, variable, quantity))));
        Some(Line::plain(cells))
    });
    Sheet { title: title.into(), headings, keys: 2, lines: lines.collect() }
}

/// The number of layers by length.
fn paths(report: &Report) -> Sheet {
    let mut lengths: Vec<i64> = report.paths.iter().map(|path| path.length).collect();
    lengths.sort_unstable();
    lengths.dedup();
    let mut headings = vec![layer_heading()];
    headings.extend(lengths.iter().copied().map(length_heading));
    let lines = report.request.layers.iter().filter_map(|&layer| {
        let of =
            |length: &i64| report.paths.iter().find(|path| (path.layer, path.length) == (layer, *length));
        lengths.iter().any(|length| of(length).is_some()).then_some(())?;
        let cell = |length| {
            of(length).map_or(EMPTY.to_string(), |path| match path.steps > path.layers {
                true => format!(
                    "{} × {}",
                    thousands(path.layers as u64),
                    thousands(path.steps as u64 / path.layers as u64)
                ),
                false => thousands(path.layers as u64),
            })
        };
        Some(Line::plain(std::iter::once(layer.name().to_string()).chain(lengths.iter().map(cell))))
    });
    let title = "Layers between two positions × steps of a layer, where it has several";
    Sheet { title: title.into(), headings, keys: 1, lines: lines.collect() }
}

/// A line for each layer and width, a column for each length.
fn by_length(report: &Report, title: &str, cell: impl Fn(&Point) -> Option<String>) -> Sheet {
    let mut headings = vec![layer_heading(), Heading::numbers("d")];
    let lengths = &report.request.lengths;
    headings.extend(lengths.iter().copied().map(length_heading));
    let mut lines = Vec::new();
    for &layer in &report.request.layers {
        let of_layer = report.request.widths.iter().filter_map(|&width| {
            let cells: Vec<Option<String>> =
                lengths.iter().map(|&length| report.point(layer, width, length).and_then(&cell)).collect();
            cells.iter().any(Option::is_some).then(|| {
                let texts = cells.into_iter().map(|cell| cell.unwrap_or_else(|| EMPTY.to_string()));
                let keys = [layer.name().to_string(), thousands(width as u64)];
                Line::plain(keys.into_iter().chain(texts))
            })
        });
        lines.extend(of_layer.collect::<Vec<_>>());
    }
    Sheet { title: title.into(), headings, keys: 2, lines }
}

/// Returns the notes below the tables: machine, sizes and how the numbers were found.
fn notes(report: &Report) -> Vec<Note> {
    let Report { provenance, request, .. } = report;
    let sizes = &request.sizes;
    let mut notes = vec![
        Note::text(format!(
            "Measured on one sentence in float32: {} ({}), {}, libtorch {}, ablate {} of commit {}. Heads {}, k {}, r \
             {}, Linformer's mixtures {}, BigBird's block {}.",
            provenance.device_name,
            provenance.device,
            counted(provenance.threads, "thread"),
            provenance.libtorch,
            provenance.ablate,
            provenance.commit,
            sizes.heads,
            sizes.kernel,
            sizes.radius,
            sizes.mixtures,
            sizes.block
        )),
        Note::text(format!(
            "Time is that of the fastest of {} passes, or of fewer where they took {} seconds. Memory is what tensors held at \
             once beyond the weights and their gradients, as libtorch's allocator counts it.",
            request.repeat, request.seconds
        )),
        Note::text(
            "Exponents are slopes of logarithms by least squares, of n over at most the four longest lengths, where the \
             leading term leads. Named term: the operations that the stated work names, by count; the first table has its \
             exponents. All operations: with the projections, n · d², which the statement leaves out.",
        ),
        Note::text(
            "Chain: the operations of a pass forward that follow on each other, counted in the graph that libtorch records. \
             Layers: the smallest number with which the gradients of the first, the middle and the last output reach all \
             inputs that they ever reach; the exponent of a path counts the steps of each layer.",
        ),
    ];
    let sources = distinct(report.stated.values().map(|stated| stated.source));
    notes.push(Note::text(format!("Stated: {}.", sources.join("; "))));
    if request.layers.contains(&Layer::NeuralGpu) {
        notes.push(Note::text("The Extended Neural GPU is not built here: its operations are counted."));
    }
    notes.extend(report.left_out.iter().map(|left| {
        Note::text(format!(
            "left out: {}, d = {}, n = {}: {}",
            left.layer.name(),
            thousands(left.width as u64),
            thousands(left.length as u64),
            left.reason
        ))
    }));
    notes
}

/// The heading of the column of layers, whose names may be broken into several lines.
fn layer_heading() -> Heading {
    Heading { wraps: true, ..Heading::words("layer") }
}

fn length_heading(length: i64) -> Heading {
    Heading::numbers(&format!("n = {}", thousands(length as u64)))
}

/// The operations that follow on each other, as a line over n; where they are none, at each length.
fn chain(depth: &Depth) -> String {
    match depth.line {
        Some((constant, 0.0)) => format!("{constant}"),
        Some((constant, for_each)) if constant < 0.0 => format!("{for_each} n − {}", -constant),
        Some((constant, for_each)) => format!("{constant} + {for_each} n"),
        None => {
            let found: Vec<String> =
                depth.found.iter().map(|(length, depth)| format!("{depth} at {length}")).collect();
            found.join(", ")
        }
    }
}

/// `1.98`, with its standard error if that is at least 0.005: `1.42 ± 0.11`.
fn shown(found: Option<&Exponent>) -> String {
    let Some(Exponent { value, standard_error, .. }) = found else { return EMPTY.to_string() };
    // Avoids "-0.00".
    let value = if value.abs() < 0.005 { 0.0 } else { *value };
    match standard_error {
        Some(error) if *error >= 0.005 => format!("{value:.2} ± {error:.2}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::examples::report;
    use super::*;

    const LAYERS: [Layer; 3] = [Layer::SelfAttention, Layer::Recurrent, Layer::NeuralGpu];

    fn example() -> Report {
        report(&LAYERS, &[64, 256], &[64, 128, 256, 512, 1_024, 2_048])
    }

    fn holds(text: &str, lines: &[&str]) {
        lines.iter().for_each(|line| assert!(text.lines().any(|found| found == *line), "{line}\nin\n{text}"));
    }

    #[test]
    fn markdown_has_the_statements_beside_what_was_found() {
        let text = markdown(&example());
        holds(
            &text,
            &[
                "| layer | work, stated | exponent of n | exponent of d | sequential, stated | chain, measured | path, stated | layers at n = 2,048 | exponent of path |",
                "| self-attention | O(n² · d) | 2.00 | 1.00 | O(1) | 9 | O(1) | 1 | 0.00 |",
                "| recurrent (LSTM) | O(n · d²) | 1.00 | 2.00 | O(n) | 5 + 6 n | O(n) | 1 | 1.00 |",
                "| Extended Neural GPU | O(k · n² · d²) | 2.00 | 2.00 | O(n) | – | O(n) | – | – |",
                "| self-attention | 256 | 512 to 2,048 | 2 | 2.00 | 1.66 ± 0.04 | 2.00 | 2.00 | 1.00 |",
                "| recurrent (LSTM) | 2,048 | 64 to 256 | 2 | 2.00 | 2.00 | 2.00 | 2.00 | 1.00 |",
                "| recurrent (LSTM) | 1 × 64 | 1 × 128 | 1 × 256 | 1 × 512 | 1 × 1,024 | 1 × 2,048 |",
                "left out: self-attention, d = 64, n = 1,048,576: it would need about 3.1 TiB",
            ],
        );
    }

    #[test]
    fn latex_is_recognised_and_holds_no_character_that_latex_lacks() {
        let text = latex(&example());
        assert!(tex::is_own(text.as_bytes()) && text.starts_with("% Made by `ablate complexity`."), "{text}");
        assert!(text.contains(r"O(n$^2$ $\cdot$ d)") && text.contains(r"\label{tab:complexity}"), "{text}");
        assert!(!text.contains("U+"), "{text}");
    }

    #[test]
    fn csv_has_every_point_and_every_exponent() {
        let report = example();
        let points = csv(&report).unwrap();
        assert_eq!(points.lines().count(), 1 + 3 * 2 * 6);
        holds(&points, &["Extended Neural GPU,256,64,4831838208,4831838208,,,,"]);
        let exponents = exponents_csv(&report).unwrap();
        assert_eq!(exponents.lines().count(), 1 + report.exponents.len() + 2);
        assert!(exponents.contains("self-attention,time with backward,n,d = 256,2,"), "{exponents}");
        assert!(exponents.contains("self-attention,memory,n,d = 256,,"), "{exponents}");
        assert!(exponents.contains("recurrent (LSTM),path,n,,,1,"), "{exponents}");
    }

    #[test]
    fn a_terminal_of_80_columns_holds_every_table() {
        let text = terminal(&example(), Screen { width: 80, bold: false });
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("Exponents of the width d"), "{text}");
    }
}
