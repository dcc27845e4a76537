//! Which files share a store.

/// Which of the stores a file is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoreKind {
    Static,
    Media,
}
