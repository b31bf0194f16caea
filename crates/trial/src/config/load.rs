//! Loading experiment files: inheritance (`base`), recipes named by path, `--set`.

use super::deserialize::{Unfit, from_table, read_in_part};
use super::experiment::Experiment;
use super::parse::{DEEPEST, parse, parse_value};
use super::subsections::is_section;
use super::toml_tree::{Key, Node, Table, Tree, Value};
use super::unread_keys::without_unread;
use super::validate::{validate, validate_data};
use crate::data::DataConfig;
use crate::error::{Diagnostic, Error, Place, Result};
use crate::folders::is_directory_name;
use crate::utf8::end_of;
use std::path::{Component, Path, PathBuf};

/// The name of a `--set` argument in messages.
pub const SET: &str = "--set";

/// Most files in a chain of bases or of includes; the reading functions recurse once for each.
pub const LONGEST_CHAIN: usize = 32;

impl Tree {
    /// Reads the tree as an experiment and checks it.
    ///
    /// # Errors
    /// All keys, types and values that are not accepted, at their places.
    pub fn experiment(&self) -> Result<Experiment> {
        let mut tree = self.with_recipe_settings()?;
        tree.check_kind()?;
        let mut experiment: Experiment = match read_in_part(&tree.table, &tree.start) {
            Ok(experiment) => experiment,
            Err(unfit) => {
                let Unfit { mut mistakes, left_out, rest } = *unfit;
                if let Some((table, experiment)) = rest {
                    tree.table = table;
                    mistakes.keep(validate(&experiment, &tree, &left_out))?;
                }
                return Err(mistakes.into_diagnostic().into());
            }
        };
        validate(&experiment, &tree, &[])?;
        experiment.model = without_unread(&experiment.model);
        experiment.data = experiment.data.without_unread();
        Ok(experiment)
    }

    /// Reads the tree as an experiment whose values are not checked yet.
    ///
    /// # Errors
    /// A key or type that is not accepted, at its place.
    pub fn read(&self) -> Result<Experiment> {
        self.with_recipe_settings()?.typed()
    }

    /// The tree with the settings of `[data]` that the recipe states and the experiment does not.
    fn with_recipe_settings(&self) -> Result<Tree> {
        let mut tree = self.clone();
        let Some(Node { value: Value::Table(data), .. }) = tree.table.get_mut("data") else {
            return Ok(tree);
        };
        let Some(Node { value: Value::Table(recipe), .. }) = data.get_mut("recipe") else {
            return Ok(tree);
        };
        if let Some(node) = recipe.remove("data") {
            let refused = |message: String, place: &Place| -> Error {
                Diagnostic::new(message).at(Some(place.clone())).help(RECIPE_SETTINGS).into()
            };
            let Value::Table(settings) = &node.value else {
                let message =
                    format!("data = {} in a recipe is {}, not a table", node.excerpt(), node.kind());
                return Err(refused(message, &node.place));
            };
            for (key, node) in settings.iter() {
                if key.name == "recipe" {
                    return Err(refused("a recipe cannot name a recipe".into(), &key.place));
                }
                if data.get(&key.name).is_none() {
                    data.insert(key.clone(), node.clone());
                }
            }
        }
        Ok(tree)
    }

    fn typed(&self) -> Result<Experiment> {
        self.check_kind()?;
        Ok(from_table(&self.table, &self.start)?)
    }

    /// Refuses a file that is no experiment at all.
    fn check_kind(&self) -> Result<()> {
        // Every sweep states its seeds, and no experiment does.
        if let Some((key, _)) = self.table.iter().find(|(key, _)| key.name == "seeds") {
            let file = &key.place.file;
            let message = format!("{file} is a sweep, not an experiment");
            let help =
                format!("`ablate sweep {file}` trains it; an experiment states one seed, as training.seed");
            return Err(Diagnostic::new(message).at(Some(key.place.clone())).help(help).into());
        }
        if self.table.get("data").is_none() {
            let help = "add [data] with recipe = \"…/recipes/generated.toml\", or inherit it with `base`";
            return Err(Diagnostic::new("section [data] is missing")
                .at(Some(self.start.clone()))
                .help(help)
                .into());
        }
        Ok(())
    }

    /// Puts a value at a dotted key; `place` is where the key was written. A table for a section changes the keys that
    /// it names and leaves the others, as a section of a file does.
    ///
    /// A string for `data.recipe` is a path relative to the file that `node` was written in.
    pub fn set(&mut self, key: &str, place: &Place, node: Node) -> Result<()> {
        let path: Vec<&str> = key.split('.').map(str::trim).collect();
        if path.len() > DEEPEST {
            let message = format!("{} is not a key: it has more than {DEEPEST} parts", excerpt(key));
            return Err(Diagnostic::new(message).at(Some(place.clone())).help(KEY_HELP).into());
        }
        if path.iter().any(|part| part.is_empty()) {
            let message = format!("{} is not a key", excerpt(key));
            return Err(Diagnostic::new(message).at(Some(place.clone())).help(KEY_HELP).into());
        }
        match &node.value {
            Value::Table(_) if is_section(&path.join(".")) => {
                let mut over = Table::default();
                over.set(&path, place, node)?;
                self.table.merge(over);
            }
            _ => self.table.set(&path, place, node)?,
        }
        resolve_recipe(&mut self.table)
    }
}

/// A text in quotes, cut after 60 characters so that a message stays readable.
fn excerpt(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// The settings that a recipe may state beside the corpus, for messages.
const RECIPE_SETTINGS: &str = "[data] in a recipe may set pieces, merges, bpe_dropout, segmentations, vocabulary, lowercase, \
     max_length, max_length_ratio and max_train_length";

const KEY_HELP: &str = "keys are section.key, as in model.heads";

/// Loads, merges and checks an experiment; `sets` are `section.key=value`, applied last.
///
/// An experiment without a label gets the name of its file, where that can be one.
///
/// # Errors
/// A file that cannot be read, or anything in it that is not accepted, at its place.
pub fn load_experiment(path: &Path, sets: &[String]) -> Result<Experiment> {
    load_experiment_tree(path, sets)?.experiment()
}

/// [`load_experiment`] up to the merged tree, before its keys and values are checked.
///
/// # Errors
/// The same as for [`load_experiment`], except mistakes that the schema finds.
pub fn load_experiment_tree(path: &Path, sets: &[String]) -> Result<Tree> {
    let (text, name) = read(path)?;
    let start = Place { file: name, text: text.as_str().into(), span: 0..0 };
    let mut table = load_with_base(path, &text, &mut vec![identity_of(path)])?;
    let stem = path.file_stem().and_then(|stem| stem.to_str()).filter(|stem| is_directory_name(stem));
    if let (None, Some(stem)) = (table.get("label"), stem) {
        let key = Key { name: "label".into(), place: start.clone() };
        table.insert(key, Node { value: Value::String(stem.into()), place: start.clone() });
    }
    let mut tree = Tree { table, start };
    apply_sets(&mut tree, sets)?;
    Ok(tree)
}

/// Returns whether a file states a corpus, so that it is no experiment and no sweep.
pub fn is_recipe(file: &Table) -> bool {
    ["source_language", "corpus"].iter().any(|key| file.get(key).is_some())
}

/// Loads the `[data]` section of an experiment file, or of a recipe file: the settings that the recipe states in its
/// own `[data]`, else the defaults.
///
/// # Errors
/// The same as for [`load_experiment`].
pub fn load_data(path: &Path, sets: &[String]) -> Result<DataConfig> {
    let (recipe, start) = load_table(path)?;
    if !is_recipe(&recipe) {
        return Ok(load_experiment(path, sets)?.data);
    }
    let mut table = Table::default();
    table.set(&["data", "recipe"], &start, Node { value: Value::Table(recipe), place: start.clone() })?;
    let mut tree = Tree { table, start };
    apply_sets(&mut tree, sets)?;
    let tree = tree.with_recipe_settings()?;
    let data = tree.typed()?.data;
    validate_data(&data, &tree)?;
    Ok(data.without_unread())
}

/// Applies `section.key=value` arguments in order.
///
/// # Errors
/// An argument of another form, or a value that is broken TOML.
pub fn apply_sets(tree: &mut Tree, sets: &[String]) -> Result<()> {
    for argument in sets {
        let (key, value) = parse_set(argument)?;
        tree.set(&key.name, &key.place, value)?;
    }
    Ok(())
}

/// Reads a `section.key=value` argument.
///
/// # Errors
/// An argument of another form, or a value that is broken TOML.
pub fn parse_set(argument: &str) -> Result<(Key, Node)> {
    let whole = Place { file: SET.into(), text: argument.into(), span: 0..argument.len() };
    let Some((key, value)) = argument.split_once('=') else {
        let message = format!("{} sets nothing", excerpt(argument));
        let help = "write section.key=value, as in model.heads=4";
        return Err(Diagnostic::new(message).at(Some(whole)).help(help).into());
    };
    let node = parse_value(SET, argument, argument.len() - value.len()..argument.len());
    let node = node.map_err(|mistake| match value.contains(',') && !value.contains(['[', '{']) {
        true => mistake.help(format!(
            "several values are an axis of a sweep: `ablate sweep FILE --axis {argument}`; a string with a comma needs quotes"
        )),
        false => mistake,
    })?;
    Ok((Key { name: key.trim().to_string(), place: Place { span: 0..key.len(), ..whole } }, node))
}

/// Reads a TOML file into a table, with its name in messages.
///
/// # Errors
/// The file cannot be read, or is not TOML.
pub fn load_table(path: &Path) -> Result<(Table, Place)> {
    let (text, name) = read(path)?;
    let table = parse(&name, &text)?;
    Ok((table, Place { file: name, text: text.into(), span: 0..0 }))
}

/// The path that a string in a file names: relative to that file.
///
/// The `..` of a relative path are resolved if that leads to the same file, so that messages stay short.
///
/// # Errors
/// The file lies in a directory whose name is not UTF-8: a place holds the name with replacement characters.
pub fn relative_to(place: &Place, named: &str) -> Result<PathBuf> {
    let directory = Path::new(&place.file).parent().unwrap_or(Path::new(""));
    if place.file.contains(char::REPLACEMENT_CHARACTER) && !directory.is_dir() {
        let message =
            format!("{named:?} cannot be found from {}, whose name is not UTF-8", directory.display());
        let help = "give the directory a name in UTF-8, or call ablate inside of it";
        return Err(Diagnostic::new(message).at(Some(place.clone())).help(help).into());
    }
    let joined = directory.join(named);
    let mut short = PathBuf::new();
    for part in joined.components() {
        let inside = matches!(short.components().next_back(), Some(Component::Normal(_)));
        match part {
            Component::ParentDir if inside => {
                short.pop();
            }
            part => short.push(part),
        }
    }
    // A symbolic link on the way makes `a/link/..` differ from `a`.
    match (short.canonicalize(), joined.canonicalize()) {
        (Ok(a), Ok(b)) if a == b => Ok(short),
        _ => Ok(joined),
    }
}

/// The reason why a file has no text, as a message, and the advice.
struct Unreadable {
    message: String,
    /// `None` if the file does not exist or is not the intended one.
    help: Option<&'static str>,
}

/// The text of a file.
fn read_text(path: &Path) -> std::result::Result<String, Unreadable> {
    let bytes = std::fs::read(path).map_err(|error| Unreadable {
        message: format!("cannot read {}: {error}", path.display()),
        help: None,
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let (line, byte) = end_of(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        let message = format!("{}:{line}: byte {byte} of this line is not UTF-8", path.display());
        Unreadable { message, help: Some("save the file as UTF-8") }
    })
}

/// The text of a file that the command line names, and its name in messages.
fn read(path: &Path) -> Result<(String, String)> {
    let text = read_text(path).map_err(|Unreadable { message, help }| {
        let help = help.unwrap_or("expected the path of a TOML file, see experiments/ and sweeps/");
        Error::user(format!("{message}; {help}"))
    })?;
    Ok((text, path.display().to_string()))
}

/// The text of the file at `path`, which `node` names as the value of `key`; `otherwise` is the help if there is none.
fn read_named(path: &Path, key: &str, node: &Node, otherwise: &'static str) -> Result<String> {
    read_text(path).map_err(|Unreadable { message, help }| {
        let message = format!("{key} = {}: {message}", node.excerpt());
        let help = help.unwrap_or(otherwise);
        Diagnostic::new(message).at(Some(node.place.clone())).help(help).into()
    })
}

/// Returns a form of the path that is equal for paths of the same file.
pub fn identity_of(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

/// Parses a file and lays it over its bases; `chain` holds the files that led to it.
fn load_with_base(path: &Path, text: &str, chain: &mut Vec<PathBuf>) -> Result<Table> {
    let mut table = parse(&path.display().to_string(), text)?;
    resolve_recipe(&mut table)?;
    let Some(base) = table.remove("base") else {
        return Ok(table);
    };
    let base_path = path_in(&base, "base")?;
    let mistake = |message: String, help: &str| -> Error {
        Diagnostic::new(message).at(Some(base.place.clone())).help(help).into()
    };
    let identity = identity_of(&base_path);
    if chain.contains(&identity) {
        let message = format!("base = {} leads back to a file that inherits from this one", base.excerpt());
        return Err(mistake(message, "these files inherit from each other in a circle; remove one `base`"));
    }
    if chain.len() == LONGEST_CHAIN {
        let message =
            format!("base = {}: more than {LONGEST_CHAIN} files inherit from each other", base.excerpt());
        return Err(mistake(message, "shorten the chain: put the settings of several files into one"));
    }
    let text = read_named(&base_path, "base", &base, "the path is relative to the file that names it")?;
    chain.push(identity);
    let mut merged = load_with_base(&base_path, &text, chain)?;
    // A label names one file's experiment, not the experiments that inherit from it.
    merged.remove("label");
    merged.merge(table);
    Ok(merged)
}

/// Replaces `data.recipe = "path"` by the table in that file.
fn resolve_recipe(table: &mut Table) -> Result<()> {
    let Some(Node { value: Value::Table(data), .. }) = table.get_mut("data") else {
        return Ok(());
    };
    let Some(recipe) = data.get_mut("recipe") else {
        return Ok(());
    };
    if !matches!(recipe.value, Value::String(_)) {
        return Ok(());
    }
    let path = path_in(recipe, "data.recipe")?;
    let help = "a recipe is a TOML file, its path relative to the file that names it";
    let text = read_named(&path, "data.recipe", recipe, help)?;
    recipe.value = Value::Table(parse(&path.display().to_string(), &text)?);
    Ok(())
}

/// The path that a node holds, relative to its own file.
fn path_in(node: &Node, key: &str) -> Result<PathBuf> {
    match &node.value {
        Value::String(named) if !named.is_empty() => relative_to(&node.place, named),
        _ => Err(Diagnostic::new(format!("{key} = {} is not a path", node.excerpt()))
            .at(Some(node.place.clone()))
            .help("expected the path of a TOML file, as a string")
            .into()),
    }
}
