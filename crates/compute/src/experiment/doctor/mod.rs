//! `ablate doctor`: the machine's equipment for training, missing parts, and advice.

mod arithmetic;

pub use arithmetic::{Gap, compare};

use crate::cards;
use crate::config::{DeviceChoice, RunConfig};
use crate::device;
use crate::error::{Error, Result};
use crate::experiment::provenance::{commit, provenance};
use crate::model::attention::fused;
use crate::results::record::Provenance;
use crate::telemetry::format::{bytes, counted};
use crate::train::Precision;
use serde::Serialize;
use tch::{Device, Kind};

/// The result of one examination.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    pub subject: &'static str,
    pub found: String,
    /// Advice, if something is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Finding {
    fn good(subject: &'static str, found: impl Into<String>) -> Self {
        Finding { subject, found: found.into(), advice: None }
    }

    fn missing(subject: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Finding { subject, found: found.into(), advice: Some(advice.into()) }
    }
}

/// The results of all examinations.
#[derive(Debug, Serialize)]
pub struct Report {
    pub findings: Vec<Finding>,
    /// Provenance of results on this device; absent if the device cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// Reason why the device cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unusable: Option<String>,
    /// Gaps between the device's arithmetic and float64 on the CPU; empty unless requested.
    pub gaps: Vec<Gap>,
}

/// Examines libtorch, processor, cards and CUDA, opens the device and, with `check`, compares its arithmetic.
///
/// # Errors
/// If training fails on a usable device. A device that cannot be used is only a finding.
pub fn examine(choice: DeviceChoice, check: bool) -> Result<Report> {
    let mut findings = vec![
        Finding::good("ablate", format!("{} of commit {}", env!("CARGO_PKG_VERSION"), commit())),
        libtorch(),
        processor(),
    ];
    if let Some(available) = device::available_memory() {
        findings.push(Finding::good("memory", format!("{} available", bytes(available as f64))));
    }
    findings.extend(driver());
    // First of all calls that ask libtorch for a GPU: if libtorch finds none once, it never looks again.
    // One thread: the models are small, and on a busy machine several would wait for each other.
    let opened = device::open_option(&RunConfig { device: choice, threads: 1, ..RunConfig::default() });
    findings.extend(cuda(choice));
    findings.push(nccl());
    let (device, unusable) = match opened {
        Ok(device) => (Some(device), None),
        Err(error) => (None, Some(error.to_string())),
    };
    if let Some(device) = device {
        findings.extend(training(device)?);
    }
    let gaps = match device {
        Some(device) if check => compare(device)?,
        _ => Vec::new(),
    };
    Ok(Report { findings, provenance: device.map(provenance), unusable, gaps })
}

fn libtorch() -> Finding {
    let wanted = device::LIBTORCH_VERSION;
    let Some(folder) = device::libtorch_folder() else {
        return Finding::good("libtorch", format!("{wanted}, linked into the program"));
    };
    let place = folder.display();
    match device::libtorch_version(&folder) {
        Some(version) if version.split('+').next() == Some(wanted) => {
            Finding::good("libtorch", format!("{version} from {place}"))
        }
        found => Finding::missing(
            "libtorch",
            format!("{} from {place}", found.as_deref().unwrap_or("of unknown version")),
            format!(
                "this program was built for libtorch {wanted}; another may crash: put the folder lib of torch {wanted} first in LD_LIBRARY_PATH"
            ),
        ),
    }
}

fn processor() -> Finding {
    let cores = counted(device::available_threads(), "core");
    let slow = match device::vector_instructions() {
        None if cfg!(target_arch = "x86_64") => "; without AVX2 libtorch takes its slowest kernels",
        _ => "",
    };
    Finding::good("processor", format!("{}, {cores}{slow}", device::hardware(Device::Cpu)))
}

fn driver() -> Vec<Finding> {
    let Some(version) = device::nvidia_driver() else {
        return vec![Finding::missing(
            "NVIDIA driver",
            "none",
            "without a card nothing is missing: training runs on the CPU; with one, install its driver (nvidia-smi then lists the card), \
             and start a container with its GPUs (docker run --gpus all)",
        )];
    };
    let mut findings = vec![Finding::good("NVIDIA driver", version)];
    match cards::models() {
        Ok(models) => findings.extend(models.into_iter().map(|model| Finding::good("card", model))),
        Err(error) => findings.push(Finding::missing(
            "cards",
            error.to_string(),
            "nvidia-smi comes with the driver; sweeps need it to give trials to cards (--devices)",
        )),
    }
    findings
}

/// Returns the state of libtorch's CUDA libraries after the device was opened.
fn cuda(choice: DeviceChoice) -> Option<Finding> {
    if choice == DeviceChoice::Cpu || (choice == DeviceChoice::Auto && device::nvidia_driver().is_none()) {
        return None; // not looked for
    }
    Some(match device::load_cuda() {
        Ok(()) => Finding::good("CUDA", format!("usable, {} card(s) visible", tch::Cuda::device_count())),
        Err(reason) => Finding::missing("CUDA", reason, "repair this, then run ablate doctor --device cuda"),
    })
}

fn nccl() -> Finding {
    const LIBRARY: &str = "libnccl.so.2";
    // SAFETY: NCCL's initialisers have no effect on the process but memory.
    match unsafe { libloading::Library::new(LIBRARY) } {
        Ok(_) => Finding::good("NCCL", format!("{LIBRARY} is found: several cards can train one model")),
        Err(_) => Finding::missing(
            "NCCL",
            format!("{LIBRARY} is not found"),
            "only needed to train one model on several cards; it comes with torch's CUDA wheels (nvidia/nccl/lib)",
        ),
    }
}

/// Returns the findings about training on this device, after one update of a small model.
///
/// # Errors
/// If the update fails.
fn training(device: Device) -> Result<Vec<Finding>> {
    let name = device::name(device);
    let (precision, attention) = match device {
        Device::Cpu => (
            match device::bfloat16_instructions() {
                Some(these) => format!("float32; with the processor's {these}, bfloat16 may be faster"),
                None => "float32; without AMX and AVX512-BF16, bfloat16 is slower".to_string(),
            },
            "plain operations; on a CPU libtorch's fused kernel gains nothing for sentences".to_string(),
        ),
        _ => (
            "training.precision = \"bfloat16\" uses the card's tensor cores".to_string(),
            [Kind::BFloat16, Kind::Float]
                .map(|kind| format!("{kind:?}: {}", fused::kernels(kind, device)))
                .join("; "),
        ),
    };
    let precision_tried = if device == Device::Cpu { Precision::Float32 } else { Precision::Bfloat16 };
    let loss = arithmetic::one_update(precision_tried, device)?;
    Ok(vec![
        Finding::good("training runs on", format!("{name}, {}", device::hardware(device))),
        Finding::good("precision", precision),
        Finding::good("attention", attention),
        Finding::good("a small model", format!("does an update; its loss is {loss:.3}")),
    ])
}

impl Report {
    /// # Errors
    /// A user error if the device cannot be used; a failure if its arithmetic is off.
    pub fn verdict(&self) -> Result<()> {
        if let Some(reason) = &self.unusable {
            return Err(Error::user(reason.clone()));
        }
        let wrong = self.gaps.iter().filter(|gap| !gap.holds).count();
        match wrong {
            0 => Ok(()),
            _ => Err(Error::failed(format!(
                "{wrong} of {} quantities are further from float64 on the CPU than they may be: results of this device cannot be trusted",
                self.gaps.len()
            ))),
        }
    }
}
