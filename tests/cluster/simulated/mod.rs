//! A workshop with a simulated cluster: `slurm.sh` under the names of Slurm's programs.

use crate::common::runs::{assert_same_run, wait};
use crate::common::{Outcome, Workshop};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

pub struct Cluster {
    pub workshop: Workshop,
    /// The programs of the cluster and its jobs.
    folder: tempfile::TempDir,
}

impl Cluster {
    /// Creates a cluster with this sweep as `small.toml`.
    pub fn new(sweep: &str) -> Self {
        let cluster = Cluster { workshop: Workshop::new(), folder: tempfile::tempdir().unwrap() };
        cluster.workshop.write("small.toml", sweep);
        std::fs::create_dir(cluster.folder.path().join("bin")).unwrap();
        for program in ["sbatch", "squeue", "scontrol", "scancel"] {
            let path = cluster.folder.path().join("bin").join(program);
            std::fs::write(&path, include_str!("slurm.sh")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        cluster
    }

    /// Returns the path of a file of the cluster.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// `ablate` with these words, on a machine of the cluster.
    pub fn command(&self, words: &[&str]) -> Command {
        self.beside(self.workshop.command(words))
    }

    /// Any command, with the cluster's programs.
    pub fn beside(&self, mut command: Command) -> Command {
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", self.path("bin").display()));
        command.env("FAKE_SLURM", self.folder.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the sweep through Slurm, with further words.
    pub fn sweep(&self, words: &[&str]) -> Outcome {
        Outcome(self.start(words).wait_with_output().unwrap())
    }

    /// Starts the sweep through Slurm.
    pub fn start(&self, words: &[&str]) -> Child {
        let all: Vec<&str> =
            ["sweep", "small.toml", "--launcher", "slurm"].iter().chain(words).copied().collect();
        self.command(&all).spawn().unwrap()
    }

    /// Returns the events of a kind, such as `start 11_0`.
    pub fn trace(&self, kind: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("trace")).unwrap_or_default();
        text.lines().filter(|line| line.starts_with(kind)).map(str::to_string).collect()
    }

    /// Returns the process that a job runs.
    pub fn keeper(&self, job: &str) -> i32 {
        std::fs::read_to_string(self.path(job).join("pid")).unwrap().trim().parse().unwrap()
    }

    /// Returns the process that trains a trial at the moment.
    pub fn trainer(&self, run: &str) -> i32 {
        self.workshop.attempts(run).last().unwrap()["process"].as_i64().unwrap() as i32
    }

    /// Waits until a trial has saved its state at this update or a later one.
    pub fn wait_for_step(&self, run: &str, step: u64) {
        wait("a state is saved", || {
            let entries = std::fs::read_dir(self.workshop.path(format!("{run}/checkpoints")));
            entries.into_iter().flatten().flatten().any(|entry| {
                let name = entry.file_name().into_string().unwrap();
                let number =
                    name.strip_prefix("step-").and_then(|rest| rest.strip_suffix(".state.safetensors"));
                number.is_some_and(|number| number.parse::<u64>().unwrap() >= step)
            })
        });
    }

    /// Returns the reasons of the events of a kind in the ledger.
    pub fn events(&self, kind: &str) -> Vec<String> {
        let ledger = self.workshop.text("results/small/ledger.jsonl");
        let lines = ledger.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines
            .filter(|line| line["event"] == kind)
            .map(|line| line["reason"].as_str().unwrap_or_default().to_string())
            .collect()
    }

    /// Compares everything that equal runs share with the results of the same sweep run on this machine.
    #[track_caller]
    pub fn assert_as_local(&self, runs: &[&str]) {
        let local = Workshop::swept(&self.workshop.text("small.toml"));
        for run in runs {
            let [here, there] =
                [&local, &self.workshop].map(|workshop| workshop.path("results/small").join(run));
            assert_same_run(&here, &there, &[], &format!("the jobs of {run}"));
        }
        assert_eq!(local.text("results/small/table.md"), self.workshop.text("results/small/table.md"));
    }
}
