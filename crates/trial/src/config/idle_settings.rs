//! Settings that cannot change anything, given the others: a row that states one has the same model as another row,
//! under a different name.

use super::changes::at_key;
use super::experiment::{Experiment, RunConfig, setting_text};
use super::identity::configuration_hash;
use super::idle_spans::idle_spans;
use super::subsections::settings_of;
use super::switched_off::switched_off;
use super::task_keys::{decoder, unread_by_task};
use super::unread_keys::{PARTS, Unread, all_unread, at_defaults, unread};
use crate::data::{DataConfig, Pieces};
use crate::decode::DecodingConfig;
use crate::model::{DecoderKind, ModelConfig};
use crate::train::learning_rate::ends_in_warmup;
use crate::train::schedule::Schedule;
use crate::train::{TaskKind, TrainingConfig};
use std::collections::BTreeMap;

/// A setting without effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idle {
    /// `section.key`
    pub key: &'static str,
    /// The reason, with the values that make it idle.
    pub message: String,
    /// The advice: a change of the settings with which the key has an effect.
    pub help: String,
    /// Whether another key switches this one off, as a position encoding without a table does `learned_positions`.
    /// Unlike a value outside the range of others, an experiment may state such a key for sweeps that switch it on.
    pub off: bool,
    /// The keys of the choice that decides whether the key is read; empty if there is no such choice. An experiment may
    /// state the key in another file than its switches: in one that it inherits from, or in one that inherits from it.
    pub switches: Vec<&'static str>,
}

impl Idle {
    /// A value that has no effect beside the values of other settings.
    fn new(key: &'static str, message: String, help: impl Into<String>) -> Self {
        Idle { key, message, help: help.into(), off: false, switches: Vec::new() }
    }
}

/// The settings of an experiment that cannot have an effect with the others, including those that no file states.
pub fn idle(experiment: &Experiment) -> Vec<Idle> {
    let Experiment { data, model, training, decoding, run, .. } = experiment;
    let mut found = idle_data(data);
    found.extend(rate(training));
    found.extend(average(training));
    found.extend(patience(training));
    found.extend(maps(model, run));
    let spans = idle_spans(experiment).into_iter();
    found.extend(spans.map(|(key, why)| Idle::new(key, why, "use a smaller span, or leave it out")));
    found.extend(unread(model).into_iter().map(not_read));
    found.extend(unread_by_task(experiment).into_iter().map(not_read));
    if model.reads_positions() && !model.has_learned_positions() {
        let because = vec![("model.position", setting_text(&model.position))];
        found.push(off(Unread { key: "model.learned_positions", because }));
    }
    found.extend(switched_off(model).into_iter().map(off));
    if !model.has_decoder() {
        found.extend(all_unread(&DECODING, &decoder(experiment)).into_iter().map(not_read));
    } else if experiment.task() == TaskKind::LanguageModelling {
        for key in DECODING {
            let name = &data.recipe.name;
            let message = format!(
                "{key} has no effect: data.recipe: {name} is running text, and nothing is translated"
            );
            found.push(Idle { off: true, ..Idle::new(key, message, "leave it out") });
        }
    } else {
        found.extend(of_beam(decoding).into_iter().map(off));
    }
    found
}

/// The settings of `[data]` that cannot have an effect with the others of that section.
pub fn idle_data(data: &DataConfig) -> Vec<Idle> {
    let mut found: Vec<Idle> = max_train_length(data).into_iter().collect();
    if data.pieces == Pieces::Characters {
        let because = [("data.pieces", setting_text(&data.pieces))];
        found.extend(all_unread(&["data.merges", "data.bpe_dropout"], &because).into_iter().map(not_read));
    }
    if data.bpe_dropout == 0.0 {
        let because = vec![("data.bpe_dropout", "0.0".to_string())];
        found.push(not_read(Unread { key: "data.segmentations", because }));
    }
    found
}

/// The keys of `[decoding]`, which a task without translations does not read.
const DECODING: [&str; 8] = [
    "decoding.beam",
    "decoding.length_penalty",
    "decoding.length_penalty_form",
    "decoding.early_stopping",
    "decoding.max_extra_length",
    "decoding.length_buckets",
    "decoding.tokenize",
    "decoding.batch_tokens",
];

fn not_read(Unread { key, because }: Unread) -> Idle {
    let settings: Vec<String> = because.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    let mut switches: Vec<&'static str> = because.iter().map(|(key, _)| *key).collect();
    let help = format!("leave it out, or change {}", switches.join(" or "));
    // A file that chooses one part leaves the other at its default, which is a choice as well.
    if switches.iter().any(|key| PARTS.contains(key)) {
        switches.extend(PARTS);
    }
    let message = format!("{key} has no effect with {}", settings.join(" and "));
    Idle { switches, ..Idle::new(key, message, help) }
}

/// [`not_read`] for a key that another one switches off.
fn off(unread: Unread) -> Idle {
    Idle { off: true, switches: Vec::new(), ..not_read(unread) }
}

/// The keys of `[decoding]` that a search with this beam does not read.
fn of_beam(decoding: &DecodingConfig) -> Vec<Unread> {
    let keys = ["decoding.length_penalty", "decoding.length_penalty_form", "decoding.early_stopping"];
    let greedy: &[_] = if decoding.beam == 1 { &keys[..] } else { &[] };
    all_unread(greedy, &[("decoding.beam", setting_text(&decoding.beam))])
}

/// A limit of the training pairs that leaves none out, because preparing already applies one as strict.
fn max_train_length(data: &DataConfig) -> Option<Idle> {
    let limit = data.max_train_length.filter(|_| data.limit_of_training().is_none())?;
    let longest = data.max_length;
    let message = format!(
        "data.max_train_length = {limit} leaves nothing out: training pairs have at most data.max_length = {longest} tokens"
    );
    Some(Idle::new("data.max_train_length", message, format!("use less than {longest}, or leave it out")))
}

/// Settings of the learning rate that the schedule does not read, or does not reach.
fn rate(training: &TrainingConfig) -> Option<Idle> {
    let TrainingConfig { schedule, steps, warmup_steps, learning_rate_scale, .. } = *training;
    let name = setting_text(&schedule);
    let idle = |key, message, help: &str| Some(Idle::new(key, message, help));
    if let (false, Some(peak)) = (schedule.has_stated_peak(), training.peak_learning_rate) {
        return idle(
            "training.peak_learning_rate",
            format!(
                "training.peak_learning_rate = {peak} has no effect with training.schedule = {name}, whose peak follows \
                 from training.learning_rate_scale and model.d_model"
            ),
            "set training.schedule = \"inverse_sqrt\", the same curve with a stated peak, or leave the peak out",
        );
    }
    if let (false, Some(lowest)) = (schedule.has_stated_end(), training.lowest_learning_rate) {
        return idle(
            "training.lowest_learning_rate",
            format!(
                "training.lowest_learning_rate = {lowest} has no effect with training.schedule = {name}, which does not fall \
                 to a stated rate"
            ),
            "set training.schedule = \"cosine\" or \"linear\", or leave it out",
        );
    }
    if schedule.has_stated_peak() && learning_rate_scale != TrainingConfig::default().learning_rate_scale {
        return idle(
            "training.learning_rate_scale",
            format!(
                "training.learning_rate_scale = {learning_rate_scale} has no effect with training.schedule = {name}, whose \
                 peak is training.peak_learning_rate"
            ),
            "leave it out, or set it to 1.0 where a base states another",
        );
    }
    if ends_in_warmup(training) && schedule != Schedule::Constant {
        return idle(
            "training.schedule",
            format!(
                "training.schedule = {name} has no effect: training.warmup_steps = {warmup_steps} ends after \
                 training.steps = {steps}"
            ),
            "use a shorter warm-up (1 is none) or more steps",
        );
    }
    None
}

/// A number of checkpoints to average that exceeds those that the schedule saves.
fn average(training: &TrainingConfig) -> Option<Idle> {
    let TrainingConfig { average_checkpoints: asked, steps, checkpoint_interval_steps: interval, .. } =
        *training;
    let saved = training.scheduled_checkpoints();
    (asked as u64 > saved).then(|| {
        let message = format!(
            "training.average_checkpoints = {asked} is more than the checkpoints that are saved: training.steps = {steps} \
             and training.checkpoint_interval_steps = {interval} make {saved}"
        );
        let help = format!("use {saved} or less, or a shorter interval");
        Idle::new("training.average_checkpoints", message, help)
    })
}

/// A patience that training always ends before.
fn patience(training: &TrainingConfig) -> Option<Idle> {
    let patience = training.early_stopping_patience?;
    let interval = training.dev_interval_steps;
    // The first measurement is a new best, and `patience` more have to follow.
    let earliest = u128::from(interval) * (u128::from(patience) + 1);
    (interval > 0 && earliest >= u128::from(training.steps)).then(|| {
        let message = format!(
            "training.early_stopping_patience = {patience} never ends a training: with \
             training.dev_interval_steps = {interval} it could at update {earliest}, and training.steps = {} come first",
            training.steps
        );
        let help = "use a smaller patience or a shorter interval, or leave it out";
        Idle::new("training.early_stopping_patience", message, help)
    })
}

/// Lists of layers and heads to record that name none of the model's.
fn maps(model: &ModelConfig, run: &RunConfig) -> Vec<Idle> {
    let heads = usize::try_from(model.heads).unwrap_or(usize::MAX);
    let [own_layers, own_heads] = [("layers", model.layers), ("heads", heads)]
        .map(|(key, count)| (format!("model.{key} = {count}"), count));
    // Parts that are no self-attention attend with one head.
    let (layers, heads) = match (model.has_self_attention(), model.decoder) {
        (true, DecoderKind::Convolutional) => {
            let cross = attending_layers(model);
            (if cross.1 > own_layers.1 { cross } else { own_layers }, own_heads)
        }
        (true, DecoderKind::SelfAttention | DecoderKind::Recurrent | DecoderKind::None) => {
            (own_layers, own_heads)
        }
        (false, DecoderKind::Convolutional) => {
            (attending_layers(model), ("a convolutional decoder, which attends with one head".into(), 1))
        }
        (false, DecoderKind::None) => {
            let alone = ("an encoder without attention".to_string(), 0);
            (alone.clone(), alone)
        }
        (false, DecoderKind::Recurrent | DecoderKind::SelfAttention) => {
            let alone = ("a recurrent decoder, which attends in one layer with one head".to_string(), 1);
            (alone.clone(), alone)
        }
    };
    let asked = [
        ("run.attention_layers", &run.attention_layers, layers),
        ("run.attention_heads", &run.attention_heads, heads),
    ];
    let found = asked.into_iter().filter_map(|(key, numbers, (there, count))| {
        let numbers = numbers.as_ref().filter(|_| run.attention_sentences > 0)?;
        numbers.iter().all(|&number| number > count).then(|| {
            let message = format!("{key} = {numbers:?} records nothing with {there}");
            let help = match count {
                0 => "leave it out, or set run.attention_sentences = 0".into(),
                _ => format!("use numbers from 1 to {count}, or run.attention_sentences = 0"),
            };
            Idle::new(key, message, help)
        })
    });
    found.collect()
}

/// The layers of a convolutional decoder that attend to the source, in words and counted.
fn attending_layers(model: &ModelConfig) -> (String, usize) {
    let count = model.attending_layers();
    (format!("a convolutional decoder, of which {count} layers attend"), count)
}

/// Whether the value of `key` in `experiment` is the default.
pub fn is_default(experiment: &Experiment, key: &str) -> bool {
    let defaults = Experiment {
        data: DataConfig::new(experiment.data.recipe.clone()),
        model: ModelConfig::default(),
        training: TrainingConfig::default(),
        decoding: DecodingConfig::default(),
        run: RunConfig::default(),
        ..experiment.clone()
    };
    let value = |experiment: &Experiment| {
        let tree = serde_json::to_value(experiment).unwrap_or_default();
        at_key(&tree, key).cloned()
    };
    value(experiment) == value(&defaults)
}

/// A hash that is equal for two experiments whose differences cannot have an effect; seeds do not count.
pub fn effect_hash(experiment: &Experiment) -> String {
    configuration_hash(&effective(experiment))
}

/// The experiment with every setting that has no effect on its results set to a canonical value.
fn effective(experiment: &Experiment) -> Experiment {
    let mut same = experiment.clone();
    let training = &mut same.training;
    // The best weights are kept beside the others, not scored.
    training.keep_best = false;
    if ends_in_warmup(training) {
        training.schedule = Schedule::Constant;
    }
    if patience(training).is_some() {
        training.early_stopping_patience = None;
    }
    if training.early_stopping_patience.is_none() {
        let saved = usize::try_from(training.scheduled_checkpoints()).unwrap_or(usize::MAX);
        training.average_checkpoints = training.average_checkpoints.min(saved);
    }
    if training.average_checkpoints == 1 {
        training.checkpoint_interval_steps = 0;
    }
    same.decoding = at_defaults(&same.decoding, of_beam(&same.decoding));
    same.model.embedding_multiple = same.model.embedding_multiple.filter(|&multiple| multiple > 1);
    same
}

/// The keys in which two experiments differ, without `[run]` and the label.
pub fn differences(one: &Experiment, other: &Experiment) -> Vec<String> {
    let [one, other] = [one, other].map(|experiment| serde_json::to_value(experiment).unwrap_or_default());
    let mut keys = Vec::new();
    for section in ["data", "model", "training", "decoding"] {
        let [one, other] = [&one, &other].map(|value| -> BTreeMap<String, &serde_json::Value> {
            let table = value[section].as_object();
            table.map(|table| settings_of(section, table)).into_iter().flatten().collect()
        });
        let mut names: Vec<&String> = one.keys().chain(other.keys()).collect();
        names.sort();
        names.dedup();
        let differ = |name: &&String| *name != "training.seed" && one.get(*name) != other.get(*name);
        keys.extend(names.into_iter().filter(differ).cloned());
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CausalSpan, EncoderKind, Projections, Span};

    fn experiment(change: impl Fn(&mut Experiment)) -> Experiment {
        let mut experiment = Experiment::of_generated_text();
        experiment.training.steps = 20;
        experiment.training.checkpoint_interval_steps = 10;
        experiment.training.average_checkpoints = 2;
        change(&mut experiment);
        experiment
    }

    fn idle_keys(change: impl Fn(&mut Experiment)) -> Vec<&'static str> {
        idle(&experiment(change))
            .into_iter()
            .filter(|idle| !idle.off && idle.switches.is_empty())
            .map(|idle| idle.key)
            .collect()
    }

    #[test]
    fn values_beyond_what_the_others_leave_room_for_are_found() {
        assert!(idle_keys(|_| ()).is_empty());
        assert!(idle_keys(|e| e.data.max_train_length = Some(255)).is_empty());
        assert_eq!(idle_keys(|e| e.data.max_train_length = Some(256)), ["data.max_train_length"]);
        assert_eq!(idle_keys(|e| e.training.average_checkpoints = 3), ["training.average_checkpoints"]);
        assert_eq!(idle_keys(|e| e.training.checkpoint_interval_steps = 0), ["training.average_checkpoints"]);
        assert!(idle_keys(|e| e.training.checkpoint_interval_steps = 15).is_empty(), "15 and 20");
        let patience = |patience, interval| {
            idle_keys(move |e| {
                e.training.early_stopping_patience = Some(patience);
                e.training.dev_interval_steps = interval;
            })
        };
        assert!(patience(2, 6).is_empty());
        assert_eq!(patience(1, 10), ["training.early_stopping_patience"]);
        assert_eq!(patience(u64::MAX, u64::MAX), ["training.early_stopping_patience"]);
        assert_eq!(idle_keys(|e| e.run.attention_layers = Some(vec![9])), ["run.attention_layers"]);
        assert_eq!(idle_keys(|e| e.run.attention_heads = Some(vec![])), ["run.attention_heads"]);
        assert!(idle_keys(|e| e.run.attention_layers = Some(vec![9, 1])).is_empty());
        let recurrent = idle(&experiment(|e| {
            (e.model.encoder, e.model.decoder) = (EncoderKind::Recurrent, DecoderKind::Recurrent);
            (e.run.attention_layers, e.run.attention_heads) = (Some(vec![2]), Some(vec![1]));
        }));
        let convolutional = |layers: usize| {
            idle_keys(|e| {
                (e.model.encoder, e.model.decoder) = (EncoderKind::Convolutional, DecoderKind::Convolutional);
                e.model.convolutional.attention_layers = Some(vec![1, 4]);
                e.run.attention_layers = Some(vec![layers]);
            })
        };
        assert!(convolutional(2).is_empty());
        assert_eq!(convolutional(3), ["run.attention_layers"]);
        let told: Vec<&str> = recurrent.iter().map(|idle| idle.message.as_str()).collect();
        let message =
            "run.attention_layers = [2] records nothing with a recurrent decoder, which attends in one layer";
        assert!(
            told.iter().any(|told| told.starts_with(message))
                && !told.iter().any(|told| told.contains("heads = [1]")),
            "{told:?}"
        );
        let schedule = |schedule, peak, scale, warmup| {
            idle_keys(move |e| {
                (e.training.schedule, e.training.peak_learning_rate) = (schedule, peak);
                (e.training.learning_rate_scale, e.training.warmup_steps) = (scale, warmup);
            })
        };
        assert!(schedule(Schedule::Noam, None, 2.0, 4_000).is_empty());
        assert_eq!(schedule(Schedule::Noam, Some(0.1), 1.0, 5), ["training.peak_learning_rate"]);
        assert!(schedule(Schedule::Cosine, Some(0.1), 1.0, 19).is_empty());
        assert_eq!(schedule(Schedule::Cosine, Some(0.1), 2.0, 5), ["training.learning_rate_scale"]);
        assert_eq!(schedule(Schedule::Cosine, Some(0.1), 1.0, 20), ["training.schedule"]);
        assert!(schedule(Schedule::Constant, Some(0.1), 1.0, 20).is_empty());
    }

    #[test]
    fn spans_that_cover_the_longest_sequence_are_found() {
        // The encoder reads at most 257 tokens; the decoder writes at most 307.
        let spans = |span, decoder_span| {
            idle_keys(move |e| {
                (e.model.attention.span, e.model.attention.decoder_span) = (span, decoder_span);
            })
        };
        let local = |width| Some(CausalSpan::Local(width));
        let big_bird = |random| Span::BigBird { block: 64, random, global: 2 };
        assert_eq!(spans(Span::Local(513), None), ["model.attention.span"]);
        assert!(spans(Span::Local(512), None).is_empty());
        assert_eq!(spans(big_bird(1), None), ["model.attention.span"]);
        assert!(spans(big_bird(0), None).is_empty());
        assert_eq!(spans(Span::Full, local(307)), ["model.attention.decoder_span"]);
        assert!(spans(Span::Full, local(306)).is_empty());
        assert!(spans(Span::Local(3), local(307)).is_empty(), "the decoder sees more than the encoder");
        assert_eq!(spans(Span::Local(513), local(3)), ["model.attention.span"]);
        // Without an encoder, source and target are one sequence of the decoder's.
        let alone = |width| {
            idle_keys(move |e| {
                e.model.encoder = EncoderKind::None;
                e.model.attention.span = Span::Local(width);
            })
        };
        assert_eq!(alone(564), ["model.attention.span"]);
        assert!(alone(563).is_empty());
        let told = idle(&experiment(|e| e.model.attention.span = Span::Local(513)));
        let message = "model.attention.span = { local = 513 } hides nothing in training: its sequences have at most 307 tokens with \
                       data.max_length = 256 and decoding.max_extra_length = 50";
        assert!(told.iter().any(|idle| idle.message == message), "{told:?}");
    }

    #[test]
    fn experiments_that_compute_the_same_share_a_hash() {
        let hash = |change: fn(&mut Experiment)| effect_hash(&experiment(change));
        let same: [fn(&mut Experiment); 4] = [
            |e| e.training.average_checkpoints = 10,
            |e| e.training.keep_best = true,
            |e| e.model.embedding_multiple = Some(1),
            |e| (e.training.early_stopping_patience, e.training.dev_interval_steps) = (Some(5), 1_000),
        ];
        same.into_iter().enumerate().for_each(|(n, change)| assert_eq!(hash(change), hash(|_| ()), "{n}"));
        let schedule = |schedule, warmup_steps| {
            effect_hash(&experiment(|e| {
                (e.training.schedule, e.training.peak_learning_rate) = (schedule, Some(0.1));
                e.training.warmup_steps = warmup_steps;
            }))
        };
        assert_eq!(schedule(Schedule::Cosine, 20), schedule(Schedule::Linear, 20));
        assert_ne!(schedule(Schedule::Cosine, 19), schedule(Schedule::Linear, 19));
        let other: [fn(&mut Experiment); 4] = [
            |e| e.training.average_checkpoints = 1,
            |e| e.training.checkpoint_interval_steps = 5,
            |e| e.decoding.length_penalty = 0.0,
            |e| (e.training.early_stopping_patience, e.training.dev_interval_steps) = (Some(1), 2),
        ];
        other.into_iter().enumerate().for_each(|(n, change)| assert_ne!(hash(change), hash(|_| ()), "{n}"));
        assert_eq!(
            hash(|e| (e.decoding.beam, e.decoding.length_penalty) = (1, 0.0)),
            hash(|e| (e.decoding.beam, e.decoding.early_stopping) = (1, true))
        );
        assert_eq!(
            hash(|e| (e.training.average_checkpoints, e.training.checkpoint_interval_steps) = (1, 3)),
            hash(|e| (e.training.average_checkpoints, e.training.checkpoint_interval_steps) = (1, 7))
        );
    }

    #[test]
    fn differences_are_named_by_key() {
        let other = experiment(|e| {
            (e.training.seed, e.training.steps, e.model.d_k) = (9, 30, Some(3));
            e.model.attention.projections = Projections::None;
        });
        let keys = ["model.attention.projections", "model.d_k", "training.steps"];
        assert_eq!(differences(&experiment(|_| ()), &other), keys);
    }
}
