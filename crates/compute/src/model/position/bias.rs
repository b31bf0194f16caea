//! Biases on the scores of self-attention by the distance from query to key: fixed (ALiBi) or trained (T5).

pub(super) use crate::model::cost::T5_BUCKETS as BUCKETS;
use tch::{Kind, Tensor};

/// The distance from which on all distances share T5's last bucket.
const MAX_DISTANCE: i64 = 128;

/// The biases on the scores of a stack's layers.
#[derive(Debug)]
pub(super) enum Biases {
    Alibi {
        heads: i64,
    },
    /// Trained and shared by all layers: `table` [32, H].
    T5 {
        table: Tensor,
        causal: bool,
    },
}

impl Biases {
    /// # Shapes
    /// `distances` from query to key [N, T, S] → [N, H, T, S] in `kind`.
    pub(super) fn of(&self, distances: &Tensor, kind: Kind) -> Tensor {
        match self {
            Biases::Alibi { heads } => alibi(distances, *heads, kind),
            Biases::T5 { table, causal } => t5(distances, table, *causal, kind),
        }
    }
}

/// ALiBi: -slope · distance, with a slope for each head.
///
/// # Shapes
/// `distances` from query to key [1 or B, T, S] → [1 or B, H, T, S] in `kind`.
///
/// # Source
/// Press et al. 2022, §3.
///
/// # Deviation
/// The paper has only causal attention; an encoder gets the same penalty on both sides.
fn alibi(distances: &Tensor, heads: i64, kind: Kind) -> Tensor {
    let slopes = Tensor::from_slice(&alibi_slopes(heads)).view([-1, 1, 1]).to_device(distances.device());
    (distances.abs().unsqueeze(1).to_kind(Kind::Double) * -slopes).to_kind(kind)
}

/// T5: the bias of each head for the bucket of the distance, from the table `biases` [32, H].
///
/// # Shapes
/// `distances` from query to key [1 or B, T, S] → [1 or B, H, T, S] in `kind`.
///
/// # Source
/// Raffel et al. 2020, §2.1; Mesh TensorFlow's `relative_position_bucket`.
///
/// # Deviation
/// T5 does not divide scores by √d_k. Here the scores are still divided, because that is a setting of its own.
fn t5(distances: &Tensor, biases: &Tensor, causal: bool, kind: Kind) -> Tensor {
    let buckets: Vec<i64> =
        (-MAX_DISTANCE..=MAX_DISTANCE).map(|distance| t5_bucket(distance, causal)).collect();
    let buckets = Tensor::from_slice(&buckets).to_device(distances.device());
    let places = distances.clamp(-MAX_DISTANCE, MAX_DISTANCE) + MAX_DISTANCE;
    let buckets = buckets.index_select(0, &places.flatten(0, -1)).view_as(&places);
    let table = biases.to_kind(kind);
    // The kernels of fused attention need contiguous rows of keys.
    Tensor::embedding(&table, &buckets, -1, false, false).permute([0, 3, 1, 2]).contiguous()
}

/// Returns T5's bucket of the distance from a query to a key, the key's position minus the query's.
///
/// Causal buckets belong to the past, and the whole future shares bucket 0. Otherwise each side has half of the
/// buckets. Half of a side's buckets hold one distance each; the others grow with its logarithm up to distance 128.
pub fn t5_bucket(distance: i64, causal: bool) -> i64 {
    let (first, buckets, distance) = match causal {
        true => (0, BUCKETS, (-distance).max(0)),
        false => (if distance > 0 { BUCKETS / 2 } else { 0 }, BUCKETS / 2, distance.abs()),
    };
    let exact = buckets / 2;
    if distance < exact {
        return first + distance;
    }
    let growth = (distance as f64 / exact as f64).ln() / (MAX_DISTANCE as f64 / exact as f64).ln();
    first + (exact + (growth * (buckets - exact) as f64) as i64).min(buckets - 1)
}

/// Returns the slope of each head: 2^(-8h/H) for h from 1 to H if H is a power of two. Otherwise the slopes of the
/// power of two below H, followed by every other slope of the next power, as in the authors' code.
pub fn alibi_slopes(heads: i64) -> Vec<f64> {
    let of_power = |count: i64| (1..=count).map(move |h| 2f64.powf(-8.0 * h as f64 / count as f64));
    let power = 1 << heads.ilog2();
    of_power(power).chain(of_power(2 * power).step_by(2)).take(heads as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn slopes_are_those_of_the_authors_code() {
        assert_eq!(alibi_slopes(8), [0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625]);
        assert_eq!(alibi_slopes(3), [0.0625, 0.00390625, 0.25]);
        let distances = Tensor::from_slice(&[-2i64, -1, 0, 1]).view([1, 1, 4]);
        let bias = alibi(&distances, 8, Kind::Float);
        assert_eq!(bias.size(), [1, 8, 1, 4]);
        let first: Vec<f64> = bias.to_kind(Kind::Double).get(0).get(0).get(0).try_into().unwrap();
        assert_eq!(first, [-1.0, -0.5, 0.0, -0.5]);
    }

    #[test]
    fn each_head_has_the_bias_of_the_distances_bucket() {
        let table = Tensor::arange(BUCKETS * 2, (Kind::Double, Device::Cpu)).view([BUCKETS, 2]);
        let distances = [-1_000i64, -128, -9, -1, 0, 1, 9, 1_000];
        for causal in [false, true] {
            let bias = t5(&Tensor::from_slice(&distances).view([1, 2, 4]), &table, causal, Kind::Double);
            assert_eq!(bias.size(), [1, 2, 2, 4]);
            for (head, of_head) in [0, 1].map(|head| (head, bias.get(0).get(head).flatten(0, -1))) {
                let expected = distances.map(|distance| (2 * t5_bucket(distance, causal) + head) as f64);
                assert_eq!(Vec::<f64>::try_from(of_head).unwrap(), expected);
            }
        }
    }
}
