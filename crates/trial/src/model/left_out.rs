//! Which settings files and records leave out: those that were added later, while they have their default.

pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The same for settings whose default is true.
pub fn is_true(value: &bool) -> bool {
    *value
}
