//! What must hold between settings that are well formed, each by itself: a table. A rule is applied once all settings
//! that it names could be read.

use std::path::PathBuf;

use crate::plan::{CacheRule, FieldEdit, FieldRule, Listen, Target};

use super::{
    address, caching, certificates,
    draft::{Draft, Place, grouped},
    fault::{Fault, repeated, twice, when},
    field, log_names, own_address, path,
    servers::{self, Server},
};

/// What must hold between settings.
pub(super) struct Rule {
    /// The first is the one to change.
    pub(super) keys: &'static [&'static str],
    /// Whether the default of the first goes along with the others.
    pub(super) only_if_set: bool,
    pub(super) faults: fn(&Draft) -> Vec<Fault>,
}

pub(super) const RULES: &[Rule] = &[
    rule(&["server.listen"], |draft| {
        let fault = "two of these want the same port of the same IP: leave one out";
        when(clash(&draft.plan.server.listen), fault)
    }),
    rule(&["server.trusted_headers"], |draft| {
        let names = &draft.plan.server.trusted_headers;
        twice(names.iter().cloned(), "a name is here twice: leave one out")
    }),
    rule(
        &["server.max_head", "server.max_request_line", "server.max_header", "server.max_headers"],
        |draft| {
            let head = &draft.plan.server.head;
            let fault = "this is less than server.max_request_line or server.max_header: raise it";
            when(head.head < head.line.max(head.field), fault)
        },
    ),
    rule(&["server.allowed_hosts"], |draft| {
        let hosts = &draft.plan.server.allowed_hosts;
        twice(hosts.iter().cloned(), "a host is here twice: leave one out")
    }),
    rule(&["tls.certificates"], |draft| {
        let pairs = draft.certificates.iter().map(certificates::show);
        twice(pairs, "a certificate is here twice: leave one out")
    }),
    rule(&["tls.listen"], |draft| {
        let fault = "two of these want the same port or socket: leave one out";
        when(clash(&draft.tls.listen), fault)
    }),
    rule(&["tls.listen", "server.listen"], |draft| {
        let taken = |own| draft.plan.server.listen.iter().any(|other| address::same(own, other));
        let fault = "server.listen has this port or socket: use another";
        when(draft.tls.listen.iter().any(taken), fault)
    }),
    rule(&["server.listen", "tls.listen"], |draft| {
        let fault = "nothing would be listened at: name an address here, or in tls.listen";
        when(draft.plan.server.listen.is_empty() && draft.tls.listen.is_empty(), fault)
    }),
    rule(&["tls.certificates", "tls.listen"], |draft| {
        let fault = "tls.listen is none: set it, or leave this out";
        when(draft.tls.listen.is_empty() && !draft.certificates.is_empty(), fault)
    }),
    rule(&["tls.self_signed", "tls.listen", "tls.certificates"], |draft| {
        let is_unused = draft.tls.listen.is_empty() && draft.certificates.is_empty();
        let fault = "tls.listen is none: set it, or leave this out";
        when(draft.self_signed && is_unused, fault)
    }),
    rule(&["tls.listen", "tls.certificates", "tls.self_signed"], |draft| {
        let has_one = draft.self_signed || !draft.certificates.is_empty();
        let fault = "there is no certificate: set tls.certificates, or tls.self_signed to true";
        when(!draft.tls.listen.is_empty() && !has_one, fault)
    }),
    rule(&["tls.self_signed", "tls.certificates", "tls.listen"], |draft| {
        let has_some = !draft.tls.listen.is_empty() && !draft.certificates.is_empty();
        let fault = "tls.certificates has some: leave one of the two out";
        when(draft.self_signed && has_some, fault)
    }),
    rule(&["upstream.url"], |draft| servers::faults(&draft.servers)),
    rule(&["upstream.probe_path", "upstream.probe"], |draft| {
        let fault = "upstream.probe is off: set it, such as to 5s, or leave this out";
        when(draft.probe.is_none() && draft.probe_path.is_some(), fault)
    }),
    rule(&["routes.upstreams"], |draft| {
        let below = |(prefix, servers): (String, Vec<Server>)| {
            servers::faults(&servers).into_iter().map(move |fault| Fault {
                text: format!("below {prefix}, {}", fault.text),
                ..fault
            })
        };
        grouped(&draft.routes).into_iter().flat_map(below).collect()
    }),
    rule(&["routes.unbuffered"], |draft| {
        let fault = |prefix| {
            let text = format!("{prefix} is here twice: leave one out, or write {prefix}=both");
            Fault::new(text, "a prefix is here twice: leave one out")
        };
        let prefixes = draft.plan.unbuffered.iter().map(|rule| &rule.prefix);
        repeated(prefixes).into_iter().map(fault).collect()
    }),
    // Of two values for one field the first would be lost.
    rule(&["routes.fields"], |draft| {
        let place = |rule: &FieldRule| match &rule.edit {
            FieldEdit::Set(name, _) => format!("{}=set {name}", rule.prefix),
            FieldEdit::Add(..) | FieldEdit::Remove(_) => field::show(rule),
        };
        twice(draft.plan.fields.iter().map(place), "a rule is here twice: leave one out")
    }),
    rule(&["buffers.each", "buffers.memory"], |draft| {
        let fault = "this is above buffers.memory: lower it, or raise that";
        when(draft.plan.buffers.each > draft.plan.buffers.memory, fault)
    }),
    rule(&["static.roots"], |draft| repeated_roots(&draft.static_roots)),
    rule(&["static.caching"], |draft| {
        let fault = |pattern| {
            let text = format!("{pattern} is here twice, and the first decides: leave one out");
            Fault::new(text, "a pattern is here twice, and the first decides: leave one out")
        };
        let pattern = |rule: &'_ CacheRule| caching::show_pattern(&rule.pattern).to_owned();
        repeated(draft.static_root.caching.iter().map(pattern)).into_iter().map(fault).collect()
    }),
    rule(&["static.types"], |draft| {
        let extensions = draft.plan.files.types.iter().map(|(extension, _)| extension.clone());
        twice(extensions, "an extension is here twice: leave one out")
    }),
    rule(&["media.roots"], |draft| repeated_roots(&draft.media_roots)),
    rule(&["accel.roots"], |draft| repeated_roots(&draft.accel_roots)),
    rule(&["media.roots", "static.roots"], |draft| {
        shared_roots(("media.roots", &draft.media_roots), "static.roots", &draft.static_roots)
    }),
    rule(&["accel.roots", "static.roots"], |draft| {
        shared_roots(("accel.roots", &draft.accel_roots), "static.roots", &draft.static_roots)
    }),
    rule(&["accel.roots", "media.roots"], |draft| {
        shared_roots(("accel.roots", &draft.accel_roots), "media.roots", &draft.media_roots)
    }),
    rule(&["static.cors", "static.roots", "media.roots"], unknown_prefixes),
    rule(&["static.cors"], |draft| {
        let fault = |prefix: Option<String>| match prefix {
            None => {
                let plain = "one word is for all prefixes: leave the others out";
                Fault::new(plain.into(), plain)
            }
            Some(prefix) => Fault::new(
                format!("{prefix} is here twice: leave one out"),
                "one of these prefixes is here twice: leave one out",
            ),
        };
        let prefixes = draft.cors.iter().map(|rule| rule.prefix.clone());
        repeated(prefixes).into_iter().map(fault).collect()
    }),
    rule(&["health.ready_path", "health.path"], |draft| {
        let health = &draft.plan.health;
        when(health.path == health.ready_path, "this is health.path too: they must differ")
    }),
    rule(&["admin.listen", "server.listen", "tls.listen"], |draft| {
        let own = draft.plan.admin.listen.map(Listen::Tcp);
        let is_taken = |own| listening(draft).any(|other| address::same(&own, other));
        let fault = "server.listen or tls.listen has this port: use another, or off";
        when(own.is_some_and(is_taken), fault)
    }),
    rule(&["log.fields"], |draft| {
        let names = draft.log_fields.iter().map(log_names::show_field);
        twice(names, "a name is here twice: leave one out")
    }),
    rule(&["shutdown.timeout", "shutdown.delay"], |draft| {
        let shutdown = &draft.plan.shutdown;
        let fault = "this is shorter than shutdown.delay: raise it";
        when(shutdown.timeout < shutdown.delay, fault)
    }),
    Rule {
        // The default goes along with a shorter timeout; whoever names a time means it.
        only_if_set: true,
        ..rule(&["shutdown.tunnels", "shutdown.timeout"], |draft| {
            let shutdown = &draft.plan.shutdown;
            let fault = "this is longer than shutdown.timeout: lower it, or raise that";
            when(shutdown.tunnels > shutdown.timeout, fault)
        })
    },
    rule(&["upstream.url", "server.listen", "tls.listen"], |draft| {
        own_addresses(draft, draft.servers.iter().map(|(_, target)| target))
    }),
    rule(&["routes.upstreams", "server.listen", "tls.listen"], |draft| {
        own_addresses(draft, draft.routes.iter().map(|(_, (_, target))| target))
    }),
    rule(&["static.fallback", "server.listen", "tls.listen"], |draft| {
        let target = draft.fallback.as_ref().map(|origin| origin.target());
        own_addresses(draft, target.iter())
    }),
    rule(&["routes.upstreams", "static.roots"], |draft| {
        let plain = "nothing reaches what is below static.roots";
        unreachable(draft, "static.roots", &draft.static_roots, plain)
    }),
    rule(&["routes.upstreams", "media.roots"], |draft| {
        let plain = "nothing reaches what is below media.roots";
        unreachable(draft, "media.roots", &draft.media_roots, plain)
    }),
    rule(&["routes.upstreams", "accel.roots"], |draft| {
        let plain = "nothing reaches what is below accel.roots";
        unreachable(draft, "accel.roots", &draft.accel_roots, plain)
    }),
];

const fn rule(keys: &'static [&'static str], faults: fn(&Draft) -> Vec<Fault>) -> Rule {
    Rule { keys, only_if_set: false, faults }
}

/// Whether two of these want the same.
fn clash(listen: &[Listen]) -> bool {
    let after = |index: usize| listen.get(index + 1..).unwrap_or_default();
    let clashes =
        |(index, one): (usize, _)| after(index).iter().any(|other| address::same(one, other));
    listen.iter().enumerate().any(clashes)
}

/// Where clients come in.
fn listening(draft: &Draft) -> impl Iterator<Item = &Listen> {
    draft.plan.server.listen.iter().chain(&draft.tls.listen)
}

fn own_addresses<'a>(draft: &Draft, targets: impl Iterator<Item = &'a Target>) -> Vec<Fault> {
    own_address::faults(targets, &listening(draft).collect::<Vec<_>>())
}

/// Directories that a prefix has twice.
fn repeated_roots(places: &[Place]) -> Vec<Fault> {
    let fault = |place: &(String, PathBuf)| {
        let text = format!("{} is here twice: leave one out", path::show_root(place));
        Fault::new(text, "a prefix has the same directory twice: leave one out")
    };
    repeated(places.iter()).into_iter().map(fault).collect()
}

/// Prefixes that two sections have.
fn shared_roots((name, places): (&str, &[Place]), other: &str, others: &[Place]) -> Vec<Fault> {
    let is_shared = |prefix: &String| others.iter().any(|(other, _)| other == prefix);
    let fault = |prefix| {
        let text = format!(
            "{prefix} is in {other} too: files are of one kind only, so take it out of {name} or of {other}"
        );
        let plain = match other == "static.roots" {
            true => "one of these prefixes is in static.roots too: take it out of one of the two",
            false => "one of these prefixes is in media.roots too: take it out of one of the two",
        };
        Fault::new(text, plain)
    };
    let prefixes = grouped(places).into_iter().map(|(prefix, _)| prefix);
    prefixes.filter(is_shared).map(fault).collect()
}

/// Rules of CORS for prefixes that do not exist.
fn unknown_prefixes(draft: &Draft) -> Vec<Fault> {
    let places = draft.static_roots.iter().chain(&draft.media_roots);
    let mut known: Vec<&str> = places.map(|(prefix, _)| prefix.as_str()).collect();
    known.sort_unstable();
    known.dedup();
    let there_are = match known.is_empty() {
        true => "there are no prefixes in static.roots and media.roots".into(),
        false => format!("the prefixes are {}", known.join(", ")),
    };
    let fault = |prefix: &str| {
        let text = format!("{prefix} is no prefix of static.roots or media.roots: {there_are}");
        Fault::new(text, "this names a prefix that is not in static.roots or media.roots")
    };
    let prefixes = draft.cors.iter().filter_map(|rule| rule.prefix.as_deref());
    prefixes.filter(|prefix| !known.contains(prefix)).map(fault).collect()
}

/// Applications whose prefix is one of files: what is below such a prefix goes to no application.
fn unreachable(draft: &Draft, name: &str, roots: &[Place], plain: &'static str) -> Vec<Fault> {
    let fault = |(prefix, _): (String, _)| {
        let (root, _) = roots.iter().find(|(root, _)| prefix.starts_with(root))?;
        let text = format!(
            "nothing reaches {prefix}: what is below {root} is files ({name}); take one of the two out"
        );
        Some(Fault::new(text, plain))
    };
    grouped(&draft.routes).into_iter().filter_map(fault).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys;

    #[test]
    fn every_rule_names_settings_that_exist() {
        for rule in RULES {
            assert!(!rule.keys.is_empty());
            assert!(rule.keys.iter().all(|name| keys::find(name).is_some()), "{:?}", rule.keys);
        }
    }
}
