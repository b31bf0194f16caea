//! Errors for wrong recipes, and the meaning of a recipe's own settings.

use crate::common::folder::{Folder, parts};
use ablate::config::{load_data, load_experiment};

const HEAD: &str = "name = \"x\"\nsource_language = \"en\"\ntarget_language = \"de\"\n";
const TRAIN: &str = "[[corpus.files.train]]\nsource = \"a.en\"\ntarget = \"a.de\"\n";
const DEV: &str = "[corpus.files.dev]\nsource = \"b.en\"\ntarget = \"b.de\"\n";
const TEST: &str = "[[corpus.files.test]]\nsource = \"c.en\"\ntarget = \"c.de\"\n";

/// A recipe of files with something added.
fn recipe(more: &str) -> Folder {
    Folder::with(&[("r.toml", &format!("{HEAD}{TRAIN}{DEV}{TEST}{more}"))])
}

#[track_caller]
fn fails(folder: Folder, message: &str, help: &str) {
    let (file, _, said, helped) = parts(&folder, load_data(&folder.path("r.toml"), &[]));
    assert_eq!(file, "r.toml");
    assert!(said.contains(message), "{said}");
    assert!(helped.contains(help), "{helped}");
}

#[test]
fn every_part_of_a_recipe_is_checked() {
    load_data(&recipe("").path("r.toml"), &[]).unwrap();
    let cases = [
        (
            "[cleaning]\nmax_word = 3",
            "unknown key data.recipe.cleaning.max_word",
            "did you mean \"max_words\"",
        ),
        ("[cleaning]\nmax_words = 0", "max_words = 0 is out of range", "1 to"),
        (
            "[cleaning]\nmin_words = 4\nmax_words = 3",
            "min_words = 4 is more than max_words = 3",
            "a smaller min_words",
        ),
        ("[cleaning]\nmax_word_ratio = 0.5", "max_word_ratio = 0.5 is out of range", "1 or more"),
        ("[cleaning]\ncontrol_characters = \"keep\"", "\"keep\" is not known", "\"blank\", \"drop\""),
        ("[cleaning]\ndrop_overlap = true", "drop_overlap = true is not known", "\"pair\""),
        ("[moses]\ntokenise = true", "unknown key data.recipe.moses.tokenise", "did you mean \"tokenize\""),
        ("[moses]\ntokenize = false", "data.recipe.moses does nothing", "normalize = \"punct\""),
        ("[corpus.files.hold_out.lines]\ndev = 5", "dev is stated twice", "hold_out"),
        ("[corpus.files.hold_out.every]\ndev = 5", "\"every\" is not known", "\"lines\", \"sentences\""),
        ("[origin]\nlicense = \"x\"", "unknown key data.recipe.origin.license", "did you mean \"licence\""),
        (
            "[[origin.downloads]]\nmirrors = []",
            "[0] has neither name nor members",
            "members for what an archive holds",
        ),
        ("[[origin.downloads]]\nname = \"a.en\"\nmirrors = []", "mirrors = [] has no address", "https://"),
        (
            "[[origin.downloads]]\nname = \"a.en\"\nmirrors = [{ url = \"ftp://h/a.en\" }]",
            "\"ftp://h/a.en\" is not the address",
            "http://",
        ),
        (
            "[[origin.downloads]]\nname = \"a.en\"\nmirrors = [{ url = \"http://h/a.en\", sha256 = \"12\" }]",
            "sha256 = \"12\" is not a checksum",
            "64 hexadecimal digits",
        ),
        (
            "[[origin.downloads]]\nmembers = { \"a.en\" = \"../a.en\" }\nmirrors = [{ url = \"http://h/a.zip\" }]",
            "\"../a.en\" is not a path in an archive",
            "relative path",
        ),
        (
            "[[origin.downloads]]\nmembers = { \"a.en\" = \"a.en\" }\nmirrors = [{ url = \"http://h/a.7z\" }]",
            "\"http://h/a.7z\" is not an archive",
            ".tar.gz",
        ),
        (
            "[[origin.downloads]]\nname = \"d.en\"\nmirrors = [{ url = \"http://h/d.en\" }]",
            "downloads[0] brings \"d.en\", which is no file of the recipe",
            "[corpus.files]",
        ),
        (
            "[[origin.downloads]]\nname = \"a.en\"\nmirrors = [{ url = \"http://h/a.en\" }]\n\
             [[origin.downloads]]\nmembers = { \"a.en\" = \"x\" }\nmirrors = [{ url = \"http://h/a.zip\" }]",
            "downloads[1] brings \"a.en\", as downloads[0] does",
            "in `mirrors`",
        ),
        ("[data]\nmerge = 3", "unknown key data.merge", "did you mean \"merges\""),
        ("[data]\nrecipe = \"x.toml\"", "a recipe cannot name a recipe", "merges"),
    ];
    for (more, message, help) in cases {
        fails(recipe(more), message, help);
    }
}

#[test]
fn a_split_comes_from_files_or_is_held_out() {
    let with = |more: &str| Folder::with(&[("r.toml", &format!("{HEAD}{TRAIN}{more}"))]);
    fails(with(DEV), "corpus.files.test is missing", "[corpus.files.hold_out]");
    let lines = format!("{TEST}[corpus.files.hold_out.lines]\n");
    fails(with(&format!("{lines}dev = 1")), "lines.dev = 1 is out of range", "2 or more");
    let shares = "[corpus.files.hold_out.sentences]\nside = \"source\"\nseed = 1\n";
    fails(with(&format!("{shares}dev = 0.5\ntest = 0.5")), "test = 0.5 is out of range", "together below 1");
    let overlap = "[cleaning]\ndrop_overlap = \"pair\"\n";
    fails(
        with(&format!("{lines}dev = 9\n{overlap}")),
        "drop_overlap needs dev and test sets",
        "hold_out.sentences",
    );
    let both = with("[corpus.files.hold_out.lines]\ndev = 5\ntest = 10\n");
    fails(both, "test = 10 is a multiple of dev = 5, so that the test set is empty", "no multiple of dev");
    load_data(&with(&format!("{lines}dev = 9")).path("r.toml"), &[]).unwrap();
    load_data(&with(&format!("{shares}dev = 0.1\ntest = 0.1")).path("r.toml"), &[]).unwrap();
}

#[test]
fn files_of_a_split_are_a_table_or_several() {
    let folder = recipe("");
    let data = load_data(&folder.path("r.toml"), &[]).unwrap();
    let text = toml::to_string(&data).unwrap();
    assert!(
        text.contains("[recipe.corpus.files.dev]") && text.contains("[recipe.corpus.files.test]"),
        "{text}"
    );
    // A mistake inside of either form is reported at its line.
    let bad = |part: &str| Folder::with(&[("r.toml", &format!("{HEAD}{TRAIN}{DEV}{TEST}{part}"))]);
    fails(
        bad("[[corpus.files.test]]\nsource = 4\ntarget = \"x\""),
        "test[1].source = 4 is an integer",
        "string",
    );
    let folder =
        Folder::with(&[("r.toml", &format!("{HEAD}{TRAIN}{TEST}[corpus.files.dev]\nsource = \"x\"\n"))]);
    fails(folder, "dev.target is missing", "no default");
    for (more, message) in [
        ("source_column = 0", "source_column = 0"),
        ("sample = 0.0", "sample = 0"),
        ("format = \"xml\"", "\"xml\""),
    ] {
        let folder = Folder::with(&[("r.toml", &format!("{HEAD}{TRAIN}{more}\n{DEV}{TEST}"))]);
        fails(folder, message, "");
    }
    for (source, format) in [("a.sgm", ""), ("a.xml.gz", ""), ("a", "format = \"iwslt_tags\"\n")] {
        let marked = format!(
            "[[corpus.files.train]]\nsource = \"{source}\"\nsource_column = 2\ntarget = \"b.txt\"\n{format}"
        );
        let folder = Folder::with(&[("r.toml", &format!("{HEAD}{marked}{DEV}{TEST}"))]);
        fails(folder, &format!("source_column = 2, but lines of \"{source}\" are marked up"), "leave it out");
    }
    let same = "[[corpus.files.train]]\nsource = \"a.tsv\"\ntarget = \"a.tsv\"\n";
    fails(Folder::with(&[("r.toml", &format!("{HEAD}{same}{DEV}{TEST}"))]), "are both \"a.tsv\"", "columns");
}

#[test]
fn a_mistake_of_one_of_several_files_is_told_at_that_file() {
    let second = "[[corpus.files.train]]\nsource = \"d.en\"\ntarget = \"d.de\"\n";
    for (more, said) in [
        ("sample = 2.0", "data.recipe.corpus.files.train[1].sample = 2 is out of range"),
        (
            "source_url = \"ftp://h/d.en\"",
            "train[1].source_url = \"ftp://h/d.en\" is not the address of a file",
        ),
        ("target_url = \"http://\"", "train[1].target_url = \"http://\" is not the address of a file"),
    ] {
        let folder = Folder::with(&[("r.toml", &format!("{HEAD}{TRAIN}{second}{more}\n{DEV}{TEST}"))]);
        let (_, line, message, _) = parts(&folder, load_data(&folder.path("r.toml"), &[]));
        assert_eq!(line, 10, "{message}");
        assert!(message.contains(said), "{message}");
    }
    // The one pair of a split may be a table by itself.
    let folder = Folder::with(&[("r.toml", &format!("{HEAD}{TRAIN}{DEV}sample = 0.5\n{TEST}"))]);
    fails(
        folder,
        "files.dev.sample = 0.5 has no effect: files of the dev set are used whole",
        "leave it out",
    );
    let folder = Folder::with(&[("r.toml", &format!("{HEAD}{TRAIN}{DEV}{TEST}sample = 0.5\n"))]);
    fails(folder, "files.test[0].sample = 0.5 has no effect", "a sample is for training files");
}

#[test]
fn a_recipe_without_a_readable_corpus_is_still_a_recipe() {
    let misspelt = Folder::with(&[("r.toml", &format!("{HEAD}[corpuss.files]\n"))]);
    fails(misspelt, "unknown key data.recipe.corpuss", "did you mean \"corpus\"?");
    let settings = Folder::with(&[("r.toml", &format!("data = 5\n{HEAD}{TRAIN}{DEV}{TEST}"))]);
    fails(settings, "data = 5 in a recipe is an integer, not a table", "max_length");
}

#[test]
fn wmts_xml_is_one_file_of_both_sides() {
    let recipe = |test: &str| {
        let test = format!("[[corpus.files.test]]\nsource = \"c.xml\"\n{test}");
        Folder::with(&[("r.toml", &format!("{HEAD}{TRAIN}{DEV}{test}"))])
    };
    let format = "format = \"wmt_xml\"\n";
    for accepted in ["", "translator = \"A\"\n"] {
        let folder = recipe(&format!("target = \"c.xml\"\n{format}{accepted}"));
        load_data(&folder.path("r.toml"), &[]).unwrap();
    }
    fails(recipe("target = \"c.xml\"\n"), "are both \"c.xml\"", "format = \"wmt_xml\"");
    fails(recipe(&format!("target = \"d.xml\"\n{format}")), "come from one file", "as source and as target");
    let column = format!("target = \"c.xml\"\nsource_column = 1\n{format}");
    fails(recipe(&column), "come from one file", "without columns");
    let translator = "target = \"d.xml\"\ntranslator = \"A\"\n";
    fails(recipe(translator), "translator has no effect", "format = \"wmt_xml\"");
}

#[test]
fn a_password_in_an_address_is_not_repeated() {
    let more = "[[origin.downloads]]\nmembers = { \"a.en\" = \"a.en\" }\nmirrors = [{ url = \"http://me:secret@h/a.7z\" }]";
    let (_, _, said, _) = parts(&recipe(more), load_data(&recipe(more).path("r.toml"), &[]));
    assert!(said.contains("http://h/a.7z") && !said.contains("secret"), "{said}");
}

#[test]
fn moses_needs_languages_that_it_knows() {
    let text = format!("{HEAD}{TRAIN}{DEV}{TEST}[moses]\n").replace("\"de\"", "\"cs\"");
    fails(Folder::with(&[("r.toml", &text)]), "no Moses rules for language \"cs\"", "leave [moses] out");
}

#[test]
fn a_recipes_settings_are_those_that_nothing_else_states() {
    let more = "[data]\nmerges = 77\nlowercase = true\n";
    let text = format!("{HEAD}{TRAIN}{DEV}{TEST}{more}");
    let folder = Folder::with(&[
        ("r.toml", &text),
        ("e.toml", "[data]\nrecipe = \"r.toml\"\nmerges = 5\n"),
        ("plain.toml", &text.replace(more, "")),
    ]);
    let alone = load_data(&folder.path("r.toml"), &[]).unwrap();
    assert_eq!((alone.merges, alone.lowercase, alone.max_length), (77, true, 256));
    let set = ["data.merges=6".to_string()];
    assert_eq!(load_data(&folder.path("r.toml"), &set).unwrap().merges, 6);
    let experiment = load_experiment(&folder.path("e.toml"), &[]).unwrap();
    assert_eq!((experiment.data.merges, experiment.data.lowercase), (5, true));
    // Another recipe brings its own settings.
    let plain = format!("data.recipe={}", folder.path("plain.toml").display());
    let experiment = load_experiment(&folder.path("e.toml"), &[plain]).unwrap();
    assert_eq!((experiment.data.merges, experiment.data.lowercase), (5, false));
}
