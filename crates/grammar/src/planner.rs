//! Draws sentences at random: constructions, verbs and what depends on them.
//!
//! The noun phrases are in [`super::phrase`].

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use super::category::{Gender, Number};
use super::lexicon;
use super::sentence::{
    Clause, Degree, Determiner, Front, Nominal, Predicate, Role, Sentence, Tense, Trailing, When,
};
use super::shares::{self, Action, Kind};
use super::word::{Adverb, Class, Frame, Verb};

const WHY: Adverb = Adverb { english: "why", german: "warum" };
const WHERE: Adverb = Adverb { english: "where", german: "wo" };

/// The parts that a noun phrase may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// Genitives, prepositional phrases and relative clauses.
    Full,
    /// Determiner, adjective, noun.
    Plain,
}

/// A source of sentences; the generator's state is its only state.
pub struct Planner {
    rng: ChaCha8Rng,
}

impl Planner {
    pub fn new(rng: ChaCha8Rng) -> Self {
        Planner { rng }
    }

    pub fn sentence(&mut self) -> Sentence {
        match self.weighted(shares::SENTENCES) {
            Kind::Main => self.main(),
            Kind::Question => self.question(),
            Kind::Complement => self.complement(),
            Kind::SubordinateLast => {
                let (conjunction, clause, second) = self.joined();
                behind(clause, Trailing::Subordinate(conjunction, second))
            }
            Kind::SubordinateFirst => {
                let (conjunction, before, clause) = self.joined();
                Sentence { front: Front::Subordinate(conjunction, Box::new(before)), clause, trailing: None }
            }
            Kind::And => {
                let (mut clause, it) = self.about_a_thing();
                // "has bought it and put it" leaves open what "put" is; two present tenses do not.
                set_present(&mut clause);
                let second = Clause { subject: shared_subject(&clause.subject), ..self.reuse(it, &clause) };
                behind(clause, Trailing::And(second))
            }
            Kind::But => {
                let (clause, it) = self.about_a_thing();
                let second = self.description(it);
                behind(clause, Trailing::But(second))
            }
            Kind::BecauseIt => {
                let (clause, it) = self.about_a_thing();
                let second = self.description(it);
                behind(clause, Trailing::Subordinate(&lexicon::BECAUSE, second))
            }
            Kind::Infinitive => self.infinitive(),
            Kind::Passive => self.passive(),
            Kind::State => self.state(),
        }
    }

    fn main(&mut self) -> Sentence {
        let mut clause = self.clause(None, Detail::Full);
        let fronted = self.chance(shares::FRONTED);
        // Behind a relative clause an adverbial would be read as part of it.
        let closed = last_nominal(&clause).is_some_and(Nominal::ends_in_clause);
        let front = if clause.time.is_some() && (fronted || closed) {
            Front::Time
        } else if clause.place.as_ref().is_some_and(|place| !place.direction) && (fronted || closed) {
            Front::Place
        } else {
            Front::Subject
        };
        if closed {
            if !matches!(front, Front::Time) {
                clause.time = None;
            }
            if clause.place.as_ref().is_some_and(|place| !place.direction) && !matches!(front, Front::Place) {
                clause.place = None;
            }
        }
        Sentence { front, clause, trailing: None }
    }

    fn question(&mut self) -> Sentence {
        let (front, role) = match self.below(10) {
            0..3 => (Front::Polar, None),
            3..5 => return self.question_of_circumstance(),
            5..7 => (Front::Who, Some(Role::Subject)),
            7..9 => (Front::Who, Some(Role::Object)),
            _ => (Front::Who, Some(Role::Recipient)),
        };
        let mut clause = self.clause(role, Detail::Plain);
        role.iter().for_each(|&role| ask(&mut clause, role));
        if role != Some(Role::Subject) {
            clause.negated = false;
        }
        Sentence { front, clause, trailing: None }
    }

    fn question_of_circumstance(&mut self) -> Sentence {
        let mut clause = self.clause(None, Detail::Plain);
        (clause.negated, clause.time, clause.frequency) = (false, None, None);
        // A direction would be asked for with "wohin".
        let place = clause.place.as_ref().is_none_or(|place| !place.direction);
        let front = if place && self.chance(50) {
            clause.place = None;
            Front::Circumstance(&WHERE)
        } else {
            Front::Circumstance(&WHY)
        };
        Sentence { front, clause, trailing: None }
    }

    /// Draws two clauses for a conjunction; "when" joins events of one time.
    fn joined(&mut self) -> (&'static Adverb, Clause, Clause) {
        let conjunction = self.pick(lexicon::SUBORDINATORS);
        let (mut first, mut second) = (self.short_clause(), self.short_clause());
        if *conjunction == lexicon::WHEN {
            [&mut first, &mut second].into_iter().for_each(without_perfect);
        }
        (conjunction, first, second)
    }

    fn complement(&mut self) -> Sentence {
        let second = self.short_clause();
        let (verb, conjunction) = if self.chance(25) {
            (&lexicon::ASK, &lexicon::WHETHER)
        } else {
            (self.pick(lexicon::SAYING), &lexicon::THAT)
        };
        let subject = self.subject(Detail::Full);
        let perfect = self.chance(shares::PERFECT);
        let clause = act(subject, verb, if perfect { Tense::Perfect } else { Tense::Present }, None);
        behind(clause, Trailing::Subordinate(conjunction, second))
    }

    fn infinitive(&mut self) -> Sentence {
        let purpose = self.chance(35);
        let clause = if purpose {
            let subject = self.subject(Detail::Plain);
            let mut clause = act(subject, &lexicon::GO, Tense::Present, None);
            clause.place = Some(self.place(true));
            clause
        } else {
            let verb = self.pick(lexicon::INTENDING);
            act(self.subject(Detail::Full), verb, Tense::Present, None)
        };
        // A goal that a person can have: things lie, and cannot try to.
        let mut goal = self.clause(Some(Role::Subject), Detail::Plain);
        goal.subject = shared_subject(&clause.subject);
        (goal.negated, goal.time, goal.frequency) = (false, None, None);
        set_present(&mut goal);
        behind(clause, Trailing::Infinitive { purpose, clause: goal })
    }

    fn passive(&mut self) -> Sentence {
        let verb = self.pick(lexicon::TRANSITIVE);
        let class = match verb.frame {
            Frame::Object(_, class) => class,
            _ => Class::Any,
        };
        let subject = self.object(class, Detail::Full, false);
        let actor = self.noun(Class::Being, Detail::Plain);
        let front = if self.chance(shares::TIME) { Front::Time } else { Front::Subject };
        let mut clause = stated(subject, Predicate::Passive { verb, actor });
        if matches!(front, Front::Time) {
            clause.time = Some(When::Phrase(self.pick(lexicon::TIMES)));
        }
        Sentence { front, clause, trailing: None }
    }

    fn state(&mut self) -> Sentence {
        let thing = self.chance(50);
        let (class, adjectives) = if thing {
            (Class::Thing, lexicon::THING_ADJECTIVES)
        } else {
            (Class::Being, lexicon::BEING_ADJECTIVES)
        };
        let subject = self.noun(class, Detail::Full);
        let adjective = self.pick(adjectives);
        let comparison = match self.below(3) {
            0 => None,
            1 => Some(Degree::Equal),
            _ => Some(Degree::More),
        };
        let comparison = comparison.map(|degree| (degree, self.phrase(class, Detail::Plain)));
        let comparison = comparison.map(|(degree, phrase)| (degree, Nominal::Phrase(Box::new(phrase))));
        let negated = comparison.is_none() && self.chance(shares::NEGATED);
        let predicate = Predicate::State { adjective, comparison };
        let clause = Clause { negated, ..stated(subject, predicate) };
        Sentence { front: Front::Subject, clause, trailing: None }
    }

    /// Draws a clause whose object is a thing; also returns the pronoun for that thing.
    fn about_a_thing(&mut self) -> (Clause, Nominal) {
        let things = lexicon::TRANSITIVE
            .iter()
            .chain(lexicon::SEPARABLE)
            .filter(|verb| matches!(verb.frame, Frame::Object(_, Class::Thing | Class::Any)));
        let verbs: Vec<&'static Verb> = things.collect();
        let verb = verbs[self.below(verbs.len())];
        let subject = self.subject(Detail::Full);
        let thing = self.phrase(Class::Thing, Detail::Plain);
        let it = Nominal::It(thing.noun.gender, thing.number);
        let tense = self.tense();
        (act(subject, verb, tense, Some(Nominal::Phrase(Box::new(thing)))), it)
    }

    /// Draws a clause in which the same subject does something with "it" after `before`.
    fn reuse(&mut self, it: Nominal, before: &Clause) -> Clause {
        // The caller replaces this subject.
        let subject = Nominal::First(Number::Singular);
        match self.below(3) {
            0 => {
                let mut clause = act(subject, &lexicon::PUT, Tense::Present, Some(it));
                clause.place = Some(self.furniture(true));
                clause
            }
            1 => {
                let mut clause = act(subject, self.pick(lexicon::DITRANSITIVE), Tense::Present, Some(it));
                let person = self.phrase(Class::Person, Detail::Plain);
                if let Predicate::Action { recipient, .. } = &mut clause.predicate {
                    *recipient = Some(Nominal::Phrase(Box::new(person)));
                }
                clause
            }
            _ => {
                let [verb, other] = if self.chance(50) {
                    [&lexicon::THROW_AWAY, &lexicon::CARRY]
                } else {
                    [&lexicon::CARRY, &lexicon::THROW_AWAY]
                };
                // Not the same verb twice.
                let again = matches!(&before.predicate, Predicate::Action { verb: first, .. } if first.english == verb.english);
                let verb = if again { other } else { verb };
                act(subject, verb, Tense::Present, Some(it))
            }
        }
    }

    /// Draws a description of a thing: "it is old".
    fn description(&mut self, it: Nominal) -> Clause {
        let adjective = self.pick(lexicon::THING_ADJECTIVES);
        let negated = self.chance(shares::NEGATED);
        Clause { negated, ..stated(it, Predicate::State { adjective, comparison: None }) }
    }

    /// Draws a clause without long noun phrases or adverbials, for sentences of two clauses.
    fn short_clause(&mut self) -> Clause {
        let mut clause = self.clause(None, Detail::Plain);
        clause.time = None;
        clause
    }

    /// Draws a clause about an action. With `moved`, the frame has that role, and it is filled like any other.
    pub(super) fn clause(&mut self, moved: Option<Role>, detail: Detail) -> Clause {
        let action = loop {
            let action = self.weighted(shares::ACTIONS);
            let fits = match (moved, action) {
                (None, _) => true,
                (Some(Role::Subject), action) => action != Action::Lie,
                (Some(Role::Object), Action::Transitive | Action::WithDative | Action::Separable) => true,
                (Some(Role::Recipient), Action::Ditransitive) => true,
                (Some(Role::Object | Role::Recipient), _) => false,
            };
            if fits {
                break action;
            }
        };
        let verb: &'static Verb = match action {
            Action::Intransitive => self.pick(lexicon::INTRANSITIVE),
            Action::Transitive => self.pick(lexicon::TRANSITIVE),
            Action::WithDative => self.pick(lexicon::WITH_DATIVE),
            Action::Separable => self.pick(lexicon::SEPARABLE),
            Action::Prepositional => self.pick(lexicon::PREPOSITIONAL),
            Action::Ditransitive => self.pick(lexicon::DITRANSITIVE),
            Action::Go => &lexicon::GO,
            Action::Put => &lexicon::PUT,
            Action::Lie => &lexicon::LIE,
        };
        self.action(verb, action, moved, detail)
    }

    fn action(&mut self, verb: &'static Verb, action: Action, moved: Option<Role>, detail: Detail) -> Clause {
        let subject = match action {
            Action::Lie => self.noun(Class::Thing, Detail::Plain),
            _ => self.subject(detail),
        };
        let tense = if action == Action::Lie { Tense::Present } else { self.tense() };
        let object = match verb.frame {
            Frame::Object(_, class) => Some(self.object(class, detail, action != Action::Put)),
            Frame::Prepositional(.., class) => Some(self.object(class, Detail::Plain, false)),
            Frame::Ditransitive => Some(self.noun(Class::Thing, Detail::Plain)),
            Frame::Intransitive => None,
        };
        let mut clause = act(subject, verb, tense, object);
        if let (Frame::Ditransitive, Predicate::Action { recipient, recipient_first, .. }) =
            (verb.frame, &mut clause.predicate)
        {
            *recipient = Some(self.object(Class::Person, Detail::Plain, true));
            *recipient_first = moved != Some(Role::Recipient) && self.chance(shares::RECIPIENT_FIRST);
        }
        self.circumstances(&mut clause, action);
        clause
    }

    /// Draws negation, frequency, time and place, as far as they go together.
    fn circumstances(&mut self, clause: &mut Clause, action: Action) {
        clause.place = match action {
            Action::Go => Some(self.place(true)),
            Action::Put => Some(self.furniture(true)),
            Action::Lie => Some(self.furniture(false)),
            Action::Intransitive | Action::Transitive if self.chance(shares::PLACE) => {
                Some(self.place(false))
            }
            _ => None,
        };
        if self.chance(shares::NEGATED) && may_be_negated(clause) {
            clause.negated = true;
        } else if self.chance(shares::FREQUENCY) && !matches!(tense_of(clause), Some(Tense::Modal(_))) {
            clause.frequency = Some(self.pick(lexicon::FREQUENCIES));
            return;
        }
        if self.chance(shares::TIME) {
            clause.time = Some(match tense_of(clause) {
                Some(Tense::Perfect) => When::Phrase(self.pick(lexicon::PERFECT_TIMES)),
                _ if self.chance(shares::CLOCK) => {
                    When::Clock { hour: 1 + self.below(12), half: self.chance(50) }
                }
                _ => When::Phrase(self.pick(lexicon::TIMES)),
            });
        }
    }

    pub(super) fn tense(&mut self) -> Tense {
        match self.below(100) as u32 {
            roll if roll < shares::PERFECT => Tense::Perfect,
            roll if roll < shares::PERFECT + shares::MODAL => Tense::Modal(self.pick(lexicon::MODALS)),
            _ => Tense::Present,
        }
    }

    /// Draws an integer in 0..n, from 32 bits by multiplication: no floating point, one draw, same everywhere.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.rng.next_u32()) * n as u64) >> 32) as usize
    }

    pub(super) fn chance(&mut self, percent: u32) -> bool {
        (self.below(100) as u32) < percent
    }

    /// Draws a word of a list. It is the earlier of two draws, so that some words are frequent and some rare.
    pub(super) fn pick<T>(&mut self, list: &'static [T]) -> &'static T {
        let drawn = self.below(list.len());
        &list[drawn.min(self.below(list.len()))]
    }

    fn weighted<T: Copy>(&mut self, choices: &[(T, u32)]) -> T {
        let total: u32 = choices.iter().map(|(_, weight)| weight).sum();
        let mut roll = self.below(total as usize) as u32;
        for &(choice, weight) in choices {
            if roll < weight {
                return choice;
            }
            roll -= weight;
        }
        choices[0].0
    }
}

fn behind(clause: Clause, trailing: Trailing) -> Sentence {
    Sentence { front: Front::Subject, clause, trailing: Some(trailing) }
}

fn stated(subject: Nominal, predicate: Predicate) -> Clause {
    Clause { subject, predicate, negated: false, time: None, frequency: None, place: None }
}

pub(super) fn act(subject: Nominal, verb: &'static Verb, tense: Tense, object: Option<Nominal>) -> Clause {
    stated(subject, Predicate::Action { verb, tense, object, recipient: None, recipient_first: false })
}

pub(super) fn third((gender, number): (Gender, Number)) -> Nominal {
    Nominal::Third(gender, number)
}

/// The subject of a clause that leaves it out: never written, but verbs agree with it.
fn shared_subject(subject: &Nominal) -> Nominal {
    match subject {
        Nominal::First(number) => Nominal::First(*number),
        Nominal::Phrase(phrase) => Nominal::Gap(phrase.noun.gender, phrase.number),
        Nominal::Third(gender, number) | Nominal::It(gender, number) | Nominal::Gap(gender, number) => {
            Nominal::Gap(*gender, *number)
        }
        Nominal::Name(_) | Nominal::Asked { .. } => Nominal::Gap(Gender::Masculine, Number::Singular),
    }
}

fn set_present(clause: &mut Clause) {
    if let Predicate::Action { tense, .. } = &mut clause.predicate {
        *tense = Tense::Present;
    }
}

fn without_perfect(clause: &mut Clause) {
    if matches!(tense_of(clause), Some(Tense::Perfect)) {
        set_present(clause);
    }
}

fn tense_of(clause: &Clause) -> Option<Tense> {
    match clause.predicate {
        Predicate::Action { tense, .. } => Some(tense),
        _ => None,
    }
}

/// "does not see three dogs" has two readings and "gives the man not a book" none: only clauses
/// whose objects are definite, or one indefinite singular, are negated.
fn may_be_negated(clause: &Clause) -> bool {
    let determiner = |nominal: &Nominal| match nominal {
        Nominal::Phrase(phrase) => Some(phrase.determiner),
        _ => None,
    };
    let Predicate::Action { verb, object, recipient, .. } = &clause.predicate else { return true };
    let counted = |nominal: &Nominal| matches!(determiner(nominal), Some(Determiner::Count { .. }));
    let indefinite = |nominal: &Nominal| determiner(nominal) == Some(Determiner::A);
    let object_fits = object.as_ref().is_none_or(|object| {
        !(counted(object) || indefinite(object) && matches!(verb.frame, Frame::Prepositional(..)))
    });
    let recipient_fits =
        recipient.as_ref().is_none_or(|recipient| !counted(recipient) && !indefinite(recipient));
    object_fits && recipient_fits
}

/// Returns the last noun phrase before the adverbials.
fn last_nominal(clause: &Clause) -> Option<&Nominal> {
    match &clause.predicate {
        Predicate::Action { object: None, recipient: None, .. } => None,
        Predicate::Action { object, recipient, .. } => object.as_ref().or(recipient.as_ref()),
        Predicate::Passive { actor, .. } => Some(actor),
        Predicate::State { .. } => None,
    }
}

fn person_object(clause: &Clause) -> bool {
    match &clause.predicate {
        Predicate::Action { verb, .. } => !matches!(verb.frame, Frame::Object(_, Class::Thing)),
        _ => false,
    }
}

/// Puts `nominal` in the place of `role`.
pub(super) fn fill(clause: &mut Clause, role: Role, nominal: Nominal) {
    match (role, &mut clause.predicate) {
        (Role::Subject, _) => clause.subject = nominal,
        (Role::Object, Predicate::Action { object, .. }) => *object = Some(nominal),
        (Role::Recipient, Predicate::Action { recipient, .. }) => *recipient = Some(nominal),
        (Role::Object | Role::Recipient, _) => {}
    }
}

/// Makes the clause ask for `role`: "what" where the verb wants a thing, else "who".
fn ask(clause: &mut Clause, role: Role) {
    let person = role != Role::Object || person_object(clause);
    fill(clause, role, Nominal::Asked { person });
}
