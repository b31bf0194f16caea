//! `--format openai-gpt`: a directory for `OpenAIGPTLMHeadModel.from_pretrained` and `AutoTokenizer` of Hugging Face
//! transformers.
//!
//! The architecture is GPT's (Radford et al. 2018). It fixes some choices, for which the weights compensate:
//!
//! - **Embeddings** are not scaled. If ablate scales them, they are written √d_model times as large, and if the softmax
//!   shares their matrix, the last layer normalisation 1/√d_model times as large.
//! - **Heads** are d_model / heads wide and **feed-forward sub-layers** 4 · d_model. Narrower ones are padded with zeros,
//!   which every activation leaves at zero.
//! - **Biases** of attention always exist. Absent ones are written as zeros.
//! - **Positions** are a table: any encoding that is added to the embeddings fits.
//!
//! # Deviation
//! transformers masks later tokens with a score of -10,000, not minus infinity.

use super::hugging_face::{
    Named, check_heads, dtype, factors, never_decoded, stops_early, tokenizer_configuration,
};
use super::reading_tokenizer::{self, Around, reading_tokenizer};
use super::run::{Files, Run, json_bytes, positions_of_text, refusal, serves};
use super::tensors::{Linear, Tensors};
use crate::config::Experiment;
use crate::data::tokenizer::{BOS, EOS, PAD};
use crate::error::Result;
use crate::model::implementations::Implementations;
use crate::model::{Activation, ModelConfig, Tying};
use crate::train::{Direction, FirstInput};
use serde_json::{Value, json};

const NAME: &str = "an OpenAIGPTLMHeadModel";

pub fn check(experiment: &Experiment) -> Result<()> {
    let model = &experiment.model;
    serves(NAME, Implementations::of(model).openai_gpt)?;
    check_heads(NAME, model)?;
    let widest = inner_width(model);
    if model.d_ff > widest {
        let setting = format!("model.d_ff = {}", model.d_ff);
        let allowed = format!("a feed-forward sub-layer is at most 4 · d_model = {widest} wide");
        return Err(refusal(NAME, &setting, &allowed));
    }
    if experiment.training.direction == Direction::Backward {
        let setting = "training.direction = \"backward\"";
        return Err(refusal(NAME, setting, "it reads a text from its beginning"));
    }
    reading_tokenizer::check(NAME, &experiment.data)
}

/// Returns the inner width that this class gives every feed-forward sub-layer.
fn inner_width(model: &ModelConfig) -> i64 {
    4 * model.d_model
}

pub fn files(run: &Run) -> Result<Files> {
    let around = match run.experiment.training.first_input {
        // A source to translate is followed by </s> <s>.
        _ if run.experiment.reads_prefixes() => Around { after: &[EOS, BOS], ..Around::NOTHING },
        FirstInput::Bos => Around { before: &[BOS], ..Around::NOTHING },
        // The first token of a text is read but not predicted, as in `ablate generate`.
        FirstInput::PreviousToken => Around::NOTHING,
    };
    let tokenizer = reading_tokenizer(run, around)?;
    let tensors = Tensors::of(run);
    let rows = run.experiment.model.rows(run.tokenizer.len());
    let table = tensors.positions("target", positions_of_text(run.experiment));
    let positions = table.size()[0];
    let mut named = Named::default();
    named.put("transformer.positions_embed.weight", table);
    write_weights(&mut named, &tensors, &run.experiment.model);
    let mut special = vec![("bos_token", "<s>"), ("pad_token", "<pad>")];
    special.extend(run.experiment.reads_prefixes().then_some(("eos_token", "</s>")));
    Ok(vec![
        ("config.json", json_bytes(&configuration(run, rows, positions))?),
        ("generation_config.json", json_bytes(&generation(run, rows, positions))?),
        ("model.safetensors", named.file(run)?),
        ("tokenizer.json", tokenizer),
        ("tokenizer_config.json", json_bytes(&tokenizer_configuration(&special, positions))?),
    ])
}

/// Writes all weights except the positions.
fn write_weights(named: &mut Named, tensors: &Tensors, config: &ModelConfig) {
    let (embedding_factor, last_factor) = factors(config);
    let embeddings = tensors.embeddings();
    named.put("transformer.tokens_embed.weight", embeddings.target * embedding_factor);
    if config.tying == Tying::None {
        named.put("lm_head.weight", embeddings.softmax);
    }
    for layer in 0..config.layers {
        let (name, path) = (format!("transformer.h.{layer}"), format!("decoder.{layer}"));
        let (attention, queries) = tensors.attention_of_default_heads(&format!("{path}.self_attention"));
        let query = attention.query.scaled(1.0, queries);
        let fused = Linear::join(&[&query, &attention.key, &attention.value]);
        named.transposed_linear(&format!("{name}.attn.c_attn"), fused);
        named.transposed_linear(&format!("{name}.attn.c_proj"), attention.output);
        named.norm(&format!("{name}.ln_1"), tensors.norm(&format!("{path}.self_attention.norm")));
        let missing = inner_width(config) - config.d_ff;
        let inner = tensors.linear(&format!("{path}.feed_forward.inner"));
        let outer = tensors.linear(&format!("{path}.feed_forward.outer"));
        named.transposed_linear(&format!("{name}.mlp.c_fc"), with_more_outputs(inner, missing));
        named.transposed_linear(&format!("{name}.mlp.c_proj"), with_more_inputs(outer, missing));
        let factor = if layer + 1 == config.layers { last_factor } else { 1.0 };
        let norm = tensors.norm(&format!("{path}.feed_forward.norm"));
        named.norm(&format!("{name}.ln_2"), norm.scaled(factor));
    }
}

/// Returns the map with `count` more outputs, all 0.
fn with_more_outputs(map: Linear, count: i64) -> Linear {
    Linear {
        weight: map.weight.constant_pad_nd([0, 0, 0, count]),
        bias: map.bias.map(|bias| bias.constant_pad_nd([0, count])),
    }
}

/// Returns the map with `count` more inputs, which it ignores.
fn with_more_inputs(map: Linear, count: i64) -> Linear {
    Linear { weight: map.weight.constant_pad_nd([0, count]), ..map }
}

fn configuration(run: &Run, rows: i64, positions: i64) -> Value {
    let config = &run.experiment.model;
    json!({
        "architectures": ["OpenAIGPTLMHeadModel"],
        "model_type": "openai-gpt",
        "dtype": dtype(run),
        "vocab_size": rows,
        "n_positions": positions,
        "n_embd": config.d_model,
        "n_layer": config.layers,
        "n_head": config.heads,
        "afn": activation(config.activation),
        "resid_pdrop": config.dropout,
        "embd_pdrop": config.dropout,
        "attn_pdrop": config.attention_dropout,
        "layer_norm_epsilon": config.layer_norm_epsilon,
        "tie_word_embeddings": config.tying != Tying::None,
        "bos_token_id": BOS,
        "eos_token_id": run.experiment.reads_prefixes().then_some(EOS),
        "pad_token_id": PAD,
    })
}

/// Returns the class's name of an activation; its `gelu` is the approximation by tanh. Activations without a name are
/// refused by [`Implementations`].
fn activation(activation: Activation) -> Option<&'static str> {
    match activation {
        Activation::Relu => Some("relu"),
        Activation::GeluTanh => Some("gelu"),
        Activation::Swish => Some("silu"),
        Activation::Gelu | Activation::Glu | Activation::Swiglu | Activation::Geglu => None,
    }
}

/// Returns the run's settings of generation, as far as transformers can express them: a language model draws tokens
/// until a block is full, a translation model searches. `bos_token_id` is read first if there is no text to continue,
/// as in `ablate generate`, whatever the tokenizer puts before a text.
///
/// # Deviation
/// The length penalty is that of the format `marian`. The limit on the length is the same for all sources and counts these.
fn generation(run: &Run, rows: i64, positions: i64) -> Value {
    let Experiment { data, decoding, .. } = run.experiment;
    let vocabulary = run.tokenizer.len();
    match run.experiment.reads_prefixes() {
        false => json!({
            "bos_token_id": BOS,
            "pad_token_id": PAD,
            "do_sample": true,
            "max_length": positions.min(data.max_length as i64),
            "suppress_tokens": never_decoded(&[PAD, BOS, EOS], vocabulary, rows),
        }),
        true => json!({
            "bos_token_id": BOS,
            "eos_token_id": EOS,
            "pad_token_id": PAD,
            "num_beams": decoding.beam,
            "length_penalty": decoding.length_penalty,
            "early_stopping": stops_early(decoding),
            // Length of source, translation and the tokens between them.
            "max_length": positions.min((2 * data.max_length + 2 + decoding.max_extra_length) as i64),
            "suppress_tokens": never_decoded(&[PAD, BOS], vocabulary, rows),
        }),
    }
}

pub fn example(directory: &str, experiment: &Experiment) -> String {
    let written = if experiment.reads_prefixes() { "ids[0, inputs.input_ids.shape[1]:]" } else { "ids[0]" };
    format!(
        "import transformers\n\
         tokenizer = transformers.AutoTokenizer.from_pretrained({directory})\n\
         model = transformers.OpenAIGPTLMHeadModel.from_pretrained({directory})\n\
         inputs = tokenizer(input(), return_tensors=\"pt\")\n\
         ids = model.generate(**inputs)\n\
         print(tokenizer.decode({written}, skip_special_tokens=True))\n"
    )
}
