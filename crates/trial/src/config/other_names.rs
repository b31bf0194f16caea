//! The names that other programs give to a setting or a section, for the hints of error messages.

use super::subsections::SUBSECTIONS;

/// Words of fairseq, JoeyNMT, Hydra, transformers, OpenNMT and sacreBLEU, by the key that has the same meaning here. A
/// key in another section than the word is named with its section.
const KEYS: [(&str, &[&str]); 30] = [
    (
        "model.layers",
        &[
            "encoder_layers",
            "decoder_layers",
            "enc_layers",
            "dec_layers",
            "num_layers",
            "n_layers",
            "num_hidden_layers",
        ],
    ),
    (
        "model.d_model",
        &[
            "encoder_embed_dim",
            "decoder_embed_dim",
            "embed_dim",
            "embedding_dim",
            "hidden_size",
            "model_dim",
            "emb_dim",
            "n_embd",
            "rnn_size",
        ],
    ),
    (
        "model.d_ff",
        &[
            "ffn_dim",
            "encoder_ffn_embed_dim",
            "decoder_ffn_embed_dim",
            "ff_size",
            "dim_feedforward",
            "intermediate_size",
            "transformer_ff",
            "filter_size",
        ],
    ),
    (
        "model.heads",
        &[
            "encoder_attention_heads",
            "decoder_attention_heads",
            "num_heads",
            "num_attention_heads",
            "nhead",
            "n_head",
        ],
    ),
    ("model.dropout", &["residual_dropout", "hidden_dropout_prob", "resid_pdrop", "dropout_rate"]),
    ("model.attention_dropout", &["attention_probs_dropout_prob", "attn_dropout", "attn_pdrop"]),
    ("model.activation_dropout", &["relu_dropout", "ffn_dropout"]),
    (
        "model.tying",
        &[
            "share_all_embeddings",
            "share_decoder_input_output_embed",
            "tied_embeddings",
            "tied_softmax",
            "tie_word_embeddings",
            "share_embeddings",
        ],
    ),
    (
        "model.norm",
        &[
            "encoder_normalize_before",
            "decoder_normalize_before",
            "normalize_before",
            "norm_first",
            "layer_norm",
            "pre_norm",
        ],
    ),
    ("model.layer_norm_epsilon", &["layer_norm_eps", "layernorm_epsilon"]),
    (
        "model.position",
        &["positional_encoding", "position_encoding", "encoder_learned_pos", "position_embedding_type"],
    ),
    ("model.initialisation", &["initializer", "init", "initialization", "embed_initializer", "param_init"]),
    ("training.seed", &["random_seed", "manual_seed"]),
    ("training.lowest_learning_rate", &["min_lr", "lr_end", "min_learning_rate", "end_learning_rate"]),
    ("training.peak_learning_rate", &["lr", "learning_rate", "max_lr", "peak_lr", "base_lr"]),
    (
        "training.schedule",
        &["lr_scheduler", "lr_scheduler_type", "scheduler", "scheduling", "decay_method", "lr_schedule"],
    ),
    (
        "training.warmup_steps",
        &["warmup", "warmup_updates", "num_warmup_steps", "learning_rate_warmup", "warmup_iters"],
    ),
    (
        "training.steps",
        &[
            "max_update",
            "max_updates",
            "max_steps",
            "updates",
            "num_training_steps",
            "total_num_update",
            "train_steps",
            "epochs",
            "max_epoch",
            "num_train_epochs",
        ],
    ),
    (
        "training.batch_tokens",
        &[
            "max_tokens",
            "batch_size",
            "tokens_per_batch",
            "update_freq",
            "batch_multiplier",
            "accum_count",
            "gradient_accumulation_steps",
        ],
    ),
    ("training.adam_beta1", &["adam_betas", "betas", "beta1"]),
    ("training.adam_epsilon", &["adam_eps", "eps"]),
    (
        "training.clip_norm",
        &["clip_grad_norm", "max_grad_norm", "gradient_clip_val", "grad_clip", "clip_gradients"],
    ),
    ("training.label_smoothing", &["smoothing", "label_smoothing_factor"]),
    ("training.early_stopping_patience", &["patience", "early_stopping"]),
    (
        "training.dev_interval_steps",
        &["validation_freq", "valid_freq", "validate_interval_updates", "eval_steps", "valid_steps"],
    ),
    (
        "training.checkpoint_interval_steps",
        &["save_interval_updates", "save_steps", "save_checkpoint_steps", "save_freq"],
    ),
    ("training.precision", &["fp16", "bf16", "amp", "dtype"]),
    ("decoding.beam", &["beam_size", "num_beams"]),
    ("decoding.length_penalty", &["lenpen", "beam_alpha", "alpha", "lp_alpha"]),
    ("data.merges", &["num_merges", "bpe_merges", "vocab_size", "voc_limit", "bpe_codes"]),
];

/// Words whose setting is elsewhere here: in the recipe of a corpus, in `[run]`, or nowhere.
const ELSEWHERE: [(&[&str], &str); 5] = [
    (
        &["source_lang", "src_lang", "src", "source_language"],
        "the languages belong to the corpus: source_language in the recipe that data.recipe names",
    ),
    (
        &["target_lang", "trg_lang", "tgt_lang", "tgt", "trg", "target_language"],
        "the languages belong to the corpus: target_language in the recipe that data.recipe names",
    ),
    (&["optimizer", "optim", "optimiser"], "the optimizer is Adam, with training.weight_decay AdamW"),
    (
        &["arch", "architecture", "model_type"],
        "models inherit from experiments/base.toml or experiments/big.toml by base = \"…\"",
    ),
    (&["use_cuda", "gpu", "gpus", "n_gpu"], "the device is run.device"),
];

/// Sections of other programs.
const SECTIONS: [(&str, &[&str]); 4] = [
    (
        "training",
        &["optimization", "optimizer", "optimisation", "trainer", "train", "lr_scheduler", "criterion"],
    ),
    ("decoding", &["testing", "generation", "test", "inference", "beam_search"]),
    ("data", &["dataset", "task", "datasets", "datamodule"]),
    ("run", &["logging", "common", "logger"]),
];

/// The advice for a word that is not among a section's keys `names`: the name of the same setting here.
pub(super) fn hint(word: &str, names: &[&str]) -> Option<String> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    if let Some((key, _)) = KEYS.iter().find(|(_, words)| words.contains(&word.as_str())) {
        let last = key.rsplit('.').next().unwrap_or(key);
        return Some(match names.contains(&last) {
            true => format!("here it is {last:?}"),
            false => format!("here it is {key}"),
        });
    }
    ELSEWHERE.iter().find(|(words, _)| words.contains(&word.as_str())).map(|(_, advice)| advice.to_string())
}

/// The advice for a word that is no section: the name of the same section here.
pub(super) fn section_hint(word: &str) -> Option<String> {
    let word = word.to_ascii_lowercase();
    let section =
        SECTIONS.iter().find(|(_, words)| words.contains(&word.as_str())).map(|(section, _)| *section);
    // The inner section of another one, written without the outer name.
    let inner = || SUBSECTIONS.into_iter().find(|name| name.rsplit('.').next() == Some(word.as_str()));
    section.or_else(inner).map(|section| format!("here it is [{section}]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::json_schema::sections;
    use schemars::generate::SchemaSettings;

    #[test]
    fn every_advice_names_a_key_that_is_there_and_no_word_is_one() {
        let mut generator = SchemaSettings::draft07().into_generator();
        let sections = sections(&mut generator);
        let has = |section: &str, key: &str| {
            sections.iter().any(|(name, keys)| *name == section && keys.contains_key(key))
        };
        let mut seen = std::collections::HashSet::new();
        for (key, words) in KEYS {
            let (section, name) = key.split_once('.').unwrap();
            assert!(has(section, name), "{key}");
            for word in words {
                assert!(!has(section, word), "{word} is a key of [{section}]");
                assert!(seen.insert(*word), "{word} stands for two keys");
            }
        }
        for (section, words) in SECTIONS {
            assert!(sections.iter().any(|(name, _)| *name == section));
            assert!(words.iter().all(|word| sections.iter().all(|(name, _)| name != word)));
        }
    }

    #[test]
    fn a_word_is_advised_on_by_the_section_it_stands_in() {
        assert_eq!(hint("ffn_dim", &["heads", "d_ff"]).unwrap(), "here it is \"d_ff\"");
        assert_eq!(hint("lr", &["heads", "d_ff"]).unwrap(), "here it is training.peak_learning_rate");
        assert_eq!(hint("Encoder-Layers", &["layers"]).unwrap(), "here it is \"layers\"");
        assert!(hint("source_lang", &[]).unwrap().contains("source_language in the recipe"));
        assert_eq!(hint("headz", &["heads"]), None);
        assert_eq!(section_hint("testing").unwrap(), "here it is [decoding]");
    }
}
