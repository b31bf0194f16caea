//! Attention weights of a model for one sentence pair, softmax(QKᵀ / √d_k) with the paper's score (§3.2.1, appendix).

use tch::Tensor;

/// Attention weights, layer by layer from the input up. Each row of a map sums to 1.
#[derive(Debug, Default)]
pub struct AttentionMaps {
    /// The encoder's self-attention: [H, S, S] each; empty for layers that attend to mixtures of positions.
    pub encoder: Vec<Tensor>,
    /// The decoder's self-attention: [H, T, T] each.
    pub decoder: Vec<Tensor>,
    /// Attention from the decoder's positions to the encoder's: [H, T, S] each.
    pub cross: Vec<Tensor>,
}

/// Turns the recorded weights of each layer, [1, H, Q, K] for a batch of one sentence, into maps [H, Q, K].
pub fn of_one_sentence(recorded: Vec<Tensor>) -> Vec<Tensor> {
    recorded.into_iter().map(|weights| weights.squeeze_dim(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mode::Mode;
    use crate::model::{AttentionConfig, CausalSpan, EncoderDecoder, ModelConfig, Network, Norm, Span};
    use tch::{Device, Kind};

    const D: i64 = 8;
    const HEADS: i64 = 2;

    fn model(norm: Norm) -> EncoderDecoder {
        let config = ModelConfig {
            layers: 2,
            d_model: D,
            d_ff: 16,
            heads: HEADS,
            dropout: 0.5,
            attention_dropout: 0.5,
            norm,
            ..Default::default()
        };
        EncoderDecoder::build(&config, 20, 3, Kind::Double, Device::Cpu)
    }

    fn pair() -> (Tensor, Tensor) {
        (Tensor::from_slice(&[5i64, 6, 7, 2]).view([1, 4]), Tensor::from_slice(&[1i64, 9, 8]).view([1, 3]))
    }

    fn gap(a: &Tensor, b: &Tensor) -> f64 {
        (a - b).abs().max().double_value(&[])
    }

    #[test]
    fn rows_sum_to_one_and_the_decoder_does_not_look_ahead() {
        let (source, target) = pair();
        for norm in [Norm::Post, Norm::Pre] {
            let maps = model(norm).attention_maps(&source, &target, None);
            for (maps, queries, keys) in [(&maps.encoder, 4, 4), (&maps.decoder, 3, 3), (&maps.cross, 3, 4)] {
                assert_eq!(maps.len(), 2);
                for map in maps {
                    assert_eq!(map.size(), [HEADS, queries, keys]);
                    let sums = map.sum_dim_intlist(-1, false, Kind::Double);
                    assert!(gap(&sums, &sums.ones_like()) < 1e-12);
                    assert!(map.min().double_value(&[]) >= 0.0);
                }
            }
            assert_eq!(maps.decoder.iter().map(|map| map.triu(1).max().double_value(&[])).sum::<f64>(), 0.0);
        }
    }

    /// Computes softmax(QKᵀ / √d_k) of the first layers, from the weights and the embedded tokens alone.
    #[test]
    fn the_first_layers_maps_are_the_definition() {
        let model = model(Norm::Post);
        let (source, target) = pair();
        let weight = |name: &str| {
            let named = model.weights().named().iter().find(|(path, _)| path == name);
            named.map(|(_, tensor)| tensor.detach()).unwrap_or_else(|| panic!("no {name}"))
        };
        let map = |layer: &str, ids: &Tensor, masked: bool| {
            let length = ids.size()[1];
            let x = weight("embedding.shared.weight").index_select(0, &ids.view(-1)) * (D as f64).sqrt()
                + model.position_table(length).unwrap();
            let project = |name: &str| {
                let (matrix, bias) = (format!("{layer}.{name}.weight"), format!("{layer}.{name}.bias"));
                (x.matmul(&weight(&matrix).tr()) + weight(&bias)).view([length, HEADS, -1]).transpose(0, 1)
            };
            let (queries, keys) = (project("query"), project("key")); // [H, T, K]
            let scores = queries.matmul(&keys.transpose(1, 2)) / (D as f64 / HEADS as f64).sqrt();
            let hidden = Tensor::ones([length, length], (Kind::Bool, Device::Cpu)).triu(1);
            let scores = if masked { scores.masked_fill(&hidden, f64::NEG_INFINITY) } else { scores };
            scores.softmax(-1, Kind::Double)
        };
        let maps = model.attention_maps(&source, &target, None);
        assert!(gap(&maps.encoder[0], &map("encoder.0.self_attention", &source, false)) < 1e-12);
        assert!(gap(&maps.decoder[0], &map("decoder.0.self_attention", &target, true)) < 1e-12);
    }

    #[test]
    fn spans_have_maps_of_what_they_show_and_mixtures_of_positions_have_none() {
        let source = (Tensor::arange(9, (Kind::Int64, Device::Cpu)) + 3).view([1, 9]);
        let target = (Tensor::arange(7, (Kind::Int64, Device::Cpu)) + 5).view([1, 7]);
        let big_bird = Span::BigBird { block: 1, random: 1, global: 1 };
        for span in [Span::Local(3), big_bird, Span::Linformer(4)] {
            let attention =
                AttentionConfig { span, decoder_span: Some(CausalSpan::Local(2)), ..Default::default() };
            let config = ModelConfig {
                layers: 2,
                d_model: D,
                d_ff: 16,
                heads: HEADS,
                dropout: 0.0,
                attention,
                ..Default::default()
            };
            let model = EncoderDecoder::build(&config, 20, 3, Kind::Double, Device::Cpu);
            let maps = model.attention_maps(&source, &target, None);
            assert_eq!(maps.encoder.len(), if span == Span::Linformer(4) { 0 } else { 2 });
            assert_eq!((maps.decoder.len(), maps.cross.len()), (2, 2));
            for map in maps.encoder.iter().chain(&maps.decoder) {
                let sums = map.sum_dim_intlist(-1, false, Kind::Double);
                assert!(gap(&sums, &sums.ones_like()) < 1e-12);
            }
            let seen = |maps: &[Tensor]| maps[0].gt(0.0).sum(Kind::Int64).int64_value(&[]) / HEADS;
            match span {
                // A window of three, cut off before the first position and after the last.
                Span::Local(_) => assert_eq!(seen(&maps.encoder), 9 * 3 - 2),
                // The global block sees all nine; each other one sees the global block, its window and a random block.
                Span::BigBird { .. } => assert_eq!(seen(&maps.encoder), 9 + 6 * 5 + 2 * 4),
                _ => {}
            }
            assert_eq!(seen(&maps.decoder), 7 * 2 - 1);
            let output = |mode: &Mode| model.decode(&target, &model.encode(&source, &[9], mode), mode);
            assert!(
                gap(&output(&Mode::recording_attention()), &output(&Mode::evaluation())) < 1e-12,
                "{span:?}"
            );
        }
    }

    #[test]
    fn to_be_watched_changes_nothing() {
        let model = model(Norm::Pre);
        let (source, target) = pair();
        let output = |mode: &Mode| model.decode(&target, &model.encode(&source, &[4], mode), mode);
        assert_eq!(output(&Mode::recording_attention()), output(&Mode::evaluation()));
        let training = Mode::training(1);
        let _ = output(&training);
        assert!(training.into_attention().is_empty());
    }
}
