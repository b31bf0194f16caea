//! The cost of recurrent parts, by the configuration alone; terms and units are those of [`crate::model::cost`].
//!
//! A recurrent model gives each sentence of a packed row its own row. The formulas count the positions of the packed
//! rows.

use super::{Alignment, Bridge, Readout, RecurrentConfig};
use crate::model::ModelConfig;
use crate::model::forward_flops::{BatchShape, ForwardFlops};

/// Operations of a layer of cells at one position in one direction: the products of the input and of the state with all
/// gates, as torch counts them.
fn cell_products(recurrent: &RecurrentConfig, inputs: i64) -> f64 {
    2.0 * (recurrent.cell.gates() * recurrent.hidden) as f64 * (inputs + recurrent.hidden) as f64
}

/// (inputs, directions) of each layer of the encoder.
fn encoder_layers(config: &ModelConfig) -> impl Iterator<Item = (i64, f64)> + '_ {
    let recurrent = &config.recurrent;
    (0..recurrent.encoder_layers).map(move |index| {
        let directions = if recurrent.reads_both_ways(index) { 2.0 } else { 1.0 };
        (recurrent.encoder_layer_inputs(index, config.d_model), directions)
    })
}

/// Inputs of each layer of the decoder.
fn decoder_layers(config: &ModelConfig) -> impl Iterator<Item = i64> + '_ {
    let (recurrent, states) = (&config.recurrent, config.encoder_width());
    (0..recurrent.decoder_layers)
        .map(move |index| recurrent.decoder_layer_inputs(index, config.d_model, states))
}

/// Number of parameters of a layer of cells in one direction.
fn cell_parameters(recurrent: &RecurrentConfig, inputs: i64) -> i64 {
    let biases = if recurrent.recurrent_biases { 2 } else { 1 };
    recurrent.cell.gates() * recurrent.hidden * (inputs + recurrent.hidden + biases)
}

/// Number of parameters of a recurrent encoder.
pub fn encoder_parameters(config: &ModelConfig) -> i64 {
    encoder_layers(config)
        .map(|(inputs, directions)| directions as i64 * cell_parameters(&config.recurrent, inputs))
        .sum()
}

/// Number of parameters of a recurrent decoder.
pub fn decoder_parameters(config: &ModelConfig) -> i64 {
    let recurrent = &config.recurrent;
    let (hidden, states, compared) = (recurrent.hidden, config.encoder_width(), recurrent.attention_width());
    let cells: i64 = decoder_layers(config).map(|inputs| cell_parameters(recurrent, inputs)).sum();
    let attention = match recurrent.attention {
        Alignment::None | Alignment::Dot => 0,
        Alignment::Additive => compared * (hidden + states) + 2 * compared,
        Alignment::General => states * hidden,
    };
    let readout = match recurrent.readout {
        Readout::Attentional => (states + hidden + 1) * config.d_model,
        Readout::Concatenated | Readout::State => 0,
    };
    let bridge = match recurrent.bridge {
        Bridge::Zeros | Bridge::Copy => 0,
        Bridge::Linear | Bridge::Tanh => (states + 1) * recurrent.bridge_width(),
    };
    cells + attention + readout + bridge
}

/// Operations of one pass forward of a recurrent encoder.
pub fn encoder_forward(config: &ModelConfig, shape: &BatchShape) -> ForwardFlops {
    let sources = (shape.pairs * shape.source) as f64;
    let products = encoder_layers(config)
        .map(|(inputs, directions)| directions * cell_products(&config.recurrent, inputs));
    ForwardFlops { recurrent: sources * products.sum::<f64>(), ..Default::default() }
}

/// Operations of one pass forward of a recurrent decoder, without the softmax.
pub fn decoder_forward(config: &ModelConfig, shape: &BatchShape) -> ForwardFlops {
    let recurrent = &config.recurrent;
    let [pairs, source, target] = [shape.pairs, shape.source, shape.target].map(|n| n as f64);
    let (sources, targets) = (pairs * source, pairs * target);
    let (hidden, states) = (recurrent.hidden as f64, config.encoder_width() as f64);
    let compared = recurrent.attention_width() as f64;
    let cells: f64 = decoder_layers(config).map(|inputs| cell_products(recurrent, inputs)).sum();
    let seen = targets * source;
    // Products for each word of either side, and for each pair of words.
    let (once, for_pairs) = match recurrent.attention {
        Alignment::None => (0.0, 0.0),
        Alignment::Additive => {
            (2.0 * compared * (states * sources + hidden * targets), 2.0 * (compared + states))
        }
        Alignment::Dot => (0.0, 2.0 * (hidden + states)),
        Alignment::General => (2.0 * states * hidden * sources, 2.0 * (hidden + states)),
    };
    let readout = match recurrent.readout {
        Readout::Attentional => 2.0 * (states + hidden) * config.d_model as f64,
        Readout::Concatenated | Readout::State => 0.0,
    };
    let bridge = match recurrent.bridge {
        Bridge::Zeros | Bridge::Copy => 0.0,
        Bridge::Linear | Bridge::Tanh => 2.0 * states * recurrent.bridge_width() as f64,
    };
    ForwardFlops {
        recurrent: targets * cells,
        projections: once + targets * readout + pairs * bridge,
        attention: for_pairs * seen,
        ..Default::default()
    }
}

/// Numbers that a layer keeps for a position in one direction: its input, the gates, and the vectors between them and
/// the state.
fn cell_kept(recurrent: &RecurrentConfig, inputs: i64) -> f64 {
    (inputs + (recurrent.cell.gates() + 4) * recurrent.hidden) as f64
}

/// Numbers that autograd keeps for a recurrent encoder.
pub fn encoder_kept(config: &ModelConfig, shape: &BatchShape) -> f64 {
    let dropped = if config.dropout > 0.0 { 2.0 } else { 0.0 };
    let kept = encoder_layers(config).map(|(inputs, directions)| {
        directions * cell_kept(&config.recurrent, inputs) + dropped * inputs as f64
    });
    (shape.pairs * shape.source) as f64 * kept.sum::<f64>()
}

/// Numbers that autograd keeps for a recurrent decoder.
pub fn decoder_kept(config: &ModelConfig, shape: &BatchShape) -> f64 {
    let recurrent = &config.recurrent;
    let [pairs, source, target] = [shape.pairs, shape.source, shape.target].map(|n| n as f64);
    let (sources, targets) = (pairs * source, pairs * target);
    let dropped = if config.dropout > 0.0 { 2.0 } else { 0.0 };
    let cells: f64 = decoder_layers(config)
        .map(|inputs| cell_kept(recurrent, inputs) + dropped * inputs.min(recurrent.hidden) as f64)
        .sum();
    let (states, compared) = (config.encoder_width() as f64, recurrent.attention_width() as f64);
    // The keys, and for each pair of words the weight and, with additive scores, the sum under the hyperbolic tangent.
    let attention = match recurrent.attention {
        Alignment::None => 0.0,
        Alignment::Additive => sources * compared + targets * (compared + source * (1.0 + compared)),
        Alignment::Dot => targets * source,
        Alignment::General => sources * recurrent.hidden as f64 + targets * source,
    };
    let readout = 2.0 * config.softmax_width() as f64 + states + recurrent.hidden as f64;
    targets * (cells + readout) + attention
}

/// Numbers that the largest layer of a recurrent decoder needs in addition to the kept ones.
pub fn decoder_passing(config: &ModelConfig, shape: &BatchShape) -> f64 {
    let recurrent = &config.recurrent;
    let [pairs, source, target] = [shape.pairs, shape.source, shape.target].map(|n| n as f64);
    let steps = if recurrent.is_stepwise() { 1.0 } else { target };
    let compared = match recurrent.attention {
        // Gradients of the sums and of their hyperbolic tangents, which are kept.
        Alignment::Additive => 2.0 * pairs * steps * source * recurrent.attention_width() as f64,
        Alignment::None | Alignment::Dot | Alignment::General => 3.0 * pairs * steps * source,
    };
    compared.max(cells_passing(config, pairs * target))
}

/// Numbers that the largest layer of a recurrent encoder needs in addition to the kept ones.
pub fn encoder_passing(config: &ModelConfig, shape: &BatchShape) -> f64 {
    cells_passing(config, (shape.pairs * shape.source) as f64)
}

/// All products of inputs with the gates of a layer, and their gradients.
fn cells_passing(config: &ModelConfig, positions: f64) -> f64 {
    2.0 * positions * (config.recurrent.cell.gates() * config.recurrent.hidden) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::recurrent::{Bidirectional, Cell, InputFeeding};

    /// A model with one layer of cells on both sides, all 512 wide, without attention or readout.
    fn plain(cell: Cell) -> ModelConfig {
        let recurrent = RecurrentConfig {
            cell,
            hidden: 512,
            encoder_layers: 1,
            decoder_layers: 1,
            bidirectional: Bidirectional::None,
            attention: Alignment::None,
            input_feeding: InputFeeding::None,
            readout: Readout::State,
            bridge: Bridge::Copy,
            ..Default::default()
        };
        ModelConfig {
            encoder: crate::model::EncoderKind::Recurrent,
            decoder: crate::model::DecoderKind::Recurrent,
            recurrent,
            ..Default::default()
        }
    }

    const SHAPE: BatchShape = BatchShape { pairs: 2, source: 7, target: 5, scored: 9 };

    #[test]
    fn a_layer_costs_sixteen_or_twelve_squares_of_its_width_a_word() {
        let square = 512.0 * 512.0;
        for (cell, squares) in [(Cell::Lstm, 16.0), (Cell::Gru, 12.0)] {
            let (encoder, decoder) =
                (encoder_forward(&plain(cell), &SHAPE), decoder_forward(&plain(cell), &SHAPE));
            assert_eq!(encoder, ForwardFlops { recurrent: 14.0 * squares * square, ..Default::default() });
            assert_eq!(decoder, ForwardFlops { recurrent: 10.0 * squares * square, ..Default::default() });
        }
        let mut both = plain(Cell::Gru);
        both.recurrent.bidirectional = Bidirectional::All;
        assert_eq!(encoder_forward(&both, &SHAPE).recurrent, 2.0 * 14.0 * 12.0 * square);
    }

    /// For every pair of words, one number is kept with scores that are products; additive scores keep as many more as
    /// attention is wide. It makes no difference whether steps feed each other.
    #[test]
    fn additive_attention_keeps_its_width_for_each_pair_of_words() {
        let kept = |attention, width, input_feeding, target| {
            let mut config = plain(Cell::Gru);
            let recurrent = &mut config.recurrent;
            (recurrent.attention, recurrent.attention_width) = (attention, Some(width));
            (recurrent.input_feeding, recurrent.readout) = (input_feeding, Readout::Attentional);
            let words = |source| decoder_kept(&config, &BatchShape { source, target, ..SHAPE });
            // Without the numbers that are kept once per target word.
            words(9) - words(8)
        };
        for feeding in [InputFeeding::None, InputFeeding::Readout] {
            // Two pairs of sentences; each source word has a key and a weight for every target word.
            assert_eq!(kept(Alignment::Dot, 100, feeding, 5), 2.0 * 5.0);
            assert_eq!(kept(Alignment::General, 100, feeding, 5), 2.0 * (5.0 + 512.0));
            assert_eq!(kept(Alignment::Additive, 100, feeding, 5), 2.0 * (5.0 * 101.0 + 100.0));
            assert_eq!(kept(Alignment::Additive, 50, feeding, 10), 2.0 * (10.0 * 51.0 + 50.0));
        }
    }

    #[test]
    fn additive_attention_projects_each_word_once_and_compares_each_pair() {
        let mut config = plain(Cell::Gru);
        config.recurrent.attention = Alignment::Additive;
        config.recurrent.attention_width = Some(100);
        config.recurrent.readout = Readout::Attentional;
        let found = decoder_forward(&config, &SHAPE);
        // Ten words of the target, 14 of the source, 70 pairs of them.
        let readout = 10.0 * 2.0 * 1024.0 * 512.0;
        assert_eq!(found.projections, 2.0 * 512.0 * 100.0 * (10.0 + 14.0) + readout);
        assert_eq!(found.attention, 70.0 * 2.0 * (100.0 + 512.0));
    }
}
