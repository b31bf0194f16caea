//! Punctuation in one form: straight quotation marks, hyphens, blanks where they belong.
//!
//! # Source
//! sacremoses 0.2.0, `normalize.py` with its defaults (`MosesPunctNormalizer`).
//!
//! # Deviation
//! From Moses's `normalize-punctuation.perl`, as sacremoses: `‘`, `‚` and `’` become an apostrophe, in Perl a
//! quotation mark; a guillemet beside no-break spaces takes them along, in Perl one blank stays; a grave accent
//! becomes an apostrophe; languages other than English, German, Spanish and French keep the order of
//! quotation marks and commas. From both: digits are those of the Unicode version of the `regex` crate.

use super::characters::SPACE;
use super::language::Language;
use super::rewrite::Rewrite;
use crate::error::{Error, Result};
use crate::white_space::trim;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// How Moses normalises punctuation before it tokenises a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Normalization {
    /// The rules of `normalize-punctuation.perl`.
    #[default]
    Punct,
    /// The rules of `replace-unicode-punctuation.perl`: full-width characters and some quotation marks become ASCII.
    /// tensor2tensor's `get_ende_bleu.sh` applies them since 2018, to the hypothesis alone.
    Unicode,
    /// No normalisation, as in `get_ende_bleu.sh` when the paper appeared.
    None,
}

impl Normalization {
    pub const ALL: [Normalization; 3] = [Normalization::Punct, Normalization::Unicode, Normalization::None];

    /// Returns the name in configurations and signatures.
    pub fn name(self) -> &'static str {
        match self {
            Normalization::Punct => "punct",
            Normalization::Unicode => "unicode",
            Normalization::None => "none",
        }
    }
}

impl FromStr for Normalization {
    type Err = Error;

    /// Parses the name in signatures.
    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|normalization| normalization.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Normalization::name).join(", ");
            Error::user(format!("there are no such rules for punctuation; there are {names}"))
        })
    }
}

/// Brings punctuation into one form, line by line.
#[derive(Debug, Clone)]
pub struct Normalizer(Option<Rewrite>);

impl Normalizer {
    pub fn new(normalization: Normalization, language: Language) -> Self {
        Normalizer(match normalization {
            Normalization::Punct => Some(punctuation(language)),
            Normalization::Unicode => Some(unicode_punctuation()),
            Normalization::None => None,
        })
    }

    /// Returns the line with its punctuation in one form, without white space at its ends unless nothing is done.
    pub fn normalize(&self, line: &str) -> String {
        match &self.0 {
            Some(rules) => trim(&rules.apply(line.to_string())).to_string(),
            None => line.to_string(),
        }
    }
}

fn punctuation(language: Language) -> Rewrite {
    let unquote = format!(r#"(\.+)"({SPACE}*[^<])"#);
    let quotes_and_commas = match language {
        Language::English => vec![(r#""([,.]+)"#, r#"$1""#)],
        // The last full stop of a sentence stays where it is.
        Language::German | Language::French => vec![(r#",""#, r#"","#), (unquote.as_str(), r#""$1$2"#)],
        Language::Japanese | Language::Russian | Language::Chinese => vec![],
    };
    let decimal_mark = match language {
        Language::German | Language::French => "$1,$2",
        Language::English | Language::Japanese | Language::Russian | Language::Chinese => "$1.$2",
    };
    let rules = BLANKS.into_iter().chain(MARKS).chain(NO_BREAK_SPACES).chain(quotes_and_commas);
    Rewrite::new(rules.chain([(r"(\d)\u{a0}(\d)", decimal_mark)]))
}

/// Blanks around brackets and before signs.
const BLANKS: [(&str, &str); 10] = [
    (r"\r", ""),
    (r"\(", " ("),
    (r"\)", ") "),
    (r" +", " "),
    (r"\) ([.!:?;,])", ")$1"),
    (r"\( ", "("),
    (r" \)", ")"),
    (r"(\d) %", "$1%"),
    (r" :", ":"),
    (r" ;", ";"),
];

/// Quotation marks, dashes and the ellipsis.
const MARKS: [(&str, &str); 23] = [
    (r"`", "'"),
    (r"''", r#" " "#),
    (r"„", r#"""#),
    (r"“", r#"""#),
    (r"”", r#"""#),
    (r"–", "-"),
    (r"—", " - "),
    (r" +", " "),
    (r"´", "'"),
    (r"([a-zA-Z])‘([a-zA-Z])", "$1'$2"),
    (r"([a-zA-Z])’([a-zA-Z])", "$1'$2"),
    (r"‘", "'"),
    (r"‚", "'"),
    (r"’", "'"),
    (r"''", r#"""#),
    // The rule for two acute accents is left out: none remains here.
    (r"…", "..."),
    (r"\u{a0}«\u{a0}", r#"""#),
    (r"«\u{a0}", r#"""#),
    (r"«", r#"""#),
    (r"\u{a0}»\u{a0}", r#"""#),
    (r"\u{a0}»", r#"""#),
    (r"»", r#"""#),
    (r"\u{a0}%", "%"),
];

/// No-break spaces before signs and units.
const NO_BREAK_SPACES: [(&str, &str); 9] = [
    (r"nº\u{a0}", "nº "),
    (r"\u{a0}:", ":"),
    (r"\u{a0}ºC", " ºC"),
    (r"\u{a0}cm", " cm"),
    (r"\u{a0}\?", "?"),
    (r"\u{a0}!", "!"),
    (r"\u{a0};", ";"),
    (r",\u{a0}", ", "),
    (r" +", " "),
];

fn unicode_punctuation() -> Rewrite {
    let full_stops = ["。", "．"].map(|stop| (format!("{stop}{SPACE}*"), ". "));
    let signs = [
        ("[，、]", ","),
        ("[”“《》」「]", r#"""#),
        ("[∶：]", ":"),
        ("？", "?"),
        ("）", ")"),
        ("！", "!"),
        ("（", "("),
        ("；", ";"),
        ("０", "0"),
        ("１", "1"),
        ("２", "2"),
        ("３", "3"),
        ("４", "4"),
        ("５", "5"),
        ("６", "6"),
        ("７", "7"),
        ("８", "8"),
        ("９", "9"),
        ("～", "~"),
        ("’", "'"),
        ("…", "..."),
        ("━", "-"),
        ("〈", "<"),
        ("〉", ">"),
        ("【", "["),
        ("】", "]"),
        ("％", "%"),
    ];
    Rewrite::new(full_stops.into_iter().chain(signs.map(|(from, to)| (from.to_string(), to))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalized(language: Language, line: &str) -> String {
        Normalizer::new(Normalization::Punct, language).normalize(line)
    }

    #[test]
    fn quotation_marks_and_blanks_take_one_form() {
        assert_eq!(
            normalized(Language::German, "„Hallo,“ sagte er – 5\u{a0}000"),
            "\"Hallo\", sagte er - 5,000"
        );
        assert_eq!(
            normalized(Language::English, "“Hello”, he said ( once ) ."),
            "\"Hello,\" he said (once)."
        );
        assert_eq!(normalized(Language::French, "«\u{a0}Non\u{a0}!\u{a0}»"), "\"Non!\"");
        assert_eq!(normalized(Language::Russian, " 50 % ; it’s "), "50%; it's");
    }

    #[test]
    fn full_width_signs_become_ascii_and_nothing_changes_where_none_is_wanted() {
        let unicode = Normalizer::new(Normalization::Unicode, Language::German);
        assert_eq!(unicode.normalize("“５％”。 　「a」"), "\"5%\". \"a\"");
        let none = Normalizer::new(Normalization::None, Language::German);
        assert_eq!(none.normalize(" „a“ "), " „a“ ");
    }
}
