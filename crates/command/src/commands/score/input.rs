//! The texts to score: files, or the stored translations of runs.

use crate::data::Split;
use crate::data::recipe::{Side, TextFormat};
use crate::data::sentences::TextReader;
use crate::error::{Error, Result};
use crate::experiment::{finished_run, open_data, recorded_hypotheses};
use crate::fetch::compression::{self, Compression};
use crate::results::metric::{METRICS, Metric, PERPLEXITY, WORD_PERPLEXITY};
use crate::score::{STANDARD_INPUT, Tokenization, read_bytes, segments_of, strip_byte_order_mark};
use crate::telemetry::console::print_message;
use crate::white_space::trim_end;
use std::path::{Path, PathBuf};

/// One or two sets of sentences, each translated by the same systems.
pub(super) struct Given {
    /// Paths of the files or runs, as they are shown. The first is the baseline.
    pub systems: Vec<String>,
    pub sets: Vec<Set>,
    /// The properties of the runs' text; None for files.
    pub of_runs: Option<RunText>,
}

/// Translations of the same sentences, and their references.
pub(super) struct Set {
    /// The split of the runs; None for files.
    pub split: Option<Split>,
    /// By system, then by sentence.
    pub hypotheses: Vec<Vec<String>>,
    pub references: Vec<Vec<String>>,
    /// By system: `perplexity` and `word_perplexity`, as far as its record has them.
    pub recorded: Vec<Vec<(&'static Metric, f64)>>,
}

/// Properties of the runs' text. The casing and the language must be equal in all runs that are compared.
#[derive(Debug)]
pub(super) struct RunText {
    pub lowercase: bool,
    pub target_language: String,
    /// The tokeniser of the runs' BLEU; None if they differ in it.
    pub tokenize: Option<Tokenization>,
}

impl Given {
    /// Files of translations and of references.
    ///
    /// # Errors
    /// A user error where a file cannot be scored, or differs from the first reference in its number of lines.
    pub fn files(hypotheses: &[PathBuf], references: &[PathBuf]) -> Result<Given> {
        let paths = || hypotheses.iter().chain(references);
        if paths().filter(|path| path.as_os_str() == STANDARD_INPUT).count() > 1 {
            return Err(Error::user("- stands for standard input, which can be read once only"));
        }
        let read_all = |paths: &[PathBuf]| paths.iter().map(|path| read(path)).collect::<Result<Vec<_>>>();
        let set = Set {
            split: None,
            hypotheses: read_all(hypotheses)?,
            references: read_all(references)?,
            recorded: vec![vec![]; hypotheses.len()],
        };
        let expected = set.references[0].len();
        for (path, lines) in paths().zip(set.hypotheses.iter().chain(&set.references)) {
            if lines.len() != expected {
                return Err(Error::user(format!(
                    "{} and {} differ in their number of lines, {} and {expected}; line n of one must translate \
                     the same as line n of the other",
                    path.display(),
                    references[0].display(),
                    lines.len()
                )));
            }
        }
        Ok(Given { systems: shown(hypotheses), sets: vec![set], of_runs: None })
    }

    /// The stored translations of finished runs.
    ///
    /// # Errors
    /// A user error where a run is not finished, its data are not the prepared ones, or it was tested on other sentences
    /// than the first; a failure where its translations are not as recorded.
    pub fn runs(runs: &[PathBuf], splits: &[Split], data_root: &Path) -> Result<Given> {
        let mut sets: Vec<Set> = Vec::new();
        let mut of_runs: Option<RunText> = None;
        for run in runs {
            if run.is_file() {
                return Err(Error::user(format!(
                    "{0} is a file, not the directory of a run; to score translations against it, write \
                     `ablate score {0} -i TRANSLATIONS`, with - for standard input",
                    run.display()
                )));
            }
            let (experiment, record) = finished_run(run, &[])?;
            if !record.has_translations() {
                return Err(Error::user(format!(
                    "{} is {}, which has translated nothing that could be scored; its {} are in its record.json",
                    run.display(),
                    experiment.task().model(),
                    experiment.task().measures()
                )));
            }
            let data = open_data(run, (&experiment, &record), data_root)?;
            let (lowercase, language) = (experiment.data.lowercase, &experiment.data.recipe.target_language);
            let tokenize = Some(experiment.decoding.tokenize);
            let all = of_runs.get_or_insert_with(|| RunText {
                lowercase,
                target_language: language.clone(),
                tokenize,
            });
            all.tokenize = all.tokenize.filter(|_| all.tokenize == tokenize);
            let mut same = (all.lowercase, &all.target_language) == (lowercase, language);
            for (number, &split) in splits.iter().enumerate() {
                let references: Vec<String> =
                    data.text(split)?.target.iter().map(|line| trim_end(line).to_string()).collect();
                if number == sets.len() {
                    let references = vec![references.clone()];
                    sets.push(Set { split: Some(split), hypotheses: vec![], references, recorded: vec![] });
                }
                let set = &mut sets[number];
                same = same && set.references[0] == references;
                set.hypotheses.push(recorded_hypotheses(run, &record, split)?);
                let perplexities =
                    METRICS.iter().filter(|metric| [PERPLEXITY, WORD_PERPLEXITY].contains(&metric.name));
                let recorded = perplexities
                    .filter_map(|metric| Some((metric, *record.metrics.get(&metric.tag(split.name()))?)));
                set.recorded.push(recorded.collect());
            }
            if !same {
                return Err(Error::user(format!(
                    "{} and {} have translated different texts, so that their scores cannot be compared",
                    runs[0].display(),
                    run.display()
                )));
            }
        }
        Ok(Given { systems: shown(runs), sets, of_runs })
    }
}

/// Reads the lines of a file, or the segments of `.sgm`, `.sgml` and `.xml`, as corpora are read.
fn read(path: &Path) -> Result<Vec<String>> {
    if path.as_os_str() == STANDARD_INPUT || TextFormat::of_name(path) != TextFormat::Segments {
        return read_lines(path);
    }
    if !path.is_file() {
        return Err(Error::user(format!("{}: there is no such file", path.display())));
    }
    let mut reader = TextReader::open(path, Some(TextFormat::Segments), None, Side::Target)?;
    let mut segments = Vec::new();
    while reader.advance()? {
        segments.push(reader.current().map_err(|defect| reader.defect(defect))?.to_string());
    }
    match segments.is_empty() {
        true => Err(Error::user(format!(
            "{}: there is no <seg>; files that are called .sgm, .sgml or .xml must hold segments; give one of lines \
             another name",
            path.display()
        ))),
        false => Ok(segments),
    }
}

/// Reads the lines of a text file, plain or compressed by gzip, bzip2, xz or zstd. Reports and drops a byte-order mark.
///
/// # Errors
/// A user error where the file is missing, damaged or no text.
pub(in crate::commands) fn read_lines(path: &Path) -> Result<Vec<String>> {
    let (name, bytes) = read_bytes(path)?;
    let bytes =
        match (Compression::of_content(&bytes), Compression::of(&name)) {
            (Some(found), _) => compression::expanded(found, bytes).map_err(|error| {
                match compression::damage_of(Some(found), &error) {
                    Some(why) => Error::user(format!("{name}: {why}")),
                    None => Error::io("read", &name)(error),
                }
            })?,
            (None, Some(named)) => {
                return Err(Error::user(format!(
                    "{name}: not a {} file; a name ending in {} must hold {0} data",
                    named.name(),
                    named.ending()
                )));
            }
            (None, None) => bytes,
        };
    let mut segments = segments_of(&name, bytes)?;
    if strip_byte_order_mark(&mut segments) {
        print_message(&format!(
            "{name} begins with a byte-order mark, which is left out here; sacreBLEU takes it for a part of the first word"
        ));
    }
    Ok(segments)
}

fn shown(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.display().to_string()).collect()
}
