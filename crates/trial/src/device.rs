//! The hardware of this machine, read without libtorch: cores, memory, GPUs.

use crate::config::experiment::DeviceChoice;
use std::path::{Component, Path, PathBuf};

/// The version of libtorch that the program is built for.
pub const LIBTORCH_VERSION: &str = "2.11.0";

/// Cores that this process may use.
pub fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Returns the name of the device that a trial would open (`cpu`, `cuda:0`), without libtorch. Whether a GPU really
/// works shows only when libtorch opens it.
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

/// Returns the version line of the NVIDIA driver; `None` if no driver is loaded. Under WSL 2 and in some containers
/// only its device files exist, and the line says that the version is unknown.
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

/// Reads the first value under `name` in a file of the kernel or of a driver with lines `name: value`.
fn stated(file: impl AsRef<Path>, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_string())
}

/// Reads a value that such a file states in kB, and returns it in bytes.
fn stated_bytes(file: &str, name: &str) -> Option<u64> {
    Some(stated(file, name)?.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Finds the card whose UUID begins with an entry of `CUDA_VISIBLE_DEVICES`: CUDA takes the beginning if no other card has
/// it. None for the UUID of a part of a card, MIG-….
pub fn card_of_uuid<'a, T>(
    cards: &'a [T],
    entry: &str,
    uuid: impl Fn(&T) -> Option<String>,
) -> Option<&'a T> {
    let begins =
        |card: &&T| entry.starts_with("GPU-") && uuid(card).is_some_and(|uuid| uuid.starts_with(entry));
    let mut found = cards.iter().filter(begins);
    found.next().filter(|_| found.next().is_none())
}

/// The name of the GPU that CUDA gives this index, as NVIDIA's driver states it; `None` without such a driver, or if
/// the machine has different GPUs and the index does not tell which one is meant.
pub fn gpu_name(index: usize) -> Option<String> {
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
    name_of_card(Path::new("/proc/driver/nvidia/gpus"), visible.as_deref(), index)
}

/// [`gpu_name`] for a folder like the driver's, of whose cards CUDA sees those that `visible` lists by number or UUID.
///
/// The driver lists its cards in PCI order, which is also CUDA's where CUDA_DEVICE_ORDER=PCI_BUS_ID; with one kind of card
/// the order does not matter.
fn name_of_card(folder: &Path, visible: Option<&str>, index: usize) -> Option<String> {
    let mut cards: Vec<_> = std::fs::read_dir(folder).ok()?.flatten().map(|e| e.path()).collect();
    cards.sort();
    let says = |card: &PathBuf, name: &str| stated(card.join("information"), name);
    let chosen = match visible {
        None => cards.get(index),
        Some(list) => list.split(',').nth(index).map(str::trim).and_then(|entry| match entry.parse() {
            Ok(number) => cards.get::<usize>(number),
            Err(_) => card_of_uuid(&cards, entry, |card| says(card, "GPU UUID")),
        }),
    };
    let mut models = cards.iter().map(|card| says(card, "Model"));
    let first = models.next()?;
    chosen.map_or_else(
        || first.filter(|first| models.all(|other| other.as_ref() == Some(first))),
        |card| says(card, "Model"),
    )
}

/// The most memory that this process has held at once, in bytes.
pub fn peak_memory() -> Option<u64> {
    stated_bytes("/proc/self/status", "VmHWM")
}

/// Memory that a process on a GPU holds before the first tensor: context, kernels, cuBLAS's workspace.
pub const CONTEXT_BYTES: u64 = 600 << 20;

/// The memory that this process and its children can still take, in bytes: the amount that the kernel reports as
/// available, or the rest of a control group's limit if that is less.
pub fn available_memory() -> Option<u64> {
    let left = control_groups().into_iter().map(|group| group.limit.saturating_sub(group.used));
    Some(left.fold(stated_bytes("/proc/meminfo", "MemAvailable")?, u64::min))
}

/// The most memory that this process could come to hold while other processes keep theirs, in bytes. It is more than
/// [`available_memory`]: pages can be swapped out, and much of the memory that counts against a control group's limit
/// is copies of files, which the kernel drops.
pub fn reachable_memory() -> Option<u64> {
    let swap = stated_bytes("/proc/meminfo", "SwapFree").unwrap_or(0);
    let reachable = stated_bytes("/proc/meminfo", "MemAvailable")?.saturating_add(swap);
    let limits = control_groups().into_iter().map(|group| group.limit.saturating_add(swap));
    Some(limits.fold(reachable, u64::min))
}

/// The limit of a control group's memory and what counts against it, in bytes.
#[derive(Debug, PartialEq)]
struct MemoryLimit {
    limit: u64,
    used: u64,
}

/// The control groups with a limit of memory that this process is in.
fn control_groups() -> Vec<MemoryLimit> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    memory_limits(&groups, Path::new("/sys/fs/cgroup"))
}

/// [`control_groups`] for the lines of /proc/self/cgroup and a folder like that of the control groups. Each group lies
/// within the groups of its path up to the root, and the limits of all apply. In a container the root may be the
/// process's own group, and no folder has the path.
fn memory_limits(groups: &str, folder: &Path) -> Vec<MemoryLimit> {
    let mut found = Vec::new();
    for line in groups.lines() {
        let (path, root, limit, used) = match line.splitn(3, ':').collect::<Vec<_>>()[..] {
            ["0", "", path] => (path, folder.to_path_buf(), "memory.max", "memory.current"),
            [_, controllers, path] if controllers.split(',').any(|name| name == "memory") => {
                (path, folder.join("memory"), "memory.limit_in_bytes", "memory.usage_in_bytes")
            }
            _ => continue,
        };
        let path = Path::new(path.trim_start_matches('/'));
        let bytes = |group: &Path, file: &str| -> Option<u64> {
            std::fs::read_to_string(root.join(group).join(file)).ok()?.trim().parse().ok()
        };
        // A path that leads out of the part that this process sees is no folder below the root.
        let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
        for group in if inside { path } else { Path::new("") }.ancestors() {
            // A group without a limit has a word in this file, not a number.
            if let Some(limit) = bytes(group, limit) {
                found.push(MemoryLimit { limit, used: bytes(group, used).unwrap_or(0) });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, file: &str, text: &str) {
        let path = folder.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn a_card_is_found_by_the_number_or_the_uuid_that_cuda_was_told() {
        let folder = tempfile::tempdir().unwrap();
        let card = |place: &str, model: &str, uuid: &str| {
            let text = format!("Model: \t\t {model}\nIRQ:   \t\t 16\nGPU UUID: \t GPU-{uuid}\n");
            write(folder.path(), &format!("{place}/information"), &text);
        };
        card("0000:01:00.0", "NVIDIA A100", "1a2b3c");
        card("0000:02:00.0", "NVIDIA H100", "1a2bff");
        let name = |visible: Option<&str>, index| name_of_card(folder.path(), visible, index);
        for (visible, index, expected) in [
            (None, 0, Some("A100")),
            (None, 1, Some("H100")),
            (Some("1"), 0, Some("H100")),
            (Some("1, 0"), 1, Some("A100")),
            (Some("GPU-1a2bff"), 0, Some("H100")),
            (Some("GPU-1a2bf"), 0, Some("H100")),
            (Some("0,GPU-1a2bff"), 1, Some("H100")),
            // These entries do not tell which card is meant.
            (Some("GPU-1a2b"), 0, None),
            (Some("GPU-77"), 0, None),
            (Some("MIG-1a2bff"), 0, None),
            (Some("0"), 1, None),
            (None, 2, None),
        ] {
            let expected = expected.map(|name| format!("NVIDIA {name}"));
            assert_eq!(name(visible, index), expected, "{visible:?}, {index}");
        }
        card("0000:01:00.0", "NVIDIA H100", "1a2b3c");
        assert_eq!(name(Some("MIG-1a2bff"), 0).as_deref(), Some("NVIDIA H100"));
        assert_eq!(name_of_card(&folder.path().join("none"), None, 0), None);
    }

    #[test]
    fn the_limits_of_all_groups_around_the_process_hold() {
        let folder = tempfile::tempdir().unwrap();
        let group = |group: &str, limit: &str, used: &str| {
            write(folder.path(), &format!("{group}/memory.max"), limit);
            write(folder.path(), &format!("{group}/memory.current"), used);
        };
        let limits = |groups: &str| {
            let found = memory_limits(groups, folder.path());
            found.iter().map(|group| (group.limit, group.used)).collect::<Vec<_>>()
        };
        group("user.slice/job", "max\n", "5\n");
        group("user.slice", "700\n", "60\n");
        assert_eq!(limits("0::/user.slice/job\n"), [(700, 60)]);
        group("user.slice/job", "900\n", "5\n");
        group("other", "1\n", "1\n");
        assert_eq!(limits("0::/user.slice/job\n"), [(900, 5), (700, 60)]);
        assert!(limits("0::/\n").is_empty());
        // In a namespace the root is the process's own group, whatever the path is called.
        write(folder.path(), "memory.max", "50\n");
        for groups in ["0::/\n", "0::/elsewhere/job\n", "0::/../../other\n"] {
            assert_eq!(limits(groups), [(50, 0)], "{groups}");
        }
    }

    #[test]
    fn groups_of_the_first_version_have_their_own_files() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "memory/job/memory.limit_in_bytes", "800\n");
        write(folder.path(), "memory/job/memory.usage_in_bytes", "30\n");
        write(folder.path(), "memory/memory.limit_in_bytes", "9223372036854771712\n");
        let groups = "5:cpu,cpuacct:/job\n4:memory:/job\n1:name=systemd:/a:b\n0::/\n";
        let found = memory_limits(groups, folder.path());
        let unlimited = MemoryLimit { limit: 9223372036854771712, used: 0 };
        assert_eq!(found, [MemoryLimit { limit: 800, used: 30 }, unlimited]);
    }
}
