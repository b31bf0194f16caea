//! Corpora for language models: running text in blocks that follow each other, and come back exactly.

use crate::common::Workshop;
use crate::common::corpora::{directory_of_texts, lines_of};
use ablate::config::load_data;
use ablate::data::{Prepared, Split};
use std::path::Path;

const RECIPE: &str = "name = \"lm\"\nsource_language = \"en\"\ntarget_language = \"en\"\n[data]\nmerges = 60\nmax_length = 16\n[corpus.files]\n\
    train = [{ source = \"a.txt\", target = \"a.txt\", format = \"running\" }, { source = \"b.txt\", target = \"b.txt\", format = \"running\" }]\n\
    dev = { source = \"b.txt\", target = \"b.txt\", format = \"running\" }\ntest = { source = \"b.txt\", target = \"b.txt\", format = \"running\" }\n";

fn prepared(workshop: &Workshop, recipe: &str) -> Prepared {
    std::fs::write(workshop.path("r.toml"), recipe).unwrap();
    let out = workshop.run(&["prepare", "r.toml", "--source", "."]).expect(0).out();
    Prepared::load(&workshop.path(out.trim()), &load_data(&workshop.path("r.toml"), &[]).unwrap()).unwrap()
}

/// Returns the joined text of all blocks of a split. Checks that each block but the last has the stated length.
fn text(data: &Prepared, split: Split, length: usize) -> String {
    let store = data.split(split).unwrap();
    assert!((0..store.len() - 1).all(|block| store.target(block).len() == length));
    assert!((0..store.len()).all(|block| store.source(block).is_empty()));
    let ids: Vec<u32> = (0..store.len()).flat_map(|block| store.target(block)).collect();
    let text = data.decode_text(&ids);
    assert_eq!(data.encode_text(&text), ids);
    text
}

#[test]
fn the_text_of_all_blocks_is_the_text_of_the_files() {
    let workshop = Workshop::new();
    let first =
        "  An indented line.\n\n\nÄ line\u{2028}with\tsigns: \u{1f600} and a blank at its end \n \nx\n"
            .repeat(9);
    let second = "The last line has no end";
    std::fs::write(workshop.path("a.txt"), &first).unwrap();
    std::fs::write(workshop.path("b.txt"), second).unwrap();
    let data = prepared(&workshop, RECIPE);
    assert_eq!(text(&data, Split::Train, 16), format!("{first}{second}\n"));
    assert_eq!(text(&data, Split::Dev, 16), format!("{second}\n"));
    let counts = data.counts();
    let train = data.split(Split::Train).unwrap();
    assert_eq!((counts.train.read, counts.train.kept, counts.dev), (9 * 6 + 1, train.len(), 1));
    let tokens: usize = (0..train.len()).map(|block| train.target(block).len()).sum();
    assert_eq!((counts.train_source_tokens, counts.train_target_tokens), (0, tokens as u64));
}

#[test]
fn line_ends_of_windows_become_line_feeds() {
    let workshop = Workshop::new();
    std::fs::write(workshop.path("a.txt"), "one\r\n\r\ntwo\r\n").unwrap();
    std::fs::write(workshop.path("b.txt"), "three\r\n").unwrap();
    let data = prepared(&workshop, RECIPE);
    assert_eq!(text(&data, Split::Train, 16), "one\n\ntwo\nthree\n");
}

#[test]
fn messages_about_missing_text_do_not_speak_of_sentences() {
    let workshop = Workshop::new();
    workshop.write("r.toml", RECIPE);
    for (training, dev, message) in [
        ("", "x\n", "a.txt: the file is empty; expected text"),
        ("x\n", " \n\n", "b.txt: every line is empty; the dev set needs text to measure anything"),
    ] {
        workshop.write("a.txt", training);
        workshop.write("b.txt", dev);
        workshop.run(&["prepare", "r.toml", "--source", "."]).expect(2).says(message);
    }
}

/// A line that fills several blocks is cut at random like every other.
#[test]
fn dropout_has_no_limit_of_length_in_running_text() {
    let workshop = Workshop::new();
    let line = "the cat and the hat and the mat ".repeat(9);
    std::fs::write(workshop.path("a.txt"), &line).unwrap();
    std::fs::write(workshop.path("b.txt"), "x").unwrap();
    let usual = prepared(&workshop, RECIPE).counts().train_target_tokens;
    let dropout = RECIPE.replace("merges = 60", "merges = 60\nbpe_dropout = 0.5\nsegmentations = 2");
    let data = prepared(&workshop, &dropout);
    assert!(data.counts().train_target_tokens > 4 * usual, "{usual}");
    let train = data.split(Split::Train).unwrap();
    let ids: Vec<u32> = (0..train.len()).flat_map(|block| train.target(block)).collect();
    assert_eq!(data.decode_text(&ids), format!("{line}\nx\n").repeat(2));
}

/// The vocabulary has the characters of the training text, line ends included; those only in the dev text are one token.
#[test]
fn a_token_can_be_a_character() {
    let workshop = Workshop::new();
    std::fs::write(workshop.path("a.txt"), "Ö, a cat.\n\nA mat\n".repeat(4)).unwrap();
    std::fs::write(workshop.path("b.txt"), "a Cat").unwrap();
    let one = RECIPE.replace("{ source = \"b.txt\", target = \"b.txt\", format = \"running\" }]", "]");
    let recipe = one.replace("merges = 60", "pieces = \"characters\"");
    let data = prepared(&workshop, &recipe);
    let tokenizer = data.tokenizers.target();
    // Four special tokens come before these.
    let characters = "\n ,.Aacmt\u{d6}";
    let tokens: String = (4..tokenizer.len() as u32).map(|id| tokenizer.token(id).to_string()).collect();
    assert_eq!(tokens, characters);
    assert_eq!(text(&data, Split::Train, 16), "Ö, a cat.\n\nA mat\n".repeat(4));
    let dev = data.split(Split::Dev).unwrap();
    assert_eq!((dev.len(), dev.target(0)), (1, vec![9, 5, 3, 9, 12, 4]));
    assert_eq!(data.decode_text(&dev.target(0)), "a \u{fffd}at\n");
    // The number of merges is not read: the corpus is the same, and stating it is reported.
    let with_merges = recipe.replace("pieces =", "merges = 7\npieces =");
    std::fs::write(workshop.path("r.toml"), with_merges).unwrap();
    workshop.run(&["prepare", "r.toml", "--source", "."]).expect(0).says("already prepared");
    std::fs::write(
        workshop.path("e.toml"),
        "[data]\nrecipe = \"r.toml\"\npieces = \"characters\"\nmerges = 9\n[model]\nencoder = \"none\"\n",
    )
    .unwrap();
    let said = "data.merges has no effect with data.pieces = \"characters\"";
    workshop.run(&["train", "e.toml"]).expect(2).says(said).says("e.toml:4");
}

#[test]
fn what_does_not_go_with_running_text_is_refused() {
    let workshop = Workshop::new();
    let listed = RECIPE.replace("train = [", "train = [{ source = \"c.en\", target = \"c.de\" }, ");
    for (recipe, problem) in [
        (listed, "running text cannot be combined with files of pairs"),
        (format!("{RECIPE}[cleaning]\nmax_words = 3\n"), "running text cannot be combined with cleaning"),
        (format!("{RECIPE}[moses]\n"), "running text cannot be combined with Moses's tokens"),
        (
            RECIPE.replacen("format = \"running\" }", "format = \"running\", sample = 0.5 }", 1),
            "cannot be combined with a sample",
        ),
        (RECIPE.replacen("target = \"a.txt\"", "target = \"b.txt\"", 1), "running text comes from one file"),
    ] {
        std::fs::write(workshop.path("r.toml"), &recipe).unwrap();
        workshop.run(&["prepare", "r.toml", "--source", "."]).expect(2).says(problem).says("r.toml");
    }
    std::fs::write(workshop.path("r.toml"), RECIPE).unwrap();
    std::fs::write(workshop.path("e.toml"), "[data]\nrecipe = \"r.toml\"\n").unwrap();
    workshop
        .run(&["train", "e.toml"])
        .expect(2)
        .says("running text for a language model, but this model has an encoder")
        .says("set model.encoder = \"none\"")
        .says("e.toml");
}

#[test]
#[ignore = "needs the real texts that ABLATE_TEST_CORPORA names"]
fn real_books_come_back_exactly() {
    let directory = directory_of_texts();
    let workshop = Workshop::new();
    for name in ["tinyshakespeare.txt.gz", "wikitext-2-raw.valid.gz"] {
        let lines = lines_of(&directory.join("lm").join(name));
        for file in ["a.txt", "b.txt"] {
            std::fs::write(
                workshop.path(file),
                lines.iter().map(|line| format!("{line}\n")).collect::<String>(),
            )
            .unwrap();
        }
        let recipe =
            RECIPE.replace("merges = 60", "merges = 2000").replace("max_length = 16", "max_length = 256");
        let data =
            prepared(&workshop, &recipe.replace("name = \"lm\"", &format!("name = \"{}\"", stem(name))));
        let expected: String = lines.iter().map(|line| format!("{line}\n")).collect();
        assert!(text(&data, Split::Dev, 256) == expected, "{name}");
    }
}

fn stem(name: &str) -> &str {
    Path::new(name)
        .file_name()
        .and_then(|name| name.to_str())
        .and_then(|name| name.split('.').next())
        .unwrap()
}
