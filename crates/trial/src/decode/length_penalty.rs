//! The length penalty: the number by which a hypothesis's log-probability is divided, so that short ones are not favoured.
//!
//! `decoding.length_penalty_form`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Formula of the length penalty. Its exponent alpha is `decoding.length_penalty`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LengthPenaltyForm {
    /// ((5 + length) / 6)^alpha, as in the paper.
    ///
    /// # Source
    /// Wu et al. 2016, eq. 14; Vaswani et al. 2017, §6.1, with alpha 0.6.
    Gnmt,
    /// length^alpha, as in fairseq, Hugging Face `transformers` and CTranslate2. With alpha = 1, the score is the mean
    /// log-probability per token.
    Power,
}

impl LengthPenaltyForm {
    /// The divisor for `length` ≥ 1 tokens, `</s>` counted.
    pub fn penalty(self, length: usize, alpha: f64) -> f64 {
        let length = length as f64;
        match self {
            LengthPenaltyForm::Gnmt => (5.0 + length) / 6.0,
            LengthPenaltyForm::Power => length,
        }
        .powf(alpha)
    }
}

#[cfg(test)]
mod tests {
    use super::LengthPenaltyForm::{Gnmt, Power};

    #[test]
    fn gnmts_penalty_is_one_for_one_token() {
        assert_eq!(Gnmt.penalty(1, 0.6), 1.0);
        assert!((Gnmt.penalty(7, 0.6) - 2f64.powf(0.6)).abs() < 1e-15);
    }

    #[test]
    fn the_power_of_the_length_with_exponent_one_is_the_length() {
        assert_eq!(Power.penalty(1, 0.6), 1.0);
        assert_eq!(Power.penalty(30, 1.0), 30.0);
    }

    #[test]
    fn exponent_zero_is_no_penalty() {
        assert!([Gnmt, Power].iter().all(|form| form.penalty(30, 0.0) == 1.0));
    }
}
