//! Batches made ready by a thread of their own, so that no update waits for data.

use super::stream::BatchStream;
use crate::data::collate::{Batch, collate};
use crate::error::Result;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;
use tch::Device;

/// Updates that are made ready before they are asked for: enough to hide the ordering of a new epoch on a large
/// corpus behind updates of a third of a second.
const AHEAD: usize = 8;

/// What an update needs.
#[derive(Debug)]
pub struct Ready {
    /// Its micro-batches, in the memory of the processor.
    pub batches: Vec<Batch>,
    /// Where the next update begins; see [`BatchStream::place`].
    pub place: (u64, usize),
}

/// The updates of a stream, in its order. The thread behind it ends when this is dropped.
pub struct Prefetch {
    updates: Receiver<Result<Ready>>,
}

impl Prefetch {
    /// Begins with the next update of `stream`.
    pub fn start<'scope, 'env: 'scope>(
        scope: &'scope Scope<'scope, 'env>,
        mut stream: BatchStream<'env>,
    ) -> Self {
        let (give, updates) = sync_channel(AHEAD);
        scope.spawn(move || {
            loop {
                let pairs = stream.next_update();
                let batches = pairs.iter().map(|pairs| collate(stream.store(), pairs, Device::Cpu));
                let ready = batches.collect::<Result<Vec<_>>>();
                let ready = ready.map(|batches| Ready { batches, place: stream.place() });
                let failed = ready.is_err();
                if give.send(ready).is_err() || failed {
                    break;
                }
            }
        });
        Prefetch { updates }
    }

    /// The next update, as soon as it is ready.
    ///
    /// # Errors
    /// Those of [`collate`].
    pub fn next_update(&self) -> Result<Ready> {
        self.updates.recv().expect("the thread ends with an error or when nobody listens")
    }
}
