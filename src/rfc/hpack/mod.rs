//! The compression of HTTP/2's header fields (RFC 7541), read side. A field that is malformed for HTTP is
//! no error here: it is given as such, and the tables stay right, so that the next block can be read.
//! Memory is bounded by the table's 4,096 bytes, and by the caller, who holds the block.

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
