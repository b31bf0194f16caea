//! Unpacks rows of several sentences into rows of one sentence each, for parts of a model that read a row from its
//! beginning to its end, such as recurrent ones.

use tch::{Device, Kind, Tensor};

/// Rows of several sentences each, and the number of each position's sentence: [B, L] both; numbers from 1, 0 is padding.
#[derive(Debug, Clone, Copy)]
pub struct PackedRows<'a> {
    pub ids: &'a Tensor,
    pub sentences: &'a Tensor,
}

/// Sentences in rows of their own, and the way back.
#[derive(Debug)]
pub struct Unpacked {
    /// [K, L], padded with 0.
    pub ids: Tensor,
    /// Number of tokens in each sentence.
    pub lengths: Vec<i64>,
    /// For each position of the packed rows, its place among the K · L, or K · L for padding: [B · L'].
    back: Tensor,
    /// Rows and columns of the packed batch.
    shape: (i64, i64),
}

impl Unpacked {
    /// Unpacks the sentences of all rows, row by row, in their order within the row. Copies the numbers of the
    /// sentences from the device to the host.
    pub fn of(packed: PackedRows) -> Self {
        let shape = packed.ids.size2().expect("rows of positions");
        let numbers: Vec<i64> = Vec::try_from(packed.sentences.to_device(Device::Cpu).flatten(0, -1))
            .expect("numbers of sentences");
        let mut sentences: Vec<Vec<i64>> = Vec::new();
        let width = shape.1 as usize;
        for (row, numbers) in numbers.chunks(width.max(1)).enumerate() {
            let mut last = 0;
            for (column, &number) in numbers.iter().enumerate().filter(|(_, number)| **number != 0) {
                if number != last {
                    sentences.push(Vec::new());
                    last = number;
                }
                let place = (row * width + column) as i64;
                sentences.last_mut().expect("a sentence has begun").push(place);
            }
        }
        let longest = sentences.iter().map(Vec::len).max().unwrap_or(0);
        let padding = (shape.0 * shape.1, (sentences.len() * longest) as i64);
        let mut places = vec![padding.0; sentences.len() * longest];
        let mut back = vec![padding.1; numbers.len()];
        for (row, sentence) in sentences.iter().enumerate() {
            for (column, &place) in sentence.iter().enumerate() {
                places[row * longest + column] = place;
                back[place as usize] = (row * longest + column) as i64;
            }
        }
        let device = packed.ids.device();
        let on_device = |numbers: &[i64]| Tensor::from_slice(numbers).to_device(device);
        let with_padding =
            Tensor::cat(&[packed.ids.flatten(0, -1), Tensor::zeros([1], (Kind::Int64, device))], 0);
        Unpacked {
            ids: with_padding
                .index_select(0, &on_device(&places))
                .view([sentences.len() as i64, longest as i64]),
            lengths: sentences.iter().map(|sentence| sentence.len() as i64).collect(),
            back: on_device(&back),
            shape,
        }
    }

    /// Moves results for the sentences to their places in the packed rows; zeros for padding.
    ///
    /// # Shapes
    /// [K, L, W] → [B, L', W].
    pub fn back(&self, x: &Tensor) -> Tensor {
        let width = x.size()[2];
        let zeros = Tensor::zeros([1, width], (x.kind(), x.device()));
        let flat = Tensor::cat(&[x.flatten(0, 1), zeros], 0);
        flat.index_select(0, &self.back).view([self.shape.0, self.shape.1, width])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_get_rows_of_their_own_and_go_back_to_their_places() {
        let ids = Tensor::from_slice2(&[[5i64, 6, 7, 8, 0], [9, 4, 3, 2, 1]]);
        let sentences = Tensor::from_slice2(&[[1i64, 1, 2, 2, 0], [1, 2, 2, 2, 3]]);
        let unpacked = Unpacked::of(PackedRows { ids: &ids, sentences: &sentences });
        assert_eq!(unpacked.lengths, [2, 2, 1, 3, 1]);
        let expected = Tensor::from_slice2(&[[5i64, 6, 0], [7, 8, 0], [9, 0, 0], [4, 3, 2], [1, 0, 0]]);
        assert_eq!(unpacked.ids, expected);
        assert_eq!(unpacked.back(&unpacked.ids.unsqueeze(2)).squeeze_dim(2), ids);
    }
}
