//! The application's interim responses (RFC 9110, 15.2), such as early hints (RFC 8297). The pipeline queues them, and
//! the server that has the connection writes them before the final response.

use std::{
    cell::{Cell, RefCell},
    mem,
};

use http::StatusCode;

use super::response::ResponseHead;
use crate::rfc::response_lines::ResponseLines;

/// The maximum number of bytes that are queued for a client. Further ones are dropped: an interim response holds
/// nothing that the final one lacks.
pub const MAX_QUEUED_BYTES: usize = 32 * 1024;
/// The bytes that a status counts, besides its fields.
const STATUS_COST: usize = 64;

/// The queue of interim responses that are not written yet.
#[derive(Debug, Default)]
pub struct InterimResponses {
    waiting: RefCell<Vec<ResponseHead>>,
    /// Bytes of all that were queued since [`InterimResponses::restart`].
    size: Cell<usize>,
}

// === impl InterimResponses ===

impl InterimResponses {
    /// Empties the queue. The limit applies anew to what follows.
    pub fn restart(&self) {
        self.waiting.borrow_mut().clear();
        self.size.set(0);
    }

    /// Takes the queued responses.
    pub fn take(&self) -> Vec<ResponseHead> {
        mem::take(&mut *self.waiting.borrow_mut())
    }

    /// Queues an interim response with these fields, unless that exceeds the limit.
    pub(super) fn push(&self, status: StatusCode, fields: &ResponseLines) {
        let size = self.size.get() + STATUS_COST + fields.as_bytes().len();
        if size <= MAX_QUEUED_BYTES {
            self.size.set(size);
            self.waiting.borrow_mut().push(response(status, fields));
        }
    }
}

/// Makes an interim response of the fields that clients may see. Hop-by-hop fields are removed already.
fn response(status: StatusCode, fields: &ResponseLines) -> ResponseHead {
    let headers = fields.filtered(is_for_clients).to_map();
    ResponseHead { status, headers, ..ResponseHead::default() }
}

fn is_for_clients(name: &[u8]) -> bool {
    name != b"content-length" && name != b"x-sendfile" && !name.starts_with(b"x-accel-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue};

    fn fields(list: &[(&'static str, &'static str)]) -> ResponseLines {
        let mut fields = HeaderMap::new();
        for (name, value) in list {
            fields.append(*name, HeaderValue::from_static(value));
        }
        ResponseLines::from(&fields)
    }

    #[test]
    fn what_clients_may_see_is_queued() {
        let queue = InterimResponses::default();
        queue.push(
            StatusCode::EARLY_HINTS,
            &fields(&[
                ("link", "</a.css>; rel=preload"),
                ("link", "</b.js>; rel=preload"),
                ("content-length", "5"),
                ("x-accel-redirect", "/secret"),
                ("x-sendfile", "/secret"),
            ]),
        );
        let taken = queue.take();
        let [response] = &taken[..] else { panic!("{taken:?}") };
        assert_eq!(response.status, 103);
        let links: Vec<_> = response.headers.get_all("link").iter().collect();
        assert_eq!(links, ["</a.css>; rel=preload", "</b.js>; rel=preload"]);
        assert_eq!(response.headers.len(), 2);
        assert!(queue.take().is_empty());
    }

    #[test]
    fn interim_responses_over_the_limit_are_dropped() {
        let queue = InterimResponses::default();
        let long = String::from_utf8(vec![b'x'; MAX_QUEUED_BYTES / 2]).unwrap();
        let long = fields(&[("x-long", long.leak())]);
        for _ in 0..3 {
            queue.push(StatusCode::EARLY_HINTS, &long);
        }
        assert_eq!(queue.take().len(), 1);
        // All interim responses of a request count, whether written or not.
        queue.push(StatusCode::EARLY_HINTS, &long);
        assert!(queue.take().is_empty());
        queue.restart();
        queue.push(StatusCode::EARLY_HINTS, &long);
        assert_eq!(queue.take().len(), 1);
    }
}
