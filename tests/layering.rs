//! The layers of docs/architecture.md inside each crate: a file uses files of lower layers only. That a crate uses lower
//! crates only, and that none but `crates/compute` uses libtorch, is the compiler's business.

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
            ("experiment", 6),
        ],
    ),
    // Neither uses the other.
    ("sweep", &[("report", 0), ("sweep", 0)]),
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

/// The modules that the text behind `crate::` names: one, or those in braces.
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
            // Tests may look anywhere.
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let lines = code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
            for (number, line) in lines {
                for used in line.split("crate::").skip(1).flat_map(first_names) {
                    // What the crate does not declare is of a lower crate.
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
