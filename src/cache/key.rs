//! Keys of stored responses. Their hashes depend on a secret of the process, so nobody outside can make keys collide.

use std::hash::{BuildHasher as _, BuildHasherDefault, Hasher, RandomState};

/// The primary key of a response (RFC 9111, 2): bytes that the pipeline makes of a request, and their hash. Bytes are
/// always compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheKey {
    hash: u64,
    bytes: Box<[u8]>,
}

/// Hashes bytes with a secret of its own (SipHash).
#[derive(Debug, Default)]
pub(super) struct KeyHasher(RandomState);

/// Spreads the bits of a key that is a hash or a number already.
#[derive(Debug, Default)]
pub(super) struct PassThroughHasher(u64);

/// Builds the hasher of maps whose keys are hashes or numbers.
pub(super) type PassThrough = BuildHasherDefault<PassThroughHasher>;

// === impl CacheKey ===

impl CacheKey {
    pub(super) fn new(hasher: &KeyHasher, bytes: Box<[u8]>) -> Self {
        Self { hash: hasher.hash(&bytes), bytes }
    }

    /// Makes a key that shares its hash with others.
    #[cfg(test)]
    pub(super) fn with_hash(hash: u64, bytes: &[u8]) -> Self {
        Self { hash, bytes: bytes.into() }
    }

    /// Returns the keyed hash of the bytes.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn into_bytes(self) -> Box<[u8]> {
        self.bytes
    }
}

// === impl KeyHasher ===

impl KeyHasher {
    pub(super) fn hash(&self, bytes: &[u8]) -> u64 {
        self.0.hash_one(bytes)
    }
}

// === impl PassThroughHasher ===

impl Hasher for PassThroughHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("the keys are u64");
    }

    fn write_u64(&mut self, hash: u64) {
        // The low bits chose the shard, and counted numbers differ in their low bits only: the map needs bits that
        // differ at both ends (Fibonacci hashing).
        let spread = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = spread ^ (spread >> 32);
    }
}
