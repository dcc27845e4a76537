//! Refuses requests for hosts that this site does not have (`server.allowed_hosts`).

use super::request_context::RequestContext;
use crate::{
    error::{Error, FailureKind},
    rfc::host,
};

/// Checks the host that a request is for. If a list is set, requests without a host are refused.
pub(super) fn check(context: &RequestContext) -> Result<(), Error> {
    let allowed = &context.local.app.plan.server.allowed_hosts;
    if allowed.is_empty() {
        return Ok(());
    }
    match context.host().and_then(host::split_port) {
        Some((name, _)) if allowed.iter().any(|pattern| host::matches(name, pattern)) => Ok(()),
        Some(_) | None => Err(Error::new(FailureKind::HostNotAllowed)),
    }
}
