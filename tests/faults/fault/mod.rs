//! Faults at chosen places where a program works on files: `shim.cpp`, loaded into the program.
#![allow(dead_code)] // each test file uses its part

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::common::runs::{RUN_FILES, SHOWN_FILES, assert_same_files, signal};
use crate::common::{self, Outcome, Workshop};

/// A sweep of two trials whose every step is recorded; a second or two on one processor.
pub const SWEEP: &str = r#"
base = "tiny.toml"
seeds = [1]
set = { "training.steps" = 24, "training.checkpoint_interval_steps" = 4, "training.keep_best" = true }

# What a fault did must show: no second attempt by the same driver.
[retry]
attempts = 1

[table]
columns = ["parameters", "dev/perplexity", "test/bleu"]

[[row]]
label = "base"

[[row]]
label = "no-positions"
set = { "model.position" = "none" }
"#;

pub const TRIALS: [&str; 2] = ["results/kill/base/seed-1", "results/kill/no-positions/seed-1"];
/// Number of updates of a trial.
pub const STEPS: u64 = 24;

/// A kind of file that a process writes: a readable name, and a pattern over `call path`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The word of the command line: `sweep` or `trial`.
    pub process: &'static str,
    pub name: &'static str,
    pub pattern: &'static str,
}

const fn place(process: &'static str, name: &'static str, pattern: &'static str) -> Place {
    Place { process, name, pattern }
}

/// Every kind of file that a sweep and its trials write.
pub const PLACES: [Place; 29] = [
    place("trial", "checkpoint weights", "*checkpoints/*step-*.weights.*"),
    place("trial", "checkpoint state", "*checkpoints/*step-*.state.*"),
    place("trial", "best weights", "*checkpoints/*best.weights.*"),
    place("trial", "scored weights", "*checkpoints/*scored.weights.*"),
    place("trial", "checkpoint folder", "sync *checkpoints"),
    place("trial", "metrics.csv", "*metrics.csv*"),
    place("trial", "timing.csv", "*timing.csv*"),
    place("trial", "timing.json", "*timing.json*"),
    place("trial", "views.jsonl", "*views.jsonl*"),
    place("trial", "attention.json", "*attention.json*"),
    place("trial", "positions.json", "*positions.json*"),
    place("trial", "projector", "*projector*"),
    place("trial", "TensorBoard events", "*events*"),
    place("trial", "hypotheses", "*hypotheses*"),
    place("trial", "record.json", "*record.json*"),
    place("trial", "log.txt", "*log.txt*"),
    place("trial", ".lock", "*/.lock"),
    place("sweep", ".lock", "*/.lock"),
    place("sweep", "config.toml", "*config.toml*"),
    place("sweep", "difference.md", "*difference.md*"),
    place("sweep", "log.txt", "*log.txt"),
    place("sweep", "ledger.jsonl", "*ledger.jsonl"),
    place("sweep", "TensorBoard events", "*events*"),
    place("sweep", "table.md", "*table.md*"),
    place("sweep", "table.csv", "*table.csv*"),
    place("sweep", "records.jsonl", "*records.jsonl*"),
    place("sweep", "sentence_counts.jsonl.gz", "*sentence_counts.jsonl.gz*"),
    place("sweep", "sweep.toml", "*sweep.toml*"),
    place("sweep", "prepared data", "* data*"),
];

/// A fault at a place, in the words of `shim.cpp`.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    pub place: Place,
    /// Number of the call among those of the place, from 1.
    pub at: usize,
    pub what: &'static str,
}

/// A workshop with the sweep `kill.toml`, and the files outside of it that a fault needs.
pub struct Site {
    pub workshop: Workshop,
    outside: tempfile::TempDir,
}

impl Site {
    pub fn new() -> Self {
        let workshop = Workshop::new();
        workshop.write("kill.toml", SWEEP);
        Site { workshop, outside: tempfile::tempdir().unwrap() }
    }

    /// Creates a site in which the sweep has run without a fault.
    pub fn swept() -> Self {
        let workshop = Workshop::swept_as("kill.toml", SWEEP);
        Site { workshop, outside: tempfile::tempdir().unwrap() }
    }

    /// Creates a site whose data is prepared already, as in `other`.
    pub fn with_data_of(other: &Site) -> Self {
        let site = Site::new();
        for folder in std::fs::read_dir(other.workshop.path("data")).unwrap() {
            let folder = folder.unwrap().path();
            let copy = site.workshop.path("data").join(folder.file_name().unwrap());
            std::fs::create_dir_all(&copy).unwrap();
            for file in std::fs::read_dir(&folder).unwrap() {
                let file = file.unwrap().path();
                std::fs::copy(&file, copy.join(file.file_name().unwrap())).unwrap();
            }
        }
        site
    }

    /// Returns the file in which the shim notes its actions.
    pub fn mark(&self) -> PathBuf {
        self.outside.path().join("mark")
    }

    /// Returns the call and the file that the fault struck, if it did, and removes the note, which frees a full disk.
    pub fn struck(&self) -> Option<String> {
        let line = std::fs::read_to_string(self.mark()).ok()?;
        std::fs::remove_file(self.mark()).unwrap();
        Some(line.trim_end().to_string())
    }

    /// Returns the sweep, not started yet.
    pub fn sweep(&self) -> Command {
        let mut command = self.workshop.command(&["sweep", "kill.toml"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Returns the command with the shim in it and its children.
    pub fn watched(&self, mut command: Command) -> Command {
        // One form of the path, because the shim compares texts.
        let folder = self.workshop.path("").canonicalize().unwrap();
        command.current_dir(&folder).env("LD_PRELOAD", shim());
        command.env("FAULT_DIR", format!("{}/", folder.display())).env("FAULT_MARK", self.mark());
        command
    }

    /// Returns the command with a fault.
    pub fn faulty(&self, command: Command, fault: &Fault) -> Command {
        let mut command = self.watched(command);
        command.env("FAULT_IN", fault.place.process).env("FAULT_PLACE", fault.place.pattern);
        command.env("FAULT_AT", fault.at.to_string()).env("FAULT_DO", fault.what);
        command
    }

    /// Returns the calls on files of an uninterrupted sweep: of the driver, then of the trials.
    pub fn calls(&self) -> [Vec<String>; 2] {
        ["sweep", "trial"].map(|process| {
            let _ = std::fs::remove_dir_all(self.workshop.path("results"));
            let _ = std::fs::remove_dir_all(self.workshop.path("data"));
            let log = self.outside.path().join(process);
            let mut command = self.watched(self.sweep());
            command.env("FAULT_IN", process).env("FAULT_LOG", &log);
            Outcome(command.output().unwrap()).expect(0);
            std::fs::read_to_string(log).unwrap().lines().map(str::to_string).collect()
        })
    }

    /// Returns the step of a trial's newest training state, from its name.
    pub fn newest_state(&self, trial: &str) -> Option<u64> {
        let files = std::fs::read_dir(self.workshop.path(trial).join("checkpoints")).ok()?;
        let step =
            |name: String| name.strip_prefix("step-")?.strip_suffix(".state.safetensors")?.parse().ok();
        files.filter_map(|file| step(file.unwrap().file_name().into_string().unwrap())).max()
    }

    /// Returns the steps from which the attempts at a trial began.
    pub fn attempts(&self, trial: &str) -> Vec<u64> {
        self.workshop.first_steps(trial)
    }
}

/// Asserts that a finished sweep left the bytes of the uninterrupted one.
#[track_caller]
pub fn assert_same(whole: &Site, resumed: &Site, told: &str) {
    let mut files: Vec<String> =
        ["table.md", "table.csv", "records.jsonl", "sentence_counts.jsonl.gz", "sweep.toml"]
            .map(|name| format!("results/kill/{name}"))
            .to_vec();
    for trial in TRIALS {
        files.push(format!("{trial}/config.toml"));
        files.extend(RUN_FILES.map(|name| format!("{trial}/{name}")));
        let shown = SHOWN_FILES.map(|name| format!("{trial}/{name}"));
        files.extend(shown.into_iter().filter(|file| whole.workshop.path(file).exists()));
        let last_state = format!("step-{STEPS:08}.state.safetensors");
        for name in common::names(&whole.workshop.path(trial).join("checkpoints")) {
            // A signal may have added a state, which decides which earlier states are kept.
            if name.contains(".weights.") || name == last_state {
                files.push(format!("{trial}/checkpoints/{name}"));
            }
        }
        let left = common::names(&resumed.workshop.path(trial).join("checkpoints"));
        assert!(left.iter().all(|name| !name.ends_with(".tmp")), "{left:?} in {trial} after {told}");
    }
    assert!(files.len() > 20, "{files:?}");
    let [whole, resumed] = [whole, resumed].map(|site| site.workshop.path(""));
    assert_same_files(&whole, &resumed, files.iter().map(String::as_str), told);
}

/// The shared library of `shim.cpp`, built with the compiler that libtorch's wrapper needs anyway.
fn shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        let source = common::root().join("tests/faults/fault/shim.cpp");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shim-{}.so", std::process::id()));
        let built = Command::new("c++")
            .args(["-std=c++17", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"])
            .args([&library, &source])
            .args(["-ldl", "-pthread"])
            .output()
            .unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        library
    })
}

/// A running sweep; its processes are killed when this is dropped.
pub struct Running {
    pub driver: Child,
    folder: PathBuf,
}

impl Running {
    pub fn start(site: &Site) -> Self {
        let mut command = site.sweep();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Running { driver: command.spawn().unwrap(), folder: site.workshop.path("").canonicalize().unwrap() }
    }

    /// Returns the trials' processes that work in the workshop's folder, also those whose driver is gone.
    pub fn trials(&self) -> Vec<i32> {
        let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let process: i32 = entry.unwrap().file_name().to_str()?.parse().ok()?;
            let words = std::fs::read(format!("/proc/{process}/cmdline")).ok()?;
            let here = std::fs::read_link(format!("/proc/{process}/cwd")).ok()? == self.folder;
            (here && words.split(|&byte| byte == 0).any(|word| word == b"trial")).then_some(process)
        });
        processes.collect()
    }

    pub fn kill_trials(&self) {
        self.trials().into_iter().for_each(|process| signal(process, libc::SIGKILL));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
