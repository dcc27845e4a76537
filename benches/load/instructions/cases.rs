//! The table of requests whose instructions are counted, with the header fields of a browser behind
//! a load balancer.

use std::{io, net::SocketAddr};

use crate::{
    client::Ask,
    content,
    rows::{self, ExpectedResponse, Get, Row, Scenario, Via},
};

/// A row, and the header fields that its requests carry after `Host`.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) row: Row,
    fields: &'static [&'static [&'static str]],
}

/// With `Host`, five.
const BASIC: &[&str] = &[
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept: text/html,application/xhtml+xml",
    "Accept-Encoding: gzip",
    "Cookie: csrftoken=Zk3cT0a9PqL1vYw7; sessionid=f1c2d3e4b5a697887766554433221100",
];
/// With those, seventeen.
const FURTHER: &[&str] = &[
    "Accept-Language: fr-FR,fr;q=0.8,en;q=0.5",
    "Referer: https://shop.example.com/products/?page=2&sort=price",
    "Upgrade-Insecure-Requests: 1",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: same-origin",
    "Sec-Fetch-User: ?1",
    "Priority: u=0, i",
    "X-Forwarded-For: 203.0.113.24",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Port: 443",
    "X-Amzn-Trace-Id: Root=1-6567a1b2-0123456789abcdef01234567",
];

const FIVE: &[&[&str]] = &[BASIC];
const SEVENTEEN: &[&[&str]] = &[BASIC, FURTHER];

const PAGE: ExpectedResponse = ExpectedResponse::Origin { posted: 0, size: 1 << 10 };
const FORM: ExpectedResponse = ExpectedResponse::Origin { posted: 1 << 10, size: 1 << 10 };

/// Every case, in the order of the table.
pub(crate) const CASES: &[Case] = &[
    case("static_1k_5_fields", "1 KiB file", rows::small(), FIVE),
    case("static_1k_17_fields", "1 KiB file", rows::small(), SEVENTEEN),
    case("proxied_1k_5_fields", "1 KiB from the application", page(PAGE), FIVE),
    case("proxied_1k_17_fields", "1 KiB from the application", page(PAGE), SEVENTEEN),
    case("post_1k_5_fields", "1 KiB to the application and 1 KiB back", page(FORM), FIVE),
];

// === impl Case ===

impl Case {
    /// The counted request: that of the probe, with the headers of this case.
    pub(crate) fn ask(&self, get: &Get, probed: &Ask, address: SocketAddr) -> Ask {
        let mut words = probed.request.split(|&byte| byte == b' ');
        let target = String::from_utf8_lossy(words.nth(1).unwrap_or_default()).into_owned();
        let posted = match get.answer {
            ExpectedResponse::Origin { posted, .. } => posted,
            ExpectedResponse::Any
            | ExpectedResponse::File(_)
            | ExpectedResponse::Tree { .. }
            | ExpectedResponse::Encoded(_)
            | ExpectedResponse::Unchanged(_)
            | ExpectedResponse::Part { .. }
            | ExpectedResponse::Stored(_)
            | ExpectedResponse::Text { .. }
            | ExpectedResponse::Missing => 0,
        };
        Ask { request: self.request(&target, address, posted), ..probed.clone() }
    }

    /// A POST carries `Content-Length` besides the fields of the case.
    fn request(&self, target: &str, address: SocketAddr, posted: usize) -> Vec<u8> {
        let method = if posted == 0 { "GET" } else { "POST" };
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\n");
        for field in self.fields.iter().copied().flatten() {
            head.push_str(field);
            head.push_str("\r\n");
        }
        if posted > 0 {
            head.push_str(&format!("Content-Length: {posted}\r\n"));
        }
        head.push_str("\r\n");
        let mut request = head.into_bytes();
        request.extend(content::noise(posted as u64, posted));
        request
    }
}

/// Proves that each head has as many fields as its row says.
pub(crate) fn self_check() -> io::Result<()> {
    for case in CASES {
        let posted = usize::from(case.row.name.starts_with("post"));
        let request = case.request("/", SocketAddr::from(([127, 0, 0, 1], 80)), posted);
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut parsed = httparse::Request::new(&mut headers);
        let whole = parsed.parse(&request).is_ok_and(|status| status.is_complete());
        // The header of the body is not in the name.
        let fields = parsed.headers.len() - posted;
        if !whole || !case.row.name.contains(&format!("_{fields}_fields")) {
            let what = format!("{}: the request has {fields} header fields", case.row.name);
            return Err(io::Error::other(what));
        }
    }
    Ok(())
}

const fn case(
    name: &'static str,
    what: &'static str,
    get: Get,
    fields: &'static [&'static [&'static str]],
) -> Case {
    Case { row: Row { name, what, scenario: Scenario::KeepAlive(get), via: Via::Http }, fields }
}

const fn page(answer: ExpectedResponse) -> Get {
    Get { path: "/page?of=1", answer, headers: &["content-type"], logged: true }
}
