//! The text on which trials were scored, if its corpus is prepared.

use crate::data::{self, DataConfig, ParallelText, Split};
use std::path::Path;

/// Reads a split of the prepared corpus that has this fingerprint, or returns the reason why it cannot. `place` follows
/// "prepared" in that reason, as in ` in data`; it is empty if the reason must contain no path.
pub fn scored_text(
    config: &DataConfig,
    fingerprint: &str,
    split: Split,
    root: &Path,
    place: &str,
) -> Result<ParallelText, String> {
    let name = &config.recipe.name;
    let corpus = data::open_if_prepared(config, root).map_err(|error| error.to_string())?;
    let corpus = corpus
        .ok_or_else(|| format!("the corpus {name} is not prepared{place}; `ablate prepare` makes it"))?;
    if corpus.fingerprint() != fingerprint {
        return Err(format!(
            "the corpus {name} that is prepared{place} is not the one that the runs were scored on"
        ));
    }
    corpus.text(split).map_err(|error| error.to_string())
}
