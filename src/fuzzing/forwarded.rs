//! `X-Forwarded-For` and similar fields: the values, one on each line.

use std::net::{IpAddr, Ipv4Addr};

use http::HeaderValue;

use crate::rfc::forwarded::{address, behind, client, last, port};

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

/// Tests the fields of one request.
pub fn check(data: &[u8]) {
    let lines = data.split(|&byte| byte == b'\n').take(16);
    let values: Vec<HeaderValue> =
        lines.filter_map(|line| HeaderValue::from_bytes(line.trim_ascii()).ok()).collect();
    let joined: Vec<&[u8]> = values.iter().map(HeaderValue::as_bytes).collect();
    let joined = [HeaderValue::from_bytes(&joined.join(&b","[..])).expect("a value")];

    assert_eq!(client(PEER, bytes(&values), |_| false), PEER, "a stranger is never believed");
    let is_private = |address: IpAddr| match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_loopback(),
    };
    for is_trusted in [is_private, |_: IpAddr| true] {
        let found = behind(PEER, bytes(&values), is_trusted);
        assert_eq!(found, behind(PEER, bytes(&joined), is_trusted), "one field or several");
        assert_eq!(found, found.to_canonical());
        assert_eq!(found, plain(joined[0].as_bytes(), is_trusted));
    }
    for value in &values {
        if let Some(found) = address(value.as_bytes()) {
            assert_eq!(address(found.to_string().as_bytes()), Some(found));
            assert_eq!(address(format!("\"{found}\"").as_bytes()), Some(found));
        }
        if let Some(number) = port(value.as_bytes()) {
            assert_eq!(port(number.to_string().as_bytes()), Some(number));
        }
    }
    if let Some(value) = last(bytes(&values)) {
        assert!(!value.contains(&b',') && value.trim_ascii() == value);
    }
}

fn bytes(values: &[HeaderValue]) -> impl DoubleEndedIterator<Item = &[u8]> {
    values.iter().map(HeaderValue::as_bytes)
}

/// From left to right: the entry behind the last one that is not believed, or the first that is good.
fn plain(list: &[u8], is_trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let entries = list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    let mut chain: Vec<Option<IpAddr>> =
        entries.filter(|entry| !entry.is_empty()).map(address).collect();
    chain.push(Some(PEER));
    let begin = chain.iter().rposition(Option::is_none).map_or(0, |at| at + 1);
    let known: Vec<IpAddr> = chain[begin..].iter().flatten().copied().collect();
    let (_, proxies) = known.split_last().expect("the peer");
    // The peer is trusted, so only the entries before it matter.
    match proxies.iter().rposition(|address| !is_trusted(*address)) {
        Some(at) => known[at],
        None => known[0],
    }
}
