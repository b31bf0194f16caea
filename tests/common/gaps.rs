//! Largest gaps between us and a peer, for the table in docs/parity.md.
//!
//! A test that compares numbers with those of another program gives its gaps to [`report`], which writes
//! them where `scripts/parity` asked for them, in the format of `scripts/check_*.py --json`.

use serde::Serialize;

/// One comparison of our numbers with a peer's.
#[derive(Debug, Serialize)]
pub struct Gap {
    /// The compared quantity.
    pub what: String,
    /// Program or module that it is compared with, with its version.
    pub peer: String,
    /// The amount of data compared.
    pub size: String,
    /// Largest gap allowed.
    pub tolerance: f64,
    /// Largest gap seen.
    pub gap: f64,
    pub ok: bool,
}

/// Writes `<name>.json` into the folder that `ABLATE_GAPS` names; does nothing without it.
pub fn report(name: &str, gaps: &[Gap]) {
    let Some(folder) = std::env::var_os("ABLATE_GAPS") else { return };
    let text = serde_json::json!({ "checks": gaps }).to_string();
    std::fs::write(std::path::Path::new(&folder).join(format!("{name}.json")), text).unwrap();
}

/// The largest absolute gap of a test's comparisons.
pub struct Largest {
    what: String,
    peer: String,
    tolerance: f64,
    gap: f64,
    numbers: usize,
}

impl Largest {
    pub fn new(what: &str, peer: &str, tolerance: f64) -> Self {
        Largest { what: what.to_string(), peer: peer.to_string(), tolerance, gap: 0.0, numbers: 0 }
    }

    /// Counts one comparison and fails if it is beyond the tolerance.
    #[track_caller]
    pub fn assert_near(&mut self, ours: f64, theirs: f64, at: &str) {
        let gap = (ours - theirs).abs();
        assert!(gap <= self.tolerance, "{at}: {ours} is not {}'s {theirs}", self.peer);
        self.gap = self.gap.max(gap);
        self.numbers += 1;
    }

    /// Returns the gap for [`report`], at the end of a test that did not fail.
    pub fn gap(self) -> Gap {
        let Largest { what, peer, tolerance, gap, numbers } = self;
        Gap { what, peer, size: format!("{numbers} numbers"), tolerance, gap, ok: true }
    }
}
