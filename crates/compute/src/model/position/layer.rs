//! Positions inside one attention layer: rotated queries and keys, and vectors for distances.

use super::PassPositions;
use crate::model::init::{self, Attends};
use crate::model::kinds::like;
use crate::model::weights::Scope;
use crate::model::{ModelConfig, Position};
use tch::Tensor;

/// The hooks of an attention layer. In attention to the encoder they do nothing.
#[derive(Debug)]
pub struct AttentionPositions {
    relative: Option<RelativeVectors>,
}

/// A trained vector for each distance from -k to k, shared by all heads of a layer.
///
/// # Source
/// Shaw et al. 2018, §3.1 and §3.2. Each layer has its own vectors, as in their big model. Initial values as in
/// tensor2tensor's `dot_product_attention_relative`.
#[derive(Debug)]
struct RelativeVectors {
    /// Added to keys: [2k + 1, K].
    keys: Tensor,
    /// Added to values: [2k + 1, d_v].
    values: Tensor,
}

impl AttentionPositions {
    pub fn build(scope: &Scope, config: &ModelConfig, attends: Attends) -> Self {
        let relative = match (config.position, attends) {
            (Position::Relative(furthest), Attends::Itself) => {
                let vectors = 2 * furthest + 1;
                let table = |name: &str, width: i64| {
                    scope.child(name).variable("weight", &[vectors, width], init::glorot(vectors, width))
                };
                let keys = table("relative_key", config.d_k());
                Some(RelativeVectors { keys, values: table("relative_value", config.d_v()) })
            }
            _ => None,
        };
        AttentionPositions { relative }
    }

    /// The second hook: rotates queries, or keys, by their position.
    ///
    /// # Shapes
    /// [B, T, H·K] → [B, T, H·K].
    ///
    /// # Source
    /// Su et al. 2021, eq. 34: numbers 2i and 2i + 1 of a head are a plane, rotated by position · 10000^(-2i/K).
    pub fn on_queries_and_keys(&self, x: Tensor, positions: &PassPositions) -> Tensor {
        let Some([cosine, sine]) = &positions.turns else { return x };
        let (batch, length, width) = x.size3().expect("rows of positions");
        let planes = x.view([batch, length, -1, cosine.size()[3], 2]);
        let (first, second) = (planes.select(-1, 0), planes.select(-1, 1));
        let turned = [&first * cosine - &second * sine, first * sine + second * cosine];
        Tensor::stack(&turned, -1).view([batch, length, width])
    }

    /// Whether the layer's hooks need the scores and weights of all pairs of positions.
    pub fn need_all_pairs(&self) -> bool {
        self.relative.is_some()
    }

    /// The third hook, the part that depends on the queries: returns the numbers to add to the scores, which are
    /// products times `scale`; `None` if there are none.
    ///
    /// The products of a query with all 2k + 1 vectors are computed once and looked up for each key.
    ///
    /// # Shapes
    /// Queries [B, H, T, K], not scaled → [B, H, T, S].
    pub fn on_scores(&self, queries: &Tensor, scale: f64, positions: &PassPositions) -> Option<Tensor> {
        let (relative, vectors) = (self.relative.as_ref()?, positions.vectors.as_ref()?);
        let (batch, heads, length, _) = queries.size4().expect("queries of heads");
        let products = (queries * scale).matmul(&like(&relative.keys, queries).tr());
        let keys = vectors.size()[3];
        Some(products.gather(-1, &vectors.expand([batch, heads, length, keys], false), false))
    }

    /// The fourth hook: returns the vectors to add to the values that `weights` mix; `None` if there are none.
    ///
    /// The weights of all keys at one distance are summed before they are multiplied by its vector.
    ///
    /// # Shapes
    /// Weights [B, H, T, S] → [B, H, T, d_v].
    pub fn on_values(&self, weights: &Tensor, positions: &PassPositions) -> Option<Tensor> {
        let (relative, vectors) = (self.relative.as_ref()?, positions.vectors.as_ref()?);
        let (batch, heads, length, _) = weights.size4().expect("weights of heads");
        let shape = [batch, heads, length, relative.values.size()[0]];
        let sums = Tensor::zeros(shape, (weights.kind(), weights.device()));
        let sums = sums.scatter_add(-1, &vectors.expand_as(weights), weights);
        Some(sums.matmul(&like(&relative.values, weights)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Places, Stack, StackPositions};
    use super::*;
    use tch::{Device, Kind};

    fn numbers(shape: &[i64], by: f64) -> Tensor {
        let count = shape.iter().product::<i64>();
        (Tensor::arange(count, (Kind::Double, Device::Cpu)) * by).sin().view(shape)
    }

    /// The product of a rotated query and a rotated key depends on positions only through their distance.
    #[test]
    fn turned_products_depend_on_the_distance_alone() {
        let config = ModelConfig { position: Position::Rotary, heads: 2, d_model: 12, ..Default::default() };
        let scope = Scope::shapes_only();
        let stack = StackPositions::build(&scope, &config, Stack::Encoder);
        let layer = AttentionPositions::build(&scope, &config, Attends::Itself);
        let row = |by| numbers(&[1, 1, 12], by);
        let turned = |x: Tensor, place| {
            let here = (Places::From(place), 1);
            let positions = stack.pass(here, here, &x);
            layer.on_queries_and_keys(x, &positions)
        };
        let product = |query: i64, key: i64| {
            (turned(row(0.7), query) * turned(row(1.3), key)).sum(Kind::Double).double_value(&[])
        };
        assert!((product(3, 1) - product(10, 8)).abs() < 1e-12);
        assert!((product(3, 1) - product(3, 2)).abs() > 1e-3);
        // At the first position nothing is rotated, and the first plane rotates by one radian per position.
        assert_eq!(turned(row(0.7), 0), row(0.7));
        let [x, y] = [0, 1].map(|i| row(0.7).double_value(&[0, 0, i]));
        let seen = turned(row(0.7), 1).double_value(&[0, 0, 0]);
        assert!((seen - (x * 1f64.cos() - y * 1f64.sin())).abs() < 1e-15);
    }

    /// Equations 3 and 4 literally, with a vector for every pair of a query and a key.
    #[test]
    fn relative_scores_and_values_are_the_definition() {
        let (heads, d_k, d_v, length) = (2, 3, 5, 6);
        let config = ModelConfig {
            position: Position::Relative(2),
            heads,
            d_k: Some(d_k),
            d_v: Some(d_v),
            ..Default::default()
        };
        let scope = Scope::seeded(3, Kind::Double, Device::Cpu);
        let stack = StackPositions::build(&scope, &config, Stack::Encoder);
        let layer = AttentionPositions::build(&scope, &config, Attends::Itself);
        let (queries, weights) =
            (numbers(&[1, heads, length, d_k], 0.7), numbers(&[1, heads, length, length], 1.3));
        let all = (Places::From(0), length);
        let positions = stack.pass(all, all, &queries);
        let scale = (d_k as f64).powf(-0.5);
        let scores = layer.on_scores(&queries, scale, &positions).unwrap();
        let values = layer.on_values(&weights, &positions).unwrap();
        let relative = layer.relative.as_ref().unwrap();
        for (head, i) in (0..heads).flat_map(|head| (0..length).map(move |i| (head, i))) {
            let mut mixed = Tensor::zeros([d_v], (Kind::Double, Device::Cpu));
            for j in 0..length {
                let vector = (j - i).clamp(-2, 2) + 2;
                let product =
                    queries.get(0).get(head).get(i).dot(&relative.keys.get(vector)) / (d_k as f64).sqrt();
                let gap = (product - scores.get(0).get(head).get(i).get(j)).abs().double_value(&[]);
                assert!(gap < 1e-14, "head {head}, query {i}, key {j}: {gap:e}");
                mixed += relative.values.get(vector) * weights.double_value(&[0, head, i, j]);
            }
            let gap = (mixed - values.get(0).get(head).get(i)).abs().max().double_value(&[]);
            assert!(gap < 1e-14, "head {head}, query {i}: {gap:e}");
        }
        // The last query alone, as in decoding step by step.
        let last = stack.pass((Places::From(length - 1), 1), all, &queries);
        let alone = layer.on_scores(&queries.narrow(2, length - 1, 1), scale, &last).unwrap();
        assert!((alone - scores.narrow(2, length - 1, 1)).abs().max().double_value(&[]) < 1e-14);
    }

    #[test]
    fn nothing_is_done_between_two_sequences() {
        for position in [Position::Relative(2), Position::Rotary, Position::Alibi, Position::T5] {
            let config = ModelConfig { position, heads: 2, d_model: 8, ..Default::default() };
            let scope = Scope::seeded(3, Kind::Double, Device::Cpu);
            let layer = AttentionPositions::build(&scope, &config, Attends::Encoder);
            let nowhere = PassPositions::default();
            let x = numbers(&[1, 3, 8], 0.7);
            assert_eq!(layer.on_queries_and_keys(x.shallow_clone(), &nowhere), x);
            assert!(layer.on_scores(&x.view([1, 2, 3, 4]), 0.5, &nowhere).is_none(), "{position:?}");
            assert!(layer.on_values(&numbers(&[1, 2, 3, 3], 0.7), &nowhere).is_none(), "{position:?}");
            assert!(nowhere.on_mask(crate::model::mask::Mask::None).is_none());
            assert!(scope.into_weights().named().is_empty(), "{position:?}");
        }
    }
}
