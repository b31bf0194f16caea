//! CUDA against the CPU. Ignored where no GPU is: `cargo test --test gpu -- --ignored`.

use ablate::config::DeviceChoice;
use ablate::config::RunConfig;
use ablate::model::dropout::Mode;
use ablate::model::{ModelConfig, Transformer};
use ablate::train::TrainingConfig;
use ablate::train::adam::{self, Adam};
use ablate::train::loss::cross_entropy;
use ablate::train::schedule::learning_rate;
use tch::{Device, Kind, Tensor};

const VOCABULARY: usize = 40;

fn config() -> ModelConfig {
    ModelConfig { layers: 2, d_model: 32, d_ff: 64, heads: 4, dropout: 0.0, ..ModelConfig::default() }
}

fn cuda() -> Device {
    ablate::device::open(&RunConfig { device: DeviceChoice::Cuda(0), ..RunConfig::default() }).unwrap()
}

/// One update; the loss before it.
fn update(model: &Transformer, adam: &mut Adam, step: u64) -> f64 {
    let device = model.device();
    let pattern = |rows: i64, columns: i64, by: i64| {
        let numbers = Tensor::arange(rows * columns, (Kind::Int64, device)) * by;
        numbers.remainder(VOCABULARY as i64 - 3).view([rows, columns]) + 3
    };
    let (source, target) = (pattern(6, 9, 7 + step as i64), pattern(6, 8, 11));
    adam::zero_gradients(model.weights());
    let encoded = model.encode(&source, &[9, 8, 7, 9, 3, 1], &Mode::evaluation());
    let hidden = model.decode(&target, &encoded, &Mode::evaluation());
    let loss = cross_entropy(&model.logits(&hidden).flatten(0, 1), &pattern(6, 8, 5).flatten(0, 1), 0.1);
    (&loss.smoothed / 48.0).backward();
    adam.update(model.weights(), step, learning_rate(&TrainingConfig::default(), 32, step));
    loss.smoothed.double_value(&[]) / 48.0
}

fn largest_gap(a: &Tensor, b: &Tensor) -> f64 {
    let (a, b) =
        (a.to_device(Device::Cpu).to_kind(Kind::Double), b.to_device(Device::Cpu).to_kind(Kind::Double));
    let scale = b.abs().max().double_value(&[]).max(1e-6);
    (a - b).abs().max().double_value(&[]) / scale
}

/// Losses of ten updates and the first update's gradients; in float64 the weights after them, too. In
/// float32 Adam turns the noise of gradients that are zero by definition, such as the key bias's, into steps.
fn compare(kind: Kind, tolerance: f64) {
    let device = cuda();
    let build = |device| Transformer::build(&config(), VOCABULARY, 1, kind, device);
    let (on_cpu, on_gpu) = (build(Device::Cpu), build(device));
    let training = TrainingConfig::default();
    let (mut cpu, mut gpu) =
        (Adam::build(&training, on_cpu.weights()), Adam::build(&training, on_gpu.weights()));
    let pairs = || on_cpu.weights().named().iter().zip(on_gpu.weights().named());
    for step in 1..=10 {
        let (a, b) = (update(&on_cpu, &mut cpu, step), update(&on_gpu, &mut gpu, step));
        assert!(((a - b) / a).abs() < tolerance, "{kind:?} step {step}: loss {a} on the CPU, {b} on the GPU");
        for ((name, a), (_, b)) in pairs().filter(|((name, _), _)| step == 1 && !name.ends_with("key.bias")) {
            let gap = largest_gap(&b.grad(), &a.grad());
            assert!(gap < tolerance, "{kind:?}: gradient of {name} is {gap:e} apart");
        }
    }
    for ((name, a), (_, b)) in
        pairs().filter(|((name, _), _)| kind == Kind::Double && !name.ends_with("key.bias"))
    {
        let gap = largest_gap(b, a);
        assert!(gap < tolerance, "{kind:?}: {name} is {gap:e} apart after ten updates");
    }
}

#[test]
#[ignore = "needs a GPU"]
fn gpu_updates_equal_the_cpus_in_float64() {
    compare(Kind::Double, 1e-9);
}

#[test]
#[ignore = "needs a GPU"]
fn gpu_updates_equal_the_cpus_in_float32() {
    compare(Kind::Float, 1e-3);
}
