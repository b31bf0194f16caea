//! The frame that all charts have in common: their width, the title above and the legend below.
//!
//! Charts are as wide as half a page, so that two stand side by side on a desktop screen, one fills a phone's, and one
//! fits a column of a paper.

use super::font::{self, Weight};
use super::mark::SeriesStyle;
use super::paint::Paint;
use super::svg::{Anchor, Element, Svg, line, text};

/// Width of a chart.
pub const WIDTH: f64 = 460.0;
pub(super) const FONT: f64 = 12.0;
pub(super) const MARGIN: f64 = 10.0;
pub(super) const TITLE: f64 = 14.0;
/// Height of a line of a title and of a legend.
const TITLE_LINE: f64 = TITLE + 5.0;
const LEGEND_LINE: f64 = FONT + 5.0;
/// Width of the sample before a name in a legend: a piece of its line with a mark.
const SAMPLE: f64 = 30.0;

/// Returns the height at which the content below the title begins.
pub(super) fn below_title(title: &str) -> f64 {
    MARGIN + TITLE_LINE * lines(title).len() as f64
}

fn lines(title: &str) -> Vec<String> {
    font::wrapped(title, TITLE, Weight::Bold, WIDTH - 2.0 * MARGIN)
}

/// Draws the title, in as many lines as it needs.
pub(super) fn add_title(svg: &mut Svg, title: &str) {
    for (index, words) in lines(title).iter().enumerate() {
        let y = MARGIN + TITLE + index as f64 * TITLE_LINE;
        svg.add(text(MARGIN, y, TITLE, Anchor::Start, words).bold());
    }
}

/// Returns the width of a text of the usual size.
pub(super) fn width(words: &str) -> f64 {
    font::width(words, FONT, Weight::Regular)
}

/// Names of lines with a piece of each.
pub(super) struct Legend {
    /// Name, style, and the place (x, y) where the entry begins.
    entries: Vec<(String, SeriesStyle, f64, f64)>,
    pub height: f64,
}

impl Legend {
    /// Places entries side by side, in as many lines as they need.
    pub fn new<'a>(entries: impl Iterator<Item = (&'a str, SeriesStyle)>) -> Legend {
        let room = WIDTH - 2.0 * MARGIN;
        let (mut x, mut y) = (MARGIN, 0.0);
        let mut placed = Vec::new();
        for (name, look) in entries {
            let name = font::shortened(name, FONT, Weight::Regular, room - SAMPLE);
            let wide = SAMPLE + width(&name);
            if x > MARGIN && x + wide > MARGIN + room {
                (x, y) = (MARGIN, y + LEGEND_LINE);
            }
            placed.push((name, look, x, y));
            x += wide + 16.0;
        }
        let height = if placed.is_empty() { 0.0 } else { y + LEGEND_LINE };
        Legend { entries: placed, height }
    }

    /// Draws the legend with its upper edge at `top`.
    pub fn add(&self, svg: &mut Svg, top: f64, joined: bool) {
        for (name, look, x, y) in &self.entries {
            let y = top + y + LEGEND_LINE / 2.0;
            if joined {
                let sample = line(*x, y, x + SAMPLE - 6.0, y).stroke(look.paint(), look.width());
                svg.add(look.dashed(sample));
            }
            svg.add(look.mark(x + (SAMPLE - 6.0) / 2.0, y, 4.0));
            svg.add(text(x + SAMPLE, y + 0.36 * FONT, FONT, Anchor::Start, name));
        }
    }
}

/// A remark in the usual size.
pub(super) fn remark(x: f64, y: f64, anchor: Anchor, words: &str) -> Element {
    text(x, y, FONT, anchor, words).fill(Paint::Muted)
}

/// Outlines a text in the page's colour, so that lines behind it end shortly before it.
pub(super) fn over_lines(text: Element) -> Element {
    text.stroke(Paint::Paper, 4.0).attribute("paint-order", "stroke").attribute("stroke-linejoin", "round")
}
