//! What is requested: paths, and the bytes of a GET for each.

use std::io;

use http::{HeaderName, HeaderValue, uri::PathAndQuery};

use super::destination::Destination;

/// Each has counters and a line of the result.
const MAX_PAGES: usize = 100;

/// Header fields that would make a GET something else, or its end unclear.
const REFUSED: [&str; 4] = ["content-length", "transfer-encoding", "expect", "upgrade"];

/// A path and the request for it.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) path: String,
    pub(crate) request: Vec<u8>,
}

/// The pages for these options: the path of the URL, and those of `--path`.
pub(crate) fn pages(
    destination: &Destination,
    paths: &[String],
    fields: &[String],
) -> io::Result<Vec<Page>> {
    let from_url = (paths.is_empty() || destination.path != "/").then_some(&destination.path);
    let paths: Vec<_> = from_url.into_iter().chain(paths).collect();
    if paths.len() > MAX_PAGES {
        return Err(io::Error::other(format!("--path: at most {MAX_PAGES} paths are possible")));
    }
    let fields = header_fields(destination, fields)?;
    paths
        .into_iter()
        .map(|path| {
            let valid = path.starts_with('/') && path.parse::<PathAndQuery>().is_ok();
            if !valid {
                let why = "must start with `/` and have no spaces; write them as %20";
                return Err(io::Error::other(format!("--path {path}: {why}")));
            }
            let path = path.split('#').next().unwrap_or_default().to_owned();
            let request = format!("GET {path} HTTP/1.1\r\n{fields}\r\n").into_bytes();
            Ok(Page { path, request })
        })
        .collect()
}

/// The header fields of every request: those of a small browser, replaced by those of `--header`.
fn header_fields(destination: &Destination, given: &[String]) -> io::Result<String> {
    let default = [
        ("Host", destination.authority.as_str()),
        ("User-Agent", concat!("sideman-load/", env!("CARGO_PKG_VERSION"))),
        ("Accept", "*/*"),
        ("Accept-Encoding", "gzip, deflate, br"),
    ];
    let mut text = String::new();
    let mut names = Vec::new();
    for field in given {
        let wrong = |why: &str| io::Error::other(format!("--header '{field}': {why}"));
        let (name, value) =
            field.split_once(':').ok_or_else(|| wrong("write it as 'Name: value'"))?;
        let (name, value) = (name.trim(), value.trim());
        let lower: HeaderName = name.parse().map_err(|_| wrong("the name is not valid"))?;
        HeaderValue::from_str(value).map_err(|_| wrong("the value is not valid"))?;
        if REFUSED.contains(&lower.as_str()) {
            return Err(wrong("is not possible: every request is a GET without a body"));
        }
        text += &format!("{name}: {value}\r\n");
        names.push(lower);
    }
    let is_given = |name: &str| names.iter().any(|given| given.as_str().eq_ignore_ascii_case(name));
    let missing = default.iter().filter(|(name, _)| !is_given(name));
    let default: String = missing.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    Ok(default + &text)
}
