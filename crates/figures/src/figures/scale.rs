//! Scales, which map values to places on an axis, and the round values to write beside it.

use super::svg::number;

/// An axis of numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    least: f64,
    most: f64,
    /// Places of `least` and `most` on the axis.
    from: f64,
    to: f64,
    logarithmic: bool,
}

impl Scale {
    /// Creates an axis that shows all `values`, with a little room. Values that are not finite are ignored; a
    /// logarithmic axis becomes linear unless all values are above zero.
    pub fn around(values: impl IntoIterator<Item = f64>, logarithmic: bool, (from, to): (f64, f64)) -> Scale {
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.into_iter().filter(|value| value.is_finite()) {
            (least, most) = (least.min(value), most.max(value));
        }
        if least > most {
            (least, most) = (0.0, 1.0);
        }
        let logarithmic = logarithmic && least > 0.0;
        if least == 0.0 && most == 0.0 {
            // The size of such values is not known; scores are never below 0.
            most = 1.0;
        } else if logarithmic {
            // By logarithms, because the ratio of extreme values may overflow.
            let room = (0.06 * (most.ln() - least.ln())).exp().max(1.02);
            (least, most) = ((least / room).max(f64::MIN_POSITIVE), (most * room).min(f64::MAX));
        } else {
            let size = least.abs().max(most.abs());
            // Values that hardly differ stand close together, not at both ends.
            let room = if most - least > 1e-3 * size { 0.06 * (most - least) } else { 0.05 * size };
            (least, most) = (least - room, most + room);
        }
        Scale { least, most, from, to, logarithmic }
    }

    pub fn place(&self, value: f64) -> f64 {
        let share = match self.logarithmic {
            true => (value.ln() - self.least.ln()) / (self.most.ln() - self.least.ln()),
            false => (value - self.least) / (self.most - self.least),
        };
        // Places far outside need not be exact.
        self.from + share.clamp(-9.0, 9.0) * (self.to - self.from)
    }

    /// Returns the place on the axis that is nearest to a value. For values that a logarithmic axis cannot show, that is
    /// its lower end.
    pub fn nearest(&self, value: f64) -> f64 {
        let place = if self.logarithmic && value <= 0.0 { self.from } else { self.place(value) };
        place.clamp(self.from.min(self.to), self.from.max(self.to))
    }

    /// Returns about six round values on the axis with their texts.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        if self.logarithmic && self.most / self.least > 3.0 {
            return self.logarithmic_ticks();
        }
        // The largest round step that gives at least four ticks.
        let rough = (self.most - self.least) / 4.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [5.0, 2.0, 1.0].map(|digit| digit * power).into_iter().find(|step| *step <= rough);
        let step = step.unwrap_or(power);
        let digits = (-(step.log10() + 1e-9).floor()).max(0.0) as usize;
        let first = (self.least / step).ceil() as i64;
        let last = (self.most / step).floor() as i64;
        (first..=last).map(|i| i as f64 * step).map(|value| (value, written(value, digits))).collect()
    }

    fn logarithmic_ticks(&self) -> Vec<(f64, String)> {
        let sets: [&[f64]; 4] =
            [&[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0], &[1.0, 2.0, 3.0, 5.0], &[1.0, 3.0], &[1.0]];
        let powers = self.least.log10().floor() as i32..=self.most.log10().ceil() as i32;
        let within = |digits: &[f64]| -> Vec<f64> {
            // Parsed from text, because products of powers are not the nearest numbers.
            let value = |digit: &f64, power: i32| format!("{digit}e{power}").parse::<f64>().ok();
            let all = powers.clone().flat_map(|power| digits.iter().filter_map(move |d| value(d, power)));
            all.filter(|value| (self.least..=self.most).contains(value)).collect()
        };
        let fits = sets.into_iter().map(within).find(|values| values.len() <= 8);
        let values = fits.unwrap_or_else(|| within(&[1.0]));
        // Of very many powers, keep at most eight, evenly spaced.
        let every = values.len().div_ceil(8).max(1);
        values.into_iter().step_by(every).map(|value| (value, plain(value))).collect()
    }
}

/// Formats a value with a true minus sign, and without one for zero.
fn written(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let text = if text.trim_start_matches(['-', '0', '.']).is_empty() { text.replace('-', "") } else { text };
    text.replace('-', "−")
}

/// Formats a value of any size in few characters.
pub fn plain(value: f64) -> String {
    match value.abs() {
        size if size == 0.0 || (0.01..1e6).contains(&size) => number(value).replace('-', "−"),
        _ => {
            let text = format!("{value:.2e}");
            let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let digits = digits.trim_end_matches('0').trim_end_matches('.');
            format!("{digits}e{exponent}").replace('-', "−")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(values: [f64; 2], logarithmic: bool) -> Vec<String> {
        let scale = Scale::around(values, logarithmic, (0.0, 100.0));
        scale.ticks().into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn a_value_of_any_size_has_few_characters() {
        assert_eq!(plain(0.0016514232489941287), "1.65e−3");
        assert_eq!(plain(-2e-3), "−2e−3");
        assert_eq!(plain(1.0 / 3.0 * 1e7), "3.33e6");
        assert_eq!(plain(27.25), "27.25");
    }

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(texts([50.0, 92.0], false), ["50", "60", "70", "80", "90"]);
        assert_eq!(
            texts([-0.013, 0.02], false),
            ["−0.010", "−0.005", "0.000", "0.005", "0.010", "0.015", "0.020"]
        );
        assert_eq!(texts([1.05, 95.0], true), ["1", "3", "10", "30", "100"]);
        assert_eq!(texts([1e-4, 1e-1], true), ["1e−4", "3e−4", "1e−3", "3e−3", "0.01", "0.03", "0.1"]);
        assert_eq!(texts([0.0, 0.0], false), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(texts([27.1230, 27.1231], false), ["26.0", "26.5", "27.0", "27.5", "28.0"]);
        for values in [[7.0, 7.0], [0.0, 0.0], [1e12, 2e12], [f64::NAN, f64::INFINITY], [1e-300, 1e300]] {
            for logarithmic in [false, true] {
                let ticks = texts(values, logarithmic);
                assert!((1..=12).contains(&ticks.len()), "{values:?}: {ticks:?}");
            }
        }
    }

    #[test]
    fn values_lie_in_their_order_within_the_axis() {
        for logarithmic in [false, true] {
            let scale = Scale::around([1.0, 10.0, 4.0], logarithmic, (300.0, 20.0));
            let places = [1.0, 4.0, 10.0].map(|value| scale.place(value));
            assert!(300.0 > places[0] && places[0] > places[1] && places[1] > places[2] && places[2] > 20.0);
            assert!(scale.place(1e300).is_finite() && scale.place(0.0).is_finite());
            assert_eq!([-5.0, 0.0, 1e300].map(|value| scale.nearest(value)), [300.0, 300.0, 20.0]);
        }
    }
}
