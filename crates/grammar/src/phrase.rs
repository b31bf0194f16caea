//! Draws noun phrases and places: determiners, adjectives, compounds, modifiers.

use super::category::{Gender, Number};
use super::lexicon;
use super::planner::{Detail, Planner, act, fill, third};
use super::sentence::{Clause, Determiner, Modifier, Nominal, NounPhrase, Place, Role};
use super::shares;
use super::word::{Adjective, Class, Frame, Noun, Preposition, Verb};

const POSSESSIVES: &[Determiner] = &[
    Determiner::Possessive("my", "mein"),
    Determiner::Possessive("his", "sein"),
    Determiner::Possessive("her", "ihr"),
    Determiner::Possessive("our", "unser"),
];

const ONE_OF_EACH: &[(Gender, Number)] = &[
    (Gender::Masculine, Number::Singular),
    (Gender::Feminine, Number::Singular),
    (Gender::Masculine, Number::Plural),
];

impl Planner {
    pub(super) fn subject(&mut self, detail: Detail) -> Nominal {
        if self.chance(shares::PRONOUN_SUBJECT) {
            return match self.below(5) {
                0 => Nominal::First(Number::Singular),
                1 => Nominal::First(Number::Plural),
                other => third(ONE_OF_EACH[other - 2]),
            };
        }
        if self.chance(shares::NAME) {
            return Nominal::Name(self.pick::<&str>(lexicon::NAMES));
        }
        self.noun(Class::Being, detail)
    }

    pub(super) fn object(&mut self, class: Class, detail: Detail, pronouns: bool) -> Nominal {
        let person = class != Class::Thing && class != Class::Animal;
        if person && pronouns && self.chance(shares::PRONOUN_OBJECT) {
            return third(ONE_OF_EACH[self.below(ONE_OF_EACH.len())]);
        }
        if person && self.chance(shares::NAME) {
            return Nominal::Name(self.pick::<&str>(lexicon::NAMES));
        }
        self.noun(class, detail)
    }

    /// Draws a noun phrase as a subject or object.
    pub(super) fn noun(&mut self, class: Class, detail: Detail) -> Nominal {
        Nominal::Phrase(Box::new(self.phrase(class, detail)))
    }

    pub(super) fn phrase(&mut self, class: Class, detail: Detail) -> NounPhrase {
        let class = match class {
            Class::Any if self.chance(50) => Class::Thing,
            Class::Any | Class::Being if self.chance(20) => Class::Animal,
            Class::Any | Class::Being => Class::Person,
            other => other,
        };
        let (nouns, adjectives) = match class {
            Class::Thing => (lexicon::THINGS, lexicon::THING_ADJECTIVES),
            Class::Animal => (lexicon::ANIMALS, lexicon::BEING_ADJECTIVES),
            _ => (lexicon::PERSONS, lexicon::BEING_ADJECTIVES),
        };
        let mut phrase = self.plain(nouns, adjectives);
        if detail == Detail::Full {
            phrase.modifier = self.modifier(class, &phrase);
        }
        phrase
    }

    fn plain(&mut self, nouns: &'static [Noun], adjectives: &'static [Adjective]) -> NounPhrase {
        let noun = self.pick(nouns);
        let number = if self.chance(shares::PLURAL) { Number::Plural } else { Number::Singular };
        let determiner = if number == Number::Plural && self.chance(shares::COUNT) {
            let value = if self.chance(50) { 2 + self.below(11) } else { 13 + self.below(87) };
            Determiner::Count { value, digits: self.chance(shares::DIGITS) }
        } else {
            match self.below(20) {
                0..11 => Determiner::The,
                11..15 if number == Number::Singular => Determiner::A,
                11..18 => POSSESSIVES[self.below(POSSESSIVES.len())],
                _ => Determiner::This,
            }
        };
        let adjective = self.chance(shares::ADJECTIVE).then(|| self.pick(adjectives));
        let element = noun.compounds.filter(|_| self.chance(shares::COMPOUND)).and_then(|series| {
            let family: Vec<_> =
                lexicon::COMPOUND_ELEMENTS.iter().filter(|element| element.series == series).collect();
            family.get(self.below(family.len())).copied()
        });
        NounPhrase { determiner, adjective, element, noun, number, modifier: None }
    }

    fn modifier(&mut self, class: Class, phrase: &NounPhrase) -> Option<Modifier> {
        let genitive = if class == Class::Animal { 0 } else { shares::GENITIVE };
        let roll = self.below(100) as u32;
        if roll < genitive {
            // "my brother of the king" is not good English.
            let owned = matches!(phrase.determiner, Determiner::The);
            return owned.then(|| Modifier::Of(Box::new(self.owner())));
        }
        if roll < genitive + shares::ATTACHED {
            return Some(match class {
                Class::Person if self.chance(50) => {
                    Modifier::With(Box::new(self.plain(lexicon::THINGS, lexicon::THING_ADJECTIVES)))
                }
                Class::Thing => Modifier::At(Box::new(self.furniture(false))),
                _ => Modifier::At(Box::new(self.place(false))),
            });
        }
        (roll < genitive + shares::ATTACHED + shares::RELATIVE).then(|| self.relative(class, phrase))
    }

    /// Draws a person in the genitive, who may belong to another person.
    fn owner(&mut self) -> NounPhrase {
        let mut owner = self.plain(lexicon::PERSONS, lexicon::BEING_ADJECTIVES);
        // A genitive needs an article to show itself.
        if matches!(owner.determiner, Determiner::Count { .. }) {
            owner.determiner = Determiner::The;
        }
        if owner.determiner == Determiner::The && self.chance(shares::NESTED_GENITIVE) {
            let mut inner = self.plain(lexicon::PERSONS, lexicon::BEING_ADJECTIVES);
            inner.determiner = Determiner::The;
            owner.modifier = Some(Modifier::Of(Box::new(inner)));
        }
        owner
    }

    fn relative(&mut self, class: Class, head: &NounPhrase) -> Modifier {
        let gap = Nominal::Gap(head.noun.gender, head.number);
        let person = class == Class::Person;
        let role = match self.below(10) {
            _ if class == Class::Thing => Role::Object,
            0..5 => Role::Subject,
            5 if person => Role::Recipient,
            _ => Role::Object,
        };
        let clause = match role {
            Role::Object => {
                let verb = self.verb_for(class);
                let subject = self.subject(Detail::Plain);
                act(subject, verb, self.tense(), Some(gap))
            }
            Role::Subject | Role::Recipient => {
                let mut clause = self.clause(Some(role), Detail::Plain);
                fill(&mut clause, role, gap);
                clause
            }
        };
        let clause = Clause { time: None, negated: false, frequency: None, ..clause };
        Modifier::Relative { person, clause: Box::new(clause) }
    }

    /// Draws a verb whose object may be of this class.
    fn verb_for(&mut self, class: Class) -> &'static Verb {
        loop {
            let verb = match self.below(10) {
                0..4 => self.pick(lexicon::TRANSITIVE),
                4..6 => self.pick(lexicon::SEPARABLE),
                6..8 => self.pick(lexicon::WITH_DATIVE),
                _ => self.pick(lexicon::PREPOSITIONAL),
            };
            // Every class has such a verb early in the lists, so this ends.
            if let Frame::Object(_, wanted) | Frame::Prepositional(.., wanted) = verb.frame
                && wanted.admits(class)
            {
                return verb;
            }
        }
    }

    /// Draws a place in, behind or in front of a building or a landscape.
    pub(super) fn place(&mut self, direction: bool) -> Place {
        let preposition = if self.chance(60) { &lexicon::IN } else { self.pick(lexicon::PLACE_PREPOSITIONS) };
        self.at(preposition, lexicon::PLACES, direction)
    }

    /// Draws a place on, under or next to a piece of furniture.
    pub(super) fn furniture(&mut self, direction: bool) -> Place {
        let preposition = self.pick(lexicon::SURFACE_PREPOSITIONS);
        self.at(preposition, lexicon::SURFACES, direction)
    }

    fn at(&mut self, preposition: &'static Preposition, nouns: &'static [Noun], direction: bool) -> Place {
        let mut landmark = self.plain(nouns, lexicon::THING_ADJECTIVES);
        if matches!(landmark.determiner, Determiner::Count { .. }) {
            landmark.determiner = Determiner::The;
        }
        Place { preposition, landmark, direction }
    }
}
