//! Errors for what a sweep combines: axes, zips, points, random draws, conditions, exclusions, sections and searches.

use super::sweep_errors::{SAFE, SWEEP, fails};
use crate::common::folder::{Folder, parts};
use crate::common::variants::MODEL_KEYS;
use ablate::results::metric::{METRICS, TEST};

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
    // Draws that are counted otherwise do not compare.
    for (objective, key, values) in [
        ("dev/bleu", "decoding.tokenize", "[\"13a\", \"char\"]"),
        ("dev/chrf", "data.lowercase", "[true, false]"),
        ("best/dev_perplexity", "data.merges", "[20, 40]"),
        ("dev/word_perplexity", "data.lowercase", "[true, false]"),
    ] {
        fails(
            &format!(
                "{}\n\"{key}\" = {{ choice = {values} }}",
                search(&format!("objective = \"{objective}\""))
            ),
            8,
            &format!("search: {key} changes how {objective} is counted, so that draws do not compare"),
            "leave it out of [search], or use an objective that does not depend on it",
        );
    }
    let (folder, of_words) = Folder::sweep(&format!(
        "{SWEEP}{}\n\"data.merges\" = {{ choice = [20, 40] }}",
        search("objective = \"dev/word_perplexity\"")
    ));
    assert!(of_words.is_ok(), "{:?}", parts(&folder, of_words));
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
