//! One training run: the loop and its parts.
//!
//! Configuration section `[training]`, whose settings are in `crates/trial`.

pub mod adam;
pub mod batch_source;
pub mod checkpoint;
pub mod likelihood;
pub mod loss;
pub mod prefetch;
pub mod ranks;
pub mod step;
pub mod tensor_file;
pub mod trainer;

pub use ablate_trial::train::*;

use crate::model::Kinds;
use tch::Kind;

impl From<Precision> for Kinds {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::Float32 => Kind::Float.into(),
            Precision::Float64 => Kind::Double.into(),
            Precision::Bfloat16 => Kinds { weights: Kind::Float, training: Kind::BFloat16 },
        }
    }
}
