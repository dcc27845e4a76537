//! Refuses requests that two servers could understand differently. `rfc/request_head` has already refused those whose
//! bytes are invalid.

use http::{Method, Version};

use super::{request_context::RequestContext, scheme};
use crate::{
    error::{Error, FailureKind},
    rfc::{host, request_parts::FieldName},
};

/// Checks a request's head.
pub(super) fn check(context: &RequestContext) -> Result<(), Error> {
    let parts = &context.parts;
    if parts.method == Method::CONNECT {
        return Err(Error::new(FailureKind::ConnectMethod));
    }
    if parts.method == Method::TRACE {
        return Err(Error::new(FailureKind::TraceMethod));
    }
    let target = parts.path_and_query();
    let is_asterisk = target == "*" && parts.method == Method::OPTIONS;
    // `?query` alone has no path, and `host:80` is for CONNECT. Neither may reach the application.
    if !target.starts_with('/') && !is_asterisk {
        return Err(Error::new(FailureKind::TargetInvalid));
    }
    let mut hosts = parts.headers.get_all(FieldName::Host);
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Error::new(FailureKind::HostRepeated));
    }
    match host {
        // A missing or invalid field is an error even if the target names a host (RFC 9112, 3.2).
        None if parts.version == Version::HTTP_11 => {
            return Err(Error::new(FailureKind::HostMissing));
        }
        // `:authority` replaces it (RFC 9113, 8.3.1).
        None if parts.version > Version::HTTP_11 && parts.authority().is_none() => {
            return Err(Error::new(FailureKind::HostMissing));
        }
        Some(value) if !host::is_valid(value) => return Err(Error::new(FailureKind::HostInvalid)),
        None | Some(_) => {}
    }
    // Nearly every target is a path alone.
    let Some(authority) = parts.authority().map(str::as_bytes) else { return Ok(()) };
    if !host::is_valid(authority) {
        return Err(Error::new(FailureKind::HostInvalid));
    }
    // By RFC 9112, 3.2.2 the target wins over the field, but a proxy in front may use the field.
    let scheme = parts.scheme().unwrap_or_default();
    let is_same_host = host.is_none_or(|host| host::are_same(host, authority, scheme));
    let is_same_scheme = match scheme {
        // `:scheme` is set by whatever terminated TLS in front of Sideman.
        _ if parts.version > Version::HTTP_11 => true,
        "http" => true,
        "https" => scheme::of(context) == "https",
        _ => false,
    };
    if is_same_host && is_same_scheme { Ok(()) } else { Err(Error::new(FailureKind::HostMismatch)) }
}
