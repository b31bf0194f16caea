//! The `[table]` of a sweep: its checks, and the layout of the results.

use super::combine::about_row;
use super::section::{Row, Section};
use super::settings::{at, mistake};
use super::spec::SweepSpec;
use super::trial::{Trial, tasks};
use super::varied::varied;
use crate::error::{Diagnostic, Error, Mistakes, Place, Result, did_you_mean};
use crate::experiment::measured::{advice_on, measured};
use crate::results::hyperparameters::Hyperparameters;
use crate::results::metric::{LengthClass, METRICS, Metric, TEST, find, is_of_class};
use crate::results::published::Published;
use crate::results::table_layout::{Form, Layout, RowLayout, TABLE2_COLUMN, columns};
use crate::sequence::distinct;

/// Returns the layout of these trials' results in a table.
///
/// # Errors
/// The published table cannot be read.
pub fn layout(spec: &SweepSpec, trials: &[Trial]) -> Result<Layout> {
    let by_row: Vec<&[Trial]> = trials.chunk_by(|one, next| one.row == next.row).collect();
    let (settings, values) = varied(&by_row.iter().map(|seeds| &seeds[0]).collect::<Vec<_>>());
    let row = |(seeds, settings): (&&[Trial], _)| {
        let trial = &seeds[0];
        let recipe = &trial.experiment.data.recipe;
        RowLayout {
            label: trial.row.clone(),
            system: trial.system.clone(),
            name: trial.name.clone(),
            pair: format!("{}-{}", recipe.source_language, recipe.target_language),
            group: trial.group.clone(),
            paper: trial.paper.clone(),
            changes: trial.changes.clone(),
            settings,
            hyperparameters: Hyperparameters::of(&trial.experiment.model, &trial.experiment.training),
            seeds: seeds.iter().map(|trial| trial.seed).collect(),
        }
    };
    let rows = by_row.iter().zip(values).map(row).collect();
    let published = spec.table.paper.as_deref().map(Published::named).transpose()?;
    Ok(Layout {
        sweep: spec.name.clone(),
        form: spec.table.layout,
        columns: spec.table.columns.clone(),
        published,
        base: base(spec, trials).map(String::from),
        peak_tflops: spec.table.peak_tflops.clone(),
        tasks: tasks(trials),
        settings,
        rows,
    })
}

/// Returns the label of the row with which others are compared: the one that `[table]` names, else the one that repeats
/// the paper's base, else the one with the label "base".
pub fn base<'a>(spec: &'a SweepSpec, trials: &'a [Trial]) -> Option<&'a str> {
    let find =
        |is: &dyn Fn(&Trial) -> bool| trials.iter().find(|trial| is(trial)).map(|trial| trial.row.as_str());
    spec.table
        .base
        .as_deref()
        .or_else(|| find(&|trial| trial.paper.as_deref() == Some("base")))
        .or_else(|| find(&|trial| trial.row == "base"))
        .or_else(|| find(&|trial| trial.system == "base"))
}

/// Checks that the row that `[table]` names as the base exists.
///
/// # Errors
/// A mistake if there is no such row.
pub fn check_base(spec: &SweepSpec, trials: &[Trial]) -> Result<()> {
    let Some(base) = &spec.table.base else { return Ok(()) };
    if trials.iter().any(|trial| trial.row == *base) {
        return Ok(());
    }
    let mut labels: Vec<&str> = trials.iter().map(|trial| trial.row.as_str()).collect();
    labels.dedup();
    let place = spec.place(&["table", "base"], None);
    Err(mistake(format!("table.base = {base:?} is not a row of the sweep"), &place, accepted(base, &labels)))
}

/// Checks that for each column by source length some row has that class of lengths.
///
/// # Errors
/// A mistake at the column's place.
pub fn check_classes(spec: &SweepSpec, trials: &[Trial]) -> Result<()> {
    let classes =
        distinct(trials.iter().flat_map(|trial| LengthClass::all(&trial.experiment.decoding.length_buckets)));
    let by_length = METRICS.iter().filter(|metric| metric.by_length).map(|metric| metric.tag(TEST));
    let known: Vec<String> =
        by_length.flat_map(|tag| classes.iter().map(move |class| class.tag(&tag))).collect();
    let mut columns = spec.table.columns.iter().enumerate();
    let unknown = columns.find(|(_, column)| is_of_class(column) && !known.contains(column));
    let Some((i, column)) = unknown else { return Ok(()) };
    let help = match known.is_empty() {
        true => "set decoding.length_buckets, such as [10, 20, 30]".to_string(),
        false => accepted(column, &known),
    };
    let message = format!("column {column:?}: no row has such a class in decoding.length_buckets");
    Err(mistake(message, &spec.place(&["table", "columns"], Some(i)), help))
}

/// Checks that each column is measured in some row: BLEU, for example, is not measured of language models, and exact
/// matches of translations only with `decoding.length_buckets`.
///
/// # Errors
/// A mistake at the column's place.
pub fn check_measured(spec: &SweepSpec, trials: &[Trial]) -> Result<()> {
    if spec.table.columns.is_empty() {
        return Ok(());
    }
    let experiments = || trials.iter().map(|trial| &trial.experiment);
    let names = distinct(experiments().flat_map(measured).map(|metric| metric.name));
    let of_rows: Vec<Metric> =
        METRICS.iter().filter(|metric| names.contains(&metric.name)).copied().collect();
    let known = columns(&of_rows);
    let mut columns = spec.table.columns.iter().enumerate();
    let other = columns.find(|(_, column)| !is_of_class(column) && !known.contains(column));
    let Some((i, column)) = other else { return Ok(()) };
    let message = format!("column {column:?} is not measured of these trials");
    let advice = find(&METRICS, column)
        .and_then(|(metric, _)| experiments().find_map(|experiment| advice_on(metric, experiment)));
    let help = match advice {
        Some(advice) => format!("{advice}, or leave the column out"),
        None => accepted(column, &known),
    };
    Err(mistake(message, &spec.place(&["table", "columns"], Some(i)), help))
}

/// Checks the layout, columns, published rows and peaks that the sweep names.
///
/// # Errors
/// All mistakes, with their places.
pub fn check_table(spec: &SweepSpec) -> Result<()> {
    let mut mistakes = Mistakes::default();
    let known = columns(&METRICS);
    for (i, column) in spec.table.columns.iter().enumerate() {
        mistakes.keep(check_column(spec, i, column, &known))?;
    }
    for (device, tflops) in &spec.table.peak_tflops {
        if !(tflops.is_finite() && *tflops > 0.0) {
            let place = spec.place(&["table", "peak_tflops", device], None);
            let message = format!("table.peak_tflops: {tflops} for {device:?} is not a valid rate");
            let help = "expected 10¹² operations per second, a number above 0 such as 0.05";
            mistakes.add_error(mistake(message, &place, help))?;
        }
    }
    let published = spec.table.paper.as_deref().map(Published::named).transpose();
    let published = published.map_err(|error| error.at(Some(spec.place(&["table", "paper"], None))).into());
    let Some(published) = mistakes.keep(published)? else { return mistakes.end(Ok(())) };
    mistakes.keep(check_form(spec, published.as_ref()))?;
    for row in spec.sections.iter().flat_map(|section| &section.rows) {
        mistakes.keep(check_paper(row, published.as_ref()))?;
    }
    for section in &spec.sections {
        mistakes.keep(check_one_base(spec, section))?;
    }
    mistakes.end(Ok(()))
}

/// Checks that the published row that a row names exists.
fn check_paper(row: &Row, published: Option<&Published>) -> Result<()> {
    match (&row.paper, published) {
        (Some(label), Some(table)) => {
            let unknown = |error: Diagnostic| -> Error {
                about_row(error.at(Some(row.paper_place.clone())).into(), &row.label)
            };
            table.row(label).map_err(unknown)?;
            Ok(())
        }
        (Some(label), None) => {
            let message =
                format!("row {:?}: paper = {label:?}, but the sweep names no published table", row.label);
            let help = "add paper = \"table3\" under [table], or remove `paper` from the row";
            Err(mistake(message, &row.paper_place, help))
        }
        (None, _) => Ok(()),
    }
}

/// Checks that the paper's base tells which row of a section is the base. In Table 2 it stands beside a row of each pair
/// of languages.
fn check_one_base(spec: &SweepSpec, section: &Section) -> Result<()> {
    if spec.table.base.is_some() || spec.table.layout == Form::Table2 {
        return Ok(());
    }
    let mut bases = section.rows.iter().filter(|row| row.paper.as_deref() == Some("base"));
    let (Some(first), Some(second)) = (bases.next(), bases.next()) else { return Ok(()) };
    let message = format!("rows {:?} and {:?} both have paper = \"base\"", first.label, second.label);
    let help = format!(
        "others are compared with one row: remove one `paper`, or name the row as `base` under [table]; the other is {}",
        at(&first.paper_place, &second.paper_place)
    );
    Err(mistake(message, &second.paper_place, help))
}

/// Checks that column `i` of the table is known, and stated only once.
fn check_column(spec: &SweepSpec, i: usize, column: &str, known: &[String]) -> Result<()> {
    let place = spec.place(&["table", "columns"], Some(i));
    // Only the rows tell whether such a class exists.
    let of_class = is_of_class(column)
        && find(&METRICS, column).is_some_and(|(metric, set)| metric.by_length && set == TEST);
    if !known.iter().any(|known| known == column) && !of_class {
        return Err(mistake(format!("unknown column {column:?}"), &place, accepted(column, known)));
    }
    if spec.table.columns[..i].iter().any(|earlier| earlier == column) {
        return Err(mistake(format!("columns states {column:?} twice"), &place, "remove one of them"));
    }
    Ok(())
}

/// Checks that layout, columns and the published table suit each other.
fn check_form(spec: &SweepSpec, published: Option<&Published>) -> Result<()> {
    let place = |key: &str| -> Place { spec.place(&["table", key], None) };
    let name = published.map(|published| published.name.as_str());
    let form = spec.table.layout;
    match (form, name) {
        (Form::Table3, Some(name)) if name != "table3" => {
            let message = format!("layout = \"table3\" cannot show {name:?}");
            Err(mistake(message, &place("paper"), "expected paper = \"table3\", or no `paper`"))
        }
        (Form::Table2, Some("table3")) => {
            let message = "layout = \"table2\" cannot show \"table3\"";
            Err(mistake(message, &place("paper"), "expected paper = \"table2\", or no `paper`"))
        }
        (Form::List, Some("table2")) => {
            let message =
                "paper = \"table2\" has a score for each language pair, but layout = \"list\" shows one";
            let help = "name \"table2-en-de\" or \"table2-en-fr\", or add layout = \"table2\"";
            Err(mistake(message, &place("paper"), help))
        }
        (Form::Table2, _) if !spec.table.columns.is_empty() => {
            let message = format!("layout = \"table2\" shows only {TABLE2_COLUMN} and the cost of training");
            Err(mistake(message, &place("columns"), "remove `columns`, or the layout"))
        }
        _ => Ok(()),
    }
}

/// Returns the nearest name and the list of all.
fn accepted(name: &str, names: &[impl AsRef<str>]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    format!("{}accepted: {}", did_you_mean(name, names.iter().copied()), names.join(", "))
}
