//! The section "How to make it again": a script for an empty clone. It writes the files of the sweep that the commit of
//! the runs does not have, prepares the corpora, and runs the sweep.

use super::section::Section;
use super::sources::{Source, Sources, is_committed};
use super::subject::Report;
use crate::config::Experiment;
use crate::config::load::{load_data, parse_set};
use crate::data::{Corpus, DataConfig, Pieces, Vocabulary};
use crate::error::Result;
use crate::figures::svg::escaped;
use crate::printable::shell_word;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

/// Folder in the clone into which the script writes files if the commit has none of them.
const FOLDER: &str = "again/";
/// The ending of a commit whose sources were changed.
const CHANGED: &str = "-dirty";
/// The line that ends the text of a file.
const END: &str = "END-OF-FILE";

/// The section with the script.
///
/// # Errors
/// If a file of the sweep cannot be read any more.
pub fn section(report: &Report) -> Result<Section> {
    let mut section = Section::new("How to make it again");
    let sources = Sources::read(report.sweep_file, report.sets)?;
    let mut script = String::new();
    let commit = commit(report, &mut script);
    let known = |source: &&Source| {
        commit.as_deref().is_some_and(|commit| is_committed(&sources.root, commit, source))
    };
    let (there, missing): (Vec<&Source>, Vec<&Source>) = sources.files.iter().partition(known);
    // Beside files of the clone, the others belong where they are.
    let folder = if there.is_empty() { FOLDER } else { "" };
    let files = Files { sources: &sources, folder };
    write_files(&missing, folder, &mut script);
    for line in preparations(report, &files) {
        let _ = writeln!(script, "{line}");
    }
    let sweep = files.name(report.sweep_file);
    let sets: String =
        report.sets.iter().map(|set| format!(" --set {}", shell_word(&files.set(set)))).collect();
    let _ = writeln!(script, "scripts/ablate sweep {sweep}{sets}\nscripts/ablate report {sweep}{sets}");
    let _ = write!(
        section.body,
        "<p>In an empty clone of the repository of <code>ablate</code>, save this script as a file there and run it with \
         <code>bash</code>. {} The results are equal if the processor and the number of threads are the same. The \
         fingerprints above tell whether the data are equal.</p>\n<pre id=\"again\">{}</pre>\n",
        match (there.len(), missing.len()) {
            (_, 0) => "Every file that the sweep reads is in that commit.",
            (0, _) => "It holds every file that the sweep reads.",
            _ => "It holds the files of the sweep that the commit does not have.",
        },
        escaped(&script)
    );
    if missing.iter().all(|source| Some(*source) != sources.of(report.sweep_file)) {
        let _ = write!(
            section.body,
            "<details><summary>{}</summary>\n<pre>{}</pre></details>\n",
            escaped(&sweep),
            escaped(report.sweep_text)
        );
    }
    Ok(section)
}

/// Writes the command that checks the code out. Returns the commit if all runs have the same one.
fn commit(report: &Report, script: &mut String) -> Option<String> {
    let records = report.trials.iter().filter_map(|trial| trial.record);
    let commits: BTreeSet<&str> = records.map(|record| record.provenance.commit.as_str()).collect();
    let is_hash = |commit: &str| commit.len() >= 7 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    match &commits.into_iter().collect::<Vec<_>>()[..] {
        [one] if is_hash(one.trim_end_matches(CHANGED)) => {
            let commit = one.trim_end_matches(CHANGED);
            if one.ends_with(CHANGED) {
                let _ =
                    writeln!(script, "# The runs used a build with changes that this commit does not have.");
            }
            let _ = writeln!(script, "git checkout {commit}");
            Some(commit.to_string())
        }
        [] | [_] => {
            let _ = writeln!(script, "# The commit of the code is not known.");
            None
        }
        several => {
            let _ = writeln!(script, "# The runs are of several commits: {}.", several.join(", "));
            None
        }
    }
}

/// Writes the commands that make these files.
fn write_files(files: &[&Source], folder: &str, script: &mut String) {
    let folders: BTreeSet<String> = files
        .iter()
        .filter_map(|file| Some(format!("{folder}{}", file.name).rsplit_once('/')?.0.to_string()))
        .collect();
    if !folders.is_empty() {
        let folders: Vec<String> = folders.iter().map(|folder| shell_word(folder)).collect();
        let _ = writeln!(script, "mkdir -p {}", folders.join(" "));
    }
    for file in files {
        let mut end = END.to_string();
        while file.text.lines().any(|line| line == end) {
            end.push('-');
        }
        let line_end = if file.text.is_empty() || file.text.ends_with('\n') { "" } else { "\n" };
        let name = shell_word(&format!("{folder}{}", file.name));
        let _ = writeln!(script, "cat > {name} <<'{end}'\n{}{line_end}{end}", file.text);
    }
}

/// The names that the script gives to files.
struct Files<'a> {
    sources: &'a Sources,
    folder: &'a str,
}

impl Files<'_> {
    /// Returns the script's path of a file, as a word for the shell.
    fn name(&self, path: &Path) -> String {
        match self.sources.of(path) {
            Some(source) => shell_word(&format!("{}{}", self.folder, source.name)),
            None => shell_word(&path.display().to_string()),
        }
    }

    /// Returns a setting of the command line. If it names a recipe file, the path becomes the script's.
    fn set(&self, set: &str) -> String {
        let Ok((key, node)) = parse_set(set) else { return set.to_string() };
        let crate::config::toml_tree::Value::String(named) = &node.value else { return set.to_string() };
        match self.sources.of(Path::new(named)) {
            Some(source) if key.name == "data.recipe" => {
                format!("data.recipe={:?}", format!("{}{}", self.folder, source.name))
            }
            _ => set.to_string(),
        }
    }
}

/// The commands that prepare the corpora of files that the trials read. Generated ones are prepared on demand.
fn preparations(report: &Report, files: &Files) -> Vec<String> {
    let mut corpora: Vec<&Experiment> = Vec::new();
    for trial in &report.trials {
        let is_new = corpora.iter().all(|known| known.data != trial.experiment.data);
        if is_new && !matches!(trial.experiment.data.recipe.corpus, Corpus::Generated(_)) {
            corpora.push(trial.experiment);
        }
    }
    corpora.into_iter().map(|experiment| preparation(experiment, files)).collect()
}

/// The command that prepares the corpus of an experiment: the file that states its recipe, with the settings in which
/// the experiment differs from it.
fn preparation(experiment: &Experiment, files: &Files) -> String {
    let data = &experiment.data;
    let command = |source: &Source| -> Option<(usize, String)> {
        let sets = differing(&load_data(&source.path, &[]).ok()?, data)?;
        let tying = format!("model.tying={}", toml(&json!(experiment.model.tying))?);
        let with_tying = [sets.clone(), vec![tying]].concat();
        let sets = [sets, with_tying]
            .into_iter()
            .find(|sets| load_data(&source.path, sets).is_ok_and(|found| same(&found, data)))?;
        let words: String = sets.iter().map(|set| format!(" --set {}", shell_word(set))).collect();
        Some((sets.len(), format!("scripts/ablate prepare {}{words}", files.name(&source.path))))
    };
    let found = files.sources.files.iter().filter_map(command).min_by_key(|(sets, _)| *sets);
    let Some((_, command)) = found else {
        return format!(
            "# Prepare the corpus {}; no file of the sweep states it as a whole.",
            data.recipe.name
        );
    };
    match &data.recipe.corpus {
        Corpus::Files(_) if !data.recipe.is_public() => format!(
            "# The recipe names no addresses: give the directory of its files instead of DIR.\n{command} --source \"${{DIR:?}}\""
        ),
        _ => command,
    }
}

/// Returns the settings that turn `other` into `data`; None if they cannot be stated or the recipes differ.
fn differing(other: &DataConfig, data: &DataConfig) -> Option<Vec<String>> {
    let keys = |data: &DataConfig| match serde_json::to_value(data) {
        Ok(Value::Object(mut keys)) => {
            // Left out of files while it is the default.
            keys.entry("pieces").or_insert(json!(Pieces::default()));
            keys.entry("vocabulary").or_insert(json!(Vocabulary::default()));
            Some((keys.remove("recipe"), keys))
        }
        _ => None,
    };
    let ((recipe, theirs), (wanted, ours)) = (keys(other)?, keys(data)?);
    if recipe != wanted || theirs.keys().any(|key| !ours.contains_key(key)) {
        return None;
    }
    let differing = ours.iter().filter(|(key, value)| theirs.get(*key) != Some(value));
    differing.map(|(key, value)| Some(format!("data.{key}={}", toml(value)?))).collect()
}

/// Whether both lead to the same prepared corpus; addresses may differ.
fn same(a: &DataConfig, b: &DataConfig) -> bool {
    serde_json::to_value(a).ok() == serde_json::to_value(b).ok()
}

/// A value in TOML: JSON writes numbers, truth values and plain texts alike.
fn toml(value: &Value) -> Option<String> {
    match value {
        Value::Number(_) | Value::Bool(_) | Value::String(_) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_experiment;
    use std::fs;

    #[test]
    fn a_file_that_holds_the_end_mark_ends_with_another() {
        let file =
            |text: &str| Source { path: "a/b.toml".into(), name: "a/b.toml".into(), text: text.into() };
        let mut script = String::new();
        write_files(&[&file("x\nEND-OF-FILE\ny")], "again/", &mut script);
        assert_eq!(
            script,
            "mkdir -p again/a\ncat > again/a/b.toml <<'END-OF-FILE-'\nx\nEND-OF-FILE\ny\nEND-OF-FILE-\n"
        );
    }

    #[test]
    fn a_corpus_is_prepared_from_the_file_that_states_it_with_what_differs() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write(
            "r.toml",
            "name = \"r\"\nsource_language = \"en\"\ntarget_language = \"de\"\n[[corpus.files.train]]\nsource = \"a.en\"\n\
             target = \"a.de\"\n[corpus.files.dev]\nsource = \"b.en\"\ntarget = \"b.de\"\n[corpus.files.test]\nsource = \"c.en\"\n\
             target = \"c.de\"\n[data]\nmerges = 500\n",
        );
        write("x.toml", "[data]\nrecipe = \"r.toml\"\nmax_length = 99\n");
        write("s.toml", "base = \"x.toml\"\nseeds = [1]\n");
        let sources = Sources::read(&folder.path().join("s.toml"), &[]).unwrap();
        let files = Files { sources: &sources, folder: "again/" };
        let command = |sets: &[&str]| {
            let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
            preparation(&load_experiment(&folder.path().join("x.toml"), &sets).unwrap(), &files)
        };
        let ends = |sets: &[&str], words: &str| {
            let told = command(sets);
            assert!(
                told.ends_with(&format!("\nscripts/ablate prepare {words} --source \"${{DIR:?}}\"")),
                "{told}"
            );
        };
        ends(&[], "again/x.toml");
        ends(&["data.merges=700"], "again/x.toml --set data.merges=700");
        ends(&["data.max_length=256"], "again/r.toml");
        let separate = ["data.vocabulary=separate", "model.tying=\"decoder\""];
        let told = command(&separate);
        assert!(told.contains("--set 'data.vocabulary=\"separate\"'"), "{told}");
    }
}
