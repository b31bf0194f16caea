//! The properties of words in the lexicon: one type for each kind of word.

use super::category::{Case, Gender};

/// A noun with its German declension.
#[derive(Debug)]
pub struct Noun {
    /// Singular and plural.
    pub english: [&'static str; 2],
    /// Nominative singular, genitive singular, nominative plural.
    pub german: [&'static str; 3],
    pub gender: Gender,
    /// Whether it takes the genitive's ending in accusative and dative, too (der Student, den Studenten).
    pub weak: bool,
    /// Family of the first elements that make a compound with it.
    pub compounds: Option<Series>,
}

/// Families of closed compounds: every first element goes with every head of its family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Series {
    /// kitchen table: Küchentisch.
    Room,
    /// winter coat: Wintermantel.
    Season,
    /// village church: Dorfkirche.
    Town,
}

/// First element of a compound.
#[derive(Debug)]
pub struct CompoundElement {
    pub english: &'static str,
    /// With its linking sound, before the lower-case head.
    pub german: &'static str,
    pub series: Series,
}

#[derive(Debug)]
pub struct Adjective {
    /// Positive and comparative.
    pub english: [&'static str; 2],
    /// Uninflected, the stem before endings, comparative.
    pub german: [&'static str; 3],
}

/// Class of nouns that a verb combines with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Person,
    Animal,
    Thing,
    /// A person or an animal.
    Being,
    /// Anything that can be seen.
    Any,
}

impl Class {
    /// Whether a noun of class `other` can stand where this class is wanted.
    pub fn admits(self, other: Class) -> bool {
        match self {
            Class::Any => true,
            Class::Being => matches!(other, Class::Person | Class::Animal | Class::Being),
            _ => self == other,
        }
    }
}

/// Complements that a verb needs beside its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    Intransitive,
    /// One noun phrase in this case.
    Object(Case, Class),
    /// One noun phrase behind a preposition: English, German, its case.
    Prepositional(&'static str, &'static str, Case, Class),
    /// A thing in the accusative and a recipient in the dative.
    Ditransitive,
}

#[derive(Debug)]
pub struct Verb {
    /// Infinitive, third person singular, past participle.
    pub english: [&'static str; 3],
    /// English particle, or empty: before a noun phrase, behind a pronoun ("throws it away").
    pub particle: &'static str,
    /// Infinitive without prefix, first and third person singular without prefix, past participle with it.
    /// The plural equals the infinitive.
    pub german: [&'static str; 4],
    /// Separable prefix, or empty.
    pub prefix: &'static str,
    /// Whether the perfect is formed with "sein".
    pub sein: bool,
    pub frame: Frame,
}

/// A verb before an infinitive.
#[derive(Debug)]
pub struct Modal {
    /// Third person singular and the other form.
    pub english: [&'static str; 2],
    /// Negated form; `None` where English negates with "do".
    pub english_negated: Option<&'static str>,
    /// First person singular, third person singular, plural.
    pub german: [&'static str; 3],
}

/// An adverbial that is the same in every sentence.
#[derive(Debug, PartialEq)]
pub struct Adverb {
    pub english: &'static str,
    pub german: &'static str,
}

/// A two-way preposition: dative for a place, accusative for a direction.
#[derive(Debug)]
pub struct Preposition {
    pub english: &'static str,
    /// English with a direction, where it differs ("in" and "into").
    pub english_direction: &'static str,
    pub german: &'static str,
}

impl Noun {
    /// Makes compounds with the first elements of a family.
    pub const fn with(mut self, series: Series) -> Self {
        self.compounds = Some(series);
        self
    }
}

impl Verb {
    /// Adds an English particle.
    pub const fn particle(mut self, particle: &'static str) -> Self {
        self.particle = particle;
        self
    }

    /// Adds a separable German prefix.
    pub const fn prefix(mut self, prefix: &'static str) -> Self {
        self.prefix = prefix;
        self
    }

    /// Forms the perfect with "sein".
    pub const fn sein(mut self) -> Self {
        self.sein = true;
        self
    }
}
