//! Attention to a neighbourhood: `{ local = r }`.

use super::pattern::{Mixing, Pattern, numbers, of_other_sentences};
use crate::model::keys_and_values::KeysAndValues;
use crate::model::{local_sides, local_window};
use tch::Tensor;

/// Each position sees the r positions of its neighbourhood.
///
/// # Source
/// Vaswani et al. 2017, §4 and Table 1: restricted self-attention, "a neighborhood of size r […] centered around the
/// respective output position". In the decoder, which may not look ahead, it ends at the position itself.
#[derive(Debug)]
pub struct Local {
    /// Number of visible positions before a position; `after`: behind it.
    before: i64,
    after: i64,
}

impl Local {
    /// Returns an encoder's neighbourhood.
    pub fn around(width: i64) -> Self {
        let [before, after] = local_sides(width);
        Local { before, after }
    }

    /// Returns a decoder's neighbourhood.
    pub fn before(width: i64) -> Self {
        Local { before: width - 1, after: 0 }
    }

    /// Returns r, the number of positions in a neighbourhood.
    pub fn width(&self) -> i64 {
        self.before + 1 + self.after
    }

    /// Returns the number of keys that the r queries of a block see together.
    fn window(&self) -> i64 {
        local_window(self.width())
    }

    /// Returns whether a key is out of reach, given the key's offset behind its query.
    fn is_far(&self, offsets: &Tensor) -> Tensor {
        offsets.lt(-self.before).logical_or(&offsets.gt(self.after))
    }
}

impl Pattern for Local {
    fn is_short(&self, length: i64) -> bool {
        length <= self.window()
    }

    fn hidden(&self, sentences: &Tensor) -> Tensor {
        let places = numbers(sentences.size()[1], sentences.device());
        let offsets = places.unsqueeze(0) - places.unsqueeze(1);
        let hidden = of_other_sentences(sentences, sentences).logical_or(&self.is_far(&offsets));
        hidden.logical_and(&offsets.not_equal(0))
    }

    /// Attends in blocks of r queries, each with the 2r - 1 keys that any of its queries sees.
    fn attend_in_blocks(
        &self,
        mixing: &Mixing,
        queries: &Tensor,
        attended: &KeysAndValues,
        sentences: &Tensor,
    ) -> Tensor {
        let (batch, heads, length, d_k) = queries.size4().expect("heads of queries");
        let (block, window) = (self.width(), self.window());
        let blocks = (length + block - 1) / block;
        let padding = blocks * block - length;
        // [.., N, window, width]: views of the padded keys, which overlap.
        let windows = |x: &Tensor| {
            let padded = x.constant_pad_nd([0, 0, self.before, padding + self.after]);
            padded.unfold(2, window, block).transpose(-2, -1)
        };
        let queries = queries.constant_pad_nd([0, 0, 0, padding]).view([batch, heads, blocks, block, d_k]);
        let (keys, values) = (windows(&attended.keys), windows(&attended.values)); // [B, H, N, window, ..]
        let own = sentences.constant_pad_nd([0, padding]).view([-1, blocks, block]);
        let seen = sentences.constant_pad_nd([self.before, padding + self.after]).unfold(1, window, block);
        let device = queries.device();
        let first = (numbers(blocks, device) * block).unsqueeze(1);
        let query_places = (&first + numbers(block, device)).unsqueeze(0); // [1, N, block]
        let key_places = (first + numbers(window, device) - self.before).unsqueeze(0); // [1, N, window]
        // The offsets are the same in all blocks: [block, window].
        let offsets = key_places.select(1, 0) - query_places.select(1, 0).transpose(0, 1);
        let hidden = of_other_sentences(&own, &seen).logical_or(&self.is_far(&offsets));
        let hidden = hidden.logical_and(&offsets.not_equal(0));
        let added = mixing.added(&hidden, &query_places, &key_places, &queries);
        let mixed = mixing.mix(&queries, &keys, &values, &added); // [B, H, N, block, d_v]
        mixed.flatten(2, 3).narrow(2, 0, length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    fn visible(local: &Local, length: i64) -> Vec<String> {
        let sentences = Tensor::ones([1, length], (Kind::Int64, tch::Device::Cpu));
        let hidden = local.hidden(&sentences).squeeze_dim(0);
        let row = |row: i64| {
            let hidden: Vec<bool> = hidden.get(row).try_into().unwrap();
            hidden.into_iter().map(|hidden| if hidden { '.' } else { 'x' }).collect()
        };
        (0..length).map(row).collect()
    }

    #[test]
    fn a_neighbourhood_has_r_positions() {
        assert_eq!(visible(&Local::around(3), 5), ["xx...", "xxx..", ".xxx.", "..xxx", "...xx"]);
        assert_eq!(visible(&Local::around(4), 5), ["xx...", "xxx..", "xxxx.", ".xxxx", "..xxx"]);
        assert_eq!(visible(&Local::before(3), 5), ["x....", "xx...", "xxx..", ".xxx.", "..xxx"]);
    }
}
