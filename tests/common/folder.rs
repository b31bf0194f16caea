//! A folder of TOML files, and the errors that `ablate` reports for wrong ones.

use ablate::config::load::{load_experiment, load_experiment_tree};
use ablate::error::{Diagnostic, Error};
use ablate::sweep::expand::expand;
use ablate::sweep::idle_check::check_experiment;
use ablate::sweep::spec::SweepSpec;
use ablate::sweep::trial::Trial;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const RECIPE: &str = "name = \"g\"\nsource_language = \"en\"\ntarget_language = \"de\"\n\
    [corpus.generated]\ntrain = 9\ndev = 2\ntest = 2\nseed = 1\n";

/// A folder with a recipe, a valid `base.toml` and further files.
pub struct Folder(TempDir);

impl Folder {
    pub fn with(files: &[(&str, &str)]) -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        let data = "[data]\nrecipe = \"recipe.toml\"\nmerges = 10\nmax_length = 50\n";
        for (name, text) in [("recipe.toml", RECIPE), ("base.toml", data)].iter().chain(files) {
            std::fs::create_dir_all(folder.path(name).parent().unwrap()).unwrap();
            std::fs::write(folder.path(name), text).unwrap();
        }
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Expects these files in the folder, by name, and nothing else.
    #[track_caller]
    pub fn expect_only(&self, names: &[&str]) {
        assert_eq!(super::names(self.0.path()), names);
    }

    pub fn experiment(text: &str, sets: &[&str]) -> (Folder, Result<(), Error>) {
        let folder = Folder::with(&[("e.toml", text)]);
        let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
        let loaded = load_experiment(&folder.path("e.toml"), &sets).map(drop);
        (folder, loaded)
    }

    pub fn sweep(text: &str) -> (Folder, Result<Vec<Trial>, Error>) {
        let folder = Folder::with(&[("s.toml", text)]);
        let trials = SweepSpec::load(&folder.path("s.toml")).and_then(|spec| expand(&spec, &[]));
        (folder, trials)
    }
}

/// Returns the error that `ablate train` reports for an experiment with these settings before it loads libtorch.
pub fn check_to_train(experiment: &Path, sets: &[&str]) -> Result<(), Error> {
    let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
    load_experiment_tree(experiment, &sets)?.experiment()?;
    check_experiment(&load_experiment_tree(experiment, &[])?, &sets)
}

impl super::Workshop {
    /// Expects `ablate train` to refuse an experiment with these settings before it loads libtorch, as a mistake of the
    /// user's, with a message that contains all these texts.
    #[track_caller]
    pub fn refuses(&self, experiment: &str, sets: &[&str], said: &[&str]) {
        let Err(error) = check_to_train(&self.path(experiment), sets) else {
            panic!("{sets:?} is no mistake in {experiment}");
        };
        assert_eq!(error.exit_code(), 2, "{error}");
        let told = error.to_string();
        for words in said {
            assert!(told.contains(words), "no {words:?} for {sets:?} in: {told}");
        }
    }
}

/// Returns the parts of an error: file without its folder, line, message, help.
pub fn parts<T: std::fmt::Debug>(
    folder: &Folder,
    result: Result<T, Error>,
) -> (String, usize, String, String) {
    let Err(Error::Config(diagnostic)) = result else { panic!("expected a diagnostic, got {result:?}") };
    // The display of an error must not panic, whatever its place.
    let _ = diagnostic.to_string();
    let Diagnostic { message, place, help, more } = *diagnostic;
    assert!(more.is_empty(), "{more:?}");
    let prefix = format!("{}/", folder.0.path().display());
    let place = place.unwrap_or_else(|| panic!("no place: {message}"));
    let line = place.line();
    let help = help.unwrap_or_default().replace(&prefix, "");
    (place.file.replace(&prefix, ""), line, message.replace(&prefix, ""), help)
}
