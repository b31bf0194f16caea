//! The words: English–German entries with every form that the grammar needs.
//!
//! Lists are ordered so that any beginning of a list holds all genders; earlier entries are
//! drawn more often (see [`super::shares`]).

use super::category::{Case, Gender};
use super::word::{Adjective, Adverb, Class, CompoundElement, Frame, Modal, Noun, Preposition, Series, Verb};

use Gender::{Feminine as F, Masculine as M, Neuter as N};

const fn noun(
    english: [&'static str; 2],
    gender: Gender,
    singular: &'static str,
    genitive: &'static str,
    plural: &'static str,
) -> Noun {
    Noun { english, german: [singular, genitive, plural], gender, weak: false, compounds: None }
}

const fn weak(english: [&'static str; 2], singular: &'static str, oblique: &'static str) -> Noun {
    Noun { english, german: [singular, oblique, oblique], gender: M, weak: true, compounds: None }
}

pub const PERSONS: &[Noun] = &[
    noun(["teacher", "teachers"], M, "Lehrer", "Lehrers", "Lehrer"),
    noun(["woman", "women"], F, "Frau", "Frau", "Frauen"),
    noun(["child", "children"], N, "Kind", "Kindes", "Kinder"),
    noun(["man", "men"], M, "Mann", "Mannes", "Männer"),
    noun(["sister", "sisters"], F, "Schwester", "Schwester", "Schwestern"),
    noun(["girl", "girls"], N, "Mädchen", "Mädchens", "Mädchen"),
    weak(["boy", "boys"], "Junge", "Jungen"),
    noun(["mother", "mothers"], F, "Mutter", "Mutter", "Mütter"),
    noun(["brother", "brothers"], M, "Bruder", "Bruders", "Brüder"),
    noun(["doctor", "doctors"], M, "Arzt", "Arztes", "Ärzte"),
    noun(["daughter", "daughters"], F, "Tochter", "Tochter", "Töchter"),
    noun(["baby", "babies"], N, "Baby", "Babys", "Babys"),
    weak(["neighbour", "neighbours"], "Nachbar", "Nachbarn"),
    noun(["aunt", "aunts"], F, "Tante", "Tante", "Tanten"),
    noun(["king", "kings"], M, "König", "Königs", "Könige"),
    noun(["queen", "queens"], F, "Königin", "Königin", "Königinnen"),
    weak(["student", "students"], "Student", "Studenten"),
    noun(["uncle", "uncles"], M, "Onkel", "Onkels", "Onkel"),
    noun(["grandmother", "grandmothers"], F, "Großmutter", "Großmutter", "Großmütter"),
    noun(["baker", "bakers"], M, "Bäcker", "Bäckers", "Bäcker"),
];

pub const ANIMALS: &[Noun] = &[
    noun(["dog", "dogs"], M, "Hund", "Hundes", "Hunde"),
    noun(["cat", "cats"], F, "Katze", "Katze", "Katzen"),
    noun(["horse", "horses"], N, "Pferd", "Pferdes", "Pferde"),
    noun(["bird", "birds"], M, "Vogel", "Vogels", "Vögel"),
    noun(["cow", "cows"], F, "Kuh", "Kuh", "Kühe"),
    weak(["bear", "bears"], "Bär", "Bären"),
];

pub const THINGS: &[Noun] = &[
    noun(["book", "books"], N, "Buch", "Buches", "Bücher"),
    noun(["letter", "letters"], M, "Brief", "Briefes", "Briefe"),
    noun(["lamp", "lamps"], F, "Lampe", "Lampe", "Lampen").with(Series::Room),
    noun(["key", "keys"], M, "Schlüssel", "Schlüssels", "Schlüssel").with(Series::Room),
    noun(["picture", "pictures"], N, "Bild", "Bildes", "Bilder"),
    noun(["bag", "bags"], F, "Tasche", "Tasche", "Taschen"),
    noun(["coat", "coats"], M, "Mantel", "Mantels", "Mäntel").with(Series::Season),
    noun(["dress", "dresses"], N, "Kleid", "Kleides", "Kleider").with(Series::Season),
    noun(["flower", "flowers"], F, "Blume", "Blume", "Blumen"),
    noun(["apple", "apples"], M, "Apfel", "Apfels", "Äpfel"),
    noun(["knife", "knives"], N, "Messer", "Messers", "Messer"),
    noun(["clock", "clocks"], F, "Uhr", "Uhr", "Uhren").with(Series::Room),
    noun(["ring", "rings"], M, "Ring", "Ringes", "Ringe"),
    noun(["glass", "glasses"], N, "Glas", "Glases", "Gläser"),
    noun(["newspaper", "newspapers"], F, "Zeitung", "Zeitung", "Zeitungen"),
    noun(["hat", "hats"], M, "Hut", "Hutes", "Hüte").with(Series::Season),
    noun(["shirt", "shirts"], N, "Hemd", "Hemdes", "Hemden").with(Series::Season),
    noun(["bottle", "bottles"], F, "Flasche", "Flasche", "Flaschen"),
    noun(["ball", "balls"], M, "Ball", "Balles", "Bälle"),
    noun(["boat", "boats"], N, "Boot", "Bootes", "Boote"),
];

/// Things that other things are put on, under or beside.
pub const SURFACES: &[Noun] = &[
    noun(["table", "tables"], M, "Tisch", "Tisches", "Tische").with(Series::Room),
    noun(["bed", "beds"], N, "Bett", "Bettes", "Betten"),
    noun(["box", "boxes"], F, "Kiste", "Kiste", "Kisten"),
    noun(["chair", "chairs"], M, "Stuhl", "Stuhls", "Stühle").with(Series::Room),
    noun(["bench", "benches"], F, "Bank", "Bank", "Bänke").with(Series::Room),
];

pub const PLACES: &[Noun] = &[
    noun(["garden", "gardens"], M, "Garten", "Gartens", "Gärten"),
    noun(["school", "schools"], F, "Schule", "Schule", "Schulen").with(Series::Town),
    noun(["house", "houses"], N, "Haus", "Hauses", "Häuser"),
    noun(["park", "parks"], M, "Park", "Parks", "Parks").with(Series::Town),
    noun(["kitchen", "kitchens"], F, "Küche", "Küche", "Küchen"),
    noun(["museum", "museums"], N, "Museum", "Museums", "Museen").with(Series::Town),
    noun(["church", "churches"], F, "Kirche", "Kirche", "Kirchen").with(Series::Town),
    noun(["forest", "forests"], M, "Wald", "Waldes", "Wälder"),
    noun(["hotel", "hotels"], N, "Hotel", "Hotels", "Hotels"),
    noun(["library", "libraries"], F, "Bibliothek", "Bibliothek", "Bibliotheken"),
    noun(["cellar", "cellars"], M, "Keller", "Kellers", "Keller"),
    noun(["castle", "castles"], N, "Schloss", "Schlosses", "Schlösser"),
];

const fn element(english: &'static str, german: &'static str, series: Series) -> CompoundElement {
    CompoundElement { english, german, series }
}

pub const COMPOUND_ELEMENTS: &[CompoundElement] = &[
    element("kitchen", "Küchen", Series::Room),
    element("garden", "Garten", Series::Room),
    element("school", "Schul", Series::Room),
    element("hotel", "Hotel", Series::Room),
    element("church", "Kirchen", Series::Room),
    element("winter", "Winter", Series::Season),
    element("summer", "Sommer", Series::Season),
    element("village", "Dorf", Series::Town),
    element("city", "Stadt", Series::Town),
];

/// Names, which are the same in both languages.
pub const NAMES: &[&str] = &["Anna", "Peter", "Maria", "Paul", "Lena", "Karl"];

const fn adjective(english: [&'static str; 2], german: [&'static str; 3]) -> Adjective {
    Adjective { english, german }
}

pub const BEING_ADJECTIVES: &[Adjective] = &[
    adjective(["old", "older"], ["alt", "alt", "älter"]),
    adjective(["young", "younger"], ["jung", "jung", "jünger"]),
    adjective(["small", "smaller"], ["klein", "klein", "kleiner"]),
    adjective(["happy", "happier"], ["glücklich", "glücklich", "glücklicher"]),
    adjective(["tired", "more tired"], ["müde", "müd", "müder"]),
    adjective(["clever", "cleverer"], ["klug", "klug", "klüger"]),
    adjective(["friendly", "friendlier"], ["freundlich", "freundlich", "freundlicher"]),
    adjective(["poor", "poorer"], ["arm", "arm", "ärmer"]),
    adjective(["strong", "stronger"], ["stark", "stark", "stärker"]),
    adjective(["sad", "sadder"], ["traurig", "traurig", "trauriger"]),
    adjective(["sick", "sicker"], ["krank", "krank", "kränker"]),
];

pub const THING_ADJECTIVES: &[Adjective] = &[
    adjective(["old", "older"], ["alt", "alt", "älter"]),
    adjective(["new", "newer"], ["neu", "neu", "neuer"]),
    adjective(["big", "bigger"], ["groß", "groß", "größer"]),
    adjective(["small", "smaller"], ["klein", "klein", "kleiner"]),
    adjective(["beautiful", "more beautiful"], ["schön", "schön", "schöner"]),
    adjective(["expensive", "more expensive"], ["teuer", "teur", "teurer"]),
    adjective(["dark", "darker"], ["dunkel", "dunkl", "dunkler"]),
    adjective(["cheap", "cheaper"], ["billig", "billig", "billiger"]),
    adjective(["ugly", "uglier"], ["hässlich", "hässlich", "hässlicher"]),
];

const fn verb(english: [&'static str; 3], german: [&'static str; 4], frame: Frame) -> Verb {
    Verb { english, particle: "", german, prefix: "", sein: false, frame }
}

const fn accusative(class: Class) -> Frame {
    Frame::Object(Case::Accusative, class)
}

const fn dative(class: Class) -> Frame {
    Frame::Object(Case::Dative, class)
}

// Verbs that constructions ask for by name.
pub const CARRY: Verb =
    verb(["carry", "carries", "carried"], ["tragen", "trage", "trägt", "getragen"], accusative(Class::Thing));
pub const THROW_AWAY: Verb = verb(
    ["throw", "throws", "thrown"],
    ["werfen", "werfe", "wirft", "weggeworfen"],
    accusative(Class::Thing),
)
.particle("away")
.prefix("weg");

/// Verbs with one accusative object and no prefix.
pub const TRANSITIVE: &[Verb] = &[
    verb(["see", "sees", "seen"], ["sehen", "sehe", "sieht", "gesehen"], accusative(Class::Any)),
    verb(["buy", "buys", "bought"], ["kaufen", "kaufe", "kauft", "gekauft"], accusative(Class::Thing)),
    verb(["love", "loves", "loved"], ["lieben", "liebe", "liebt", "geliebt"], accusative(Class::Being)),
    verb(["find", "finds", "found"], ["finden", "finde", "findet", "gefunden"], accusative(Class::Any)),
    verb(
        ["look for", "looks for", "looked for"],
        ["suchen", "suche", "sucht", "gesucht"],
        accusative(Class::Any),
    ),
    verb(
        ["visit", "visits", "visited"],
        ["besuchen", "besuche", "besucht", "besucht"],
        accusative(Class::Person),
    ),
    CARRY,
    verb(["paint", "paints", "painted"], ["malen", "male", "malt", "gemalt"], accusative(Class::Any)),
    verb(["hear", "hears", "heard"], ["hören", "höre", "hört", "gehört"], accusative(Class::Being)),
    verb(
        ["forget", "forgets", "forgotten"],
        ["vergessen", "vergesse", "vergisst", "vergessen"],
        accusative(Class::Any),
    ),
];

/// Verbs whose one object is a dative.
pub const WITH_DATIVE: &[Verb] = &[
    verb(["help", "helps", "helped"], ["helfen", "helfe", "hilft", "geholfen"], dative(Class::Being)),
    verb(["thank", "thanks", "thanked"], ["danken", "danke", "dankt", "gedankt"], dative(Class::Person)),
    verb(["follow", "follows", "followed"], ["folgen", "folge", "folgt", "gefolgt"], dative(Class::Being))
        .sein(),
    verb(
        ["listen to", "listens to", "listened to"],
        ["hören", "höre", "hört", "zugehört"],
        dative(Class::Person),
    )
    .prefix("zu"),
];

pub const SEPARABLE: &[Verb] = &[
    verb(["call", "calls", "called"], ["rufen", "rufe", "ruft", "angerufen"], accusative(Class::Person))
        .prefix("an"),
    verb(
        ["invite", "invites", "invited"],
        ["laden", "lade", "lädt", "eingeladen"],
        accusative(Class::Person),
    )
    .prefix("ein"),
    THROW_AWAY,
    verb(
        ["look at", "looks at", "looked at"],
        ["sehen", "sehe", "sieht", "angesehen"],
        accusative(Class::Any),
    )
    .prefix("an"),
    verb(["pick", "picks", "picked"], ["holen", "hole", "holt", "abgeholt"], accusative(Class::Being))
        .particle("up")
        .prefix("ab"),
];

pub const PREPOSITIONAL: &[Verb] = &[
    verb(
        ["wait", "waits", "waited"],
        ["warten", "warte", "wartet", "gewartet"],
        Frame::Prepositional("for", "auf", Case::Accusative, Class::Any),
    ),
    verb(
        ["speak", "speaks", "spoken"],
        ["sprechen", "spreche", "spricht", "gesprochen"],
        Frame::Prepositional("with", "mit", Case::Dative, Class::Person),
    ),
    verb(
        ["think", "thinks", "thought"],
        ["denken", "denke", "denkt", "gedacht"],
        Frame::Prepositional("of", "an", Case::Accusative, Class::Any),
    ),
    verb(
        ["dream", "dreams", "dreamt"],
        ["träumen", "träume", "träumt", "geträumt"],
        Frame::Prepositional("of", "von", Case::Dative, Class::Any),
    ),
];

pub const DITRANSITIVE: &[Verb] = &[
    verb(["give", "gives", "given"], ["geben", "gebe", "gibt", "gegeben"], Frame::Ditransitive),
    verb(["show", "shows", "shown"], ["zeigen", "zeige", "zeigt", "gezeigt"], Frame::Ditransitive),
    verb(["send", "sends", "sent"], ["schicken", "schicke", "schickt", "geschickt"], Frame::Ditransitive),
    verb(["bring", "brings", "brought"], ["bringen", "bringe", "bringt", "gebracht"], Frame::Ditransitive),
    verb(["sell", "sells", "sold"], ["verkaufen", "verkaufe", "verkauft", "verkauft"], Frame::Ditransitive),
];

pub const INTRANSITIVE: &[Verb] = &[
    verb(["sleep", "sleeps", "slept"], ["schlafen", "schlafe", "schläft", "geschlafen"], Frame::Intransitive),
    verb(["work", "works", "worked"], ["arbeiten", "arbeite", "arbeitet", "gearbeitet"], Frame::Intransitive),
    verb(["laugh", "laughs", "laughed"], ["lachen", "lache", "lacht", "gelacht"], Frame::Intransitive),
    verb(["sing", "sings", "sung"], ["singen", "singe", "singt", "gesungen"], Frame::Intransitive),
    verb(["arrive", "arrives", "arrived"], ["kommen", "komme", "kommt", "angekommen"], Frame::Intransitive)
        .prefix("an")
        .sein(),
    verb(["eat", "eats", "eaten"], ["essen", "esse", "isst", "gegessen"], Frame::Intransitive),
];

/// Verb whose subject moves somewhere.
pub const GO: Verb =
    verb(["go", "goes", "gone"], ["gehen", "gehe", "geht", "gegangen"], Frame::Intransitive).sein();

/// Verb that moves a thing somewhere.
pub const PUT: Verb =
    verb(["put", "puts", "put"], ["legen", "lege", "legt", "gelegt"], accusative(Class::Thing));

/// Verb that says where a thing is.
pub const LIE: Verb =
    verb(["lie", "lies", "lain"], ["liegen", "liege", "liegt", "gelegen"], Frame::Intransitive);

/// Verbs before a clause with "that".
pub const SAYING: &[Verb] = &[
    verb(["know", "knows", "known"], ["wissen", "weiß", "weiß", "gewusst"], Frame::Intransitive),
    verb(["say", "says", "said"], ["sagen", "sage", "sagt", "gesagt"], Frame::Intransitive),
    verb(
        ["believe", "believes", "believed"],
        ["glauben", "glaube", "glaubt", "geglaubt"],
        Frame::Intransitive,
    ),
];

/// The verb before a clause with "whether".
pub const ASK: Verb =
    verb(["ask", "asks", "asked"], ["fragen", "frage", "fragt", "gefragt"], Frame::Intransitive);

/// Verbs before an infinitive clause.
pub const INTENDING: &[Verb] = &[
    verb(["try", "tries", "tried"], ["versuchen", "versuche", "versucht", "versucht"], Frame::Intransitive),
    verb(["hope", "hopes", "hoped"], ["hoffen", "hoffe", "hofft", "gehofft"], Frame::Intransitive),
];

pub const MODALS: &[Modal] = &[
    Modal { english: ["can", "can"], english_negated: Some("cannot"), german: ["kann", "kann", "können"] },
    Modal { english: ["wants to", "want to"], english_negated: None, german: ["will", "will", "wollen"] },
    Modal {
        english: ["should", "should"],
        english_negated: Some("should not"),
        german: ["soll", "soll", "sollen"],
    },
    Modal {
        english: ["will", "will"],
        english_negated: Some("will not"),
        german: ["werde", "wird", "werden"],
    },
];

const fn adverb(english: &'static str, german: &'static str) -> Adverb {
    Adverb { english, german }
}

pub const TIMES: &[Adverb] = &[
    adverb("today", "heute"),
    adverb("in the evening", "am Abend"),
    adverb("on Monday", "am Montag"),
    adverb("every day", "jeden Tag"),
    adverb("in summer", "im Sommer"),
];

/// Times that go with the perfect.
pub const PERFECT_TIMES: &[Adverb] = &[adverb("today", "heute"), adverb("this week", "diese Woche")];

/// Adverbs that stand before the English verb.
pub const FREQUENCIES: &[Adverb] =
    &[adverb("often", "oft"), adverb("always", "immer"), adverb("never", "nie")];

pub const IN: Preposition = Preposition { english: "in", english_direction: "into", german: "in" };

/// Prepositions with a building or a landscape.
pub const PLACE_PREPOSITIONS: &[Preposition] = &[
    IN,
    Preposition { english: "behind", english_direction: "behind", german: "hinter" },
    Preposition { english: "in front of", english_direction: "in front of", german: "vor" },
];

/// Prepositions with a piece of furniture.
pub const SURFACE_PREPOSITIONS: &[Preposition] = &[
    Preposition { english: "on", english_direction: "on", german: "auf" },
    Preposition { english: "under", english_direction: "under", german: "unter" },
    Preposition { english: "next to", english_direction: "next to", german: "neben" },
];

pub const SUBORDINATORS: &[Adverb] = &[BECAUSE, WHEN, adverb("although", "obwohl")];

pub const THAT: Adverb = adverb("that", "dass");
pub const WHETHER: Adverb = adverb("whether", "ob");
pub const BECAUSE: Adverb = adverb("because", "weil");
pub const WHEN: Adverb = adverb("when", "wenn");
