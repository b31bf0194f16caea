//! The `[slurm]` table of a sweep file: the resources that each trial requests from the cluster.

use crate::error::{Diagnostic, Place};
use schemars::JsonSchema;
use serde::Deserialize;
use std::ops::RangeInclusive;

/// The request of `--launcher slurm` to Slurm for each trial. The default of an absent key is the cluster's.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Slurm")]
pub struct SlurmSpec {
    /// Names of partitions, separated by commas.
    pub partition: Option<String>,
    /// Name of the account to which jobs are charged.
    pub account: Option<String>,
    /// Time limit of a job in sbatch's form: "90" (minutes), "4:00:00" (hours), "2-00:00:00" (days). A trial that needs
    /// longer continues in the next job.
    pub time: Option<String>,
    /// Number of processors of a job. If `run.threads` is 0, it is also the number of threads of the trial. If absent,
    /// the value of `run.threads`.
    #[schemars(range(min = 1))]
    pub cpus: Option<usize>,
    /// Memory of a job, such as "8G".
    pub memory: Option<String>,
    /// Number of GPUs of a job. 0 requests none.
    pub gpus: u32,
    /// Further options of sbatch, such as ["--qos=low", "--constraint=a100"].
    pub options: Vec<String>,
    /// Largest number of jobs that run at the same time. If absent, there is no limit.
    #[schemars(range(min = 1))]
    pub max_running: Option<usize>,
    /// Number of seconds before the time limit at which a trial saves its state and ends. Slurm may send the signal up
    /// to 60 seconds earlier.
    #[schemars(range(min = 1, max = 65535))]
    pub warn_seconds: u32,
    /// Number of seconds between two requests to Slurm for the state of the jobs.
    pub poll_seconds: f64,
}

impl Default for SlurmSpec {
    fn default() -> Self {
        SlurmSpec {
            partition: None,
            account: None,
            time: None,
            cpus: None,
            memory: None,
            gpus: 0,
            options: Vec::new(),
            max_running: None,
            // Enough for one update and a checkpoint.
            warn_seconds: 120,
            // Often enough for users, and seldom enough for a controller that thousands share.
            poll_seconds: 15.0,
        }
    }
}

/// Largest number of processors, and of GPUs, of one job.
const MOST_CPUS: usize = 1 << 12;
const MOST_GPUS: u32 = 1 << 10;
/// Largest number of jobs that run at once.
const MOST_RUNNING: usize = 1_000_000;
/// From a rate that a controller tolerates to one day.
const POLL_SECONDS: RangeInclusive<f64> = 0.01..=86_400.0;

/// Options of sbatch that the launcher sets itself.
const OWN: [&str; 12] = [
    "--array",
    "--job-name",
    "--output",
    "--error",
    "--open-mode",
    "--signal",
    "--requeue",
    "--no-requeue",
    "--parsable",
    "--wrap",
    "--chdir",
    "--wait",
];

impl SlurmSpec {
    /// Checks the values; `place` returns the place of a key in the file.
    ///
    /// # Errors
    /// The first value that is not accepted.
    pub fn check(&self, place: &dyn Fn(&str) -> Option<Place>) -> std::result::Result<(), Diagnostic> {
        let refuse = |key: &str, message: String, help: &str| {
            Err(Diagnostic::new(format!("slurm.{message}")).at(place(key)).help(help))
        };
        let counts = [
            ("cpus", self.cpus, MOST_CPUS),
            ("max_running", self.max_running, MOST_RUNNING),
            ("warn_seconds", Some(self.warn_seconds as usize), 65_535),
        ];
        for (key, count, most) in counts {
            if let Some(count) = count.filter(|count| !(1..=most).contains(count)) {
                let help = format!("expected 1 to {most}");
                return refuse(key, format!("{key} = {count} is out of range"), &help);
            }
        }
        if self.gpus > MOST_GPUS {
            let help = format!("expected 0 (none) to {MOST_GPUS}");
            return refuse("gpus", format!("gpus = {} is out of range", self.gpus), &help);
        }
        if !POLL_SECONDS.contains(&self.poll_seconds) {
            let help = format!("expected {} to {} seconds", POLL_SECONDS.start(), POLL_SECONDS.end());
            let message = format!("poll_seconds = {:?} is out of range", self.poll_seconds);
            return refuse("poll_seconds", message, &help);
        }
        let texts = [
            ("partition", &self.partition),
            ("account", &self.account),
            ("time", &self.time),
            ("memory", &self.memory),
        ];
        let broken =
            |text: &&String| text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control());
        for (key, text) in texts {
            if let Some(text) = text.as_ref().filter(broken) {
                return refuse(
                    key,
                    format!("{key} = {text:?} is no word that sbatch could read"),
                    "write it without blanks",
                );
            }
        }
        for option in &self.options {
            let name = option.split('=').next().unwrap_or_default();
            if !option.starts_with("--") || option.contains(char::is_control) {
                let help = "expected long options, as in [\"--qos=low\", \"--exclusive\"]";
                return refuse("options", format!("options holds {option:?}"), help);
            }
            // sbatch takes the beginning of an option for the whole.
            if let Some(own) = OWN.iter().find(|own| own.starts_with(name)) {
                let abbreviated = if *own == name { String::new() } else { format!(" for {own}") };
                let message = format!("options holds {name}{abbreviated}, which ablate sets itself");
                return refuse("options", message, "leave it out");
            }
        }
        Ok(())
    }

    /// Returns the options of sbatch for the table.
    pub fn options(&self) -> Vec<String> {
        let stated = [
            ("partition", self.partition.clone()),
            ("account", self.account.clone()),
            ("time", self.time.clone()),
            ("cpus-per-task", self.cpus.map(|cpus| cpus.to_string())),
            ("mem", self.memory.clone()),
            ("gpus", (self.gpus > 0).then(|| self.gpus.to_string())),
        ];
        let mut options = vec!["--nodes=1".to_string(), "--ntasks=1".to_string()];
        options.extend(stated.into_iter().filter_map(|(name, value)| Some(format!("--{name}={}", value?))));
        // Only to the batch shell, which the trial's keeper has replaced.
        options.push(format!("--signal=B:USR2@{}", self.warn_seconds));
        options.extend(self.options.iter().cloned());
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_is_left_to_the_cluster() {
        let plain = SlurmSpec::default().options();
        assert_eq!(plain, ["--nodes=1", "--ntasks=1", "--signal=B:USR2@120"]);
        let full = SlurmSpec {
            partition: Some("gpu".into()),
            time: Some("4:00:00".into()),
            memory: Some("8G".into()),
            gpus: 1,
            options: vec!["--qos=low".into()],
            ..SlurmSpec::default()
        };
        full.check(&|_| None).unwrap();
        let options = full.options().join(" ");
        assert!(options.contains("--partition=gpu --time=4:00:00 --mem=8G --gpus=1"), "{options}");
        assert!(options.ends_with("--qos=low"), "{options}");
    }

    #[test]
    fn values_that_cannot_be_are_refused_by_name() {
        let refused = |spec: SlurmSpec| spec.check(&|_| None).unwrap_err().to_string();
        let plain = SlurmSpec::default;
        assert!(refused(SlurmSpec { cpus: Some(0), ..plain() }).starts_with("slurm.cpus = 0"));
        assert!(refused(SlurmSpec { max_running: Some(0), ..plain() }).contains("max_running"));
        assert!(refused(SlurmSpec { warn_seconds: 70_000, ..plain() }).contains("warn_seconds = 70000"));
        for poll_seconds in [-1.0, 0.0, f64::NAN, f64::INFINITY, 9.3e18, 1e-300] {
            assert!(refused(SlurmSpec { poll_seconds, ..plain() }).contains("slurm.poll_seconds = "));
        }
        assert!(refused(SlurmSpec { gpus: u32::MAX, ..plain() }).contains("slurm.gpus = 4294967295"));
        assert!(refused(SlurmSpec { cpus: Some(usize::MAX), ..plain() }).contains("slurm.cpus = "));
        assert!(refused(SlurmSpec { account: Some("a\u{1}".into()), ..plain() }).contains("account"));
        assert!(refused(SlurmSpec { memory: Some("8 G".into()), ..plain() }).contains("memory = \"8 G\""));
        assert!(refused(SlurmSpec { options: vec!["-p x".into()], ..plain() }).contains("\"-p x\""));
        let own = SlurmSpec { options: vec!["--array=0-3".into()], ..plain() };
        assert!(refused(own).contains("--array, which ablate sets itself"));
        let abbreviated = SlurmSpec { options: vec!["--job=mine".into()], ..plain() };
        assert!(refused(abbreviated).contains("--job for --job-name, which ablate sets itself"));
    }
}
