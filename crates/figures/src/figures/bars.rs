//! A share for each name, as bars from left to right.

use super::font::{self, Weight};
use super::frame::{FONT, MARGIN, WIDTH, add_title, below_title, remark, width};
use super::mark::SeriesStyle;
use super::svg::{Anchor, Svg, rectangle, text};

/// The content of a plot of bars.
#[derive(Debug, Clone)]
pub struct Bars {
    pub title: String,
    /// The label of the axis, which names the whole that the shares are parts of.
    pub x: String,
    /// Name, share from 0 to 1, and the words at the bar's end.
    pub rows: Vec<(String, f64, String)>,
}

const ROW: f64 = 24.0;
/// Longest name at the left.
const LONGEST: f64 = 170.0;

/// Draws a bar for each share; the longest takes all the room.
pub fn bars(plot: &Bars) -> Svg {
    let names: Vec<String> =
        plot.rows.iter().map(|(name, ..)| font::shortened(name, FONT, Weight::Regular, LONGEST)).collect();
    let left = MARGIN + names.iter().map(|name| width(name)).fold(0.0, f64::max) + 10.0;
    let words = plot.rows.iter().map(|(.., words)| width(words)).fold(0.0, f64::max);
    let room = WIDTH - MARGIN - words - 8.0 - left;
    let top = below_title(&plot.title) + FONT + 16.0;
    let told: Vec<String> = plot.rows.iter().map(|(name, _, words)| format!("{name} {words}")).collect();
    let description = format!("{}; {}: {}", plot.title, plot.x, told.join("; "));
    let mut svg = Svg::new(WIDTH, top + ROW * plot.rows.len() as f64 + MARGIN, &description);
    add_title(&mut svg, &plot.title);
    svg.add(remark(MARGIN, top - 10.0, Anchor::Start, &plot.x));
    let most =
        plot.rows.iter().map(|(_, share, _)| *share).filter(|share| share.is_finite()).fold(0.0, f64::max);
    for (index, ((_, share, words), name)) in plot.rows.iter().zip(&names).enumerate() {
        let y = top + (index as f64 + 0.5) * ROW;
        svg.add(text(left - 8.0, y + 0.36 * FONT, FONT, Anchor::End, name));
        let length = if most > 0.0 && share.is_finite() { room * share / most } else { 0.0 };
        svg.add(rectangle(left, y - 7.0, length.max(1.0), 14.0).fill(SeriesStyle(1).paint()));
        svg.add(text(left + length + 8.0, y + 0.36 * FONT, FONT, Anchor::Start, words));
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;
    use resvg::usvg::roxmltree::Document;

    #[test]
    fn bars_are_as_long_as_their_shares() {
        let row = |name: &str, share: f64| (name.to_string(), share, format!("{share:.2}"));
        let rows = vec![row("dropout", 0.75), row("position", 0.25), row("heads", 0.0)];
        let svg = bars(&Bars { title: "Importance".into(), x: "share".into(), rows });
        let text = svg.inline();
        let document = Document::parse(&text).unwrap();
        let lengths: Vec<f64> = document
            .descendants()
            .filter(|n| n.has_tag_name("rect"))
            .map(|n| n.attribute("width").unwrap().parse().unwrap())
            .collect();
        assert_eq!(lengths.len(), 3);
        assert!((lengths[0] / lengths[1] - 3.0).abs() < 0.01 && lengths[2] == 1.0, "{lengths:?}");
        bars(&Bars { title: String::new(), x: String::new(), rows: Vec::new() }).to_png(1.0).unwrap();
    }
}
