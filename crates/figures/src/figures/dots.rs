//! Plots of one value per row, with its spread: names at the left, or above if they are long; values from left to right.

use super::font::{self, Weight};
use super::frame::{FONT, MARGIN, WIDTH, add_title, below_title, over_lines, remark, width};
use super::mark::SeriesStyle;
use super::paint::Paint;
use super::scale::{Scale, plain};
use super::svg::{Anchor, Svg, line, rectangle, text};

/// Content of a plot of dots.
#[derive(Debug, Clone)]
pub struct Dots {
    pub title: String,
    /// Label of the values.
    pub x: String,
    pub rows: Vec<Dot>,
    /// Index of the row that the others are compared with.
    pub base: Option<usize>,
    /// Text of the key below the picture, which explains the [`other`](Dot::other) values of the rows.
    pub other: Option<String>,
}

/// A row of a plot of dots.
#[derive(Debug, Clone)]
pub struct Dot {
    pub name: String,
    /// Whether a line stands above the row.
    pub rule: bool,
    /// The mean; if absent, only the name and the words are drawn.
    pub mean: Option<f64>,
    pub spread: Option<f64>,
    /// The values that the mean is of.
    pub values: Vec<f64>,
    /// A value from elsewhere to set beside the mean, with a mark of its own.
    pub other: Option<f64>,
    /// The value in words, at the right.
    pub words: String,
}

/// Height of a row without its name.
const ROW: f64 = 22.0;
/// The look of values from elsewhere.
const OTHER: SeriesStyle = SeriesStyle(2);
/// Longest name at the left.
const LONGEST: f64 = 120.0;

/// Draws a plot of dots: a mark for the mean, a bar for the spread, a small dot for every single value, another mark for a
/// value from elsewhere, and a line down from the row that the others are compared with.
pub fn dots(plot: &Dots) -> Svg {
    let widest = plot.rows.iter().map(|row| width(&row.name)).fold(0.0, f64::max);
    let above = widest > LONGEST;
    let left = if above { MARGIN + 6.0 } else { MARGIN + widest + 14.0 };
    let words = plot.rows.iter().map(|row| width(&row.words)).fold(0.0, f64::max);
    let right = WIDTH - MARGIN - 14.0 - words;
    let pitch = if above { ROW + FONT + 2.0 } else { ROW };
    let top = below_title(&plot.title) + 12.0;
    let height = pitch * plot.rows.len() as f64;
    let told: Vec<String> = plot.rows.iter().map(|row| format!("{} {}", row.name, row.words)).collect();
    let description = format!("{}; {}: {}", plot.title, plot.x, told.join("; "));
    let key = if plot.other.is_some() { FONT + 10.0 } else { 0.0 };
    let mut svg = Svg::new(WIDTH, top + height + 2.0 * FONT + 16.0 + key + MARGIN, &description);
    add_title(&mut svg, &plot.title);
    let values = plot.rows.iter().flat_map(|row| {
        let around = [-1.0, 1.0].map(|sign| Some(row.mean? + sign * row.spread.unwrap_or(0.0)));
        around.into_iter().flatten().chain(row.values.clone()).chain(row.other).collect::<Vec<_>>()
    });
    let scale = Scale::around(values, false, (left, right));
    let bottom = top + height;
    for (value, words) in scale.ticks() {
        let x = scale.place(value);
        svg.add(line(x, top, x, bottom).stroke(Paint::Grid, 1.0));
        svg.add(remark(x, bottom + 5.0 + FONT, Anchor::Middle, &words));
    }
    svg.add(line(left, bottom, right, bottom).stroke(Paint::Muted, 1.0));
    svg.add(text(WIDTH / 2.0, bottom + 2.0 * FONT + 12.0, FONT, Anchor::Middle, &plot.x));
    if let Some(other) = &plot.other {
        let y = bottom + 3.0 * FONT + 20.0;
        let start = (WIDTH - width(other)) / 2.0;
        svg.add(OTHER.mark(start - 10.0, y - 0.36 * FONT, 4.0));
        svg.add(text(start, y, FONT, Anchor::Start, other));
    }
    let base = plot.base.and_then(|index| plot.rows.get(index));
    if let Some(row) = base
        && let Some(mean) = row.mean
    {
        let x = scale.place(mean);
        if let Some(spread) = row.spread {
            let (low, high) = (scale.place(mean - spread), scale.place(mean + spread));
            let band = rectangle(low, top, high - low, height).fill(Paint::Ink);
            svg.add(band.attribute("fill-opacity", "0.08"));
        }
        svg.add(line(x, top, x, bottom).stroke(Paint::Ink, 1.0).attribute("stroke-dasharray", "4 3"));
    }
    for (index, row) in plot.rows.iter().enumerate() {
        let above_row = top + index as f64 * pitch;
        if row.rule {
            svg.add(line(MARGIN, above_row, WIDTH - MARGIN, above_row).stroke(Paint::Grid, 1.0));
        }
        let is_base = plot.base == Some(index);
        let y = above_row + pitch - ROW / 2.0;
        let name = if above {
            let weight = if is_base { Weight::Bold } else { Weight::Regular };
            let name = font::shortened(&row.name, FONT, weight, WIDTH - 2.0 * MARGIN);
            over_lines(text(MARGIN, above_row + FONT + 2.0, FONT, Anchor::Start, &name))
        } else {
            text(left - 14.0, y + 0.36 * FONT, FONT, Anchor::End, &row.name)
        };
        svg.add(if is_base { name.bold() } else { name });
        svg.add(text(WIDTH - MARGIN, y + 0.36 * FONT, FONT, Anchor::End, &row.words));
        let Some(mean) = row.mean else { continue };
        let look = SeriesStyle(if is_base { 0 } else { 1 });
        if let Some(spread) = row.spread {
            let (low, high) = (scale.place(mean - spread), scale.place(mean + spread));
            svg.add(line(low, y, high, y).stroke(look.paint(), 2.0));
            for x in [low, high] {
                svg.add(line(x, y - 4.0, x, y + 4.0).stroke(look.paint(), 2.0));
            }
        }
        if row.values.len() > 1 {
            for value in &row.values {
                let mark = SeriesStyle(0).mark(scale.place(*value), y - 7.5, 2.0).fill(look.paint());
                svg.add(mark.attribute("fill-opacity", "0.7"));
            }
        }
        let hint = format!("{}: {}", row.name, plain(mean));
        svg.add(look.mark(scale.place(mean), y, 5.0).hint(&hint));
        if let Some(other) = row.other {
            svg.add(OTHER.mark(scale.place(other), y, 4.0).hint(&plain(other)));
        }
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;
    use resvg::usvg::roxmltree::Document;

    fn row(name: &str, values: &[f64]) -> Dot {
        Dot {
            name: name.into(),
            rule: false,
            mean: (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64),
            spread: (values.len() > 1).then_some(0.4),
            values: values.to_vec(),
            other: None,
            words: if values.is_empty() { "–".into() } else { "x".into() },
        }
    }

    #[test]
    fn every_row_has_its_name_and_a_mark_if_it_has_a_value() {
        let rows = vec![row("base", &[25.0, 26.0]), row("one <head>", &[24.0]), row("to come", &[])];
        let plot = Dots { title: "BLEU".into(), x: "test BLEU".into(), rows, base: Some(0), other: None };
        let text = dots(&plot).to_text();
        let document = Document::parse(&text).unwrap();
        let texts: Vec<&str> =
            document.descendants().filter(|n| n.has_tag_name("text")).filter_map(|n| n.text()).collect();
        for name in ["base", "one <head>", "to come", "–"] {
            assert_eq!(texts.iter().filter(|text| **text == name).count(), 1, "{name}");
        }
        let mut long = plot.clone();
        long.rows[0].name = "learning_rate_scale=0.5, dropout=0.1, position=none".into();
        for shown in [dots(&plot), dots(&long)] {
            assert_eq!(shown.width, WIDTH);
        }
        assert!(dots(&long).inline().contains(&long.rows[0].name), "a long name is whole, above its row");
        let hints = document.descendants().filter(|n| n.has_tag_name("title")).count();
        assert_eq!(hints, 2);
        dots(&plot).to_png(1.0).unwrap();
        let mut beside = plot.clone();
        (beside.other, beside.rows[1].other) = (Some("elsewhere".into()), Some(30.0));
        let with_other = dots(&beside);
        let marks = |svg: &Svg| svg.inline().matches("<title").count();
        assert_eq!(marks(&with_other), marks(&dots(&plot)) + 1);
        assert!(with_other.inline().contains(">elsewhere</text>") && with_other.height > dots(&plot).height);
        dots(&Dots { rows: vec![row("to come", &[])], base: Some(0), ..plot }).to_png(1.0).unwrap();
    }
}
