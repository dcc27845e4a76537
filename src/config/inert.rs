//! Warnings for settings that are valid but have no effect, because of another setting: a table of the requirements of
//! settings, and checks for list rules that other rules hide.

use std::net::IpAddr;

use http::StatusCode;

use crate::plan::{
    AccessLog, Auth, CacheRule, CertificateSettings, ListenAddress, LogField, NamePatternRule,
    Plan, Protocol, Purpose, RateLimitSetting, Root, Route, RouteAction, RouteResponse,
    SpillDirectory, UpstreamSettings, UpstreamTarget,
};

use super::{caching, keys::SettingKey, load::LoadedSettings, read::Setting};

/// The condition under which settings have an effect, and the reason if they have none.
struct Requirement {
    keys: &'static [&'static str],
    acts: fn(&Plan) -> bool,
    why: &'static str,
}

const REQUIREMENTS: &[Requirement] = &[
    Requirement {
        keys: &["tls.min_version", "tls.handshake_timeout", "tls.handshakes"],
        acts: |plan| plan.tls.is_some(),
        why: "tls.listen is none",
    },
    Requirement {
        keys: &["acme.directory", "acme.storage", "acme.contact", "acme.tls_ca"],
        acts: |plan| {
            let certificates = plan.tls.as_ref().map(|tls| &tls.certificates);
            matches!(certificates, Some(CertificateSettings::Acme(_)))
        },
        why: "acme.domains is none",
    },
    Requirement {
        keys: &["server.proxy_protocol_from"],
        acts: |plan| {
            let mut listen = plan.server.proxy_protocol.iter();
            listen.any(|one| matches!(one, ListenAddress::Tcp(_)))
        },
        why: "server.proxy_protocol names no TCP address",
    },
    Requirement {
        keys: &["upstream.queue_timeout"],
        acts: |plan| plan.upstream.admission.queue > 0,
        why: "upstream.queue is 0, so nothing is queued",
    },
    Requirement {
        keys: &["upstream.read_timeout"],
        acts: |plan| {
            plan.upstream.total_timeout.is_none_or(|total| plan.upstream.read_timeout < total)
        },
        why: "upstream.total_timeout is not longer",
    },
    Requirement {
        keys: &["upstream.max_idle"],
        acts: |plan| {
            plan.upstream.max_idle == 0 || keeps(plan) && !plan.upstream.idle_timeout.is_zero()
        },
        why: "no connection stays open: upstream.idle_timeout is 0s, or uWSGI accepts one request on each",
    },
    Requirement {
        keys: &["upstream.idle_timeout"],
        acts: |plan| {
            plan.upstream.idle_timeout.is_zero() || keeps(plan) && plan.upstream.max_idle > 0
        },
        why: "no connection stays open: upstream.max_idle is 0, or uWSGI accepts one request on each",
    },
    Requirement {
        keys: &["upstream.idle_timeout"],
        acts: |plan| plan.upstream.idle_timeout <= plan.upstream.max_age,
        why: "upstream.max_age is shorter",
    },
    Requirement {
        keys: &["upstream.max_age"],
        acts: |plan| {
            keeps(plan) && plan.upstream.max_idle > 0 && !plan.upstream.idle_timeout.is_zero()
        },
        why: "no connection stays open: upstream.max_idle is 0, upstream.idle_timeout is 0s, or uWSGI \
              takes one request on each",
    },
    Requirement {
        keys: &["upstream.uwsgi_flavour", "upstream.uwsgi_buffer_size"],
        acts: |plan| upstreams(plan).any(|one| matches!(one.protocol, Protocol::Uwsgi(_))),
        why: "no address begins with uwsgi:// or uwsgi+unix:",
    },
    Requirement {
        keys: &["upstream.tls_ca"],
        acts: |plan| upstreams(plan).chain(other_origins(plan)).any(|one| one.tls.is_some()),
        why: "no address begins with https://",
    },
    Requirement {
        keys: &[
            "upstream.tls_server_name",
            "upstream.tls_client_certificate",
            "upstream.tls_verify",
        ],
        acts: |plan| upstreams(plan).any(|one| one.tls.is_some()),
        why: "no address of an application begins with https://",
    },
    Requirement {
        keys: &["upstream.eject_on", "upstream.slow_start"],
        acts: |plan| upstreams(plan).any(may_be_several),
        why: "there is only one server",
    },
    Requirement {
        keys: &["health.application"],
        acts: |plan| !plan.upstream.targets.is_empty(),
        why: "upstream.url is none",
    },
    Requirement {
        keys: &["health.application_interval", "health.application_in_path"],
        acts: |plan| plan.health.application.is_some(),
        why: "health.application is none",
    },
    Requirement {
        keys: &["upstream.probe", "upstream.probe_path"],
        acts: |plan| plan.health.application.is_none() || !plan.routed.is_empty(),
        why: "health.application probes every server already",
    },
    Requirement {
        keys: &["buffers.directory"],
        acts: |plan| {
            plan.buffers.disk > 0 || !matches!(plan.buffers.spill, SpillDirectory::Directory(_))
        },
        why: "buffers.disk is 0B",
    },
    Requirement {
        keys: &["buffers.max_response"],
        acts: |plan| {
            plan.buffers.max_response <= plan.buffers.disk / 2
                || plan.buffers.spill == SpillDirectory::Memory
        },
        why: "responses may use half of buffers.disk, which is lower",
    },
    Requirement {
        keys: &[
            "cache.disk",
            "cache.max_object",
            "cache.stale",
            "cache.session_cookies",
            "cache.ignored_cookies",
            "cache.ignored_query",
            "cache.language_cookie",
            "cache.languages",
            "cache.client_refresh",
            "cache.purge_from",
            "route.cache",
        ],
        acts: |plan| plan.cache.is_on(),
        why: "cache.memory is off",
    },
    Requirement {
        keys: &["cache.redis"],
        acts: |plan| plan.cache.is_on() || has_global_limit(plan),
        why: "cache.memory is off, and no rate_limit is global",
    },
    Requirement {
        keys: &[
            "static.memory",
            "static.entries",
            "static.max_age",
            "static.caching",
            "static.index",
            "static.compress",
            "static.write_once",
            "static.fallback",
            "static.fallback_timeout",
            "static.serve_current",
            "log.static_sample",
        ],
        acts: |plan| !plan.files.roots.is_empty(),
        why: "static.roots is none",
    },
    Requirement {
        keys: &[
            "static.check_interval",
            "static.hash_rate",
            "static.symlinks",
            "static.charset",
            "static.types",
        ],
        acts: |plan| roots(plan).next().is_some(),
        why: "static.roots, media.roots and accel.roots are none",
    },
    Requirement {
        keys: &["media.memory", "media.entries", "media.write_once"],
        acts: |plan| !plan.media.roots.is_empty(),
        why: "media.roots and accel.roots are none",
    },
    Requirement {
        keys: &["media.max_age", "media.cors", "media.rate", "media.signed", "media.signing_keys"],
        acts: |plan| roots(plan).any(|root| root.purpose == Purpose::Media),
        why: "media.roots is none",
    },
    Requirement {
        keys: &["static.fallback_timeout"],
        acts: |plan| {
            let missing = &plan.missing;
            missing.fallback.is_some() || missing.bucket.is_some() || plan.files.roots.is_empty()
        },
        why: "static.fallback is none",
    },
    Requirement {
        keys: &[
            "log.fields",
            "log.redact",
            "log.static_sample",
            "log.slow",
            "log.health",
            "log.buffer",
            "log.when_slow",
        ],
        acts: |plan| plan.log.access != AccessLog::Off,
        why: "log.access is off",
    },
    Requirement {
        keys: &["log.slow"],
        acts: |plan| plan.log.static_sample != 1 || plan.log.access == AccessLog::Off,
        why: "log.static_sample is 1, so no line is left out",
    },
    Requirement {
        keys: &["log.redact"],
        acts: |plan| {
            let shows = [LogField::Query, LogField::Referer, LogField::Combined];
            plan.log.access == AccessLog::Off
                || plan.log.fields.0.iter().any(|field| shows.contains(field))
        },
        why: "log.fields has neither query nor referer",
    },
    Requirement {
        keys: &["errors.421"],
        acts: |plan| {
            shows_page(plan, StatusCode::MISDIRECTED_REQUEST)
                || !plan.server.allowed_hosts.is_empty()
        },
        why: "server.allowed_hosts is none, so no request gets 421",
    },
    Requirement {
        keys: &["errors.401"],
        acts: |plan| {
            let asks = |route: &Route| {
                route.policies.auth.as_ref().is_some_and(|policy| policy.auth != Auth::Off)
            };
            shows_page(plan, StatusCode::UNAUTHORIZED) || plan.routes.iter().any(asks)
        },
        why: "no route has auth, so no request gets 401",
    },
    Requirement {
        keys: &["errors.403"],
        acts: |plan| {
            let limits = |route: &Route| route.policies.access.is_some();
            shows_page(plan, StatusCode::FORBIDDEN)
                || roots(plan).next().is_some()
                || plan.routes.iter().any(limits)
        },
        why: "static.roots, media.roots and accel.roots are none, and no route has allow or deny, so 403 is never sent",
    },
];

/// Returns a warning for each setting that was set and has no effect.
pub(super) fn warnings(loaded: &LoadedSettings) -> Vec<String> {
    let plan = &loaded.plan;
    let mut warnings = Vec::new();
    for setting in loaded.settings.iter().filter(|setting| differs(setting)) {
        let needs = REQUIREMENTS.iter().filter(|need| need.keys.contains(&setting.id.key.name));
        // The first reason is enough.
        if let Some(need) = needs.into_iter().find(|need| !(need.acts)(plan)) {
            warnings.push(format!("{} has no effect: {}", setting.id, need.why));
        }
    }
    let is_secret = |name: &str| {
        loaded.settings.iter().any(|one| one.id.key.name == name && one.origin.is_secret())
    };
    if !is_secret("static.caching") {
        let rules = plan.files.roots.first().map(|root| root.caching.as_slice());
        warnings.extend(hidden_caching(rules.unwrap_or_default()));
    }
    warnings
}

/// Whether a route has a rate limit that all processes share.
fn has_global_limit(plan: &Plan) -> bool {
    let limits = plan.routes.iter().filter_map(|route| route.policies.rate_limit.limit.as_ref());
    limits.into_iter().any(|one| matches!(one, RateLimitSetting::Limit(one) if one.is_global))
}

/// Returns whether the setting was set to another value than its default.
fn differs(setting: &Setting) -> bool {
    let default = |key: &SettingKey| match key.default {
        None | Some([]) => "none".to_owned(),
        Some(items) => items.join(", "),
    };
    setting.is_set() && setting.text != default(setting.id.key)
}

fn upstreams(plan: &Plan) -> impl Iterator<Item = &UpstreamSettings> {
    std::iter::once(&plan.upstream).chain(&plan.routed)
}

/// The servers of Sideman itself: for clients' passwords, and for files of other releases.
fn other_origins(plan: &Plan) -> impl Iterator<Item = &UpstreamSettings> {
    let fallback = plan.missing.fallback.as_ref().map(|fallback| &fallback.server);
    let buckets = plan.buckets.iter().map(|bucket| &bucket.server);
    plan.auth_servers.iter().chain(fallback).chain(buckets)
}

/// Whether an application may have several servers: several addresses, or a name that may have several.
fn may_be_several(application: &UpstreamSettings) -> bool {
    let is_name = |target: &UpstreamTarget| match target {
        UpstreamTarget::Tcp { host, .. } => host.parse::<IpAddr>().is_err(),
        UpstreamTarget::Unix(_) => false,
    };
    application.targets.len() > 1 || application.targets.iter().any(is_name)
}

/// Returns whether any application can be reached over a connection that stays open.
fn keeps(plan: &Plan) -> bool {
    upstreams(plan).any(|one| {
        let kept = UpstreamSettings { max_idle: 1, idle_timeout: one.max_age, ..one.clone() };
        kept.keeps_connections()
    })
}

/// Whether a route sends the page of a status, as its own response or in place of the application's.
fn shows_page(plan: &Plan, status: StatusCode) -> bool {
    plan.routes.iter().any(|route| {
        let intercept = route.policies.intercept.iter().flatten();
        intercept.copied().any(|pattern| pattern.contains(status))
            || matches!(
                &route.action,
                Some(RouteAction::Respond(RouteResponse::Fixed(own))) if own.status == status
            )
    })
}

fn roots(plan: &Plan) -> impl Iterator<Item = &Root> {
    plan.files.roots.iter().chain(&plan.media.roots)
}

/// Returns warnings for caching rules after a rule that matches all their names.
fn hidden_caching(rules: &[CacheRule]) -> Vec<String> {
    let hides = |(index, rule): (usize, &CacheRule)| {
        let before = rules.get(..index).unwrap_or_default();
        let hiding = before.iter().find(|one| covers(&one.pattern, &rule.pattern))?;
        Some(format!(
            "the rule {} (static.caching) has no effect: {} comes first and matches everything that it \
             matches; put the narrower one first",
            caching::show(rule),
            caching::show_pattern(&hiding.pattern)
        ))
    };
    rules.iter().enumerate().filter_map(hides).collect()
}

/// Returns whether one pattern certainly matches all names that the other matches. Returns false in doubt.
fn covers(wide: &NamePatternRule, narrow: &NamePatternRule) -> bool {
    let NamePatternRule::Glob(wide) = wide else { return wide == narrow };
    // These patterns match every name.
    if matches!(wide.as_str(), "*" | "**" | "**/*") {
        return true;
    }
    let NamePatternRule::Glob(narrow) = narrow else { return false };
    let last = narrow.rsplit('/').next().unwrap_or(narrow);
    match wide.contains('/') {
        true => narrow.contains('/') && covers_text(wide.as_bytes(), narrow.as_bytes()),
        // A pattern without a slash is compared with the last part of a name.
        false => !last.contains("**") && covers_text(wide.as_bytes(), last.as_bytes()),
    }
}

/// Returns whether the wildcards of `wide` can match the text of `narrow`, including its wildcards.
fn covers_text(wide: &[u8], narrow: &[u8]) -> bool {
    match (wide, narrow) {
        ([], []) => true,
        ([b'*', b'*', rest @ ..], _) => (0..=narrow.len())
            .any(|at| narrow.get(at..).is_some_and(|left| covers_text(rest, left))),
        ([b'*', rest @ ..], _) => {
            let end = narrow.iter().position(|byte| *byte == b'/').unwrap_or(narrow.len());
            let deep = narrow.windows(2).position(|pair| pair == b"**").unwrap_or(narrow.len());
            (0..=end.min(deep))
                .any(|at| narrow.get(at..).is_some_and(|left| covers_text(rest, left)))
        }
        ([b'?', wide @ ..], [byte, narrow @ ..]) if !matches!(byte, b'*' | b'/') => {
            covers_text(wide, narrow)
        }
        ([one, wide @ ..], [other, narrow @ ..]) if one == other && *one != b'?' => {
            covers_text(wide, narrow)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flags, keys, load};

    fn warned(variables: &[(&str, &str)]) -> Vec<String> {
        let all = [("upstream.url", "http://app:8000")];
        // Of two rules for one name, the later applies.
        let all = all.iter().chain(variables).map(|(name, value)| {
            let name = format!("SIDEMAN_{}", name.replace('.', "__").to_uppercase());
            (name.into(), (*value).into())
        });
        let loaded = load(&Flags::default(), &all.collect());
        warnings(&loaded.unwrap_or_else(|problems| panic!("{problems}")))
    }

    #[test]
    fn every_need_names_settings_that_exist() {
        for name in REQUIREMENTS.iter().flat_map(|need| need.keys) {
            let is_of_route = keys::ROUTE_KEYS.iter().any(|key| key.name == *name);
            assert!(is_of_route || keys::find(name).is_some(), "{name}");
        }
    }

    #[test]
    fn settings_that_never_act_are_warned_of() {
        let files = ("static.roots", "/s/=/srv");
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[("tls.min_version", "1.3")], "tls.min_version"),
            (&[("tls.handshake_timeout", "9s")], "tls.handshake_timeout"),
            (&[("tls.handshakes", "9")], "tls.handshakes"),
            (&[("acme.directory", "https://ca.test/directory")], "acme.directory"),
            (&[("acme.storage", "/srv/acme")], "acme.storage"),
            (&[("acme.contact", "admin@example.org")], "acme.contact"),
            (&[("acme.tls_ca", "/srv/ca.pem")], "acme.tls_ca"),
            (
                &[("upstream.queue", "0"), ("upstream.queue_timeout", "9s")],
                "upstream.queue_timeout",
            ),
            (
                &[("upstream.total_timeout", "30s"), ("upstream.read_timeout", "45s")],
                "upstream.read_timeout",
            ),
            (&[("upstream.max_idle", "9"), ("upstream.idle_timeout", "0s")], "upstream.max_idle"),
            (
                &[("upstream.max_idle", "0"), ("upstream.idle_timeout", "9s")],
                "upstream.idle_timeout",
            ),
            (&[("upstream.max_idle", "0"), ("upstream.max_age", "9s")], "upstream.max_age"),
            (&[("upstream.url", "uwsgi://a:1"), ("upstream.max_idle", "9")], "upstream.max_idle"),
            (
                &[("upstream.idle_timeout", "9m"), ("upstream.max_age", "1m")],
                "upstream.idle_timeout",
            ),
            (&[("upstream.uwsgi_flavour", "gunicorn")], "upstream.uwsgi_flavour"),
            (
                &[("upstream.url", "http://127.0.0.1:1"), ("upstream.slow_start", "5s")],
                "upstream.slow_start",
            ),
            (
                &[("upstream.url", "http+unix:/run/a.sock"), ("upstream.eject_on", "none")],
                "upstream.eject_on",
            ),
            (&[("health.application", "/up"), ("upstream.probe", "5s")], "upstream.probe"),
            (&[("health.application_interval", "9s")], "health.application_interval"),
            (&[("upstream.uwsgi_buffer_size", "8KiB")], "upstream.uwsgi_buffer_size"),
            (&[("buffers.disk", "0B"), ("buffers.directory", "/srv")], "buffers.directory"),
            (&[("buffers.disk", "1MiB"), ("buffers.max_response", "2MiB")], "buffers.max_response"),
            (&[("cache.stale", "1m")], "cache.stale"),
            (&[("cache.languages", "de")], "cache.languages"),
            (&[("route.a.cache", "on")], "route.a.cache"),
            (&[("static.memory", "1MiB")], "static.memory"),
            (&[("static.caching", "*.js=1h")], "static.caching"),
            (&[("static.fallback", "http://a")], "static.fallback"),
            (&[files, ("static.fallback_timeout", "9s")], "static.fallback_timeout"),
            (&[("static.symlinks", "never")], "static.symlinks"),
            (&[files, ("media.rate", "1MiB")], "media.rate"),
            (&[files, ("media.memory", "1MiB")], "media.memory"),
            (&[("log.static_sample", "9")], "log.static_sample"),
            (&[("log.access", "off"), ("log.fields", "path")], "log.fields"),
            (&[("log.access", "off"), ("log.health", "all")], "log.health"),
            (&[("log.slow", "9s")], "log.slow"),
            (&[("log.fields", "path"), ("log.redact", "none")], "log.redact"),
            (&[("errors.421", "/srv/421.html")], "errors.421"),
            (&[("errors.403", "/srv/403.html")], "errors.403"),
            (&[files, ("static.caching", "**=1h,app.js=2h")], "the rule app.js=2h"),
            (&[files, ("static.caching", "*.js=1h,app.*.js=2h")], "the rule app.*.js=2h"),
            (&[files, ("static.caching", "img/**=1h,img/*.png=2h")], "the rule img/*.png=2h"),
            (&[files, ("static.caching", "*=1h,vite=immutable")], "the rule vite=immutable"),
        ];
        for (variables, begin) in cases {
            let found = warned(variables);
            assert_eq!(found.len(), 1, "{variables:?}: {found:?}");
            assert!(found[0].starts_with(begin), "{variables:?}: {found:?}");
            assert!(found[0].contains("has no effect: "), "{found:?}");
        }
    }

    #[test]
    fn settings_that_act_are_not() {
        let files = ("static.roots", "/s/=/srv");
        let cases: &[&[(&str, &str)]] = &[
            &[],
            // A setting with its default value is not a mistake.
            &[("tls.min_version", "1.2"), ("static.memory", "auto"), ("log.slow", "1s")],
            &[("upstream.total_timeout", "2m"), ("upstream.read_timeout", "45s")],
            &[("upstream.max_idle", "0")],
            &[("upstream.idle_timeout", "0s")],
            &[("upstream.url", "uwsgi://a:1"), ("upstream.uwsgi_flavour", "gunicorn")],
            &[("route.a.upstream", "uwsgi://a:1"), ("upstream.uwsgi_buffer_size", "8KiB")],
            &[("accel.roots", "/p/=/srv"), ("media.memory", "1MiB"), ("static.symlinks", "never")],
            &[files, ("log.static_sample", "9"), ("log.slow", "9s")],
            &[("cache.memory", "8MiB"), ("cache.stale", "1m"), ("route.a.cache", "anonymous 5s")],
            &[files, ("static.caching", "app.js=2h,*.js=1h,*.css=1h,a/*.png=1h")],
            &[files, ("static.caching", "a/*=1h,b/*=2h,a/b/*=3h,a?=1h,ab=2h")],
            &[files, ("static.caching", "*.js=1h,img/**=2h,vite=immutable")],
            &[("server.allowed_hosts", "a.test"), ("errors.421", "/srv/421.html")],
            &[("route.a.intercept", "401, 4xx"), ("errors.421", "/srv/421.html")],
            &[("route.a.respond", "403"), ("errors.403", "/srv/403.html")],
        ];
        for variables in cases {
            // One of these patterns hides the other: a? matches ab.
            let found = warned(variables);
            let expected = usize::from(variables.iter().any(|(_, value)| value.contains("a?=1h")));
            assert_eq!(found.len(), expected, "{variables:?}: {found:?}");
        }
    }
}
