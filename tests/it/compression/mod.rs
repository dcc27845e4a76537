//! Responses of the application are compressed, for clients that accept it.

mod clients;
mod fields;
mod limits;
mod streams;

use std::io::Read as _;

use sideman::rfc::encoding::Coding;

use crate::support::{App, Request};

const CODINGS: [Coding; 3] = [Coding::Gzip, Coding::Brotli, Coding::Zstd];

/// A page that becomes much smaller.
fn page() -> String {
    (0..400).map(|row| format!("<tr><td>{row}</td><td>An entry of a list</td></tr>\n")).collect()
}

/// An application that responds with the page, and with the fields that the request's `X-Fields` names, one a `;`.
fn application() -> App {
    App::start(|request| {
        let fields = request.head.get("x-fields").unwrap_or_default().replace(';', "\r\n");
        let end = if fields.is_empty() { "" } else { "\r\n" };
        reply(request, &format!("Content-Type: text/html; charset=utf-8\r\n{fields}{end}"), &page())
    })
}

/// A response of this text, in the framing that the target names.
fn reply(request: &Request, fields: &str, text: &str) -> Vec<u8> {
    let status = request.head.get("x-status").unwrap_or("200 OK");
    let has_body = request.method() != "HEAD" && !status.starts_with("304");
    let framing = if request.target().contains("chunked") {
        "Transfer-Encoding: chunked".to_owned()
    } else {
        format!("Content-Length: {}", text.len())
    };
    let body = match (has_body, request.target().contains("chunked")) {
        (false, _) => String::new(),
        (true, false) => text.to_owned(),
        (true, true) => format!("{:x}\r\n{text}\r\n0\r\n\r\n", text.len()),
    };
    format!("HTTP/1.1 {status}\r\nConnection: keep-alive\r\n{fields}{framing}\r\n\r\n{body}").into()
}

/// Decodes as much as there is.
pub(crate) fn decoded(coding: Coding, packed: &[u8]) -> String {
    let mut text = Vec::new();
    let mut decoder: Box<dyn std::io::Read> = match coding {
        Coding::Identity => Box::new(packed),
        Coding::Gzip => Box::new(flate2::read::MultiGzDecoder::new(packed)),
        Coding::Brotli => Box::new(brotli::Decompressor::new(packed, 4096)),
        Coding::Zstd => Box::new(zstd::Decoder::new(packed).unwrap()),
    };
    let mut piece = [0; 4096];
    while let Ok(length @ 1..) = decoder.read(&mut piece) {
        text.extend_from_slice(&piece[..length]);
    }
    String::from_utf8(text).unwrap()
}
