//! Orders of batches, masks of dropout and segmentations of texts.

use crate::common::Workshop;
use crate::pinned::hold;
use crate::small::store;
use ablate::data::batch::{Batching, block_batches, epoch_batches};
use ablate::model::dropout::Dropout;
use ablate::model::mode::Mode;
use ablate::model::weights::Scope;
use serde_json::{Map, Value, json};
use tch::{Device, Kind, Tensor};

#[test]
fn orders_of_batches() {
    let (_small_folder, small) = store(200, 12, 1);
    let (_large_folder, large) = store(30_000, 30, 2);
    let mut cases = Map::new();
    for (name, store, tokens, packed_length) in [
        ("small", &small, 60, None),
        ("small, packed", &small, 60, Some(20)),
        ("beyond 3,200 micro-batches", &large, 80, None),
        ("beyond 3,200 micro-batches, packed", &large, 80, Some(40)),
    ] {
        for (seed, epoch) in [(1, 0), (1, 1), (2, 0)] {
            let batches = epoch_batches(store, seed, epoch, Batching { tokens, packed_length });
            assert_eq!(batches.len() > 3_200, name.starts_with("beyond"), "{name}: {}", batches.len());
            let mut hash = blake3::Hasher::new();
            for batch in &batches {
                hash.update(&(batch.len() as u32).to_le_bytes());
                for pair in batch {
                    hash.update(&pair.to_le_bytes());
                }
            }
            let hash = hash.finalize().to_hex().to_string();
            let value = json!({"micro_batches": batches.len(), "first": batches[0], "blake3": hash});
            cases.insert(format!("{name}, seed {seed}, epoch {epoch}"), value);
        }
    }
    for (seed, epoch) in [(1, 0), (1, 1), (2, 0)] {
        let batches = block_batches(&small, seed, epoch, 60);
        let bytes: Vec<u8> = batches.iter().flatten().flat_map(|block| block.to_le_bytes()).collect();
        let hash = blake3::hash(&bytes).to_hex().to_string();
        let value = json!({"micro_batches": batches.len(), "first": batches[0], "blake3": hash});
        cases.insert(format!("blocks, seed {seed}, epoch {epoch}"), value);
    }
    hold("batch_orders", 0.0, cases);
}

#[test]
fn masks_of_dropout() {
    let mut cases = Map::new();
    for path in
        ["source_dropout", "encoder.0.self_attention.dropout", "decoder.1.feed_forward.activation_dropout"]
    {
        for (seed, rate) in [(1, 0.1), (1, 0.5), (2, 0.5)] {
            let layer = Dropout::build(&Scope::shapes_only().child(path), rate);
            let ones = Tensor::ones([256], (Kind::Float, Device::Cpu));
            let kept = layer.forward(ones, &Mode::training(seed)).gt(0.0);
            let bits: Vec<bool> = kept.try_into().unwrap();
            let bits: String = bits.into_iter().map(|kept| if kept { '1' } else { '0' }).collect();
            cases.insert(format!("{path}, seed {seed}, rate {rate}"), bits.into());
        }
    }
    hold("dropout_masks", 0.0, cases);
}

/// The generated text, its merges and its pairs, as usual and with merges left out by chance.
#[test]
fn prepared_texts() {
    let mut cases = Map::new();
    for (name, sets) in [
        ("usual", &[][..]),
        ("BPE-dropout", &["data.bpe_dropout=0.3", "data.segmentations=2"]),
        ("separate vocabularies", &["data.vocabulary=\"separate\"", "model.tying=\"decoder\""]),
    ] {
        let workshop = Workshop::new();
        let mut words = vec!["prepare", "tiny.toml"];
        words.extend(sets.iter().flat_map(|set| ["--set", set]));
        workshop.run(&words).expect(0);
        let manifest = std::fs::read_to_string(workshop.data_folder().join("manifest.json")).unwrap();
        let manifest: Value = serde_json::from_str(&manifest).unwrap();
        cases.insert(name.to_string(), json!([manifest["counts"], manifest["fingerprint"]]));
    }
    hold("prepared_texts", 0.0, cases);
}
