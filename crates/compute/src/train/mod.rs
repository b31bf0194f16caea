//! One training run: the loop and its parts.
//!
//! Configuration section `[training]`, whose settings are in `crates/trial`.

pub mod adam;
pub mod batch_source;
pub mod checkpoint;
pub mod likelihood;
pub mod loss;
pub mod negative_sampling;
pub mod next_sentence;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_the_bytes_of_their_kinds() {
        for precision in [Precision::Float32, Precision::Float64, Precision::Bfloat16] {
            let Kinds { weights, training } = precision.into();
            let sizes = [weights, training].map(|kind| kind.elt_size_in_bytes() as u64);
            assert_eq!([precision.weight_bytes(), precision.activation_bytes()], sizes, "{precision:?}");
        }
    }
}
