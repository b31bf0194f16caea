//! This crate has no code: its build script is its purpose.
