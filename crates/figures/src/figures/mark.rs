//! Styles that tell series apart without colour: shapes of marks and dashes of lines.

use super::paint::{Paint, SERIES};
use super::svg::{Element, number, path};

/// Style of series `i`; the others are compared with series 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesStyle(pub usize);

impl SeriesStyle {
    pub fn paint(self) -> Paint {
        // Colours repeat without the first.
        Paint::Series(if self.0 == 0 { 0 } else { 1 + (self.0 - 1) % (SERIES - 1) })
    }

    /// Returns the lengths of dashes and gaps; empty for series 0, whose line is solid.
    pub fn dashes(self) -> &'static str {
        if self.0 == 0 { "" } else { ["8 3", "3 3", "10 3 2 3", "5 2", "2 2", "12 4"][(self.0 - 1) % 6] }
    }

    /// Gives a line its dashes.
    pub fn dashed(self, line: Element) -> Element {
        match self.dashes() {
            "" => line,
            dashes => line.attribute("stroke-dasharray", dashes),
        }
    }

    /// Width of its lines in pixels.
    pub fn width(self) -> f64 {
        if self.0 == 0 { 2.2 } else { 1.8 }
    }

    /// Returns a mark around a point; `radius` in pixels.
    pub fn mark(self, x: f64, y: f64, radius: f64) -> Element {
        let (r, d) = (radius, radius * 0.9);
        let polygon = |points: &[(f64, f64)]| {
            let joined: Vec<String> =
                points.iter().map(|(dx, dy)| format!("{} {}", number(x + dx), number(y + dy))).collect();
            path(&format!("M{}Z", joined.join("L"))).fill(self.paint())
        };
        match self.0 % 7 {
            0 => {
                let [left, at, r, across] = [x - r, y, r, 2.0 * r].map(number);
                path(&format!("M{left} {at}a{r} {r} 0 1 0 {across} 0a{r} {r} 0 1 0 -{across} 0Z"))
                    .fill(self.paint())
            }
            1 => polygon(&[(-d, -d), (d, -d), (d, d), (-d, d)]),
            2 => polygon(&[(0.0, -1.2 * r), (1.1 * r, 0.8 * r), (-1.1 * r, 0.8 * r)]),
            3 => polygon(&[(0.0, -1.3 * r), (1.3 * r, 0.0), (0.0, 1.3 * r), (-1.3 * r, 0.0)]),
            4 => polygon(&[(0.0, 1.2 * r), (1.1 * r, -0.8 * r), (-1.1 * r, -0.8 * r)]),
            kind => {
                // A plus and a cross, as lines.
                let turn = if kind == 5 { [(1.2, 0.0), (0.0, 1.2)] } else { [(0.9, 0.9), (0.9, -0.9)] };
                let strokes: Vec<String> = turn
                    .iter()
                    .map(|(dx, dy)| {
                        let [x1, y1, x2, y2] = [x - dx * r, y - dy * r, x + dx * r, y + dy * r].map(number);
                        format!("M{x1} {y1}L{x2} {y2}")
                    })
                    .collect();
                path(&strokes.join("")).stroke(self.paint(), 2.0)
            }
        }
    }
}
