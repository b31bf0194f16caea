//! Values along an axis, series by series, with their spread: learning curves, scores along a swept setting or by
//! the length of sentences. Each line is named at its end, or in a legend below where names are long.

use super::font::{self, Weight};
use super::frame::{FONT, Legend, MARGIN, WIDTH, add_title, below_title, remark, width};
use super::mark::SeriesStyle;
use super::paint::Paint;
use super::scale::{Scale, plain};
use super::svg::{Anchor, Svg, line, number, path, text};
use std::fmt::Write;

/// Content of a chart.
#[derive(Debug, Clone)]
pub struct Chart {
    pub title: String,
    pub x: Horizontal,
    /// Label of the values, with their unit.
    pub y: String,
    /// Whether the values' axis is logarithmic.
    pub logarithmic: bool,
    /// Whether lines join the points of a series.
    pub joined: bool,
    pub series: Vec<Series>,
    /// Further values that the values' axis must include: those of charts that are read side by side.
    pub beside: Vec<f64>,
}

/// The axis below a chart.
#[derive(Debug, Clone)]
pub enum Horizontal {
    /// Numbers; curves with bands.
    Numbers { name: String, logarithmic: bool },
    /// Named places with a remark below each; points with bars. A point's `x` is the index of its place.
    Places { name: String, places: Vec<(String, String)> },
}

/// A line of a chart.
#[derive(Debug, Clone)]
pub struct Series {
    /// Empty if the line is alone in its picture.
    pub name: String,
    pub look: SeriesStyle,
    /// In order of ascending `x`.
    pub points: Vec<Point>,
}

/// A value with its spread.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub x: f64,
    /// The mean.
    pub y: f64,
    /// Standard deviation; absent for a single value.
    pub spread: Option<f64>,
    /// The values that the mean is of; shown beside points with bars.
    pub values: Vec<f64>,
}

/// Height of the plot itself.
const HEIGHT: f64 = 230.0;
/// Longest name that stands at the end of its line.
const LONGEST: f64 = 100.0;
/// Height of a name at the end of its line.
const LINE: f64 = FONT + 3.0;
/// Largest number of marks along a curve.
const MARKS: usize = 8;

/// Draws a chart. Points whose mean is not finite are left out.
pub fn chart(chart: &Chart) -> Svg {
    let mut chart = chart.clone();
    for series in &mut chart.series {
        series.points.retain(|point| point.y.is_finite() && point.x.is_finite());
    }
    let chart = &chart;
    let named = || chart.series.iter().filter(|series| !series.name.is_empty());
    let widest = named().map(|series| width(&series.name)).fold(0.0, f64::max);
    let at_ends = widest <= LONGEST && named().count() as f64 * LINE <= HEIGHT;
    let entries = named().filter(|_| !at_ends).map(|series| (series.name.as_str(), series.look));
    let legend = Legend::new(entries);
    let top = below_title(&chart.title) + FONT + 18.0;
    let values = chart.series.iter().flat_map(|series| extent(series, chart.logarithmic));
    let values = values.chain(chart.beside.iter().copied());
    let vertical = Scale::around(values, chart.logarithmic, (top + HEIGHT, top));
    let ticks = vertical.ticks();
    let left = MARGIN + 8.0 + ticks.iter().map(|(_, text)| width(text)).fold(0.0, f64::max);
    let right = WIDTH - MARGIN - if at_ends && widest > 0.0 { 26.0 + widest } else { 0.0 };
    let axis = Axis::new(chart, (left, right), top + HEIGHT);
    let mut svg = Svg::new(WIDTH, axis.bottom + legend.height + MARGIN, &description(chart));
    add_title(&mut svg, &chart.title);
    svg.add(remark(MARGIN, top - 10.0, Anchor::Start, &chart.y));
    for (value, words) in &ticks {
        let y = vertical.place(*value);
        svg.add(line(left, y, right, y).stroke(Paint::Grid, 1.0));
        svg.add(remark(left - 6.0, y + 0.36 * FONT, Anchor::End, words));
    }
    axis.add(&mut svg);
    legend.add(&mut svg, axis.bottom + 4.0, chart.joined);
    let horizontal = |value| axis.scale.place(value);
    let curves = matches!(chart.x, Horizontal::Numbers { .. });
    // Spreads lie behind all lines, and series 0, with which the others are compared, lies in front.
    for (index, series) in chart.series.iter().enumerate() {
        let aside = if curves { 0.0 } else { aside(index, chart.series.len()) };
        spread(&mut svg, series, curves, aside, &horizontal, &vertical);
    }
    let place = |point: &Point| (horizontal(point.x), vertical.place(point.y));
    for (index, series) in chart.series.iter().enumerate().rev() {
        let aside = if curves { 0.0 } else { aside(index, chart.series.len()) };
        let places: Vec<(f64, f64)> = series.points.iter().map(place).map(|(x, y)| (x + aside, y)).collect();
        if chart.joined && places.len() > 1 {
            let curve = path(&polyline(&places)).stroke(series.look.paint(), series.look.width());
            svg.add(series.look.dashed(curve).attribute("stroke-linejoin", "round"));
        }
        // Curves of many points are marked here and there, each at places of its own.
        let every = if curves && chart.joined { places.len().div_ceil(MARKS).max(1) } else { 1 };
        let first = if curves && chart.joined { index * every / chart.series.len().max(1) } else { 0 };
        for (point, (x, y)) in series.points.iter().zip(&places).skip(first).step_by(every) {
            let radius = if curves { 3.4 } else { 4.6 };
            svg.add(series.look.mark(*x, *y, radius).hint(&hint(series, point)));
        }
    }
    // A line without a name, alone in its picture, needs no label.
    let end = |series: &Series| {
        let named = at_ends && !series.name.is_empty();
        series.points.last().filter(|_| named).map(|point| vertical.place(point.y))
    };
    let ends: Vec<Option<f64>> = chart.series.iter().map(end).collect();
    for (index, y) in spaced(&ends, LINE, (top, top + HEIGHT)) {
        let Series { look, name, .. } = &chart.series[index];
        svg.add(look.mark(right + 16.0, y, 4.0));
        svg.add(text(right + 26.0, y + 0.36 * FONT, FONT, Anchor::Start, name));
    }
    svg
}

/// Returns the values that a series takes on the values' axis, with its spread.
pub fn extent(series: &Series, logarithmic: bool) -> impl Iterator<Item = f64> {
    series.points.iter().filter(|point| point.y.is_finite()).flat_map(move |point| {
        let spread = point.spread.unwrap_or(0.0);
        let low = if logarithmic { (point.y - spread).max(point.y / 2.0) } else { point.y - spread };
        [point.y, low, point.y + spread].into_iter().chain(point.values.iter().copied())
    })
}

/// The axis below a chart.
struct Axis {
    scale: Scale,
    /// Place, words and a remark.
    ticks: Vec<(f64, String, String)>,
    /// Words that do not fit beside each other are slanted.
    slanted: bool,
    name: String,
    ends: (f64, f64),
    y: f64,
    /// Lower end of the axis with its words.
    bottom: f64,
}

impl Axis {
    fn new(chart: &Chart, ends: (f64, f64), y: f64) -> Axis {
        let room = ends.1 - ends.0;
        let (scale, name, mut ticks) = match &chart.x {
            Horizontal::Numbers { name, logarithmic } => {
                let values = chart.series.iter().flat_map(|series| series.points.iter().map(|point| point.x));
                let scale = Scale::around(values, *logarithmic, ends);
                let tick = |(value, words)| (scale.place(value), words, String::new());
                (scale, name, scale.ticks().into_iter().map(tick).collect::<Vec<_>>())
            }
            Horizontal::Places { name, places } => {
                let count = places.len().max(1) as f64;
                // Without the room that numbers get: half a place at each end is enough.
                let inner = room / 1.12;
                let start = ends.0 + (room - inner) / 2.0;
                let reach = (start - 0.06 * inner, start + 1.06 * inner);
                let scale = Scale::around([-0.5, count - 0.5], false, reach);
                let tick = |(index, (words, remark)): (usize, &(String, String))| {
                    (scale.place(index as f64), words.clone(), remark.clone())
                };
                (scale, name, places.iter().enumerate().map(tick).collect())
            }
        };
        let gap = ticks.windows(2).map(|pair| pair[1].0 - pair[0].0).fold(room, f64::min);
        let wide = |(_, words, remark): &(f64, String, String)| width(words).max(width(remark));
        let slanted = ticks.iter().any(|tick| wide(tick) > gap - 6.0);
        let mut height = FONT + 5.0;
        if slanted {
            for (_, words, remark) in &mut ticks {
                let whole = if remark.is_empty() { words.clone() } else { format!("{words} ({remark})") };
                *words = font::shortened(&whole, FONT, Weight::Regular, LONGEST);
                remark.clear();
            }
            let longest = ticks.iter().map(|(_, words, _)| width(words)).fold(0.0, f64::max);
            height += longest * std::f64::consts::FRAC_1_SQRT_2;
        } else if ticks.iter().any(|(_, _, remark)| !remark.is_empty()) {
            height += FONT + 3.0;
        }
        Axis { scale, ticks, slanted, name: name.clone(), ends, y, bottom: y + height + FONT + 12.0 }
    }

    fn add(&self, svg: &mut Svg) {
        let Axis { y, ends: (left, right), .. } = *self;
        svg.add(line(left, y, right, y).stroke(Paint::Muted, 1.0));
        for (x, words, small) in &self.ticks {
            svg.add(line(*x, y, *x, y + 4.0).stroke(Paint::Muted, 1.0));
            let below = y + 5.0 + FONT;
            if self.slanted {
                svg.add(remark(*x + 4.0, below, Anchor::End, words).turned(-45.0, *x + 4.0, below));
            } else {
                svg.add(remark(*x, below, Anchor::Middle, words));
            }
            if !small.is_empty() {
                svg.add(text(*x, below + FONT + 3.0, FONT - 1.0, Anchor::Middle, small).fill(Paint::Muted));
            }
        }
        svg.add(text((left + right) / 2.0, self.bottom - 4.0, FONT, Anchor::Middle, &self.name));
    }
}

/// Draws the band around a curve, or bars with single values around points.
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
                    .filter_map(move |p| Some((horizontal(p.x), vertical.nearest(p.y + sign * p.spread?))))
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
            let (low, high) = (vertical.nearest(point.y - spread), vertical.nearest(point.y + spread));
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

/// Returns the horizontal shift of a series: series at one place stand side by side.
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

/// Returns the text that a pointer on a mark shows.
fn hint(series: &Series, point: &Point) -> String {
    let spread = point.spread.map_or(String::new(), |spread| format!(" ± {}", plain(spread)));
    let name = if series.name.is_empty() { String::new() } else { format!("{}: ", series.name) };
    format!("{name}{}{spread}", plain(point.y))
}

/// Describes the chart in words, for readers who cannot see it.
fn description(chart: &Chart) -> String {
    let ends = chart.series.iter().filter_map(|series| Some(hint(series, series.points.last()?)));
    format!("{}; {}; at the right end: {}", chart.title, chart.y, ends.collect::<Vec<_>>().join("; "))
}

/// Returns places for labels: as near as possible to the wanted ones, `distance` apart and within `room` if they fit.
fn spaced(wanted: &[Option<f64>], distance: f64, room: (f64, f64)) -> Vec<(usize, f64)> {
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
    // Each block leaves room for all labels above and below it, so that those which are moved inside meet no other.
    let mut places: Vec<(usize, f64)> = Vec::new();
    for (centre, members) in blocks {
        let half = distance * (members.len() - 1) as f64 / 2.0;
        let above = places.len();
        let below = labels.len() - above - members.len();
        let (least, most) = (room.0 + distance * above as f64, room.1 - distance * below as f64);
        let centre = centre.min(most - half).max(least + half);
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
            beside: Vec::new(),
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
    fn long_names_stand_in_a_legend_with_a_piece_of_their_line_and_charts_are_all_as_wide() {
        let mut long = curves(3);
        for (index, series) in long.series.iter_mut().enumerate() {
            series.name = format!("learning_rate_scale=0.{index}, position=sinusoidal");
        }
        let svg = chart(&long);
        assert_eq!((svg.width, chart(&curves(3)).width), (WIDTH, WIDTH));
        let text = svg.inline();
        let document = Document::parse(&text).unwrap();
        for series in &long.series {
            let node =
                document.descendants().find(|n| n.has_tag_name("text") && n.text() == Some(&series.name));
            let node = node.unwrap_or_else(|| panic!("{} is not in the legend", series.name));
            let y: f64 = node.attribute("y").unwrap().parse().unwrap();
            assert!(y > svg.height - 70.0, "the legend is below: {y} of {}", svg.height);
            let dashes = series.look.dashes();
            let dashes = (!dashes.is_empty()).then_some(dashes);
            let alike = document.descendants().filter(|n| {
                ["line", "path"].contains(&n.tag_name().name())
                    && n.attribute("stroke") == Some(&series.look.paint().light().hex())
                    && n.attribute("stroke-dasharray") == dashes
            });
            assert!(alike.count() >= 2, "a curve and its piece in the legend");
        }
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
    fn a_band_stays_within_its_chart() {
        let mut wide = curves(1);
        wide.series[0].points.iter_mut().for_each(|point| point.spread = Some(2.0 * point.y));
        let text = chart(&wide).inline();
        let document = Document::parse(&text).unwrap();
        let band = document.descendants().find(|n| n.attribute("fill-opacity") == Some("0.18")).unwrap();
        let lower: Vec<f64> = band
            .attribute("d")
            .unwrap()
            .split(['M', 'L', 'Z'])
            .filter_map(|place| place.split(' ').nth(1)?.parse().ok())
            .collect();
        let axis = document
            .descendants()
            .filter(|n| n.has_tag_name("line"))
            .filter_map(|n| n.attribute("y1")?.parse::<f64>().ok())
            .fold(0.0, f64::max);
        assert!(lower.len() > 30 && lower.iter().all(|y| *y <= axis), "{lower:?} below {axis}");
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

    #[test]
    fn labels_that_are_moved_into_the_chart_do_not_lie_on_others() {
        for wanted in [[214.0, 215.0, 216.0, 216.0, 217.0, 170.0], [1.0, 2.0, 2.0, 3.0, 3.0, 40.0]] {
            let places = spaced(&wanted.map(Some), 15.0, (0.0, 230.0));
            for pair in places.windows(2) {
                assert!(pair[1].1 - pair[0].1 >= 14.99, "{places:?}");
            }
            assert!(places.iter().all(|(_, place)| (0.0..=230.0).contains(place)), "{places:?}");
        }
    }
}
