//! The shapes of the learning rate's curve; `training.schedule`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the learning rate follows the number of the update. Each schedule rises linearly to its peak during
/// `warmup_steps` updates: update 1 has the peak divided by `warmup_steps`. `warmup_steps = 1` is no warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// The paper's (§5.3): it falls with the inverse square root of the update's number, and its peak is
    /// `learning_rate_scale` / sqrt(d_model * warmup_steps).
    Noam,
    /// From `peak_learning_rate` with the inverse square root of the update's number: the same curve as `noam`, with a
    /// peak that no width changes.
    InverseSqrt,
    /// From `peak_learning_rate` along half a cosine, to `lowest_learning_rate` at the update after the last.
    Cosine,
    /// From `peak_learning_rate` along a straight line, to `lowest_learning_rate` at the update after the last.
    Linear,
    /// `peak_learning_rate` after the warm-up.
    Constant,
}

impl Schedule {
    /// Whether the peak is stated, as `training.peak_learning_rate`; else it follows from the width of the model and
    /// `training.learning_rate_scale`.
    pub fn has_stated_peak(self) -> bool {
        self != Schedule::Noam
    }

    /// Whether the rate falls to a stated one, `training.lowest_learning_rate`.
    pub fn has_stated_end(self) -> bool {
        match self {
            Schedule::Cosine | Schedule::Linear => true,
            Schedule::Noam | Schedule::InverseSqrt | Schedule::Constant => false,
        }
    }
}
