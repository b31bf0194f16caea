//! Turns pairs of the store into tensors: padding or packing, the shift to the right, the positions without padding.

use super::batch::Batching;
use super::masking::MaskedExample;
use super::packing;
use super::reading::{BlockReading, PrefixLoss};
use super::store::Store;
use super::tokenizer::{BOS, EOS, PAD};
use super::words::{DrawnWords, WordsConfig};
use crate::pinned_memory::{pinned, send};
use tch::{Device, Kind, Tensor};

/// One micro-batch, the input of a model.
#[derive(Debug)]
pub struct Batch {
    /// Ids that the encoder reads, [B, S], padded. Sentences end with `</s>`. S is 0 if nothing is encoded.
    pub source: Tensor,
    /// Tokens of each row of `source`, without padding.
    pub source_lengths: Vec<i64>,
    /// Ids that the decoder reads, [B, T], padded: the targets shifted right by one (§3.1). Sentences begin with `<s>`.
    pub target_input: Tensor,
    /// The sentence at each position, if rows hold several sentences.
    pub sentences: Option<Sentences>,
    /// Places of the predicting hidden states, [N]: among the B·T; masked models: the B·S; word vectors: the rows.
    pub positions: Tensor,
    /// The tokens to predict at these positions, [N].
    pub targets: Tensor,
    /// Noise words beside each target, [N, K], for word vectors only: their loss compares the scores of these words,
    /// where other losses compare the scores of the whole vocabulary.
    pub negatives: Option<Tensor>,
    /// The second texts and whether they follow the first ones, if rows hold two texts each.
    pub second_texts: Option<SecondTexts>,
    /// N, the number of tokens to predict.
    pub target_tokens: usize,
    /// Number of tokens of `source` without padding.
    pub source_tokens: usize,
}

/// The second texts of rows that hold two.
#[derive(Debug)]
pub struct SecondTexts {
    /// 1 at the positions of the second text and 0 elsewhere, [B, S].
    pub segments: Tensor,
    /// Classes to predict, [B]: 0 if the second text follows the first in the corpus, 1 if it comes from elsewhere.
    pub targets: Tensor,
    /// Weight of each row, the number of its tokens to predict, [B], in float64.
    pub weights: Tensor,
}

impl SecondTexts {
    fn each(&self, work: impl Fn(&Tensor) -> Tensor) -> Self {
        SecondTexts {
            segments: work(&self.segments),
            targets: work(&self.targets),
            weights: work(&self.weights),
        }
    }
}

/// Numbers of the sentences of a row, from 1, at each of their positions; 0 is padding.
#[derive(Debug)]
pub struct Sentences {
    /// [B, S]
    pub source: Tensor,
    /// [B, T]
    pub target: Tensor,
}

impl Sentences {
    fn each(&self, work: impl Fn(&Tensor) -> Tensor) -> Self {
        Sentences { source: work(&self.source), target: work(&self.target) }
    }
}

/// Collates these pairs, one micro-batch of [`epoch_batches`](super::batch::epoch_batches), padded or packed.
///
/// # Panics
/// Like [`collate`].
pub fn micro_batch(batching: Batching, store: &Store, pairs: &[u32], device: Device) -> Batch {
    match batching.packed_length {
        Some(row_length) => collate_packed(store, pairs, row_length, device),
        None => collate(store, pairs, device),
    }
}

impl Batch {
    /// Creates a batch of sources with their lengths, the decoder's input, the predicting positions and the tokens to
    /// predict there.
    fn of(source: (Tensor, Vec<i64>), [target_input, positions, targets]: [Tensor; 3]) -> Self {
        let (source, source_lengths) = source;
        Batch {
            source,
            source_tokens: source_lengths.iter().sum::<i64>() as usize,
            source_lengths,
            target_input,
            sentences: None,
            positions,
            target_tokens: targets.size()[0] as usize,
            targets,
            negatives: None,
            second_texts: None,
        }
    }

    /// Returns the batch on a device; tensors that are there already are not copied.
    pub fn on(&self, device: Device) -> Self {
        self.each(|tensor| send(tensor, device))
    }

    /// Returns the batch in pinned memory, from which a GPU copies asynchronously; unchanged for other devices.
    pub fn pinned(&self, device: Device) -> Self {
        self.each(|tensor| pinned(tensor.shallow_clone(), device))
    }

    fn each(&self, work: impl Fn(&Tensor) -> Tensor) -> Self {
        Batch {
            source: work(&self.source),
            source_lengths: self.source_lengths.clone(),
            target_input: work(&self.target_input),
            sentences: self.sentences.as_ref().map(|sentences| sentences.each(&work)),
            positions: work(&self.positions),
            targets: work(&self.targets),
            negatives: self.negatives.as_ref().map(&work),
            second_texts: self.second_texts.as_ref().map(|texts| texts.each(&work)),
            ..*self
        }
    }
}

/// Rows of ids, to be padded to the longest, and the tokens to predict at some of their places.
#[derive(Default)]
struct Rows {
    rows: Vec<Vec<i64>>,
    /// Row, place and id of each token to predict.
    predicted: Vec<(usize, usize, i64)>,
}

impl Rows {
    /// Adds a row with the places and ids of its tokens to predict.
    fn push(&mut self, row: Vec<i64>, predicted: impl IntoIterator<Item = (usize, i64)>) {
        let number = self.rows.len();
        self.predicted.extend(predicted.into_iter().map(|(place, id)| (number, place, id)));
        self.rows.push(row);
    }

    /// # Shapes
    /// → ids [B, T], places among the B · T [N], tokens to predict there [N].
    fn tensors(&self, device: Device) -> [Tensor; 3] {
        let width = longest(&self.rows);
        let places = self.predicted.iter().map(|&(row, place, _)| (row * width + place) as i64);
        let ids = self.predicted.iter().map(|&(_, _, id)| id);
        let [places, ids] = [places.collect::<Vec<_>>(), ids.collect::<Vec<_>>()];
        [padded(&self.rows, device), numbers(&places, device), numbers(&ids, device)]
    }
}

/// # Panics
/// If there is no row.
fn longest(rows: &[Vec<i64>]) -> usize {
    rows.iter().map(Vec::len).max().expect("a batch has rows")
}

/// Pads the rows to the longest: [B, T].
fn padded(rows: &[Vec<i64>], device: Device) -> Tensor {
    let width = longest(rows);
    let mut ids = vec![i64::from(PAD); rows.len() * width];
    for (number, row) in rows.iter().enumerate() {
        ids[number * width..number * width + row.len()].copy_from_slice(row);
    }
    numbers(&ids, device).view([rows.len() as i64, width as i64])
}

fn numbers(numbers: &[i64], device: Device) -> Tensor {
    Tensor::from_slice(numbers).to_device(device)
}

/// Collates the pairs with these indices, one pair a row.
///
/// # Panics
/// If `indices` is empty or names a pair beyond the store.
pub fn collate(store: &Store, indices: &[u32], device: Device) -> Batch {
    let sources: Vec<Vec<i64>> = indices.iter().map(|&pair| ids(&store.source(pair as usize))).collect();
    let mut targets = Rows::default();
    for &pair in indices {
        let target = ids(&store.target(pair as usize));
        targets.push(shifted(&target), ended(target).enumerate());
    }
    Batch::of(pad_sources(&sources, device), targets.tensors(device))
}

/// Returns the decoder's input for a target: `<s>` and the target.
fn shifted(target: &[i64]) -> Vec<i64> {
    [&[i64::from(BOS)], target].concat()
}

/// Returns the sentence and `</s>`.
fn ended(sentence: Vec<i64>) -> impl Iterator<Item = i64> {
    sentence.into_iter().chain([i64::from(EOS)])
}

/// Collates the pairs with these indices, several behind each other in a row of `row_length`; see [`packing::rows`].
///
/// # Panics
/// Like [`collate`].
fn collate_packed(store: &Store, indices: &[u32], row_length: usize, device: Device) -> Batch {
    let (mut sources, mut targets) = (Vec::new(), Rows::default());
    let (mut source_sentences, mut target_sentences) = (Vec::new(), Vec::new());
    for pairs in packing::rows(indices, |pair| store.lengths(pair), row_length) {
        let (mut source, mut target, mut predicted) = (Vec::new(), Vec::new(), Vec::new());
        let (mut of_source, mut of_target) = (Vec::new(), Vec::new());
        for (number, &pair) in (1..).zip(&pairs) {
            source.extend(ended(ids(&store.source(pair as usize))));
            let sentence = ids(&store.target(pair as usize));
            target.extend(shifted(&sentence));
            predicted.extend(ended(sentence));
            of_source.resize(source.len(), number);
            of_target.resize(target.len(), number);
        }
        source_sentences.push(of_source);
        target_sentences.push(of_target);
        sources.push(source);
        targets.push(target, predicted.into_iter().enumerate());
    }
    let lengths = sources.iter().map(|source| source.len() as i64).collect();
    let sentences =
        Sentences { source: padded(&source_sentences, device), target: padded(&target_sentences, device) };
    let batch = Batch::of((padded(&sources, device), lengths), targets.tensors(device));
    Batch { sentences: Some(sentences), ..batch }
}

/// Collates the pairs with these indices for a model without an encoder: each row is the source, `</s>`, `<s>` and the
/// target. The model predicts the target's tokens and its end; with [`PrefixLoss::Both`] also the source's tokens
/// except the first, and its end. The batch has no sources beside these rows: [B, 0].
///
/// # Panics
/// Like [`collate`].
pub fn collate_prefixes(store: &Store, indices: &[u32], loss: PrefixLoss, device: Device) -> Batch {
    let (mut rows, mut source_tokens) = (Rows::default(), 0);
    for &pair in indices {
        let mut row: Vec<i64> = ended(ids(&store.source(pair as usize))).collect();
        let begins = row.len();
        row.extend(shifted(&ids(&store.target(pair as usize))));
        source_tokens += begins;
        let of_source = match loss {
            PrefixLoss::Target => 0..0,
            PrefixLoss::Both => 0..begins - 1,
        };
        let following = ended(row[1..].to_vec()).enumerate();
        let predicted =
            following.filter(|(place, _)| of_source.contains(place) || *place >= begins).collect::<Vec<_>>();
        rows.push(row, predicted);
    }
    let batch = Batch::of(no_sources(indices.len(), device), rows.tensors(device));
    Batch { source_tokens, ..batch }
}

/// Collates the blocks of running text with these indices. The inputs are the block's tokens shifted right, behind
/// `<s>` or the token before the block; every token is a target. There are no sources: [B, 0]. A model that reads
/// backward gets the tokens of a block in reversed order.
///
/// # Panics
/// Like [`collate`].
pub fn collate_blocks(store: &Store, indices: &[u32], reading: BlockReading, device: Device) -> Batch {
    let mut rows = Rows::default();
    for &index in indices {
        let (read, block) = reading.inputs_and_targets(store, index as usize);
        rows.push(ids(&read), ids(&block).into_iter().enumerate());
    }
    Batch::of(no_sources(indices.len(), device), rows.tensors(device))
}

/// Collates examples for a masked language model: the sources are its input, and the positions are the places of the
/// tokens to predict among the B · S of the sources. There is no decoder input beside these rows: [B, 0].
///
/// # Panics
/// If there is no example, or if some examples have two texts and others one.
pub fn collate_masked(examples: &[MaskedExample], device: Device) -> Batch {
    let mut rows = Rows::default();
    for MaskedExample { masked, targets, .. } in examples {
        rows.push(ids(&masked.input), masked.places.iter().copied().zip(ids(targets)));
    }
    let lengths = rows.rows.iter().map(|row| row.len() as i64).collect();
    let [source, positions, targets] = rows.tensors(device);
    let (nothing, _) = no_sources(examples.len(), device);
    Batch {
        second_texts: second_texts(examples, device),
        ..Batch::of((source, lengths), [nothing, positions, targets])
    }
}

/// Collates the second texts of these examples; `None` if each example is one text.
fn second_texts(examples: &[MaskedExample], device: Device) -> Option<SecondTexts> {
    examples[0].second?;
    let (mut segments, mut targets, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for MaskedExample { masked, second, .. } in examples {
        let (before, follows) = second.expect("every example has two texts");
        let mut row = vec![0; before];
        row.resize(masked.input.len().max(before), 1);
        segments.push(row);
        targets.push(i64::from(!follows));
        weights.push(masked.places.len() as f64);
    }
    Some(SecondTexts {
        segments: padded(&segments, device),
        targets: numbers(&targets, device),
        weights: Tensor::from_slice(&weights).to_device(device),
    })
}

/// Makes `rows` rows without tokens, [B, 0], for a model without an encoder or without a decoder.
fn no_sources(rows: usize, device: Device) -> (Tensor, Vec<i64>) {
    (Tensor::zeros([rows as i64, 0], (Kind::Int64, device)), vec![0; rows])
}

/// Collates examples for a model of word vectors: the sources are the words that it reads, in rows, and the positions
/// are the numbers of the rows that predict the targets. There is no decoder input beside these rows: [B, 0].
pub fn collate_words(examples: &[DrawnWords], config: &WordsConfig, device: Device) -> Batch {
    let (mut inputs, mut source_lengths) = (Vec::new(), Vec::new());
    let (mut positions, mut targets, mut negatives) = (Vec::new(), Vec::new(), Vec::new());
    for example in examples {
        let first = source_lengths.len();
        inputs.extend(example.inputs.iter().map(|&id| i64::from(id)));
        source_lengths.extend(example.lengths.iter().map(|&length| length as i64));
        positions.extend(example.rows.iter().map(|&row| (first + row) as i64));
        targets.extend(example.targets.iter().map(|&id| i64::from(id)));
        negatives.extend(example.negatives.iter().map(|&id| i64::from(id)));
    }
    let shaped = |ids: &[i64], columns: usize| numbers(ids, device).view([-1, columns as i64]);
    let (nothing, _) = no_sources(source_lengths.len(), device);
    let source = (shaped(&inputs, config.row_words()), source_lengths);
    let negatives = shaped(&negatives, config.negatives);
    let batch = Batch::of(source, [nothing, numbers(&positions, device), numbers(&targets, device)]);
    Batch { negatives: Some(negatives), ..batch }
}

/// Adds `</s>` to each source and pads to the longest: ids [B, S] and the lengths.
///
/// # Panics
/// If there is no source.
pub fn pad_sources(sources: &[Vec<i64>], device: Device) -> (Tensor, Vec<i64>) {
    let rows: Vec<Vec<i64>> = sources.iter().map(|source| ended(source.clone()).collect()).collect();
    (padded(&rows, device), rows.iter().map(|row| row.len() as i64).collect())
}

fn ids(tokens: &[u32]) -> Vec<i64> {
    tokens.iter().map(|&t| i64::from(t)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::masking::MaskedBlock;
    use crate::data::reading::{Direction, FirstInput};
    use crate::data::store::StoreWriter;
    use crate::data::words::WordModel;

    #[test]
    fn hidden_tokens_are_predicted_at_their_places() {
        let of = |targets: &[u32], input: &[u32], places: &[usize], second| MaskedExample {
            masked: MaskedBlock { input: input.to_vec(), places: places.to_vec() },
            targets: targets.to_vec(),
            second,
        };
        let batch = collate_masked(
            &[of(&[10], &[9, 1], &[1], None), of(&[5, 7], &[1, 6, 11, 8], &[0, 2], None)],
            Device::Cpu,
        );
        assert_eq!(batch.source, Tensor::from_slice2(&[[9i64, 1, 0, 0], [1, 6, 11, 8]]));
        assert_eq!(batch.positions, Tensor::from_slice(&[1i64, 4, 6]));
        assert_eq!(batch.targets, Tensor::from_slice(&[10i64, 5, 7]));
        assert_eq!((batch.target_tokens, batch.source_tokens, batch.target_input.size()), (3, 6, vec![2, 0]));
        assert_eq!(batch.source_lengths, [2, 4]);
        assert!(batch.second_texts.is_none());
        let batch = collate_masked(
            &[
                of(&[9], &[2, 1, 2, 8, 2], &[1], Some((3, true))),
                of(&[5, 7], &[2, 1, 6, 2, 11, 2], &[1, 4], Some((4, false))),
            ],
            Device::Cpu,
        );
        let SecondTexts { segments, targets, weights } = batch.second_texts.unwrap();
        assert_eq!(segments, Tensor::from_slice2(&[[0i64, 0, 0, 1, 1, 0], [0, 0, 0, 0, 1, 1]]));
        assert_eq!((targets, weights), (Tensor::from_slice(&[0i64, 1]), Tensor::from_slice(&[1.0, 2.0])));
        assert_eq!(batch.positions, Tensor::from_slice(&[1i64, 7, 10]));
    }

    #[test]
    fn words_are_predicted_from_their_rows() {
        let config = WordsConfig { model: WordModel::Cbow, window: 1, negatives: 2, ..Default::default() };
        let drawn = |inputs: &[u32], lengths: &[usize], targets: &[u32], negatives: &[u32]| DrawnWords {
            inputs: inputs.to_vec(),
            lengths: lengths.to_vec(),
            rows: (0..lengths.len()).collect(),
            targets: targets.to_vec(),
            negatives: negatives.to_vec(),
        };
        let two = drawn(&[6, 0, 5, 0], &[1, 1], &[5, 6], &[3, 4, 5, 6]);
        let one = drawn(&[7, 8], &[2], &[9], &[3, 3]);
        let batch = collate_words(&[two, DrawnWords::default(), one], &config, Device::Cpu);
        assert_eq!(batch.source, Tensor::from_slice2(&[[6i64, 0], [5, 0], [7, 8]]));
        assert_eq!((&batch.source_lengths[..], batch.source_tokens), (&[1, 1, 2][..], 4));
        assert_eq!(batch.positions, Tensor::from_slice(&[0i64, 1, 2]));
        assert_eq!((batch.targets, batch.target_tokens), (Tensor::from_slice(&[5i64, 6, 9]), 3));
        assert_eq!(batch.negatives.unwrap(), Tensor::from_slice2(&[[3i64, 4], [5, 6], [3, 3]]));
        let nothing = collate_words(&[DrawnWords::default()], &config, Device::Cpu);
        assert_eq!((nothing.source.size(), nothing.target_tokens), (vec![0, 2], 0));
    }

    #[test]
    fn a_block_is_predicted_token_by_token_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.store");
        let mut writer = StoreWriter::create(&path, 20, [0; 32]).unwrap();
        [&[5, 6, 7, 8][..], &[9, 10]].iter().try_for_each(|block| writer.push(&[], block)).unwrap();
        writer.finish().unwrap();
        let store = Store::open(&path, [0; 32]).unwrap();
        let batch = collate_blocks(&store, &[1, 0], BlockReading::default(), Device::Cpu);
        assert_eq!(batch.target_input, Tensor::from_slice2(&[[1i64, 9, 0, 0], [1, 5, 6, 7]]));
        assert_eq!(batch.positions, Tensor::from_slice(&[0i64, 1, 4, 5, 6, 7]));
        assert_eq!(batch.targets, Tensor::from_slice(&[9i64, 10, 5, 6, 7, 8]));
        assert_eq!((batch.target_tokens, batch.source_tokens, batch.source.size()), (6, 0, vec![2, 0]));
        let read = |direction, first_input| {
            let reading = BlockReading { direction, first_input };
            collate_blocks(&store, &[1, 0], reading, Device::Cpu)
        };
        let backward = read(Direction::Backward, FirstInput::Bos);
        assert_eq!(backward.target_input, Tensor::from_slice2(&[[1i64, 10, 0, 0], [1, 8, 7, 6]]));
        assert_eq!(backward.targets, Tensor::from_slice(&[10i64, 9, 8, 7, 6, 5]));
        // The input begins with the token of the text before (behind) a block; the targets stay the same.
        let after = read(Direction::Forward, FirstInput::PreviousToken);
        assert_eq!(after.target_input, Tensor::from_slice2(&[[8i64, 9, 0, 0], [1, 5, 6, 7]]));
        assert_eq!((after.targets, after.positions), (batch.targets, batch.positions));
        let before = read(Direction::Backward, FirstInput::PreviousToken);
        assert_eq!(before.target_input, Tensor::from_slice2(&[[1i64, 10, 0, 0], [9, 8, 7, 6]]));
        assert_eq!(before.targets, backward.targets);
    }
}
