//! Checks of a resolved configuration that types cannot make, before any work is done.
//!
//! Each error names the key, the value seen, where it was written and what would be accepted.

use super::conflict::{Conflict, conflicts};
use super::experiment::{Experiment, RunConfig};
use super::json_schema::SECTIONS_WITH_KEYS;
use super::subsections::SECTIONS;
use super::toml_tree::{Tree, Value};
use super::unread_keys::without_unread;
use crate::data::{DataConfig, Pieces, Vocabulary};
use crate::decode::DecodingConfig;
use crate::error::{Diagnostic, Place, Result, nearest};
use crate::folders::{DIRECTORY_NAME_HELP, is_directory_name};
use crate::model::{CausalSpan, ModelConfig, Position, Span, Tying};
use std::fmt::Display;

/// Largest width, length or number of rows: beyond it products of sizes would overflow
/// long before any machine could hold them.
pub(super) const LARGEST_SIZE: i64 = 1 << 24;
/// Largest `embedding_multiple`.
const LARGEST_MULTIPLE: i64 = 1 << 16;
/// Largest distance that has its own relative position vector: every query has a product with each vector.
const FURTHEST_DISTANCE: i64 = 1 << 12;
/// Most layers of a stack.
pub(super) const MOST_LAYERS: usize = 1 << 10;
/// Most hypotheses of a beam.
const WIDEST_BEAM: usize = 1 << 10;
/// Most bounds of classes of sentence lengths.
const MOST_BUCKETS: usize = 100;
/// Most segmentations of a text; each is stored.
const MOST_SEGMENTATIONS: u64 = 1_000;
/// Most tokens of a batch: far more than any real training uses, and small enough that sums and products do not overflow.
pub(super) const MOST_TOKENS: u64 = 1 << 40;
/// Most CPU threads.
const MOST_THREADS: usize = 1 << 12;
/// The largest exponent of the length penalty: beyond it, penalties are infinite and all hypotheses score alike.
const LARGEST_PENALTY: f64 = 100.0;
/// Padding, beginning and end of a sentence: the smallest vocabulary.
const SPECIAL_TOKENS: i64 = 3;

/// Checks an experiment; `tree` holds the places of its values. `left_out` are the paths of keys that were written but
/// could not be read: combinations of values in their sections are not checked.
///
/// # Errors
/// All values that are not accepted; combinations across sections only if each section is accepted by itself.
pub fn validate(experiment: &Experiment, tree: &Tree, left_out: &[Vec<String>]) -> Result<()> {
    let checks = Checks { tree, left_out };
    let Experiment { data, model, training, decoding, run, .. } = experiment;
    all([
        checks.label(experiment),
        checks.data(data).and_then(|()| checks.if_read(&SECTIONS, || checks.task(experiment))),
        checks.model(model),
        checks.training(training, data),
        checks.decoding(decoding),
        checks.run(run),
    ])?;
    if !left_out.is_empty() {
        return Ok(());
    }
    // Keys that the chosen parts do not read put no demands on other sections.
    let experiment = &Experiment { model: without_unread(model), ..experiment.clone() };
    Ok(all([
        checks.positions(experiment),
        checks.packing(experiment),
        checks.vocabularies(experiment),
        checks.passes(experiment),
        checks.second_texts(experiment),
    ])?)
}

/// [`validate`] for the `[data]` section alone, as preparing a corpus needs it, whether or not a model could learn it.
///
/// # Errors
/// A value that is not accepted, at its place in `tree`.
pub fn validate_data(data: &DataConfig, tree: &Tree) -> Result<()> {
    Ok(Checks { tree, left_out: &[] }.data(data)?)
}

pub(super) struct Checks<'a> {
    tree: &'a Tree,
    /// Paths of keys that were written but could not be read.
    left_out: &'a [Vec<String>],
}

/// Whether a key that could not be read may be meant for one of these sections: it stands in the section, outside of
/// all sections, or in another section that has neither such a key nor one with a similar name.
fn may_be_of(path: &[String], sections: &[&str]) -> bool {
    let Some(section) = path.first().map(String::as_str) else { return false };
    if sections.contains(&section) || !SECTIONS.contains(&section) {
        return true;
    }
    let Some(key) = path.get(1) else { return false };
    let keys_of =
        |section: &str| SECTIONS_WITH_KEYS.iter().find(|(name, _)| *name == section).map(|(_, keys)| keys);
    let is_key_of = |section: &str| keys_of(section).is_some_and(|keys| keys.contains_key(key));
    let own = keys_of(section).into_iter().flat_map(|keys| keys.keys().map(String::as_str));
    !is_key_of(section) && (sections.iter().any(|&other| is_key_of(other)) || nearest(key, own).is_none())
}

pub(super) type Checked = std::result::Result<(), Diagnostic>;

/// Fails with all mistakes of the checks.
pub(super) fn all(checks: impl IntoIterator<Item = Checked>) -> Checked {
    Diagnostic::of_all(checks).map_or(Ok(()), Err)
}

impl Checks<'_> {
    /// Runs a check of combined values of these sections, unless one of their keys could not be read: that key may then
    /// be the only reason for a mistake.
    pub(super) fn if_read(&self, sections: &[&str], check: impl FnOnce() -> Checked) -> Checked {
        match self.left_out.iter().any(|path| may_be_of(path, sections)) {
            true => Ok(()),
            false => check(),
        }
    }

    /// A mistake about `key`, at its place, or at the place of its section.
    pub(super) fn mistake(&self, key: &str, message: String, help: impl Into<String>) -> Diagnostic {
        Diagnostic::new(message).at(self.place(key)).help(help)
    }

    /// The place of `key`, in which `name[2]` is an item of an array, counted from 0. If `key` was not written, the
    /// place of its innermost written part.
    fn place(&self, key: &str) -> Option<Place> {
        let mut table = Some(&self.tree.table);
        let mut place = None;
        for part in key.split('.') {
            let (name, index) = match part.strip_suffix(']').and_then(|part| part.split_once('[')) {
                Some((name, index)) => (name, index.parse::<usize>().ok()),
                None => (part, None),
            };
            let Some(mut node) = table.and_then(|table| table.get(name)) else { break };
            if let (Value::Array(items), Some(index)) = (&node.value, index) {
                node = items.get(index).unwrap_or(node);
            }
            place = Some(node.place.clone());
            table = if let Value::Table(inner) = &node.value { Some(inner) } else { None };
        }
        place
    }

    /// Whether `key` was written as an array.
    pub(super) fn is_array(&self, key: &str) -> bool {
        let path: Vec<&str> = key.split('.').collect();
        self.tree.table.at(&path).is_some_and(|node| matches!(node.value, Value::Array(_)))
    }

    pub(super) fn unsafe_name(&self, key: &str, value: &str) -> Diagnostic {
        self.mistake(key, format!("{key} = {value:?} is not a safe name"), DIRECTORY_NAME_HELP)
    }

    pub(super) fn require(&self, holds: bool, key: &str, value: impl Display, accepted: &str) -> Checked {
        if holds {
            return Ok(());
        }
        let message = format!("{key} = {value} is out of range");
        Err(self.mistake(key, message, format!("expected {accepted}")))
    }

    pub(super) fn size(&self, key: &str, value: i64) -> Checked {
        self.one_to(key, value, LARGEST_SIZE)
    }

    pub(super) fn count(&self, key: &str, value: usize) -> Checked {
        self.size(key, i64::try_from(value).unwrap_or(i64::MAX))
    }

    pub(super) fn at_least_one(&self, key: &str, value: u64) -> Checked {
        self.require(value >= 1, key, value, "1 or more")
    }

    pub(super) fn one_to<N: PartialOrd + Display + From<u8>>(&self, key: &str, value: N, most: N) -> Checked {
        self.within(key, value, N::from(1), most)
    }

    fn within<N: PartialOrd + Display>(&self, key: &str, value: N, least: N, most: N) -> Checked {
        let holds = least <= value && value <= most;
        self.require(holds, key, value, &format!("an integer from {least} to {most}"))
    }

    /// A share in [0, 1): dropout, label smoothing, Adam's betas. NaN is outside.
    pub(super) fn share(&self, key: &str, value: f64) -> Checked {
        self.require((0.0..1.0).contains(&value), key, value, "a number from 0 to below 1")
    }

    pub(super) fn positive(&self, key: &str, value: f64) -> Checked {
        self.require(value.is_finite() && value > 0.0, key, value, "a finite number above 0")
    }

    fn label(&self, experiment: &Experiment) -> Checked {
        match &experiment.label {
            Some(label) if !is_directory_name(label) => Err(self.unsafe_name("label", label)),
            _ => Ok(()),
        }
    }

    fn model(&self, model: &ModelConfig) -> Checked {
        let sizes = all([
            self.one_to("model.layers", model.layers, MOST_LAYERS),
            self.size("model.d_model", model.d_model),
            self.size("model.d_ff", model.d_ff),
            self.size("model.heads", model.heads),
            model.d_k.map_or(Ok(()), |d_k| self.size("model.d_k", d_k)),
            model.d_v.map_or(Ok(()), |d_v| self.size("model.d_v", d_v)),
            self.size("model.learned_positions", model.learned_positions),
        ]);
        all([
            sizes.and_then(|()| self.if_read(&["model"], || self.model_as_a_whole(model))),
            self.share("model.dropout", model.dropout),
            self.share("model.attention_dropout", model.attention_dropout),
            self.share("model.activation_dropout", model.activation_dropout),
            self.positive("model.layer_norm_epsilon", model.layer_norm_epsilon),
            model.embedding_deviation.map_or(Ok(()), |d| self.positive("model.embedding_deviation", d)),
        ])
    }

    /// Checks a model whose sizes are sound.
    fn model_as_a_whole(&self, model: &ModelConfig) -> Checked {
        if model.has_self_attention() {
            self.heads(model)?;
        }
        for (key, width) in [("model.d_k", model.d_k()), ("model.d_v", model.d_v())] {
            let all = model.heads.saturating_mul(width);
            let accepted = format!(
                "{} or less: with model.heads = {} all heads together have {all}, more than {LARGEST_SIZE}",
                LARGEST_SIZE / model.heads,
                model.heads
            );
            self.require(all <= LARGEST_SIZE, key, width, &accepted)?;
        }
        self.within("model.masked.segments", model.masked.segments, 0, LARGEST_SIZE)?;
        self.spans(model)?;
        self.convolutional(model)?;
        self.recurrent(model)?;
        all(conflicts(model)
            .into_iter()
            .map(|Conflict { key, message, help }| Err(self.mistake(key, message, help))))?;
        if let Some(rows) = model.embedding_rows {
            let accepted =
                format!("{SPECIAL_TOKENS} to {LARGEST_SIZE}: the special tokens alone need {SPECIAL_TOKENS}");
            let holds = (SPECIAL_TOKENS..=LARGEST_SIZE).contains(&rows);
            self.require(holds, "model.embedding_rows", rows, &accepted)?;
        }
        let Some(multiple) = model.embedding_multiple else { return Ok(()) };
        self.one_to("model.embedding_multiple", multiple, LARGEST_MULTIPLE)?;
        match model.embedding_rows {
            None => Ok(()),
            Some(rows) => {
                let key = "model.embedding_multiple";
                let message = format!(
                    "{key} = {multiple} and model.embedding_rows = {rows} both set the number of rows"
                );
                Err(self.mistake(key, message, "leave one of them out"))
            }
        }
    }

    /// Checks the numbers in the spans of attention.
    fn spans(&self, model: &ModelConfig) -> Checked {
        let at_least = |least: i64, key: &str, value: i64| self.within(key, value, least, LARGEST_SIZE);
        match model.attention.span {
            Span::Full => {}
            // If each position sees itself alone, queries and keys learn nothing.
            Span::Local(width) => at_least(2, "model.attention.span.local", width)?,
            Span::Linformer(count) => at_least(1, "model.attention.span.linformer", count)?,
            Span::BigBird { block, random, global } => {
                let key = "model.attention.span.big_bird";
                at_least(1, &format!("{key}.block"), block)?;
                at_least(0, &format!("{key}.random"), random)?;
                at_least(0, &format!("{key}.global"), global)?;
            }
        }
        match model.attention.decoder_span {
            None | Some(CausalSpan::Full) => Ok(()),
            Some(CausalSpan::Local(width)) => at_least(2, "model.attention.decoder_span.local", width),
        }
    }

    /// Refuses rows of several sentences if attention cannot keep the sentences apart.
    fn packing(&self, experiment: &Experiment) -> Checked {
        let span = experiment.model.attention.span;
        let Some(length) = experiment.training.packed_length.filter(|_| !span.packs()) else { return Ok(()) };
        let name = if matches!(span, Span::Linformer(_)) { "linformer" } else { "big_bird" };
        let message = format!(
            "training.packed_length = {length} puts several sentences into a row, and model.attention.span = {{ {name} = … }} \
             needs a row for each"
        );
        Err(self.mistake(
            "training.packed_length",
            message,
            "leave it out, or choose the span \"full\" or { local = r }",
        ))
    }

    /// Refuses one matrix for both sides if their vocabularies are separate.
    fn vocabularies(&self, experiment: &Experiment) -> Checked {
        if experiment.data.vocabulary == Vocabulary::Shared || experiment.model.tying != Tying::All {
            return Ok(());
        }
        let key =
            if self.tree.place(&["model", "tying"]).is_some() { "model.tying" } else { "data.vocabulary" };
        let message = "model.tying = \"all\" shares one matrix, but data.vocabulary = \"separate\" gives each side its own tokens";
        Err(self.mistake(
            key,
            message.into(),
            "set model.tying = \"decoder\" or \"none\", or data.vocabulary = \"shared\"",
        ))
    }

    /// heads must divide d_model if a head's width follows from both.
    fn heads(&self, model: &ModelConfig) -> Checked {
        let ModelConfig { d_model, heads, .. } = *model;
        if (model.d_k.is_some() && model.d_v.is_some()) || d_model % heads == 0 {
            return Ok(());
        }
        let message = format!("model.d_model = {d_model} is not divisible by model.heads = {heads}");
        // A suggestion must pass the next check as well: sinusoids need an even width.
        let even = matches!(model.position, Position::Sinusoidal | Position::SinusoidalHalves);
        let unit = if even && heads % 2 == 1 { 2 * heads } else { heads };
        let below = d_model - d_model % unit;
        let widths: Vec<String> =
            [below, below + unit].iter().filter(|&&width| width > 0).map(i64::to_string).collect();
        let divisors = |heads: &i64| d_model % heads == 0;
        let fewer = (1..=heads.min(d_model)).rev().find(divisors);
        let more = (heads + 1..=d_model).find(divisors);
        let counts: Vec<String> = fewer.into_iter().chain(more).map(|heads| heads.to_string()).collect();
        let help = format!(
            "use d_model {}, or heads {}, or state both d_k and d_v",
            widths.join(" or "),
            counts.join(" or ")
        );
        // The error points at the value that a file states.
        let key =
            if self.tree.place(&["model", "heads"]).is_some() { "model.heads" } else { "model.d_model" };
        Err(self.mistake(key, message, help))
    }

    /// Checks that widths and lengths suit the position encoding.
    fn positions(&self, experiment: &Experiment) -> Checked {
        let model = &experiment.model;
        if !model.reads_positions() {
            return Ok(());
        }
        if model.has_learned_positions() {
            if experiment.data.recipe.is_running_text() {
                return self.blocks(model, experiment.data.max_length);
            }
            self.learned_positions(experiment)?;
        }
        let ModelConfig { d_model, .. } = *model;
        let (holds, key, message, help) = match model.position {
            Position::Sinusoidal => (
                d_model % 2 == 0,
                "model.d_model",
                format!("model.d_model = {d_model} is odd, and model.position is sinusoidal"),
                format!("sines and cosines come in pairs: use {} or {}", d_model.max(3) - 1, d_model + 1),
            ),
            Position::SinusoidalHalves => (
                d_model % 2 == 0 && d_model >= 4,
                "model.d_model",
                format!("model.d_model = {d_model} does not suit position \"sinusoidal_halves\""),
                "expected an even number, 4 or more".to_string(),
            ),
            Position::Rotary => {
                let d_k = model.d_k();
                (
                    d_k % 2 == 0,
                    if model.d_k.is_some() { "model.d_k" } else { "model.position" },
                    format!("d_k = {d_k} is odd, and model.position = \"rotary\" turns pairs of numbers"),
                    "expected heads of an even width".to_string(),
                )
            }
            Position::Relative(furthest) => {
                return self.within("model.position.relative", furthest, 0, FURTHEST_DISTANCE);
            }
            Position::Learned | Position::Alibi | Position::T5 | Position::None => return Ok(()),
        };
        if holds { Ok(()) } else { Err(self.mistake(key, message, help)) }
    }

    /// Checks that there is a learned position for each token of the longest sentence.
    fn learned_positions(&self, experiment: &Experiment) -> Checked {
        let rows = experiment.model.learned_positions;
        let (longest, extra) = (experiment.data.max_length, experiment.decoding.max_extra_length);
        let sentence = longest.saturating_add(1);
        // The source stands before the target in the same row.
        let before = if experiment.reads_prefixes() { sentence } else { 0 };
        let needed = sentence.saturating_add(extra).saturating_add(before);
        if usize::try_from(rows).is_ok_and(|rows| rows >= needed) {
            return Ok(());
        }
        let twice = if before > 0 { " once for the source and once for the target," } else { "" };
        let message = format!(
            "model.learned_positions = {rows} is too few: data.max_length = {longest}, one for the end of the \
             sentence,{twice} and decoding.max_extra_length = {extra} make {needed}"
        );
        let help = format!("use {needed} or more, or lower data.max_length");
        Err(self.mistake("model.learned_positions", message, help))
    }

    fn decoding(&self, decoding: &DecodingConfig) -> Checked {
        let beam = format!("1 (greedy) to {WIDEST_BEAM}");
        let alpha = decoding.length_penalty;
        let holds = (0.0..=LARGEST_PENALTY).contains(&alpha);
        let penalties = format!("a number from 0 (none) to {LARGEST_PENALTY}");
        all([
            self.require((1..=WIDEST_BEAM).contains(&decoding.beam), "decoding.beam", decoding.beam, &beam),
            self.require(holds, "decoding.length_penalty", alpha, &penalties),
            self.one_to("decoding.batch_tokens", decoding.batch_tokens as u64, MOST_TOKENS),
            self.within("decoding.max_extra_length", decoding.max_extra_length, 0, LARGEST_SIZE as usize),
            self.length_buckets(&decoding.length_buckets),
        ])
    }

    /// Checks that the bounds of length classes rise, so that every class can have a sentence.
    fn length_buckets(&self, bounds: &[usize]) -> Checked {
        let key = "decoding.length_buckets";
        bounds.iter().try_for_each(|&bound| self.count(key, bound))?;
        let rising = bounds.is_sorted_by(|shorter, longer| shorter < longer);
        let accepted =
            format!("at most {MOST_BUCKETS} numbers, each larger than the one before, such as [10, 20, 30]");
        self.require(rising && bounds.len() <= MOST_BUCKETS, key, format!("{bounds:?}"), &accepted)
    }

    fn run(&self, run: &RunConfig) -> Checked {
        let numbers = |key: &str, numbers: &Option<Vec<usize>>| {
            let holds = numbers.iter().flatten().all(|&number| number > 0);
            let shown = format!("{:?}", numbers.as_deref().unwrap_or_default());
            self.require(holds, key, shown, "numbers from 1 up")
        };
        let accepted = format!("0 (all cores) to {MOST_THREADS}");
        all([
            self.at_least_one("run.log_interval_steps", run.log_interval_steps),
            numbers("run.attention_layers", &run.attention_layers),
            numbers("run.attention_heads", &run.attention_heads),
            self.require(run.threads <= MOST_THREADS, "run.threads", run.threads, &accepted),
        ])
    }

    fn data(&self, data: &DataConfig) -> Checked {
        let ratio = data.max_length_ratio;
        let is_ratio = ratio.is_finite() && ratio >= 1.0;
        all([
            self.within("data.merges", data.merges, 0, LARGEST_SIZE as usize),
            self.share("data.bpe_dropout", data.bpe_dropout),
            self.one_to("data.segmentations", data.segmentations as u64, MOST_SEGMENTATIONS),
            self.count("data.max_length", data.max_length),
            data.max_train_length.map_or(Ok(()), |length| self.count("data.max_train_length", length)),
            self.require(is_ratio, "data.max_length_ratio", ratio, "a finite number, 1 or more"),
            self.recipe(&data.recipe),
        ])?;
        self.if_read(&["data"], || self.data_as_a_whole(data))
    }

    /// Checks a section whose values are sound.
    fn data_as_a_whole(&self, data: &DataConfig) -> Checked {
        let dropout = data.bpe_dropout;
        if let Some(length) = data.max_train_length.filter(|_| dropout > 0.0 && data.pieces == Pieces::Bpe) {
            let message = format!(
                "data.max_train_length = {length} does not go with data.bpe_dropout = {dropout}: the drawn segmentations of \
                 a pair differ in their numbers of tokens"
            );
            return Err(self.mistake("data.max_train_length", message, "leave one of them out"));
        }
        if data.lowercase && data.recipe.tree_leaves().is_some() {
            let message = "data.lowercase = true, but the labels of trees cannot be lower-cased".into();
            return Err(self.mistake("data.lowercase", message, "set it to false"));
        }
        Ok(())
    }
}
