//! `--format marian`: a directory for `MarianMTModel.from_pretrained` and `AutoTokenizer` of Hugging Face transformers.
//!
//! The architecture is the paper's. It fixes three choices, for which the weights compensate:
//!
//! - **Epsilon** of every layer normalisation is torch's 1e-5. LN(x; ε) = LN(c x; c² ε), so the residual stream is written
//!   c = √(1e-5 / ε) times as large: maps that add to it are multiplied by c, maps that read it are divided by c. The
//!   encoder's output keeps its size. The decoder's output is 1/c as large, which the softmax matrix compensates: it is c
//!   times as large, because it may be an embedding too.
//! - **Heads** are d_model / heads wide. Narrower heads are padded with zeros, and queries scaled by √(width / d_k), since
//!   Marian divides by √width.
//! - **Biases** of attention always exist. Absent ones are written as zeros.
//!
//! Positions are stored tables, so any encoding fits. transformers takes them for Marian's own and leaves them out when
//! it saves the model again: the tables must be put back into a fine-tuned copy.

use super::hugging_face::{
    Named, activation, check_heads, dtype, never_decoded, stops_early, tokenizer_configuration,
};
use super::reading_tokenizer::{self, Around, reading_tokenizer};
use super::run::{Files, Run, TABLE_POSITIONS, json_bytes, serves};
use super::tensors::{Linear, Norm, Tensors};
use crate::config::Experiment;
use crate::data::tokenizer::{BOS, EOS, PAD};
use crate::error::Result;
use crate::model::implementations::Implementations;
use crate::model::{ModelConfig, Tying};
use serde_json::json;
use tch::{Kind, Tensor};

/// Epsilon of `torch.nn.LayerNorm`, which Marian does not change.
const EPSILON: f64 = 1e-5;

const NAME: &str = "a MarianMTModel";

pub fn check(experiment: &Experiment) -> Result<()> {
    serves(NAME, Implementations::of(&experiment.model).marian)?;
    check_heads(NAME, &experiment.model)?;
    reading_tokenizer::check(NAME, &experiment.data)
}

pub fn files(run: &Run) -> Result<Files> {
    let tokenizer = reading_tokenizer(run, Around { after: &[EOS], ..Around::NOTHING })?;
    let config = &run.experiment.model;
    let mut writer = Writer {
        tensors: Tensors::of(run),
        config,
        stretch: (EPSILON / config.layer_norm_epsilon).sqrt(),
        named: Named::default(),
    };
    writer.embeddings();
    for layer in 0..config.layers {
        writer.encoder_layer(layer);
        writer.decoder_layer(layer);
    }
    let rows = config.rows(run.tokenizer.len());
    let positions = writer.tensors.positions("source", TABLE_POSITIONS).size()[0];
    let special = [("bos_token", "<s>"), ("eos_token", "</s>"), ("pad_token", "<pad>")];
    Ok(vec![
        ("config.json", json_bytes(&configuration(config, rows, positions, dtype(run)))?),
        ("generation_config.json", json_bytes(&generation(run, rows, positions))?),
        ("model.safetensors", writer.named.file(run)?),
        ("tokenizer.json", tokenizer),
        ("tokenizer_config.json", json_bytes(&tokenizer_configuration(&special, positions))?),
    ])
}

/// Collects Marian's tensors under Marian's names.
struct Writer<'a> {
    tensors: Tensors<'a>,
    config: &'a ModelConfig,
    /// The factor c of the residual stream.
    stretch: f64,
    named: Named,
}

impl Writer<'_> {
    fn put(&mut self, name: &str, tensor: Tensor) {
        self.named.put(name, tensor);
    }

    /// Writes a map whose input was made `input` times as large, so that its output is `output` times as large.
    fn linear(&mut self, name: &str, linear: Linear, input: f64, output: f64) {
        self.named.linear(name, linear.scaled(input, output));
    }

    fn norm(&mut self, name: &str, norm: Norm, output: f64) {
        self.named.norm(name, norm.scaled(output));
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
            let table = self.tensors.positions(side, TABLE_POSITIONS) * c;
            self.put(&format!("model.{stack}.embed_positions.weight"), table);
        }
    }

    /// Writes an attention layer; `memory` is the factor by which the input of keys and values was scaled.
    fn attention(&mut self, name: &str, path: &str, memory: f64) {
        let c = self.stretch;
        let (attention, queries) = self.tensors.attention_of_default_heads(path);
        self.linear(&format!("{name}.q_proj"), attention.query, c, queries);
        self.linear(&format!("{name}.k_proj"), attention.key, memory, 1.0);
        self.linear(&format!("{name}.v_proj"), attention.value, memory, 1.0);
        self.linear(&format!("{name}.out_proj"), attention.output, 1.0, c);
        let norm = self.tensors.norm(&format!("{path}.norm"));
        self.norm(&format!("{name}_layer_norm"), norm, c);
    }

    /// Writes a feed-forward sub-layer whose output is `output` times as large.
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

fn configuration(config: &ModelConfig, rows: i64, positions: i64, dtype: &str) -> serde_json::Value {
    json!({
        "architectures": ["MarianMTModel"],
        "model_type": "marian",
        "dtype": dtype,
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

/// Returns the run's decoding settings, as far as transformers can express them.
///
/// Tokens that are never decoded take part in the softmax and are excluded afterwards, by `suppress_tokens`.
///
/// # Deviation
/// transformers divides by length^alpha, which is `decoding.length_penalty_form = "power"`, while GNMT's form divides
/// by ((5 + length) / 6)^alpha. The limit on the length is the same for all sources.
fn generation(run: &Run, rows: i64, positions: i64) -> serde_json::Value {
    let decoding = &run.experiment.decoding;
    let longest = (run.experiment.data.max_length + decoding.max_extra_length).min(positions as usize);
    json!({
        "decoder_start_token_id": BOS,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "pad_token_id": PAD,
        "num_beams": decoding.beam,
        "length_penalty": decoding.length_penalty,
        "early_stopping": stops_early(decoding),
        "max_new_tokens": longest,
        "suppress_tokens": never_decoded(&[PAD, BOS], run.tokenizer.len(), rows),
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
