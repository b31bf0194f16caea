//! The cost of training, in floating-point operations: by count, and by time as in the paper's Table 2.
//!
//! # Source
//! Vaswani et al. 2017, §6.1 and its footnote: training time × number of GPUs × the single-precision operations per
//! second that each is assumed to sustain. By count: [`model::cost`](crate::model::cost).

use super::trial_result::{TrialOutcome, TrialResult};
use serde::Serialize;
use std::collections::BTreeMap;

/// Operations per second that the paper assumes for GPUs, in 10¹², by a word of their names.
const PAPERS_TFLOPS: [(&str, f64); 4] = [("K80", 2.8), ("K40", 3.7), ("M40", 6.0), ("P100", 9.5)];

/// The training cost of one trial of a row: means over its finished trials.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TrainingCost {
    /// Operations of the matrix products of all updates, forward and backward, padding included. `None` if a record
    /// does not hold the number.
    pub counted_flops: Option<f64>,
    /// Seconds of training × peak operations per second of the device. `None` without times, or without a peak.
    pub measured_flops: Option<f64>,
    /// Whether `measured_flops` lacks the time of some updates and is a lower bound.
    pub incomplete: bool,
    /// Devices whose peak is unknown.
    pub unknown_peaks: Vec<String>,
}

impl TrainingCost {
    /// The cost of the finished trials. `peaks` holds the operations per second, in 10¹², of a GPU or of a thread of a
    /// processor, by the device's name; those that the paper assumes are built in.
    pub fn of(trials: &[&TrialResult], peaks: &BTreeMap<String, f64>) -> TrainingCost {
        let mut cost = TrainingCost::default();
        let (mut counted, mut measured, mut finished) = (Vec::new(), Vec::new(), 0);
        for trial in trials {
            let TrialOutcome::Finished { record, time } = &trial.outcome else { continue };
            finished += 1;
            counted.extend(record.training_flops);
            let Some(time) = time else { continue };
            cost.incomplete |= time.incomplete;
            match peak(&record.provenance.device_name, peaks) {
                Some(tflops) => measured.push(time.unit_seconds * tflops * 1e12),
                None if !cost.unknown_peaks.contains(&record.provenance.device_name) => {
                    cost.unknown_peaks.push(record.provenance.device_name.clone())
                }
                None => {}
            }
        }
        // A mean over some of the trials would not match the score, which is over all of them.
        let mean = |values: Vec<f64>| {
            (finished > 0 && values.len() == finished).then(|| values.iter().sum::<f64>() / finished as f64)
        };
        cost.counted_flops = mean(counted);
        cost.measured_flops = mean(measured);
        cost
    }
}

/// Operations per second of a device, in 10¹²: as stated, or as the paper assumes.
fn peak(device: &str, stated: &BTreeMap<String, f64>) -> Option<f64> {
    // A module without its own fan is a `K40m`.
    let is = |name: &str| {
        device
            .split(|c: char| !c.is_alphanumeric())
            .any(|word| word.strip_prefix(name).is_some_and(|rest| matches!(rest, "" | "m")))
    };
    let assumed = || PAPERS_TFLOPS.iter().find(|(name, _)| is(name)).map(|(_, tflops)| *tflops);
    stated.get(device).copied().or_else(assumed)
}

#[cfg(test)]
mod tests {
    use super::super::examples::finished;
    use super::super::trial_result::TrainingTime;
    use super::*;

    fn trial(device: &str, flops: Option<f64>, seconds: Option<f64>) -> TrialResult {
        let mut trial = finished("base", 1, 5.0, 25.0);
        if let TrialOutcome::Finished { record, time } = &mut trial.outcome {
            record.provenance.device_name = device.into();
            record.training_flops = flops;
            *time = seconds.map(|unit_seconds| TrainingTime { unit_seconds, incomplete: false });
        }
        trial
    }

    #[test]
    fn the_papers_own_costs_come_out() {
        // 8 cards for 12 hours, and for 3.5 days.
        for (hours, printed) in [(12.0, 3.3e18), (84.0, 2.3e19)] {
            let trial = trial("Tesla P100-SXM2-16GB", None, Some(8.0 * hours * 3600.0));
            let cost = TrainingCost::of(&[&trial], &BTreeMap::new());
            assert!((cost.measured_flops.unwrap() / printed - 1.0).abs() < 0.01, "{cost:?}");
        }
    }

    #[test]
    fn a_card_is_known_by_a_word_of_its_name_and_what_is_stated_comes_first() {
        let none = BTreeMap::new();
        let found =
            ["Tesla K40m", "Tesla M40 24GB", "Quadro K4000", "NVIDIA A40"].map(|name| peak(name, &none));
        assert_eq!(found, [Some(3.7), Some(6.0), None, None]);
        let stated = BTreeMap::from([("Tesla K40m".to_string(), 4.29)]);
        assert_eq!(peak("Tesla K40m", &stated), Some(4.29));
    }

    #[test]
    fn a_mean_needs_every_trial_and_a_peak() {
        let peaks = BTreeMap::from([("a processor".to_string(), 0.05)]);
        let (one, two) =
            (trial("a processor", Some(1e9), Some(10.0)), trial("a processor", Some(3e9), Some(30.0)));
        let cost = TrainingCost::of(&[&one, &two], &peaks);
        assert_eq!((cost.counted_flops, cost.measured_flops), (Some(2e9), Some(1e12)));
        let old = trial("a processor", None, None);
        let cost = TrainingCost::of(&[&one, &old], &peaks);
        assert_eq!((cost.counted_flops, cost.measured_flops), (None, None));
        let cost = TrainingCost::of(&[&one, &two], &BTreeMap::new());
        assert_eq!((cost.measured_flops, &cost.unknown_peaks[..]), (None, &["a processor".to_string()][..]));
        assert_eq!(TrainingCost::of(&[], &peaks), TrainingCost::default());
    }
}
