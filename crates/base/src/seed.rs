//! Randomness as a pure function: every random choice is drawn from a stream named
//! by the trial's seed, a purpose and a counter, so a checkpoint needs no generator state.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The purpose of a random stream; two purposes never share numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Initial weights; the counter is the [`place`] of the variable.
    Initialisation,
    /// Order of training pairs and batches; the counter is the epoch.
    BatchOrder,
    /// Dropout masks; the counter is the update, then the micro-batch.
    Dropout,
    /// Sentences of the generated corpus; the counter is the split.
    Corpus,
    /// Random choices in tests of significance; the counter is the number of the resample.
    Resampling,
    /// Values that a sweep draws; the counter is the key's, then the draw's.
    SweepDraw,
    /// Pairs taken from a training file; the counter is the pair's number.
    Sampling,
    /// Sentences held out of the training text; the counter is the sentence's hash.
    HoldOut,
    /// Blocks that a block attends to at random; the counter is the [`place`] of the attention layer.
    RandomBlocks,
    /// Tokens that a language model samples; the counter is the token's number.
    Writing,
    /// Tokens of running text that are hidden from a masked language model; the counter is the number of the example, a
    /// block under one of its masks.
    Masking,
    /// Words that are left out, contexts and noise words of word vectors; the counter is the number of the example, a block
    /// in one of its passes.
    Words,
    /// Dropout masks of a second pass of the same micro-batch; its seed is the stream of the first pass.
    SecondPass,
    /// Merges that BPE-dropout skips; the seed is the number of the segmentation, the counter the [`place`] of the line.
    Segmentation,
    /// The cut of a block of running text, and the text behind the cut; the counter is the number of the example.
    NextSentence,
}

/// Returns the 64-bit seed of stream (`seed`, `purpose`, `counter`).
pub fn derive(seed: u64, purpose: Purpose, counter: u64) -> u64 {
    let salted = mix(seed ^ 0x6162_6c61_7465_0001) ^ (purpose as u64).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mix(mix(salted).wrapping_add(counter))
}

/// Creates a portable generator for stream (`seed`, `purpose`, `counter`): the same numbers on any machine.
pub fn rng(seed: u64, purpose: Purpose, counter: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(derive(seed, purpose, counter))
}

/// Returns a number in [0, 1) from stream (`seed`, `purpose`, `counter`).
pub fn uniform(seed: u64, purpose: Purpose, counter: u64) -> f64 {
    fraction(derive(seed, purpose, counter))
}

/// Draws the next number of a stream, in [0, 1).
pub fn next_uniform(stream: &mut impl Rng) -> f64 {
    fraction(stream.next_u64())
}

/// Converts the upper 53 of the random bits, all that a float64 holds, to a number in [0, 1).
pub fn fraction(bits: u64) -> f64 {
    const HELD: u32 = f64::MANTISSA_DIGITS;
    (bits >> (u64::BITS - HELD)) as f64 / (1u64 << HELD) as f64
}

/// Returns the counter of an object that a text identifies, such as a variable by its path: the first 64 bits of the
/// text's blake3 hash, as a little-endian number.
///
/// The counter depends on the text alone, so that a variant which adds or removes objects changes no other stream.
pub fn place(text: &str) -> u64 {
    let hash = blake3::hash(text.as_bytes());
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("8 of 32 bytes"))
}

/// SplitMix64's output function (Steele, Lea and Flood 2014): a bijection that scatters neighbours.
#[inline]
pub fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every purpose, in the order of their numbers. A new one does not compile before it is listed here.
    const PURPOSES: [Purpose; 15] = {
        use Purpose::*;
        const fn listed(purpose: Purpose) -> Purpose {
            match purpose {
                Initialisation | BatchOrder | Dropout | Corpus | Resampling | SweepDraw | Sampling
                | HoldOut | RandomBlocks | Writing | Masking | Words | SecondPass | Segmentation
                | NextSentence => purpose,
            }
        }
        [
            listed(Initialisation),
            listed(BatchOrder),
            listed(Dropout),
            listed(Corpus),
            listed(Resampling),
            listed(SweepDraw),
            listed(Sampling),
            listed(HoldOut),
            listed(RandomBlocks),
            listed(Writing),
            listed(Masking),
            listed(Words),
            listed(SecondPass),
            listed(Segmentation),
            listed(NextSentence),
        ]
    };

    #[test]
    fn streams_of_different_seed_purpose_or_counter_differ() {
        let mut seen = std::collections::HashSet::new();
        for seed in 0..10 {
            for (number, purpose) in PURPOSES.into_iter().enumerate() {
                assert_eq!(purpose as usize, number, "the list has every purpose once");
                for counter in 0..100 {
                    assert!(seen.insert(derive(seed, purpose, counter)), "{seed} {purpose:?} {counter}");
                }
            }
        }
    }

    /// A change here changes every result: raise RESULT_VERSION with it.
    #[test]
    fn a_stream_never_changes() {
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(derive(1, Purpose::Dropout, 7), 0xc9e7_9a1a_e94e_4aea);
        assert_eq!(uniform(1, Purpose::Sampling, 7), 0.955142412811483);
        assert_eq!(place("encoder.0.self_attention.query.weight"), 0xcb6f_f295_0c61_4c84);
        let first = |purpose| rand_chacha::rand_core::Rng::next_u64(&mut rng(1, purpose, 0));
        let numbers = [
            0xa76c_88fc_3dc5_a5e0,
            0xd2ba_d0ae_436e_ca4d,
            0x469a_0070_f6d0_439c,
            0xd954_bc27_c0d8_2227,
            0x78b9_ccea_48fe_2efb,
            0xf692_44c7_61c9_433d,
            0xc038_e195_1bbe_3899,
            0x20a9_e052_bdc5_f891,
            0xda1c_5d56_60f9_2390,
            0x5dc5_d575_2800_3dfc,
            0x6ec7_bc05_0de1_6d5c,
            0x51b1_ed27_9669_58a7,
            0x108d_a288_da32_7524,
            0x6789_0d24_2839_ea09,
            0xc486_fce9_e93d_e870,
        ];
        assert_eq!(PURPOSES.map(first), numbers);
    }
}
