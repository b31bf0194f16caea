//! Nothing: the build script of this crate is its purpose.
