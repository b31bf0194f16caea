//! The load that updates put on the machine, known before the first update: the shapes of their micro-batches.

use super::TrainingConfig;
use super::examples::Examples;
use super::masked_blocks::around;
use super::run_state::Progress;
use super::stream::BatchStream;
use super::word_blocks;
use crate::data::masking::Masks;
use crate::data::reading::PrefixLoss;
use crate::data::words::WordModel;
use crate::error::Result;
use crate::model::ModelConfig;
use crate::model::cost::{BatchShape, Cost};

/// Assumed tokens of a sentence if there is no text to count, end of sentence included: about the mean of WMT 2014's
/// training text in BPE.
const ASSUMED_LENGTH: u64 = 30;

/// Updates of an epoch beyond which its last updates may be left out.
const LONG_EPOCH: u64 = 200;

/// The micro-batches of some updates.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// The shapes of the micro-batches, and the number of updates that they make.
    pub shapes: Vec<BatchShape>,
    pub updates: f64,
    /// Shapes that may also occur, if `shapes` are assumed.
    pub possible: Vec<BatchShape>,
    /// Number of passes of each micro-batch through the model.
    pub passes: f64,
}

impl Workload {
    /// The micro-batches of the first epoch, or of the whole training if that is shorter. The last updates of a long
    /// epoch are left out: with them another epoch would have to be batched.
    ///
    /// # Errors
    /// If there is no example.
    pub fn of(examples: &dyn Examples, config: &TrainingConfig) -> Result<Self> {
        let mut stream = BatchStream::start(examples, config, &Progress::default())?;
        let (mut shapes, mut updates, mut last) = (Vec::new(), 0, 0);
        let short = |updates| updates < LONG_EPOCH;
        while stream.place().0 == 0 && updates < config.steps && (short(updates) || stream.left() > 2 * last)
        {
            let update = stream.next_update();
            last = update.len();
            shapes.extend(update.iter().map(|batch| examples.shape(batch)));
            updates += 1;
        }
        Ok(Workload { shapes, updates: updates as f64, possible: Vec::new(), passes: passes(config) })
    }

    /// Full micro-batches of sentences of one ordinary length. The longest of the lengths up to `max_length` are
    /// possible too.
    pub fn assumed(config: &TrainingConfig, max_length: usize) -> Self {
        let longest = (max_length as u64).saturating_add(1);
        let full = |length: u64| {
            let pairs = (config.micro_batch_tokens as u64 / length).max(1);
            BatchShape { pairs, source: length, target: length, scored: pairs.saturating_mul(length) }
        };
        let ordinary = full(ASSUMED_LENGTH.min(longest));
        let updates = ordinary.scored as f64 / (config.batch_tokens as f64).max(ordinary.scored as f64);
        Workload { shapes: vec![ordinary], updates, possible: vec![full(longest)], passes: passes(config) }
    }

    /// Full micro-batches of blocks of running text, of `length` tokens each.
    pub fn assumed_blocks(config: &TrainingConfig, length: usize) -> Self {
        let length = length as u64;
        let rows = (config.micro_batch_tokens as u64 / length).max(1);
        let full = BatchShape { pairs: rows, source: 0, target: length, scored: rows.saturating_mul(length) };
        let updates = full.scored as f64 / (config.batch_tokens as f64).max(full.scored as f64);
        Workload { shapes: vec![full], updates, possible: Vec::new(), passes: passes(config) }
    }

    /// [`assumed_blocks`](Self::assumed_blocks) for a masked language model.
    pub fn assumed_masked_blocks(config: &TrainingConfig, model: &ModelConfig, length: usize) -> Self {
        let count = Masks::of_training(config.masking, config.seed, 0).count(length) as u64;
        let of_blocks = Workload::assumed_blocks(config, length);
        let masked = |shape: BatchShape| BatchShape {
            source: shape.target + around(model.tells_next_sentence()) as u64,
            target: 0,
            scored: shape.pairs.saturating_mul(count),
            ..shape
        };
        Workload { shapes: of_blocks.shapes.into_iter().map(masked).collect(), ..of_blocks }
    }

    /// [`assumed_blocks`](Self::assumed_blocks) for word vectors, if no word is frequent enough to be left out.
    pub fn assumed_word_blocks(config: &TrainingConfig, length: usize) -> Self {
        let words = &config.words;
        // A word has d context words per side, fewer near the ends of the block; d from 1 to the window is equally likely.
        let contexts = |distance: usize| {
            let distance = distance.min(length.saturating_sub(1)) as f64;
            distance * (2.0 * length as f64 - distance - 1.0)
        };
        let predictions = match words.model {
            WordModel::SkipGram => (1..=words.window).map(contexts).sum::<f64>() / words.window as f64,
            WordModel::Cbow => length as f64,
        };
        let of_blocks = Workload::assumed_blocks(config, length);
        let drawn = |BatchShape { pairs, scored, .. }: BatchShape| {
            word_blocks::shape(words, scored, (pairs as f64 * predictions).round() as u64)
        };
        Workload { shapes: of_blocks.shapes.into_iter().map(drawn).collect(), ..of_blocks }
    }

    /// The workload of a model without an encoder, which reads source and target in one row.
    pub fn as_prefixes(self, loss: PrefixLoss) -> Self {
        let whole = |shape: BatchShape| BatchShape {
            source: 0,
            target: shape.source + shape.target,
            scored: match loss {
                PrefixLoss::Target => shape.scored,
                PrefixLoss::Both => 2 * shape.scored,
            },
            ..shape
        };
        let all = |shapes: Vec<BatchShape>| shapes.into_iter().map(whole).collect();
        let updates = match loss {
            PrefixLoss::Target => self.updates,
            // As many tokens per update make twice as many updates, but an update has at least one micro-batch.
            PrefixLoss::Both => (2.0 * self.updates).min(self.shapes.len() as f64),
        };
        Workload { shapes: all(self.shapes), updates, possible: all(self.possible), ..self }
    }

    /// Target tokens of an update without padding, on average.
    pub fn target_tokens(&self) -> f64 {
        self.shapes.iter().map(|shape| shape.scored as f64).sum::<f64>() / self.updates
    }

    /// Operations of an update, forward and backward, on average.
    pub fn flops(&self, cost: &Cost) -> f64 {
        self.passes * self.shapes.iter().map(|shape| cost.forward(shape).training()).sum::<f64>()
            / self.updates
    }

    /// The largest `cost` of a micro-batch.
    pub fn largest(&self, cost: impl Fn(&BatchShape) -> f64) -> f64 {
        self.shapes.iter().chain(&self.possible).map(cost).fold(0.0, f64::max)
    }
}

fn passes(config: &TrainingConfig) -> f64 {
    config.passes() as f64
}

#[cfg(test)]
mod tests {
    use super::super::pairs::Pairs;
    use super::*;
    use crate::data::store::{Store, StoreWriter};

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.store");
        let mut writer = StoreWriter::create(&path, 10, [0; 32]).unwrap();
        for n in 0..200 {
            writer.push(&vec![4; 1 + n % 13], &vec![5; 1 + n % 11]).unwrap();
        }
        writer.finish().unwrap();
        (folder, Store::open(&path, [0; 32]).unwrap())
    }

    #[test]
    fn a_short_training_is_counted_to_its_end_alone() {
        let (_folder, store) = store();
        let config =
            TrainingConfig { steps: 2, batch_tokens: 100, micro_batch_tokens: 100, ..Default::default() };
        assert_eq!(Workload::of(&Pairs::of(&store, &config), &config).unwrap().updates, 2.0);
    }

    #[test]
    fn without_text_an_update_has_the_tokens_that_are_asked_for() {
        let config = TrainingConfig::default();
        let workload = Workload::assumed(&config, 256);
        assert!((workload.target_tokens() - 25_000.0).abs() < 1.0);
        assert_eq!(workload.possible[0].source, 257);
        // One sentence is the least that an update can have.
        let tiny = TrainingConfig { batch_tokens: 1, micro_batch_tokens: 1, ..Default::default() };
        assert_eq!(Workload::assumed(&tiny, 256).target_tokens(), 30.0);
    }

    #[test]
    fn an_update_of_prefixes_has_a_micro_batch_at_least() {
        let updates = |batch_tokens, loss| {
            let config = TrainingConfig { batch_tokens, micro_batch_tokens: 3000, ..Default::default() };
            Workload::assumed(&config, 256).as_prefixes(loss).updates
        };
        assert_eq!([3000, 12000].map(|tokens| updates(tokens, PrefixLoss::Target)), [1.0, 0.25]);
        assert_eq!([3000, 12000].map(|tokens| updates(tokens, PrefixLoss::Both)), [1.0, 0.5]);
    }
}
