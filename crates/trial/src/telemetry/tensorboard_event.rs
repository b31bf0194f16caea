//! TensorBoard's events and the record format that holds them.
//!
//! A file is a sequence of records: length (u64, little-endian), masked CRC32C of those eight bytes,
//! a protobuf `Event`, masked CRC32C of the event.
//!
//! # Source
//! TensorFlow, `core/lib/io/record_writer.h` and `core/util/event.proto`.

use super::view_log::Histogram;
use crate::clock;
use crate::error::{Error, Result};
use crate::figures::Png;
use protobuf::{Message, RepeatedField};
use std::path::Path;
use tensorboard_proto::event::{Event, SessionLog, SessionLog_SessionStatus};
use tensorboard_proto::plugin_text::TextPluginData;
use tensorboard_proto::summary::{
    HistogramProto, Summary, Summary_Image, Summary_Value, SummaryMetadata, SummaryMetadata_PluginData,
};
use tensorboard_proto::tensor::TensorProto;
use tensorboard_proto::tensor_shape::{TensorShapeProto, TensorShapeProto_Dim};
use tensorboard_proto::types::DataType;
use tensorboard_rs::masked_crc32c::masked_crc32c;

/// The first event of every file: the version of the format.
pub(super) fn file_version() -> Event {
    let mut event = at(0);
    event.set_file_version("brain.Event:2".to_string());
    event
}

/// The second event of every file. On reading it, TensorBoard's Python loader discards the points that it had read from
/// older files of the directory, so a file that replaces another may repeat its points.
pub(super) fn session_start() -> Event {
    let mut log = SessionLog::new();
    log.set_status(SessionLog_SessionStatus::START);
    let mut event = at(0);
    event.set_session_log(log);
    event
}

/// A point of a curve. TensorBoard keeps scalars as `f32`.
pub(super) fn scalar(step: u64, tag: &str, value: f64) -> Event {
    let mut point = Summary_Value::new();
    point.set_tag(tag.to_string());
    point.set_simple_value(value as f32);
    summary(step, point)
}

/// A text, shown as Markdown.
pub(super) fn text(step: u64, tag: &str, markdown: &str) -> Result<Event> {
    let mut value = plugin_value(tag, "text", encode(&TextPluginData::new())?);
    value.set_tensor(strings(vec![markdown.as_bytes().to_vec()]));
    Ok(summary(step, value))
}

/// A histogram of the numbers of a tensor.
pub(super) fn histogram(step: u64, tag: &str, histogram: &Histogram) -> Event {
    let mut message = HistogramProto::new();
    message.set_min(histogram.min);
    message.set_max(histogram.max);
    message.set_num(histogram.counts.iter().sum::<u64>() as f64);
    message.set_bucket_limit(histogram.upper_edges());
    message.set_bucket(histogram.counts.iter().map(|&count| count as f64).collect());
    let mut value = Summary_Value::new();
    value.set_tag(tag.to_string());
    value.set_histo(message);
    summary(step, value)
}

/// A picture.
pub(super) fn image(step: u64, tag: &str, picture: &Png) -> Event {
    let mut message = Summary_Image::new();
    message.set_width(i32::try_from(picture.width).unwrap_or(i32::MAX));
    message.set_height(i32::try_from(picture.height).unwrap_or(i32::MAX));
    message.set_colorspace(4);
    message.set_encoded_image_string(picture.bytes.clone());
    let mut value = Summary_Value::new();
    value.set_tag(tag.to_string());
    value.set_image(message);
    summary(step, value)
}

/// A vector of strings.
pub(super) fn strings(values: Vec<Vec<u8>>) -> TensorProto {
    let mut dimension = TensorShapeProto_Dim::new();
    dimension.set_size(values.len() as i64);
    let mut shape = TensorShapeProto::new();
    shape.set_dim(RepeatedField::from_vec(vec![dimension]));
    let mut tensor = TensorProto::new();
    tensor.set_dtype(DataType::DT_STRING);
    tensor.set_tensor_shape(shape);
    tensor.set_string_val(RepeatedField::from_vec(values));
    tensor
}

/// A value that a plugin of TensorBoard interprets.
pub(super) fn plugin_value(tag: &str, plugin: &str, content: Vec<u8>) -> Summary_Value {
    let mut data = SummaryMetadata_PluginData::new();
    data.set_plugin_name(plugin.to_string());
    data.set_content(content);
    let mut metadata = SummaryMetadata::new();
    metadata.set_plugin_data(data);
    let mut value = Summary_Value::new();
    value.set_tag(tag.to_string());
    value.set_metadata(metadata);
    value
}

/// The event that carries `value` at `step`.
pub(super) fn summary(step: u64, value: Summary_Value) -> Event {
    let mut summary = Summary::new();
    summary.set_value(RepeatedField::from_vec(vec![value]));
    let mut event = at(step);
    event.set_summary(summary);
    event
}

/// The tag of the event's value; our events carry at most one.
pub(super) fn tag(event: &Event) -> Option<&str> {
    event.get_summary().get_value().first().map(|value| value.get_tag())
}

/// The value of a scalar event.
#[cfg(test)]
pub(super) fn scalar_value(event: &Event) -> Option<f32> {
    let value = event.get_summary().get_value().first()?;
    value.has_simple_value().then(|| value.get_simple_value())
}

/// The step as an unsigned number; our events have no negative steps.
pub(super) fn step(event: &Event) -> u64 {
    u64::try_from(event.get_step()).unwrap_or(0)
}

/// The bytes of a message.
pub(super) fn encode(message: &impl Message) -> Result<Vec<u8>> {
    message.write_to_bytes().map_err(|error| Error::failed(format!("cannot encode an event: {error}")))
}

fn at(step: u64) -> Event {
    let mut event = Event::new();
    event.set_wall_time(clock::seconds());
    event.set_step(i64::try_from(step).unwrap_or(i64::MAX));
    event
}

/// Reads the events of a file, up to the first record that is cut or damaged: a crash can leave a part of a record at
/// the end, and after a damaged length no record can be found.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read.
pub(super) fn read(path: &Path) -> Result<Vec<Event>> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let mut rest = bytes.as_slice();
    let mut events = Vec::new();
    while let Some((payload, after)) = split_record(rest) {
        let Ok(event) = Event::parse_from_bytes(payload) else { break };
        events.push(event);
        rest = after;
    }
    Ok(events)
}

/// The payload of the first record and the bytes after it; `None` if the record is not complete.
fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let rest = strip_checksum(length, rest)?;
    let (payload, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    Some((payload, strip_checksum(payload, rest)?))
}

/// The bytes after the checksum of `data`; `None` if `bytes` does not start with that checksum.
fn strip_checksum<'a>(data: &[u8], bytes: &'a [u8]) -> Option<&'a [u8]> {
    bytes.strip_prefix(&masked_crc32c(data).to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tensorboard_rs::record_writer::RecordWriter;

    fn record(event: &Event) -> Vec<u8> {
        let mut bytes = Vec::new();
        RecordWriter::new(&mut bytes).write(&encode(event).unwrap()).unwrap();
        bytes
    }

    #[test]
    fn the_checksum_is_the_published_one() {
        // RFC 3720, B.4: CRC32C of 32 zero bytes is 8a9136aa; then TensorFlow's mask.
        let masked = 0x8a91_36aa_u32.rotate_right(15).wrapping_add(0xa282_ead8);
        assert_eq!(masked_crc32c(&[0; 32]), masked);
    }

    #[test]
    fn a_cut_file_gives_the_records_before_the_cut() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events");
        let events = [file_version(), scalar(1, "a", 0.5), text(2, "b", "*hi*").unwrap()];
        let records = events.each_ref().map(record);
        let bytes = records.concat();
        for cut in 0..=bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let ends = records.iter().scan(0, |end, record| {
                *end += record.len();
                Some(*end)
            });
            let whole = ends.filter(|&end| end <= cut).count();
            assert_eq!(read(&path).unwrap(), events[..whole], "cut at {cut}");
        }
    }

    #[test]
    fn no_damaged_byte_gives_a_wrong_event() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events");
        let events = [scalar(1, "a", 0.5), scalar(2, "a", 0.25)];
        let bytes = events.each_ref().map(record).concat();
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x81;
            std::fs::write(&path, damaged).unwrap();
            let read = read(&path).unwrap();
            assert_eq!(read, events[..read.len()], "byte {place}");
            assert!(read.len() < 2);
        }
    }
}
