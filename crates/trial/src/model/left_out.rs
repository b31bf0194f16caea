//! Settings that files and records leave out: keys that were added later, as long as they have their defaults.

use serde::ser::Error;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// Writes the keys of a section whose values are not their defaults.
pub fn beyond_defaults<T, S>(section: &T, serializer: S) -> Result<S::Ok, S::Error>
where
    T: Serialize + Default,
    S: Serializer,
{
    stated(section).map_err(S::Error::custom)?.serialize(serializer)
}

/// Returns the settings of a section whose values are not their defaults.
///
/// # Errors
/// If the section has a value that JSON lacks.
pub fn stated<T: Serialize + Default>(section: &T) -> serde_json::Result<Value> {
    let mut stated = serde_json::to_value(section)?;
    drop_defaults(&mut stated, &serde_json::to_value(T::default())?);
    Ok(stated)
}

/// Drops the entries that equal those in `defaults`, also inside tables that both have: those are sections inside the
/// section.
fn drop_defaults(stated: &mut Value, defaults: &Value) {
    let Some(stated) = stated.as_object_mut() else { return };
    stated.retain(|key, value| match defaults.get(key) {
        Some(default) if value == default => false,
        Some(default) if default.is_object() => {
            drop_defaults(value, default);
            true
        }
        _ => true,
    });
}
