//! The factors of a section, read from a sweep file.

use super::condition::Condition;
use super::draw::random;
use super::factor::{Choice, Factor};
use super::file::{AxisFile, PointFile, ZipFile};
use super::settings::{Setting, items, mistake, place_of, settings, settings_of_axes, tables};
use crate::config::deserialize::from_table;
use crate::config::toml_tree::{Node, Table, Value};
use crate::error::{Mistakes, Result};

/// Keys of `[[zip]]` that are not settings.
const ZIP_WORDS: [&str; 2] = ["labels", "when"];

/// Returns the factors of a file's section, in the order of the text: a condition sees only what stands above it.
///
/// # Errors
/// All mistakes, at their places.
pub fn factors(section: &Table) -> Result<Vec<Factor>> {
    let mut mistakes = Mistakes::default();
    let mut factors = mistakes.keep(axes(section.get("axes")))?.unwrap_or_default();
    for (table, node) in tables(section, "zip") {
        factors.extend(mistakes.keep(zip(table, node))?);
    }
    factors.extend(mistakes.keep(points(section))?.flatten());
    factors.extend(mistakes.keep(section.get("random").map(random).transpose())?.flatten());
    factors.sort_by_key(|factor| factor.place.span.start);
    mistakes.end(Ok(factors))
}

/// Reads `[axes]`: keys, each with its values.
fn axes(node: Option<&Node>) -> Result<Vec<Factor>> {
    let axis = |Setting { key, place, value }| {
        let name = format!("axis {key}");
        let (values, when) = match &value.value {
            Value::Table(table) => {
                let AxisFile { values: _, when: _ } = from_table(table, &value.place)?;
                let values = table.get("values").unwrap_or(&value).clone();
                (values, Condition::when(table.get("when"))?)
            }
            _ => (value, None),
        };
        let help = "an axis is an array of the values to try; one value for all rows belongs under `set`";
        let choices = items(&values, &name, help)?
            .into_iter()
            .map(|value| Choice::plain(None, [Setting { key: key.clone(), place: place.clone(), value }]));
        Ok(Factor {
            name: "[axes]",
            choices: choices.collect(),
            place,
            when,
            drawn: false,
            continuous: Vec::new(),
        })
    };
    let mut axes = Vec::new();
    let mut mistakes = Mistakes::default();
    for setting in settings_of_axes(node)? {
        axes.extend(mistakes.keep(axis(setting))?);
    }
    mistakes.end(Ok(axes))
}

/// Reads `[[zip]]`: keys whose values advance together.
fn zip(table: &Table, node: &Node) -> Result<Factor> {
    let help = "a zip has an array of values for each key; one value for all rows belongs under `set`";
    let mut columns: Vec<(Setting, Vec<Node>)> = Vec::new();
    for setting in settings(Some(node), "zip", &ZIP_WORDS)? {
        let values = items(&setting.value, &format!("zip {}", setting.key), help)?;
        if let Some((first, others)) = columns.first()
            && others.len() != values.len()
        {
            let (key, other) = (&setting.key, &first.key);
            let message = format!("zip: {key} has {} values, but {other} has {}", values.len(), others.len());
            let help = "the keys of a zip advance together: give each the same number of values; keys that vary independently belong under [axes]";
            return Err(mistake(message, &setting.place, help));
        }
        columns.push((setting, values));
    }
    let Some(length) = columns.first().map(|(_, values)| values.len()) else {
        let help = "state arrays of equal length, as in \"model.heads\" = [2, 4]";
        return Err(mistake("zip has no keys", &node.place, help));
    };
    let ZipFile { labels } = from_table(table, &node.place)?;
    if let Some(labels) = &labels
        && labels.len() != length
    {
        let message = format!("zip: there are {} labels for {length} steps", labels.len());
        let place = place_of(table, "labels", &node.place);
        return Err(mistake(message, &place, "give one label for each step, or leave `labels` out"));
    }
    let choices = (0..length).map(|step| {
        let label = labels.as_ref().map(|labels| labels[step].clone());
        let settings = columns
            .iter()
            .map(|(setting, values)| Setting { value: values[step].clone(), ..setting.clone() });
        Choice::plain(label, settings)
    });
    let when = Condition::when(table.get("when"))?;
    Ok(Factor {
        name: "[[zip]]",
        place: node.place.clone(),
        when,
        drawn: false,
        continuous: Vec::new(),
        choices: choices.collect(),
    })
}

/// Reads `[[point]]`: all points of a section are one factor.
fn points(section: &Table) -> Result<Option<Factor>> {
    let mut choices = Vec::new();
    let mut place = None;
    for (table, node) in tables(section, "point") {
        let PointFile { label, set: _ } = from_table(table, &node.place)?;
        let settings = settings(table.get("set"), "set", &[])?;
        if settings.is_empty() && label.is_none() {
            let help = "state what it sets, as in set = { \"model.heads\" = 1 }, or a label for one that changes nothing";
            return Err(mistake("a point has neither label nor changes", &node.place, help));
        }
        choices.push(Choice::plain(label, settings));
        place.get_or_insert_with(|| node.place.clone());
    }
    Ok(place.map(|place| Factor {
        name: "[[point]]",
        place,
        when: None,
        drawn: false,
        continuous: Vec::new(),
        choices,
    }))
}
