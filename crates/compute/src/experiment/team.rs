//! The processes that train a trial together, from the view of one of them: their comparison before training, and the
//! message to the others if one of them fails.

use crate::config::{Experiment, RESULT_VERSION, identity};
use crate::error::{Error, Result};
use crate::json;
use crate::model::weights::Weights;
use crate::telemetry::console::print_message;
use crate::train::adam::Adam;
use crate::train::ranks::Ranks;
use crate::train::run_state::Progress;
use crate::world::World;
use serde::{Deserialize, Serialize};
use std::cell::Cell;
use tch::Device;

/// The processes of a trial.
pub(super) struct Team {
    pub ranks: Ranks,
    /// This process's device, opened already; absent for a process that trains alone.
    pub device: Option<Device>,
    /// The messages that the other ranks have received from this one.
    announced: Cell<Announced>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Announced {
    Nothing,
    /// The rank is ready to train, but its starting point is not known yet.
    State,
    /// All messages for which the others wait.
    Everything,
}

/// The state of a rank before training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum RankState {
    Ready(Marks),
    /// The record exists already, so nothing is left to train.
    Finished,
    Failed {
        code: u8,
        text: String,
    },
}

/// Properties that all ranks must share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marks {
    version: String,
    data: String,
    configuration: String,
    device: String,
}

impl Marks {
    pub fn of(experiment: &Experiment, fingerprint: &str, device: Device) -> Self {
        Marks {
            version: format!("{} with results of version {RESULT_VERSION}", env!("CARGO_PKG_VERSION")),
            data: format!("{fingerprint:.16}"),
            configuration: format!("{:.16}", identity(experiment, "")),
            device: if device.is_cuda() { "a card" } else { "the processor" }.to_string(),
        }
    }

    /// Returns the first property that differs: its name, its value here and its value there.
    fn difference<'a>(&'a self, other: &'a Marks) -> Option<(&'static str, &'a str, &'a str)> {
        let pairs = [
            ("version of ablate", &self.version, &other.version),
            ("data", &self.data, &other.data),
            ("configuration", &self.configuration, &other.configuration),
            ("kind of device", &self.device, &other.device),
        ];
        pairs.into_iter().find(|(_, own, theirs)| own != theirs).map(|(what, a, b)| (what, &a[..], &b[..]))
    }
}

impl Team {
    /// Creates the team of one process.
    pub fn alone() -> Self {
        Team { ranks: Ranks::alone(), device: None, announced: Cell::new(Announced::Everything) }
    }

    pub fn join(world: &World, device: Option<Device>) -> Result<Self> {
        let World { rank, size, host, port, .. } = world;
        print_message(&format!("rank {rank} of {size}: waiting for the others at {host}:{port}"));
        Ok(Team { ranks: Ranks::join(world)?, device, announced: Cell::new(Announced::Nothing) })
    }

    /// Compares the trial of this rank with those of the others; all ranks must call this. Returns whether there is
    /// something to train: false if rank 0 has found the record.
    ///
    /// # Errors
    /// On every rank, if the ranks' trials differ or one rank failed.
    pub fn agree(&self, experiment: &Experiment, fingerprint: &str) -> Result<bool> {
        match self.device {
            None => Ok(true),
            Some(device) => self.compare(&RankState::Ready(Marks::of(experiment, fingerprint, device))),
        }
    }

    fn compare(&self, own: &RankState) -> Result<bool> {
        self.announced.set(Announced::State);
        let text = json::line(own)?;
        let texts = self.ranks.gather(&text)?;
        let all: serde_json::Result<Vec<RankState>> =
            texts.iter().map(|text| serde_json::from_str(text)).collect();
        let all = all.map_err(|_| Error::failed("another rank runs another version of ablate"))?;
        let outcome = verdict(&all, self.ranks.rank());
        if !matches!(outcome, Ok(true)) {
            self.announced.set(Announced::Everything);
        }
        outcome
    }

    /// Gives every rank the weights, moments and progress of rank 0.
    pub fn share(&self, weights: &Weights, adam: &Adam, progress: Progress) -> Result<Progress> {
        let Some(device) = self.device else { return Ok(progress) };
        self.announced.set(Announced::Everything);
        self.ranks.done_by_leader(|| Ok(()))?;
        self.ranks.use_cards(device)?;
        self.ranks.share(weights, adam, progress)
    }

    /// Tells the other ranks the outcome of this one, if they wait for it.
    pub fn end<T>(&self, outcome: Result<T>) -> Result<T> {
        let state = match &outcome {
            Ok(_) => RankState::Finished,
            Err(error) => RankState::failed(error),
        };
        // Errors of sending do not matter: this rank has an outcome of its own.
        match (self.announced.replace(Announced::Everything), state) {
            (Announced::Nothing, state) => drop(self.compare(&state)),
            (Announced::State, RankState::Failed { code, .. }) => drop(self.ranks.announce(0.0, code)),
            _ => {}
        }
        outcome
    }
}

impl RankState {
    fn failed(error: &Error) -> Self {
        const LONGEST: usize = 300;
        RankState::Failed { code: error.exit_code(), text: error.to_string().chars().take(LONGEST).collect() }
    }
}

/// Returns to rank `own` whether there is something to train, given the states of all ranks.
fn verdict(all: &[RankState], own: usize) -> Result<bool> {
    let size = all.len();
    for (rank, state) in all.iter().enumerate() {
        if let RankState::Failed { code, text } = state {
            let message = format!("rank {own} of {size} ends because rank {rank} cannot begin: {text}");
            return Err(Error::Peer { message, code: *code });
        }
    }
    let Some(RankState::Ready(first)) = all.first() else { return Ok(false) };
    for (rank, state) in all.iter().enumerate() {
        if let RankState::Ready(marks) = state
            && let Some((what, leading, other)) = first.difference(marks)
        {
            return Err(Error::user(format!(
                "the ranks differ in their {what}: {leading} on rank 0, {other} on rank {rank}; start all of them with \
                 the same program, experiment, --set words and prepared data"
            )));
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks() -> Marks {
        let text = |text: &str| text.to_string();
        Marks { version: text("1"), data: text("d"), configuration: text("c"), device: text("the processor") }
    }

    #[test]
    fn ranks_train_only_what_is_the_same() {
        let ready = RankState::Ready(marks());
        assert!(verdict(&[ready.clone(), ready.clone()], 1).unwrap());
        for (other, announced) in [
            (Marks { data: "e".into(), ..marks() }, "differ in their data: d on rank 0, e on rank 1"),
            (Marks { configuration: "x".into(), ..marks() }, "differ in their configuration"),
            // Another version hashes configurations differently.
            (Marks { version: "2".into(), configuration: "x".into(), ..marks() }, "version of ablate: 1"),
            (Marks { device: "a card".into(), ..marks() }, "kind of device"),
        ] {
            for own in 0..2 {
                let error = verdict(&[ready.clone(), RankState::Ready(other.clone())], own).unwrap_err();
                assert_eq!(error.exit_code(), 2);
                assert!(error.to_string().contains(announced), "{error}");
            }
        }
    }

    #[test]
    fn a_rank_that_cannot_begin_ends_all_with_its_reason_and_exit_code() {
        let standings =
            [RankState::Ready(marks()), RankState::failed(&Error::Busy("somebody is at it".into()))];
        let error = verdict(&standings, 0).unwrap_err();
        assert_eq!(error.exit_code(), 5);
        assert_eq!(error.to_string(), "rank 0 of 2 ends because rank 1 cannot begin: somebody is at it");
    }

    #[test]
    fn a_finished_trial_leaves_nothing_to_train() {
        assert!(!verdict(&[RankState::Finished, RankState::Ready(marks())], 1).unwrap());
    }
}
