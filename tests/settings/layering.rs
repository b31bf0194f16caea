//! The layers of docs/architecture.md inside each crate: a file uses only files of lower layers, and no files use each
//! other in a circle. The compiler checks that a crate uses only lower crates, and that only `crates/compute` uses
//! libtorch.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// The modules of the crates that have several, each with its layer.
const CRATES: &[(&str, &[(&str, u32)])] = &[
    ("corpus", &[("fetch", 0), ("data", 1)]),
    ("score", &[("moses", 0), ("score", 1)]),
    (
        "trial",
        &[
            ("export", 0),
            ("telemetry", 1),
            ("model", 2),
            ("train", 3),
            ("decode", 3),
            ("config", 4),
            ("results", 4),
            ("complexity", 5),
            ("device", 5),
            ("experiment", 6),
        ],
    ),
    (
        "compute",
        &[
            ("mkl", 0),
            ("shim", 0),
            ("pinned_memory", 1),
            ("data", 2),
            ("model", 3),
            ("train", 4),
            ("decode", 4),
            ("device", 5),
            ("export", 5),
            ("task", 5),
            ("experiment", 6),
        ],
    ),
    // The last two do not use each other.
    ("sweep", &[("search", 0), ("report", 1), ("sweep", 1)]),
    ("command", &[("commands", 0), ("cli", 1), ("program", 2)]),
];

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => rust_files(&path, found),
            false if path.extension().is_some_and(|e| e == "rs") => found.push(path),
            false => {}
        }
    }
}

/// Returns the modules that the text behind `crate::` names: one, or those in braces.
fn first_names(text: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    match text.strip_prefix('{') {
        Some(group) => group.split('}').next().unwrap_or(group).split(',').map(name).collect(),
        None => vec![name(text)],
    }
}

#[test]
fn files_use_lower_layers_of_their_crate_only() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (name, layers) in CRATES {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates").join(name).join("src");
        let mut files = Vec::new();
        rust_files(&root, &mut files);
        let layer = |module: &str| layers.iter().find(|(other, _)| *other == module).map(|(_, layer)| *layer);
        for path in files {
            let module = path.strip_prefix(&root).unwrap().with_extension("").to_string_lossy().into_owned();
            let folder = module.split('/').next().unwrap();
            if folder == "lib" {
                continue;
            }
            let own = layer(folder).unwrap_or_else(|| panic!("crates/{name}/src/{module}.rs has no layer"));
            count += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            // Tests may use any module.
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let lines = code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
            for (number, line) in lines {
                for used in line.split("crate::").skip(1).flat_map(first_names) {
                    // A module that the crate does not declare belongs to a lower crate.
                    if used != folder && layer(&used).is_some_and(|theirs| theirs >= own) {
                        let place = format!("crates/{name}/src/{module}.rs:{}", number + 1);
                        wrong.push(format!("{place}: {} (layer {own})", line.trim()));
                    }
                }
            }
        }
    }
    assert!(count > 200, "only {count} files found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Uses that close a circle and are allowed, because a function there chooses between the implementations of the trait
/// that its own file declares: the trait and the choice are read together.
const CHOICES: [(&str, &str); 15] = [
    ("model/network", "model/decoder_only"),
    ("model/network", "model/encoder_decoder"),
    ("model/network", "model/encoder_only"),
    ("model/network", "model/word_vectors"),
    ("model/parts", "model/encoder"),
    ("model/parts", "model/decoder"),
    ("model/parts", "model/recurrent/encoder"),
    ("model/parts", "model/recurrent/decoder"),
    ("model/parts", "model/convolutional/encoder"),
    ("model/parts", "model/convolutional/decoder"),
    ("task", "task/language"),
    ("task", "task/masked"),
    ("task", "task/words"),
    ("task", "task/translation"),
    ("task", "task/parsing"),
];

/// Declarations and uses of a file. Paths are the names between `::`.
#[derive(Default)]
struct File {
    /// Types, functions and constants of the file itself.
    items: HashSet<String>,
    /// The imports of `use`: local name, path, and whether other files see it, too.
    imports: HashMap<String, (Vec<String>, bool)>,
    /// The paths and single words of the code.
    paths: Vec<Vec<String>>,
}

/// Returns the words, `::` and other characters of code whose comments and quoted texts have been removed.
fn tokens(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '"' => closing_quote(rest),
            _ if rest.starts_with("r#\"") => rest[3..].find("\"#").map_or(rest.len(), |end| end + 5),
            '\'' if rest[1..].starts_with('\\') => rest[3..].find('\'').map_or(rest.len(), |end| end + 4),
            '\'' if rest.chars().nth(2) == Some('\'') => {
                rest.char_indices().nth(3).map_or(rest.len(), |(at, _)| at)
            }
            _ if word > 0 => word,
            ':' if rest.starts_with("::") => 2,
            _ => first.len_utf8(),
        };
        let skipped = first.is_whitespace() || length > 1 && !(word > 0 || rest.starts_with("::"));
        if !skipped && !rest.starts_with("r#\"") {
            tokens.push(rest[..length].to_string());
        }
        rest = &rest[length..];
    }
    tokens
}

/// Returns the number of bytes of the quoted text that `code` begins with.
fn closing_quote(code: &str) -> usize {
    let mut escaped = false;
    for (at, character) in code.char_indices().skip(1) {
        match character {
            '"' if !escaped => return at + 1,
            _ => escaped = character == '\\' && !escaped,
        }
    }
    code.len()
}

/// Collects the names that a tree of `use` imports, each with its path; returns the tokens behind the tree.
fn flatten<'a>(
    tokens: &'a [String],
    before: &[String],
    found: &mut Vec<(String, Vec<String>)>,
) -> &'a [String] {
    let mut path = before.to_vec();
    let mut rest = tokens;
    while let [token, tail @ ..] = rest {
        rest = match token.as_str() {
            "::" => tail,
            "{" => {
                let mut inner = tail;
                while inner.first().is_some_and(|token| token != "}" && token != ";") {
                    inner = flatten(inner, &path, found);
                    inner = if inner.first().is_some_and(|token| token == ",") { &inner[1..] } else { inner };
                }
                return inner.get(1..).unwrap_or_default();
            }
            "," | "}" | ";" => break,
            "as" => {
                found.push((tail[0].clone(), path));
                return &tail[1..];
            }
            "self" if !before.is_empty() && path.len() == before.len() => tail,
            _ => {
                path.push(token.clone());
                tail
            }
        };
    }
    found.extend(path.last().cloned().map(|name| (name, path)));
    rest
}

impl File {
    fn read(code: &str) -> File {
        let tokens = tokens(code);
        let mut file = File::default();
        let (mut at, mut depth) = (0, 0);
        while at < tokens.len() {
            let next = tokens.get(at + 1);
            match tokens[at].as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                "use" => {
                    let public = at > 0 && (tokens[at - 1] == "pub" || tokens[at - 1] == ")");
                    let mut found = Vec::new();
                    let behind = flatten(&tokens[at + 1..], &[], &mut found);
                    at = tokens.len() - behind.len();
                    file.imports.extend(found.into_iter().map(|(name, path)| (name, (path, public))));
                    continue;
                }
                "mod" => at += 1,
                "struct" | "enum" | "trait" | "fn" | "const" | "static" | "type" | "union" if depth == 0 => {
                    file.items.extend(next.cloned());
                }
                word if word.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
                    let mut path = vec![word.to_string()];
                    while tokens.get(at + 1).is_some_and(|token| token == "::")
                        && tokens
                            .get(at + 2)
                            .is_some_and(|name| name.starts_with(|c: char| c.is_alphabetic()))
                    {
                        path.push(tokens[at + 2].clone());
                        at += 2;
                    }
                    file.paths.push(path);
                }
                _ => {}
            }
            at += 1;
        }
        file
    }
}

/// The files of a crate by module, `a/b`; the root is "".
struct Sources(BTreeMap<String, File>);

impl Sources {
    fn read(root: &Path) -> Sources {
        let mut paths = Vec::new();
        rust_files(root, &mut paths);
        let file = |path: PathBuf| {
            let name = path.strip_prefix(root).unwrap().with_extension("").to_string_lossy().into_owned();
            let module = match name.strip_suffix("mod") {
                Some(folder) if folder.is_empty() || folder.ends_with('/') => folder.trim_end_matches('/'),
                _ => &name,
            };
            let module = if module == "lib" { "" } else { module };
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            (module.to_string(), File::read(code))
        };
        Sources(paths.into_iter().filter(|path| !path.ends_with("main.rs")).map(file).collect())
    }

    /// Returns the module whose file declares `path` as seen from `module`; `None` for modules and other crates' items.
    fn declares(&self, module: &str, path: &[String], depth: usize) -> Option<String> {
        let mut current = module.to_string();
        for (index, name) in path.iter().enumerate() {
            let child = if current.is_empty() { name.clone() } else { format!("{current}/{name}") };
            let file = self.0.get(&current)?;
            match name.as_str() {
                "crate" => current.clear(),
                "self" => {}
                "super" => current.truncate(current.rfind('/').unwrap_or(0)),
                _ if self.0.contains_key(&child) => current = child,
                _ if file.items.contains(name) => return Some(current),
                _ => {
                    let (import, _) = file.imports.get(name).filter(|_| depth < 9)?;
                    let longer = [import, &path[index + 1..]].concat();
                    return self.declares(&current, &longer, depth + 1);
                }
            }
        }
        None
    }

    /// Returns the other files that a file uses. A `pub use` counts if the file itself uses the name.
    fn used_by(&self, module: &str) -> BTreeSet<String> {
        let file = &self.0[module];
        let private = file.imports.values().filter(|(_, public)| !public).map(|(path, _)| path);
        let used = private.chain(&file.paths).filter_map(|path| self.declares(module, path, 0));
        let chosen = |used: &String| CHOICES.contains(&(module, used.as_str()));
        used.filter(|used| used != module && !chosen(used)).collect()
    }

    /// Returns groups of files in which each uses every other one, directly or through others, with these uses.
    fn circles(&self) -> Vec<String> {
        let uses: BTreeMap<&str, BTreeSet<String>> =
            self.0.keys().map(|module| (module.as_str(), self.used_by(module))).collect();
        let reached = |from: &str| {
            let mut reached: BTreeSet<&str> = BTreeSet::new();
            let mut open: Vec<&str> = uses[from].iter().map(String::as_str).collect();
            while let Some(next) = open.pop() {
                if reached.insert(next) {
                    open.extend(uses[next].iter().map(String::as_str));
                }
            }
            reached
        };
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            uses.keys().map(|module| (*module, reached(module))).collect();
        let mut circles = Vec::new();
        for (from, used) in &uses {
            let back = |to: &&String| reached[to.as_str()].contains(from);
            circles.extend(
                used.iter().filter(back).map(|to| format!("{from} uses {to}, which leads back to it")),
            );
        }
        circles
    }
}

/// Checks the code above the line `#[cfg(test)]` in `src/` and in each crate.
#[test]
fn no_files_use_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = std::fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let mut found = Vec::new();
    for folder in crates.chain([root.to_path_buf()]) {
        found.extend(Sources::read(&folder.join("src")).circles());
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn circles_are_found_and_reexports_followed() {
    let files = [
        ("", "pub mod a; pub mod b; pub mod c; pub use b::Pair;"),
        ("a", "use super::Pair; pub struct Plan(Pair); // use crate::c::X;\nconst T: &str = \"c::X\";"),
        ("b", "pub struct Pair; fn size(plan: crate::a::Plan) {}"),
        (
            "c",
            "use crate::{a::{self, Plan as Other}, b}; pub struct X; fn f(c: char) { b::size('\\''); a::g('\"') }",
        ),
    ];
    let files = files.map(|(module, code)| (module.to_string(), File::read(code)));
    let sources = Sources(files.into_iter().collect());
    assert_eq!(sources.circles(), ["a uses b, which leads back to it", "b uses a, which leads back to it"]);
    assert!(sources.used_by("c").into_iter().eq(["a", "b"].map(String::from)));
}

#[test]
fn exceptions_are_needed() {
    let sources = Sources::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/compute/src"));
    for (chooser, chosen) in CHOICES {
        let file = &sources.0[chooser];
        let paths = file.imports.values().map(|(path, _)| path);
        assert!(
            paths.filter_map(|path| sources.declares(chooser, path, 0)).any(|module| module == chosen),
            "{chooser} does not use {chosen} any more"
        );
    }
}
