//! `--format bert`: a directory for `BertForMaskedLM.from_pretrained` and `AutoTokenizer` of Hugging Face transformers;
//! for a model with next-sentence prediction, `BertForPreTraining.from_pretrained`.
//!
//! The architecture is BERT's (Devlin et al. 2019). It fixes some choices, for which the weights compensate:
//!
//! - **Embeddings** are not scaled. If ablate scales them, they are written √d_model times as large, and if the softmax
//!   shares their matrix, the normalisation before it 1/√d_model times as large.
//! - **Heads** are d_model / heads wide. Narrower heads are padded with zeros.
//! - **Biases** of attention and of the softmax, and a table of **segments**, always exist. Absent ones become zeros.
//! - **Positions** are a table: any encoding that is added to the embeddings fits.

use super::hugging_face::{Named, activation, check_heads, dtype, factors, tokenizer_configuration};
use super::reading_tokenizer::{self, Around, reading_tokenizer};
use super::run::{Files, Run, json_bytes, positions_of_text, serves};
use super::tensors::Tensors;
use crate::config::Experiment;
use crate::data::tokenizer::{EOS, FIRST_OF_TEXT, MASK, PAD};
use crate::error::Result;
use crate::model::implementations::Implementations;
use crate::model::{ModelConfig, Tying};
use serde_json::{Value, json};
use tch::Tensor;

pub fn check(experiment: &Experiment) -> Result<()> {
    let model = &experiment.model;
    let name = format!("a {}", class(model));
    serves(&name, Implementations::of(model).bert)?;
    check_heads(&name, model)?;
    reading_tokenizer::check(&name, &experiment.data)
}

pub fn files(run: &Run) -> Result<Files> {
    let model = &run.experiment.model;
    let tells = model.tells_next_sentence();
    let token = |id| run.tokenizer.token(id);
    let mut special = vec![("mask_token", token(MASK)), ("pad_token", token(PAD))];
    let mut around = Around::NOTHING;
    if tells {
        special.extend([("cls_token", token(EOS)), ("sep_token", token(EOS))]);
        around = Around { before: &[EOS], after: &[EOS], tells_second: true };
    }
    let tokenizer = reading_tokenizer(run, around)?;
    let tensors = Tensors::of(run);
    let table = tensors.positions("source", positions_of_text(run.experiment));
    let segments = segments(&tensors, model);
    let (positions, segment_rows) = (table.size()[0], segments.size()[0]);
    let mut named = Named::default();
    named.put("bert.embeddings.position_embeddings.weight", table);
    named.put("bert.embeddings.token_type_embeddings.weight", segments);
    write_weights(&mut named, &tensors, model);
    let mut settings = tokenizer_configuration(&special, positions);
    if tells {
        settings["model_input_names"] = json!(["input_ids", "token_type_ids", "attention_mask"]);
    }
    Ok(vec![
        ("config.json", json_bytes(&configuration(run, positions, segment_rows))?),
        ("model.safetensors", named.file(run)?),
        ("tokenizer.json", tokenizer),
        ("tokenizer_config.json", json_bytes(&settings)?),
    ])
}

/// Returns the table of segments; with a second row if the model predicts next sentences and has only one.
fn segments(tensors: &Tensors, config: &ModelConfig) -> Tensor {
    let table = tensors.segments();
    match config.tells_next_sentence() && table.size()[0] == 1 {
        true => table.repeat([2, 1]),
        false => table,
    }
}

/// Writes all weights except the tables of positions and segments.
fn write_weights(named: &mut Named, tensors: &Tensors, config: &ModelConfig) {
    let (embedding_factor, last_factor) = factors(config);
    let embeddings = tensors.embeddings();
    named.put("bert.embeddings.word_embeddings.weight", embeddings.source * embedding_factor);
    named.norm("bert.embeddings.LayerNorm", tensors.norm("source_norm"));
    for layer in 0..config.layers {
        let (name, path) = (format!("bert.encoder.layer.{layer}"), format!("encoder.{layer}"));
        let (attention, queries) = tensors.attention_of_default_heads(&format!("{path}.self_attention"));
        named.linear(&format!("{name}.attention.self.query"), attention.query.scaled(1.0, queries));
        named.linear(&format!("{name}.attention.self.key"), attention.key);
        named.linear(&format!("{name}.attention.self.value"), attention.value);
        named.linear(&format!("{name}.attention.output.dense"), attention.output);
        let norm = tensors.norm(&format!("{path}.self_attention.norm"));
        named.norm(&format!("{name}.attention.output.LayerNorm"), norm);
        let block = format!("{path}.feed_forward");
        named.linear(&format!("{name}.intermediate.dense"), tensors.linear(&format!("{block}.inner")));
        named.linear(&format!("{name}.output.dense"), tensors.linear(&format!("{block}.outer")));
        named.norm(&format!("{name}.output.LayerNorm"), tensors.norm(&format!("{block}.norm")));
    }
    named.linear("cls.predictions.transform.dense", tensors.linear("transform"));
    let norm = tensors.norm("transform.norm").scaled(last_factor);
    named.norm("cls.predictions.transform.LayerNorm", norm);
    let bias = tensors.softmax_bias();
    if config.tying == Tying::None {
        // The bias has a second name, which transformers ties to the first one if it ties the matrices.
        named.put("cls.predictions.decoder.weight", embeddings.softmax);
        named.put("cls.predictions.decoder.bias", bias.shallow_clone());
    }
    named.put("cls.predictions.bias", bias);
    if config.tells_next_sentence() {
        named.linear("bert.pooler.dense", tensors.linear("next_sentence.pooler"));
        named.linear("cls.seq_relationship", tensors.linear("next_sentence.scores"));
    }
}

/// Returns the class of transformers for the model.
fn class(model: &ModelConfig) -> &'static str {
    if model.tells_next_sentence() { "BertForPreTraining" } else { "BertForMaskedLM" }
}

fn configuration(run: &Run, positions: i64, segments: i64) -> Value {
    let config = &run.experiment.model;
    json!({
        "architectures": [class(config)],
        "model_type": "bert",
        "dtype": dtype(run),
        "vocab_size": config.rows(run.tokenizer.len()),
        "max_position_embeddings": positions,
        "type_vocab_size": segments,
        "hidden_size": config.d_model,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": config.inner_width(),
        "hidden_act": activation(config.activation),
        "hidden_dropout_prob": config.dropout,
        "attention_probs_dropout_prob": config.attention_dropout,
        "layer_norm_eps": config.layer_norm_epsilon,
        "tie_word_embeddings": config.tying != Tying::None,
        "pad_token_id": PAD,
    })
}

pub fn example(directory: &str, experiment: &Experiment) -> String {
    let class = class(&experiment.model);
    let loaded = format!(
        "import torch, transformers\n\
         tokenizer = transformers.AutoTokenizer.from_pretrained({directory})\n\
         model = transformers.{class}.from_pretrained({directory})\n"
    );
    if experiment.model.tells_next_sentence() {
        return loaded
            + "inputs = tokenizer(input(), input(), return_tensors=\"pt\")\n\
               with torch.no_grad(): scores = model(**inputs).seq_relationship_logits[0]\n\
               print(\"follows\" if scores[0] > scores[1] else \"does not follow\")\n";
    }
    loaded
        + &format!(
            "inputs = tokenizer(input(), return_tensors=\"pt\")\n\
             middle = inputs.input_ids.shape[1] // 2\n\
             inputs.input_ids[0, middle] = tokenizer.mask_token_id\n\
             with torch.no_grad(): scores = model(**inputs).logits[0, middle, {FIRST_OF_TEXT}:len(tokenizer)]\n\
             print(tokenizer.decode([{FIRST_OF_TEXT} + int(scores.argmax())]))\n"
        )
}
