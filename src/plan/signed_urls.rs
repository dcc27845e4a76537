//! Signatures that the URLs of uploads must have.

use std::{fmt, path::PathBuf, time::Duration};

/// Signatures of `django.core.signing.TimestampSigner`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignedUrls {
    /// How long a signature is valid.
    pub max_age: Duration,
    /// The salt of the signer: signatures for another purpose have another one.
    pub salt: String,
    /// The file with SECRET_KEY and its fallbacks, one on each line.
    pub key_file: PathBuf,
    /// The keys of that file, which `config` reads at the start and at each reload.
    pub keys: SignatureKeys,
}

/// The keys of signatures, each the SHA-256 of the salt, `signer` and a SECRET_KEY. Printing them shows only their
/// number.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SignatureKeys(pub Vec<[u8; 32]>);

// === impl SignatureKeys ===

impl fmt::Debug for SignatureKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
}
