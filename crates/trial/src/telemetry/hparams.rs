//! TensorBoard's HParams page: one row per configuration, one column per setting and final metric.
//!
//! The sweep's root directory holds the columns ([`EventWriter::experiment`]); each run holds its own values and
//! outcome ([`EventWriter::session_start`], [`EventWriter::session_end`]).
//!
//! # Source
//! TensorBoard, `plugins/hparams/{api,plugin_data}.proto`.

use super::tensorboard_event;
use super::tensorboard_file::EventWriter;
use crate::clock;
use crate::error::Result;
use crate::sequence::distinct;
use protobuf::Message;
use protobuf::well_known_types::{ListValue, Value};
use std::collections::BTreeMap;
use std::fmt;
use tensorboard_proto::api::{
    DataType, Experiment, HParamInfo, HParamInfo_oneof_domain, Interval, MetricInfo, MetricName, Status,
};
use tensorboard_proto::plugin_hparams::{
    HParamsPluginData, HParamsPluginData_oneof_data, SessionEndInfo, SessionStartInfo,
};

const EXPERIMENT_TAG: &str = "_hparams_/experiment";
const SESSION_START_TAG: &str = "_hparams_/session_start_info";
const SESSION_END_TAG: &str = "_hparams_/session_end_info";

/// `HParamInfo.differs`: columns that vary come first and are shown. The field is newer than tensorboard-proto.
const DIFFERS_FIELD: u32 = 7;

/// The value of a setting. TensorBoard drops numbers that are not finite.
#[derive(Debug, Clone, PartialEq)]
pub enum HParamValue {
    Number(f64),
    Text(String),
    Bool(bool),
}

impl fmt::Display for HParamValue {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            HParamValue::Number(number) => number.fmt(f),
            HParamValue::Text(text) => text.fmt(f),
            HParamValue::Bool(flag) => flag.fmt(f),
        }
    }
}

/// The values that a setting takes in a sweep.
#[derive(Debug, Clone, PartialEq)]
pub enum HParamDomain {
    /// The values declared in the sweep, all of one kind: else TensorBoard cannot sort and filter the column.
    Discrete(Vec<HParamValue>),
    /// Any number from `min` to `max`.
    Interval { min: f64, max: f64 },
}

/// A column of settings.
#[derive(Debug, Clone, PartialEq)]
pub struct HParamColumn {
    /// The name of the setting in sessions: its key.
    pub name: String,
    /// The column's heading.
    pub title: String,
    pub domain: HParamDomain,
    /// Whether the sweep varies the setting.
    pub differs: bool,
}

impl HParamColumn {
    /// The column of a setting with the values of all trials, in any order and with repetitions. `differs` is true if
    /// there are two different values.
    pub fn from_values(name: impl Into<String>, values: impl IntoIterator<Item = HParamValue>) -> Self {
        let (name, values) = (name.into(), distinct(values));
        let differs = values.len() > 1;
        HParamColumn { title: name.clone(), name, domain: HParamDomain::Discrete(values), differs }
    }
}

/// A column of results: the last point of the scalar `tag` in each run, so the tag should be written once per run.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricColumn {
    /// `final/test_bleu`.
    pub tag: String,
    /// The column's heading.
    pub title: String,
}

/// A sweep on the HParams page.
#[derive(Debug, Clone, PartialEq)]
pub struct ExperimentSummary {
    pub name: String,
    /// Markdown.
    pub description: String,
    pub hparams: Vec<HParamColumn>,
    pub metrics: Vec<MetricColumn>,
}

/// A run on the HParams page, as known when it starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// The settings by their keys in the configuration, such as `model.heads`, without the seed: TensorBoard shows the
    /// settings of one run of the group for all.
    pub hparams: BTreeMap<String, HParamValue>,
    /// The group: equal for the seeds of one configuration, and different for all other runs. TensorBoard shows the
    /// runs of a group as one row with this name and the means of their metrics.
    pub group: String,
    /// Seconds since 1970 at which the trial's first attempt started.
    pub started: f64,
    /// Texts about the run, as tag and Markdown.
    pub texts: Vec<(String, String)>,
}

/// The outcome of a run. An interrupted run that will be resumed has none yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Success,
    Failure,
}

impl EventWriter {
    /// Writes the columns of a sweep. Only one directory of a log may hold them: TensorBoard picks any.
    pub fn experiment(&mut self, summary: &ExperimentSummary) -> Result<()> {
        let mut experiment = Experiment::new();
        experiment.set_name(summary.name.clone());
        experiment.set_description(summary.description.clone());
        experiment.set_time_created_secs(clock::seconds());
        experiment.set_hparam_infos(summary.hparams.iter().map(hparam_info).collect());
        experiment.set_metric_infos(summary.metrics.iter().map(metric_info).collect());
        self.hparams(EXPERIMENT_TAG, HParamsPluginData_oneof_data::experiment(experiment))
    }

    /// Writes the run's settings and texts; to be called after every [`create`](Self::create) and
    /// [`resume`](Self::resume).
    pub fn session_start(&mut self, session: &Session) -> Result<()> {
        let mut info = SessionStartInfo::new();
        info.set_hparams(
            session.hparams.iter().map(|(key, setting)| (key.clone(), value(setting))).collect(),
        );
        info.set_group_name(session.group.clone());
        info.set_start_time_secs(session.started);
        self.hparams(SESSION_START_TAG, HParamsPluginData_oneof_data::session_start_info(info))?;
        session.texts.iter().try_for_each(|(tag, markdown)| self.text(0, tag, markdown))
    }

    /// Writes the outcome of the run, with the present time as its end.
    pub fn session_end(&mut self, outcome: Outcome) -> Result<()> {
        let mut info = SessionEndInfo::new();
        info.set_status(match outcome {
            Outcome::Success => Status::STATUS_SUCCESS,
            Outcome::Failure => Status::STATUS_FAILURE,
        });
        info.set_end_time_secs(clock::seconds());
        self.hparams(SESSION_END_TAG, HParamsPluginData_oneof_data::session_end_info(info))
    }

    fn hparams(&mut self, tag: &str, data: HParamsPluginData_oneof_data) -> Result<()> {
        let mut content = HParamsPluginData::new();
        content.data = Some(data);
        self.write(&tensorboard_event::summary(
            0,
            tensorboard_event::plugin_value(tag, "hparams", tensorboard_event::encode(&content)?),
        ))
    }
}

fn hparam_info(column: &HParamColumn) -> HParamInfo {
    let mut info = HParamInfo::new();
    info.set_name(column.name.clone());
    info.set_display_name(column.title.clone());
    info.set_field_type(data_type(&column.domain));
    info.domain = Some(match &column.domain {
        HParamDomain::Discrete(values) => {
            let mut list = ListValue::new();
            list.set_values(values.iter().map(value).collect());
            HParamInfo_oneof_domain::domain_discrete(list)
        }
        HParamDomain::Interval { min, max } => {
            let mut interval = Interval::new();
            interval.set_min_value(*min);
            interval.set_max_value(*max);
            HParamInfo_oneof_domain::domain_interval(interval)
        }
    });
    info.mut_unknown_fields().add_varint(DIFFERS_FIELD, u64::from(column.differs));
    info
}

/// The type of a column: text if kinds are mixed.
fn data_type(domain: &HParamDomain) -> DataType {
    let HParamDomain::Discrete(values) = domain else { return DataType::DATA_TYPE_FLOAT64 };
    if values.iter().all(|value| matches!(value, HParamValue::Number(_))) {
        DataType::DATA_TYPE_FLOAT64
    } else if values.iter().all(|value| matches!(value, HParamValue::Bool(_))) {
        DataType::DATA_TYPE_BOOL
    } else {
        DataType::DATA_TYPE_STRING
    }
}

fn metric_info(column: &MetricColumn) -> MetricInfo {
    let mut name = MetricName::new();
    name.set_tag(column.tag.clone());
    let mut info = MetricInfo::new();
    info.set_name(name);
    info.set_display_name(column.title.clone());
    info
}

fn value(value: &HParamValue) -> Value {
    let mut encoded = Value::new();
    match value {
        HParamValue::Number(number) => encoded.set_number_value(*number),
        HParamValue::Text(text) => encoded.set_string_value(text.clone()),
        HParamValue::Bool(flag) => encoded.set_bool_value(*flag),
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use HParamValue::{Bool, Number, Text};
    use std::path::Path;

    /// The HParams messages of the one file in `dir`, with their tags.
    fn messages(dir: &Path) -> Vec<(String, HParamsPluginData)> {
        let files: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| std::fs::metadata(path).unwrap().len() > 0)
            .collect();
        assert_eq!(files.len(), 1);
        let events = tensorboard_event::read(&files[0]).unwrap();
        let parse = |event: &tensorboard_proto::event::Event| {
            let plugin = event.get_summary().get_value()[0].get_metadata().get_plugin_data().clone();
            assert_eq!(plugin.get_plugin_name(), "hparams");
            let content = HParamsPluginData::parse_from_bytes(plugin.get_content()).unwrap();
            (tensorboard_event::tag(event).unwrap().to_string(), content)
        };
        events[2..].iter().map(parse).collect()
    }

    #[test]
    fn a_column_differs_if_its_values_do() {
        let same = HParamColumn::from_values("model.heads", [Number(8.0), Number(8.0)]);
        assert!(!same.differs);
        let column = HParamColumn::from_values("model.heads", [Number(8.0), Number(1.0), Number(8.0)]);
        assert!(column.differs);
        assert_eq!(column.domain, HParamDomain::Discrete(vec![Number(8.0), Number(1.0)]));
    }

    #[test]
    fn types_follow_from_the_values() {
        let of = |values: &[HParamValue]| data_type(&HParamDomain::Discrete(values.to_vec()));
        assert_eq!(of(&[Number(1.0), Number(2.0)]), DataType::DATA_TYPE_FLOAT64);
        assert_eq!(of(&[Bool(true)]), DataType::DATA_TYPE_BOOL);
        assert_eq!(of(&[Text("learned".into())]), DataType::DATA_TYPE_STRING);
        assert_eq!(of(&[Bool(true), Number(1.0)]), DataType::DATA_TYPE_STRING);
        assert_eq!(data_type(&HParamDomain::Interval { min: 0.0, max: 1.0 }), DataType::DATA_TYPE_FLOAT64);
    }

    #[test]
    fn an_experiment_is_written_once_with_the_axes_marked() {
        let directory = tempfile::tempdir().unwrap();
        let summary = ExperimentSummary {
            name: "table3".into(),
            description: String::new(),
            hparams: vec![
                HParamColumn::from_values("model.heads", [Number(8.0), Number(1.0)]),
                HParamColumn::from_values("model.layers", [Number(6.0)]),
            ],
            metrics: vec![MetricColumn { tag: "final/dev_bleu".into(), title: "dev BLEU".into() }],
        };
        for _ in 0..2 {
            EventWriter::create(directory.path()).unwrap().experiment(&summary).unwrap();
        }
        let found = messages(directory.path());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, EXPERIMENT_TAG);
        let experiment = found[0].1.get_experiment();
        let differs: Vec<_> = experiment
            .get_hparam_infos()
            .iter()
            .map(|info| info.get_unknown_fields().get(DIFFERS_FIELD).unwrap().varint[0])
            .collect();
        assert_eq!(differs, [1, 0]);
        assert_eq!(experiment.get_metric_infos()[0].get_name().get_tag(), "final/dev_bleu");
    }

    #[test]
    fn a_resumed_run_has_one_start_and_the_last_end() {
        let directory = tempfile::tempdir().unwrap();
        let session = Session {
            hparams: BTreeMap::from([("model.heads".into(), Number(8.0))]),
            group: "abc".into(),
            started: 1e9,
            texts: Vec::new(),
        };
        let mut writer = EventWriter::create(directory.path()).unwrap();
        writer.session_start(&session).unwrap();
        writer.session_end(Outcome::Failure).unwrap();
        drop(writer);
        let mut writer = EventWriter::resume(directory.path(), 100, &[], &[]).unwrap();
        writer.session_start(&session).unwrap();
        writer.session_end(Outcome::Success).unwrap();
        drop(writer);
        let found = messages(directory.path());
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].1.get_session_start_info().get_group_name(), "abc");
        assert_eq!(found[1].1.get_session_end_info().get_status(), Status::STATUS_SUCCESS);
    }
}
