//! Progress reports of long work.

/// Receiver of progress reports.
pub trait Progress {
    /// Reports a step that begins, or a result, in one line.
    fn message(&mut self, line: &str);

    /// Reports that `done` of `total` bytes of `what` are there; called often. `total` is absent if it is not known.
    fn bytes(&mut self, what: &str, done: u64, total: Option<u64>) {
        let _ = (what, done, total);
    }
}

impl<F: FnMut(&str)> Progress for F {
    fn message(&mut self, line: &str) {
        self(line);
    }
}
