//! A decoder without an encoder (`model.encoder = "none"`): a language model, which predicts each token from the tokens
//! before it (Radford et al. 2018, §3.1). It reads only the target input of a batch. To translate, it reads a source as
//! the beginning of the text that it continues: `<source> </s> <s> <target>`.
//!
//! The kinds of decoders: [`super::parts`].

use super::attention::maps::{AttentionMaps, of_one_sentence};
use super::embedding::Embeddings;
use super::foundation::Foundation;
use super::input::Input;
use super::mode::Mode;
use super::network::{Generator, Network, Stepper};
use super::parts::{self, DecoderPart, DecodingState, FirstRows, TargetRows};
use super::position::Places;
use super::unpack::{PackedRows, Unpacked};
use super::weights::Scope;
use super::{Kinds, ModelConfig, VocabularySizes};
use crate::data::collate::Batch;
use std::collections::BTreeMap;
use tch::{Device, Tensor};

/// A model that continues one text.
#[derive(Debug)]
pub struct DecoderOnly {
    foundation: Foundation,
    input: Input,
    decoder: Box<dyn DecoderPart>,
}

impl DecoderOnly {
    /// Builds a model with fresh weights drawn from `seed`; its vocabulary is that of the target.
    pub fn build(
        config: &ModelConfig,
        vocabulary: impl Into<VocabularySizes>,
        seed: u64,
        kinds: impl Into<Kinds>,
        device: Device,
    ) -> Self {
        let kinds = kinds.into();
        let root = Scope::seeded(seed, kinds.weights, device);
        let embeddings = Embeddings::build(&root.child("embedding"), config, vocabulary.into());
        DecoderOnly {
            input: Input::target(&root, config, kinds, device),
            decoder: parts::decoder(&root.child("decoder"), config),
            foundation: Foundation::finish(root, embeddings, kinds, device),
        }
    }

    /// Returns the input of the first layer.
    fn embed(&self, ids: &Tensor, places: Places, mode: &Mode) -> Tensor {
        self.input.forward(ids, self.foundation.embeddings.target(ids), places, mode)
    }

    /// Computes the hidden states of a known text, all positions at once.
    ///
    /// # Shapes
    /// Ids shifted right [B, T] → [B, T, W].
    pub fn decode(&self, ids: &Tensor, mode: &Mode) -> Tensor {
        self.decoder.decode(self.embed(ids, Places::From(0), mode), TargetRows::Single, None, mode)
    }

    /// Computes the same for rows of several texts: each text gets the states that it would get in a row of its own.
    ///
    /// # Shapes
    /// Ids shifted right [B, T] → [B, T, W].
    pub fn decode_packed(&self, rows: PackedRows, mode: &Mode) -> Tensor {
        if !self.decoder.takes_packed_rows() {
            let unpacked = Unpacked::of(rows);
            return unpacked.back(&self.decode(&unpacked.ids, mode));
        }
        let x = self.embed(rows.ids, Places::Within(rows.sentences), mode);
        let targets = TargetRows::Packed { sentences: rows.sentences, sources: None };
        self.decoder.decode(x, targets, None, mode)
    }
}

impl Network for DecoderOnly {
    fn foundation(&self) -> &Foundation {
        &self.foundation
    }

    fn hidden(&self, batch: &Batch, mode: &Mode) -> Tensor {
        let hidden = match &batch.sentences {
            None => self.decode(&batch.target_input, mode),
            Some(sentences) => self
                .decode_packed(PackedRows { ids: &batch.target_input, sentences: &sentences.target }, mode),
        };
        hidden.flatten(0, 1).index_select(0, &batch.positions)
    }

    fn longest(&self) -> Option<i64> {
        self.input.position.limit()
    }

    fn position_table(&self, count: i64) -> Option<Tensor> {
        self.input.table(count)
    }

    /// Source and target share the positions of a row.
    fn room(&self, source: usize) -> Option<usize> {
        let limit = usize::try_from(self.longest()?).unwrap_or(0);
        Some(limit.saturating_sub(source))
    }

    fn attention_maps(&self, source: &Tensor, target: &Tensor, _segments: Option<&Tensor>) -> AttentionMaps {
        let mode = Mode::recording_attention();
        tch::no_grad(|| _ = self.decode(&Tensor::cat(&[source, target], 1), &mode));
        let maps = self.decoder.maps(mode.into_attention());
        AttentionMaps { decoder: of_one_sentence(maps.own), ..Default::default() }
    }

    fn generator(&self) -> Option<&dyn Generator> {
        Some(self)
    }
}

impl Generator for DecoderOnly {
    /// Reads and writes rows with sources of equal length together, so that no padding stands before a target.
    fn start<'a>(&'a self, source: &Tensor, lengths: &[i64]) -> Box<dyn Stepper + 'a> {
        let mut by_length: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for (row, &length) in (0..).zip(lengths) {
            by_length.entry(length).or_default().push(row);
        }
        let group = |(length, rows): (i64, Vec<i64>)| {
            let count = rows.len() as i64;
            let first = FirstRows { count, kind: self.kind(), device: self.device(), encoded: None };
            let mut group = Group { state: self.decoder.start(first), rows };
            let ids = source.index_select(0, &self.indices(&group.rows));
            (0..length).for_each(|place| _ = self.step(&ids.narrow(1, place, 1), &mut group));
            group
        };
        Box::new(Writing { model: self, groups: by_length.into_iter().map(group).collect() })
    }
}

impl DecoderOnly {
    fn indices(&self, rows: &[i64]) -> Tensor {
        Tensor::from_slice(rows).to_device(self.device())
    }

    /// # Shapes
    /// Ids [G, 1] of the rows of a group → [G, W].
    fn step(&self, ids: &Tensor, group: &mut Group) -> Tensor {
        let x = self.embed(ids, Places::From(group.state.length()), &Mode::evaluation());
        group.state.step(x).squeeze_dim(1)
    }
}

/// Rows with the same number of tokens.
struct Group<'a> {
    /// The decoder's state for these rows.
    state: Box<dyn DecodingState + 'a>,
    /// Index of each row among all rows.
    rows: Vec<i64>,
}

/// Writing with the decoder's state of all tokens so far, those of the sources included.
struct Writing<'a> {
    model: &'a DecoderOnly,
    groups: Vec<Group<'a>>,
}

impl Stepper for Writing<'_> {
    fn step(&mut self, ids: &Tensor) -> Tensor {
        let model = self.model;
        if let [group] = &mut self.groups[..] {
            return model.step(ids, group);
        }
        let hidden: Vec<Tensor> = self
            .groups
            .iter_mut()
            .map(|group| model.step(&ids.index_select(0, &model.indices(&group.rows)), group))
            .collect();
        let order: Vec<i64> = self.groups.iter().flat_map(|group| group.rows.iter().copied()).collect();
        let mut place = vec![0; order.len()];
        (0..).zip(order).for_each(|(at, row)| place[row as usize] = at);
        Tensor::cat(&hidden, 0).index_select(0, &model.indices(&place))
    }

    fn select(&mut self, rows: &[i64], same_sources: bool) {
        for group in &mut self.groups {
            let chosen = (0..).zip(rows).filter_map(|(place, row)| {
                let within = group.rows.iter().position(|own| own == row)?;
                Some((place, within as i64))
            });
            let (places, within): (Vec<i64>, Vec<i64>) = chosen.unzip();
            if !within.is_empty() {
                group.state.select(&within, same_sources);
            }
            group.rows = places;
        }
        self.groups.retain(|group| !group.rows.is_empty());
    }
}
