//! Which pairs go into which micro-batch: a pure function of store, seed and epoch.
//!
//! Config keys: `training.micro_batch_tokens`, `training.packed_length`, `decoding.batch_tokens`.

use super::packing;
use super::store::Store;
use crate::seed::{Purpose, rng};
use rand_chacha::rand_core::Rng;

/// Smallest window, in micro-batches, within which pairs are sorted by length. Smaller windows pad too much.
const LEAST_WINDOW: u64 = 200;
/// Largest window: with 4,096 tokens a batch, 2 % of a text like WMT's is padding then (docs/data.md).
const LARGEST_WINDOW: u64 = 1000;
/// Between these limits, the corpus is divided into so many windows that the pairs of a batch change every epoch.
const WINDOW_PART: u64 = 16;
/// Number of micro-batches in a window within which packed rows are sorted.
const PACKED_WINDOW: usize = 16;

/// Size and row form of the micro-batches of a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// Largest number of padded tokens per side; `training.micro_batch_tokens`.
    pub tokens: usize,
    /// Tokens per side of a row that holds several sentences; absent: one sentence per row. `training.packed_length`.
    pub packed_length: Option<usize>,
}

/// Returns the micro-batches of one epoch, as indices of pairs; every pair is in exactly one of them.
///
/// No batch has more than `batching.tokens` padded tokens on a side, including the end of each sentence, except that a
/// longer pair forms a batch of its own.
pub fn epoch_batches(store: &Store, seed: u64, epoch: u64, batching: Batching) -> Vec<Vec<u32>> {
    let mut random = rng(seed, Purpose::BatchOrder, epoch);
    let mut order: Vec<u32> = (0..store.len() as u32).collect();
    shuffle(&mut order, &mut random);
    let lengths = |pair| store.lengths(pair);
    if let Some(row_length) = batching.packed_length {
        let mut rows = packing::fill_rows(&order, lengths, row_length);
        shuffle(&mut rows, &mut random);
        let rows_a_batch = (batching.tokens / row_length).max(1);
        // The side with more tokens fills the rows; on the other side, the rows of a batch should have similar lengths.
        for window in rows.chunks_mut(rows_a_batch * PACKED_WINDOW) {
            window.sort_by_cached_key(|row| packing::shape(std::iter::once(&row[..]), lengths).source);
        }
        let mut batches: Vec<Vec<u32>> = rows.chunks(rows_a_batch).map(<[_]>::concat).collect();
        shuffle(&mut batches, &mut random);
        return batches;
    }
    let mut batches = Vec::new();
    for window in order.chunks_mut(window_pairs(store, batching.tokens)) {
        sort_by_length(window, lengths);
        batches.extend(cut(window, lengths, batching.tokens));
    }
    shuffle(&mut batches, &mut random);
    batches
}

/// Returns the micro-batches of one epoch of running text, as numbers of blocks; every block is in exactly one of them.
/// All but the last have as many blocks as fit into `tokens` tokens, and at least one.
pub fn block_batches(store: &Store, seed: u64, epoch: u64, tokens: usize) -> Vec<Vec<u32>> {
    let mut order: Vec<u32> = (0..store.len() as u32).collect();
    shuffle(&mut order, &mut rng(seed, Purpose::BatchOrder, epoch));
    blocks_in_order(&order, store, tokens)
}

/// Returns the blocks of running text in micro-batches in the order of the text, for evaluation.
pub fn block_batches_in_order(store: &Store, tokens: usize) -> Vec<Vec<u32>> {
    let order: Vec<u32> = (0..store.len() as u32).collect();
    blocks_in_order(&order, store, tokens)
}

fn blocks_in_order(order: &[u32], store: &Store, tokens: usize) -> Vec<Vec<u32>> {
    let rows = (tokens / store.longest_sentence().max(1)).max(1);
    order.chunks(rows).map(<[_]>::to_vec).collect()
}

/// Returns batches for evaluation, the longest pairs first, so that memory runs out at once or never.
///
/// `lengths` holds tokens of (source, target) without the end of sentence; the length of a missing target is 0.
pub fn sorted_batches(lengths: &[(usize, usize)], batch_tokens: usize) -> Vec<Vec<u32>> {
    let of = |pair: u32| lengths[pair as usize];
    let mut order: Vec<u32> = (0..lengths.len() as u32).collect();
    sort_by_length(&mut order, of);
    order.reverse();
    cut(&order, of, batch_tokens)
}

/// Returns the number of pairs in each window: the store is cut into equal parts.
fn window_pairs(store: &Store, micro_batch_tokens: usize) -> usize {
    let tokens = store.source_tokens().max(store.target_tokens()) + store.len() as u64;
    store.len().div_ceil(windows(tokens, micro_batch_tokens as u64) as usize).max(1)
}

/// Returns the number of windows of an epoch of `tokens` tokens.
fn windows(tokens: u64, micro_batch_tokens: u64) -> u64 {
    let batches = tokens.div_ceil(micro_batch_tokens.max(1));
    let window = (batches / WINDOW_PART).clamp(LEAST_WINDOW, LARGEST_WINDOW);
    tokens.div_ceil(window.saturating_mul(micro_batch_tokens).max(1)).max(1)
}

/// Sorts by the longer side, which decides how many pairs fit, then by the difference of the sides; equal pairs
/// keep their order.
///
/// The difference rises and falls by turns, so that a batch that crosses from one length to the
/// next holds pairs of similar proportions.
fn sort_by_length(pairs: &mut [u32], lengths: impl Fn(u32) -> (usize, usize)) {
    pairs.sort_by_cached_key(|&pair| {
        let (source, target) = lengths(pair);
        let (longer, difference) = (source.max(target), source as i64 - target as i64);
        (longer, if longer % 2 == 0 { difference } else { -difference })
    });
}

/// Cuts `order` into the longest runs that fit into `budget` padded tokens.
fn cut(order: &[u32], lengths: impl Fn(u32) -> (usize, usize), budget: usize) -> Vec<Vec<u32>> {
    let mut batches: Vec<Vec<u32>> = Vec::new();
    let mut longest = 0;
    for &pair in order {
        let (source, target) = lengths(pair);
        let length = source.max(target) + 1;
        match batches.last_mut() {
            Some(batch) if (batch.len() + 1).saturating_mul(longest.max(length)) <= budget => {
                longest = longest.max(length);
                batch.push(pair);
            }
            _ => {
                longest = length;
                batches.push(vec![pair]);
            }
        }
    }
    batches
}

/// Fisher–Yates. Our own, since `rand` may change its shuffle between versions and with it every result.
fn shuffle<T>(items: &mut [T], random: &mut impl Rng) {
    for last in (1..items.len()).rev() {
        // The high half of the product is uniform to within 2^-64 times the number of items.
        let chosen = (u128::from(random.next_u64()) * (last as u128 + 1)) >> 64;
        items.swap(last, chosen as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::store::StoreWriter;

    /// A store of `pairs` with lengths as in ordinary text: 1 to 60, the sides alike.
    fn store(pairs: usize) -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("train.store");
        let mut writer = StoreWriter::create(&path, 1000, [0; 32]).unwrap();
        let mut random = rng(5, Purpose::Corpus, 0);
        for _ in 0..pairs {
            let source = 1 + (random.next_u32() % 30 + random.next_u32() % 30) as usize;
            let target = (source + (random.next_u32() % 7) as usize).saturating_sub(3);
            writer.push(&vec![3; source], &vec![3; target]).unwrap();
        }
        writer.finish().unwrap();
        let store = Store::open(&path, [0; 32]).unwrap();
        (directory, store)
    }

    fn padded_rows(tokens: usize) -> Batching {
        Batching { tokens, packed_length: None }
    }

    fn padded(store: &Store, batch: &[u32]) -> (usize, usize) {
        let longest =
            |length: &dyn Fn(usize) -> usize| batch.iter().map(|&pair| length(pair as usize) + 1).max();
        let source = longest(&|pair| store.source_length(pair)).unwrap() * batch.len();
        (source, longest(&|pair| store.target_length(pair)).unwrap() * batch.len())
    }

    #[test]
    fn every_pair_is_in_exactly_one_batch_and_no_batch_is_too_large() {
        let (_directory, store) = store(3000);
        for (epoch, budget) in [(0, 1000), (1, 1000), (0, 300), (0, 20), (0, 1)] {
            let batches = epoch_batches(&store, 1, epoch, padded_rows(budget));
            let mut seen: Vec<u32> = batches.concat();
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..3000), "epoch {epoch}, budget {budget}");
            for batch in &batches {
                let (source, target) = padded(&store, batch);
                assert!(
                    batch.len() == 1 || source.max(target) <= budget,
                    "{source} and {target} of {budget}"
                );
            }
        }
    }

    #[test]
    fn the_order_depends_on_seed_and_epoch_alone() {
        let (_directory, store) = store(500);
        let batches = |seed, epoch| epoch_batches(&store, seed, epoch, padded_rows(400));
        assert_eq!(batches(1, 2), batches(1, 2));
        assert_ne!(batches(1, 2), batches(1, 3));
        assert_ne!(batches(1, 2), batches(2, 2));
    }

    #[test]
    fn little_is_padding() {
        let (_directory, store) = store(20_000);
        let batches = epoch_batches(&store, 1, 0, padded_rows(2000));
        let sizes = batches.iter().map(|batch| padded(&store, batch));
        let (source, target) = sizes.fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1));
        let tokens = store.source_tokens() + store.target_tokens() + 2 * store.len() as u64;
        let padding = 1.0 - tokens as f64 / (source + target) as f64;
        assert!(padding < 0.05, "{padding}");
    }

    #[test]
    fn packed_rows_hold_every_pair_once_and_almost_nothing_else() {
        let (_directory, store) = store(20_000);
        let batching = Batching { tokens: 2100, packed_length: Some(256) };
        let lengths = |pair| store.lengths(pair);
        let batches = epoch_batches(&store, 1, 0, batching);
        let mut seen = batches.concat();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..20_000));
        assert_ne!(batches, epoch_batches(&store, 1, 1, batching));
        let mut padded = 0;
        for batch in &batches {
            let rows = packing::rows(batch, lengths, 256);
            assert!(rows.len() <= 8);
            let shape = packing::shape(rows.iter().map(Vec::as_slice), lengths);
            assert!(shape.source <= 256 && shape.target <= 256, "{shape:?}");
            padded += rows.len() * (shape.source + shape.target);
        }
        let tokens = store.source_tokens() + store.target_tokens() + 2 * store.len() as u64;
        let padding = 1.0 - tokens as f64 / padded as f64;
        assert!(padding < 0.015, "{padding}");
    }

    #[test]
    fn windows_are_as_wide_as_the_corpus_allows() {
        let batches_in_each = |batches: u64| batches.div_ceil(windows(batches * 4096, 4096));
        assert_eq!([0, 1, 200, 201, 3200].map(batches_in_each), [0, 1, 200, 101, 200]);
        assert_eq!([4800, 16_000, 1_000_000].map(batches_in_each), [300, 1000, 1000]);
        assert_eq!(windows(u64::MAX, u64::MAX), 1);
    }

    #[test]
    fn evaluation_batches_begin_with_the_longest() {
        let lengths = [(3, 4), (9, 9), (2, 4), (30, 1), (0, 0)];
        assert_eq!(sorted_batches(&lengths, 12), [vec![3], vec![1], vec![0, 2], vec![4]]);
        assert!(sorted_batches(&[], 12).is_empty());
    }

    #[test]
    fn an_empty_store_has_no_batches() {
        assert!(epoch_batches(&store(0).1, 1, 0, padded_rows(100)).is_empty());
    }

    #[test]
    fn blocks_are_in_one_batch_each_in_an_order_of_every_epoch() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("train.store");
        let mut writer = StoreWriter::create(&path, 1000, [0; 32]).unwrap();
        (0..50).try_for_each(|_| writer.push(&[], &[3; 8])).and_then(|()| writer.push(&[], &[3; 2])).unwrap();
        writer.finish().unwrap();
        let store = Store::open(&path, [0; 32]).unwrap();
        for (tokens, rows) in [(64, 8), (63, 7), (8, 1), (1, 1), (10_000, 51)] {
            let batches = block_batches(&store, 1, 0, tokens);
            assert!(batches[..batches.len() - 1].iter().all(|batch| batch.len() == rows), "{tokens}");
            let mut all = batches.concat();
            assert_ne!(all, (0..51).collect::<Vec<_>>());
            all.sort();
            assert_eq!(all, (0..51).collect::<Vec<_>>());
            assert_eq!(block_batches_in_order(&store, tokens).concat(), all);
        }
        let order = |seed, epoch| block_batches(&store, seed, epoch, 64);
        assert_eq!(order(1, 0), order(1, 0));
        assert_ne!(order(1, 0), order(1, 1));
        assert_ne!(order(1, 0), order(2, 0));
    }
}
