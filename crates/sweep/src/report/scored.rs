//! The rows with their scores and the settings that vary among them, as axes of figures.

use super::subject::{Report, Trial, scored_by, values_of};
use crate::results::summary::Summary;
use crate::results::varied;
use crate::sequence::distinct;
use serde_json::Value;

/// More numbers than these lie on a scale; fewer values, or words, have a place each. Numbers that are drawn from a
/// continuous range always lie on a scale.
pub const MOST_PLACES: usize = 10;
/// A scale is logarithmic if its ends differ by this factor.
const LOGARITHMIC: f64 = 20.0;
/// The value of rows that leave a setting unset, where figures show it as one.
pub const UNSET: &str = "unset";

/// A setting that varies among the rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// `model.dropout`
    pub key: String,
    /// The name of its column in the table.
    pub name: String,
    /// The distinct values: numbers by size, words in the order of the sweep.
    pub places: Vec<String>,
    /// Least value, greatest value, and whether the scale is logarithmic; None if each value has a place of its own.
    pub range: Option<(f64, f64, bool)>,
}

/// A row with its score.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored<'a> {
    pub row: &'a str,
    /// The [score of settings](Report::setting_score) over its seeds.
    pub score: Summary,
    /// The row's value on each axis; None if it does not have the setting, and other rows have several values of it.
    pub values: Vec<Option<String>>,
}

/// Rows whose scores can be compared.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredRows<'a> {
    pub axes: Vec<Axis>,
    /// The rows in the order of the sweep.
    pub rows: Vec<Scored<'a>>,
    /// Rows that were scored otherwise, or on other data, than the base row.
    pub left_out: Vec<&'a str>,
}

impl<'a> ScoredRows<'a> {
    pub fn of(report: &'a Report) -> ScoredRows<'a> {
        let rows = report.rows();
        let scored_by = |row: &[Trial<'a>]| scored_by(row, report.setting_score());
        let base = rows.iter().find(|row| report.is_base(row[0].row)).and_then(|row| scored_by(row));
        let wanted = base.or_else(|| rows.iter().find_map(|row| scored_by(row)));
        let mut found = ScoredRows { axes: Vec::new(), rows: Vec::new(), left_out: Vec::new() };
        for row in &rows {
            let Some(score) = Summary::of(&values_of(row, report.setting_score())) else { continue };
            if scored_by(row) != wanted || !score.mean.is_finite() {
                found.left_out.push(row[0].row);
                continue;
            }
            let own = report.table_row(row);
            let value = |key: &str| -> Option<&Value> { own?.layout.settings.get(key) };
            let settings = report.table.settings.iter();
            let values =
                settings.map(|setting| value(&setting.key).map(|value| varied::text(Some(value)))).collect();
            found.rows.push(Scored { row: row[0].row, score, values });
        }
        (0..report.table.settings.len()).for_each(|index| tell_unset(&mut found.rows, index));
        let axis = |(index, setting): (usize, &varied::VariedSetting)| {
            let values = found.rows.iter().filter_map(|row| row.values[index].clone()).collect();
            let most_places = if report.continuous.contains(&setting.key) { 0 } else { MOST_PLACES };
            Axis::new(&setting.key, &setting.name, values, most_places)
        };
        found.axes = report.table.settings.iter().enumerate().map(axis).collect();
        found.keep_varying();
        found
    }

    /// Drops settings that these rows share.
    fn keep_varying(&mut self) {
        let varies =
            |index: usize| self.rows.iter().any(|row| row.values[index] != self.rows[0].values[index]);
        let kept: Vec<bool> = (0..self.axes.len()).map(varies).collect();
        let mut keep = kept.iter();
        self.axes.retain(|_| *keep.next().expect("one each"));
        for row in &mut self.rows {
            let mut keep = kept.iter();
            row.values.retain(|_| *keep.next().expect("one each"));
        }
    }

    /// `name=value` of the axes in `which` that the row has.
    pub fn words(&self, row: &Scored, which: impl Fn(usize) -> bool) -> String {
        let axes = self.axes.iter().zip(&row.values).enumerate().filter(|(index, _)| which(*index));
        let word = |(_, (axis, value)): (_, (&Axis, &Option<String>))| {
            Some(format!("{}={}", axis.name, value.as_ref()?))
        };
        axes.filter_map(word).collect::<Vec<_>>().join(", ")
    }
}

impl Axis {
    /// Makes the axis from the values of all rows that have the setting. More numbers than `most_places` lie on a scale.
    pub fn new(key: &str, name: &str, values: Vec<String>, most_places: usize) -> Axis {
        let mut places = distinct(values);
        let mut range = None;
        let numbers: Option<Vec<f64>> = places.iter().map(|place| number(place)).collect();
        if let Some(numbers) = numbers {
            places.sort_by(|a, b| number(a).unwrap_or(0.0).total_cmp(&number(b).unwrap_or(0.0)));
            let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
            let most = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let logarithmic = least > 0.0 && most / least >= LOGARITHMIC;
            range = (numbers.len() > most_places).then_some((least, most, logarithmic));
        }
        Axis { key: key.to_string(), name: name.to_string(), places, range }
    }

    /// Whether all values are numbers, by whose order lines may join points.
    pub fn is_ordered(&self) -> bool {
        self.places.iter().all(|place| number(place).is_some())
    }

    /// Returns where a value lies: the number on a scale, else the index of its place.
    pub fn place(&self, value: &str) -> Option<f64> {
        match self.range {
            Some(_) => number(value),
            None => self.places.iter().position(|place| place == value).map(|index| index as f64),
        }
    }
}

/// Gives rows without a setting the value [`UNSET`] if all others have one value of it: what varies then is whether a row
/// has the setting, which figures could not show otherwise.
fn tell_unset(rows: &mut [Scored], index: usize) {
    let mut values = rows.iter().filter_map(|row| row.values[index].as_ref());
    let Some(first) = values.next() else { return };
    if values.any(|value| value != first) {
        return;
    }
    for row in rows {
        row.values[index].get_or_insert_with(|| UNSET.to_string());
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_ordered_by_size_and_words_as_in_the_sweep() {
        let axis = |values: &[&str]| {
            Axis::new("k", "k", values.iter().map(|value| value.to_string()).collect(), MOST_PLACES)
        };
        assert_eq!(axis(&["16", "4", "16", "0.5"]).places, ["0.5", "4", "16"]);
        assert!(axis(&["16", "4"]).is_ordered());
        let words = axis(&["sinusoidal", "none", "none"]);
        assert_eq!(
            (&words.places[..], words.is_ordered()),
            (&["sinusoidal".to_string(), "none".into()][..], false)
        );
        assert_eq!((words.place("none"), words.place("x")), (Some(1.0), None));
    }

    #[test]
    fn unset_is_a_value_beside_a_single_other_one() {
        let told = |values: &[Option<&str>]| {
            let row = |value: &Option<&str>| Scored {
                row: "r",
                score: Summary::of(&[1.0]).unwrap(),
                values: vec![value.map(String::from)],
            };
            let mut rows: Vec<Scored> = values.iter().map(row).collect();
            tell_unset(&mut rows, 0);
            rows.into_iter().map(|row| row.values[0].clone().unwrap_or_default()).collect::<Vec<_>>()
        };
        assert_eq!(told(&[Some("16"), None, Some("16")]), ["16", "unset", "16"]);
        assert_eq!(told(&[Some("16"), None, Some("8")]), ["16", "", "8"]);
        assert_eq!(told(&[None, None]), ["", ""]);
        let axis = Axis::new("k", "k", told(&[Some("16"), None]), MOST_PLACES);
        assert_eq!((axis.place("unset"), axis.is_ordered()), (Some(1.0), false));
    }

    #[test]
    fn many_numbers_lie_on_a_scale() {
        let axis = |most: usize| {
            Axis::new("k", "k", (1..=most).map(|number| number.to_string()).collect(), MOST_PLACES)
        };
        assert_eq!((axis(10).range, axis(10).place("3")), (None, Some(2.0)));
        assert_eq!((axis(11).range, axis(11).place("3")), (Some((1.0, 11.0, false)), Some(3.0)));
        assert_eq!(axis(20).range, Some((1.0, 20.0, true)));
        // A continuous setting has a scale for few values, too, but not for words.
        let continuous =
            |values: &[&str]| Axis::new("k", "k", values.iter().map(|value| value.to_string()).collect(), 0);
        assert_eq!(continuous(&["0.2", "0.1"]).range, Some((0.1, 0.2, false)));
        assert_eq!(continuous(&["0.2", UNSET]).range, None);
    }
}
