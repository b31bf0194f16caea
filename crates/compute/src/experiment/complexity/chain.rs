//! Sequential operations of a layer: the longest chain in the graph of a forward pass.

use super::single_layer::{SingleLayer, sequence};
use crate::complexity::{Depth, Layer, Sizes};
use crate::error::Result;
use crate::shim::graph::longest_chain;
use tch::{Device, Kind};

/// Width of the layer. Neither width nor number of heads changes the operations of the graph.
const WIDTH: i64 = 8;

/// The shortest measured sequence; the chain of a shorter one would be short in any layer.
const SHORTEST: i64 = 16;

/// Measures the chain of a layer at three lengths, beginning with the shortest that the layer computes in its final
/// form. Runs in float64 on the CPU, where libtorch records every step of a recurrence; on a GPU and in float32 one
/// kernel does all steps, also one after the other. `None` if the layer is only counted.
///
/// # Errors
/// None that a caller can cause.
pub fn measure(layer: Layer, sizes: &Sizes) -> Result<Option<Depth>> {
    let sizes = Sizes { heads: 1, ..*sizes };
    let first = layer.form_from(&sizes).max(SHORTEST);
    let numbers = (Kind::Double, Device::Cpu);
    let Some(built) = SingleLayer::build(layer, &sizes, (WIDTH, 3 * first), 0, numbers) else {
        return Ok(None);
    };
    let mut found = Vec::new();
    for length in [first, 2 * first, 3 * first] {
        let x = sequence(length, WIDTH, numbers).set_requires_grad(true);
        found.push((length, longest_chain(&built.forward(&x))?));
    }
    Ok(Some(Depth::of(layer, found)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_of_a_recurrence_grows_with_the_length_and_no_other_does() {
        let sizes = Sizes { radius: 6, mixtures: 8, block: 4, ..Sizes::default() };
        for layer in [
            Layer::SelfAttention,
            Layer::Recurrent,
            Layer::Convolutional,
            Layer::Dilated,
            Layer::Restricted,
            Layer::Linformer,
            Layer::BigBird,
        ] {
            let depth = measure(layer, &sizes).unwrap().unwrap();
            let (constant, for_each) = depth.line.unwrap_or_else(|| panic!("{depth:?}"));
            match layer {
                // At least the product with the state and the activations of the gates.
                Layer::Recurrent => assert!(for_each >= 3.0, "{depth:?}"),
                _ => assert!(for_each == 0.0 && constant >= 4.0, "{depth:?}"),
            }
        }
        assert_eq!(measure(Layer::NeuralGpu, &sizes).unwrap(), None);
    }
}
