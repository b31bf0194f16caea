//! Spans of self-attention that cover every sequence, so that they compute the same as full attention.

use super::experiment::{Experiment, setting_text};
use crate::model::{CausalSpan, DecoderKind, EncoderKind, Span, local_sides};
use crate::train::masked_blocks::around;

/// Returns the keys of spans that hide nothing in any training sequence, each with a message that says why. Sentences
/// of dev and test sets may be longer, so that losses and scores differ; weights differ only if the dev loss ends a
/// training early.
pub fn idle_spans(experiment: &Experiment) -> Vec<(&'static str, String)> {
    let Experiment { data, model, decoding, .. } = experiment;
    let (span, decoder_span) = (model.attention.span, model.attention.decoder_span);
    let is_running = data.recipe.is_running_text();
    // Tokens of the longest sequence that an encoder reads, and of the longest that a decoder reads or writes.
    let (read, written) = if is_running {
        let block = data.max_length.saturating_add(around(model.tells_next_sentence()));
        (block, block)
    } else {
        let sentence = data.max_length.saturating_add(1);
        let prefix = if experiment.reads_prefixes() { sentence } else { 0 };
        (sentence, sentence.saturating_add(prefix).saturating_add(decoding.max_extra_length))
    };
    let [read, written] = [read, written].map(|tokens| i64::try_from(tokens).unwrap_or(i64::MAX));
    let encodes = model.encoder == EncoderKind::SelfAttention;
    let decodes = model.decoder == DecoderKind::SelfAttention;
    let hides_nothing = |key, value: String, of_decoder: bool| {
        let longest = if of_decoder { written } else { read };
        let extra = match of_decoder && !is_running {
            true => format!(" and decoding.max_extra_length = {}", decoding.max_extra_length),
            false => String::new(),
        };
        let message = format!(
            "{key} = {value} hides nothing in training: its sequences have at most {longest} tokens with \
             data.max_length = {}{extra}",
            data.max_length
        );
        (key, message)
    };
    let mut found = Vec::new();
    let inherits = decodes && decoder_span.is_none();
    let is_idle = match span {
        Span::Local(width) => {
            let surrounds = local_sides(width.max(1)).into_iter().all(|side| side >= read.saturating_sub(1));
            (encodes || inherits) && (!encodes || surrounds) && (!inherits || width >= written)
        }
        Span::BigBird { block, random, global } => {
            let block = block.max(1);
            let blocks = read / block + i64::from(read % block > 0);
            // The first block after the global ones sees itself, the next one, `global` and `random` others.
            encodes && blocks <= global.saturating_add(random).saturating_add(2)
        }
        Span::Full | Span::Linformer(_) => false,
    };
    if is_idle {
        let of_decoder = inherits && matches!(span, Span::Local(_));
        found.push(hides_nothing("model.attention.span", setting_text(&span), of_decoder));
    }
    // Beside a local span of the encoder, this key says that the decoder sees more.
    if let Some(CausalSpan::Local(width)) = decoder_span
        && decodes
        && width >= written
        && !matches!(span, Span::Local(_))
    {
        found.push(hides_nothing("model.attention.decoder_span", setting_text(&decoder_span), true));
    }
    found
}
