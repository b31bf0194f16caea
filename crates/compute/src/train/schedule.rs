//! The learning rate as a pure function of the update's number (§5.3).

use super::TrainingConfig;

/// scale · d_model^-0.5 · min(step^-0.5, step · warmup^-1.5), with steps counted from 1.
///
/// # Source
/// Vaswani et al. 2017, §5.3, eq. 3; `training.learning_rate_scale` is 1 there.
///
/// # Panics
/// If `step` is 0.
pub fn learning_rate(config: &TrainingConfig, d_model: i64, step: u64) -> f64 {
    assert!(step > 0, "updates count from 1");
    let (step, warmup) = (step as f64, config.warmup_steps as f64);
    config.learning_rate_scale * (d_model as f64).powf(-0.5) * step.powf(-0.5).min(step * warmup.powf(-1.5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_at_the_end_of_warmup_and_has_the_papers_value() {
        let config = TrainingConfig::default();
        for (d_model, peak) in [(256, 9.882e-4), (512, 6.988e-4), (1024, 4.941e-4)] {
            let rate = |step| learning_rate(&config, d_model, step);
            assert!((rate(4000) - peak).abs() < 1e-7);
            assert!(rate(3999) < rate(4000) && rate(4001) < rate(4000));
            assert!((rate(1) - rate(4000) / 4000.0).abs() < 1e-12);
        }
    }
}
