//! `ablate doctor`: what this machine offers for training, and advice on what is missing.

use ablate_base::error::Result;
use ablate_command::commands::doctor::Arguments;
use ablate_command::commands::{print, print_json};
use ablate_compute::experiment::doctor::{Report, examine};

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
