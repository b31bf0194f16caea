//! The peak speed of the device: a large matrix product and a large copy.

use crate::device::settle;
use serde::Serialize;
use std::time::Instant;
use tch::{Device, Kind, Tensor};

/// The best of a few repetitions, with the current number of threads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Peak {
    /// Floating-point operations per second of a product of two square matrices, in the precision of training.
    pub flops_per_second: f64,
    /// Bytes read and written per second by a copy within the device's memory.
    pub copy_bytes_per_second: f64,
}

const REPETITIONS: usize = 5;

impl Peak {
    pub fn measure(kind: Kind, device: Device) -> Self {
        // Large enough that caches and launch times do not matter, small enough to take a second.
        let (side, bytes) = if device == Device::Cpu { (1536, 64 << 20) } else { (8192, 1 << 30) };
        // Random, because a card that multiplies equal numbers needs less power and runs unrealistically fast.
        let matrix = || Tensor::rand([side, side], (kind, device));
        let (a, b, c) = (matrix(), matrix(), matrix());
        let (from, mut to) =
            (Tensor::ones([bytes], (Kind::Uint8, device)), Tensor::zeros([bytes], (Kind::Uint8, device)));
        tch::no_grad(|| Peak {
            flops_per_second: 2.0 * (side as f64).powi(3)
                / fastest(device, || {
                    let _ = a.matmul_out(&c, &b);
                }),
            copy_bytes_per_second: 2.0 * bytes as f64 / fastest(device, || to.copy_(&from)),
        })
    }
}

/// Returns the seconds of the fastest repetition, after one to warm up.
fn fastest(device: Device, mut work: impl FnMut()) -> f64 {
    let mut once = || {
        let begun = Instant::now();
        work();
        settle(device);
        begun.elapsed().as_secs_f64()
    };
    once();
    (0..REPETITIONS).map(|_| once()).fold(f64::INFINITY, f64::min)
}
