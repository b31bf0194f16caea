//! The command line of `ablate doctor`.

use crate::config::DeviceChoice;
use clap::Args;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Device to look at: auto, cpu, cuda or cuda:N. The exit code is 2 if it cannot be used.
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: DeviceChoice,
    /// Compare the arithmetic of the device with float64 on the CPU: outputs, every gradient and ten updates, in every
    /// precision. The exit code is 1 if a difference is too large. Takes seconds.
    #[arg(long)]
    pub check: bool,
    /// Print one JSON document. The exit code does not change.
    #[arg(long)]
    pub json: bool,
}
