//! Writes a [`Sentence`] in English.

use super::category::{Gender, Number};
use super::number;
use super::sentence::{
    Agreement, Clause, Degree, Determiner, Front, Line, Modifier, Nominal, NounPhrase, Place, Predicate,
    Role, Sentence, Skip, Tense, Trailing, When,
};
use super::word::{Frame, Verb};

pub fn write(sentence: &Sentence) -> String {
    let mut line = Line::default();
    let clause = &sentence.clause;
    let skip = sentence.front.said();
    match &sentence.front {
        Front::Subject => declarative(&mut line, clause, skip),
        Front::Time => {
            clause.time.iter().for_each(|time| when(&mut line, time));
            declarative(&mut line, clause, skip);
        }
        Front::Place => {
            clause.place.iter().for_each(|p| place(&mut line, p));
            declarative(&mut line, clause, skip);
        }
        Front::Subordinate(conjunction, before) => {
            line.word(conjunction.english);
            declarative(&mut line, before, Skip::default());
            line.comma();
            declarative(&mut line, clause, skip);
        }
        Front::Polar => question(&mut line, clause),
        Front::Circumstance(word) => {
            line.word(word.english);
            question(&mut line, clause);
        }
        Front::Who => match clause.moved() {
            Some((Role::Subject, _)) => {
                line.word("who");
                declarative(&mut line, clause, skip);
            }
            Some((_, Nominal::Asked { person: false })) => {
                line.word("what");
                question(&mut line, clause);
            }
            moved => {
                line.word(if matches!(moved, Some((Role::Recipient, _))) { "to whom" } else { "whom" });
                question(&mut line, clause);
            }
        },
    }
    match &sentence.trailing {
        None => {}
        Some(Trailing::Subordinate(conjunction, second)) => {
            line.word(conjunction.english);
            declarative(&mut line, second, Skip::default());
        }
        Some(Trailing::And(second)) => {
            line.word("and");
            verb_phrase(&mut line, second, Verbal::Finite, Skip::default());
        }
        Some(Trailing::But(second)) => {
            line.comma();
            line.word("but");
            declarative(&mut line, second, Skip::default());
        }
        Some(Trailing::Infinitive { purpose, clause }) => {
            line.word(if *purpose { "in order to" } else { "to" });
            verb_phrase(&mut line, clause, Verbal::Infinitive, Skip::default());
        }
    }
    line.finish(if sentence.front.is_question() { '?' } else { '.' })
}

/// The part of the verb with which a verb phrase begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verbal {
    /// The finite verb, which is the auxiliary if there is one.
    Finite,
    /// The auxiliary stands before the subject.
    AfterAuxiliary,
    Infinitive,
}

fn declarative(line: &mut Line, clause: &Clause, skip: Skip) {
    nominal(line, &clause.subject, true);
    verb_phrase(line, clause, Verbal::Finite, skip);
}

fn question(line: &mut Line, clause: &Clause) {
    line.word(auxiliary(clause).unwrap_or(do_form(clause)));
    nominal(line, &clause.subject, true);
    verb_phrase(line, clause, Verbal::AfterAuxiliary, Skip::default());
}

/// Returns the auxiliary that questions put first; `None` if they take "do".
fn auxiliary(clause: &Clause) -> Option<&'static str> {
    let agreement = clause.subject.agreement();
    match &clause.predicate {
        Predicate::State { .. } | Predicate::Passive { .. } => Some(be(agreement)),
        Predicate::Action { tense: Tense::Perfect, .. } => {
            Some(if agreement == Agreement::Third { "has" } else { "have" })
        }
        Predicate::Action { tense: Tense::Modal(modal), .. } => {
            modal.english_negated.map(|_| modal.english[0])
        }
        Predicate::Action { tense: Tense::Present, .. } => None,
    }
}

fn be(agreement: Agreement) -> &'static str {
    match agreement {
        Agreement::First => "am",
        Agreement::Third => "is",
        Agreement::Plural => "are",
    }
}

fn do_form(clause: &Clause) -> &'static str {
    if clause.subject.agreement() == Agreement::Third { "does" } else { "do" }
}

fn verb_phrase(line: &mut Line, clause: &Clause, form: Verbal, skip: Skip) {
    let finite = form == Verbal::Finite;
    let third = clause.subject.agreement() == Agreement::Third;
    let frequency = clause.frequency.map_or("", |adverb| adverb.english);
    if let (true, Some(auxiliary)) = (finite, auxiliary(clause)) {
        let negation = match &clause.predicate {
            Predicate::Action { tense: Tense::Modal(modal), .. } => modal.english_negated,
            _ => None,
        };
        match (clause.negated, negation) {
            (true, Some(negated)) => line.word(negated),
            (negated, _) => {
                line.word(auxiliary);
                line.word(if negated { "not" } else { "" });
            }
        }
    } else if finite && clause.negated {
        line.word(do_form(clause));
        line.word("not");
    }
    line.word(frequency);
    // Behind "do" or another auxiliary the main verb is bare; alone it agrees.
    let bare = !finite || clause.negated || auxiliary(clause).is_some();
    match &clause.predicate {
        Predicate::State { adjective, comparison } => match comparison {
            None => line.word(adjective.english[0]),
            Some((Degree::More, other)) => {
                line.word(adjective.english[1]);
                line.word("than");
                nominal(line, other, true);
            }
            Some((Degree::Equal, other)) => {
                line.word("as");
                line.word(adjective.english[0]);
                line.word("as");
                nominal(line, other, true);
            }
        },
        Predicate::Passive { verb, actor } => {
            line.word(verb.english[2]);
            line.word("by");
            nominal(line, actor, false);
        }
        Predicate::Action { verb, tense, object, recipient, recipient_first } => {
            match tense {
                Tense::Perfect if form != Verbal::Infinitive => line.word(verb.english[2]),
                Tense::Modal(modal) if modal.english_negated.is_none() && form != Verbal::Infinitive => {
                    line.word(modal.english[usize::from(bare || !third)]);
                    line.word(verb.english[0]);
                }
                _ => line.word(verb.english[usize::from(!bare && third)]),
            }
            complements(line, verb, object.as_ref(), recipient.as_ref(), *recipient_first);
        }
    }
    if !skip.place {
        clause.place.iter().for_each(|p| place(line, p));
    }
    if !skip.time {
        clause.time.iter().for_each(|time| when(line, time));
    }
}

fn complements(
    line: &mut Line,
    verb: &Verb,
    object: Option<&Nominal>,
    recipient: Option<&Nominal>,
    recipient_first: bool,
) {
    if let (true, Some(recipient)) = (recipient_first, recipient) {
        nominal(line, recipient, false);
    }
    if let Some(object) = object {
        // A moved object takes the preposition along in relative clauses ("for whom");
        // questions never ask for one.
        if let (Frame::Prepositional(preposition, ..), false) = (verb.frame, object.is_moved()) {
            line.word(preposition);
        }
        // "throws away the letter", but "throws it away".
        let late = object.is_pronoun();
        line.word(if late { "" } else { verb.particle });
        nominal(line, object, false);
        line.word(if late { verb.particle } else { "" });
    }
    if let (false, Some(recipient)) = (recipient_first, recipient)
        && !recipient.is_moved()
    {
        line.word("to");
        nominal(line, recipient, false);
    }
}

fn when(line: &mut Line, time: &When) {
    match time {
        When::Phrase(adverb) => line.word(adverb.english),
        When::Clock { hour, half: false } => line.word(&format!("at {} o'clock", number::english(*hour))),
        When::Clock { hour, half: true } => line.word(&format!("at half past {}", number::english(*hour))),
    }
}

fn place(line: &mut Line, place: &Place) {
    let preposition = place.preposition;
    line.word(if place.direction { preposition.english_direction } else { preposition.english });
    phrase(line, &place.landmark);
}

fn nominal(line: &mut Line, nominal: &Nominal, subject: bool) {
    let pronoun =
        |is_subject: &'static str, is_object: &'static str| if subject { is_subject } else { is_object };
    match nominal {
        Nominal::Phrase(noun_phrase) => phrase(line, noun_phrase),
        Nominal::Name(name) => line.word(name),
        Nominal::First(Number::Singular) => line.word(pronoun("I", "me")),
        Nominal::First(Number::Plural) => line.word(pronoun("we", "us")),
        Nominal::Third(_, Number::Plural) | Nominal::It(_, Number::Plural) => {
            line.word(pronoun("they", "them"))
        }
        Nominal::Third(Gender::Feminine, _) => line.word(pronoun("she", "her")),
        Nominal::Third(..) => line.word(pronoun("he", "him")),
        Nominal::It(..) => line.word("it"),
        Nominal::Gap(..) | Nominal::Asked { .. } => {}
    }
}

fn phrase(line: &mut Line, phrase: &NounPhrase) {
    let noun = phrase.noun.english[phrase.number as usize];
    let element = phrase.element.map_or("", |element| element.english);
    let adjective = phrase.adjective.map_or("", |adjective| adjective.english[0]);
    let next = [adjective, element, noun].into_iter().find(|word| !word.is_empty()).unwrap_or(noun);
    match phrase.determiner {
        Determiner::The => line.word("the"),
        Determiner::This if phrase.number == Number::Plural => line.word("these"),
        Determiner::This => line.word("this"),
        Determiner::A => line.word(if next.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }),
        Determiner::Possessive(english, _) => line.word(english),
        Determiner::Count { value, digits: true } => line.word(&value.to_string()),
        Determiner::Count { value, digits: false } => line.word(&number::english(value)),
    }
    line.word(adjective);
    line.word(element);
    line.word(noun);
    match &phrase.modifier {
        None => {}
        Some(Modifier::Of(owner)) => {
            line.word("of");
            self::phrase(line, owner);
        }
        Some(Modifier::With(thing)) => {
            line.word("with");
            self::phrase(line, thing);
        }
        Some(Modifier::At(p)) => place(line, p),
        Some(Modifier::Relative { person, clause }) => relative(line, *person, clause),
    }
}

fn relative(line: &mut Line, person: bool, clause: &Clause) {
    let (other, behind_preposition) = if person { ("whom", "whom") } else { ("that", "which") };
    let role = clause.moved().map(|(role, _)| role);
    let preposition = match (&clause.predicate, role) {
        (Predicate::Action { verb, .. }, Some(Role::Object)) => match verb.frame {
            Frame::Prepositional(preposition, ..) => Some(preposition),
            _ => None,
        },
        (_, Some(Role::Recipient)) => Some("to"),
        _ => None,
    };
    match (preposition, role) {
        (Some(preposition), _) => {
            line.word(preposition);
            line.word(behind_preposition);
        }
        (None, Some(Role::Subject)) if person => line.word("who"),
        _ => line.word(other),
    }
    declarative(line, clause, Skip::default());
}
