//! Warnings about valid settings: missing files and directories, and dangerous values.

use std::{
    fs,
    io::ErrorKind,
    net::Ipv6Addr,
    path::{self, Path, PathBuf},
};

use http::StatusCode;
use ipnet::IpNet;
use rustix::{
    fs::{Access, access, statfs},
    process::getuid,
};

use crate::plan::{
    AwsCredentials, BucketProtocol, BucketSettings, CertificateSettings, ListenAddress,
    PageSettings, PageSource, Plan, Purpose, Root, Route, RouteAction, RouteMatcher,
    ServerSettings, SpillDirectory, TlsSettings, Traces, UpstreamSettings, UpstreamTarget,
};

use super::{
    address, inert,
    load::LoadedSettings,
    overlap::{self, ServedPlace},
    plain_passwords,
    read::Setting,
    sources::ValueOrigin,
    upstream_tls,
    value::show_size,
};

/// Directories that contain files of several programs, and are never a site's own.
const SYSTEM: [&str; 14] = [
    "/", "/bin", "/home", "/lib", "/lib64", "/media", "/mnt", "/opt", "/run", "/sbin", "/tmp",
    "/usr", "/var", "/dev/shm",
];
/// Directories that contain secrets.
const SECRET: [&str; 7] =
    ["/boot", "/etc", "/proc", "/root", "/run/secrets", "/sys", "/var/lib/docker"];

/// Returns warnings that do not keep `run` from starting, because the situation may improve without a restart.
pub fn warnings(loaded: &LoadedSettings) -> Vec<String> {
    let Plan { files, media, upstream, routed, routes, server, tls, buckets, .. } = &loaded.plan;
    let secret = |name: &str| {
        loaded.settings.iter().any(|s| s.id.to_string() == name && s.origin.is_secret())
    };
    let shown_roots = || files.roots.iter().chain(&media.roots).filter(|root| !secret(&key(root)));
    let places: Vec<RootDirectory<'_>> = shown_roots().flat_map(RootDirectory::all).collect();
    let mut warnings: Vec<String> = places.iter().filter_map(RootDirectory::missing).collect();
    warnings.extend(places.iter().filter_map(RootDirectory::not_a_site));
    let directories = places.iter().map(|place| ServedPlace {
        root: place.root,
        shown: place.show(),
        position: place.real.clone(),
    });
    let objects = shown_roots().filter_map(|root| object_place(root, buckets));
    warnings.extend(overlap::warnings(&directories.chain(objects).collect::<Vec<_>>()));
    // The application has not made the socket yet that Sideman has chosen for it.
    let is_chosen = |setting: &Setting| {
        setting.id.key.name == "upstream.url"
            && matches!(setting.origin, ValueOrigin::Command { .. })
    };
    if !secret("upstream.url") && !loaded.settings.iter().any(is_chosen) {
        warnings.extend(sockets("upstream.url", upstream));
    }
    for route in routes {
        let name = format!("route.{}.upstream", route.name);
        if let Some(RouteAction::Upstream(index)) = route.action
            && let Some(upstream) = routed.get(index).filter(|_| !secret(&name))
        {
            warnings.extend(sockets(&name, upstream));
        }
    }
    for (name, networks) in [
        ("server.trusted_proxies", &server.trusted_proxies),
        ("server.proxy_protocol_from", &server.proxy_protocol_from),
    ] {
        if !secret(name) {
            warnings.extend(wide(name, networks));
        }
    }
    if let Traces::Unavailable(reason) = &loaded.plan.traces {
        warnings.push(reason.clone());
    }
    warnings.extend(trust(server, tls.as_ref()));
    warnings.extend(plain_passwords::warning(&loaded.plan));
    warnings.extend(upstream_tls::warnings(&loaded.plan));
    warnings.extend(unsigned(&loaded.plan));
    if let Some(tls) = tls.as_ref().filter(|_| !secret("tls.certificates")) {
        warnings.extend(certificates(tls));
    }
    if !secret("buffers.directory") {
        warnings.extend(spill(&loaded.plan.buffers.spill));
    }
    let sizes = ["server.max_body", "buffers.memory", "buffers.disk"];
    warnings.extend(longest_body(&loaded.plan, sizes.into_iter().any(secret)));
    warnings.extend(pages(&loaded.plan.pages, secret));
    warnings.extend(routes.iter().flat_map(|route| pages_of_route(route, secret)));
    warnings.extend(inert::warnings(loaded));
    warnings
}

/// Returns notes on settings that are valid but may differ from the user's intention.
pub fn notes(loaded: &LoadedSettings) -> Vec<String> {
    let trusted = &loaded.plan.server.trusted_proxies;
    let setting = loaded.settings.iter().find(|one| one.id.key.name == "server.trusted_proxies");
    let is_secret = setting.is_none_or(|setting| setting.origin.is_secret());
    if is_secret || !address::are_alb(trusted) || trusted.iter().any(|one| one.prefix_len() == 0) {
        return Vec::new();
    }
    vec![format!(
        "server.trusted_proxies trusts every private network, with every host in it ({}), but no public \
         range or IPv6 network of Amazon that a VPC may have: set the subnets of your load balancer \
         instead, see docs/ecs.md",
        address::ALB.join(", ")
    )]
}

/// Returns a warning if requests to buckets are not signed.
fn unsigned(plan: &Plan) -> Option<String> {
    let is_signed = |bucket: &&BucketSettings| bucket.protocol != BucketProtocol::Http;
    let bucket =
        plan.buckets.iter().find(is_signed).filter(|_| plan.aws == AwsCredentials::None)?;
    Some(format!(
        "there are no AWS credentials in the environment, so requests to {} are not signed, which only a public \
         bucket allows; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run with a task role of ECS or with EKS \
         Pod Identity",
        bucket.url
    ))
}

/// Returns warnings for sockets that do not exist. The application may create them later.
fn sockets(name: &str, upstream: &UpstreamSettings) -> Vec<String> {
    let missing = |target: &UpstreamTarget| match target {
        UpstreamTarget::Unix(path) => {
            let error = fs::metadata(path).err()?;
            let path = path.display();
            Some(format!("the socket {path} ({name}) is not accessible: {error}"))
        }
        UpstreamTarget::Tcp { .. } => None,
    };
    upstream.targets.iter().filter_map(missing).collect()
}

/// Returns warnings for missing certificates. The start fails without them, but they may be created before.
fn certificates(tls: &TlsSettings) -> Vec<String> {
    let CertificateSettings::Files(pairs) = &tls.certificates else { return Vec::new() };
    let missing = |path: &PathBuf| {
        let error = fs::metadata(path).err()?;
        Some(format!("{} (tls.certificates) is not accessible: {error}", path.display()))
    };
    pairs.iter().flat_map(|pair| [&pair.certificate, &pair.key]).filter_map(missing).collect()
}

/// Returns warnings for networks that include clients as well as proxies. A network of one IP version never includes
/// addresses of the other.
fn wide(name: &str, networks: &[IpNet]) -> Vec<String> {
    let every = |is_v4: bool| {
        networks.iter().any(|one| one.prefix_len() == 0 && one.addr().is_ipv4() == is_v4)
    };
    let whom = match (every(true), every(false)) {
        (true, true) => "address: any client can claim to be another",
        (true, false) => "IPv4 address, and no IPv6 one: any client can claim to be another",
        (false, true) => {
            "IPv6 address, and no IPv4 one: any client can claim to be another; for IPv4 write 0.0.0.0/0"
        }
        (false, false) => {
            let public = networks.iter().filter(|one| is_public(one));
            let warning = |network: &IpNet| {
                format!(
                    "{name} trusts {network}, a large part of the Internet: any client in \
                     it can claim to be another"
                )
            };
            return public.map(warning).collect();
        }
    };
    vec![format!("{name} trusts every {whom}")]
}

/// Returns whether a network is larger than one owner's, and not private (RFC 1918, RFC 4193).
fn is_public(network: &IpNet) -> bool {
    match network {
        IpNet::V4(v4) => v4.prefix_len() < 8,
        // All routed addresses are in 2000::/3.
        IpNet::V6(v6) => {
            let global = Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0);
            v6.prefix_len() < 16 && (v6.contains(&global) || v6.addr().segments()[0] >> 13 == 1)
        }
    }
}

fn trust(server: &ServerSettings, tls: Option<&TlsSettings>) -> Option<String> {
    let is_socket = |listen: &ListenAddress| matches!(listen, ListenAddress::Unix(_));
    let tls_listen = tls.iter().flat_map(|tls| &tls.listen);
    // Peers on a Unix socket are trusted.
    let has_socket = server.listen.iter().chain(tls_listen).any(is_socket);
    let is_beside_tls = tls.is_some() && !server.listen.is_empty();
    let has_effect = !server.trusted_proxies.is_empty() || has_socket || is_beside_tls;
    (server.redirect_https && !has_effect).then(|| {
        "server.redirect_https has no effect: server.trusted_proxies is none, so X-Forwarded-Proto is always \
         ignored, and there is no plain listener beside one in tls.listen"
            .into()
    })
}

fn spill(spill: &SpillDirectory) -> Option<String> {
    let SpillDirectory::Directory(directory) = spill else { return None };
    let (place, need) = (directory.display(), "long bodies stay in memory, within buffers.memory");
    match fs::metadata(directory) {
        Ok(found) if found.is_dir() => {
            // Checks the permission without creating a file. root may write unless the file system is read-only.
            let error = access(directory, Access::WRITE_OK | Access::EXEC_OK).err()?;
            let user = getuid().as_raw();
            Some(format!(
                "{place} (buffers.directory) is not writable by user {user}: {error}; until it can, {need}"
            ))
        }
        Ok(_) => Some(format!("{place} (buffers.directory) is not a directory: {need}")),
        Err(error) => Some(format!(
            "{place} (buffers.directory) is not accessible: {error}; without it {need}"
        )),
    }
}

/// Warns about a body limit above the space for buffered bodies, unless all request bodies are streamed.
fn longest_body(plan: &Plan, is_secret: bool) -> Option<String> {
    let is_everything = |route: &&Route| route.matcher == RouteMatcher::default();
    let streaming =
        plan.routes.iter().find(is_everything).and_then(|route| route.policies.streaming);
    if streaming.is_some_and(|streaming| streaming.request) {
        return None;
    }
    let buffers = &plan.buffers;
    let (max, name) = match spills_to_disk(&buffers.spill) {
        true => (buffers.disk.max(buffers.memory_per_body), "buffers.disk"),
        false => (buffers.memory, "buffers.memory, which is used without a disk"),
    };
    if plan.server.max_body.is_some_and(|limit| limit <= max) {
        return None;
    }
    let shown =
        |bytes: u64| if is_secret { String::new() } else { format!(" ({})", show_size(bytes)) };
    let limit = plan.server.max_body.map_or(" (off)".to_owned(), shown);
    Some(format!(
        "server.max_body{limit} is more than {name}{} can hold: longer bodies get 413; raise \
         buffers.memory, give buffers.directory a disk, or lower server.max_body",
        shown(max)
    ))
}

/// Returns whether long bodies are spilled to a disk, or to a configured volume in memory. Follows the rules of
/// `body/spill.rs`, without creating a file.
fn spills_to_disk(spill: &SpillDirectory) -> bool {
    /// The types of tmpfs and ramfs in `statfs` (statfs(2)).
    const MEMORY_FILE_SYSTEMS: [i64; 2] = [0x0102_1994, 0x8584_58f6];
    let directory = match spill {
        SpillDirectory::Memory => return false,
        SpillDirectory::Directory(directory) => directory.as_path(),
        SpillDirectory::Auto => Path::new("/tmp"),
    };
    let is_named = *spill != SpillDirectory::Auto;
    access(directory, Access::WRITE_OK | Access::EXEC_OK).is_ok()
        && statfs(directory)
            .is_ok_and(|system| is_named || !MEMORY_FILE_SYSTEMS.contains(&system.f_type))
}

fn pages(pages: &PageSettings, secret: impl Fn(&str) -> bool) -> Vec<String> {
    let missing = |(status, page): &(StatusCode, PageSource)| {
        let name = format!("errors.{}", status.as_str());
        if secret(&name) { None } else { missing_page(&name, page.file()?) }
    };
    let mut warnings: Vec<String> = pages.errors.iter().filter_map(missing).collect();
    let flag = pages.maintenance.as_ref().filter(|_| !secret("maintenance.flag"));
    if let Some(flag) = flag.filter(|flag| fs::metadata(flag).is_ok()) {
        warnings.push(format!(
            "{} (maintenance.flag) exists: all requests but those for files and health checks get 503",
            flag.display()
        ));
    }
    warnings
}

fn pages_of_route(route: &Route, secret: impl Fn(&str) -> bool) -> Vec<String> {
    let name = format!("route.{}.errors", route.name);
    if secret(&name) {
        return Vec::new();
    }
    route.policies.errors.iter().filter_map(|page| missing_page(&name, page.page.file()?)).collect()
}

fn missing_page(name: &str, path: &Path) -> Option<String> {
    let place = path.display();
    match fs::metadata(path) {
        Ok(found) if found.is_file() => None,
        Ok(_) => {
            Some(format!("{place} ({name}) is not a file: Sideman's own page is sent instead"))
        }
        Err(error) => Some(format!(
            "{place} ({name}) is not accessible: {error}; Sideman's own page is sent instead"
        )),
    }
}

/// One directory of one prefix.
struct RootDirectory<'a> {
    root: &'a Root,
    directory: &'a Path,
    /// The absolute path, with links resolved as far as it exists.
    real: PathBuf,
}

// === impl RootDirectory ===

impl<'a> RootDirectory<'a> {
    fn all(root: &'a Root) -> impl Iterator<Item = Self> {
        root.directories.iter().map(move |directory| Self {
            root,
            directory,
            real: real(directory),
        })
    }

    fn missing(&self) -> Option<String> {
        let (prefix, place) = (&self.root.prefix, self.show());
        let user = getuid().as_raw();
        match fs::metadata(self.directory) {
            Ok(found) if found.is_dir() => {
                // Looking up names needs only search permission; nothing is listed.
                let error = access(self.directory, Access::EXEC_OK).err()?;
                Some(format!(
                    "{place} is not readable by user {user}: {error}; fix it (chmod o+rx, or its group); until \
                     then no file below {prefix} is served from it"
                ))
            }
            Ok(_) => Some(format!(
                "{place} is not a directory: no file below {prefix} is served from it"
            )),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                let refusing = refusing(self.directory).unwrap_or(self.directory);
                let refusing = refusing.display();
                Some(format!(
                    "{place} is not reachable by user {user}: {refusing} denies access (chmod o+x, or its \
                     group); until then no file below {prefix} is served from it"
                ))
            }
            Err(error) => Some(format!(
                "{place} is not accessible: {error}; until it is, no file below {prefix} is served from it"
            )),
        }
    }

    /// Warns about a directory that contains more than a site's files.
    fn not_a_site(&self) -> Option<String> {
        let (prefix, place, real) = (&self.root.prefix, self.show(), &self.real);
        let whole = SYSTEM.iter().any(|system| real == Path::new(system));
        let within = SECRET.iter().any(|secret| real.starts_with(secret));
        if whole || within {
            let real = real.display();
            return Some(format!(
                "{place} is {real}, which holds files of the system or other programs: all files in it \
                 that user {} can read are served below {prefix}; use a directory of the site's own",
                getuid().as_raw()
            ));
        }
        let project = real.join("manage.py");
        fs::metadata(&project).is_ok_and(|found| found.is_file()).then(|| {
            format!(
                "{place} contains manage.py, so the project's source is served below {prefix}; set \
                 the directory that collectstatic fills (STATIC_ROOT)"
            )
        })
    }

    fn show(&self) -> String {
        format!("{} ({})", self.directory.display(), key(self.root))
    }
}

/// Returns the name of the setting that a root comes from.
fn key(root: &Root) -> String {
    if let Some(route) = &root.route {
        let leaf = if root.purpose == Purpose::Media { "media" } else { "files" };
        return format!("route.{route}.{leaf}");
    }
    match root.purpose {
        Purpose::Static => "static.roots".into(),
        Purpose::Media => "media.roots".into(),
        Purpose::Internal => "accel.roots".into(),
    }
}

/// Returns where the objects of a root are, if it has a bucket or a file server.
fn object_place<'a>(root: &'a Root, buckets: &[BucketSettings]) -> Option<ServedPlace<'a>> {
    let objects = root.bucket.as_ref()?;
    let url = &buckets.get(objects.bucket)?.url;
    let shown = format!("{url}/{} ({})", objects.prefix.trim_end_matches('/'), key(root));
    // No directory has such a path.
    let position = PathBuf::from(format!("bucket {}", objects.bucket)).join(&objects.prefix);
    Some(ServedPlace { root, shown, position })
}

/// Returns the first directory of the path that may not be searched.
fn refusing(path: &Path) -> Option<&Path> {
    let ancestors: Vec<&Path> = path.ancestors().skip(1).collect();
    let mut from_root = ancestors.into_iter().rev().filter(|one| !one.as_os_str().is_empty());
    from_root.find(|ancestor| access(*ancestor, Access::EXEC_OK).is_err())
}

/// Returns the path with links resolved, as far as it exists.
fn real(directory: &Path) -> PathBuf {
    let absolute = path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let resolved = absolute.ancestors().find_map(|ancestor| {
        let rest = absolute.strip_prefix(ancestor).ok()?;
        let real = fs::canonicalize(ancestor).ok()?;
        Some(if rest.as_os_str().is_empty() { real } else { real.join(rest) })
    });
    resolved.unwrap_or(absolute)
}
