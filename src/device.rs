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

/// Cores that this process may use.
pub fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What a device is called in records.
pub fn name(device: Device) -> String {
    match device {
        Device::Cpu => "cpu".to_string(),
        Device::Cuda(index) => format!("cuda:{index}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// What the device that [`open`] would give is called, found out without libtorch. A card that cannot be
/// used shows only there.
pub fn expected_name(choice: DeviceChoice) -> String {
    name(match choice {
        DeviceChoice::Cuda(index) => Device::Cuda(index),
        DeviceChoice::Auto if has_nvidia_driver() => Device::Cuda(0),
        DeviceChoice::Cpu | DeviceChoice::Auto => Device::Cpu,
    })
}

/// The version of libtorch that this binary was built for.
pub const LIBTORCH_VERSION: &str = "2.11.0";

fn has_nvidia_driver() -> bool {
    nvidia_driver().is_some()
}

/// What the NVIDIA driver says of itself; absent if none is loaded. Under WSL 2 and in some containers it says nothing,
/// and only its device files show.
pub fn nvidia_driver() -> Option<String> {
    let Ok(text) = std::fs::read_to_string("/proc/driver/nvidia/version") else {
        let device = ["/dev/nvidiactl", "/dev/dxg"].into_iter().find(|file| Path::new(file).exists())?;
        return Some(format!("present ({device}), version unknown"));
    };
    let line = text.lines().next().unwrap_or_default();
    Some(line.trim_start_matches("NVRM version:").split_whitespace().collect::<Vec<_>>().join(" "))
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
    card::refuse_cudnn_attention().map_err(|error| error.to_string())
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

/// The widest vector instructions of the processor, which choose libtorch's kernels, if they are AVX2 or more. Kernels
/// for wider ones add up in another order, so they decide the last digits as well.
pub fn vector_instructions() -> Option<&'static str> {
    #[cfg(target_arch = "x86_64")]
    {
        if std::is_x86_feature_detected!("avx512f") {
            return Some("AVX-512");
        }
        if std::is_x86_feature_detected!("avx2") {
            return Some("AVX2");
        }
    }
    None
}

/// The instructions for products of bfloat16 that the processor has: with them bfloat16 may be faster than float32.
pub fn bfloat16_instructions() -> Option<&'static str> {
    let flags = stated("/proc/cpuinfo", "flags")?;
    [("amx_bf16", "AMX"), ("avx512_bf16", "AVX512-BF16")]
        .into_iter()
        .find(|(flag, _)| flags.split_whitespace().any(|word| word == *flag))
        .map(|(_, name)| name)
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

/// The processor's own name, which virtual machines cut short: processors of several generations are an `AMD EPYC`.
fn processor() -> String {
    stated("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_string())
}

/// What a file of the kernel or of a driver, of lines `name: value`, says first under a name.
fn stated(file: impl AsRef<Path>, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_string())
}

/// The bytes that such a file states in kB.
fn stated_bytes(file: &str, name: &str) -> Option<u64> {
    Some(stated(file, name)?.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// The driver lists its cards under /proc in PCI order, which is also CUDA's where
/// CUDA_DEVICE_ORDER=PCI_BUS_ID; with one kind of card the order does not matter.
fn gpu_name(index: usize) -> Option<String> {
    let mut cards: Vec<_> =
        std::fs::read_dir("/proc/driver/nvidia/gpus").ok()?.flatten().map(|e| e.path()).collect();
    cards.sort();
    stated(cards.get(index).or(cards.first())?.join("information"), "Model")
}

/// The most memory that this process has held at once, in bytes.
pub fn peak_memory() -> Option<u64> {
    stated_bytes("/proc/self/status", "VmHWM")
}

/// A process that uses a card holds so much of it before the first tensor: context, kernels, cuBLAS's workspace.
pub const CONTEXT_BYTES: u64 = 600 << 20;

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

/// The memory that this process and its children can still take, in bytes: what the kernel deems available, or
/// what is left of the control group's limit if that is less.
pub fn available_memory() -> Option<u64> {
    let available = stated_bytes("/proc/meminfo", "MemAvailable")?;
    let group = |file| -> Option<u64> {
        std::fs::read_to_string(Path::new("/sys/fs/cgroup").join(file)).ok()?.trim().parse().ok()
    };
    let left = group("memory.max").zip(group("memory.current")).map(|(max, now)| max.saturating_sub(now));
    Some(left.map_or(available, |left| left.min(available)))
}
