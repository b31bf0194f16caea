//! Learning byte-pair merges from piece counts.
//!
//! # Source
//! Sennrich, Haddow and Birch 2016, "Neural Machine Translation of Rare Words with Subword
//! Units", §3.2, as done by subword-nmt's `learn_bpe`: the most frequent pair is merged first, of
//! equally frequent ones the greatest in code-point order; no pair seen only once is merged.
//!
//! Counts are kept up to date from merge to merge, with an index from pairs to the pieces that
//! contain them, so the cost of a merge is that of the pieces it changes.

use super::pieces::{BYTE_CHARACTERS, Cut, for_each_piece};
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::Arc;

/// Marks the last symbol of a piece.
pub const END_OF_PIECE: &str = "</w>";
/// Tokens that no text encodes to; their ids are their places here.
pub const SPECIALS: [&str; 3] = ["<pad>", "<s>", "</s>"];
/// Pairs seen less often are not merged.
const LEAST_COUNT: u64 = 2;
/// Most bytes of a piece from which merges are learned. Every merge reads the whole of a piece that it changes, which takes
/// an hour for a line of a megabyte without a blank. No word is nearly as long.
pub const LONGEST_LEARNED: usize = 10_000;

/// Two neighbouring symbols, by id.
pub type Pair = (u32, u32);

/// The symbols in the order of their ids: specials, bytes, bytes that end a piece, results of merges.
#[derive(Debug, Clone)]
pub struct Symbols {
    tokens: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, u32>,
}

impl Symbols {
    /// The symbols before any merge.
    pub fn of_bytes() -> Self {
        let mut vocabulary = Symbols { tokens: Vec::new(), ids: HashMap::new() };
        SPECIALS.iter().for_each(|special| _ = vocabulary.id_or_insert(special.to_string()));
        BYTE_CHARACTERS.iter().for_each(|character| _ = vocabulary.id_or_insert(character.to_string()));
        BYTE_CHARACTERS
            .iter()
            .for_each(|character| _ = vocabulary.id_or_insert(format!("{character}{END_OF_PIECE}")));
        vocabulary
    }

    /// The symbol of `byte`, or of `byte` at the end of a piece.
    pub fn byte(byte: u8, last: bool) -> u32 {
        (SPECIALS.len() + usize::from(byte) + if last { 256 } else { 0 }) as u32
    }

    /// The symbols of a piece before any merge.
    pub fn of_piece(piece: &[u8]) -> impl Iterator<Item = u32> {
        let count = piece.len();
        piece.iter().enumerate().map(move |(at, &byte)| Self::byte(byte, at + 1 == count))
    }

    /// The symbol that `pair` becomes. Different pairs may become the same one: `a bc` and `ab c`.
    pub fn join(&mut self, pair: Pair) -> u32 {
        let joined = format!("{}{}", self.token(pair.0), self.token(pair.1));
        self.id_or_insert(joined)
    }

    pub fn token(&self, id: u32) -> &Arc<str> {
        &self.tokens[id as usize]
    }

    pub fn id(&self, token: &str) -> Option<u32> {
        self.ids.get(token).copied()
    }

    /// Number of symbols.
    pub fn size(&self) -> usize {
        self.tokens.len()
    }

    fn id_or_insert(&mut self, token: String) -> u32 {
        if let Some(id) = self.id(&token) {
            return id;
        }
        let id = self.tokens.len() as u32;
        let token: Arc<str> = token.into();
        self.tokens.push(token.clone());
        self.ids.insert(token, id);
        id
    }
}

/// Counts of the pieces of a text.
#[derive(Debug, Clone, Default)]
pub struct PieceCounts {
    cut: Cut,
    /// All different pieces in one string: millions of separate strings would take four times the memory.
    text: String,
    counts: HashTable<PieceCount>,
    hasher: DefaultHashBuilder,
}

#[derive(Debug, Clone)]
struct PieceCount {
    /// Place in [`PieceCounts::text`].
    place: Range<usize>,
    count: u64,
}

impl PieceCounts {
    /// Creates empty counts for text that is cut by `cut`.
    pub fn new(cut: Cut) -> Self {
        PieceCounts { cut, ..PieceCounts::default() }
    }

    pub fn cut(&self) -> Cut {
        self.cut
    }

    /// Counts the pieces of one line.
    pub fn add(&mut self, line: &str) {
        for_each_piece(line, self.cut, |piece| self.add_piece(piece, 1));
    }

    /// Adds the counts of another text. The order of additions does not matter.
    pub fn absorb(&mut self, other: &PieceCounts) {
        other.iter().for_each(|(piece, count)| self.add_piece(piece, count));
    }

    fn add_piece(&mut self, piece: &str, more: u64) {
        let hash = self.hasher.hash_one(piece);
        if let Some(known) = self.counts.find_mut(hash, |known| &self.text[known.place.clone()] == piece) {
            known.count += more;
            return;
        }
        let place = self.text.len()..self.text.len() + piece.len();
        self.text.push_str(piece);
        let rehash = |known: &PieceCount| self.hasher.hash_one(&self.text[known.place.clone()]);
        self.counts.insert_unique(hash, PieceCount { place, count: more }, rehash);
    }

    /// Returns the number of pieces that are too long to learn merges from.
    pub fn too_long(&self) -> usize {
        self.counts.iter().filter(|known| known.place.len() > LONGEST_LEARNED).count()
    }

    /// Every piece once, in no particular order.
    pub fn pieces(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(piece, _)| piece)
    }

    /// Every piece with its count, in no particular order.
    fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.counts.iter().map(|known| (&self.text[known.place.clone()], known.count))
    }
}

/// Learns at most `merges` merges, fewer where no pair is left that occurs twice. Pieces of more than [`LONGEST_LEARNED`]
/// bytes are left out.
///
/// A pair can come up a second time, once a later merge has made one of its symbols again from
/// other parts; it is returned each time, as subword-nmt does.
pub fn learn(pieces: &PieceCounts, merges: usize) -> Vec<Pair> {
    let mut statistics = Statistics::new(pieces);
    std::iter::from_fn(|| statistics.merge_best()).take(merges).collect()
}

/// A piece as its present symbols.
struct Word {
    /// Index of the first symbol in [`Statistics::symbols`].
    start: usize,
    length: usize,
    count: u64,
}

impl Word {
    fn place(&self) -> Range<usize> {
        self.start..self.start + self.length
    }
}

/// Count of a pair, and the words that hold it.
#[derive(Default)]
struct Occurrences {
    /// Occurrences, weighted by the counts of the words; overlaps count, so `aaa` holds `a a` twice.
    count: u64,
    /// Indices of all words that hold the pair; may have repetitions and words that no longer hold it.
    words: Vec<u32>,
}

struct Statistics {
    vocabulary: Symbols,
    /// Symbols of all words, each word at the place where it began; merges leave gaps.
    symbols: Vec<u32>,
    words: Vec<Word>,
    pairs: HashMap<Pair, Occurrences>,
    /// Holds every pair of `pairs`, with its count or an earlier, larger count.
    queue: BinaryHeap<Candidate>,
}

impl Statistics {
    fn new(pieces: &PieceCounts) -> Self {
        let mut symbols = Vec::with_capacity(pieces.text.len());
        let mut words = Vec::with_capacity(pieces.counts.len());
        let mut pairs: HashMap<Pair, Occurrences> = HashMap::new();
        let learned = pieces.iter().filter(|(piece, _)| piece.len() <= LONGEST_LEARNED);
        for (index, (piece, count)) in learned.enumerate() {
            let start = symbols.len();
            symbols.extend(Symbols::of_piece(piece.as_bytes()));
            for pair in neighbours(&symbols[start..]) {
                pairs.entry(pair).or_default().add(count, index as u32);
            }
            words.push(Word { start, length: piece.len(), count });
        }
        let vocabulary = Symbols::of_bytes();
        let queue = pairs
            .iter()
            .map(|(&pair, occurrences)| Candidate::new(pair, occurrences.count, &vocabulary))
            .collect();
        Statistics { vocabulary, symbols, words, pairs, queue }
    }

    /// Merges the best pair everywhere and returns it.
    fn merge_best(&mut self) -> Option<Pair> {
        let (pair, occurrences) = self.take_best()?;
        let joined = self.vocabulary.join(pair);
        let mut grown = Vec::new();
        for index in occurrences.words {
            let word = &mut self.words[index as usize];
            let symbols = &mut self.symbols[word.place()];
            let Some((start, end)) = extent(symbols, pair) else { continue };
            // Only neighbours of merged symbols change; `end` is past the last one of them.
            for old in neighbours(&symbols[start..end]) {
                if let Some(occurrences) = self.pairs.get_mut(&old) {
                    occurrences.count -= word.count;
                    if occurrences.count == 0 {
                        self.pairs.remove(&old);
                    }
                }
            }
            let shorter = merge(symbols, pair, joined);
            word.length -= shorter;
            for new in neighbours(&symbols[start..end - shorter]) {
                self.pairs.entry(new).or_default().add(word.count, index);
                grown.push(new);
            }
        }
        grown.sort_unstable();
        grown.dedup();
        for pair in grown {
            let count = self.pairs.get(&pair).map_or(0, |occurrences| occurrences.count);
            self.queue.push(Candidate::new(pair, count, &self.vocabulary));
        }
        Some(pair)
    }

    /// Removes the most frequent pair from `pairs` and returns it; `None` if all pairs left are too rare.
    fn take_best(&mut self) -> Option<(Pair, Occurrences)> {
        loop {
            let best = self.queue.pop()?;
            match self.pairs.get(&best.pair).map_or(0, |occurrences| occurrences.count) {
                count if count < LEAST_COUNT => continue,
                count if count == best.count => {
                    return self.pairs.remove(&best.pair).map(|occurrences| (best.pair, occurrences));
                }
                count => self.queue.push(Candidate { count, ..best }),
            }
        }
    }
}

impl Occurrences {
    fn add(&mut self, count: u64, word: u32) {
        self.count += count;
        if self.words.last() != Some(&word) {
            self.words.push(word);
        }
    }
}

fn neighbours(symbols: &[u32]) -> impl Iterator<Item = Pair> + '_ {
    symbols.windows(2).map(|window| (window[0], window[1]))
}

/// Returns the range of `symbols` from one before the first occurrence of `pair` to one after the last.
fn extent(symbols: &[u32], pair: Pair) -> Option<(usize, usize)> {
    let first = neighbours(symbols).position(|found| found == pair)?;
    let last = symbols.windows(2).rposition(|window| (window[0], window[1]) == pair)?;
    Some((first.saturating_sub(1), (last + 3).min(symbols.len())))
}

/// Replaces `pair` by `joined` from left to right; returns by how many symbols the word is shorter. The end of `symbols`
/// keeps its old content.
fn merge(symbols: &mut [u32], pair: Pair, joined: u32) -> usize {
    let before = symbols.len();
    let (mut read, mut write) = (0, 0);
    while read < before {
        let found = read + 1 < before && (symbols[read], symbols[read + 1]) == pair;
        symbols[write] = if found { joined } else { symbols[read] };
        read += if found { 2 } else { 1 };
        write += 1;
    }
    before - write
}

/// A pair with the count by which it competes; greater is merged first.
#[derive(PartialEq, Eq)]
struct Candidate {
    count: u64,
    first: Arc<str>,
    second: Arc<str>,
    pair: Pair,
}

impl Candidate {
    fn new(pair: Pair, count: u64, vocabulary: &Symbols) -> Self {
        let (first, second) = (vocabulary.token(pair.0).clone(), vocabulary.token(pair.1).clone());
        Candidate { count, first, second, pair }
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        // Order of UTF-8 bytes is order of code points.
        (self.count, &self.first, &self.second).cmp(&(other.count, &other.first, &other.second))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(lines: &[&str], merges: usize) -> Vec<String> {
        let mut counts = PieceCounts::default();
        lines.iter().for_each(|line| counts.add(line));
        let mut vocabulary = Symbols::of_bytes();
        let named = |pair: Pair| {
            let name = format!("{} {}", vocabulary.token(pair.0), vocabulary.token(pair.1));
            vocabulary.join(pair);
            name
        };
        learn(&counts, merges).into_iter().map(named).collect()
    }

    /// The definition, without any bookkeeping: count everything anew before each merge.
    fn learned_by_definition(lines: &[&str], merges: usize) -> Vec<String> {
        let mut words: Vec<Vec<String>> = Vec::new();
        for line in lines {
            for_each_piece(line, Cut::Text, |piece| {
                let mut word: Vec<String> =
                    piece.bytes().map(|byte| BYTE_CHARACTERS[byte as usize].to_string()).collect();
                word.last_mut().unwrap().push_str(END_OF_PIECE);
                words.push(word);
            });
        }
        let mut found = Vec::new();
        while found.len() < merges {
            let mut counts: HashMap<(&str, &str), u64> = HashMap::new();
            for word in &words {
                word.windows(2).for_each(|w| *counts.entry((&w[0], &w[1])).or_default() += 1);
            }
            let Some((best, count)) = counts.into_iter().max_by_key(|&(pair, count)| (count, pair)) else {
                break;
            };
            if count < 2 {
                break;
            }
            let (first, second) = (best.0.to_string(), best.1.to_string());
            for word in &mut words {
                let mut at = 0;
                while at + 1 < word.len() {
                    if word[at] == first && word[at + 1] == second {
                        let tail = word.remove(at + 1);
                        word[at].push_str(&tail);
                    }
                    at += 1;
                }
            }
            found.push(format!("{first} {second}"));
        }
        found
    }

    #[test]
    fn the_most_frequent_pair_comes_first_and_ties_go_to_the_greatest() {
        // Each of the four pairs of " ab" and " cd" occurs twice, and Ġ is greater than any letter.
        assert_eq!(learned(&["ab ab cd cd"], 10), ["Ġ c", "Ġc d</w>", "Ġ a", "Ġa b</w>"]);
        assert_eq!(learned(&["ab ab cd cd ad"], 1), ["Ġ a"]);
        assert_eq!(learned(&["ab"], 10), [""; 0], "no pair occurs twice");
    }

    #[test]
    fn a_piece_that_is_no_word_is_left_out() {
        let long = "ab".repeat(LONGEST_LEARNED);
        assert_eq!(learned(&["ab ab cd cd", &long], 10), learned(&["ab ab cd cd"], 10));
        let mut counts = PieceCounts::default();
        counts.add(&format!("ab {long} cd"));
        assert_eq!(counts.too_long(), 1);
    }

    #[test]
    fn kept_counts_equal_counting_anew() {
        use rand_chacha::rand_core::Rng;
        for round in 0..60 {
            let mut rng = crate::seed::rng(3, crate::seed::Purpose::Corpus, round);
            let letters = 1 + rng.next_u32() % 4;
            let mut line = String::new();
            for _ in 0..200 {
                match rng.next_u32() % 5 {
                    0 => line.push(' '),
                    _ => line.push(char::from(b'a' + (rng.next_u32() % letters) as u8)),
                }
            }
            assert_eq!(learned(&[&line], 200), learned_by_definition(&[&line], 200), "{line}");
        }
    }
}
