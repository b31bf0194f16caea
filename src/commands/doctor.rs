//! `ablate doctor`: what this machine offers, and what to do about what is missing.

use super::{print, print_json};
use crate::config::DeviceChoice;
use crate::error::Result;
use crate::experiment::doctor::{Report, examine};
use clap::Args;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Device to look at: auto, cpu, cuda or cuda:N. The exit code is 2 if it cannot be used.
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = device)]
    pub device: DeviceChoice,
    /// Compare the arithmetic of the device with float64 on the CPU: outputs, every gradient and ten updates, in every
    /// precision. The exit code is 1 if a difference is too large. Takes seconds.
    #[arg(long)]
    pub check: bool,
    /// Print one JSON document. The exit code does not change.
    #[arg(long)]
    pub json: bool,
}

fn device(text: &str) -> std::result::Result<DeviceChoice, String> {
    DeviceChoice::try_from(text.to_string())
}

pub fn run(arguments: Arguments) -> Result<()> {
    let report = examine(arguments.device, arguments.check)?;
    match arguments.json {
        true => print_json(&report)?,
        false => print(&text(&report))?,
    }
    report.verdict()
}

fn text(report: &Report) -> String {
    let mut out = String::new();
    for finding in &report.findings {
        out += &format!("{:<18}{}\n", finding.subject, finding.found);
        if let Some(advice) = &finding.advice {
            out += &format!("{:<18}-> {advice}\n", "");
        }
    }
    if !report.gaps.is_empty() {
        out += "\nbeside float64 on the CPU, norm of the difference over the norm of each tensor:\n";
    }
    for gap in &report.gaps {
        let (precision, verdict) =
            (format!("{:?}", gap.precision).to_lowercase(), if gap.holds { "" } else { "  TOO FAR" });
        out += &format!(
            "  {:<27} {precision:<9} {:<10} {:.1e} of {:.0e} ({}){verdict}\n",
            gap.model, gap.quantity, gap.gap, gap.limit, gap.place
        );
    }
    out
}
