//! The tokenizer of BPE (`data.pieces = "bpe"`): byte-level, and it gives every line back exactly.
//!
//! Format and ids: `docs/architecture.md`, Data. Config key: `data.merges`.

use super::bpe::{END_OF_PIECE, Pair, PieceCounts, SPECIALS, Symbols, learn};
use super::pieces::{BYTE_CHARACTERS, Cut, for_each_piece};
use super::tokenizer_json::{joined, not_ours, quoted};
use crate::error::Result;
use crate::seed::next_uniform;
use hashbrown::HashMap;
use rand_chacha::rand_core::Rng;
use serde::Deserialize;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Returns the largest vocabulary that `merges` merges can give: special tokens, each byte inside and at the end of a
/// piece, and one token per merge.
pub fn largest_vocabulary(merges: usize) -> usize {
    SPECIALS.len() + 2 * BYTE_CHARACTERS.len() + merges
}

/// Pieces up to this many bytes are remembered; longer ones hardly ever come back.
const CACHED_PIECE_BYTES: usize = 64;
/// Largest number of pieces remembered, about 50 MB.
const CACHED_PIECES: usize = 1 << 19;

/// Encodes lines as token ids and back.
#[derive(Debug, Clone)]
pub struct BpeTokenizer {
    cut: Cut,
    vocabulary: Symbols,
    /// In order of rank, without repetitions.
    merges: Vec<Pair>,
    /// Pair → rank and the symbol that it becomes.
    ranks: HashMap<Pair, (u32, u32)>,
    /// The text of each token; empty for special ones.
    bytes: Vec<Vec<u8>>,
}

/// Pieces that were encoded before. One tokenizer's cache must not be used with another.
#[derive(Debug, Clone, Default)]
pub struct EncodeCache {
    pieces: HashMap<Box<str>, Box<[u32]>>,
}

impl BpeTokenizer {
    /// Learns at most `merges` merges from the pieces of a text. The same lines in any order give the same tokenizer.
    pub fn from_counts(counts: &PieceCounts, merges: usize) -> Self {
        Self::from_merges(counts.cut(), learn(counts, merges))
    }

    /// A pair that occurs twice in `merges` keeps its first rank.
    fn from_merges(cut: Cut, learned: Vec<Pair>) -> Self {
        let mut vocabulary = Symbols::of_bytes();
        let mut merges = Vec::with_capacity(learned.len());
        let mut ranks = HashMap::with_capacity(learned.len());
        for pair in learned {
            let joined = vocabulary.join(pair);
            ranks.entry(pair).or_insert_with(|| {
                merges.push(pair);
                (merges.len() as u32 - 1, joined)
            });
        }
        let byte_of: HashMap<char, u8> = BYTE_CHARACTERS.into_iter().zip(0..=255).collect();
        let bytes = (0..vocabulary.size())
            .map(|id| match id < SPECIALS.len() {
                true => Vec::new(),
                // No piece mixes letters with other signs than brackets, so a token ends in the mark or does not hold its
                // text.
                false => {
                    let token = vocabulary.token(id as u32);
                    let text = token.strip_suffix(END_OF_PIECE).unwrap_or(token);
                    text.chars().filter_map(|character| byte_of.get(&character).copied()).collect()
                }
            })
            .collect();
        BpeTokenizer { cut, vocabulary, merges, ranks, bytes }
    }

    /// Returns the number of merges, without repetitions.
    pub fn merges(&self) -> usize {
        self.merges.len()
    }

    /// Number of ids: specials, bytes and merged tokens.
    #[expect(clippy::len_without_is_empty, reason = "the vocabulary holds at least the bytes")]
    pub fn len(&self) -> usize {
        self.vocabulary.size()
    }

    /// Returns a token as `tokenizer.json` writes it: `Ġhouse</w>`. For labels; use [`BpeTokenizer::decode`] for text.
    pub fn token(&self, id: u32) -> &str {
        if (id as usize) < self.len() { self.vocabulary.token(id) } else { "<unused>" }
    }

    /// Returns a token in readable form: its text, and `@@` behind it if its word continues.
    pub fn label(&self, id: u32) -> String {
        let token = self.token(id);
        let bytes = self.bytes.get(id as usize).map_or(&[][..], Vec::as_slice);
        let end = if token.ends_with(END_OF_PIECE) { "" } else { "@@" };
        match std::str::from_utf8(bytes.strip_prefix(b" ").unwrap_or(bytes)) {
            Ok(text) if !text.trim().is_empty() && !text.contains(char::is_control) => format!("{text}{end}"),
            _ => token.to_string(),
        }
    }

    /// Appends the token ids of a line to `ids`. None of them is special, whatever the text is.
    pub fn encode_into(&self, line: &str, cache: &mut EncodeCache, ids: &mut Vec<u32>) {
        for_each_piece(line, self.cut, |piece| {
            if let Some(known) = cache.pieces.get(piece) {
                return ids.extend_from_slice(known);
            }
            let start = ids.len();
            self.encode_piece(piece.as_bytes(), ids);
            if piece.len() <= CACHED_PIECE_BYTES {
                if cache.pieces.len() >= CACHED_PIECES {
                    cache.pieces.clear();
                }
                cache.pieces.insert(piece.into(), ids[start..].into());
            }
        });
    }

    /// Returns the token ids of a line where each possible merge is left out with probability `dropout`, drawn anew
    /// before each merge.
    ///
    /// # Source
    /// Provilkov, Emelianenko and Voita 2020, "BPE-Dropout", algorithm 1, as done by subword-nmt: of the merges that are
    /// left, the first by rank is made in every place where it is left.
    pub fn encode_drawn(&self, line: &str, dropout: f64, random: &mut impl Rng) -> Vec<u32> {
        let mut ids = Vec::with_capacity(line.len() / 2 + 1);
        for_each_piece(line, self.cut, |piece| {
            let mut symbols: Vec<u32> = Symbols::of_piece(piece.as_bytes()).collect();
            loop {
                let known = symbols.windows(2).enumerate();
                let known = known.filter_map(|(at, pair)| Some((at, *self.ranks.get(&(pair[0], pair[1]))?)));
                let left: Vec<(usize, (u32, u32))> =
                    known.filter(|_| next_uniform(random) >= dropout).collect();
                let Some(&(_, best)) = left.iter().min_by_key(|(_, (rank, _))| rank) else { break };
                let mut places =
                    left.iter().filter(|(_, merge)| *merge == best).map(|(at, _)| *at).peekable();
                let mut merged = Vec::with_capacity(symbols.len());
                let mut at = 0;
                while at < symbols.len() {
                    while places.next_if(|&place| place < at).is_some() {}
                    let is_here = places.next_if_eq(&at).is_some();
                    merged.push(if is_here { best.1 } else { symbols[at] });
                    at += if is_here { 2 } else { 1 };
                }
                symbols = merged;
            }
            ids.extend(symbols);
        });
        ids
    }

    /// Returns the text of the ids of several lines. Every line begins with a blank, and [`decode`](Self::decode) removes
    /// only that of the first line.
    pub fn decode_lines(&self, ids: &[u32]) -> String {
        self.decode(ids).replace("\n ", "\n")
    }

    /// Returns the text of `ids`. Special tokens and ids beyond the vocabulary give no text, and
    /// bytes that are not UTF-8, which only a model produces, give U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> String {
        let bytes: Vec<u8> =
            ids.iter().filter_map(|&id| self.bytes.get(id as usize)).flatten().copied().collect();
        String::from_utf8_lossy(bytes.strip_prefix(b" ").unwrap_or(&bytes)).into_owned()
    }

    /// Appends the ids of a piece: merges by rank, then from left to right, in O(n log n) for a piece of n bytes.
    fn encode_piece(&self, piece: &[u8], ids: &mut Vec<u32>) {
        // A linked list: a symbol that went into the one before it is GONE. Place n stands for no place.
        const GONE: u32 = u32::MAX;
        let n = piece.len();
        let mut symbols: Vec<u32> = Symbols::of_piece(piece).collect();
        let mut next: Vec<usize> = (1..=n).collect();
        let mut previous: Vec<usize> = std::iter::once(n).chain(0..n - 1).collect();
        let candidate = |symbols: &[u32], next: &[usize], at: usize| {
            let right = *symbols.get(*next.get(at)?)?;
            let &(rank, joined) = self.ranks.get(&(symbols[at], right))?;
            Some(Reverse((rank, at, joined)))
        };
        let mut queue: BinaryHeap<_> = (0..n).filter_map(|at| candidate(&symbols, &next, at)).collect();
        while let Some(Reverse((_, at, joined))) = queue.pop() {
            // Out of date, unless the symbols here still become this one.
            if candidate(&symbols, &next, at).is_none_or(|Reverse((_, _, now))| now != joined) {
                continue;
            }
            let right = next[at];
            symbols[at] = joined;
            symbols[right] = GONE;
            next[at] = next[right];
            if let Some(back) = previous.get_mut(next[at]) {
                *back = at;
            }
            queue.extend(candidate(&symbols, &next, at));
            if previous[at] < n {
                queue.extend(candidate(&symbols, &next, previous[at]));
            }
        }
        ids.extend(symbols.into_iter().filter(|&symbol| symbol != GONE));
    }

    /// Returns `tokenizer.json` of Hugging Face `tokenizers`, the same text on every machine.
    ///
    /// The special tokens are in the vocabulary but not declared as added tokens: `tokenizers` looks
    /// for those in the raw text, so a line with a literal `<s>` would get the special id. To skip
    /// special tokens in decoding, call `tokenizer.add_special_tokens(["<pad>", "<s>", "</s>"])`, which
    /// keeps their ids.
    pub fn to_json(&self) -> String {
        let name = |id: u32| quoted(self.vocabulary.token(id));
        let pattern = quoted(self.cut.pattern());
        let byte_level =
            r#"{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,"use_regex":false}"#;
        let vocabulary = joined((0..self.len() as u32).map(|id| format!("{}:{id}", name(id))));
        let merges =
            joined(self.merges.iter().map(|&(first, second)| format!("[{},{}]", name(first), name(second))));
        [
            r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"#,
            r#""normalizer":{"type":"Prepend","prepend":" "},"#,
            r#""pre_tokenizer":{"type":"Sequence","pretokenizers":["#,
            &format!(
                r#"{{"type":"Split","pattern":{{"Regex":{pattern}}},"behavior":"Isolated","invert":false}},"#
            ),
            &format!(r#"{byte_level}]}},"post_processor":null,"#),
            r#""decoder":{"type":"Sequence","decoders":["#,
            &format!(r#"{{"type":"Replace","pattern":{{"String":"{END_OF_PIECE}"}},"content":""}},"#),
            &format!(r#"{byte_level},{{"type":"Strip","content":" ","start":1,"stop":0}}]}},"#),
            r#""model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,"#,
            &format!(r#""end_of_word_suffix":"{END_OF_PIECE}","fuse_unk":false,"byte_fallback":false,"#),
            &format!(
                "\"ignore_merges\":false,\n\"vocab\":{{\n{vocabulary}}},\n\"merges\":[\n{merges}]}}}}\n"
            ),
        ]
        .concat()
    }

    /// Reads what [`BpeTokenizer::to_json`] wrote.
    ///
    /// # Errors
    /// Anything else is a user error, other kinds of `tokenizer.json` included.
    pub fn from_json(text: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Document {
            pre_tokenizer: PreTokenizer,
            model: Model,
        }
        #[derive(Deserialize)]
        struct PreTokenizer {
            pretokenizers: (Split, serde::de::IgnoredAny),
        }
        #[derive(Deserialize)]
        struct Split {
            pattern: Pattern,
        }
        #[derive(Deserialize)]
        struct Pattern {
            #[serde(rename = "Regex")]
            regex: String,
        }
        #[derive(Deserialize)]
        struct Model {
            merges: Vec<(String, String)>,
        }
        let Document { pre_tokenizer, model } = serde_json::from_str(text).map_err(|_| not_ours())?;
        let pattern = pre_tokenizer.pretokenizers.0.pattern.regex;
        let cut =
            [Cut::Text, Cut::Trees].into_iter().find(|cut| cut.pattern() == pattern).ok_or_else(not_ours)?;
        let mut vocabulary = Symbols::of_bytes();
        let mut merges = Vec::with_capacity(model.merges.len());
        for (first, second) in model.merges {
            let pair = vocabulary.id(&first).zip(vocabulary.id(&second)).ok_or_else(not_ours)?;
            vocabulary.join(pair);
            merges.push(pair);
        }
        let tokenizer = Self::from_merges(cut, merges);
        if tokenizer.to_json() == text { Ok(tokenizer) } else { Err(not_ours()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    /// The special tokens.
    const PAD: u32 = 0;
    const BOS: u32 = 1;
    const EOS: u32 = 2;

    const TEXT: [&str; 4] = [
        "the cat sat on the mat.",
        "the hat sat on the cat, 30 times!",
        "Die Katze saß auf der Matte.",
        "der Hut saß",
    ];

    fn tokenizer() -> BpeTokenizer {
        let mut counts = PieceCounts::default();
        TEXT.iter().for_each(|line| counts.add(line));
        BpeTokenizer::from_counts(&counts, 60)
    }

    impl BpeTokenizer {
        fn encode(&self, line: &str, cache: &mut EncodeCache) -> Vec<u32> {
            let mut ids = Vec::new();
            self.encode_into(line, cache, &mut ids);
            ids
        }
    }

    fn comes_back(tokenizer: &BpeTokenizer, line: &str) {
        let ids = tokenizer.encode(line, &mut EncodeCache::default());
        assert_eq!(tokenizer.decode(&ids), line);
        assert!(
            ids.iter().all(|&id| id as usize >= SPECIALS.len()),
            "{line:?} became a special token: {ids:?}"
        );
    }

    #[test]
    fn labels_are_text_with_a_mark_where_a_word_goes_on() {
        let tokenizer = tokenizer();
        let ids = tokenizer.encode("the cats", &mut EncodeCache::default());
        let labels: Vec<String> = ids.iter().map(|&id| tokenizer.label(id)).collect();
        assert_eq!(labels.concat().replace("@@", ""), "thecats");
        assert!(labels[0] == "the" && labels[1].ends_with("@@"), "{labels:?}");
        assert_eq!(tokenizer.label(EOS), "</s>");
    }

    #[test]
    fn frequent_words_become_one_token() {
        let tokenizer = tokenizer();
        let mut cache = EncodeCache::default();
        let ids = tokenizer.encode("the cat", &mut cache);
        assert_eq!(ids.iter().map(|&id| tokenizer.token(id)).collect::<Vec<_>>(), ["Ġthe</w>", "Ġcat</w>"]);
        assert_eq!(tokenizer.encode("the cat", &mut cache), ids, "remembered pieces are the same");
        assert_eq!(tokenizer.token(u32::MAX), "<unused>");
    }

    #[test]
    fn the_symbols_of_trees_become_tokens_and_come_back() {
        let mut counts = PieceCounts::new(Cut::Trees);
        (0..4).for_each(|_| counts.add("(S (NP XX )NP )S"));
        let tokenizer = BpeTokenizer::from_counts(&counts, 20);
        let again = BpeTokenizer::from_json(&tokenizer.to_json()).unwrap();
        for tokenizer in [tokenizer, again] {
            let ids = tokenizer.encode("(S (NP XX )NP )S", &mut EncodeCache::default());
            let labels: Vec<String> = ids.iter().map(|&id| tokenizer.label(id)).collect();
            assert_eq!(labels, ["(S", "(NP", "XX", ")NP", ")S"]);
            ["(S", "(</w>", "a(b </w> (w>", ")))x"].iter().for_each(|line| comes_back(&tokenizer, line));
        }
    }

    #[test]
    fn every_line_comes_back_exactly() {
        for line in [
            "",
            " ",
            "  a  b ",
            "\ta\t",
            "\u{a0}",
            "a\u{a0} b",
            "\r",
            "\0\u{1}\u{7f}\u{85}",
            "🏳️‍🌈👩🏽‍🚀",
            "e\u{301}\u{327}",
            "\u{301}",
            "</w>",
            "a</w>b",
            "▁",
            "Ġ",
            "Ġa</w>",
            "<pad>",
            "<s> a </s>",
            "<unk>",
            "\u{feff}a",
            "日本語。",
            "\u{10ffff}",
        ] {
            comes_back(&tokenizer(), line);
        }
    }

    proptest! {
        #[test]
        fn any_line_comes_back_exactly(line in any::<String>(), near in "[ a-eht</w>\\tĠß.0-3]{0,40}") {
            let tokenizer = tokenizer();
            comes_back(&tokenizer, &line);
            comes_back(&tokenizer, &near);
        }
    }

    #[test]
    fn special_and_unknown_ids_and_broken_characters_decode() {
        let tokenizer = tokenizer();
        let mut ids = tokenizer.encode("the hat", &mut EncodeCache::default());
        ids.insert(0, BOS);
        ids.extend([EOS, PAD, PAD, 1_000_000, u32::MAX]);
        assert_eq!(tokenizer.decode(&ids), "the hat");
        assert_eq!(tokenizer.decode(&[Symbols::byte(0xc3, false), Symbols::byte(b'a', true)]), "\u{fffd}a");
    }

    #[test]
    fn pairs_that_become_the_same_token_share_its_id_and_repeated_pairs_count_once() {
        let [a, b, c] = [b'a', b'b', b'c'].map(|byte| Symbols::byte(byte, false));
        let first = 515;
        let (ab, abc, bc) = (first, first + 1, first + 2);
        let tokenizer = BpeTokenizer::from_merges(Cut::Text, vec![(a, b), (ab, c), (b, c), (a, bc), (a, b)]);
        assert_eq!((tokenizer.len(), tokenizer.merges.len()), (518, 4));
        assert_eq!(tokenizer.ranks[&(a, bc)], (3, abc));
        assert_eq!(BpeTokenizer::from_json(&tokenizer.to_json()).unwrap().merges, tokenizer.merges);
    }

    /// The piece ` ababc` can be cut in five ways by the merges `a b` and then `ab ab`. Their probabilities for p = 1/2 are
    /// worked out by hand. With probability 1/4 both places of `a b` are left out, and the piece stays as bytes; with 1/4 both
    /// are merged; with 1/4 each, one alone is merged, and the other one follows half of the time.
    #[test]
    fn merges_are_left_out_with_their_probability() {
        let mut vocabulary = Symbols::of_bytes();
        let [a, b] = [b'a', b'b'].map(|byte| Symbols::byte(byte, false));
        let ab = vocabulary.join((a, b));
        let both = vocabulary.join((ab, ab));
        let tokenizer = BpeTokenizer::from_merges(Cut::Text, vec![(a, b), (ab, ab)]);
        let ends = [Symbols::byte(b' ', false), Symbols::byte(b'c', true)];
        let piece = |inside: &[u32]| [&ends[..1], inside, &ends[1..]].concat();
        let mut random = crate::seed::rng(1, crate::seed::Purpose::Segmentation, 0);
        let mut counts: std::collections::BTreeMap<Vec<u32>, usize> = std::collections::BTreeMap::new();
        const DRAWS: usize = 40_000;
        for _ in 0..DRAWS {
            *counts.entry(tokenizer.encode_drawn("ababc", 0.5, &mut random)).or_default() += 1;
        }
        // `ab ab` is there with probability 1/2, and is merged half of the time.
        let expected = [
            (piece(&[a, b, a, b]), 1.0 / 4.0),
            (piece(&[ab, a, b]), 1.0 / 8.0),
            (piece(&[a, b, ab]), 1.0 / 8.0),
            (piece(&[ab, ab]), 1.0 / 4.0),
            (piece(&[both]), 1.0 / 4.0),
        ];
        assert_eq!(counts.len(), expected.len(), "{counts:?}");
        for (ids, probability) in expected {
            let found = counts[&ids] as f64 / DRAWS as f64;
            let deviation = (probability * (1.0 - probability) / DRAWS as f64).sqrt();
            assert!((found - probability).abs() < 4.0 * deviation, "{ids:?}: {found}, not {probability}");
        }
    }

    #[test]
    fn without_dropout_a_segmentation_is_the_usual_one_and_with_all_of_it_bytes() {
        let tokenizer = tokenizer();
        for line in ["the house, the mouse and the houses", "", "  two  blanks ", "naïve \u{1F600}!"] {
            let mut random = crate::seed::rng(1, crate::seed::Purpose::Segmentation, 0);
            let usual = tokenizer.encode(line, &mut EncodeCache::default());
            assert_eq!(tokenizer.encode_drawn(line, 0.0, &mut random), usual, "{line}");
            for dropout in [0.3, 1.0] {
                let drawn = tokenizer.encode_drawn(line, dropout, &mut random);
                assert_eq!(tokenizer.decode(&drawn), line);
                assert!(drawn.len() >= usual.len());
                let most = line.len() + usize::from(!line.is_empty());
                assert!(dropout < 1.0 || drawn.len() == most, "{line}: {drawn:?}");
            }
        }
    }

    #[test]
    fn json_gives_the_same_tokenizer() {
        let tokenizer = tokenizer();
        let json = tokenizer.to_json();
        let again = BpeTokenizer::from_json(&json).unwrap();
        let line = "the mat sat on der Hut";
        assert_eq!(
            again.encode(line, &mut EncodeCache::default()),
            tokenizer.encode(line, &mut EncodeCache::default())
        );
        assert_eq!(again.to_json(), json);
        serde_json::from_str::<Value>(&json).unwrap();
    }

    #[test]
    fn a_changed_json_is_refused() {
        let json = tokenizer().to_json();
        for changed in [
            String::new(),
            "{}".into(),
            json.replace("Prepend", "Append"),
            json.replace("\"<s>\":1", "\"<s>\":2"),
            json.replacen("[\"a\",", "[\"zz\",", 1),
        ] {
            assert!(BpeTokenizer::from_json(&changed).is_err());
        }
    }

    #[test]
    fn a_piece_of_600_000_letters_comes_back() {
        let line = "the".repeat(200_000);
        comes_back(&tokenizer(), &line);
    }
}
