//! Named weights: their declaration by the layers, and their order.
//!
//! Paths such as `decoder.2.cross_attention.query.weight` are a file format: renaming one is a breaking change.
//! `tch::nn::VarStore` is not used, because it has no order and silently renames duplicates.

use super::matrix::{Matrix, Resting};
use super::statistics::RunningStatistics;
use crate::seed::{self, Purpose};
use crate::shim::decoding;
use rand::RngExt;
use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

/// The initial values of a variable.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Start {
    Zeros,
    Ones,
    /// Zeros, but `value` in the numbers `from` to `to` (exclusive).
    ZerosBut {
        from: usize,
        to: usize,
        value: f64,
    },
    /// Uniform in (-limit, limit).
    Uniform {
        limit: f64,
    },
    /// Normal with mean 0.
    Normal {
        deviation: f64,
    },
}

/// The role of a variable in its layer, stated at its declaration. Weight decay applies neither to biases nor to gains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A matrix, or a table of embeddings.
    Weight,
    /// A vector that an affine map or a norm adds.
    Bias,
    /// A factor of a norm, or the length of a matrix row whose direction is trained separately.
    Gain,
}

/// All variables of a model, in order of declaration.
#[derive(Debug, Default)]
pub struct Weights {
    named: Vec<(String, Tensor)>,
    roles: Vec<Role>,
    buffers: Vec<(String, Tensor)>,
    running: Vec<RunningStatistics>,
    matrices: Vec<Resting>,
}

/// A period in which no weight may change, until the value is dropped; see [`Weights::rest`].
#[derive(Debug)]
pub struct Rest<'a> {
    matrices: &'a [Resting],
}

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        self.matrices.iter().for_each(Resting::end);
    }
}

impl Weights {
    /// Returns path and tensor of every variable, in order of declaration.
    pub fn named(&self) -> &[(String, Tensor)] {
        &self.named
    }

    /// Returns the role of each variable in [`Weights::named`].
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// Returns path and tensor of everything in a file of weights: the variables, then the buffers, which have no
    /// gradient.
    pub fn saved(&self) -> Vec<(String, Tensor)> {
        let all = self.named.iter().chain(&self.buffers);
        all.map(|(path, tensor)| (path.clone(), tensor.shallow_clone())).collect()
    }

    /// Returns the statistics that every update moves; empty without batch normalisation.
    pub fn running_statistics(&self) -> &[RunningStatistics] {
        &self.running
    }

    /// Promises that no weight changes while the returned value lives, so that float32 matrices on a CPU may keep a
    /// second copy of themselves ([`matrix`](super::matrix)).
    pub fn rest(&self) -> Rest<'_> {
        let taken = self.named.iter().all(|(_, tensor)| decoding::takes(tensor.kind(), tensor.device()));
        let matrices = if taken { &self.matrices[..] } else { &[] };
        matrices.iter().for_each(Resting::begin);
        Rest { matrices }
    }

    /// Returns the number of trained numbers; shared matrices count once.
    pub fn parameters(&self) -> u64 {
        self.named.iter().map(|(_, tensor)| tensor.numel() as u64).sum()
    }
}

/// The source of a new model's tensors.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// Fresh values from the seed.
    Seeded { seed: u64, kind: Kind, device: Device },
    /// Shapes without memory, for counting.
    ShapesOnly,
}

#[derive(Debug)]
struct Declared {
    weights: Weights,
    /// All paths.
    taken: HashSet<String>,
    source: Source,
}

/// A place in the tree of weights, handed to the layers while a model is built.
#[derive(Debug, Clone)]
pub struct Scope {
    declared: Rc<RefCell<Declared>>,
    path: String,
}

impl Scope {
    /// Creates the root for a model with fresh weights. With the same seed, a variable of the same path has the same
    /// values in every model, on every device and, up to rounding, in every precision.
    pub fn seeded(seed: u64, kind: Kind, device: Device) -> Self {
        Scope::root(Source::Seeded { seed, kind, device })
    }

    /// Creates the root for a model that is only counted: its tensors take no memory.
    pub fn shapes_only() -> Self {
        Scope::root(Source::ShapesOnly)
    }

    fn root(source: Source) -> Self {
        let declared = Declared { weights: Weights::default(), taken: HashSet::new(), source };
        Scope { declared: Rc::new(RefCell::new(declared)), path: String::new() }
    }

    /// Returns the place below this one: `scope / "encoder" / 2`.
    pub fn child(&self, name: impl std::fmt::Display) -> Self {
        let path = if self.path.is_empty() { name.to_string() } else { format!("{}.{name}", self.path) };
        Scope { declared: Rc::clone(&self.declared), path }
    }

    /// Returns the seed of the model; 0 if the model is only counted.
    pub fn seed(&self) -> u64 {
        match self.declared.borrow().source {
            Source::Seeded { seed, .. } => seed,
            Source::ShapesOnly => 0,
        }
    }

    /// Returns the path of this place, such as `encoder.2.self_attention`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Declares a [weight](Role::Weight) and returns a handle to it.
    ///
    /// # Panics
    /// If the path is taken: two layers of the same name are a bug. The same holds for the other roles.
    pub fn variable(&self, name: &str, shape: &[i64], start: Start) -> Tensor {
        self.declare(Role::Weight, name, shape, start)
    }

    /// Wraps the declared variable `weight`, [out, in], as the matrix of an affine map.
    pub fn matrix(&self, weight: &Tensor) -> Matrix {
        let resting = Resting::default();
        self.declared.borrow_mut().weights.matrices.push(resting.clone());
        Matrix::new(weight.shallow_clone(), resting)
    }

    /// Declares a [bias](Role::Bias) and returns a handle to it.
    pub fn bias(&self, name: &str, shape: &[i64], start: Start) -> Tensor {
        self.declare(Role::Bias, name, shape, start)
    }

    /// Declares a [gain](Role::Gain) and returns a handle to it.
    pub fn gain(&self, name: &str, shape: &[i64], start: Start) -> Tensor {
        self.declare(Role::Gain, name, shape, start)
    }

    /// Declares a [gain](Role::Gain) with the length of each row of `rows` as initial value, and returns a handle to it.
    ///
    /// # Shapes
    /// [N, ..] → [N].
    ///
    /// # Panics
    /// Like [`variable`](Self::variable).
    pub fn lengths(&self, name: &str, rows: &Tensor) -> Tensor {
        let count = rows.size()[0];
        if matches!(self.declared.borrow().source, Source::ShapesOnly) {
            return self.gain(name, &[count], Start::Zeros);
        }
        let numbers: Vec<f64> = Vec::try_from(
            rows.detach().to_device(Device::Cpu).to_kind(Kind::Double).flatten(0, -1).contiguous(),
        )
        .expect("a tensor of numbers");
        let length = |row: &[f64]| row.iter().map(|number| number * number).sum::<f64>().sqrt();
        let values: Vec<f64> = numbers.chunks(numbers.len() / count as usize).map(length).collect();
        let gain = self.gain(name, &[count], Start::Zeros);
        tch::no_grad(|| {
            let mut lengths = gain.shallow_clone();
            lengths.copy_(&Tensor::from_slice(&values));
        });
        gain
    }

    fn declare(&self, role: Role, name: &str, shape: &[i64], start: Start) -> Tensor {
        let path = self.child(name).path;
        let mut declared = self.declared.borrow_mut();
        assert!(declared.taken.insert(path.clone()), "variable {path} declared twice");
        let tensor = match declared.source {
            Source::ShapesOnly => Tensor::zeros([1], (Kind::Float, Device::Cpu)).expand(shape, false),
            Source::Seeded { seed, kind, device } => {
                let values = start_values(start, shape.iter().product::<i64>() as usize, seed, &path);
                Tensor::from_slice(&values)
                    .view_(shape)
                    .to_kind(kind)
                    .to_device(device)
                    .set_requires_grad(true)
            }
        };
        declared.weights.named.push((path, tensor.shallow_clone()));
        declared.weights.roles.push(role);
        tensor
    }

    /// Declares running statistics of `width` channels, `running_mean` and `running_variance`, and returns a handle to
    /// them. They start at 0 and 1, and no gradient changes them.
    ///
    /// # Panics
    /// Like [`variable`](Self::variable).
    pub fn running_statistics(&self, width: i64) -> RunningStatistics {
        let mut declared = self.declared.borrow_mut();
        let (kind, device) = match declared.source {
            Source::ShapesOnly => (Kind::Float, Device::Cpu),
            Source::Seeded { kind, device, .. } => (kind, device),
        };
        let [mean, variance] = [("running_mean", 0.0), ("running_variance", 1.0)].map(|(name, start)| {
            let path = self.child(name).path;
            assert!(declared.taken.insert(path.clone()), "buffer {path} declared twice");
            let tensor = Tensor::full([width], start, (kind, device));
            declared.weights.buffers.push((path, tensor.shallow_clone()));
            tensor
        });
        let statistics = RunningStatistics::new(mean, variance);
        declared.weights.running.push(statistics.shallow_clone());
        statistics
    }

    /// Ends the building and returns everything declared below the root.
    pub fn into_weights(self) -> Weights {
        std::mem::take(&mut self.declared.borrow_mut().weights)
    }
}

/// Returns the initial values of the variable `path`, a function of seed, path and start only: models that differ
/// elsewhere have the same ones. Computed in float64 and rounded once, so that precisions have the same start.
fn start_values(start: Start, count: usize, seed: u64, path: &str) -> Vec<f64> {
    let mut rng = seed::rng(seed, Purpose::Initialisation, seed::place(path));
    match start {
        Start::Zeros => vec![0.0; count],
        Start::Ones => vec![1.0; count],
        Start::ZerosBut { from, to, value } => {
            (0..count).map(|number| if (from..to).contains(&number) { value } else { 0.0 }).collect()
        }
        Start::Uniform { limit } => (0..count).map(|_| (rng.random::<f64>() * 2.0 - 1.0) * limit).collect(),
        Start::Normal { deviation } => {
            // Box and Muller 1958: two normals from two uniforms.
            let mut values = Vec::with_capacity(count + 1);
            while values.len() < count {
                let radius = deviation * (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
                let angle = std::f64::consts::TAU * rng.random::<f64>();
                values.extend([radius * angle.cos(), radius * angle.sin()]);
            }
            values.truncate(count);
            values
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_values_have_the_stated_deviation() {
        let values = start_values(Start::Normal { deviation: 0.5 }, 20_001, 1, "weight");
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
        assert_eq!(values.len(), 20_001);
        assert!(mean.abs() < 0.02 && (variance.sqrt() - 0.5).abs() < 0.02, "{mean} {variance}");
    }

    #[test]
    fn the_same_seed_gives_the_same_values_and_another_does_not() {
        let draw = |seed, path| start_values(Start::Uniform { limit: 0.1 }, 100, seed, path);
        assert_eq!(draw(3, "key"), draw(3, "key"));
        assert_ne!(draw(3, "key"), draw(4, "key"));
        assert_ne!(draw(3, "key"), draw(3, "value"));
        assert!(draw(3, "key").iter().all(|v| v.abs() < 0.1));
    }

    #[test]
    fn counting_takes_no_memory() {
        let scope = Scope::shapes_only();
        let _ = scope.child("embedding").variable("weight", &[1 << 30, 1 << 20], Start::Zeros);
        assert_eq!(scope.into_weights().parameters(), 1 << 50);
    }
}
