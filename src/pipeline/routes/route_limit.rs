//! The rate limit of a request: the one of the most specific route that sets one, and the first action that it applies
//! to. Files are exempt from the limits of routes that do not name them, because a page has many.

use std::sync::Arc;

use ipnet::IpNet;

use super::rule::{Rule, TableRoute};
use crate::{
    pipeline::rate_limiter::RateLimiter,
    plan::{MissingFile, RateLimitPolicy, RateLimitSetting, RouteAction},
};

/// The rate limit of a request.
#[derive(Clone, Debug)]
pub(in crate::pipeline) struct RouteLimit {
    pub(in crate::pipeline) limiter: Arc<RateLimiter>,
    /// The route that sets the limit.
    pub(in crate::pipeline) route: Option<Arc<str>>,
    pub(in crate::pipeline) exempt: Vec<IpNet>,
    /// Whether requests over the limit are only counted and logged.
    pub(in crate::pipeline) is_dry_run: bool,
    /// The index of the first action that the limit applies to.
    pub(in crate::pipeline) first_action: usize,
}

// === impl RouteLimit ===

impl RouteLimit {
    /// Merges the routes of a request, the most specific first.
    pub(super) fn resolve<'a>(
        routes: impl Iterator<Item = (&'a Rule, &'a TableRoute)>,
    ) -> Option<Self> {
        let (mut setting, mut exempt, mut is_dry_run) = (None, None, None);
        // Whether the route of the limit names files of less specific routes.
        let mut names_files = false;
        let mut actions: Vec<bool> = Vec::new();
        let mut is_complete = false;
        for (rule, one) in routes {
            let RateLimitPolicy { limit, exempt: own_exempt, is_dry_run: own_dry_run } =
                &one.policies.rate_limit;
            let is_here = setting.is_none() && limit.is_some();
            if is_here {
                setting = Some(one);
            }
            exempt = exempt.or((!own_exempt.is_empty()).then_some(own_exempt));
            is_dry_run = is_dry_run.or(*own_dry_run);
            if let Some(action) = one.action.as_ref().filter(|_| !is_complete) {
                let is_file =
                    matches!(action, RouteAction::Files { .. } | RouteAction::File { .. });
                actions.push(!is_file || is_here || names_files);
                is_complete =
                    !matches!(action, RouteAction::Files { missing: MissingFile::Next, .. });
            }
            names_files |= is_here && rule.names_path;
        }
        let one = setting?;
        if one.policies.rate_limit.limit == Some(RateLimitSetting::Off) {
            return None;
        }
        // The application of [upstream] responds after all actions.
        let first_action = actions.iter().position(|applies| *applies);
        let is_ever_applied = first_action.is_some() || !is_complete;
        is_ever_applied.then_some(Self {
            limiter: Arc::clone(one.limiter.as_ref()?),
            route: one.name.clone(),
            exempt: exempt.cloned().unwrap_or_default(),
            is_dry_run: is_dry_run.unwrap_or_default(),
            first_action: first_action.unwrap_or(actions.len()),
        })
    }
}
