//! Refuses requests over the rate limit of their route. Of a global limit, Redis has the count: this process asks it
//! about requests that it would allow itself.

use std::{borrow::Cow, net::IpAddr};

use super::{
    client_network, rate_limiter::RateLimiter, request_context::RequestContext, routes::RouteLimit,
};
use crate::{
    error::{Error, FailureKind},
    plan::{ClientNetwork, RateLimitKey},
    redis::SharedCount,
    rfc::{host, request_parts::FieldName},
};

/// What identifies the requests that share a limit.
#[derive(Debug, PartialEq, Eq, Hash)]
enum LimitedBy<'a> {
    Client(ClientNetwork),
    Host(Vec<u8>),
    Header(&'a [u8]),
}

/// Counts a request, or returns the error if it is over the limit.
pub(super) async fn check(context: &RequestContext, limit: &RouteLimit) -> Result<(), Error> {
    let is_exempt = |client: IpAddr| {
        let client = client.to_canonical();
        limit.exempt.iter().any(|network| network.contains(&client))
    };
    if is_exempt(context.client) {
        return Ok(());
    }
    let limiter = &limit.limiter;
    let Some(by) = limited_by(context, limiter) else { return Ok(()) };
    let decision = limiter.check(&by, context.begin);
    if decision.has_evicted {
        context.local.metrics.rate_limit_evictions.add(1);
    }
    let retry_after = match decision.retry_after {
        // What is too much here is too much for all.
        None if limiter.limit().is_global => Box::pin(count_for_all(context, limit, &by)).await,
        here => here,
    };
    let Some(retry_after) = retry_after else { return Ok(()) };
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

/// Counts a request in Redis. Returns the seconds until one is within the limit, if this one is not. If Redis does not
/// say, the count of this process has decided.
async fn count_for_all(
    context: &RequestContext,
    limit: &RouteLimit,
    by: &LimitedBy<'_>,
) -> Option<u32> {
    let link = context.local.app.redis.as_ref()?;
    let setting = limit.limiter.limit();
    let key = link.limit_key(limit.route.as_deref().unwrap_or_default(), setting, &by.bytes());
    match link.count(key, setting).await {
        SharedCount::Over(wait) => {
            limit.limiter.take_back(by, context.begin);
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            Some(u32::try_from(seconds).unwrap_or(u32::MAX))
        }
        SharedCount::Within | SharedCount::Unknown => None,
    }
}

/// Returns what identifies a request. `None` if it is not limited.
fn limited_by<'a>(context: &'a RequestContext, limiter: &RateLimiter) -> Option<LimitedBy<'a>> {
    match limiter.key() {
        RateLimitKey::Client => client_network::of(context).map(LimitedBy::Client),
        RateLimitKey::Host => {
            let (name, _) = host::split_port(context.host()?)?;
            let name = name.strip_suffix(b".").unwrap_or(name);
            Some(LimitedBy::Host(name.to_ascii_lowercase()))
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
            value.map(LimitedBy::Header)
        }
    }
}

// === impl LimitedBy ===

impl LimitedBy<'_> {
    /// Returns the same bytes in every process.
    fn bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Client(network) => Cow::Owned(network.first_address().to_string().into()),
            Self::Host(host) => Cow::Borrowed(host),
            Self::Header(value) => Cow::Borrowed(value),
        }
    }
}
