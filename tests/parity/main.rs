//! Layers, model, loss, every gradient and ten updates equal Python torch's, in float64 and float32.
//!
//! The golden numbers in `tests/fixtures/parity` were computed in float64 by
//! `scripts/make_layer_fixtures.py` and `scripts/make_parity_fixtures.py`.

#[path = "../common/mod.rs"]
mod common;
mod compare;
mod coverage;
mod fixtures;
mod layers;
mod model;
mod positions;

#[test]
fn every_layer_equals_python_torch() {
    layers::compare_all();
}

#[test]
fn the_model_and_its_training_equal_python_torch() {
    model::compare_all();
}

#[test]
fn distances_are_counted_as_hugging_face_does() {
    positions::compare_all();
}

#[test]
fn every_variant_and_corner_has_a_case() {
    coverage::check();
}
