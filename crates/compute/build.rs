//! Compiles the C++ of `src/shim` against libtorch, and lets this crate's tests find libtorch at run time.

use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    let lib = std::env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys is a direct dependency");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
    // The build script of the package `ablate` reads this.
    println!("cargo:libtorch={lib}");
    let libtorch = Path::new(&lib).parent().expect("libtorch's libraries are in its folder lib");
    compile_shim(Path::new("src/shim"), libtorch);
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/shim");
}

/// Compiles every `.cpp` of the shim into one static library.
fn compile_shim(shim: &Path, libtorch: &Path) {
    let mut sources = Vec::new();
    find_sources(shim, &mut sources);
    sources.sort();
    println!("cargo:rustc-link-search=native={}", std::env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    println!("cargo:rustc-link-lib=static=ablate_shim");
    println!("cargo:rustc-link-lib=gomp");
    println!("cargo:rustc-link-lib={}", if cfg!(target_vendor = "apple") { "c++" } else { "stdc++" });
    cc::Build::new()
        .cpp(true)
        .cargo_metadata(false)
        .std("c++17")
        .opt_level(3)
        // The program never reads floating-point exceptions. If it might, the compiler could not vectorise a loop with
        // a branch, such as the loop of the exponential, on processors without masks.
        .flag("-fno-trapping-math")
        // libgomp is found beside libtorch's other libraries, which use the same one.
        .flag("-fopenmp")
        .debug(false)
        .define("USE_C10D_GLOO", None)
        .include(shim.join("stub"))
        .flag("-isystem")
        .flag(libtorch.join("include"))
        .flag("-isystem")
        .flag(libtorch.join("include/torch/csrc/api/include"))
        .files(sources)
        .compile("ablate_shim");
}

/// Finds the C++ files in a folder and below it.
fn find_sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for path in entries.map(|entry| entry.expect("the folder can be listed").path()) {
        match path.extension().and_then(|extension| extension.to_str()) {
            None if path.is_dir() => find_sources(&path, found),
            Some("cpp") => found.push(path),
            _ => {}
        }
    }
}
