//! German declension: articles, adjective endings, noun endings, pronouns.

use super::category::{Case, Gender, Number};
use super::word::Noun;

/// Determiner before a noun; it decides the adjective's ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Article {
    /// der, die, das.
    Definite,
    /// dieser, diese, dieses.
    Demonstrative,
    /// ein, kein, mein …: the stem without ending.
    Indefinite(&'static str),
    /// No determiner, before a plural.
    Bare,
}

/// Masculine, feminine, neuter, plural: the columns of every table below.
type Row = [&'static str; 4];

/// Rows are nominative, accusative, dative, genitive.
const DEFINITE: [Row; 4] = [
    ["der", "die", "das", "die"],
    ["den", "die", "das", "die"],
    ["dem", "der", "dem", "den"],
    ["des", "der", "des", "der"],
];
const RELATIVE: [Row; 4] = [
    ["der", "die", "das", "die"],
    ["den", "die", "das", "die"],
    ["dem", "der", "dem", "denen"],
    ["dessen", "deren", "dessen", "deren"],
];
const STRONG: [Row; 4] =
    [["er", "e", "es", "e"], ["en", "e", "es", "e"], ["em", "er", "em", "en"], ["es", "er", "es", "er"]];
const INDEFINITE: [Row; 4] =
    [["", "e", "", "e"], ["en", "e", "", "e"], ["em", "er", "em", "en"], ["es", "er", "es", "er"]];
const WEAK: [Row; 4] =
    [["e", "e", "e", "en"], ["en", "e", "e", "en"], ["en", "en", "en", "en"], ["en", "en", "en", "en"]];
const MIXED: [Row; 4] =
    [["er", "e", "es", "en"], ["en", "e", "es", "en"], ["en", "en", "en", "en"], ["en", "en", "en", "en"]];
/// Third person pronouns.
const PERSONAL: [Row; 4] = [
    ["er", "sie", "es", "sie"],
    ["ihn", "sie", "es", "sie"],
    ["ihm", "ihr", "ihm", "ihnen"],
    ["seiner", "ihrer", "seiner", "ihrer"],
];

fn at(table: &[Row; 4], case: Case, gender: Gender, number: Number) -> &'static str {
    let column = if number == Number::Plural { 3 } else { gender as usize };
    table[case as usize][column]
}

/// Returns the article as written; empty for [`Article::Bare`].
pub fn article(article: Article, case: Case, gender: Gender, number: Number) -> String {
    match article {
        Article::Definite => at(&DEFINITE, case, gender, number).to_string(),
        Article::Demonstrative => format!("dies{}", at(&STRONG, case, gender, number)),
        Article::Indefinite(stem) => format!("{stem}{}", at(&INDEFINITE, case, gender, number)),
        Article::Bare => String::new(),
    }
}

/// Ending of an adjective behind `article`.
pub fn adjective_ending(article: Article, case: Case, gender: Gender, number: Number) -> &'static str {
    let table = match article {
        Article::Definite | Article::Demonstrative => &WEAK,
        Article::Indefinite(_) => &MIXED,
        Article::Bare => &STRONG,
    };
    at(table, case, gender, number)
}

pub fn relative_pronoun(case: Case, gender: Gender, number: Number) -> &'static str {
    at(&RELATIVE, case, gender, number)
}

pub fn personal_pronoun(case: Case, gender: Gender, number: Number) -> &'static str {
    at(&PERSONAL, case, gender, number)
}

/// Returns the noun as written in this case and number.
pub fn noun_form(noun: &Noun, case: Case, number: Number) -> String {
    let [singular, genitive, plural] = noun.german;
    match (number, case) {
        (Number::Plural, Case::Dative) if !plural.ends_with(['n', 's']) => format!("{plural}n"),
        (Number::Plural, _) => plural.to_string(),
        (Number::Singular, Case::Nominative) => singular.to_string(),
        (Number::Singular, Case::Genitive) => genitive.to_string(),
        (Number::Singular, _) => if noun.weak { genitive } else { singular }.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::lexicon;
    use super::*;

    const CASES: [Case; 4] = [Case::Nominative, Case::Accusative, Case::Dative, Case::Genitive];

    /// Article, adjective "alt" and noun through the four cases.
    fn decline(determiner: Article, noun: &Noun, number: Number) -> Vec<String> {
        CASES
            .iter()
            .map(|&case| {
                let words = [
                    article(determiner, case, noun.gender, number),
                    format!("alt{}", adjective_ending(determiner, case, noun.gender, number)),
                    noun_form(noun, case, number),
                ];
                words.join(" ").trim().to_string()
            })
            .collect()
    }

    fn find(list: &'static [Noun], german: &str) -> &'static Noun {
        list.iter().find(|n| n.german[0] == german).unwrap()
    }

    #[test]
    fn noun_phrases_are_declined_as_in_a_grammar_book() {
        use Number::{Plural, Singular};
        let man = find(lexicon::PERSONS, "Mann");
        let woman = find(lexicon::PERSONS, "Frau");
        let child = find(lexicon::PERSONS, "Kind");
        let student = find(lexicon::PERSONS, "Student");
        let expected: [(Vec<String>, [&str; 4]); 7] = [
            (
                decline(Article::Definite, man, Singular),
                ["der alte Mann", "den alten Mann", "dem alten Mann", "des alten Mannes"],
            ),
            (
                decline(Article::Indefinite("ein"), child, Singular),
                ["ein altes Kind", "ein altes Kind", "einem alten Kind", "eines alten Kindes"],
            ),
            (
                decline(Article::Indefinite("unser"), woman, Singular),
                ["unsere alte Frau", "unsere alte Frau", "unserer alten Frau", "unserer alten Frau"],
            ),
            (
                decline(Article::Indefinite("sein"), man, Plural),
                ["seine alten Männer", "seine alten Männer", "seinen alten Männern", "seiner alten Männer"],
            ),
            (
                decline(Article::Demonstrative, child, Singular),
                ["dieses alte Kind", "dieses alte Kind", "diesem alten Kind", "dieses alten Kindes"],
            ),
            (
                decline(Article::Definite, student, Singular),
                ["der alte Student", "den alten Studenten", "dem alten Studenten", "des alten Studenten"],
            ),
            (
                decline(Article::Bare, child, Plural),
                ["alte Kinder", "alte Kinder", "alten Kindern", "alter Kinder"],
            ),
        ];
        for (declined, wanted) in expected {
            assert_eq!(declined, wanted);
        }
    }

    #[test]
    fn relative_pronouns_differ_from_articles_in_dative_plural_and_genitive() {
        assert_eq!(relative_pronoun(Case::Dative, Gender::Feminine, Number::Plural), "denen");
        assert_eq!(relative_pronoun(Case::Genitive, Gender::Feminine, Number::Singular), "deren");
        assert_eq!(relative_pronoun(Case::Accusative, Gender::Masculine, Number::Singular), "den");
    }

    #[test]
    fn genitives_of_masculine_and_neuter_nouns_end_in_s_or_n_and_feminine_ones_do_not_change() {
        let lists = [lexicon::PERSONS, lexicon::ANIMALS, lexicon::THINGS, lexicon::SURFACES, lexicon::PLACES];
        for noun in lists.into_iter().flatten() {
            let [singular, genitive, _] = noun.german;
            match noun.gender {
                Gender::Feminine => assert_eq!(singular, genitive),
                _ if noun.weak => assert!(genitive.ends_with('n'), "{genitive}"),
                _ => assert!(
                    genitive == format!("{singular}s") || genitive == format!("{singular}es"),
                    "{genitive}"
                ),
            }
        }
    }
}
