//! The word-level edit distance of TER: computed in a band around the diagonal, with the alignment
//! that Tercom's search for shifts is guided by.
//!
//! # Source
//! Levenshtein's dynamic programme; the band and the order in which equally cheap edits are
//! preferred are those of sacreBLEU 2.6.0, `metrics/lib_ter.py` (`_BEAM_WIDTH`).

/// Largest distance from the diagonal at which cells are computed.
const BEAM_WIDTH: usize = 25;
/// The cost of a cell outside the band.
const UNREACHED: u32 = u32::MAX / 2;

/// The edit distance of hypotheses of one length to one reference.
pub(super) struct EditDistance<'a> {
    reference: &'a [u32],
    hypothesis_length: usize,
    /// Words of the reference per word of the hypothesis: the slope of the diagonal.
    slope: f64,
    beam_width: usize,
}

/// Row i holds the cost of turning the first i words of the hypothesis into the first `start`,
/// `start` + 1, … words of the reference.
#[derive(Clone, Default)]
struct Row {
    start: usize,
    costs: Vec<u32>,
}

impl Row {
    fn cost(&self, column: usize) -> u32 {
        column.checked_sub(self.start).and_then(|index| self.costs.get(index)).copied().unwrap_or(UNREACHED)
    }
}

/// The costs of a hypothesis.
pub(super) struct Matrix(Vec<Row>);

impl Matrix {
    /// Returns the number of edits that turn the whole hypothesis into the whole reference.
    pub(super) fn distance(&self) -> u32 {
        self.0.last().and_then(|row| row.costs.last()).copied().unwrap_or(0)
    }
}

/// Correspondence between the words of a hypothesis and of a reference.
pub(super) struct Alignment {
    /// For word j of the reference, the number of words of the hypothesis up to the end of its counterpart.
    pub hypothesis_end: Vec<usize>,
    /// Whether each word is edited.
    pub wrong_in_hypothesis: Vec<bool>,
    pub wrong_in_reference: Vec<bool>,
}

impl<'a> EditDistance<'a> {
    pub(super) fn new(reference: &'a [u32], hypothesis_length: usize) -> Self {
        let slope = match hypothesis_length {
            0 => 1.0,
            length => reference.len() as f64 / length as f64,
        };
        // Where one word of the hypothesis stands for very many of the reference, the bands of
        // neighbouring rows would not meet.
        let beam_width = match slope / 2.0 {
            half if half > BEAM_WIDTH as f64 => (half + BEAM_WIDTH as f64).ceil() as usize,
            _ => BEAM_WIDTH,
        };
        EditDistance { reference, hypothesis_length, slope, beam_width }
    }

    pub(super) fn matrix(&self, hypothesis: &[u32]) -> Matrix {
        let first = Row { start: 0, costs: (0..=self.reference.len() as u32).collect() };
        let mut rows = vec![first];
        for (index, &word) in hypothesis.iter().enumerate() {
            let mut row = Row::default();
            self.next_row(index + 1, word, &rows[index], &mut row);
            rows.push(row);
        }
        Matrix(rows)
    }

    /// Returns the distance of a hypothesis that equals that of `matrix` in its first `shared` words.
    pub(super) fn distance_after(&self, matrix: &Matrix, shared: usize, hypothesis: &[u32]) -> u32 {
        let mut row = matrix.0[shared].clone();
        let mut next = Row::default();
        for (index, &word) in hypothesis.iter().enumerate().skip(shared) {
            self.next_row(index + 1, word, &row, &mut next);
            std::mem::swap(&mut row, &mut next);
        }
        row.costs.last().copied().unwrap_or(0)
    }

    /// Fills row `number`, which ends in `word`, from the one above.
    fn next_row(&self, number: usize, word: u32, above: &Row, row: &mut Row) {
        let diagonal = (number as f64 * self.slope).floor() as usize;
        let columns = self.reference.len() + 1;
        let start = diagonal.saturating_sub(self.beam_width);
        let end = match number == self.hypothesis_length {
            true => columns,
            false => columns.min(diagonal + self.beam_width),
        };
        row.start = start;
        row.costs.clear();
        let mut left = UNREACHED;
        let mut above_left = if start > 0 { above.cost(start - 1) } else { UNREACHED };
        for column in start..end {
            let directly_above = above.cost(column);
            let substitution = match column {
                0 => UNREACHED,
                column => above_left + u32::from(word != self.reference[column - 1]),
            };
            left = substitution.min(directly_above + 1).min(left + 1).min(UNREACHED);
            row.costs.push(left);
            above_left = directly_above;
        }
    }

    /// Returns the cheapest edits. Of equally cheap ones, a kept or replaced word comes before a dropped word
    /// of the hypothesis, and that before an added word of the reference.
    pub(super) fn alignment(&self, matrix: &Matrix, hypothesis: &[u32]) -> Alignment {
        let (mut i, mut j) = (hypothesis.len(), self.reference.len());
        let mut alignment = Alignment {
            hypothesis_end: vec![0; j],
            wrong_in_hypothesis: vec![false; i],
            wrong_in_reference: vec![false; j],
        };
        while i > 0 || j > 0 {
            let cost = matrix.0[i].cost(j);
            let wrong = i > 0 && j > 0 && hypothesis[i - 1] != self.reference[j - 1];
            if i > 0 && j > 0 && cost == matrix.0[i - 1].cost(j - 1) + u32::from(wrong) {
                alignment.hypothesis_end[j - 1] = i;
                alignment.wrong_in_hypothesis[i - 1] = wrong;
                alignment.wrong_in_reference[j - 1] = wrong;
                (i, j) = (i - 1, j - 1);
            } else if j == 0 || (i > 0 && cost == matrix.0[i - 1].cost(j) + 1) {
                alignment.wrong_in_hypothesis[i - 1] = true;
                i -= 1;
            } else {
                alignment.hypothesis_end[j - 1] = i;
                alignment.wrong_in_reference[j - 1] = true;
                j -= 1;
            }
        }
        alignment
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Levenshtein's distance without a band.
    fn levenshtein(a: &[u32], b: &[u32]) -> u32 {
        let mut row: Vec<u32> = (0..=b.len() as u32).collect();
        for (i, x) in (1..).zip(a) {
            let mut diagonal = std::mem::replace(&mut row[0], i);
            for (j, y) in (1..).zip(b) {
                let cost = (diagonal + u32::from(x != y)).min(row[j] + 1).min(row[j - 1] + 1);
                diagonal = std::mem::replace(&mut row[j], cost);
            }
        }
        row[b.len()]
    }

    proptest! {
        #[test]
        fn inside_the_band_it_is_levenshtein_s_and_the_alignment_costs_as_much(
            a in prop::collection::vec(0u32..4, 0..20), b in prop::collection::vec(0u32..4, 0..20)
        ) {
            let distance = EditDistance::new(&b, a.len());
            let matrix = distance.matrix(&a);
            prop_assert_eq!(matrix.distance(), levenshtein(&a, &b));
            prop_assert_eq!(distance.distance_after(&matrix, a.len() / 2, &a), matrix.distance());
            let alignment = distance.alignment(&matrix, &a);
            let count = |wrong: &[bool]| wrong.iter().filter(|wrong| **wrong).count() as u32;
            let (in_a, in_b) = (count(&alignment.wrong_in_hypothesis), count(&alignment.wrong_in_reference));
            // A replaced word is wrong on both sides.
            prop_assert!(in_a.max(in_b) <= matrix.distance() && matrix.distance() <= in_a + in_b);
            prop_assert!(alignment.hypothesis_end.is_sorted());
        }
    }

    #[test]
    fn lengths_far_apart_are_reached_all_the_same() {
        let long: Vec<u32> = (0..1000).collect();
        for short in [&long[..1], &long[500..502], &[]] {
            let least = 1000 - short.len() as u32;
            let there = EditDistance::new(&long, short.len()).matrix(short).distance();
            // A word in a far corner lies outside the band.
            assert!((least..=1000).contains(&there), "{there}");
            let back = EditDistance::new(short, long.len());
            let matrix = back.matrix(&long);
            assert!((least..=1000).contains(&matrix.distance()));
            assert_eq!(back.alignment(&matrix, &long).hypothesis_end.len(), short.len());
        }
    }
}
