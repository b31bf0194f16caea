//! TOML files: errors, schemas, committed files; and the layers of the code.

#[path = "../common/mod.rs"]
mod common;

mod config_errors;
mod configs;
mod hostile;
mod layering;
mod parts_errors;
mod recipe_errors;
mod schema;
mod sweep_errors;
mod sweep_factor_errors;
mod sweep_format;
mod sweep_mistakes;
