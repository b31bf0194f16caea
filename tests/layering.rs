//! The layers of docs/architecture.md: a file uses files of lower layers only, and libtorch only where it may.

use std::path::{Path, PathBuf};

/// Folder or file below `src/`, its layer, and whether it may use `tch`. The longest match counts.
const LAYERS: &[(&str, u32, bool)] = &[
    ("allocator", 0, false),
    ("cards", 0, false),
    ("color", 0, false),
    ("error", 0, false),
    ("seed", 0, false),
    ("figures", 0, false),
    ("files", 0, false),
    ("folders", 0, false),
    ("fetch", 0, false),
    ("shim", 0, true),
    ("signal", 0, false),
    ("stopwatch", 0, false),
    ("mkl", 0, false),
    ("moses", 0, false),
    ("printable", 0, false),
    ("constituency_tree", 0, false),
    ("pinned_memory", 0, true),
    ("white_space", 0, false),
    ("world", 0, false),
    ("data", 1, false),
    ("data/collate", 1, true),
    ("model", 2, true),
    ("score", 1, false),
    ("telemetry", 1, false),
    ("train", 3, true),
    ("decode", 3, true),
    ("config", 4, false),
    ("results", 4, false),
    ("device", 5, true),
    ("export", 5, true),
    ("experiment", 6, true),
    ("report", 7, false),
    ("sweep", 7, false),
    ("commands", 8, false),
    ("cli", 8, false),
    ("main", 9, false),
    ("lib", 9, false),
];

/// Pairs of folders of one layer of which the first may use the second.
const NEIGHBOURS: [(&str, &str); 1] = [("cli", "commands")];

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

fn layer(module: &str) -> (u32, bool) {
    let matches =
        LAYERS.iter().filter(|(name, ..)| module == *name || module.starts_with(&format!("{name}/")));
    let (_, layer, tch) =
        matches.max_by_key(|(name, ..)| name.len()).unwrap_or_else(|| panic!("src/{module} has no layer"));
    (*layer, *tch)
}

/// The folders that the text behind `crate::` names: one, or those in braces.
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
fn files_use_lower_layers_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    assert!(files.len() > 40, "only {} files found", files.len());
    let mut wrong = Vec::new();
    for path in files {
        let module = path.strip_prefix(&root).unwrap().with_extension("").to_string_lossy().into_owned();
        let folder = module.split('/').next().unwrap().to_string();
        let (own, may_tch) = layer(&module);
        let text = std::fs::read_to_string(&path).unwrap();
        // Tests may look anywhere.
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        for (number, line) in
            code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            let place = format!("src/{module}.rs:{}: {}", number + 1, line.trim());
            let torch =
                line.match_indices("tch::").any(|(at, _)| !line[..at].ends_with(char::is_alphanumeric));
            if !may_tch && torch {
                wrong.push(format!("{place} (uses libtorch)"));
            }
            for used in line.split("crate::").skip(1).flat_map(first_names) {
                if used.is_empty() || used == folder || module == "lib" {
                    continue;
                }
                let (theirs, _) = layer(&used);
                let neighbour = NEIGHBOURS.contains(&(folder.as_str(), used.as_str()));
                if theirs > own || (theirs == own && own > 0 && !neighbour) {
                    wrong.push(format!("{place} (layer {own} uses layer {theirs})"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
