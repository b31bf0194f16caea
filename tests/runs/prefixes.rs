//! Translation without an encoder: a decoder that reads `<source> </s> <s>` and continues with the target.

use crate::common::data::stored;
use crate::common::runs::RUN;
use crate::common::{EXPERIMENT, Workshop, enlarge};
use ablate::data::collate::collate_prefixes;
use ablate::decode::DecodingConfig;
use ablate::decode::translate::translate;
use ablate::model::mode::Mode;
use ablate::model::recurrent::{Alignment, InputFeeding};
use ablate::model::{self, DecoderKind, EncoderKind, ModelConfig, Network, Position, RecurrentConfig, Tying};
use ablate::results::record::Record;
use ablate::signal::StopFlag;
use ablate::task::pairs::prefix_likelihood;
use ablate::train::examples::Examples;
use ablate::train::pairs::Pairs;
use ablate::train::{PrefixLoss, TrainingConfig};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

const VOCABULARY: usize = 13;

fn configs() -> Vec<ModelConfig> {
    let plain = ModelConfig {
        encoder: EncoderKind::None,
        layers: 2,
        d_model: 16,
        d_ff: 24,
        heads: 2,
        learned_positions: 32,
        ..Default::default()
    };
    let recurrent = RecurrentConfig {
        hidden: 12,
        attention: Alignment::None,
        input_feeding: InputFeeding::Readout,
        ..Default::default()
    };
    vec![
        ModelConfig { position: Position::Rotary, ..plain.clone() },
        ModelConfig { position: Position::Learned, ..plain.clone() },
        ModelConfig { position: Position::Relative(2), ..plain.clone() },
        ModelConfig { decoder: DecoderKind::Recurrent, tying: Tying::None, recurrent, ..plain },
    ]
}

fn model(config: &ModelConfig, kind: Kind) -> Box<dyn Network> {
    let model = model::build(config, VOCABULARY, 5, kind, Device::Cpu);
    enlarge(&*model, 2.0);
    model
}

/// Sources of different lengths in one batch, by greedy and beam search: the probability of a hypothesis is the one that
/// the model gives it when it reads source and target at once.
#[test]
fn a_search_finds_what_the_whole_rows_say() {
    let sources: Vec<Vec<u32>> =
        vec![vec![4, 9, 3], vec![7], vec![5, 5, 8, 12, 6], vec![10, 4, 3], vec![11, 3, 4, 9, 5]];
    for (config, kind) in
        configs().into_iter().flat_map(|config| [(config.clone(), Kind::Double), (config, Kind::Float)])
    {
        let model = model(&config, kind);
        for beam in [1, 3] {
            let decoding = DecodingConfig {
                beam,
                length_penalty: 0.0,
                max_extra_length: 5,
                batch_tokens: 10_000,
                ..Default::default()
            };
            let stop = StopFlag::never();
            let found =
                translate(&*model, &decoding, VOCABULARY, &sources, beam, &stop, &mut |_| ()).unwrap();
            for (source, hypotheses) in sources.iter().zip(found) {
                assert!((1..=beam).contains(&hypotheses.len()));
                for best in hypotheses {
                    let (_folder, store) = stored(VOCABULARY, &[(source.clone(), best.tokens.clone())]);
                    let whole = prefix_likelihood(&*model, &store, 1_000).unwrap();
                    // A hypothesis that was cut off does not end with `</s>`.
                    let ends = best.tokens.len() < source.len() + decoding.max_extra_length;
                    let gap = (best.log_probability + whole.nats).abs();
                    let close = if kind == Kind::Double { 1e-9 } else { 1e-3 };
                    assert!(!ends || gap < close, "{config:?}, beam {beam}: {gap:e}");
                }
            }
        }
    }
}

/// A pair has the same probability beside others, and that of its target does not depend on the training loss.
#[test]
fn rows_hold_source_and_target_and_what_is_predicted_of_them() {
    let pairs = [(vec![4, 9, 3], vec![7, 8]), (vec![6], vec![5, 5, 5, 10]), (vec![8, 8], vec![])];
    let (_folder, store) = stored(VOCABULARY, &pairs);
    let batch = |loss| collate_prefixes(&store, &[0, 1, 2], loss, Device::Cpu);
    let numbers = |tensor: &Tensor| Vec::<i64>::try_from(tensor.flatten(0, -1)).unwrap();
    let target = batch(PrefixLoss::Target);
    assert_eq!(target.target_input.size(), [3, 7]);
    assert_eq!(
        numbers(&target.target_input),
        [4, 9, 3, 2, 1, 7, 8, 6, 2, 1, 5, 5, 5, 10, 8, 8, 2, 1, 0, 0, 0]
    );
    assert_eq!(numbers(&target.positions), [4, 5, 6, 9, 10, 11, 12, 13, 17]);
    assert_eq!(numbers(&target.targets), [7, 8, 2, 5, 5, 5, 10, 2, 2]);
    let both = batch(PrefixLoss::Both);
    assert_eq!(numbers(&both.positions), [0, 1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 17]);
    assert_eq!(numbers(&both.targets), [9, 3, 2, 7, 8, 2, 2, 5, 5, 5, 10, 2, 8, 2, 2]);
    for loss in [PrefixLoss::Target, PrefixLoss::Both] {
        let config = TrainingConfig { prefix_loss: loss, ..Default::default() };
        let examples = Pairs::as_prefixes(&store, &config);
        let batch = batch(loss);
        assert_eq!(examples.target_tokens(&[0, 1, 2]), batch.target_tokens);
        assert_eq!(examples.epoch_tokens(), batch.target_tokens as u64);
        let shape = examples.shape(&[0, 1, 2]);
        assert_eq!((shape.pairs, shape.source, shape.target), (3, 0, 7));
        assert_eq!(shape.scored as usize, batch.target_tokens);
    }
    for config in configs() {
        let model = model(&config, Kind::Double);
        let hidden = tch::no_grad(|| model.hidden(&target, &Mode::evaluation()));
        let (_folder, alone) = stored(VOCABULARY, &pairs[..1]);
        let alone = collate_prefixes(&alone, &[0], PrefixLoss::Target, Device::Cpu);
        let alone = tch::no_grad(|| model.hidden(&alone, &Mode::evaluation()));
        let gap = (hidden.narrow(0, 0, 3) - alone).abs().max().double_value(&[]);
        assert!(gap < 1e-12, "{config:?}: {gap:e}");
    }
}

/// From training to scores and views.
#[test]
fn a_decoder_alone_translates() {
    let workshop = Workshop::new();
    let text = EXPERIMENT.replace("[model]", "[model]\nencoder = \"none\"");
    workshop.write("tiny.toml", &text.replace("[run]", "[run]\nattention_statistics = 2"));
    let out = workshop.run(&["train", "tiny.toml"]).expect(0).out();
    assert!(out.contains("BLEU"), "{out}");
    let record = Record::load(&workshop.path(RUN)).unwrap().unwrap();
    assert!(record.metrics.contains_key("test/bleu") && record.metrics["dev/perplexity"] < 300.0);
    workshop.run(&["verify", RUN, "--decode"]).expect(0);
    let attention: Value = serde_json::from_str(&workshop.text(format!("{RUN}/attention.json"))).unwrap();
    let sentence = &attention["sentences"][0];
    let tokens = sentence["target"].as_array().unwrap();
    assert_eq!(sentence["source"].as_array().unwrap().len(), 0);
    assert_eq!(tokens.iter().filter(|token| *token == "<s>").count(), 1, "{tokens:?}");
    let map = &sentence["maps"][0];
    assert_eq!(
        (map["kind"].as_str(), map["weights"].as_array().unwrap().len()),
        (Some("decoder"), tokens.len())
    );
    // The loss over both sides is another training with the same measures.
    let both = ["train", "tiny.toml", "--name", "both", "--set", "training.prefix_loss=both"];
    workshop.run(&both).expect(0);
    let other = Record::load(&workshop.path("results/both/seed-1")).unwrap().unwrap();
    assert_ne!(other.metrics["dev/perplexity"], record.metrics["dev/perplexity"]);
    workshop.run(&["generate", RUN]).expect(2).says("is no language model");
}

#[test]
fn what_does_not_go_without_an_encoder_is_refused() {
    let workshop = Workshop::new();
    let text = EXPERIMENT.replace("[model]", "[model]\nencoder = \"none\"");
    workshop.write("tiny.toml", &text);
    for (sets, said) in [
        (
            &["data.vocabulary=separate", "model.tying=none"][..],
            "source and target are one text: it has one vocabulary",
        ),
        (&["training.packed_length=64"], "source and target are one text: a row holds one pair"),
        (
            &["model.position=learned", "model.learned_positions=70"],
            "one for the end of the sentence, once for the source and once for the target, and \
             decoding.max_extra_length = 4 make 126",
        ),
        (
            &["model.encoder=self_attention", "training.prefix_loss=both"],
            "training.prefix_loss has no effect",
        ),
    ] {
        workshop.refuses("tiny.toml", sets, &[said]);
    }
    let process = workshop.run(&["train", "tiny.toml", "--set", "training.packed_length=64"]).expect(2);
    process.says("source and target are one text: a row holds one pair");
    assert!(!workshop.path("results").exists());
}
