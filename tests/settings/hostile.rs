//! Hostile configurations, sweep files and `--set` words: each ends with one clear error and exit code 2, at once, without
//! a panic and with nothing written. Random changes of sound files are in `tests/texts/fuzz.rs`, exact messages in `config_errors.rs`,
//! `sweep_errors.rs` and its neighbours.

use crate::common::Workshop;
use crate::common::folder::Folder;
use ablate::config::load_experiment;
use ablate::error::{Error, Result};
use ablate::sweep::expand::expand;
use ablate::sweep::spec::SweepSpec;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Longest message that is still clear.
const LONGEST_MESSAGE: usize = 2_000;

/// Expects one readable error of the user's that names its object.
#[track_caller]
fn refused<T>(what: &str, names: &str, read: impl FnOnce() -> Result<T>) {
    let what: String = what.chars().take(300).collect();
    let outcome = catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| panic!("a panic for {what}"));
    let error: Error = match outcome {
        Ok(_) => panic!("accepted: {what}"),
        Err(error) => error,
    };
    let message = error.to_string();
    assert_eq!(error.exit_code(), 2, "{what}: {message}");
    assert!(!message.is_empty() && message.len() < LONGEST_MESSAGE, "{what}: {} bytes", message.len());
    assert!(message.contains(names), "{what}: no {names:?} in {message}");
}

#[track_caller]
fn experiment_refused(text: &str, names: &str) {
    let folder = Folder::with(&[("e.toml", &format!("base = \"base.toml\"\n{text}"))]);
    refused(text, names, || load_experiment(&folder.path("e.toml"), &[]));
    folder.expect_only(&["base.toml", "e.toml", "recipe.toml"]);
}

#[track_caller]
fn set_refused(set: &str, names: &str) {
    let folder = Folder::with(&[]);
    refused(set, names, || load_experiment(&folder.path("base.toml"), &[set.to_string()]));
    folder.expect_only(&["base.toml", "recipe.toml"]);
}

#[track_caller]
fn sweep_refused(text: &str, names: &str) {
    let folder = Folder::with(&[("s.toml", text)]);
    refused(text, names, || SweepSpec::load(&folder.path("s.toml")).and_then(|spec| expand(&spec, &[])));
    folder.expect_only(&["base.toml", "recipe.toml", "s.toml"]);
}

/// Expects an error; `text` follows a base and a seed.
#[track_caller]
fn rows_refused(text: &str, names: &str) {
    sweep_refused(&format!("base = \"base.toml\"\nseeds = [1]\n{text}"), names);
}

/// Values that are not numbers.
const NO_NUMBERS: [&str; 8] =
    ["\"x\"", "\"\"", "[]", "[1]", "{}", "true", "1979-05-27", "\"\\u0000\\u001b[31m\\u007f\""];
const NO_COUNTS: [&str; 8] = ["-1", "-9223372036854775808", "1.5", "1e3", "nan", "-nan", "inf", "-inf"];
const HUGE: &str = "9223372036854775807";

/// Keys of integers, and whether there is a largest value.
const COUNTS: [(&str, bool); 34] = [
    ("model.layers", true),
    ("model.d_model", true),
    ("model.d_ff", true),
    ("model.heads", true),
    ("model.d_k", true),
    ("model.d_v", true),
    ("model.learned_positions", true),
    ("model.embedding_rows", true),
    ("model.embedding_multiple", true),
    ("training.seed", false),
    ("training.steps", true),
    ("training.batch_tokens", true),
    ("training.micro_batch_tokens", true),
    ("training.packed_length", true),
    ("training.warmup_steps", false),
    ("training.early_stopping_patience", false),
    ("training.dev_interval_steps", false),
    ("training.dev_bleu_interval_steps", false),
    ("training.checkpoint_interval_steps", false),
    ("training.average_checkpoints", true),
    ("decoding.beam", true),
    ("decoding.max_extra_length", true),
    ("decoding.batch_tokens", true),
    ("run.threads", true),
    ("run.log_interval_steps", false),
    ("run.sample_sentences", false),
    ("run.histogram_interval_steps", false),
    ("run.attention_sentences", false),
    ("run.attention_statistics", false),
    ("run.projector_tokens", false),
    ("data.merges", true),
    ("data.max_length", true),
    ("data.max_train_length", true),
    ("data.recipe.corpus.generated.train", true),
];

const NUMBERS: [&str; 16] = [
    "model.dropout",
    "model.attention_dropout",
    "model.activation_dropout",
    "model.layer_norm_epsilon",
    "training.learning_rate_scale",
    "training.peak_learning_rate",
    "training.lowest_learning_rate",
    "training.weight_decay",
    "training.adam_beta1",
    "training.adam_beta2",
    "training.adam_epsilon",
    "training.label_smoothing",
    "training.clip_norm",
    "decoding.length_penalty",
    "data.max_length_ratio",
    "data.recipe.corpus.files.train.sample",
];

const SWITCHES: [&str; 8] = [
    "model.feed_forward",
    "model.residual",
    "model.attention_biases",
    "training.keep_best",
    "decoding.early_stopping",
    "run.tensorboard",
    "data.lowercase",
    "data.recipe.moses.tokenize",
];

const CHOICES: [&str; 10] = [
    "model.activation",
    "model.position",
    "model.tying",
    "model.norm",
    "model.initialisation",
    "training.precision",
    "training.schedule",
    "decoding.length_penalty_form",
    "run.device",
    "data.vocabulary",
];

/// Returns every key with values that it cannot have.
fn hostile_values() -> Vec<(&'static str, &'static str)> {
    let mut all = Vec::new();
    for (key, bounded) in COUNTS {
        all.extend(NO_NUMBERS.iter().chain(&NO_COUNTS).map(|value| (key, *value)));
        all.extend(bounded.then_some((key, HUGE)));
    }
    for key in NUMBERS {
        let values = NO_NUMBERS.iter().chain(&["nan", "-nan", "inf", "-inf", "-1", "-1e300"]);
        all.extend(values.map(|value| (key, *value)));
    }
    for key in SWITCHES {
        let values = ["1", "0", "nan", "\"true\"", "\"\"", "[]", "[true]", "{}", "1979-05-27"];
        all.extend(values.map(|value| (key, value)));
    }
    for key in CHOICES {
        let values =
            ["1", "-1", "nan", "\"\"", "\"x\"", "\"\\u0000\"", "[]", "[\"none\"]", "{}", "{ x = 1 }", "true"];
        all.extend(values.map(|value| (key, value)));
    }
    all
}

#[test]
fn every_key_of_an_experiment_refuses_what_it_cannot_be() {
    let all = hostile_values();
    assert!(all.len() > 500, "{}", all.len());
    // One folder for all cases: neighbours of the files are read once.
    let folder = Folder::with(&[]);
    for (key, value) in all {
        let (section, name) = key.split_once('.').unwrap();
        let text = format!("base = \"base.toml\"\n{section}.{name} = {value}\n");
        std::fs::write(folder.path("e.toml"), &text).unwrap();
        // A key of the recipe hides the one that the base names.
        let names = if key.starts_with("data.recipe") { "data" } else { name };
        refused(&text, names, || load_experiment(&folder.path("e.toml"), &[]));
        if !key.starts_with("data.recipe.corpus.files") && !key.starts_with("data.recipe.moses") {
            let set = format!("{key}={value}");
            refused(&set, "--set", || load_experiment(&folder.path("base.toml"), std::slice::from_ref(&set)));
        }
    }
    folder.expect_only(&["base.toml", "e.toml", "recipe.toml"]);
}

#[test]
fn words_of_set_that_set_nothing() {
    let long = format!("{}=1", "a.".repeat(20_000));
    let deep = format!("model.heads={}", "[".repeat(20_000));
    let keys = format!("model={{ {} = 1 }}", vec!["a"; 20_000].join("."));
    for set in [
        "",
        " ",
        "=",
        "=1",
        ".",
        "model",
        "model=",
        "model.=1",
        ".heads=1",
        "model..heads=1",
        "model.heads",
        "model.heads=",
        "model.heads=[",
        "model.heads={",
        "model.heads=\"",
        "model.heads='''",
        "model.heads=1 2",
        "model.heads=\u{0}",
        "model.heads=\u{1b}[31m",
        "model.heads.x=1",
        "model=4",
        "model=[]",
        "model={heads=0}",
        "model={headz=4}",
        "mödel.heads=4",
        "base=\"base.toml\"",
        "label=\"a b\"",
        "label=\"../x\"",
        "label=\"\"",
        "data=1",
        "data.recipe=\"\"",
        "data.recipe=\"gone.toml\"",
        "data.recipe=\"/\"",
        "data.recipe=1",
        "data.recipe.name=\"../x\"",
        "run.attention_layers=[0]",
        "run.attention_heads=[-1]",
        "run.attention_heads=[\"x\"]",
        "run.device=\"cuda:x\"",
        "run.device=\"cuda:99999999999999999999\"",
        &long,
        &deep,
        &keys,
    ] {
        set_refused(set, "");
    }
}

#[test]
fn sections_and_combinations_of_an_experiment() {
    for (text, names) in [
        ("model = 1", "model"),
        // An array is not a table of fields in their order.
        ("model = []", "model = [] is an array"),
        ("model = [6, 512, 2048]", "model = [6, 512, 2048] is an array"),
        ("training = []", "training"),
        ("data = [\"recipe.toml\"]", "data"),
        ("[data]\nrecipe = [\"g\", \"en\", \"de\", { generated = [9, 2, 2, 1] }]", "data.recipe"),
        ("[[model]]\nheads = 4", "model"),
        ("[modle]", "modle"),
        ("[model.heads]\nx = 1", "model.heads"),
        ("label = 1", "label"),
        ("label = \"\"", "label"),
        ("label = \"a\\u0000b\"", "label"),
        ("[model]\nd_model = 16777216\nheads = 16777216\nd_k = 16777216", "model.d_k"),
        ("[model]\nheads = 1048576\nd_k = 1\nd_v = 17", "model.d_v"),
        ("[model]\nd_model = 7\nheads = 7", "model.d_model"),
        ("[model]\nd_model = 2\nheads = 1\nposition = \"sinusoidal_halves\"", "d_model"),
        ("[model]\nembedding_rows = 600\nembedding_multiple = 8", "embedding_multiple"),
        ("[model]\nposition = \"learned\"\nlearned_positions = 16\n", "learned_positions"),
        ("[training]\nmicro_batch_tokens = 1", "micro_batch_tokens"),
        ("[training]\npacked_length = 1", "packed_length"),
        ("[training]\nearly_stopping_patience = 1\ndev_interval_steps = 0", "early_stopping_patience"),
        ("[decoding]\nlength_penalty = 1e300", "decoding.length_penalty"),
        ("[data]\nvocabulary = \"separate\"", "vocabulary"),
        ("[data]\nrecipe = \"base.toml\"", "a recipe cannot name a recipe"),
        ("[data]\nrecipe = \"e.toml\"", "a recipe cannot name a recipe"),
    ] {
        experiment_refused(text, names);
    }
}

#[test]
fn labels_that_no_row_can_have() {
    let long = "x".repeat(201);
    for label in [
        "",
        " ",
        ".",
        "..",
        ".lock",
        ".slurm",
        "-x",
        "a/b",
        "a\\\\b",
        "/",
        "a b",
        "ä",
        "a\\u0000",
        "a\\n",
        "~",
        "*",
        &long,
        "table.md",
        "TABLE.MD",
        "table.tex",
        "table.csv",
        "records.jsonl",
        "Ledger.jsonl",
        "sweep.toml",
        "report.html",
        "events.out.tfevents.0000000001.ablate",
        "events-1.tmp",
        "seed-1",
        "Seed-22",
        "failed",
    ] {
        rows_refused(&format!("[[row]]\nlabel = \"{label}\""), "label");
    }
    rows_refused("[[row]]\nlabel = \"a\"\n[[row]]\nlabel = \"a\"\nset = { model.layers = 2 }", "\"a\"");
    rows_refused(
        "[[row]]\nlabel = \"Wide\"\n[[row]]\nlabel = \"wide\"\nset = { model.layers = 2 }",
        "upper and lower case",
    );
    rows_refused("[[section]]\nlabel = \"table.md\"", "table.md");
    rows_refused("[[point]]\nlabel = \"sweep.toml\"", "sweep.toml");
    rows_refused("[[zip]]\nlabels = [\"seed-3\"]\nmodel.heads = [4]", "seed-3");
}

#[test]
fn numbers_and_tables_of_a_sweep() {
    for (key, values) in [
        ("seeds", &["1", "[]", "[1, 1]", "[-1]", "[1.5]", "[\"x\"]", "{}", "[nan]"][..]),
        ("workers", &["0", "-1", "1.5", "\"x\"", "nan", HUGE, "10001"]),
        ("max_trials", &["0", "-1", "1.5", "\"x\"", "nan"]),
        ("max_hours", &["0", "-1", "nan", "inf", "-inf", "1e300", "\"x\"", "[]", "-0.0"]),
        ("devices", &["\"cuda\"", "[1]", "{}"]),
        ("include", &["\"x\"", "[\"gone.toml\"]", "[\"\"]", "[\".\"]", "[\"s.toml\"]", "[1]"]),
        ("retry.attempts", &["0", "-1", "1.5", HUGE, "4294967295", "nan"]),
        ("retry.on", &["\"killed\"", "[\"x\"]", "[1]"]),
        ("halving.first", &["0", "-1", "1.5", "nan", "7", HUGE]),
        (
            "halving",
            &[
                "{ first = 1000, factor = 1 }",
                "{ first = 1000, factor = 0 }",
                "{}",
                "1",
                "{ first = 100000 }",
            ],
        ),
        ("slurm.cpus", &["0", "-1", HUGE, "nan"]),
        ("slurm.gpus", &["-1", HUGE, "4294967295", "\"x\""]),
        ("slurm.max_running", &["0", "-1", HUGE]),
        ("slurm.warn_seconds", &["0", "-1", "65536", HUGE]),
        ("slurm.poll_seconds", &["0", "-1", "nan", "inf", "9.3e18", "1e-300", "\"x\""]),
        ("slurm.memory", &["\"\"", "\"8 G\"", "8", "\"8G\\u0000\""]),
        ("slurm.options", &["\"--qos=low\"", "[\"-p\"]", "[\"--array=0-3\"]", "[\"--x\\ny\"]"]),
        ("table.columns", &["\"x\"", "[\"x\"]", "[\"dev/bleu\", \"dev/bleu\"]", "[1]"]),
        ("table.base", &["\"x\"", "1", "\"\""]),
        ("table.peak_tflops", &["1", "{ a = 0.0 }", "{ a = -1.0 }", "{ a = nan }", "{ a = inf }"]),
        (
            "set",
            &[
                "1",
                "[]",
                "{ x = 1 }",
                "{ label = \"x\" }",
                "{ training.seed = 1 }",
                "{ \"training . seed\" = 1 }",
            ],
        ),
        (
            "axes",
            &[
                "1",
                "{ model.heads = 4 }",
                "{ model.heads = [] }",
                "{ model.headz = [1] }",
                "{ training.seed = [1] }",
            ],
        ),
        ("row", &["1", "[1]", "[{}]", "[{ label = 1 }]", "{ label = \"a\" }"]),
        ("random", &["1", "{}", "{ seed = 1, count = 0 }", "{ seed = 1, count = 9000000000 }"]),
        ("exclude", &["[1]", "[{}]", "[{ model.heads = 3 }]"]),
        ("table", &["1", "[]", "[\"list\"]"]),
        ("retry", &["[]", "[3]"]),
        ("slurm", &["[]", "1"]),
        ("section", &["1", "[{}]", "[{ label = \"A\", seeds = [] }]"]),
        ("zip", &["1", "[{}]", "[{ model.heads = [] }]", "[{ model.heads = 4 }]"]),
        ("point", &["1", "[{}]", "[{ sets = 1 }]"]),
    ] {
        for value in values {
            let start =
                if key == "seeds" { "base = \"base.toml\"" } else { "base = \"base.toml\"\nseeds = [1]" };
            sweep_refused(&format!("{start}\n{key} = {value}\n"), key.split('.').next_back().unwrap());
        }
    }
    for (text, names) in [
        ("", "base"),
        ("seeds = [1]", "base"),
        ("base = \"base.toml\"", "seeds"),
        ("base = 1\nseeds = [1]", "base"),
        ("base = \"\"\nseeds = [1]", "base"),
        ("base = \".\"\nseeds = [1]", "base"),
        ("base = \"s.toml\"\nseeds = [1]", "base"),
        ("\u{0}", "TOML"),
        ("base = \"base.toml\"\nseeds = [1]\nseed = 1", "seed"),
    ] {
        sweep_refused(text, names);
    }
}

#[test]
fn settings_that_change_nothing() {
    for (text, names) in [
        (
            "[axes]\ntraining.average_checkpoints = [1, 68]",
            "row \"average_checkpoints=68\": training.average_checkpoints",
        ),
        ("set = { training.average_checkpoints = 68 }", "training.average_checkpoints = 68"),
        (
            "[axes]\nmodel.attention.span = [\"full\", { local = 1000 }]",
            "row \"span=local.1000\": model.attention.span = { local = 1000 } hides nothing in training",
        ),
        (
            "[[section]]\nlabel = \"A\"\nset = { run.attention_layers = [7] }",
            "run.attention_layers = [7] records nothing",
        ),
        ("[[row]]\nlabel = \"a\"\nset = { run.attention_heads = [9] }", "row \"a\": run.attention_heads"),
        (
            "[[row]]\nlabel = \"a\"\nset = { model.learned_positions = 400 }",
            "model.learned_positions has no effect",
        ),
        (
            "set = { decoding.beam = 1 }\n[axes]\ndecoding.length_penalty = [0.0, 1.0]",
            "decoding.length_penalty has no effect",
        ),
        (
            "set = { training.early_stopping_patience = 100 }",
            "training.early_stopping_patience = 100 never ends a training",
        ),
        (
            "[[row]]\nlabel = \"a\"\n[[row]]\nlabel = \"b\"\nset = { training.keep_best = true }",
            "rows \"a\" and \"b\" compute the same: training.keep_best",
        ),
        (
            "set = { training.average_checkpoints = 1 }\n[axes]\ntraining.checkpoint_interval_steps = [100, 200]",
            "compute the same: training.checkpoint_interval_steps",
        ),
    ] {
        rows_refused(text, names);
    }
    // The base may state keys that the sweep makes ineffective; all rows may state keys that some row uses.
    let sound = |text: &str| {
        let folder = Folder::with(&[
            ("own.toml", "base = \"base.toml\"\ntraining.average_checkpoints = 20\n"),
            ("s.toml", &format!("base = \"own.toml\"\nseeds = [1]\n{text}")),
        ]);
        SweepSpec::load(&folder.path("s.toml")).and_then(|spec| expand(&spec, &[])).unwrap().len()
    };
    assert_eq!(sound("set = { training.steps = 10 }"), 1);
    assert_eq!(sound("set = { run.attention_layers = [3] }\n[axes]\nmodel.layers = [2, 4]"), 2);
    let folder = Folder::with(&[
        ("own.toml", "base = \"base.toml\"\ntraining.average_checkpoints = 20\ntraining.steps = 3000"),
        ("s.toml", "base = \"own.toml\"\nseeds = [1]\n"),
    ]);
    refused("a base", "own.toml:2: training.average_checkpoints = 20", || {
        SweepSpec::load(&folder.path("s.toml")).and_then(|spec| expand(&spec, &[]))
    });
}

#[test]
fn sets_of_a_sweep_are_held_to_the_rules_of_its_file() {
    let folder = Folder::with(&[("s.toml", "base = \"base.toml\"\nseeds = [1]\n")]);
    let expanded = |set: &str| {
        SweepSpec::load(&folder.path("s.toml")).and_then(|spec| expand(&spec, &[set.to_string()]))
    };
    for set in
        ["training.seed=7", "training={seed=7}", "training . seed=7", "label=x", "seeds=[1]", "model=4"]
    {
        refused(set, "--set", || expanded(set));
    }
    let [one, other] = ["model={heads=4}", "model.heads=4"].map(|set| expanded(set).unwrap());
    assert_eq!(one[0].experiment, other[0].experiment);
    assert_eq!((one[0].experiment.model.heads, one[0].experiment.data.merges), (4, 10));
}

#[test]
fn depth_length_and_number_have_limits() {
    let base = |n: usize| (format!("b{n}.toml"), format!("base = \"b{}.toml\"\n", n + 1));
    let chain: Vec<(String, String)> = (0..60).map(base).collect();
    let files: Vec<(&str, &str)> = chain.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let folder = Folder::with(&files);
    refused("a chain of bases", "more than 32 files", || load_experiment(&folder.path("b0.toml"), &[]));

    let twice =
        |n: usize| (format!("i{n}.toml"), format!("include = [\"i{0}.toml\", \"i{0}.toml\"]\n", n + 1));
    let mut doubling: Vec<(String, String)> = (0..25).map(twice).collect();
    doubling.push(("i25.toml".into(), String::new()));
    doubling.push(("s.toml".into(), "base = \"base.toml\"\nseeds = [1]\ninclude = [\"i0.toml\"]\n".into()));
    let files: Vec<(&str, &str)> =
        doubling.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let folder = Folder::with(&files);
    refused("includes", "more than 1000 files", || {
        SweepSpec::load(&folder.path("s.toml")).and_then(|spec| expand(&spec, &[]))
    });

    let deep = format!("{} = 1", vec!["a"; 300_000].join("."));
    experiment_refused(&deep, "more than 32 parts");
    experiment_refused(&format!("x = {}", "[".repeat(100_000)), "TOML");
    experiment_refused(&format!("x = {}1{}", "{ a.a.a.a = ".repeat(60), " }".repeat(60)), "are nested");
    let seeds: Vec<String> = (0..1_000_000).map(|n| n.to_string()).collect();
    sweep_refused(&format!("base = \"base.toml\"\nseeds = [{}]", seeds.join(",")), "more than 10000 trials");
    let keys: String = (0..100_000).map(|n| format!("\"model.k{n}\" = 1\n")).collect();
    rows_refused(&format!("[set]\n{keys}"), "more than 1000");
    let rows: String = (0..10_001).map(|n| format!("[[row]]\nlabel = \"r{n}\"\n")).collect();
    rows_refused(&rows, "more than 10000 trials");
    let zips: String = (0..101).map(|_| "[[zip]]\nmodel.heads = [4]\n").collect();
    rows_refused(&zips, "at most 100");
}

#[test]
fn words_of_the_command_are_refused_before_anything_is_written() {
    let workshop = Workshop::new();
    workshop.write("s.toml", "base = \"tiny.toml\"\nseeds = [1]\n[[row]]\nlabel = \"base\"\n");
    for (words, says) in [
        (&["--plan", "--max-hours=-1"][..], "--max-hours -1 is out of range"),
        (&["--plan", "--max-hours", "-1"], "--max-hours -1 is out of range"),
        (&["--plan", "--max-hours", "nan"], "--max-hours NaN is out of range"),
        (&["--plan", "--max-trials", "0"], "--max-trials 0 is out of range"),
        (&["--max-hours", "1e300"], "--max-hours 1"),
        (&["--plan", "--workers", "0"], "--workers 0 is out of range"),
        (&["--workers", "18446744073709551615"], "is out of range"),
        (&["--plan", "--only", "bas"], "--only \"bas\" is neither a row"),
        (&["--plan", "--set", "training.seed=77"], "training.seed, which the sweep's seeds replace"),
        (&["--set", "label=x"], "\"label\", which is not a key"),
    ] {
        workshop.run(&[&["sweep", "s.toml"], words].concat()).expect(2).says(says);
    }
    workshop
        .run(&["prepare", "tiny.toml", "--set", "model.heads=4"])
        .expect(2)
        .says("does not change what is prepared");
    workshop
        .run(&["train", "tiny.toml", "--set", "training.average_checkpoints=9"])
        .expect(2)
        .says("training.average_checkpoints = 9 is more than the checkpoints that are saved");
    workshop
        .run(&["bench", "tiny.toml", "--warmup", "18446744073709551615"])
        .expect(2)
        .says("is not in 0..=1000000");
    assert!(!workshop.path("results").exists() && !workshop.path("data").exists());
}
