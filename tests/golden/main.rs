//! Results of the program, pinned to the digit: no change of results lands unnoticed.
//!
//! `tests/fixtures/golden/*.json` hold the values of one `RESULT_VERSION`. A change that means to alter results raises
//! `RESULT_VERSION` and writes the files anew; one that adds cases adds theirs to the files:
//!
//! ```sh
//! ABLATE_GOLDEN=write cargo test --release --test golden
//! ```
//!
//! Writing never alters a value that is pinned for the same version. What each value is: docs/architecture.md, "What
//! pins the results".

#[path = "../common/mod.rs"]
mod common;

mod batches;
mod losses;
mod pinned;
mod records;
mod small;
mod written;
