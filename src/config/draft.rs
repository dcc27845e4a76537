//! The draft of a plan. Each setting is stored in it independently; then it becomes the plan.

use std::{path::PathBuf, time::Duration};

use http::StatusCode;

use crate::plan::{
    AcmeChallenge, AcmeSettings, AdmissionSettings, CacheSettings, CertificateFiles,
    CertificateSettings, Cors, FallbackSettings, FileSettings, ListenAddress, LogField, PageSource,
    Plan, ProbePurpose, ProbeSettings, Protocol, Purpose, Root, Route, RouteAction,
    ShutdownSettings, TlsSettings, UpstreamSettings, UpstreamTls, UwsgiFlavour, UwsgiSettings,
};

use super::{
    auth_url::AuthUrl,
    aws_environment::AwsEnvironment,
    buckets::BucketList,
    cors,
    file_place::{FilePlace, PrefixedPlace},
    list_item::ListItem,
    log_names,
    route_draft::{self, RouteDraft},
    servers::ServerWithScheme,
    upstream_tls::TlsDraft,
    url::{HttpOrigin, Scheme},
};

/// uWSGI's default `buffer-size`.
const UWSGI_BUFFER: u64 = 4096;
/// gunicorn's limit in bytes: the largest length that the uwsgi protocol can express.
const GUNICORN_BUFFER: u64 = u16::MAX as u64;

/// Limit for long request heads in bytes, if there is plenty of memory; the start lowers it.
const MAX_HEAD_MEMORY: u64 = 64 << 20;

/// How long an idle connection to the fallback stays open. The fallback is used rarely, during deployments.
const FALLBACK_IDLE: Duration = Duration::from_secs(30);
/// Maximum number of idle connections to the fallback, for each worker.
const FALLBACK_MAX_IDLE: usize = 4;
/// How long a connection to the fallback is reused.
const FALLBACK_AGE: Duration = Duration::from_secs(600);

/// The values of all settings. Most are stored directly in the plan. Values that depend on other settings are stored
/// beside it until all are known.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    /// Its `upstream` has the settings that all applications share, but no servers.
    pub(super) plan: Plan,
    pub(super) tls: TlsSettings,
    pub(super) certificates: Vec<CertificateFiles>,
    pub(super) self_signed: bool,
    /// Without domains if it is off.
    pub(super) acme: AcmeSettings,
    pub(super) servers: Vec<ServerWithScheme>,
    pub(super) upstream_tls: TlsDraft,
    pub(super) uwsgi_flavour: UwsgiFlavour,
    pub(super) uwsgi_buffer: Option<u64>,
    pub(super) probe: Option<Duration>,
    pub(super) probe_path: Option<String>,
    /// The route that is being read.
    pub(super) route: RouteDraft,
    /// In alphabetical order.
    pub(super) routes: Vec<RouteDraft>,
    /// The host that the same host with or without `www.` is redirected to.
    pub(super) canonical_host: Option<String>,
    /// The directory of files at the root of the site.
    pub(super) root_files: Option<PathBuf>,
    pub(super) static_roots: Vec<PrefixedPlace>,
    /// A template for all roots of static files.
    pub(super) static_root: Root,
    pub(super) cors: Vec<cors::CorsRule>,
    pub(super) fallback: Option<FilePlace>,
    pub(super) fallback_timeout: Duration,
    pub(super) media_roots: Vec<PrefixedPlace>,
    /// A template for all roots of uploads.
    pub(super) media_root: Root,
    /// The file with the keys of signed URLs.
    pub(super) signing_keys: Option<PathBuf>,
    pub(super) accel_roots: Vec<PrefixedPlace>,
    /// What the environment says about AWS.
    pub(super) aws: AwsEnvironment,
    pub(super) log_fields: Vec<ListItem<LogField>>,
}

// === impl Draft ===

impl Draft {
    /// Returns the plan. Must be called only if no setting is invalid and no constraint is violated.
    pub(super) fn into_plan(mut self) -> Plan {
        let readiness = self.readiness();
        let canonical_host = self.canonical_host.as_deref().map(route_draft::canonical_host);
        let root_files = self.root_files.take().map(route_draft::root_files);
        self.routes.extend(canonical_host.into_iter().chain(root_files));
        if let Some(signed) = &mut self.media_root.signed {
            signed.key_file = self.signing_keys.take().unwrap_or_default();
        }
        let mut upstream = self.application(&self.servers, &self.upstream_tls);
        upstream.probe = readiness.or(upstream.probe);
        let tls = self.upstream_tls.of_other_origin();
        let mut buckets = BucketList::new(self.aws.region.clone(), tls, upstream.read_timeout);
        let mut media = self.media(&mut buckets);
        let mut static_roots = self.static_roots(&mut buckets);
        let mut auth_servers = Vec::new();
        let (routes, routed) =
            self.named_routes(&mut static_roots, &mut media.roots, &mut auth_servers, &mut buckets);
        let tls = self.upstream_tls.of_other_origin();
        let (fallback, bucket) = match self.fallback {
            Some(FilePlace::Server(origin)) => {
                (Some(fallback(origin, self.fallback_timeout, tls)), None)
            }
            Some(FilePlace::Bucket(url)) => (None, Some(buckets.objects(url))),
            Some(FilePlace::Directory(_)) | None => (None, None),
        };
        let mut plan = self.plan;
        plan.memory.heads = MAX_HEAD_MEMORY;
        plan.tls = (!self.tls.listen.is_empty()).then_some(TlsSettings {
            certificates: if self.self_signed {
                CertificateSettings::SelfSigned
            } else if self.acme.domains.is_empty() {
                CertificateSettings::Files(self.certificates)
            } else {
                let challenges = challenges(&plan.server.listen, &self.tls.listen);
                CertificateSettings::Acme(AcmeSettings { challenges, ..self.acme })
            },
            ..self.tls
        });
        plan.upstream = upstream;
        plan.routes = routes;
        plan.routed = routed;
        plan.auth_servers = auth_servers;
        plan.media = media;
        plan.files.roots = static_roots;
        plan.missing.fallback = fallback;
        plan.missing.bucket = bucket;
        plan.missing.timeout = self.fallback_timeout;
        plan.buckets = buckets.into_buckets();
        plan.aws = self.aws.credentials;
        plan.log.fields = log_names::fields_of(plan.log.access, &self.log_fields);
        let ShutdownSettings { timeout, tunnels, .. } = plan.shutdown;
        plan.shutdown.tunnels = tunnels.min(timeout);
        let cache = &mut plan.cache;
        if cache.is_on() {
            cache.max_object = cache.max_object.min(cache.memory / CacheSettings::MEMORY_SHARE);
        }
        plan
    }

    /// Returns the routes with their applications. Adds the directories of their files to the roots of the sections.
    fn named_routes(
        &self,
        static_roots: &mut Vec<Root>,
        media_roots: &mut Vec<Root>,
        auth_servers: &mut Vec<UpstreamSettings>,
        buckets: &mut BucketList,
    ) -> (Vec<Route>, Vec<UpstreamSettings>) {
        let mut routed = Vec::new();
        let mut routes = Vec::new();
        for draft in &self.routes {
            let action = if !draft.servers.is_empty() {
                let tls = draft.tls.over(&self.upstream_tls);
                let mut application = self.application(&draft.servers, &tls);
                let max_in_flight = application.admission.max_in_flight;
                application.admission.tunes &= draft.max_in_flight.is_none();
                application.admission.max_in_flight = draft.max_in_flight.unwrap_or(max_in_flight);
                routed.push(application);
                Some(RouteAction::Upstream(routed.len() - 1))
            } else if let Some(root) = draft.static_root(&self.static_root, buckets) {
                static_roots.push(root);
                Some(draft.action_of_files(static_roots.len() - 1))
            } else if let Some(root) = draft.uploads_root(&self.media_root, buckets) {
                media_roots.push(root);
                Some(draft.action_of_files(media_roots.len() - 1))
            } else {
                draft.own_response()
            };
            let mut policies = draft.policies();
            policies.auth = draft.auth.policy(|server| self.auth_server(server, auth_servers));
            let (name, matcher) = (draft.name.clone(), draft.matcher.clone());
            routes.push(Route { name, matcher, action, policies });
        }
        (routes, routed)
    }

    /// Returns the index of an auth server. Adds it unless another route has it.
    fn auth_server(&self, url: &AuthUrl, auth_servers: &mut Vec<UpstreamSettings>) -> usize {
        let targets = vec![url.server.clone()];
        let tls = (url.scheme == Scheme::Https).then(|| self.upstream_tls.of_other_origin());
        let is_known = |one: &UpstreamSettings| one.targets == targets && one.tls == tls;
        let known = auth_servers.iter().position(is_known);
        known.unwrap_or_else(|| {
            auth_servers.push(UpstreamSettings {
                protocol: Protocol::Http1,
                targets,
                tls,
                probe: None,
                abort: true,
                trusts_protocol: true,
                ..self.plan.upstream.clone()
            });
            auth_servers.len() - 1
        })
    }

    /// Stores the error page for a status.
    pub(super) fn page(&mut self, status: u16, page: Option<PageSource>) {
        let status = StatusCode::from_u16(status).ok();
        self.plan.pages.errors.extend(status.zip(page));
    }

    /// Returns the application with these servers.
    fn application(&self, servers: &[ServerWithScheme], tls: &TlsDraft) -> UpstreamSettings {
        let usual = match self.uwsgi_flavour {
            UwsgiFlavour::Uwsgi => UWSGI_BUFFER,
            UwsgiFlavour::Gunicorn => GUNICORN_BUFFER,
        };
        let buffer_size = self.uwsgi_buffer.unwrap_or(usual) as usize;
        let (protocol, tls) = match servers.first() {
            // A `uwsgi://` address sets the protocol; its details come from other settings.
            Some((Scheme::Uwsgi, _)) => {
                let flavour = self.uwsgi_flavour;
                (Protocol::Uwsgi(UwsgiSettings { flavour, buffer_size }), None)
            }
            Some((Scheme::Https, _)) => (Protocol::Http1, Some(tls.settings())),
            Some((Scheme::Http, _)) | None => (Protocol::Http1, None),
        };
        let path = self.probe_path.clone();
        UpstreamSettings {
            protocol,
            targets: servers.iter().map(|(_, target)| target.clone()).collect(),
            // No server speaks the uwsgi protocol over TLS.
            trusts_protocol: tls.is_some(),
            tls,
            probe: self.probe.map(|interval| ProbeSettings {
                interval,
                path,
                purpose: ProbePurpose::Server,
            }),
            probe_host: self.probe_host(),
            ..self.plan.upstream.clone()
        }
    }

    /// Returns the probe of `health.application`. It looks like a request that a client has sent for the site.
    fn readiness(&self) -> Option<ProbeSettings> {
        let health = &self.plan.health;
        let scheme = self.plan.server.external_scheme.unwrap_or("https");
        Some(ProbeSettings {
            interval: health.application_interval,
            path: Some(health.application.clone()?),
            purpose: ProbePurpose::Readiness { scheme },
        })
    }

    /// Returns one of the site's hosts, if any is configured.
    fn probe_host(&self) -> Option<String> {
        // A name with a dot in front is a domain with all names below.
        let allowed = self.plan.server.allowed_hosts.first();
        let allowed = allowed.map(|host| host.trim_start_matches('.').to_owned());
        let set = self.plan.health.application_host.clone();
        set.or_else(|| self.canonical_host.clone()).or(allowed)
    }

    fn static_roots(&self, buckets: &mut BucketList) -> Vec<Root> {
        let root = |(prefix, places): (String, _)| {
            let (directories, bucket) = buckets.places(places);
            Root {
                cors: self.cors_of(Some(&prefix)).or(self.cors_of(None)).unwrap_or(Cors::Fonts),
                prefix,
                directories,
                bucket,
                purpose: Purpose::Static,
                ..self.static_root.clone()
            }
        };
        grouped(&self.static_roots).into_iter().map(root).collect()
    }

    /// Uploads, and files for X-Accel-Redirect. The latter have no caching rules: the application sends its own
    /// headers.
    fn media(&self, buckets: &mut BucketList) -> FileSettings {
        let media = (&self.media_roots, Purpose::Media, &self.media_root);
        let accel = (&self.accel_roots, Purpose::Internal, &Root::default());
        let mut roots = Vec::new();
        for (prefixed, purpose, template) in [media, accel] {
            for (prefix, places) in grouped(prefixed) {
                let (directories, bucket) = buckets.places(places);
                roots.push(Root {
                    cors: match purpose {
                        Purpose::Media => self.cors_of(Some(&prefix)).unwrap_or(template.cors),
                        Purpose::Static | Purpose::Internal => template.cors,
                    },
                    prefix,
                    directories,
                    bucket,
                    purpose,
                    ..template.clone()
                });
            }
        }
        FileSettings {
            roots,
            memory: self.plan.media.memory,
            entries: self.plan.media.entries,
            write_once: self.plan.media.write_once,
            compress: false,
            ..self.plan.files.clone()
        }
    }

    /// The rule for a prefix, or for all prefixes (`None`).
    fn cors_of(&self, prefix: Option<&str>) -> Option<Cors> {
        self.cors.iter().find(|rule| rule.prefix.as_deref() == prefix).map(|rule| rule.cors)
    }
}

/// Returns the challenges that the listeners can meet. Authorities come to port 443 and to port 80. Where something
/// maps these to other ports, plain HTTP is the more likely one to arrive unchanged.
fn challenges(plain: &[ListenAddress], tls: &[ListenAddress]) -> Vec<AcmeChallenge> {
    let is_https =
        |one: &ListenAddress| matches!(one, ListenAddress::Tcp(address) if address.port() == 443);
    if plain.is_empty() {
        vec![AcmeChallenge::TlsAlpn]
    } else if tls.iter().any(is_https) {
        vec![AcmeChallenge::TlsAlpn, AcmeChallenge::Http]
    } else {
        vec![AcmeChallenge::Http, AcmeChallenge::TlsAlpn]
    }
}

fn fallback(origin: HttpOrigin, timeout: Duration, tls: UpstreamTls) -> FallbackSettings {
    let server = UpstreamSettings {
        targets: vec![origin.target()],
        tls: (origin.scheme == Scheme::Https).then_some(tls),
        connect_timeout: timeout,
        read_timeout: timeout,
        idle_timeout: FALLBACK_IDLE,
        max_idle: FALLBACK_MAX_IDLE,
        max_age: FALLBACK_AGE,
        // `pipeline/fallback.rs` limits the requests to the fallback. They do not wait while it is unavailable.
        admission: AdmissionSettings { max_in_flight: usize::MAX, ..AdmissionSettings::default() },
        abort: true,
        trusts_protocol: true,
        ..UpstreamSettings::default()
    };
    FallbackSettings { server, host: origin.name(), base: origin.base }
}

/// Groups items by prefix, in the order of the list.
pub(super) fn grouped<T: Clone>(items: &[(String, T)]) -> Vec<(String, Vec<T>)> {
    let mut groups: Vec<(String, Vec<T>)> = Vec::new();
    for (prefix, item) in items {
        match groups.iter_mut().find(|(known, _)| known == prefix) {
            Some((_, group)) => group.push(item.clone()),
            None => groups.push((prefix.clone(), vec![item.clone()])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use crate::{
        config::{
            keys,
            read::read,
            sources::{SourceValue, Sources, ValueOrigin},
        },
        plan::UpstreamTarget,
    };

    use super::*;

    #[test]
    fn the_settings_of_uwsgi_are_those_of_its_servers() {
        let (flavour, size) = ("upstream.uwsgi_flavour", "upstream.uwsgi_buffer_size");
        for (settings, flavour, buffer_size) in [
            (&[][..], UwsgiFlavour::Uwsgi, 4096),
            (&[(flavour, "gunicorn")], UwsgiFlavour::Gunicorn, 65_535),
            (&[(size, "32KiB")], UwsgiFlavour::Uwsgi, 32_768),
            (&[(flavour, "gunicorn"), (size, "8KiB")], UwsgiFlavour::Gunicorn, 8_192),
        ] {
            let mut sources = Sources::defaults();
            for (name, text) in settings {
                let origin = ValueOrigin::Environment { name: (*name).into() };
                let value = SourceValue { items: vec![(*text).into()], origin };
                sources.set(keys::find(name).unwrap(), value);
            }
            let draft = read(&sources, Vec::new(), |_| true).draft;
            let at = |scheme| [(scheme, UpstreamTarget::Unix("/run/app.sock".into()))];
            let tls = TlsDraft::default();
            let uwsgi = draft.application(&at(Scheme::Uwsgi), &tls);
            assert_eq!(uwsgi.protocol, Protocol::Uwsgi(UwsgiSettings { flavour, buffer_size }));
            let http = draft.application(&at(Scheme::Http), &tls);
            assert_eq!(http.protocol, Protocol::Http1);
            assert_eq!((http.targets.len(), http.admission), (1, uwsgi.admission));
        }
    }
}
