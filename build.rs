//! Lets the program and the tests that use libtorch find it at run time, and records the commit that they are built from.

use std::path::Path;
use std::process::Command;

fn main() {
    // The build script of crates/compute says where libtorch is.
    let lib = std::env::var("DEP_ABLATE_SHIM_LIBTORCH").expect("crates/compute is a direct dependency");
    // For all targets, as cargo has no way to name the library's own tests. The program `ablate` looks there in vain.
    let rpath = rpath(Path::new(&lib));
    println!("cargo:rustc-link-arg=-Wl,-rpath,{rpath}");
    println!("cargo:rustc-env=ABLATE_RPATH={rpath}");
    println!("cargo:rerun-if-env-changed=ABLATE_RPATH");
    let commit = commit();
    println!("cargo:rustc-env=ABLATE_BUILD={} of commit {commit}", env!("CARGO_PKG_VERSION"));
    println!("cargo:rustc-env=ABLATE_COMMIT={commit}");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src");
    println!("cargo:rerun-if-changed=crates");
    println!("cargo:rerun-if-changed=Cargo.toml");
    println!("cargo:rerun-if-changed=Cargo.lock");
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
    let changes =
        git(&["status", "--porcelain", "--", "src", "crates", "build.rs", "Cargo.toml", "Cargo.lock"]);
    match changes.as_deref() {
        Some("") => hash,
        _ => format!("{hash}-dirty"),
    }
}
