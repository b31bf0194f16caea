//! The tokens that a model reads of an example, for views of its attention.

use crate::config::Experiment;
use crate::data::masking::{MaskedBlock, Masks};
use crate::data::store::Store;
use crate::data::text_pairs::{Second, TextPair};
use crate::data::tokenizer::{BOS, EOS};
use crate::model::Network;
use crate::model::attention::maps::AttentionMaps;
use crate::train::TaskKind;
use tch::Tensor;

/// The ids that a model reads, with the special tokens.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// Ids that the encoder reads; a translation model without an encoder reads these first.
    pub source: Vec<u32>,
    /// Ids that the decoder reads.
    pub target: Vec<u32>,
    /// Number of tokens in the source before the second of two texts, if there are two.
    pub before_second: Option<usize>,
}

impl Reading {
    /// Returns the input for a source and the tokens of its translation.
    pub fn of_translation(mut source: Vec<u32>, written: &[u32]) -> Self {
        source.push(EOS);
        Reading { source, target: [&[BOS], written].concat(), before_second: None }
    }

    /// Returns example `number` of a set as training reads it; for a masked language model with nothing hidden, and
    /// with the second text that really follows the first.
    ///
    /// # Panics
    /// If the set has no such example.
    pub fn of_example(experiment: &Experiment, store: &Store, number: usize) -> Self {
        match experiment.task() {
            TaskKind::Translation | TaskKind::Parsing => {
                Reading::of_translation(store.source(number), &store.target(number))
            }
            TaskKind::LanguageModelling | TaskKind::WordVectors => {
                let (target, _) = experiment.training.block_reading().inputs_and_targets(store, number);
                Reading { target, ..Reading::default() }
            }
            TaskKind::MaskedLanguageModelling if experiment.model.tells_next_sentence() => {
                // The cut is the same as for the dev loss. The vocabulary (0) matters only for masks.
                let seed = Masks::of_evaluation(0).seed();
                let pair = TextPair::draw(store, number, Second::Following, seed, number as u32);
                let unmasked = MaskedBlock { input: pair.ids.clone(), places: Vec::new() };
                let source = pair.surround(unmasked).input;
                Reading { source, before_second: Some(pair.before_second()), ..Reading::default() }
            }
            TaskKind::MaskedLanguageModelling => {
                Reading { source: store.target(number), ..Reading::default() }
            }
        }
    }

    /// Keeps the first `count` tokens of both sides.
    pub fn truncate(&mut self, count: usize) {
        self.source.truncate(count);
        self.target.truncate(count);
    }

    /// Returns the attention weights of `model` for this input. The target is truncated to the model's room.
    pub fn maps(&mut self, model: &dyn Network) -> AttentionMaps {
        self.target.truncate(model.room(self.source.len()).unwrap_or(usize::MAX));
        let row = |numbers: Vec<i64>| Tensor::from_slice(&numbers).unsqueeze(0).to_device(model.device());
        let ids = |tokens: &[u32]| row(tokens.iter().map(|&token| i64::from(token)).collect());
        let second = |before| (0..self.source.len()).map(|place| i64::from(place >= before)).collect();
        let segments = self.before_second.map(|before| row(second(before)));
        model.attention_maps(&ids(&self.source), &ids(&self.target), segments.as_ref())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::data::store::StoreWriter;
    use crate::model::{DecoderKind, EncoderKind, EncoderOnly, MaskedConfig, ModelConfig};
    use crate::train::{Direction, FirstInput};
    use tch::{Device, Kind};

    /// Returns an experiment with this model over files of this format.
    pub fn experiment(format: &str, model: ModelConfig) -> Experiment {
        let file = serde_json::json!({"source": "a", "target": "a", "format": format});
        let files = serde_json::json!({"train": [file.clone()], "dev": file.clone(), "test": file});
        let recipe = serde_json::json!({
            "name": "text", "source_language": "en", "target_language": "en", "corpus": {"files": files},
        });
        let mut experiment: Experiment =
            serde_json::from_value(serde_json::json!({"data": {"recipe": recipe}})).unwrap();
        experiment.model = model;
        experiment
    }

    /// Writes three blocks of running text.
    fn blocks() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev.store");
        let mut writer = StoreWriter::create(&path, 30, [0; 32]).unwrap();
        for block in [[10, 11, 12], [13, 14, 15], [16, 17, 18]] {
            writer.push(&[], &block).unwrap();
        }
        writer.finish().unwrap();
        (folder, Store::open(&path, [0; 32]).unwrap())
    }

    #[test]
    fn of_a_block_a_language_model_reads_what_it_is_trained_on() {
        let (_folder, store) = blocks();
        let alone = ModelConfig { encoder: EncoderKind::None, ..Default::default() };
        let mut experiment = experiment("running", alone);
        for (direction, first_input, expected) in [
            (Direction::Forward, FirstInput::Bos, [BOS, 13, 14]),
            (Direction::Forward, FirstInput::PreviousToken, [12, 13, 14]),
            (Direction::Backward, FirstInput::Bos, [BOS, 15, 14]),
            (Direction::Backward, FirstInput::PreviousToken, [16, 15, 14]),
        ] {
            (experiment.training.direction, experiment.training.first_input) = (direction, first_input);
            let read = Reading::of_example(&experiment, &store, 1);
            assert_eq!(read, Reading { target: expected.to_vec(), ..Reading::default() });
        }
    }

    #[test]
    fn of_two_texts_a_model_reads_both_with_their_segments() {
        let (_folder, store) = blocks();
        let masked = MaskedConfig { segments: 2, next_sentence: true, ..Default::default() };
        let small = ModelConfig { layers: 2, d_model: 8, d_ff: 12, heads: 2, masked, ..Default::default() };
        let experiment = experiment("running", ModelConfig { decoder: DecoderKind::None, ..small });
        let mut read = Reading::of_example(&experiment, &store, 1);
        let before = read.before_second.unwrap();
        let (first, second) = read.source.split_at(before);
        assert_eq!((first[0], first[before - 1], second[second.len() - 1]), (EOS, EOS, EOS));
        assert_eq!([&first[1..before - 1], &second[..second.len() - 1]].concat(), [13, 14, 15]);
        let model = EncoderOnly::build(&experiment.model, 30, 1, Kind::Double, Device::Cpu);
        let maps = read.maps(&model);
        let ids: Vec<i64> = read.source.iter().map(|&id| i64::from(id)).collect();
        let segments: Vec<i64> = (0..6).map(|place| i64::from(place >= before)).collect();
        let [ids, segments] = [ids, segments].map(|row| Tensor::from_slice(&row).unsqueeze(0));
        let nothing = Tensor::zeros([1, 0], (Kind::Int64, Device::Cpu));
        let expected = |segments| model.attention_maps(&ids, &nothing, segments).encoder.remove(0);
        assert_eq!(maps.encoder[0], expected(Some(&segments)));
        assert_ne!(maps.encoder[0], expected(None));
        // Truncation removes the end of the second text.
        read.truncate(before + 1);
        assert_eq!(read.maps(&model).encoder[0].size(), [2, before as i64 + 1, before as i64 + 1]);
    }
}
