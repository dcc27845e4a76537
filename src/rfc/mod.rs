//! HTTP's grammar as pure functions, each citing its section. No I/O, no logging, no settings.

pub mod accept;
pub mod chunked;
pub mod conditional;
pub mod date;
pub mod encoded_word;
pub mod encoding;
pub mod fields;
pub mod forwarded;
pub mod host;
pub mod hpack;
pub mod identity;
pub mod media_type;
pub mod multipart;
pub mod path;
pub mod proxy_protocol;
pub mod range;
pub mod request_chunks;
pub mod request_head;
pub mod request_parts;
pub mod response_head;
pub mod response_lines;
pub mod target;
pub mod token;
pub mod trace;
pub mod trailers;
pub mod upgrade;
