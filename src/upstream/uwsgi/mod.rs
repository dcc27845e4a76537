//! The uwsgi codec: request heads to packets, bytes to reply heads, for uWSGI and for gunicorn's
//! `--protocol uwsgi`.
//!
//! A packet is `modifier1, u16le size, modifier2` (both 0: a WSGI request) and so many bytes of
//! variables, each a `u16le` length with its key and one with its value; the body follows as it is.
//! The reply is HTTP, or fields alone as CGI has them.

mod encode;
mod packet;
mod parse;
mod path_info;

#[cfg(test)]
mod tests;

pub(super) use self::{encode::encode, parse::parse};
