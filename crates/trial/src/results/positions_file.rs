//! `positions.json` of a run: the vectors that the scored model adds to tokens at its first positions, for pictures.

use crate::error::Result;
use crate::files;
use crate::json;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The name of the file in a run directory; absent if the model adds no vectors for positions.
pub const POSITIONS_FILE: &str = "positions.json";

/// Encodings of positions 0, 1, …
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Positions {
    /// A vector of d_model numbers for each position, with four digits.
    pub vectors: Vec<Vec<f32>>,
}

impl Positions {
    /// Cosine similarities of all pairs of vectors; 0 if a vector is 0.
    pub fn similarity(&self) -> Vec<Vec<f64>> {
        let product =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
        let lengths: Vec<f64> = self.vectors.iter().map(|vector| product(vector, vector).sqrt()).collect();
        let cosine = |a: usize, b: usize| {
            let lengths = lengths[a] * lengths[b];
            if lengths == 0.0 { 0.0 } else { product(&self.vectors[a], &self.vectors[b]) / lengths }
        };
        let count = self.vectors.len();
        (0..count).map(|a| (0..count).map(|b| cosine(a, b)).collect()).collect()
    }

    /// Writes `positions.json` into the run directory.
    pub fn save(&self, run_dir: &Path) -> Result<()> {
        let text = json::line(self)? + "\n";
        files::write_atomically(&run_dir.join(POSITIONS_FILE), text.as_bytes())
    }

    /// Reads the encodings in a run directory; `None` if there is no readable file: it serves display alone.
    pub fn load(run_dir: &Path) -> Option<Positions> {
        serde_json::from_slice(&std::fs::read(run_dir.join(POSITIONS_FILE)).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similarity_is_the_cosine() {
        let vectors = vec![vec![1.0, 0.0], vec![3.0, 4.0], vec![-2.0, 0.0], vec![0.0, 0.0]];
        let positions = Positions { vectors };
        let similarity = positions.similarity();
        assert_eq!(similarity[0], [1.0, 0.6, -1.0, 0.0]);
        assert_eq!(similarity[1][2], -0.6);
        let folder = tempfile::tempdir().unwrap();
        positions.save(folder.path()).unwrap();
        assert_eq!(Positions::load(folder.path()), Some(positions));
    }
}
