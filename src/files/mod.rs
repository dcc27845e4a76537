//! Finds a file under a root and describes it: contents or descriptor, validators, the heads of its
//! responses. Reading files happens on the blocking pool; what was found is shared by all workers.

mod background;
mod compress;
mod contents;
mod entry;
mod hashes;
mod head;
mod held;
mod improve;
mod kind;
mod load;
mod manifest;
mod media_type;
mod notices;
mod open;
mod pattern;
mod recent;
mod sealed;
mod shelf;
mod store;
mod survey;
mod tag;
mod tree;
mod verify;

pub use self::{
    entry::{Content, Entry, Representation, SelectedRepresentation},
    head::media_policy,
    kind::{is_hashed, unhashed},
    load::{Found, is_sendable},
    manifest::{Manifest, ManifestError},
    store::Store,
    verify::{Names, Report, Sample, verify},
};
