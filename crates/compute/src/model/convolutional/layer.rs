//! A layer of convolutions (`model.convolutional.block`). The caller provides the context before and behind a position,
//! so that encoder, decoder and decoding token by token share the layer.

use super::map::{Map, ReadyMap};
use super::{Block, HALF_ROOT, LayerShape};
use crate::model::ModelConfig;
use crate::model::dropout::Dropout;
use crate::model::mode::Mode;
use crate::model::norm::Normalisation;
use crate::model::weights::Scope;
use tch::Tensor;

/// One layer.
///
/// # Source
/// Gehring et al. 2017, §3.2 and 3.5; Kalchbrenner et al. 2016, §3.5.
#[derive(Debug)]
pub struct Layer {
    shape: LayerShape,
    dropout: Dropout,
    inner: Inner,
    /// Map of the residual connection, if widths differ.
    residual: Option<Map>,
}

#[derive(Debug)]
enum Inner {
    Gated {
        kernel: Map,
    },
    /// Each map has a norm and a ReLU before it.
    Bottleneck {
        norms: Box<[Normalisation; 3]>,
        narrow: Map,
        kernel: Map,
        wide: Map,
    },
}

/// A [`Layer`] with its weights ready for one pass.
#[derive(Debug)]
pub struct ReadyLayer<'a> {
    layer: &'a Layer,
    inner: ReadyInner<'a>,
    residual: Option<ReadyMap>,
}

#[derive(Debug)]
enum ReadyInner<'a> {
    Gated { kernel: ReadyMap },
    Bottleneck { norms: &'a [Normalisation; 3], narrow: ReadyMap, kernel: ReadyMap, wide: ReadyMap },
}

/// Returns the standard deviation of fresh weights for `inputs` numbers of second moment `moment`, so that the output
/// has variance 1.
pub fn deviation(inputs: i64, moment: f64) -> f64 {
    (1.0 / (inputs as f64 * moment)).sqrt()
}

/// Returns the share of numbers that dropout keeps.
pub fn retained(config: &ModelConfig) -> f64 {
    1.0 - config.dropout
}

impl Layer {
    /// Builds the layer. The input of gates gets four times the variance, because gates let a quarter through.
    pub fn build(scope: &Scope, shape: LayerShape, config: &ModelConfig) -> Self {
        let settings = &config.convolutional;
        let LayerShape { inputs, channels, .. } = shape;
        let inner = match settings.block {
            Block::Gated => {
                let moment = 1.0 / (4.0 * retained(config));
                let deviation = deviation(inputs * shape.kernel, moment);
                let scope = scope.child("kernel");
                Inner::Gated {
                    kernel: Map::kernel(&scope, (inputs, 2 * channels), &shape, deviation, settings),
                }
            }
            Block::Bottleneck => {
                let middle = shape.narrow();
                let [narrow, kernel, wide] = ["narrow", "kernel", "wide"].map(|name| scope.child(name));
                let epsilon = config.layer_norm_epsilon;
                // Half of a norm's output is negative, and ReLU drops it.
                let he = |inputs| deviation(inputs, 0.5);
                let norms = [(&narrow, inputs), (&kernel, middle), (&wide, middle)]
                    .map(|(scope, width)| Normalisation::layer(&scope.child("norm"), width, epsilon));
                Inner::Bottleneck {
                    norms: Box::new(norms),
                    narrow: Map::linear(&narrow, (inputs, middle), he(inputs), settings),
                    kernel: Map::kernel(
                        &kernel,
                        (middle, middle),
                        &shape,
                        he(middle * shape.kernel),
                        settings,
                    ),
                    wide: Map::linear(&wide, (middle, channels), he(middle), settings),
                }
            }
        };
        let residual = (inputs != channels).then(|| {
            Map::linear(&scope.child("residual"), (inputs, channels), deviation(inputs, 1.0), settings)
        });
        Layer { shape, dropout: Dropout::build(&scope.child("dropout"), config.dropout), inner, residual }
    }

    /// Returns the number of positions, beside its own, on which an output position depends.
    pub fn context(&self) -> i64 {
        self.shape.context()
    }

    /// Returns how many of these positions stand behind its own in an encoder.
    pub fn behind(&self) -> i64 {
        self.shape.behind()
    }

    /// Returns the width of the kernel's input.
    pub fn kernel_width(&self) -> i64 {
        match self.inner {
            Inner::Gated { .. } => self.shape.inputs,
            Inner::Bottleneck { .. } => self.shape.narrow(),
        }
    }

    /// Returns the layer with weights in the number format of `x`.
    pub fn ready(&self, x: &Tensor) -> ReadyLayer<'_> {
        let inner = match &self.inner {
            Inner::Gated { kernel } => ReadyInner::Gated { kernel: kernel.ready(x) },
            Inner::Bottleneck { norms, narrow, kernel, wide } => ReadyInner::Bottleneck {
                norms,
                narrow: narrow.ready(x),
                kernel: kernel.ready(x),
                wide: wide.ready(x),
            },
        };
        ReadyLayer { layer: self, inner, residual: self.residual.as_ref().map(|map| map.ready(x)) }
    }
}

impl ReadyLayer<'_> {
    /// Computes the layer without the residual connection. `with_context` adds [`Layer::context`] positions before and
    /// behind the kernel's input.
    ///
    /// # Shapes
    /// [B, T, I] → [B, T, C]; `with_context` [B, T, ·] → [B, T + context, ·].
    pub fn transform(&self, x: &Tensor, with_context: impl FnOnce(Tensor) -> Tensor, mode: &Mode) -> Tensor {
        let x = self.layer.dropout.forward(x.shallow_clone(), mode);
        let dilation = self.layer.shape.dilation;
        match &self.inner {
            ReadyInner::Gated { kernel } => kernel.over(&with_context(x), dilation).glu(-1),
            ReadyInner::Bottleneck { norms: [first, second, third], narrow, kernel, wide } => {
                let normed = |norm: &Normalisation, x: &Tensor| norm.forward(x, mode).relu();
                let x = narrow.forward(&normed(first, &x));
                let x = kernel.over(&with_context(normed(second, &x)), dilation);
                wide.forward(&normed(third, &x))
            }
        }
    }

    /// Adds the residual connection to the output of [`transform`](Self::transform).
    ///
    /// # Shapes
    /// Input [B, T, I], output [B, T, C] → [B, T, C].
    pub fn join(&self, x: &Tensor, y: Tensor) -> Tensor {
        let sum = match &self.residual {
            Some(map) => map.forward(x) + y,
            None => x + y,
        };
        match self.inner {
            ReadyInner::Gated { .. } => sum * HALF_ROOT,
            ReadyInner::Bottleneck { .. } => sum,
        }
    }
}
