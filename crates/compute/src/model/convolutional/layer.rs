//! A layer of convolutions (`model.convolutional.block`). What stands before and behind a position comes from the caller, so
//! that encoder, decoder and decoding token by token share it.

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
    /// Of the residual connection, where widths differ.
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

/// A [`Layer`] at work in one pass.
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

/// The standard deviation of fresh weights whose `inputs` numbers have the second moment `moment`, so that what comes of
/// them has variance 1.
pub fn deviation(inputs: i64, moment: f64) -> f64 {
    (1.0 / (inputs as f64 * moment)).sqrt()
}

/// The share of the numbers that dropout keeps.
pub fn retained(config: &ModelConfig) -> f64 {
    1.0 - config.dropout
}

impl Layer {
    /// Gates are fed with four times the variance, because they let a quarter through.
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
                // Half of what a norm gives is negative, and lost.
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

    /// Positions beside its own that a position of the output depends on.
    pub fn context(&self) -> i64 {
        self.shape.context()
    }

    /// How many of them stand behind it in an encoder.
    pub fn behind(&self) -> i64 {
        self.shape.behind()
    }

    /// Width of what the kernel reads.
    pub fn kernel_width(&self) -> i64 {
        match self.inner {
            Inner::Gated { .. } => self.shape.inputs,
            Inner::Bottleneck { .. } => self.shape.narrow(),
        }
    }

    /// The layer in numbers like those of `x`.
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
    /// What the layer makes of its input, before the residual connection. `with_context` puts before and behind what the
    /// kernel reads as many positions as [`Layer::context`] says.
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

    /// The residual connection around what [`transform`](Self::transform) gave.
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
