//! `Vary` (RFC 9110, 12.5.5): the request fields that a response depends on.

use http::{HeaderMap, HeaderValue, header};

/// Iterates over the names in the values of some `Vary` fields.
pub fn names<'a>(values: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
    let names = values.flat_map(|value| value.split(|&byte| byte == b','));
    names.map(<[u8]>::trim_ascii).filter(|name| !name.is_empty())
}

/// Adds names to a response's `Vary`, and makes one field of all. `*` stands for every name.
pub fn add<'a>(headers: &mut HeaderMap, more: impl Iterator<Item = &'a [u8]>) {
    let values = headers.get_all(header::VARY).iter();
    let mut all: Vec<&[u8]> = names(values.map(HeaderValue::as_bytes)).collect();
    for name in more {
        let is_said = |said: &&[u8]| *said == b"*" || said.eq_ignore_ascii_case(name);
        if !all.iter().any(is_said) {
            all.push(name);
        }
    }
    if all.is_empty() {
        return;
    }
    if let Ok(value) = HeaderValue::from_bytes(&all.join(&b", "[..])) {
        headers.insert(header::VARY, value);
    }
}
