//! What attention looks up: a key and a value for each position and head.

use tch::Tensor;

/// Projected keys [B, H, S, K] and values [B, H, S, d_v] that queries attend to.
#[derive(Debug)]
pub struct KeysAndValues {
    pub keys: Tensor,
    pub values: Tensor,
}

impl KeysAndValues {
    /// These keys and values followed by those of `next`: lengths add up.
    pub fn append(&self, next: &KeysAndValues) -> KeysAndValues {
        KeysAndValues {
            keys: Tensor::cat(&[&self.keys, &next.keys], 2),
            values: Tensor::cat(&[&self.values, &next.values], 2),
        }
    }

    /// Those of the last `count` positions.
    pub fn last(self, count: i64) -> KeysAndValues {
        let length = self.keys.size()[2];
        if length == count {
            return self;
        }
        let last = |x: &Tensor| x.narrow(2, length - count, count);
        KeysAndValues { keys: last(&self.keys), values: last(&self.values) }
    }

    /// The rows of the batch that `rows` names, in its order.
    pub fn select(&self, rows: &Tensor) -> KeysAndValues {
        KeysAndValues { keys: self.keys.index_select(0, rows), values: self.values.index_select(0, rows) }
    }

    pub fn contiguous(&self) -> KeysAndValues {
        KeysAndValues { keys: self.keys.contiguous(), values: self.values.contiguous() }
    }
}
