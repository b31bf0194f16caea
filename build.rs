//! Lets every binary and test find libtorch at run time, and records the commit it was built from.

use std::path::Path;
use std::process::Command;

fn main() {
    let lib = std::env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys is a direct dependency");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");

    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .opt_level(3)
        .flag("-fopenmp")
        .file("src/shim/decoding.cpp")
        .compile("ablate_shim");
    println!("cargo:rustc-link-lib=gomp");

    println!("cargo:rustc-env=ABLATE_COMMIT={}", commit());
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src");
    println!("cargo:rerun-if-changed=Cargo.toml");
    println!("cargo:rerun-if-changed=Cargo.lock");
    // Every commit, checkout and reset appends to this log, which a worktree keeps elsewhere.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| Path::new(log).exists()) {
        println!("cargo:rerun-if-changed={log}");
    }
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
    let changes = git(&["status", "--porcelain", "--", "src", "build.rs", "Cargo.toml", "Cargo.lock"]);
    match changes.as_deref() {
        Some("") => hash,
        _ => format!("{hash}-dirty"),
    }
}
