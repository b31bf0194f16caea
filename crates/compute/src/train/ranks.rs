//! Several processes that train one model together; each computes a share of every update's micro-batches.
//!
//! All ranks hold the same weights and moments and do the same updates in the same order. Gradients and losses are
//! summed over all ranks. Rank 0 alone measures and saves, while the others wait.

use super::adam::Adam;
use super::loss::Loss;
use super::run_state::{Best, Progress};
use super::step::{Sums, fetch};
use crate::error::{Error, Result};
use crate::model::weights::Weights;
use crate::shim::nccl::Cards;
use crate::shim::process_group::ProcessGroup;
use crate::shim::torch_error;
use crate::world::World;
use std::cell::{Cell, OnceCell};
use std::time::Duration;
use tch::{Device, Kind, Tensor};

/// Most numbers in a block of gradients that is summed at once: few messages, and no copy of all gradients.
const BUCKET: i64 = 8 << 20;

/// This process's rank among those that train; alone unless it joined others.
#[derive(Debug)]
pub struct Ranks {
    rank: usize,
    size: usize,
    /// Absent for a process that trains alone.
    group: Option<ProcessGroup>,
    /// Sums tensors on cards; absent if the processor computes.
    cards: OnceCell<Cards>,
    /// See [`World::patience`].
    patience: Duration,
    /// The update of the newest training state on disk.
    saved: Cell<u64>,
}

impl Ranks {
    /// Creates the ranks of a process that trains alone: every method does nothing, at no cost.
    pub fn alone() -> Self {
        Ranks::of(0, 1, None, Duration::ZERO)
    }

    /// Meets the other ranks, and waits for them as long as `world` says.
    ///
    /// # Errors
    /// If one of them does not come.
    pub fn join(world: &World) -> Result<Self> {
        let World { rank, size, ref host, port, patience, .. } = *world;
        let group = ProcessGroup::join(world).map_err(|error| Error::Peer {
            message: format!("rank {rank} of {size} could not meet the others at {host}:{port}: {error}"),
            code: error.exit_code(),
        })?;
        Ok(Ranks::of(rank, size, Some(group), patience))
    }

    fn of(rank: usize, size: usize, group: Option<ProcessGroup>, patience: Duration) -> Self {
        Ranks { rank, size, group, cards: OnceCell::new(), patience, saved: Cell::new(0) }
    }

    /// Lets the ranks sum on their cards, if `device` is a card. All ranks must call this.
    pub fn use_cards(&self, device: Device) -> Result<()> {
        let (Device::Cuda(card), Some(group)) = (device, &self.group) else { return Ok(()) };
        let mut id = Tensor::from_slice(&match self.rank {
            0 => Cards::new_id()?,
            _ => [0; Cards::ID_BYTES],
        });
        self.check(group.broadcast(&mut id))?;
        let id: Vec<u8> = Vec::try_from(&id).map_err(torch_error)?;
        let cards = Cards::join(self.rank, self.size, &id, card, self.patience)?;
        self.cards.set(cards).map_err(|_| Error::failed("the ranks' cards were joined before"))
    }

    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Returns the number of ranks.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether this is rank 0, which measures, saves and reports.
    pub fn leads(&self) -> bool {
        self.rank == 0
    }

    /// Notes that the training state of this update is on disk, for the message if a rank is lost.
    pub fn note_saved(&self, step: u64) {
        self.saved.set(step);
    }

    /// Returns whether `yes` is true on any rank.
    pub fn any(&self, yes: bool) -> Result<bool> {
        Ok(self.sum_numbers(&[f64::from(u8::from(yes))])?[0] > 0.0)
    }

    /// Waits on all ranks until rank 0 has done the work.
    ///
    /// # Errors
    /// The errors of [`Ranks::measured_by_leader`].
    pub fn done_by_leader(&self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        self.measured_by_leader(|| work().map(|()| 0.0)).map(drop)
    }

    /// Returns the result of `work` on rank 0 to every rank; the others wait for it.
    ///
    /// # Errors
    /// The error of `work` on rank 0, and on the others [`Error::Peer`] with its exit code.
    pub fn measured_by_leader(&self, work: impl FnOnce() -> Result<f64>) -> Result<f64> {
        if self.leads() {
            let outcome = work();
            let code = outcome.as_ref().map_or_else(Error::exit_code, |_| 0);
            let announced = self.announce(*outcome.as_ref().unwrap_or(&0.0), code);
            // Rank 0's own error tells more than the loss of the other ranks.
            let value = outcome?;
            return announced.map(|_| value);
        }
        match self.announce(0.0, 0)? {
            (value, 0) => Ok(value),
            (_, code) => Err(Error::Peer {
                message: format!(
                    "rank {} of {} ends because rank 0 did; rank 0's own message says why",
                    self.rank, self.size
                ),
                code,
            }),
        }
    }

    /// Sends rank 0's result to the other ranks, which wait for it: a value, and the exit code with which rank 0 ends,
    /// or 0 if it continues. Returns what rank 0 sent.
    pub fn announce(&self, value: f64, code: u8) -> Result<(f64, u8)> {
        let Some(group) = &self.group else { return Ok((value, code)) };
        let mut told = Tensor::from_slice(&[value, f64::from(code)]);
        self.check(group.broadcast(&mut told))?;
        Ok((told.double_value(&[0]), told.double_value(&[1]) as u8))
    }

    /// Returns the texts of all ranks, in order; texts longer than 2048 bytes are cut.
    pub fn gather(&self, text: &str) -> Result<Vec<String>> {
        let Some(group) = &self.group else { return Ok(vec![text.to_string()]) };
        const WIDTH: usize = 2048;
        let mut rows = vec![0u8; self.size * WIDTH];
        let own = &text.as_bytes()[..text.len().min(WIDTH)];
        rows[self.rank * WIDTH..][..own.len()].copy_from_slice(own);
        let mut rows = Tensor::from_slice(&rows);
        // Every byte is zero on all ranks but one.
        self.check(group.sum(&mut rows))?;
        let rows: Vec<u8> = Vec::try_from(&rows).map_err(torch_error)?;
        let text = |row: &[u8]| String::from_utf8_lossy(row).trim_end_matches('\0').to_string();
        Ok(rows.chunks(WIDTH).map(text).collect())
    }

    /// Gives every rank the weights, moments and progress of rank 0; `progress` is used on rank 0 alone.
    pub fn share(&self, weights: &Weights, adam: &Adam, progress: Progress) -> Result<Progress> {
        let Some(group) = &self.group else { return Ok(progress) };
        let best = progress.best.unwrap_or(Best { step: u64::MAX, dev_loss: f64::NAN });
        let numbers = [progress.step, progress.epoch, progress.micro_batch as u64, best.step];
        let mut numbers = Tensor::from_slice(&numbers.map(|number| number as i64));
        let mut dev_loss = Tensor::from_slice(&[best.dev_loss]);
        self.check(group.broadcast(&mut numbers))?;
        self.check(group.broadcast(&mut dev_loss))?;
        let saved = weights.saved();
        let moments = adam.moments().iter().flat_map(|moments| [&moments.first, &moments.second]);
        for tensor in saved.iter().map(|(_, weight)| weight).chain(moments) {
            let mut on_cpu = tensor.detach().to_device(Device::Cpu).contiguous();
            self.check(group.broadcast(&mut on_cpu))?;
            if !self.leads() {
                tch::no_grad(|| tensor.shallow_clone().copy_(&on_cpu));
            }
        }
        let numbers: Vec<i64> = Vec::try_from(&numbers).map_err(torch_error)?;
        let best = Best { step: numbers[3] as u64, dev_loss: dev_loss.double_value(&[0]) };
        self.note_saved(numbers[0] as u64);
        Ok(Progress {
            step: numbers[0] as u64,
            epoch: numbers[1] as u64,
            micro_batch: numbers[2] as usize,
            best: (best.step != u64::MAX).then_some(best),
        })
    }

    /// Sums the gradients of all ranks' shares of an update, their losses, and the sums of running statistics.
    pub fn add_up(&self, weights: &Weights, sums: &mut Sums) -> Result<()> {
        let Some(group) = &self.group else { return Ok(()) };
        let named = weights.named();
        let has_gradient = |(_, weight): &(String, Tensor)| f64::from(u8::from(weight.grad().defined()));
        let losses = fetch(&[&sums.loss.smoothed, &sums.loss.unsmoothed]);
        let own = [losses[0], losses[1], sums.source_tokens as f64];
        let numbers: Vec<f64> = own.into_iter().chain(named.iter().map(has_gradient)).collect();
        let all = self.sum_numbers(&numbers)?;
        sums.loss = Loss::of(all[0], all[1], sums.loss.smoothed.device());
        sums.source_tokens = all[2] as usize;
        let used = named.iter().zip(&all[own.len()..]).filter(|(_, ranks)| **ranks > 0.0);
        let mut gradients: Vec<Tensor> = used.map(|((_, weight), _)| gradient_or_zero(weight)).collect();
        // A bucket begins where the one before it is full.
        let mut rest = &mut gradients[..];
        while !rest.is_empty() {
            let mut numbers = 0;
            let fits = |gradient: &&Tensor| {
                numbers += gradient.numel() as i64;
                numbers <= BUCKET
            };
            let count = rest.iter().take_while(fits).count().max(1);
            let (bucket, later) = rest.split_at_mut(count);
            self.add_up_bucket(group, bucket)?;
            rest = later;
        }
        let statistics = weights.running_statistics().iter().map(|of| of.sums().shallow_clone());
        let mut statistics: Vec<Tensor> = statistics.collect();
        if statistics.is_empty() { Ok(()) } else { self.add_up_bucket(group, &mut statistics) }
    }

    fn add_up_bucket(&self, group: &ProcessGroup, bucket: &mut [Tensor]) -> Result<()> {
        tch::no_grad(|| {
            let flat: Vec<Tensor> = bucket.iter().map(|gradient| gradient.reshape([-1])).collect();
            let mut flat = Tensor::cat(&flat, 0);
            match self.cards.get() {
                Some(cards) => self.check(cards.sum(&flat, || self.any(false).map(drop)))?,
                None => self.check(group.sum(&mut flat))?,
            }
            let mut start = 0;
            for gradient in bucket {
                let count = gradient.numel() as i64;
                gradient.copy_(&flat.narrow(0, start, count).view_as(gradient));
                start += count;
            }
            Ok(())
        })
    }

    fn sum_numbers(&self, numbers: &[f64]) -> Result<Vec<f64>> {
        let Some(group) = &self.group else { return Ok(numbers.to_vec()) };
        let mut sum = Tensor::from_slice(numbers);
        self.check(group.sum(&mut sum))?;
        Vec::try_from(&sum).map_err(torch_error)
    }

    /// Converts the error of a failed operation to a message for people: Gloo's texts are about connections.
    fn check(&self, outcome: Result<()>) -> Result<()> {
        outcome.map_err(|error| match error {
            told @ Error::Peer { .. } => told,
            error => {
                let (rank, size, saved) = (self.rank, self.size, self.saved.get());
                let lost = if size == 2 { format!("rank {}", 1 - rank) } else { "another rank".to_string() };
                let message = format!(
                    "rank {rank} of {size} has lost {lost} ({error}); start all ranks again by the same command, and \
                     they go on from the training state of step {saved}"
                );
                Error::Peer { message, code: 1 }
            }
        })
    }
}

/// Returns the gradient of a weight, or zeros on a rank that has computed none yet.
fn gradient_or_zero(weight: &Tensor) -> Tensor {
    if !weight.grad().defined() {
        (weight * 0.0).sum(Kind::Double).backward();
    }
    weight.grad()
}
