//! The tests over seeds, which ask whether models of other seeds would differ on the same sentences.
//!
//! # Source
//! Student 1908, "The Probable Error of a Mean" (the paired test); Welch 1947, "The Generalization of 'Student's' Problem
//! when Several Different Population Variances are Involved".

use super::comparison::{LEVEL, OverSeeds, SeedTest, Untested};
use super::summary::Summary;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Largest difference of equal scores, which is due to rounding.
const ROUNDING: f64 = 1e-9;

/// The result of a test over seeds, or the reason why there is none.
pub type OfSeeds = std::result::Result<OverSeeds, Untested>;

/// Welch's t-test of two means.
///
/// # Errors
/// If a side has one value, or neither has spread.
pub fn welch(theirs: &Summary, ours: &Summary) -> OfSeeds {
    let (Some(their_deviation), Some(our_deviation)) = (theirs.deviation, ours.deviation) else {
        return Err(Untested::OneSeed);
    };
    if their_deviation.max(our_deviation) <= ROUNDING {
        return Err(Untested::NoSpread);
    }
    let square = |deviation: f64, side: &Summary| deviation.powi(2) / side.n as f64;
    let (theirs_squared, ours_squared) = (square(their_deviation, theirs), square(our_deviation, ours));
    let variance = theirs_squared + ours_squared;
    let share = |squared: f64, side: &Summary| squared.powi(2) / (side.n - 1) as f64;
    let degrees_of_freedom = variance.powi(2) / (share(theirs_squared, theirs) + share(ours_squared, ours));
    t_test(SeedTest::Welch, ours.mean - theirs.mean, variance.sqrt(), degrees_of_freedom)
}

/// The paired t-test: whether the mean difference of paired values is other than 0.
///
/// # Errors
/// If there is one pair, or the differences have no spread.
pub fn paired(theirs: &[f64], ours: &[f64]) -> OfSeeds {
    let differences: Vec<f64> = theirs.iter().zip(ours).map(|(theirs, ours)| ours - theirs).collect();
    let Some(Summary { n, mean, deviation: Some(deviation), .. }) = Summary::of(&differences) else {
        return Err(Untested::OneSeed);
    };
    if deviation <= ROUNDING {
        return Err(Untested::EqualDifferences);
    }
    t_test(SeedTest::Paired, mean, deviation / (n as f64).sqrt(), (n - 1) as f64)
}

/// The test of a difference with its standard error.
fn t_test(test: SeedTest, difference: f64, error: f64, degrees_of_freedom: f64) -> OfSeeds {
    let distribution = StudentsT::new(0.0, 1.0, degrees_of_freedom).map_err(|_| Untested::NoSpread)?;
    Ok(OverSeeds {
        test,
        p: (2.0 * distribution.cdf(-(difference / error).abs())).min(1.0),
        half_width: distribution.inverse_cdf(1.0 - LEVEL / 2.0) * error,
        degrees_of_freedom,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn welch_by_hand() {
        // Means 2 and 6, variances 1 and 4, n 3 and 3: t = 4/√(5/3), ν = (5/3)²/((1/3)²/2 + (4/3)²/2) = 50/17.
        let (a, b) = (Summary::of(&[1.0, 2.0, 3.0]).unwrap(), Summary::of(&[4.0, 6.0, 8.0]).unwrap());
        let found = welch(&a, &b).unwrap();
        assert!((found.degrees_of_freedom - 50.0 / 17.0).abs() < 1e-12);
        // By numerical integration of Student's density with 50/17 degrees of freedom.
        assert!((found.p - 0.054_786_766).abs() < 1e-7, "{found:?}");
        assert!((found.half_width - 4.155_399_5).abs() < 1e-5, "{found:?}");
        assert_eq!(found.test, SeedTest::Welch);
        let single = Summary::of(&[1.0]).unwrap();
        assert_eq!(welch(&a, &single), Err(Untested::OneSeed));
        // Three times 0.1 is not 0.3: the mean is off by rounding.
        let constant = Summary::of(&[0.1, 0.1, 0.1]).unwrap();
        assert_eq!(welch(&constant, &constant), Err(Untested::NoSpread));
        assert!(welch(&constant, &a).is_ok());
    }

    #[test]
    fn paired_t_test_is_that_of_the_textbook() {
        // Student's own data (1908): hours of sleep gained by ten patients with each of two drugs. As published:
        // mean difference 1.58, t = 4.0621, 9 degrees of freedom, p = 0.002833, interval 0.7001 to 2.4599.
        let one = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
        let other = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
        let found = paired(&one, &other).unwrap();
        assert_eq!((found.test, found.degrees_of_freedom), (SeedTest::Paired, 9.0));
        assert!((found.p - 0.002_832_89).abs() < 1e-7, "{found:?}");
        assert!((found.half_width - 0.879_886).abs() < 1e-5, "{found:?}");
        // With two pairs the distribution is Cauchy's: p = 1 - 2 atan(t) / π, and t = 3 for differences 1 and 2.
        let found = paired(&[1.0, 5.0], &[2.0, 7.0]).unwrap();
        let known = 1.0 - 2.0 * 3f64.atan() / std::f64::consts::PI;
        assert!((found.p - known).abs() < 1e-9, "{found:?}");
        assert_eq!(paired(&[1.0], &[2.0]), Err(Untested::OneSeed));
        // The differences are equal but for rounding.
        assert_eq!(paired(&[25.3, 24.3, 26.7], &[25.4, 24.4, 26.8]), Err(Untested::EqualDifferences));
    }
}
