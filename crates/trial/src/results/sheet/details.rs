//! The tables below the rows: against the base row, against the paper, and the verdicts.

use super::super::comparison::OverSeeds;
use super::super::table::{ResultTable, Row};
use super::super::verdict::Claim;
use super::cells::{EMPTY, Heading, LatexHeading, Line, Sheet, Text, mark, p_value, signed};
use super::identity::{Identity, names};
use super::rows::heading;

/// The tables of details: against the base row, against the paper, and the verdicts. Empty tables are left out.
pub fn details(table: &ResultTable) -> Vec<Sheet> {
    [against_base(table), against_paper(table), verdicts(table)]
        .into_iter()
        .filter(|sheet| !sheet.lines.is_empty())
        .collect()
}

fn against_base(table: &ResultTable) -> Sheet {
    let identity = Identity::of_table(table);
    let mut headings: Vec<Heading> = identity.headings().collect();
    let keys = headings.len() + 1;
    headings.push(Heading::words("score"));
    headings.extend(
        ["here − base", "± sentences", "± seeds", "p sentences", "p seeds", "p (Holm)"].map(Heading::numbers),
    );
    let mut lines: Vec<Line> = Vec::new();
    for (index, column) in table.columns.iter().enumerate() {
        let cells = table.rows.iter().map(|row| (row, &row.cells[index]));
        let compared = cells.filter_map(|(row, cell)| Some((row, cell, cell.comparison.as_ref()?)));
        for (nth, (row, cell, found)) in compared.enumerate() {
            let seeds = |of: fn(&OverSeeds) -> String| found.seeds.as_ref().map_or(EMPTY.to_string(), of);
            let found = [
                column.name.clone(),
                signed(found.difference, 2),
                format!("{:.2}", found.sentences.half_width),
                seeds(|seeds| format!("{:.2}", seeds.half_width)),
                p_value(found.sentences.p),
                seeds(|seeds| p_value(seeds.p)),
                p_value(found.p_corrected) + mark(cell),
            ];
            let cells = identity.cells(&names(row)).chain(found.map(Text::plain)).collect();
            lines.push(Line { rule: nth == 0 && !lines.is_empty(), cells, across: None });
        }
    }
    Sheet { title: "Against the base row, with 95 % intervals".into(), headings, keys, lines }
}

fn against_paper(table: &ResultTable) -> Sheet {
    let identity = Identity::of_table(table);
    let mut headings: Vec<Heading> = identity.headings().collect();
    let keys = headings.len();
    let shown: Vec<usize> =
        (0..table.columns.len()).filter(|&index| table.columns[index].published).collect();
    let differs = |&index: &usize| table.rows.iter().any(|row| row.cells[index].against_published.is_some());
    for index in &shown {
        let Heading { text, latex, .. } = heading(table.form, &table.columns[*index]);
        let latex = match latex {
            Some(LatexHeading::Words(words)) => Some(LatexHeading::Words(format!("paper {words}"))),
            other => other,
        };
        headings.push(Heading { latex, ..Heading::numbers(&format!("paper {text}")) });
        headings.extend(differs(index).then(|| Heading::numbers("here − paper")));
    }
    let line = |row: &Row| {
        let mut cells: Vec<Text> = identity.cells(&names(row)).collect();
        for index in &shown {
            let cell = &row.cells[*index];
            cells.push(Text::plain(cell.published.clone().unwrap_or_default()));
            let difference = || cell.against_published.map_or(String::new(), |found| signed(found, 2));
            cells.extend(differs(index).then(difference).map(Text::plain));
        }
        Line { rule: false, cells, across: None }
    };
    let published = |row: &&Row| shown.iter().any(|&index| row.cells[index].published.is_some());
    let title = match table.published.as_deref() {
        Some("table3") => "Against the paper's Table 3",
        _ => "Against the paper's Table 2",
    };
    Sheet {
        title: title.into(),
        headings,
        keys,
        lines: table.rows.iter().filter(published).map(line).collect(),
    }
}

fn verdicts(table: &ResultTable) -> Sheet {
    let mut headings = ["group", "row", "the paper", "holds here"].map(Heading::words).to_vec();
    headings.push(Heading { wraps: true, ..Heading::words("because") });
    let mut lines = Vec::new();
    for verdict in &table.verdicts {
        let group = if table.rows.iter().any(|row| row.layout.group.as_ref() == Some(&verdict.group)) {
            format!("({})", verdict.group)
        } else {
            verdict.group.clone()
        };
        let several = verdict.rows.len() > 1;
        let mut add = |rule: bool, cells: [String; 5], answer: bool| {
            let cell = |(index, text)| Text { text, bold: answer && index == 3 };
            let cells = cells.into_iter().enumerate().map(cell).collect();
            lines.push(Line { rule: rule && !lines.is_empty(), cells, across: None });
        };
        if several {
            let all = format!("all {}", verdict.rows.len());
            let answer = verdict.answer.text().to_string();
            add(true, [group.clone(), all, String::new(), answer, String::new()], true);
        }
        for row in &verdict.rows {
            let claim = match row.claim {
                Claim::Higher => "higher",
                Claim::Lower => "lower",
                Claim::Same => "the same",
            };
            let cells = [
                if several { String::new() } else { group.clone() },
                row.row.clone(),
                format!("{claim}: {}", signed(row.paper_difference, 1)),
                row.answer.text().to_string(),
                row.why.clone().unwrap_or_default(),
            ];
            add(!several, cells, !several);
        }
    }
    Sheet { title: "Does the paper's direction in BLEU (dev) hold here?".into(), headings, keys: 2, lines }
}
