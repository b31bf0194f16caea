//! Lets the program and the tests that use libtorch find it at run time, and records the commit that they are built from.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What both programs are made of, by its places below the root.
const SOURCES: [&str; 5] = ["src", "crates", "build.rs", "Cargo.toml", "Cargo.lock"];

fn main() {
    // The build script of crates/compute says where libtorch is.
    let lib = std::env::var("DEP_ABLATE_SHIM_LIBTORCH").expect("crates/compute is a direct dependency");
    // For all targets, as cargo has no way to name the library's own tests. The program `ablate` looks there in vain.
    let rpath = rpath(Path::new(&lib));
    println!("cargo:rustc-link-arg=-Wl,-rpath,{rpath}");
    println!("cargo:rustc-env=ABLATE_RPATH={rpath}");
    println!("cargo:rerun-if-env-changed=ABLATE_RPATH");
    let commit = commit();
    // Changed sources have a hash of their own, for `cargo run` builds the program `ablate` alone beside an older `ablate-torch`.
    let sources = hash_of_sources();
    println!(
        "cargo:rustc-env=ABLATE_BUILD={} of commit {commit}, sources {sources:016x}",
        env!("CARGO_PKG_VERSION")
    );
    println!("cargo:rustc-env=ABLATE_COMMIT={commit}");
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
    }
    // Every commit, checkout and reset appends to this log, which a worktree keeps elsewhere.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| Path::new(log).exists()) {
        println!("cargo:rerun-if-changed={log}");
    }
}

/// The folders in which the programs look for libtorch: where it is now, by the checkout's link and by the folder behind the
/// link, so that what `cargo install` made outlives the checkout. ABLATE_RPATH states other folders (scripts/build-wheel).
fn rpath(lib: &Path) -> String {
    if let Ok(folders) = std::env::var("ABLATE_RPATH") {
        return folders;
    }
    let folders = [Some(lib.to_path_buf()), lib.canonicalize().ok()];
    folders.into_iter().flatten().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(":")
}

/// What git prints; none where it fails.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
}

/// The commit's hash, with `-dirty` if sources differ from it; `unknown` outside a repository of its own.
fn commit() -> String {
    let (Some(hash), Some(_)) =
        (git(&["rev-parse", "HEAD"]), git(&["ls-files", "--error-unmatch", "build.rs"]))
    else {
        return "unknown".to_string();
    };
    // Results are written by running, so they do not make the code differ.
    let changes = git(&[&["status", "--porcelain", "--"], SOURCES.as_slice()].concat());
    match changes.as_deref() {
        Some("") => hash,
        _ => format!("{hash}-dirty"),
    }
}

/// A number that follows from the names and the texts of all sources. A file that cannot be read counts as empty.
fn hash_of_sources() -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut waiting: Vec<PathBuf> = SOURCES.iter().map(PathBuf::from).collect();
    while let Some(path) = waiting.pop() {
        match std::fs::read_dir(&path) {
            Ok(entries) => {
                let mut inside: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
                inside.sort();
                waiting.extend(inside);
            }
            Err(_) => (&path, std::fs::read(&path).unwrap_or_default()).hash(&mut hasher),
        }
    }
    hasher.finish()
}
