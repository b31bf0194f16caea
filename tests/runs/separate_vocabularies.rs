//! `data.vocabulary = "separate"`: each side has its own BPE, from preparing to translating and exporting.

use crate::common::{EXPERIMENT, Workshop};
use ablate::config::load_experiment;
use ablate::data::tokenizer::EncodeCache;
use ablate::data::{Prepared, Split};

const SETS: [&str; 4] = ["--set", "data.vocabulary=separate", "--set", "model.tying=decoder"];

#[test]
fn each_side_has_its_own_tokens() {
    let workshop = Workshop::new();
    workshop.write("e.toml", EXPERIMENT);
    let out = workshop.run(&[&["prepare", "e.toml"], &SETS[..]].concat()).expect(0).out();
    let sets = [SETS[1], SETS[3]].map(String::from);
    let config = load_experiment(&workshop.path("e.toml"), &sets).unwrap().data;
    let directory = workshop.path(out.trim());
    let data = Prepared::load(&directory, &config).unwrap();
    data.verify().unwrap();
    let (source, target) = data.tokenizers.sizes();
    assert_eq!((data.counts().source_vocabulary, data.counts().vocabulary), (Some(source), target));
    // The number of merges is equal, the text is different.
    assert_ne!(data.tokenizers.source().to_json(), data.tokenizers.target().to_json());
    let text = data.text(Split::Dev).unwrap();
    let store = data.split(Split::Dev).unwrap();
    let mut cache = EncodeCache::default();
    for (pair, (source, target)) in text.source.iter().zip(&text.target).enumerate() {
        assert_eq!(data.encode_source(source, &mut cache), store.source(pair));
        assert_eq!(&data.tokenizers.source().decode(&store.source(pair)), source);
        assert_eq!(&data.decode_target(&store.target(pair)), target);
    }
    // The file of the other side in its place is detected.
    std::fs::copy(directory.join("tokenizer.json"), directory.join("tokenizer.source.json")).unwrap();
    assert!(Prepared::load(&directory, &config).unwrap_err().to_string().contains("tokenizer.source.json"));
}

#[test]
fn a_model_of_two_vocabularies_trains_translates_and_is_exported() {
    let workshop = Workshop::new();
    workshop.write("e.toml", EXPERIMENT);
    workshop.run(&[&["train", "e.toml"], &SETS[..]].concat()).expect(0);
    let translated = workshop.run_with_input(&["translate", "results/e/seed-1"], b"a dog\n").expect(0).out();
    assert_eq!(translated.lines().count(), 1);
    workshop.run(&["verify", "results/e/seed-1"]).expect(0);
    let export = |format: &str| {
        workshop.run(&["export", "results/e/seed-1", "--format", format, "--out", &format!("out-{format}")])
    };
    export("safetensors").expect(0);
    let rows = |name: &str| {
        let json: serde_json::Value =
            serde_json::from_str(&workshop.text(format!("out-safetensors/{name}"))).unwrap();
        json["model"]["vocab"].as_object().unwrap().len()
    };
    let bytes = workshop.read("out-safetensors/model.safetensors");
    let weights = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let shape = |name: &str| weights.tensor(name).unwrap().shape()[0];
    assert_eq!(shape("embedding.source.weight"), rows("tokenizer.source.json"));
    assert_eq!(shape("embedding.target.weight"), rows("tokenizer.json"));
    for format in ["marian", "ctranslate2"] {
        export(format).expect(2);
        assert!(!workshop.path(format!("out-{format}")).exists());
    }
    let alone = ["train", "e.toml", "--set", "data.vocabulary=separate", "--set", "model.tying=all"];
    workshop.run(&alone).expect(2).says("model.tying = \"all\" shares one matrix");
}
