//! Attention to a fixed number of mixtures of the positions: `{ linformer = k }`.

use crate::model::ModelConfig;
use crate::model::init::glorot;
use crate::model::keys_and_values::KeysAndValues;
use crate::model::kinds::like;
use crate::model::weights::Scope;
use tch::Tensor;

/// Keys E K and values F V with trained matrices E and F [k, P], of which a sentence of n tokens uses the first n
/// columns. Padding adds nothing to a mixture, so a sentence has the same mixtures in every batch.
///
/// # Source
/// Wang et al. 2020 (Linformer), eq. 7, where the heads of a layer share E and F ("headwise sharing", §4).
///
/// # Deviation
/// The paper's sentences have one length; here P is `model.learned_positions`, and shorter sentences use fewer columns.
#[derive(Debug)]
pub struct Linformer {
    keys: Tensor,
    values: Tensor,
}

impl Linformer {
    /// Builds the matrices of `count` mixtures (k).
    pub fn build(scope: &Scope, config: &ModelConfig, count: i64) -> Self {
        let scope = scope.child("mixture");
        let longest = config.learned_positions;
        let matrix =
            |name: &str| scope.child(name).variable("weight", &[count, longest], glorot(longest, count));
        Linformer { keys: matrix("key"), values: matrix("value") }
    }

    /// Returns P, the length of the longest sentence.
    pub fn longest(&self) -> i64 {
        self.keys.size()[1]
    }

    /// # Shapes
    /// Keys and values of length S, and the number of each position's sentence [B or 1, S] → keys and values of length k.
    ///
    /// # Panics
    /// If S is above [`longest`](Self::longest).
    pub fn mix(&self, attended: &KeysAndValues, sentences: &Tensor) -> KeysAndValues {
        let length = attended.keys.size()[2];
        let real = sentences.not_equal(0).unsqueeze(1).unsqueeze(-1); // [B, 1, S, 1]
        let mix = |matrix: &Tensor, x: &Tensor| like(matrix, x).narrow(1, 0, length).matmul(&(x * &real));
        KeysAndValues { keys: mix(&self.keys, &attended.keys), values: mix(&self.values, &attended.values) }
    }
}
