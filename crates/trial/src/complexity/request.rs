//! The request: layers, widths, lengths and sizes to measure, with a check of the options.

use super::layer::{Layer, Sizes};
use crate::error::{Error, Result};
use serde::Serialize;

/// The layers and sizes to measure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Request {
    pub layers: Vec<Layer>,
    /// Widths d, ascending.
    pub widths: Vec<i64>,
    /// Lengths n, ascending.
    pub lengths: Vec<i64>,
    pub sizes: Sizes,
    /// Timed passes per sequence, of which the fastest counts; two untimed ones come first.
    pub repeat: usize,
    /// Seconds after which no further pass over the same sequence begins.
    pub seconds: f64,
}

/// The options of the command line that say what is to be measured. A size is absent where none is stated.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Options {
    /// Kinds of layers, separated by commas. By default all.
    #[arg(long, value_enum, value_name = "LAYER,…", value_delimiter = ',')]
    pub layers: Vec<Layer>,
    /// Widths d of the layers, separated by commas.
    #[arg(long, value_name = "D,…", value_delimiter = ',', default_values_t = [64, 512])]
    pub widths: Vec<i64>,
    /// Lengths n of the sequence, separated by commas. What memory is not enough for is left out.
    #[arg(
        long,
        value_name = "N,…",
        value_delimiter = ',',
        default_values_t = [64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192]
    )]
    pub lengths: Vec<i64>,
    /// Number of positions that a kernel multiplies: the paper's k. 3 if absent.
    #[arg(long, value_name = "K")]
    pub kernel: Option<i64>,
    /// Number of positions that restricted self-attention sees: the paper's r. 64 if absent.
    #[arg(long, value_name = "R")]
    pub radius: Option<i64>,
    /// Number of heads of every kind of self-attention. 8 if absent.
    #[arg(long, value_name = "H")]
    pub heads: Option<i64>,
    /// Number of mixtures of the positions that Linformer attends to. 128 if absent.
    #[arg(long, value_name = "N")]
    pub mixtures: Option<i64>,
    /// Number of positions of a block of BigBird, which sees eight blocks. 64 if absent.
    #[arg(long, value_name = "N")]
    pub block: Option<i64>,
    /// Number of passes over each sequence that are timed, of which the fastest counts.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub repeat: usize,
    /// Duration of the passes over one sequence after which no further one begins, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    pub seconds: f64,
}

/// Limits of the sizes: beyond them tensors have more elements than libtorch accepts.
const WIDEST: i64 = 16_384;
const LONGEST: i64 = 1 << 20;
const MOST_REPETITIONS: usize = 10_000;
const MOST_SECONDS: f64 = 1e6;

impl Request {
    /// # Errors
    /// A user error that names the option, its value, and what it takes.
    pub fn of(options: &Options) -> Result<Request> {
        let Options { layers, widths, lengths, repeat, seconds, .. } = options;
        distinct("--layers", layers)?;
        let widths = numbers("--widths", widths, 1, WIDEST)?;
        let lengths = numbers("--lengths", lengths, 2, LONGEST)?;
        let sizes = options.sizes()?;
        let attends = layers.iter().find(|layer| layer.has_heads());
        if let (Some(layer), Some(width)) = (attends, widths.iter().find(|&width| width % sizes.heads != 0)) {
            let heads = sizes.heads;
            let (below, above) = (width / heads * heads, (width / heads + 1) * heads);
            let nearest = if below > 0 { format!("{below} or {above}") } else { above.to_string() };
            return Err(Error::user(format!(
                "--widths {width} is not divisible by --heads {heads}, which {} has; use {nearest}, or another number of \
                 heads",
                layer.name()
            )));
        }
        if !(1..=MOST_REPETITIONS).contains(repeat) {
            return Err(out_of_range("--repeat", repeat, format!("1 to {MOST_REPETITIONS}")));
        }
        if !(0.0..=MOST_SECONDS).contains(seconds) {
            return Err(out_of_range("--seconds", seconds, format!("0 to {MOST_SECONDS}")));
        }
        Ok(Request { layers: layers.clone(), widths, lengths, sizes, repeat: *repeat, seconds: *seconds })
    }
}

impl Options {
    /// Returns the sizes. Each stated size must have a layer that reads it.
    fn sizes(&self) -> Result<Sizes> {
        let defaults = Sizes::default();
        let size = |option: &str, stated: Option<i64>, default: i64, least: i64, readers: &[Layer]| {
            let Some(value) = stated else { return Ok(default) };
            if !(least..=LONGEST).contains(&value) {
                return Err(out_of_range(option, &value, format!("{least} to {LONGEST}")));
            }
            if !readers.iter().any(|reader| self.layers.contains(reader)) {
                let names: Vec<String> = readers.iter().map(|reader| word(*reader)).collect();
                return Err(Error::user(format!(
                    "{option} {value} has no effect, because no layer that is measured reads it; leave it out, or add to \
                     --layers one of {}",
                    names.join(", ")
                )));
            }
            Ok(value)
        };
        let convolving = [Layer::Convolutional, Layer::Dilated, Layer::NeuralGpu];
        let attending = [Layer::SelfAttention, Layer::Restricted, Layer::Linformer, Layer::BigBird];
        Ok(Sizes {
            // A kernel of one position, or a neighbourhood of one, connects no two positions.
            kernel: size("--kernel", self.kernel, defaults.kernel, 2, &convolving)?,
            radius: size("--radius", self.radius, defaults.radius, 2, &[Layer::Restricted])?,
            heads: size("--heads", self.heads, defaults.heads, 1, &attending)?,
            mixtures: size("--mixtures", self.mixtures, defaults.mixtures, 1, &[Layer::Linformer])?,
            block: size("--block", self.block, defaults.block, 1, &[Layer::BigBird])?,
        })
    }
}

/// Returns the name of a layer on the command line.
fn word(layer: Layer) -> String {
    use clap::ValueEnum;
    layer.to_possible_value().map_or_else(String::new, |value| value.get_name().to_string())
}

/// Returns the numbers of a list in ascending order.
fn numbers(option: &str, list: &[i64], least: i64, most: i64) -> Result<Vec<i64>> {
    distinct(option, list)?;
    if let Some(wrong) = list.iter().find(|number| !(least..=most).contains(*number)) {
        return Err(out_of_range(option, wrong, format!("numbers from {least} to {most}")));
    }
    let mut sorted = list.to_vec();
    sorted.sort_unstable();
    Ok(sorted)
}

fn distinct<T: PartialEq + std::fmt::Debug>(option: &str, list: &[T]) -> Result<()> {
    match list.iter().enumerate().find(|(index, item)| list[..*index].contains(item)) {
        _ if list.is_empty() => Err(Error::user(format!("{option} names nothing; name one at least"))),
        Some((_, twice)) => Err(Error::user(format!("{option} names {twice:?} twice; name each once"))),
        None => Ok(()),
    }
}

fn out_of_range(option: &str, value: &impl std::fmt::Display, accepted: String) -> Error {
    Error::user(format!("{option} {value} is out of range: use {accepted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options {
            layers: vec![Layer::SelfAttention, Layer::Recurrent],
            widths: vec![64, 16],
            lengths: vec![128, 32, 64],
            repeat: 3,
            seconds: 10.0,
            ..Default::default()
        }
    }

    #[test]
    fn lists_are_sorted_and_sizes_have_defaults() {
        let request = Request::of(&options()).unwrap();
        assert_eq!((request.widths, request.lengths), (vec![16, 64], vec![32, 64, 128]));
        assert_eq!(request.sizes, Sizes::default());
    }

    #[test]
    fn what_cannot_be_measured_is_refused_with_what_can() {
        let refused = |change: &dyn Fn(&mut Options)| {
            let mut options = options();
            change(&mut options);
            let error = Request::of(&options).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            error.to_string()
        };
        for (change, said) in [
            (
                &(|s: &mut Options| s.widths = vec![64, 20]) as &dyn Fn(&mut Options),
                "--widths 20 is not divisible by --heads 8, which self-attention has; use 16 or 24",
            ),
            (&|s| s.widths = vec![3], "use 8, or another number of heads"),
            (&|s| s.widths = vec![0], "--widths 0 is out of range: use numbers from 1 to 16384"),
            (&|s| s.lengths = vec![1], "--lengths 1 is out of range: use numbers from 2 to"),
            (&|s| s.lengths = vec![64, 64], "--lengths names 64 twice"),
            (&|s| s.layers = vec![], "--layers names nothing"),
            (
                &|s| s.radius = Some(8),
                "--radius 8 has no effect, because no layer that is measured reads it; leave it out, or add to --layers one of restricted",
            ),
            (
                &|s| {
                    s.layers.push(Layer::Restricted);
                    s.radius = Some(1)
                },
                "--radius 1 is out of range: use 2 to",
            ),
            (&|s| s.heads = Some(0), "--heads 0 is out of range: use 1 to"),
            (&|s| s.repeat = 0, "--repeat 0 is out of range: use 1 to"),
            (&|s| s.seconds = f64::NAN, "--seconds NaN is out of range"),
        ] {
            let found = refused(change);
            assert!(found.contains(said), "{found}\nwithout\n{said}");
        }
    }

    #[test]
    fn a_width_without_heads_may_be_any() {
        let options = Options { layers: vec![Layer::Recurrent], widths: vec![7], ..options() };
        assert_eq!(Request::of(&options).unwrap().widths, [7]);
    }
}
