//! Errors for wrong sweep files: file, line, and the way out.

use crate::common::folder::{Folder, parts};
use crate::common::variants::MODEL_KEYS;
use ablate::error::{Diagnostic, Error};
use ablate::results::metric::{METRICS, TEST};
use ablate::results::table_layout::columns;
use ablate::sweep::expand::expand;
use ablate::sweep::spec::SweepSpec;
use ablate::sweep::trial::Trial;

const SWEEP: &str = "base = \"base.toml\"\nseeds = [1, 2]\n";
const SAFE: &str = "it names a directory: use at most 200 characters, letters a to z and A to Z, digits and . _ = + , -, and \
                    do not start with . or -";

#[track_caller]
fn sweep_fails(text: &str, line: usize, message: &str, help: &str) {
    let (folder, result) = Folder::sweep(text);
    let (file, at, said, helped) = parts(&folder, result);
    assert_eq!((file.as_str(), at, said.as_str(), helped.as_str()), ("s.toml", line, message, help));
}

/// Expects an error; `text` follows the two lines of [`SWEEP`], so its first line is line 3.
#[track_caller]
fn fails(text: &str, line: usize, message: &str, help: &str) {
    sweep_fails(&format!("{SWEEP}{text}"), line, message, help);
}

#[test]
fn seeds_axes_and_rows_of_a_sweep() {
    const RANGE: &str = "expected an integer from 0 to 9223372036854775807";
    let seeds = |text: &str| format!("base = \"base.toml\"\n{text}\n");
    sweep_fails(
        &seeds("seeds = []"),
        2,
        "seeds = [] leaves nothing to run",
        "state at least one, as in seeds = [1, 2, 3]",
    );
    sweep_fails(&seeds("seeds = [1,\n 2, 1]"), 3, "seeds states 1 twice", "remove one of them");
    sweep_fails(&seeds("seeds = [-1]"), 2, "seeds[0] = -1 is out of range", RANGE);
    sweep_fails(
        &seeds("seed = [1]"),
        2,
        "unknown key seed",
        "did you mean \"seeds\"? accepted: base, seeds, workers, devices, max_trials, max_hours, retry, halving, slurm, include, set, row, point, zip, axes, random, search, exclude, section, table",
    );
    sweep_fails(
        &format!("{SWEEP}[axes]\n\"model.heads\" = []"),
        4,
        "axis model.heads = [] has no values",
        "state at least one value, or remove it",
    );
    sweep_fails(
        &format!("{SWEEP}[axes]\n\"model.positions\" = [\"none\"]"),
        4,
        "row \"positions=none\": unknown key model.positions",
        &format!("did you mean \"position\"? {MODEL_KEYS}"),
    );
    sweep_fails(
        &format!("{SWEEP}[axes]\n\"model.heads\" = 4"),
        4,
        "axis model.heads = 4 is an integer",
        "an axis is an array of the values to try; one value for all rows belongs under `set`",
    );
    sweep_fails(
        &format!("{SWEEP}[axes]\n\"training.seed\" = [4]"),
        4,
        "axes states training.seed, which the sweep's seeds replace",
        "list it under `seeds`",
    );
    sweep_fails(
        &format!("{SWEEP}[axes]\nmodel.heads = [4, 3]"),
        4,
        "row \"heads=3\": model.d_model = 512 is not divisible by model.heads = 3",
        "use d_model 510 or 516, or heads 2 or 4, or state both d_k and d_v",
    );
    sweep_fails(
        &format!("{SWEEP}[[row]]\nlabel = \"a\"\n[[row]]\nlabel = \"a\""),
        6,
        "two rows are labelled \"a\"",
        "labels name directories: change one; the other is in line 4",
    );
    let when = |position: &str| format!("when = {{ \"model.position\" = \"{position}\" }}\n");
    let rows = ["none", "learned"].map(|position| format!("[[row]]\nlabel = \"a\"\n{}", when(position)));
    sweep_fails(
        &format!("{SWEEP}{}[axes]\n\"model.position\" = [\"none\", \"learned\"]", rows.concat()),
        7,
        "two rows are labelled \"a\"",
        "labels name directories: change one; the other is in line 4",
    );
    sweep_fails(
        &format!("{SWEEP}[[row]]\nlabel = \"a\"\n[[row]]\nlabel = \"b\"\nset = {{ \"model.d_k\" = 64 }}"),
        6,
        "rows \"a\" and \"b\" are the same configuration",
        "remove one, or change a setting that has an effect; the other is in line 4",
    );
    sweep_fails(&format!("{SWEEP}[[row]]\nlabel = \"a/b\""), 4, "label \"a/b\" is not a safe name", SAFE);
    sweep_fails(
        &format!("{SWEEP}[[row]]\nlabel = \"a\"\nset = {{ \"model.headz\" = 4 }}"),
        5,
        "row \"a\": unknown key model.headz",
        &format!("did you mean \"heads\"? {MODEL_KEYS}"),
    );
    sweep_fails(
        &format!(
            "{SWEEP}[[row]]\nlabel = \"a\"\nset = {{ \"model.heads\" = 4 }}\n[axes]\n\"model.heads\" = [1]"
        ),
        7,
        "row \"a\": [[row]] and [axes] both set model.heads",
        "remove one of them, or give them conditions (`when`) that never hold together",
    );
    sweep_fails(
        "seeds = [1]\nbase = \"gone.toml\"",
        2,
        "base: there is no file gone.toml",
        "the path is relative to the sweep file",
    );
}

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

#[test]
fn tables_of_a_sweep() {
    sweep_fails(
        &format!("{SWEEP}[table]\ncolumns = [\"dev/bleu\",\n\"test/blue\"]"),
        5,
        "unknown column \"test/blue\"",
        &format!("did you mean \"test/bleu\"? accepted: {}", columns(&METRICS).join(", ")),
    );
    let classes = |columns: &str| {
        format!("{SWEEP}set = {{ \"decoding.length_buckets\" = [10] }}\n[table]\ncolumns = [{columns}]")
    };
    let (folder, fitting) = Folder::sweep(&classes("\"test/bleu@1-10\", \"test/exact_match@11+\""));
    assert!(fitting.is_ok(), "{:?}", parts(&folder, fitting));
    sweep_fails(
        &classes("\"test/bleu\",\n\"test/bleu@1-20\""),
        6,
        "column \"test/bleu@1-20\": no row has such a class in decoding.length_buckets",
        "did you mean \"test/bleu@1-10\"? accepted: test/bleu@1-10, test/bleu@11+, test/exact_match@1-10, test/exact_match@11+",
    );
    sweep_fails(
        &format!("{SWEEP}[table]\ncolumns = [\"test/bleu@1-10\"]"),
        4,
        "column \"test/bleu@1-10\": no row has such a class in decoding.length_buckets",
        "set decoding.length_buckets, such as [10, 20, 30]",
    );
    for column in ["dev/exact_match", "test/exact_match"] {
        sweep_fails(
            &format!("{SWEEP}[table]\ncolumns = [{column:?}]"),
            4,
            &format!("column {column:?} is not measured of these trials"),
            "set decoding.length_buckets, such as [10, 20, 30], or leave the column out",
        );
        let (folder, fitting) = Folder::sweep(&classes(&format!("{column:?}")));
        assert!(fitting.is_ok(), "{:?}", parts(&folder, fitting));
    }
    // Runs of some settings do not measure these: all cells would stay empty.
    let (folder, result) = Folder::sweep(&format!("{SWEEP}[table]\ncolumns = [\"dev/tagging_accuracy\"]"));
    let (_, _, said, helped) = parts(&folder, result);
    assert_eq!(said, "column \"dev/tagging_accuracy\" is not measured of these trials");
    assert!(helped.contains("accepted: parameters, steps, "), "{helped}");
    assert!(Folder::sweep(&format!("{SWEEP}[table]\ncolumns = [\"test/atat\"]")).1.is_ok());
    // No record has these: their cells would always stay empty.
    for column in
        ["train/loss", "dev/bleu@1-10", "test/accuracy@1-10", "train/perplexity", "dev/ter", "test/ter"]
    {
        let (folder, result) = Folder::sweep(&format!("{SWEEP}[table]\ncolumns = [{column:?}]"));
        let (_, at, said, helped) = parts(&folder, result);
        assert_eq!((at, said), (4, format!("unknown column {column:?}")));
        assert!(helped.contains("accepted: parameters, steps, best/dev_perplexity, "), "{helped}");
    }
    sweep_fails(
        &format!("{SWEEP}[table]\npaper = \"table9\""),
        4,
        "\"table9\" is no published table",
        "did you mean \"table3\"? accepted: table2, table2-en-de, table2-en-fr, table3",
    );
    sweep_fails(
        &format!("{SWEEP}[[row]]\nlabel = \"a\"\npaper = \"base\""),
        5,
        "row \"a\": paper = \"base\", but the sweep names no published table",
        "add paper = \"table3\" under [table], or remove `paper` from the row",
    );
    sweep_fails(
        &format!("{SWEEP}[table]\nbase = \"bas\"\n[[row]]\nlabel = \"base\""),
        4,
        "table.base = \"bas\" is not a row of the sweep",
        "did you mean \"base\"? accepted: base",
    );
    sweep_fails(
        &format!(
            "{SWEEP}[table]\npaper = \"table3\"\n[[row]]\nlabel = \"a\"\npaper = \"base\"\n[axes]\n\"model.d_ff\" = [24, 28]"
        ),
        7,
        "row \"a\": paper = \"base\" is beside none of its rows, because each of them changes more than the row itself",
        "add the row's own value to the axis, or remove `paper`",
    );
    let two = |table: &str| {
        let row = |label: &str| format!("[[row]]\nlabel = {label:?}\npaper = \"base\"\n");
        let changed = "set = { \"model.d_ff\" = 24 }";
        format!("{SWEEP}[table]\n{table}\n{}{}{changed}", row("a"), row("b"))
    };
    sweep_fails(
        &two("paper = \"table3\""),
        10,
        "rows \"a\" and \"b\" both have paper = \"base\"",
        "others are compared with one row: remove one `paper`, or name the row as `base` under [table]; the other is in line 7",
    );
    let (folder, fitting) = Folder::sweep(&two("base = \"b\"\npaper = \"table3\""));
    assert!(fitting.is_ok(), "{:?}", parts(&folder, fitting));
    sweep_fails(
        &format!("{SWEEP}[table]\nlayout = \"table3\"\npaper = \"table2-en-de\""),
        5,
        "layout = \"table3\" cannot show \"table2-en-de\"",
        "expected paper = \"table3\", or no `paper`",
    );
    sweep_fails(
        &format!("{SWEEP}[table]\nlayout = \"table2\"\npaper = \"table3\""),
        5,
        "layout = \"table2\" cannot show \"table3\"",
        "expected paper = \"table2\", or no `paper`",
    );
    sweep_fails(
        &format!("{SWEEP}[table]\npaper = \"table2\""),
        4,
        "paper = \"table2\" has a score for each language pair, but layout = \"list\" shows one",
        "name \"table2-en-de\" or \"table2-en-fr\", or add layout = \"table2\"",
    );
    sweep_fails(
        &format!("{SWEEP}[table]\nlayout = \"table2\"\ncolumns = [\"dev/bleu\"]"),
        5,
        "layout = \"table2\" shows only test/bleu and the cost of training",
        "remove `columns`, or the layout",
    );
    sweep_fails(
        &format!("{SWEEP}[table.peak_tflops]\n\"a card\" = 1.5\n\"a processor\" = 0.0"),
        5,
        "table.peak_tflops: 0 for \"a processor\" is not a valid rate",
        "expected 10¹² operations per second, a number above 0 such as 0.05",
    );
    let (folder, result) = Folder::sweep(&format!(
        "{SWEEP}[table]\npaper = \"table3\"\n[[row]]\nlabel = \"a\"\npaper = \"A-h2\""
    ));
    let (_, line, message, help) = parts(&folder, result);
    assert_eq!((line, message.as_str()), (7, "row \"a\": \"A-h2\" is no row of table3"));
    assert!(help.contains("accepted: base, A-h1, A-h4,"), "{help}");
}

#[test]
fn zips() {
    fails(
        "[[zip]]\n\"model.d_model\" = [64, 128]\n\"model.d_k\" = [8, 16, 32]",
        5,
        "zip: model.d_k has 3 values, but model.d_model has 2",
        "the keys of a zip advance together: give each the same number of values; keys that vary independently belong under [axes]",
    );
    fails(
        "[[zip]]\n\"model.heads\" = []",
        4,
        "zip model.heads = [] has no values",
        "state at least one value, or remove it",
    );
    fails(
        "[[zip]]\n\"model.heads\" = 4",
        4,
        "zip model.heads = 4 is an integer",
        "a zip has an array of values for each key; one value for all rows belongs under `set`",
    );
    fails(
        "[[zip]]\nlabels = [\"a\"]",
        3,
        "zip has no keys",
        "state arrays of equal length, as in \"model.heads\" = [2, 4]",
    );
    fails(
        "[[zip]]\n\"model.heads\" = [2, 4]\nlabels = [\"a\"]",
        5,
        "zip: there are 1 labels for 2 steps",
        "give one label for each step, or leave `labels` out",
    );
    fails(
        "[[zip]]\n\"model.heads\" = [2, 4]\nlables = [\"a\", \"b\"]",
        5,
        "zip sets \"lables\", which is not a key of an experiment",
        "keys are section.key, as in model.heads; besides such keys only labels, when is accepted",
    );
    fails(
        "[[zip]]\n\"model.headz\" = [2, 4]",
        4,
        "row \"headz=2\": unknown key model.headz",
        &format!("did you mean \"heads\"? {MODEL_KEYS}"),
    );
    fails(
        "[row]\nlabel = \"a\"",
        3,
        "row = { label = \"a\" } is a table",
        "expected an array: write [[row]] above each of them",
    );
    fails("zip = [3]", 3, "zip[0] = 3 is an integer", "expected a table");
    fails(
        "[[zip]]\n\"model.heads\" = [2, 4]\nlabels = [\"a\", \"b/c\"]",
        3,
        "label \"b/c\" is not a safe name",
        SAFE,
    );
}

#[test]
fn axes_in_long_form() {
    fails(
        "[axes]\n\"model.heads\" = { value = [1] }",
        4,
        "unknown key value",
        "did you mean \"values\"? accepted: values, when",
    );
    fails(
        "[axes]\n\"model.heads\" = { when = { \"model.layers\" = 6 } }",
        4,
        "values is missing",
        "state values; it has no default",
    );
    fails(
        "[axes]\n\"model.heads\" = { values = [] }",
        4,
        "axis model.heads = [] has no values",
        "state at least one value, or remove it",
    );
    fails(
        "[axes]\n\"model.heads\" = [4, 4]",
        4,
        "two rows are labelled \"heads=4\"",
        "labels name directories: change one; the other is in line 4",
    );
}

#[test]
fn points() {
    fails(
        "[[point]]\nset = {}",
        3,
        "a point has neither label nor changes",
        "state what it sets, as in set = { \"model.heads\" = 1 }, or a label for one that changes nothing",
    );
    fails(
        "[[point]]\nsets = {}",
        4,
        "unknown key point[0].sets",
        "did you mean \"set\"? accepted: label, set",
    );
    fails(
        "[[point]]\nset = { \"model.heads\" = 4 }\n[axes]\n\"model.heads\" = [8]",
        6,
        "row \"heads=4\": [[point]] and [axes] both set model.heads",
        "remove one of them, or give them conditions (`when`) that never hold together",
    );
}

const KINDS: &str = "expected one of { uniform = [a, b] }, { log_uniform = [a, b] }, { integer = [a, b] }, { choice = [a, b, c] }";

#[test]
fn random_draws() {
    let random = |text: &str| format!("[random]\nseed = 1\ncount = 3\n{text}");
    let draw = |text: &str| random(&format!("\"training.learning_rate_scale\" = {text}"));
    let name = "random training.learning_rate_scale";
    fails(
        &draw("{ uniform = [2.0, 1.0] }"),
        6,
        &format!("{name}: the bounds of uniform are reversed"),
        "write the lower one first",
    );
    fails(
        &draw("{ integer = [2, 2] }"),
        6,
        &format!("{name}: the bounds of integer are equal"),
        "one value for all rows belongs under `set`",
    );
    fails(
        &draw("{ log_uniform = [0, 1] }"),
        6,
        &format!("{name}: log_uniform = [0, 1] has the lower bound 0"),
        "only numbers above 0 have a logarithm; use uniform, or a lower bound above 0",
    );
    for wrong in ["[1.0]", "[0.0, inf]", "[0.0, nan]", "[1.0, 2.0, 3.0]", "[-1e308, 1e308]"] {
        fails(
            &draw(&format!("{{ uniform = {wrong} }}")),
            6,
            &format!("{name}: uniform takes two finite bounds"),
            "write uniform = [lower, upper]",
        );
    }
    fails(
        &draw("{ choice = [] }"),
        6,
        &format!("{name}: choice = [] has no values"),
        "state the values to choose from, as in choice = [2, 4, 8]",
    );
    fails(
        &draw("[0.5, 1.0]"),
        6,
        &format!("{name} = [0.5, 1.0] is an array"),
        "to draw from these, write { choice = [0.5, 1.0] }",
    );
    fails(&draw("0.5"), 6, &format!("{name} = 0.5 is a float"), KINDS);
    fails(&draw("{}"), 6, &format!("{name} = {{}} is not a distribution"), KINDS);
    fails(
        &draw("{ uniform = [0, 1], choice = [2] }"),
        6,
        &format!("{name} = {{ uniform = [0, 1], choice = [2] }} is not a distribution"),
        KINDS,
    );
    fails(
        &draw("{ lognormal = [0, 1] }"),
        6,
        &format!("{name}: unknown key lognormal"),
        "did you mean \"log_uniform\"? accepted: uniform, log_uniform, integer, choice, when",
    );
    fails(
        &random("\"model.heads\" = { uniform = [1, 8] }").replace("count = 3", "count = 1"),
        6,
        "row \"draw-001\": model.heads = 2.67576 is a float",
        "expected an integer",
    );
    fails(
        &random("\"model.headz\" = { integer = [1, 8] }"),
        6,
        "row \"draw-001\": unknown key model.headz",
        &format!("did you mean \"heads\"? {MODEL_KEYS}"),
    );
    fails(
        &random(""),
        3,
        "[random] has no key to draw",
        "add a key to draw, as in \"model.dropout\" = { uniform = [0.0, 0.3] }",
    );
    fails(
        "random = 4",
        3,
        "random = 4 is an integer",
        "expected a section [random] with seed, count and keys",
    );
    for count in ["0", "10001"] {
        fails(
            &format!("[random]\nseed = 1\ncount = {count}\n\"model.dropout\" = {{ uniform = [0.0, 0.3] }}"),
            5,
            &format!("random: count = {count} is out of range"),
            "expected 1 to 10000 draws",
        );
    }
    fails("[random]\nseed = 1", 3, "random: count is missing", "state count; it has no default");
    fails(
        &random("\"model.tying\" = { choice = [\"all\", \"none\"] }"),
        3,
        "rows \"draw-001\" and \"draw-002\" are the same configuration",
        "draws repeat each other: lower the count, change the seed or draw another key too; list a few values under [axes]",
    );
}

#[test]
fn conditions() {
    let layers = "[axes]\n\"model.layers\" = [2, 4]\n";
    let heads = |condition: &str| format!("{layers}\"model.heads\" = {{ values = [4], when = {condition} }}");
    fails(
        &heads("{ \"model.layres\" = 2 }"),
        5,
        "unknown key model.layres",
        &format!("did you mean \"layers\"? {MODEL_KEYS}"),
    );
    fails(
        &heads("{ \"model.layers\" = \"two\" }"),
        5,
        "model.layers = \"two\" is a string",
        "expected an integer",
    );
    fails(
        &heads("{ \"model.layers\" = 3 }"),
        5,
        "when { model.layers = 3 } holds for no combination",
        "model.layers is 2, 4",
    );
    fails(
        &heads("{ \"model.norm\" = \"post\" }"),
        5,
        "when: nothing sets model.norm, neither the base nor the sweep",
        "it is \"post\" everywhere: remove it, or state it under `set` or as an axis",
    );
    fails(
        &heads("{}"),
        5,
        "when has no key",
        "state a value, as in when = { \"model.position\" = \"learned\" }",
    );
    fails(
        &heads("3"),
        5,
        "when = 3 is an integer",
        "expected a table of changes: when = { \"model.heads\" = 1 }",
    );
    fails(
        &heads("{ \"model.layers\" = [] }"),
        5,
        "when: model.layers = [] has no values",
        "state at least one value, or remove it",
    );
    // A condition sees only the axes above it.
    fails(
        "[axes]\n\"model.heads\" = { values = [4], when = { \"model.layers\" = 4 } }\n\"model.layers\" = [2, 4]",
        4,
        "when { model.layers = 4 } holds for no combination",
        "a condition sees only what stands above it: move model.layers there",
    );
    fails(
        &format!(
            "[[row]]\nlabel = \"a\"\n[[row]]\nlabel = \"b\"\nset = {{ \"model.norm\" = \"pre\" }}\nwhen = {{ \"model.layers\" = 7 }}\n{layers}"
        ),
        8,
        "when { model.layers = 7 } holds for no combination",
        "model.layers is 2, 4",
    );
}

#[test]
fn exclusions() {
    let axes =
        "[axes]\n\"model.layers\" = [2, 4]\n\"model.position\" = [\"learned\", \"none\"]\n[[exclude]]\n";
    fails(
        &format!("{axes}\"model.position\" = \"sinusoidal\""),
        6,
        "exclude { model.position = \"sinusoidal\" } holds for no combination",
        "model.position is \"learned\", \"none\"",
    );
    fails(
        &format!("{axes}\"model.layers\" = 24\n\"model.position\" = \"none\""),
        6,
        "exclude { model.layers = 24, model.position = \"none\" } holds for no combination",
        "did you mean 2? model.layers is 2, 4 where it fails",
    );
    fails(
        &format!("{axes}\"model.layers\" = [2, 4]"),
        6,
        "every combination is excluded",
        "remove an [[exclude]], or narrow it",
    );
    fails(
        &format!("{axes}\"model.heads\" = 8"),
        7,
        "exclude: nothing sets model.heads, neither the base nor the sweep",
        "it is 8 everywhere: remove it, or state it under `set` or as an axis",
    );
    fails(
        &format!("{axes}\"model.positon\" = \"none\""),
        7,
        "unknown key model.positon",
        &format!("did you mean \"position\"? {MODEL_KEYS}"),
    );
    fails(
        axes,
        6,
        "exclude has no key",
        "state a value, as in exclude = { \"model.position\" = \"learned\" }",
    );
    fails("exclude = [3]", 3, "exclude[0] = 3 is an integer", "expected a table");
    // Drawn values may miss the exclusion by chance.
    let drawn = "[random]\nseed = 1\ncount = 2\n\"model.layers\" = { integer = [1, 900] }\n[[exclude]]\n\"model.layers\" = 950\n";
    assert_eq!(Folder::sweep(&format!("{SWEEP}{drawn}")).1.unwrap().len(), 4);
}

#[test]
fn sections() {
    fails(
        "[[section]]\nset = {}",
        3,
        "section[0].label is missing",
        "state section[0].label; it has no default",
    );
    fails(
        "[[section]]\nlabel = \"A\"\n[section.axis]\n\"model.heads\" = [4]",
        5,
        "unknown key section[0].axis",
        "did you mean \"axes\"? accepted: label, group, seeds, set, row, point, zip, axes, random, exclude",
    );
    fails("[[section]]\nlabel = \"A/B\"", 4, "label \"A/B\" is not a safe name", SAFE);
    fails("[[section]]\nlabel = \"A\"\nseeds = [1, 1]", 5, "seeds states 1 twice", "remove one of them");
    fails(
        "[[section]]\nlabel = \"A\"\nseeds = []",
        5,
        "seeds = [] leaves nothing to run",
        "state at least one, as in seeds = [1, 2, 3]",
    );
    fails(
        "[[section]]\nlabel = \"A\"\n[[section]]\nlabel = \"A\"\nset = { \"model.layers\" = 2 }",
        6,
        "two rows are labelled \"A\"",
        "labels name directories: change one; the other is in line 4",
    );
    fails(
        "[[section]]\nlabel = \"A\"\n[[section]]\nlabel = \"B\"\nseeds = [9]",
        6,
        "rows \"A\" and \"B\" are the same configuration",
        "remove one, or change a setting that has an effect; the other is in line 4",
    );
    // Keys outside of the sections form a section of their own: this excludes nothing of A.
    fails(
        "[[exclude]]\n\"model.heads\" = 4\n[[section]]\nlabel = \"A\"\n[section.axes]\n\"model.heads\" = [4]",
        4,
        "exclude: nothing sets model.heads, neither the base nor the sweep",
        "it is 8 everywhere: remove it, or state it under `set` or as an axis",
    );
}

#[test]
fn searches() {
    let search = |words: &str| {
        format!("[search]\nseed = 1\ncount = 12\n{words}\n\"model.dropout\" = {{ uniform = [0.0, 0.3] }}")
    };
    let dev = search("objective = \"dev/bleu\"");
    fails(
        &search("objective = \"test/bleu\""),
        6,
        "search: objective = \"test/bleu\" is a score on the test set",
        "settings that are chosen by the test set fit it, and its score says nothing any more; use \"dev/bleu\"",
    );
    let sets = METRICS.iter().flat_map(|metric| metric.recorded.iter().map(move |set| (metric, *set)));
    let on_dev: Vec<String> =
        sets.filter(|(_, set)| *set != TEST).map(|(metric, set)| metric.tag(set)).collect();
    fails(
        &search("objective = \"dev/blue\""),
        6,
        "search: objective = \"dev/blue\" is no score of a finished trial",
        &format!("did you mean \"dev/bleu\"? expected one of {}", on_dev.join(", ")),
    );
    fails(
        &search("objective = \"dev/bits_per_character\""),
        6,
        "search: objective = \"dev/bits_per_character\" is not measured of these trials",
        "expected one of dev/loss, best/dev_perplexity, dev/perplexity, dev/word_perplexity, dev/accuracy, dev/bleu, dev/atat, dev/chrf",
    );
    // The first trial would end without it.
    fails(
        &search("objective = \"dev/exact_match\""),
        6,
        "search: objective = \"dev/exact_match\" is not measured of these trials",
        "set decoding.length_buckets, such as [10, 20, 30], or use one of dev/loss, best/dev_perplexity, dev/perplexity, dev/word_perplexity, dev/accuracy, dev/bleu, dev/atat, dev/chrf",
    );
    let buckets = "set = { \"decoding.length_buckets\" = [10] }\n";
    let (folder, fitting) =
        Folder::sweep(&format!("{SWEEP}{buckets}{}", search("objective = \"dev/exact_match\"")));
    assert!(fitting.is_ok(), "{:?}", parts(&folder, fitting));
    fails(&search(""), 3, "search: objective is missing", "state objective; it has no default");
    let alone = "each draw of a search is a row, and there are no others; state what all draws share under `set`, draw what varies under [search], or make two sweeps of it";
    for (form, name) in [
        ("[[row]]\nlabel = \"a\"", "[[row]]"),
        ("[axes]\n\"model.heads\" = [2, 4]", "[axes]"),
        ("[[point]]\nlabel = \"a\"", "[[point]]"),
        ("[random]\nseed = 1\ncount = 2\n\"model.heads\" = { choice = [2, 4] }", "[random]"),
        ("[[section]]\nlabel = \"a\"", "[[section]]"),
    ] {
        fails(&format!("{form}\n{dev}"), 3, &format!("{name} cannot stand beside [search]"), alone);
    }
    fails(
        &dev.replace("count = 12", "count = 0"),
        5,
        "search: count = 0 is out of range",
        "expected 1 to 10000 draws",
    );
    fails(
        "[search]\nseed = 1\ncount = 12\nobjective = \"dev/bleu\"",
        3,
        "[search] has no key to draw",
        "add a key to draw, as in \"model.dropout\" = { uniform = [0.0, 0.3] }",
    );
    fails(
        &dev.replace("uniform = [0.0, 0.3]", "log_uniform = [0.0, 0.3]"),
        7,
        "search model.dropout: log_uniform = [0, 0.3] has the lower bound 0",
        "only numbers above 0 have a logarithm; use uniform, or a lower bound above 0",
    );
    // One value in eight does not divide the width.
    let (folder, result) =
        Folder::sweep(&format!("{SWEEP}{dev}\n\"model.heads\" = {{ choice = [1, 2, 4, 8, 16, 32, 64, 3] }}"));
    let (file, line, message, help) = parts(&folder, result);
    assert_eq!((file.as_str(), line), ("s.toml", 8));
    assert_eq!(
        message,
        "search: it may come to a draw that is refused: model.d_model = 512 is not divisible by model.heads = 3"
    );
    assert!(help.ends_with("; `when` and [[exclude]] leave out draws that are not wanted"), "{help}");
    let excluded = format!(
        "{SWEEP}{dev}\n\"model.heads\" = {{ choice = [1, 2, 4, 8, 16, 32, 64, 3] }}\n[[exclude]]\n\"model.heads\" = 3"
    );
    let trials = Folder::sweep(&excluded).1.unwrap();
    assert_eq!(trials.len(), 20, "ten random draws with two seeds");
    assert!(trials.iter().all(|trial| trial.experiment.model.heads != 3));
}

#[test]
fn too_many_trials() {
    let numbers = |n: usize| (1..=n).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    let help = "shorten an axis, lower the count of draws, or split the sweep";
    let message = "the sweep has more than 10000 trials";
    let text = format!(
        "[axes]\n\"training.steps\" = [{}]\n\"training.warmup_steps\" = [{}]",
        numbers(101),
        numbers(100)
    );
    fails(&text, 5, message, help);
    // Two seeds each.
    fails(&format!("[axes]\n\"training.steps\" = [{}]", numbers(5001)), 1, message, help);
}

#[test]
fn long_labels() {
    let keys = ["attention_dropout", "activation_dropout", "layer_norm_epsilon", "learned_positions"];
    let zip: String = keys.iter().map(|key| format!("\"model.{key}\" = [0.1]\n")).collect();
    let points: String = ["a".repeat(120), "b".repeat(120)]
        .iter()
        .map(|label| format!("[[point]]\nlabel = \"{label}\"\n"))
        .collect();
    let (folder, result) = Folder::sweep(&format!(
        "{SWEEP}[[zip]]\n{}{points}",
        zip.replace("learned_positions\" = [0.1]", "learned_positions\" = [999]")
    ));
    let (_, line, message, help) = parts(&folder, result);
    assert_eq!(line, 3);
    assert!(message.ends_with("is not a safe name"), "{message}");
    assert!(
        help.starts_with("it names a directory, and has ")
            && help.ends_with("at most 200; give the points a `label` or the zips `labels`"),
        "{help}"
    );
}

fn included(files: &[(&str, &str)]) -> (String, usize, String, String) {
    let folder = Folder::with(files);
    let trials: Result<Vec<Trial>, Error> =
        SweepSpec::load(&folder.path("s.toml")).and_then(|spec| expand(&spec, &[]));
    parts(&folder, trials)
}

fn tuple(file: &str, line: usize, message: &str, help: &str) -> (String, usize, String, String) {
    (file.into(), line, message.into(), help.into())
}

#[test]
fn includes() {
    let sweep = format!("{SWEEP}include = [\"a.toml\"]\n");
    let main = ("s.toml", sweep.as_str());
    assert_eq!(
        included(&[main]),
        tuple(
            "s.toml",
            3,
            "include: there is no file a.toml",
            "the path is relative to the file that names it"
        )
    );
    let (file, line, message, help) = included(&[
        main,
        ("a.toml", "\ninclude = [\"b.toml\"]"),
        ("b.toml", "\n\ninclude = [\n \"./a.toml\"]"),
    ]);
    assert_eq!((file.as_str(), line), ("b.toml", 4));
    assert_eq!(message, "include = \"./a.toml\" leads back to a file that includes this one");
    let chain = help.strip_prefix("these files include each other in a circle; remove one `include`: ");
    assert_eq!(chain, Some("s.toml -> a.toml -> b.toml -> a.toml"), "{help}");

    // Places point into the included file.
    assert_eq!(
        included(&[main, ("a.toml", "# rows\n[[row]]\nlabel = \"a\"\nset = { \"model.headz\" = 4 }")]),
        tuple(
            "a.toml",
            4,
            "row \"a\": unknown key model.headz",
            &format!("did you mean \"heads\"? {MODEL_KEYS}")
        )
    );
    assert_eq!(
        included(&[main, ("a.toml", "base = \"base.toml\"")]),
        tuple(
            "s.toml",
            3,
            "include = \"a.toml\": a.toml states `base`, as a whole sweep does",
            "an included file holds [[row]], [[section]] and further `include` alone"
        )
    );
    assert_eq!(
        included(&[
            ("s.toml", &format!("{sweep}[[row]]\nlabel = \"x\"\n")),
            ("a.toml", "[[row]]\nlabel = \"x\"")
        ])
        .2,
        "two rows are labelled \"x\""
    );
    // Two rows that never meet, because their conditions exclude each other, are refused, too.
    let row = |position: &str| {
        format!("[[row]]\nlabel = \"x\"\nwhen = {{ \"model.position\" = \"{position}\" }}\n")
    };
    let axes = "[axes]\n\"model.position\" = [\"none\", \"learned\"]\n";
    assert_eq!(
        included(&[("s.toml", &format!("{sweep}{}{axes}", row("none"))), ("a.toml", &row("learned"))]),
        tuple(
            "a.toml",
            2,
            "two rows are labelled \"x\"",
            "labels name directories: change one; the other is in s.toml:5"
        )
    );
}
