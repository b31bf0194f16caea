//! TensorBoard's Custom Scalars page: charts with a prepared layout.
//!
//! # Source
//! TensorBoard, `plugins/custom_scalar/{layout.proto,metadata.py}`.

use super::tensorboard_event;
use super::tensorboard_file::EventWriter;
use crate::error::Result;
use protobuf::RepeatedField;
use tensorboard_proto::layout as proto;

const LAYOUT_TAG: &str = "custom_scalars__config__";

/// A heading with charts.
#[derive(Debug, Clone, PartialEq)]
pub struct Category {
    pub title: String,
    pub charts: Vec<Chart>,
}

/// Curves in one frame, for every run that has the tags.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    pub title: String,
    pub curves: Curves,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Curves {
    /// The curves of all tags that this regular expression matches from their beginning.
    Tags(String),
    /// A curve within a band, by exact tags.
    Band { value: String, lower: String, upper: String },
}

impl EventWriter {
    /// Writes the page. Only one directory of a log should hold it: TensorBoard shows the charts of all that do.
    pub fn layout(&mut self, categories: &[Category]) -> Result<()> {
        let mut layout = proto::Layout::new();
        layout.set_category(categories.iter().map(category).collect());
        let mut value = tensorboard_event::plugin_value(LAYOUT_TAG, "custom_scalars", Vec::new());
        value.set_tensor(tensorboard_event::strings(vec![tensorboard_event::encode(&layout)?]));
        self.write(&tensorboard_event::summary(0, value))
    }
}

fn category(category: &Category) -> proto::Category {
    let mut message = proto::Category::new();
    message.set_title(category.title.clone());
    message.set_chart(category.charts.iter().map(chart).collect());
    message
}

fn chart(chart: &Chart) -> proto::Chart {
    let mut message = proto::Chart::new();
    message.set_title(chart.title.clone());
    match &chart.curves {
        Curves::Tags(pattern) => {
            let mut lines = proto::MultilineChartContent::new();
            lines.set_tag(RepeatedField::from_vec(vec![pattern.clone()]));
            message.set_multiline(lines);
        }
        Curves::Band { value, lower, upper } => {
            let mut series = proto::MarginChartContent_Series::new();
            series.set_value(value.clone());
            series.set_lower(lower.clone());
            series.set_upper(upper.clone());
            let mut band = proto::MarginChartContent::new();
            band.set_series(RepeatedField::from_vec(vec![series]));
            message.set_margin(band);
        }
    }
    message
}
