//! What heads of the base row's first seed look at, where the run kept it.

use super::section::{Figure, Section, file_name};
use super::subject::{Report, runs};
use crate::error::Result;
use crate::figures::svg::escaped;
use crate::figures::{Heatmap, Matrix, heatmap};
use crate::results::attention_file::{ATTENTION_FILE, Attention, AttentionKind};

/// Maps of one row, at most: a page of them shows nothing.
const MOST_MAPS: usize = 12;

pub fn section(report: &Report) -> Result<Section> {
    let mut section = Section::new("Attention");
    for row in report.rows() {
        let Some((trial, record)) = runs(row).next() else { continue };
        record.check_file(&trial.run_dir, ATTENTION_FILE)?;
        let Some(attention) = Attention::load(&trial.run_dir)? else { continue };
        let Some(sentence) = attention.sentences.first() else { continue };
        let mut maps = String::new();
        for map in sentence.maps.iter().take(MOST_MAPS) {
            let Some(values) = Matrix::of_rows(&map.weights) else { continue };
            let (rows, columns) = map.kind.tokens(sentence);
            let (kind, who, whom) = match map.kind {
                AttentionKind::Encoder => ("encoder", "source", "source"),
                AttentionKind::Decoder => ("decoder", "target", "target"),
                AttentionKind::Cross => ("encoder–decoder", "target", "source"),
            };
            let title = format!("{kind}, layer {}, head {}", map.layer, map.head);
            let drawn = heatmap(&Heatmap {
                title: &title,
                rows: (who, rows),
                columns: (whom, columns),
                values: &values,
            });
            maps += &drawn.inline();
            let file = file_name(&["attention", trial.row, &title.replace("encoder–decoder", "cross")]);
            section.figures.push(Figure { file, svg: drawn });
        }
        if sentence.maps.len() > MOST_MAPS {
            maps += &format!(
                "<p>The first {MOST_MAPS} of {} maps; TensorBoard shows all.</p>\n",
                sentence.maps.len()
            );
        }
        let open = if Some(trial.row) == report.base() { " open" } else { "" };
        section.body += &format!(
            "<details{open}><summary>{}, seed {}</summary>\n<div class=\"maps\">\n{maps}</div></details>\n",
            escaped(trial.row),
            trial.seed
        );
    }
    if !section.body.is_empty() {
        let words = "A row of a map is a token that looks, a column one that is looked at; rows add up to 1.";
        section.body = format!("<p>{words}</p>\n{}", section.body);
    }
    Ok(section)
}
