//! Attention in one fused kernel of libtorch, which never stores the weights [B, H, T, S].
//!
//! The plain path of [`super`] is the definition; a test compares both. libtorch chooses the kernel: flash attention if
//! the mask is absent or causal and numbers have 16 bits, otherwise the memory-efficient one.

use crate::model::keys_and_values::KeysAndValues;
use crate::model::mask::{self, Mask};
use tch::{Device, Kind, Tensor};

/// Required divisor of a head's width: kernels need rows of 16 bytes, 8 numbers of bfloat16.
const MULTIPLE: i64 = 8;

/// Largest width of a head: wider heads have no backward kernel on some cards.
const WIDEST: i64 = 128;

/// Whether the kernels support these heads: on a GPU, not in float64, keys and values of one width that is a multiple
/// of `MULTIPLE` up to `WIDEST`. On a CPU the plain path is as fast for sentences (docs/performance.md).
pub fn serves(queries: &Tensor, attended: &KeysAndValues) -> bool {
    let width = |x: &Tensor| x.size()[3];
    let d_k = width(queries);
    queries.device() != Device::Cpu
        && matches!(queries.kind(), Kind::Float | Kind::BFloat16)
        && d_k == width(&attended.values)
        && d_k % MULTIPLE == 0
        && d_k <= WIDEST
}

/// Computes softmax(scale · QKᵀ + mask) V. Weights are dropped with probability `rate` by the random numbers of
/// `stream`; without a stream nothing is dropped.
///
/// # Shapes
/// `queries` [B, H, T, K], not scaled → [B, H, T, d_v].
pub fn attend(
    queries: &Tensor,
    attended: &KeysAndValues,
    mask: Mask,
    scale: f64,
    (rate, stream): (f64, Option<u64>),
) -> Tensor {
    if let Some(stream) = stream {
        tch::manual_seed(stream as i64);
    }
    let rate = stream.map_or(0.0, |_| rate);
    let (added, causal) = match mask {
        Mask::None => (None, false),
        Mask::Added(added) => (Some(added), false),
        Mask::Causal(_) => (None, true),
    };
    Tensor::scaled_dot_product_attention(
        queries,
        &attended.keys,
        &attended.values,
        added,
        rate,
        causal,
        scale,
        false,
    )
}

/// Describes for people which kernels libtorch chooses for the heads of the base model, causal and padded.
pub fn kernels(kind: Kind, device: Device) -> String {
    let heads = Tensor::zeros([2, 8, 32, 64], (kind, device));
    let padding = mask::padding(&[32, 20], 32, kind, device);
    let choice = |added: Option<&Tensor>, causal| match Tensor::internal_fused_sdp_choice(
        &heads, &heads, &heads, added, 0.0, causal, None, false,
    ) {
        1 => "flash",
        2 => "memory-efficient",
        3 => "cuDNN's",
        _ => "no fused kernel",
    };
    format!("{} (causal), {} (padding)", choice(None, true), choice(Some(&padding), false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::attention::plain;
    use crate::model::attention::score::ScoreFunction;
    use crate::model::dropout::Dropout;
    use crate::model::mode::Mode;

    /// 1 / √d_k of the heads in these tests.
    const SCALE: f64 = 0.353_553_390_593_273_8;

    fn leaf(shape: [i64; 4], kind: Kind, by: f64) -> Tensor {
        let count = shape.iter().product::<i64>();
        let numbers = (Tensor::arange(count, (Kind::Double, Device::Cpu)) * by).sin();
        numbers.view(shape).to_kind(kind).set_requires_grad(true)
    }

    /// Output and the gradients of queries, keys and values, all as one row of float64.
    fn results(kind: Kind, masked: &str, attend: impl Fn(&Tensor, &KeysAndValues, Mask) -> Tensor) -> Tensor {
        let (length, sources) = (7, if masked == "padding" { 9 } else { 7 });
        let queries = leaf([3, 2, length, 8], kind, 0.7);
        let attended = KeysAndValues {
            keys: leaf([3, 2, sources, 8], kind, 1.1),
            values: leaf([3, 2, sources, 8], kind, 1.9),
        };
        let padding = mask::padding(&[sources, 4, 1], sources, kind, Device::Cpu);
        let causal = mask::causal(length, kind, Device::Cpu);
        let mask = match masked {
            "padding" => Mask::Added(&padding),
            "causal" => Mask::Causal(&causal),
            _ => Mask::None,
        };
        let output = attend(&queries, &attended, mask);
        let weights = (Tensor::arange(output.numel() as i64, (Kind::Double, Device::Cpu)) * 0.3).cos();
        (output.to_kind(Kind::Double) * weights.view(output.size().as_slice())).sum(Kind::Double).backward();
        let row = |x: &Tensor| x.detach().to_kind(Kind::Double).flatten(0, -1);
        Tensor::cat(&[&output, &queries.grad(), &attended.keys.grad(), &attended.values.grad()].map(row), 0)
    }

    #[test]
    fn outputs_and_gradients_are_the_plain_paths() {
        let nothing = Dropout::at("dropout", 0.0);
        for (kind, tolerance) in [(Kind::Double, 1e-12), (Kind::Float, 2e-5), (Kind::BFloat16, 0.1)] {
            for (masked, scale) in
                [("padding", SCALE), ("causal", SCALE), ("none", SCALE), ("padding", 1.0), ("causal", 1.0)]
            {
                let score = ScoreFunction::Dot { scale };
                let defined = results(kind, masked, |q, attended, mask| {
                    plain(&score, q, attended, mask, |_| None, &nothing, &Mode::evaluation())
                });
                let fused =
                    results(kind, masked, |q, attended, mask| attend(q, attended, mask, scale, (0.0, None)));
                let gap = (&defined - &fused).abs().max().double_value(&[]);
                assert!(gap < tolerance, "{kind:?}, {masked}, scale {scale}: {gap:e}");
            }
        }
    }

    /// The seed of libtorch's generator belongs to the process, but no other test draws from this generator.
    #[test]
    fn dropout_is_a_function_of_the_stream() {
        let draw = |stream| {
            results(Kind::Float, "padding", |q, attended, mask| {
                attend(q, attended, mask, SCALE, (0.5, Some(stream)))
            })
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn the_cpu_and_float64_take_the_plain_path() {
        let attended = KeysAndValues {
            keys: leaf([1, 1, 2, 8], Kind::Float, 1.0),
            values: leaf([1, 1, 2, 8], Kind::Float, 1.0),
        };
        assert!(!serves(&leaf([1, 1, 2, 8], Kind::Float, 1.0), &attended));
    }
}
