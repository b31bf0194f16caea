//! `ablate prepare`: text to tokens.

use super::{Places, print, print_json};
use crate::config::{load_data, load_experiment};
use crate::data::prepare::prepare;
use crate::data::prepared::Prepared;
use crate::data::{Corpus, Recipe};
use crate::error::{Error, Result, did_you_mean};
use crate::experiment::note_on_bleu;
use crate::fetch::Progress;
use crate::folders;
use crate::sweep::idle_check::check_data;
use crate::sweep::settings;
use crate::telemetry::console::print_message;
use crate::telemetry::format;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Directory of the recipes that can be given by name.
const RECIPES: &str = "experiments/recipes";
/// The environment variable that names another directory of recipes.
const RECIPES_VARIABLE: &str = "ABLATE_RECIPES";

#[derive(Debug, Args)]
pub struct Arguments {
    /// Experiment file, recipe file, or the name of a recipe.
    #[arg(required_unless_present = "list")]
    pub what: Option<PathBuf>,
    /// Directory with the files or archives of the corpus. By default they are downloaded.
    #[arg(long, value_name = "DIR")]
    pub source: Option<PathBuf>,
    /// Change a setting: section.key=value. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Print the manifest as JSON: counts of every cleaning step, files with their checksums, the fingerprint.
    #[arg(long)]
    pub json: bool,
    /// List the available recipes and prepare nothing.
    #[arg(long, conflicts_with_all = ["what", "source", "sets", "json"])]
    pub list: bool,
    /// Directory of the recipes that can be given by name.
    #[arg(long, value_name = "DIR", default_value = RECIPES, env = RECIPES_VARIABLE)]
    pub recipes: PathBuf,
}

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let Some(what) = arguments.what.filter(|_| !arguments.list) else {
        return list(&arguments.recipes);
    };
    let file = named(&what, &arguments.recipes)?;
    // model.tying is allowed too: separate vocabularies need a tying other than the default.
    settings::require(
        &arguments.sets,
        |key| key.starts_with("data.") || key == "model.tying",
        "does not change what is prepared",
        "expected keys of [data], as in data.merges=8000",
    )?;
    let data = load_data(&file, &arguments.sets)?;
    check_data(&data, &arguments.sets)?;
    let mut console = Console::new();
    let prepared = prepare(&data, &places.data, arguments.source.as_deref(), &mut console)?;
    drop(console);
    // A recipe states no tokeniser.
    let tokenize = load_experiment(&file, &arguments.sets).map(|experiment| experiment.decoding.tokenize);
    if let Some(note) = note_on_bleu(&data.recipe, tokenize.unwrap_or_default()) {
        print_message(&note);
    }
    match arguments.json {
        true => print_json(&document(&prepared)?),
        false => print(&format!("{}\n", prepared.directory().display())),
    }
}

/// The manifest, with the directory and the steps of cleaning in order.
fn document(prepared: &Prepared) -> Result<Value> {
    let broken = |error: serde_json::Error| Error::failed(format!("the manifest as JSON: {error}"));
    let mut document = serde_json::to_value(prepared.manifest()).map_err(broken)?;
    document["directory"] = prepared.directory().display().to_string().into();
    let counts = prepared.counts().train;
    let mut left = counts.read;
    let steps = counts.steps().map(|(key, _, taken)| {
        left = left.saturating_sub(taken);
        json!({ "step": key, "dropped": taken, "left": left })
    });
    document["cleaning"] = steps.to_vec().into();
    Ok(document)
}

/// Returns the file of a recipe that is given by its bare name. Other paths are returned as they are.
fn named(what: &Path, recipes: &Path) -> Result<PathBuf> {
    let is_path = what.components().count() > 1 || what.extension().is_some_and(|end| end == "toml");
    let file = recipes.join(format!("{}.toml", what.display()));
    if is_path || what.is_file() {
        return Ok(what.into());
    }
    if file.is_file() {
        return Ok(file);
    }
    let known: Vec<String> = recipe_files(recipes)?.into_iter().map(|(name, _)| name).collect();
    let name = what.display().to_string();
    let guess = did_you_mean(&name, known.iter().map(String::as_str));
    Err(Error::user(format!(
        "there is no recipe {name:?} in {}; {guess}known: {}; an experiment is named by its path",
        recipes.display(),
        known.join(", ")
    )))
}

/// The names of the recipes in the default directory; none where there is no such directory.
pub(super) fn recipe_names() -> Vec<String> {
    let folder = std::env::var_os(RECIPES_VARIABLE).map_or_else(|| RECIPES.into(), PathBuf::from);
    let files = recipe_files(&folder).unwrap_or_default();
    let is_plain = |name: &String| name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    files.into_iter().map(|(name, _)| name).filter(is_plain).collect()
}

/// The names and the files of the recipes of a directory, in order.
fn recipe_files(recipes: &Path) -> Result<Vec<(String, PathBuf)>> {
    let files = folders::list(recipes).map_err(|error| {
        Error::user(format!(
            "{error}; run this in the clone, or give the directory of the recipes with --recipes DIR"
        ))
    })?;
    let named = |file: PathBuf| {
        let name = file.file_stem()?.to_string_lossy().into_owned();
        (file.extension()? == "toml").then_some((name, file))
    };
    Ok(files.into_iter().filter_map(named).collect())
}

/// Prints the recipes with their languages, sizes and licences.
fn list(recipes: &Path) -> Result<()> {
    let files = recipe_files(recipes)?;
    if files.is_empty() {
        print_message(&format!("there is no recipe in {}; a recipe is a file NAME.toml", recipes.display()));
    }
    let mut text = String::new();
    for (name, file) in files {
        let recipe = load_data(&file, &[])?.recipe;
        text += &format!(
            "{name}\n  {}\n  {}-{}, {}; {}\n  licence: {}\n",
            or_unknown(&recipe.origin.title),
            recipe.source_language,
            recipe.target_language,
            pairs(&recipe),
            size(&recipe),
            or_unknown(&recipe.origin.licence),
        );
    }
    print(&text)
}

fn or_unknown(text: &str) -> &str {
    if text.is_empty() { "not stated" } else { text }
}

/// Training pairs as far as the recipe states them.
fn pairs(recipe: &Recipe) -> String {
    match &recipe.corpus {
        Corpus::Generated(sizes) => format!("{} training pairs", format::thousands(sizes.train as u64)),
        Corpus::Files(files) => {
            let stated = files.train.iter().filter_map(|pair| pair.pairs);
            let known = stated.fold(0, |sum: u64, pairs| sum.saturating_add(pairs as u64));
            match (known, files.train.iter().all(|pair| pair.pairs.is_some())) {
                (0, _) => "number of training pairs not stated".to_string(),
                (known, true) => format!("{} training pairs", format::thousands(known)),
                (known, false) => format!("{} training pairs and more", format::thousands(known)),
            }
        }
    }
}

/// Bytes to download, as far as the recipe states them.
fn size(recipe: &Recipe) -> String {
    let downloads = &recipe.origin.downloads;
    if matches!(recipe.corpus, Corpus::Generated(_)) {
        return "nothing to download".to_string();
    }
    if !recipe.is_public() {
        return "files of your own, with --source DIR".to_string();
    }
    let sizes = downloads.iter().map(|download| download.mirrors.first().and_then(|mirror| mirror.bytes));
    let known = sizes.clone().flatten().fold(0, u64::saturating_add);
    let more = if sizes.clone().any(|size| size.is_none()) { " and more" } else { "" };
    match known {
        0 => "download of unstated size".to_string(),
        known => format!("download of {}{more}", format::bytes(known as f64)),
    }
}

/// Progress on standard error: a bar for bytes on a terminal, a line now and then elsewhere.
struct Console {
    bar: Option<ProgressBar>,
    told: Instant,
}

/// Shortest time between two lines of progress without a terminal.
const PAUSE: Duration = Duration::from_secs(10);

impl Console {
    fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
                .with_style(
                    ProgressStyle::with_template(
                        "{prefix} {wide_bar} {binary_bytes}/{binary_total_bytes}  {binary_bytes_per_sec}  {eta} left",
                    )
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
                )
                .with_finish(ProgressFinish::AndClear)
        });
        Console { bar, told: Instant::now() }
    }
}

impl Progress for Console {
    fn message(&mut self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| print_message(line)),
            None => print_message(line),
        }
    }

    fn bytes(&mut self, what: &str, done: u64, total: Option<u64>) {
        if let Some(bar) = &self.bar {
            if bar.prefix() != what {
                bar.reset();
                bar.set_prefix(what.to_string());
            }
            total.map_or_else(|| bar.unset_length(), |total| bar.set_length(total));
            bar.set_position(done);
        } else if self.told.elapsed() >= PAUSE {
            self.told = Instant::now();
            let of = total.map(|total| format!(" of {}", format::bytes(total as f64))).unwrap_or_default();
            print_message(&format!("{what}: {}{of}", format::bytes(done as f64)));
        }
    }
}
