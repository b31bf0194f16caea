//! The hyper-parameters that the paper's Table 3 has columns for.

use crate::model::ModelConfig;
use crate::train::TrainingConfig;
use serde::Serialize;

/// The resolved settings of a row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hyperparameters {
    /// N. `None` if no part of the model reads it, as for the other sizes of this kind.
    pub layers: Option<usize>,
    pub d_model: i64,
    pub d_ff: Option<i64>,
    /// h.
    pub heads: Option<i64>,
    pub d_k: Option<i64>,
    pub d_v: Option<i64>,
    /// P_drop.
    pub dropout: f64,
    /// ε_ls.
    pub label_smoothing: f64,
    /// The number of updates in the configuration.
    pub steps: u64,
}

/// A column of Table 3: its heading, the heading in LaTeX, and the setting's key.
pub struct Heading {
    pub text: &'static str,
    pub latex: &'static str,
    pub key: &'static str,
}

/// The columns in the paper's order.
pub const HEADINGS: [Heading; 9] = [
    Heading { text: "N", latex: "$N$", key: "model.layers" },
    Heading { text: "d_model", latex: "$d_{\\mathrm{model}}$", key: "model.d_model" },
    Heading { text: "d_ff", latex: "$d_{\\mathrm{ff}}$", key: "model.d_ff" },
    Heading { text: "h", latex: "$h$", key: "model.heads" },
    Heading { text: "d_k", latex: "$d_k$", key: "model.d_k" },
    Heading { text: "d_v", latex: "$d_v$", key: "model.d_v" },
    Heading { text: "P_drop", latex: "$P_{\\mathit{drop}}$", key: "model.dropout" },
    Heading { text: "ε_ls", latex: "$\\epsilon_{\\mathit{ls}}$", key: "training.label_smoothing" },
    Heading { text: "steps", latex: "steps", key: "training.steps" },
];

impl Hyperparameters {
    pub fn of(model: &ModelConfig, training: &TrainingConfig) -> Self {
        let read = model.has_self_attention();
        Hyperparameters {
            layers: read.then_some(model.layers),
            d_model: model.d_model,
            d_ff: read.then_some(model.d_ff),
            heads: read.then_some(model.heads),
            d_k: read.then(|| model.d_k()),
            d_v: read.then(|| model.d_v()),
            dropout: model.dropout,
            label_smoothing: training.label_smoothing,
            steps: training.steps,
        }
    }

    /// Returns the values in the order of [`HEADINGS`], for programs; empty for sizes that no part of the model reads.
    pub fn numbers(&self) -> [String; 9] {
        let size = |size: Option<i64>| size.map_or_else(String::new, |size| size.to_string());
        [
            size(self.layers.map(|layers| layers as i64)),
            self.d_model.to_string(),
            size(self.d_ff),
            size(self.heads),
            size(self.d_k),
            size(self.d_v),
            self.dropout.to_string(),
            self.label_smoothing.to_string(),
            self.steps.to_string(),
        ]
    }

    /// Returns the values in the order of [`HEADINGS`], as the paper writes them: fractions with a point, and thousands of
    /// updates as `100K`.
    fn texts(&self) -> [String; 9] {
        let [layers, d_model, d_ff, heads, d_k, d_v, ..] = self.numbers();
        let fraction = |value: f64| if value == 0.0 { "0.0".to_string() } else { value.to_string() };
        let [dropout, label_smoothing] = [self.dropout, self.label_smoothing].map(fraction);
        let steps = match self.steps {
            steps if steps >= 1000 && steps.is_multiple_of(1000) => format!("{}K", steps / 1000),
            steps => steps.to_string(),
        };
        [layers, d_model, d_ff, heads, d_k, d_v, dropout, label_smoothing, steps]
    }

    /// Returns the texts that differ from those of `base`, with the others blank, as the paper prints them; without a
    /// base, all texts.
    pub fn texts_beside(&self, base: Option<&Hyperparameters>) -> [String; 9] {
        let mut texts = self.texts();
        if let Some(base) = base {
            for (text, theirs) in texts.iter_mut().zip(base.texts()) {
                if *text == theirs {
                    text.clear();
                }
            }
        }
        texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_model_is_the_papers_and_a_row_shows_what_differs() {
        let (mut model, mut training) = (ModelConfig::default(), TrainingConfig::default());
        let base = Hyperparameters::of(&model, &training);
        assert_eq!(base.texts_beside(None).join(" "), "6 512 2048 8 64 64 0.1 0.1 100K");
        (model.heads, model.dropout, training.steps) = (1, 0.0, 2_500);
        let row = Hyperparameters::of(&model, &training);
        assert_eq!(row.texts_beside(Some(&base)), ["", "", "", "1", "512", "512", "0.0", "", "2500"]);
    }
}
