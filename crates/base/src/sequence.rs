//! Helpers for sequences.

/// Lists each distinct item once, in order of first occurrence. For short lists: compares every item with all before it.
pub fn distinct<T: PartialEq>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for item in items {
        if !found.contains(&item) {
            found.push(item);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::distinct;

    #[test]
    fn each_item_stays_where_it_first_came() {
        assert_eq!(distinct(["b", "a", "b", "c", "a"]), ["b", "a", "c"]);
    }
}
