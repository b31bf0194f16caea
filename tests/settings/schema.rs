//! The committed JSON Schemas and key references equal the program's, and agree with it on what files may contain.

use ablate::config::json_schema;
use ablate::sweep;
use clap::CommandFactory;
use clap::error::ErrorKind;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

const KINDS: [&str; 4] = ["experiment", "sweep", "part", "recipe"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn ablate(words: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_ablate")).args(words).output().unwrap()
}

fn printed(words: &[&str]) -> String {
    let output = ablate(words);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the files of a folder, by name.
fn texts(folder: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            (entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap())
        })
        .collect()
}

/// Returns every committed TOML of experiments/ and sweeps/, recipes included.
fn files() -> Vec<PathBuf> {
    let mut folders = vec![root().join("experiments"), root().join("sweeps")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|end| end == "toml") => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    found
}

/// Returns the schema that a file names in its first line.
fn named_schema(file: &Path) -> PathBuf {
    let text = std::fs::read_to_string(file).unwrap();
    let first = text.lines().next().unwrap();
    let named = first.strip_prefix("#:schema ").unwrap_or_else(|| panic!("{}: {first}", file.display()));
    file.parent().unwrap().join(named)
}

fn instance(text: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap()
}

fn schema(kind: &str) -> Value {
    let schema = match kind {
        "experiment" => json_schema::experiment(),
        "sweep" => sweep::file::sweep_schema(),
        "part" => sweep::file::part_schema(),
        "recipe" => json_schema::recipe(),
        _ => panic!("{kind}"),
    };
    schema.to_value()
}

/// The schemas by their kinds, ready to validate.
static VALIDATORS: LazyLock<BTreeMap<&str, jsonschema::Validator>> = LazyLock::new(|| {
    KINDS.into_iter().map(|kind| (kind, jsonschema::draft7::new(&schema(kind)).unwrap())).collect()
});

fn check(kind: &str, text: &str) -> Result<(), String> {
    let instance = instance(text);
    VALIDATORS[kind].validate(&instance).map_err(|error| format!("{}: {error}", error.instance_path()))
}

#[track_caller]
fn accepts(kind: &str, text: &str) {
    check(kind, text).unwrap_or_else(|error| panic!("{error}\n{text}"));
}

#[track_caller]
fn refuses(kind: &str, text: &str, said: &str) {
    let error = check(kind, text).expect_err(text);
    assert!(error.contains(said), "{error}");
}

#[test]
fn the_committed_schemas_and_the_key_reference_are_what_the_program_writes() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    // The second run overwrites the files of the first.
    for _ in 0..2 {
        let listed = printed(&["schema", "--out", out]);
        assert!(listed.contains("schema/part.json\n") && listed.contains("reference/model.md\n"), "{listed}");
    }
    for part in ["schema", "reference"] {
        let (committed, written) = (texts(&root().join("docs").join(part)), texts(&folder.path().join(part)));
        let names = |texts: &BTreeMap<String, String>| texts.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&committed), names(&written));
        for (name, text) in &written {
            // `assert_eq` would print all of both.
            assert!(
                committed[name] == *text,
                "docs/{part}/{name} is out of date; run: ablate schema --out docs"
            );
        }
    }
    for kind in KINDS {
        let text = std::fs::read_to_string(folder.path().join(format!("schema/{kind}.json"))).unwrap();
        assert_eq!(printed(&["schema", kind]), text);
    }
    let pages = printed(&["schema", "experiment", "--format", "markdown"]);
    let written = texts(&folder.path().join("reference"));
    assert!(pages.contains(&written["experiment.md"]) && pages.contains(&written["model.md"]));
    assert!(!pages.contains(&written["sweep.md"]));
}

#[test]
fn the_reference_is_not_written_over_a_page_of_the_user() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("reference/sweep.md");
    std::fs::create_dir(folder.path().join("reference")).unwrap();
    std::fs::write(&own, "My notes on sweeps.\n").unwrap();
    let refused = ablate(&["schema", "--out", folder.path().to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("reference/sweep.md is there already"));
    assert_eq!(std::fs::read_to_string(&own).unwrap(), "My notes on sweeps.\n");
    assert!(!folder.path().join("schema").exists(), "nothing else is written either");
}

/// Collects the keys of every table in a schema, without settings in a sweep, which the pages of experiments have.
fn key_names(schema: &Value, found: &mut BTreeSet<String>) {
    if let Some(keys) =
        schema["properties"].as_object().filter(|keys| !keys.keys().any(|key| key.contains('.')))
    {
        found.extend(keys.keys().cloned());
    }
    match schema {
        Value::Object(map) => map.values().for_each(|below| key_names(below, found)),
        Value::Array(list) => list.iter().for_each(|below| key_names(below, found)),
        _ => {}
    }
}

/// Returns the sections of experiments with their keys; a section inside of another comes after it.
fn sections() -> Vec<(String, Vec<String>)> {
    fn add(schema: &Value, table: &Value, path: &str, found: &mut Vec<(String, Vec<String>)>) {
        let keys = table["properties"].as_object().unwrap();
        if !path.is_empty() {
            found.push((path.to_string(), keys.keys().cloned().collect()));
        }
        for (key, value) in keys {
            let reference = value["allOf"][0]["$ref"].as_str().unwrap_or_default().trim_start_matches('#');
            let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match schema.pointer(reference) {
                Some(definition) if !reference.is_empty() && definition.get("properties").is_some() => {
                    add(schema, definition, &below, found);
                }
                _ => {}
            }
        }
    }
    let (schema, mut found) = (schema("experiment"), Vec::new());
    add(&schema, &schema, "", &mut found);
    found
}

#[test]
fn the_reference_has_every_key_with_type_default_and_meaning() {
    let pages = texts(&root().join("docs/reference"));
    let mut count = 0;
    for (section, keys) in sections() {
        let page = &pages[&format!("{}.md", section.split('.').next().unwrap())];
        // Text below the heading of the section; in a whole page, that is its first heading.
        let (_, text) = page.split_once(&format!("# `[{section}]`\n")).unwrap_or_else(|| panic!("{section}"));
        // Tables of a list inside of it have keys of their own.
        let text = text.split("\n## `[").next().unwrap().split("\n### `[[").next().unwrap();
        for key in keys {
            let lines: Vec<&str> =
                text.lines().filter(|line| line.starts_with(&format!("| `{key}` |"))).collect();
            assert_eq!(lines.len(), 1, "{section}.{key}: {lines:?}");
            let cells: Vec<&str> = lines[0].split(" | ").collect();
            assert!(cells.len() >= 4 && cells.iter().all(|cell| cell.len() > 1), "{}", lines[0]);
            count += 1;
        }
    }
    assert!(count > 60, "{count}");
    let all: String = pages.values().map(String::as_str).collect();
    let mut names = BTreeSet::new();
    KINDS.iter().for_each(|kind| key_names(&schema(kind), &mut names));
    for name in names {
        let is_there = all.contains(&format!("| `{name}` |")) || all.contains(&format!("{{ {name} = … }}"));
        assert!(is_there, "{name} is on no page");
    }
}

/// Returns the anchors of the headings of a page, as GitHub makes them.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"))
        .map(|line| line.chars().filter(|c| c.is_alphanumeric() || "_-".contains(*c)).collect())
        .collect()
}

#[test]
fn every_link_of_the_pages_about_keys_leads_somewhere() {
    let folder = root().join("docs/reference");
    let mut pages: Vec<PathBuf> = texts(&folder).keys().map(|name| folder.join(name)).collect();
    pages.push(root().join("docs/coming-from.md"));
    let mut count = 0;
    for path in pages {
        let text = std::fs::read_to_string(&path).unwrap();
        let own = anchors(&text);
        let distinct: BTreeSet<&String> = own.iter().collect();
        assert_eq!(distinct.len(), own.len(), "{}: headings repeat: {own:?}", path.display());
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let (page, place) = link.split_once('#').unwrap_or((link, ""));
            let target = if page.is_empty() { path.clone() } else { path.parent().unwrap().join(page) };
            let target = std::fs::read_to_string(&target)
                .unwrap_or_else(|error| panic!("{}: {link}: {error}", path.display()));
            assert!(
                place.is_empty() || anchors(&target).contains(&place.to_string()),
                "{}: {link}",
                path.display()
            );
            count += 1;
        }
    }
    assert!(count > 50, "{count}");
}

/// Returns the texts between back quotes in the second column of the tables of docs/coming-from.md: our side.
fn our_words() -> Vec<String> {
    let page = std::fs::read_to_string(root().join("docs/coming-from.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.contains("---"));
    let ours = rows.map(|line| line.split(" | ").nth(1).unwrap_or_else(|| panic!("{line}")).to_string());
    ours.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_string).collect::<Vec<_>>()).collect()
}

/// Checks that the program takes a command line, which may leave out required words.
fn check_command(words: &str) {
    let read = ablate::commands::score::words(words.split_whitespace().map(Into::into));
    let outcome = ablate::cli::Cli::command().try_get_matches_from(read);
    if let Err(error) = outcome {
        let left_out =
            [ErrorKind::MissingRequiredArgument, ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand];
        assert!(left_out.contains(&error.kind()), "{words}: {error}");
    }
}

#[test]
fn every_word_of_ours_beside_those_of_other_tools_exists() {
    let words = our_words();
    assert!(words.len() > 120, "{}", words.len());
    let sweep = schema("sweep");
    let sections = sections();
    // A section inside of another comes after it.
    let section_of = |word: &str| {
        let inside = |section: &str| word.strip_prefix(section)?.strip_prefix('.').map(str::to_string);
        sections.iter().rev().find_map(|(section, keys)| Some((section, keys, inside(section)?)))
    };
    let files_of_runs = std::fs::read_to_string(root().join("docs/results.md")).unwrap();
    for word in words {
        if word.starts_with("ablate ") {
            check_command(&word);
        } else if let Some((section, keys, key)) = section_of(&word) {
            match key.split_once(" = ") {
                // A setting with a value.
                Some(_) => accepts("experiment", &format!("base = \"b.toml\"\n[{section}]\n{key}")),
                None => assert!(keys.contains(&key), "{word} is no key"),
            }
        } else if let Some((table, rest)) = word.split_once("] ").filter(|_| word.starts_with('[')) {
            // A table of a sweep with keys.
            accepts("sweep", &format!("{SWEEP}{table}]\n{}", rest.replace("; ", "\n")));
        } else if word.starts_with('[') {
            let name = word.trim_matches(['[', ']']);
            assert!(
                sweep["properties"].get(name).is_some() || sections.iter().any(|(own, _)| own == name),
                "{word} is no table"
            );
        } else if word.contains(" = ") {
            let fits = [("sweep", SWEEP), ("recipe", RECIPE)].iter().any(|(kind, file)| {
                let others = file.lines().filter(|line| line.split(" = ").next() != word.split(" = ").next());
                check(kind, &others.chain([word.as_str()]).collect::<Vec<_>>().join("\n")).is_ok()
            });
            assert!(fits, "{word} fits neither a sweep nor a recipe");
        } else {
            assert!(
                sweep["properties"].get(&word).is_some() || files_of_runs.contains(&word),
                "{word} is neither a key nor a file of a run"
            );
        }
    }
}

#[test]
fn the_schemas_are_draft_7_schemas_themselves() {
    for kind in KINDS {
        let schema = schema(kind);
        assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
        jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

#[test]
fn every_committed_file_fits_the_schema_that_it_names() {
    let files = files();
    assert!(files.len() >= 11, "{files:?}");
    for file in files {
        let schema = named_schema(&file);
        let kind = match file.strip_prefix(root()).unwrap().to_str().unwrap() {
            path if path.contains("recipes/") => "recipe",
            path if path.starts_with("sweeps/") => "sweep",
            _ => "experiment",
        };
        let expected = root().join(format!("docs/schema/{kind}.json")).canonicalize().unwrap();
        assert_eq!(schema.canonicalize().unwrap(), expected, "{}", file.display());
        accepts(kind, &std::fs::read_to_string(&file).unwrap());
    }
}

#[test]
fn resolved_experiments_fit_too() {
    for file in ["experiments/demo.toml", "experiments/big.toml"] {
        let experiment = ablate::config::load_experiment(&root().join(file), &[]).unwrap();
        accepts("experiment", &ablate::config::to_toml(&experiment).unwrap());
    }
}

#[test]
fn wrong_experiments_do_not_fit() {
    let base = "base = \"base.toml\"\n";
    accepts(
        "experiment",
        &format!("{base}[model]\nheads = 4\nposition = \"learned\"\n[run]\ndevice = \"cuda:1\""),
    );
    refuses("experiment", &format!("{base}[model]\nheadz = 4"), "headz");
    refuses("experiment", &format!("{base}[model]\nheads = \"four\""), "/model/heads");
    refuses("experiment", &format!("{base}[model]\nheads = 4.5"), "/model/heads");
    refuses("experiment", &format!("{base}[model]\nlayers = -1"), "/model/layers");
    refuses("experiment", &format!("{base}[model]\nposition = \"sinusoid\""), "/model/position");
    refuses("experiment", &format!("{base}[run]\ndevice = \"gpu\""), "/run/device");
    refuses("experiment", &format!("{base}[modle]\nheads = 4"), "modle");
    refuses("experiment", "[model]\nheads = 4", "");
    refuses("recipe", "name = \"x\"\nsource_language = \"en\"\ntarget_language = \"de\"", "corpus");
}

const SWEEP: &str = "base = \"base.toml\"\nseeds = [1]\n";
const RECIPE: &str = "name = \"x\"\nsource_language = \"en\"\ntarget_language = \"de\"\ncorpus = { generated = { train = 9, dev = 1, test = 1, seed = 1 } }\n";

#[test]
fn every_form_of_a_sweep_fits() {
    for text in [
        "set = { \"model.heads\" = 4, model.layers = 2, \"data.recipe\" = \"r.toml\", \"data.recipe.corpus.generated.train\" = 9 }",
        "[[row]]\nlabel = \"a\"\ngroup = \"A\"\npaper = \"A-h1\"\nset = { \"model.heads\" = 1 }\nwhen = { \"model.norm\" = [\"pre\", \"post\"] }",
        "[axes]\n\"model.position\" = [\"learned\", \"none\"]\nmodel.heads = [4, 8]\n\"model.learned_positions\" = { values = [128], when = { \"model.position\" = \"learned\" } }",
        "[[zip]]\nlabels = [\"a\", \"b\"]\nwhen = { \"model.norm\" = \"pre\" }\n\"model.heads\" = [4, 8]\n\"model.d_k\" = [8, 16]",
        "[[point]]\nset = { \"model.heads\" = 4 }\n[[point]]\nlabel = \"plain\"",
        "[random]\nseed = 1\ncount = 3\n\"model.heads\" = { choice = [4, 8] }\n\"model.layers\" = { integer = [1, 6] }\n\"model.dropout\" = { uniform = [0.0, 0.3], when = { \"model.heads\" = 4 } }\n\"training.learning_rate_scale\" = { log_uniform = [0.1, 10] }",
        "[[exclude]]\n\"model.heads\" = [4, 8]",
        "include = [\"a.toml\"]\n[[section]]\nlabel = \"A\"\nseeds = [2]\n[section.axes]\n\"model.heads\" = [4]\n[[section.exclude]]\nmodel.heads = 4",
    ] {
        accepts("sweep", &format!("{SWEEP}{text}"));
    }
    accepts("part", "include = [\"b.toml\"]\n[[row]]\nlabel = \"a\"\n[[section]]\nlabel = \"A\"");
}

#[test]
fn wrong_sweeps_do_not_fit() {
    for (text, said) in [
        ("set = { \"model.headz\" = 4 }", "model.headz"),
        ("set = { model.headz = 4 }", "headz"),
        ("set = { \"model.heads\" = \"four\" }", "/set/model.heads"),
        ("set = { \"training.seed\" = 4 }", "training.seed"),
        ("[axes]\n\"model.heads\" = 4", "/axes/model.heads"),
        ("[axes]\n\"model.heads\" = []", "/axes/model.heads"),
        ("[axes]\n\"model.heads\" = [\"four\"]", "/axes/model.heads"),
        ("[[zip]]\n\"model.heads\" = [4.5]", "/zip/0/model.heads/0"),
        ("[random]\nseed = 1\n\"model.heads\" = { choice = [4] }", "count"),
        (
            "[random]\nseed = 1\ncount = 2\n\"model.heads\" = { choice = [\"four\"] }",
            "/random/model.heads/choice/0",
        ),
        ("[random]\nseed = 1\ncount = 2\n\"model.heads\" = { integer = [4] }", "/random/model.heads/integer"),
        (
            "[random]\nseed = 1\ncount = 2\n\"model.heads\" = { integer = [1, 2], choice = [4] }",
            "/random/model.heads",
        ),
        ("[[row]]\nset = {}", "label"),
        ("[[row]]\nlabel = \"a\"\nwhen = { \"model.norm\" = \"after\" }", "/row/0/when"),
        ("workers = 0", "/workers"),
        ("[[section]]\nlabel = \"A\"\naxis = {}", "axis"),
    ] {
        refuses("sweep", &format!("{SWEEP}{text}"), said);
    }
    refuses("sweep", "seeds = [1]", "base");
    refuses("sweep", "base = \"a.toml\"\nseeds = []", "/seeds");
    refuses("part", "seeds = [1]", "seeds");
}
