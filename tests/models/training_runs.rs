//! Runs of the trainer: what they keep, how they go on when they were stopped or killed, and how damage and divergence
//! end them.

use super::training::{VOCABULARY, all_values, build, sentences, small};
use crate::common::data::{Pair, stored};
use ablate::data::store::Store;
use ablate::error::{Error, Result};
use ablate::model::{ModelConfig, Network};
use ablate::signal::StopFlag;
use ablate::train::TrainingConfig;
use ablate::train::adam::Adam;
use ablate::train::checkpoint::Checkpoints;
use ablate::train::pairs::Pairs;
use ablate::train::ranks::Ranks;
use ablate::train::run_state::{Owner, Progress, RunState};
use ablate::train::step::StepStats;
use ablate::train::trainer::{Monitor, Trainer};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tch::Kind;

/// The interventions of a test in training, and its observations.
#[derive(Default)]
struct Watch<'a> {
    /// Raises the flag after this update.
    stop_at: Option<(u64, &'a StopFlag)>,
    /// Raises the flag when the batches of this update are there.
    stop_amid: Option<(u64, &'a StopFlag)>,
    /// Fails after this update, before any checkpoint of it: as if killed.
    killed_at: Option<u64>,
    /// Reports this as the dev loss of this update.
    dev_loss: Option<(u64, f64)>,
    steps: Vec<StepStats>,
    syncs: usize,
}

impl Monitor for Watch<'_> {
    fn waited(&mut self, _wait: Duration) {
        if let Some((step, flag)) = self.stop_amid
            && step == self.steps.len() as u64 + 1
        {
            flag.raise();
        }
    }

    fn updated(&mut self, stats: &StepStats) -> Result<()> {
        self.steps.push(stats.clone());
        if let Some((step, flag)) = self.stop_at
            && step == stats.step
        {
            flag.raise();
        }
        match self.killed_at {
            Some(step) if step == stats.step => Err(Error::failed("killed")),
            _ => Ok(()),
        }
    }

    fn wants_gradient_norm(&self, step: u64) -> bool {
        step.is_multiple_of(2)
    }

    fn dev_loss(&mut self, model: &dyn Network, step: u64) -> Result<f64> {
        assert_eq!(model.kind(), Kind::Float);
        Ok(match self.dev_loss {
            Some((at, loss)) if at == step => loss,
            _ => 1.0 / step as f64 + 0.1,
        })
    }

    fn dev_bleu(&mut self, _: &dyn Network, _: u64) -> Result<()> {
        Ok(())
    }

    fn sync(&mut self) -> Result<RunState> {
        self.syncs += 1;
        let owner = Owner { identity: "a trial".into(), training_identity: Some("a training".into()) };
        Ok(RunState { owner, metrics: "step,tag,value\n".into() })
    }
}

/// A run of a few updates with dropout, clipping and several epochs, with its checkpoints in `folder`.
struct Run {
    config: TrainingConfig,
    model: ModelConfig,
    store: Store,
    _store_folder: tempfile::TempDir,
    folder: tempfile::TempDir,
}

impl Run {
    fn new() -> Self {
        let pairs: Vec<Pair> = sentences(30, 8, 9).into_iter().zip(sentences(30, 8, 10)).collect();
        let (store_folder, store) = stored(VOCABULARY, &pairs);
        let config = TrainingConfig {
            steps: 12,
            batch_tokens: 60,
            micro_batch_tokens: 40,
            warmup_steps: 5,
            clip_norm: Some(1.0),
            dev_interval_steps: 3,
            checkpoint_interval_steps: 4,
            average_checkpoints: 2,
            keep_best: true,
            ..Default::default()
        };
        let model = ModelConfig { dropout: 0.3, ..small() };
        Run { config, model, store, _store_folder: store_folder, folder: tempfile::tempdir().unwrap() }
    }

    fn checkpoints(&self) -> Checkpoints {
        Checkpoints::open(self.folder.path()).unwrap()
    }

    /// Runs one process: from a fresh model, through any checkpoint, to the end; returns the mean of the last weights.
    /// `notes` gets the messages of restoring.
    fn go(&self, stop: &StopFlag, watch: &mut Watch, notes: &mut Vec<String>) -> Result<Vec<Vec<f64>>> {
        // Fresh weights of another seed: anything that a checkpoint does not restore would show.
        let fresh = !self
            .folder
            .path()
            .read_dir()
            .unwrap()
            .any(|e| e.unwrap().path().to_string_lossy().contains("state"));
        let model = build(&self.model, if fresh { 1 } else { 99 }, Kind::Float);
        let mut adam = Adam::build(&self.config, model.weights());
        let checkpoints = self.checkpoints();
        let restored = checkpoints.restore(model.weights(), &adam, &self.config, &|_| true, &mut |note| {
            notes.push(note.to_string())
        })?;
        let trainer = Trainer {
            model: &model,
            config: &self.config,
            batches: &Pairs::of(&self.store, &self.config),
            checkpoints: Some(&checkpoints),
            ranks: &Ranks::alone(),
            stop,
            until: None,
        };
        trainer.run(&mut adam, restored.map_or_else(Progress::default, |state| state.progress), watch)?;
        checkpoints.load_average(model.weights(), &self.config.averaged_steps(self.config.steps))?;
        checkpoints.save_scored(model.weights())?;
        Ok(all_values(model.weights()))
    }

    fn finish(&self, notes: &mut Vec<String>) -> Result<Vec<Vec<f64>>> {
        self.go(&StopFlag::never(), &mut Watch::default(), notes)
    }

    /// Returns every file of the checkpoints with its bytes, sorted by name.
    fn files(&self) -> Vec<(String, Vec<u8>)> {
        files_in(self.folder.path())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn files_in(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

fn names(files: &[(String, Vec<u8>)]) -> Vec<&str> {
    files.iter().map(|(name, _)| name.as_str()).collect()
}

/// The files and the mean weights of an uninterrupted run.
type Ending = (Vec<(String, Vec<u8>)>, Vec<Vec<f64>>);

fn uninterrupted() -> Ending {
    let run = Run::new();
    let average = run.finish(&mut Vec::new()).unwrap();
    (run.files(), average)
}

#[test]
fn a_run_keeps_what_is_averaged_and_two_states() {
    let (files, average) = uninterrupted();
    let expected = [
        "best.weights.safetensors",
        "scored.weights.safetensors",
        "step-00000008.state.safetensors",
        "step-00000008.weights.safetensors",
        "step-00000012.state.safetensors",
        "step-00000012.weights.safetensors",
    ];
    assert_eq!(names(&files), expected);
    let read = |name: &str| files.iter().find(|(n, _)| n == name).unwrap().1.clone();
    // The mean by hand, from the files' own tensors.
    let (eight, twelve) =
        (read("step-00000008.weights.safetensors"), read("step-00000012.weights.safetensors"));
    let parse = |bytes: &[u8], name: &str| -> Vec<f64> {
        let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
        let data = file.tensor(name).unwrap().data().to_vec();
        data.chunks(4).map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]]))).collect()
    };
    let names = build(&Run::new().model, 1, Kind::Float);
    for ((path, _), mean) in names.weights().named().iter().zip(&average) {
        for ((a, b), mean) in parse(&eight, path).iter().zip(parse(&twelve, path)).zip(mean) {
            assert_eq!(f64::from(((a + b) / 2.0) as f32), *mean, "{path}");
        }
    }
}

#[test]
fn a_run_that_was_stopped_anywhere_ends_byte_for_byte_as_the_uninterrupted_one() {
    let (files, average) = uninterrupted();
    for stopped_at in 1..12 {
        let run = Run::new();
        let stop = StopFlag::never();
        let mut watch = Watch { stop_at: Some((stopped_at, &stop)), ..Default::default() };
        let error = run.go(&stop, &mut watch, &mut Vec::new()).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Interrupted { step } if step == stopped_at), "{error}");
        assert_eq!(error.exit_code(), 75);
        assert_eq!(watch.steps.len() as u64, stopped_at);
        assert_eq!(watch.syncs as u64, stopped_at / 4 + u64::from(!stopped_at.is_multiple_of(4)));
        let mut notes = Vec::new();
        let resumed = run.finish(&mut notes).unwrap();
        assert!(notes.is_empty(), "{notes:?}");
        assert_eq!(resumed, average, "stopped at {stopped_at}");
        let state_of_the_stop = format!("step-{stopped_at:08}");
        for (name, bytes) in run.files().into_iter().filter(|(name, _)| !name.starts_with(&state_of_the_stop))
        {
            let before = files.iter().find(|(n, _)| *n == name).map(|(_, bytes)| bytes);
            assert!(before == Some(&bytes), "stopped at {stopped_at}: {name} differs");
        }
    }
}

#[test]
fn an_update_that_a_stop_cuts_short_is_left_undone() {
    let (_, average) = uninterrupted();
    // Before the first update there is nothing to keep, and after the fourth it is kept already.
    for (amid, syncs) in [(1, 0), (4, 1), (5, 1), (6, 2)] {
        let run = Run::new();
        let stop = StopFlag::never();
        let mut watch = Watch { stop_amid: Some((amid, &stop)), ..Default::default() };
        let error = run.go(&stop, &mut watch, &mut Vec::new()).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Interrupted { step } if step == amid - 1), "{error}");
        assert_eq!((watch.steps.len() as u64, watch.syncs), (amid - 1, syncs), "amid update {amid}");
        assert_eq!(run.finish(&mut Vec::new()).unwrap(), average, "amid update {amid}");
    }
}

#[test]
fn a_run_that_was_stopped_again_and_again_or_killed_ends_the_same() {
    let (_, average) = uninterrupted();
    let run = Run::new();
    for stopped_at in [2, 3, 7, 11] {
        let stop = StopFlag::never();
        let mut watch = Watch { stop_at: Some((stopped_at, &stop)), ..Default::default() };
        assert!(run.go(&stop, &mut watch, &mut Vec::new()).is_err());
    }
    assert_eq!(run.finish(&mut Vec::new()).unwrap(), average);

    for killed_at in [1, 5, 8, 10, 12] {
        let run = Run::new();
        let mut watch = Watch { killed_at: Some(killed_at), ..Default::default() };
        assert!(run.go(&StopFlag::never(), &mut watch, &mut Vec::new()).is_err());
        let mut watch = Watch::default();
        let resumed = run.go(&StopFlag::never(), &mut watch, &mut Vec::new()).unwrap();
        assert_eq!(watch.steps[0].step, (killed_at - 1) / 4 * 4 + 1, "killed at {killed_at}");
        assert_eq!(resumed, average, "killed at {killed_at}");
    }
}

#[test]
fn a_finished_run_that_goes_on_does_nothing() {
    let run = Run::new();
    let average = run.finish(&mut Vec::new()).unwrap();
    let mut watch = Watch::default();
    assert_eq!(run.go(&StopFlag::never(), &mut watch, &mut Vec::new()).unwrap(), average);
    assert!(watch.steps.is_empty());
}

/// Returns, named, ways in which a file gets damaged.
fn damages(whole: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let flipped = |at: usize| {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 1;
        bytes
    };
    vec![
        ("empty", Vec::new()),
        ("cut in its length", whole[..5].to_vec()),
        ("cut in its header", whole[..100].to_vec()),
        ("cut in the middle", whole[..whole.len() / 2].to_vec()),
        ("short of one byte", whole[..whole.len() - 1].to_vec()),
        ("longer by one byte", [whole, &[0]].concat()),
        ("another length of the header", flipped(0)),
        ("a huge header", flipped(7)),
        (
            "a flip in the first number",
            flipped(8 + u64::from_le_bytes(*whole.first_chunk().unwrap()) as usize),
        ),
        ("a flip in the middle", flipped(whole.len() / 2)),
        ("a flip in the last number", flipped(whole.len() - 1)),
    ]
}

#[test]
fn a_damaged_checkpoint_is_reported_and_the_one_before_is_used() {
    let (_, average) = uninterrupted();
    let run = Run::new();
    let mut watch = Watch { killed_at: Some(10), ..Default::default() };
    assert!(run.go(&StopFlag::never(), &mut watch, &mut Vec::new()).is_err());
    let saved = run.files();
    for damaged in ["step-00000008.weights.safetensors", "step-00000008.state.safetensors"] {
        let whole = saved.iter().find(|(name, _)| name == damaged).unwrap().1.clone();
        for (how, bytes) in damages(&whole) {
            for (name, _) in run.files() {
                std::fs::remove_file(run.path(&name)).unwrap();
            }
            saved.iter().for_each(|(name, bytes)| std::fs::write(run.path(name), bytes).unwrap());
            std::fs::write(run.path(damaged), bytes).unwrap();
            let mut notes = Vec::new();
            let mut watch = Watch::default();
            let resumed = run.go(&StopFlag::never(), &mut watch, &mut notes).unwrap();
            assert_eq!(watch.steps[0].step, 5, "{damaged}, {how}");
            assert!(
                notes.len() == 1 && notes[0].contains("step 8 is damaged"),
                "{damaged}, {how}: {notes:?}"
            );
            assert!(notes[0].contains(damaged), "{how}: {notes:?}");
            assert_eq!(resumed, average, "{damaged}, {how}");
        }
    }
}

#[test]
fn no_bit_of_the_stated_progress_can_change_unseen() {
    let run = Run::new();
    let mut watch = Watch { killed_at: Some(5), ..Default::default() };
    assert!(run.go(&StopFlag::never(), &mut watch, &mut Vec::new()).is_err());
    let path = run.path("step-00000004.state.safetensors");
    let whole = std::fs::read(&path).unwrap();
    let model = build(&run.model, 1, Kind::Float);
    let adam = Adam::build(&run.config, model.weights());
    let restore = || run.checkpoints().restore(model.weights(), &adam, &run.config, &|_| true, &mut |_| ());
    let state = restore().unwrap().unwrap();
    assert_eq!(state.progress.step, 4);
    let text = "\\\"progress\\\"";
    let begin =
        whole.windows(text.len()).position(|w| w == text.as_bytes()).expect("the header states progress");
    let end = begin + whole[begin..].iter().position(|&b| b == b'}').unwrap();
    for at in begin..end {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            std::fs::write(&path, &bytes).unwrap();
            // A blank may become another kind of blank; a number may not become another number.
            if let Ok(Some(seen)) = restore() {
                assert_eq!(seen, state, "byte {at}, bit {bit}");
            }
        }
    }
}

#[test]
fn when_every_checkpoint_is_damaged_nothing_starts_afresh() {
    let run = Run::new();
    let mut watch = Watch { killed_at: Some(10), ..Default::default() };
    assert!(run.go(&StopFlag::never(), &mut watch, &mut Vec::new()).is_err());
    for (name, bytes) in run.files() {
        std::fs::write(run.path(&name), &bytes[..bytes.len() - 3]).unwrap();
    }
    let mut notes = Vec::new();
    let error = run.finish(&mut notes).map(|_| ()).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("no checkpoint in"), "{error}");
    assert_eq!(notes.len(), 2, "{notes:?}");
}

#[test]
fn a_checkpoint_of_another_model_is_refused() {
    let run = Run::new();
    run.finish(&mut Vec::new()).unwrap();
    let other = build(&ModelConfig { d_ff: 48, ..run.model.clone() }, 1, Kind::Float);
    let adam = Adam::build(&run.config, other.weights());
    let before = all_values(other.weights());
    let mut notes = Vec::new();
    assert!(
        run.checkpoints()
            .restore(other.weights(), &adam, &run.config, &|_| true, &mut |note| notes.push(note.to_string()))
            .is_err()
    );
    assert!(notes.iter().all(|note| note.contains("the model wants")), "{notes:?}");
    assert_eq!(all_values(other.weights()), before);
}

#[test]
fn divergence_ends_the_run_with_its_own_error() {
    let mut run = Run::new();
    run.config.learning_rate_scale = 1e30;
    run.config.dev_interval_steps = 0;
    let mut watch = Watch::default();
    let error = run.go(&StopFlag::never(), &mut watch, &mut Vec::new()).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Diverged { step, loss } if step > 1 && !loss.is_finite()), "{error}");
    assert_eq!(error.exit_code(), 3);
}

#[test]
fn a_dev_loss_that_is_no_number_is_divergence_and_is_not_saved() {
    for dev_loss in [f64::NAN, f64::INFINITY] {
        let run = Run::new();
        let mut watch = Watch { dev_loss: Some((12, dev_loss)), ..Default::default() };
        let error = run.go(&StopFlag::never(), &mut watch, &mut Vec::new()).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Diverged { step: 12, .. }), "{error}");
        assert!(!run.path("step-00000012.state.safetensors").exists());
        // The checkpoint saved before is sound: with a monitor that measures a number, the run can be finished.
        run.finish(&mut Vec::new()).unwrap();
    }
}
