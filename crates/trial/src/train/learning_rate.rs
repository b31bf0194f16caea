//! The learning rate as a pure function of the update's number.

use super::TrainingConfig;
use super::schedule::Schedule;
use std::f64::consts::PI;

/// The learning rate of update `step`, counted from 1.
///
/// `cosine` and `linear` reach `training.lowest_learning_rate` at update `training.steps` + 1; where that is 0, every update
/// of the training still moves the weights.
///
/// # Source
/// `noam`: Vaswani et al. 2017, §5.3, eq. 3. The others are the functions of `transformers.optimization`
/// (get_inverse_sqrt_schedule, get_cosine_schedule_with_warmup and so on).
///
/// # Deviation
/// These functions count updates from 0, so that their first update has a rate of 0 and does nothing. Update `step`
/// here has the rate that they give to index `step` of a training with one update more.
///
/// # Panics
/// If `step` is 0, or a schedule has no peak, which `config::validate` refuses.
pub fn learning_rate(config: &TrainingConfig, d_model: i64, step: u64) -> f64 {
    assert!(step > 0, "updates count from 1");
    let (at, warmup) = (step as f64, config.warmup_steps as f64);
    if config.schedule == Schedule::Noam {
        return config.learning_rate_scale
            * (d_model as f64).powf(-0.5)
            * at.powf(-0.5).min(at * warmup.powf(-1.5));
    }
    let peak = config.peak_learning_rate.expect("a checked configuration states the peak");
    if step <= config.warmup_steps {
        return peak * (at / warmup);
    }
    // Updates from the peak to the one after the last, which would have a rate of 0.
    let end = config.steps.saturating_add(1);
    let falling = end.saturating_sub(config.warmup_steps) as f64;
    let left = end.saturating_sub(step) as f64;
    let share = match config.schedule {
        Schedule::Noam | Schedule::InverseSqrt => 1.0 / (at / warmup).sqrt(),
        Schedule::Cosine => 0.5 * (1.0 + (PI * ((at - warmup) / falling).min(1.0)).cos()),
        Schedule::Linear => left / falling,
        Schedule::Constant => 1.0,
    };
    match config.lowest_learning_rate.filter(|_| config.schedule.has_stated_end()) {
        Some(lowest) => lowest + (peak - lowest) * share,
        None => peak * share,
    }
}

/// Whether the whole training is warm-up, so that all schedules with a stated peak have the same rates.
pub fn ends_in_warmup(config: &TrainingConfig) -> bool {
    config.schedule.has_stated_peak() && config.warmup_steps >= config.steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(schedule: Schedule, steps: u64, warmup_steps: u64) -> TrainingConfig {
        let peak_learning_rate = schedule.has_stated_peak().then_some(5e-4);
        TrainingConfig { schedule, steps, warmup_steps, peak_learning_rate, ..Default::default() }
    }

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

    /// A benchmark has no last update.
    #[test]
    fn a_training_without_an_end_stays_at_its_peak() {
        for schedule in [Schedule::Cosine, Schedule::Linear] {
            assert_eq!(learning_rate(&with(schedule, u64::MAX, 10), 256, 1_000), 5e-4, "{schedule:?}");
        }
    }

    #[test]
    fn a_stated_peak_is_reached_once_and_every_update_moves_the_weights() {
        for schedule in [Schedule::InverseSqrt, Schedule::Cosine, Schedule::Linear, Schedule::Constant] {
            let config = with(schedule, 100, 10);
            let rates: Vec<f64> = (1..=100).map(|step| learning_rate(&config, 512, step)).collect();
            assert_eq!(rates[9], 5e-4, "{schedule:?}");
            assert!(rates[..10].is_sorted() && rates[0] == 5e-5, "{schedule:?}");
            assert!(rates.iter().all(|&rate| rate > 0.0), "{schedule:?}: {rates:?}");
            let falls = rates[9..].windows(2).all(|pair| pair[1] < pair[0]);
            assert_eq!(falls, schedule != Schedule::Constant, "{schedule:?}");
            assert_eq!(learning_rate(&config, 512, 50), learning_rate(&config, 64, 50), "{schedule:?}");
        }
        // The update after the last would do nothing, and no later update raises the rate again.
        for schedule in [Schedule::Cosine, Schedule::Linear] {
            assert!((101..200).all(|step| learning_rate(&with(schedule, 100, 10), 512, step).abs() < 1e-19));
        }
    }

    #[test]
    fn the_inverse_square_root_is_the_papers_curve_with_its_peak_stated() {
        let noam = with(Schedule::Noam, 1000, 40);
        let peak_learning_rate = Some(learning_rate(&noam, 512, 40));
        let stated = TrainingConfig { peak_learning_rate, ..with(Schedule::InverseSqrt, 1000, 40) };
        for step in [1, 7, 39, 40, 41, 400, 1000] {
            let [a, b] = [&noam, &stated].map(|config| learning_rate(config, 512, step));
            assert!((a / b - 1.0).abs() < 1e-14, "{step}: {a:e} and {b:e}");
        }
    }

    /// nanoGPT's `get_lr`: min_lr + coefficient · (learning_rate - min_lr), in the middle and at the end.
    #[test]
    fn falling_schedules_end_with_the_lowest_rate() {
        for schedule in [Schedule::Cosine, Schedule::Linear] {
            let config = TrainingConfig { lowest_learning_rate: Some(5e-5), ..with(schedule, 109, 10) };
            let rate = |step| learning_rate(&config, 512, step);
            assert_eq!((rate(10), rate(110)), (5e-4, 5e-5), "{schedule:?}");
            assert!((rate(60) - (5e-5 + 0.5 * 4.5e-4)).abs() < 1e-18, "{schedule:?}: {}", rate(60));
            assert!((10..109).all(|step| rate(step + 1) < rate(step) && rate(step) > 5e-5), "{schedule:?}");
            let none = TrainingConfig { lowest_learning_rate: Some(0.0), ..config.clone() };
            let absent = TrainingConfig { lowest_learning_rate: None, ..config };
            let [none, absent] = [none, absent].map(|config| learning_rate(&config, 512, 77));
            assert!((none / absent - 1.0).abs() < 1e-15);
        }
        let constant =
            TrainingConfig { lowest_learning_rate: Some(5e-5), ..with(Schedule::Constant, 100, 10) };
        assert_eq!(learning_rate(&constant, 512, 90), 5e-4);
    }

    #[test]
    fn a_training_of_one_update_has_the_peak() {
        for schedule in [Schedule::InverseSqrt, Schedule::Cosine, Schedule::Linear, Schedule::Constant] {
            assert_eq!(learning_rate(&with(schedule, 1, 1), 512, 1), 5e-4, "{schedule:?}");
            assert!(ends_in_warmup(&with(schedule, 1, 1)));
        }
    }
}
