//! Running statistics of batch normalisation (`model.norm_kind = "batch"`): a checkpoint holds them, and no gradient
//! changes them.

use tch::{Kind, Tensor};

/// Share of the new statistics in each step of the running ones: the default of Python torch's `BatchNorm1d`.
const MOMENTUM: f64 = 0.1;

/// Mean and variance of each channel, with which batch normalisation normalises outside of training.
///
/// Each update moves them once, by the statistics of all real tokens of all its micro-batches on all ranks. These are
/// collected as sums, so that neither the number of micro-batches nor the number of ranks matters.
#[derive(Debug)]
pub struct RunningStatistics {
    /// [D]
    mean: Tensor,
    /// Unbiased, [D].
    variance: Tensor,
    /// Sums of the current update, in float64: Σx and Σx² of each channel and the number of tokens, [2D + 1].
    sums: Tensor,
}

impl RunningStatistics {
    /// Creates statistics with empty sums. `mean` and `variance` are handles to the tensors that a checkpoint holds.
    pub(super) fn new(mean: Tensor, variance: Tensor) -> Self {
        let sums = Tensor::zeros([2 * mean.numel() as i64 + 1], (Kind::Double, mean.device()));
        RunningStatistics { mean, variance, sums }
    }

    /// Returns a second handle to the same numbers.
    pub(super) fn shallow_clone(&self) -> Self {
        RunningStatistics {
            mean: self.mean.shallow_clone(),
            variance: self.variance.shallow_clone(),
            sums: self.sums.shallow_clone(),
        }
    }

    /// [D]
    pub fn mean(&self) -> &Tensor {
        &self.mean
    }

    /// [D]
    pub fn variance(&self) -> &Tensor {
        &self.variance
    }

    /// Returns the sums of the current update, to be added up over all ranks: [2D + 1] of float64.
    pub fn sums(&self) -> &Tensor {
        &self.sums
    }

    /// Adds the tokens of one training pass.
    ///
    /// # Shapes
    /// `mean` and biased `variance` [D], `count` a scalar.
    pub(super) fn add(&self, mean: &Tensor, variance: &Tensor, count: &Tensor) {
        let [mean, variance, count] = [mean, variance, count].map(|x| x.detach().to_kind(Kind::Double));
        let squares = (variance + mean.square()) * &count;
        let mut sums = self.sums.shallow_clone();
        tch::no_grad(|| sums += Tensor::cat(&[mean * &count, squares, count.view([1])], 0));
    }

    /// Discards the tokens of an unfinished update.
    pub fn discard(&self) {
        let _ = self.sums.shallow_clone().zero_();
    }

    /// Ends an update: moves the running statistics by the sums, and clears the sums. The variance of a single token
    /// counts as 0.
    pub fn finish_update(&self) {
        tch::no_grad(|| {
            let width = self.mean.numel() as i64;
            let count = self.sums.narrow(0, 2 * width, 1);
            let mean = self.sums.narrow(0, 0, width) / &count;
            let squares = self.sums.narrow(0, width, width) / &count;
            let unbiased = (squares - mean.square()) * (&count / (&count - 1.0).clamp_min(1.0));
            for (running, new) in [(&self.mean, mean), (&self.variance, unbiased)] {
                let _ = running.shallow_clone().lerp_(&new.to_kind(running.kind()), MOMENTUM);
            }
        });
        self.discard();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn numbers(count: i64) -> Tensor {
        (Tensor::arange(count, (Kind::Double, Device::Cpu)) * 0.7).sin() + 3.0
    }

    fn fresh(width: i64) -> RunningStatistics {
        let options = (Kind::Double, Device::Cpu);
        RunningStatistics::new(Tensor::zeros([width], options), Tensor::ones([width], options))
    }

    fn add(statistics: &RunningStatistics, rows: &Tensor) {
        let mean = rows.mean_dim(0, false, Kind::Double);
        let variance = rows.var_dim(0, false, false);
        statistics.add(&mean, &variance, &Tensor::from(rows.size()[0] as f64));
    }

    /// Python torch's rule: 0.9 · old + 0.1 · new, with the unbiased variance.
    #[test]
    fn an_update_in_parts_moves_them_as_the_whole_does() {
        let rows = numbers(28).view([7, 4]);
        let (whole, parts) = (fresh(4), fresh(4));
        add(&whole, &rows);
        for (first, count) in [(0, 2), (2, 1), (3, 4)] {
            add(&parts, &rows.narrow(0, first, count));
        }
        whole.finish_update();
        parts.finish_update();
        let expected_mean = rows.mean_dim(0, false, Kind::Double) * 0.1;
        let expected_variance = rows.var_dim(0, true, false) * 0.1 + 0.9;
        for statistics in [&whole, &parts] {
            assert!(statistics.mean().allclose(&expected_mean, 1e-12, 1e-12, false));
            assert!(statistics.variance().allclose(&expected_variance, 1e-12, 1e-12, false));
            assert_eq!(statistics.sums().abs().max().double_value(&[]), 0.0);
        }
    }

    #[test]
    fn what_was_discarded_leaves_no_trace_and_one_token_is_enough() {
        let statistics = fresh(4);
        add(&statistics, &numbers(8).view([2, 4]));
        statistics.discard();
        add(&statistics, &numbers(4).view([1, 4]));
        statistics.finish_update();
        assert!(statistics.mean().allclose(&(numbers(4) * 0.1), 1e-12, 1e-12, false));
        assert!(statistics.variance().allclose(&(numbers(4) * 0.0 + 0.9), 1e-12, 1e-12, false));
    }
}
