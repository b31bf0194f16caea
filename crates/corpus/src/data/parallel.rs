//! Counting and encoding a text on several threads, with the result of one.
//!
//! One thread reads lines and cuts them into chunks; workers take the chunks in turn; results come back
//! in the order of the text. They do not depend on which thread did what.

use super::Segmentation;
use super::bpe::PieceCounts;
use super::pieces::Cut;
use super::tokenizer::EncodeCache;
use super::tokenizers::Tokenizers;
use crate::error::Result;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

/// Text of a chunk: enough that handing it over costs nothing, little enough that it stays in a cache.
const CHUNK_BYTES: usize = 1 << 18;
/// Chunks that wait for a worker, and results that wait to be taken, for each worker.
const WAITING: usize = 2;

/// Workers that are worth their memory: reading and writing, which one thread does, keep up with no more.
const MOST_WORKERS: usize = 16;

/// Returns the number of processors that this process may use, limited to `MOST_WORKERS`.
pub fn usual_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get().min(MOST_WORKERS))
}

/// Lines, one behind the other.
#[derive(Debug, Default)]
struct Lines {
    text: String,
    /// End of each line in `text`.
    ends: Vec<usize>,
}

impl Lines {
    fn push(&mut self, line: &str) {
        self.text.push_str(line);
        self.ends.push(self.text.len());
    }

    fn is_full(&self) -> bool {
        self.text.len() >= CHUNK_BYTES || self.ends.len() >= CHUNK_BYTES / 16
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.text[start..end])
    }
}

/// Workers that take chunks in turn.
struct Workers<'scope, I, O, W> {
    workers: Vec<(SyncSender<I>, Receiver<O>, ScopedJoinHandle<'scope, W>)>,
    /// Chunks given out and results taken so far.
    given: usize,
    taken: usize,
}

impl<'scope, I: Send + 'scope, O: Send + 'scope, W: Send + 'scope> Workers<'scope, I, O, W> {
    fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        states: Vec<W>,
        work: impl Fn(&mut W, I) -> O + Copy + Send + 'scope,
    ) -> Self {
        let start = |mut state: W| {
            let (give, given) = sync_channel(WAITING);
            let (answer, answers) = sync_channel(WAITING);
            let worker = scope.spawn(move || {
                for chunk in given {
                    // The receiver met an error, which it reports, and takes no more answers.
                    if answer.send(work(&mut state, chunk)).is_err() {
                        break;
                    }
                }
                state
            });
            (give, answers, worker)
        };
        Workers { workers: states.into_iter().map(start).collect(), given: 0, taken: 0 }
    }

    /// Gives a chunk to the worker whose turn it is; before, takes and returns the oldest result if many are under way.
    fn give(&mut self, chunk: I) -> Option<O> {
        let oldest = (self.given - self.taken == WAITING * self.workers.len()).then(|| self.take()).flatten();
        let (worker, ..) = &self.workers[self.given % self.workers.len()];
        worker.send(chunk).expect("a worker ends when it is told to");
        self.given += 1;
        oldest
    }

    /// Takes the oldest result, if there is one.
    fn take(&mut self) -> Option<O> {
        (self.taken < self.given).then(|| {
            let (_, answers, _) = &self.workers[self.taken % self.workers.len()];
            self.taken += 1;
            answers.recv().expect("a worker answers every chunk")
        })
    }

    /// Ends the workers and returns their states. All results must have been taken.
    fn finish(self) -> Vec<W> {
        let joined = self.workers.into_iter().map(|(give, _, worker)| {
            drop(give);
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        joined.collect()
    }
}

/// Counts the pieces, cut by `cut`, of the lines that `read` passes to its argument.
///
/// # Errors
/// Only errors of `read`.
pub fn count_pieces(
    threads: usize,
    cut: Cut,
    read: impl FnOnce(&mut dyn FnMut(&str)) -> Result<()>,
) -> Result<PieceCounts> {
    std::thread::scope(|scope| {
        let states = vec![PieceCounts::new(cut); threads.max(1)];
        let mut workers = Workers::start(scope, states, |counts: &mut PieceCounts, lines: Lines| {
            lines.iter().for_each(|line| counts.add(line));
        });
        let mut lines = Lines::default();
        read(&mut |line| {
            lines.push(line);
            if lines.is_full() {
                workers.give(std::mem::take(&mut lines));
            }
        })?;
        workers.give(lines);
        while workers.take().is_some() {}
        let mut counts = workers.finish().into_iter();
        let mut all = counts.next().expect("there is one worker at least");
        counts.for_each(|more| all.absorb(&more));
        Ok(all)
    })
}

/// Pieces that a worker has encoded before; only `target` is used if both sides share a tokenizer.
#[derive(Clone, Default)]
struct Caches {
    source: EncodeCache,
    target: EncodeCache,
}

/// The ids of a chunk's lines.
struct Encoded {
    ids: Vec<u32>,
    ends: Vec<usize>,
}

impl Encoded {
    /// Encodes lines, which are source and target sides in turn.
    fn of(tokenizers: &Tokenizers, cut: Segmentation, caches: &mut Caches, lines: &Lines) -> Self {
        let mut encoded = Encoded {
            ids: Vec::with_capacity(lines.text.len() / 3),
            ends: Vec::with_capacity(lines.ends.len()),
        };
        for (number, line) in lines.iter().enumerate() {
            match tokenizers.source_alone().filter(|_| number % 2 == 0) {
                Some(source) => source.segment_into(line, cut, &mut caches.source, &mut encoded.ids),
                None => tokenizers.target().segment_into(line, cut, &mut caches.target, &mut encoded.ids),
            }
            encoded.ends.push(encoded.ids.len());
        }
        encoded
    }

    /// Calls `sink` with the ids of each pair of lines.
    fn pairs(&self, mut sink: impl FnMut(&[u32], &[u32]) -> Result<()>) -> Result<()> {
        let mut start = 0;
        self.ends.chunks_exact(2).try_for_each(|ends| {
            let (source, target) = (&self.ids[start..ends[0]], &self.ids[ends[0]..ends[1]]);
            start = ends[1];
            sink(source, target)
        })
    }
}

/// Encodes the pairs of lines that `read` passes to its argument by `cut`; `sink` gets their ids in the same order.
///
/// # Errors
/// Only errors of `read` and `sink`.
pub fn encode_pairs(
    tokenizers: &Tokenizers,
    cut: Segmentation,
    threads: usize,
    read: impl FnOnce(&mut dyn FnMut(&str, &str) -> Result<()>) -> Result<()>,
    mut sink: impl FnMut(&[u32], &[u32]) -> Result<()>,
) -> Result<()> {
    std::thread::scope(|scope| {
        let states = vec![Caches::default(); threads.max(1)];
        let mut workers = Workers::start(scope, states, |caches: &mut Caches, lines: Lines| {
            Encoded::of(tokenizers, cut, caches, &lines)
        });
        let mut lines = Lines::default();
        read(&mut |source, target| {
            lines.push(source);
            lines.push(target);
            match lines.is_full().then(|| workers.give(std::mem::take(&mut lines))).flatten() {
                Some(encoded) => encoded.pairs(&mut sink),
                None => Ok(()),
            }
        })?;
        let mut next = workers.give(lines);
        while let Some(encoded) = next.or_else(|| workers.take()) {
            encoded.pairs(&mut sink)?;
            next = None;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tokenizer::Tokenizer;
    use crate::error::Error;

    /// Some chunks of lines that differ.
    fn text() -> Vec<String> {
        (0..40_000u32)
            .map(|n| format!("the {}cat {} sat, {n}!", "very ".repeat(n as usize % 5), n % 977))
            .collect()
    }

    fn counted(lines: &[String], threads: usize) -> PieceCounts {
        count_pieces(threads, Cut::Text, |add| {
            lines.iter().for_each(|line| add(line));
            Ok(())
        })
        .unwrap()
    }

    #[test]
    fn any_number_of_threads_gives_the_tokenizer_and_the_ids_of_one() {
        let lines = text();
        let mut counts = PieceCounts::default();
        lines.iter().for_each(|line| counts.add(line));
        let expected = Tokenizer::from_counts(&counts, 300);
        let mut cache = EncodeCache::default();
        let ids: Vec<Vec<u32>> = lines.iter().map(|line| expected.encode(line, &mut cache)).collect();
        for threads in [0, 1, 2, 3, 7] {
            let tokenizer = Tokenizer::from_counts(&counted(&lines, threads), 300);
            assert_eq!(tokenizer.to_json(), expected.to_json(), "{threads} threads");
            let tokenizers = Tokenizers::new(None, tokenizer);
            let mut found: Vec<Vec<u32>> = Vec::new();
            let read = |push: &mut dyn FnMut(&str, &str) -> Result<()>| {
                lines.chunks(2).try_for_each(|pair| push(&pair[0], &pair[1]))
            };
            encode_pairs(&tokenizers, Segmentation::Usual, threads, read, |source, target| {
                found.extend([source.to_vec(), target.to_vec()]);
                Ok(())
            })
            .unwrap();
            assert!(found == ids, "{threads} threads");
        }
    }

    #[test]
    fn nothing_gives_nothing() {
        let tokenizers = Tokenizers::new(None, Tokenizer::from_counts(&counted(&[], 2), 10));
        let nothing = |_: &mut dyn FnMut(&str, &str) -> Result<()>| Ok(());
        encode_pairs(&tokenizers, Segmentation::Usual, 2, nothing, |_, _| panic!("no pair")).unwrap();
    }

    #[test]
    fn errors_of_reading_and_of_writing_end_the_work() {
        let lines = text();
        let failed = || Err(Error::failed("the disk is full"));
        let tokenizers = Tokenizers::new(None, Tokenizer::from_counts(&counted(&lines[..100], 1), 10));
        let all = |push: &mut dyn FnMut(&str, &str) -> Result<()>| {
            lines.iter().cycle().take(1_000_000).try_for_each(|line| push(line, line))
        };
        assert!(encode_pairs(&tokenizers, Segmentation::Usual, 3, all, |_, _| failed()).is_err());
        let broken = |push: &mut dyn FnMut(&str, &str) -> Result<()>| {
            lines.iter().try_for_each(|line| push(line, line))?;
            failed()
        };
        assert!(encode_pairs(&tokenizers, Segmentation::Usual, 3, broken, |_, _| Ok(())).is_err());
        assert!(
            count_pieces(3, Cut::Text, |add| {
                lines.iter().for_each(|line| add(line));
                failed()
            })
            .is_err()
        );
    }
}
