//! The embeddings of the most frequent tokens, for TensorBoard's projector.

use super::attention_view::numbers;
use crate::data::words::by_frequency;
use crate::error::Result;
use crate::experiment::work::Work;
use crate::model::Tying;
use crate::telemetry::projector::{self, Projection};
use tch::Tensor;

/// Writes the projector's files into the run directory.
pub fn project(work: &Work) -> Result<()> {
    let experiment = work.experiment;
    let shared = experiment.model.tying == Tying::All || !experiment.model.has_both_parts();
    let counts = count(work, shared);
    let mut order = by_frequency(&counts);
    order.truncate(experiment.run.projector_tokens);
    let ids: Vec<i64> = order.iter().map(|&id| i64::from(id)).collect();
    let matrix = work.model.source_embedding().detach();
    let chosen = matrix.index_select(0, &Tensor::from_slice(&ids).to_device(matrix.device()));
    let tokenizer = work.data.tokenizers.source();
    let label = |&id: &u32| vec![tokenizer.label(id), counts[id as usize].to_string()];
    projector::write(
        work.run_dir,
        &Projection {
            name: if shared { "embedding" } else { "source embedding" },
            numbers: &numbers(&chosen).concat(),
            columns: &["token", "count"],
            labels: &order.iter().map(label).collect::<Vec<_>>(),
        },
    )
}

/// Counts the occurrences of each token in the training text that the matrix embeds.
fn count(work: &Work, both_sides: bool) -> Vec<u64> {
    let mut counts = vec![0; work.data.tokenizers.source().len()];
    let store = &work.stores.train;
    let mut add = |tokens: Vec<u32>| tokens.into_iter().for_each(|token| counts[token as usize] += 1);
    for pair in 0..store.len() {
        add(store.source(pair));
        if both_sides {
            add(store.target(pair));
        }
    }
    counts
}
