//! Trials as child processes of the driver.

use super::launcher::{Launcher, Order, Setup, Update};
use super::process::{self, Cores};
use crate::device::available_threads;
use crate::error::Result;
use crate::sweep::devices::CardPool;
use crate::sweep::trial_event::TrialEvent;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Runs up to `workers` trials at once on this machine, each on its own processors if they take all.
pub struct Local {
    data_root: PathBuf,
    results: PathBuf,
    threads: usize,
    /// The processors of each place, if they are divided.
    cores: Option<Vec<Cores>>,
    workers: usize,
    /// Number of places: the workers, but no more than there are trials.
    places: usize,
    /// Free places, the next one last.
    free: Vec<usize>,
    /// Process number and place of each running trial.
    running: BTreeMap<usize, (u32, usize)>,
    /// The cards that trials are spread over, if there are any.
    pool: Option<CardPool>,
    told: (Sender<Update>, Receiver<Update>),
}

impl Local {
    pub fn new(setup: &Setup) -> Self {
        let Setup { data_root, results, workers, trials, threads, .. } = *setup;
        let share = |workers: usize| match threads {
            0 => (available_threads() / workers).max(1),
            threads => threads,
        };
        let places = workers.clamp(1, trials.max(1));
        Local {
            data_root: data_root.to_path_buf(),
            results: results.to_path_buf(),
            // Divided among all workers: the result of a trial must not depend on how many trials are left.
            threads: share(workers),
            // A trial on a card has threads beside `run.threads`, which wait for the card.
            cores: setup.pool.is_none().then(|| Cores::split(places, share(places))).flatten(),
            workers,
            places,
            free: (0..places).rev().collect(),
            running: BTreeMap::new(),
            pool: setup.pool.cloned(),
            told: channel(),
        }
    }

    /// Assigns a card to the trial, notes it in the log, and returns the environment that shows only this card.
    fn environment(&mut self, order: &Order) -> Result<Vec<(&'static str, String)>> {
        let Some(card) = self.pool.as_mut().and_then(|pool| pool.enter(order.trial)) else {
            return Ok(Vec::new());
        };
        process::log(&order.run_dir, &format!("on cuda:{}, {}", card.device, card.visible))?;
        Ok(card.environment().to_vec())
    }
}

impl Launcher for Local {
    fn describe(&self) -> String {
        format!("up to {} at once", self.workers)
    }

    fn places(&self) -> usize {
        self.places
    }

    fn threads(&self) -> usize {
        self.threads
    }

    fn has_room(&self, trial: usize) -> bool {
        self.pool.as_ref().is_none_or(|pool| pool.has_room(trial))
    }

    fn start(&mut self, order: Order) -> Result<()> {
        let environment = self.environment(&order)?;
        let place = self.free.last().copied().unwrap_or(0);
        let cores = self.cores.as_ref().map(|cores| &cores[place]);
        let begin = process::log_length(&order.run_dir);
        let mut child = process::spawn(
            &order.run_dir,
            &self.data_root,
            &self.results,
            order.until,
            cores,
            &environment,
            Stdio::piped(),
        )?;
        self.free.pop();
        self.running.insert(order.trial, (child.id(), place));
        let tell = self.told.0.clone();
        // The driver receives this; without a driver, no one needs it.
        let _ = tell.send(Update::Begun(order.trial));
        std::thread::spawn(move || {
            let lines = child.stdout.take().map(BufReader::new).into_iter().flat_map(|out| out.split(b'\n'));
            for line in lines.map_while(|line| line.ok()) {
                if let Ok(event) = serde_json::from_slice::<TrialEvent>(&line) {
                    let _ = tell.send(Update::Event(order.trial, event));
                }
            }
            let ending = process::classify(child.wait().ok(), &order.run_dir, begin);
            let _ = tell.send(Update::Ended(order.trial, ending));
        });
        Ok(())
    }

    fn updates(&mut self, patience: Duration) -> Result<Vec<Update>> {
        let (_, told) = &self.told;
        let updates: Vec<_> = told.recv_timeout(patience).into_iter().chain(told.try_iter()).collect();
        for update in &updates {
            if let Update::Ended(trial, _) = update
                && let Some((_, place)) = self.running.remove(trial)
            {
                self.free.push(place);
                self.pool.iter_mut().for_each(|pool| pool.leave(*trial));
            }
        }
        Ok(updates)
    }

    fn stop(&mut self) {
        self.running.values().for_each(|&(process, _)| process::signal(process, libc::SIGTERM));
    }
}
