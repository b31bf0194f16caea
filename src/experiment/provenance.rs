//! With what and on what a run was computed.

use crate::device;
use crate::results::record::Provenance;
use tch::Device;

/// The commit that this binary was built from; see `build.rs`.
pub const COMMIT: &str = env!("ABLATE_COMMIT");

/// This program on `device`.
pub(super) fn provenance(device: Device) -> Provenance {
    Provenance {
        ablate: env!("CARGO_PKG_VERSION").to_string(),
        commit: COMMIT.to_string(),
        libtorch: device::LIBTORCH_VERSION.to_string(),
        device: device::name(device),
        device_name: device::hardware(device),
        threads: tch::get_num_threads() as usize,
    }
}
