//! `devices`: assigns trials of a sweep to GPUs, several small ones to one GPU as its memory allows.
//!
//! A trial sees only one card, as `cuda:0`, so that its record does not depend on which of several equal cards it had.

use crate::cards::Card;
use crate::config::experiment::DeviceChoice;
use crate::device::{CONTEXT_BYTES, card_of_uuid};
use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// Measured peaks vary by this factor between runs of one shape: the caching allocator rounds, and batches differ.
const MEASURED_MARGIN: f64 = 1.1;
/// The estimate was fitted to processes on a CPU, and so needs a larger margin.
const ESTIMATED_MARGIN: f64 = 1.3;
/// Largest number of trials at once on one card: they share its processors, and each also has a process on the CPU.
const MOST: usize = 8;

/// Memory of a card that a trial takes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Need {
    /// The peak that a run of the same shape reached on a card.
    Measured(u64),
    /// The estimate of `train/memory_estimate` for a process on a CPU.
    Estimated(f64),
}

impl Need {
    /// Returns the bytes to reserve, with a margin.
    pub fn bytes(self) -> u64 {
        match self {
            Need::Measured(bytes) => (bytes as f64 * MEASURED_MARGIN) as u64,
            Need::Estimated(bytes) => (bytes * ESTIMATED_MARGIN) as u64 + CONTEXT_BYTES,
        }
    }
}

/// A card that the sweep may use, with the trials that it has there.
#[derive(Debug, Clone, PartialEq)]
pub struct CardLoad {
    /// The device number that the user gave.
    pub device: usize,
    /// The value of `CUDA_VISIBLE_DEVICES` for this card.
    pub visible: String,
    /// Free bytes before the sweep began.
    pub free_bytes: u64,
    /// Reserved bytes of each trial that runs on the card.
    pub taken: Vec<u64>,
}

impl CardLoad {
    /// Returns the bytes that are left for further trials.
    fn left(&self) -> u64 {
        self.free_bytes.saturating_sub(self.taken.iter().sum())
    }

    /// Whether a trial fits beside those on the card. A trial that is larger than the card may have it alone: it fails
    /// with a message, or the estimate was too high.
    fn fits(&self, need: u64) -> bool {
        self.taken.is_empty() || (self.taken.len() < MOST && need <= self.left())
    }

    /// Returns the environment variables for the process of a trial on this card.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [("CUDA_DEVICE_ORDER", "PCI_BUS_ID".into()), ("CUDA_VISIBLE_DEVICES", self.visible.clone())]
    }
}

/// The cards of a running sweep, and the card of each trial.
#[derive(Debug, Clone)]
pub struct CardPool {
    loads: Vec<CardLoad>,
    /// Bytes needed by every trial of the sweep, by number.
    needs: Vec<u64>,
    /// The card of each running trial.
    places: BTreeMap<usize, usize>,
}

impl CardPool {
    pub fn new(loads: Vec<CardLoad>, needs: Vec<u64>) -> Self {
        CardPool { loads, needs, places: BTreeMap::new() }
    }

    /// Returns the number of these trials that can run at once, counted with the largest ones; at least 1.
    pub fn capacity(&self, trials: impl Iterator<Item = usize>) -> usize {
        let needs: Vec<u64> = trials.map(|trial| self.needs[trial]).collect();
        capacity(&self.loads, &needs).max(1)
    }

    /// Whether a card has room for the trial.
    pub fn has_room(&self, trial: usize) -> bool {
        choose(&self.loads, self.needs[trial]).is_some()
    }

    /// Assigns a card to the trial; None if it has to wait.
    pub fn enter(&mut self, trial: usize) -> Option<&CardLoad> {
        let number = choose(&self.loads, self.needs[trial])?;
        self.loads[number].taken.push(self.needs[trial]);
        self.places.insert(trial, number);
        self.loads.get(number)
    }

    /// Releases the card of a finished trial.
    pub fn leave(&mut self, trial: usize) {
        let Some(number) = self.places.remove(&trial) else { return };
        let taken = &mut self.loads[number].taken;
        if let Some(at) = taken.iter().position(|&need| need == self.needs[trial]) {
            taken.swap_remove(at);
        }
    }
}

/// Returns the card for a trial that needs `need` bytes: the one with the most memory left, the first among equals;
/// None if the trial has to wait. Pure: the driver keeps the state.
pub fn choose(loads: &[CardLoad], need: u64) -> Option<usize> {
    let fitting = (0..loads.len()).filter(|&number| loads[number].fits(need));
    fitting.min_by_key(|&number| (std::cmp::Reverse(loads[number].left()), number))
}

/// Returns the number of trials with these needs that run at once on the cards, counted with the largest ones.
pub fn capacity(loads: &[CardLoad], needs: &[u64]) -> usize {
    let mut loads = loads.to_vec();
    let mut needs = needs.to_vec();
    needs.sort_unstable_by(|a, b| b.cmp(a));
    let mut count = 0;
    for need in needs {
        let Some(number) = choose(&loads, need) else { break };
        loads[number].taken.push(need);
        count += 1;
    }
    count
}

/// Returns the cards called `names`: `cuda:1`, or `cuda` for all visible cards. `visible` is the driver's own
/// `CUDA_VISIBLE_DEVICES`, which numbers the cards if it is set.
///
/// # Errors
/// A user error for another name, a missing card, or a card that is named twice.
pub fn resolve(names: &[String], cards: &[Card], visible: Option<&str>) -> Result<Vec<CardLoad>> {
    if names.is_empty() {
        return Err(Error::user("devices names no GPU; leave it out to run on run.device"));
    }
    let known: Vec<&Card> = match visible {
        None => cards.iter().collect(),
        Some(list) => {
            let named = |name: &str| {
                let known = cards.iter().find(|card| card.index.to_string() == name || card.uuid == name);
                known.or_else(|| card_of_uuid(cards, name, |card| Some(card.uuid.clone())))
            };
            list.split(',').map_while(|name| named(name.trim())).collect()
        }
    };
    let mut loads: Vec<CardLoad> = Vec::new();
    for name in names {
        let numbers = match name.parse::<DeviceChoice>() {
            Ok(DeviceChoice::Cuda(_)) if name == "cuda" => (0..known.len()).collect(),
            Ok(DeviceChoice::Cuda(number)) => vec![number],
            _ => {
                return Err(Error::user(format!(
                    "devices: {name:?} is not a GPU; use \"cuda:0\", \"cuda:1\", … or \"cuda\" for all of them, and \
                     run.device for the CPU"
                )));
            }
        };
        for number in numbers {
            let Some(card) = known.get(number) else {
                return Err(Error::user(format!(
                    "devices: there is no {name}; {} visible here",
                    match known.len() {
                        0 => "no GPU is".to_string(),
                        1 => "only cuda:0 is".to_string(),
                        count => format!("cuda:0 to cuda:{} are", count - 1),
                    }
                )));
            };
            if loads.iter().any(|load| load.device == number) {
                return Err(Error::user(format!("devices names cuda:{number} twice; remove one of them")));
            }
            loads.push(CardLoad {
                device: number,
                visible: card.uuid.clone(),
                free_bytes: card.free_bytes,
                taken: Vec::new(),
            });
        }
    }
    match loads.is_empty() {
        true => Err(Error::user("devices names GPUs, but there is none; leave it out to run on run.device")),
        false => Ok(loads),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn card(index: usize, free: u64) -> Card {
        Card { index, uuid: format!("GPU-{index}"), total_bytes: 80 * GIB, free_bytes: free * GIB }
    }

    fn loads(free: &[u64]) -> Vec<CardLoad> {
        let cards: Vec<Card> = free.iter().enumerate().map(|(index, &free)| card(index, free)).collect();
        resolve(&["cuda".into()], &cards, None).unwrap()
    }

    /// Returns the cards of trials of these sizes, started one after another.
    fn packed(free: &[u64], needs: &[u64]) -> Vec<Option<usize>> {
        let mut loads = loads(free);
        let mut place = |need: &u64| {
            let chosen = choose(&loads, need * GIB);
            chosen.into_iter().for_each(|number| loads[number].taken.push(need * GIB));
            chosen
        };
        needs.iter().map(&mut place).collect()
    }

    #[test]
    fn trials_go_where_most_memory_is_left_and_wait_where_none_is() {
        assert_eq!(packed(&[10, 10], &[4, 4, 4, 4, 4]), [Some(0), Some(1), Some(0), Some(1), None]);
        assert_eq!(packed(&[10, 20], &[5, 5, 5, 5, 5, 5]), [1, 1, 0, 1, 0, 1].map(Some));
        assert_eq!(packed(&[10, 10], &[9, 3, 3, 3]), [Some(0), Some(1), Some(1), Some(1)]);
    }

    #[test]
    fn a_trial_larger_than_any_card_gets_one_alone_and_no_card_more_than_it_can_serve() {
        assert_eq!(packed(&[10], &[50, 1]), [Some(0), None]);
        assert_eq!(packed(&[10], &[1, 50]), [Some(0), None]);
        assert_eq!(packed(&[80], &[1; 9]).iter().flatten().count(), MOST);
        assert_eq!(choose(&[], GIB), None);
    }

    #[test]
    fn capacity_counts_the_largest_trials() {
        assert_eq!(capacity(&loads(&[10, 10]), &[4 * GIB; 9]), 4);
        assert_eq!(capacity(&loads(&[10, 10]), &[4 * GIB; 3]), 3);
        assert_eq!(capacity(&loads(&[10]), &[GIB, GIB, 9 * GIB]), 2);
        assert_eq!(capacity(&loads(&[10]), &[99 * GIB, GIB]), 1);
        assert_eq!(capacity(&loads(&[80]), &[]), 0);
    }

    #[test]
    fn a_trial_that_is_over_makes_room_for_one_that_waits() {
        let mut pool = CardPool::new(loads(&[10, 10]), [6, 6, 5, 4].map(|need| need * GIB).to_vec());
        assert_eq!((pool.capacity(0..4), pool.capacity(2..4)), (2, 2));
        assert_eq!(pool.enter(0).unwrap().device, 0);
        assert_eq!(pool.enter(1).unwrap().device, 1);
        assert!(!pool.has_room(2) && pool.enter(2).is_none() && pool.has_room(3));
        pool.leave(1);
        assert_eq!(pool.enter(2).unwrap().device, 1);
        pool.leave(1); // twice does no harm
        assert_eq!(pool.enter(3).unwrap().device, 1);
        assert_eq!(pool.loads[1].taken, [5 * GIB, 4 * GIB]);
    }

    #[test]
    fn a_measured_need_has_a_margin_and_an_estimated_one_a_larger_one_and_the_context() {
        assert_eq!(Need::Measured(1000).bytes(), 1100);
        assert!(Need::Estimated(1e9).bytes() > Need::Measured(1_000_000_000).bytes() + 600_000_000);
    }

    #[test]
    fn names_are_numbers_among_the_visible_cards() {
        let cards = [card(0, 10), card(1, 20), card(2, 30)];
        let named = |names: &[&str], visible: Option<&str>| {
            let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
            resolve(&names, &cards, visible)
                .map(|loads| loads.iter().map(|load| load.visible.clone()).collect::<Vec<_>>())
                .map_err(|error| (error.exit_code(), error.to_string()))
        };
        assert_eq!(named(&["cuda:2", "cuda:0"], None).unwrap(), ["GPU-2", "GPU-0"]);
        assert_eq!(named(&["cuda"], None).unwrap(), ["GPU-0", "GPU-1", "GPU-2"]);
        assert_eq!(named(&["cuda"], Some("2,GPU-1")).unwrap(), ["GPU-2", "GPU-1"]);
        assert_eq!(named(&["cuda:0"], Some("2")).unwrap(), ["GPU-2"]);
        // The beginning of a UUID, if it fits only one card.
        let longer = [Card { uuid: "GPU-8932f937-d72c".into(), ..card(0, 1) }, card(1, 1)];
        let begun =
            |visible| resolve(&["cuda".into()], &longer, Some(visible)).map(|loads| loads[0].visible.clone());
        assert_eq!(begun("GPU-89").unwrap(), "GPU-8932f937-d72c");
        assert!(begun("GPU-").is_err());
        // As in CUDA, the entries behind an unknown name are ignored.
        assert_eq!(named(&["cuda"], Some("1,9,2")).unwrap(), ["GPU-1"]);
        let wrong = |names: &[&str], visible, part: &str| {
            let (code, told) = named(names, visible).unwrap_err();
            assert!(code == 2 && told.contains(part), "{code} {told}");
        };
        wrong(&["cuda:3"], None, "cuda:0 to cuda:2 are visible here");
        wrong(&["cuda:1"], Some("0"), "only cuda:0 is visible");
        wrong(&["cuda:0"], Some(""), "no GPU is visible");
        wrong(&["cuda:0", "cuda"], None, "cuda:0 twice");
        wrong(&["cpu"], None, "run.device for the CPU");
        wrong(&["gpu"], None, "\"gpu\" is not a GPU");
        wrong(&["cuda"], Some(""), "there is none");
    }

    #[test]
    fn a_trial_sees_its_card_alone() {
        let [order, visible] = loads(&[1, 2])[1].environment();
        assert_eq!(order, ("CUDA_DEVICE_ORDER", "PCI_BUS_ID".into()));
        assert_eq!(visible, ("CUDA_VISIBLE_DEVICES", "GPU-1".into()));
    }
}
