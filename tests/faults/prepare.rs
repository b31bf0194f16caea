//! `ablate prepare` from recipes: downloads, archives, folders, interruptions, a full disk.

use crate::common::corpora::gzip;
use crate::common::server::{Reply, Request, Server};
use crate::common::{FILES, Outcome, Workshop, names};
use crate::fault::{Fault, Place, Site};
use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::Path;

/// Number of lines of every text.
const LINES: usize = 230;
/// Number of trees in every file of trees: a treebank has many files.
const TREES: usize = 20;

/// Returns an archive in the form that its name asks for.
fn archive(name: &str, members: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    if name.ends_with(".zip") {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (path, bytes) in members {
            writer.start_file(path.as_str(), zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        return writer.finish().unwrap().into_inner();
    }
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, bytes.as_slice()).unwrap();
    }
    let tar = builder.into_inner().unwrap();
    if name.ends_with(".tgz") { gzip(&tar) } else { tar }
}

/// Returns sentence `n` of a language: a few words, and numbers that no other sentence has.
fn sentence(language: &str, n: usize) -> String {
    let words = if language == "en" { "The red house isn't" } else { "Das rote Haus ist" };
    format!("{words} number {n} of {}.", n * n)
}

/// Returns a text in the form of a file with this name.
fn text(name: &str, language: &str) -> Vec<u8> {
    let sentences = (0..LINES).map(|n| sentence(language, n));
    let text: String = match name {
        name if name.ends_with(".sgm") || name.ends_with(".xml") => {
            let segments = sentences.enumerate().map(|(n, text)| format!("<seg id=\"{n}\"> {text} </seg>\n"));
            format!("<doc docid=\"x\">\n{}</doc>\n", segments.collect::<String>())
        }
        name if name.contains("train.tags") => {
            let tagged = sentences.map(|text| format!("<url>http://x</url>\n<title>{text}</title>\n"));
            tagged.collect()
        }
        name if name.ends_with("deu.txt") || name.ends_with("fra.txt") => {
            (0..LINES).map(|n| format!("{}\t{}\n", sentence("en", n), sentence("de", n))).collect()
        }
        name if name.ends_with(".tree") => (0..TREES)
            .map(|n| format!("( (S (NP-SBJ (NN word{n}))\n (VP (VBZ is) (CD {n})) (. .)) )\n"))
            .collect(),
        _ => sentences.map(|text| text + "\n").collect(),
    };
    if name.ends_with(".gz") { gzip(text.as_bytes()) } else { text.into_bytes() }
}

/// A recipe with training text in an archive with two mirrors, and a test set in SGML.
fn recipe(server: &Server) -> String {
    format!(
        r#"
name = "corpus"
source_language = "en"
target_language = "de"
[data]
merges = 40
[cleaning]
max_words = 9
drop_duplicates = true
drop_overlap = "pair"
{FILES}[origin]
title = "A corpus of this test's"
licence = "free"
[[origin.downloads]]
mirrors = [{{ url = "{}" }}, {{ url = "{}" }}]
members = {{ "train.en" = "c/train.en", "train.de" = "c/train.de", "test.en" = "c/test.en.sgm", "test.de" = "c/test.de.sgm" }}
[[origin.downloads]]
name = "dev.en"
mirrors = [{{ url = "{}" }}]
[[origin.downloads]]
name = "dev.de"
mirrors = [{{ url = "{}" }}]
"#,
        server.url("/gone/c.tgz"),
        server.url("/c.zip"),
        server.url("/dev.en.gz"),
        server.url("/dev.de.gz"),
    )
}

/// Training text with examples for every step of cleaning; test and dev of two lines.
fn members() -> BTreeMap<String, Vec<u8>> {
    let side = |language: &str| {
        let mut text = text("plain", language);
        text.extend(format!("{}\n\nheld out\n{}\n", sentence(language, 1), "word ".repeat(10)).as_bytes());
        text
    };
    let segments =
        |first: &str| format!("<seg id=\"1\">{first}</seg>\n<seg id=\"2\">held out</seg>\n").into_bytes();
    BTreeMap::from([
        ("c/train.en".to_string(), side("en")),
        ("c/train.de".to_string(), side("de")),
        ("c/test.en.sgm".to_string(), segments("a test &amp; more")),
        ("c/test.de.sgm".to_string(), segments("ein Test")),
    ])
}

fn answer(request: &Request, _: usize) -> Reply {
    // Requests to a proxy contain whole addresses.
    let path = request.target.strip_prefix("http://corpus.invalid").unwrap_or(&request.target);
    match path {
        "/c.zip" => Reply::ranged(request, &archive("c.zip", &members())).header("ETag: \"1\""),
        "/dev.en.gz" => Reply::ranged(request, &gzip(b"one\ntwo\n")),
        "/dev.de.gz" => Reply::ranged(request, &gzip(b"eins\nzwei\n")),
        _ => Reply::new(404, b""),
    }
}

fn workshop(server: &Server) -> Workshop {
    let workshop = Workshop::new();
    workshop.write("corpus.toml", &recipe(server));
    workshop
}

const PREPARE: [&str; 4] = ["prepare", "corpus", "--recipes", "."];

/// The prepared directory of a workshop, and the files in it.
fn prepared(workshop: &Workshop) -> BTreeMap<String, Vec<u8>> {
    let name = names(&workshop.path("data")).into_iter().find(|name| name.starts_with("corpus-")).unwrap();
    let folder = workshop.path("data").join(name);
    names(&folder).into_iter().map(|name| (name.clone(), workshop.read(folder.join(name)))).collect()
}

#[test]
fn a_recipe_is_fetched_unpacked_cleaned_and_prepared_once() {
    let server = Server::start(answer);
    let workshop = workshop(&server);
    let outcome = workshop.run(&PREPARE).expect(0).says("/gone/c.tgz").says("404").says("unpacking");
    for line in ["a side without text", "too many words", "in dev or test", "came before"] {
        let line = outcome.err().lines().find(|text| text.starts_with(line)).unwrap().to_string();
        assert!(line.split_whitespace().rev().nth(1) == Some("1"), "{line}");
    }
    let asked = server.requests().len();
    workshop.run(&PREPARE).expect(0).says("already prepared");
    assert_eq!(server.requests().len(), asked);

    let mut words = PREPARE.to_vec();
    words.push("--json");
    let document = workshop.run(&words).expect(0).json();
    let steps = document["cleaning"].as_array().unwrap();
    assert_eq!(steps.last().unwrap()["left"], document["counts"]["train"]["kept"]);
    assert_eq!(document["counts"]["train"]["kept"], LINES);
    assert_eq!(document["counts"]["train"]["overlap"], 1);
    assert_eq!(document["sources"].as_array().unwrap().len(), 6);
    let files = prepared(&workshop);
    assert_eq!(files["test.source.txt"], b"a test &amp; more\nheld out\n");
    assert!(Path::new(document["directory"].as_str().unwrap()).starts_with("data"));
}

#[test]
fn files_and_archives_of_a_folder_give_the_same() {
    let server = Server::start(answer);
    let fetched = workshop(&server);
    fetched.run(&PREPARE).expect(0);
    let expected = prepared(&fetched);
    let [plain_dev, packed_dev] = ["dev.en", "dev.en.gz"];
    for form in ["c.zip", "c.tgz", "members", "names"] {
        let workshop = workshop(&server);
        let folder = workshop.path("given");
        std::fs::create_dir(&folder).unwrap();
        match form {
            "members" | "names" => {
                for (path, bytes) in members() {
                    // The members lie with the archive's folders, or without.
                    let name = if form == "members" { path.as_str() } else { &path["c/".len()..] };
                    std::fs::create_dir_all(folder.join("c")).unwrap();
                    std::fs::write(folder.join(name), bytes).unwrap();
                }
                std::fs::write(folder.join(plain_dev), b"one\ntwo\n").unwrap();
            }
            archive_name => {
                std::fs::write(folder.join(archive_name), archive(archive_name, &members())).unwrap();
                std::fs::write(folder.join(packed_dev), gzip(b"one\ntwo\n")).unwrap();
            }
        }
        std::fs::write(folder.join("dev.de.gz"), gzip(b"eins\nzwei\n")).unwrap();
        let asked = server.requests().len();
        let words = [&PREPARE[..], &["--source", "given"]].concat();
        workshop.run(&words).expect(0);
        assert_eq!(server.requests().len(), asked, "a given folder is enough");
        assert!(prepared(&workshop) == expected, "{form}");
    }
}

#[test]
fn what_a_folder_lacks_or_holds_wrongly_is_named() {
    let server = Server::start(answer);
    let workshop = workshop(&server);
    let folder = workshop.path("given");
    let words = [&PREPARE[..], &["--source", "given"]].concat();
    workshop.run(&words).expect(2).says("no such folder");
    std::fs::create_dir(&folder).unwrap();
    workshop.run(&words).expect(2).says("no file train.en").says(".xz").says("c.tgz or c.zip");
    let mut fewer = members();
    fewer.remove("c/test.de.sgm");
    std::fs::write(folder.join("c.tgz"), archive("c.tgz", &fewer)).unwrap();
    workshop
        .run(&words)
        .expect(2)
        .says("c.tgz: no member \"c/test.de.sgm\" (did you mean \"c/test.en.sgm\"?); it holds: c/");
    let whole = archive("c.tgz", &members());
    std::fs::write(folder.join("c.tgz"), &whole[..whole.len() / 2]).unwrap();
    workshop.run(&words).expect(2).says("c.tgz: ").says("ends too early");
    let text = recipe(&server).replace("c.tgz\"", "c.tgz\", bytes = 7");
    workshop.write("corpus.toml", &text);
    workshop.run(&words).expect(2).says("c.tgz: not the file").says("instead of 7");
    assert!(!workshop.path("data").join("corpus").exists());
}

#[test]
fn interrupted_at_any_call_a_second_one_goes_on() {
    let server = Server::start(answer);
    let whole = Site::new();
    whole.workshop.write("corpus.toml", &recipe(&server));
    let log = whole.workshop.path("log");
    let mut command = whole.watched(whole.workshop.command(&PREPARE));
    command.env("FAULT_IN", "prepare").env("FAULT_LOG", &log);
    Outcome(command.output().unwrap()).expect(0);
    let expected = prepared(&whole.workshop);
    let calls = std::fs::read_to_string(&log).unwrap().lines().count();
    assert!(calls > 60, "{calls}");
    // Every 24th call, from a different start for each kind of death.
    for (offset, what) in ["before", "half", "after"].into_iter().enumerate() {
        for at in (1 + 8 * offset..=calls).step_by(24) {
            let site = Site::new();
            site.workshop.write("corpus.toml", &recipe(&server));
            let place = Place { process: "prepare", name: "any", pattern: "*" };
            let mut command = site.faulty(site.workshop.command(&PREPARE), &Fault { place, at, what });
            let status = command.output().unwrap().status;
            let struck = site.struck().unwrap_or_else(|| panic!("{what} at {at} of {calls}: {status}"));
            site.workshop.run(&PREPARE).expect(0);
            assert!(prepared(&site.workshop) == expected, "{what} at {at}: {struck}");
            let left = names(&site.workshop.path("data"));
            assert!(
                left.iter().all(|name| !name.starts_with('.')),
                "{left:?} after {what} at {at}: {struck}"
            );
        }
    }
}

#[test]
fn a_full_disk_is_named_and_nothing_is_lost() {
    let server = Server::start(answer);
    let whole = Site::new();
    whole.workshop.write("corpus.toml", &recipe(&server));
    Outcome(whole.workshop.command(&PREPARE).output().unwrap()).expect(0);
    let expected = prepared(&whole.workshop);
    for pattern in [
        "write *c.zip.part",
        "write *dev.en.gz.part",
        "write *lock.toml*",
        "write */members/*",
        "write */text/train.source",
        "write */test.target.txt",
        "write */tokenizer.json",
        "write */train.store*",
        "write */manifest.json",
    ] {
        let site = Site::new();
        site.workshop.write("corpus.toml", &recipe(&server));
        let place = Place { process: "prepare", name: pattern, pattern };
        let fault = Fault { place, at: 1, what: "full" };
        let mut command = site.faulty(site.workshop.command(&PREPARE), &fault);
        let outcome = Outcome(command.output().unwrap());
        let struck = site.struck().unwrap_or_else(|| panic!("nothing matches {pattern}"));
        let said = outcome.expect(1).err();
        assert!(said.contains("No space left on device"), "{struck}: {said}");
        site.workshop.run(&PREPARE).expect(0);
        assert!(prepared(&site.workshop) == expected, "after {struck}");
    }
}

#[test]
fn proxies_are_taken_from_the_environment() {
    let server = Server::start(answer);
    let workshop = Workshop::new();
    workshop.write("corpus.toml", &recipe(&server).replace(&server.url(""), "http://corpus.invalid"));
    let mut command = workshop.command(&PREPARE);
    Outcome(command.env("http_proxy", server.url("")).output().unwrap()).expect(0);
    assert!(server.requests().iter().any(|request| request.target.contains("corpus.invalid")));
}

#[test]
fn recipes_are_listed_and_near_names_offered() {
    let server = Server::start(answer);
    let workshop = workshop(&server);
    std::fs::create_dir(workshop.path("recipes")).unwrap();
    std::fs::rename(workshop.path("corpus.toml"), workshop.path("recipes/corpus.toml")).unwrap();
    let list = workshop.run(&["prepare", "--list", "--recipes", "recipes"]).expect(0).out();
    assert_eq!(
        list,
        "corpus\n  A corpus of this test's\n  en-de, number of training pairs not stated; download of unstated size\n  licence: free\n"
    );
    workshop.run(&["prepare", "corpse", "--recipes", "recipes"]).expect(2).says("did you mean \"corpus\"?");
    workshop.run(&["prepare", "--list"]).expect(2).says("--recipes DIR");
    workshop.run(&["prepare"]).expect(2);
    std::fs::create_dir(workshop.path("empty")).unwrap();
    let empty = workshop.run(&["prepare", "--list", "--recipes", "empty"]).expect(0);
    assert_eq!(empty.says("there is no recipe in empty").out(), "");
    // The command also takes the path of a recipe, whose own [data] counts; --set takes precedence.
    let out = workshop.run(&["prepare", "recipes/corpus.toml", "--set", "data.merges=41"]).expect(0);
    assert!(out.err().contains("learning 41 merges"), "{}", out.err());
    workshop.write("recipes/corpus.toml", &recipe(&server).replace("merges = 40", "merge = 40"));
    workshop.run(&["prepare", "recipes/corpus.toml"]).expect(2).says("unknown key data.merge").says("merges");
}

/// Every committed recipe, its archives replaced by small ones of the same members.
#[test]
fn every_committed_recipe_works_on_archives_like_its_own() {
    let folder = crate::common::root().join("experiments/recipes");
    let mut tried = Vec::new();
    for name in names(&folder) {
        let mut recipe: toml::Table = std::fs::read_to_string(folder.join(&name)).unwrap().parse().unwrap();
        let origin = recipe["origin"].as_table_mut().unwrap();
        assert!(origin.contains_key("title") && origin.contains_key("licence"), "{name}");
        let Some(downloads) = origin.get_mut("downloads").and_then(toml::Value::as_array_mut) else {
            continue;
        };
        // Address → what is there.
        let mut files = BTreeMap::new();
        for download in downloads.iter_mut().map(|download| download.as_table_mut().unwrap()) {
            let members =
                download.get("members").and_then(toml::Value::as_table).cloned().unwrap_or_default();
            let language =
                |path: &str| if path.ends_with(".en") || path.contains(".en.") { "en" } else { "de" };
            let texts: BTreeMap<String, Vec<u8>> = members
                .values()
                .map(|path| path.as_str().unwrap())
                .map(|path| (path.to_string(), text(path, language(path))))
                .collect();
            for mirror in download["mirrors"].as_array_mut().unwrap() {
                let mirror = mirror.as_table_mut().unwrap();
                mirror.retain(|key, _| key == "url");
                let url = mirror["url"].as_str().unwrap().to_string();
                let path = format!("/{}", url.split_once("://").unwrap().1);
                let file = url.rsplit('/').next().unwrap().to_string();
                let bytes =
                    if texts.is_empty() { text(&file, language(&file)) } else { archive(&file, &texts) };
                files.insert(path, bytes);
            }
        }
        let server = Server::start(move |request, _| match files.get(&request.target) {
            Some(bytes) => Reply::ranged(request, bytes).cut(3_000).header("ETag: \"1\""),
            None => Reply::new(404, b""),
        });
        let text = toml::to_string(&recipe).unwrap();
        let text = text.replace("http://", "https://").replace("https://", &server.url("/"));
        let text: String = text
            .lines()
            .filter(|line| !line.starts_with("pairs = "))
            .map(|line| format!("{line}\n"))
            .collect();
        let workshop = Workshop::new();
        workshop.write(&name, &text);
        let words = ["prepare", &name, "--set", "data.merges=30", "--json"];
        let document = workshop.run(&words).expect(0).json();
        let counts = &document["counts"];
        // Running text is kept as blocks of hundreds of tokens.
        let least = if name.starts_with("wikitext") { 10 } else { 100 };
        assert!(counts["train"]["kept"].as_u64().unwrap() > least, "{name}: {counts}");
        if name == "craft.toml" {
            let sizes = [&counts["train"]["read"], &counts["dev"], &counts["test"]];
            assert_eq!(sizes, [60, 7, 30].map(|articles| articles * TREES), "{counts}");
        }
        if name.starts_with("iwslt14") {
            assert_eq!(counts["dev"], LINES / 23);
            assert_eq!(counts["test"], 5 * LINES);
            assert_eq!(counts["train"]["read"], LINES);
        }
        tried.push(name);
    }
    assert!(tried.len() >= 7, "{tried:?}");
}
