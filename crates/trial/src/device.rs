//! What this machine has, found out without libtorch: cores, memory, cards.

use crate::config::experiment::DeviceChoice;
use std::path::Path;

/// The version of libtorch that the program is built for.
pub const LIBTORCH_VERSION: &str = "2.11.0";

/// Cores that this process may use.
pub fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What the device that a trial would open is called, found out without libtorch. A card that cannot be
/// used shows only there.
pub fn expected_name(choice: DeviceChoice) -> String {
    match choice {
        DeviceChoice::Cuda(index) => format!("cuda:{index}"),
        DeviceChoice::Auto if has_nvidia_driver() => "cuda:0".to_string(),
        DeviceChoice::Cpu | DeviceChoice::Auto => "cpu".to_string(),
    }
}

/// Whether an NVIDIA driver is loaded.
pub fn has_nvidia_driver() -> bool {
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

/// The processor's own name, which virtual machines cut short: processors of several generations are an `AMD EPYC`.
pub fn processor() -> String {
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

/// The name of the GPU with this index, as NVIDIA's driver states it; none where there is no such driver.
///
/// The driver lists its cards under /proc in PCI order, which is also CUDA's where
/// CUDA_DEVICE_ORDER=PCI_BUS_ID; with one kind of card the order does not matter.
pub fn gpu_name(index: usize) -> Option<String> {
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

/// The memory that this process and its children can still take, in bytes: what the kernel deems available, or
/// what is left of the control group's limit if that is less.
pub fn available_memory() -> Option<u64> {
    let available = stated_bytes("/proc/meminfo", "MemAvailable")?;
    let limit = of_control_group("memory.max").zip(of_control_group("memory.current"));
    let left = limit.map(|(max, now)| max.saturating_sub(now));
    Some(left.map_or(available, |left| left.min(available)))
}

/// The most memory that this process could come to hold while other processes keep theirs, in bytes. More than
/// [`available_memory`]: pages can be swapped out, and of what counts against the control group's limit much is copies of
/// files, which the kernel drops.
pub fn reachable_memory() -> Option<u64> {
    let swap = stated_bytes("/proc/meminfo", "SwapFree").unwrap_or(0);
    let reachable = stated_bytes("/proc/meminfo", "MemAvailable")? + swap;
    Some(of_control_group("memory.max").map_or(reachable, |max| reachable.min(max.saturating_add(swap))))
}

/// The bytes that a file of this process's control group states; none where there is no limit.
fn of_control_group(file: &str) -> Option<u64> {
    std::fs::read_to_string(Path::new("/sys/fs/cgroup").join(file)).ok()?.trim().parse().ok()
}
