//! Matrices in colour: with the names of rows and columns where these are tokens, else with their numbers.

use super::font::{self, Weight};
use super::frame::{self, FONT, TITLE};
use super::paint::{LEVELS, Paint};
use super::svg::{Anchor, Element, Svg, line, number, path, rectangle, text};
use std::fmt::Write;

/// Numbers in rows and columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    columns: usize,
    /// Row after row.
    values: Vec<f32>,
}

/// Matrices with the same named rows and columns, side by side on one scale: the heads of a layer.
#[derive(Debug, Clone)]
pub struct Heatmaps<'a> {
    pub title: &'a str,
    /// The label of the rows, such as `query (target)`, and their names.
    pub rows: (&'a str, &'a [String]),
    pub columns: (&'a str, &'a [String]),
    /// Each matrix with its name. The values are shares: 0 has the colour of the page, and the largest of all values has the
    /// strongest colour.
    pub maps: &'a [(String, Matrix)],
}

/// A matrix of any size with numbered axes.
#[derive(Debug, Clone)]
pub struct Image<'a> {
    pub title: &'a str,
    pub rows: &'a str,
    pub columns: &'a str,
    /// Values of both signs; values outside of `range` are drawn as its ends.
    pub values: &'a Matrix,
    pub range: (f32, f32),
}

/// Side of a heatmap's cell, where the picture has room for it: a line of text is as high.
const CELL: f64 = 18.0;
/// The least side.
const LEAST_CELL: f64 = 6.0;
/// Largest total width of maps side by side: TensorBoard's pages and readers take no wider picture.
const WIDEST: f64 = 3000.0;
const MARGIN: f64 = 12.0;
/// Longest name of a row or column.
const LONGEST: f64 = 110.0;
/// Width of the scale's bar, and of all that belongs to it.
const BAR: f64 = 12.0;
const LEGEND: f64 = 60.0;
/// Longer side of an image.
const SIDE: f64 = 480.0;

impl Matrix {
    /// Creates a matrix; `None` if `values` are not whole rows of at least one column, or one is not finite.
    pub fn new(columns: usize, values: Vec<f32>) -> Option<Matrix> {
        let whole = columns > 0 && !values.is_empty() && values.len().is_multiple_of(columns);
        (whole && values.iter().all(|value| value.is_finite())).then_some(Matrix { columns, values })
    }

    /// Creates a matrix; `None` if the rows are of different lengths, or as for [`new`](Self::new).
    pub fn of_rows(rows: &[Vec<f32>]) -> Option<Matrix> {
        let columns = rows.first()?.len();
        rows.iter().all(|row| row.len() == columns).then(|| Matrix::new(columns, rows.concat()))?
    }

    pub fn rows(&self) -> usize {
        self.values.len() / self.columns
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    fn largest(&self) -> f32 {
        self.values.iter().copied().fold(0.0, f32::max)
    }
}

/// Draws matrices with their names: rows at the left, columns above, slanted. About as many maps stand side by side as
/// below each other.
///
/// # Panics
/// If there are more or fewer names than a matrix has rows or columns.
pub fn heatmaps(picture: &Heatmaps) -> Svg {
    let Heatmaps { title, rows: (row_kind, row_names), columns: (column_kind, column_names), maps } =
        *picture;
    for (_, map) in maps {
        assert_eq!((row_names.len(), column_names.len()), (map.rows(), map.columns()), "one name each");
    }
    let short = |names: &[String]| -> Vec<String> {
        names.iter().map(|name| font::shortened(&visible(name), FONT, Weight::Regular, LONGEST)).collect()
    };
    let (row_names, column_names) = (short(row_names), short(column_names));
    let longest = |names: &[String]| names.iter().map(|name| frame::width(name)).fold(0.0, f64::max);
    let slant = std::f64::consts::FRAC_1_SQRT_2;
    let across = (maps.len() as f64).sqrt().ceil().max(1.0) as usize;
    let cell = (WIDEST / (across * column_names.len().max(1)) as f64).clamp(LEAST_CELL, CELL).floor();
    let (width, height) = (column_names.len() as f64 * cell, row_names.len() as f64 * cell);
    // The last columns' names lean out to the right.
    let leaning = column_names
        .iter()
        .enumerate()
        .map(|(i, name)| (i as f64 + 0.5) * cell + frame::width(name) * slant + 8.0)
        .fold(width, f64::max);
    let left = MARGIN + FONT + 8.0 + longest(&row_names) + 6.0;
    // Above the cells of a map: its name, then those of the columns on the slant.
    let head = FONT + 8.0 + longest(&column_names) * slant + FONT;
    let top = MARGIN + TITLE + 8.0 + FONT + 8.0;
    let pitch = (leaning + 16.0, head + height.max(FONT) + 14.0);
    let down = maps.len().div_ceil(across);
    let side = left + (across.min(maps.len()).max(1) - 1) as f64 * pitch.0 + leaning.max(width + 14.0);
    let bar = (down as f64 * pitch.1 - head).clamp(4.0 * CELL, 10.0 * CELL);
    let title_end = MARGIN + font::width(title, TITLE, Weight::Bold);
    let mut svg = Svg::new(
        (side + LEGEND).max(title_end) + MARGIN,
        top + (down as f64 * pitch.1).max(head + 4.0 * CELL) + MARGIN,
        &format!(
            "{title}: {} of {} {row_kind} by {} {column_kind}",
            if maps.len() == 1 { "a matrix".to_string() } else { format!("{} matrices", maps.len()) },
            row_names.len(),
            column_names.len()
        ),
    );
    svg.add(text(MARGIN, MARGIN + TITLE, TITLE, Anchor::Start, title).bold());
    let axes = format!("rows: {row_kind}; columns: {column_kind}");
    svg.add(text(MARGIN, MARGIN + TITLE + 8.0 + FONT, FONT, Anchor::Start, &axes).fill(Paint::Muted));
    let largest = maps.iter().map(|(_, map)| map.largest()).fold(0.0, f32::max);
    // Names that would overprint each other are left out.
    let every = ((FONT + 1.0) / cell).ceil().max(1.0) as usize;
    for (index, (name, map)) in maps.iter().enumerate() {
        let x = left + (index % across) as f64 * pitch.0;
        let y = top + (index / across) as f64 * pitch.1 + head;
        svg.add(text(x, y - head + FONT, FONT, Anchor::Start, name).bold());
        for (i, name) in column_names.iter().enumerate().step_by(every) {
            let (x, y) = (x + (i as f64 + 0.5) * cell + 3.0, y - 6.0);
            svg.add(text(x, y, FONT, Anchor::Start, name).turned(-45.0, x, y));
        }
        if index % across == 0 {
            let (turn_x, turn_y) = (MARGIN + FONT, y + height / 2.0);
            let kind = text(turn_x, turn_y, FONT, Anchor::Middle, row_kind).fill(Paint::Muted);
            svg.add(kind.turned(-90.0, turn_x, turn_y));
            for (i, name) in row_names.iter().enumerate().step_by(every) {
                let y = y + (i as f64 + 0.5) * cell + 0.36 * FONT;
                svg.add(text(left - 6.0, y, FONT, Anchor::End, name));
            }
        }
        cells(map, (x, y), (cell, cell), (0.0, largest), Paint::Amount)
            .into_iter()
            .for_each(|cell| svg.add(cell));
        svg.add(path(&grid((x, y), (width, height), cell)).stroke(Paint::Grid, 0.5));
    }
    legend(&mut svg, (side + 2.0, top + head), bar, (0.0, largest), Paint::Amount);
    svg
}

/// Returns the lines between the cells of a matrix, as one path.
fn grid((x, y): (f64, f64), (width, height): (f64, f64), cell: f64) -> String {
    let mut data = String::new();
    let lines = |length: f64| (0..=(length / cell).round() as usize).map(move |i| i as f64 * cell);
    for at in lines(width).map(|at| number(x + at)) {
        let _ = write!(data, "M{at} {}v{}", number(y), number(height));
    }
    for at in lines(height).map(|at| number(y + at)) {
        let _ = write!(data, "M{} {at}h{}", number(x), number(width));
    }
    data
}

/// Draws a matrix of any size, its longer side 480 pixels, with numbered axes. The SVG text takes about 15 bytes
/// per cell.
pub fn image(image: &Image) -> Svg {
    let Image { title, rows, columns, values, range } = *image;
    let longer = values.rows().max(values.columns()) as f64;
    // Cells of whole pixels where they fit, so that all are equally large.
    let cell = (SIDE / longer).max(1.0).floor().min(24.0);
    let (width, height) = (values.columns() as f64 * cell, values.rows() as f64 * cell);
    let left = MARGIN + FONT + 8.0 + frame::width(&values.rows().to_string()) + 8.0;
    let top = MARGIN + TITLE + 12.0;
    let title_end = MARGIN + font::width(title, TITLE, Weight::Bold);
    let mut svg = Svg::new(
        (left + width + LEGEND).max(title_end) + MARGIN,
        top + height.max(4.0 * CELL) + 2.0 * FONT + 20.0 + MARGIN,
        &format!("{title}: {} {rows} by {} {columns}", values.rows(), values.columns()),
    );
    svg.add(text(MARGIN, MARGIN + TITLE, TITLE, Anchor::Start, title).bold());
    cells(values, (left, top), (cell, cell), range, Paint::Signed).into_iter().for_each(|cell| svg.add(cell));
    svg.add(rectangle(left, top, width, height).attribute("fill", "none").stroke(Paint::Muted, 1.0));
    for i in marks(values.columns()) {
        let x = left + (i as f64 + 0.5) * cell;
        svg.add(line(x, top + height, x, top + height + 4.0).stroke(Paint::Muted, 1.0));
        svg.add(text(x, top + height + 5.0 + FONT, FONT, Anchor::Middle, &i.to_string()).fill(Paint::Muted));
    }
    for i in marks(values.rows()) {
        let y = top + (i as f64 + 0.5) * cell;
        svg.add(line(left - 4.0, y, left, y).stroke(Paint::Muted, 1.0));
        svg.add(text(left - 7.0, y + 0.36 * FONT, FONT, Anchor::End, &i.to_string()).fill(Paint::Muted));
    }
    svg.add(text(left + width / 2.0, top + height + 2.0 * FONT + 12.0, FONT, Anchor::Middle, columns));
    let (x, y) = (MARGIN + FONT, top + height / 2.0);
    svg.add(text(x, y, FONT, Anchor::Middle, rows).turned(-90.0, x, y));
    legend(&mut svg, (left + width + 14.0, top), height.clamp(4.0 * CELL, 10.0 * CELL), range, Paint::Signed);
    svg
}

/// Returns the cells of a matrix whose upper left corner is at `origin`: all of one level are one element, and neighbours
/// in a row are one rectangle.
fn cells(
    values: &Matrix,
    origin: (f64, f64),
    (width, height): (f64, f64),
    range: (f32, f32),
    paint: fn(u8) -> Paint,
) -> Vec<Element> {
    let mut levels: Vec<String> = vec![String::new(); LEVELS.into()];
    for (r, row) in values.values.chunks(values.columns).enumerate() {
        let mut c = 0;
        for run in row.chunk_by(|a, b| level(*a, range) == level(*b, range)) {
            let (x, y) = (origin.0 + c as f64 * width, origin.1 + r as f64 * height);
            c += run.len();
            let right = origin.0 + c as f64 * width;
            let [x, y, right, height] = [x, y, right, height].map(number);
            let _ = write!(levels[usize::from(level(run[0], range))], "M{x} {y}H{right}v{height}H{x}z");
        }
    }
    let levels = (0..LEVELS).zip(levels).filter(|(_, data)| !data.is_empty());
    levels
        .map(|(level, data)| path(&data).fill(paint(level)).attribute("shape-rendering", "crispEdges"))
        .collect()
}

fn level(value: f32, (least, most): (f32, f32)) -> u8 {
    let share = if most > least { (value - least) / (most - least) } else { 0.0 };
    (share.clamp(0.0, 1.0) * f32::from(LEVELS - 1)).round() as u8
}

/// Draws the scale, as a bar with its ends.
fn legend(svg: &mut Svg, (x, y): (f64, f64), height: f64, (least, most): (f32, f32), paint: fn(u8) -> Paint) {
    let step = height / f64::from(LEVELS);
    for level in 0..LEVELS {
        let top = y + height - f64::from(level + 1) * step;
        // Half a step of overlap hides the seams.
        let bar = rectangle(x, top, BAR, if level == 0 { step } else { 1.5 * step });
        svg.add(bar.fill(paint(level)));
    }
    svg.add(rectangle(x, y, BAR, height).attribute("fill", "none").stroke(Paint::Muted, 0.5));
    for (value, share) in [(most, 0.0), ((least + most) / 2.0, 0.5), (least, 1.0)] {
        let y = y + share * height;
        svg.add(line(x + BAR, y, x + BAR + 3.0, y).stroke(Paint::Muted, 1.0));
        let words = number(f64::from(value)).replace('-', "−");
        svg.add(text(x + BAR + 6.0, y + 0.36 * FONT, FONT, Anchor::Start, &words).fill(Paint::Muted));
    }
}

/// Returns a few indices to write beside an axis of `count` cells.
fn marks(count: usize) -> impl Iterator<Item = usize> {
    let steps = (0..).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_usize.pow(power)));
    let step = steps.into_iter().find(|step| count.div_ceil(*step) <= 11).unwrap_or(count);
    (0..count).step_by(step)
}

/// Makes a token of blanks, or an empty one, visible. The font has no `␣`, by which tokenizers of characters label a
/// blank.
fn visible(token: &str) -> String {
    let shown = |character: char| match character {
        '␣' => '·',
        _ if character.is_control() => '\u{fffd}',
        _ => character,
    };
    match token.trim().is_empty() {
        true => "·".repeat(token.chars().count().max(1)),
        false => token.chars().map(shown).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use resvg::usvg::roxmltree::Document;

    fn names(words: &str) -> Vec<String> {
        words.split(' ').map(String::from).collect()
    }

    fn example(count: usize) -> Svg {
        let (rows, columns) = (names("ein <Hund> </s>"), names("a dog runs </s>"));
        let values =
            Matrix::new(4, vec![0.9, 0.1, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.25, 0.75]).unwrap();
        let maps = [("head 1".to_string(), values.clone()), ("head 2".to_string(), values)];
        heatmaps(&Heatmaps {
            title: "layer 1",
            rows: ("query", &rows),
            columns: ("key", &columns),
            maps: &maps[..count],
        })
    }

    #[test]
    fn every_row_and_column_is_named_inside_the_picture() {
        let svg = example(2);
        let text = svg.inline();
        let document = Document::parse(&text).unwrap();
        let texts: Vec<_> = document.descendants().filter(|node| node.has_tag_name("text")).collect();
        // Maps side by side share the names of their rows.
        let once = ["ein", "<Hund>", "query", "layer 1", "head 1", "head 2", "rows: query; columns: key"];
        for (names, times) in [(&once[..], 1), (&["a", "dog", "runs"], 2)] {
            for name in names {
                assert_eq!(texts.iter().filter(|node| node.text() == Some(name)).count(), times, "{name}");
            }
        }
        for node in texts {
            let place = |name| node.attribute(name).unwrap().parse::<f64>().unwrap();
            assert!(
                (0.0..svg.width).contains(&place("x")) && (0.0..svg.height).contains(&place("y")),
                "{node:?}"
            );
        }
    }

    #[test]
    fn cells_have_the_colours_of_their_values() {
        let svg = example(1);
        let png = svg.to_png(1.0).unwrap();
        let pixels = resvg::tiny_skia::Pixmap::decode_png(&png.bytes).unwrap();
        // Rows begin where the first full cell is; find it by its colour.
        let strongest = Paint::Amount(LEVELS - 1).light();
        let mut places = Vec::new();
        for y in 0..pixels.height() {
            for x in 0..pixels.width() {
                let pixel = pixels.pixel(x, y).unwrap();
                if (pixel.red(), pixel.green(), pixel.blue()) == (strongest.0, strongest.1, strongest.2) {
                    places.push((x, y));
                }
            }
        }
        let (x, y) = places[0];
        let near = places.iter().filter(|place| place.0 < x + 18 && place.1 < y + 18).count();
        assert!(near > 200, "one cell in the colour of 1: {near} pixels");
    }

    #[test]
    fn many_heads_of_a_long_sentence_stay_within_a_picture_that_can_be_shown() {
        let names: Vec<String> = (0..250).map(|i| format!("token{i}")).collect();
        let map = Matrix::new(250, vec![0.5; 250 * 250]).unwrap();
        let maps: Vec<(String, Matrix)> = (1..=4).map(|i| (format!("head {i}"), map.clone())).collect();
        let svg = heatmaps(&Heatmaps {
            title: "long",
            rows: ("query", &names),
            columns: ("key", &names),
            maps: &maps,
        });
        assert!(svg.width < 4000.0 && svg.height < 4000.0, "{} × {}", svg.width, svg.height);
        let text = svg.inline();
        assert!(
            text.contains(">token0<") && !text.contains(">token1<"),
            "names that would overlap are left out"
        );
    }

    #[test]
    fn an_image_of_one_value_and_one_beyond_its_range_are_drawn() {
        let flat = Matrix::new(3, vec![2.0; 6]).unwrap();
        let shown = image(&Image {
            title: "flat",
            rows: "position",
            columns: "channel",
            values: &flat,
            range: (2.0, 2.0),
        });
        shown.to_png(1.0).unwrap();
        assert_eq!(level(5.0, (-1.0, 1.0)), LEVELS - 1);
        assert_eq!(level(-5.0, (-1.0, 1.0)), 0);
    }

    #[test]
    fn what_is_no_matrix_is_none() {
        assert_eq!(Matrix::new(0, Vec::new()), None);
        assert_eq!(Matrix::new(2, vec![1.0]), None);
        assert_eq!(Matrix::new(1, vec![f32::NAN]), None);
        assert_eq!(Matrix::of_rows(&[vec![1.0], vec![1.0, 2.0]]), None);
    }

    #[test]
    fn blanks_are_seen() {
        assert_eq!(["", "  ", "␣", "a\tb"].map(visible), ["·", "··", "·", "a\u{fffd}b"]);
    }

    #[test]
    fn axes_have_a_handful_of_numbers() {
        for count in [1, 7, 12, 64, 100, 512, 5000] {
            let marks: Vec<usize> = marks(count).collect();
            assert!((1..=11).contains(&marks.len()) && marks[0] == 0, "{count}: {marks:?}");
        }
    }
}
