//! `--format marian`: a directory that `MarianMTModel.from_pretrained` and `AutoTokenizer` of Hugging
//! Face transformers load.
//!
//! Its architecture is the paper's, with three choices fixed, which the weights make up for:
//!
//! - **Epsilon** of every layer normalisation is torch's 1e-5. LN(x; ε) = LN(c x; c² ε), so the residual
//!   stream is written c = √(1e-5 / ε) times as large: what adds to it is multiplied by c, what reads it
//!   divided. The encoder's output keeps its size; the decoder's is 1/c of it, which the softmax
//!   matrix, c times as large because it may be an embedding too, undoes.
//! - **Heads** are d_model / heads wide: narrower ones are filled up with zeros, and queries scaled by
//!   √(width / d_k), since Marian divides by √width.
//! - **Biases** of attention exist: absent ones are zeros.
//!
//! Positions are stored tables, so any encoding fits. transformers leaves them out when it saves the
//! model again (it takes them for Marian's own), so a fine-tuned copy needs them put back.

use super::run::{Files, Run, json_bytes, reading_tokenizer, refusal, serves};
use super::tensors::{Linear, Norm, Tensors, safetensors_file};
use crate::data::tokenizer::{BOS, EOS, PAD};
use crate::error::Result;
use crate::model::implementations::Implementations;
use crate::model::{Activation, ModelConfig, Tying};
use serde_json::json;
use tch::{Kind, Tensor};

/// Of `torch.nn.LayerNorm`, which Marian leaves as it is.
const EPSILON: f64 = 1e-5;

const NAME: &str = "a MarianMTModel";
const REMEDY: &str = "use --format ctranslate2 or safetensors";

pub fn check(model: &ModelConfig) -> Result<()> {
    let ModelConfig { d_model, heads, .. } = model;
    serves(NAME, Implementations::of(model).marian, REMEDY)?;
    if d_model % heads != 0 {
        let setting = format!("model.heads = {heads}");
        return Err(refusal(NAME, &setting, &format!("heads must divide model.d_model = {d_model}"), REMEDY));
    }
    for (name, own) in [("d_k", model.d_k()), ("d_v", model.d_v())] {
        let width = d_model / heads;
        if own > width {
            let allowed = format!("a head is at most d_model / heads = {width} wide");
            return Err(refusal(NAME, &format!("model.{name} = {own}"), &allowed, REMEDY));
        }
    }
    Ok(())
}

pub fn files(run: &Run) -> Result<Files> {
    let tokenizer = reading_tokenizer(run, NAME, true)?;
    let config = &run.experiment.model;
    let mut writer = Writer {
        tensors: Tensors::of(run),
        config,
        stretch: (EPSILON / config.layer_norm_epsilon).sqrt(),
        named: Vec::new(),
    };
    writer.embeddings();
    for layer in 0..config.layers {
        writer.encoder_layer(layer);
        writer.decoder_layer(layer);
    }
    let kind = run.weights.named().first().map_or(Kind::Float, |(_, tensor)| tensor.kind());
    let named: Vec<(String, Tensor)> =
        writer.named.into_iter().map(|(name, tensor)| (name, tensor.to_kind(kind))).collect();
    let metadata = [("format", "pt".to_string()), ("identity", run.identity.to_string())];
    let rows = config.rows(run.tokenizer.len());
    let positions = writer.tensors.positions("source").size()[0];
    Ok(vec![
        ("config.json", json_bytes(&configuration(config, rows, positions, kind))?),
        ("generation_config.json", json_bytes(&generation(run, rows, positions))?),
        ("model.safetensors", safetensors_file(&named, metadata)?),
        ("tokenizer.json", tokenizer),
        ("tokenizer_config.json", json_bytes(&tokenizer_configuration(positions))?),
    ])
}

/// Collects Marian's tensors under Marian's names.
struct Writer<'a> {
    tensors: Tensors<'a>,
    config: &'a ModelConfig,
    /// The factor c of the residual stream.
    stretch: f64,
    named: Vec<(String, Tensor)>,
}

impl Writer<'_> {
    fn put(&mut self, name: &str, tensor: Tensor) {
        self.named.push((name.to_string(), tensor));
    }

    /// A map whose input was made `input` times as large, so that its output is `output` times as large.
    fn linear(&mut self, name: &str, linear: Linear, input: f64, output: f64) {
        let bias = linear.bias.unwrap_or_else(|| Tensor::zeros_like(&linear.weight.select(1, 0)));
        self.put(&format!("{name}.weight"), linear.weight * (output / input));
        self.put(&format!("{name}.bias"), bias * output);
    }

    fn norm(&mut self, name: &str, norm: Norm, output: f64) {
        self.put(&format!("{name}.weight"), norm.scale * output);
        self.put(&format!("{name}.bias"), norm.offset * output);
    }

    fn embeddings(&mut self) {
        let c = self.stretch;
        let embeddings = self.tensors.embeddings();
        let rows = embeddings.softmax.size()[0];
        match self.config.tying {
            Tying::All => self.put("model.shared.weight", embeddings.softmax * c),
            Tying::Decoder => {
                self.put("model.encoder.embed_tokens.weight", embeddings.source * c);
                self.put("model.decoder.embed_tokens.weight", embeddings.target * c);
            }
            Tying::None => {
                self.put("model.encoder.embed_tokens.weight", embeddings.source * c);
                self.put("model.decoder.embed_tokens.weight", embeddings.target * c);
                self.put("lm_head.weight", embeddings.softmax * c);
            }
        }
        self.put("final_logits_bias", Tensor::zeros([1, rows], (Kind::Double, tch::Device::Cpu)));
        for (stack, side) in [("encoder", "source"), ("decoder", "target")] {
            let table = self.tensors.positions(side) * c;
            self.put(&format!("model.{stack}.embed_positions.weight"), table);
        }
    }

    /// `memory`: how many times as large what keys and values are made of was made.
    fn attention(&mut self, name: &str, path: &str, memory: f64) {
        let c = self.stretch;
        let width = self.config.d_model / self.config.heads;
        let attention = self.tensors.attention(path, width);
        let queries = (width as f64 / self.config.d_k() as f64).sqrt();
        self.linear(&format!("{name}.q_proj"), attention.query, c, queries);
        self.linear(&format!("{name}.k_proj"), attention.key, memory, 1.0);
        self.linear(&format!("{name}.v_proj"), attention.value, memory, 1.0);
        self.linear(&format!("{name}.out_proj"), attention.output, 1.0, c);
        let norm = self.tensors.norm(&format!("{path}.norm"));
        self.norm(&format!("{name}_layer_norm"), norm, c);
    }

    /// `output`: how many times as large the layer's output becomes.
    fn feed_forward(&mut self, name: &str, path: &str, output: f64) {
        let c = self.stretch;
        let inner = self.tensors.linear(&format!("{path}.inner"));
        let outer = self.tensors.linear(&format!("{path}.outer"));
        let norm = self.tensors.norm(&format!("{path}.norm"));
        self.linear(&format!("{name}.fc1"), inner, c, 1.0);
        self.linear(&format!("{name}.fc2"), outer, 1.0, c);
        self.norm(&format!("{name}.final_layer_norm"), norm, output);
    }

    fn encoder_layer(&mut self, layer: usize) {
        let (name, path) = (format!("model.encoder.layers.{layer}"), format!("encoder.{layer}"));
        let output = if layer + 1 == self.config.layers { 1.0 } else { self.stretch };
        self.attention(&format!("{name}.self_attn"), &format!("{path}.self_attention"), self.stretch);
        self.feed_forward(&name, &format!("{path}.feed_forward"), output);
    }

    fn decoder_layer(&mut self, layer: usize) {
        let (name, path) = (format!("model.decoder.layers.{layer}"), format!("decoder.{layer}"));
        let output = if layer + 1 == self.config.layers { 1.0 / self.stretch } else { self.stretch };
        self.attention(&format!("{name}.self_attn"), &format!("{path}.self_attention"), self.stretch);
        self.attention(&format!("{name}.encoder_attn"), &format!("{path}.cross_attention"), 1.0);
        self.feed_forward(&name, &format!("{path}.feed_forward"), output);
    }
}

fn configuration(config: &ModelConfig, rows: i64, positions: i64, kind: Kind) -> serde_json::Value {
    json!({
        "architectures": ["MarianMTModel"],
        "model_type": "marian",
        "dtype": if kind == Kind::Double { "float64" } else { "float32" },
        "vocab_size": rows,
        "decoder_vocab_size": rows,
        "max_position_embeddings": positions,
        "d_model": config.d_model,
        "encoder_layers": config.layers,
        "decoder_layers": config.layers,
        "encoder_attention_heads": config.heads,
        "decoder_attention_heads": config.heads,
        "encoder_ffn_dim": config.inner_width(),
        "decoder_ffn_dim": config.inner_width(),
        "activation_function": activation(config.activation),
        "dropout": config.dropout,
        "attention_dropout": config.attention_dropout,
        "activation_dropout": config.activation_dropout,
        "scale_embedding": true,
        "share_encoder_decoder_embeddings": config.tying == Tying::All,
        "tie_word_embeddings": config.tying != Tying::None,
        "is_encoder_decoder": true,
        "decoder_start_token_id": BOS,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "pad_token_id": PAD,
        "forced_eos_token_id": null,
    })
}

/// transformers' name of an activation; its `gelu` is the exact form. Gated ones are refused before.
fn activation(activation: Activation) -> Option<&'static str> {
    match activation {
        Activation::Relu => Some("relu"),
        Activation::Gelu => Some("gelu"),
        Activation::GeluTanh => Some("gelu_new"),
        Activation::Swish => Some("silu"),
        Activation::Glu | Activation::Swiglu | Activation::Geglu => None,
    }
}

/// How the run decodes, as far as transformers has words for it.
///
/// What is never decoded takes part in the softmax and is left out afterwards, by `suppress_tokens`.
///
/// # Deviation
/// transformers divides by length^alpha, which is `decoding.length_penalty_form = "power"`, where GNMT's
/// form has ((5 + length) / 6)^alpha; and the limit on the length is one for all sources.
fn generation(run: &Run, rows: i64, positions: i64) -> serde_json::Value {
    let decoding = &run.experiment.decoding;
    let longest = (run.experiment.data.max_length + decoding.max_extra_length).min(positions as usize);
    let never: Vec<i64> =
        [i64::from(PAD), i64::from(BOS)].into_iter().chain(run.tokenizer.len() as i64..rows).collect();
    json!({
        "decoder_start_token_id": BOS,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "pad_token_id": PAD,
        "num_beams": decoding.beam,
        "length_penalty": decoding.length_penalty,
        "early_stopping": match (decoding.beam, decoding.early_stopping) {
            (1, _) => json!(false),
            (_, true) => json!(true),
            (_, false) => json!("never"),
        },
        "max_new_tokens": longest,
        "suppress_tokens": never,
    })
}

fn tokenizer_configuration(positions: i64) -> serde_json::Value {
    json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "model_max_length": positions,
        "model_input_names": ["input_ids", "attention_mask"],
        "clean_up_tokenization_spaces": false,
        // A literal </s> in a text is text.
        "split_special_tokens": true,
    })
}

pub fn example(directory: &str) -> String {
    format!(
        "import transformers\n\
         tokenizer = transformers.AutoTokenizer.from_pretrained({directory})\n\
         model = transformers.MarianMTModel.from_pretrained({directory})\n\
         ids = model.generate(**tokenizer(input(), return_tensors=\"pt\"))\n\
         print(tokenizer.decode(ids[0], skip_special_tokens=True))\n"
    )
}
