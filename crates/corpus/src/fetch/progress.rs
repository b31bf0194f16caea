//! Telling a person what takes long.

/// Hears of the work as it goes on.
pub trait Progress {
    /// A line about what begins, or what was found.
    fn message(&mut self, line: &str);

    /// `done` of `total` bytes of `what` are there; called often. `total` is absent where nobody said it.
    fn bytes(&mut self, what: &str, done: u64, total: Option<u64>) {
        let _ = (what, done, total);
    }
}

impl<F: FnMut(&str)> Progress for F {
    fn message(&mut self, line: &str) {
        self(line);
    }
}
