//! Decodes the compressed header fields of HTTP/2 (RFC 7541). A field that is malformed for HTTP is no error here: it
//! is returned as malformed, and the tables stay correct, so that the next block can be decoded. Memory is limited to
//! the table's 4,096 bytes, besides the block, which the caller holds.

mod decoder;
mod field;
mod huffman;
mod table;

pub use self::{
    decoder::HpackDecoder,
    field::{HpackField, HpackName, MalformedBlock},
};

#[cfg(test)]
mod tests;
