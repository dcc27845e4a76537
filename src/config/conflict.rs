//! Conflicts between values that are valid on their own.

/// A reason why values cannot be used together.
#[derive(Debug)]
pub(super) struct Conflict {
    /// Says what is wrong and what to do; may contain parts of the values.
    pub(super) text: String,
    /// Replaces `text` if one of the values is a secret.
    pub(super) plain: &'static str,
}

impl Conflict {
    pub(super) fn new(text: String, plain: &'static str) -> Self {
        Self { text, plain }
    }
}

/// Returns a conflict that contains no values, if there is one.
pub(super) fn when(is_conflict: bool, plain: &'static str) -> Vec<Conflict> {
    is_conflict.then(|| Conflict::new(plain.into(), plain)).into_iter().collect()
}

/// Returns a conflict for each item that a list has more than once.
pub(super) fn twice(items: impl Iterator<Item = String>, plain: &'static str) -> Vec<Conflict> {
    let conflict = |item| Conflict::new(format!("{item} is listed twice: remove one"), plain);
    repeated(items).into_iter().map(conflict).collect()
}

/// Returns each item that occurs more than once, in the order of its second occurrence.
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
