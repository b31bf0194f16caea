//! `--format ctranslate2`: a model directory of CTranslate2 (binary version 6, `TransformerSpec` revision 7).
//!
//! Heads of any width fit: if keys and values differ in width, the narrower ones are padded with zeros. All numbers are
//! float32; a program that loads them may ask for int8 or float16.
//!
//! # Deviation
//! CTranslate2's files cannot exclude tokens from the search, as ablate excludes `<pad>`, `<s>` and rows beyond the
//! vocabulary. A trained model gives these almost no probability.
//!
//! # Source
//! `python/ctranslate2/specs/model_spec.py` and `transformer_spec.py` of CTranslate2 4.8.

use super::reading_tokenizer::{self, Around, reading_tokenizer};
use super::run::{Files, Run, TABLE_POSITIONS, json_bytes, refusal, serves};
use super::tensors::{Linear, Norm, Tensors};
use crate::config::Experiment;
use crate::decode::DecodingConfig;
use crate::error::{Error, Result};
use crate::model::implementations::Implementations;
use crate::model::{self, Activation, ModelConfig, Position, Tying};
use crate::shim::torch_error;
use serde_json::json;
use tch::{Kind, Tensor};

const NAME: &str = "a CTranslate2 model";

const BINARY_VERSION: u32 = 6;
const SPECIFICATION: &str = "TransformerSpec";
const REVISION: u32 = 7;

pub fn check(experiment: &Experiment) -> Result<()> {
    let heads = experiment.model.heads;
    serves(NAME, Implementations::of(&experiment.model).ctranslate2)?;
    if i16::try_from(heads).is_err() {
        let setting = format!("model.heads = {heads}");
        return Err(refusal(NAME, &setting, &format!("its limit is {}", i16::MAX)));
    }
    reading_tokenizer::check(NAME, &experiment.data)
}

pub fn files(run: &Run) -> Result<Files> {
    let tokenizer = reading_tokenizer(run, Around::NOTHING)?;
    let config = &run.experiment.model;
    let rows = config.rows(run.tokenizer.len()).max(run.tokenizer.len() as i64) as u32;
    // Rows beyond the vocabulary need names that no token can have: tokens never mix letters and signs.
    let vocabulary: Vec<String> = (0..rows)
        .map(|id| match (id as usize) < run.tokenizer.len() {
            true => run.tokenizer.token(id).to_string(),
            false => format!("<unused{id}>"),
        })
        .collect();
    let configuration = json!({
        "add_source_bos": false,
        "add_source_eos": true,
        "bos_token": "<s>",
        "decoder_start_token": "<s>",
        "eos_token": "</s>",
        // There are no unknown tokens, but without this line CTranslate2 would take a row beyond the matrix for them.
        "unk_token": "<pad>",
        "layer_norm_epsilon": config.layer_norm_epsilon,
        "multi_query_attention": false,
    });
    Ok(vec![
        ("config.json", json_bytes(&configuration)?),
        ("model.bin", binary(run)?),
        ("shared_vocabulary.json", json_bytes(&json!(vocabulary))?),
        ("tokenizer.json", tokenizer),
    ])
}

fn binary(run: &Run) -> Result<Vec<u8>> {
    let config = &run.experiment.model;
    let mut writer = Writer { tensors: Tensors::of(run), config, variables: Vec::new(), aliases: Vec::new() };
    writer.embeddings()?;
    for stack in ["encoder", "decoder"] {
        writer.stack(stack)?;
    }
    writer.finish()
}

/// Collects the variables under CTranslate2's names.
struct Writer<'a> {
    tensors: Tensors<'a>,
    config: &'a ModelConfig,
    variables: Vec<Variable>,
    /// Alias and the name of its variable.
    aliases: Vec<(String, String)>,
}

struct Variable {
    name: String,
    /// Empty for a scalar.
    shape: Vec<u32>,
    /// Number in CTranslate2's enum `DataType`.
    data_type: u8,
    bytes: Vec<u8>,
}

const FLOAT32: u8 = 0;
const INT8: u8 = 1;
const INT16: u8 = 2;
const INT32: u8 = 3;

impl Writer<'_> {
    fn scalar<const N: usize>(&mut self, name: &str, data_type: u8, bytes: [u8; N]) {
        self.variables.push(Variable {
            name: name.to_string(),
            shape: Vec::new(),
            data_type,
            bytes: bytes.to_vec(),
        });
    }

    fn flag(&mut self, name: &str, value: bool) {
        self.scalar(name, INT8, [u8::from(value)]);
    }

    fn tensor(&mut self, name: String, tensor: &Tensor) -> Result<()> {
        let tensor = tensor.to_kind(Kind::Float).contiguous();
        let mut values = vec![0f32; tensor.numel()];
        let count = values.len();
        tensor.f_copy_data(&mut values, count).map_err(torch_error)?;
        // Checked here, before any file is written.
        if u32::try_from(4 * values.len()).is_err() {
            let setting = format!("{name} of {:?} numbers", tensor.size());
            let refused = refusal(NAME, &setting, "a matrix has less than 4 GiB");
            return Err(Error::user(format!("{refused}; use --format safetensors")));
        }
        self.variables.push(Variable {
            name,
            shape: tensor.size().iter().map(|&n| n as u32).collect(),
            data_type: FLOAT32,
            bytes: values.into_iter().flat_map(f32::to_le_bytes).collect(),
        });
        Ok(())
    }

    fn linear(&mut self, name: &str, linear: &Linear) -> Result<()> {
        self.tensor(format!("{name}/weight"), &linear.weight)?;
        linear.bias.iter().try_for_each(|bias| self.tensor(format!("{name}/bias"), bias))
    }

    fn norm(&mut self, name: &str, norm: &Norm) -> Result<()> {
        self.tensor(format!("{name}/gamma"), &norm.scale)?;
        self.tensor(format!("{name}/beta"), &norm.offset)
    }

    fn alias(&mut self, name: &str, of: &str) {
        self.aliases.push((name.to_string(), of.to_string()));
    }

    fn embeddings(&mut self) -> Result<()> {
        let (source, target, softmax) =
            ("encoder/embeddings_0/weight", "decoder/embeddings/weight", "decoder/projection/weight");
        let embeddings = self.tensors.embeddings();
        self.tensor(target.to_string(), &embeddings.target)?;
        match self.config.tying {
            Tying::All => self.alias(source, target),
            Tying::Decoder | Tying::None => self.tensor(source.to_string(), &embeddings.source)?,
        }
        match self.config.tying {
            Tying::All | Tying::Decoder => self.alias(softmax, target),
            Tying::None => self.tensor(softmax.to_string(), &embeddings.softmax)?,
        }
        let [source, target] =
            ["encoder", "decoder"].map(|stack| format!("{stack}/position_encodings/encodings"));
        match self.config.position {
            Position::Learned => self.tensor(source, &self.tensors.positions("source", TABLE_POSITIONS))?,
            _ => self.alias(&source, &target),
        }
        self.tensor(target, &self.tensors.positions("target", TABLE_POSITIONS))
    }

    fn stack(&mut self, stack: &str) -> Result<()> {
        let decoder = stack == "decoder";
        let heads = i16::try_from(self.config.heads).map_err(|_| Error::failed("too many heads"))?;
        let name = |part: &str| format!("{stack}/{part}");
        self.scalar(&name("num_heads"), INT16, heads.to_le_bytes());
        self.scalar(&name("activation"), INT8, [activation(self.config.activation)]);
        self.flag(&name("pre_norm"), self.config.norm == model::Norm::Pre);
        self.flag(&name("scale_embeddings"), true);
        if decoder {
            self.scalar(&name("alignment_layer"), INT16, (-1i16).to_le_bytes()); // the last
            self.scalar(&name("alignment_heads"), INT16, 1i16.to_le_bytes());
            self.flag(&name("start_from_zero_embedding"), false);
            self.flag(&name("alibi"), false);
        } else {
            self.scalar(&name("embeddings_merge"), INT8, [0]); // of the one that there is
            self.flag(&name("multi_query_attention"), false);
        }
        for layer in 0..self.config.layers {
            let (name, path) = (format!("{stack}/layer_{layer}"), format!("{stack}.{layer}"));
            self.attention(&format!("{name}/self_attention"), &format!("{path}.self_attention"), true)?;
            if decoder {
                self.attention(&format!("{name}/attention"), &format!("{path}.cross_attention"), false)?;
            }
            self.feed_forward(&format!("{name}/ffn"), &format!("{path}.feed_forward"))?;
        }
        match self.config.norm {
            model::Norm::Post => Ok(()),
            model::Norm::Pre => self.norm(&name("layer_norm"), &self.tensors.norm(&format!("{stack}.norm"))),
        }
    }

    /// Writes a layer: self-attention has one map for query, key and value, cross-attention one for key and value.
    fn attention(&mut self, name: &str, path: &str, itself: bool) -> Result<()> {
        let (d_k, d_v) = (self.config.d_k(), self.config.d_v());
        let width = d_k.max(d_v);
        let attention = self.tensors.attention(path, width);
        let (query, key, value) = (&attention.query, &attention.key, &attention.value);
        let maps = match itself {
            true => vec![Linear::join(&[query, key, value]), attention.output],
            false => vec![attention.query, Linear::join(&[key, value]), attention.output],
        };
        for (index, map) in maps.iter().enumerate() {
            self.linear(&format!("{name}/linear_{index}"), map)?;
        }
        self.norm(&format!("{name}/layer_norm"), &self.tensors.norm(&format!("{path}.norm")))?;
        // By default CTranslate2 takes d_model / heads for the width, and its root for the scale.
        self.scalar(&format!("{name}/head_dim"), INT32, (width as i32).to_le_bytes());
        let scale = (d_k as f64).powf(-0.5) as f32;
        self.scalar(&format!("{name}/queries_scale"), FLOAT32, scale.to_le_bytes());
        Ok(())
    }

    fn feed_forward(&mut self, name: &str, path: &str) -> Result<()> {
        self.norm(&format!("{name}/layer_norm"), &self.tensors.norm(&format!("{path}.norm")))?;
        // The input map of the activation, the factor of its result, and the map of the product.
        let parts: &[(&str, &str)] = match self.config.activation.is_gated() {
            false => &[("linear_0", "inner"), ("linear_1", "outer")],
            true => &[("linear_0", "gate"), ("linear_0_noact", "up"), ("linear_1", "down")],
        };
        parts.iter().try_for_each(|(theirs, ours)| {
            self.linear(&format!("{name}/{theirs}"), &self.tensors.linear(&format!("{path}.{ours}")))
        })
    }

    /// Returns the content of `model.bin`: version, specification, revision, variables, aliases. Little-endian.
    fn finish(mut self) -> Result<Vec<u8>> {
        self.variables.sort_by(|a, b| a.name.cmp(&b.name));
        self.aliases.sort();
        let mut bytes = Vec::new();
        bytes.extend(BINARY_VERSION.to_le_bytes());
        put_string(&mut bytes, SPECIFICATION)?;
        bytes.extend(REVISION.to_le_bytes());
        put_count(&mut bytes, self.variables.len())?;
        for Variable { name, shape, data_type, bytes: values } in self.variables {
            put_string(&mut bytes, &name)?;
            bytes.push(shape.len() as u8);
            shape.iter().for_each(|size| bytes.extend(size.to_le_bytes()));
            bytes.push(data_type);
            put_count(&mut bytes, values.len())?;
            bytes.extend(values);
        }
        put_count(&mut bytes, self.aliases.len())?;
        for (alias, name) in self.aliases {
            put_string(&mut bytes, &alias)?;
            put_string(&mut bytes, &name)?;
        }
        Ok(bytes)
    }
}

/// Returns the number in CTranslate2's enum `ActivationType`.
fn activation(activation: Activation) -> u8 {
    match activation {
        Activation::Relu => 0,
        Activation::Swish | Activation::Swiglu => 2,
        Activation::Gelu | Activation::Geglu => 3,
        Activation::GeluTanh => 1,
        Activation::Glu => 6,
    }
}

fn put_count(bytes: &mut Vec<u8>, count: usize) -> Result<()> {
    let count = u32::try_from(count).map_err(|_| Error::failed("model.bin: a count beyond 32 bits"))?;
    bytes.extend(count.to_le_bytes());
    Ok(())
}

/// Writes the length of a text with its final zero, then both.
fn put_string(bytes: &mut Vec<u8>, text: &str) -> Result<()> {
    let length =
        u16::try_from(text.len() + 1).map_err(|_| Error::failed("model.bin: a name beyond 64 KiB"))?;
    bytes.extend(length.to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.push(0);
    Ok(())
}

pub fn example(directory: &str, decoding: &DecodingConfig) -> String {
    let DecodingConfig { beam, length_penalty, early_stopping, .. } = decoding;
    let patience = if *early_stopping { 1 } else { 4 };
    format!(
        "import ctranslate2, tokenizers\n\
         tokenizer = tokenizers.Tokenizer.from_file({directory} + \"/tokenizer.json\")\n\
         translator = ctranslate2.Translator({directory})\n\
         line = tokenizer.encode(input()).tokens\n\
         found = translator.translate_batch([line], beam_size={beam}, length_penalty={length_penalty}, patience={patience})\n\
         tokens = found[0].hypotheses[0]\n\
         print(tokenizer.decode([tokenizer.token_to_id(token) for token in tokens]))\n"
    )
}
