//! Trials as child processes of the driver.

use super::process::{self, Cores};
use super::{Launcher, Order, Update};
use crate::device::available_threads;
use crate::error::Result;
use crate::sweep::devices::Fleet;
use crate::sweep::progress::TrialEvent;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Runs up to so many trials at once on this machine, each on processors of its own where they suffice.
pub struct Local {
    data_root: PathBuf,
    results: PathBuf,
    threads: usize,
    /// The processors of each place, if they are split.
    cores: Option<Vec<Cores>>,
    places: usize,
    /// Places that nobody has, the next one last.
    free: Vec<usize>,
    /// Process number and place of each running trial.
    running: BTreeMap<usize, (u32, usize)>,
    /// The cards that trials are spread over, if there are any.
    fleet: Option<Fleet>,
    told: (Sender<(usize, Update)>, Receiver<(usize, Update)>),
}

impl Local {
    /// For `workers` at once, of which no more than `trials` are needed. `threads` are those that the trials
    /// state; 0 leaves them open.
    pub fn new(data_root: &Path, results: &Path, workers: usize, trials: usize, threads: usize) -> Self {
        let share = |workers: usize| match threads {
            0 => (available_threads() / workers).max(1),
            threads => threads,
        };
        let places = workers.clamp(1, trials.max(1));
        Local {
            data_root: data_root.to_path_buf(),
            results: results.to_path_buf(),
            // Of all workers: the bytes of a trial must not depend on how many are left.
            threads: share(workers),
            cores: Cores::split(places, share(places)),
            places,
            free: (0..places).rev().collect(),
            running: BTreeMap::new(),
            fleet: None,
            told: channel(),
        }
    }
}

impl Local {
    /// With every trial on one of these cards.
    pub fn on(self, fleet: Option<Fleet>) -> Self {
        Local { fleet, ..self }
    }

    /// The environment that shows the trial its card alone, which its log names.
    fn environment(&mut self, order: &Order) -> Result<Vec<(&'static str, String)>> {
        let Some(card) = self.fleet.as_mut().and_then(|fleet| fleet.enter(order.trial)) else {
            return Ok(Vec::new());
        };
        process::log(&order.run_dir, &format!("on cuda:{}, {}", card.device, card.visible))?;
        Ok(card.environment().to_vec())
    }
}

impl Launcher for Local {
    fn places(&self) -> usize {
        self.places
    }

    fn threads(&self) -> usize {
        self.threads
    }

    fn has_room(&self, trial: usize) -> bool {
        self.fleet.as_ref().is_none_or(|fleet| fleet.has_room(trial))
    }

    fn start(&mut self, order: Order) -> Result<()> {
        let place = self.free.last().copied().unwrap_or(0);
        let cores = self.cores.as_ref().map(|cores| &cores[place]);
        let cores = cores.cloned();
        let environment = self.environment(&order)?;
        let mut child = process::spawn(
            &order.run_dir,
            &self.data_root,
            &self.results,
            order.until,
            cores.as_ref(),
            &environment,
        )?;
        self.free.pop();
        self.running.insert(order.trial, (child.id(), place));
        let tell = self.told.0.clone();
        std::thread::spawn(move || {
            let lines = child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines);
            for line in lines.map_while(|line| line.ok()) {
                if let Ok(event) = serde_json::from_str::<TrialEvent>(&line) {
                    let _ = tell.send((order.trial, Update::Heard(event)));
                }
            }
            let ending = process::classify(child.wait().ok(), &order.run_dir);
            // A driver that is gone does not hear it.
            let _ = tell.send((order.trial, Update::Ended(ending)));
        });
        Ok(())
    }

    fn updates(&mut self, patience: Duration) -> Result<Vec<(usize, Update)>> {
        let (_, told) = &self.told;
        let updates: Vec<_> = told.recv_timeout(patience).into_iter().chain(told.try_iter()).collect();
        for (trial, update) in &updates {
            if matches!(update, Update::Ended(_))
                && let Some((_, place)) = self.running.remove(trial)
            {
                self.free.push(place);
                self.fleet.iter_mut().for_each(|fleet| fleet.leave(*trial));
            }
        }
        Ok(updates)
    }

    fn stop(&mut self) {
        self.running.values().for_each(|&(process, _)| process::signal(process, libc::SIGTERM));
    }
}
