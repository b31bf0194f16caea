//! Ends a build without libtorch with one sentence. Otherwise torch-sys ends it with the errors of a C++ compiler. Cargo
//! runs this script first, because it needs no other crate.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let problem = match std::env::var("LIBTORCH") {
        Err(_) => "the variable LIBTORCH is not set; run cargo in the folder of the checkout, whose .cargo/config.toml sets it"
            .to_string(),
        Ok(folder) => {
            let names = ["lib/libtorch_cpu.so", "lib/libtorch_cpu.dylib"];
            let libraries = names.iter().any(|file| Path::new(&folder).join(file).exists());
            if libraries && Path::new(&folder).join("include/torch").is_dir() {
                return;
            }
            format!(
                "there is no libtorch with lib/libtorch_cpu.so and include/torch in {folder}; run scripts/setup, which \
                 downloads it, and then this command again"
            )
        }
    };
    eprintln!("libtorch is missing: {problem}");
    std::process::exit(1);
}
