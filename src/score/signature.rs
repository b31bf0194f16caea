//! How a score was computed, in sacreBLEU's version-2 form, under this program's own name.

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
pub struct Signature(Vec<(&'static str, String)>);

impl Signature {
    /// A signature that states the number of references a segment.
    pub fn new(references: usize) -> Self {
        Signature(vec![("nrefs", references.to_string())])
    }

    /// Adds a pair after those already there.
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.0.push((key, value.into()));
        self
    }
}

impl fmt::Display for Signature {
    /// All pairs in order, the version last.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.iter().try_for_each(|(key, value)| write!(f, "{key}:{value}|"))?;
        write!(f, "version:ablate-{}", env!("CARGO_PKG_VERSION"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_keep_their_order_and_the_version_is_last() {
        let shown = Signature::new(2).with("case", "lc").with("tok", "13a").to_string();
        assert_eq!(shown, format!("nrefs:2|case:lc|tok:13a|version:ablate-{}", env!("CARGO_PKG_VERSION")));
    }
}
