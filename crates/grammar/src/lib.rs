//! The generated corpus: English sentences and their German translations, written by a grammar.
//!
//! It exists so that a first run needs no download, and so that the reasons for differences between ablations
//! are known. The translation of a word depends on the rest of the sentence: articles,
//! adjectives and pronouns agree with nouns in gender, number and case; case follows from the verb
//! or the preposition, hence from who does what to whom, which English says by word order alone;
//! verbs move to second or last place, and their prefixes, participles and infinitives to the end.
//!
//! Configuration: `recipe.corpus.generated`. Difficulty of the language: [`shares`].

// Both macros panic if the output is closed.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

mod category;
mod declension;
mod english;
mod generated_corpus;
mod german;
mod lexicon;
mod number;
mod phrase;
mod planner;
mod sentence;
pub mod shares;
mod word;

pub use generated_corpus::GeneratedCorpus;

use ablate_base::error::{Error, Result};
use ablate_base::seed::{self, Purpose};
use ablate_base::split::Split;
use std::collections::HashSet;

/// After this many sentences in a row that are known or belong to another split, the grammar counts as exhausted.
/// A split owns at least one in [`PARTITIONS`] sentences, so chance alone never gets there.
const PATIENCE: usize = 20_000;

/// Number of parts into which source sentences fall by their hash: 0 is dev, 1 is test, the others train.
const PARTITIONS: u64 = 8;

/// Returns the pairs of one split, (English, German), without repetitions.
///
/// The same configuration gives the same bytes on every machine. Which split a sentence belongs to
/// depends on its English text alone, so no two splits share a sentence, not even those of different seeds.
///
/// # Errors
/// A user error when the grammar has fewer different sentences of this split than asked for.
pub fn generate(config: &GeneratedCorpus, split: Split) -> Result<Vec<(String, String)>> {
    let (wanted, stream) = match split {
        Split::Train => (config.train, 0),
        Split::Dev => (config.dev, 1),
        Split::Test => (config.test, 2),
    };
    let mut planner = planner::Planner::new(seed::rng(config.seed, Purpose::Corpus, stream));
    collect(wanted, split, || planner.sentence())
}

/// Returns the first `wanted` different sentences of `split` that `draw` yields.
fn collect(
    wanted: usize,
    split: Split,
    mut draw: impl FnMut() -> sentence::Sentence,
) -> Result<Vec<(String, String)>> {
    let mut seen = HashSet::new();
    let mut pairs = Vec::new();
    let mut rejected = 0;
    while pairs.len() < wanted {
        if rejected == PATIENCE {
            return Err(Error::user(format!(
                "recipe.corpus.generated.{} = {wanted}, but the grammar yields only about {} different sentences; ask for fewer",
                split.name(),
                pairs.len()
            )));
        }
        rejected += 1;
        let sentence = draw();
        let source = english::write(&sentence);
        if split_of(&source) == split
            && shares::WORDS.contains(&(source.split(' ').count()))
            && seen.insert(hash(&source))
        {
            pairs.push((source, german::write(&sentence)));
            rejected = 0;
        }
    }
    Ok(pairs)
}

/// Returns the split that a source sentence belongs to.
fn split_of(source: &str) -> Split {
    match hash(source) % PARTITIONS {
        0 => Split::Dev,
        1 => Split::Test,
        _ => Split::Train,
    }
}

/// Hashes with FNV-1a (Fowler, Noll, Vo) and mixes the result: short, portable, and stable for good.
/// Two different sentences with one hash would cost the corpus one sentence.
fn hash(text: &str) -> u64 {
    let fnv = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    seed::mix(fnv)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(train: usize, seed: u64) -> GeneratedCorpus {
        GeneratedCorpus { train, dev: 20_000, test: 20_000, seed }
    }

    fn train(pairs: usize) -> Vec<(String, String)> {
        generate(&corpus(pairs, 1), Split::Train).unwrap()
    }

    #[test]
    fn a_seed_gives_the_same_pairs_and_a_longer_corpus_begins_with_the_shorter() {
        assert_eq!(train(500), train(1000)[..500]);
        assert_ne!(train(500), generate(&corpus(500, 2), Split::Train).unwrap());
    }

    #[test]
    fn splits_share_no_source_sentence_and_repeat_none() {
        let mut seen = HashSet::new();
        for split in Split::ALL {
            // Other seeds for each split: disjointness does not depend on a common seed.
            let pairs = generate(&corpus(20_000, split as u64), split).unwrap();
            assert_eq!(pairs.len(), 20_000);
            for (source, _) in pairs {
                assert!(seen.insert(source.clone()), "twice: {source}");
            }
        }
    }

    #[test]
    fn asking_for_more_than_the_grammar_has_is_a_user_error() {
        let mut drawn = 0;
        let mut planner = planner::Planner::new(seed::rng(1, Purpose::Corpus, 0));
        let error = collect(1000, Split::Train, || {
            drawn += 1;
            if drawn % 100 == 0 {
                planner = planner::Planner::new(seed::rng(1, Purpose::Corpus, 0));
            }
            planner.sentence()
        });
        let error = error.unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("corpus.generated.train = 1000"), "{error}");
    }

    #[test]
    fn every_construction_occurs_often_enough() {
        type Holds = fn(&str, &str) -> bool;
        // Smallest numbers of occurrences in 1,000 pairs.
        let constructions: [(&str, usize, Holds); 24] = [
            ("question", 50, |_, de| de.ends_with('?')),
            ("wh-question by case", 8, |_, de| de.starts_with("Wen ") || de.starts_with("Wem ")),
            ("dass", 40, |_, de| de.contains(", dass ")),
            ("ob", 10, |_, de| de.contains(", ob ")),
            ("weil", 60, |_, de| de.contains("eil ")),
            ("wenn", 20, |_, de| de.contains("enn ")),
            ("subordinate clause first", 40, |en, _| {
                ["Because ", "When ", "Although "].iter().any(|w| en.starts_with(w)) && en.contains(", ")
            }),
            ("fronted adverbial", 40, |en, _| {
                ["Today ", "In ", "On ", "At ", "Every ", "Behind ", "This week "]
                    .iter()
                    .any(|w| en.starts_with(w))
            }),
            ("relative clause", 50, |en, _| {
                [" who ", " whom ", " which "].iter().any(|w| en[1..].contains(w))
            }),
            ("dative relative pronoun", 3, |_, de| de.contains(", dem ") || de.contains(", denen ")),
            ("genitive", 30, |en, de| en.contains(" of ") && (de.contains(" des ") || de.contains(" der "))),
            ("nested genitive", 4, |en, _| en.matches(" of ").count() > 1),
            ("separable verb apart", 40, |_, de| {
                ["an", "ein", "weg", "ab", "zu"].iter().any(|p| de.ends_with(&format!(" {p}.")))
            }),
            ("perfect", 80, |en, _| en.contains(" has ") || en.contains(" have ")),
            ("perfect with sein", 8, |_, de| de.contains("gefolgt") || de.contains("gegangen")),
            ("modal", 100, |en, _| [" can", " should ", " want", " will "].iter().any(|w| en.contains(w))),
            ("nicht", 40, |_, de| de.contains("nicht")),
            ("kein", 5, |_, de| de.contains(" kein")),
            ("it", 60, |en, _| en.contains(" it")),
            ("zu-infinitive", 20, |_, de| de.contains(" zu ")),
            ("um zu", 8, |_, de| de.contains(", um ")),
            ("passive", 15, |en, _| en.contains(" by ")),
            ("comparison", 15, |_, de| de.contains(" als ") || de.contains(" wie ")),
            ("digits", 15, |en, _| en.chars().any(|c| c.is_ascii_digit())),
        ];
        let pairs = train(20_000);
        for (name, least, holds) in constructions {
            let count = pairs.iter().filter(|(en, de)| holds(en, de)).count();
            println!("{name}: {:.1} of 1,000", count as f64 / 20.0);
            assert!(count >= least * 20, "{name}: {count} of 20,000, fewer than {least} of 1,000");
        }
    }

    #[test]
    fn vocabulary_and_lengths_stay_in_bounds() {
        let pairs = train(20_000);
        let sides: [Vec<&str>; 2] =
            [pairs.iter().map(|p| p.0.as_str()).collect(), pairs.iter().map(|p| p.1.as_str()).collect()];
        for (side, most) in sides.iter().zip([600, 1_100]) {
            let words =
                side.iter().flat_map(|line| line.split([' ', ',', '.', '?'])).filter(|w| !w.is_empty());
            let total = words.clone().count();
            let types: HashSet<String> = words.map(str::to_lowercase).collect();
            println!("{} types, {:.2} words a sentence", types.len(), total as f64 / side.len() as f64);
            assert!(types.len() <= most, "{} types", types.len());
            assert!((8..=12).contains(&(total / side.len())), "{} words a sentence", total / side.len());
        }
        assert!(sides[0].iter().all(|line| shares::WORDS.contains(&line.split(' ').count())));
    }

    #[test]
    fn punctuation_and_capitals_are_right_in_every_line() {
        for (source, target) in train(20_000) {
            for line in [&source, &target] {
                assert!(
                    line.chars().next().is_some_and(|c| c.is_uppercase() || c.is_ascii_digit()),
                    "{line}"
                );
                assert_eq!(line.matches(['.', '?']).count(), 1, "{line}");
                assert!(!["  ", ",,", " ,", ",.", ",?", " ."].iter().any(|bad| line.contains(bad)), "{line}");
            }
            assert_eq!(source.ends_with('?'), target.ends_with('?'), "{source} {target}");
            for opener in ["dass", "weil", "ob", "obwohl", "wenn"] {
                assert!(
                    !target.contains(&format!("{opener} ")) || opens_a_clause(&target, opener),
                    "{target}"
                );
            }
        }
    }

    /// Whether `word` stands only behind a comma or at the beginning.
    fn opens_a_clause(line: &str, word: &str) -> bool {
        line.match_indices(&format!(" {word} ")).all(|(at, _)| line[..at].ends_with(','))
    }

    #[test]
    fn every_definite_article_before_a_noun_agrees_with_it_in_some_case() {
        use category::{Case, Number};
        use declension::Article;
        let lists = [lexicon::PERSONS, lexicon::ANIMALS, lexicon::THINGS, lexicon::SURFACES, lexicon::PLACES];
        let cases = [Case::Nominative, Case::Accusative, Case::Dative, Case::Genitive];
        let mut known = HashSet::new();
        let mut allowed = HashSet::new();
        for noun in lists.into_iter().flatten() {
            for number in [Number::Singular, Number::Plural] {
                for case in cases {
                    let form = declension::noun_form(noun, case, number);
                    let article = declension::article(Article::Definite, case, noun.gender, number);
                    allowed.insert((article, form.clone()));
                    known.insert(form);
                }
            }
        }
        let mut checked = 0;
        for (_, target) in train(20_000) {
            // Within two words of a comma "der" may be a relative pronoun, which need not agree with what follows.
            let words: Vec<&str> = target.trim_end_matches(['.', '?']).split(' ').collect();
            for (index, pair) in words.windows(2).enumerate() {
                let relative =
                    index > 0 && words[..=index].iter().rev().skip(1).take(2).any(|w| w.ends_with(','));
                let noun = pair[1].trim_end_matches(',');
                let article = pair[0].to_lowercase();
                if !relative
                    && known.contains(noun)
                    && ["der", "die", "das", "den", "dem", "des"].contains(&&*article)
                {
                    assert!(allowed.contains(&(article, noun.to_string())), "{pair:?} in {target}");
                    checked += 1;
                }
            }
        }
        assert!(checked > 10_000, "{checked}");
    }

    #[test]
    fn german_written_by_this_grammar_is_a_function_of_the_english() {
        // Attachment ambiguities ("sees the dog in the garden") show in German only with "nicht".
        let mut planner = planner::Planner::new(seed::rng(3, Purpose::Corpus, 0));
        let mut first = std::collections::HashMap::new();
        let mut differing = 0;
        for _ in 0..30_000 {
            let sentence = planner.sentence();
            let target = german::write(&sentence);
            differing +=
                usize::from(*first.entry(english::write(&sentence)).or_insert(target.clone()) != target);
        }
        assert!(differing <= 3, "{differing} English sentences have two translations");
    }

    #[test]
    fn the_first_pairs_never_change() {
        // A change here changes every result on the generated corpus: raise RESULT_VERSION with it.
        let pairs = train(GOLDEN.len());
        for ((source, target), wanted) in pairs.iter().zip(GOLDEN) {
            assert_eq!((source.as_str(), target.as_str()), *wanted);
        }
    }

    const GOLDEN: &[(&str, &str)] = &[
        (
            "The teacher throws away our small knives and gives them to our brother.",
            "Der Lehrer wirft unsere kleinen Messer weg und gibt sie unserem Bruder.",
        ),
        (
            "On Monday a baby who finds the glass puts the beautiful glass of the children on her beautiful table.",
            "Am Montag legt ein Baby, das das Glas findet, das schöne Glas der Kinder auf ihren schönen Tisch.",
        ),
        ("Whom do we call?", "Wen rufen wir an?"),
        (
            "The aunt looks at Peter because I have followed the woman.",
            "Die Tante sieht Peter an, weil ich der Frau gefolgt bin.",
        ),
        (
            "The teacher can go into our garden on Monday.",
            "Der Lehrer kann am Montag in unseren Garten gehen.",
        ),
        ("His girl is more tired than the bird.", "Sein Mädchen ist müder als der Vogel."),
        (
            "4 aunts have asked whether our women visit the woman.",
            "4 Tanten haben gefragt, ob unsere Frauen die Frau besuchen.",
        ),
        (
            "Anna has known that the man thanks her young aunt.",
            "Anna hat gewusst, dass der Mann ihrer jungen Tante dankt.",
        ),
        (
            "In the evening the doctors see his flower in the forest.",
            "Am Abend sehen die Ärzte seine Blume im Wald.",
        ),
        ("Peter has helped the daughter.", "Peter hat der Tochter geholfen."),
        (
            "This young woman in the schools is loved by our boy.",
            "Diese junge Frau in den Schulen wird von unserem Jungen geliebt.",
        ),
        ("To whom does our bird bring the picture?", "Wem bringt unser Vogel das Bild?"),
        ("The student has gone into the beautiful kitchen.", "Der Student ist in die schöne Küche gegangen."),
        (
            "Our teacher carries the picture because it is not old.",
            "Unser Lehrer trägt das Bild, weil es nicht alt ist.",
        ),
        (
            "These boys have asked whether the dog can find thirty-one school keys.",
            "Diese Jungen haben gefragt, ob der Hund einunddreißig Schulschlüssel finden kann.",
        ),
        (
            "The students whom the horse has followed often carry his book.",
            "Die Studenten, denen das Pferd gefolgt ist, tragen oft sein Buch.",
        ),
        (
            "When a clever teacher does not arrive, the woman does not call the poor woman.",
            "Wenn ein kluger Lehrer nicht ankommt, ruft die Frau die arme Frau nicht an.",
        ),
        ("The grandmother has gone into my kitchen.", "Die Großmutter ist in meine Küche gegangen."),
        ("Whom do I help?", "Wem helfe ich?"),
        ("I go behind the park.", "Ich gehe hinter den Park."),
    ];
}
