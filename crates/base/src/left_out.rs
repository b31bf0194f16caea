//! Conditions for leaving a setting or count out of a file: fields that were added later are written only if not default.

/// Returns whether a value is the default of its type; for `skip_serializing_if`.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Returns whether a setting has its default; for settings whose default is true.
pub fn is_true(value: &bool) -> bool {
    *value
}
