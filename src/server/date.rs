//! The `Date` of a response (RFC 9110, 6.6.1). Each thread formats it once a second.

use std::{cell::RefCell, time::SystemTime};

use bytes::{BufMut as _, BytesMut};
use http::HeaderValue;

use crate::rfc::date;

thread_local! {
    static CACHED: RefCell<Option<(u64, HeaderValue)>> = const { RefCell::new(None) };
}

/// Returns the current time as a field value.
pub(super) fn now() -> Option<HeaderValue> {
    with(HeaderValue::clone)
}

/// Appends the current time.
pub(super) fn append(out: &mut BytesMut) {
    with(|value| out.put_slice(value.as_bytes()));
}

fn with<T>(then: impl FnOnce(&HeaderValue) -> T) -> Option<T> {
    let now = date::seconds(SystemTime::now());
    CACHED.with_borrow_mut(|last| {
        if last.as_ref().is_none_or(|(second, _)| *second != now) {
            *last = Some((now, HeaderValue::try_from(date::format(now)).ok()?));
        }
        last.as_ref().map(|(_, value)| then(value))
    })
}
