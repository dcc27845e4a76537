//! Finds a file under a root and describes it: contents or descriptor, validators, the head of its
//! response. Reading files happens on the blocking pool; what was found is shared by all workers.

mod entry;
mod kind;
mod load;
mod open;
mod store;

pub use self::{
    entry::{Content, Entry},
    kind::{content_type, is_hashed},
    load::Found,
    store::Store,
};
