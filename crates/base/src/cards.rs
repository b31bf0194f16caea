//! NVIDIA cards as `nvidia-smi` lists them. The program comes with every driver, so no library is needed.

use crate::error::{Error, Result};
use crate::subprocess::{LOCAL, output_within};
use std::process::Command;

/// One card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Number of the card in the order of the PCI bus.
    pub index: usize,
    /// `GPU-…`
    pub uuid: String,
    pub total_bytes: u64,
    /// Memory that no process holds at this moment.
    pub free_bytes: u64,
}

/// Lists the cards of this machine.
///
/// # Errors
/// If `nvidia-smi` cannot be started, fails, or prints something else.
pub fn list() -> Result<Vec<Card>> {
    let text = ask("--query-gpu=index,uuid,memory.total,memory.free")?;
    text.lines().filter(|line| !line.trim().is_empty()).map(card).collect()
}

/// Returns name, memory and compute capability of each card, as text for people.
///
/// # Errors
/// The errors of [`list`].
pub fn models() -> Result<Vec<String>> {
    let text = ask("--query-gpu=name,memory.total,compute_cap")?;
    Ok(text.lines().filter(|line| !line.trim().is_empty()).map(model).collect())
}

/// Formats a line such as `NVIDIA H100 80GB HBM3, 81559, 9.0`; returns any other line unchanged.
fn model(line: &str) -> String {
    match line.split(',').map(str::trim).collect::<Vec<_>>()[..] {
        [name, mib, capability] => format!("{name}, {mib} MiB, compute capability {capability}"),
        _ => line.trim().to_string(),
    }
}

/// Returns the bytes that a process holds on all cards together. `None` if `nvidia-smi` does not tell, as in a
/// container, where processes have other numbers than outside.
pub fn used_by(process: u32) -> Option<u64> {
    let text = ask("--query-compute-apps=pid,used_memory").ok()?;
    held(&text, process)
}

fn ask(query: &str) -> Result<String> {
    let failed = |why: String| Error::failed(format!("nvidia-smi {query}: {why}"));
    let mut command = Command::new("nvidia-smi");
    command.args([query, "--format=csv,noheader,nounits"]);
    let output = output_within(&mut command, LOCAL).map_err(|error| failed(error.to_string()))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(failed(String::from_utf8_lossy(&output.stdout).trim().to_string())),
    }
}

/// Parses a line such as `0, GPU-6a…, 81559, 80994`; sizes are in MiB.
fn card(line: &str) -> Result<Card> {
    let wrong =
        || Error::failed(format!("nvidia-smi says {line:?}; expected index, uuid, and two sizes in MiB"));
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let [index, uuid, total, free] = fields[..] else { return Err(wrong()) };
    let mib = |text: &str| text.parse::<u64>().map(|mib| mib << 20).map_err(|_| wrong());
    Ok(Card {
        index: index.parse().map_err(|_| wrong())?,
        uuid: uuid.to_string(),
        total_bytes: mib(total)?,
        free_bytes: mib(free)?,
    })
}

/// Returns the sum in bytes of the lines `PROCESS, MIB` of one process; `None` if it has no line.
fn held(text: &str, process: u32) -> Option<u64> {
    let held = text.lines().filter_map(|line| {
        let (number, mib) = line.split_once(',')?;
        (number.trim().parse() == Ok(process)).then(|| mib.trim().parse::<u64>().ok())?
    });
    held.map(|mib| mib << 20).reduce(|a, b| a + b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_nvidia_smi_is_a_card() {
        let found = card("1, GPU-6a1b, 81559, 80994").unwrap();
        let mib = |count: u64| count * 1024 * 1024;
        assert_eq!((found.index, found.uuid.as_str()), (1, "GPU-6a1b"));
        assert_eq!((found.total_bytes, found.free_bytes), (mib(81559), mib(80994)));
        for line in ["No devices were found", "0, GPU-1, [N/A], [N/A]", "0, GPU-1, 5", ""] {
            assert!(card(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_process_holds_what_its_lines_add_up_to() {
        let text = "4711, 1322\n9, 5\n4711, 8\n12, [N/A]\n";
        assert_eq!(held(text, 4711), Some(1330 << 20));
        assert_eq!([held(text, 12), held(text, 1), held("", 9)], [None; 3]);
    }
}
