//! A thread that prepares batches, so that no update waits for data.

use super::batch_source::BatchSource;
use super::stream::BatchStream;
use crate::data::collate::Batch;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;
use tch::Device;

/// Number of updates that are prepared in advance: enough to hide the ordering of a new epoch on a large corpus behind
/// updates of a third of a second.
const AHEAD: usize = 8;

/// The micro-batches of an update to prepare: every `of`-th, beginning with number `first`.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    pub first: usize,
    pub of: usize,
}

/// A prepared update.
#[derive(Debug)]
pub struct Ready {
    /// The update's micro-batches that belong to the share, with their numbers in the update; in the memory of the
    /// processor, pinned for a GPU.
    pub batches: Vec<(usize, Batch)>,
    /// Target tokens of all micro-batches; see [`Examples::target_tokens`](super::examples::Examples::target_tokens).
    pub target_tokens: usize,
    /// Place in the data at which the next update begins; see [`BatchStream::place`].
    pub place: (u64, usize),
}

/// The updates of a stream, in order. The preparing thread ends when this value is dropped.
pub struct Prefetch {
    /// A panic is passed on to the thread that asks for the update: its message says that memory ran out, if it did.
    updates: Receiver<std::thread::Result<Ready>>,
}

impl Prefetch {
    /// Starts with the next update of `stream`, whose examples belong to `source`. Batches are prepared for `device`,
    /// but not sent to it.
    pub fn start<'scope, 'env: 'scope>(
        scope: &'scope Scope<'scope, 'env>,
        source: &'env dyn BatchSource,
        mut stream: BatchStream<'env>,
        share: Share,
        device: Device,
    ) -> Self {
        let (give, updates) = sync_channel(AHEAD);
        scope.spawn(move || {
            loop {
                let ready = catch_unwind(AssertUnwindSafe(|| make_ready(source, &mut stream, share, device)));
                let failed = ready.is_err();
                if give.send(ready).is_err() || failed {
                    break;
                }
            }
        });
        Prefetch { updates }
    }

    /// Returns the next update, as soon as it is ready.
    ///
    /// # Panics
    /// If its preparation panicked, with the same message: libtorch's operations panic if memory runs out.
    pub fn next_update(&self) -> Ready {
        let ready = self.updates.recv().expect("the thread ends with a panic or when nobody listens");
        ready.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// Prepares the next update of `stream`, as far as it belongs to the share.
fn make_ready(source: &dyn BatchSource, stream: &mut BatchStream, share: Share, device: Device) -> Ready {
    let pairs = stream.next_update();
    let target_tokens = pairs.iter().map(|pairs| source.target_tokens(pairs)).sum();
    let own = pairs.iter().enumerate().skip(share.first).step_by(share.of);
    let batches = own.map(|(index, pairs)| (index, source.collate(pairs, Device::Cpu).pinned(device)));
    Ready { batches: batches.collect(), target_tokens, place: stream.place() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::collate::collate;
    use crate::data::store::{Store, StoreWriter};
    use crate::train::TrainingConfig;
    use crate::train::examples::Examples;
    use crate::train::pairs::Pairs;
    use crate::train::run_state::Progress;
    use crate::train::workload::Workload;

    #[test]
    fn updates_come_in_the_order_of_the_stream_with_its_places() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.store");
        let mut writer = StoreWriter::create(&path, 1000, [0; 32]).unwrap();
        for n in 0..150u32 {
            writer.push(&vec![4 + n; 1 + n as usize % 13], &vec![5 + n; 1 + n as usize % 11]).unwrap();
        }
        writer.finish().unwrap();
        let store = Store::open(&path, [0; 32]).unwrap();
        let config = TrainingConfig { batch_tokens: 200, micro_batch_tokens: 60, ..Default::default() };
        let start = Progress::default();
        let source = Pairs::of(&store, &config);
        let mut stream = BatchStream::start(&source, &config, &start).unwrap();
        std::thread::scope(|scope| {
            let start = || BatchStream::start(&source, &config, &start).unwrap();
            let ahead = Prefetch::start(scope, &source, start(), Share { first: 0, of: 1 }, Device::Cpu);
            let odd = Prefetch::start(scope, &source, start(), Share { first: 1, of: 2 }, Device::Cpu);
            // Runs over more than an epoch, and is dropped in the middle of one.
            for _ in 0..20 {
                let (pairs, ready) = (stream.next_update(), ahead.next_update());
                assert_eq!(ready.place, stream.place());
                assert_eq!(ready.batches.len(), pairs.len());
                for (number, (pairs, (index, batch))) in pairs.iter().zip(&ready.batches).enumerate() {
                    let expected = collate(&store, pairs, Device::Cpu);
                    assert_eq!((&batch.source, &batch.targets), (&expected.source, &expected.targets));
                    assert_eq!((&batch.target_input, *index), (&expected.target_input, number));
                }
                let tokens: usize = ready.batches.iter().map(|(_, batch)| batch.target_tokens).sum();
                let part = odd.next_update();
                assert_eq!(
                    (ready.target_tokens, part.target_tokens, part.place),
                    (tokens, tokens, ready.place)
                );
                let own = ready.batches.iter().skip(1).step_by(2);
                assert!(
                    part.batches.iter().map(|(i, b)| (i, &b.source)).eq(own.map(|(i, b)| (i, &b.source)))
                );
            }
            assert!(stream.place().0 > 0);
        });
    }

    #[test]
    fn shapes_are_those_of_the_batches_that_training_makes() {
        shapes_are_those_of_batches(None);
        shapes_are_those_of_batches(Some(25));
    }

    fn shapes_are_those_of_batches(packed_length: Option<usize>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.store");
        let mut writer = StoreWriter::create(&path, 10, [0; 32]).unwrap();
        for n in 0..200 {
            writer.push(&vec![4; 1 + n % 13], &vec![5; 1 + n % 11]).unwrap();
        }
        writer.finish().unwrap();
        let store = Store::open(&path, [0; 32]).unwrap();
        let config = TrainingConfig {
            batch_tokens: 300,
            micro_batch_tokens: 100,
            packed_length,
            ..Default::default()
        };
        let source = Pairs::of(&store, &config);
        let workload = Workload::of(&source, &config).unwrap();
        let mut stream = BatchStream::start(&source, &config, &Progress::default()).unwrap();
        for pairs in stream.next_update() {
            let batch = source.collate(&pairs, Device::Cpu);
            let shape = source.shape(&pairs);
            assert_eq!(batch.source.size(), [shape.pairs as i64, shape.source as i64]);
            assert_eq!(batch.target_input.size(), [shape.pairs as i64, shape.target as i64]);
            assert_eq!(batch.target_tokens as u64, shape.scored);
            assert!(workload.shapes.contains(&shape));
        }
        // The epoch's tokens, and those that its last update takes from the next epoch.
        let epoch = store.target_tokens() + store.len() as u64;
        let counted: u64 = workload.shapes.iter().map(|shape| shape.scored).sum();
        assert!((epoch..epoch + 300).contains(&counted), "{counted} of {epoch}");
        assert!((workload.target_tokens() - 300.0).abs() < 50.0);
    }
}
