//! Which device computes, with how many threads, and how libtorch allocates.
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

/// Makes libtorch ready as `run.device` and `run.threads` say, and gives the device.
///
/// Must be the process's first call that concerns libtorch: once libtorch has looked for a GPU
/// in vain, it never looks again.
///
/// # Errors
/// CUDA asked for and not to be had is a user error; it never becomes a silent CPU run.
pub fn open(config: &RunConfig) -> Result<Device> {
    open_for(config, 0)
}

/// The same for one of several processes on a machine, from 0: where there are several cards, each has its own, counted
/// on from the one that `run.device` names.
///
/// # Errors
/// As for [`open`].
pub fn open_for(config: &RunConfig, local_rank: usize) -> Result<Device> {
    keep_freed_memory();
    let device = match config.device {
        DeviceChoice::Cpu => Device::Cpu,
        DeviceChoice::Auto if !has_nvidia_driver() => Device::Cpu,
        DeviceChoice::Auto => match load_cuda() {
            Ok(()) => card(0, local_rank)?,
            Err(reason) => {
                print_message(&format!(
                    "note: an NVIDIA driver is present, but {reason}; running on the CPU (run.device = \"auto\")"
                ));
                Device::Cpu
            }
        },
        DeviceChoice::Cuda(index) => {
            load_cuda().map_err(|reason| {
                Error::user(format!(
                    "run.device asks for CUDA, but {reason}; use --set run.device=cpu to run on the CPU"
                ))
            })?;
            card(index, local_rank)?
        }
    };
    let threads = if config.threads == 0 { available_threads() } else { config.threads };
    tch::set_num_threads(threads as i32);
    Ok(device)
}

/// The card of one of several processes on a machine, counted on from the one that is named. A launcher may show each
/// process its own card alone.
fn card(named: usize, local_rank: usize) -> Result<Device> {
    let count = tch::Cuda::device_count();
    let index = if count == 1 { named } else { named + local_rank };
    if index as i64 >= count {
        return Err(Error::user(format!(
            "this process would take card {index} (run.device and its rank on this machine), but the GPUs are numbered 0 to {}",
            count - 1
        )));
    }
    Ok(Device::Cuda(index))
}

/// What a device is called in records.
pub fn name(device: Device) -> String {
    match device {
        Device::Cpu => "cpu".to_string(),
        Device::Cuda(index) => format!("cuda:{index}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// Loads libtorch's CUDA libraries; the reason if that fails.
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

/// The folder that this process's libtorch_cpu.so was loaded from.
pub fn libtorch_folder() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let path = maps
        .lines()
        .filter_map(|line| line.find('/').map(|at| &line[at..]))
        .find(|p| p.ends_with("/libtorch_cpu.so"))?;
    Path::new(path).parent().map(Path::to_path_buf)
}

/// The version that the libtorch of this folder states: a file beside it in a libtorch, a module in a Python torch.
pub fn libtorch_version(folder: &Path) -> Option<String> {
    let torch = folder.parent()?;
    if let Ok(text) = std::fs::read_to_string(torch.join("build-version")) {
        return Some(text.trim().to_string());
    }
    let text = std::fs::read_to_string(torch.join("version.py")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("__version__ = "))?;
    Some(line.trim_matches(['\'', '"']).to_string())
}

/// Tells glibc not to give freed memory back to the kernel between steps, which would fault
/// in the same pages again and again (measured: docs/performance.md).
fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt only sets parameters of the allocator.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30);
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
        libc::mallopt(libc::M_TOP_PAD, 64 << 20);
    }
}

/// What a device is: of a processor its name and vector instructions (`AMD EPYC, AVX2`), of a card its name, as far as
/// the system tells.
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

/// The memory that tensors of this process take of a card, as libtorch counts it; absent elsewhere.
pub fn card_memory(device: Device) -> Option<card::Memory> {
    match device {
        Device::Cuda(index) => card::memory(index).ok(),
        _ => None,
    }
}

/// The most that this process holds of a card, context included: what the driver says or, where it tells nobody, as
/// in a container, what libtorch counts.
pub fn held_on_card(device: Device) -> Option<u64> {
    let counted = card_memory(device)?.reserved_peak + CONTEXT_BYTES;
    Some(cards::used_by(std::process::id()).unwrap_or(counted))
}

/// Lets [`peak_memory`] and [`card_memory`] begin anew: memory that was freed goes back to the system, and the kernel,
/// where it can, forgets the most that was held.
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

/// Returns once the device has done all that it was asked for.
pub fn settle(device: Device) {
    if let Device::Cuda(index) = device {
        tch::Cuda::synchronize(index as i64);
    }
}
