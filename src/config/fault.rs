//! What is wrong with values that are well formed, each by itself.

/// Why values do not go together.
#[derive(Debug)]
pub(super) struct Fault {
    /// May repeat parts of the values.
    pub(super) text: String,
    /// Said in its place if one of the values is a secret.
    pub(super) plain: &'static str,
}

impl Fault {
    pub(super) fn new(text: String, plain: &'static str) -> Self {
        Self { text, plain }
    }
}

/// One fault that repeats nothing, if it is there.
pub(super) fn when(is_there: bool, plain: &'static str) -> Vec<Fault> {
    is_there.then(|| Fault::new(plain.into(), plain)).into_iter().collect()
}

/// What a list has more than once.
pub(super) fn twice(items: impl Iterator<Item = String>, plain: &'static str) -> Vec<Fault> {
    let fault = |item| Fault::new(format!("{item} is here twice: leave one out"), plain);
    repeated(items).into_iter().map(fault).collect()
}

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
