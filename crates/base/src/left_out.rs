//! Which settings and counts files leave out: those that were added later, while they have their default.

/// Returns whether a value is the default of its type; for `skip_serializing_if`.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The same for settings whose default is true.
pub fn is_true(value: &bool) -> bool {
    *value
}
