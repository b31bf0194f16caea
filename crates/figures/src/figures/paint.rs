//! Colours for light and for dark pages.
//!
//! The series' hues are those of Okabe & Ito, *Color Universal Design* (2008), which can be told apart with all common
//! kinds of colour vision; on dark pages they are lighter. The scales of matrices are even in lightness, so that they
//! can be read in grey as in colour: they are straight lines through anchors in OKLab (Ottosson 2020).

/// Red, green and blue, 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

/// Number of steps of a matrix's scale.
pub const LEVELS: u8 = 64;
/// Number of series that have a colour of their own.
pub const SERIES: usize = 7;

/// Colour of an element, by its role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Paint {
    /// The page.
    Paper,
    /// Text and what matters most.
    Ink,
    /// Axes and remarks.
    Muted,
    /// Lines behind the data.
    Grid,
    /// Series `i`; series 0, the baseline, has the colour of ink. Colours repeat from [`SERIES`] on.
    Series(usize),
    /// Level `i` of [`LEVELS`] of a quantity that begins at nothing: from the page's colour to the strongest.
    Amount(u8),
    /// Level `i` of [`LEVELS`] of a quantity with both signs, from dark to light; the same on every page.
    Signed(u8),
}

impl Paint {
    /// The colour on light pages.
    pub fn light(self) -> Rgb {
        match self {
            Paint::Paper => Rgb(255, 255, 255),
            Paint::Ink => Rgb(27, 31, 36),
            Paint::Muted => Rgb(84, 93, 105),
            Paint::Grid => Rgb(222, 226, 231),
            Paint::Series(index) => [
                Rgb(27, 31, 36),
                Rgb(0, 114, 178),
                Rgb(213, 94, 0),
                Rgb(0, 158, 115),
                Rgb(204, 121, 167),
                Rgb(230, 159, 0),
                Rgb(86, 180, 233),
            ][index % SERIES],
            Paint::Amount(level) => between(&[[0.985, 0.0, 0.0], [0.25, -0.02, -0.11]], level),
            Paint::Signed(level) => {
                between(&[[0.26, -0.01, -0.09], [0.585, -0.005, -0.01], [0.91, -0.01, 0.15]], level)
            }
        }
    }

    /// The colour on dark pages.
    pub fn dark(self) -> Rgb {
        match self {
            Paint::Paper => Rgb(22, 24, 29),
            Paint::Ink => Rgb(230, 232, 235),
            Paint::Muted => Rgb(163, 172, 184),
            Paint::Grid => Rgb(52, 58, 67),
            Paint::Series(index) => [
                Rgb(230, 232, 235),
                Rgb(75, 163, 227),
                Rgb(240, 118, 43),
                Rgb(31, 191, 146),
                Rgb(222, 147, 189),
                Rgb(242, 181, 58),
                Rgb(138, 205, 245),
            ][index % SERIES],
            Paint::Amount(level) => {
                between(&[[0.23, -0.002, -0.01], [0.59, -0.03, -0.09], [0.95, -0.02, 0.07]], level)
            }
            Paint::Signed(_) => self.light(),
        }
    }

    /// Returns the name of its class in a style sheet; `None` if the colour is the same everywhere.
    pub fn class(self) -> Option<String> {
        Some(match self {
            Paint::Paper => "paper".into(),
            Paint::Ink => "ink".into(),
            Paint::Muted => "muted".into(),
            Paint::Grid => "grid".into(),
            Paint::Series(index) => format!("s{}", index % SERIES),
            Paint::Amount(level) => format!("q{}", level.min(LEVELS - 1)),
            Paint::Signed(_) => return None,
        })
    }

    /// Returns every paint that has a class, for style sheets.
    pub fn themed() -> Vec<Paint> {
        let mut all = vec![Paint::Paper, Paint::Ink, Paint::Muted, Paint::Grid];
        all.extend((0..SERIES).map(Paint::Series));
        all.extend((0..LEVELS).map(Paint::Amount));
        all
    }
}

impl Rgb {
    /// Returns the colour as style sheets write it: `#0072b2`.
    pub fn hex(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

/// Returns the colour of a level on the line through `anchors`, evenly spaced, in OKLab.
fn between(anchors: &[[f64; 3]], level: u8) -> Rgb {
    let place = f64::from(level.min(LEVELS - 1)) / f64::from(LEVELS - 1) * (anchors.len() - 1) as f64;
    let first = (place as usize).min(anchors.len() - 2);
    let share = place - first as f64;
    let mixed = [0, 1, 2].map(|i| anchors[first][i] * (1.0 - share) + anchors[first + 1][i] * share);
    from_oklab(mixed)
}

/// Converts OKLab to sRGB, with Ottosson's matrices; values that sRGB cannot show are clamped.
fn from_oklab([lightness, a, b]: [f64; 3]) -> Rgb {
    let l = (lightness + 0.3963377774 * a + 0.2158037573 * b).powi(3);
    let m = (lightness - 0.1055613458 * a - 0.0638541728 * b).powi(3);
    let s = (lightness - 0.0894841775 * a - 1.2914855480 * b).powi(3);
    let linear = [
        4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
        -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
        -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s,
    ];
    let [r, g, b] = linear.map(|value| {
        let value = value.clamp(0.0, 1.0);
        let coded = if value <= 0.0031308 { 12.92 * value } else { 1.055 * value.powf(1.0 / 2.4) - 0.055 };
        (255.0 * coded).round() as u8
    });
    Rgb(r, g, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CIE lightness, 0 to 100, of a colour printed in grey.
    fn lightness(Rgb(r, g, b): Rgb) -> f64 {
        let linear = [r, g, b].map(|value| {
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        });
        let y = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
        if y > 0.008856 { 116.0 * y.cbrt() - 16.0 } else { 903.3 * y }
    }

    #[test]
    fn scales_run_evenly_from_dark_to_light_also_in_grey() {
        let scales: [&dyn Fn(u8) -> Rgb; 3] =
            [&|i| Paint::Amount(LEVELS - 1 - i).light(), &|i| Paint::Amount(i).dark(), &|i| {
                Paint::Signed(i).light()
            }];
        for (which, scale) in scales.iter().enumerate() {
            let steps: Vec<f64> =
                (1..LEVELS).map(|i| lightness(scale(i)) - lightness(scale(i - 1))).collect();
            let mean = steps.iter().sum::<f64>() / steps.len() as f64;
            assert!(mean > 1.0, "{which}: {mean}");
            for (i, step) in steps.iter().enumerate() {
                assert!(
                    (0.3 * mean..2.0 * mean).contains(step),
                    "scale {which}, step {i}: {step}, mean {mean}"
                );
            }
        }
    }

    #[test]
    fn text_and_series_stand_out_from_their_page() {
        let contrast = |a: Rgb, b: Rgb| {
            let light = |colour| {
                let l: f64 = lightness(colour);
                if l > 8.0 { ((l + 16.0) / 116.0).powi(3) } else { l / 903.3 }
            };
            let (a, b) = (light(a) + 0.05, light(b) + 0.05);
            a.max(b) / a.min(b)
        };
        for (page, colour) in
            [(Paint::Paper.light(), Paint::light as fn(Paint) -> Rgb), (Paint::Paper.dark(), Paint::dark)]
        {
            for paint in [Paint::Ink, Paint::Muted] {
                assert!(contrast(colour(paint), page) > 4.5, "{paint:?}");
            }
            for index in 0..SERIES {
                assert!(contrast(colour(Paint::Series(index)), page) > 2.0, "series {index}");
            }
        }
    }
}
