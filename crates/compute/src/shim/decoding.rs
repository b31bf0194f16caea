//! Decoding on a CPU in float32: attention of one query a row, and the most probable next tokens.
//!
//! libtorch would need a dozen calls for each, and would copy keys and values whenever hypotheses move.

use tch::{Device, Kind, Tensor};

unsafe extern "C" {
    #[cfg(test)]
    fn ablate_attend_variants() -> i32;
    fn ablate_attend_once(
        queries: *const f32,
        keys: *const *const f32,
        values: *const *const f32,
        key_stride: i64,
        value_stride: i64,
        owners: *const *const i64,
        lengths: *const i64,
        rows: i64,
        heads: i64,
        d_k: i64,
        d_v: i64,
        scale: f32,
        out: *mut f32,
        threads: i32,
        variant: i32,
    );
    fn ablate_most_probable(
        scores: *const f32,
        rows: i64,
        columns: i64,
        first: i64,
        allowed: i64,
        count: i64,
        log_probabilities: *mut f64,
        ids: *mut u32,
        threads: i32,
    );
}

/// Whether these kernels support such tensors.
pub fn takes(kind: Kind, device: Device) -> bool {
    kind == Kind::Float && device == Device::Cpu
}

/// Keys and values at one position, for all rows.
#[derive(Debug, Clone, Copy)]
pub struct Position<'a> {
    /// [N, H·K]; consecutive rows may be any stride apart.
    pub keys: &'a Tensor,
    /// [N, H·d_v]
    pub values: &'a Tensor,
    /// Index of the vector to which each row attends, [R], below N.
    pub owners: &'a [i64],
}

/// Computes softmax(scale · q Kᵀ) V, where row r attends to the first `lengths[r]` of `positions`.
///
/// # Shapes
/// `queries` [R, H·K] → [R, H·d_v].
///
/// # Panics
/// If a shape, kind or owner does not fit the others.
pub fn attend_once(
    queries: &Tensor,
    positions: &[Position],
    lengths: &[i64],
    heads: i64,
    (d_k, d_v): (i64, i64),
    scale: f64,
) -> Tensor {
    attend_once_by(FASTEST, queries, positions, lengths, heads, (d_k, d_v), scale)
}

/// The kernel's variant for the processor's widest registers.
const FASTEST: i32 = 0;

/// Computes [`attend_once`] by one of the variants that the processor can run.
fn attend_once_by(
    variant: i32,
    queries: &Tensor,
    positions: &[Position],
    lengths: &[i64],
    heads: i64,
    (d_k, d_v): (i64, i64),
    scale: f64,
) -> Tensor {
    let rows = lengths.len();
    let queries = checked(&queries.contiguous(), [rows as i64, heads * d_k]);
    let (mut keys, mut values, mut owners) = (Vec::new(), Vec::new(), Vec::new());
    let strides = positions.first().map(|position| (position.keys.stride()[0], position.values.stride()[0]));
    let (key_stride, value_stride) = strides.expect("something to attend to");
    for position in positions {
        let count = position.keys.size()[0];
        for (vectors, width, stride) in
            [(position.keys, heads * d_k, key_stride), (position.values, heads * d_v, value_stride)]
        {
            assert_eq!(vectors.size(), [count, width]);
            assert_eq!(vectors.stride(), [stride, 1]);
            assert!(takes(vectors.kind(), vectors.device()));
        }
        assert!(
            position.owners.len() == rows && position.owners.iter().all(|owner| (0..count).contains(owner))
        );
        keys.push(position.keys.data_ptr().cast::<f32>().cast_const());
        values.push(position.values.data_ptr().cast::<f32>().cast_const());
        owners.push(position.owners.as_ptr());
    }
    assert!(lengths.iter().all(|&length| (1..=positions.len() as i64).contains(&length)));
    let out = Tensor::empty([rows as i64, heads * d_v], (Kind::Float, Device::Cpu));
    // SAFETY: every pointer belongs to a tensor or slice that outlives the call and has the checked shape; `out` was
    // just made, and nothing else refers to it.
    unsafe {
        ablate_attend_once(
            queries.data_ptr().cast::<f32>(),
            keys.as_ptr(),
            values.as_ptr(),
            key_stride,
            value_stride,
            owners.as_ptr(),
            lengths.as_ptr(),
            rows as i64,
            heads,
            d_k,
            d_v,
            scale as f32,
            out.data_ptr().cast::<f32>(),
            tch::get_num_threads(),
            variant,
        );
    }
    out
}

/// Log-probabilities and ids, row after row.
#[derive(Debug, PartialEq)]
pub struct MostProbable {
    pub log_probabilities: Vec<f64>,
    pub ids: Vec<u32>,
}

/// Returns the `count` largest scores of each row in the columns `allowed`, largest first and of equals the smaller
/// column first, as log-probabilities under a softmax over all columns.
///
/// # Shapes
/// `scores` [R, V] → R·count numbers.
///
/// # Panics
/// If `allowed` has fewer than `count` columns or goes beyond V, or a kind does not fit.
pub fn most_probable(scores: &Tensor, allowed: std::ops::Range<usize>, count: usize) -> MostProbable {
    let (rows, columns) = scores.size2().expect("rows of scores");
    assert!(allowed.end as i64 <= columns && count <= allowed.len());
    let scores = checked(&scores.contiguous(), [rows, columns]);
    let mut found = MostProbable {
        log_probabilities: vec![0.0; rows as usize * count],
        ids: vec![0; rows as usize * count],
    };
    // SAFETY: the tensor has the checked shape and outlives the call; both vectors have rows times count elements.
    unsafe {
        ablate_most_probable(
            scores.data_ptr().cast::<f32>(),
            rows,
            columns,
            allowed.start as i64,
            allowed.end as i64,
            count as i64,
            found.log_probabilities.as_mut_ptr(),
            found.ids.as_mut_ptr(),
            tch::get_num_threads(),
        );
    }
    found
}

/// Returns `tensor` after checking that the kernels support it.
fn checked(tensor: &Tensor, size: [i64; 2]) -> Tensor {
    assert!(takes(tensor.kind(), tensor.device()) && tensor.is_contiguous());
    assert_eq!(tensor.size(), size);
    tensor.shallow_clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns numbers between -1 and 1 in a fixed disorder.
    fn numbers(size: &[i64]) -> Tensor {
        let count = size.iter().product::<i64>();
        ((Tensor::arange(count, (Kind::Double, Device::Cpu)) * 37.77).sin()).to_kind(Kind::Float).view(size)
    }

    #[test]
    fn attention_is_the_softmax_of_products_in_registers_of_every_width() {
        tch::set_num_threads(2);
        // SAFETY: it only counts.
        let variants = unsafe { ablate_attend_variants() };
        assert!(variants >= 1);
        for (rows, positions, heads, d_k, d_v) in
            [(5, 7, 4, 32, 32), (1, 1, 1, 3, 5), (3, 40, 2, 64, 16), (7, 9, 8, 1, 1), (2, 17, 3, 37, 20)]
        {
            let queries = numbers(&[rows, heads * d_k]) * 3.0;
            let keys = numbers(&[positions, 6, heads * d_k]) * 2.0;
            let values = numbers(&[positions, 6, heads * d_v]);
            let lengths: Vec<i64> = (0..rows).map(|row| 1 + row * 13 % positions).collect();
            let owners: Vec<Vec<i64>> =
                (0..positions).map(|p| (0..rows).map(|row| (row * 5 + p * 3) % 6).collect()).collect();
            let scale = if rows == 7 { 1.0 } else { (d_k as f64).powf(-0.5) };
            let (key_views, value_views): (Vec<Tensor>, Vec<Tensor>) =
                (0..positions).map(|p| (keys.get(p), values.get(p))).unzip();
            let seen: Vec<Position> = key_views
                .iter()
                .zip(&value_views)
                .zip(&owners)
                .map(|((keys, values), owners)| Position { keys, values, owners })
                .collect();
            let found: Vec<Tensor> = (0..variants)
                .map(|variant| attend_once_by(variant, &queries, &seen, &lengths, heads, (d_k, d_v), scale))
                .collect();
            for row in 0..rows {
                let length = lengths[row as usize];
                let gather = |from: &Tensor, width: i64| {
                    let vectors: Vec<Tensor> =
                        (0..length).map(|p| from.get(p).get(owners[p as usize][row as usize])).collect();
                    Tensor::stack(&vectors, 0).view([length, heads, width]).transpose(0, 1)
                };
                let query = queries.get(row).view([heads, 1, d_k]);
                let scores = query.matmul(&gather(&keys, d_k).transpose(1, 2)) * scale;
                let expected = scores.softmax(-1, None).matmul(&gather(&values, d_v)).flatten(0, -1);
                for (variant, found) in found.iter().enumerate() {
                    let gap = (found.get(row) - &expected).abs().max().double_value(&[]);
                    assert!(gap < 1e-6, "variant {variant}, row {row} of {rows}: {gap:e}");
                }
            }
        }
    }

    #[test]
    fn the_most_probable_are_those_of_a_sorted_softmax() {
        tch::set_num_threads(2);
        // Of two decimals, so that many are equal.
        let scores = (numbers(&[9, 1_003]) * 100.0).round() / 10.0;
        for (allowed, count) in [(2..1_003, 8), (0..1_000, 1), (5..70, 65), (1..64, 9)] {
            let found = most_probable(&scores, allowed.clone(), count);
            let all = scores.to_kind(Kind::Double).log_softmax(-1, None);
            for row in 0..9 {
                let values: Vec<f64> = Vec::try_from(all.get(row as i64)).unwrap();
                let mut order: Vec<u32> = allowed.clone().map(|column| column as u32).collect();
                order.sort_by(|&a, &b| values[b as usize].total_cmp(&values[a as usize]).then(a.cmp(&b)));
                let places = row * count..(row + 1) * count;
                assert_eq!(found.ids[places.clone()], order[..count], "row {row}, {allowed:?}");
                for (id, value) in order.iter().zip(&found.log_probabilities[places]) {
                    assert!((values[*id as usize] - value).abs() < 1e-5);
                }
            }
        }
    }

    #[test]
    fn scores_far_apart_do_not_overflow() {
        let scores = Tensor::from_slice(&[-3e4f32, 80.0, 3e4, f32::NEG_INFINITY]).unsqueeze(0);
        let found = most_probable(&scores, 0..4, 4);
        assert_eq!(found.ids, [2, 1, 0, 3]);
        assert_eq!(found.log_probabilities, [0.0, 80.0 - 3e4, -6e4, f64::NEG_INFINITY]);
    }
}
