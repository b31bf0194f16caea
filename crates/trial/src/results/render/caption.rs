//! Captions of tables for LaTeX.

use super::super::pivot::PivotTable;
use super::super::sheet::seeds_of_rows;
use super::super::table::{Column, ResultTable};
use super::super::table_layout::Form;
use super::super::varied::VariedSetting;

/// The caption of a table of rows: the scores, the settings that vary, the seeds and the data.
pub fn of_rows(table: &ResultTable) -> String {
    let settings: Vec<String> =
        table.settings.iter().filter(|setting| setting.is_column).map(VariedSetting::words).collect();
    let what = match (table.form, settings.as_slice()) {
        (Form::Table3, _) => {
            "Variations on the Transformer, in the layout of Vaswani et al. (2017), Table 3".to_string()
        }
        (_, []) => format!("{} of {} rows", scores(table), table.rows.len()),
        (_, settings) => format!("{} by {}", scores(table), listed(settings)),
    };
    let seeds = over_seeds(table.rows.iter().map(|row| row.finished));
    let recipes: Vec<String> = table.data.iter().map(|data| data.recipe.clone()).collect();
    let data = if recipes.is_empty() { String::new() } else { format!(", on {}", listed(&recipes)) };
    format!("{what} (sweep {}{data}).{seeds}", table.sweep)
}

/// The caption of the first table of two settings.
pub fn of_pivot(table: &PivotTable) -> String {
    let title = table.panels.first().map_or(String::new(), |panel| table.title(panel));
    let name = table.metric.name.as_str();
    let score = title_of(&table.metric).unwrap_or_else(|| name.replace(['_', '/'], " "));
    let text = capital(&title.replacen(name, &score, 1).replace('_', " "));
    let cells = table.panels.iter().flat_map(|panel| &panel.lines).flat_map(|line| &line.cells).flatten();
    let seeds = over_seeds(cells.map(|cell| cell.finished));
    format!("{text} (sweep {}).{seeds}", table.sweep)
}

/// Returns the sentence about seeds; empty if no row has several. `finished` holds the number of finished trials of
/// each row.
fn over_seeds(finished: impl Iterator<Item = usize>) -> String {
    seeds_of_rows(finished)
        .map_or_else(String::new, |n| format!(" Mean and sample standard deviation over {n} seeds."))
}

/// The scores of the table: `Dev perplexity, dev BLEU and test BLEU`.
fn scores(table: &ResultTable) -> String {
    let titles: Vec<String> = table.columns.iter().filter_map(title_of).collect();
    capital(&if titles.is_empty() { "results".to_string() } else { listed(&titles) })
}

/// `dev perplexity`; `None` for a count.
fn title_of(column: &Column) -> Option<String> {
    let (set, rest) = column.name.split_once('/')?;
    let title = column.metric?.of_set(set);
    Some(match rest.split_once('@') {
        Some((_, class)) => format!("{title} (sources of {class} tokens)"),
        None => title,
    })
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// `a`, `a and b`, `a, b and c`.
fn listed(texts: &[String]) -> String {
    match texts {
        [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => texts.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::over_seeds;

    #[test]
    fn a_caption_states_a_number_of_seeds_that_is_every_rows() {
        let caption = |finished: &[usize]| over_seeds(finished.iter().copied());
        let over = |n: &str| format!(" Mean and sample standard deviation over {n} seeds.");
        assert_eq!(caption(&[5, 0, 5]), over("5"));
        assert_eq!(caption(&[5, 3]), over("n"));
        assert_eq!([caption(&[1, 0]), caption(&[])], ["", ""]);
    }
}
