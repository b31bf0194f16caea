//! Several mistakes of one sweep file: all are told at once, and what follows from another is not.

use super::sweep_errors::{SWEEP, fails, sweep_fails};
use crate::common::folder::Folder;
use crate::common::variants::MODEL_KEYS;
use ablate::error::{Diagnostic, Error};
use ablate::sweep::expand::expand;
use ablate::sweep::spec::SweepSpec;

/// Returns the lines and messages of all mistakes of a sweep whose third line is the first of `text`.
fn all_mistakes(text: &str) -> Vec<(usize, String)> {
    let (_folder, result) = Folder::sweep(&format!("{SWEEP}{text}"));
    let Err(Error::Config(first)) = result else { panic!("expected mistakes, got {result:?}") };
    let line = |mistake: &Diagnostic| mistake.place.as_ref().map_or(0, |place| place.line());
    std::iter::once(&*first)
        .chain(&first.more)
        .map(|mistake| (line(mistake), mistake.message.clone()))
        .collect()
}

#[test]
fn all_mistakes_of_a_sweep_are_told_at_once() {
    let told = all_mistakes(
        "wokers = 2\nmax_hours = -1.0\n[table]\ncolumns = [\"dev/bleu\", \"test/blue\"]\n\
         [[row]]\nlabel = \"d/x\"\n\
         [[row]]\nlabel = \"a\"\nset = { \"model.layer\" = 3 }\n\
         [[row]]\nlabel = \"b\"\nset = { \"model.heads\" = 7, \"training.stepz\" = 3 }\n\
         [[row]]\nlabel = \"c\"\nset = { \"model.positions\" = \"none\", heads = 3 }\n\
         [[row]]\nlabel = \"e\"\nset = { \"model.positions\" = \"none\" }\n\
         [[row]]\nlabel = \"a\"\n",
    );
    let expected = [
        (3, "unknown key wokers"),
        (4, "max_hours = -1 is out of range"),
        (6, "unknown column \"test/blue\""),
        (8, "label \"d/x\" is not a safe name"),
        (11, "row \"a\": unknown key model.layer"),
        (14, "row \"b\": model.d_model = 512 is not divisible by model.heads = 7"),
        (14, "row \"b\": unknown key training.stepz"),
        (17, "set sets \"heads\", which is not a key of an experiment"),
        (20, "row \"e\": unknown key model.positions"),
        (22, "two rows are labelled \"a\""),
    ];
    let told: Vec<(usize, &str)> = told.iter().map(|(line, message)| (*line, message.as_str())).collect();
    assert_eq!(told, expected);
    let values = all_mistakes("[axes]\n\"model.heads\" = [4, 3, 5]\n\"model.layers\" = [1, 2]");
    let values: Vec<&str> = values.iter().map(|(_, message)| message.as_str()).collect();
    assert_eq!(
        values,
        [3, 5].map(|heads| format!(
            "row \"heads={heads},layers=1\": model.d_model = 512 is not divisible by model.heads = {heads}"
        ))
    );
    let words = all_mistakes("[[row]]\nlabel = \"a\"\nsett = {}\n[[row]]\nlable = \"b\"\nlabel = \"b\"");
    let lines: Vec<usize> = words.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [5, 7], "{words:?}");
}

#[test]
fn mistakes_of_several_rows_at_one_place_and_of_several_conditions_are_told() {
    let widths = all_mistakes("set = { \"model.heads\" = 8 }\n[axes]\n\"model.d_model\" = [64, 100, 102]");
    let divided = |width: u32| {
        let row = format!("row \"d_model={width}\"");
        (3, format!("{row}: model.d_model = {width} is not divisible by model.heads = 8"))
    };
    assert_eq!(widths, [100, 102].map(divided));
    let conditions = all_mistakes(
        "[axes]\n\"model.layers\" = [2, 4]\n\"model.heads\" = { values = [4], when = { \"model.layres\" = 2 } }\n\
         [[exclude]]\n\"model.positon\" = \"none\"",
    );
    let unknown = |line: usize, key: &str| (line, format!("unknown key {key}"));
    assert_eq!(conditions, [unknown(5, "model.layres"), unknown(7, "model.positon")]);
}

#[test]
fn included_files_are_read_on_behind_one_that_is_not_there() {
    let folder = Folder::with(&[
        ("s.toml", &format!("{SWEEP}include = [\"a.toml\"]")),
        ("a.toml", "include = [\"gone.toml\", \"b.toml\"]"),
        ("b.toml", "[[row]]\nlabel = \"b\"\nset = { heads = 3 }"),
    ]);
    let spec = SweepSpec::load(&folder.path("s.toml")).unwrap();
    let Err(Error::Config(all)) = expand(&spec, &[]) else { panic!("no mistakes") };
    assert!(all.message.starts_with("include: there is no file"), "{all}");
    assert_eq!(all.more.len(), 1, "{all}");
    assert_eq!(all.more[0].message, "set sets \"heads\", which is not a key of an experiment");
}

#[test]
fn what_follows_from_another_mistake_of_a_sweep_is_not_told() {
    let heads = "[[row]]\nlabel = \"a\"\nset = { \"model.heads\" = 7";
    for (text, told) in [
        // A condition that cannot be evaluated leaves out the width that would fit 7 heads.
        (
            format!(
                "set = {{ \"model.dropout\" = 0.1 }}\n{heads}, \"training.stepz\" = 3 }}\n[axes]\n\
                 \"model.d_model\" = {{ values = [700], when = {{ \"model.dropout\" = 0.1 }} }}"
            ),
            "row \"a\": unknown key training.stepz",
        ),
        // The width is in a section that a sweep does not have, or in one that does not know it.
        (format!("{heads} }}\n[model]\nd_model = 700"), "unknown section [model]"),
        (format!("{heads}, \"training.d_model\" = 700 }}"), "row \"a\": unknown key training.d_model"),
    ] {
        let all = all_mistakes(&text);
        let messages: Vec<&str> = all.iter().map(|(_, message)| message.as_str()).collect();
        assert_eq!(messages, [told]);
    }
    // All rows have the same place.
    fails(
        "set = { \"model.headz\" = 4 }\n[axes]\n\"model.layers\" = [2, 4]",
        3,
        "row \"layers=2\": unknown key model.headz",
        &format!("did you mean \"heads\"? {MODEL_KEYS}"),
    );
    // Consequences of a row with a mistake: an exclusion lacks its value, the base lacks its row.
    let row = "[[row]]\nlabel = \"a\"\nset = { \"model.heads\" = \"x\" }\n[[row]]\nlabel = \"b\"\n";
    for others in ["[[exclude]]\n\"model.heads\" = 4", "[table]\nbase = \"a\""] {
        fails(
            &format!("{row}{others}"),
            5,
            "row \"a\": model.heads = \"x\" is a string",
            "expected an integer",
        );
    }
    // A row of the base alone stands for rows that cannot be read.
    fails(
        "set = { \"model.heads\" = 3 }\n[row]\nlabel = \"a\"",
        4,
        "row = { label = \"a\" } is a table",
        "expected an array: write [[row]] above each of them",
    );
}

#[test]
fn a_feed_forward_block_that_is_not_there_has_no_width() {
    for (key, value) in [("d_ff", "64"), ("activation", "\"gelu\""), ("activation_dropout", "0.1")] {
        let row = format!("\"model.feed_forward\" = false, \"model.{key}\" = {value}");
        sweep_fails(
            &format!("{SWEEP}[[row]]\nlabel = \"base\"\n[[row]]\nlabel = \"a\"\nset = {{ {row} }}"),
            7,
            &format!("row \"a\": model.{key} has no effect with model.feed_forward = false"),
            "leave it out, or change model.feed_forward",
        );
    }
}

#[test]
fn rows_that_train_on_other_lengths_are_different() {
    let rows = |length| {
        format!(
            "{SWEEP}[[row]]\nlabel = \"all\"\n[[row]]\nlabel = \"short\"\nset = {{ \"data.max_train_length\" = {length}, \"model.layers\" = 2 }}"
        )
    };
    assert!(Folder::sweep(&rows(49)).1.is_ok());
    sweep_fails(
        &rows(50),
        7,
        "row \"short\": data.max_train_length = 50 leaves nothing out: training pairs have at most data.max_length = 50 tokens",
        "use less than 50, or leave it out",
    );
}
