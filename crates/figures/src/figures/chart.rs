//! Values along an axis, series by series, with their spread: learning curves, scores along a swept setting or by
//! the length of sentences. Each line is named at its end.

use super::font::{self, Weight};
use super::mark::SeriesStyle;
use super::paint::Paint;
use super::scale::{Scale, plain};
use super::svg::{Anchor, Svg, line, number, path, text};
use std::fmt::Write;

/// What a chart shows.
#[derive(Debug, Clone)]
pub struct Chart {
    pub title: String,
    pub x: Horizontal,
    /// What the values are, with their unit.
    pub y: String,
    /// The values' axis is logarithmic.
    pub logarithmic: bool,
    /// Points of a series are joined by lines.
    pub joined: bool,
    pub series: Vec<Series>,
}

/// The axis below a chart.
#[derive(Debug, Clone)]
pub enum Horizontal {
    /// Numbers; curves with bands.
    Numbers { name: String, logarithmic: bool },
    /// One place each, with a remark below; points with bars. A point's `x` is the index.
    Places { name: String, places: Vec<(String, String)> },
}

/// One line.
#[derive(Debug, Clone)]
pub struct Series {
    /// Empty if the line is alone in its picture.
    pub name: String,
    pub look: SeriesStyle,
    /// By ascending `x`.
    pub points: Vec<Point>,
}

/// A value with its spread.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub x: f64,
    /// The mean.
    pub y: f64,
    /// Standard deviation; absent of a single value.
    pub spread: Option<f64>,
    /// What the mean is of; shown behind points with bars.
    pub values: Vec<f64>,
}

const FONT: f64 = 12.0;
const TITLE: f64 = 14.0;
const MARGIN: f64 = 12.0;
/// The plot itself.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 300.0;
/// Longest name of a series.
const LONGEST: f64 = 200.0;
/// Marks along a curve, at most.
const MARKS: usize = 8;

/// Draws a chart. Points whose mean is not finite are left out.
pub fn chart(chart: &Chart) -> Svg {
    let mut chart = chart.clone();
    for series in &mut chart.series {
        series.points.retain(|point| point.y.is_finite() && point.x.is_finite());
    }
    let chart = &chart;
    let names: Vec<String> =
        chart.series.iter().map(|series| font::shortened(&series.name, FONT, LONGEST)).collect();
    let widest = names.iter().map(|name| font::width(name, FONT, Weight::Regular)).fold(0.0, f64::max);
    let top = MARGIN + TITLE + 2.0 * FONT + 14.0;
    let values = chart.series.iter().flat_map(|series| &series.points).flat_map(|point| {
        let spread = point.spread.unwrap_or(0.0);
        let low = if chart.logarithmic { (point.y - spread).max(point.y / 2.0) } else { point.y - spread };
        [point.y, low, point.y + spread].into_iter().chain(point.values.clone())
    });
    let vertical = Scale::around(values, chart.logarithmic, (top + HEIGHT, top));
    let ticks = vertical.ticks();
    let left = MARGIN
        + 8.0
        + ticks.iter().map(|(_, text)| font::width(text, FONT, Weight::Regular)).fold(0.0, f64::max);
    let plain_width = left + WIDTH + 14.0 + 14.0 + widest + MARGIN;
    let title_end = MARGIN + font::width(&chart.title, TITLE, Weight::Bold) + MARGIN;
    let remarks =
        matches!(&chart.x, Horizontal::Places { places, .. } if places.iter().any(|(_, r)| !r.is_empty()));
    let bottom = top + HEIGHT + 2.0 * FONT + 16.0 + if remarks { FONT + 3.0 } else { 0.0 };
    let mut svg = Svg::new(plain_width.max(title_end), bottom + MARGIN, &description(chart));
    svg.add(text(MARGIN, MARGIN + TITLE, TITLE, Anchor::Start, &chart.title).bold());
    svg.add(text(MARGIN, top - 10.0, FONT, Anchor::Start, &chart.y).fill(Paint::Muted));
    for (value, words) in &ticks {
        let y = vertical.place(*value);
        svg.add(line(left, y, left + WIDTH, y).stroke(Paint::Grid, 1.0));
        svg.add(text(left - 6.0, y + 0.36 * FONT, FONT, Anchor::End, words).fill(Paint::Muted));
    }
    let horizontal = horizontal_axis(&mut svg, chart, left, top + HEIGHT);
    let place = |point: &Point| (horizontal(point.x), vertical.place(point.y));
    let curves = matches!(chart.x, Horizontal::Numbers { .. });
    // Spreads lie behind all lines, and what the others are compared with lies in front.
    for (index, series) in chart.series.iter().enumerate() {
        let aside = if curves { 0.0 } else { aside(index, chart.series.len()) };
        spread(&mut svg, series, curves, aside, &horizontal, &vertical);
    }
    for (index, series) in chart.series.iter().enumerate().rev() {
        let aside = if curves { 0.0 } else { aside(index, chart.series.len()) };
        let places: Vec<(f64, f64)> = series.points.iter().map(place).map(|(x, y)| (x + aside, y)).collect();
        if chart.joined && places.len() > 1 {
            let curve = path(&polyline(&places)).stroke(series.look.paint(), series.look.width());
            let curve = match series.look.dashes() {
                "" => curve,
                dashes => curve.attribute("stroke-dasharray", dashes),
            };
            svg.add(curve.attribute("stroke-linejoin", "round"));
        }
        // Curves of many points are marked here and there, each at places of its own.
        let every = if curves { places.len().div_ceil(MARKS).max(1) } else { 1 };
        let first = if curves { index * every / chart.series.len().max(1) } else { 0 };
        for (point, (x, y)) in series.points.iter().zip(&places).skip(first).step_by(every) {
            let radius = if curves { 3.4 } else { 4.6 };
            svg.add(series.look.mark(*x, *y, radius).hint(&hint(series, point)));
        }
    }
    // A line without a name, alone in its picture, needs none.
    let end = |series: &Series| {
        series.points.last().filter(|_| !series.name.is_empty()).map(|point| vertical.place(point.y))
    };
    let ends: Vec<Option<f64>> = chart.series.iter().map(end).collect();
    let label_x = left + WIDTH + 14.0;
    for (index, y) in spaced(&ends, FONT + 3.0, (top, top + HEIGHT)) {
        let look = chart.series[index].look;
        svg.add(look.mark(label_x + 2.0, y, 4.0));
        svg.add(text(label_x + 12.0, y + 0.36 * FONT, FONT, Anchor::Start, &names[index]));
    }
    svg
}

/// The axis below; returns where its values lie.
fn horizontal_axis(svg: &mut Svg, chart: &Chart, left: f64, y: f64) -> impl Fn(f64) -> f64 + use<> {
    svg.add(line(left, y, left + WIDTH, y).stroke(Paint::Muted, 1.0));
    let mut mark = |x: f64, words: &str, remark: &str| {
        svg.add(line(x, y, x, y + 4.0).stroke(Paint::Muted, 1.0));
        svg.add(text(x, y + 5.0 + FONT, FONT, Anchor::Middle, words).fill(Paint::Muted));
        if !remark.is_empty() {
            svg.add(text(x, y + 8.0 + 2.0 * FONT, FONT - 1.0, Anchor::Middle, remark).fill(Paint::Muted));
        }
    };
    let mut name_y = y + 2.0 * FONT + 12.0;
    let (scale, name) = match &chart.x {
        Horizontal::Numbers { name, logarithmic } => {
            let values = chart.series.iter().flat_map(|series| series.points.iter().map(|point| point.x));
            let scale = Scale::around(values, *logarithmic, (left, left + WIDTH));
            scale.ticks().iter().for_each(|(value, words)| mark(scale.place(*value), words, ""));
            (scale, name)
        }
        Horizontal::Places { name, places } => {
            let count = places.len().max(1) as f64;
            let ends = [-0.5, count - 0.5];
            // Without the room that numbers get: half a place at each end is enough.
            let inner = WIDTH / 1.12;
            let start = left + (WIDTH - inner) / 2.0;
            let scale = Scale::around(ends, false, (start - 0.06 * inner, start + 1.06 * inner));
            let room = WIDTH / count - 6.0;
            for (index, (words, remark)) in places.iter().enumerate() {
                mark(scale.place(index as f64), &font::shortened(words, FONT, room), remark);
            }
            if places.iter().any(|(_, remark)| !remark.is_empty()) {
                name_y += FONT + 3.0;
            }
            (scale, name)
        }
    };
    svg.add(text(left + WIDTH / 2.0, name_y, FONT, Anchor::Middle, name));
    move |value| scale.place(value)
}

/// The band around a curve, or bars with single values around points.
fn spread(
    svg: &mut Svg,
    series: &Series,
    curves: bool,
    aside: f64,
    horizontal: &impl Fn(f64) -> f64,
    vertical: &Scale,
) {
    let paint = series.look.paint();
    if curves {
        // Where a single seed is left there is no spread, and the band is broken.
        for run in series.points.chunk_by(|a, b| a.spread.is_some() && b.spread.is_some()) {
            let edge = |sign: f64| {
                run.iter()
                    .filter_map(move |p| Some((horizontal(p.x), vertical.place(p.y + sign * p.spread?))))
            };
            let around: Vec<(f64, f64)> =
                edge(1.0).chain(edge(-1.0).collect::<Vec<_>>().into_iter().rev()).collect();
            if run.len() > 1 {
                let band = path(&(polyline(&around) + "Z")).fill(paint);
                svg.add(band.attribute("fill-opacity", "0.18"));
            }
        }
        return;
    }
    for point in &series.points {
        let x = horizontal(point.x) + aside;
        if let Some(spread) = point.spread {
            let (low, high) = (vertical.place(point.y - spread), vertical.place(point.y + spread));
            svg.add(line(x, low, x, high).stroke(paint, 1.6));
            for y in [low, high] {
                svg.add(line(x - 4.0, y, x + 4.0, y).stroke(paint, 1.6));
            }
        }
        if point.values.len() > 1 {
            for value in &point.values {
                let mark = SeriesStyle(0).mark(x + 9.0, vertical.place(*value), 2.0).fill(paint);
                svg.add(mark.attribute("fill-opacity", "0.6"));
            }
        }
    }
}

/// Series at one place stand side by side.
fn aside(index: usize, count: usize) -> f64 {
    (index as f64 - (count as f64 - 1.0) / 2.0) * (24.0 / count as f64).min(10.0)
}

fn polyline(places: &[(f64, f64)]) -> String {
    let mut data = String::new();
    for (index, (x, y)) in places.iter().enumerate() {
        let _ = write!(data, "{}{} {}", if index == 0 { "M" } else { "L" }, number(*x), number(*y));
    }
    data
}

/// What a pointer on a mark is told.
fn hint(series: &Series, point: &Point) -> String {
    let spread = point.spread.map_or(String::new(), |spread| format!(" ± {}", plain(spread)));
    let name = if series.name.is_empty() { String::new() } else { format!("{}: ", series.name) };
    format!("{name}{}{spread}", plain(point.y))
}

/// The whole chart in words, for those who cannot see it.
fn description(chart: &Chart) -> String {
    let ends = chart.series.iter().filter_map(|series| Some(hint(series, series.points.last()?)));
    format!("{}; {}; at the right end: {}", chart.title, chart.y, ends.collect::<Vec<_>>().join("; "))
}

/// Places for labels as near as may be to where they belong, `distance` apart and within `room` if they fit.
pub(super) fn spaced(wanted: &[Option<f64>], distance: f64, room: (f64, f64)) -> Vec<(usize, f64)> {
    let mut labels: Vec<(usize, f64)> =
        wanted.iter().enumerate().filter_map(|(index, place)| Some((index, (*place)?))).collect();
    labels.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    // Labels that touch form a block around their mean; blocks that then touch are joined.
    let mut blocks: Vec<(f64, Vec<usize>)> = Vec::new();
    for (index, place) in &labels {
        blocks.push((*place, vec![*index]));
        while let [.., (above, first), (below, second)] = &mut blocks[..] {
            let reach = distance * (first.len() + second.len()) as f64 / 2.0;
            if *below - *above >= reach {
                break;
            }
            let (a, b) = (first.len() as f64, second.len() as f64);
            *above = (*above * a + *below * b) / (a + b);
            first.append(second);
            blocks.pop();
        }
    }
    let mut places = Vec::new();
    for (centre, members) in blocks {
        let half = distance * (members.len() - 1) as f64 / 2.0;
        let centre = centre.min(room.1 - half).max(room.0 + half);
        for (nth, index) in members.into_iter().enumerate() {
            places.push((index, centre - half + nth as f64 * distance));
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use resvg::usvg::roxmltree::Document;

    fn curves(count: usize) -> Chart {
        let point = |x: usize, i: usize| Point {
            x: 100.0 * x as f64,
            y: 3.0 + i as f64 + 40.0 / (1.0 + x as f64),
            spread: (x > 0).then_some(0.5),
            values: Vec::new(),
        };
        let series = |i: usize| Series {
            name: format!("row {i}"),
            look: SeriesStyle(i),
            points: (0..20).map(|x| point(x, i)).collect(),
        };
        Chart {
            title: "Learning curves".into(),
            x: Horizontal::Numbers { name: "update".into(), logarithmic: false },
            y: "perplexity (dev)".into(),
            logarithmic: true,
            joined: true,
            series: (0..count).map(series).collect(),
        }
    }

    #[test]
    fn every_series_is_named_once_and_drawn_in_its_look() {
        let svg = chart(&curves(7));
        let text = svg.inline();
        let document = Document::parse(&text).unwrap();
        for index in 0..7 {
            let name = format!("row {index}");
            let named = document.descendants().filter(|n| n.has_tag_name("text") && n.text() == Some(&name));
            assert_eq!(named.count(), 1);
        }
        let lines: Vec<_> = document
            .descendants()
            .filter(|n| n.attribute("stroke-linejoin").is_some())
            .map(|n| (n.attribute("stroke"), n.attribute("stroke-dasharray")))
            .collect();
        assert_eq!(lines.len(), 7);
        for (index, look) in lines.iter().enumerate() {
            assert!(!lines[..index].contains(look), "{look:?} twice");
        }
        let bands = document.descendants().filter(|n| n.attribute("fill-opacity") == Some("0.18")).count();
        assert_eq!(bands, 7, "one band a series, though the first points have no spread");
    }

    #[test]
    fn a_series_without_a_name_has_neither_mark_nor_words_for_one() {
        let named = curves(1);
        let mut alone = named.clone();
        alone.series[0].name.clear();
        let [named, alone] = [named, alone].map(|curves| chart(&curves).inline());
        let elements =
            |text: &str| Document::parse(text).unwrap().descendants().filter(|n| n.is_element()).count();
        assert_eq!(elements(&alone), elements(&named) - 2, "the mark and the text at its end");
        assert!(!alone.contains(">: "), "no hint begins with a colon");
    }

    #[test]
    fn charts_of_nothing_and_of_strange_values_are_drawn() {
        let mut strange = curves(2);
        strange.series[0].points[3].y = f64::INFINITY;
        strange.series[1].points.clear();
        for chart_ in [Chart { series: Vec::new(), ..curves(0) }, strange, curves(30)] {
            let svg = chart(&chart_);
            Document::parse(&svg.to_text()).unwrap();
            assert!(!svg.inline().contains("NaN") && !svg.inline().contains("inf "), "{}", svg.inline());
            svg.to_png(1.0).unwrap();
        }
    }

    #[test]
    fn labels_keep_their_distance_and_their_order() {
        let wanted = [Some(50.0), Some(52.0), None, Some(51.0), Some(99.0), Some(10.0)];
        let places = spaced(&wanted, 10.0, (0.0, 100.0));
        assert_eq!(places.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [5, 0, 3, 1, 4]);
        for pair in places.windows(2) {
            assert!(pair[1].1 - pair[0].1 >= 9.99, "{places:?}");
        }
        assert!(places.iter().all(|(_, place)| (0.0..=100.0).contains(place)), "{places:?}");
    }
}
