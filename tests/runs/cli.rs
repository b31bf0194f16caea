//! The command line as a newcomer meets it: results on stdout, one clear error on stderr, exit codes.

use crate::common::{Workshop, root};
use std::io::Write;
use std::process::Stdio;

#[test]
fn a_wrong_key_is_named_with_file_line_and_the_nearest_name() {
    let workshop = Workshop::new();
    workshop.write("wrong.toml", "base = \"tiny.toml\"\n\n[model]\nheadz = 4\n");
    let outcome = workshop.run(&["train", "wrong.toml"]).expect(2);
    let error = outcome.err();
    assert!(error.starts_with("error: wrong.toml:4: "), "{error}");
    assert!(error.contains("headz = 4") && error.contains("\"heads\""), "{error}");
    assert_eq!(outcome.out(), "");
    assert!(!workshop.path("results").exists(), "something was written");
}

#[test]
fn impossible_settings_are_refused_before_any_work() {
    let workshop = Workshop::new();
    for (set, text) in [
        ("model.heads=3", "heads"),
        ("model.dropout=1.2", "1.2"),
        ("decoding.beam=0", "beam"),
        ("training.steps=0", "steps"),
        ("model.position=spiral", "sinusoidal"),
        ("model.layers=two", "layers"),
        ("run.device=gpu", "cuda"),
    ] {
        workshop.refuses("tiny.toml", &[set], &[text]);
    }
    workshop.run(&["train", "tiny.toml", "--set", "model.heads=3"]).expect(2).says("heads");
    assert!(!workshop.path("results").exists() && !workshop.path("data").exists());
}

#[test]
fn cuda_asked_for_and_absent_is_an_error() {
    let workshop = Workshop::new();
    // No machine has a hundred cards.
    workshop.run(&["train", "tiny.toml", "--set", "run.device=cuda:99"]).expect(2).says("run.device");
    assert!(!workshop.path("results").exists() && !workshop.path("data").exists(), "no work was begun");
}

#[test]
fn a_corpus_that_is_not_prepared_is_an_error_that_names_the_command() {
    let workshop = Workshop::new();
    let recipe = "name = \"pairs\"\nsource_language = \"en\"\ntarget_language = \"de\"\n\
        [[corpus.files.train]]\nsource = \"train.en\"\ntarget = \"train.de\"\n\
        [corpus.files.dev]\nsource = \"dev.en\"\ntarget = \"dev.de\"\n\
        [corpus.files.test]\nsource = \"test.en\"\ntarget = \"test.de\"\n";
    workshop.write("pairs.toml", recipe);
    let experiment = crate::common::EXPERIMENT.split("[data.recipe]").next().unwrap().to_string()
        + "recipe = \"pairs.toml\"\n[model]"
        + crate::common::EXPERIMENT.split("[model]").nth(1).unwrap();
    workshop.write("files.toml", &experiment);
    workshop.run(&["train", "files.toml"]).expect(2).says("ablate prepare");
    workshop.run(&["prepare", "files.toml", "--source", "nowhere"]).expect(2).says("nowhere");

    std::fs::create_dir(workshop.path("text")).unwrap();
    for split in ["train", "dev", "test"] {
        let lines = |word: &str| (0..30).map(|n| format!("{word} {n} {split}\n")).collect::<String>();
        workshop.write(&format!("text/{split}.en"), &lines("the line"));
        workshop.write(&format!("text/{split}.de"), &lines("die Zeile"));
    }
    workshop.write("text/dev.de", "zu kurz\n");
    workshop.run(&["prepare", "files.toml", "--source", "text"]).expect(2).says("dev.de");
    workshop.write("text/dev.de", &(0..30).map(|n| format!("die Zeile {n}\n")).collect::<String>());
    workshop.run(&["prepare", "files.toml", "--source", "text"]).expect(0);
    workshop.run(&["prepare", "files.toml", "--source", "text"]).expect(0).says("already prepared");
    workshop.run(&["train", "files.toml", "--set", "training.steps=2"]).expect(0);
}

#[test]
fn a_file_whose_name_cannot_be_a_label_needs_a_name() {
    let workshop = Workshop::new();
    workshop.write("tïny x.toml", crate::common::EXPERIMENT);
    let train = ["train", "tïny x.toml", "--set", "training.steps=2"];
    let refused = workshop.run(&train).expect(2);
    refused.says("its file's name").says("label = ").says("--name");
    workshop
        .run(&[&train[..], &["--name", "x y"]].concat())
        .expect(2)
        .says("--name \"x y\" is not a safe name");
    workshop.run(&[&train[..], &["--name", "plain"]].concat()).expect(0);
    assert!(workshop.text("results/plain/seed-1/config.toml").contains("label = \"plain\""));
}

#[test]
fn dev_and_test_fit_into_learned_positions_before_training() {
    let workshop = Workshop::new();
    let sets = ["model.position=learned", "data.max_length=14", "model.learned_positions=19"];
    let words: Vec<&str> =
        ["train", "tiny.toml"].into_iter().chain(sets.iter().flat_map(|set| ["--set", *set])).collect();
    let refused = workshop.run(&words).expect(2);
    refused.says("model.learned_positions = 19 is too few: the longest sentence of the dev set has");
    assert!(!workshop.path("results/tiny/seed-1/metrics.csv").exists());
}

#[test]
fn a_finished_run_translates_and_is_scored_again_with_the_same_digits() {
    let workshop = Workshop::trained();
    let run = "results/tiny/seed-1";
    let translate = |input: &str, words: &[&str]| {
        let mut command = workshop.command(&[&["translate", run], words].concat());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        crate::common::Outcome(child.wait_with_output().unwrap()).expect(0).out()
    };
    let data = workshop.data_folder();
    let source = std::fs::read_to_string(data.join("test.source.txt")).unwrap();
    assert_eq!(translate(&source, &[]), workshop.text(format!("{run}/hypotheses/test.txt")));
    assert_eq!(translate("a\n\nb\n", &["--beam", "1"]).lines().count(), 3);
    assert_eq!(translate("", &[]), "");
    // A line of blanks is not a sentence either, although the tokenizer has tokens for it.
    let lines = [" ", "\t  \u{3000}", "", "a"].map(|line| format!("{line}\n")).concat();
    let blank: Vec<String> = translate(&lines, &[]).lines().map(String::from).collect();
    assert!(blank[..3].iter().all(String::is_empty) && blank.len() == 4, "{blank:?}");
    assert_eq!(translate(&format!("\u{feff}{source}"), &[]), translate(&source, &[]), "a byte-order mark");
    let two = translate("a\nb\n", &["--n-best", "2"]);
    for line in ["0", "1"] {
        let begins = format!("{line} ||| -");
        let count = two.lines().filter(|text| text.starts_with(&begins)).count();
        assert!((1..=2).contains(&count), "line {line}: {two}");
    }
    workshop.run(&["translate", run, "--n-best", "9"]).expect(2).says("use 1 to 2");
    let wide = workshop.run(&["translate", run, "--beam", "1000"]).expect(2);
    wide.says("decoding.beam = 1000 is more than the vocabulary's");
    let set = workshop.run(&["translate", run, "--set", "training.steps=9"]).expect(2);
    set.says("training.steps cannot change how a trained model translates");

    let record = workshop.record(run);
    let scored = workshop.run(&["score", run, "--json"]).expect(0).json();
    assert_eq!(scored["test"]["bleu"]["score"], record["metrics"]["test/bleu"]);
    assert_eq!(scored["test"]["bleu"]["signature"], record["signature"]);
    for key in ["perplexity", "word_perplexity"] {
        let recorded = &record["metrics"][format!("dev/{key}")];
        assert!(recorded.as_f64().is_some_and(|perplexity| perplexity > 1.0), "{key}: {recorded}");
        assert_eq!(&scored["dev"][key], recorded);
    }

    let again = workshop.run(&["score", run, "--metric", "chrf", "--json"]).expect(0).json();
    for set in ["dev", "test"] {
        let recorded = &record["metrics"][format!("{set}/chrf")];
        assert!(recorded.is_f64() && again[set]["chrf"]["score"] == *recorded, "{set}: {recorded}");
    }

    let references = data.join("test.target.txt");
    let files = [
        "score",
        "--hyp",
        "results/tiny/seed-1/hypotheses/test.txt",
        "--ref",
        references.to_str().unwrap(),
        "--json",
    ];
    let files = workshop.run(&files).expect(0).json();
    assert_eq!(files["bleu"]["score"], scored["test"]["bleu"]["score"]);
}

/// The version of libtorch that scripts/setup downloads.
fn pinned_libtorch() -> String {
    let setup = std::fs::read_to_string(root().join("scripts/setup")).unwrap();
    setup.lines().find_map(|line| line.strip_prefix("version=")).unwrap().to_string()
}

#[test]
fn a_record_says_where_it_comes_from_and_holds_no_times() {
    let workshop = Workshop::trained();
    let run = "results/tiny/seed-1";
    let record = &workshop.record(run);
    let provenance = &record["provenance"];
    assert_eq!(provenance["ablate"], env!("CARGO_PKG_VERSION"));
    assert_eq!(provenance["libtorch"], pinned_libtorch());
    assert_eq!((&provenance["device"], &provenance["threads"]), (&"cpu".into(), &1.into()));
    assert!(provenance["device_name"].as_str().is_some_and(|name| name.len() > 3), "{provenance}");
    // A build outside of a repository has no commit.
    let version = workshop.run(&["--version"]).expect(0).out();
    let commit = version.lines().find_map(|line| line.strip_prefix("commit ")).unwrap();
    assert!(commit == "unknown" || provenance["commit"] == commit, "{provenance} of {commit}");

    let data = workshop.data_folder();
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(data.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(record["data"]["fingerprint"], manifest["fingerprint"]);
    for hash in [&record["configuration_hash"], &record["identity"], &record["training_identity"]] {
        let hash = hash.as_str().unwrap();
        assert!(hash.len() >= 16 && hash.chars().all(|c| c.is_ascii_hexdigit()), "{hash}");
    }
    // The resolved configuration: the settings of the file, and every default.
    assert_eq!(record["configuration"]["model"]["d_model"], 16);
    assert_eq!(record["configuration"]["training"]["adam_beta2"], 0.98);

    let timing = workshop.text(format!("{run}/timing.json"));
    assert!(timing.contains("seconds"), "{timing}");
    let record = record.to_string();
    for word in ["seconds", "time", "date", "started"] {
        assert!(
            !record.contains(&format!("{word}\"")) && !record.contains(&format!("\"{word}")),
            "{word}: {record}"
        );
    }
}

#[test]
fn a_record_holds_until_something_it_speaks_of_changes() {
    let workshop = Workshop::trained();
    let run = "results/tiny/seed-1";
    let all = workshop.run(&["verify", run, "--decode"]).expect(0).out();
    let files = ["weights", "hypotheses/dev.txt", "hypotheses/test.txt", "metrics.csv"];
    let scores = ["dev/bleu", "test/bleu", "dev/chrf", "test/chrf", "dev/perplexity"];
    let decoded = ["dev decoded again", "test decoded again"];
    for line in files.into_iter().chain(scores).chain(decoded) {
        assert!(all.contains(&format!("holds    {line}")), "no {line} in\n{all}");
    }
    assert!(!all.contains("DIFFERS") && !all.contains("unknown"), "{all}");

    let hypotheses = format!("{run}/hypotheses/test.txt");
    let text = workshop.text(&hypotheses);
    workshop.write(&hypotheses, &format!("x{text}"));
    let changed = workshop.run(&["verify", run]).expect(1).says("does not hold");
    assert!(changed.out().contains("DIFFERS  hypotheses/test.txt"), "{}", changed.out());
    workshop.write(&hypotheses, &text);
    workshop.run(&["verify", run]).expect(0);

    let weights = workshop.path(format!("{run}/checkpoints/scored.weights.safetensors"));
    let mut bytes = std::fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    let changed = workshop.run(&["verify", run]).expect(1);
    assert!(changed.out().contains("DIFFERS  weights"), "{}", changed.out());
    workshop.run(&["translate", run]).expect(1).says("is not as recorded (its content changed)");
    let changed = workshop.run(&["verify", run, "--decode"]).expect(1);
    assert!(
        changed.out().contains("unknown  decoded again: not computed: weights are not as recorded"),
        "{}",
        changed.out()
    );
}

#[test]
fn the_saved_configuration_is_an_experiment() {
    let workshop = Workshop::trained();
    let config = "results/tiny/seed-1/config.toml";
    workshop.run(&["train", config, "--name", "again"]).expect(0);
    let scores = |name: &str| {
        let record = workshop.record(&format!("results/{name}/seed-1"));
        (record["identity"].clone(), record["metrics"].clone())
    };
    assert_eq!(scores("tiny"), scores("again"));
}

#[test]
fn scores_of_unequal_files_are_an_error_and_never_a_score() {
    let workshop = Workshop::new();
    workshop.write("hyp", "a b c d\ne f g h\n");
    workshop.write("ref", "a b c d\n");
    let outcome = workshop.run(&["score", "--hyp", "hyp", "--ref", "ref"]).expect(2);
    assert_eq!(outcome.out(), "");
    workshop.run(&["score", "--hyp", "hyp", "--ref", "hyp"]).expect(0);
    for command in ["score", "translate", "verify"] {
        workshop.run(&[command, "results/none"]).expect(2).says("there is no directory results/none");
        std::fs::create_dir_all(workshop.path("results/row/seed-2")).unwrap();
        workshop
            .run(&[command, "results/row"])
            .expect(2)
            .says("results/row is not a run directory: it has no");
        workshop.write("results/row/seed-2/config.toml", "");
        workshop
            .run(&[command, "results/row"])
            .expect(2)
            .says("results/row is not a run directory but has some: name one, such as results/row/seed-2");
        std::fs::remove_dir_all(workshop.path("results/row")).unwrap();
    }
    workshop
        .run(&["translate", "results/none", "--beam", "0"])
        .expect(2)
        .says("error: --beam 0 is out of range");
    workshop.run(&["score"]).expect(2);
}

#[test]
fn every_command_explains_itself() {
    let workshop = Workshop::new();
    // All other commands: tests/runs/command_line.rs.
    for (words, shown) in [(&["--help"][..], "tensorboard"), (&["train", "--help"], "Example:")] {
        assert!(workshop.run(words).expect(0).out().contains(shown), "{words:?}");
    }
    workshop.run(&["trian"]).expect(2).says("train");
    let short = format!("ablate {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(workshop.run(&["-V"]).expect(0).out(), short);
}

#[test]
fn the_long_version_names_commit_and_libtorch() {
    let workshop = Workshop::new();
    let version = workshop.run(&["--version"]).expect(0).out();
    let lines: Vec<&str> = version.lines().collect();
    let [program, commit, libtorch] = lines[..] else { panic!("{version}") };
    assert_eq!(program, format!("ablate {}", env!("CARGO_PKG_VERSION")));
    let named = commit.strip_prefix("commit ").unwrap();
    let hash = named.strip_suffix("-dirty").unwrap_or(named);
    let is_hash = hash.len() == 40 && hash.chars().all(|c| c.is_ascii_hexdigit());
    assert!(is_hash || named == "unknown", "{commit}");
    assert_eq!(libtorch, format!("libtorch {}", pinned_libtorch()));
    assert!(
        workshop.run(&["sweep", "--version"]).expect(0).out().ends_with(&format!("{commit}\n{libtorch}\n"))
    );
}

#[test]
fn every_file_that_installs_names_the_same_libtorch() {
    let wheel = std::fs::read_to_string(root().join("pyproject.toml")).unwrap();
    assert!(wheel.contains(&format!("dependencies = [\"torch=={}\"]", pinned_libtorch())), "{wheel}");
}
