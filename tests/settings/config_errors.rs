//! Errors for wrong experiment files: file, line, key and the way out.

use crate::common::folder::{Folder, parts};
use crate::common::variants::{MODEL_KEYS, accepted_values};
use ablate::config::load_experiment;
use ablate::model::{AttentionConfig, Score, Span};

#[track_caller]
fn experiment_fails(text: &str, line: usize, message: &str, help: &str) {
    let (folder, result) = Folder::experiment(&format!("base = \"base.toml\"\n{text}"), &[]);
    let (file, at, said, helped) = parts(&folder, result);
    assert_eq!((file.as_str(), at, said.as_str(), helped.as_str()), ("e.toml", line, message, help));
}

#[track_caller]
fn set_fails(set: &str, message: &str, help: &str) {
    let (folder, result) = Folder::experiment("base = \"base.toml\"", &[set]);
    let (file, _, said, helped) = parts(&folder, result);
    assert_eq!((file.as_str(), said.as_str(), helped.as_str()), ("--set", message, help));
}

const SAFE: &str = "it names a directory: use at most 200 characters, letters a to z and A to Z, digits and . _ = + , -, and \
                    do not start with . or -";

#[test]
fn all_mistakes_of_a_file_are_told_at_once() {
    let told = |text: &str| {
        let (_folder, result) = Folder::experiment(&format!("base = \"base.toml\"\n{text}"), &[]);
        result.unwrap_err().to_string()
    };
    let names =
        told("[model]\nffn_dim = 4\nheads = \"four\"\n[training]\nlr = 1e-3\n[testing]\nbeam_size = 5\n");
    for part in [
        "e.toml:3: unknown key model.ffn_dim",
        "help: here it is \"d_ff\"; accepted: ",
        "e.toml:4: model.heads = \"four\" is a string",
        "e.toml:6: unknown key training.lr",
        "help: here it is \"peak_learning_rate\"; accepted: ",
        "e.toml:7: unknown section [testing]",
        "help: here it is [decoding]; accepted: ",
    ] {
        assert!(names.contains(part), "{part}: {names}");
    }
    let values =
        told("[model]\ndropout = 1.5\n[training]\nsteps = 0\nadam_beta1 = 1.0\n[decoding]\nbeam = 0\n");
    for key in ["model.dropout = 1.5", "training.steps = 0", "training.adam_beta1 = 1", "decoding.beam = 0"] {
        assert!(values.contains(&format!("{key} is out of range")), "{key}: {values}");
    }
    let languages = told("[data]\nsource_lang = \"en\"\n");
    assert!(languages.contains("source_language in the recipe that data.recipe names"), "{languages}");
    let schedule = told("[training]\nschedule = \"cosine\"\nclip_norm = -1.0\n");
    assert!(
        schedule.contains("training.schedule = \"cosine\" needs training.peak_learning_rate"),
        "{schedule}"
    );
    assert!(schedule.contains("training.clip_norm = -1 is out of range"), "{schedule}");
    let both = told("[model]\nheads = 7\ndropout = 2.0\n[training]\nstepz = 3\n");
    for part in [
        "e.toml:3: model.d_model = 512 is not divisible by model.heads = 7",
        "e.toml:4: model.dropout = 2 is out of range",
        "e.toml:6: unknown key training.stepz",
    ] {
        assert!(both.contains(part), "{part}: {both}");
    }
}

#[test]
fn what_may_follow_from_another_mistake_is_not_told() {
    // A value that could not be read may be the one that others need.
    for (text, unread, follows) in [
        ("[model]\nheads = 7\nd_modle = 700", "model.d_modle", "divisible"),
        ("[model]\nheads = 7\nd_model = \"700\"", "model.d_model = \"700\"", "divisible"),
        ("d_model = 700\n[model]\nheads = 7", "d_model", "divisible"),
        ("[model]\nheads = 7\n[training]\nd_model = 700", "training.d_model", "divisible"),
        ("[data]\nmax_lenght = 20\n[training]\nmicro_batch_tokens = 40", "data.max_lenght", "do not fit"),
        ("[training]\nscheduel = \"noam\"\nschedule = \"cosine\"", "training.scheduel", "needs"),
    ] {
        let (_folder, result) = Folder::experiment(&format!("base = \"base.toml\"\n{text}\n"), &[]);
        let told = result.unwrap_err().to_string();
        assert!(told.contains(unread) && !told.contains(follows), "{told}");
    }
}

#[test]
fn keys_sections_types_and_names() {
    experiment_fails(
        "[model]\nheadz = 4",
        3,
        "unknown key model.headz",
        &format!("did you mean \"heads\"? {MODEL_KEYS}"),
    );
    experiment_fails(
        "[modle]\nheads = 4",
        2,
        "unknown section [modle]",
        "did you mean \"model\"? accepted: base, label, data, model, training, decoding, run",
    );
    experiment_fails(
        "[masked]\nnext_sentence = true",
        2,
        "unknown section [masked]",
        "here it is [model.masked]; accepted: base, label, data, model, training, decoding, run",
    );
    experiment_fails(
        "[model]\n\nlayers = \"six\"",
        4,
        "model.layers = \"six\" is a string",
        "expected an integer",
    );
    experiment_fails(
        "[training]\nsteps = 1e3",
        3,
        "training.steps = 1000.0 is a float",
        "expected an integer",
    );
    experiment_fails(
        "layers = 2",
        2,
        "unknown key layers",
        "did you mean model.layers? Put it under [model]; accepted: base, label, data, model, training, decoding, run",
    );
    experiment_fails(
        "\"model.heads\" = 4",
        2,
        "unknown key model.heads",
        "write model.heads without quotes, or heads under [model]; accepted: base, label, data, model, training, decoding, run",
    );
    experiment_fails(
        "seeds = [1, 2]",
        2,
        "e.toml is a sweep, not an experiment",
        "`ablate sweep e.toml` trains it; an experiment states one seed, as training.seed",
    );
    experiment_fails("model = 4", 2, "model = 4 is an integer", "expected a table");
    experiment_fails(
        "[model]\nposition = \"sinusoid\"",
        3,
        "model.position = \"sinusoid\" is not known",
        &format!("did you mean \"sinusoidal\"? accepted: {}", accepted_values("position")),
    );
    experiment_fails(
        "[run]\ndevice = \"gpu\"",
        3,
        "run.device = \"gpu\": device \"gpu\" is none of \"auto\", \"cpu\", \"cuda\", \"cuda:N\"",
        "",
    );
}

#[test]
fn settings_of_attention() {
    let accepted = "accepted: score, cross_score, projections, span, decoder_span";
    experiment_fails(
        "[model.attention]\nscores = \"dot\"",
        3,
        "unknown key model.attention.scores",
        &format!("did you mean \"score\"? {accepted}"),
    );
    experiment_fails(
        "[model]\nattention.score = \"doot\"",
        3,
        "model.attention.score = \"doot\" is not known",
        "did you mean \"dot\"? accepted: \"scaled_dot\", \"dot\", \"additive\", \"multiplicative\"",
    );
    experiment_fails(
        "[model.attention]\ndecoder_span = { linformer = 4 }",
        3,
        "model.attention.decoder_span = \"linformer\" is not known",
        "accepted: \"full\", \"local\"",
    );
    experiment_fails(
        "[model.attention]\nspan = { local = 1 }",
        3,
        "model.attention.span.local = 1 is out of range",
        "expected an integer from 2 to 16777216",
    );
    experiment_fails(
        "[model.attention]\nspan = { big_bird = { block = 4, random = -1, global = 1 } }",
        3,
        "model.attention.span.big_bird.random = -1 is out of range",
        "expected an integer from 0 to 16777216",
    );
    experiment_fails(
        "[model]\nd_k = 32\n[model.attention]\nprojections = \"values_only\"",
        5,
        "model.attention.projections = \"values_only\" splits the input into heads, but model.heads = 8 heads of d_k = 32 \
         are not model.d_model = 512 numbers wide",
        "leave model.d_k and model.d_v out and choose heads that divide d_model, or choose other projections",
    );
    experiment_fails(
        "[model]\nposition = \"rotary\"\nattention = { score = \"additive\" }",
        4,
        "model.attention.score = \"additive\" has no product of queries and keys, and model.position = \"rotary\" turns \
         them so that their product tells how far apart they stand",
        "choose another score or another position encoding",
    );
    experiment_fails(
        "[model]\nposition = \"alibi\"\nattention.span = { linformer = 8 }",
        4,
        "model.attention.span = { linformer = … } mixes the keys of all positions, and model.position = \"alibi\" needs to \
         know where each key stands",
        "choose another span, or a position encoding on the embeddings",
    );
    experiment_fails(
        "[model]\nposition = { relative = 4 }\nattention.score = \"additive\"",
        4,
        "model.attention.score = \"additive\" has no product of queries and keys, and model.position = { relative = 4 } adds \
         a vector for the distance to the key in that product",
        "choose another score or another position encoding",
    );
    for position in ["\"t5\"", "\"rotary\"", "{ relative = 4 }"] {
        experiment_fails(
            &format!("[model]\nposition = {position}\nattention.span = {{ linformer = 8 }}"),
            4,
            &format!(
                "model.attention.span = {{ linformer = … }} mixes the keys of all positions, and model.position = {position} \
                 needs to know where each key stands"
            ),
            "choose another span, or a position encoding on the embeddings",
        );
    }
    for (key, span, name) in [
        ("span", "{ local = 8 }", "local"),
        ("span", "{ big_bird = { block = 4, random = 1, global = 1 } }", "big_bird"),
        ("decoder_span", "{ local = 8 }", "local"),
    ] {
        experiment_fails(
            &format!("[model]\nposition = {{ relative = 4 }}\n[model.attention]\n{key} = {span}"),
            5,
            &format!(
                "model.attention.{key} = {{ {name} = … }} is computed in blocks, and model.position = {{ relative = 4 }} needs \
                 the scores of all pairs of positions"
            ),
            "choose the span \"full\", or another position encoding",
        );
    }
    experiment_fails(
        "[training]\npacked_length = 60\n[model.attention]\nspan = { linformer = 8 }",
        3,
        "training.packed_length = 60 puts several sentences into a row, and model.attention.span = { linformer = … } needs \
         a row for each",
        "leave it out, or choose the span \"full\" or { local = r }",
    );
    experiment_fails(
        "[model]\nlearned_positions = 60\nattention.span = { linformer = 8 }",
        3,
        "model.learned_positions = 60 is too few: data.max_length = 50, one for the end of the sentence, and \
         decoding.max_extra_length = 50 make 101",
        "use 101 or more, or lower data.max_length",
    );
    set_fails("model.attention=dot", "model.attention = \"dot\" is a string", "expected a table");
}

#[test]
fn a_section_inside_of_a_section_is_inherited_key_by_key() {
    let folder = Folder::with(&[
        ("middle.toml", "base = \"base.toml\"\n[model.attention]\nscore = \"dot\"\nspan = { local = 4 }\n"),
        ("top.toml", "base = \"middle.toml\"\n[model]\nlayers = 2\nattention.span = { linformer = 9 }\n"),
    ]);
    let load = |sets: &[&str]| {
        let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
        load_experiment(&folder.path("top.toml"), &sets).unwrap().model
    };
    let model = load(&[]);
    assert_eq!(model.layers, 2);
    let expected = AttentionConfig { score: Score::Dot, span: Span::Linformer(9), ..Default::default() };
    assert_eq!(model.attention, expected);
    for set in [
        "model.attention.score=\"additive\"",
        "model.attention.score=additive",
        "model.attention={ score = \"additive\" }",
    ] {
        assert_eq!(load(&[set]).attention, AttentionConfig { score: Score::Additive, ..expected.clone() });
    }
    assert_eq!(load(&["model={ attention.score = \"dot\" }"]).attention, expected);
}

#[test]
fn ranges_and_combinations() {
    experiment_fails(
        "[model]\nd_model = 500\nheads = 8",
        4,
        "model.d_model = 500 is not divisible by model.heads = 8",
        "use d_model 496 or 504, or heads 5 or 10, or state both d_k and d_v",
    );
    experiment_fails(
        "[model]\ndropout = 1.2",
        3,
        "model.dropout = 1.2 is out of range",
        "expected a number from 0 to below 1",
    );
    experiment_fails(
        "[model]\ndropout = nan",
        3,
        "model.dropout = NaN is out of range",
        "expected a number from 0 to below 1",
    );
    experiment_fails(
        "[model]\nheads = 0",
        3,
        "model.heads = 0 is out of range",
        "expected an integer from 1 to 16777216",
    );
    experiment_fails(
        "[model]\nheads = 4194304\nd_k = 8\nd_v = 1",
        4,
        "model.d_k = 8 is out of range",
        "expected 4 or less: with model.heads = 4194304 all heads together have 33554432, more than 16777216",
    );
    experiment_fails(
        "[data]\nmax_train_length = 0",
        3,
        "data.max_train_length = 0 is out of range",
        "expected an integer from 1 to 16777216",
    );
    experiment_fails(
        "[data]\nmax_train_length = 20\nbpe_dropout = 0.1",
        3,
        "data.max_train_length = 20 does not go with data.bpe_dropout = 0.1: the drawn segmentations of a pair differ in \
         their numbers of tokens",
        "leave one of them out",
    );
    for bounds in ["[20, 10]", "[10, 10]"] {
        experiment_fails(
            &format!("[decoding]\nlength_buckets = {bounds}"),
            3,
            &format!("decoding.length_buckets = {bounds} is out of range"),
            "expected at most 100 numbers, each larger than the one before, such as [10, 20, 30]",
        );
    }
    experiment_fails(
        "[decoding]\nlength_buckets = [0, 10]",
        3,
        "decoding.length_buckets = 0 is out of range",
        "expected an integer from 1 to 16777216",
    );
    experiment_fails(
        "[decoding]\nbeam = 0",
        3,
        "decoding.beam = 0 is out of range",
        "expected 1 (greedy) to 1024",
    );
    experiment_fails(
        "[training]\nsteps = 0",
        3,
        "training.steps = 0 is out of range",
        "expected an integer from 1 to 1099511627776",
    );
    experiment_fails(
        "[training]\nclip_norm = inf",
        3,
        "training.clip_norm = inf is out of range",
        "expected a finite number above 0",
    );
    experiment_fails(
        "[training]\nmicro_batch_tokens = 50",
        3,
        "training.micro_batch_tokens = 50 is less than 51, so the longest pairs (data.max_length = 50 and the end of the sentence) do not fit into a batch",
        "use 51 or more, or lower data.max_length",
    );
    experiment_fails(
        "[training]\nmicro_batch_tokens = 500\npacked_length = 50",
        4,
        "training.packed_length = 50: a row must hold the longest sentence (51 tokens: data.max_length = 50 and the end of the sentence) and fit into training.micro_batch_tokens = 500",
        "use 51 to 500, or leave it out",
    );
    experiment_fails(
        "[model]\nd_model = 7\nheads = 7",
        3,
        "model.d_model = 7 is odd, and model.position is sinusoidal",
        "sines and cosines come in pairs: use 6 or 8",
    );
    experiment_fails(
        "[model]\nposition = \"learned\"\nlearned_positions = 100",
        4,
        "model.learned_positions = 100 is too few: data.max_length = 50, one for the end of the sentence, and decoding.max_extra_length = 50 make 101",
        "use 101 or more, or lower data.max_length",
    );
    experiment_fails(
        "[model]\nembedding_rows = 2",
        3,
        "model.embedding_rows = 2 is out of range",
        "expected 3 to 16777216: the special tokens alone need 3",
    );
    experiment_fails(
        "[model]\nembedding_multiple = 0",
        3,
        "model.embedding_multiple = 0 is out of range",
        "expected an integer from 1 to 65536",
    );
    experiment_fails(
        "[model]\nembedding_rows = 64\nembedding_multiple = 8",
        4,
        "model.embedding_multiple = 8 and model.embedding_rows = 64 both set the number of rows",
        "leave one of them out",
    );
    experiment_fails("label = \"a b\"", 2, "label = \"a b\" is not a safe name", SAFE);
}

#[test]
fn bases_recipes_and_syntax() {
    let (folder, result) = Folder::experiment("[data]\nmerges = 1\nbase = \"x\"\n", &[]);
    assert_eq!(parts(&folder, result).2, "unknown key data.base");

    let (folder, result) = Folder::experiment("# text\nbase = \"gone.toml\"\n", &[]);
    let (file, line, message, help) = parts(&folder, result);
    assert_eq!((file.as_str(), line), ("e.toml", 2));
    assert!(message.starts_with("base = \"gone.toml\": cannot read gone.toml: "), "{message}");
    assert_eq!(help, "the path is relative to the file that names it");

    let folder = Folder::with(&[("e.toml", "base = \"latin.toml\"\n")]);
    std::fs::write(folder.path("latin.toml"), b"# text\n# caf\xe9\n").unwrap();
    let (file, line, message, help) = parts(&folder, load_experiment(&folder.path("e.toml"), &[]));
    assert_eq!((file.as_str(), line, help.as_str()), ("e.toml", 1, "save the file as UTF-8"));
    assert_eq!(message, "base = \"latin.toml\": latin.toml:2: byte 6 of this line is not UTF-8");
    let said = load_experiment(&folder.path("latin.toml"), &[]).unwrap_err().to_string();
    assert!(
        said.ends_with("latin.toml:2: byte 6 of this line is not UTF-8; save the file as UTF-8"),
        "{said}"
    );

    let folder = Folder::with(&[("a.toml", "base = \"b.toml\""), ("b.toml", "\nbase = \"a.toml\"")]);
    let (file, line, message, help) = parts(&folder, load_experiment(&folder.path("a.toml"), &[]));
    assert_eq!((file.as_str(), line), ("b.toml", 2));
    assert_eq!(message, "base = \"a.toml\" leads back to a file that inherits from this one");
    assert_eq!(help, "these files inherit from each other in a circle; remove one `base`");

    let (folder, result) = Folder::experiment("\n[model\nheads = 4", &[]);
    let (file, line, message, help) = parts(&folder, result);
    assert_eq!((file.as_str(), line), ("e.toml", 2));
    assert!(message.starts_with("not valid TOML: "), "{message}");
    assert_eq!(help, "close the bracket: [section]");

    let (folder, result) = Folder::experiment("[model]\nheads = 4\nheads = 8", &[]);
    let (file, line, message, help) = parts(&folder, result);
    assert_eq!((file.as_str(), line, message.as_str()), ("e.toml", 3, "not valid TOML: duplicate key"));
    assert!(help.starts_with("remove one of the two"), "{help}");

    let (_folder, result) = Folder::experiment("[model]\nnorm = pre", &[]);
    let told = result.unwrap_err().to_string();
    assert!(told.contains("help: put strings in quotes"), "{told}");

    let (folder, result) = Folder::experiment("[model]\nheads = 4", &[]);
    let (file, line, message, help) = parts(&folder, result);
    assert_eq!((file.as_str(), line, message.as_str()), ("e.toml", 1, "section [data] is missing"));
    assert!(help.starts_with("add [data] with recipe"), "{help}");

    let folder = Folder::with(&[
        ("bad.toml", "name = \"x\"\n\nlanguage = \"en\""),
        ("e.toml", "data.recipe = \"bad.toml\""),
    ]);
    let (file, line, message, _) = parts(&folder, load_experiment(&folder.path("e.toml"), &[]));
    assert_eq!((file.as_str(), line, message.as_str()), ("bad.toml", 3, "unknown key data.recipe.language"));

    let missing = load_experiment(&folder.path("none.toml"), &[]).unwrap_err();
    assert!(missing.to_string().contains("none.toml") && missing.exit_code() == 2, "{missing}");
}

#[test]
fn any_broken_text_gives_a_message_and_no_panic() {
    for text in ["é = \"", "[ü", "a = 'é\n", "\u{feff}\u{feff}x", "x = [1, é", "a = 1 é", "\"é", "a.\n", "\0"]
    {
        let (folder, result) = Folder::experiment(text, &[]);
        assert_eq!(parts(&folder, result).0, "e.toml", "{text:?}");
    }
}

#[test]
fn set_arguments() {
    set_fails("model.headz=4", "unknown key model.headz", &format!("did you mean \"heads\"? {MODEL_KEYS}"));
    set_fails("model.heads", "\"model.heads\" sets nothing", "write section.key=value, as in model.heads=4");
    set_fails("model..heads=4", "\"model..heads\" is not a key", "keys are section.key, as in model.heads");
    set_fails("model.heads=three", "model.heads = \"three\" is a string", "expected an integer");
    let seed = "expected an integer from 0 to 9223372036854775807";
    set_fails("training.seed=-1", "training.seed = -1 is out of range", seed);
    set_fails(
        "training.seed=9223372036854775808",
        "training.seed = 9223372036854775808 is out of range",
        seed,
    );
    set_fails("model.heads=0", "model.heads = 0 is out of range", "expected an integer from 1 to 16777216");
}

/// The dropout of an absent sub-layer does not make two passes differ.
#[test]
fn r_drop_needs_two_passes_that_differ() {
    let of = |lines: &str| {
        let text = format!(
            "base = \"base.toml\"\ntraining.r_drop = 1.0\n[model]\ndropout = 0.0\nactivation_dropout = 0.1\n{lines}"
        );
        Folder::experiment(&text, &[])
    };
    let (_folder, result) = of("");
    result.unwrap();
    let (folder, result) = of("feed_forward = false");
    let (file, line, message, help) = parts(&folder, result);
    assert_eq!((file.as_str(), line), ("e.toml", 2));
    assert!(message.ends_with("they are equal: model.dropout is 0"), "{message}");
    assert_eq!(help, "leave it out, or choose a dropout above 0");
}

#[test]
fn inheritance_and_sets_apply_in_order() {
    let folder = Folder::with(&[
        ("middle.toml", "base = \"base.toml\"\nlabel = \"middle\"\n[model]\nheads = 4\nlayers = 3\n"),
        ("top.toml", "base = \"middle.toml\"\n[model]\nlayers = 2\n"),
    ]);
    let sets = ["model.dropout=0", "data.recipe.corpus.generated.train=77", "model.position=learned"]
        .map(String::from);
    let experiment = load_experiment(&folder.path("top.toml"), &sets).unwrap();
    assert_eq!(experiment.label.as_deref(), Some("top"));
    let model = &experiment.model;
    assert_eq!((model.heads, model.layers, model.dropout), (4, 2, 0.0));
    assert!(format!("{:?}", experiment.data.recipe.corpus).contains("train: 77"));
}
