//! Time and memory of one layer on one sequence.

use super::single_layer::{SingleLayer, sequence};
use crate::complexity::{Measured, Request};
use crate::device::{card_memory, forget_peak_memory, settle};
use crate::error::{Error, Result};
use crate::shim::memory::MemoryCount;
use crate::train::adam::zero_gradients;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Instant;
use tch::{Device, Kind};

/// The number format of timed passes.
pub const KIND: Kind = Kind::Float;

/// Times passes of `layer` over one sequence, after one pass to warm up and one whose memory is counted.
///
/// # Errors
/// Errors of libtorch.
pub fn measure(
    layer: &SingleLayer,
    (length, width): (i64, i64),
    device: Device,
    request: &Request,
) -> Result<Measured> {
    let input = sequence(length, width, (KIND, device));
    let gradient = sequence(length, width, (KIND, device)).flatten(0, -1);
    let pass = || {
        zero_gradients(&layer.weights);
        let x = input.detach().set_requires_grad(true);
        settle(device);
        let begun = Instant::now();
        let output = layer.forward(&x);
        settle(device);
        let forward = begun.elapsed().as_secs_f64();
        // The gradient of the output is `gradient`, as if another layer followed.
        output.flatten(0, -1).dot(&gradient).backward();
        settle(device);
        (forward, begun.elapsed().as_secs_f64())
    };
    pass();
    let peak_bytes = peak_bytes(device, &pass)?;
    let begun = Instant::now();
    let mut passes = 0;
    let (mut forward_seconds, mut training_seconds) = (f64::INFINITY, f64::INFINITY);
    while passes == 0 || passes < request.repeat && begun.elapsed().as_secs_f64() < request.seconds {
        let (forward, both) = pass();
        (forward_seconds, training_seconds) = (forward_seconds.min(forward), training_seconds.min(both));
        passes += 1;
    }
    Ok(Measured { forward_seconds, training_seconds, passes, peak_bytes })
}

/// Returns the most bytes that tensors hold at once in a pass, beyond those that they held before it.
fn peak_bytes(device: Device, pass: &impl Fn() -> (f64, f64)) -> Result<u64> {
    if device == Device::Cpu {
        let count = MemoryCount::start()?;
        pass();
        return count.peak();
    }
    forget_peak_memory(device);
    let before = card_memory(device).map_or(0, |memory| memory.current);
    pass();
    Ok(card_memory(device).map_or(0, |memory| memory.peak.saturating_sub(before)))
}

/// Returns the result of `work`, or libtorch's message if memory was not enough.
///
/// # Errors
/// Every other error of `work`.
pub fn unless_out_of_memory<T>(work: impl FnOnce() -> Result<T>) -> Result<std::result::Result<T, String>> {
    let error = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => return Ok(Ok(value)),
        Ok(Err(error)) => error,
        Err(panic) => match Error::from_panic(&*panic) {
            Some(error) => error,
            None => resume_unwind(panic),
        },
    };
    match error {
        Error::OutOfMemory(said) => Ok(Err(said)),
        other => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::complexity::{Layer, Sizes};
    use tch::Tensor;

    /// The memory of self-attention grows with the square of the length, that of other layers with the length. Bytes
    /// are counted, so the result is always the same.
    #[test]
    fn memory_grows_as_the_tensors_do() {
        let sizes = Sizes { heads: 4, radius: 8, mixtures: 8, block: 4, ..Sizes::default() };
        let request = |repeat| Request {
            layers: vec![],
            widths: vec![],
            lengths: vec![],
            sizes,
            repeat,
            seconds: 60.0,
        };
        for (layer, least, most) in [
            (Layer::SelfAttention, 3.5, 4.0),
            (Layer::Recurrent, 1.8, 2.2),
            (Layer::Convolutional, 1.8, 2.2),
            (Layer::Dilated, 1.8, 2.2),
            (Layer::Restricted, 1.8, 2.2),
            (Layer::Linformer, 1.8, 2.2),
            (Layer::BigBird, 1.8, 2.2),
        ] {
            let layer_of = SingleLayer::build(layer, &sizes, (8, 1_024), 0, (KIND, Device::Cpu)).unwrap();
            let bytes = |length| {
                let found = measure(&layer_of, (length, 8), Device::Cpu, &request(2)).unwrap();
                assert_eq!(found.passes, 2);
                assert!(0.0 < found.forward_seconds && found.forward_seconds < found.training_seconds);
                found.peak_bytes as f64
            };
            let ratio = bytes(1_024) / bytes(512);
            assert!((least..most).contains(&ratio), "{layer:?}: {ratio}");
            assert_eq!(bytes(512), bytes(512));
        }
    }

    #[test]
    fn a_lack_of_memory_is_told_and_other_failures_pass_through() {
        let huge = || Ok(Tensor::zeros([1 << 60], (Kind::Int8, Device::Cpu)));
        let said = unless_out_of_memory(huge).unwrap().unwrap_err();
        assert!(said.contains("1152921504606846976 bytes"), "{said}");
        assert_eq!(unless_out_of_memory(|| Ok(3)).unwrap(), Ok(3));
        let other = unless_out_of_memory::<()>(|| Err(Error::failed("other"))).unwrap_err();
        assert_eq!(other.to_string(), "other");
    }
}
