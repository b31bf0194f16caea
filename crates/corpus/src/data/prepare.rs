//! `prepare`: from a recipe to a directory of token stores, once and for all runs.
//!
//! The directory's name holds the hash of the `[data]` section. It is written beside its final
//! place and renamed when complete, so it is never seen half done, and of two processes that
//! prepare the same data one wins and the other discards its copy.

use super::bpe::LONGEST_LEARNED;
use super::corpus::Tolerance;
use super::encode::Encoder;
use super::inputs::Inputs;
use super::opening::{directory, not_prepared};
use super::parallel::{count_pieces, usual_threads};
use super::pieces::Cut;
use super::prepared::{
    Counts, FORMAT_VERSION, MANIFEST, Manifest, Prepared, content, content_files, fingerprint, record_file,
};
use super::recipe::TextFormat;
use super::staging::{Staging, write_durably};
use super::text_stage::{StagedText, for_each_pair};
use super::tokenizer::Tokenizer;
use super::tokenizers::{self, Tokenizers};
use super::{Corpus, DataConfig, Pieces, Split, Vocabulary};
use crate::error::{Error, Result};
use crate::fetch::Progress;
use std::path::Path;

/// Prepares the data of `config` under `root`, or checks and reuses what is there.
///
/// `source` is a folder with the files or archives that the recipe names; without one they are downloaded.
/// The result depends on configuration and text alone.
///
/// # Errors
/// User errors for a recipe or files that do not fit (see [`Inputs::find`] and [`StagedText::write`]), for a `source` of
/// a generated corpus, for a prepared directory that is damaged, and for `source` files that are not those it was made
/// from. Failures of the network and of the disk; the same call goes on where they stopped it.
pub fn prepare(
    config: &DataConfig,
    root: &Path,
    source: Option<&Path>,
    progress: &mut dyn Progress,
) -> Result<Prepared> {
    if let (Corpus::Generated(_), Some(source)) = (&config.recipe.corpus, source) {
        return Err(Error::user(format!(
            "--source {}: the corpus {} is generated and reads no files; leave --source out",
            source.display(),
            config.recipe.name
        )));
    }
    let directory = directory(config, root)?;
    if !directory.exists() {
        let inputs = Inputs::find(&config.recipe, source, root, progress)?;
        let staging = Staging::create(&directory)?;
        build(config, &inputs, staging.path(), usual_threads(), progress)?;
        if staging.publish(&directory)? {
            progress.message(&format!("prepared {}", directory.display()));
            return Prepared::load(&directory, config);
        }
        progress.message("another process was faster; using what it prepared");
    }
    let prepared = Prepared::load(&directory, config)?;
    prepared.verify()?;
    if source.is_some() {
        check_sources(config, &Inputs::find(&config.recipe, source, root, progress)?, &prepared)?;
    }
    progress.message(&format!("already prepared: {}", directory.display()));
    Ok(prepared)
}

/// Opens the prepared data of `config`; a generated corpus is prepared if it is not yet.
///
/// # Errors
/// A user error that names the command where a corpus of files is not prepared.
pub fn open(config: &DataConfig, root: &Path) -> Result<Prepared> {
    let directory = directory(config, root)?;
    match &config.recipe.corpus {
        _ if directory.exists() => Prepared::load(&directory, config),
        Corpus::Generated(_) => prepare(config, root, None, &mut |_: &str| {}),
        Corpus::Files(_) => Err(not_prepared(config, root, "EXPERIMENT")),
    }
}

/// Writes every file of a prepared directory into `directory`, the manifest last. Their content does not depend on the
/// number of threads.
fn build(
    config: &DataConfig,
    inputs: &Inputs,
    directory: &Path,
    threads: usize,
    progress: &mut dyn Progress,
) -> Result<()> {
    let name = &config.recipe.name;
    progress.message(&format!("reading and cleaning the text of {name}"));
    let text = StagedText::write(config, inputs, directory)?;
    refuse_empty_sets(&text, name, progress)?;
    let tokenizers = learn_tokenizers(&text, config, threads, progress)?;
    let jsons = tokenizers.files();
    for (name, json) in &jsons {
        write_durably(&directory.join(name), json.as_bytes())?;
    }

    progress.message(&match tokenizers.source_alone() {
        None => format!("encoding with {} tokens", tokenizers.target().len()),
        Some(source) => format!("encoding with {} and {} tokens", source.len(), tokenizers.target().len()),
    });
    let encoder = Encoder {
        config,
        text: &text,
        tokenizers: &tokenizers,
        tokenizer_hash: tokenizers::hash(jsons.iter().map(|(_, json)| json.as_str())),
        threads,
        directory,
    };
    let (train, tokens, train_shards) = encoder.encode_train()?;
    let dev_shards = encoder.encode_evaluation(Split::Dev)?;
    let test_shards = encoder.encode_evaluation(Split::Test)?;
    match config.recipe.is_running_text() {
        true => progress.message(&format!(
            "train {} lines, {} tokens in {} blocks; dev {} lines, test {} lines",
            train.read, tokens.1, train.kept, text.dev, text.test
        )),
        false => {
            train.report().iter().for_each(|line| progress.message(line));
            progress.message(&format!("dev {} pairs, test {} pairs", text.dev, text.test));
        }
    }
    if train.kept == 0 {
        return Err(Error::user(format!(
            "{name}: cleaning drops every training pair (see the steps above); raise data.max_length or \
             data.max_length_ratio, or loosen the recipe's cleaning"
        )));
    }

    let names = content_files(config.vocabulary, [train_shards, dev_shards, test_shards]);
    let files = names.iter().map(|name| record_file(directory, name)).collect::<Result<Vec<_>>>()?;
    let manifest = Manifest {
        version: FORMAT_VERSION,
        config: content(config),
        counts: Counts {
            train,
            dev: text.dev,
            test: text.test,
            vocabulary: tokenizers.target().len(),
            source_vocabulary: tokenizers.source_alone().map(Tokenizer::len),
            train_source_tokens: tokens.0,
            train_target_tokens: tokens.1,
        },
        sources: text.sources.clone(),
        fingerprint: fingerprint(&files),
        files,
    };
    text.remove()?;
    let text = serde_json::to_string_pretty(&manifest)
        .map_err(|error| Error::failed(format!("{MANIFEST}: {error}")))?;
    write_durably(&directory.join(MANIFEST), text.as_bytes())
}

/// Refuses text of the recipe `name` without training pairs, or without pairs of the dev or the test set.
fn refuse_empty_sets(text: &StagedText, name: &str, progress: &mut dyn Progress) -> Result<()> {
    if text.counts.read == 0 {
        return Err(Error::user(format!("{name}: the recipe has no training pairs")));
    }
    for (split, pairs) in [(Split::Dev, text.dev), (Split::Test, text.test)] {
        if pairs == 0 {
            text.counts.report().iter().for_each(|line| progress.message(line));
            return Err(Error::user(match text.counts.cleaned() {
                0 => format!(
                    "{name}: cleaning drops every training pair (see the steps above), so that none can be held out; \
                     loosen the recipe's cleaning"
                ),
                _ => format!(
                    "{name}: the {} set is empty; hold out a larger part of the training text",
                    split.name()
                ),
            }));
        }
    }
    Ok(())
}

/// Learns the tokenizer of both sides, or one of each.
fn learn_tokenizers(
    text: &StagedText,
    config: &DataConfig,
    threads: usize,
    progress: &mut dyn Progress,
) -> Result<Tokenizers> {
    progress.message(&match config.pieces {
        Pieces::Bpe => format!("learning {} merges", config.merges),
        Pieces::Characters => "collecting the characters".into(),
    });
    Ok(match config.vocabulary {
        Vocabulary::Shared => Tokenizers::new(None, learn(text, config, threads, [true, true], progress)?),
        Vocabulary::Separate => {
            let source = learn(text, config, threads, [true, false], progress)?;
            Tokenizers::new(Some(source), learn(text, config, threads, [false, true], progress)?)
        }
    })
}

/// Learns a tokenizer on the requested sides (source, target) of the training text.
fn learn(
    text: &StagedText,
    config: &DataConfig,
    threads: usize,
    sides: [bool; 2],
    progress: &mut dyn Progress,
) -> Result<Tokenizer> {
    let cut = if config.recipe.has(TextFormat::Trees) { Cut::Trees } else { Cut::Text };
    let pieces = count_pieces(threads, cut, |add| {
        text.for_each_pair(Split::Train, |source, target| {
            [source, target]
                .into_iter()
                .zip(sides)
                .filter(|(_, asked)| *asked)
                .for_each(|(line, _)| add(line));
            Ok(())
        })
    })?;
    let left_out = pieces.too_long();
    if left_out > 0 && config.pieces == Pieces::Bpe {
        progress.message(&format!(
            "note: merges are not learned from pieces of the text that have more than {LONGEST_LEARNED} bytes without a \
             blank; there are {left_out}"
        ));
    }
    let tokenizer = Tokenizer::learn(config.pieces, &pieces, config.merges)?;
    if let Some(merges) = tokenizer.merges().filter(|&merges| merges < config.merges) {
        let text = match sides {
            [true, false] => "the source side",
            [false, true] => "the target side",
            _ => "the text",
        };
        progress
            .message(&format!("note: {text} has only {merges} merges, not data.merges = {}", config.merges));
    }
    Ok(tokenizer)
}

/// Checks that the files in `inputs` are those that `prepared` was made from.
fn check_sources(config: &DataConfig, inputs: &Inputs, prepared: &Prepared) -> Result<()> {
    let mut found = Vec::new();
    for split in Split::ALL {
        found.extend(for_each_pair(config, inputs, split, Tolerance::ALL, &mut |_, _, _| Ok(()))?);
    }
    let recorded = &prepared.manifest().sources;
    match found.iter().zip(recorded).find(|(found, recorded)| found != recorded) {
        None if found.len() == recorded.len() => Ok(()),
        changed => Err(Error::user(format!(
            "{}: not the text that {} was prepared from; delete that directory to prepare the new text",
            changed.map_or(config.recipe.name.clone(), |(found, _)| found.name.clone()),
            prepared.directory().display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::cleaning_counts::CleaningCounts;
    use super::super::fixtures::{config, pair};
    use super::super::recipe::HeldOutLines;
    use super::super::{FilePairs, FilesCorpus, GeneratedCorpus, HoldOut};
    use super::*;

    fn generated() -> DataConfig {
        config(Corpus::Generated(GeneratedCorpus { train: 50, dev: 5, test: 6, seed: 1 }))
    }

    /// A corpus of files, in a fresh folder.
    fn files() -> (DataConfig, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let long = "many words ".repeat(40);
        let unbalanced = "one two three four five six seven eight";
        let texts = [
            ("more", ["ONE cat\n", "EINE Katze\n"].map(String::from)),
            (
                "train",
                [format!("A cat\n \n{long}\na\nb\n"), format!("Eine Katze\nx\n{long}\n{unbalanced}\nb\n")],
            ),
            ("dev", ["A\u{2028}Dog\n\r\r\n".into(), "Ein Hund\n\n".into()]),
            ("test", ["Mice".into(), "Mäuse".into()]),
        ];
        for (name, sides) in texts {
            for (language, text) in ["en", "de"].iter().zip(sides) {
                std::fs::write(folder.path().join(format!("{name}.{language}")), text).unwrap();
            }
        }
        let train = vec![pair("train"), pair("more")];
        let [dev, test] = ["dev", "test"].map(|name| FilePairs(vec![pair(name)]));
        (config(Corpus::Files(FilesCorpus { train, dev, test, hold_out: None })), folder)
    }

    fn prepared(config: &DataConfig, root: &Path, source: Option<&Path>) -> (Result<Prepared>, Vec<String>) {
        let mut lines = Vec::new();
        let result = prepare(config, root, source, &mut |line: &str| lines.push(line.to_string()));
        (result, lines)
    }

    fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
        let error = result.unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        error.to_string()
    }

    #[test]
    fn files_are_cleaned_lower_cased_and_encoded() {
        let (config, source) = files();
        let root = tempfile::tempdir().unwrap();
        let data = prepared(&config, root.path(), Some(source.path())).0.unwrap();
        let expected =
            CleaningCounts { read: 6, kept: 3, empty: 1, too_long: 1, unbalanced: 1, ..Default::default() };
        assert_eq!(data.counts().train, expected);
        let train = data.split(Split::Train).unwrap();
        let sides =
            |pair| [train.source(pair), train.target(pair)].map(|ids| data.tokenizers.target().decode(&ids));
        assert_eq!([0, 1, 2].map(sides), [["a cat", "eine katze"], ["b", "b"], ["one cat", "eine katze"]]);
        let dev = data.text(Split::Dev).unwrap();
        assert_eq!(
            (dev.source, dev.target),
            (vec!["a\u{2028}dog".into(), "\r".into()], vec!["ein hund".into(), "".into()])
        );
        let store = data.split(Split::Dev).unwrap();
        assert_eq!(data.tokenizers.target().decode(&store.source(1)), "\r");
        assert_eq!(data.counts().test, 1);
        assert!(data.text(Split::Train).is_err());
    }

    #[test]
    fn fewer_merges_than_asked_are_told() {
        let (mut config, source) = files();
        let root = tempfile::tempdir().unwrap();
        for (merges, told) in [(1, false), (5_000, true)] {
            config.merges = merges;
            let lines = prepared(&config, root.path(), Some(source.path())).1;
            let note =
                |line: &String| line.starts_with("note: the text has only ") && line.ends_with(" = 5000");
            assert_eq!(lines.iter().any(note), told, "{lines:?}");
        }
    }

    #[test]
    fn an_empty_set_is_told_with_the_steps_of_cleaning_and_its_cause() {
        let (mut config, source) = files();
        let Corpus::Files(files) = &mut config.recipe.corpus else { panic!() };
        (files.dev, files.test) = Default::default();
        files.hold_out = Some(HoldOut::Lines(HeldOutLines { dev: Some(50), test: Some(3) }));
        for (min_words, expected) in [
            (None, "the dev set is empty; hold out a larger part of the training text"),
            (Some(100), "cleaning drops every training pair (see the steps above)"),
        ] {
            config.recipe.cleaning.min_words = min_words;
            let root = tempfile::tempdir().unwrap();
            let (result, lines) = prepared(&config, root.path(), Some(source.path()));
            let shown = message(result);
            assert!(shown.contains(expected), "{shown}");
            assert!(lines.iter().any(|line| line.starts_with("a side without text")), "{lines:?}");
        }
    }

    #[test]
    fn the_training_text_is_cut_as_often_as_asked_and_nothing_else_changes() {
        let (config, source) = files();
        let root = tempfile::tempdir().unwrap();
        let prepare = |config: &DataConfig| prepared(config, root.path(), Some(source.path())).0.unwrap();
        let usual = prepare(&config);
        let drawn = prepare(&DataConfig { bpe_dropout: 0.5, segmentations: 3, ..config.clone() });
        assert_eq!(drawn.counts().train, usual.counts().train);
        let [once, thrice] = [&usual, &drawn].map(|data| data.split(Split::Train).unwrap());
        assert_eq!(thrice.len(), 3 * once.len());
        let text =
            |store: &super::super::store::Store, pair| usual.tokenizers.target().decode(&store.target(pair));
        for pair in 0..thrice.len() {
            assert_eq!(text(&thrice, pair), text(&once, pair % once.len()));
        }
        let differs = |copy: usize| {
            (0..once.len()).any(|pair| thrice.target(pair) != thrice.target(copy * once.len() + pair))
        };
        assert!(differs(1) && differs(2), "segmentations are drawn one by one");
        let [plain, same] = [&usual, &drawn].map(|data| data.split(Split::Dev).unwrap());
        assert!((0..plain.len()).all(|pair| plain.target(pair) == same.target(pair)));
        // The longest pair has this many tokens: what is drawn may not have more.
        let longest = (0..once.len()).map(|pair| once.target(pair).len().max(once.source(pair).len())).max();
        let short = DataConfig { max_length: longest.unwrap(), bpe_dropout: 0.9, segmentations: 2, ..config };
        let store = prepare(&short).split(Split::Train).unwrap();
        assert!((0..store.len()).all(|pair| store.target(pair).len() <= longest.unwrap()));
    }

    #[test]
    fn a_generated_corpus_has_no_source() {
        let root = tempfile::tempdir().unwrap();
        let said = message(prepared(&generated(), &root.path().join("data"), Some(root.path())).0);
        assert!(said.contains("is generated and reads no files; leave --source out"), "{said}");
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0, "nothing is written");
    }

    #[test]
    fn the_second_time_nothing_is_written() {
        let root = tempfile::tempdir().unwrap();
        let (first, _) = prepared(&generated(), root.path(), None);
        let (second, lines) = prepared(&generated(), root.path(), None);
        let (first, second) = (first.unwrap(), second.unwrap());
        assert!(lines.iter().any(|line| line.contains("already prepared")), "{lines:?}");
        assert_eq!(first.manifest(), second.manifest());
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1, "nothing temporary is left");
        assert_eq!(
            std::fs::read_dir(first.directory()).unwrap().count(),
            9,
            "nothing beside the documented files"
        );
    }

    #[test]
    fn the_fingerprint_depends_on_content_alone() {
        let roots = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let of = |config: &DataConfig, root: usize| {
            open(config, roots[root].path()).unwrap().fingerprint().to_string()
        };
        let usual = of(&generated(), 0);
        assert_eq!(of(&generated(), 1), usual);
        let mut renamed = generated();
        renamed.recipe.name = "other".into();
        assert_eq!(of(&renamed, 0), usual);
        let fewer = DataConfig { merges: 49, ..generated() };
        assert_ne!(of(&fewer, 0), usual);
    }

    #[test]
    fn any_number_of_threads_writes_the_same_bytes() {
        let config = config(Corpus::Generated(GeneratedCorpus { train: 9000, dev: 5, test: 6, seed: 1 }));
        let root = tempfile::tempdir().unwrap();
        let inputs = Inputs::find(&config.recipe, None, root.path(), &mut |_: &str| {}).unwrap();
        let [expected, others @ ..] = [1, 2, 5].map(|threads| {
            let directory = tempfile::tempdir().unwrap();
            build(&config, &inputs, directory.path(), threads, &mut |_: &str| {}).unwrap();
            let names = content_files(Vocabulary::Shared, [1; 3]).into_iter().chain([MANIFEST.to_string()]);
            names.map(|name| std::fs::read(directory.path().join(name)).unwrap()).collect::<Vec<_>>()
        });
        assert!(others.iter().all(|files| *files == expected));
    }

    #[test]
    fn files_that_are_not_prepared_name_the_command() {
        let (config, _) = files();
        let root = tempfile::tempdir().unwrap();
        let opened = message(open(&config, root.path()));
        assert!(opened.contains("ablate prepare EXPERIMENT --source DIR"), "{opened}");
        let sourceless = message(prepared(&config, root.path(), None).0);
        assert!(sourceless.contains("--source DIR"), "{sourceless}");
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0, "a failure leaves nothing behind");
    }

    #[test]
    fn changed_source_files_are_noticed() {
        let (config, source) = files();
        let root = tempfile::tempdir().unwrap();
        prepared(&config, root.path(), Some(source.path())).0.unwrap();
        prepared(&config, root.path(), Some(source.path())).0.unwrap();
        std::fs::write(source.path().join("more.de"), "zwei Katzen\n").unwrap();
        let shown = message(prepared(&config, root.path(), Some(source.path())).0);
        assert!(shown.contains("more.de") && shown.contains("delete that directory"), "{shown}");
        prepared(&config, root.path(), None).0.unwrap();
    }

    #[test]
    fn any_damaged_or_missing_file_is_named() {
        let root = tempfile::tempdir().unwrap();
        let directory = open(&generated(), root.path()).unwrap().directory().to_path_buf();
        for name in content_files(Vocabulary::Shared, [1; 3]).into_iter().chain([MANIFEST.to_string()]) {
            let path = directory.join(&name);
            let bytes = std::fs::read(&path).unwrap();
            for at in (0..bytes.len()).step_by(bytes.len() / 20 + 1) {
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                std::fs::write(&path, &changed).unwrap();
                let result = prepared(&generated(), root.path(), None).0;
                // A manifest may change where it means the same, in white space or in a count.
                if name != MANIFEST || result.is_err() {
                    let shown = message(result);
                    assert!(
                        shown.contains("delete") && shown.contains("`ablate prepare` again"),
                        "{name} {at}: {shown}"
                    );
                }
            }
            std::fs::remove_file(&path).unwrap();
            let shown = message(prepared(&generated(), root.path(), None).0);
            assert!(shown.contains(&name), "{shown}");
            std::fs::write(&path, bytes).unwrap();
        }
        prepared(&generated(), root.path(), None).0.unwrap();
    }

    #[test]
    fn processes_that_prepare_the_same_data_at_once_agree() {
        let root = tempfile::tempdir().unwrap();
        let fingerprints: Vec<String> = std::thread::scope(|scope| {
            let run = || open(&generated(), root.path()).unwrap().fingerprint().to_string();
            let runs: Vec<_> = (0..8).map(|_| scope.spawn(run)).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        assert!(fingerprints.iter().all(|fingerprint| *fingerprint == fingerprints[0]));
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_recipe_name_that_is_a_path_is_refused() {
        let mut config = generated();
        for name in ["", "../up", "a/b", ".hidden"] {
            config.recipe.name = name.into();
            assert!(message(open(&config, Path::new("unused"))).contains("recipe name"));
        }
        // Every name that validation accepts can name a directory.
        config.recipe.name = "a=b+c,d".into();
        assert!(directory(&config, Path::new("unused")).is_ok());
    }
}
