//! Checks of a corpus as its recipe states it; see `validate`.

use super::validate::{Checked, Checks};
use crate::data::recipe::{Cleaning, ControlCharacters, Moses, TextFormat};
use crate::data::{Corpus, FilePair, FilesCorpus, HoldOut, Recipe, Split};
use crate::fetch::archive::{inside, is_archive};
use crate::fetch::{Mirror, without_credentials};
use crate::folders::is_directory_name;
use crate::moses::{Language, Normalization};
use std::path::{Component, Path};

/// The addresses that [`is_file_address`] accepts, for messages.
const ADDRESS_HELP: &str = "expected http://… or https://…";

/// Returns whether a text is the address of a file that can be downloaded.
fn is_file_address(url: &str) -> bool {
    let http = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let server = http.and_then(|rest| rest.split('/').next());
    server.is_some_and(|server| !server.is_empty()) && !Mirror::at(url).file_name().is_empty()
}

impl Checks<'_> {
    pub(super) fn recipe(&self, recipe: &Recipe) -> Checked {
        let names = [
            ("data.recipe.name", &recipe.name),
            ("data.recipe.source_language", &recipe.source_language),
            ("data.recipe.target_language", &recipe.target_language),
        ];
        if let Some((key, value)) = names.into_iter().find(|(_, value)| !is_directory_name(value)) {
            return Err(self.unsafe_name(key, value));
        }
        match &recipe.corpus {
            Corpus::Generated(sizes) => {
                let sizes = [("train", sizes.train), ("dev", sizes.dev), ("test", sizes.test)];
                let key = "data.recipe.corpus.generated";
                sizes.into_iter().try_for_each(|(name, size)| self.count(&format!("{key}.{name}"), size))
            }
            Corpus::Files(files) => self.files(files),
        }?;
        self.cleaning(recipe)?;
        if recipe.is_running_text() {
            self.running_text(recipe)?;
        }
        self.trees(recipe)?;
        if let Some(moses) = &recipe.moses {
            if recipe.tree_leaves().is_some() {
                let message = "data.recipe.moses would change the words and brackets of trees".into();
                return Err(self.mistake("data.recipe.moses", message, "leave [moses] out"));
            }
            self.moses(moses, recipe)?;
        }
        (0..recipe.origin.downloads.len()).try_for_each(|at| self.download(at, recipe))
    }

    fn files(&self, files: &FilesCorpus) -> Checked {
        let key = "data.recipe.corpus.files";
        if files.train.is_empty() {
            let message = format!("{key}.train = [] has no text to train on");
            let help = "state at least one [[corpus.files.train]] with source and target";
            return Err(self.mistake(&format!("{key}.train"), message, help));
        }
        for split in Split::ALL {
            let name = split.name();
            let of_split = format!("{key}.{name}");
            let several = self.is_array(&of_split);
            (0..).zip(files.files(split)).try_for_each(|(at, pair): (usize, &FilePair)| {
                // A single pair of dev or test may be a table.
                let key = if several { format!("{of_split}[{at}]") } else { of_split.clone() };
                self.file_pair(split, &key, pair)
            })?;
            let held_out = files.hold_out.as_ref().is_some_and(|hold_out| hold_out.makes(split));
            let message = match (split, files.files(split).is_empty(), held_out) {
                (Split::Train, ..) | (_, false, false) | (_, true, true) => continue,
                (_, true, false) => format!("{key}.{name} is missing"),
                (_, false, true) => format!("{key}.{name} is stated twice, as files and in hold_out"),
            };
            let help = format!("state files in [corpus.files.{name}], or {name} in [corpus.files.hold_out]");
            return Err(self.mistake(&format!("{key}.{name}"), message, help));
        }
        files.hold_out.as_ref().map_or(Ok(()), |hold_out| self.hold_out(&format!("{key}.hold_out"), hold_out))
    }

    /// Checks how dev and test sets are taken from the training text.
    fn hold_out(&self, key: &str, hold_out: &HoldOut) -> Checked {
        match hold_out {
            HoldOut::Lines(lines) => {
                let every = [("dev", lines.dev), ("test", lines.test)];
                every.into_iter().try_for_each(|(name, every)| {
                    let key = format!("{key}.lines.{name}");
                    every.map_or(Ok(()), |every| self.require(every >= 2, &key, every, "2 or more"))
                })?;
                match (lines.dev, lines.test) {
                    (Some(dev), Some(test)) if test.is_multiple_of(dev) => {
                        let key = format!("{key}.lines.test");
                        let message = format!(
                            "{key} = {test} is a multiple of dev = {dev}, so that the test set is empty"
                        );
                        let help = "a pair whose number is a multiple of both goes to the dev set; choose a test that is no \
                                    multiple of dev";
                        Err(self.mistake(&key, message, help))
                    }
                    _ => Ok(()),
                }
            }
            HoldOut::Sentences(shares) => {
                let key = format!("{key}.sentences");
                self.share(&format!("{key}.dev"), shares.dev)?;
                self.share(&format!("{key}.test"), shares.test)?;
                let both = shares.dev + shares.test;
                self.require(both < 1.0, &format!("{key}.test"), shares.test, "dev and test together below 1")
            }
        }
    }

    /// Refuses settings that would drop lines of running text, which is taken whole, or mix it with pairs.
    fn running_text(&self, recipe: &Recipe) -> Checked {
        let Corpus::Files(files) = &recipe.corpus else { return Ok(()) };
        let pairs = |pair: &FilePair| pair.format != Some(TextFormat::Running);
        let sampled = files.train.iter().any(|pair| pair.sample.is_some());
        let refused = [
            (
                Split::ALL.into_iter().any(|split| files.files(split).iter().any(pairs)),
                "corpus.files",
                "files of pairs",
            ),
            (files.hold_out.is_some(), "corpus.files.hold_out", "a part that is held out"),
            (sampled, "corpus.files.train", "a sample"),
            (recipe.cleaning != Cleaning::default(), "cleaning", "cleaning"),
            (recipe.moses.is_some(), "moses", "Moses's tokens"),
        ];
        match refused.into_iter().find(|(found, ..)| *found) {
            None => Ok(()),
            Some((_, key, what)) => {
                let message = format!("running text cannot be combined with {what}");
                let help = "if a file has format = \"running\", all files of the recipe must have it, and each is used whole";
                Err(self.mistake(&format!("data.recipe.{key}"), message, help))
            }
        }
    }

    /// Checks that a parser is trained and scored on trees alone.
    fn trees(&self, recipe: &Recipe) -> Checked {
        if recipe.tree_leaves().is_none() {
            let message = "data.recipe.trees.tags = true, but the recipe has no files of trees".into();
            let help = "leave [trees] out, or state format = \"trees\" for the files";
            return if recipe.trees.tags {
                Err(self.mistake("data.recipe.trees", message, help))
            } else {
                Ok(())
            };
        }
        if recipe.cleaning.control_characters == Some(ControlCharacters::Blank) {
            let key = "data.recipe.cleaning.control_characters";
            let message = format!("{key} = \"blank\" would take the words of trees apart");
            return Err(self.mistake(key, message, "leave it out, or set it to \"drop\""));
        }
        let Corpus::Files(files) = &recipe.corpus else { return Ok(()) };
        let mut pairs = Split::ALL.into_iter().flat_map(|split| files.files(split));
        let Some(other) = pairs.find(|pair| pair.format != Some(TextFormat::Trees)) else { return Ok(()) };
        let message = format!("trees cannot be combined with pairs of sentences, such as {}", other.source);
        let help = "if a file has format = \"trees\", all files of the recipe must have it";
        Err(self.mistake("data.recipe.corpus.files", message, help))
    }

    fn cleaning(&self, recipe: &Recipe) -> Checked {
        let (key, cleaning) = ("data.recipe.cleaning", &recipe.cleaning);
        for (name, value) in [
            ("max_characters", cleaning.max_characters),
            ("min_words", cleaning.min_words),
            ("max_words", cleaning.max_words),
            ("max_word_characters", cleaning.max_word_characters),
        ] {
            value.map_or(Ok(()), |value| self.count(&format!("{key}.{name}"), value))?;
        }
        if let (Some(least), Some(most)) = (cleaning.min_words, cleaning.max_words)
            && least > most
        {
            let key = format!("{key}.min_words");
            let message = format!("{key} = {least} is more than max_words = {most}, so that no pair is kept");
            return Err(self.mistake(&key, message, "use a smaller min_words, or a larger max_words"));
        }
        if let Some(ratio) = cleaning.max_word_ratio {
            let holds = ratio.is_finite() && ratio >= 1.0;
            self.require(holds, &format!("{key}.max_word_ratio"), ratio, "a finite number, 1 or more")?;
        }
        let held_out = matches!(&recipe.corpus, Corpus::Files(files) if files.hold_out.is_some());
        if cleaning.drop_overlap.is_some() && held_out {
            let key = format!("{key}.drop_overlap");
            let message =
                format!("{key} needs dev and test sets that are known before the training text is read");
            let help = "leave it out; hold_out.sentences shares no sentence between the splits";
            return Err(self.mistake(&key, message, help));
        }
        Ok(())
    }

    fn moses(&self, moses: &Moses, recipe: &Recipe) -> Checked {
        let languages = [("source", &recipe.source_language), ("target", &recipe.target_language)];
        for (side, language) in languages {
            if let Err(error) = language.parse::<Language>() {
                let help = "leave [moses] out for raw text";
                return Err(self.mistake(&format!("data.recipe.{side}_language"), error.to_string(), help));
            }
        }
        if !moses.tokenize && moses.normalize == Normalization::None {
            let help = "leave [moses] out, or set tokenize = true or normalize = \"punct\"";
            return Err(self.mistake("data.recipe.moses", "data.recipe.moses does nothing".into(), help));
        }
        Ok(())
    }

    /// Checks the download number `at` of a recipe, counted from 0.
    fn download(&self, at: usize, recipe: &Recipe) -> Checked {
        let key = format!("data.recipe.origin.downloads[{at}]");
        let mistake = |message: String, help: &str| Err(self.mistake(&key, format!("{key}{message}"), help));
        let (before, download) = (&recipe.origin.downloads[..at], &recipe.origin.downloads[at]);
        if download.name.is_some() != download.members.is_empty() {
            return mistake(
                " has neither name nor members, or both".into(),
                "name is for a file that is itself a text, members for what an archive holds",
            );
        }
        let files = recipe.file_names();
        for name in download.names() {
            if !files.contains(&name) {
                return mistake(
                    format!(" brings {name:?}, which is no file of the recipe"),
                    "expected names that [corpus.files] states as source or target",
                );
            }
            if let Some(other) = before.iter().position(|other| other.names().any(|known| known == name)) {
                return mistake(
                    format!(" brings {name:?}, as downloads[{other}] does"),
                    "name each file once; state other addresses of the same file in `mirrors`",
                );
            }
        }
        if download.mirrors.is_empty() {
            return mistake(
                ".mirrors = [] has no address".into(),
                "expected at least { url = \"https://…\" }",
            );
        }
        for member in download.members.values() {
            if inside(member).is_none_or(|path| path != *member || path.is_empty()) {
                let message = format!(".members: {member:?} is not a path in an archive");
                return mistake(
                    message,
                    "expected a relative path without \".\" and \"..\", as in \"dev/a.en\"",
                );
            }
        }
        download.mirrors.iter().try_for_each(|mirror| self.mirror(&key, mirror, !download.members.is_empty()))
    }

    /// Checks an address of the download at `key`, which is that of an archive if the download has members.
    fn mirror(&self, key: &str, mirror: &Mirror, of_archive: bool) -> Checked {
        let mistake =
            |what: String, help: &str| Err(self.mistake(key, format!("{key}.mirrors: {what}"), help));
        let shown = mirror.public_url();
        if !is_file_address(&mirror.url) {
            return mistake(format!("{shown:?} is not the address of a file"), ADDRESS_HELP);
        }
        if of_archive && !is_archive(mirror.file_name()) {
            return mistake(
                format!("{shown:?} is not an archive, but `members` names files in it"),
                "expected a name in .zip, .tar, .tar.gz, .tgz, .tar.bz2, .tar.xz or .tar.zst",
            );
        }
        for (name, digits, value) in [("sha256", 64, &mirror.sha256), ("md5", 32, &mirror.md5)] {
            let holds =
                |text: &String| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            if let Some(wrong) = value.as_ref().filter(|text| !holds(text)) {
                let help = format!("expected {digits} hexadecimal digits");
                return mistake(format!("{name} = {wrong:?} is not a checksum"), &help);
            }
        }
        Ok(())
    }

    fn file_pair(&self, split: Split, key: &str, pair: &FilePair) -> Checked {
        for (side, name) in [("source", &pair.source), ("target", &pair.target)] {
            let relative = Path::new(name);
            let outside =
                relative.is_absolute() || relative.components().any(|part| part == Component::ParentDir);
            if name.trim().is_empty() || outside {
                let key = format!("{key}.{side}");
                let message = format!("{key} = {name:?} is not a file of the source directory");
                return Err(self.mistake(&key, message, "expected a relative path without \"..\""));
            }
        }
        for (name, url) in [("source_url", &pair.source_url), ("target_url", &pair.target_url)] {
            if let Some(url) = url.as_deref().filter(|url| !is_file_address(url)) {
                let key = format!("{key}.{name}");
                let message = format!("{key} = {:?} is not the address of a file", without_credentials(url));
                return Err(self.mistake(&key, message, ADDRESS_HELP));
            }
        }
        self.columns(key, pair)?;
        if pair.translator.is_some() && pair.format != Some(TextFormat::WmtXml) {
            let key = format!("{key}.translator");
            let message = format!("{key} has no effect on files of this format");
            let help = "leave it out, or state format = \"wmt_xml\" for WMT's XML since 2021";
            return Err(self.mistake(&key, message, help));
        }
        self.sides(key, pair)?;
        if let Some(sample) = pair.sample {
            let key = format!("{key}.sample");
            if split != Split::Train {
                let message = format!(
                    "{key} = {sample} has no effect: files of the {} set are used whole",
                    split.name()
                );
                return Err(self.mistake(&key, message, "leave it out; a sample is for training files"));
            }
            self.require(sample > 0.0 && sample <= 1.0, &key, sample, "a number above 0, at most 1")?;
        }
        pair.pairs.map_or(Ok(()), |pairs| self.at_least_one(&format!("{key}.pairs"), pairs as u64))
    }

    /// Checks the columns of a pair's files.
    fn columns(&self, key: &str, pair: &FilePair) -> Checked {
        let columns = [
            ("source_column", &pair.source, pair.source_column),
            ("target_column", &pair.target, pair.target_column),
        ];
        for (side, file, column) in columns {
            let Some(column) = column else { continue };
            let key = format!("{key}.{side}");
            self.count(&key, column)?;
            let format = pair.format.unwrap_or_else(|| TextFormat::of_name(Path::new(file)));
            if matches!(format, TextFormat::Segments | TextFormat::IwsltTags) {
                let message =
                    format!("{key} = {column}, but lines of {file:?} are marked up and have no columns");
                let help =
                    "leave it out; columns are those of plain text, separated by tabs (format = \"lines\")";
                return Err(self.mistake(&key, message, help));
            }
        }
        Ok(())
    }

    /// Checks that both sides come from one file if the format has both, and otherwise from different places.
    fn sides(&self, key: &str, pair: &FilePair) -> Checked {
        let of_one_file = pair.format.and_then(|format| match format {
            TextFormat::Trees => Some("trees come"),
            TextFormat::Running => Some("running text comes"),
            TextFormat::WmtXml => Some("both sides of WMT's XML come"),
            TextFormat::Lines | TextFormat::Segments | TextFormat::IwsltTags => None,
        });
        if let Some(what) = of_one_file {
            if pair.source != pair.target || pair.source_column.is_some() || pair.target_column.is_some() {
                let message =
                    format!("{key}: {what} from one file, not from {:?} and {:?}", pair.source, pair.target);
                let help = "state the file as source and as target, without columns";
                return Err(self.mistake(&format!("{key}.target"), message, help));
            }
        } else if pair.source == pair.target && pair.source_column == pair.target_column {
            let message = format!("{key}: source and target are both {:?}", pair.source);
            return Err(self.mistake(
                &format!("{key}.target"),
                message,
                "state the columns of a file of both sides, or format = \"wmt_xml\" for WMT's XML since 2021",
            ));
        }
        Ok(())
    }
}
