//! A value for each pair of two settings' values, written into its cell and shown by its colour.

use super::font::{self, Weight};
use super::frame::{FONT, MARGIN, WIDTH, add_title, below_title, remark, width};
use super::paint::{LEVELS, Paint};
use super::svg::{Anchor, Svg, rectangle, text};

/// The content of a table of tiles.
#[derive(Debug, Clone)]
pub struct Tiles {
    pub title: String,
    /// The words that say what the values are.
    pub remark: String,
    /// A setting and its values, from top to bottom.
    pub rows: (String, Vec<String>),
    /// A setting and its values, from left to right.
    pub columns: (String, Vec<String>),
    /// The cells row by row; `None` where there is no value.
    pub cells: Vec<Vec<Option<Tile>>>,
}

/// A cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Tile {
    pub value: f64,
    /// The words in the cell.
    pub words: String,
    /// The words that a pointer over the cell shows.
    pub hint: String,
}

const ROW: f64 = 28.0;
/// Widest cell.
const WIDEST: f64 = 90.0;
/// Longest value of a setting.
const LONGEST: f64 = 110.0;
/// Width of a slanted text of width 1.
const SLANT: f64 = std::f64::consts::FRAC_1_SQRT_2;
/// Room that letters of a slanted text take at its right, below its line.
const DESCENT: f64 = 4.0;
/// Levels of the scale that are used: the first ones are hardly seen beside the page.
const FIRST: u8 = 6;

/// Draws the tiles; the least value has the palest colour.
///
/// # Panics
/// If `cells` has more rows than there are names of rows.
pub fn tiles(plot: &Tiles) -> Svg {
    let (row_name, rows) = &plot.rows;
    let (column_name, columns) = &plot.columns;
    let rows: Vec<String> =
        rows.iter().map(|value| font::shortened(value, FONT, Weight::Regular, LONGEST)).collect();
    let left = MARGIN + FONT + 10.0 + rows.iter().map(|value| width(value)).fold(0.0, f64::max) + 8.0;
    let count = columns.len().max(1) as f64;
    let cell = ((WIDTH - MARGIN - left) / count).min(WIDEST);
    let slanted = columns.iter().any(|value| width(value) > cell - 4.0);
    let columns: Vec<String> =
        columns.iter().map(|value| font::shortened(value, FONT, Weight::Regular, LONGEST)).collect();
    let longest = columns.iter().map(|value| width(value)).fold(0.0, f64::max);
    let heads = if slanted { FONT + longest * SLANT } else { FONT };
    // The last columns' heads lean out to the right.
    let room = |(index, value): (usize, &String)| {
        (WIDTH - MARGIN - left - width(value) * SLANT - DESCENT) / (index as f64 + 0.5)
    };
    let cell = if slanted { columns.iter().enumerate().map(room).fold(cell, f64::min) } else { cell };
    let told = below_title(&plot.title) + FONT + 2.0;
    let top = told + FONT + 14.0 + heads + 8.0;
    let height = (ROW * rows.len() as f64).max(width(row_name));
    let description = format!("{}; {}: {row_name} by {column_name}", plot.title, plot.remark);
    let mut svg = Svg::new(WIDTH, top + height + MARGIN, &description);
    add_title(&mut svg, &plot.title);
    svg.add(remark(MARGIN, told, Anchor::Start, &plot.remark));
    let across = left + cell * count / 2.0;
    svg.add(text(across, told + FONT + 10.0, FONT, Anchor::Middle, column_name));
    let (x, y) = (MARGIN + FONT, top + height / 2.0);
    svg.add(text(x, y, FONT, Anchor::Middle, row_name).turned(-90.0, x, y));
    for (index, words) in columns.iter().enumerate() {
        let (x, y) = (left + (index as f64 + 0.5) * cell, top - 8.0);
        svg.add(match slanted {
            true => remark(x, y, Anchor::Start, words).turned(-45.0, x, y),
            false => remark(x, y, Anchor::Middle, words),
        });
    }
    let values =
        || plot.cells.iter().flatten().flatten().map(|tile| tile.value).filter(|value| value.is_finite());
    let (least, most) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    for (r, row) in plot.cells.iter().enumerate() {
        let y = top + r as f64 * ROW;
        svg.add(remark(left - 8.0, y + ROW / 2.0 + 0.36 * FONT, Anchor::End, &rows[r]));
        for (c, tile) in row.iter().enumerate() {
            let x = left + c as f64 * cell;
            let middle = (x + cell / 2.0, y + ROW / 2.0 + 0.36 * FONT);
            let Some(tile) = tile else {
                svg.add(remark(middle.0, middle.1, Anchor::Middle, "–"));
                continue;
            };
            let share = if most > least { (tile.value - least) / (most - least) } else { 0.5 };
            let share = if share.is_finite() { share } else { 0.0 };
            let level = FIRST + (share * f64::from(LEVELS - 1 - FIRST)).round() as u8;
            let square = rectangle(x + 1.0, y + 1.0, cell - 2.0, ROW - 2.0).fill(Paint::Amount(level));
            svg.add(square.hint(&tile.hint));
            // The scale runs from the page's colour to that of its text.
            let ink = if level < LEVELS / 2 { Paint::Ink } else { Paint::Paper };
            let size = FONT.min(FONT * (cell - 4.0) / width(&tile.words).max(1.0));
            svg.add(text(middle.0, middle.1, size, Anchor::Middle, &tile.words).fill(ink));
        }
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;
    use resvg::usvg::roxmltree::Document;

    #[test]
    fn every_pair_has_its_value_in_a_colour_that_its_text_stands_out_from() {
        let tile =
            |value: f64| Some(Tile { value, words: format!("{value:.1}"), hint: format!("{value} of two") });
        let strings = |words: &[&str]| words.iter().map(|word| word.to_string()).collect::<Vec<_>>();
        let plot = Tiles {
            title: "BLEU by dropout and position".into(),
            remark: "BLEU (test), mean".into(),
            rows: ("position".into(), strings(&["sinusoidal", "none"])),
            columns: ("dropout".into(), strings(&["0.0", "0.1", "0.3"])),
            cells: vec![vec![tile(1.0), tile(2.0), None], vec![tile(9.0), tile(5.0), tile(f64::NAN)]],
        };
        let svg = tiles(&plot);
        let text = svg.inline();
        let document = Document::parse(&text).unwrap();
        let found = |words: &str| {
            let nodes = document.descendants().filter(|n| n.has_tag_name("text") && n.text() == Some(words));
            nodes.map(|n| n.attribute("class").unwrap_or_default().to_string()).collect::<Vec<_>>()
        };
        assert_eq!((found("1.0"), found("9.0")), (vec!["f-ink".to_string()], vec!["f-paper".to_string()]));
        for words in ["position", "dropout", "sinusoidal", "none", "0.3", "–"] {
            assert_eq!(found(words).len(), 1, "{words}");
        }
        assert_eq!(document.descendants().filter(|n| n.has_tag_name("title")).count(), 5);
        svg.to_png(1.0).unwrap();
        assert_eq!(svg.width, WIDTH);
    }

    #[test]
    fn long_names_of_settings_and_of_their_values_stay_within_the_picture() {
        let names: Vec<String> = (0..8).map(|index| format!("sinusoidal-{index}")).collect();
        let row_name = "decoding.length_penalty_of_the_beam";
        let tile = Tile { value: 1.0, words: "1.0".into(), hint: String::new() };
        let svg = tiles(&Tiles {
            title: "t".into(),
            remark: "r".into(),
            rows: (row_name.into(), vec!["a".into(), "b".into()]),
            columns: ("position".into(), names.clone()),
            cells: vec![vec![Some(tile); names.len()]; 2],
        });
        let text = svg.inline();
        let document = Document::parse(&text).unwrap();
        let place = |words: &str, name: &str| -> f64 {
            let mut nodes = document.descendants().filter(|n| n.has_tag_name("text"));
            let node = nodes.find(|n| n.text() == Some(words)).unwrap();
            node.attribute(name).unwrap().parse().unwrap()
        };
        let last = names.last().unwrap();
        let end = place(last, "x") + width(last) * SLANT;
        assert!(end < svg.width, "{end} of {}", svg.width);
        let (middle, half) = (place(row_name, "y"), width(row_name) / 2.0);
        assert!(middle - half >= 0.0 && middle + half <= svg.height, "{middle} ± {half} of {}", svg.height);
    }
}
