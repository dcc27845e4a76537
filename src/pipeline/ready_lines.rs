//! Header lines that were made before the request came.

use bytes::Bytes;

/// The header fields of a response as HTTP/1 writes them, each line with its end. As an extension of a response they come
/// before its other fields, of which none has the same name.
#[derive(Clone, Debug)]
pub struct ReadyLines(pub Bytes);
