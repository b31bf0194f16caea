//! Shared parts of the formats: weights by path in float64, position tables, heads of another width.

use super::run::Run;
use crate::model::position::{Places, PositionEncoding};
use crate::model::weights::Scope;
use crate::model::{ModelConfig, Position, Projections, Score, Tying};
use std::collections::HashMap;
use tch::{Device, Kind, Tensor};

/// A model's weights by path, in float64, so that a format rounds once.
pub struct Tensors<'a> {
    config: &'a ModelConfig,
    by_path: HashMap<&'a str, &'a Tensor>,
}

/// x Wᵀ + b: weight [out, in], bias [out] or absent.
pub struct Linear {
    pub weight: Tensor,
    pub bias: Option<Tensor>,
}

/// Scale and offset [D] of a layer normalisation.
pub struct Norm {
    pub scale: Tensor,
    pub offset: Tensor,
}

/// The projections of an attention layer whose keys and values have the same width.
pub struct Attention {
    pub query: Linear,
    pub key: Linear,
    pub value: Linear,
    pub output: Linear,
}

/// The three matrices [V, D], named by their use.
pub struct Embeddings {
    pub source: Tensor,
    pub target: Tensor,
    pub softmax: Tensor,
}

impl<'a> Tensors<'a> {
    pub fn of(run: &Run<'a>) -> Self {
        let by_path = run.weights.named().iter().map(|(path, tensor)| (path.as_str(), tensor)).collect();
        Tensors { config: &run.experiment.model, by_path }
    }

    fn find(&self, path: &str) -> Option<Tensor> {
        let tensor = self.by_path.get(path)?;
        Some(tensor.detach().to_device(Device::Cpu).to_kind(Kind::Double))
    }

    /// # Panics
    /// If the model has no such variable, which is a bug.
    fn get(&self, path: &str) -> Tensor {
        self.find(path).unwrap_or_else(|| panic!("the model has no variable {path}"))
    }

    pub fn linear(&self, path: &str) -> Linear {
        Linear { weight: self.get(&format!("{path}.weight")), bias: self.find(&format!("{path}.bias")) }
    }

    pub fn norm(&self, path: &str) -> Norm {
        Norm { scale: self.get(&format!("{path}.scale")), offset: self.get(&format!("{path}.offset")) }
    }

    /// Returns the attention layer at `path` with heads of `width`, at least d_k and d_v. The padding is zero: it adds
    /// nothing to the products of queries and keys, and the output map ignores it.
    pub fn attention(&self, path: &str, width: i64) -> Attention {
        let heads = self.config.heads;
        let widened = |map: Linear, own: i64| {
            let Linear { weight, bias } = map;
            let columns = weight.size()[1];
            Linear {
                weight: weight
                    .view([heads, own, columns])
                    .constant_pad_nd([0, 0, 0, width - own])
                    .view([-1, columns]),
                bias: bias.map(|bias| bias.view([heads, own]).constant_pad_nd([0, width - own]).view([-1])),
            }
        };
        let (d_k, d_v) = (self.config.d_k(), self.config.d_v());
        let [query, key, value, output] = self.projections(path);
        let Linear { weight, bias } = output;
        let rows = weight.size()[0];
        let weight = weight.view([rows, heads, d_v]).constant_pad_nd([0, width - d_v]).view([rows, -1]);
        Attention {
            query: widened(self.scored(path, query), d_k),
            key: widened(key, d_k),
            value: widened(value, d_v),
            output: Linear { weight, bias },
        }
    }

    /// Returns the layer with heads of width d_model / heads, and the factor of its queries for a program that divides
    /// their products with keys by the root of that width.
    pub fn attention_of_default_heads(&self, path: &str) -> (Attention, f64) {
        let width = self.config.d_model / self.config.heads;
        (self.attention(path, width), (width as f64 / self.config.d_k() as f64).sqrt())
    }

    /// Returns the maps to queries, keys and values and from the heads to the output; the identity for a map that the
    /// layer does not have.
    fn projections(&self, path: &str) -> [Linear; 4] {
        let own = |name: &str| self.linear(&format!("{path}.{name}"));
        let nothing = || {
            let (d_model, options) = (self.config.d_model, (Kind::Double, Device::Cpu));
            let bias = self.config.attention_biases.then(|| Tensor::zeros([d_model], options));
            Linear { weight: Tensor::eye(d_model, options), bias }
        };
        match self.config.attention.projections {
            Projections::Separate => ["query", "key", "value", "output"].map(own),
            Projections::SharedQueryKey => ["key", "key", "value", "output"].map(own),
            Projections::ValuesOnly => [nothing(), nothing(), own("value"), own("output")],
            Projections::None => [(); 4].map(|()| nothing()),
        }
    }

    /// Returns the map to queries whose products with keys, divided by √d_k, are the layer's scores.
    ///
    /// # Panics
    /// If the score is not a product, which [`Implementations`](crate::model::implementations::Implementations) refuses.
    fn scored(&self, path: &str, query: Linear) -> Linear {
        let (heads, d_k) = (self.config.heads, self.config.d_k());
        let undone = (d_k as f64).sqrt();
        let attention = &self.config.attention;
        match if path.ends_with("cross_attention") { attention.cross_score() } else { attention.score } {
            Score::ScaledDot => query,
            Score::Dot => query.scaled(1.0, undone),
            Score::Multiplicative => {
                // (x Qᵀ) W = x (Wᵀ Q)ᵀ, head by head.
                let matrix = self.get(&format!("{path}.score.weight")).transpose(1, 2) * undone;
                let turned = |map: Tensor, columns: i64| matrix.matmul(&map.view([heads, d_k, columns]));
                let columns = query.weight.size()[1];
                Linear {
                    weight: turned(query.weight, columns).view([-1, columns]),
                    bias: query.bias.map(|bias| turned(bias, 1).view([-1])),
                }
            }
            Score::Additive => unreachable!("no format holds additive scores"),
        }
    }

    pub fn embeddings(&self) -> Embeddings {
        let matrix = |name: &str| self.get(&format!("embedding.{name}.weight"));
        let (source, target, softmax) = match (self.config.has_both_parts(), self.config.tying) {
            (true, Tying::All) => ("shared", "shared", "shared"),
            (true, Tying::Decoder) => ("source", "target", "target"),
            (true, Tying::None) => ("source", "target", "softmax"),
            (false, tying) => {
                let only = if self.config.has_encoder() { "source" } else { "target" };
                (only, only, if tying == Tying::None { "softmax" } else { only })
            }
        };
        Embeddings { source: matrix(source), target: matrix(target), softmax: matrix(softmax) }
    }

    /// Returns the bias of the softmax, [V]; zeros if there is none.
    pub fn softmax_bias(&self) -> Tensor {
        self.find("embedding.softmax.bias").unwrap_or_else(|| {
            let rows = self.embeddings().softmax.size()[0];
            Tensor::zeros([rows], (Kind::Double, Device::Cpu))
        })
    }

    /// Returns the table of segments, [G, D]; one row of zeros if there is none.
    pub fn segments(&self) -> Tensor {
        let zeros = || Tensor::zeros([1, self.config.d_model], (Kind::Double, Device::Cpu));
        self.find("segment.weight").unwrap_or_else(zeros)
    }

    /// Returns the table that is added to the embeddings of the first positions of the `source` or the `target`, [P,
    /// D]. A learned table keeps its length; a fixed encoding has `rows` rows.
    pub fn positions(&self, side: &str, rows: i64) -> Tensor {
        match self.config.position {
            Position::Learned => self.get(&format!("{side}_position.weight")),
            _ => {
                let shape = [1, rows, self.config.d_model];
                let nothing = Tensor::zeros(shape, (Kind::Double, Device::Cpu));
                PositionEncoding::build(&Scope::shapes_only(), self.config)
                    .on_embeddings(nothing, Places::From(0))
                    .squeeze_dim(0)
            }
        }
    }
}

impl Norm {
    /// Returns the norm with an output that is `output` times as large.
    pub fn scaled(self, output: f64) -> Norm {
        Norm { scale: self.scale * output, offset: self.offset * output }
    }
}

impl Linear {
    /// Returns the map for an input that was made `input` times as large, with an output that is `output` times as large.
    pub fn scaled(self, input: f64, output: f64) -> Linear {
        Linear { weight: self.weight * (output / input), bias: self.bias.map(|bias| bias * output) }
    }

    /// Returns the bias, [out]; zeros if there is none.
    pub fn bias_or_zeros(&self) -> Tensor {
        match &self.bias {
            Some(bias) => bias.shallow_clone(),
            None => Tensor::zeros_like(&self.weight.select(1, 0)),
        }
    }

    /// Joins the outputs of `parts` into one map; it has a bias if all have one.
    pub fn join(parts: &[&Linear]) -> Linear {
        let weights: Vec<&Tensor> = parts.iter().map(|part| &part.weight).collect();
        let biases: Option<Vec<&Tensor>> = parts.iter().map(|part| part.bias.as_ref()).collect();
        Linear { weight: Tensor::cat(&weights, 0), bias: biases.map(|biases| Tensor::cat(&biases, 0)) }
    }
}
