//! Files that are not text: one error that names the file, exit code 2, and nothing left behind.

use crate::common::corpora::gzip;
use crate::common::{FILES, Workshop};

const CONFIG: &str = r#"
name = "mine"
source_language = "en"
target_language = "de"
[data]
merges = 20
"#;

/// A workshop with six good files and the recipe that names them, in `text/` and `mine.toml`.
fn workshop() -> Workshop {
    let workshop = Workshop::new();
    std::fs::create_dir(workshop.path("text")).unwrap();
    for split in ["train", "dev", "test"] {
        workshop.write(&format!("text/{split}.en"), "one house\ntwo houses\nthree houses\n");
        workshop.write(&format!("text/{split}.de"), "ein Haus\nzwei Häuser\ndrei Häuser\n");
    }
    workshop.write("mine.toml", &format!("{CONFIG}{FILES}"));
    workshop
}

const PREPARE: [&str; 4] = ["prepare", "mine.toml", "--source", "text"];

#[test]
fn one_error_names_file_and_line_and_nothing_stays() {
    let long = [b"one house\n", "x".repeat(10 << 20).as_bytes(), b"\nthree houses\n"].concat();
    // More than one block of text, so that the damage is found in the middle of reading.
    let lines: Vec<u8> =
        (0..20_000u64).flat_map(|n| format!("{}\n", n * n * 7919 % 1_000_003).into_bytes()).collect();
    let packed = gzip(&lines);
    let cases: [(&str, &[u8], &[&str]); 9] = [
        ("dev.de", b"eins\nzwei\n", &["dev.en has 3 lines", "dev.de has 2"]),
        ("train.de", b"eins\nzwei\ndrei\nvier\n", &["train.de has 4 lines", "train.en has 3"]),
        ("train.en", b"", &["train.de has 3 lines", "train.en has 0"]),
        ("train.en", b"one\ntw\xff\nthree\n", &["train.en:2: byte 3", "not UTF-8", "drop_not_utf8"]),
        ("test.de", b"eins\nzwei\n\xe4\n", &["test.de:3: byte 1", "not UTF-8"]),
        ("train.en", &long, &["train.en:2: ", "more than 1048576 bytes", "max_characters"]),
        ("train.de", b"eins\nzw\0ei\ndrei\n", &["train.de:2: ", "NUL", "control_characters"]),
        ("train.en.gz", &packed[..packed.len() / 2], &["train.en.gz:", "the gzip data is damaged"]),
        ("train.en.gz", b"no gzip at all", &["train.en.gz:1: ", "the gzip data is damaged"]),
    ];
    for (name, bytes, expected) in cases {
        let workshop = workshop();
        std::fs::write(workshop.path("text").join(name), bytes).unwrap();
        if let Some(plain) = name.strip_suffix(".gz") {
            std::fs::remove_file(workshop.path("text").join(plain)).unwrap();
            std::fs::write(workshop.path("text/train.de"), &lines).unwrap();
        }
        let outcome = workshop.run(&PREPARE).expect(2);
        let errors = outcome.err().lines().filter(|line| line.starts_with("error")).count();
        assert_eq!(errors, 1, "{name}: {}", outcome.err());
        assert_eq!(outcome.out(), "");
        expected.iter().fold(outcome, |outcome, text| outcome.says(text));
        let left = left_in_data(&workshop);
        assert!(left.is_empty(), "{name} leaves {left:?}");
    }
}

/// Returns prepared directories and leftovers, without the folder of the downloads.
fn left_in_data(workshop: &Workshop) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(workshop.path("data")) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "downloads").collect()
}

#[test]
fn both_sides_empty_is_named() {
    let workshop = workshop();
    for name in ["text/train.en", "text/train.de"] {
        workshop.write(name, "");
    }
    workshop.run(&PREPARE).expect(2).says("train.en: the file is empty");
    assert!(left_in_data(&workshop).is_empty());
}

#[test]
fn cleaning_takes_what_it_is_told_to() {
    let workshop = workshop();
    let clean = "[cleaning]\ndrop_not_utf8 = true\nmax_characters = 100\ncontrol_characters = \"drop\"\n";
    workshop.write("mine.toml", &format!("{CONFIG}{FILES}{clean}"));
    let long = "x".repeat(10 << 20);
    let source = [b"one\n\xff\n", long.as_bytes(), b"\nth\0ree\nfive\n"].concat();
    std::fs::write(workshop.path("text/train.en"), source).unwrap();
    workshop.write("text/train.de", "eins\nzwei\nlang\ndrei\nfünf\n");
    let outcome = workshop.run(&[&PREPARE[..], &["--json"]].concat()).expect(0);
    let document = outcome.json();
    let dropped = |step: &str| {
        let steps = document["cleaning"].as_array().unwrap();
        steps.iter().find(|one| one["step"] == step).unwrap_or_else(|| panic!("{steps:?}"))["dropped"]
            .as_u64()
            .unwrap()
    };
    assert_eq!(
        (dropped("not_utf8"), dropped("too_many_characters"), dropped("control_characters")),
        (1, 1, 1)
    );
    assert_eq!(document["counts"]["train"]["kept"], 2);
}

/// A document of WMT's XML since 2021, with two sentences.
const WMT_XML: &str = "<?xml version='1.0' encoding='utf-8'?>\n<dataset id=\"x\">\n<doc origlang=\"en\" id=\"d\">\n\
    <src lang=\"en\"><p>\n<seg id=\"1\">cats &amp; dogs</seg>\n<seg id=\"2\">one tree</seg></p></src>\n\
    <ref lang=\"de\" translator=\"A\"><p>\n<seg id=\"1\">Katzen &amp; Hunde</seg>\n<seg id=\"2\">ein Baum</seg></p></ref>\n\
    <hyp lang=\"de\" system=\"S\"><p>\n<seg id=\"1\">Katzen</seg>\n<seg id=\"2\">Baum</seg></p></hyp>\n</doc></dataset>\n";

#[test]
fn xml_of_both_sides_is_told_apart_or_refused() {
    let workshop = workshop();
    workshop.write("text/news.xml", WMT_XML);
    let recipe = |test: &str| {
        let files = FILES.replace("source = \"test.en\"\ntarget = \"test.de\"\n", test);
        workshop.write("mine.toml", &format!("{CONFIG}{files}"));
    };
    recipe("source = \"news.xml\"\ntarget = \"test.de\"\n");
    workshop
        .run(&PREPARE)
        .expect(2)
        .says("news.xml:4: <src> belongs to WMT's XML")
        .says("format = \"wmt_xml\"");
    assert!(left_in_data(&workshop).is_empty());
    recipe("source = \"news.xml\"\ntarget = \"news.xml\"\nformat = \"wmt_xml\"\npairs = 2\n");
    let outcome = workshop.run(&PREPARE).expect(0);
    let lines = |side: &str| workshop.text(format!("{}/test.{side}.txt", outcome.out().trim()));
    assert_eq!(
        (lines("source"), lines("target")),
        ("cats & dogs\none tree\n".into(), "Katzen & Hunde\nein Baum\n".into())
    );
}
