//! Shared parts of the formats for Hugging Face transformers: files, names, and the limits of all its models.

use super::run::{Run, refusal};
use super::tensors::{Linear, Norm};
use crate::decode::DecodingConfig;
use crate::error::Result;
use crate::model::{Activation, ModelConfig, Tying};
use crate::train::tensor_file::file_of;
use serde_json::{Map, Value, json};
use tch::{Kind, Tensor};

/// Weights under transformers' names.
#[derive(Default)]
pub struct Named {
    tensors: Vec<(String, Tensor)>,
}

impl Named {
    pub fn put(&mut self, name: &str, tensor: Tensor) {
        self.tensors.push((name.to_string(), tensor));
    }

    /// Adds a `torch.nn.Linear`: weight [out, in] and bias [out], zeros if the map has none.
    pub fn linear(&mut self, name: &str, linear: Linear) {
        let bias = linear.bias_or_zeros();
        self.put(&format!("{name}.weight"), linear.weight);
        self.put(&format!("{name}.bias"), bias);
    }

    /// Adds transformers' `Conv1D`: the same with the weight transposed, [in, out].
    pub fn transposed_linear(&mut self, name: &str, linear: Linear) {
        let bias = linear.bias_or_zeros();
        self.put(&format!("{name}.weight"), linear.weight.transpose(0, 1).contiguous());
        self.put(&format!("{name}.bias"), bias);
    }

    /// Adds a `torch.nn.LayerNorm`.
    pub fn norm(&mut self, name: &str, norm: Norm) {
        self.put(&format!("{name}.weight"), norm.scale);
        self.put(&format!("{name}.bias"), norm.offset);
    }

    /// Returns the content of `model.safetensors`, in the precision of the run.
    pub fn file(self, run: &Run) -> Result<Vec<u8>> {
        let kind = kind(run);
        let tensors: Vec<(String, Tensor)> =
            self.tensors.into_iter().map(|(name, tensor)| (name, tensor.to_kind(kind))).collect();
        file_of(&tensors, [("format", "pt".to_string()), ("identity", run.identity.to_string())])
    }
}

/// Returns the number format of the run's weights.
fn kind(run: &Run) -> Kind {
    run.weights.named().first().map_or(Kind::Float, |(_, tensor)| tensor.kind())
}

/// Returns the number format's name in `config.json`.
pub fn dtype(run: &Run) -> &'static str {
    if kind(run) == Kind::Double { "float64" } else { "float32" }
}

/// Refuses heads that cannot be padded to transformers' width, d_model / heads.
pub fn check_heads(format: &str, model: &ModelConfig) -> Result<()> {
    let ModelConfig { d_model, heads, .. } = model;
    if d_model % heads != 0 {
        let setting = format!("model.heads = {heads}");
        return Err(refusal(format, &setting, &format!("heads must divide model.d_model = {d_model}")));
    }
    for (name, own) in [("d_k", model.d_k()), ("d_v", model.d_v())] {
        let width = d_model / heads;
        if own > width {
            let allowed = format!("a head is at most d_model / heads = {width} wide");
            return Err(refusal(format, &format!("model.{name} = {own}"), &allowed));
        }
    }
    Ok(())
}

/// Returns the factors of the written embeddings and of the last norm before the softmax, for a class that cannot scale
/// its embeddings as `model.embedding_scale` does. If the softmax shares the matrix of the embeddings, the norm
/// compensates for their factor, so that the logits stay the same.
pub fn factors(config: &ModelConfig) -> (f64, f64) {
    let embeddings = if config.embedding_scale { (config.d_model as f64).sqrt() } else { 1.0 };
    (embeddings, if config.tying == Tying::None { 1.0 } else { 1.0 / embeddings })
}

/// Returns transformers' name of an activation; its `gelu` is the exact form. Gated activations have none: the formats
/// refuse them ([`Implementations`](crate::model::implementations::Implementations)).
pub fn activation(activation: Activation) -> Option<&'static str> {
    match activation {
        Activation::Relu => Some("relu"),
        Activation::Gelu => Some("gelu"),
        Activation::GeluTanh => Some("gelu_new"),
        Activation::Swish => Some("silu"),
        Activation::Glu | Activation::Swiglu | Activation::Geglu => None,
    }
}

/// Returns `suppress_tokens` of `generation_config.json`: these `special` tokens and the rows beyond the vocabulary.
/// They take part in the softmax and are excluded afterwards.
pub fn never_decoded(special: &[u32], vocabulary: usize, rows: i64) -> Vec<i64> {
    special.iter().map(|&id| i64::from(id)).chain(vocabulary as i64..rows).collect()
}

/// Returns `early_stopping` of `generation_config.json`.
pub fn stops_early(decoding: &DecodingConfig) -> Value {
    match (decoding.beam, decoding.early_stopping) {
        (1, _) => json!(false),
        (_, true) => json!(true),
        (_, false) => json!("never"),
    }
}

/// Returns `tokenizer_config.json` with these special tokens, such as `("pad_token", "<pad>")`, for at most `positions`.
pub fn tokenizer_configuration(special: &[(&str, &str)], positions: i64) -> Value {
    let mut found = Map::new();
    found.insert("tokenizer_class".into(), json!("PreTrainedTokenizerFast"));
    found.extend(special.iter().map(|&(use_of, token)| (use_of.to_string(), json!(token))));
    found.insert("model_max_length".into(), json!(positions));
    found.insert("model_input_names".into(), json!(["input_ids", "attention_mask"]));
    found.insert("clean_up_tokenization_spaces".into(), json!(false));
    // The characters </s> in a text are text.
    found.insert("split_special_tokens".into(), json!(true));
    Value::Object(found)
}
