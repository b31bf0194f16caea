//! Checks whether `ablate-torch` will find libtorch. Without it, the system's loader ends that program with a message
//! that does not mention torch.

use ablate_base::error::{Error, Result};
use ablate_trial::device::LIBTORCH_VERSION;
use std::ffi::CStr;
use std::path::{Path, PathBuf};

/// The library by which libtorch is recognised.
const LIBRARY: &CStr = c"libtorch_cpu.so";

/// The folders in which `ablate-torch` looks for libtorch, separated by colons; `$ORIGIN` is its own folder.
const FOLDERS: &str = env!("ABLATE_RPATH");

/// Checks that a program in the folder `origin` finds libtorch.
///
/// # Errors
/// If libtorch is not there.
pub fn check(origin: &Path) -> Result<()> {
    let folders = resolve(FOLDERS, origin);
    if holds_library(&folders) {
        return Ok(());
    }
    // It may be in LD_LIBRARY_PATH or in a folder of the system. Asking the loader takes a third of a second.
    // SAFETY: the initialisers of libtorch affect only memory in this process, and the library is not used.
    if !unsafe { libc::dlopen(LIBRARY.as_ptr(), libc::RTLD_LAZY) }.is_null() {
        return Ok(());
    }
    Err(Error::failed(missing(FOLDERS, &folders)))
}

fn resolve(folders: &str, origin: &Path) -> Vec<PathBuf> {
    folders
        .split(':')
        .map(|folder| match folder.strip_prefix("$ORIGIN/") {
            Some(below) => origin.join(below),
            None => PathBuf::from(folder),
        })
        .collect()
}

fn holds_library(folders: &[PathBuf]) -> bool {
    folders.iter().any(|folder| folder.join(LIBRARY.to_string_lossy().as_ref()).exists())
}

/// Returns the message for a machine without libtorch; its advice depends on how the program was installed.
fn missing(stated: &str, folders: &[PathBuf]) -> String {
    let advice = if stated.starts_with("$ORIGIN/") {
        format!(
            "install the Python package torch {LIBTORCH_VERSION} into the environment of ablate (`pip install \
             torch=={LIBTORCH_VERSION}`)"
        )
    } else {
        let folders: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        format!(
            "it was in {} when ablate was built: run `scripts/setup` and build or install ablate again",
            folders.join(", a link to ")
        )
    };
    format!(
        "libtorch {LIBTORCH_VERSION}, with which ablate computes, is not found: {advice}, or put the folder of \
         {} into LD_LIBRARY_PATH",
        LIBRARY.to_string_lossy()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_meant_from_the_program() {
        let place = std::env::temp_dir().join(format!("ablate-libtorch-{}", std::process::id()));
        let lib = place.join("lib/python3.12/site-packages/torch/lib");
        std::fs::create_dir_all(&lib).unwrap();
        std::fs::create_dir_all(place.join("bin")).unwrap();
        let stated = "$ORIGIN/../lib/python3.11/site-packages/torch/lib:$ORIGIN/../lib/python3.12/site-packages/torch/lib";
        let folders = resolve(stated, &place.join("bin"));
        assert!(!holds_library(&folders));
        assert!(missing(stated, &folders).contains("`pip install torch==2.11.0`"));
        std::fs::write(lib.join("libtorch_cpu.so"), "").unwrap();
        assert!(holds_library(&folders));
        std::fs::remove_dir_all(&place).unwrap();
    }

    #[test]
    fn an_installed_program_says_where_libtorch_was() {
        let stated = "/checkout/.cargo/libtorch/lib:/cache/torch/lib";
        let text = missing(stated, &resolve(stated, Path::new("/usr/local/bin")));
        assert!(
            text.contains("it was in /checkout/.cargo/libtorch/lib, a link to /cache/torch/lib when"),
            "{text}"
        );
        assert!(text.contains("scripts/setup"), "{text}");
    }

    #[test]
    fn this_build_finds_its_libtorch() {
        let program = std::env::current_exe().unwrap();
        check(program.parent().unwrap()).unwrap();
        assert!(holds_library(&resolve(FOLDERS, program.parent().unwrap())));
    }
}
