//! The kinds of layers of Table 1 and its successors: the configuration that builds each of them, the published
//! complexity, and the number of operations.

use crate::model::convolutional::{Block, ConvolutionalConfig};
use crate::model::cost::{BatchShape, Cost, ForwardFlops};
use crate::model::recurrent::{Bidirectional, Cell};
use crate::model::{
    AttentionConfig, EncoderKind, ModelConfig, NormKind, Position, RecurrentConfig, Span, big_bird_slots,
    local_window,
};
use serde::Serialize;

/// A kind of layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// Every position attends to all positions
    SelfAttention,
    /// LSTM cells in one direction
    Recurrent,
    /// Gated convolutions of k neighbouring positions
    Convolutional,
    /// Gated convolutions whose positions stand apart, further in each layer
    Dilated,
    /// Self-attention to a neighbourhood of r positions
    Restricted,
    /// Self-attention to mixtures of the positions
    Linformer,
    /// Self-attention to neighbouring, random and global blocks
    BigBird,
    /// Extended Neural GPU: operations by count alone
    NeuralGpu,
}

/// The sizes of layers that are neither their width nor the length of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// Positions that a kernel multiplies: the paper's k.
    pub kernel: i64,
    /// Positions of the neighbourhood of restricted self-attention: the paper's r.
    pub radius: i64,
    /// Heads of every kind of self-attention.
    pub heads: i64,
    /// Mixtures of the positions of Linformer.
    pub mixtures: i64,
    /// Positions of a block of BigBird.
    pub block: i64,
}

impl Default for Sizes {
    fn default() -> Self {
        Sizes { kernel: 3, radius: 64, heads: 8, mixtures: 128, block: 64 }
    }
}

/// Random blocks that a block of BigBird sees, and global ones: with the three of the window, eight (Zaheer et al. 2020,
/// appendix E, "base").
const BIG_BIRD: (i64, i64) = (3, 2);

/// The complexity that publications state for a kind of layer, as they print it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Stated {
    /// Work of a layer.
    pub work: &'static str,
    /// Operations that have to follow on each other.
    pub sequential: &'static str,
    /// The longest path between two positions.
    pub path: &'static str,
    /// Exponents of n and of d in the work.
    pub exponents: [f64; 2],
    pub source: &'static str,
}

/// Operations of one layer on one sequence, forward, as [`Cost`] counts them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LayerFlops {
    /// Operations of the term that Table 1 names: for attention, products of queries with keys and of weights with values.
    pub term: f64,
    /// `term` and the operations of the projections, n · d², which Table 1 leaves out.
    pub total: f64,
}

const TABLE_1: &str = "Vaswani et al. 2017, Table 1";

impl Layer {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Layer::SelfAttention => "self-attention",
            Layer::Recurrent => "recurrent (LSTM)",
            Layer::Convolutional => "convolutional",
            Layer::Dilated => "convolutional, dilated",
            Layer::Restricted => "restricted self-attention",
            Layer::Linformer => "Linformer",
            Layer::BigBird => "BigBird",
            Layer::NeuralGpu => "Extended Neural GPU",
        }
    }

    pub fn stated(self) -> Stated {
        match self {
            Layer::SelfAttention => Stated {
                work: "O(n² · d)",
                sequential: "O(1)",
                path: "O(1)",
                exponents: [2.0, 1.0],
                source: TABLE_1,
            },
            Layer::Recurrent => Stated {
                work: "O(n · d²)",
                sequential: "O(n)",
                path: "O(n)",
                exponents: [1.0, 2.0],
                source: TABLE_1,
            },
            Layer::Convolutional => Stated {
                work: "O(k · n · d²)",
                sequential: "O(1)",
                path: "O(n/k)",
                exponents: [1.0, 2.0],
                source: "Vaswani et al. 2017, §4",
            },
            Layer::Dilated => Stated {
                work: "O(k · n · d²)",
                sequential: "O(1)",
                path: "O(log_k n)",
                exponents: [1.0, 2.0],
                source: TABLE_1,
            },
            Layer::Restricted => Stated {
                work: "O(r · n · d)",
                sequential: "O(1)",
                path: "O(n/r)",
                exponents: [1.0, 1.0],
                source: TABLE_1,
            },
            Layer::Linformer => Stated {
                work: "O(k · n · d)",
                sequential: "O(1)",
                path: "O(1)",
                exponents: [1.0, 1.0],
                source: "Wang et al. 2020, Table 1",
            },
            Layer::BigBird => Stated {
                work: "O(n · d)",
                sequential: "O(1)",
                path: "O(1)",
                exponents: [1.0, 1.0],
                source: "Zaheer et al. 2020, §2",
            },
            Layer::NeuralGpu => Stated {
                work: "O(k · n² · d²)",
                sequential: "O(n)",
                path: "O(n)",
                exponents: [2.0, 2.0],
                source: "Kalchbrenner et al. 2016, Table 1",
            },
        }
    }

    /// Whether the layer splits its width into heads.
    pub fn has_heads(self) -> bool {
        match self {
            Layer::SelfAttention | Layer::Restricted | Layer::Linformer | Layer::BigBird => true,
            Layer::Recurrent | Layer::Convolutional | Layer::Dilated | Layer::NeuralGpu => false,
        }
    }

    /// The encoder of one layer, number `index` of a stack from 0, without norms, dropout, positions or residual
    /// connections, except the one inside a gated convolution. It takes sequences of up to `longest` tokens. `None` for
    /// a kind that is only counted.
    pub fn config(self, sizes: &Sizes, (width, longest): (i64, i64), index: usize) -> Option<ModelConfig> {
        let bare = ModelConfig {
            layers: 1,
            d_model: width,
            heads: sizes.heads,
            feed_forward: false,
            dropout: 0.0,
            position: Position::None,
            learned_positions: longest,
            residual: false,
            norm_kind: NormKind::None,
            ..Default::default()
        };
        let attending = |span| {
            let attention = AttentionConfig { span, ..Default::default() };
            Some(ModelConfig { attention, ..bare.clone() })
        };
        let convolving = |dilation| ModelConfig {
            encoder: EncoderKind::Convolutional,
            convolutional: ConvolutionalConfig {
                block: Block::Gated,
                channels: width,
                kernel: sizes.kernel,
                encoder_layers: 1,
                dilations: vec![dilation],
                weight_normalisation: false,
                ..Default::default()
            },
            ..bare.clone()
        };
        let (random, global) = BIG_BIRD;
        match self {
            Layer::SelfAttention => attending(Span::Full),
            Layer::Restricted => attending(Span::Local(sizes.radius)),
            Layer::Linformer => attending(Span::Linformer(sizes.mixtures)),
            Layer::BigBird => attending(Span::BigBird { block: sizes.block, random, global }),
            Layer::Recurrent => {
                let recurrent = RecurrentConfig {
                    cell: Cell::Lstm,
                    hidden: width,
                    encoder_layers: 1,
                    bidirectional: Bidirectional::None,
                    ..Default::default()
                };
                Some(ModelConfig { encoder: EncoderKind::Recurrent, recurrent, ..bare.clone() })
            }
            Layer::Convolutional => Some(convolving(1)),
            Layer::Dilated => {
                let most = dilation_limit(longest);
                let dilation = (0..index).fold(1, |dilation: i64, _| (dilation * sizes.kernel).min(most));
                Some(convolving(dilation))
            }
            Layer::NeuralGpu => None,
        }
    }

    /// Operations of one layer on one sequence of `length` tokens.
    ///
    /// # Source
    /// Extended Neural GPU: Kaiser and Bengio 2016, §2. Each of n steps has three convolutions, from d to d channels,
    /// over the whole state of n positions; kernels are k positions long and one wide, as in tensor2tensor's `neural_gpu`.
    pub fn flops(self, sizes: &Sizes, width: i64, length: i64) -> LayerFlops {
        let Some(config) = self.config(sizes, (width, length), 0) else {
            let [n, d, k] = [length, width, sizes.kernel].map(|x| x as f64);
            let total = n * 3.0 * 2.0 * k * d * d * n;
            return LayerFlops { term: total, total };
        };
        let shape = BatchShape { pairs: 1, source: length as u64, target: 0, scored: 0 };
        let ForwardFlops { projections, attention, feed_forward, convolutional, recurrent, logits } =
            Cost::of(&config, 1).encoder_forward(&shape);
        debug_assert_eq!((feed_forward, logits), (0.0, 0.0));
        let term = attention + convolutional + recurrent;
        match self {
            // The linear maps of a convolutional encoder stand around its layers and are not measured.
            Layer::Convolutional | Layer::Dilated => LayerFlops { term, total: term },
            _ => LayerFlops { term, total: term + projections },
        }
    }

    /// The length from which on a layer computes in its final form: shorter sequences are computed as self-attention to all
    /// positions where blocks would not be fewer.
    pub fn form_from(self, sizes: &Sizes) -> i64 {
        let (random, global) = BIG_BIRD;
        match self {
            Layer::SelfAttention
            | Layer::Recurrent
            | Layer::Convolutional
            | Layer::Dilated
            | Layer::Linformer
            | Layer::NeuralGpu => 1,
            Layer::Restricted => local_window(sizes.radius) + 1,
            Layer::BigBird => (big_bird_slots(random, global) + 1) * sizes.block,
        }
    }

    /// The length from which the operations of a layer grow as they do at any greater length: at least its [final
    /// form](Self::form_from), and at least the smallest power of two from which the exponent from n to 2n is at most
    /// 0.5 from its limit. For self-attention this is n = 2d, where the products of queries and keys outweigh the
    /// projections.
    pub fn asymptotic_from(self, sizes: &Sizes, width: i64) -> i64 {
        const FURTHEST: u32 = 30;
        let flops = |power: u32| self.flops(sizes, width, 1 << power).total;
        let slope = |power: u32| (flops(power + 1) / flops(power)).log2();
        let limit = slope(FURTHEST).round();
        let is_far = |power: &u32| (slope(*power) - limit).abs() > 0.5;
        let grows = (0..FURTHEST).rev().find(is_far).map_or(1, |power| 1 << (power + 1));
        grows.max(self.form_from(sizes))
    }
}

/// The largest dilation for sequences of a length: ⌈2/3 (n - 1)⌉. Positions further apart than a sequence is long connect
/// nothing. With this limit a stack with kernels of three connects both ends of a sequence with as many layers as it would
/// need if the positions beyond the ends were there.
fn dilation_limit(length: i64) -> i64 {
    ((2 * (length - 1) + 2) / 3).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::conflict::conflicts;
    use clap::ValueEnum;

    const SIZES: Sizes = Sizes { kernel: 3, radius: 64, heads: 8, mixtures: 128, block: 64 };

    /// The formulas of Table 1 with their constants: attention 4n²d beside 8nd² of its projections, an LSTM 16nd².
    #[test]
    fn operations_follow_table_1() {
        let (n, d) = (4_096.0, 512.0);
        let found = |layer: Layer| layer.flops(&SIZES, 512, 4_096);
        let projections = 8.0 * n * d * d;
        for (layer, term, rest) in [
            (Layer::SelfAttention, 4.0 * n * n * d, projections),
            (Layer::Recurrent, 16.0 * n * d * d, 0.0),
            // A kernel of three to twice the channels.
            (Layer::Convolutional, 12.0 * n * d * d, 0.0),
            (Layer::Dilated, 12.0 * n * d * d, 0.0),
            // Blocks of 64 queries see 127 keys.
            (Layer::Restricted, 4.0 * n * 127.0 * d, projections),
            // Mixtures are made of all positions, and met by all positions.
            (Layer::Linformer, 8.0 * n * 128.0 * d, projections),
            (Layer::BigBird, 4.0 * d * (128.0 * n + (n - 128.0) * 512.0), projections),
            (Layer::NeuralGpu, 18.0 * n * n * d * d, 0.0),
        ] {
            assert_eq!(found(layer), LayerFlops { term, total: term + rest }, "{layer:?}");
        }
    }

    #[test]
    fn operations_of_the_named_term_grow_as_stated() {
        for &layer in Layer::value_variants() {
            let term = |n: i64, d: i64| layer.flops(&SIZES, d, n).term;
            let exponents = [
                (term(1 << 21, 64) / term(1 << 20, 64)).log2(),
                (term(1 << 20, 128) / term(1 << 20, 64)).log2(),
            ];
            for (found, stated) in exponents.iter().zip(layer.stated().exponents) {
                assert!((found - stated).abs() < 0.01, "{layer:?}: {exponents:?}");
            }
        }
    }

    #[test]
    fn the_asymptotic_part_begins_where_the_leading_term_outweighs_the_others() {
        for d in [64, 128, 512] {
            assert_eq!(Layer::SelfAttention.asymptotic_from(&SIZES, d), 2 * d);
            assert_eq!(Layer::Recurrent.asymptotic_from(&SIZES, d), 1);
            assert!(Layer::Restricted.asymptotic_from(&SIZES, d) <= 128);
            assert!(Layer::BigBird.asymptotic_from(&SIZES, d) <= 1_024);
        }
    }

    #[test]
    fn every_layer_is_a_model_without_contradictions() {
        for &layer in Layer::value_variants() {
            if let Some(config) = layer.config(&SIZES, (64, 512), 1) {
                assert!(conflicts(&config).is_empty(), "{layer:?}");
            }
        }
    }
}
