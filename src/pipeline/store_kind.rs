//! The kinds of files that share a store.

/// The store that a file is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoreKind {
    Static,
    Media,
}
