//! The uwsgi codec: encodes request heads as packets and parses response heads, for uWSGI and for gunicorn's
//! `--protocol uwsgi`.
//!
//! A packet is `modifier1, u16le size, modifier2` (both 0: a WSGI request), followed by `size` bytes of variables. Each
//! variable is a `u16le` length and its key, then a `u16le` length and its value. The body follows unchanged. The
//! response is HTTP, or only fields as in CGI.

mod encode;
mod packet;
mod parse;
mod path_info;

#[cfg(test)]
mod tests;

pub(super) use self::{encode::encode, parse::parse};
