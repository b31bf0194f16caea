//! Errors for models whose parts contradict each other or do not read a key that is stated beside them.

use crate::common::folder::{Folder, check_to_train, parts};
use ablate::config::identity::to_toml;
use ablate::config::load::{load_experiment, load_experiment_tree};
use ablate::error::Error;
use ablate::sweep::idle_check::check_experiment;

const BOTH: &str = "base = \"base.toml\"\n[model]\nencoder = \"recurrent\"\ndecoder = \"recurrent\"\n";

/// Expects the file of these lines behind [`BOTH`] to be refused at `line`, with words of the message and of the advice.
#[track_caller]
fn refused(text: &str, line: usize, message: &str, help: &str) {
    let (folder, result) = Folder::experiment(&format!("{BOTH}{text}"), &[]);
    let (file, at, said, helped) = parts(&folder, result);
    assert_eq!((file.as_str(), at), ("e.toml", line), "{said}");
    assert!(said.contains(message) && helped.contains(help), "{said}; {helped}");
}

#[test]
fn recurrent_settings_that_contradict_each_other() {
    // The settings, which begin in line 7; the line of the error; words of the message and of the advice.
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

const CONVOLUTIONAL: &str =
    "base = \"base.toml\"\n[model]\nencoder = \"convolutional\"\ndecoder = \"convolutional\"\n";

/// Does the same as [`refused`] for convolutional parts.
#[track_caller]
fn convolutional_refused(text: &str, line: usize, message: &str, help: &str) {
    let (folder, result) = Folder::experiment(&format!("{CONVOLUTIONAL}{text}"), &[]);
    let (file, at, said, helped) = parts(&folder, result);
    assert_eq!((file.as_str(), at), ("e.toml", line), "{said}");
    assert!(said.contains(message) && helped.contains(help), "{said}; {helped}");
}

#[test]
fn convolutional_settings_that_contradict_each_other() {
    for position in ["\"rotary\"", "\"alibi\"", "\"t5\"", "{ relative = 4 }"] {
        let text = format!("position = {position}");
        convolutional_refused(&text, 5, "acts inside of self-attention, but with", "\"learned\"");
    }
    let of = |text: &str| format!("[model.convolutional]\n{text}");
    let further = "further_layers = [{ layers = 1, channels = 768, kernel = 3 }]";
    convolutional_refused(
        &of(&format!("attention_projections = \"shared\"\n{further}")),
        6,
        "the layers that attend have 512 and 768 channels",
        "\"per_layer\"",
    );
    for (text, message, help) in [
        ("channels = 0", "channels = 0 is out of range", "1 to"),
        ("channels = 7\nblock = \"bottleneck\"", "channels = 7 is out of range", "even"),
        ("kernel = 0", "kernel = 0 is out of range", "1 to"),
        ("encoder_layers = 0", "encoder_layers = 0 is out of range", "1 to"),
        ("decoder_layers = 5000", "decoder_layers = 5000 is out of range", "1 to"),
        ("dilations = []", "dilations = [] is out of range", "such as [1, 2, 4]"),
        ("dilations = [1, 0]", "dilations = [1, 0] is out of range", "such as [1, 2, 4]"),
        ("dilations = [1000000]", "dilations = [1000000] is out of range", "at most"),
        ("attention_layers = [9]", "attention_layers = [9] is out of range", "1 to 8"),
        ("attention_layers = [2, 1]", "attention_layers = [2, 1] is out of range", "rising"),
        ("attention_layers = []", "attention_layers = [] is out of range", "attention = \"none\""),
        ("block = \"glu\"", "block = \"glu\" is not known", "\"gated\", \"bottleneck\""),
        ("chanels = 3", "unknown key model.convolutional.chanels", "did you mean \"channels\"?"),
    ] {
        convolutional_refused(&of(text), 6, message, help);
    }
    let many = "further_layers = [{ layers = 1020, channels = 8, kernel = 1 }]";
    convolutional_refused(&of(many), 6, "further_layers = 1020 layers is out of range", "1016 at most");
    let zero = "further_layers = [{ layers = 0, channels = 8, kernel = 1 }]";
    convolutional_refused(&of(zero), 6, "further_layers.layers = 0 is out of range", "1 to");
    let missing = "further_layers = [{ layers = 1, channels = 8 }]";
    convolutional_refused(&of(missing), 6, "kernel", "");
}

#[test]
fn a_convolutional_model_reads_positions_and_asks_nothing_of_heads() {
    let (_folder, result) =
        Folder::experiment(&format!("{CONVOLUTIONAL}position = \"none\"\nd_model = 51"), &[]);
    result.unwrap();
    convolutional_refused("d_model = 51", 5, "model.d_model = 51 is odd", "50 or 52");
    let few = "position = \"learned\"\nlearned_positions = 3";
    convolutional_refused(few, 6, "model.learned_positions = 3 is too few", "or more");
}

#[test]
fn a_recurrent_model_asks_nothing_of_heads_and_positions() {
    let (_folder, result) = Folder::experiment(&format!("{BOTH}d_model = 51"), &[]);
    result.unwrap();
}

/// Returns the error of `ablate train` for an experiment beside its base.
fn checked(base: &str, text: &str, sets: &[&str]) -> Result<(), Error> {
    let folder = Folder::with(&[
        ("own.toml", &format!("base = \"base.toml\"\n{base}")),
        ("e.toml", &format!("base = \"own.toml\"\n{text}")),
    ]);
    check_to_train(&folder.path("e.toml"), sets)
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
    let convolutional = "[model]\nencoder = \"convolutional\"\ndecoder = \"convolutional\"\n";
    let message = "model.heads has no effect with model.encoder = \"convolutional\" and model.decoder";
    assert!(said("", convolutional, &["model.heads=4"]).contains(message));
    let told = said("", convolutional, &["model.layer_norm_epsilon=1e-3"]);
    assert!(told.contains("model.layer_norm_epsilon has no effect with model.encoder"), "{told}");
    let told =
        said("", "[model]\nencoder = \"convolutional\"\n[model.convolutional]\nattention = \"none\"", &[]);
    assert!(told.contains("model.convolutional.attention has no effect with model.decoder"), "{told}");
    let standing =
        format!("{convolutional}[model.convolutional]\nattention = \"none\"\nattention_layers = [1]");
    let told = said("", &standing, &[]);
    assert!(told.contains("attention_layers has no effect with model.convolutional.attention"), "{told}");
    let spans = "[model]\nencoder = \"recurrent\"\n[model.attention]\nspan = { linformer = 4 }";
    let message = "model.attention.span has no effect with model.encoder = \"recurrent\"";
    assert!(said("", spans, &[]).contains(message));
    // Settings that are not read contradict nothing.
    checked("[model]\nposition = \"rotary\"\nattention.score = \"additive\"", RECURRENT, &[]).unwrap();
    // A file may inherit settings that it does not read, and state settings that files which inherit from it read.
    checked("[model]\nheads = 4", RECURRENT, &[]).unwrap();
    checked("", "[model.recurrent]\ncell = \"lstm\"", &[]).unwrap();
    checked(&format!("{RECURRENT}[model.recurrent]\ncell = \"lstm\""), "[model.recurrent]\nhidden = 9", &[])
        .unwrap();
}

/// A run's own configuration states every key, and is an experiment as any other.
#[test]
fn the_resolved_form_of_an_experiment_with_other_parts_is_accepted() {
    let recurrent = ["britz", "lstm-last-state", "gru-context", "gru-attention"];
    let convolutional = ["convs2s", "convs2s-iwslt14", "convs2s-wmt14", "bytenet", "demo"];
    let names = recurrent.map(|name| format!("recurrent/{name}"));
    for name in names.into_iter().chain(convolutional.map(|name| format!("convolutional/{name}"))) {
        let preset = format!("experiments/{name}.toml");
        let preset = crate::common::root().join(preset);
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
