//! The estimator behind `[search]`: it proposes the next draw from the earlier draws and their results. Its functions
//! are pure; a source of uniform numbers is an argument. Nothing here depends on sweeps, files or processes.
//!
//! A tree-structured Parzen estimator (TPE). The draws with a result are split into the best few and the others, and the
//! values of each part are described by a density, which is a mixture of one kernel a draw and one wide kernel, the prior.
//! Of several candidates from the density of the best draws, the one with the highest ratio of the densities is next.
//!
//! # Source
//! Bergstra, Bardenet, Bengio and Kégl 2011, "Algorithms for Hyper-Parameter Optimization" (NeurIPS), §4; Watanabe 2023,
//! "Tree-Structured Parzen Estimator: Understanding Its Algorithm Components and Their Roles for Better Empirical
//! Performance" (arXiv 2304.11127). Every constant and the bandwidths are the defaults of `TPESampler` in Optuna 5.0.0,
//! whose densities `scripts/make_search_fixtures.py` records for the tests.

pub mod domain;
mod normal;
pub mod parzen;
pub mod propose;

pub use domain::Domain;
pub use propose::{Observation, Outcome, STARTUP_DRAWS, propose};
