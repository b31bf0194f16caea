//! Keys and values of attention: one of each for every position and head.

use tch::Tensor;

/// Projected keys [B, H, S, K] and values [B, H, S, d_v].
#[derive(Debug)]
pub struct KeysAndValues {
    pub keys: Tensor,
    pub values: Tensor,
}

impl KeysAndValues {
    /// Returns these keys and values followed by those of `next`; the lengths add up.
    pub fn append(&self, next: &KeysAndValues) -> KeysAndValues {
        KeysAndValues {
            keys: Tensor::cat(&[&self.keys, &next.keys], 2),
            values: Tensor::cat(&[&self.values, &next.values], 2),
        }
    }

    /// Returns the keys and values of the last `count` positions.
    pub fn last(self, count: i64) -> KeysAndValues {
        let length = self.keys.size()[2];
        if length == count {
            return self;
        }
        let last = |x: &Tensor| x.narrow(2, length - count, count);
        KeysAndValues { keys: last(&self.keys), values: last(&self.values) }
    }

    /// Returns the rows of the batch with these indices, in this order.
    pub fn select(&self, rows: &Tensor) -> KeysAndValues {
        KeysAndValues { keys: self.keys.index_select(0, rows), values: self.values.index_select(0, rows) }
    }

    pub fn contiguous(&self) -> KeysAndValues {
        KeysAndValues { keys: self.keys.contiguous(), values: self.values.contiguous() }
    }
}
