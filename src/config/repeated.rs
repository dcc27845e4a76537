//! What a list has more than once.

/// Each item that stands there more than once, in the order in which it was repeated.
pub(super) fn repeated<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let (mut seen, mut repeated) = (Vec::new(), Vec::new());
    for item in items {
        match seen.contains(&item) {
            true if !repeated.contains(&item) => repeated.push(item),
            true => {}
            false => seen.push(item),
        }
    }
    repeated
}
