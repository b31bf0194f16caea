//! A sweep as one web page: its question, its results and their provenance.
//!
//! The page is one file that needs nothing else, and a function of the run directories: no clock, no path of this
//! machine, no order of files enters it.

mod attention_section;
mod axes;
mod beside_paper;
mod curves;
mod lengths;
mod overview;
mod page;
mod pictures;
mod reproduction;
mod samples;
mod scored;
mod search;
mod section;
mod sources;
mod subject;
mod texts;
mod together;

pub use page::is_own;
pub use section::Figure;
pub use subject::{Report, Searched, Trial};

use crate::error::Result;
use crate::results::metric::METRICS;

/// A finished report.
pub struct Made {
    /// The page.
    pub html: String,
    /// The figures of the page, in their order.
    pub figures: Vec<Figure>,
}

/// Reads the results of the runs and makes the page.
///
/// # Errors
/// If a file of a finished run cannot be read or is damaged. Where the prepared corpus is missing, the report
/// says so and leaves out what needs it.
pub fn make(report: &Report) -> Result<Made> {
    let texts = texts::Texts::read(report);
    let scored = scored::ScoredRows::of(report);
    let sections = [
        overview::section(report)?,
        beside_paper::section(report),
        overview::differences(report),
        search::section(report),
        together::section(report, &scored),
        axes::section(report, &scored),
        curves::section(report, &METRICS)?,
        lengths::section(report, &texts)?,
        samples::section(report, &texts)?,
        attention_section::section(report)?,
        overview::settings(report),
        overview::failures(report),
        overview::provenance(report),
        reproduction::section(report)?,
    ];
    let html = page::page(report, &sections);
    let mut figures: Vec<Figure> = sections.into_iter().flat_map(|section| section.figures).collect();
    section::distinguish(&mut figures);
    Ok(Made { html, figures })
}
