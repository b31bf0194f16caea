//! Errors for wrong sweep files: file, line, and the way out. Of what a sweep combines: `sweep_factor_errors.rs`; of
//! several mistakes at once: `sweep_mistakes.rs`.

use crate::common::folder::{Folder, parts};
use crate::common::variants::MODEL_KEYS;
use ablate::error::Error;
use ablate::results::metric::METRICS;
use ablate::results::table_layout::columns;
use ablate::sweep::expand::expand;
use ablate::sweep::spec::SweepSpec;
use ablate::sweep::trial::Trial;

pub(super) const SWEEP: &str = "base = \"base.toml\"\nseeds = [1, 2]\n";
pub(super) const SAFE: &str = "it names a directory: use at most 200 characters, letters a to z and A to Z, digits and \
                               . _ = + , -, and do not start with . or -";

#[track_caller]
pub(super) fn sweep_fails(text: &str, line: usize, message: &str, help: &str) {
    let (folder, result) = Folder::sweep(text);
    let (file, at, said, helped) = parts(&folder, result);
    assert_eq!((file.as_str(), at, said.as_str(), helped.as_str()), ("s.toml", line, message, help));
}

/// Expects an error; `text` follows the two lines of [`SWEEP`], so its first line is line 3.
#[track_caller]
pub(super) fn fails(text: &str, line: usize, message: &str, help: &str) {
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
