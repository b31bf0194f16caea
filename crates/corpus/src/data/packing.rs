//! Packing of several sentences into a row, so that almost nothing of a micro-batch is padding.
//!
//! Config key: `training.packed_length`. A micro-batch stays a list of pairs: its rows follow from the list alone, by
//! [`rows`].

/// Number of consecutive pairs, in an epoch's random order, that are packed together.
const WINDOW: usize = 4096;

/// Tokens a side, the end of each sentence counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fill {
    pub source: usize,
    pub target: usize,
}

impl Fill {
    fn of(lengths: (usize, usize)) -> Self {
        Fill { source: lengths.0 + 1, target: lengths.1 + 1 }
    }

    fn with(self, more: Fill) -> Self {
        Fill { source: self.source + more.source, target: self.target + more.target }
    }

    fn longer(self) -> usize {
        self.source.max(self.target)
    }
}

/// Puts the pairs of `order` into rows of at most `row_length` tokens per side; a longer pair has a row of its own.
///
/// Within windows of `order` the longest pair comes first and goes to the first row that has room for both of its
/// sides. `lengths` gives the tokens of (source, target) of a pair without the end of sentence.
pub fn fill_rows(order: &[u32], lengths: impl Fn(u32) -> (usize, usize), row_length: usize) -> Vec<Vec<u32>> {
    let mut rows: Vec<Vec<u32>> = Vec::new();
    for window in order.chunks(WINDOW) {
        let mut pairs: Vec<(u32, Fill)> =
            window.iter().map(|&pair| (pair, Fill::of(lengths(pair)))).collect();
        pairs.sort_by_key(|(_, fill)| std::cmp::Reverse(fill.longer()));
        // Rows with room for the shortest pair that is left, which are the only ones worth a look.
        let mut open: Vec<(usize, Fill)> = Vec::new();
        let shortest = pairs.last().map_or(0, |(_, fill)| fill.longer());
        for (pair, fill) in pairs {
            let fits = |filled: &Fill| filled.with(fill).longer() <= row_length;
            match open.iter().position(|(_, filled)| fits(filled)) {
                Some(place) => {
                    let (row, filled) = &mut open[place];
                    rows[*row].push(pair);
                    *filled = filled.with(fill);
                    if filled.longer() + shortest > row_length {
                        open.remove(place);
                    }
                }
                None => {
                    open.push((rows.len(), fill));
                    rows.push(vec![pair]);
                }
            }
        }
    }
    rows
}

/// Returns the rows of a micro-batch: each takes the pairs in their order as long as both sides have room.
///
/// For the pairs of consecutive rows of [`fill_rows`], the result has as many rows or fewer.
pub fn rows(pairs: &[u32], lengths: impl Fn(u32) -> (usize, usize), row_length: usize) -> Vec<Vec<u32>> {
    let mut rows: Vec<Vec<u32>> = Vec::new();
    let mut filled = Fill::default();
    for &pair in pairs {
        let more = Fill::of(lengths(pair));
        match rows.last_mut() {
            Some(row) if filled.with(more).longer() <= row_length => {
                row.push(pair);
                filled = filled.with(more);
            }
            _ => {
                rows.push(vec![pair]);
                filled = more;
            }
        }
    }
    rows
}

/// Returns the padded length of each side of these rows: that of the fullest row.
pub fn shape<'a>(rows: impl Iterator<Item = &'a [u32]>, lengths: impl Fn(u32) -> (usize, usize)) -> Fill {
    rows.fold(Fill::default(), |longest, row| {
        let filled = row.iter().fold(Fill::default(), |sum, &pair| sum.with(Fill::of(lengths(pair))));
        Fill { source: longest.source.max(filled.source), target: longest.target.max(filled.target) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pair n has n tokens on both sides with the end of sentence, but for 7: 2 and 7.
    fn lengths(pair: u32) -> (usize, usize) {
        let n = pair as usize - 1;
        (if pair == 7 { 1 } else { n }, n)
    }

    #[test]
    fn the_longest_comes_first_and_both_sides_must_fit() {
        assert_eq!(fill_rows(&[2, 3, 5, 8, 7], lengths, 10), [vec![8, 2], vec![7, 3], vec![5]]);
        assert_eq!(fill_rows(&[12, 2], lengths, 10), [vec![12], vec![2]], "longer than a row");
        assert!(fill_rows(&[], lengths, 10).is_empty());
    }

    #[test]
    fn rows_follow_from_the_list_of_pairs() {
        let made = fill_rows(&[2, 3, 5, 8, 7], lengths, 10);
        assert_eq!(rows(&made.concat(), lengths, 10), made);
        assert_eq!(rows(&[2, 3, 5, 8, 12], lengths, 10), [vec![2, 3, 5], vec![8], vec![12]]);
        assert_eq!(shape(made.iter().map(Vec::as_slice), lengths), Fill { source: 10, target: 10 });
        assert_eq!(shape(std::iter::once(&[7, 2][..]), lengths), Fill { source: 4, target: 9 });
    }
}
