//! Refuses requests that must not go further: what two servers could read differently.

use http::{HeaderValue, Method, Version, header, request::Parts, uri::PathAndQuery};

use crate::{
    error::{Error, Kind},
    rfc::host,
};

/// Checks a request's head.
pub(super) fn check(parts: &Parts) -> Result<(), Error> {
    if parts.method == Method::CONNECT {
        return Err(Error::new(Kind::ConnectMethod));
    }
    // Content-Length beside Transfer-Encoding (RFC 9112, 6.1) can't be seen here: hyper goes by the
    // latter, takes the former away and closes the connection afterwards, as the RFC allows.
    // hyper decodes the last coding of any list, and takes the others for the application's matter.
    let mut codings = parts.headers.get_all(header::TRANSFER_ENCODING).iter();
    if codings.next().is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
        || codings.next().is_some()
    {
        return Err(Error::new(Kind::CodingUnknown));
    }
    let target = parts.uri.path_and_query().map_or("", PathAndQuery::as_str);
    let is_asterisk = target == "*" && parts.method == Method::OPTIONS;
    // `http://host?query` has no path, `host:80` is for CONNECT: neither may reach the application.
    if !target.starts_with('/') && !is_asterisk {
        return Err(Error::new(Kind::TargetInvalid));
    }
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let host = hosts.next().map(HeaderValue::as_bytes);
    if hosts.next().is_some() {
        return Err(Error::new(Kind::HostRepeated));
    }
    match host {
        // The effective host is the target's, yet a missing or broken field is still an error
        // (RFC 9112, 3.2).
        None if parts.version == Version::HTTP_11 => Err(Error::new(Kind::HostMissing)),
        // `:authority` takes its place, and must not contradict it (RFC 9113, 8.3.1).
        None if parts.version > Version::HTTP_11 && parts.uri.authority().is_none() => {
            Err(Error::new(Kind::HostMissing))
        }
        Some(value)
            if parts.version > Version::HTTP_11
                && parts
                    .uri
                    .authority()
                    .is_some_and(|name| !name.as_str().as_bytes().eq_ignore_ascii_case(value)) =>
        {
            Err(Error::new(Kind::HostInvalid))
        }
        Some(value) if !host::is_valid(value) => Err(Error::new(Kind::HostInvalid)),
        _ if parts
            .uri
            .authority()
            .is_some_and(|name| !host::is_valid(name.as_str().as_bytes())) =>
        {
            Err(Error::new(Kind::HostInvalid))
        }
        None | Some(_) => Ok(()),
    }
}
