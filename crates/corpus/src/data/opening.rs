//! The directories of prepared data, and opening them without preparing anything.

use super::prepared::{FORMAT_VERSION, Prepared, section};
use super::{DataConfig, Recipe};
use crate::error::{Error, Result};
use crate::folders::{DIRECTORY_NAME_HELP, is_directory_name};
use std::path::{Path, PathBuf};

/// Returns the error of a corpus of files that is not prepared; `arguments` are those with which `ablate prepare` prepares
/// it.
pub fn not_prepared(config: &DataConfig, root: &Path, arguments: &str) -> Error {
    let Recipe { name, .. } = &config.recipe;
    let how = how_to_prepare(&config.recipe, arguments);
    Error::user(format!("{name} is not prepared in {}; run {how}", root.display()))
}

/// Opens the prepared data of `config` for a run that has used it. Prepares nothing if it is missing.
///
/// # Errors
/// A user error if the data is missing.
pub fn open_prepared(config: &DataConfig, root: &Path) -> Result<Prepared> {
    open_if_prepared(config, root)?.ok_or_else(|| {
        Error::user(format!(
            "{} is not prepared in {} as the run has used it; name the place of the prepared data with --data",
            config.recipe.name,
            root.display()
        ))
    })
}

/// Returns the command that prepares a corpus of files, with these arguments.
pub fn how_to_prepare(recipe: &Recipe, arguments: &str) -> String {
    match recipe.is_public() {
        true => format!(
            "`ablate prepare {arguments}`, which downloads it; with --source DIR it takes files that you have"
        ),
        false => format!("`ablate prepare {arguments} --source DIR`, where DIR has its files"),
    }
}

/// Opens the prepared data of `config`; `None` if it is not there. Prepares nothing.
pub fn open_if_prepared(config: &DataConfig, root: &Path) -> Result<Option<Prepared>> {
    let directory = directory(config, root)?;
    directory.exists().then(|| Prepared::load(&directory, config)).transpose()
}

/// Returns the directory of the prepared data, `<root>/<recipe>-<hash of the data section>`.
pub fn directory(config: &DataConfig, root: &Path) -> Result<PathBuf> {
    let name = &config.recipe.name;
    if !is_directory_name(name) {
        return Err(Error::user(format!("recipe name {name:?} is not a safe name: {DIRECTORY_NAME_HELP}")));
    }
    let hash = blake3::hash(format!("{FORMAT_VERSION} {}", section(config)?).as_bytes()).to_hex();
    Ok(root.join(format!("{name}-{}", &hash[..16])))
}
