//! `--format word2vec`: the input vectors of words in word2vec's text format, which gensim's
//! `KeyedVectors.load_word2vec_format` and most other programs for word vectors read.
//!
//! The first line of `vectors.txt` has the number of words and the width of the vectors. Each further line is a word
//! and its vector, the most frequent word first. A word is spelt as in TensorBoard. If two tokens are spelt alike, such
//! as a word behind a blank and behind a quotation mark, the rarer one is spelt as in `tokenizer.json`.

use super::run::{Files, Run, refusal};
use crate::config::experiment::setting_text;
use crate::data::words::by_frequency;
use crate::error::{Error, Result};
use crate::model::ModelConfig;
use crate::shim::torch_error;
use std::collections::HashSet;
use std::fmt::Write;
use tch::{Device, Kind};

const NAME: &str = "word2vec";

/// # Errors
/// A user error that names the encoder or decoder, if the model is not one of word vectors.
pub fn check(model: &ModelConfig) -> Result<()> {
    if model.is_word_vectors() {
        return Ok(());
    }
    let setting = match model.has_encoder() {
        true => format!("model.encoder = {}", setting_text(&model.encoder)),
        false => format!("model.decoder = {}", setting_text(&model.decoder)),
    };
    let known = "it holds word vectors, of models without an encoder and a decoder";
    Err(refusal(NAME, &setting, known))
}

pub fn files(run: &Run) -> Result<Files> {
    let counts = run.word_counts;
    let order = by_frequency(counts);
    let (_, input) = run
        .weights
        .named()
        .iter()
        .find(|(path, _)| path == "embedding.input.weight")
        .ok_or_else(|| Error::failed("the model has no input vectors"))?;
    let width = input.size()[1] as usize;
    let numbers = input.detach().to_device(Device::Cpu).to_kind(Kind::Float).flatten(0, -1);
    let numbers: Vec<f32> = Vec::try_from(numbers).map_err(torch_error)?;
    let mut text = format!("{} {width}\n", order.len());
    let mut taken = HashSet::new();
    for id in order {
        let token = run.tokenizer.token(id);
        let spellings = [run.tokenizer.label(id), token.to_string(), format!("{token}#{id}")];
        let free = |spelling: &String| !spelling.contains([' ', '\n']) && !taken.contains(spelling);
        let word = spellings.into_iter().find(free);
        let word = word.ok_or_else(|| Error::failed(format!("token {id} has no spelling of its own")))?;
        text += &word;
        for number in &numbers[id as usize * width..][..width] {
            write!(text, " {number}").map_err(|error| Error::failed(error.to_string()))?;
        }
        text.push('\n');
        taken.insert(word);
    }
    Ok(vec![("vectors.txt", text.into_bytes())])
}

pub fn example(directory: &str) -> String {
    format!(
        "from gensim.models import KeyedVectors\n\
         vectors = KeyedVectors.load_word2vec_format({directory} + \"/vectors.txt\")\n\
         print(vectors.most_similar(vectors.index_to_key[20]))\n"
    )
}
