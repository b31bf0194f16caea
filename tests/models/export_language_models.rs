//! The output of `ablate export` for language models in Hugging Face transformers: every variant keeps its function or is
//! refused by its setting before anything is written. `scripts/check_export.py` checks the same with transformers itself.

use crate::common::exports::{Exported, doubles, exported_of, json, logits, small};
use crate::common::runs::RUN;
use crate::common::variants::{
    convolutional_alone, masked, masked_variants, recurrent, recurrent_alone, single_and_paired,
};
use crate::common::{LANGUAGE_MODEL, Workshop, names};
use ablate::config::Experiment;
use ablate::export::{Format, check};
use ablate::model::{
    self, Activation, AttentionConfig, CausalSpan, DecoderKind, EncoderKind, Head, MaskedConfig, ModelConfig,
    Network, Norm, NormKind, Position, Projections, Score, Span, Tying,
};
use ablate::train::{Direction, FirstInput};
use safetensors::SafeTensors;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};

const RUNNING: &str = r#"
[data]
max_length = 16
[data.recipe]
name = "text"
source_language = "en"
target_language = "en"
[data.recipe.corpus.files]
train = [{ source = "text.txt", target = "text.txt", format = "running" }]
dev = { source = "dev.txt", target = "dev.txt", format = "running" }
test = { source = "test.txt", target = "test.txt", format = "running" }
"#;

fn of_running_text(model: &ModelConfig) -> Experiment {
    let mut experiment: Experiment = toml::from_str(RUNNING).unwrap();
    experiment.model = model.clone();
    experiment
}

fn alone(base: &ModelConfig) -> ModelConfig {
    ModelConfig { encoder: EncoderKind::None, ..base.clone() }
}

/// Function from weights under transformers' names to weights under our names.
type Renamed = fn(BTreeMap<String, Tensor>, layers: usize) -> BTreeMap<String, Tensor>;

fn put_norm(found: &mut BTreeMap<String, Tensor>, path: &str, [scale, offset]: [Tensor; 2]) {
    found.insert(format!("{path}.scale"), scale);
    found.insert(format!("{path}.offset"), offset);
}

fn put_linear(found: &mut BTreeMap<String, Tensor>, path: &str, [weight, bias]: [Tensor; 2]) {
    found.insert(format!("{path}.weight"), weight);
    found.insert(format!("{path}.bias"), bias);
}

/// Renames the weights of GPT; every tensor of `stored` must be used.
fn of_gpt(mut stored: BTreeMap<String, Tensor>, layers: usize) -> BTreeMap<String, Tensor> {
    let mut found = BTreeMap::new();
    let mut take = |name: &str| stored.remove(name).unwrap_or_else(|| panic!("no {name}"));
    found.insert("embedding.target.weight".to_string(), take("transformer.tokens_embed.weight"));
    found.insert("target_position.weight".to_string(), take("transformer.positions_embed.weight"));
    for layer in 0..layers {
        let (theirs, ours) = (format!("transformer.h.{layer}"), format!("decoder.{layer}"));
        let mut pair = |name: &str| ["weight", "bias"].map(|kind| take(&format!("{theirs}.{name}.{kind}")));
        let [fused, biases] = pair("attn.c_attn");
        let parts = fused.transpose(0, 1).chunk(3, 0).into_iter().zip(biases.chunk(3, 0));
        for (name, (weight, bias)) in ["query", "key", "value"].iter().zip(parts) {
            put_linear(&mut found, &format!("{ours}.self_attention.{name}"), [weight, bias]);
        }
        for (theirs, path) in [
            ("attn.c_proj", "self_attention.output"),
            ("mlp.c_fc", "feed_forward.inner"),
            ("mlp.c_proj", "feed_forward.outer"),
        ] {
            let [weight, bias] = pair(theirs);
            put_linear(&mut found, &format!("{ours}.{path}"), [weight.transpose(0, 1), bias]);
        }
        put_norm(&mut found, &format!("{ours}.self_attention.norm"), pair("ln_1"));
        put_norm(&mut found, &format!("{ours}.feed_forward.norm"), pair("ln_2"));
    }
    found.extend(stored.remove("lm_head.weight").map(|own| ("embedding.softmax.weight".to_string(), own)));
    assert!(stored.is_empty(), "{:?} mean nothing", stored.keys());
    found
}

/// Renames the weights of BERT; every tensor of `stored` must be used.
fn of_bert(mut stored: BTreeMap<String, Tensor>, layers: usize) -> BTreeMap<String, Tensor> {
    let mut found = BTreeMap::new();
    let mut take = |name: &str| stored.remove(name).unwrap_or_else(|| panic!("no {name}"));
    for (theirs, ours) in
        [("word", "embedding.source"), ("position", "source_position"), ("token_type", "segment")]
    {
        let name = format!("bert.embeddings.{theirs}_embeddings.weight");
        found.insert(format!("{ours}.weight"), take(&name));
    }
    found.insert("embedding.softmax.bias".to_string(), take("cls.predictions.bias"));
    let mut pair = |name: &str| ["weight", "bias"].map(|kind| take(&format!("{name}.{kind}")));
    put_norm(&mut found, "source_norm", pair("bert.embeddings.LayerNorm"));
    put_linear(&mut found, "transform", pair("cls.predictions.transform.dense"));
    put_norm(&mut found, "transform.norm", pair("cls.predictions.transform.LayerNorm"));
    for layer in 0..layers {
        let (theirs, ours) = (format!("bert.encoder.layer.{layer}"), format!("encoder.{layer}"));
        for (name, path) in [
            ("attention.self.query", "self_attention.query"),
            ("attention.self.key", "self_attention.key"),
            ("attention.self.value", "self_attention.value"),
            ("attention.output.dense", "self_attention.output"),
            ("intermediate.dense", "feed_forward.inner"),
            ("output.dense", "feed_forward.outer"),
        ] {
            put_linear(&mut found, &format!("{ours}.{path}"), pair(&format!("{theirs}.{name}")));
        }
        for (name, path) in [("attention.output", "self_attention"), ("output", "feed_forward")] {
            let norm = pair(&format!("{theirs}.{name}.LayerNorm"));
            put_norm(&mut found, &format!("{ours}.{path}.norm"), norm);
        }
    }
    for (theirs, ours) in [("bert.pooler.dense", "pooler"), ("cls.seq_relationship", "scores")] {
        if stored.contains_key(&format!("{theirs}.weight")) {
            let own = ["weight", "bias"].map(|kind| stored.remove(&format!("{theirs}.{kind}")).unwrap());
            put_linear(&mut found, &format!("next_sentence.{ours}"), own);
        }
    }
    if let Some(own) = stored.remove("cls.predictions.decoder.weight") {
        assert_eq!(stored.remove("cls.predictions.decoder.bias").unwrap(), found["embedding.softmax.bias"]);
        found.insert("embedding.softmax.weight".to_string(), own);
    }
    assert!(stored.is_empty(), "{:?} mean nothing", stored.keys());
    found
}

/// Returns the model that transformers would build from `written`, in our own code with transformers' fixed settings.
fn rebuilt(written: &Exported, fixed: &ModelConfig, positions: &Value, renamed: Renamed) -> Box<dyn Network> {
    let config = ModelConfig {
        position: Position::Learned,
        learned_positions: positions.as_i64().unwrap(),
        d_k: None,
        d_v: None,
        attention_biases: true,
        attention: Default::default(),
        embedding_scale: false,
        ..fixed.clone()
    };
    let rows = config.rows(crate::common::exports::tokenizer().len()) as usize;
    let model = model::build(&config, rows, 9, Kind::Double, Device::Cpu);
    let mut weights = renamed(doubles(&written.out.join("model.safetensors")), config.layers);
    tch::no_grad(|| {
        for (name, tensor) in model.weights().named() {
            let value = weights.remove(name).unwrap_or_else(|| panic!("nothing is written of {name}"));
            assert_eq!(value.size(), tensor.size(), "{name}");
            tensor.shallow_clone().copy_(&value);
        }
    });
    assert!(weights.is_empty(), "{:?} have no place", weights.keys());
    model
}

/// Returns whether the model was written; if it was, it must have kept its function.
fn is_kept_or_refused(format: Format, name: &str, config: &ModelConfig) -> bool {
    let written = exported_of(format, of_running_text(config));
    if let Err(error) = &written.result {
        assert!(error.exit_code() == 2 && error.to_string().starts_with("model."), "{name}: {error}");
        assert!(error.to_string().ends_with("use --format safetensors"), "{name}: {error}");
        assert!(names(written.root.path()).is_empty(), "{name}: something was written");
        return false;
    }
    let settings = json(&written.out.join("config.json"));
    let common = ["config.json", "config.toml", "generation_config.json"];
    let last = ["model.safetensors", "tokenizer.json", "tokenizer_config.json"];
    let (files, theirs) = match format {
        Format::OpenaiGpt => {
            let fixed = ModelConfig { d_ff: 4 * config.d_model, ..config.clone() };
            (&common[..], rebuilt(&written, &fixed, &settings["n_positions"], of_gpt))
        }
        Format::Bert => {
            let segments = settings["type_vocab_size"].as_i64().unwrap();
            let fixed = ModelConfig {
                softmax_bias: true,
                masked: MaskedConfig {
                    segments,
                    next_sentence: config.masked.next_sentence,
                    ..Default::default()
                },
                ..config.clone()
            };
            (&common[..2], rebuilt(&written, &fixed, &settings["max_position_embeddings"], of_bert))
        }
        other => panic!("{other:?} is of models that translate"),
    };
    assert_eq!(names(&written.out), [files, &last].concat(), "{name}");
    let (ours, theirs) = (logits(&*written.model), logits(&*theirs));
    let gap = (&ours - &theirs).abs().max().double_value(&[]);
    assert!(gap < 1e-12 * ours.abs().max().double_value(&[]).max(1.0), "{name}: {gap:e}");
    true
}

/// Returns the numbers of models that were written and refused.
fn counts(format: Format, variants: Vec<(String, ModelConfig)>) -> [usize; 2] {
    let kept: Vec<bool> =
        variants.iter().map(|(name, config)| is_kept_or_refused(format, name, config)).collect();
    let written = kept.iter().filter(|kept| **kept).count();
    [written, kept.len() - written]
}

/// Returns, named, models of sizes and combinations that no pair of choices makes.
fn sized(base: &ModelConfig) -> Vec<(String, ModelConfig)> {
    let base = ModelConfig { embedding_rows: Some(600), ..base.clone() };
    let narrow = ModelConfig { d_k: Some(3), d_v: Some(1), ..base.clone() };
    let named = |name: &str, config: ModelConfig| (name.to_string(), config);
    vec![
        named("narrow heads", ModelConfig { layer_norm_epsilon: 0.3, ..narrow.clone() }),
        named("untied", ModelConfig { tying: Tying::None, attention_biases: false, ..narrow.clone() }),
        named("no scale", ModelConfig { embedding_scale: false, ..narrow }),
        named(
            "a multiple",
            ModelConfig { embedding_rows: None, embedding_multiple: Some(64), ..base.clone() },
        ),
        named("wide keys", ModelConfig { d_k: Some(5), ..base.clone() }),
        named("odd heads", ModelConfig { heads: 3, d_k: Some(2), d_v: Some(2), ..base }),
    ]
}

#[test]
fn gpts_weights_make_up_for_what_gpt_fixes() {
    let base = alone(&small());
    let mut models = single_and_paired(&base);
    models.retain(|(_, config)| !config.has_encoder());
    models.extend(sized(&base));
    let wide = |d_ff| (format!("d_ff = {d_ff}"), ModelConfig { d_ff, ..base.clone() });
    models.extend([wide(1), wide(32), wide(33)]);
    for variants in [recurrent_alone(&base), convolutional_alone(&base)] {
        models.extend(variants.into_iter().take(3));
    }
    let [written, refused] = counts(Format::OpenaiGpt, models);
    assert!(written > 50 && refused > 50, "{written} written, {refused} refused");
}

#[test]
fn berts_weights_make_up_for_what_bert_fixes() {
    let base = masked(&small());
    let mut models = masked_variants(&base);
    models.retain(|(_, config)| config.has_self_attention());
    models.extend(sized(&base));
    for (segments, next_sentence) in [0, 1, 3].into_iter().flat_map(|n| [(n, false), (n, true)]) {
        let masked = MaskedConfig { segments, next_sentence, ..Default::default() };
        let name = format!("{segments} segments, next_sentence = {next_sentence}");
        models.push((name, ModelConfig { masked, ..base.clone() }));
    }
    models.push(("recurrent".into(), masked(&recurrent(&base))));
    let [written, refused] = counts(Format::Bert, models);
    assert!(written > 50 && refused > 50, "{written} written, {refused} refused");
}

#[test]
fn a_refusal_names_the_setting_and_what_the_format_has() {
    let attention = |base: &ModelConfig, attention| ModelConfig { attention, ..base.clone() };
    let of_both = |base: &ModelConfig| {
        let with = |change: fn(&mut ModelConfig)| {
            let mut config = base.clone();
            change(&mut config);
            config
        };
        vec![
            (with(|c| c.norm = Norm::Pre), "model.norm = \"pre\"", "after each sub-layer"),
            (with(|c| c.norm_kind = NormKind::Rms), "model.norm_kind = \"rms\"", "subtract the mean"),
            (with(|c| c.norm_kind = NormKind::None), "model.norm_kind = \"none\"", "has a norm"),
            (with(|c| c.activation = Activation::Swiglu), "model.activation = \"swiglu\"", "no gates"),
            (with(|c| c.feed_forward = false), "model.feed_forward = false", "has a feed-forward sub-layer"),
            (with(|c| c.residual = false), "model.residual = false", "adds the input"),
            (with(|c| c.position = Position::Rotary), "model.position = \"rotary\"", "to the embeddings"),
            (with(|c| c.position = Position::T5), "model.position = \"t5\"", "to the embeddings"),
            (with(|c| c.d_k = Some(5)), "model.d_k = 5", "4 wide"),
            (with(|c| (c.heads, c.d_k, c.d_v) = (3, Some(2), Some(2))), "model.heads = 3", "d_model = 8"),
            (
                attention(base, AttentionConfig { score: Score::Additive, ..Default::default() }),
                "model.attention.score = \"additive\"",
                "products",
            ),
        ]
    };
    let (gpt, bert) = (alone(&small()), masked(&small()));
    let of_masked = |masked| ModelConfig { masked, ..bert.clone() };
    let mut of_gpt = of_both(&gpt);
    let local = AttentionConfig { decoder_span: Some(CausalSpan::Local(3)), ..Default::default() };
    let gelu = ModelConfig { activation: Activation::Gelu, ..gpt.clone() };
    let biased = ModelConfig { softmax_bias: true, ..gpt.clone() };
    let recurrent_decoder = ModelConfig { decoder: DecoderKind::Recurrent, ..gpt.clone() };
    of_gpt.extend([
        (small(), "model.encoder = \"self_attention\"", "it has no encoder"),
        (bert.clone(), "model.encoder = \"self_attention\"", "it has no encoder"),
        (recurrent_decoder, "model.decoder = \"recurrent\"", "of self-attention"),
        (gelu, "model.activation = \"gelu\"", "\"gelu_tanh\""),
        (biased, "model.softmax_bias = true", "no bias"),
        (ModelConfig { d_ff: 33, ..gpt.clone() }, "model.d_ff = 33", "4 · d_model = 32"),
        (attention(&gpt, local), "model.attention.decoder_span = { local = … }", "all positions"),
    ]);
    let mut of_bert = of_both(&bert);
    let linformer = AttentionConfig { span: Span::Linformer(3), ..Default::default() };
    let no_norm = MaskedConfig { embedding_norm: false, ..Default::default() };
    let no_head = MaskedConfig { head: Head::None, ..Default::default() };
    of_bert.extend([
        (small(), "model.decoder = \"self_attention\"", "it has no decoder"),
        (gpt.clone(), "model.encoder = \"none\"", "it is an encoder"),
        (masked(&recurrent(&small())), "model.encoder = \"recurrent\"", "of self-attention"),
        (of_masked(no_norm), "model.masked.embedding_norm = false", "normalises the embeddings"),
        (of_masked(no_head), "model.masked.head = \"none\"", "before its softmax"),
        (attention(&bert, linformer), "model.attention.span = { linformer = … }", "all positions"),
    ]);
    for (format, name, cases) in
        [(Format::OpenaiGpt, "an OpenAIGPTLMHeadModel", of_gpt), (Format::Bert, "a BertForMaskedLM", of_bert)]
    {
        for (config, setting, has) in cases {
            let error = check(format, &of_running_text(&config)).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            let text = error.to_string();
            assert!(text.starts_with(&format!("{setting} does not fit into {name}: ")), "{text}");
            assert!(
                text.contains(has) && text.contains("; use --format ") && text.ends_with("safetensors"),
                "{text}"
            );
        }
    }
    let mut backward = of_running_text(&gpt);
    backward.training.direction = Direction::Backward;
    let text = check(Format::OpenaiGpt, &backward).unwrap_err().to_string();
    assert!(text.starts_with("training.direction = \"backward\" does not fit"), "{text}");
    check(Format::OpenaiGpt, &of_running_text(&gpt)).unwrap();
    check(Format::Bert, &of_running_text(&bert)).unwrap();
}

/// A model that translates reads its source as a prompt and ends; one of running text begins behind `<s>`, unless it was
/// trained to begin with a token of the text, and never ends.
#[test]
fn tokenizers_and_search_follow_the_task() {
    let text = exported_of(Format::OpenaiGpt, of_running_text(&alone(&small())));
    let pairs = exported_of(Format::OpenaiGpt, crate::common::exports::experiment(&alone(&small())));
    let masked = exported_of(Format::Bert, of_running_text(&masked(&small())));
    let mut goes_on = of_running_text(&alone(&small()));
    goes_on.training.first_input = FirstInput::PreviousToken;
    let goes_on = exported_of(Format::OpenaiGpt, goes_on);
    let special = |token: &str| json!({"SpecialToken": {"id": token, "type_id": 0}});
    let line = json!({"Sequence": {"id": "A", "type_id": 0}});
    for (written, expected) in [
        (&text, json!([special("<s>"), line])),
        (&pairs, json!([line, special("</s>"), special("<s>")])),
        (&masked, Value::Null),
        (&goes_on, Value::Null),
    ] {
        written.result.as_ref().unwrap();
        assert_eq!(json(&written.out.join("tokenizer.json"))["post_processor"]["single"], expected);
    }
    // Running text is encoded line by line.
    let steps = |written: &Exported| {
        let tokenizer = json(&written.out.join("tokenizer.json"));
        let steps = &tokenizer["pre_tokenizer"]["pretokenizers"];
        (steps.as_array().unwrap().len(), steps[0]["behavior"].clone())
    };
    assert_eq!(steps(&text), (3, json!("MergedWithPrevious")));
    assert_eq!((steps(&masked), steps(&goes_on)), (steps(&text), steps(&text)));
    assert_eq!(steps(&pairs), (2, json!("Isolated")));
    let generation = |written: &Exported| json(&written.out.join("generation_config.json"));
    let (writes, translates) = (generation(&text), generation(&pairs));
    assert_eq!((&writes["max_length"], &writes["suppress_tokens"]), (&json!(16), &json!([0, 1, 2])));
    assert_eq!((writes["do_sample"].clone(), writes.get("eos_token_id")), (json!(true), None));
    assert_eq!((&translates["eos_token_id"], &translates["suppress_tokens"]), (&json!(2), &json!([0, 1])));
    assert_eq!((&translates["num_beams"], &translates["early_stopping"]), (&json!(2), &json!("never")));
    let named = |written: &Exported| json(&written.out.join("tokenizer_config.json"));
    assert_eq!(named(&masked)["mask_token"], "<s>");
    assert_eq!((named(&text).get("eos_token"), &named(&pairs)["eos_token"]), (None, &json!("</s>")));
}

/// Returns names and shapes of the tensors of a safetensors file.
fn shapes(bytes: &[u8]) -> BTreeMap<String, Vec<usize>> {
    let file = SafeTensors::deserialize(bytes).unwrap();
    file.tensors().iter().map(|(name, view)| (name.clone(), view.shape().to_vec())).collect()
}

#[test]
fn a_trained_language_model_is_exported_as_gpt() {
    let workshop = Workshop::of_language_model();
    let settings = [
        "[model]",
        "position = \"learned\"",
        "learned_positions = 16",
        "activation = \"gelu_tanh\"",
        "embedding_scale = false",
    ];
    workshop.write("tiny.toml", &LANGUAGE_MODEL.replace("[model]", &settings.join("\n")));
    workshop.run(&["train", "tiny.toml", "--set", "training.steps=10"]).expect(0);
    let to = |format: &str, out: &str| workshop.run(&["export", RUN, "--format", format, "--out", out]);
    to("bert", "out").expect(2).says("model.encoder = \"none\" does not fit into a BertForMaskedLM");
    assert!(!workshop.path("out").exists());
    to("openai-gpt", "out").expect(0).says("transformers.OpenAIGPTLMHeadModel.from_pretrained(\"out\")");
    let settings = json(&workshop.path("out/config.json"));
    let rows = settings["vocab_size"].as_u64().unwrap() as usize;
    assert_eq!((&settings["afn"], &settings["n_positions"]), (&json!("gelu"), &json!(16)));
    assert_eq!((&settings["dtype"], &settings["model_type"]), (&json!("float32"), &json!("openai-gpt")));
    let found = shapes(&workshop.read("out/model.safetensors"));
    let layer = [
        ("attn.c_attn.bias", vec![48]),
        ("attn.c_attn.weight", vec![16, 48]),
        ("attn.c_proj.bias", vec![16]),
        ("attn.c_proj.weight", vec![16, 16]),
        ("ln_1.bias", vec![16]),
        ("ln_1.weight", vec![16]),
        ("ln_2.bias", vec![16]),
        ("ln_2.weight", vec![16]),
        ("mlp.c_fc.bias", vec![64]),
        ("mlp.c_fc.weight", vec![16, 64]),
        ("mlp.c_proj.bias", vec![16]),
        ("mlp.c_proj.weight", vec![64, 16]),
    ];
    let mut expected: BTreeMap<String, Vec<usize>> =
        layer.map(|(name, shape)| (format!("transformer.h.0.{name}"), shape)).into();
    expected.insert("transformer.positions_embed.weight".into(), vec![16, 16]);
    expected.insert("transformer.tokens_embed.weight".into(), vec![rows, 16]);
    assert_eq!(found, expected);
    // A model with the same parts that reads texts backward.
    let backward = ["--set", "training.steps=2", "--set", "training.direction=backward", "--name", "back"];
    workshop.run(&[&["train", "tiny.toml"], &backward[..]].concat()).expect(0);
    let words = ["export", "results/back/seed-1", "--format", "openai-gpt", "--out", "back"];
    workshop.run(&words).expect(2).says("training.direction = \"backward\"");
    assert!(!workshop.path("back").exists());
}

#[test]
fn a_trained_masked_language_model_is_exported_as_bert() {
    let workshop = Workshop::of_masked_language_model();
    workshop.run(&["train", "tiny.toml", "--set", "training.steps=10"]).expect(0);
    let to = |format: &str, out: &str| workshop.run(&["export", RUN, "--format", format, "--out", out]);
    to("openai-gpt", "out").expect(2).says("model.encoder = \"self_attention\"");
    assert!(!workshop.path("out").exists());
    to("bert", "out").expect(0).says("transformers.BertForMaskedLM.from_pretrained(\"out\")");
    let settings = json(&workshop.path("out/config.json"));
    let rows = settings["vocab_size"].as_u64().unwrap() as usize;
    assert_eq!((&settings["hidden_act"], &settings["layer_norm_eps"]), (&json!("relu"), &json!(1e-6)));
    let found = shapes(&workshop.read("out/model.safetensors"));
    let maps = [
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
        "intermediate.dense",
        "output.dense",
    ];
    let mut expected = BTreeMap::new();
    // All matrices of the workshop's model have the same width.
    for name in maps.map(|name| format!("bert.encoder.layer.0.{name}")).iter().map(String::as_str) {
        expected.insert(format!("{name}.weight"), vec![16, 16]);
        expected.insert(format!("{name}.bias"), vec![16]);
    }
    expected.insert("cls.predictions.transform.dense.weight".into(), vec![16, 16]);
    expected.insert("cls.predictions.transform.dense.bias".into(), vec![16]);
    for norm in [
        "bert.embeddings.LayerNorm",
        "bert.encoder.layer.0.attention.output.LayerNorm",
        "bert.encoder.layer.0.output.LayerNorm",
        "cls.predictions.transform.LayerNorm",
    ] {
        expected.insert(format!("{norm}.weight"), vec![16]);
        expected.insert(format!("{norm}.bias"), vec![16]);
    }
    expected.insert("bert.embeddings.word_embeddings.weight".into(), vec![rows, 16]);
    expected.insert("bert.embeddings.position_embeddings.weight".into(), vec![1024, 16]);
    expected.insert("bert.embeddings.token_type_embeddings.weight".into(), vec![2, 16]);
    expected.insert("cls.predictions.bias".into(), vec![rows]);
    assert_eq!(found, expected);
}

/// Projections that are shared or absent become matrices.
#[test]
fn every_projection_fits_beside_every_product() {
    for projections in
        [Projections::Separate, Projections::SharedQueryKey, Projections::ValuesOnly, Projections::None]
    {
        for score in [Score::ScaledDot, Score::Dot, Score::Multiplicative] {
            let attention = AttentionConfig { projections, score, ..Default::default() };
            let config = ModelConfig { attention, attention_biases: false, ..small() };
            assert!(is_kept_or_refused(Format::OpenaiGpt, "gpt", &alone(&config)));
            assert!(is_kept_or_refused(Format::Bert, "bert", &masked(&config)));
        }
    }
}
