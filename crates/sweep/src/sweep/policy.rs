//! The rules of a sweep: retries after failures, limits of one call, and early stopping of poor trials (halving).
//!
//! Keys of a sweep file: `max_trials`, `max_hours`, `[retry]`, `[halving]`.

use super::trial::Trial;
use crate::error::{Diagnostic, Error, Place, Result};
use crate::results::record::FailureKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Largest number of trials that run at once.
pub const MOST_WORKERS: usize = 10_000;
/// Largest number of hours of one call: more than a hundred years, but still a time that clocks can add.
const MOST_HOURS: f64 = 1e6;
/// Largest number of attempts at one trial.
const MOST_ATTEMPTS: u32 = 1_000;

/// Rules of a sweep about failures, budgets and halving.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    /// Largest number of trials that one call of the command starts; None: all.
    pub max_trials: Option<usize>,
    /// Hours after which one call stops its trials, which save their state.
    pub max_hours: Option<f64>,
    pub retry: Retry,
    pub halving: Option<Halving>,
    /// Whether to stop the sweep at the first trial that fails for good.
    pub fail_fast: bool,
}

/// A limit of a [`Policy`] that is out of range.
struct Refused {
    limit: &'static str,
    value: String,
    accepted: String,
}

impl Policy {
    /// Checks the values one by one; `place` returns the place of a key in the sweep's file.
    ///
    /// # Errors
    /// The first value that is not accepted.
    pub fn check_values(
        &self,
        place: &dyn Fn(&[&str]) -> Option<Place>,
    ) -> std::result::Result<(), Diagnostic> {
        let refuse = |path: &[&str], value: String, accepted: String| {
            let message = format!("{} = {value} is out of range", path.join("."));
            Err(Diagnostic::new(message).at(place(path)).help(format!("expected {accepted}")))
        };
        if let Some(Refused { limit, value, accepted }) = self.refused_limit() {
            return refuse(&[limit], value, accepted);
        }
        let attempts = self.retry.attempts;
        if !(1..=MOST_ATTEMPTS).contains(&attempts) {
            return refuse(&["retry", "attempts"], attempts.to_string(), format!("1 to {MOST_ATTEMPTS}"));
        }
        match &self.halving {
            Some(Halving { factor, .. }) if *factor < 2 => refuse(
                &["halving", "factor"],
                factor.to_string(),
                "2 or more: with 1 every trial would continue".into(),
            ),
            Some(Halving { first: 0, .. }) => refuse(&["halving", "first"], "0".into(), "1 or more".into()),
            _ => Ok(()),
        }
    }

    /// Checks the limits as options of a command: `--max-hours 0`.
    ///
    /// # Errors
    /// The first value that is not accepted.
    pub fn check_options(&self) -> Result<()> {
        match self.refused_limit() {
            None => Ok(()),
            Some(Refused { limit, value, accepted }) => Err(Error::user(format!(
                "--{} {value} is out of range: expected {accepted}",
                limit.replace('_', "-")
            ))),
        }
    }

    fn refused_limit(&self) -> Option<Refused> {
        if self.max_trials == Some(0) {
            return Some(Refused { limit: "max_trials", value: "0".into(), accepted: "1 or more".into() });
        }
        let hours = self.max_hours.filter(|hours| !(*hours > 0.0 && *hours <= MOST_HOURS))?;
        let accepted = format!("a number above 0, at most {MOST_HOURS}");
        // Large numbers in exponential form: written out, they have hundreds of digits.
        let value = if hours.abs() < 1e9 { hours.to_string() } else { format!("{hours:e}") };
        Some(Refused { limit: "max_hours", value, accepted })
    }

    /// Checks the comparisons of halving against the trials that it compares.
    ///
    /// # Errors
    /// A mistake at `place` that names the row.
    pub fn check_halving(&self, trials: &[Trial], place: Place) -> Result<()> {
        let Some(halving) = &self.halving else { return Ok(()) };
        let first = halving.first;
        for trial in trials {
            let interval = trial.experiment.training.dev_interval_steps;
            if interval == 0 || !first.is_multiple_of(interval) {
                let message = format!(
                    "halving.first = {first} is not a step at which row {:?} measures its dev loss",
                    trial.row
                );
                let help = format!("use a multiple of its training.dev_interval_steps = {interval}");
                return Err(Diagnostic::new(message).at(Some(place)).help(help).into());
            }
        }
        if trials.iter().all(|trial| halving.rungs(trial.experiment.training.steps).is_empty()) {
            let longest = trials.iter().map(|trial| trial.experiment.training.steps).max().unwrap_or(0);
            let message = format!("halving.first = {first} compares nothing: no row has more updates");
            let help = format!("use less than {longest}, or remove [halving]");
            return Err(Diagnostic::new(message).at(Some(place)).help(help).into());
        }
        Ok(())
    }
}

/// The `[retry]` section: after which failures a trial is tried again, and how often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Number of attempts at one trial in one call of the command, including the first.
    pub attempts: u32,
    /// Kinds of failure after which a trial is tried again. The default has those that may not happen again.
    pub on: Vec<FailureKind>,
}

impl Default for Retry {
    fn default() -> Self {
        Retry { attempts: 3, on: vec![FailureKind::Killed, FailureKind::Lost, FailureKind::OutOfMemory] }
    }
}

impl Retry {
    /// Whether a trial with this kind of failure at its `attempt`-th attempt is tried again.
    pub fn allows(&self, kind: FailureKind, attempt: u32) -> bool {
        attempt < self.attempts && self.on.contains(&kind)
    }
}

/// The `[halving]` section: asynchronous successive halving on the dev loss.
///
/// Trials pause at the steps `first`, `first` · `factor`, … Of the trials that reached a step, only the best 1/`factor`
/// continue, from where they paused. A trial that finishes has the same bytes as without halving.
///
/// # Source
/// Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", algorithm 2.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Halving {
    /// Number of updates before the first comparison, a multiple of `training.dev_interval_steps`.
    pub first: u64,
    /// One of this many trials continues after a comparison; also the ratio of one comparison's step to the one before.
    #[serde(default = "usual_factor")]
    pub factor: u64,
}

fn usual_factor() -> u64 {
    3
}

impl Halving {
    /// Returns the steps of the comparisons in a training of `steps` updates.
    pub fn rungs(&self, steps: u64) -> Vec<u64> {
        let next = |step: &u64| step.checked_mul(self.factor);
        std::iter::successors(Some(self.first), next).take_while(|&step| step < steps).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_that_repeat_themselves_are_not_tried_again() {
        let retry = Retry::default();
        assert!(retry.allows(FailureKind::Killed, 1) && retry.allows(FailureKind::Lost, 2));
        assert!(!retry.allows(FailureKind::Killed, 3));
        assert!(!retry.allows(FailureKind::Diverged, 1) && !retry.allows(FailureKind::BadConfiguration, 1));
    }

    #[test]
    fn comparisons_come_at_powers_of_the_factor_before_the_end() {
        let halving = Halving { first: 100, factor: 3 };
        assert_eq!(halving.rungs(1000), [100, 300, 900]);
        assert_eq!(halving.rungs(900), [100, 300]);
        assert!(halving.rungs(100).is_empty());
    }
}
