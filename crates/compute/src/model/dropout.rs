//! Dropout whose masks are a function of (seed, path of the layer), not of a generator's state.
//!
//! # Source
//! Srivastava et al. 2014; places as in Vaswani et al. 2017, §5.4.

use super::mode::Mode;
use super::weights::Scope;
use crate::seed::{mix, place};
use tch::{Device, Kind, Tensor};

/// Sets each number to 0 with probability `rate` and scales the others by 1 / (1 - rate).
#[derive(Debug, Clone, Copy)]
pub struct Dropout {
    rate: f64,
    /// Identity of the layer; see [`place`].
    place: u64,
}

impl Dropout {
    /// Builds the layer at this scope. Its path, which must be unique, makes its masks differ from those of other layers.
    pub fn build(scope: &Scope, rate: f64) -> Self {
        Dropout { rate, place: place(scope.path()) }
    }

    /// Builds a layer outside of any model.
    #[cfg(test)]
    pub(super) fn at(path: &str, rate: f64) -> Self {
        Dropout { rate, place: place(path) }
    }

    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// Returns the random stream of this layer in this pass; `None` if nothing is dropped.
    pub(super) fn stream(&self, mode: &Mode) -> Option<u64> {
        let seed = mode.dropout_seed().filter(|_| self.rate > 0.0)?;
        Some(mix(seed ^ mix(self.place)))
    }

    /// # Shapes
    /// Any → the same.
    pub fn forward(&self, x: Tensor, mode: &Mode) -> Tensor {
        let Some(stream) = self.stream(mode) else { return x };
        match x.device() {
            Device::Cpu => self.on_cpu(x, stream),
            // On a GPU libtorch's own kernel is far faster than a mask made on the host.
            _ => {
                tch::manual_seed(stream as i64);
                x.dropout(self.rate, true)
            }
        }
    }

    fn on_cpu(&self, x: Tensor, stream: u64) -> Tensor {
        let scale = 1.0 / (1.0 - self.rate);
        match x.kind() {
            Kind::Float => &x * mask(&x, stream, self.rate, scale as f32),
            Kind::Double => &x * mask(&x, stream, self.rate, scale),
            // The scale is not exact in bfloat16: rounded, it would shrink every output by up to 0.2 %.
            Kind::BFloat16 => &x * mask(&x, stream, self.rate, BFLOAT16_ONE) * scale,
            kind => unreachable!("layers compute in float32, float64 or bfloat16, not {kind:?}"),
        }
    }
}

/// The bits of 1 as a bfloat16: the upper half of the float32.
const BFLOAT16_ONE: u16 = (1f32.to_bits() >> 16) as u16;

/// Count of numbers that one 64-bit draw decides.
const LANES: usize = 4;

/// Makes a tensor like `x`, whose numbers are as wide as `T`, with 0 where a number is dropped and `kept` elsewhere.
///
/// Number i depends on 16 bits of `mix(stream + i / 4)`, so the mask depends neither on the number of threads nor on
/// the order of execution. The rate is exact to within 2^-17.
fn mask<T: Copy + Default>(x: &Tensor, stream: u64, rate: f64, kept: T) -> Tensor {
    let threshold = (rate * 65_536.0).round() as u16;
    let mask = Tensor::empty(x.size(), (x.kind(), Device::Cpu));
    assert_eq!(size_of::<T>(), mask.kind().elt_size_in_bytes());
    // SAFETY: the tensor was just made: contiguous, of numbers as wide as T, and nothing else refers to it.
    let numbers = unsafe { std::slice::from_raw_parts_mut(mask.data_ptr().cast::<T>(), mask.numel()) };
    fill(numbers, stream, threshold, kept);
    mask
}

fn fill<T: Copy + Default>(numbers: &mut [T], stream: u64, threshold: u16, kept: T) {
    for (index, lanes) in numbers.chunks_mut(LANES).enumerate() {
        let draw = mix(stream.wrapping_add(index as u64));
        for (lane, number) in lanes.iter_mut().enumerate() {
            let bits = (draw >> (16 * lane)) as u16;
            *number = if bits >= threshold { kept } else { T::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ones(count: i64) -> Tensor {
        Tensor::ones([count], (Kind::Float, Device::Cpu))
    }

    #[test]
    fn the_rate_is_met_and_the_mean_is_kept() {
        for rate in [0.1, 0.3, 0.5, 0.9] {
            let dropped = Dropout::at("dropout", rate).forward(ones(200_000), &Mode::training(7));
            let zeros = f64::try_from(dropped.eq(0.0).to_kind(Kind::Double).mean(Kind::Double)).unwrap();
            let mean = f64::try_from(dropped.mean(Kind::Double)).unwrap();
            assert!((zeros - rate).abs() < 0.005, "rate {rate}: {zeros} zeros");
            assert!((mean - 1.0).abs() < 0.02, "rate {rate}: mean {mean}");
        }
    }

    #[test]
    fn bfloat16_drops_the_same_numbers_and_keeps_the_mean() {
        let (narrow, wide) = (ones(200_000).to_kind(Kind::BFloat16), ones(200_000));
        let drop = |x| Dropout::at("dropout", 0.1).forward(x, &Mode::training(3));
        let (narrow, wide) = (drop(narrow), drop(wide));
        assert_eq!(narrow.kind(), Kind::BFloat16);
        assert_eq!(narrow.eq(0.0), wide.eq(0.0));
        assert_eq!(narrow, wide.to_kind(Kind::BFloat16));
    }

    #[test]
    fn places_and_seeds_give_different_masks_and_a_seed_the_same() {
        let draw = |seed| {
            let mode = Mode::training(seed);
            ["encoder.0.dropout", "encoder.1.dropout"]
                .map(|path| Dropout::at(path, 0.5).forward(ones(64), &mode))
        };
        let ([first, second], [again, _], [other, _]) = (draw(1), draw(1), draw(2));
        assert_eq!(first, again);
        assert_ne!(first, second);
        assert_ne!(first, other);
    }

    #[test]
    fn evaluation_and_rate_zero_change_nothing() {
        assert_eq!(Dropout::at("dropout", 0.5).forward(ones(9), &Mode::evaluation()), ones(9));
        assert_eq!(Dropout::at("dropout", 0.0).forward(ones(9), &Mode::training(1)), ones(9));
    }
}
