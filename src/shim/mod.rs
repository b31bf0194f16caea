//! Small C++ parts, compiled by build.rs, behind safe functions.

pub mod decoding;
