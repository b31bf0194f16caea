//! Translations, and continued texts.

use crate::common::enlarge;
use crate::pinned::hold;
use crate::small::{VOCABULARY, build, draws, models};
use ablate::data::reading::FirstInput;
use ablate::decode::DecodingConfig;
use ablate::decode::sample::{Request, Sampling, generate};
use ablate::decode::translate::translate;
use ablate::model::{EncoderKind, ModelConfig, Network};
use ablate::signal::StopFlag;
use serde_json::{Map, Value, json};
use tch::Kind;

/// Builds a model with its first weights, which are the same on every processor, but enlarged: its output then depends on
/// the source.
fn with_large_weights(config: &ModelConfig) -> Box<dyn Network> {
    let model = build(config, 5, Kind::Float);
    enlarge(&*model, 3.0);
    model
}

#[test]
fn translations_in_float32() {
    let mut draw = draws(6);
    let mut sources: Vec<Vec<u32>> =
        (0..12).map(|_| (0..1 + draw(8)).map(|_| 3 + draw(10) as u32).collect()).collect();
    sources.push(Vec::new());
    let mut cases = Map::new();
    for (name, config) in models().into_iter().filter(|(_, config)| config.has_decoder()) {
        let model = with_large_weights(&config);
        for (search, beam, length_penalty) in [("greedy", 1, 0.0), ("beam of 4", 4, 0.6)] {
            let decoding = DecodingConfig {
                beam,
                length_penalty,
                max_extra_length: 6,
                batch_tokens: 150,
                ..Default::default()
            };
            let stop = StopFlag::never();
            let found = translate(&*model, &decoding, VOCABULARY, &sources, 1, &stop, &mut |_| ()).unwrap();
            let found: Vec<Value> = found
                .into_iter()
                .map(|mut best| best.swap_remove(0))
                .map(|best| {
                    let tokens: Vec<String> = best.tokens.iter().map(u32::to_string).collect();
                    json!([tokens.join(" "), best.log_probability, best.score])
                })
                .collect();
            cases.insert(format!("{name}, {search}"), found.into());
        }
    }
    hold("translations", 1e-4, cases);
}

#[test]
fn continued_texts_in_float32() {
    let (_, config) = models().swap_remove(0);
    let model = with_large_weights(&ModelConfig { encoder: EncoderKind::None, ..config });
    let mut cases = Map::new();
    for (name, sampling) in [
        ("plain", Sampling::PLAIN),
        ("temperature 2", Sampling { temperature: 2.0, ..Sampling::PLAIN }),
        ("best 3", Sampling { temperature: 2.0, top_k: Some(3), top_p: None }),
        ("half of the probability", Sampling { temperature: 2.0, top_k: None, top_p: Some(0.5) }),
    ] {
        for (behind, first_input) in [("<s>", FirstInput::Bos), ("other text", FirstInput::PreviousToken)] {
            let request = Request {
                prompt: &[5, 9, 4],
                first_input,
                tokens: 40,
                sampling,
                seed: 1,
                vocabulary: VOCABULARY,
                window: 12,
            };
            let found = generate(&*model, &request, &mut |_| Ok(())).unwrap();
            let tokens: Vec<String> = found.iter().map(u32::to_string).collect();
            cases.insert(format!("{name}, behind {behind}"), tokens.join(" ").into());
        }
    }
    hold("continued_texts", 0.0, cases);
}
