//! Refuses requests that must not go further: what two servers could read differently. What can be
//! seen in the bytes alone was refused before (`rfc/request_head`).

use http::{Method, Version};

use super::{forward, request_context::RequestContext};
use crate::{
    error::{Error, FailureKind},
    rfc::{host, request_parts::FieldName},
};

/// Checks what a request's head says.
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
    // `?query` alone has no path, `host:80` is for CONNECT: neither may reach the application.
    if !target.starts_with('/') && !is_asterisk {
        return Err(Error::new(FailureKind::TargetInvalid));
    }
    let mut hosts = parts.headers.get_all(FieldName::Host);
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Error::new(FailureKind::HostRepeated));
    }
    match host {
        // A missing or broken field is an error also if the target names a host (RFC 9112, 3.2).
        None if parts.version == Version::HTTP_11 => {
            return Err(Error::new(FailureKind::HostMissing));
        }
        // `:authority` takes its place (RFC 9113, 8.3.1).
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
    // RFC 9112, 3.2.2 lets the target win over the field; whoever stands before us may not know that.
    let scheme = parts.scheme().unwrap_or_default();
    let is_same_host = host.is_none_or(|host| host::are_same(host, authority, scheme));
    let is_same_scheme = match scheme {
        // `:scheme` is what whoever ended TLS before us has made of it.
        _ if parts.version > Version::HTTP_11 => true,
        "http" => true,
        "https" => forward::scheme(context) == "https",
        _ => false,
    };
    if is_same_host && is_same_scheme { Ok(()) } else { Err(Error::new(FailureKind::HostMismatch)) }
}
