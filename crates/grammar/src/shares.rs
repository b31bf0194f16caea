//! Difficulty of the language: every share and bound in one place.
//!
//! Shares are percentages of the cases where the choice arises. Changing any number here
//! changes the corpus, so raise `RESULT_VERSION` with it.

/// Kind of a sentence, drawn with the weights of [`SENTENCES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One clause, subject first or an adverbial in front.
    Main,
    Question,
    /// "… says that …", "… asks whether …".
    Complement,
    /// A subordinate clause behind the main clause.
    SubordinateLast,
    /// A subordinate clause in front of the main clause.
    SubordinateFirst,
    /// "… buys the lamp and puts it …".
    And,
    /// "… sees the lamp, but it is …".
    But,
    /// "… buys the lamp because it is …".
    BecauseIt,
    Infinitive,
    Passive,
    /// "… is older than …".
    State,
}

/// Relative frequencies of the kinds of sentence.
pub const SENTENCES: &[(Kind, u32)] = &[
    (Kind::Main, 34),
    (Kind::Question, 9),
    (Kind::Complement, 10),
    (Kind::SubordinateLast, 8),
    (Kind::SubordinateFirst, 8),
    (Kind::And, 7),
    (Kind::But, 4),
    (Kind::BecauseIt, 5),
    (Kind::Infinitive, 6),
    (Kind::Passive, 4),
    (Kind::State, 5),
];

/// Frames of action verbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Intransitive,
    Transitive,
    WithDative,
    Separable,
    Prepositional,
    Ditransitive,
    Go,
    Put,
    Lie,
}

/// Relative frequencies of the frames.
pub const ACTIONS: &[(Action, u32)] = &[
    (Action::Transitive, 26),
    (Action::Ditransitive, 18),
    (Action::Separable, 14),
    (Action::WithDative, 12),
    (Action::Prepositional, 10),
    (Action::Intransitive, 10),
    (Action::Go, 4),
    (Action::Put, 4),
    (Action::Lie, 4),
];

/// Share of main clauses with a time or place that have it in front.
pub const FRONTED: u32 = 50;
pub const TIME: u32 = 25;
pub const CLOCK: u32 = 20;
pub const PLACE: u32 = 14;
pub const FREQUENCY: u32 = 10;
pub const NEGATED: u32 = 14;
pub const PERFECT: u32 = 20;
pub const MODAL: u32 = 22;
pub const RECIPIENT_FIRST: u32 = 50;

pub const PRONOUN_SUBJECT: u32 = 15;
pub const PRONOUN_OBJECT: u32 = 8;
pub const NAME: u32 = 10;
pub const PLURAL: u32 = 28;
pub const ADJECTIVE: u32 = 28;
pub const COMPOUND: u32 = 35;
/// Share of plural noun phrases that have a count.
pub const COUNT: u32 = 30;
/// Share of counts that are written in digits.
pub const DIGITS: u32 = 25;
/// Shares of noun phrases, among those that may be modified, with a genitive, a preposition, a relative clause.
pub const GENITIVE: u32 = 14;
pub const ATTACHED: u32 = 10;
pub const RELATIVE: u32 = 14;
/// Share of genitives that hold another.
pub const NESTED_GENITIVE: u32 = 25;

/// Number of words of an English sentence.
pub const WORDS: std::ops::RangeInclusive<usize> = 4..=20;
