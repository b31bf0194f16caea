//! The variables of every model with an encoder: how they start, their names, their roles and how many numbers they hold.

use super::model_properties::{VOCABULARY, build, bytes, head_shapes, variants};
use crate::common::root;
use crate::common::variants::{convolutional, recurrent};
use ablate::config::load_experiment;
use ablate::model::convolutional::{Block, FurtherLayers, SourceAttention};
use ablate::model::cost::Cost;
use ablate::model::recurrent::{Bidirectional, Bridge, Cell};
use ablate::model::weights::Role;
use ablate::model::{DecoderKind, Initialisation, ModelConfig, Network, Norm, Position, Tying};
use ablate::results::published::Published;
use ablate::sweep::expand::expand;
use ablate::sweep::spec::SweepSpec;
use std::collections::BTreeMap;

#[test]
fn a_seed_gives_the_same_bytes_and_another_seed_others() {
    for (name, config) in variants() {
        let first = bytes(build(&config, 1).weights());
        assert_eq!(first, bytes(build(&config, 1).weights()), "{name}");
        for ((path, before), (_, after)) in first.iter().zip(bytes(build(&config, 2).weights())) {
            let constants = ["bias", "scale", "offset", "running_mean", "running_variance"];
            let constant = constants.iter().any(|end| path.ends_with(end));
            assert_eq!(*before == after, constant, "{name}: {path}");
        }
    }
}

/// Weight decay depends on a variable's role. A layer that declares a vector as a weight is probably mistaken.
#[test]
fn vectors_are_declared_as_biases_or_gains() {
    for (name, config) in variants() {
        let model = build(&config, 1);
        let weights = model.weights();
        assert_eq!(weights.named().len(), weights.roles().len());
        for ((path, variable), role) in weights.named().iter().zip(weights.roles()) {
            let expected = match path.rsplit('.').next() {
                Some("bias" | "offset") => Role::Bias,
                Some("scale" | "magnitude") => Role::Gain,
                _ => Role::Weight,
            };
            assert_eq!(*role, expected, "{name}: {path}");
            assert!(variable.dim() > 1 || *role != Role::Weight, "{name}: {path} is a vector: bias or gain?");
        }
    }
}

#[test]
fn rows_that_share_a_variable_share_its_first_bytes() {
    type Shared = BTreeMap<(String, Initialisation), (String, Vec<i64>, Vec<f64>)>;
    for (shape, _) in head_shapes() {
        let mut shared = Shared::new();
        let mut found = 0;
        for (name, config) in variants().into_iter().filter(|(name, _)| name.starts_with(shape)) {
            let model = build(&config, 1);
            for ((path, values), (_, variable)) in
                bytes(model.weights()).into_iter().zip(model.weights().saved())
            {
                let key = (path.clone(), config.initialisation);
                match shared.get(&key) {
                    None => drop(shared.insert(key, (name.clone(), variable.size(), values))),
                    Some((other, size, first)) => {
                        assert_eq!(*size, variable.size(), "{name}: {path}");
                        assert_eq!(*first, values, "{name} starts {path} otherwise than {other}");
                        found += 1;
                    }
                }
            }
        }
        assert!(found > 500, "{shape}: {found} variables were compared");
    }
}

#[test]
fn all_matrices_start_apart() {
    for (name, config) in variants() {
        let values = bytes(build(&config, 1).weights());
        let starts: Vec<f64> =
            values.iter().filter(|(path, _)| path.ends_with(".weight")).map(|(_, v)| v[0]).collect();
        for (index, start) in starts.iter().enumerate() {
            assert!(
                !starts[..index].contains(start),
                "{name}: matrices {index} and an earlier one start alike"
            );
        }
    }
}

/// Forget gates are the second of the four gates.
#[test]
fn forget_gates_start_open() {
    let mut config = recurrent(&head_shapes()[0].1);
    (config.recurrent.cell, config.recurrent.forget_bias) = (Cell::Lstm, 0.5);
    let model = build(&config, 1);
    for (path, variable) in model.weights().named() {
        if path.starts_with("decoder.0") && path.ends_with("bias") {
            let values: Vec<f64> = variable.detach().try_into().unwrap();
            let forget = if path.ends_with("input.bias") { 0.5 } else { 0.0 };
            let expected = [vec![0.0; 6], vec![forget; 6], vec![0.0; 12]].concat();
            assert_eq!(values, expected, "{path}");
        }
    }
}

/// Paths of variables are a file format: checkpoints of earlier versions hold these names, in this order.
#[test]
fn the_names_of_the_variables_are_pinned() {
    let config = ModelConfig {
        layers: 1,
        position: Position::Learned,
        tying: Tying::None,
        norm: Norm::Pre,
        ..head_shapes()[0].1.clone()
    };
    let model = build(&config, 1);
    let names: Vec<&str> = model.weights().named().iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        names,
        [
            "embedding.source.weight",
            "embedding.target.weight",
            "embedding.softmax.weight",
            "source_position.weight",
            "target_position.weight",
            "encoder.0.self_attention.query.weight",
            "encoder.0.self_attention.query.bias",
            "encoder.0.self_attention.key.weight",
            "encoder.0.self_attention.key.bias",
            "encoder.0.self_attention.value.weight",
            "encoder.0.self_attention.value.bias",
            "encoder.0.self_attention.output.weight",
            "encoder.0.self_attention.output.bias",
            "encoder.0.self_attention.norm.scale",
            "encoder.0.self_attention.norm.offset",
            "encoder.0.feed_forward.inner.weight",
            "encoder.0.feed_forward.inner.bias",
            "encoder.0.feed_forward.outer.weight",
            "encoder.0.feed_forward.outer.bias",
            "encoder.0.feed_forward.norm.scale",
            "encoder.0.feed_forward.norm.offset",
            "encoder.norm.scale",
            "encoder.norm.offset",
            "decoder.0.self_attention.query.weight",
            "decoder.0.self_attention.query.bias",
            "decoder.0.self_attention.key.weight",
            "decoder.0.self_attention.key.bias",
            "decoder.0.self_attention.value.weight",
            "decoder.0.self_attention.value.bias",
            "decoder.0.self_attention.output.weight",
            "decoder.0.self_attention.output.bias",
            "decoder.0.self_attention.norm.scale",
            "decoder.0.self_attention.norm.offset",
            "decoder.0.cross_attention.query.weight",
            "decoder.0.cross_attention.query.bias",
            "decoder.0.cross_attention.key.weight",
            "decoder.0.cross_attention.key.bias",
            "decoder.0.cross_attention.value.weight",
            "decoder.0.cross_attention.value.bias",
            "decoder.0.cross_attention.output.weight",
            "decoder.0.cross_attention.output.bias",
            "decoder.0.cross_attention.norm.scale",
            "decoder.0.cross_attention.norm.offset",
            "decoder.0.feed_forward.inner.weight",
            "decoder.0.feed_forward.inner.bias",
            "decoder.0.feed_forward.outer.weight",
            "decoder.0.feed_forward.outer.bias",
            "decoder.0.feed_forward.norm.scale",
            "decoder.0.feed_forward.norm.offset",
            "decoder.norm.scale",
            "decoder.norm.offset",
        ]
    );
    let tied = build(&head_shapes()[0].1, 1);
    assert_eq!(tied.weights().named()[0].0, "embedding.shared.weight");
}

#[test]
fn the_names_of_recurrent_variables_are_pinned() {
    let mut config = recurrent(&head_shapes()[0].1);
    (config.recurrent.encoder_layers, config.recurrent.decoder_layers) = (1, 1);
    (config.recurrent.bidirectional, config.recurrent.bridge) = (Bidirectional::All, Bridge::Tanh);
    config.softmax_bias = true;
    let names = |config: &ModelConfig| -> Vec<String> {
        build(config, 1).weights().named().iter().map(|(path, _)| path.clone()).collect()
    };
    assert_eq!(
        names(&config),
        [
            "embedding.source.weight",
            "embedding.target.weight",
            "embedding.softmax.weight",
            "embedding.softmax.bias",
            "encoder.0.forward.input.weight",
            "encoder.0.forward.input.bias",
            "encoder.0.forward.state.weight",
            "encoder.0.forward.state.bias",
            "encoder.0.backward.input.weight",
            "encoder.0.backward.input.bias",
            "encoder.0.backward.state.weight",
            "encoder.0.backward.state.bias",
            "decoder.0.input.weight",
            "decoder.0.input.bias",
            "decoder.0.state.weight",
            "decoder.0.state.bias",
            "decoder.attention.state.weight",
            "decoder.attention.source.weight",
            "decoder.attention.source.bias",
            "decoder.attention.vector.weight",
            "decoder.readout.weight",
            "decoder.readout.bias",
            "decoder.bridge.weight",
            "decoder.bridge.bias",
        ]
    );
    config.decoder = DecoderKind::SelfAttention;
    assert!(names(&config).contains(&"encoder_output.weight".to_string()));
}

#[test]
fn the_names_of_convolutional_variables_are_pinned() {
    let mut config = convolutional(&head_shapes()[0].1);
    config.position = Position::None;
    let settings = &mut config.convolutional;
    (settings.encoder_layers, settings.decoder_layers) = (1, 1);
    settings.further_layers = vec![FurtherLayers { layers: 1, channels: 4, kernel: 1 }];
    settings.attention_layers = Some(vec![2]);
    let names = |config: &ModelConfig| -> Vec<String> {
        let model = build(config, 1);
        let named = model.weights().named().iter().map(|(path, _)| path.clone());
        // Each map has three variables.
        let maps = named.filter(|path| !path.ends_with("magnitude") && !path.ends_with("bias"));
        maps.skip(1).collect()
    };
    assert_eq!(
        names(&config),
        [
            "encoder.input.weight",
            "encoder.0.kernel.weight",
            "encoder.1.kernel.weight",
            "encoder.1.residual.weight",
            "encoder.output.weight",
            "decoder.1.attention.query.weight",
            "decoder.1.attention.output.weight",
            "decoder.input.weight",
            "decoder.0.kernel.weight",
            "decoder.1.kernel.weight",
            "decoder.1.residual.weight",
            "decoder.output.weight",
        ]
    );
    let paths = |config: &ModelConfig| -> Vec<String> {
        build(config, 1).weights().named().iter().map(|(path, _)| path.clone()).collect()
    };
    for name in ["weight", "magnitude", "bias"] {
        assert!(paths(&config).contains(&format!("encoder.0.kernel.{name}")), "{name}");
    }
    config.convolutional.block = Block::Bottleneck;
    config.convolutional.attention = SourceAttention::None;
    let (first, second) =
        (names(&config), "encoder.0.narrow.norm.scale encoder.0.kernel.norm.scale encoder.0.wide.norm.scale");
    for name in
        second.split(' ').chain(["encoder.0.narrow.weight", "encoder.0.wide.weight", "decoder.source.weight"])
    {
        assert!(first.contains(&name.to_string()), "{name}: {first:?}");
    }
}

/// The count that bentrevett/pytorch-seq2seq prints for its vocabularies. Its maps have no weight normalisation.
#[test]
fn the_convolutional_preset_has_the_published_number_of_parameters() {
    let file = "experiments/convolutional/convs2s.toml";
    let path = root().join(file);
    let model = load_experiment(&path, &[]).unwrap().model;
    assert_eq!(Cost::of(&model, (7_853, 5_893)).parameters(), 37_351_173);
}

/// The counts that bentrevett/pytorch-seq2seq prints for its vocabularies, and that of Britz et al. 2017, table 2.
#[test]
fn recurrent_presets_have_the_published_numbers_of_parameters() {
    let model = |name: &str| {
        let file = format!("experiments/recurrent/{name}.toml");
        load_experiment(&root().join(file), &[]).unwrap().model
    };
    for (name, count) in
        [("lstm-last-state", 13_898_501), ("gru-context", 14_219_781), ("gru-attention", 20_518_405)]
    {
        assert_eq!(Cost::of(&model(name), (7_853, 5_893)).parameters(), count, "{name}");
    }
    let mut britz = model("britz");
    assert_eq!(Cost::of(&britz, 37_000).parameters(), 66_313_864);
    // Printed: 66.32 with GRU cells, 68.95 with LSTM cells.
    britz.recurrent.recurrent_biases = true;
    assert_eq!(Cost::of(&britz, 37_000).parameters(), 66_320_008);
    britz.recurrent.cell = Cell::Lstm;
    assert_eq!(Cost::of(&britz, 37_000).parameters(), 68_945_544);
}

#[test]
fn counting_agrees_with_building() {
    for (name, config) in variants() {
        assert_eq!(
            Cost::of(&config, VOCABULARY as usize).parameters(),
            build(&config, 1).weights().parameters(),
            "{name}"
        );
    }
}

#[test]
fn the_models_of_table_3_have_the_printed_numbers_of_parameters() {
    let sweep = root().join("sweeps/table3.toml");
    let trials = expand(&SweepSpec::load(&sweep).unwrap(), &[]).unwrap();
    let published = Published::named("table3").unwrap();
    let mut compared = Vec::new();
    for trial in &trials {
        // The vocabulary is below the 40,960 rows that the sweep asks for, so it does not matter.
        let count = Cost::of(&trial.experiment.model, 37_000).parameters();
        let row =
            published.row(trial.paper.as_deref().expect("every row has its line in the paper")).unwrap();
        if row.label == "base" {
            assert_eq!(count, 65_110_016);
        }
        if row.label.starts_with("A-") || row.label.starts_with("D-") {
            assert_eq!(
                count, 65_110_016,
                "{}: the paper leaves the count blank, so it is the base's",
                row.label
            );
        }
        // No number of rows that fits the other models gives big's 213 million.
        if let Some(printed) = row.value("parameters").filter(|_| row.label != "big") {
            assert_eq!(format!("{:.0}", count as f64 / 1e6), printed, "{}: {count}", row.label);
            compared.push(row.label.as_str());
        }
    }
    assert_eq!(compared.len(), 10, "{compared:?}");
}
