//! The font of all figures, in the program: Noto Sans for Latin, Greek and Cyrillic (`scripts/make_font.py`).

use base64::Engine;
use resvg::usvg::fontdb;
use skrifa::instance::{LocationRef, Size};
use skrifa::{FontRef, MetadataProvider};
use std::sync::{Arc, LazyLock};

/// Name of the font family, and the fallback for characters that it does not have.
pub const FAMILY: &str = "Noto Sans, sans-serif";

/// The two weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    Regular,
    Bold,
}

const REGULAR: &[u8] = include_bytes!("font/NotoSans-Regular.ttf");
const BOLD: &[u8] = include_bytes!("font/NotoSans-Bold.ttf");
const REGULAR_WEB: &[u8] = include_bytes!("font/NotoSans-Regular.woff2");
const BOLD_WEB: &[u8] = include_bytes!("font/NotoSans-Bold.woff2");

/// Returns the width of a text on one line, without kerning.
///
/// # Units
/// The result is in the unit of `size`, the height of the font.
pub fn width(text: &str, size: f64, weight: Weight) -> f64 {
    let bytes = match weight {
        Weight::Regular => REGULAR,
        Weight::Bold => BOLD,
    };
    let font = FontRef::new(bytes).expect("the font in the program is whole");
    let (characters, metrics) = (font.charmap(), font.glyph_metrics(Size::new(1.0), LocationRef::default()));
    let advance = |character: char| {
        let glyph = characters.map(character).and_then(|glyph| metrics.advance_width(glyph));
        // Other fonts draw the characters that this one lacks, most of which are as wide as high.
        glyph.map_or(1.0, f64::from)
    };
    size * text.chars().map(advance).sum::<f64>()
}

/// Shortens a text in its middle to a width, with `…` for the part that is left out.
pub fn shortened(text: &str, size: f64, weight: Weight, most: f64) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut kept = characters.len();
    let mut shown = text.to_string();
    while width(&shown, size, weight) > most && kept > 2 {
        kept -= 1;
        let head: String = characters[..kept.div_ceil(2)].iter().collect();
        let tail: String = characters[characters.len() - kept / 2..].iter().collect();
        shown = format!("{head}…{tail}");
    }
    shown
}

/// Breaks a text between words into lines of a width; a single word that is wider is shortened.
pub fn wrapped(text: &str, size: f64, weight: Weight, most: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let longer = lines.last().map(|line| format!("{line} {word}"));
        match (lines.last_mut(), longer.filter(|longer| width(longer, size, weight) <= most)) {
            (Some(line), Some(longer)) => *line = longer,
            _ => lines.push(shortened(word, size, weight, most)),
        }
    }
    lines
}

/// Returns the rules that bring `weights` of the font into a style sheet.
pub fn style_sheet(weights: &[Weight]) -> String {
    let rule = |weight: &Weight| {
        let (number, bytes) = match weight {
            Weight::Regular => (400, REGULAR_WEB),
            Weight::Bold => (700, BOLD_WEB),
        };
        let code = base64::engine::general_purpose::STANDARD.encode(bytes);
        format!(
            "@font-face{{font-family:'Noto Sans';font-weight:{number};src:url(data:font/woff2;base64,{code}) format('woff2')}}\n"
        )
    };
    weights.iter().map(rule).collect()
}

/// Returns the fonts for drawing, without the machine's fonts, so that pictures are the same everywhere.
pub(super) fn database() -> Arc<fontdb::Database> {
    static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
        let mut fonts = fontdb::Database::new();
        fonts.load_font_data(REGULAR.to_vec());
        fonts.load_font_data(BOLD.to_vec());
        fonts.set_sans_serif_family("Noto Sans");
        Arc::new(fonts)
    });
    FONTS.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_equally_wide_and_scripts_are_there() {
        let widths: Vec<f64> =
            "0123456789".chars().map(|c| width(&c.to_string(), 10.0, Weight::Regular)).collect();
        assert!(widths.iter().all(|width| *width == widths[0] && *width > 4.0), "{widths:?}");
        let characters = FontRef::new(REGULAR).unwrap();
        let characters = characters.charmap();
        for character in "aßčșΩйґ−±×…“”₀⁹≤∞".chars() {
            assert!(characters.map(character).is_some(), "{character}");
        }
        assert!(width("bold", 10.0, Weight::Bold) > width("bold", 10.0, Weight::Regular));
    }

    #[test]
    fn long_texts_lose_their_middle() {
        let short = shortened("model.label_smoothing=0.1", 10.0, Weight::Regular, 60.0);
        assert!(short.starts_with("mod") && short.ends_with("0.1") && short.contains('…'), "{short}");
        assert!(width(&short, 10.0, Weight::Regular) <= 60.0);
        assert_eq!(shortened("kurz", 10.0, Weight::Regular, 60.0), "kurz");
        assert_eq!(wrapped("BLEU by dropout", 10.0, Weight::Bold, 50.0), ["BLEU by", "dropout"]);
        assert_eq!(wrapped("BLEU by dropout", 10.0, Weight::Bold, 500.0), ["BLEU by dropout"]);
    }
}
