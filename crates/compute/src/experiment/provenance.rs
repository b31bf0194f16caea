//! With what and on what a run was computed.

use crate::device;
use crate::results::record::Provenance;
use std::sync::OnceLock;
use tch::Device;

static COMMIT: OnceLock<&str> = OnceLock::new();

/// States the commit that the program was built from. The program does it once, when it starts: this crate would have to
/// be built again after every commit if it knew.
pub fn state_commit(commit: &'static str) {
    let _ = COMMIT.set(commit);
}

/// The commit that was stated; `unknown` in a program that states none.
pub fn commit() -> &'static str {
    COMMIT.get().copied().unwrap_or("unknown")
}

/// This program on `device`.
pub(super) fn provenance(device: Device) -> Provenance {
    Provenance {
        ablate: env!("CARGO_PKG_VERSION").to_string(),
        commit: commit().to_string(),
        libtorch: device::LIBTORCH_VERSION.to_string(),
        device: device::name(device),
        device_name: device::hardware(device),
        threads: tch::get_num_threads() as usize,
    }
}
