//! The files that a sweep reads: its own, those that it includes, its experiment with what that inherits, and recipes.

use crate::config::load::{parse_set, relative_to};
use crate::config::parse::parse;
use crate::config::toml_tree::{Key, Node, Table, Value};
use crate::error::{Error, Result};
use crate::files;
use crate::subprocess::{LOCAL, git, output_within};
use std::path::{Path, PathBuf};

/// A file that the sweep reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// The absolute path, without `..`.
    pub path: PathBuf,
    /// The path from [`Sources::root`], with `/` between its parts.
    pub name: String,
    pub text: String,
}

/// All files that a sweep reads.
#[derive(Debug)]
pub struct Sources {
    /// The folder that the files' names start from: the repository that holds all of them, else the deepest folder that
    /// does.
    pub root: PathBuf,
    /// The files; the sweep file is the first.
    pub files: Vec<Source>,
}

impl Sources {
    /// Reads the sweep file and all that it, or one of `sets`, names in turn.
    ///
    /// # Errors
    /// A file that cannot be read, or is not TOML.
    pub fn read(sweep_file: &Path, sets: &[String]) -> Result<Sources> {
        let mut found: Vec<(PathBuf, String)> = Vec::new();
        add(sweep_file, &mut found)?;
        for set in sets {
            let (key, node) = parse_set(set)?;
            for path in recipes(&key.name, &node) {
                add(&path, &mut found)?;
            }
        }
        let root = root(found.iter().map(|(path, _)| path.as_path()));
        let name = |path: &Path| {
            let inner = path.strip_prefix(&root).unwrap_or(path);
            let parts: Vec<String> = inner.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            parts.join("/")
        };
        let source = |(path, text): (PathBuf, String)| Source { name: name(&path), path, text };
        Ok(Sources { files: found.into_iter().map(source).collect(), root })
    }

    /// Returns the source of a file, whichever path leads to it.
    pub fn of(&self, path: &Path) -> Option<&Source> {
        let path = whole(path).ok()?;
        self.files.iter().find(|source| source.path == path)
    }
}

/// Whether the commit in the repository at `root` has this file with the same content.
pub fn is_committed(root: &Path, commit: &str, source: &Source) -> bool {
    let mut command = git("git", root);
    command.args(["cat-file", "blob", &format!("{commit}:{}", source.name)]);
    let output = output_within(&mut command, LOCAL);
    output.is_ok_and(|output| output.status.success() && output.stdout == source.text.as_bytes())
}

/// Adds a file and the files that it names, unless it is already in `found`.
fn add(path: &Path, found: &mut Vec<(PathBuf, String)>) -> Result<()> {
    let at = whole(path)?;
    if found.iter().any(|(known, _)| *known == at) {
        return Ok(());
    }
    let text = files::read_to_string(path)?;
    let table = parse(&path.display().to_string(), &text)?;
    found.push((at, text));
    named(&table)?.iter().try_for_each(|path| add(path, found))
}

/// Returns the absolute path of a file, with links and `..` resolved in its folder.
fn whole(path: &Path) -> Result<PathBuf> {
    let folder = files::parent(path);
    let folder = folder.canonicalize().map_err(Error::io("read", folder))?;
    Ok(folder.join(path.file_name().unwrap_or_default()))
}

/// Returns the files that a sweep, an experiment or a part names.
fn named(table: &Table) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for key in ["base", "include"] {
        for node in table.get(key).into_iter().flat_map(strings) {
            let Value::String(named) = &node.value else { continue };
            paths.push(relative_to(&node.place, named)?);
        }
    }
    for (key, node) in table.iter() {
        paths.extend(recipes(&key.name, node));
    }
    Ok(paths)
}

/// Returns the recipe files that exist under `key`, in a section or at a dotted key, alone or among an axis's values.
fn recipes(key: &str, node: &Node) -> Vec<PathBuf> {
    if key == "data.recipe" || key.ends_with(".data.recipe") {
        let path = |node: &Node| match &node.value {
            Value::String(named) => relative_to(&node.place, named).ok().filter(|path| path.is_file()),
            _ => None,
        };
        return strings(node).into_iter().filter_map(path).collect();
    }
    match &node.value {
        Value::Table(table) => {
            let inner = |(inner, node): &(Key, Node)| recipes(&format!("{key}.{}", inner.name), node);
            table.iter().flat_map(inner).collect()
        }
        Value::Array(items) => items.iter().flat_map(|item| recipes(key, item)).collect(),
        _ => Vec::new(),
    }
}

/// The texts in a value, at any depth.
fn strings(node: &Node) -> Vec<&Node> {
    match &node.value {
        Value::String(_) => vec![node],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Table(table) => table.iter().flat_map(|(_, node)| strings(node)).collect(),
        _ => Vec::new(),
    }
}

/// Returns [`Sources::root`] for files at these paths.
fn root<'a>(paths: impl Iterator<Item = &'a Path>) -> PathBuf {
    let folders: Vec<&Path> = paths.filter_map(Path::parent).collect();
    let Some(first) = folders.first() else { return PathBuf::new() };
    let holds = |folder: &&Path| folders.iter().all(|other| other.starts_with(folder));
    let common = first.ancestors().find(holds).unwrap_or(first);
    let repository = common.ancestors().find(|folder| folder.join(".git").symlink_metadata().is_ok());
    repository.unwrap_or(common).to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::process::Command;

    fn write(folder: &Path, name: &str, text: &str) {
        fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        fs::write(folder.join(name), text).unwrap();
    }

    #[test]
    fn every_file_that_a_sweep_reads_is_found_once_and_named_from_their_common_folder() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path();
        write(
            place,
            "mine/sweeps/s.toml",
            "base = \"../x.toml\"\nseeds = [1]\ninclude = [\"parts/p.toml\"]\n[axes]\n\
             \"data.recipe\" = [\"../recipes/a.toml\", \"../recipes/b.toml\"]\n\
             \"model.position\" = { values = [\"none\"], when = { \"data.recipe\" = \"no-file\" } }\n",
        );
        write(
            place,
            "mine/sweeps/parts/p.toml",
            "[[row]]\nlabel = \"r\"\nset = { data = { recipe = \"../../recipes/c.toml\" } }\n",
        );
        write(place, "mine/x.toml", "base = \"y.toml\"\n");
        write(place, "mine/y.toml", "[data]\nrecipe = \"recipes/a.toml\"\n");
        for name in ["a", "b", "c", "d"] {
            write(place, &format!("mine/recipes/{name}.toml"), &format!("name = {name:?}\n"));
        }
        let set = format!("data.recipe={:?}", place.join("mine/recipes/d.toml").display().to_string());
        let found = Sources::read(&place.join("mine/sweeps/s.toml"), &[set]).unwrap();
        let names: Vec<&str> = found.files.iter().map(|source| source.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "sweeps/s.toml",
                "x.toml",
                "y.toml",
                "recipes/a.toml",
                "sweeps/parts/p.toml",
                "recipes/c.toml",
                "recipes/b.toml",
                "recipes/d.toml"
            ]
        );
        assert_eq!(found.root, place.join("mine").canonicalize().unwrap());
        assert_eq!(found.of(&place.join("mine/sweeps/../y.toml")).unwrap().name, "y.toml");
    }

    #[test]
    fn a_file_is_committed_if_the_commit_has_its_very_text() {
        let folder = tempfile::tempdir().unwrap();
        let git = |words: &[&str]| {
            let mut command = Command::new("git");
            command
                .arg("-C")
                .arg(folder.path())
                .args(["-c", "user.name=a", "-c", "user.email=a@b"])
                .args(words);
            let output = command.env_remove("GIT_DIR").output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap().trim().to_string()
        };
        git(&["init", "-q"]);
        write(folder.path(), "sweeps/s.toml", "base = \"../x.toml\"\nseeds = [1]\n");
        write(folder.path(), "x.toml", "");
        git(&["add", "."]);
        git(&["commit", "-q", "-m", "all"]);
        let commit = git(&["rev-parse", "HEAD"]);
        let sweep = folder.path().join("sweeps/s.toml");
        let found = Sources::read(&sweep, &[]).unwrap();
        assert_eq!(
            found.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(),
            ["sweeps/s.toml", "x.toml"]
        );
        assert!(found.files.iter().all(|file| is_committed(&found.root, &commit, file)));
        assert!(!is_committed(&found.root, "0123456789", &found.files[0]));
        fs::write(&sweep, "base = \"../x.toml\"\nseeds = [2]\n").unwrap();
        let found = Sources::read(&sweep, &[]).unwrap();
        assert!(!is_committed(&found.root, &commit, &found.files[0]));
        assert!(is_committed(&found.root, &commit, &found.files[1]));
    }
}
