//! The output of `ablate export`: every format accepts or refuses every variant before it writes, and keeps
//! the model's function. `scripts/check_export.py` checks the same with the packages themselves.

use crate::common::exports::{
    Exported, doubles, experiment, exported, json, logits, noisy, small, tokenizer, written,
};
use crate::common::runs::RUN;
use crate::common::variants::{
    convolutional, convolutional_variants, recurrent, recurrent_variants, single_and_paired,
};
use crate::common::{every, names};
use ablate::config::Experiment;
use ablate::data::Vocabulary;
use ablate::export::{Format, Run, check, check_place, export};
use ablate::model::{
    self, AttentionConfig, CausalSpan, DecoderKind, EncoderKind, ModelConfig, Norm, NormKind, Position,
    Projections, Score, Span, Tying,
};
use safetensors::SafeTensors;
use std::collections::BTreeMap;
use std::path::Path;
use tch::{Device, Kind};

/// Formats for a model with an encoder and a decoder.
const FORMATS: [Format; 3] = [Format::Safetensors, Format::Marian, Format::Ctranslate2];

#[test]
fn every_format_writes_or_refuses_every_variant() {
    let rows = ModelConfig { embedding_rows: Some(600), ..small() };
    let mut models = single_and_paired(&rows);
    for (heads, d_k, d_v, attention_biases) in [(2, Some(3), Some(1), false), (3, Some(5), Some(2), true)] {
        let config = ModelConfig { heads, d_k, d_v, attention_biases, ..rows.clone() };
        models.push((format!("{heads} heads"), config));
    }
    let parts = recurrent_variants(&rows)
        .into_iter()
        .chain(convolutional_variants(&rows))
        .filter(|(name, _)| !name.contains(','));
    models.extend(parts);
    let (encoder, decoder) = (EncoderKind::None, DecoderKind::None);
    models.push(("word vectors".into(), ModelConfig { encoder, decoder, ..small() }));
    let mut held = BTreeMap::new();
    let tokenizer = tokenizer();
    for (name, config) in models {
        let (experiment, model) = (experiment(&config), noisy(&config, tokenizer.len()));
        for format in every!(Format: Safetensors, Marian, Ctranslate2, OpenaiGpt, Bert, Word2vec) {
            let (root, out, result) = written(format, &experiment, &*model, &tokenizer);
            let holds = match (format, &result) {
                (_, Ok(())) => true,
                (Format::Safetensors, Err(error)) => panic!("{name}: {error}"),
                (_, Err(error)) => {
                    assert!(
                        error.exit_code() == 2 && error.to_string().starts_with("model."),
                        "{name}: {error}"
                    );
                    false
                }
            };
            *held.entry(format!("{format:?} {holds}")).or_insert(0) += 1;
            let expected: &[&str] = match format {
                Format::OpenaiGpt | Format::Bert => &[],
                Format::Safetensors => &["config.toml", "model.safetensors", "tokenizer.json"],
                Format::Marian => &[
                    "config.json",
                    "config.toml",
                    "generation_config.json",
                    "model.safetensors",
                    "tokenizer.json",
                    "tokenizer_config.json",
                ],
                Format::Ctranslate2 => {
                    &["config.json", "config.toml", "model.bin", "shared_vocabulary.json", "tokenizer.json"]
                }
                Format::Word2vec => &["config.toml", "vectors.txt"],
            };
            match holds {
                true => assert_eq!(names(&out), expected, "{name}"),
                false => assert!(names(root.path()).is_empty(), "{name}: something was written"),
            }
        }
    }
    assert_eq!(held.len(), 9, "each of the three both holds and refuses: {held:?}");
    assert!(!held.contains_key("OpenaiGpt true") && !held.contains_key("Bert true"), "{held:?}");
}

#[test]
fn a_refusal_names_the_setting_its_value_and_the_way_out() {
    let with = |attention| ModelConfig { attention, ..small() };
    for (config, texts) in [
        (ModelConfig { norm: Norm::Pre, ..small() }, ["model.norm = \"pre\"", "ctranslate2"]),
        (
            ModelConfig { norm_kind: NormKind::Rms, ..small() },
            ["model.norm_kind = \"rms\"", "subtract the mean"],
        ),
        (
            ModelConfig { norm_kind: NormKind::Batch, ..small() },
            ["model.norm_kind = \"batch\"", "each token by itself"],
        ),
        (ModelConfig { norm_kind: NormKind::None, ..small() }, ["model.norm_kind = \"none\"", "has a norm"]),
        (recurrent(&small()), ["model.encoder = \"recurrent\"", "stacks of self-attention"]),
        (convolutional(&small()), ["model.encoder = \"convolutional\"", "stacks of self-attention"]),
        (
            ModelConfig { decoder: DecoderKind::Recurrent, ..small() },
            ["model.decoder = \"recurrent\"", "stacks of self-attention"],
        ),
        (
            ModelConfig { softmax_bias: true, ..small() },
            ["model.softmax_bias = true", "no bias of the softmax"],
        ),
        (
            ModelConfig { position: Position::Rotary, ..small() },
            ["model.position = \"rotary\"", "embeddings"],
        ),
        (ModelConfig { position: Position::Alibi, ..small() }, ["model.position = \"alibi\"", "embeddings"]),
        (ModelConfig { position: Position::T5, ..small() }, ["model.position = \"t5\"", "embeddings"]),
        (
            ModelConfig { position: Position::Relative(4), ..small() },
            ["model.position = { relative = k }", "embeddings"],
        ),
        (
            with(AttentionConfig { score: Score::Additive, ..Default::default() }),
            ["model.attention.score = \"additive\"", "products"],
        ),
        (
            with(AttentionConfig { cross_score: Some(Score::Additive), ..Default::default() }),
            ["model.attention.cross_score = \"additive\"", "products"],
        ),
        (
            with(AttentionConfig { span: Span::Linformer(3), ..Default::default() }),
            ["model.attention.span = { linformer = … }", "all positions"],
        ),
        (
            with(AttentionConfig { decoder_span: Some(CausalSpan::Local(3)), ..Default::default() }),
            ["model.attention.decoder_span = { local = … }", "all positions"],
        ),
        (ModelConfig { heads: 3, d_k: Some(2), d_v: Some(2), ..small() }, ["model.heads = 3", "d_model = 8"]),
        (ModelConfig { d_k: Some(5), ..small() }, ["model.d_k = 5", "4 wide"]),
        (ModelConfig { d_v: Some(6), ..small() }, ["model.d_v = 6", "4 wide"]),
    ] {
        let error = check(Format::Marian, &experiment(&config)).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("--format"), "no way out: {error}");
        assert!(texts.iter().all(|text| error.to_string().contains(text)), "{error}");
    }
    let mut separate = experiment(&small());
    separate.data.vocabulary = Vocabulary::Separate;
    let mut moses = experiment(&small());
    moses.data.recipe.moses = Some(Default::default());
    for (refused, setting) in [(separate, "data.vocabulary = \"separate\""), (moses, "data.recipe.moses")] {
        for (format, name) in
            [(Format::Marian, "a MarianMTModel"), (Format::Ctranslate2, "a CTranslate2 model")]
        {
            let error = check(format, &refused).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{setting} does not fit into {name}: ")), "{error}");
            assert!(error.ends_with("; use --format safetensors"), "{error}");
        }
        // An error recommends no other format for the model that would refuse the data, too.
        let error = check(Format::OpenaiGpt, &refused).unwrap_err().to_string();
        assert!(error.ends_with("; use --format safetensors"), "{error}");
    }
    let many = ModelConfig { heads: 40_000, d_k: Some(1), d_v: Some(1), ..small() };
    let error = check(Format::Ctranslate2, &experiment(&many)).unwrap_err().to_string();
    assert!(error.contains("model.heads = 40000") && error.contains("32767"), "{error}");
}

#[test]
fn a_place_that_holds_something_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let full = root.path().join("full");
    std::fs::create_dir(&full).unwrap();
    std::fs::write(full.join("note"), "mine").unwrap();
    assert!(check_place(&full).unwrap_err().to_string().contains("is not empty"));
    assert!(check_place(&full.join("note")).unwrap_err().to_string().contains("choose a new directory"));
    assert_eq!(check_place(Path::new("..")).unwrap_err().exit_code(), 2);
    let (experiment, tokenizer) = (experiment(&small()), tokenizer());
    let model = noisy(&small(), tokenizer.len());
    let run = Run {
        experiment: &experiment,
        identity: "",
        tokenizer: &tokenizer,
        source_tokenizer: None,
        weights: model.weights(),
        word_counts: &[],
    };
    for format in FORMATS {
        assert!(export(format, &run, &full).is_err());
        assert_eq!((names(root.path()), names(&full)), (vec!["full".to_string()], vec!["note".to_string()]));
    }
    std::fs::remove_file(full.join("note")).unwrap();
    export(Format::Safetensors, &run, &full).unwrap();
    assert_eq!(names(root.path()), ["full"]);
    assert_eq!(names(&full).len(), 3);
}

#[test]
fn safetensors_hold_every_weight_and_what_they_are_of() {
    // Running statistics are exported, too.
    let config = ModelConfig { norm_kind: NormKind::Batch, ..small() };
    let Exported { root: _root, out, experiment, model, result } = exported(Format::Safetensors, &config);
    result.unwrap();
    let path = out.join("model.safetensors");
    let stored = doubles(&path);
    assert_eq!(stored.len(), model.weights().saved().len());
    assert!(stored.len() > model.weights().named().len());
    for (name, tensor) in model.weights().saved() {
        assert_eq!(stored[&name], tensor, "{name}");
    }
    let bytes = std::fs::read(&path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().as_ref().unwrap();
    assert_eq!(metadata["identity"], "abc");
    assert_eq!(serde_json::from_str::<Experiment>(&metadata["configuration"]).unwrap(), experiment);
    assert_eq!(metadata["tokenizer"], tokenizer().to_json());
    assert_eq!(std::fs::read_to_string(out.join("tokenizer.json")).unwrap(), metadata["tokenizer"]);
    let config = std::fs::read_to_string(out.join("config.toml")).unwrap();
    assert!(config.starts_with("# exported by ablate ") && config.contains("trial abc\n"), "{config}");
    assert_eq!(toml::from_str::<Experiment>(&config).unwrap(), experiment);
}

/// Translates our name of a variable, in a model with learned positions, into Marian's.
fn in_marians_words(name: &str) -> String {
    let fixed = match name {
        "embedding.shared.weight" => "model.shared.weight",
        "embedding.source.weight" => "model.encoder.embed_tokens.weight",
        "embedding.target.weight" => "model.decoder.embed_tokens.weight",
        "embedding.softmax.weight" => "lm_head.weight",
        "source_position.weight" => "model.encoder.embed_positions.weight",
        "target_position.weight" => "model.decoder.embed_positions.weight",
        _ => "",
    };
    if !fixed.is_empty() {
        return fixed.to_string();
    }
    let (stack, rest) = name.split_once('.').unwrap();
    let replaced = [
        ("feed_forward.norm", "final_layer_norm"),
        ("feed_forward.inner", "fc1"),
        ("feed_forward.outer", "fc2"),
        ("self_attention", "self_attn"),
        ("cross_attention", "encoder_attn"),
        (".norm", "_layer_norm"),
        (".query", ".q_proj"),
        (".key", ".k_proj"),
        (".value", ".v_proj"),
        (".output", ".out_proj"),
        (".scale", ".weight"),
        (".offset", ".bias"),
    ]
    .iter()
    .fold(rest.to_string(), |name, (ours, theirs)| name.replace(ours, theirs));
    format!("model.{stack}.layers.{replaced}")
}

/// The test loads the weights written for Marian into our own model with Marian's fixed epsilon, heads and biases.
#[test]
fn marians_weights_make_up_for_what_marian_fixes() {
    let vocabulary = tokenizer().len();
    let attention = |score, cross_score, projections| ModelConfig {
        attention: AttentionConfig { score, cross_score, projections, ..Default::default() },
        ..small()
    };
    let (dot, product) = (Score::Dot, Score::Multiplicative);
    for config in [
        ModelConfig { d_k: Some(3), ..attention(product, Some(dot), Projections::Separate) },
        ModelConfig { attention_biases: false, ..attention(dot, Some(product), Projections::Separate) },
        attention(Score::ScaledDot, None, Projections::SharedQueryKey),
        attention(product, None, Projections::SharedQueryKey),
        ModelConfig { d_v: Some(3), ..attention(Score::ScaledDot, Some(dot), Projections::ValuesOnly) },
        ModelConfig { attention_biases: false, ..attention(product, None, Projections::ValuesOnly) },
        attention(Score::ScaledDot, Some(product), Projections::None),
        ModelConfig { layer_norm_epsilon: 1e-3, position: Position::Sinusoidal, ..small() },
        ModelConfig { layer_norm_epsilon: 0.3, tying: Tying::Decoder, d_k: Some(3), ..small() },
        ModelConfig { tying: Tying::None, d_v: Some(1), attention_biases: false, ..small() },
        ModelConfig { position: Position::Learned, embedding_rows: Some(600), ..small() },
    ] {
        let Exported { root: _root, out, model, result, .. } = exported(Format::Marian, &config);
        result.unwrap();
        let mut stored = doubles(&out.join("model.safetensors"));
        let settings = json(&out.join("config.json"));
        let marian = ModelConfig {
            layer_norm_epsilon: 1e-5,
            position: Position::Learned,
            learned_positions: settings["max_position_embeddings"].as_i64().unwrap(),
            d_k: None,
            d_v: None,
            attention_biases: true,
            attention: Default::default(),
            ..config.clone()
        };
        let rebuilt = model::build(&marian, vocabulary, 9, Kind::Double, Device::Cpu);
        tch::no_grad(|| {
            for (name, tensor) in rebuilt.weights().named() {
                let theirs = in_marians_words(name);
                let value = stored.remove(&theirs).unwrap_or_else(|| panic!("no {theirs} for {name}"));
                assert_eq!(value.size(), tensor.size(), "{name}");
                tensor.shallow_clone().copy_(&value);
            }
        });
        let bias = stored.remove("final_logits_bias").unwrap();
        assert_eq!(bias.abs().sum(Kind::Double).double_value(&[]), 0.0);
        assert!(stored.is_empty(), "{:?} mean nothing", stored.keys());
        let (ours, theirs) = (logits(&*model), logits(&*rebuilt));
        let gap = (&ours - &theirs).abs().max().double_value(&[]);
        assert!(gap < 1e-12 * ours.abs().max().double_value(&[]), "{config:?}: {gap:e}");
        assert_eq!(settings["vocab_size"], config.embedding_rows.unwrap_or(vocabulary as i64));
        let suppressed = json(&out.join("generation_config.json"))["suppress_tokens"].clone();
        let rows = config.embedding_rows.unwrap_or(vocabulary as i64);
        let never: Vec<i64> = [0, 1].into_iter().chain(vocabulary as i64..rows).collect();
        assert_eq!(suppressed, serde_json::json!(never));
    }
}

#[test]
fn the_tokenizer_for_raw_text_lower_cases_and_ends_as_the_corpus_did() {
    let tokenizer = tokenizer();
    for lowercase in [false, true] {
        let mut experiment = experiment(&small());
        experiment.data.lowercase = lowercase;
        let model = noisy(&small(), tokenizer.len());
        for (format, ends) in [(Format::Marian, true), (Format::Ctranslate2, false)] {
            let root = tempfile::tempdir().unwrap();
            let out = root.path().join("out");
            let weights = model.weights();
            let run = Run {
                experiment: &experiment,
                identity: "",
                tokenizer: &tokenizer,
                source_tokenizer: None,
                weights,
                word_counts: &[],
            };
            export(format, &run, &out).unwrap();
            let written = json(&out.join("tokenizer.json"));
            let own: serde_json::Value = serde_json::from_str(&tokenizer.to_json()).unwrap();
            let normalizers = &written["normalizer"]["normalizers"];
            match lowercase {
                true => assert_eq!(
                    (&normalizers[0]["type"], &normalizers[1]),
                    (&"Lowercase".into(), &own["normalizer"])
                ),
                false => assert_eq!(written["normalizer"], own["normalizer"]),
            }
            assert_eq!(written["post_processor"]["special_tokens"]["</s>"]["ids"][0] == 2, ends);
            assert_eq!(written["model"], own["model"]);
        }
    }
}

/// A reader of model.bin that works like its loader in C++.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let (now, rest) = self.0.split_at(count);
        self.0 = rest;
        now.to_vec()
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.bytes(4).try_into().unwrap())
    }

    fn text(&mut self) -> String {
        let length = u16::from_le_bytes(self.bytes(2).try_into().unwrap());
        let mut text = self.bytes(usize::from(length));
        assert_eq!(text.pop(), Some(0));
        String::from_utf8(text).unwrap()
    }
}

/// Shape, type and bytes of a variable of model.bin.
type Variable = (Vec<u32>, u8, Vec<u8>);

fn read_binary(path: &Path) -> (BTreeMap<String, Variable>, BTreeMap<String, String>) {
    let bytes = std::fs::read(path).unwrap();
    let mut reader = Reader(&bytes);
    assert_eq!((reader.u32(), reader.text(), reader.u32()), (6, "TransformerSpec".to_string(), 7));
    let mut variables = BTreeMap::new();
    for _ in 0..reader.u32() {
        let name = reader.text();
        let rank = reader.bytes(1)[0];
        let shape: Vec<u32> = (0..rank).map(|_| reader.u32()).collect();
        let data_type = reader.bytes(1)[0];
        let length = reader.u32();
        let width = [4, 1, 2, 4][usize::from(data_type)];
        assert_eq!(length, shape.iter().product::<u32>() * width, "{name}");
        let value = reader.bytes(length as usize);
        assert!(variables.insert(name.clone(), (shape, data_type, value)).is_none(), "{name} twice");
    }
    let aliases = (0..reader.u32()).map(|_| (reader.text(), reader.text())).collect();
    assert!(reader.0.is_empty(), "{} bytes left", reader.0.len());
    (variables, aliases)
}

fn floats(variable: &Variable) -> Vec<f32> {
    variable.2.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

#[test]
fn ctranslate2s_binary_has_the_variables_of_its_specification() {
    let config =
        ModelConfig { layers: 1, d_k: Some(3), norm: Norm::Pre, embedding_rows: Some(600), ..small() };
    let Exported { root: _root, out, model, result, .. } = exported(Format::Ctranslate2, &config);
    result.unwrap();
    let (variables, aliases) = read_binary(&out.join("model.bin"));
    let attention = |name: &str, maps: usize| -> Vec<String> {
        let maps = (0..maps).flat_map(|n| [format!("linear_{n}/bias"), format!("linear_{n}/weight")]);
        let rest = ["head_dim", "layer_norm/beta", "layer_norm/gamma", "queries_scale"].map(String::from);
        maps.chain(rest).map(|part| format!("{name}/{part}")).collect()
    };
    let stack = |name: &str| -> Vec<String> {
        let parts = [
            "activation",
            "num_heads",
            "pre_norm",
            "scale_embeddings",
            "layer_norm/beta",
            "layer_norm/gamma",
        ];
        let feed_forward = [
            "layer_norm/beta",
            "layer_norm/gamma",
            "linear_0/bias",
            "linear_0/weight",
            "linear_1/bias",
            "linear_1/weight",
        ];
        let parts = parts.iter().map(|part| format!("{name}/{part}"));
        parts.chain(feed_forward.iter().map(|part| format!("{name}/layer_0/ffn/{part}"))).collect()
    };
    let mut expected: Vec<String> = ["encoder", "decoder"].into_iter().flat_map(stack).collect();
    expected.extend(attention("encoder/layer_0/self_attention", 2));
    expected.extend(attention("decoder/layer_0/self_attention", 2));
    expected.extend(attention("decoder/layer_0/attention", 3));
    expected.extend(
        [
            "encoder/embeddings_merge",
            "encoder/multi_query_attention",
            "decoder/alibi",
            "decoder/alignment_heads",
            "decoder/alignment_layer",
            "decoder/embeddings/weight",
            "decoder/position_encodings/encodings",
            "decoder/start_from_zero_embedding",
        ]
        .map(String::from),
    );
    expected.sort();
    assert_eq!(variables.keys().cloned().collect::<Vec<_>>(), expected);
    let alias = |name: &str, of: &str| (name.to_string(), of.to_string());
    assert_eq!(
        aliases,
        BTreeMap::from([
            alias("decoder/projection/weight", "decoder/embeddings/weight"),
            alias("encoder/embeddings_0/weight", "decoder/embeddings/weight"),
            alias("encoder/position_encodings/encodings", "decoder/position_encodings/encodings"),
        ])
    );

    // Queries, keys and values are concatenated; each head of 3 is filled up to the 4 of the values.
    let fused = &variables["encoder/layer_0/self_attention/linear_0/weight"];
    assert_eq!(fused.0, [3 * 2 * 4, 8]);
    let rows: Vec<Vec<f32>> = floats(fused).chunks(8).map(<[f32]>::to_vec).collect();
    for (part, name) in ["query", "key", "value"].iter().enumerate() {
        let path = format!("encoder.0.self_attention.{name}.weight");
        let (_, own) = model.weights().named().iter().find(|(named, _)| *named == path).unwrap();
        let width = if *name == "value" { 4 } else { 3 };
        for row in 0..8 {
            let (head, place) = (row / 4, row % 4);
            let wanted: Vec<f32> = match place < width {
                true => Vec::try_from(own.get((head * width + place) as i64).to_kind(Kind::Float)).unwrap(),
                false => vec![0.0; 8],
            };
            assert_eq!(rows[8 * part + row], wanted, "{name} {row}");
        }
    }
    assert_eq!(variables["encoder/pre_norm"].2, [1]);
    assert_eq!(variables["encoder/layer_0/self_attention/head_dim"].2, 4i32.to_le_bytes());
    assert_eq!(floats(&variables["decoder/layer_0/attention/queries_scale"]), [3f32.powf(-0.5)]);
    let vocabulary = json(&out.join("shared_vocabulary.json"));
    let tokens: std::collections::BTreeSet<&str> =
        vocabulary.as_array().unwrap().iter().map(|token| token.as_str().unwrap()).collect();
    assert_eq!((tokens.len(), &vocabulary[2]), (600, &"</s>".into()));
    assert_eq!(json(&out.join("config.json"))["layer_norm_epsilon"], 1e-6);
}

#[test]
fn on_the_command_line_a_run_is_exported_once_and_mistakes_are_refused() {
    let workshop = crate::common::Workshop::new();
    workshop.run(&["train", "tiny.toml", "--set", "model.norm=pre"]).expect(0);
    let to = |format: &str, out: &str| workshop.run(&["export", RUN, "--format", format, "--out", out]);
    to("marian", "out").expect(2).says("model.norm = \"pre\"");
    to("onnx", "out").expect(2).says("safetensors, marian, ctranslate2, openai-gpt, bert");
    workshop.run(&["export", RUN, "--format", "marian"]).expect(2).says("--out");
    workshop
        .run(&["export", "results", "--format", "marian", "--out", "out"])
        .expect(2)
        .says("not a run directory");
    assert!(!workshop.path("out").exists());
    let outcome = to("ctranslate2", "deep/out").expect(0).says("ctranslate2.Translator(\"deep/out\")");
    assert_eq!(outcome.out(), "");
    assert_eq!(names(&workshop.path("deep")), ["out"]);
    let before = workshop.read("deep/out/model.bin");
    to("safetensors", "deep/out").expect(2).says("deep/out is not empty");
    assert_eq!(workshop.read("deep/out/model.bin"), before);
}
