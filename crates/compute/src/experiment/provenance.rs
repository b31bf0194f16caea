//! Provenance of results: program, commit, libtorch and device.

use crate::device;
use crate::results::record::Provenance;
use std::sync::OnceLock;
use tch::Device;

static COMMIT: OnceLock<&str> = OnceLock::new();

/// Sets the commit from which the program was built. The program calls this once at its start: if this crate read the
/// commit itself, it would have to be rebuilt after every commit.
pub fn state_commit(commit: &'static str) {
    let _ = COMMIT.set(commit);
}

/// Returns the commit that was set; `unknown` if the program set none.
pub fn commit() -> &'static str {
    COMMIT.get().copied().unwrap_or("unknown")
}

/// Returns the provenance of this program's results on `device`.
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
