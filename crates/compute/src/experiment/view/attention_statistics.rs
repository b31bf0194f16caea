//! Sharpness of attention in each layer (`run.attention_statistics`): it shows the effect of a score function or of the
//! width of keys on the softmax (Vaswani et al. 2017, §3.2.1).

use super::reading::Reading;
use crate::config::Experiment;
use crate::data::store::Store;
use crate::model::Network;
use tch::{Kind, Tensor};

/// A row whose largest weight is above this one attends to one token alone, and the gradient of its scores is close to
/// 0.
const SHARP: f64 = 0.99;

/// Sums over the rows of one layer. A row is the attention of one head at one position.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Sharpness {
    rows: f64,
    /// Entropy in nats.
    entropy: f64,
    /// Number of rows with a weight above [`SHARP`].
    sharp: f64,
}

impl Sharpness {
    /// Adds the rows of a map [H, Q, K], each of which sums to 1.
    fn add(&mut self, map: &Tensor) {
        let map = map.to_kind(Kind::Double);
        self.rows += map.size()[..2].iter().product::<i64>() as f64;
        // -p ln p, and 0 where p is 0.
        self.entropy += map.special_entr().sum(Kind::Double).double_value(&[]);
        // No row has two such weights.
        self.sharp += map.gt(SHARP).sum(Kind::Double).double_value(&[]);
    }
}

/// Returns entropy and share of sharp rows by tag, as means over heads and positions of the first examples of a set
/// (number: `run.attention_statistics`): for the layers of encoder and decoder, and for cross-attention. The model reads
/// each example as in training, with its reference and without dropout. Layers that record no attention have no tags.
pub fn measure(model: &dyn Network, experiment: &Experiment, store: &Store) -> Vec<(String, f64)> {
    let mut kinds: [(&str, Vec<Sharpness>); 3] =
        ["encoder", "decoder", "cross"].map(|kind| (kind, Vec::new()));
    for example in 0..experiment.run.attention_statistics.min(store.len()) {
        let maps = Reading::of_example(experiment, store, example).maps(model);
        for ((_, layers), maps) in kinds.iter_mut().zip([&maps.encoder, &maps.decoder, &maps.cross]) {
            layers.resize(maps.len(), Sharpness::default());
            layers.iter_mut().zip(maps).for_each(|(layer, map)| layer.add(map));
        }
    }
    let tags = |(kind, layers): (&str, Vec<Sharpness>)| {
        let of_layer = move |(number, layer): (usize, Sharpness)| {
            let place = format!("attention/{kind}_{number}");
            let Sharpness { rows, entropy, sharp } = layer;
            [(format!("{place}_entropy"), entropy / rows), (format!("{place}_above_0.99"), sharp / rows)]
        };
        (1..).zip(layers).flat_map(of_layer).collect::<Vec<_>>()
    };
    kinds.into_iter().flat_map(tags).collect()
}

#[cfg(test)]
mod tests {
    use super::super::reading::tests::experiment;
    use super::*;
    use crate::data::store::StoreWriter;
    use crate::model::{EncoderDecoder, ModelConfig};
    use tch::Device;

    /// Two heads of two positions each, by hand: entropies 0, ln 2, ln 4 and
    /// -(0.995 ln 0.995 + 0.005 ln 0.005) = 0.03147907 nats; two of the four rows are sharp.
    #[test]
    fn entropy_and_sharp_rows_are_those_computed_by_hand() {
        let rows = [1.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.0, 0.0, 0.25, 0.25, 0.25, 0.25, 0.995, 0.005, 0.0, 0.0];
        let mut layer = Sharpness::default();
        layer.add(&Tensor::from_slice(&rows).view([2, 2, 4]));
        layer.add(&Tensor::from_slice(&[0.98f32, 0.02]).view([1, 1, 2]));
        assert_eq!((layer.rows, layer.sharp), (5.0, 2.0));
        let by_hand = 2f64.ln() + 4f64.ln() + 0.031_479_065_9 + 0.098_039_113;
        assert!((layer.entropy - by_hand).abs() < 1e-6, "{} and {by_hand}", layer.entropy);
    }

    /// In a model whose queries are 0, every position attends equally to all tokens that it sees: entropies are
    /// logarithms of their numbers.
    #[test]
    fn a_model_that_attends_evenly_has_the_entropy_of_even_weights() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev.store");
        let mut writer = StoreWriter::create(&path, 20, [0; 32]).unwrap();
        writer.push(&[4, 5, 6], &[7]).unwrap();
        writer.push(&[8], &[9, 10]).unwrap();
        writer.push(&[11], &[12]).unwrap();
        writer.finish().unwrap();
        let store = Store::open(&path, [0; 32]).unwrap();
        let config =
            ModelConfig { layers: 2, d_model: 8, d_ff: 12, heads: 2, dropout: 0.5, ..Default::default() };
        let model = EncoderDecoder::build(&config, 20, 1, Kind::Float, Device::Cpu);
        for (path, variable) in model.weights().named() {
            if path.contains(".query.") {
                let _ = tch::no_grad(|| variable.shallow_clone().zero_());
            }
        }
        let found = |sentences| {
            let mut experiment = experiment("lines", config.clone());
            experiment.run.attention_statistics = sentences;
            measure(&model, &experiment, &store)
        };
        assert!(found(0).is_empty());
        let of_two = found(2);
        // Sources of 4 and 2 tokens, targets of 2 and 3; position n of a target sees n tokens.
        let encoder = (4.0 * 4f64.ln() + 2.0 * 2f64.ln()) / 6.0;
        let decoder = (2.0 * 2f64.ln() + 3f64.ln()) / 5.0;
        let cross = (2.0 * 4f64.ln() + 3.0 * 2f64.ln()) / 5.0;
        // The first position of a target sees only itself.
        let expected = [("encoder", encoder, 0.0), ("decoder", decoder, 2.0 / 5.0), ("cross", cross, 0.0)];
        let mut rest = of_two.iter();
        for (kind, entropy, sharp) in expected {
            for layer in 1..=2 {
                for (what, value) in [("entropy", entropy), ("above_0.99", sharp)] {
                    let (tag, number) = rest.next().unwrap();
                    assert_eq!(tag, &format!("attention/{kind}_{layer}_{what}"));
                    assert!((number - value).abs() < 1e-6, "{tag}: {number}, not {value}");
                }
            }
        }
        assert!(rest.next().is_none());
        assert_eq!(found(3), found(99));
    }
}
