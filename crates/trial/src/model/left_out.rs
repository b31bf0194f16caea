//! Which settings files and records leave out: those that were added later, while they have their default.

use serde::ser::Error;
use serde::{Serialize, Serializer};

/// Writes the keys of a section whose values are not their defaults.
pub fn beyond_defaults<T, S>(section: &T, serializer: S) -> Result<S::Ok, S::Error>
where
    T: Serialize + Default,
    S: Serializer,
{
    let tree = |section: &T| serde_json::to_value(section).map_err(S::Error::custom);
    let (mut stated, defaults) = (tree(section)?, tree(&T::default())?);
    if let Some(table) = stated.as_object_mut() {
        table.retain(|key, value| defaults.get(key) != Some(value));
    }
    stated.serialize(serializer)
}
