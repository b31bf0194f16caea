//! Helpers that the tests of the program share: small experiments, and the running of `ablate`.
#![allow(dead_code, unused_imports, unused_macros)] // each program of tests uses its part

pub mod corpora;
pub mod data;
pub mod exports;
pub mod folder;
pub mod gaps;
pub mod runs;
pub mod server;
pub mod shared;
pub mod texts;
pub mod updates;
pub mod variants;

use ablate::data::bpe::PieceCounts;
use ablate::data::tokenizer::Tokenizer;
use ablate::model::Network;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// The folder of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether this is the long suite, `scripts/test-long`.
pub fn long() -> bool {
    std::env::var_os("ABLATE_LONG").is_some_and(|value| !value.is_empty() && value != "0")
}

/// Reads a file that a script has written into `tests/fixtures`.
pub fn fixture<T: DeserializeOwned>(name: &str) -> T {
    let path = root().join("tests/fixtures").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}; a script writes it"))
}

/// The tokenizer with at most `merges` merges that is learned from `lines`.
pub fn learn_tokenizer<'a>(lines: impl IntoIterator<Item = &'a str>, merges: usize) -> Tokenizer {
    let mut counts = PieceCounts::default();
    lines.into_iter().for_each(|line| counts.add(line));
    Tokenizer::from_counts(&counts, merges)
}

/// A folder with a small experiment on the generated corpus, in which `ablate` runs.
pub struct Workshop {
    folder: TempDir,
}

/// The part of a recipe that names a file a side and split: `train.en`, `train.de`, …
pub const FILES: &str = r#"[[corpus.files.train]]
source = "train.en"
target = "train.de"
[corpus.files.dev]
source = "dev.en"
target = "dev.de"
[corpus.files.test]
source = "test.en"
target = "test.de"
"#;

/// The sizes of the small models.
const SELF_ATTENTION: &str = "layers = 1\nd_model = 16\nd_ff = 16\nheads = 2\n";

/// An experiment that trains in a second or two on one thread.
pub const EXPERIMENT: &str = r#"
[data]
merges = 60
max_length = 60
[data.recipe]
name = "tiny"
source_language = "en"
target_language = "de"
[data.recipe.corpus.generated]
train = 300
dev = 12
test = 12
seed = 3
[model]
layers = 1
d_model = 16
d_ff = 16
heads = 2
[training]
steps = 40
batch_tokens = 400
micro_batch_tokens = 200
warmup_steps = 20
checkpoint_interval_steps = 7
average_checkpoints = 3
dev_interval_steps = 10
dev_bleu_interval_steps = 20
[decoding]
beam = 2
max_extra_length = 4
[run]
device = "cpu"
threads = 1
log_interval_steps = 1
"#;

/// `tiny.toml` without any views: the same results in less time, for tests that do not look at views.
pub const QUIET: &str = r#"
base = "tiny.toml"
[run]
attention_sentences = 0
sample_sentences = 0
projector_tokens = 0
histogram_interval_steps = 0
"#;

/// The recipe of running text in `text.txt` and `dev.txt`.
pub const RUNNING_TEXT: &str = r#"
name = "text"
source_language = "en"
target_language = "en"
[data]
merges = 40
max_length = 16
[corpus.files]
train = [{ source = "text.txt", target = "text.txt", format = "running" }]
dev = { source = "dev.txt", target = "dev.txt", format = "running" }
test = { source = "test.txt", target = "test.txt", format = "running" }
"#;

/// A language model that trains in a second or two on one thread.
pub const LANGUAGE_MODEL: &str = r#"
[data]
recipe = "text.toml"
[model]
encoder = "none"
layers = 1
d_model = 16
d_ff = 16
heads = 2
[training]
steps = 40
batch_tokens = 400
micro_batch_tokens = 100
label_smoothing = 0.0
warmup_steps = 20
checkpoint_interval_steps = 7
average_checkpoints = 3
dev_interval_steps = 10
[run]
device = "cpu"
threads = 1
log_interval_steps = 1
"#;

/// Word vectors that train in a second or two on one thread.
pub const WORD_VECTORS: &str = r#"
[data]
recipe = "text.toml"
[model]
encoder = "none"
decoder = "none"
d_model = 16
[training]
steps = 40
batch_tokens = 400
micro_batch_tokens = 100
schedule = "linear"
peak_learning_rate = 0.02
warmup_steps = 1
checkpoint_interval_steps = 7
average_checkpoints = 3
dev_interval_steps = 10
[training.words]
window = 3
subsampling = 0.05
[run]
device = "cpu"
threads = 1
log_interval_steps = 1
"#;

/// The recipe of trees in `train.tree`, `dev.tree` and `test.tree`.
pub const TREES: &str = r#"
name = "trees"
source_language = "en"
target_language = "trees"
[data]
merges = 60
max_length = 60
[corpus.files]
train = [{ source = "train.tree", target = "train.tree", format = "trees" }]
dev = { source = "dev.tree", target = "dev.tree", format = "trees" }
test = { source = "test.tree", target = "test.tree", format = "trees" }
"#;

/// A parser that trains in a second or two on one thread.
pub const PARSER: &str = r#"
[data]
recipe = "trees.toml"
[model]
layers = 1
d_model = 16
d_ff = 16
heads = 2
[training]
steps = 60
batch_tokens = 400
micro_batch_tokens = 200
warmup_steps = 20
checkpoint_interval_steps = 15
average_checkpoints = 2
dev_interval_steps = 20
dev_bleu_interval_steps = 30
[decoding]
beam = 2
max_extra_length = 30
[run]
device = "cpu"
threads = 1
log_interval_steps = 1
"#;

/// A tree with functions, a trace and punctuation, over one line or several.
pub fn tree(n: usize) -> String {
    let noun = ["dog", "cat", "man"][n % 3];
    let subject = match n % 4 {
        0 => "(NP-SBJ (-NONE- *))".to_string(),
        1 => format!("(NP-SBJ-1 (DT the) (NN {noun}))"),
        _ => format!("(NP-SBJ (NP (DT a) (NN {noun})) (PP (IN of) (NP (NN wood))))"),
    };
    let end = if n.is_multiple_of(5) { "\n" } else { " " };
    format!("( (S {subject}{end}(VP (VBZ sees) (NP (CD {n}) (NNS birds))) (. .)) )\n")
}

/// Multiplies every matrix of a model by `factor`: probabilities are then far enough from each other that searches find
/// different tokens, whatever the rounding.
pub fn enlarge(model: &dyn Network, factor: f64) {
    for (path, variable) in model.weights().named() {
        if path.ends_with("weight") {
            let _ = tch::no_grad(|| variable.shallow_clone().g_mul_scalar_(factor));
        }
    }
}

impl Workshop {
    pub fn new() -> Self {
        let workshop = Workshop { folder: tempfile::tempdir().unwrap() };
        workshop.write("tiny.toml", EXPERIMENT);
        workshop.write("quiet.toml", QUIET);
        workshop
    }

    /// A workshop with this sweep as `small.toml`.
    pub fn with_sweep(text: &str) -> Self {
        let workshop = Workshop::new();
        workshop.write("small.toml", text);
        workshop
    }

    /// A workshop whose `tiny.toml` is a language model, with its text prepared.
    pub fn of_language_model() -> Self {
        let workshop = Workshop::new();
        workshop.write("tiny.toml", LANGUAGE_MODEL);
        workshop.write("text.toml", RUNNING_TEXT);
        let line = |n: usize| {
            format!("{} cat {} saw {n} mice.\n", ["A", "The"][n % 2], ["once", "never"][n % 3 / 2])
        };
        for (name, lines) in [("text.txt", 0..300), ("dev.txt", 300..330), ("test.txt", 330..350)] {
            workshop.write(name, &lines.map(line).collect::<String>());
        }
        workshop.run(&["prepare", "text.toml", "--source", "."]).expect(0);
        workshop
    }

    /// Creates the same workshop with a model that reads each block behind the token of the text before it.
    pub fn of_language_model_without_bos() -> Self {
        let workshop = Workshop::of_language_model();
        let text = LANGUAGE_MODEL.replace("[training]", "[training]\nfirst_input = \"previous_token\"");
        workshop.write("tiny.toml", &text);
        workshop
    }

    /// The same with a model of these parts in `tiny.toml`, which has self-attention alone so far.
    pub fn with_parts(self, encoder: &str, decoder: &str) -> Self {
        let has = |kind| [encoder, decoder].contains(&kind);
        let mut model = format!("encoder = \"{encoder}\"\ndecoder = \"{decoder}\"\n");
        model += if has("self_attention") { SELF_ATTENTION } else { "d_model = 16\n" };
        if has("recurrent") {
            model += "recurrent.cell = \"lstm\"\nrecurrent.hidden = 12\n";
        }
        if (encoder, decoder) == ("none", "recurrent") {
            model += "recurrent.attention = \"none\"\nrecurrent.input_feeding = \"none\"\nrecurrent.bridge = \"zeros\"\n";
        }
        if has("convolutional") {
            model += "convolutional.channels = 12\n";
        }
        for (part, kind) in [("encoder", encoder), ("decoder", decoder)] {
            if kind == "convolutional" {
                model += &format!("convolutional.{part}_layers = 2\n");
            }
        }
        let text = ["encoder", "decoder"]
            .iter()
            .fold(self.text("tiny.toml"), |text, part| text.replace(&format!("{part} = \"none\"\n"), ""));
        assert!(text.contains(SELF_ATTENTION), "{text}");
        self.write("tiny.toml", &text.replace(SELF_ATTENTION, &model));
        self
    }

    /// A workshop whose `tiny.toml` is a masked language model, with its text prepared.
    pub fn of_masked_language_model() -> Self {
        let workshop = Workshop::of_language_model();
        workshop.write("tiny.toml", &LANGUAGE_MODEL.replace("encoder = \"none\"", "decoder = \"none\""));
        workshop
    }

    /// Creates the same workshop with a model that also predicts second texts.
    pub fn of_second_texts() -> Self {
        let workshop = Workshop::of_masked_language_model();
        let text =
            workshop.text("tiny.toml").replace("[training]", "masked.next_sentence = true\n[training]");
        workshop.write("tiny.toml", &text);
        workshop
    }

    /// A workshop whose `tiny.toml` trains word vectors, with its text prepared.
    pub fn of_word_vectors() -> Self {
        let workshop = Workshop::of_language_model();
        workshop.write("tiny.toml", WORD_VECTORS);
        workshop
    }

    /// A workshop whose `tiny.toml` is a parser, with its trees in files.
    pub fn of_trees() -> Self {
        let workshop = Workshop::new();
        workshop.write("tiny.toml", PARSER);
        workshop.write("trees.toml", TREES);
        for (name, range) in [("train.tree", 0..300), ("dev.tree", 300..312), ("test.tree", 312..330)] {
            workshop.write(name, &range.map(tree).collect::<String>());
        }
        workshop
    }

    /// Creates the same workshop with its trees prepared.
    pub fn of_parser() -> Self {
        let workshop = Workshop::of_trees();
        workshop.run(&["prepare", "trees.toml", "--source", "."]).expect(0);
        workshop
    }

    /// Returns the plan of a sweep, as `--json` prints it.
    #[track_caller]
    pub fn plan(&self, sweep: &str) -> Value {
        self.run(&["sweep", sweep, "--plan", "--json"]).expect(0).json()
    }

    /// Runs the sweep `small.toml`, which has three rows with two seeds and nothing to measure BLEU on, and shows it
    /// in every way. Returns the table as it is printed, and the header of its CSV file.
    #[track_caller]
    pub fn sweep_and_show(&self) -> (String, String) {
        let table = self.run(&["sweep", "small.toml"]).expect(0).out();
        assert!(!table.to_lowercase().contains("bleu"), "{table}");
        assert_eq!(self.plan("small.toml")["totals"]["finished"], 6);
        let csv = self.text("results/small/table.csv");
        assert_eq!(csv.lines().count(), 4, "{csv}");
        for command in ["report", "status"] {
            self.run(&[command, "small.toml"]).expect(0);
        }
        (table, csv.lines().next().unwrap().to_string())
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        let path = self.path(name);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub fn text(&self, name: impl AsRef<Path>) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    pub fn json(&self, name: impl AsRef<Path>) -> Value {
        serde_json::from_slice(&self.read(name)).unwrap()
    }

    /// `ablate` with these words, not started yet.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ablate"));
        command.args(words).current_dir(self.folder.path()).stdin(Stdio::null());
        // Git sets GIT_DIR for its hooks.
        command.env_remove("ABLATE_DATA").env_remove("ABLATE_RESULTS").env_remove("GIT_DIR");
        command
    }

    pub fn run(&self, words: &[&str]) -> Outcome {
        Outcome(self.command(words).output().unwrap())
    }

    pub fn run_with_input(&self, words: &[&str], input: &[u8]) -> Outcome {
        let mut command = self.command(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        // A program that stops at a mistake does not read the rest.
        let _ = process.stdin.take().unwrap().write_all(input);
        Outcome(process.wait_with_output().unwrap())
    }
}

/// Lists every value of an enum without fields. A value that is added to the enum but not to the list is
/// a compiler error.
macro_rules! every {
    ($type:ident: $($value:ident),+) => {{
        const fn listed(value: $type) -> $type {
            match value { $($type::$value => value),+ }
        }
        [$(listed($type::$value)),+]
    }};
}
pub(crate) use every;

/// The output of a finished `ablate`.
pub struct Outcome(pub Output);

impl Outcome {
    pub fn code(&self) -> Option<i32> {
        self.0.status.code()
    }

    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// Parses the standard output, which must be JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        let out = self.out();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error} in stdout:\n{out}"))
    }

    /// Expects an exit code; otherwise shows the output.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code(), Some(code), "stdout:\n{}\nstderr:\n{}", self.out(), self.err());
        self
    }

    /// Expects a text on standard error.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.err().contains(text), "no {text:?} in stderr:\n{}", self.err());
        self
    }
}

/// Every file below a folder by its path, with its content.
pub fn files_below(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            files.insert(path, bytes);
        }
    }
    files
}

/// The names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
