//! Comparison of CUDA with the CPU. Ignored without a GPU: `cargo test --test models gpu:: -- --ignored`. `ablate doctor
//! --check` and `scripts/gpu-check` run the same comparison on machines without Rust.

use ablate::config::{DeviceChoice, RunConfig};
use ablate::experiment::doctor::compare;

#[test]
#[ignore = "needs a GPU"]
fn gpu_arithmetic_is_that_of_float64_on_the_cpu_but_for_rounding() {
    let device =
        ablate::device::open(&RunConfig { device: DeviceChoice::Cuda(0), ..RunConfig::default() }).unwrap();
    let gaps = compare(device).unwrap();
    let wrong: Vec<_> = gaps.iter().filter(|gap| !gap.holds).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
