//! Sweeps without a file: a command line states an experiment, the values of settings, and seeds. They are saved as a
//! sweep file, so that `status`, `table` and `report` find them.

use super::file::{is_sweep, refuse_recipe};
use super::settings::{Setting, checked_sets, mistake};
use crate::config::load::{SET, load_experiment_tree, load_table};
use crate::config::parse::{end_of_string, parse_value};
use crate::config::toml_tree::{Node, Value};
use crate::error::{Diagnostic, Error, Mistakes, Place, Result};
use crate::files;
use crate::folders::is_directory_name;
use std::path::{Component, Path, PathBuf};

/// Names of the options in messages.
const AXIS: &str = "--axis";
const SEEDS: &str = "--seeds";
/// The folder of sweeps in a clone.
const SWEEPS: &str = "sweeps";

/// A setting and its values.
#[derive(Debug, Clone, PartialEq)]
struct Axis {
    key: String,
    values: Vec<Node>,
    /// The whole argument of the command line.
    place: Place,
}

/// A sweep that a command line states.
#[derive(Debug, Clone, PartialEq)]
pub struct MadeSweep {
    experiment: PathBuf,
    axes: Vec<Axis>,
    seeds: Vec<u64>,
    /// The settings of `--set` with one value, for all rows.
    set: Vec<Setting>,
}

impl MadeSweep {
    /// Reads the arguments of `ablate sweep FILE --axis … --seeds … --set …`; None if they state no sweep of their own.
    ///
    /// # Errors
    /// A user error for a file that cannot be read, a sweep file together with arguments that make a sweep, a recipe,
    /// arguments that are not a setting with values, and settings that the experiment does not accept.
    pub fn of(file: &Path, axes: &[String], seeds: &[u64], sets: &[String]) -> Result<Option<MadeSweep>> {
        let (several, sets): (Vec<&String>, Vec<&String>) = sets.iter().partition(|set| has_several(set));
        let stated = several.iter().map(|set| (SET, set.as_str()));
        let stated: Vec<(&str, &str)> = axes.iter().map(|axis| (AXIS, axis.as_str())).chain(stated).collect();
        if stated.is_empty() && seeds.is_empty() {
            return Ok(None);
        }
        let (table, _) = load_table(file)?;
        refuse_recipe(file, &table)?;
        if is_sweep(&table) {
            return Err(Error::user(format!(
                "{} is a sweep file, whose own [axes] and `seeds` state what varies; add the values there, or give the \
                 experiment instead of it",
                file.display()
            )));
        }
        // Here a mistake is in an argument; later it would be in a file that the user has not written.
        let mut mistakes = Mistakes::default();
        let mut axes: Vec<Axis> = Vec::new();
        for (option, word) in stated {
            let Some(axis) = mistakes.keep(axis(option, word))? else { continue };
            if axes.iter().any(|earlier| earlier.key == axis.key) {
                let message = format!("the values of {} are stated twice", axis.key);
                let help = format!("state all of them once: {AXIS} {}=VALUE,VALUE,…", axis.key);
                mistakes.add_error(mistake(message, &axis.place, help))?;
            }
            axes.push(axis);
        }
        let seeds = if seeds.is_empty() { vec![1] } else { seeds.to_vec() };
        let sets: Vec<String> = sets.into_iter().cloned().collect();
        let checked = mistakes.end(checked_sets(&sets))?;
        load_experiment_tree(file, &sets)?.read()?;
        let mut set: Vec<Setting> = Vec::new();
        for setting in checked {
            set.retain(|earlier| earlier.key != setting.key);
            set.push(setting);
        }
        Ok(Some(MadeSweep { experiment: file.to_path_buf(), axes, seeds, set }))
    }

    /// Writes the sweep into `file`, or into a file named by the experiment and its varying settings, in sweeps/ if
    /// that folder exists. A file that states the same sweep is left as it is.
    ///
    /// # Errors
    /// A user error if another sweep is in the file, or the file cannot be written.
    pub fn save(&self, file: Option<&Path>) -> Result<SavedSweep> {
        let path = file.map_or_else(|| self.path(), Path::to_path_buf);
        let folder = files::parent(&path);
        if !folder.is_dir() {
            return Err(Error::user(format!(
                "--save {}: there is no directory {}; create it, or name a file elsewhere",
                path.display(),
                folder.display()
            )));
        }
        if path.is_dir() {
            return Err(Error::user(format!("--save {}: it is a directory; name a file", path.display())));
        }
        let text = self.text(folder)?;
        if let Some(there) = files::read_if_exists(&path)? {
            if there == text.as_bytes() {
                return Ok(SavedSweep { path, is_new: false });
            }
            return Err(Error::user(format!(
                "{} is there and states another sweep; remove it, or save this one elsewhere with --save FILE",
                path.display()
            )));
        }
        files::write_atomically(&path, text.as_bytes())?;
        Ok(SavedSweep { path, is_new: true })
    }

    /// Moves an error in the saved sweep file `file` to the argument of the command line, because the user has not
    /// written that file.
    pub fn at_words(&self, error: Error, file: &Path) -> Error {
        let Error::Config(mut first) = error else { return error };
        let name = file.display().to_string();
        let to_word = |diagnostic: &mut Diagnostic| {
            if diagnostic.place.as_ref().is_some_and(|place| place.file == name) {
                diagnostic.place = diagnostic.place.take().and_then(|place| self.word(&place));
            }
        };
        first.more.iter_mut().for_each(to_word);
        to_word(&mut first);
        Error::Config(first)
    }

    /// Returns the argument from which the line of a place in [`text`](Self::text) was made.
    fn word(&self, place: &Place) -> Option<Place> {
        let at = place.span.start;
        let start = place.text[..at].rfind('\n').map_or(0, |end| end + 1);
        let line = place.text[start..].lines().next()?;
        if line.starts_with("seeds = ") {
            let text = self.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
            return Some(Place { file: SEEDS.into(), span: 0..text.len(), text: text.into() });
        }
        if line.starts_with("set = ") {
            // The last setting that begins before the end of the place.
            let before = &place.text[start..place.span.end.max(at)];
            let begins = |setting: &&Setting| before.rfind(&format!("{} =", quoted(&setting.key)));
            let setting = self.set.iter().filter(|setting| begins(setting).is_some()).max_by_key(begins)?;
            return Some(setting.place.clone());
        }
        let axis = self.axes.iter().find(|axis| line.starts_with(&format!("{} = ", quoted(&axis.key))))?;
        Some(axis.place.clone())
    }

    fn path(&self) -> PathBuf {
        let stem = self.experiment.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let keys = self.axes.iter().map(|axis| axis.key.rsplit('.').next().unwrap_or(&axis.key).to_string());
        let mut name = std::iter::once(stem).chain(keys).collect::<Vec<_>>().join("-");
        if self.axes.is_empty() {
            name += "-seeds";
        }
        let name = if is_directory_name(&name) { name } else { "sweep".to_string() };
        let folder = if Path::new(SWEEPS).is_dir() { SWEEPS } else { "" };
        Path::new(folder).join(format!("{name}.toml"))
    }

    /// Returns the file's text, with the path of the experiment relative to `folder`.
    fn text(&self, folder: &Path) -> Result<String> {
        let base = seen_from(folder, &self.experiment)?;
        let base = base.to_str().ok_or_else(|| {
            Error::user(format!("{}: the path of a base must be UTF-8", self.experiment.display()))
        })?;
        let seeds: Vec<String> = self.seeds.iter().map(u64::to_string).collect();
        let mut text = format!(
            "# Made by `ablate sweep` from the words of its command line.\nbase = {}\nseeds = [{}]\n",
            toml_edit::Value::from(base),
            seeds.join(", ")
        );
        let set = self.set.iter().map(|setting| {
            Ok(format!("{} = {}", quoted(&setting.key), value_from(folder, &setting.key, &setting.value)?))
        });
        let set: Vec<String> = set.collect::<Result<_>>()?;
        if !set.is_empty() {
            text += &format!("set = {{ {} }}\n", set.join(", "));
        }
        if !self.axes.is_empty() {
            text += "\n[axes]\n";
        }
        for axis in &self.axes {
            let values = axis.values.iter().map(|value| value_from(folder, &axis.key, value));
            let values: Vec<String> = values.collect::<Result<_>>()?;
            text += &format!("{} = [{}]\n", quoted(&axis.key), values.join(", "));
        }
        Ok(text)
    }
}

/// A sweep file that was made from a command line.
#[derive(Debug)]
pub struct SavedSweep {
    pub path: PathBuf,
    /// Whether the file did not exist before.
    is_new: bool,
}

impl SavedSweep {
    /// Removes the file, unless it existed before.
    pub fn discard(self) -> Result<()> {
        if self.is_new { files::remove(&self.path) } else { Ok(()) }
    }
}

/// Returns a key in quotes, as the file has it.
fn quoted(key: &str) -> String {
    toml_edit::Value::from(key).to_string()
}

/// Whether a `--set` states several values separated by commas, which is no TOML value.
fn has_several(set: &str) -> bool {
    let Some((_, value)) = set.split_once('=') else { return false };
    value.trim().parse::<toml_edit::Value>().is_err() && parts(value).len() > 1
}

/// Reads `section.key=value,value`.
fn axis(option: &str, word: &str) -> Result<Axis> {
    let place = Place { file: option.into(), text: word.into(), span: 0..word.len() };
    let Some((key, value)) = word.split_once('=').filter(|(key, _)| !key.trim().is_empty()) else {
        let help = "write section.key=value,value, as in model.dropout=0.1,0.2";
        return Err(mistake(format!("{word:?} states no values"), &place, help));
    };
    let start = word.len() - value.len();
    let values = parts(value)
        .into_iter()
        .map(|part| Ok(parse_value(option, word, start + part.start..start + part.end)?));
    Ok(Axis { key: key.trim().to_string(), values: values.collect::<Result<_>>()?, place })
}

/// Returns the ranges of the parts between commas that are outside of strings and brackets.
fn parts(text: &str) -> Vec<std::ops::Range<usize>> {
    let bytes = text.as_bytes();
    let (mut parts, mut at, mut start, mut depth) = (Vec::new(), 0, 0, 0usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' | b'\'' => at = end_of_string(bytes, at) - 1,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(start..at);
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    parts.push(start..text.len());
    parts
}

/// Returns a value as a file in `folder` states it: the path of a recipe is relative to the file that names it.
fn value_from(folder: &Path, key: &str, node: &Node) -> Result<String> {
    match &node.value {
        Value::String(path) if key == "data.recipe" && Path::new(path).is_file() => {
            let path = seen_from(folder, Path::new(path))?;
            let text = path
                .to_str()
                .ok_or_else(|| Error::user(format!("{}: a path must be UTF-8", path.display())))?;
            Ok(toml_edit::Value::from(text).to_string())
        }
        _ => Ok(node.inline()),
    }
}

/// Returns the path of a file relative to a folder. A link stays a link, because paths in it are relative to the link.
fn seen_from(folder: &Path, file: &Path) -> Result<PathBuf> {
    let real = |path: &Path| path.canonicalize().map_err(Error::io("look at", path));
    let (from, mut to) = (real(folder)?, real(files::parent(file))?);
    to.extend(file.file_name());
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    Ok(up.chain(to.components().skip(shared)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(axes: &[&str], seeds: &[u64], sets: &[&str]) -> Result<String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("experiments/own")).unwrap();
        std::fs::create_dir(folder.path().join("sweeps")).unwrap();
        let file = folder.path().join("experiments/own/small.toml");
        let demo =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/demo.toml").canonicalize().unwrap();
        std::fs::write(&file, format!("base = {:?}\n[model]\nlayers = 1\n", demo.display().to_string()))
            .unwrap();
        let words = |words: &[&str]| words.iter().map(|word| word.to_string()).collect::<Vec<_>>();
        let made = MadeSweep::of(&file, &words(axes), seeds, &words(sets))?.unwrap();
        made.text(&folder.path().join("sweeps"))
    }

    #[test]
    fn words_become_a_sweep_file() {
        let head = "# Made by `ablate sweep` from the words of its command line.\n\
                    base = \"../experiments/own/small.toml\"\n";
        assert_eq!(text(&[], &[1, 2], &[]).unwrap(), format!("{head}seeds = [1, 2]\n"));
        assert_eq!(
            text(
                &["model.norm=pre,post", "model.position=\"none\",{ x = [1, 2] }"],
                &[],
                &["model.dropout=0.1,0.2", "training.steps=4", "training={steps=8}", "model.heads=2"]
            )
            .unwrap(),
            format!(
                "{head}seeds = [1]\nset = {{ \"training.steps\" = 8, \"model.heads\" = 2 }}\n\n[axes]\n\"model.norm\" = [\"pre\", \"post\"]\n\
                 \"model.position\" = [\"none\", {{ x = [1, 2] }}]\n\"model.dropout\" = [0.1, 0.2]\n"
            )
        );
        let error = text(&["model.dropout"], &[], &[]).unwrap_err();
        assert!(error.to_string().contains("states no values"), "{error}");
        assert!(text(&["model.dropout=0.1,"], &[], &[]).is_err());
        for (set, says) in [
            ("training.stepz=8", "--set"),
            ("training.steps=\"x\"", "--set"),
            ("label=x", "not a key"),
            ("training.seed=2", "seeds"),
        ] {
            let error = text(&[], &[1], &[set]).unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains(says), "{error}");
        }
    }

    #[test]
    fn a_linked_experiment_stays_where_its_link_is() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b", "sweeps"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let (file, link) = (folder.path().join("a/x.toml"), folder.path().join("b/y.toml"));
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let seen = |file: &Path| seen_from(&folder.path().join("sweeps"), file).unwrap();
        assert_eq!([seen(&file), seen(&link)], ["../a/x.toml", "../b/y.toml"].map(PathBuf::from));
    }

    #[test]
    fn commas_in_strings_and_brackets_separate_nothing() {
        let cut = |text: &str| parts(text).into_iter().map(|part| text[part].to_string()).collect::<Vec<_>>();
        assert_eq!(cut(r#""a\",b",c"#), [r#""a\",b""#, "c"]);
        assert_eq!(cut(r"'a\',b,[1, 2],{ x = ']', y = 1 }"), [r"'a\'", "b", "[1, 2]", "{ x = ']', y = 1 }"]);
        let long = r#""""a",b""""#;
        assert_eq!(cut(&format!("{long},\"ü,\",d")), [long, "\"ü,\"", "d"]);
        assert_eq!(cut(""), [""]);
    }

    #[test]
    fn several_values_are_told_from_one() {
        for (set, several) in [
            ("model.dropout=0.1,0.2", true),
            ("model.norm=pre,post", true),
            ("model.dropout=0.1", false),
            ("run.attention_layers=[1,2]", false),
            ("label=\"a,b\"", false),
            ("label=\"a\\\",b\"", false),
            ("label=\"a\\\",b\",c", true),
            ("model.norm=pre", false),
            ("nothing", false),
        ] {
            assert_eq!(has_several(set), several, "{set}");
        }
    }
}
