//! The record of how a score was computed, in sacreBLEU's version-2 form, under this program's own name.

use serde::{Serialize, Serializer};
use std::fmt;

/// Key–value pairs that make a score reproducible: `nrefs:1|case:mixed|…|version:ablate-0.1.0`.
///
/// Two scores may be compared only if their signatures are equal.
///
/// # Source
/// sacreBLEU 2.6.0, `metrics/base.py` (Post 2018, "A Call for Clarity in Reporting BLEU Scores").
///
/// # Deviation
/// `version` names this program, not a release of sacreBLEU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Number and seed of the resamples, if sentences were resampled; shown before `settings`.
    resampling: Vec<Pair>,
    references: usize,
    settings: Vec<Pair>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pair {
    key: &'static str,
    short: &'static str,
    value: String,
}

const VERSION: &str = concat!("ablate-", env!("CARGO_PKG_VERSION"));

impl Signature {
    /// Creates a signature that states the number of references per segment.
    pub fn new(references: usize) -> Self {
        Signature { resampling: Vec::new(), references, settings: Vec::new() }
    }

    /// Adds a setting, by its name and by the shorter one, after those already there.
    pub fn with(mut self, key: &'static str, short: &'static str, value: impl Into<String>) -> Self {
        self.settings.push(Pair { key, short, value: value.into() });
        self
    }

    /// Adds the number of bootstrap resamples, where there were any.
    pub fn with_bootstrap(self, resamples: u32) -> Self {
        self.with_resampling("bs", "bs", resamples)
    }

    /// Adds the number of trials of approximate randomisation.
    pub fn with_randomization(self, trials: u32) -> Self {
        self.with_resampling("ar", "ar", trials)
    }

    /// Adds the seed that sentences were drawn from.
    pub fn with_seed(self, seed: u64) -> Self {
        self.with_resampling("seed", "rs", seed)
    }

    fn with_resampling(mut self, key: &'static str, short: &'static str, value: impl ToString) -> Self {
        self.resampling.push(Pair { key, short, value: value.to_string() });
        self
    }

    /// Returns the short form, with one or two letters a key: `#:1|c:mixed|e:no|tok:13a|s:exp|v:ablate-0.1.0`.
    pub fn short(&self) -> String {
        let mut text = format!("#:{}|", self.references);
        for Pair { short, value, .. } in self.resampling.iter().chain(&self.settings) {
            text += &format!("{short}:{value}|");
        }
        text + "v:" + VERSION
    }
}

impl fmt::Display for Signature {
    /// Writes all pairs in order, the version last.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "nrefs:{}|", self.references)?;
        for Pair { key, value, .. } in self.resampling.iter().chain(&self.settings) {
            write!(f, "{key}:{value}|")?;
        }
        write!(f, "version:{VERSION}")
    }
}

impl Serialize for Signature {
    /// Writes the text of `Display`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versioned(text: &str) -> String {
        format!("{text}-{}", env!("CARGO_PKG_VERSION"))
    }

    #[test]
    fn pairs_keep_their_order_and_the_version_is_last() {
        let signature = Signature::new(2).with("case", "c", "lc").with("smooth", "s", "exp");
        assert_eq!(signature.to_string(), versioned("nrefs:2|case:lc|smooth:exp|version:ablate"));
        assert_eq!(signature.short(), versioned("#:2|c:lc|s:exp|v:ablate"));
    }

    #[test]
    fn resampling_is_named_before_the_settings() {
        let signature = Signature::new(1).with("case", "c", "lc").with_randomization(10).with_seed(3);
        assert_eq!(signature.to_string(), versioned("nrefs:1|ar:10|seed:3|case:lc|version:ablate"));
        assert_eq!(signature.short(), versioned("#:1|ar:10|rs:3|c:lc|v:ablate"));
    }
}
