//! A sentence before it is written in either language: who does what to whom.
//!
//! Both languages are written from the same tree, so a pair is a translation by construction.

use super::category::{Gender, Number};
use super::word::{Adjective, Adverb, CompoundElement, Modal, Noun, Preposition, Verb};

/// A whole sentence.
#[derive(Debug)]
pub struct Sentence {
    pub front: Front,
    pub clause: Clause,
    pub trailing: Option<Trailing>,
}

/// Element before the subject.
#[derive(Debug)]
pub enum Front {
    /// Nothing: the subject comes first.
    Subject,
    /// The clause's own time adverbial.
    Time,
    /// The clause's own place.
    Place,
    /// A subordinate clause.
    Subordinate(&'static Adverb, Box<Clause>),
    /// A question that is answered with yes or no.
    Polar,
    /// A question about the noun phrase that is a [`Nominal::Asked`] in the clause.
    Who,
    /// A question about an adverbial: where, why.
    Circumstance(&'static Adverb),
}

impl Front {
    pub fn is_question(&self) -> bool {
        matches!(self, Front::Polar | Front::Who | Front::Circumstance(_))
    }

    /// Returns the adverbials of the clause that stand in front.
    pub fn said(&self) -> Skip {
        Skip { time: matches!(self, Front::Time), place: matches!(self, Front::Place) }
    }
}

/// Adverbials that were said already.
#[derive(Debug, Clone, Copy, Default)]
pub struct Skip {
    pub time: bool,
    pub place: bool,
}

/// Element behind the main clause.
#[derive(Debug)]
pub enum Trailing {
    /// A conjunction (that, whether, because …) and its clause.
    Subordinate(&'static Adverb, Clause),
    /// "and" with the subject shared; the clause's own subject gives the agreement.
    And(Clause),
    /// "but" and a full main clause.
    But(Clause),
    /// An infinitive clause; with `purpose`, "in order to".
    Infinitive { purpose: bool, clause: Clause },
}

/// Subject and predicate with their circumstances.
#[derive(Debug)]
pub struct Clause {
    pub subject: Nominal,
    pub predicate: Predicate,
    pub negated: bool,
    pub time: Option<When>,
    pub frequency: Option<&'static Adverb>,
    pub place: Option<Place>,
}

#[derive(Debug)]
pub enum Predicate {
    Action {
        verb: &'static Verb,
        tense: Tense,
        object: Option<Nominal>,
        recipient: Option<Nominal>,
        /// English puts the recipient before the object ("gives the man a book").
        recipient_first: bool,
    },
    /// The object of the action as the subject, the actor behind "by".
    Passive { verb: &'static Verb, actor: Nominal },
    /// "is old", "is older than", "is as old as".
    State { adjective: &'static Adjective, comparison: Option<(Degree, Nominal)> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Degree {
    Equal,
    More,
}

#[derive(Debug, Clone, Copy)]
pub enum Tense {
    Present,
    Perfect,
    Modal(&'static Modal),
}

#[derive(Debug)]
pub enum When {
    Phrase(&'static Adverb),
    /// "at three o'clock", "at half past three"; hours 1 to 12.
    Clock {
        hour: usize,
        half: bool,
    },
}

/// A place, or a direction: German marks the difference by case, English in "into" alone.
#[derive(Debug)]
pub struct Place {
    pub preposition: &'static Preposition,
    pub landmark: NounPhrase,
    pub direction: bool,
}

/// Anything that fills the place of a subject or an object.
#[derive(Debug)]
pub enum Nominal {
    Phrase(Box<NounPhrase>),
    Name(&'static str),
    /// "I" and "we".
    First(Number),
    /// A pronoun for a person.
    Third(Gender, Number),
    /// "it" for a thing whose German noun has this gender, or "they" for several.
    It(Gender, Number),
    /// The part that the relative pronoun stands for: left out here, said at the head of the clause.
    Gap(Gender, Number),
    /// The part that a question asks for: a person, or a thing.
    Asked {
        person: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Determiner {
    The,
    This,
    A,
    /// English and German stem.
    Possessive(&'static str, &'static str),
    /// A number in digits or words stands in its place.
    Count {
        value: usize,
        digits: bool,
    },
}

#[derive(Debug)]
pub struct NounPhrase {
    pub determiner: Determiner,
    pub adjective: Option<&'static Adjective>,
    pub element: Option<&'static CompoundElement>,
    pub noun: &'static Noun,
    pub number: Number,
    pub modifier: Option<Modifier>,
}

#[derive(Debug)]
pub enum Modifier {
    /// A genitive.
    Of(Box<NounPhrase>),
    With(Box<NounPhrase>),
    At(Box<Place>),
    /// A clause with one [`Nominal::Gap`]. `person` chooses "who" over "that".
    Relative {
        person: bool,
        clause: Box<Clause>,
    },
}

/// Role of the gap in a relative clause, or of the asked part in a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Subject,
    Object,
    Recipient,
}

impl Number {
    pub fn agreement(self) -> Agreement {
        if self == Number::Plural { Agreement::Plural } else { Agreement::Third }
    }
}

/// Person and number, with which finite verbs agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    First,
    Third,
    Plural,
}

impl Nominal {
    pub fn agreement(&self) -> Agreement {
        match self {
            Nominal::Phrase(phrase) => phrase.number.agreement(),
            Nominal::First(Number::Singular) => Agreement::First,
            Nominal::First(Number::Plural) => Agreement::Plural,
            Nominal::Third(_, number) | Nominal::It(_, number) | Nominal::Gap(_, number) => {
                number.agreement()
            }
            Nominal::Name(_) | Nominal::Asked { .. } => Agreement::Third,
        }
    }

    /// Whether it is said elsewhere: at the head of the clause.
    pub fn is_moved(&self) -> bool {
        matches!(self, Nominal::Gap(..) | Nominal::Asked { .. })
    }

    pub fn is_pronoun(&self) -> bool {
        matches!(self, Nominal::First(_) | Nominal::Third(..) | Nominal::It(..))
    }

    /// Whether it ends in a relative clause, behind which an adverbial would be read as part of that clause.
    pub fn ends_in_clause(&self) -> bool {
        matches!(self, Nominal::Phrase(p) if matches!(p.modifier, Some(Modifier::Relative { .. })))
    }
}

impl Clause {
    /// Returns the moved noun phrase of a relative clause or question, and its role.
    pub fn moved(&self) -> Option<(Role, &Nominal)> {
        let mut parts = vec![(Role::Subject, Some(&self.subject))];
        if let Predicate::Action { object, recipient, .. } = &self.predicate {
            parts.push((Role::Object, object.as_ref()));
            parts.push((Role::Recipient, recipient.as_ref()));
        }
        parts.into_iter().find_map(|(role, part)| part.filter(|n| n.is_moved()).map(|n| (role, n)))
    }
}

/// A line under construction: blanks between words, none before punctuation.
#[derive(Debug, Default)]
pub struct Line(String);

impl Line {
    pub fn word(&mut self, word: &str) {
        if word.is_empty() {
            return;
        }
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        self.0.push_str(word);
    }

    /// Adds a comma, unless the line is empty or ends in one.
    pub fn comma(&mut self) {
        if !self.0.is_empty() && !self.0.ends_with(',') {
            self.0.push(',');
        }
    }

    /// Returns the finished sentence: capital first, `mark` last.
    pub fn finish(mut self, mark: char) -> String {
        if self.0.ends_with(',') {
            self.0.pop();
        }
        self.0.push(mark);
        let mut characters = self.0.chars();
        match characters.next() {
            Some(first) => first.to_uppercase().chain(characters).collect(),
            None => String::new(),
        }
    }
}
