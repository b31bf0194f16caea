//! TensorBoard's Projector page: vectors with labels, in files beside the events.
//!
//! # Source
//! TensorBoard, `plugins/projector/projector_plugin.py` (2.21): it finds `projector_config.pbtxt` in a run's directory.
//! Vectors are written as text: TensorBoard reads binary ones as text unless they happen not to be UTF-8.

use crate::error::Result;
use crate::files;
use std::fmt::Write;
use std::path::Path;

pub const PROJECTOR_CONFIG: &str = "projector_config.pbtxt";
pub const PROJECTOR_VECTORS: &str = "projector/vectors.tsv";
pub const PROJECTOR_LABELS: &str = "projector/labels.tsv";
/// The page's files in a run directory.
pub const FILES: [&str; 3] = [PROJECTOR_CONFIG, PROJECTOR_VECTORS, PROJECTOR_LABELS];

/// Vectors of one length, each with labels.
pub struct Projection<'a> {
    /// The name of the projected matrix: `embedding`.
    pub name: &'a str,
    /// Numbers of all vectors, one vector after another.
    pub numbers: &'a [f32],
    /// Headings of the columns of `labels`; at least two, because TensorBoard reads a single column without a heading.
    pub columns: &'a [&'a str],
    /// The labels of each vector, without tabs and line ends.
    pub labels: &'a [Vec<String>],
}

/// Writes the page's files into a run directory.
pub fn write(run_dir: &Path, projection: &Projection) -> Result<()> {
    let Projection { name, numbers, columns, labels } = projection;
    let width = numbers.len() / labels.len().max(1);
    let mut vectors = String::new();
    for vector in numbers.chunks(width.max(1)) {
        for (place, number) in vector.iter().enumerate() {
            let gap = if place > 0 { "\t" } else { "" };
            // Four decimals: more than a projection can show.
            let _ = write!(vectors, "{gap}{number:.4}");
        }
        vectors.push('\n');
    }
    let lines = labels.iter().map(|label| label.join("\t"));
    let text: String =
        [columns.join("\t")].into_iter().chain(lines).flat_map(|line| [line, "\n".into()]).collect();
    files::create_dir(&run_dir.join("projector"))?;
    files::write_atomically(&run_dir.join(PROJECTOR_VECTORS), vectors.as_bytes())?;
    files::write_atomically(&run_dir.join(PROJECTOR_LABELS), text.as_bytes())?;
    let config = format!(
        "embeddings {{\n  tensor_name: \"{name}\"\n  tensor_path: \"{PROJECTOR_VECTORS}\"\n  metadata_path: \"{PROJECTOR_LABELS}\"\n}}\n"
    );
    // The configuration comes last, because TensorBoard looks for it.
    files::write_atomically(&run_dir.join(PROJECTOR_CONFIG), config.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::read_to_string;

    #[test]
    fn each_vector_has_a_line_and_a_label() {
        let directory = tempfile::tempdir().unwrap();
        let run = directory.path();
        let labels = [vec!["the".to_string(), "12".to_string()], vec!["do@@".to_string(), "3".to_string()]];
        let numbers = [0.5, -1.0, 1.0 / 3.0, 2e-9];
        let projection = Projection {
            name: "embedding",
            numbers: &numbers,
            columns: &["token", "count"],
            labels: &labels,
        };
        write(run, &projection).unwrap();
        assert_eq!(read_to_string(run.join(PROJECTOR_VECTORS)).unwrap(), "0.5000\t-1.0000\n0.3333\t0.0000\n");
        assert_eq!(read_to_string(run.join(PROJECTOR_LABELS)).unwrap(), "token\tcount\nthe\t12\ndo@@\t3\n");
        assert!(
            read_to_string(run.join(PROJECTOR_CONFIG))
                .unwrap()
                .contains("tensor_path: \"projector/vectors.tsv\"")
        );
    }
}
