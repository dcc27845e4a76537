//! Signatures and credentials for buckets, and the errors of S3.
//!
//! [`Credentials`] has the keys that all workers use, and [`refresh`] gets the next ones of a role in time.
//! [`signature_v4`] signs a request. [`error_document`] and [`role_keys`] read what AWS sends.

mod credentials;
mod error_document;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod refresh;
mod role_keys;
mod signature_v4;

pub use self::{
    credentials::{Credentials, KeysState, RoleKeys, WorkerKeys},
    error_document::{error_code, error_region},
    signature_v4::{EMPTY_BODY, SignedRequest, authorization, encode_key},
};
