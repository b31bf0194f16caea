//! The directory of a row's mean, `<row>/mean`.

use crate::error::Result;
use crate::files;
use crate::folders::{entries, is_real_dir, is_real_file, remove_if_empty};
use crate::telemetry::tensorboard_file;
use std::path::{Path, PathBuf};

/// The directory of a row's mean, beside those of its seeds.
pub const MEAN: &str = "mean";

/// Removes the mean of a row that has no runs any more. Other files in the directory stay.
pub fn remove_mean(row: &Path) -> Result<()> {
    let mean = row.join(MEAN);
    let own = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        is_real_file(path) && name.is_some_and(tensorboard_file::is_own_file)
    };
    entries(&mean)?.iter().filter(|path| own(path)).try_for_each(|path| files::remove(path))?;
    if is_real_dir(&mean) { remove_if_empty(&mean) } else { Ok(()) }
}
