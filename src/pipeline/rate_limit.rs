//! Refuses requests over the rate limit of their route.

use std::net::IpAddr;

use super::{
    client_network, rate_limiter::RateLimiter, request_context::RequestContext, routes::RouteLimit,
};
use crate::{
    error::{Error, FailureKind},
    plan::RateLimitKey,
    rfc::{host, request_parts::FieldName},
};

/// Counts a request, or returns the error if it is over the limit.
pub(super) fn check(context: &RequestContext, limit: &RouteLimit) -> Result<(), Error> {
    let is_exempt = |client: IpAddr| {
        let client = client.to_canonical();
        limit.exempt.iter().any(|network| network.contains(&client))
    };
    if is_exempt(context.client) {
        return Ok(());
    }
    let Some(retry_after) = seconds_over(context, &limit.limiter) else { return Ok(()) };
    let error = Error::new(FailureKind::RateLimited).retry_after(retry_after);
    if !limit.is_dry_run {
        return Err(error);
    }
    context.local.metrics.rate_limit_dry_runs.add(1);
    if let Some(missed) = context.local.app.failure_throttle(FailureKind::RateLimited).should_log()
    {
        let (path, route, client) = (context.parts.path(), limit.route.as_deref(), context.client);
        tracing::info!(path, route, %client, missed, "request over the rate limit allowed, dry run");
    }
    Ok(())
}

/// Returns the seconds until a request is within the limit, if this one is not.
fn seconds_over(context: &RequestContext, limiter: &RateLimiter) -> Option<u32> {
    let at = context.begin;
    let decision = match limiter.key() {
        RateLimitKey::Client => limiter.check(client_network::of(context)?, at),
        RateLimitKey::Host => {
            let (name, _) = host::split_port(context.host()?)?;
            let name = name.strip_suffix(b".").unwrap_or(name);
            limiter.check(name.to_ascii_lowercase(), at)
        }
        RateLimitKey::Header(name) => {
            let headers = &context.parts.headers;
            let name = name.as_str().as_bytes();
            let known = FieldName::of(name);
            let value = if known == FieldName::Other {
                let mut fields = headers.iter();
                let field = fields.find(|(_, own, _)| own.eq_ignore_ascii_case(name));
                field.map(|(_, _, value)| value)
            } else {
                headers.get(known)
            };
            limiter.check(value?, at)
        }
    };
    if decision.has_evicted {
        context.local.metrics.rate_limit_evictions.add(1);
    }
    decision.retry_after
}
