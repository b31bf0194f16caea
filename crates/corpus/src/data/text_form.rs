//! Form of a line that the model sees, and form of a translation that people see.
//!
//! By default both are the text itself: the tokenizer loses no character. With `[moses]` in the recipe the model sees and
//! writes Moses's tokens, like the systems whose results are published on tokenised text; scores are counted on
//! detokenised text against the references as they are. Trees on the target side become sequences.
//! Config keys: `data.recipe.moses`, `data.lowercase`, `data.recipe.trees`.

use super::DataConfig;
use crate::constituency_tree::{LeafForm, Tree};
use crate::error::Result;
use crate::moses::{Detokenizer, Normalization, Normalizer, TokenizeOptions, Tokenizer};
use std::borrow::Cow;

/// Processing of the lines of one language.
#[derive(Debug, Clone)]
pub struct TextForm {
    normalizer: Option<Normalizer>,
    tokenizer: Option<Tokenizer>,
    detokenizer: Option<Detokenizer>,
    lowercase: bool,
    /// Lines are trees, of which the model sees sequences.
    trees: Option<LeafForm>,
}

impl TextForm {
    /// Creates the forms of source and target.
    ///
    /// # Errors
    /// A user error if the recipe asks for Moses's rules and they do not know a language.
    pub fn both(config: &DataConfig) -> Result<[TextForm; 2]> {
        let recipe = &config.recipe;
        let target = Self::of(config, &recipe.target_language)?;
        Ok([Self::of(config, &recipe.source_language)?, TextForm { trees: recipe.tree_leaves(), ..target }])
    }

    fn of(config: &DataConfig, language: &str) -> Result<Self> {
        let lowercase = config.lowercase;
        let Some(moses) = &config.recipe.moses else {
            return Ok(TextForm {
                normalizer: None,
                tokenizer: None,
                detokenizer: None,
                lowercase,
                trees: None,
            });
        };
        let language = language.parse()?;
        let options = TokenizeOptions { split_hyphens: moses.split_hyphens, escape: moses.escape };
        Ok(TextForm {
            normalizer: (moses.normalize != Normalization::None)
                .then(|| Normalizer::new(moses.normalize, language)),
            tokenizer: moses.tokenize.then(|| Tokenizer::new(language, options)),
            detokenizer: moses.tokenize.then(|| Detokenizer::new(language)),
            lowercase,
            trees: None,
        })
    }

    /// Returns a line as the model sees it.
    pub fn apply<'a>(&self, line: &'a str) -> Cow<'a, str> {
        if let Some(leaves) = self.trees {
            // Lines that are not trees were refused when the file was read.
            return Cow::Owned(Tree::parse(line).map(|tree| tree.sequence(leaves)).unwrap_or_default());
        }
        let mut text = Cow::Borrowed(line);
        if let Some(normalizer) = &self.normalizer {
            text = Cow::Owned(normalizer.normalize(&text));
        }
        if let Some(tokenizer) = &self.tokenizer {
            text = Cow::Owned(tokenizer.tokenize(&text));
        }
        if self.lowercase { Cow::Owned(text.to_lowercase()) } else { text }
    }

    /// Returns a line as people see it: lower-cased, if the model's text is.
    pub fn reference<'a>(&self, line: &'a str) -> Cow<'a, str> {
        if self.lowercase { Cow::Owned(line.to_lowercase()) } else { Cow::Borrowed(line) }
    }

    /// Returns the text of the model's output, detokenised if the model writes tokens.
    pub fn restore(&self, text: String) -> String {
        match &self.detokenizer {
            Some(detokenizer) => detokenizer.detokenize(&text),
            None => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::recipe::Moses;
    use crate::data::{Corpus, GeneratedCorpus, Recipe};

    fn forms(moses: Option<Moses>, lowercase: bool) -> [TextForm; 2] {
        let corpus = Corpus::Generated(GeneratedCorpus { train: 1, dev: 1, test: 1, seed: 1 });
        let recipe = Recipe { moses, ..Recipe::new("g", "en", "fr", corpus) };
        let config = DataConfig {
            lowercase,
            merges: 1,
            max_length: 9,
            max_length_ratio: 9.0,
            ..DataConfig::new(recipe)
        };
        TextForm::both(&config).unwrap()
    }

    #[test]
    fn raw_text_stays_as_it_is() {
        let [english, _] = forms(None, false);
        let line = " “Well-known”,  isn’t it ? ";
        assert_eq!(english.apply(line), line);
        assert_eq!(english.restore(line.into()), line);
        assert_eq!(forms(None, true)[0].apply("ÉA"), "éa");
    }

    #[test]
    fn tokens_are_made_and_joined_by_the_rules_of_each_language() {
        let [english, french] = forms(Some(Moses::default()), true);
        assert_eq!(english.apply("Mr. Smith doesn't."), "mr. smith doesn &apos;t .");
        assert_eq!(french.apply("L'été, déjà."), "l&apos; été , déjà .");
        assert_eq!(french.restore("l&apos; été , déjà .".into()), "l'été, déjà.");
        assert_eq!(english.reference("Mr. Smith doesn't."), "mr. smith doesn't.");
    }

    #[test]
    fn every_option_is_moses_own() {
        let moses = |change: fn(&mut Moses)| {
            let mut moses = Moses::default();
            change(&mut moses);
            forms(Some(moses), false)[0].apply("„a-b“ & c").into_owned()
        };
        assert_eq!(moses(|_| ()), "„ a-b “ &amp; c");
        assert_eq!(moses(|m| m.normalize = Normalization::Punct), "&quot; a-b &quot; &amp; c");
        assert_eq!(moses(|m| m.split_hyphens = true), "„ a @-@ b “ &amp; c");
        assert_eq!(moses(|m| m.escape = false), "„ a-b “ & c");
        assert_eq!(moses(|m| m.tokenize = false), "„a-b“ & c");
    }
}
