//! The device that computes, its number of threads, and libtorch's memory allocation.
//!
//! One binary serves CPU and GPU: it is linked to libtorch's CPU libraries only, and the CUDA
//! libraries beside them are loaded at run time, before the first other call into libtorch.

use crate::cards;
use crate::config::experiment::{DeviceChoice, RunConfig};
use crate::error::{Error, Result};
use crate::shim::card;
use crate::telemetry::console::print_message;
use std::path::{Path, PathBuf};
use tch::Device;

pub use ablate_trial::device::*;

/// Prepares libtorch according to `run.device` and `run.threads`, and returns the device.
///
/// Must be the process's first call that concerns libtorch: if libtorch has looked for a GPU once and found none, it
/// never looks again.
///
/// # Errors
/// A user error if CUDA was requested but is not available: the run never falls back to the CPU silently.
pub fn open(config: &RunConfig) -> Result<Device> {
    open_for(config, 0)
}

/// Does the same for a command that reads no experiment and has the option `--device`.
///
/// # Errors
/// Like [`open`].
pub fn open_option(config: &RunConfig) -> Result<Device> {
    open_asked(config, 0, &Asked { name: "--device", cpu: "--device cpu" })
}

/// Does the same for one of several processes on a machine, with its number from 0. If there are several cards, each
/// process has its own, counted from the one that `run.device` names.
///
/// # Errors
/// Like [`open`].
pub fn open_for(config: &RunConfig, local_rank: usize) -> Result<Device> {
    open_asked(config, local_rank, &Asked { name: "run.device", cpu: "--set run.device=cpu" })
}

/// The setting or option with which a user asks for a device, for messages.
struct Asked {
    name: &'static str,
    /// The words with which the user asks for the CPU.
    cpu: &'static str,
}

fn open_asked(config: &RunConfig, local_rank: usize, asked: &Asked) -> Result<Device> {
    let Asked { name, cpu } = asked;
    keep_freed_memory();
    let device = match config.device {
        DeviceChoice::Cpu => Device::Cpu,
        DeviceChoice::Auto if !has_nvidia_driver() => Device::Cpu,
        DeviceChoice::Auto => match load_cuda() {
            Ok(()) => card(0, local_rank, name)?,
            Err(reason) => {
                print_message(&format!(
                    "note: an NVIDIA driver is present, but {reason}; running on the CPU, because {name} is \"auto\""
                ));
                Device::Cpu
            }
        },
        DeviceChoice::Cuda(index) => {
            load_cuda().map_err(|reason| {
                Error::user(format!("{name} asks for CUDA, but {reason}; use {cpu} to run on the CPU"))
            })?;
            card(index, local_rank, name)?
        }
    };
    let threads = if config.threads == 0 { available_threads() } else { config.threads };
    tch::set_num_threads(threads as i32);
    Ok(device)
}

/// Returns the card of one of several processes on a machine, counted from the `named` one. If only one card is
/// visible, all take it: a launcher may show each process only its own card. `name` is the user's setting or option.
fn card(named: usize, local_rank: usize, name: &str) -> Result<Device> {
    let count = tch::Cuda::device_count();
    let index = if count == 1 { named } else { named + local_rank };
    if index as i64 >= count {
        return Err(Error::user(format!(
            "this process would take card {index} ({name} and its rank on this machine), but the GPUs are numbered 0 to {}",
            count - 1
        )));
    }
    Ok(Device::Cuda(index))
}

/// Returns the device's name in records.
pub fn name(device: Device) -> String {
    match device {
        Device::Cpu => "cpu".to_string(),
        Device::Cuda(index) => format!("cuda:{index}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// Loads libtorch's CUDA libraries; the error is the reason as text.
pub fn load_cuda() -> std::result::Result<(), String> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    let folder = libtorch_folder().ok_or("libtorch_cpu.so is not loaded from a file")?;
    let path = folder.join("libtorch_cuda.so");
    if !path.exists() {
        return Err(format!(
            "this libtorch is the CPU build ({} has no libtorch_cuda.so): run scripts/setup --cuda",
            folder.display()
        ));
    }
    // SAFETY: the library's initialisers register CUDA kernels with libtorch, which is what is wanted.
    let library = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_GLOBAL) }
        .map_err(|error| format!("libtorch_cuda.so cannot be loaded: {error}"))?;
    std::mem::forget(library); // stays loaded to the end
    if !tch::Cuda::is_available() {
        return Err("libtorch finds no usable GPU (is one visible in nvidia-smi, and not hidden by CUDA_VISIBLE_DEVICES?)".into());
    }
    card::choose_kernels().map_err(|error| error.to_string())
}

/// Returns the folder from which this process's libtorch_cpu.so was loaded.
pub fn libtorch_folder() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let path = maps
        .lines()
        .filter_map(|line| line.find('/').map(|at| &line[at..]))
        .find(|p| p.ends_with("/libtorch_cpu.so"))?;
    Path::new(path).parent().map(Path::to_path_buf)
}

/// Returns the version of the libtorch in this folder: from a file in a plain libtorch, from a module in a Python torch.
pub fn libtorch_version(folder: &Path) -> Option<String> {
    let torch = folder.parent()?;
    if let Ok(text) = std::fs::read_to_string(torch.join("build-version")) {
        return Some(text.trim().to_string());
    }
    let text = std::fs::read_to_string(torch.join("version.py")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("__version__ = "))?;
    Some(line.trim_matches(['\'', '"']).to_string())
}

/// Tells glibc not to return freed memory to the kernel between steps. Otherwise every step would fault in the same
/// pages again (measured: docs/performance.md).
fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt only sets parameters of the allocator.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30);
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
        libc::mallopt(libc::M_TOP_PAD, 64 << 20);
    }
}

/// Describes the hardware, as far as the system tells: a processor's name and vector instructions (`AMD EPYC, AVX2`), a
/// card's name.
pub fn hardware(device: Device) -> String {
    match device {
        Device::Cpu => match vector_instructions() {
            Some(widest) => format!("{}, {widest}", processor()),
            None => processor(),
        },
        Device::Cuda(index) => gpu_name(index).unwrap_or_else(|| "NVIDIA GPU".to_string()),
        _ => "unknown".to_string(),
    }
}

/// Returns the memory of a card that tensors of this process take, as libtorch counts it; `None` for other devices.
pub fn card_memory(device: Device) -> Option<card::Memory> {
    match device {
        Device::Cuda(index) => card::memory(index).ok(),
        _ => None,
    }
}

/// Returns the most memory of a card that this process holds, context included: as the driver reports it or, if it
/// reports nothing, as in a container, as libtorch counts it. `None` for other devices.
pub fn held_on_card(device: Device) -> Option<u64> {
    let counted = card_memory(device)?.reserved_peak + CONTEXT_BYTES;
    Some(cards::used_by(std::process::id()).unwrap_or(counted))
}

/// Resets [`peak_memory`] and [`card_memory`]: freed memory goes back to the system, and the kernel, if it can, resets
/// its peak.
pub fn forget_peak_memory(device: Device) {
    if let Device::Cuda(index) = device {
        let _ = card::forget_peak(index);
    }
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the allocator gives back pages that nobody uses.
    unsafe {
        libc::malloc_trim(0);
    }
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Returns once the device has finished all work that was queued on it.
pub fn settle(device: Device) {
    if let Device::Cuda(index) = device {
        tch::Cuda::synchronize(index as i64);
    }
}
