//! The HTTP/1.1 codec: request heads to bytes, bytes to reply heads (RFC 9112).

mod encode;
mod parse;

pub(super) use self::{
    encode::encode,
    parse::{BodyLength, ReplyHead, parse},
};
