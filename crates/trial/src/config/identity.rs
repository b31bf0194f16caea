//! The identity of a trial: a hash of everything that decides its results.
//!
//! Settings at their defaults are left out, so that an option added later leaves the identities of
//! earlier records as they were. A default that changes is a change of results: [`RESULT_VERSION`].

use super::canonical_json::hash;
use super::experiment::Experiment;
use super::switched_off::switched_off;
use super::task_keys::without_unread_by_task;
use super::unread_keys::{at_defaults, without_unread};
use crate::data::{Corpus, FilePair};
use crate::decode::DecodingConfig;
use crate::error::{Error, Result};
use crate::fetch::compression::plain_name;
use crate::model::left_out::stated;
use crate::model::{Initialisation, Tying};
use crate::train::TrainingConfig;
use serde::Serialize;
use serde_json::Value;

/// Version of the results, raised by hand when a change of the code changes what a configuration produces. Results of
/// another version are then never reused for this one. `tests/golden` pins the results of each version.
///
/// - 2: identities leave out settings at their defaults.
/// - 3: weights and dropout masks are drawn by the path of their variable or layer, no longer by its number.
pub const RESULT_VERSION: u32 = 3;

/// The identity of a trial: its configuration, seed, data (`fingerprint` of the prepared
/// corpus) and [`RESULT_VERSION`]. 64 hexadecimal digits.
///
/// Not part of it: the label, the `[run]` section, names and addresses of the recipe, and
/// the difference between a default stated and left out.
pub fn identity(experiment: &Experiment, fingerprint: &str) -> String {
    let mut tree = canonical_tree(experiment);
    tree["fingerprint"] = fingerprint.into();
    hash(&tree)
}

/// The identity of a trial's training: equal for trials that only decode differently, whose weights and curves are the
/// same. If BLEU is measured during training, decoding is a part of the curves.
pub fn training_identity(experiment: &Experiment, fingerprint: &str) -> String {
    let mut tree = canonical_tree(experiment);
    tree["fingerprint"] = fingerprint.into();
    if experiment.training.dev_bleu_interval_steps == 0
        && let Some(tree) = tree.as_object_mut()
    {
        tree.remove("decoding");
    }
    hash(&tree)
}

/// The identity without seed and fingerprint: equal for the seeds of one row.
pub fn configuration_hash(experiment: &Experiment) -> String {
    let mut tree = canonical_tree(experiment);
    if let Some(training) = tree["training"].as_object_mut() {
        training.remove("seed");
    }
    hash(&tree)
}

/// A hash of everything that decides the time per target token and the memory: equal for trials that differ only in
/// seeds, lengths of training, optimizer and decoding.
pub fn shape_hash(experiment: &Experiment, fingerprint: &str) -> String {
    let tree = canonical_tree(experiment);
    let training = &tree["training"];
    let mut shape = serde_json::json!({
        "fingerprint": fingerprint,
        "model": tree["model"],
        "micro_batch_tokens": training["micro_batch_tokens"],
        "packed_length": training["packed_length"],
        "precision": training["precision"],
    });
    if let Some(limit) = tree["data"].get("max_train_length") {
        shape["max_train_length"] = limit.clone();
    }
    // These settings decide how many tokens are predicted: a share of the text, or more tokens than the target has.
    let stated = [
        ("words", training.get("words")),
        ("masking_rate", training["masking"].get("rate")),
        ("prefix_loss", training.get("prefix_loss")),
    ];
    for (key, value) in stated {
        if let Some(value) = value {
            shape[key] = value.clone();
        }
    }
    // The weight of the distance between two passes costs nothing.
    if training.get("r_drop").is_some() {
        shape["passes"] = experiment.training.passes().into();
    }
    hash(&shape)
}

/// The resolved configuration as TOML that loads back to an equal value.
///
/// # Errors
/// A number that TOML cannot hold: a seed of 2⁶³ or more.
pub fn to_toml(experiment: &Experiment) -> Result<String> {
    toml::to_string_pretty(experiment).map_err(|error| {
        Error::user(format!("the configuration does not fit into TOML: {error}; use a smaller seed"))
    })
}

/// The configuration with every setting that cannot change a result set to a canonical value.
pub(super) fn normalised(experiment: &Experiment) -> Experiment {
    let mut same = experiment.clone();
    same.label = None;
    same.model = without_unread(&experiment.model).with_default_head_widths_omitted();
    same.model = at_defaults(&same.model, switched_off(&same.model));
    if !same.model.has_learned_positions() {
        same.model.learned_positions = 0;
    }
    if same.data.recipe.is_running_text() {
        same.decoding = DecodingConfig::default();
    }
    if !same.model.has_both_parts() && same.model.tying == Tying::Decoder {
        same.model.tying = Tying::All;
    }
    same.model.attention = same.model.attention.without_repetitions();
    same.model.convolutional = same.model.convolutional.without_repetitions();
    if !same.model.has_self_attention() {
        same.model.initialisation = without_self_attention(same.model.initialisation);
    }
    same.training = without_unread_by_task(&same);
    same.data = same.data.without_unread();
    same.data.max_train_length = same.data.limit_of_training();
    // An absent lowest rate means 0.
    let lowest = same.training.lowest_learning_rate.filter(|&rate| rate > 0.0);
    same.training.lowest_learning_rate = lowest.filter(|_| same.training.schedule.has_stated_end());
    match same.training.schedule.has_stated_peak() {
        true => same.training.learning_rate_scale = TrainingConfig::default().learning_rate_scale,
        false => same.training.peak_learning_rate = None,
    }
    same.data.recipe.name.clear();
    if let Corpus::Files(files) = &mut same.data.recipe.corpus {
        let evaluation = [&mut files.dev, &mut files.test].into_iter().flat_map(|pairs| &mut pairs.0);
        files.train.iter_mut().chain(evaluation).for_each(keep_text_only);
    }
    same
}

/// Maps choices that start a model without self-attention alike to one of them: such a model has no projections that
/// count as one matrix, and no sub-layers whose last matrix starts smaller.
fn without_self_attention(initialisation: Initialisation) -> Initialisation {
    match initialisation {
        Initialisation::Tensor2tensor | Initialisation::Glorot => Initialisation::Tensor2tensor,
        Initialisation::Normal | Initialisation::NormalScaled => Initialisation::Normal,
    }
}

/// Removes line counts and addresses, which are checks and hints, and endings of compression.
fn keep_text_only(pair: &mut FilePair) {
    let plain = |name: &str| plain_name(name).to_string();
    *pair = FilePair {
        source: plain(&pair.source),
        target: plain(&pair.target),
        pairs: None,
        source_url: None,
        target_url: None,
        ..pair.clone()
    };
}

fn canonical_tree(experiment: &Experiment) -> Value {
    let same = normalised(experiment);
    let mut tree = json(&same);
    // The place, the manner and the display of a run do not belong to a trial's identity.
    tree["run"].take();
    tree["model"] = stated(&same.model).unwrap_or_default();
    // The seed is always stated.
    tree["training"] = stated(&same.training).unwrap_or_default();
    tree["training"]["seed"] = same.training.seed.into();
    tree["decoding"] = stated(&same.decoding).unwrap_or_default();
    tree["result_version"] = RESULT_VERSION.into();
    tree
}

pub(super) fn json<T: Serialize>(value: &T) -> Value {
    // The schema holds numbers, text and tables with text keys: nothing that JSON lacks.
    serde_json::to_value(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{FilePairs, FilesCorpus};
    use crate::model::{Activation, CausalSpan, EncoderKind, Position, Projections, Score, Span};
    use crate::score::Tokenization;
    use crate::train::schedule::Schedule;

    fn generated() -> Experiment {
        let mut experiment = Experiment::of_generated_text();
        let data = &mut experiment.data;
        (data.lowercase, data.merges, data.max_length, data.max_length_ratio) = (false, 10, 20, 9.0);
        experiment
    }

    fn changed(change: impl Fn(&mut Experiment)) -> Experiment {
        let mut experiment = generated();
        change(&mut experiment);
        experiment
    }

    #[test]
    fn a_shape_is_what_decides_the_cost_of_a_token() {
        let shape = |change: fn(&mut Experiment)| shape_hash(&changed(change), "f");
        let original = shape(|_| ());
        let same: [fn(&mut Experiment); 5] = [
            |e| e.training.seed = 9,
            |e| e.training.steps = 9,
            |e| e.training.batch_tokens = 9,
            |e| e.training.label_smoothing = 0.0,
            |e| e.decoding.beam = 1,
        ];
        let other: [fn(&mut Experiment); 6] = [
            |e| e.training.r_drop = 5.0,
            |e| e.data.max_train_length = Some(7),
            |e| e.model.dropout = 0.2,
            |e| e.model.heads = 4,
            |e| e.training.micro_batch_tokens = 9,
            |e| e.training.packed_length = Some(7),
        ];
        assert!(same.into_iter().all(|change| shape(change) == original));
        assert!(other.into_iter().all(|change| shape(change) != original));
        assert_ne!(shape_hash(&generated(), "g"), original);
    }

    #[test]
    fn what_cannot_change_a_result_keeps_the_identity() {
        let original = identity(&generated(), "f");
        assert_eq!(original.len(), 64);
        let same: [fn(&mut Experiment); 11] = [
            // Preparing drops longer pairs.
            |e| e.data.max_train_length = Some(20),
            |e| e.model.activation = Activation::Relu,
            |e| e.training.peak_learning_rate = Some(1.0),
            |e| e.model.attention.decoder_span = Some(CausalSpan::Full),
            |e| e.model.attention.cross_score = Some(Score::ScaledDot),
            |e| e.label = Some("x".into()),
            |e| e.run.threads = 3,
            |e| (e.model.d_k, e.model.d_v) = (Some(64), Some(64)),
            |e| e.model.learned_positions = 99,
            |e| e.model.attention_dropout = -0.0,
            |e| e.data.recipe.name = "other".into(),
        ];
        for (i, change) in same.iter().enumerate() {
            assert_eq!(identity(&changed(change), "f"), original, "change {i}");
        }
        let attention_alone = |change: fn(&mut Experiment)| {
            let mut experiment = changed(|e| e.model.feed_forward = false);
            change(&mut experiment);
            identity(&experiment, "f")
        };
        let alone = attention_alone(|_| ());
        assert_ne!(alone, original);
        let of = |tying| {
            identity(&changed(|e| (e.model.encoder, e.model.tying) = (EncoderKind::None, tying)), "f")
        };
        assert_eq!(of(Tying::All), of(Tying::Decoder));
        let same: [fn(&mut Experiment); 3] = [
            |e| e.model.d_ff = 7,
            |e| e.model.activation = Activation::Geglu,
            |e| e.model.activation_dropout = 0.3,
        ];
        assert!(same.into_iter().all(|change| attention_alone(change) == alone));
    }

    #[test]
    fn what_can_change_a_result_changes_the_identity() {
        let original = identity(&generated(), "f");
        let different: [fn(&mut Experiment); 18] = [
            |e| e.model.encoder = EncoderKind::None,
            |e| e.data.max_train_length = Some(19),
            |e| e.decoding.length_buckets = vec![10],
            |e| e.decoding.tokenize = Tokenization::Chinese,
            |e| e.model.activation = Activation::Gelu,
            |e| e.model.residual = false,
            |e| (e.training.schedule, e.training.peak_learning_rate) = (Schedule::Linear, Some(1.0)),
            |e| e.training.weight_decay = 0.1,
            |e| e.model.attention.span = Span::Local(8),
            |e| e.model.attention.decoder_span = Some(CausalSpan::Local(8)),
            |e| e.model.attention.score = Score::Dot,
            |e| e.model.attention.cross_score = Some(Score::Dot),
            |e| e.training.seed = 2,
            |e| e.model.d_k = Some(32),
            |e| e.model.position = Position::Learned,
            |e| e.decoding.beam = 5,
            |e| e.data.merges = 11,
            |e| e.training.clip_norm = Some(1.0),
        ];
        for (i, change) in different.iter().enumerate() {
            assert_ne!(identity(&changed(change), "f"), original, "change {i}");
        }
        assert_ne!(identity(&generated(), "g"), original);
        // A schedule with a stated peak reads no scale.
        let cosine = |scale: f64| {
            changed(|e| {
                e.training.schedule = Schedule::Cosine;
                (e.training.peak_learning_rate, e.training.learning_rate_scale) = (Some(0.1), scale);
            })
        };
        assert_eq!(identity(&cosine(1.0), "f"), identity(&cosine(2.0), "f"));
    }

    #[test]
    fn keys_that_no_part_reads_have_no_influence() {
        use crate::model::{DecoderKind, EncoderKind};
        let hash = |change: fn(&mut Experiment)| configuration_hash(&changed(change));
        assert_eq!(hash(|e| e.model.recurrent.hidden = 9), hash(|_| ()));
        let recurrent = |e: &mut Experiment| {
            (e.model.encoder, e.model.decoder) = (EncoderKind::Recurrent, DecoderKind::Recurrent);
        };
        let hash = |change: fn(&mut Experiment)| {
            configuration_hash(&changed(|e| {
                recurrent(e);
                change(e);
            }))
        };
        assert_eq!(hash(|e| (e.model.heads, e.model.d_k, e.model.layers) = (2, Some(3), 1)), hash(|_| ()));
        assert_ne!(hash(|e| e.model.recurrent.hidden = 9), hash(|_| ()));
        assert_ne!(hash(|_| ()), configuration_hash(&generated()));
        // Embeddings start as `initialisation` says in every model; projections exist in self-attention alone.
        assert_ne!(hash(|e| e.model.initialisation = Initialisation::Normal), hash(|_| ()));
        assert_eq!(hash(|e| e.model.initialisation = Initialisation::Glorot), hash(|_| ()));
        assert_eq!(
            hash(|e| e.model.initialisation = Initialisation::NormalScaled),
            hash(|e| e.model.initialisation = Initialisation::Normal)
        );
        let tree = canonical_tree(&changed(|e| {
            recurrent(e);
            e.model.recurrent.hidden = 9;
        }));
        // Every model without learned positions states their number as 0.
        let stated = serde_json::json!({
            "encoder": "recurrent", "decoder": "recurrent", "learned_positions": 0, "recurrent": { "hidden": 9 }
        });
        assert_eq!(tree["model"], stated);
    }

    #[test]
    fn what_is_predicted_of_the_text_decides_what_a_token_costs() {
        use crate::data::reading::PrefixLoss;
        use crate::model::DecoderKind;
        let prefixes = |loss: PrefixLoss| {
            let changed = changed(|e| (e.model.encoder, e.training.prefix_loss) = (EncoderKind::None, loss));
            shape_hash(&changed, "f")
        };
        assert_ne!(prefixes(PrefixLoss::Both), prefixes(PrefixLoss::Target));
        let masked = |change: fn(&mut Experiment)| {
            let masked = changed(|e| {
                let text = serde_json::json!({ "source": "a", "target": "a", "format": "running" });
                let text: FilePair = serde_json::from_value(text).unwrap();
                let (train, dev) = (vec![text.clone()], FilePairs(vec![text]));
                let corpus = FilesCorpus { train, test: dev.clone(), dev, hold_out: None };
                e.data.recipe.corpus = Corpus::Files(corpus);
                e.model.decoder = DecoderKind::None;
                change(e);
            });
            shape_hash(&masked, "f")
        };
        assert_ne!(masked(|e| e.training.masking.rate = 0.3), masked(|_| ()));
        assert_eq!(masked(|e| e.training.masking.copies = Some(10)), masked(|_| ()));
    }

    /// A change here invalidates every record: raise RESULT_VERSION if results change, else repair the change.
    #[test]
    fn the_identity_is_pinned() {
        let pinned = changed(|e| (e.model.layers, e.training.steps) = (2, 7));
        assert_eq!(
            identity(&pinned, "f"),
            "bddcb26a59195e0c5aed466087f93d85842162fcba37f3a7870ff7b1374bf990"
        );
    }

    /// A key that is added to a section inside a section changes no identity, like any other key.
    #[test]
    fn defaults_are_left_out_of_sections_inside_of_sections() {
        let tree = canonical_tree(&changed(|e| e.model.attention.score = Score::Dot));
        assert_eq!(tree["model"]["attention"], serde_json::json!({ "score": "dot" }));
        let none = |e: &mut Experiment| e.model.attention.projections = Projections::None;
        let with_biases = configuration_hash(&changed(none));
        let without = |e: &mut Experiment| {
            none(e);
            e.model.attention_biases = false;
        };
        assert_eq!(configuration_hash(&changed(without)), with_biases);
    }

    #[test]
    fn trials_that_only_decode_differently_share_their_training() {
        let training = |change: fn(&mut Experiment)| training_identity(&changed(change), "f");
        let original = training(|_| ());
        assert_eq!(training(|e| e.decoding.beam = 9), original);
        assert_eq!(training(|e| e.decoding.length_buckets = vec![10]), original);
        assert_ne!(training(|e| e.training.seed = 9), original);
        assert_ne!(training_identity(&generated(), "g"), original);
        // The curve of BLEU on the dev set depends on decoding.
        let with_curve = training(|e| e.training.dev_bleu_interval_steps = 5);
        let other_beam = |e: &mut Experiment| {
            e.training.dev_bleu_interval_steps = 5;
            e.decoding.beam = 9;
        };
        assert_ne!(training(other_beam), with_curve);
    }

    #[test]
    fn seeds_share_their_configuration_hash() {
        let hash = configuration_hash(&generated());
        assert_eq!(configuration_hash(&changed(|e| e.training.seed = 2)), hash);
        assert_ne!(configuration_hash(&changed(|e| e.training.steps = 2)), hash);
    }

    #[test]
    fn addresses_counts_and_compression_do_not_matter() {
        let with = |end: &str, url: Option<&str>, pairs| {
            changed(|e| {
                let (source, target) = (format!("a{end}"), format!("b{end}"));
                let pair = serde_json::json!({
                    "source": source, "target": target, "pairs": pairs, "source_url": url
                });
                let pair: FilePair = serde_json::from_value(pair).unwrap();
                let (train, dev) = (vec![pair.clone()], FilePairs(vec![pair]));
                let corpus = FilesCorpus { train, test: dev.clone(), dev, hold_out: None };
                e.data.recipe.corpus = Corpus::Files(corpus);
            })
        };
        let plain = configuration_hash(&with("", None, None));
        assert_eq!(configuration_hash(&with(".gz", Some("https://example.org/a"), Some(3))), plain);
        assert_ne!(configuration_hash(&with(".x", None, None)), plain);
    }
}
