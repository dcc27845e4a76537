//! Finds a file under a root and describes it: contents or descriptor, validators, and the header sections of its
//! responses. Files are read on the blocking pool, and all workers share the results.

mod compress;
mod content_budget;
mod contents;
mod entry;
mod entry_cache;
mod hashes;
mod headers;
mod kind;
mod load;
mod manifest;
mod media_type;
mod negative_cache;
mod notices;
mod open;
mod optimise;
mod pattern;
mod store;
mod survey;
mod tag;
mod tree;
mod verify;

pub use self::{
    entry::{FileContent, FileEntry, Representation, SelectedRepresentation},
    headers::media_policy,
    kind::{is_hashed, unhashed},
    load::LoadResult,
    manifest::{Manifest, ManifestError},
    store::FileStore,
    verify::{NameSample, VerifyReport, VerifySample, verify},
};
