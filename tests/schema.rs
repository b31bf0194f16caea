//! The committed JSON Schemas are the program's, and agree with it on what files may hold.

use ablate::config::json_schema;
use ablate::sweep;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

const KINDS: [&str; 4] = ["experiment", "sweep", "part", "recipe"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn printed(kind: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_ablate")).args(["schema", kind]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Every committed TOML of experiments/ and sweeps/, recipes included.
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

/// The schema that a file names in its first line.
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

fn check(kind: &str, text: &str) -> Result<(), String> {
    let schema = schema(kind);
    let validator = jsonschema::draft7::new(&schema).unwrap();
    validator.validate(&instance(text)).map_err(|error| format!("{}: {error}", error.instance_path()))
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
fn the_committed_schemas_are_what_the_program_prints() {
    for kind in KINDS {
        let file = root().join(format!("docs/schema/{kind}.json"));
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            committed == printed(kind),
            "docs/schema/{kind}.json is out of date; run: ablate schema {kind} > docs/schema/{kind}.json"
        );
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
