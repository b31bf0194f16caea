//! Ends a build without libtorch or without a C++ compiler with one sentence. Otherwise torch-sys ends it with many lines
//! of a compiler or of a library. Cargo runs this script first, because it needs no other crate.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-env-changed=CXX");
    if let Some(problem) = libtorch_problem().or_else(compiler_problem) {
        eprintln!("{problem}");
        std::process::exit(1);
    }
}

fn libtorch_problem() -> Option<String> {
    let Ok(folder) = std::env::var("LIBTORCH") else {
        return Some(
            "libtorch is missing: the variable LIBTORCH is not set; run cargo in the folder of the checkout, whose \
             .cargo/config.toml sets it, or set it to the folder of a libtorch"
                .to_string(),
        );
    };
    let libraries = ["lib/libtorch_cpu.so", "lib/libtorch_cpu.dylib"];
    let has_library = libraries.iter().any(|file| Path::new(&folder).join(file).exists());
    let complete = has_library && Path::new(&folder).join("include/torch").is_dir();
    (!complete).then(|| {
        format!(
            "libtorch is missing: there is no lib/libtorch_cpu.so or no include/torch in {folder}; run scripts/setup, \
             which downloads libtorch, and then this command again"
        )
    })
}

fn compiler_problem() -> Option<String> {
    // Variables such as CXX_x86_64_unknown_linux_gnu name a compiler, too; who sets one of them knows what it is for.
    let names_compiler = |name: &str| name == "CXX" || name.starts_with("CXX_") || name.ends_with("_CXX");
    let stated = std::env::vars_os().any(|(name, _)| name.to_str().is_some_and(names_compiler));
    let missing = || {
        let answer = Command::new("c++").arg("--version").output();
        answer.is_err_and(|error| error.kind() == ErrorKind::NotFound)
    };
    (!stated && missing()).then(|| {
        "a C++ compiler is missing: there is no program c++; install one (Debian: apt install g++), and then run this \
         command again"
            .to_string()
    })
}
