//! Writes a [`Sentence`] in German.
//!
//! Word order: the finite verb is second in main clauses, first in polar questions and last in
//! subordinate clauses; the rest of the verb closes the clause. Between them stand, in this order,
//! pronouns, time, frequency, dative, accusative, negation, prepositional object, place.
//! A relative clause of the accusative moves behind the end of the verb ("ruft den Mann an, der …").

use super::category::{Case, Gender, Number};
use super::declension::{self, Article};
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
    let order = match &sentence.front {
        Front::Subject => Order::SubjectFirst,
        Front::Time => {
            clause.time.iter().for_each(|time| when(&mut line, time));
            Order::Inverted
        }
        Front::Place => {
            clause.place.iter().for_each(|p| place(&mut line, p));
            Order::Inverted
        }
        Front::Subordinate(conjunction, before) => {
            subordinate(&mut line, conjunction.german, before);
            Order::Inverted
        }
        Front::Polar => Order::Inverted,
        Front::Circumstance(word) => {
            line.word(word.german);
            Order::Inverted
        }
        Front::Who => {
            line.word(question_word(clause));
            Order::Inverted
        }
    };
    write_clause(&mut line, clause, order, skip);
    match &sentence.trailing {
        None => {}
        Some(Trailing::Subordinate(conjunction, second)) => {
            subordinate(&mut line, conjunction.german, second)
        }
        Some(Trailing::And(second)) => {
            line.word("und");
            write_clause(&mut line, second, Order::SubjectShared, Skip::default());
        }
        Some(Trailing::But(second)) => {
            line.comma();
            line.word("aber");
            write_clause(&mut line, second, Order::SubjectFirst, Skip::default());
        }
        Some(Trailing::Infinitive { purpose, clause }) => {
            line.comma();
            line.word(if *purpose { "um" } else { "" });
            write_clause(&mut line, clause, Order::Infinitive, Skip::default());
        }
    }
    line.finish(if sentence.front.is_question() { '?' } else { '.' })
}

/// Order of subject and finite verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    SubjectFirst,
    /// Finite verb, then subject: something else came first, or a question.
    Inverted,
    /// Finite verb at the end.
    Final,
    /// Finite verb first; the subject is that of the clause before.
    SubjectShared,
    /// No subject; "zu" and the infinitive at the end.
    Infinitive,
}

fn subordinate(line: &mut Line, conjunction: &str, clause: &Clause) {
    line.comma();
    line.word(conjunction);
    write_clause(line, clause, Order::Final, Skip::default());
    line.comma();
}

fn write_clause(line: &mut Line, clause: &Clause, order: Order, skip: Skip) {
    let verb = VerbForms::of(clause);
    match order {
        Order::SubjectFirst => {
            nominal(line, &clause.subject, Case::Nominative, false);
            line.word(verb.finite);
        }
        Order::Inverted => {
            line.word(verb.finite);
            nominal(line, &clause.subject, Case::Nominative, false);
        }
        Order::Final => nominal(line, &clause.subject, Case::Nominative, false),
        Order::SubjectShared => line.word(verb.finite),
        Order::Infinitive => {}
    }
    let postponed = postponed(clause, skip);
    middle(line, clause, skip, postponed.is_some());
    match order {
        Order::Final => {
            line.word(&verb.rest);
            line.word(&format!("{}{}", verb.prefix, verb.finite));
        }
        Order::Infinitive => line.word(&verb.with_zu),
        Order::SubjectFirst | Order::Inverted | Order::SubjectShared => {
            line.word(&verb.rest);
            line.word(verb.prefix);
        }
    }
    if let Some((phrase, clause)) = postponed {
        relative(line, clause, phrase.noun.gender, phrase.number);
    }
}

/// Returns the object whose relative clause follows the whole clause: one without a place behind it,
/// to which the relative clause would seem to belong.
fn postponed(clause: &Clause, skip: Skip) -> Option<(&NounPhrase, &Clause)> {
    let Predicate::Action { object: Some(Nominal::Phrase(phrase)), .. } = &clause.predicate else {
        return None;
    };
    match &phrase.modifier {
        Some(Modifier::Relative { clause: relative, .. }) if skip.place || clause.place.is_none() => {
            Some((phrase, relative))
        }
        _ => None,
    }
}

/// The parts of the verb.
struct VerbForms {
    finite: &'static str,
    /// Separable prefix of the finite verb: at the end of main clauses, joined in subordinate ones.
    prefix: &'static str,
    /// Participle or infinitive at the end of the clause.
    rest: String,
    /// "zu sehen", "anzusehen".
    with_zu: String,
}

impl VerbForms {
    fn of(clause: &Clause) -> VerbForms {
        let agreement = clause.subject.agreement();
        let choose = |forms: [&'static str; 3]| match agreement {
            Agreement::First => forms[0],
            Agreement::Third => forms[1],
            Agreement::Plural => forms[2],
        };
        let plain = |finite, rest: &str| VerbForms {
            finite,
            prefix: "",
            rest: rest.to_string(),
            with_zu: String::new(),
        };
        let (verb, tense) = match &clause.predicate {
            Predicate::State { .. } => return plain(choose(["bin", "ist", "sind"]), ""),
            Predicate::Passive { verb, .. } => {
                return plain(choose(["werde", "wird", "werden"]), verb.german[3]);
            }
            Predicate::Action { verb, tense, .. } => (verb, tense),
        };
        let [infinitive, first, third, participle] = verb.german;
        let mut forms = match tense {
            Tense::Present => {
                VerbForms { prefix: verb.prefix, ..plain(choose([first, third, infinitive]), "") }
            }
            Tense::Perfect if verb.sein => plain(choose(["bin", "ist", "sind"]), participle),
            Tense::Perfect => plain(choose(["habe", "hat", "haben"]), participle),
            Tense::Modal(modal) => plain(choose(modal.german), &format!("{}{infinitive}", verb.prefix)),
        };
        forms.with_zu = if verb.prefix.is_empty() {
            format!("zu {infinitive}")
        } else {
            format!("{}zu{infinitive}", verb.prefix)
        };
        forms
    }
}

/// Writes everything between the subject and the end of the verb.
fn middle(line: &mut Line, clause: &Clause, skip: Skip, postponed: bool) {
    let (verb, object, recipient) = match &clause.predicate {
        Predicate::Action { verb, object, recipient, .. } => {
            (Some(*verb), object.as_ref(), recipient.as_ref())
        }
        _ => (None, None, None),
    };
    let case = verb.and_then(object_case);
    // A prepositional object stands behind the negation; the others before it.
    let (bare, governed) = match verb.map(|verb| verb.frame) {
        Some(Frame::Prepositional(_, preposition, ..)) => (None, object.map(|object| (preposition, object))),
        _ => (object, None),
    };
    // "nicht ein" is "kein".
    let merged = clause.negated && bare.is_some_and(takes_kein);
    let write_object = |line: &mut Line, pronoun: bool| {
        if let (Some(object), Some(case)) = (bare.filter(|object| object.is_pronoun() == pronoun), case) {
            match object {
                Nominal::Phrase(phrase) if postponed => core(line, phrase, case, false, merged),
                _ => nominal(line, object, case, merged),
            }
        }
    };
    let write_recipient = |line: &mut Line, pronoun: bool| {
        if let Some(recipient) = recipient.filter(|recipient| recipient.is_pronoun() == pronoun) {
            nominal(line, recipient, Case::Dative, false);
        }
    };
    write_object(line, true);
    write_recipient(line, true);
    if !skip.time {
        clause.time.iter().for_each(|time| when(line, time));
    }
    line.word(clause.frequency.map_or("", |adverb| adverb.german));
    write_recipient(line, false);
    write_object(line, false);
    line.word(if clause.negated && !merged { "nicht" } else { "" });
    if let (Some((preposition, object)), Some(case)) = (governed, case) {
        behind_preposition(line, preposition, object, case);
    }
    if !skip.place {
        clause.place.iter().for_each(|p| place(line, p));
    }
    match &clause.predicate {
        Predicate::Action { .. } => {}
        Predicate::Passive { actor, .. } => behind_preposition(line, "von", actor, Case::Dative),
        Predicate::State { adjective, comparison } => match comparison {
            None => line.word(adjective.german[0]),
            Some((Degree::More, other)) => {
                line.word(adjective.german[2]);
                line.word("als");
                nominal(line, other, Case::Nominative, false);
            }
            Some((Degree::Equal, other)) => {
                line.word("so");
                line.word(adjective.german[0]);
                line.word("wie");
                nominal(line, other, Case::Nominative, false);
            }
        },
    }
}

fn object_case(verb: &Verb) -> Option<Case> {
    match verb.frame {
        Frame::Intransitive => None,
        Frame::Object(case, _) | Frame::Prepositional(_, _, case, _) => Some(case),
        Frame::Ditransitive => Some(Case::Accusative),
    }
}

fn takes_kein(object: &Nominal) -> bool {
    matches!(object, Nominal::Phrase(phrase) if phrase.determiner == Determiner::A)
}

fn question_word(clause: &Clause) -> &'static str {
    let case = match (&clause.predicate, clause.moved()) {
        (_, Some((_, Nominal::Asked { person: false }))) => return "was",
        (_, Some((Role::Recipient, _))) => Some(Case::Dative),
        (Predicate::Action { verb, .. }, Some((Role::Object, _))) => object_case(verb),
        _ => None,
    };
    match case {
        Some(Case::Accusative) => "wen",
        Some(Case::Dative) => "wem",
        _ => "wer",
    }
}

fn when(line: &mut Line, time: &When) {
    match time {
        When::Phrase(adverb) => line.word(adverb.german),
        // "ein Uhr", but "halb eins".
        When::Clock { hour: 1, half: false } => line.word("um ein Uhr"),
        When::Clock { hour, half: false } => line.word(&format!("um {} Uhr", number::german(*hour))),
        // German names the hour that is half over.
        When::Clock { hour, half: true } => line.word(&format!("um halb {}", number::german(hour % 12 + 1))),
    }
}

fn place(line: &mut Line, place: &Place) {
    let case = if place.direction { Case::Accusative } else { Case::Dative };
    phrase_behind(line, place.preposition.german, &place.landmark, case);
}

fn behind_preposition(line: &mut Line, preposition: &str, nominal: &Nominal, case: Case) {
    match nominal {
        Nominal::Phrase(phrase) => phrase_behind(line, preposition, phrase, case),
        _ if nominal.is_moved() => {}
        _ => {
            line.word(preposition);
            self::nominal(line, nominal, case, false);
        }
    }
}

/// Writes preposition and noun phrase, contracted where German contracts. A phrase with a relative
/// clause keeps its article, which points at that one thing.
fn phrase_behind(line: &mut Line, preposition: &str, phrase: &NounPhrase, case: Case) {
    let restricted = matches!(phrase.modifier, Some(Modifier::Relative { .. }));
    let contracted = if phrase.determiner == Determiner::The && !restricted {
        let article = declension::article(Article::Definite, case, phrase.noun.gender, phrase.number);
        match (preposition, article.as_str()) {
            ("in", "dem") => Some("im"),
            ("in", "das") => Some("ins"),
            // Dative singular; the plural "von den" never contracts.
            ("von", "dem") => Some("vom"),
            _ => None,
        }
    } else {
        None
    };
    line.word(contracted.unwrap_or(preposition));
    noun_phrase(line, phrase, case, contracted.is_some(), false);
}

fn nominal(line: &mut Line, nominal: &Nominal, case: Case, negated: bool) {
    let first = |forms: [&'static str; 3]| forms[(case as usize).min(2)];
    match nominal {
        Nominal::Phrase(phrase) => noun_phrase(line, phrase, case, false, negated),
        Nominal::Name(name) => line.word(name),
        Nominal::First(Number::Singular) => line.word(first(["ich", "mich", "mir"])),
        Nominal::First(Number::Plural) => line.word(first(["wir", "uns", "uns"])),
        Nominal::Third(gender, number) | Nominal::It(gender, number) => {
            line.word(declension::personal_pronoun(case, *gender, *number));
        }
        Nominal::Gap(..) | Nominal::Asked { .. } => {}
    }
}

fn noun_phrase(line: &mut Line, phrase: &NounPhrase, case: Case, article_said: bool, negated: bool) {
    core(line, phrase, case, article_said, negated);
    match &phrase.modifier {
        None => {}
        Some(Modifier::Of(owner)) => noun_phrase(line, owner, Case::Genitive, false, false),
        Some(Modifier::With(thing)) => phrase_behind(line, "mit", thing, Case::Dative),
        Some(Modifier::At(p)) => place(line, p),
        Some(Modifier::Relative { clause, .. }) => {
            relative(line, clause, phrase.noun.gender, phrase.number);
        }
    }
}

/// Writes a noun phrase up to its noun. `article_said`: in a contraction. `negated`: "ein" becomes "kein".
fn core(line: &mut Line, phrase: &NounPhrase, case: Case, article_said: bool, negated: bool) {
    let (gender, number) = (phrase.noun.gender, phrase.number);
    let article = match phrase.determiner {
        Determiner::The => Article::Definite,
        Determiner::This => Article::Demonstrative,
        Determiner::A => Article::Indefinite(if negated { "kein" } else { "ein" }),
        Determiner::Possessive(_, stem) => Article::Indefinite(stem),
        Determiner::Count { .. } => Article::Bare,
    };
    if let Determiner::Count { value, digits } = phrase.determiner {
        line.word(&if digits { value.to_string() } else { number::german(value) });
    }
    if !article_said {
        line.word(&declension::article(article, case, gender, number));
    }
    if let Some(adjective) = phrase.adjective {
        let ending = declension::adjective_ending(article, case, gender, number);
        line.word(&format!("{}{ending}", adjective.german[1]));
    }
    let noun = declension::noun_form(phrase.noun, case, number);
    match phrase.element {
        Some(element) => line.word(&format!("{}{}", element.german, noun.to_lowercase())),
        None => line.word(&noun),
    }
}

fn relative(line: &mut Line, clause: &Clause, gender: Gender, number: Number) {
    let (preposition, case) = match (&clause.predicate, clause.moved()) {
        (_, Some((Role::Recipient, _))) => ("", Case::Dative),
        (Predicate::Action { verb, .. }, Some((Role::Object, _))) => match verb.frame {
            Frame::Prepositional(_, preposition, case, _) => (preposition, case),
            _ => ("", object_case(verb).unwrap_or(Case::Accusative)),
        },
        _ => ("", Case::Nominative),
    };
    line.comma();
    line.word(preposition);
    line.word(declension::relative_pronoun(case, gender, number));
    write_clause(line, clause, Order::Final, Skip::default());
    line.comma();
}
