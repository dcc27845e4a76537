//! The HTTP/1.1 codec: encodes request heads and parses response heads (RFC 9112).

mod encode;
mod framing;
mod parse;

pub(super) use self::{
    encode::encode,
    framing::{BodyLength, garbage},
    parse::{
        MAX_HEAD, RequestSummary, ResponseHeadProgress, UpstreamResponseHead, head_end, parse,
    },
};
