//! The convolutional encoder (`model.encoder = "convolutional"`).

use super::layer::{Layer, deviation, retained};
use super::map::Map;
use crate::model::ModelConfig;
use crate::model::mask;
use crate::model::mode::Mode;
use crate::model::parts::{Encoded, EncoderPart, SourceRows};
use crate::model::weights::Scope;
use tch::Tensor;

/// `encoder_layers` and further layers, between two linear maps from and to the width of the embeddings.
///
/// # Source
/// Gehring et al. 2017, §3.2; Kalchbrenner et al. 2016, §3.
#[derive(Debug)]
pub struct ConvolutionalEncoder {
    input: Map,
    layers: Vec<Layer>,
    output: Map,
    /// Factor of the gradients of the states; absent if it is 1.
    gradient_share: Option<f64>,
}

impl ConvolutionalEncoder {
    pub fn build(scope: &Scope, config: &ModelConfig) -> Self {
        let (settings, d_model) = (&config.convolutional, config.d_model);
        let shapes = settings.encoder_shapes();
        let last = shapes.last().map_or(settings.channels, |shape| shape.channels);
        let moment = 1.0 / retained(config);
        let input = (d_model, settings.channels);
        let asking = config.attending_layers();
        ConvolutionalEncoder {
            input: Map::linear(&scope.child("input"), input, deviation(d_model, moment), settings),
            layers: shapes
                .into_iter()
                .enumerate()
                .map(|(index, shape)| Layer::build(&scope.child(index), shape, config))
                .collect(),
            output: Map::linear(&scope.child("output"), (last, d_model), deviation(last, 1.0), settings),
            gradient_share: (settings.scale_encoder_gradients && asking > 1).then(|| 1.0 / asking as f64),
        }
    }

    /// Computes the layers alone, without the maps around them. `real`, needed if there is padding, is 1 at real tokens
    /// and 0 at padding.
    ///
    /// # Shapes
    /// [B, S, first width], `real` [B, S, 1] → [B, S, last width].
    pub fn through_layers(&self, x: Tensor, real: Option<&Tensor>, mode: &Mode) -> Tensor {
        self.layers.iter().fold(x, |hidden, layer| {
            let (before, behind) = (layer.context() - layer.behind(), layer.behind());
            let layer = layer.ready(&hidden);
            let with_context = |inner: Tensor| {
                let inner = match real {
                    Some(real) => inner * real,
                    None => inner,
                };
                inner.constant_pad_nd([0, 0, before, behind])
            };
            let made = layer.transform(&hidden, with_context, mode);
            layer.join(&hidden, made)
        })
    }
}

impl EncoderPart for ConvolutionalEncoder {
    /// Padding is set to zero before every convolution, so that other sentences of the batch change nothing.
    ///
    /// # Panics
    /// If rows hold several sentences; see [`takes_packed_rows`](EncoderPart::takes_packed_rows).
    fn encode(&self, x: Tensor, rows: SourceRows, mode: &Mode) -> Encoded {
        let SourceRows::Single(lengths) = rows else {
            panic!("a convolutional encoder reads one sentence a row")
        };
        let (kind, device) = (x.kind(), x.device());
        let (batch, width) = (x.size()[0], x.size()[1]);
        let mask = mask::padding(lengths, width, kind, device);
        let is_padded = lengths.iter().any(|&length| length < width);
        let real = is_padded.then(|| mask.view([batch, width, 1]).eq(0.0).to_kind(kind));
        let hidden = self.through_layers(self.input.ready(&x).forward(&x), real.as_ref(), mode);
        let output = self.output.ready(&x).forward(&hidden);
        let output = match self.gradient_share {
            Some(share) => with_gradient_times(share, output),
            None => output,
        };
        Encoded { output, embedded: x, mask, lengths: lengths.to_vec(), last: Vec::new() }
    }
}

/// Returns `x` unchanged to the bit; the gradients that flow back through it are multiplied by `share`.
fn with_gradient_times(share: f64, x: Tensor) -> Tensor {
    if !x.requires_grad() {
        return x;
    }
    let fixed = x.detach();
    (x - &fixed) * share + fixed
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn gradients_are_scaled_and_values_are_not() {
        let x = Tensor::from_slice(&[0.1f64, -3.7, 1e9]).set_requires_grad(true);
        let y = with_gradient_times(0.25, x.shallow_clone());
        assert_eq!(y, x);
        y.square().sum(Kind::Double).backward();
        assert_eq!(x.grad(), x.detach() * 0.5);
        assert_eq!(y.device(), Device::Cpu);
    }
}
