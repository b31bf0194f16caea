//! The reports of a training loop to observers. Observers cannot alter training; they can only fail.

use crate::error::Result;

/// The state of training at a log interval.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Report {
    /// Optimizer updates done.
    pub step: u64,
    /// Nats per target token, as trained on, with label smoothing.
    pub loss: f64,
    /// Perplexity per target token, without smoothing; `None` for a model that gives no probabilities.
    pub perplexity: Option<f64>,
    pub learning_rate: f64,
    /// Target tokens without padding per second since the last report.
    pub tokens_per_second: f64,
}

/// Receives the events of a training. All methods do nothing unless overridden.
pub trait Observer {
    /// Receives a value that equal runs share: losses, scores, counts.
    fn metric(&mut self, _step: u64, _tag: &str, _value: f64) -> Result<()> {
        Ok(())
    }

    /// Called when training begins, or resumes after `step` updates of earlier attempts.
    fn begin(&mut self, _step: u64) -> Result<()> {
        Ok(())
    }

    /// Receives the state for display; called after the metrics of its step.
    fn report(&mut self, _report: &Report) -> Result<()> {
        Ok(())
    }

    /// Receives a line for display: "dev perplexity 12.3, the best so far".
    fn message(&mut self, _text: &str) -> Result<()> {
        Ok(())
    }
}

/// Two observers as one: both get every call, the first one first. Pairs of pairs combine more.
impl<A: Observer, B: Observer> Observer for (A, B) {
    fn metric(&mut self, step: u64, tag: &str, value: f64) -> Result<()> {
        self.0.metric(step, tag, value)?;
        self.1.metric(step, tag, value)
    }

    fn begin(&mut self, step: u64) -> Result<()> {
        self.0.begin(step)?;
        self.1.begin(step)
    }

    fn report(&mut self, report: &Report) -> Result<()> {
        self.0.report(report)?;
        self.1.report(report)
    }

    fn message(&mut self, text: &str) -> Result<()> {
        self.0.message(text)?;
        self.1.message(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps the calls it gets.
    #[derive(Default)]
    struct Told(Vec<String>);

    impl Observer for Told {
        fn metric(&mut self, step: u64, tag: &str, value: f64) -> Result<()> {
            self.0.push(format!("{tag} {value} of {step}"));
            Ok(())
        }

        fn begin(&mut self, step: u64) -> Result<()> {
            self.0.push(format!("begin {step}"));
            Ok(())
        }

        fn report(&mut self, report: &Report) -> Result<()> {
            self.0.push(format!("report {}", report.step));
            Ok(())
        }

        fn message(&mut self, text: &str) -> Result<()> {
            self.0.push(text.to_string());
            Ok(())
        }
    }

    #[test]
    fn a_pair_of_observers_is_told_everything_once() {
        let mut both = (Told::default(), Told::default());
        both.begin(4).unwrap();
        both.metric(5, "dev/loss", 2.5).unwrap();
        let report =
            Report { step: 6, loss: 2.0, perplexity: None, learning_rate: 0.1, tokens_per_second: 9.0 };
        both.report(&report).unwrap();
        both.message("the best so far").unwrap();
        let (first, second) = both;
        assert_eq!(first.0, ["begin 4", "dev/loss 2.5 of 5", "report 6", "the best so far"]);
        assert_eq!(first.0, second.0);
    }
}
