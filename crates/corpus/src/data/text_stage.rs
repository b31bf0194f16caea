//! The first half of `prepare`: from source files to the cleaned text of every split.
//!
//! Reads everything once and writes it pair by pair, so that no corpus is ever in memory. The text that the model sees is
//! in a folder that is removed after encoding; the text of dev and test stays.

use super::cleaning::{Cleaner, hash_of};
use super::cleaning_counts::CleaningCounts;
use super::corpus::{Pair, Tolerance, read_pairs};
use super::inputs::Inputs;
use super::lines::SourceFile;
use super::prepared::text_names;
use super::recipe::Side;
use super::staged_lines::{LineWriter, StagedLines};
use super::text_form::TextForm;
use super::{Corpus, DataConfig, FilePair, HoldOut, Split};
use crate::error::{Error, Result};
use crate::seed::{Purpose, uniform};
use std::path::{Path, PathBuf};

/// Folder of the text that is removed after encoding.
const FOLDER: &str = "text";

/// The text of all splits as the model sees it, on the disk.
pub struct StagedText {
    folder: PathBuf,
    /// Whether lines keep their ends.
    running: bool,
    /// Counts of the cleaning, without the steps that count tokens.
    pub counts: CleaningCounts,
    pub dev: usize,
    pub test: usize,
    /// The files that were read: training, dev, test.
    pub sources: Vec<SourceFile>,
}

impl StagedText {
    /// Writes the text of `config` into `directory`.
    ///
    /// # Errors
    /// User errors for files that do not fit; see [`read_pairs`].
    pub fn write(config: &DataConfig, inputs: &Inputs, directory: &Path) -> Result<Self> {
        let folder = directory.join(FOLDER);
        std::fs::create_dir(&folder).map_err(Error::io("create", &folder))?;
        let forms = TextForm::both(config)?;
        let evaluation = |split| SplitWriter::create(&folder, split, Some(directory));
        let mut stage = Stage {
            config,
            inputs,
            forms: &forms,
            cleaner: Cleaner::new(&config.recipe.cleaning, &forms),
            train: SplitWriter::create(&folder, Split::Train, None)?,
            dev: evaluation(Split::Dev)?,
            test: evaluation(Split::Test)?,
        };
        // Dev and test come first, because cleaning drops training pairs that overlap with them.
        let dev_sources = stage.evaluation(Split::Dev)?;
        let test_sources = stage.evaluation(Split::Test)?;
        let train_sources = stage.training()?;
        let holds_out = stage.hold_out().is_some();
        let Stage { cleaner, train, dev, test, .. } = stage;
        train.finish()?;
        let mut text = StagedText {
            counts: cleaner.counts,
            dev: dev.finish()?,
            test: test.finish()?,
            sources: [train_sources, dev_sources, test_sources].concat(),
            folder,
            running: config.recipe.is_running_text(),
        };
        if holds_out {
            // A pair may have been read before the equal one that was held out.
            let mut shared = 0;
            text.for_each_pair(Split::Train, |source, target| {
                shared += usize::from(cleaner.is_evaluated(source, target));
                Ok(())
            })?;
            text.counts.shared = shared;
        }
        Ok(text)
    }

    /// Visits the pairs of a split in order; for running text, the lines with their ends as target sides.
    pub fn for_each_pair(&self, split: Split, mut visit: impl FnMut(&str, &str) -> Result<()>) -> Result<()> {
        let [source, target] = names(&self.folder, split);
        let (mut source, mut target) = (StagedLines::open(source)?, StagedLines::open(target)?);
        let mut whole = String::new();
        while let (Some(source), Some(target)) = (source.next()?, target.next()?) {
            if !self.running {
                visit(source, target)?;
                continue;
            }
            whole.clear();
            whole.extend([target, "\n"]);
            visit(source, &whole)?;
        }
        Ok(())
    }

    /// Removes the text.
    pub fn remove(self) -> Result<()> {
        std::fs::remove_dir_all(&self.folder).map_err(Error::io("remove", &self.folder))
    }
}

fn names(folder: &Path, split: Split) -> [PathBuf; 2] {
    ["source", "target"].map(|side| folder.join(format!("{}.{side}", split.name())))
}

struct Stage<'a> {
    config: &'a DataConfig,
    inputs: &'a Inputs,
    forms: &'a [TextForm; 2],
    cleaner: Cleaner<'a>,
    train: SplitWriter,
    dev: SplitWriter,
    test: SplitWriter,
}

impl<'a> Stage<'a> {
    fn hold_out(&self) -> Option<&'a HoldOut> {
        match &self.config.recipe.corpus {
            Corpus::Files(files) => files.hold_out.as_ref(),
            Corpus::Generated(_) => None,
        }
    }

    /// Writes dev or test without cleaning.
    fn evaluation(&mut self, split: Split) -> Result<Vec<SourceFile>> {
        let (forms, cleaner) = (self.forms, &mut self.cleaner);
        let writer = if split == Split::Dev { &mut self.dev } else { &mut self.test };
        let mut filled = [false; 2];
        let visit = &mut |_: Option<&FilePair>, _, pair: Pair| {
            let Pair::Text(source, target) = pair else { return Ok(()) };
            filled = [filled[0] || !source.trim().is_empty(), filled[1] || !target.trim().is_empty()];
            let sides = [forms[0].apply(source), forms[1].apply(target)];
            cleaner.evaluate(&sides[0], &sides[1]);
            writer.push([&sides[0], &sides[1]], [&forms[0].reference(source), &forms[1].reference(target)])
        };
        let sources = for_each_pair(self.config, self.inputs, split, Tolerance::default(), visit)?;
        self.refuse_blank(split, filled)?;
        Ok(sources)
    }

    /// Refuses a dev or test set in which a side has no text; `filled` says which sides have any.
    fn refuse_blank(&self, split: Split, filled: [bool; 2]) -> Result<()> {
        let Corpus::Files(files) = &self.config.recipe.corpus else { return Ok(()) };
        // Running text has no source.
        let asked = [!self.config.recipe.is_running_text(), true];
        let names = |pair: &FilePair| [pair.source.clone(), pair.target.clone()];
        for side in [0, 1].into_iter().filter(|&side| asked[side] && !filled[side]) {
            let paths = files.files(split).iter().map(|pair| self.inputs.path(&names(pair)[side]));
            let paths: Vec<String> =
                paths.map(|path| Ok(path?.display().to_string())).collect::<Result<_>>()?;
            if !paths.is_empty() {
                let (paths, name) = (paths.join(", "), split.name());
                let sides = if asked[0] { " on both sides" } else { "" };
                return Err(Error::user(format!(
                    "{paths}: every line is empty; the {name} set needs text{sides} to measure anything"
                )));
            }
        }
        Ok(())
    }

    /// Writes the training pairs that cleaning keeps, each to the split that it belongs to.
    fn training(&mut self) -> Result<Vec<SourceFile>> {
        let hold_out = self.hold_out();
        let running = self.config.recipe.is_running_text();
        let tolerance = Tolerance::of(&self.config.recipe.cleaning);
        let (forms, cleaner) = (self.forms, &mut self.cleaner);
        let (train, dev, test) = (&mut self.train, &mut self.dev, &mut self.test);
        let mut kept = 0;
        for_each_pair(self.config, self.inputs, Split::Train, tolerance, &mut |file, number, pair| {
            if let Some(share) = file.and_then(|file| file.sample)
                && uniform(0, Purpose::Sampling, number) >= share
            {
                cleaner.counts.read += 1;
                cleaner.counts.not_sampled += 1;
                return Ok(());
            }
            if let (true, Pair::Text(source, target)) = (running, pair) {
                // Leaving a line out would join lines that do not belong together.
                cleaner.counts.read += 1;
                return train.push([source, &forms[1].apply(target)], [""; 2]);
            }
            let Some(sides) = cleaner.clean(pair) else { return Ok(()) };
            kept += 1;
            let sides = [&*sides[0], &*sides[1]];
            let writer = match hold_out.map_or(Split::Train, |hold_out| hold_out.split(kept, sides)) {
                Split::Train => return train.push(sides, [""; 2]),
                Split::Dev => {
                    cleaner.counts.held_out_dev += 1;
                    &mut *dev
                }
                Split::Test => {
                    cleaner.counts.held_out_test += 1;
                    &mut *test
                }
            };
            cleaner.evaluate(sides[0], sides[1]);
            let Pair::Text(source, target) = pair else { return Ok(()) };
            writer.push(sides, [&forms[0].reference(source), &forms[1].reference(target)])
        })
    }
}

impl HoldOut {
    /// Returns the split of a kept pair: `number` counts from 1, `sides` are the text that the model sees.
    fn split(&self, number: u64, sides: [&str; 2]) -> Split {
        match self {
            HoldOut::Lines(lines) => {
                let divides = |every: Option<u64>| every.is_some_and(|every| number.is_multiple_of(every));
                match (divides(lines.dev), divides(lines.test)) {
                    (true, _) => Split::Dev,
                    (false, true) => Split::Test,
                    (false, false) => Split::Train,
                }
            }
            HoldOut::Sentences(shares) => {
                let sentence = sides[usize::from(shares.side == Side::Target)];
                let place = uniform(shares.seed, Purpose::HoldOut, hash_of(0, &[sentence]));
                match place {
                    place if place < shares.dev => Split::Dev,
                    place if place < shares.dev + shares.test => Split::Test,
                    _ => Split::Train,
                }
            }
        }
    }
}

/// Callback for a pair: its file if it comes from one, its number in the file from 0, and its text.
type Visit<'a> = dyn FnMut(Option<&FilePair>, u64, Pair) -> Result<()> + 'a;

/// Visits the pairs of a split in order, as they are in the files; returns the files that they came from.
pub fn for_each_pair(
    config: &DataConfig,
    inputs: &Inputs,
    split: Split,
    tolerance: Tolerance,
    visit: &mut Visit,
) -> Result<Vec<SourceFile>> {
    let files = match &config.recipe.corpus {
        Corpus::Generated(generated) => {
            for (number, (source, target)) in (0..).zip(ablate_grammar::generate(generated, split)?) {
                visit(None, number, Pair::Text(&source, &target))?;
            }
            return Ok(Vec::new());
        }
        Corpus::Files(files) => files.files(split),
    };
    let mut sources = Vec::new();
    for file in files {
        let mut number = 0;
        sources.extend(read_pairs(file, inputs, tolerance, |pair| {
            number += 1;
            visit(Some(file), number - 1, pair)
        })?);
    }
    Ok(sources)
}

/// Writes the two sides of a split, line by line.
struct SplitWriter {
    model: [LineWriter; 2],
    /// The text of dev and test that stays.
    kept: Option<[LineWriter; 2]>,
    pairs: usize,
}

impl SplitWriter {
    fn create(folder: &Path, split: Split, kept: Option<&Path>) -> Result<Self> {
        let open = |[source, target]: [PathBuf; 2]| -> Result<_> {
            Ok([LineWriter::create(source)?, LineWriter::create(target)?])
        };
        let kept =
            kept.map(|directory| open(text_names(split).map(|name| directory.join(name)))).transpose()?;
        Ok(SplitWriter { model: open(names(folder, split))?, kept, pairs: 0 })
    }

    fn push(&mut self, model: [&str; 2], kept: [&str; 2]) -> Result<()> {
        self.pairs += 1;
        for (writer, line) in self.model.iter_mut().zip(model) {
            writer.line(line)?;
        }
        for (writer, line) in self.kept.iter_mut().flatten().zip(kept) {
            writer.line(line)?;
        }
        Ok(())
    }

    /// Writes everything to the disk; returns the number of pairs.
    fn finish(self) -> Result<usize> {
        for writer in self.model.into_iter().chain(self.kept.into_iter().flatten()) {
            writer.finish()?;
        }
        Ok(self.pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::{config, pair};
    use crate::data::prepare::prepare;
    use crate::data::recipe::{HeldOutLines, HeldOutSentences};
    use crate::data::tokenizer::EncodeCache;
    use crate::data::{FilePairs, FilesCorpus, Prepared};
    use tempfile::TempDir;

    #[test]
    fn every_nth_pair_is_held_out() {
        let hold_out = HoldOut::Lines(HeldOutLines { dev: Some(3), test: Some(2) });
        let splits: Vec<_> = (1..=6).map(|number| hold_out.split(number, ["a", "b"]).name()).collect();
        assert_eq!(splits, ["train", "test", "dev", "test", "train", "dev"]);
    }

    #[test]
    fn sentences_are_held_out_whole_and_in_the_stated_shares() {
        let shares = HeldOutSentences { side: Side::Target, dev: 0.1, test: 0.2, seed: 1 };
        let hold_out = HoldOut::Sentences(shares.clone());
        let mut counts = [0usize; 3];
        for number in 0..10_000 {
            let sentence = format!("sentence {number}");
            let split = hold_out.split(number, ["x", &sentence]);
            assert_eq!(
                hold_out.split(1, ["y", &sentence]),
                split,
                "the other side and the place do not matter"
            );
            counts[Split::ALL.iter().position(|one| *one == split).unwrap()] += 1;
        }
        // Four standard deviations of 10,000 draws.
        assert!(counts[1].abs_diff(1000) < 120 && counts[2].abs_diff(2000) < 160, "{counts:?}");
        let other = HoldOut::Sentences(HeldOutSentences { seed: 2, ..shares });
        assert!((0..100).any(|n| {
            let sentence = n.to_string();
            other.split(1, ["", &sentence]) != hold_out.split(1, ["", &sentence])
        }));
    }

    /// A corpus of files, in a fresh folder.
    fn files() -> (DataConfig, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in
            [("dev.en", "a dog\n"), ("dev.de", "ein Hund\n"), ("test.en", "Mice\n"), ("test.de", "Mäuse\n")]
        {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let [dev, test] = ["dev", "test"].map(|name| FilePairs(vec![pair(name)]));
        let corpus = FilesCorpus { train: vec![pair("train")], dev, test, hold_out: None };
        (config(Corpus::Files(corpus)), folder)
    }

    fn prepared(config: &DataConfig, source: &TempDir) -> Prepared {
        // Prepared directories differ with the configuration.
        prepare(config, &source.path().join("data"), Some(source.path()), &mut |_: &str| {}).unwrap()
    }

    #[test]
    fn with_moses_the_model_sees_tokens_and_people_text() {
        let (mut config, source) = files();
        config.recipe.moses = Some(Default::default());
        config.merges = 500;
        for (name, text) in [("train.en", "It's a cat.\n"), ("train.de", "Es ist 'ne Katze.\n")] {
            let lines = text.repeat(5);
            std::fs::write(source.path().join(name), lines).unwrap();
        }
        std::fs::write(source.path().join("test.en"), "It's mine.\n").unwrap();
        std::fs::write(source.path().join("test.de"), "'ne Katze (klein).\n").unwrap();
        let data = prepared(&config, &source);
        let text = data.text(Split::Test).unwrap();
        assert_eq!(
            (text.source, text.target),
            (vec!["it's mine.".into()], vec!["'ne katze (klein).".into()])
        );
        let store = data.split(Split::Test).unwrap();
        assert_eq!(data.tokenizers.source().decode(&store.source(0)), "it &apos;s mine .");
        assert_eq!(data.encode_source("It's mine.", &mut EncodeCache::default()), store.source(0));
        assert_eq!(data.decode_target(&store.target(0)), "'ne katze (klein).");
    }

    #[test]
    fn every_nth_cleaned_pair_or_whole_sentences_become_dev_and_test() {
        let (mut config, source) = files();
        let lines = |language: &str| (0..40).map(|n| format!("{language} {}\n", n / 2)).collect::<String>();
        std::fs::write(source.path().join("train.en"), lines("number")).unwrap();
        std::fs::write(source.path().join("train.de"), lines("Zahl")).unwrap();
        let with = |config: &mut DataConfig, hold_out: HoldOut| {
            let Corpus::Files(files) = &mut config.recipe.corpus else { panic!() };
            let [dev, test] = [Split::Dev, Split::Test].map(|split| hold_out.makes(split));
            files.dev = if dev { FilePairs::default() } else { FilePairs(vec![pair("dev")]) };
            files.test = if test { FilePairs::default() } else { FilePairs(vec![pair("test")]) };
            files.hold_out = Some(hold_out);
        };
        with(&mut config, HoldOut::Lines(HeldOutLines { dev: Some(7), test: None }));
        let data = prepared(&config, &source);
        let train = data.counts().train;
        // Every line is there twice, and no two that are equal are held out.
        assert_eq!(train.shared, 5);
        assert_eq!((data.counts().dev, data.counts().test, train.held_out_dev, train.kept), (5, 1, 5, 35));
        assert_eq!(data.text(Split::Dev).unwrap().source[0], "number 3");

        let shares = HeldOutSentences { side: Side::Source, dev: 0.2, test: 0.2, seed: 1 };
        with(&mut config, HoldOut::Sentences(shares));
        let data = prepared(&config, &source);
        let train = data.split(Split::Train).unwrap();
        let mut sentences: Vec<String> =
            (0..train.len()).map(|at| data.tokenizers.source().decode(&train.source(at))).collect();
        let counts = data.counts();
        assert_eq!((sentences.len() + counts.dev + counts.test, counts.train.shared), (40, 0));
        assert!(counts.dev > 0 && counts.test > 0, "{counts:?}");
        sentences
            .extend([Split::Dev, Split::Test].into_iter().flat_map(|split| data.text(split).unwrap().source));
        // Both pairs of a sentence are in one split, and there beside each other.
        assert!(sentences.chunks(2).all(|pair| pair[0] == pair[1]), "{sentences:?}");
    }

    #[test]
    fn a_byte_order_mark_changes_neither_text_nor_fingerprint() {
        let (config, source) = files();
        let fingerprint = |mark: &str| {
            for (name, text) in
                [("train.en", "A cat\n"), ("train.de", "Eine Katze\n"), ("dev.de", "ein Hund\n")]
            {
                std::fs::write(source.path().join(name), format!("{mark}{text}")).unwrap();
            }
            let root = tempfile::tempdir().unwrap();
            let data = prepare(&config, root.path(), Some(source.path()), &mut |_: &str| {}).unwrap();
            assert_eq!(data.text(Split::Dev).unwrap().target, ["ein hund"]);
            data.fingerprint().to_string()
        };
        assert_eq!(fingerprint("\u{feff}"), fingerprint(""));
    }

    #[test]
    fn dev_and_test_have_text_on_both_sides() {
        for (name, refused) in [("dev.en", true), ("dev.de", true), ("test.de", true), ("", false)] {
            let (config, source) = files();
            for (file, text) in [("train.en", "A cat\n"), ("train.de", "Eine Katze\n")] {
                std::fs::write(source.path().join(file), text).unwrap();
            }
            if refused {
                std::fs::write(source.path().join(name), " \t\n").unwrap();
            }
            let root = source.path().join("data");
            let error = prepare(&config, &root, Some(source.path()), &mut |_: &str| {}).err();
            assert_eq!(error.is_some(), refused, "{name}");
            if let Some(error) = error {
                assert_eq!(error.exit_code(), 2);
                assert!(error.to_string().contains(&format!("{name}: every line is empty")), "{error}");
            }
        }
    }

    #[test]
    fn a_share_of_a_file_is_taken() {
        let (mut config, source) = files();
        let lines = |language: &str| (0..400).map(|n| format!("{language} {n}\n")).collect::<String>();
        std::fs::write(source.path().join("train.en"), lines("number")).unwrap();
        std::fs::write(source.path().join("train.de"), lines("Zahl")).unwrap();
        let Corpus::Files(files) = &mut config.recipe.corpus else { panic!() };
        files.train[0].sample = Some(0.25);
        let counts = prepared(&config, &source).counts().train;
        assert_eq!((counts.read, counts.kept + counts.not_sampled), (400, 400));
        assert!(counts.kept.abs_diff(100) < 35, "four standard deviations: {}", counts.kept);
    }
}
