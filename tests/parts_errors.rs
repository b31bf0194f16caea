//! What users read when the parts of a model contradict each other or do not read a key that is stated beside them.

mod common;

use ablate::config::identity::to_toml;
use ablate::config::load::{load_experiment, load_experiment_tree};
use ablate::error::Error;
use ablate::sweep::idle_check::check_experiment;
use common::folder::{Folder, parts};

const BOTH: &str = "base = \"base.toml\"\n[model]\nencoder = \"recurrent\"\ndecoder = \"recurrent\"\n";

/// Expects the file of these lines behind [`BOTH`] to be refused: the line, and words of the message and of the advice.
#[track_caller]
fn refused(text: &str, line: usize, message: &str, help: &str) {
    let (folder, result) = Folder::experiment(&format!("{BOTH}{text}"), &[]);
    let (file, at, said, helped) = parts(&folder, result);
    assert_eq!((file.as_str(), at), ("e.toml", line), "{said}");
    assert!(said.contains(message) && helped.contains(help), "{said}; {helped}");
}

#[test]
fn recurrent_settings_that_contradict_each_other() {
    // The settings, which begin in line 7; the line, and words of the message and of the advice.
    for (text, line, message, help) in [
        (
            "attention = \"dot\"",
            7,
            "those are 512 numbers wide (model.recurrent.hidden) and these 1024",
            "\"general\"",
        ),
        ("bridge = \"copy\"", 7, "the encoder has 1 layers and the decoder 2", "\"tanh\""),
        ("bridge = \"copy\"\ndecoder_layers = 1", 7, "twice as wide", "\"tanh\""),
        (
            "input_feeding = \"none\"\nreadout = \"state\"",
            6,
            "makes a context that nothing reads",
            "attention = \"none\"",
        ),
        (
            "attention = \"none\"\ninput_feeding = \"none\"\nreadout = \"state\"",
            6,
            "knows nothing of the source",
            "set model.recurrent.bridge",
        ),
        ("residual_from = 1", 7, "model.recurrent.residual_from = 1 is out of range", "2 or more"),
        (
            "residual_from = 2\nencoder_layers = 3\nbidirectional = \"first\"",
            7,
            "twice as wide",
            "use 3 or more",
        ),
        ("hidden = 0", 7, "model.recurrent.hidden = 0 is out of range", "1 to"),
        ("decoder_layers = 0", 7, "model.recurrent.decoder_layers = 0", "1 to"),
        ("attention_width = 0", 7, "model.recurrent.attention_width = 0", "1 to"),
        ("forget_bias = inf", 7, "model.recurrent.forget_bias = inf", "finite"),
        ("cell = \"rnn\"", 7, "model.recurrent.cell = \"rnn\" is not known", "\"gru\", \"lstm\""),
        ("cel = \"gru\"", 7, "unknown key model.recurrent.cel", "did you mean \"cell\"?"),
    ] {
        refused(&format!("tying = \"none\"\n[model.recurrent]\n{text}"), line, message, help);
    }
    refused("[model.recurrent]\nreadout = \"state\"\nhidden = 100", 2, "needs 100", "model.tying = \"none\"");
}

#[test]
fn a_recurrent_model_asks_nothing_of_heads_and_positions() {
    let (_folder, result) = Folder::experiment(&format!("{BOTH}d_model = 51"), &[]);
    result.unwrap();
}

/// What `ablate train` says of an experiment beside its base.
fn checked(base: &str, text: &str, sets: &[&str]) -> Result<(), Error> {
    let folder = Folder::with(&[
        ("own.toml", &format!("base = \"base.toml\"\n{base}")),
        ("e.toml", &format!("base = \"own.toml\"\n{text}")),
    ]);
    let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
    let path = folder.path("e.toml");
    load_experiment_tree(&path, &sets)?.experiment()?;
    check_experiment(&load_experiment_tree(&path, &[])?, &sets)
}

#[test]
fn a_key_that_the_chosen_parts_do_not_read_is_refused_beside_their_choice() {
    const RECURRENT: &str = "[model]\nencoder = \"recurrent\"\ndecoder = \"recurrent\"\n";
    let said = |base: &str, text: &str, sets: &[&str]| checked(base, text, sets).unwrap_err().to_string();
    let message =
        "model.heads has no effect with model.encoder = \"recurrent\" and model.decoder = \"recurrent\"";
    assert!(said("", &format!("{RECURRENT}heads = 4"), &[]).contains(message));
    assert!(said("", RECURRENT, &["model.heads=4"]).contains(message));
    let message = "model.recurrent.cell has no effect with model.encoder = \"self_attention\"";
    assert!(said("", "", &["model.recurrent.cell=lstm"]).contains(message));
    let hybrid = "[model]\nencoder = \"recurrent\"\n[model.recurrent]\nreadout = \"state\"";
    let message = "model.recurrent.readout has no effect with model.decoder = \"self_attention\"";
    assert!(said("", hybrid, &[]).contains(message));
    let gru = format!("{RECURRENT}[model.recurrent]\ncell = \"gru\"\nforget_bias = 0.0");
    assert!(said("", &gru, &[]).contains("model.recurrent.forget_bias has no effect"));
    let message = "model.attention.score has no effect with model.encoder = \"recurrent\" and model.decoder";
    assert!(said("", RECURRENT, &["model.attention.score=additive"]).contains(message));
    let hybrid = "[model]\ndecoder = \"recurrent\"\n[model.attention]\ncross_score = \"dot\"";
    let message = "model.attention.cross_score has no effect with model.decoder = \"recurrent\"";
    assert!(said("", hybrid, &[]).contains(message));
    let spans = "[model]\nencoder = \"recurrent\"\n[model.attention]\nspan = { linformer = 4 }";
    let message = "model.attention.span has no effect with model.encoder = \"recurrent\"";
    assert!(said("", spans, &[]).contains(message));
    // What is not read contradicts nothing.
    checked("[model]\nposition = \"rotary\"\nattention.score = \"additive\"", RECURRENT, &[]).unwrap();
    // A file may inherit what it does not read, and state what others that inherit from it do.
    checked("[model]\nheads = 4", RECURRENT, &[]).unwrap();
    checked("", "[model.recurrent]\ncell = \"lstm\"", &[]).unwrap();
    checked(&format!("{RECURRENT}[model.recurrent]\ncell = \"lstm\""), "[model.recurrent]\nhidden = 9", &[])
        .unwrap();
}

/// A run's own configuration states every key, and is an experiment as any other.
#[test]
fn the_resolved_form_of_a_recurrent_experiment_is_accepted() {
    for name in ["britz", "lstm-last-state", "gru-context", "gru-attention"] {
        let preset = format!("experiments/recurrent/{name}.toml");
        let preset = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(preset);
        let experiment = load_experiment(&preset, &[]).unwrap();
        check_experiment(&load_experiment_tree(&preset, &[]).unwrap(), &[]).unwrap();
        let folder = Folder::with(&[("config.toml", &to_toml(&experiment).unwrap())]);
        let tree = load_experiment_tree(&folder.path("config.toml"), &[]).unwrap();
        let again = tree.experiment().unwrap();
        assert_eq!(again, experiment, "{name}");
        check_experiment(&tree, &[]).unwrap();
    }
}

#[test]
fn rows_choose_parts_and_their_keys_by_three_names() {
    let (_folder, trials) = Folder::sweep(
        "base = \"base.toml\"\nseeds = [1]\n[[row]]\nlabel = \"plain\"\n[[row]]\nlabel = \"rnn\"\n\
         set = { \"model.encoder\" = \"recurrent\", \"model.recurrent.hidden\" = 9, model.recurrent.cell = \"lstm\" }\n",
    );
    let trials = trials.unwrap();
    assert_eq!(trials[1].experiment.model.recurrent.hidden, 9);
    let keys: Vec<&str> = trials[1].changes.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["model.encoder", "model.recurrent.hidden", "model.recurrent.cell"]);
    let (folder, refused) = Folder::sweep(
        "base = \"base.toml\"\nseeds = [1]\n[[row]]\nlabel = \"a\"\nset = { model.recurrent.cell = \"lstm\" }\n",
    );
    let (_, line, said, _) = parts(&folder, refused);
    assert_eq!(line, 5);
    assert!(said.starts_with("row \"a\": model.recurrent.cell has no effect"), "{said}");
}
