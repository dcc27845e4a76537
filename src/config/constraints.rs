//! The table of constraints between settings. A constraint is checked if all settings that it names are valid on their
//! own.

use crate::plan::{CacheRule, CacheSettings, ListenAddress, SpillDirectory, UpstreamTarget};

use super::{
    address, caching, certificates,
    conflict::{Conflict, repeated, twice, when},
    draft::{Draft, grouped},
    file_place::{self, FilePlace, PrefixedPlace},
    log_names, own_address, servers,
};

/// As at Let's Encrypt.
const MAX_DOMAINS: usize = 100;

/// A constraint between settings, or on one list as a whole.
pub(super) struct Constraint {
    /// The settings that it reads; messages tell the user to change the first.
    pub(super) keys: &'static [&'static str],
    /// Whether the default of the first setting adapts to the others. If so, only a value that was set can conflict.
    pub(super) only_if_set: bool,
    pub(super) conflicts: fn(&Draft) -> Vec<Conflict>,
}

pub(super) const CONSTRAINTS: &[Constraint] = &[
    constraint(&["server.listen"], |draft| {
        let fault = "two of these use the same port of the same IP: remove one";
        when(clash(&draft.plan.server.listen), fault)
    }),
    constraint(&["server.trusted_headers"], |draft| {
        let names = &draft.plan.server.trusted_headers;
        twice(names.iter().cloned(), "a name is listed twice: remove one")
    }),
    constraint(&["server.max_head", "server.max_request_line", "server.max_header"], |draft| {
        let head = &draft.plan.server.head;
        let fault = "must be at least server.max_request_line and server.max_header: raise it";
        when(head.head < head.line.max(head.field), fault)
    }),
    constraint(&["server.allowed_hosts"], |draft| {
        let hosts = &draft.plan.server.allowed_hosts;
        twice(hosts.iter().cloned(), "a host is listed twice: remove one")
    }),
    constraint(&["tls.certificates"], |draft| {
        let pairs = draft.certificates.iter().map(certificates::show);
        twice(pairs, "a certificate is listed twice: remove one")
    }),
    constraint(&["tls.listen"], |draft| {
        let fault = "two of these use the same port or socket: remove one";
        when(clash(&draft.tls.listen), fault)
    }),
    constraint(&["tls.listen", "server.listen"], |draft| {
        let taken = |own| draft.plan.server.listen.iter().any(|other| address::same(own, other));
        let fault = "server.listen uses this port or socket: use another";
        when(draft.tls.listen.iter().any(taken), fault)
    }),
    constraint(&["server.listen", "tls.listen"], |draft| {
        let fault = "there is no listener: set an address here, or in tls.listen";
        when(draft.plan.server.listen.is_empty() && draft.tls.listen.is_empty(), fault)
    }),
    constraint(&["server.proxy_protocol", "server.listen", "tls.listen"], |draft| {
        let named = &draft.plan.server.proxy_protocol;
        let is_unknown = |one: &&ListenAddress| !listening(draft).any(|listen| listen == *one);
        let conflict = |one: &ListenAddress| {
            let text = format!(
                "{one} is not in server.listen or tls.listen: write an address as it is there"
            );
            Conflict::new(
                text,
                "one of these is not in server.listen or tls.listen: write an address as it is there",
            )
        };
        named.iter().filter(is_unknown).map(conflict).collect()
    }),
    constraint(&["server.proxy_protocol", "server.proxy_protocol_from"], |draft| {
        let server = &draft.plan.server;
        let is_tcp = |one: &ListenAddress| matches!(one, ListenAddress::Tcp(_));
        let needs_networks = server.proxy_protocol.iter().any(is_tcp);
        let fault =
            "server.proxy_protocol_from is none: set it to the networks of your load balancer";
        when(needs_networks && server.proxy_protocol_from.is_empty(), fault)
    }),
    constraint(&["tls.certificates", "tls.listen"], |draft| {
        let fault = "tls.listen is none: set it, or remove this";
        when(draft.tls.listen.is_empty() && !draft.certificates.is_empty(), fault)
    }),
    constraint(&["tls.self_signed", "tls.listen", "tls.certificates"], |draft| {
        let is_unused = draft.tls.listen.is_empty() && draft.certificates.is_empty();
        let fault = "tls.listen is none: set it, or remove this";
        when(draft.self_signed && is_unused, fault)
    }),
    constraint(&["tls.listen", "tls.certificates", "tls.self_signed", "acme.domains"], |draft| {
        let has_one =
            draft.self_signed || !draft.certificates.is_empty() || !draft.acme.domains.is_empty();
        let fault = "there is no certificate: set tls.certificates or acme.domains, or tls.self_signed to true";
        when(!draft.tls.listen.is_empty() && !has_one, fault)
    }),
    constraint(&["tls.self_signed", "tls.certificates", "tls.listen"], |draft| {
        let has_some = !draft.tls.listen.is_empty() && !draft.certificates.is_empty();
        let fault = "tls.certificates is set too: remove one of the two";
        when(draft.self_signed && has_some, fault)
    }),
    constraint(&["acme.domains"], |draft| {
        let domains = &draft.acme.domains;
        twice(domains.iter().cloned(), "a domain is listed twice: remove one")
    }),
    constraint(&["acme.domains"], |draft| {
        let fault = "a certificate has at most 100 names: remove some";
        when(draft.acme.domains.len() > MAX_DOMAINS, fault)
    }),
    constraint(&["acme.domains", "tls.listen"], |draft| {
        let fault = "tls.listen is none: set it, such as to 0.0.0.0:443, or remove this";
        when(!draft.acme.domains.is_empty() && draft.tls.listen.is_empty(), fault)
    }),
    constraint(&["acme.domains", "tls.certificates", "tls.listen"], |draft| {
        let has_both = !draft.acme.domains.is_empty() && !draft.certificates.is_empty();
        let fault = "tls.certificates is set too: remove one of the two";
        when(has_both && !draft.tls.listen.is_empty(), fault)
    }),
    constraint(&["acme.domains", "tls.self_signed", "tls.listen"], |draft| {
        let has_both = !draft.acme.domains.is_empty() && draft.self_signed;
        let fault = "tls.self_signed is true: remove one of the two";
        when(has_both && !draft.tls.listen.is_empty(), fault)
    }),
    constraint(&["upstream.url"], |draft| servers::conflicts(&draft.servers)),
    constraint(&["upstream.probe_path", "upstream.probe"], |draft| {
        let fault = "upstream.probe is off: set it, such as to 5s, or remove this";
        when(draft.probe.is_none() && draft.probe_path.is_some(), fault)
    }),
    constraint(&["buffers.memory_per_body", "buffers.memory"], |draft| {
        let fault = "must be at most buffers.memory: lower it, or raise buffers.memory";
        when(draft.plan.buffers.memory_per_body > draft.plan.buffers.memory, fault)
    }),
    Constraint {
        // The default adapts to a small cache.
        only_if_set: true,
        ..constraint(&["cache.max_object", "cache.memory"], |draft| {
            let cache = &draft.plan.cache;
            let is_larger = cache.max_object > cache.memory / CacheSettings::MEMORY_SHARE;
            let fault = "must be at most a fourth of cache.memory: lower it, or raise cache.memory";
            when(cache.is_on() && is_larger, fault)
        })
    },
    constraint(&["cache.disk", "buffers.directory"], |draft| {
        let is_memory = draft.plan.buffers.spill == SpillDirectory::Memory;
        let fault = "buffers.directory is memory: set a directory, or remove this";
        when(is_memory && draft.plan.cache.disk > 0, fault)
    }),
    constraint(&["cache.redis_ca", "cache.redis"], |draft| {
        let cache = &draft.plan.cache;
        let is_tls = cache.redis.as_ref().is_some_and(|redis| redis.is_tls);
        let fault = "cache.redis does not begin with rediss://: write it so, or remove this";
        when(cache.redis_ca.is_some() && !is_tls, fault)
    }),
    constraint(&["cache.memory", "memory.limit"], |draft| {
        let limit = draft.plan.memory.limit.unwrap_or(u64::MAX);
        let fault = "must be at most half of memory.limit: lower it, or raise memory.limit";
        when(draft.plan.cache.memory > limit / 2, fault)
    }),
    constraint(&["cache.languages"], |draft| {
        let languages = draft.plan.cache.languages.iter().cloned();
        twice(languages, "a language is listed twice: remove one")
    }),
    constraint(&["media.signed", "media.signing_keys"], |draft| {
        let lacks_keys = draft.media_root.signed.is_some() && draft.signing_keys.is_none();
        let fault =
            "media.signing_keys is none: set it to a file with the application's SECRET_KEY";
        when(lacks_keys, fault)
    }),
    constraint(&["media.signing_keys", "media.signed"], |draft| {
        let is_unused = draft.media_root.signed.is_none() && draft.signing_keys.is_some();
        let fault = "media.signed is none: set it, such as to timestamp, or remove this";
        when(is_unused, fault)
    }),
    constraint(&["static.roots"], |draft| repeated_roots(&draft.static_roots)),
    constraint(&["static.roots"], |draft| after_bucket(&draft.static_roots)),
    constraint(&["static.caching"], |draft| {
        let conflict = |pattern| {
            let text = format!("{pattern} is listed twice, and the first one applies: remove one");
            Conflict::new(text, "a pattern is listed twice, and the first one applies: remove one")
        };
        let pattern = |rule: &'_ CacheRule| caching::show_pattern(&rule.pattern).to_owned();
        repeated(draft.static_root.caching.iter().map(pattern)).into_iter().map(conflict).collect()
    }),
    constraint(&["static.types"], |draft| {
        let extensions = draft.plan.files.types.iter().map(|(extension, _)| extension.clone());
        twice(extensions, "an extension is listed twice: remove one")
    }),
    constraint(&["media.roots"], |draft| repeated_roots(&draft.media_roots)),
    constraint(&["media.roots"], |draft| after_bucket(&draft.media_roots)),
    constraint(&["accel.roots"], |draft| repeated_roots(&draft.accel_roots)),
    constraint(&["accel.roots"], |draft| after_bucket(&draft.accel_roots)),
    constraint(&["accel.roots", "server.listen", "tls.listen"], |draft| {
        let places = draft.accel_roots.iter();
        let targets: Vec<_> = places.filter_map(|(_, place)| server_of(place)).collect();
        own_addresses(draft, targets.iter())
    }),
    constraint(&["media.roots", "static.roots"], |draft| {
        shared_roots(("media.roots", &draft.media_roots), "static.roots", &draft.static_roots)
    }),
    constraint(&["accel.roots", "static.roots"], |draft| {
        shared_roots(("accel.roots", &draft.accel_roots), "static.roots", &draft.static_roots)
    }),
    constraint(&["accel.roots", "media.roots"], |draft| {
        shared_roots(("accel.roots", &draft.accel_roots), "media.roots", &draft.media_roots)
    }),
    constraint(&["static.cors", "static.roots", "media.roots"], unknown_prefixes),
    constraint(&["static.cors"], |draft| {
        let conflict = |prefix: Option<String>| match prefix {
            None => {
                let plain = "one word applies to all prefixes: remove the others";
                Conflict::new(plain.into(), plain)
            }
            Some(prefix) => Conflict::new(
                format!("{prefix} is listed twice: remove one"),
                "one of these prefixes is listed twice: remove one",
            ),
        };
        let prefixes = draft.cors.iter().map(|rule| rule.prefix.clone());
        repeated(prefixes).into_iter().map(conflict).collect()
    }),
    constraint(&["health.ready_path", "health.path"], |draft| {
        let health = &draft.plan.health;
        when(health.path == health.ready_path, "must differ from health.path: choose another path")
    }),
    constraint(&["admin.listen", "server.listen", "tls.listen"], |draft| {
        let own = draft.plan.admin.listen.map(ListenAddress::Tcp);
        let is_taken = |own| listening(draft).any(|other| address::same(&own, other));
        let fault = "server.listen or tls.listen uses this port: use another, or off";
        when(own.is_some_and(is_taken), fault)
    }),
    constraint(&["log.fields"], |draft| {
        let names = draft.log_fields.iter().map(log_names::show_field);
        twice(names, "a name is listed twice: remove one")
    }),
    constraint(&["shutdown.timeout", "shutdown.delay"], |draft| {
        let shutdown = &draft.plan.shutdown;
        let fault = "must be at least shutdown.delay: raise it";
        when(shutdown.timeout < shutdown.delay, fault)
    }),
    Constraint {
        // The default adapts to a shorter timeout.
        only_if_set: true,
        ..constraint(&["shutdown.tunnels", "shutdown.timeout"], |draft| {
            let shutdown = &draft.plan.shutdown;
            let fault = "must be at most shutdown.timeout: lower it, or raise shutdown.timeout";
            when(shutdown.tunnels > shutdown.timeout, fault)
        })
    },
    constraint(&["upstream.url", "server.listen", "tls.listen"], |draft| {
        own_addresses(draft, draft.servers.iter().map(|(_, target)| target))
    }),
    constraint(&["static.fallback", "server.listen", "tls.listen"], |draft| {
        let target = draft.fallback.as_ref().and_then(server_of);
        own_addresses(draft, target.iter())
    }),
];

const fn constraint(
    keys: &'static [&'static str],
    conflicts: fn(&Draft) -> Vec<Conflict>,
) -> Constraint {
    Constraint { keys, only_if_set: false, conflicts }
}

/// Returns whether two listeners use the same port or socket.
fn clash(listen: &[ListenAddress]) -> bool {
    let after = |index: usize| listen.get(index + 1..).unwrap_or_default();
    let clashes =
        |(index, one): (usize, _)| after(index).iter().any(|other| address::same(one, other));
    listen.iter().enumerate().any(clashes)
}

/// Returns all listeners for clients.
fn listening(draft: &Draft) -> impl Iterator<Item = &ListenAddress> {
    draft.plan.server.listen.iter().chain(&draft.tls.listen)
}

fn own_addresses<'a>(
    draft: &Draft,
    targets: impl Iterator<Item = &'a UpstreamTarget>,
) -> Vec<Conflict> {
    own_address::conflicts(targets, &listening(draft).collect::<Vec<_>>())
}

/// Returns the address of a server with files.
fn server_of(place: &FilePlace) -> Option<UpstreamTarget> {
    match place {
        FilePlace::Server(origin) => Some(origin.target()),
        FilePlace::Directory(_) | FilePlace::Bucket(_) => None,
    }
}

/// Returns conflicts for directories that a prefix lists twice.
fn repeated_roots(places: &[PrefixedPlace]) -> Vec<Conflict> {
    let conflict = |place: &PrefixedPlace| {
        let text = format!("{} is listed twice: remove one", file_place::show_root(place));
        Conflict::new(text, "a prefix has the same directory twice: remove one")
    };
    repeated(places.iter()).into_iter().map(conflict).collect()
}

/// Returns conflicts for places behind the bucket of a prefix.
fn after_bucket(places: &[PrefixedPlace]) -> Vec<Conflict> {
    let groups = grouped(places);
    groups.iter().flat_map(|(_, places)| file_place::after_bucket(places.iter())).collect()
}

/// Returns conflicts for prefixes that are in two sections.
fn shared_roots(
    (name, places): (&str, &[PrefixedPlace]),
    other: &str,
    others: &[PrefixedPlace],
) -> Vec<Conflict> {
    let is_shared = |prefix: &String| others.iter().any(|(other, _)| other == prefix);
    let conflict = |prefix| {
        let text = format!(
            "{prefix} is in {other} too, but files are of one kind only: remove it from {name} or from {other}"
        );
        let plain = match other == "static.roots" {
            true => "one of these prefixes is in static.roots too: remove it from one of the two",
            false => "one of these prefixes is in media.roots too: remove it from one of the two",
        };
        Conflict::new(text, plain)
    };
    let prefixes = grouped(places).into_iter().map(|(prefix, _)| prefix);
    prefixes.filter(is_shared).map(conflict).collect()
}

/// Returns conflicts for CORS rules whose prefix does not exist.
fn unknown_prefixes(draft: &Draft) -> Vec<Conflict> {
    let places = draft.static_roots.iter().chain(&draft.media_roots);
    let mut known: Vec<&str> = places.map(|(prefix, _)| prefix.as_str()).collect();
    known.sort_unstable();
    known.dedup();
    let there_are = match known.is_empty() {
        true => "there are no prefixes in static.roots and media.roots".into(),
        false => format!("the prefixes are {}", known.join(", ")),
    };
    let conflict = |prefix: &str| {
        let text = format!("{prefix} is not a prefix in static.roots or media.roots: {there_are}");
        Conflict::new(text, "this names a prefix that is not in static.roots or media.roots")
    };
    let prefixes = draft.cors.iter().filter_map(|rule| rule.prefix.as_deref());
    prefixes.filter(|prefix| !known.contains(prefix)).map(conflict).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::find;

    #[test]
    fn every_constraint_names_settings_that_exist() {
        for constraint in CONSTRAINTS {
            let keys = constraint.keys;
            assert!(!keys.is_empty());
            assert!(keys.iter().all(|name| find(name).is_some()), "{keys:?}");
        }
    }
}
