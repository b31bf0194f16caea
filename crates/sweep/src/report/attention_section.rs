//! The attention of the heads of the base row's first seed, and of the other rows, where the runs kept it.

use super::pictures::row_name;
use super::section::{Section, file_name};
use super::subject::Report;
use crate::error::Result;
use crate::experiment::view::picture::heads;
use crate::figures::svg::escaped;
use crate::results::attention_file::{ATTENTION_FILE, Attention};

/// Rows whose attention is drawn, at most: each takes a picture for every layer.
const MOST_ROWS: usize = 6;
/// Maps that are drawn, at most, but always those of one row: some 10 kB each, so that a page stays below 3 MB.
const MOST_MAPS: usize = 200;

pub fn section(report: &Report) -> Result<Section> {
    let mut section = Section::new("Attention");
    let (mut drawn, mut maps) = (0, 0);
    let mut left_out = Vec::new();
    for (trial, record) in report.by_interest() {
        record.check_file(&trial.run_dir, ATTENTION_FILE)?;
        let Some(attention) = Attention::load(&trial.run_dir)? else { continue };
        let Some(sentence) = attention.sentences.first() else { continue };
        if drawn == MOST_ROWS || drawn > 0 && maps + sentence.maps.len() > MOST_MAPS {
            left_out.push(trial.row);
            continue;
        }
        maps += sentence.maps.len();
        let open = if report.is_base(trial.row) { " open" } else { "" };
        let (row, seed) = (escaped(&row_name(report, std::slice::from_ref(trial))), trial.seed);
        section.body +=
            &format!("<details{open}><summary>{row}, seed {seed}</summary>\n<div class=\"maps\">\n");
        for layer in sentence.layers() {
            let Some(picture) = heads(sentence, &layer) else { continue };
            let (kind, layer) = (layer.kind.name(), format!("layer {}", layer.layer));
            section.figure(&file_name(&["attention", trial.row, kind, &layer]), picture);
        }
        section.body += "</div></details>\n";
        drawn += 1;
    }
    if drawn > 0 {
        let words = "A row of a map is a query, the token that attends; a column is a key, a token that is attended to. \
                     The weights of a row add up to 1. The first dev sentence that the run kept.";
        section.body = format!("<p>{words}</p>\n{}", section.body);
    }
    if !left_out.is_empty() {
        section.paragraph(&format!(
            "Drawn for the {} and the rows of the best scores. TensorBoard shows the maps of the others, too: {}.",
            report.base_name(),
            left_out.join(", ")
        ));
    }
    Ok(section)
}
