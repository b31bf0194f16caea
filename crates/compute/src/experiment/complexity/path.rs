//! Number of layers between two positions, measured by the reach of gradients through stacks of real layers.

use super::single_layer::{SingleLayer, normal, sequence};
use crate::complexity::{Layer, Sizes};
use crate::error::Result;
use crate::experiment::stopped;
use crate::signal::StopFlag;
use tch::{Device, Kind, Tensor};

/// Width of the layers; it does not change which positions a layer connects.
const WIDTH: i64 = 8;
/// Float64, in which a gradient through a thousand steps of a recurrence does not underflow, on the CPU.
const NUMBERS: (Kind, Device) = (Kind::Double, Device::Cpu);

/// Returns the smallest number of layers at which the first, middle and last output position depend on every input
/// position on which they depend at any depth. In a layer that looks in one direction, the first position never depends
/// on the last. `None` if the layer is only counted.
///
/// # Errors
/// If the command is stopped.
pub fn layers_between_ends(
    layer: Layer,
    sizes: &Sizes,
    length: i64,
    stop: &StopFlag,
) -> Result<Option<usize>> {
    let Some(mut stack) = Stack::new(layer, sizes, length) else { return Ok(None) };
    smallest_depth(length as usize, |depth| {
        if stop.is_raised() {
            return Err(stopped());
        }
        Ok(stack.reach(depth))
    })
    .map(Some)
}

/// For each of three outputs, one after the other: whether the output has a gradient at each input position, [3 · length].
type Reach = Vec<bool>;

/// A stack that grows to the requested depth.
struct Stack {
    layer: Layer,
    sizes: Sizes,
    length: i64,
    layers: Vec<SingleLayer>,
}

impl Stack {
    fn new(layer: Layer, sizes: &Sizes, length: i64) -> Option<Self> {
        // One head is enough: all heads see the same positions.
        let sizes = Sizes { heads: 1, ..*sizes };
        let mut stack = Stack { layer, sizes, length, layers: Vec::new() };
        stack.grow(1).then_some(stack)
    }

    /// Grows the stack to `depth` layers. Returns false if the layer is only counted.
    fn grow(&mut self, depth: usize) -> bool {
        while self.layers.len() < depth {
            let (index, size) = (self.layers.len(), (WIDTH, self.length));
            match SingleLayer::build(self.layer, &self.sizes, size, index, NUMBERS) {
                Some(layer) => self.layers.push(layer),
                None => return false,
            }
        }
        true
    }

    /// Returns the reach of the outputs of `depth` layers.
    ///
    /// Between layers, the backward pass keeps only which numbers of a gradient are not zero, and replaces them by
    /// random numbers: a product over hundreds of layers would underflow, and the graph of all layers would not fit
    /// into memory. The forward pass scales the states between layers, which would otherwise grow until gates saturate
    /// and have no gradient. A test compares this with the gradients of the whole graph for small stacks.
    fn reach(&mut self, depth: usize) -> Reach {
        self.grow(depth);
        let length = self.length;
        let mut inputs = vec![sequence(length, WIDTH, NUMBERS)];
        for layer in &self.layers[..depth - 1] {
            let below = &inputs[inputs.len() - 1];
            inputs.push(tch::no_grad(|| scaled(layer.forward(below))));
        }
        let outputs = Tensor::from_slice(&outputs(length));
        let mut reached =
            Tensor::zeros([3, length], (Kind::Bool, Device::Cpu)).scatter_value(1, &outputs.unsqueeze(1), 1);
        let numbers = normal("gradients", &[3, length, WIDTH], NUMBERS);
        for (layer, input) in self.layers[..depth].iter().zip(&inputs).rev() {
            let x = input.expand([3, length, WIDTH], false).contiguous().set_requires_grad(true);
            let weights = &numbers * reached.unsqueeze(-1);
            let sum = (layer.forward(&x) * weights).sum(NUMBERS.0);
            let gradient = Tensor::run_backward(&[sum], &[&x], false, false).remove(0);
            reached = gradient.not_equal(0.0).any_dim(-1, false);
        }
        Vec::try_from(reached.flatten(0, 1)).expect("a row of truth values")
    }
}

/// Scales the states by one factor to a mean square of 1.
fn scaled(states: Tensor) -> Tensor {
    let mean_square = states.square().mean(NUMBERS.0);
    states / mean_square.sqrt()
}

/// Returns the first, the middle and the last position.
fn outputs(length: i64) -> [i64; 3] {
    [0, length / 2, length - 1]
}

/// Finds the smallest depth with the greatest reach of all depths. `reach` returns the reach of a stack of that many
/// layers, which never shrinks with the depth.
fn smallest_depth(length: usize, mut reach: impl FnMut(usize) -> Result<Reach>) -> Result<usize> {
    let is_complete = |reach: &Reach| reach.iter().all(|&reached| reached);
    let first = reach(1)?;
    if is_complete(&first) {
        return Ok(1);
    }
    let second = reach(2)?;
    if second == first {
        return Ok(1);
    }
    // If every layer adds the same distance, two further calls are enough.
    if let Some(guess) = guess(&first, &second, length)
        && is_complete(&reach(guess)?)
        && !is_complete(&reach(guess - 1)?)
    {
        return Ok(guess);
    }
    let (mut below, mut most) = (1, 2);
    let mut greatest = second;
    while !is_complete(&greatest) {
        let further = reach(2 * most)?;
        if further == greatest {
            break;
        }
        (below, most, greatest) = (most, 2 * most, further);
    }
    // At `below` layers the reach is smaller than at `most`, where it is the greatest.
    while most - below > 1 {
        let middle = below + (most - below) / 2;
        match reach(middle)? == greatest {
            true => most = middle,
            false => below = middle,
        }
    }
    Ok(most)
}

/// Returns the number of layers that connect both ends if each adds the distance that the first and the second add: the
/// shorter of the distances seen by the first and the last output. `None` if the two distances differ or are 0.
fn guess(first: &Reach, second: &Reach, length: usize) -> Option<usize> {
    let distance = |reach: &Reach| {
        let forward = reach[..length].iter().rposition(|&reached| reached)?;
        let backward = length - 1 - reach[2 * length..].iter().position(|&reached| reached)?;
        Some(forward.min(backward))
    };
    let added = distance(first).filter(|&added| added > 0)?;
    (distance(second)? == 2 * added).then(|| (length - 1).div_ceil(added))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: Sizes = Sizes { kernel: 3, radius: 5, heads: 1, mixtures: 4, block: 2 };

    fn layers(layer: Layer, sizes: &Sizes, length: i64) -> usize {
        layers_between_ends(layer, sizes, length, &StopFlag::never()).unwrap().unwrap()
    }

    #[test]
    fn paths_are_as_long_as_their_definitions_say() {
        for length in [2, 7, 40, 130] {
            assert_eq!(layers(Layer::SelfAttention, &SIZES, length), 1);
            assert_eq!(layers(Layer::Linformer, &SIZES, length), 1);
            // One layer connects all positions, through its steps.
            assert_eq!(layers(Layer::Recurrent, &SIZES, length), 1);
        }
        for (radius, length) in
            [(3, 20), (5, 20), (5, 21), (5, 22), (9, 61), (8, 61), (4, 16), (64, 30), (64, 300)]
        {
            // The shorter side of a neighbourhood counts; of an even one it is the side after the position.
            let side = radius - 1 - radius / 2;
            let sizes = Sizes { radius, ..SIZES };
            let wanted = (length - 1 + side - 1) / side;
            assert_eq!(layers(Layer::Restricted, &sizes, length), wanted as usize, "r {radius}, n {length}");
        }
        // A neighbourhood of two sees nothing behind its position: only the last output reaches all others.
        assert_eq!(layers(Layer::Restricted, &Sizes { radius: 2, ..SIZES }, 12), 11);
        // A layer reaches (k - 1) / 2 further to each side; with gaps, the distances add up to (k^L - 1) / 2.
        for (kernel, length, near, apart) in [
            (3, 10, 9, 3),
            (3, 14, 13, 3),
            (3, 15, 14, 4),
            (3, 41, 40, 4),
            (3, 42, 41, 5),
            (5, 33, 16, 3),
            (3, 260, 259, 6),
        ] {
            let sizes = Sizes { kernel, ..SIZES };
            let found = [Layer::Convolutional, Layer::Dilated].map(|layer| layers(layer, &sizes, length));
            assert_eq!(found, [near, apart], "k {kernel}, n {length}");
        }
        // All blocks see each other through the global ones.
        assert_eq!(layers(Layer::BigBird, &SIZES, 60), 2);
        assert_eq!(layers(Layer::BigBird, &SIZES, 6), 1);
        assert!(layers_between_ends(Layer::NeuralGpu, &SIZES, 9, &StopFlag::never()).unwrap().is_none());
    }

    /// Compares every stack with the gradients of its whole graph.
    #[test]
    fn the_reach_of_a_small_stack_is_that_of_its_whole_graph() {
        let length = 23;
        for layer in [
            Layer::SelfAttention,
            Layer::Recurrent,
            Layer::Convolutional,
            Layer::Dilated,
            Layer::Restricted,
            Layer::Linformer,
            Layer::BigBird,
        ] {
            let mut stack = Stack::new(layer, &SIZES, length).unwrap();
            for depth in 1..=4 {
                let found = stack.reach(depth);
                let x = sequence(length, WIDTH, NUMBERS).set_requires_grad(true);
                let top = stack.layers[..depth].iter().fold(x.shallow_clone(), |x, layer| layer.forward(&x));
                let whole = outputs(length).map(|output| {
                    let sum = top.select(1, output).sum(NUMBERS.0);
                    let gradient = Tensor::run_backward(&[sum], &[&x], true, false).remove(0);
                    Vec::<bool>::try_from(gradient.not_equal(0.0).any_dim(-1, false).squeeze_dim(0)).unwrap()
                });
                assert_eq!(found, whole.concat(), "{layer:?}, {depth} layers");
            }
        }
    }

    /// Distances that double, as in dilated convolutions, and distances that stop growing.
    #[test]
    fn the_smallest_depth_is_found_however_the_reach_grows() {
        let length = 65;
        let mut asked = 0;
        let mut of = |distance: &dyn Fn(usize) -> usize| {
            smallest_depth(length, |depth| {
                asked += 1;
                let near = |output: usize| (0..length).map(move |i| (output, i));
                let pairs = [0, length / 2, length - 1].into_iter().flat_map(near);
                Ok(pairs.map(|(output, i)| output.abs_diff(i) <= distance(depth)).collect())
            })
            .unwrap()
        };
        assert_eq!(of(&|depth| (1 << depth) - 1), 7);
        assert_eq!(of(&|depth| 3 * depth), 22);
        assert_eq!(of(&|depth| depth.min(9)), 9);
        assert_eq!(of(&|_| 0), 1);
        assert!(asked < 50, "{asked}");
    }

    /// A gradient through more than a thousand steps does not underflow in float64.
    #[test]
    fn a_recurrence_over_a_thousand_positions_is_one_layer() {
        assert_eq!(layers(Layer::Recurrent, &SIZES, 1_024), 1);
    }
}
