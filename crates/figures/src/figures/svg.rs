//! Scalable vector graphics: well-formed text, drawn to pixels where they are wanted.

use super::font::{self, Weight};
use super::paint::Paint;
use crate::error::{Error, Result};
use resvg::{tiny_skia, usvg};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Largest number of pixels of a drawing, 400 MB of memory.
const MOST_PIXELS: u64 = 100_000_000;

/// First line of a file.
const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
/// Number of bytes at the start of a file among which the attributes of its root begin.
const HEAD: usize = 1000;

/// A picture. Lengths are CSS pixels, 96 an inch; y grows downwards.
///
/// Attributes state the colours for light pages; the classes beside them let style sheets set those for dark pages.
#[derive(Debug, Clone)]
pub struct Svg {
    pub width: f64,
    pub height: f64,
    /// Description of the picture, for readers who cannot see it.
    title: String,
    elements: Vec<Element>,
}

/// A picture in pixels, as a PNG file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Png {
    pub width: u32,
    pub height: u32,
    /// The file.
    pub bytes: Vec<u8>,
}

/// A part of a picture.
#[derive(Debug, Clone)]
pub struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    fill: Option<Paint>,
    stroke: Option<Paint>,
    text: String,
    children: Vec<Element>,
}

/// Position of a text relative to its coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    pub fn new(width: f64, height: f64, title: &str) -> Svg {
        Svg { width: width.ceil(), height: height.ceil(), title: title.to_string(), elements: Vec::new() }
    }

    /// Draws on top of what is there.
    pub fn add(&mut self, element: Element) {
        self.elements.push(element);
    }

    /// Returns the picture as a file with its font, which follows the reader's choice of light or dark.
    pub fn to_text(&self) -> String {
        let mut used = Used::default();
        self.elements.iter().for_each(|element| element.note(&mut used));
        used.paints.insert(Paint::Paper);
        let mut weights = vec![Weight::Regular];
        weights.extend(used.bold.then_some(Weight::Bold));
        let style = format!(
            "{}@media (prefers-color-scheme:dark){{\n{}}}\n",
            font::style_sheet(&weights),
            dark_rules(&used.paints)
        );
        let paper = rectangle(0.0, 0.0, self.width, self.height).fill(Paint::Paper);
        let style = Element { text: style, ..element("style") };
        format!("{DECLARATION}{}", self.write(&[style, paper]))
    }

    /// Returns the picture as part of a web page that has the font and [`dark_rules`] in its style sheet.
    pub fn inline(&self) -> String {
        self.write(&[])
    }

    fn write(&self, before: &[Element]) -> String {
        let mut out = String::new();
        let (width, height) = (number(self.width), number(self.height));
        let _ = writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" font-family=\"{}\" role=\"img\" aria-label=\"{}\">",
            escaped(font::FAMILY),
            escaped(&self.title)
        );
        before.iter().chain(&self.elements).for_each(|element| element.write(&mut out));
        out + "</svg>\n"
    }

    /// Draws the picture on a white page, with `scale` pixels per CSS pixel.
    ///
    /// # Errors
    /// A picture without extent, or one too large for memory.
    pub fn to_png(&self, scale: f32) -> Result<Png> {
        let failed = |why: String| Error::failed(format!("cannot draw {:?}: {why}", self.title));
        let options = usvg::Options { fontdb: font::database(), ..usvg::Options::default() };
        let paper = rectangle(0.0, 0.0, self.width, self.height).fill(Paint::Paper);
        let tree = usvg::Tree::from_str(&self.write(&[paper]), &options)
            .map_err(|error| failed(error.to_string()))?;
        let size =
            tree.size().to_int_size().scale_by(scale).ok_or_else(|| failed("it has no extent".into()))?;
        let (width, height) = (size.width(), size.height());
        let room = u64::from(width) * u64::from(height) <= MOST_PIXELS;
        let mut pixels = room
            .then(|| tiny_skia::Pixmap::new(width, height))
            .flatten()
            .ok_or_else(|| failed(format!("{width} × {height} pixels are too many")))?;
        resvg::render(&tree, tiny_skia::Transform::from_scale(scale, scale), &mut pixels.as_mut());
        let bytes = pixels.encode_png().map_err(|error| failed(error.to_string()))?;
        Ok(Png { width, height, bytes })
    }
}

/// Whether a file was written by [`Svg::to_text`].
pub fn is_own(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(HEAD)];
    let head = String::from_utf8_lossy(head);
    let root = head.strip_prefix(DECLARATION).and_then(|rest| rest.lines().next());
    let family = format!("font-family=\"{}\" role=\"img\"", escaped(font::FAMILY));
    root.is_some_and(|root| root.starts_with("<svg ") && root.contains(&family))
}

/// Returns the rules of a style sheet that give these paints their colours on dark pages.
pub fn dark_rules<'a>(paints: impl IntoIterator<Item = &'a Paint>) -> String {
    let mut rules = String::new();
    for paint in paints {
        if let Some(class) = paint.class() {
            let colour = paint.dark().hex();
            let _ = writeln!(rules, ".f-{class}{{fill:{colour}}}.l-{class}{{stroke:{colour}}}");
        }
    }
    rules
}

/// Paints and font weights that a picture needs from a style sheet.
#[derive(Default)]
struct Used {
    paints: BTreeSet<Paint>,
    bold: bool,
}

fn element(name: &'static str) -> Element {
    Element {
        name,
        attributes: Vec::new(),
        fill: None,
        stroke: None,
        text: String::new(),
        children: Vec::new(),
    }
}

pub fn rectangle(x: f64, y: f64, width: f64, height: f64) -> Element {
    element("rect").with("x", x).with("y", y).with("width", width).with("height", height)
}

pub fn line(x1: f64, y1: f64, x2: f64, y2: f64) -> Element {
    element("line").with("x1", x1).with("y1", y1).with("x2", x2).with("y2", y2)
}

/// A line or area by the commands of SVG's path data.
pub fn path(data: &str) -> Element {
    element("path").attribute("d", data).attribute("fill", "none")
}

/// A line of text whose baseline is at `y`.
pub fn text(x: f64, y: f64, size: f64, anchor: Anchor, words: &str) -> Element {
    let element = Element { text: words.to_string(), ..element("text") }
        .with("x", x)
        .with("y", y)
        .with("font-size", size);
    let element = match anchor {
        Anchor::Start => element,
        Anchor::Middle => element.attribute("text-anchor", "middle"),
        Anchor::End => element.attribute("text-anchor", "end"),
    };
    element.fill(Paint::Ink)
}

impl Element {
    /// Sets an attribute to a number.
    pub fn with(self, name: &'static str, value: f64) -> Element {
        self.attribute(name, &number(value))
    }

    /// Sets an attribute, and replaces one of that name.
    pub fn attribute(mut self, name: &'static str, value: &str) -> Element {
        self.attributes.retain(|(known, _)| *known != name);
        self.attributes.push((name, value.to_string()));
        self
    }

    pub fn fill(mut self, paint: Paint) -> Element {
        self.attributes.retain(|(name, _)| *name != "fill");
        self.fill = Some(paint);
        self
    }

    /// # Units
    /// `width` in pixels.
    pub fn stroke(mut self, paint: Paint, width: f64) -> Element {
        self.stroke = Some(paint);
        self.with("stroke-width", width)
    }

    pub fn bold(self) -> Element {
        self.attribute("font-weight", "700")
    }

    /// Turns the element clockwise around a point.
    pub fn turned(self, degrees: f64, x: f64, y: f64) -> Element {
        let turn = format!("rotate({} {} {})", number(degrees), number(x), number(y));
        self.attribute("transform", &turn)
    }

    /// Sets the text that a pointer resting on the element shows.
    pub fn hint(mut self, words: &str) -> Element {
        self.children.insert(0, Element { text: words.to_string(), ..element("title") });
        self
    }

    fn note(&self, used: &mut Used) {
        used.paints.extend(self.fill.iter().chain(&self.stroke));
        used.bold |= self.attributes.iter().any(|(name, _)| *name == "font-weight");
        self.children.iter().for_each(|child| child.note(used));
    }

    fn write(&self, out: &mut String) {
        let _ = write!(out, "<{}", self.name);
        for (name, value) in &self.attributes {
            let _ = write!(out, " {name}=\"{}\"", escaped(value));
        }
        let mut classes = Vec::new();
        for (name, prefix, paint) in [("fill", "f", self.fill), ("stroke", "l", self.stroke)] {
            if let Some(paint) = paint {
                let _ = write!(out, " {name}=\"{}\"", paint.light().hex());
                classes.extend(paint.class().map(|class| format!("{prefix}-{class}")));
            }
        }
        if !classes.is_empty() {
            let _ = write!(out, " class=\"{}\"", classes.join(" "));
        }
        if self.text.is_empty() && self.children.is_empty() {
            out.push_str("/>\n");
            return;
        }
        out.push('>');
        self.children.iter().for_each(|child| child.write(out));
        let _ = writeln!(out, "{}</{}>", escaped(&self.text), self.name);
    }
}

/// Formats a number with at most two decimals: a hundredth of a pixel is never seen.
pub fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_string() } else { text.to_string() }
}

/// Escapes text for XML and HTML, in content and in quotation marks. Characters that XML cannot hold become U+FFFD.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' | '\r' => out.push(character),
            '\0'..'\x20' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Svg {
        let mut svg = Svg::new(40.0, 20.0, "a & \"b\" \u{1}<c>");
        svg.add(rectangle(0.0, 0.0, 20.0, 20.0).fill(Paint::Series(1)).hint("half"));
        svg.add(text(20.0, 15.0, 12.0, Anchor::Start, "<&>").bold());
        svg.add(path("M0 0L40 20").stroke(Paint::Muted, 1.0));
        svg
    }

    #[test]
    fn whatever_the_words_the_text_is_well_formed() {
        for text in [picture().to_text(), picture().inline()] {
            let tree = usvg::roxmltree::Document::parse(&text).unwrap();
            let root = tree.root_element();
            assert_eq!(root.attribute("aria-label"), Some("a & \"b\" \u{fffd}<c>"));
            assert!(root.descendants().any(|node| node.text() == Some("<&>")));
        }
        assert!(picture().to_text().contains(".f-s1{fill:#4ba3e3}"));
        assert!(!picture().inline().contains("style"));
    }

    #[test]
    fn pixels_are_as_drawn_and_the_same_each_time() {
        let png = picture().to_png(2.0).unwrap();
        assert_eq!((png.width, png.height), (80, 40));
        assert_eq!(png, picture().to_png(2.0).unwrap());
        let pixels = tiny_skia::Pixmap::decode_png(&png.bytes).unwrap();
        let colour = |x, y| {
            let pixel = pixels.pixel(x, y).unwrap();
            (pixel.red(), pixel.green(), pixel.blue(), pixel.alpha())
        };
        assert_eq!(colour(10, 30), (0, 114, 178, 255));
        assert_eq!(colour(79, 0), (255, 255, 255, 255));
        let ink =
            (40..80).flat_map(|x| (0..40).map(move |y| (x, y))).filter(|&(x, y)| colour(x, y).0 < 60).count();
        assert!(ink > 50, "the text is drawn: {ink} dark pixels");
    }

    #[test]
    fn a_picture_too_large_is_an_error() {
        assert!(Svg::new(1e6, 1e6, "large").to_png(9.0).is_err());
        assert!(Svg::new(0.0, 0.0, "empty").to_png(1.0).is_err());
    }
}
