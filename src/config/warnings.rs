//! What is worth a word although the settings are valid: what is missing now, and what is dangerous.

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
    CertificateSettings, ListenAddress, PageSettings, Plan, Purpose, Root, ServerSettings,
    SpillDirectory, TlsSettings, UpstreamSettings, UpstreamTarget,
};

use super::{address, inert, load::LoadedSettings, value::show_size};

/// Directories that hold more than one program's files, and are nobody's site as a whole.
const SYSTEM: [&str; 14] = [
    "/", "/bin", "/home", "/lib", "/lib64", "/media", "/mnt", "/opt", "/run", "/sbin", "/tmp",
    "/usr", "/var", "/dev/shm",
];
/// Directories below which are secrets.
const SECRET: [&str; 7] =
    ["/boot", "/etc", "/proc", "/root", "/run/secrets", "/sys", "/var/lib/docker"];

/// What `run` starts with all the same, because it may come right by itself.
pub fn warnings(loaded: &LoadedSettings) -> Vec<String> {
    let Plan { files, media, upstream, routes, server, tls, .. } = &loaded.plan;
    let secret =
        |name: &str| loaded.settings.iter().any(|s| s.key.name == name && s.origin.is_secret());
    let places: Vec<RootDirectory<'_>> = files
        .roots
        .iter()
        .chain(&media.roots)
        .filter(|root| !secret(key(root.purpose)))
        .flat_map(RootDirectory::all)
        .collect();
    let mut warnings: Vec<String> = places.iter().filter_map(RootDirectory::missing).collect();
    warnings.extend(places.iter().filter_map(RootDirectory::not_a_site));
    for (index, place) in places.iter().enumerate() {
        let others = places.get(index + 1..).unwrap_or_default();
        warnings.extend(others.iter().filter_map(|other| mixed(place, other)));
    }
    if !secret("upstream.url") {
        warnings.extend(sockets("upstream.url", upstream));
    }
    if !secret("routes.upstreams") {
        let others = routes.iter().map(|route| &route.upstream);
        warnings.extend(others.flat_map(|upstream| sockets("routes.upstreams", upstream)));
    }
    if !secret("server.trusted_proxies") {
        warnings.extend(wide(&server.trusted_proxies));
    }
    warnings.extend(trust(server, tls.as_ref()));
    if let Some(tls) = tls.as_ref().filter(|_| !secret("tls.certificates")) {
        warnings.extend(certificates(tls));
    }
    if !secret("buffers.directory") {
        warnings.extend(spill(&loaded.plan.buffers.spill));
    }
    let sizes = ["server.max_body", "buffers.memory", "buffers.disk"];
    warnings.extend(longest_body(&loaded.plan, sizes.into_iter().any(secret)));
    warnings.extend(pages(&loaded.plan.pages, secret));
    warnings.extend(inert::warnings(loaded));
    warnings
}

/// What is well, and may not be what is expected.
pub fn notes(loaded: &LoadedSettings) -> Vec<String> {
    let trusted = &loaded.plan.server.trusted_proxies;
    let setting = loaded.settings.iter().find(|one| one.key.name == "server.trusted_proxies");
    let is_secret = setting.is_none_or(|setting| setting.origin.is_secret());
    if is_secret || !address::are_alb(trusted) || trusted.iter().any(|one| one.prefix_len() == 0) {
        return Vec::new();
    }
    vec![format!(
        "server.trusted_proxies believes every private network, whoever is in it ({}), and no public \
         range or IPv6 network of Amazon that a VPC may have: name the subnets of your load balancer in \
         its place, see docs/ecs.md",
        address::ALB.join(", ")
    )]
}

/// Sockets that are not there: the application may make them later.
fn sockets(name: &str, upstream: &UpstreamSettings) -> Vec<String> {
    let missing = |target: &UpstreamTarget| match target {
        UpstreamTarget::Unix(path) => {
            let error = fs::metadata(path).err()?;
            let path = path.display();
            Some(format!("the socket {path} ({name}) is not there now: {error}"))
        }
        UpstreamTarget::Tcp { .. } => None,
    };
    upstream.targets.iter().filter_map(missing).collect()
}

/// Without them nothing starts; but they may be there by then.
fn certificates(tls: &TlsSettings) -> Vec<String> {
    let CertificateSettings::Files(pairs) = &tls.certificates else { return Vec::new() };
    let missing = |path: &PathBuf| {
        let error = fs::metadata(path).err()?;
        Some(format!("{} (tls.certificates) is not there now: {error}", path.display()))
    };
    pairs.iter().flat_map(|pair| [&pair.certificate, &pair.key]).filter_map(missing).collect()
}

/// Networks that hold clients, and not only proxies. Those of one family hold no address of the other.
fn wide(networks: &[IpNet]) -> Vec<String> {
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
                    "server.trusted_proxies holds {network}, a large part of the Internet: any client in \
                     it can claim to be another"
                )
            };
            return public.map(warning).collect();
        }
    };
    vec![format!("server.trusted_proxies holds every {whom}")]
}

/// Whether a network is larger than anybody's own, outside of what is private (RFC 1918, RFC 4193).
fn is_public(network: &IpNet) -> bool {
    match network {
        IpNet::V4(v4) => v4.prefix_len() < 8,
        // All that is routed is in 2000::/3.
        IpNet::V6(v6) => {
            let global = Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0);
            v6.prefix_len() < 16 && (v6.contains(&global) || v6.addr().segments()[0] >> 13 == 1)
        }
    }
}

fn trust(server: &ServerSettings, tls: Option<&TlsSettings>) -> Option<String> {
    // Who comes by a socket is believed.
    let tls_listen = tls.iter().flat_map(|tls| &tls.listen);
    let mut places = server.listen.iter().chain(tls_listen);
    let has_socket = places.any(|listen| matches!(listen, ListenAddress::Unix(_)));
    (server.redirect_https && server.trusted_proxies.is_empty() && !has_socket).then(|| {
        "server.redirect_https has no effect: server.trusted_proxies is none, so that nobody's \
         X-Forwarded-Proto is believed"
            .into()
    })
}

fn spill(spill: &SpillDirectory) -> Option<String> {
    let SpillDirectory::Directory(directory) = spill else { return None };
    let (place, need) = (directory.display(), "long bodies stay in memory, within buffers.memory");
    match fs::metadata(directory) {
        Ok(found) if found.is_dir() => {
            // Without making a file. root may write where the file system can be written to.
            let error = access(directory, Access::WRITE_OK | Access::EXEC_OK).err()?;
            let user = getuid().as_raw();
            Some(format!(
                "{place} (buffers.directory) can't be written to by user {user}: {error}; until it can, {need}"
            ))
        }
        Ok(_) => Some(format!("{place} (buffers.directory) is not a directory: {need}")),
        Err(error) => Some(format!(
            "{place} (buffers.directory) is not there now: {error}; without it {need}"
        )),
    }
}

/// A limit for bodies that is above what they can ever wait in, unless none has to.
fn longest_body(plan: &Plan, is_secret: bool) -> Option<String> {
    if plan.unbuffered.iter().any(|one| one.prefix == "/" && one.streaming.request) {
        return None;
    }
    let buffers = &plan.buffers;
    let (most, name) = match spills_to_disk(&buffers.spill) {
        true => (buffers.disk.max(buffers.memory_per_body), "buffers.disk"),
        false => (buffers.memory, "buffers.memory, where they wait without a disk"),
    };
    if plan.server.max_body.is_some_and(|limit| limit <= most) {
        return None;
    }
    let shown =
        |bytes: u64| if is_secret { String::new() } else { format!(" ({})", show_size(bytes)) };
    let limit = plan.server.max_body.map_or(" (off)".to_owned(), shown);
    Some(format!(
        "server.max_body{limit} is more than {name}{} can hold: longer bodies are answered with 413; raise \
         buffers.memory, give buffers.directory a disk, or lower server.max_body",
        shown(most)
    ))
}

/// Whether long bodies go to a disk, or a volume in memory that was named: as `body/spill.rs` decides it, without
/// making a file.
fn spills_to_disk(spill: &SpillDirectory) -> bool {
    /// What `statfs` says of tmpfs and ramfs (statfs(2)).
    const IN_MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];
    let directory = match spill {
        SpillDirectory::Memory => return false,
        SpillDirectory::Directory(directory) => directory.as_path(),
        SpillDirectory::Auto => Path::new("/tmp"),
    };
    let is_named = *spill != SpillDirectory::Auto;
    access(directory, Access::WRITE_OK | Access::EXEC_OK).is_ok()
        && statfs(directory).is_ok_and(|system| is_named || !IN_MEMORY.contains(&system.f_type))
}

fn pages(pages: &PageSettings, secret: impl Fn(&str) -> bool) -> Vec<String> {
    let missing = |(status, path): &(StatusCode, PathBuf)| {
        let name = format!("errors.{}", status.as_str());
        if secret(&name) {
            return None;
        }
        let place = path.display();
        match fs::metadata(path) {
            Ok(found) if found.is_file() => None,
            Ok(_) => Some(format!("{place} ({name}) is not a file: a page made here is sent")),
            Err(error) => Some(format!(
                "{place} ({name}) is not there now: {error}; a page made here is sent in its place"
            )),
        }
    };
    let mut warnings: Vec<String> = pages.errors.iter().filter_map(missing).collect();
    let flag = pages.maintenance.as_ref().filter(|_| !secret("maintenance.flag"));
    if let Some(flag) = flag.filter(|flag| fs::metadata(flag).is_ok()) {
        warnings.push(format!(
            "{} (maintenance.flag) is there: everything but files and health checks gets 503",
            flag.display()
        ));
    }
    warnings
}

/// One directory of one prefix.
struct RootDirectory<'a> {
    root: &'a Root,
    directory: &'a Path,
    /// Absolute, and without links as far as it is there.
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
                // Names in it are looked up, which takes the right to search; nothing is listed.
                let error = access(self.directory, Access::EXEC_OK).err()?;
                Some(format!(
                    "{place} can't be read by user {user}: {error}; until it can (chmod o+rx, or its \
                     group), nothing below {prefix} comes from it"
                ))
            }
            Ok(_) => {
                Some(format!("{place} is not a directory: nothing below {prefix} comes from it"))
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                let refusing = refusing(self.directory).unwrap_or(self.directory);
                let refusing = refusing.display();
                Some(format!(
                    "{place} can't be reached by user {user}: {refusing} refuses (chmod o+x, or its \
                     group); until then nothing below {prefix} comes from it"
                ))
            }
            Err(error) => Some(format!(
                "{place} is not there now: {error}; until it is, nothing below {prefix} comes from it"
            )),
        }
    }

    /// A directory that holds more than a site's files.
    fn not_a_site(&self) -> Option<String> {
        let (prefix, place, real) = (&self.root.prefix, self.show(), &self.real);
        let whole = SYSTEM.iter().any(|system| real == Path::new(system));
        let within = SECRET.iter().any(|secret| real.starts_with(secret));
        if whole || within {
            let real = real.display();
            return Some(format!(
                "{place} is {real}, where the system or other programs keep their files: what user {} \
                 can read in it is served below {prefix}; give the site a directory of its own",
                getuid().as_raw()
            ));
        }
        let project = real.join("manage.py");
        fs::metadata(&project).is_ok_and(|found| found.is_file()).then(|| {
            format!(
                "{place} holds manage.py, so that the project's source is served below {prefix}; name \
                 the directory that collectstatic fills (STATIC_ROOT)"
            )
        })
    }

    fn show(&self) -> String {
        format!("{} ({})", self.directory.display(), key(self.root.purpose))
    }
}

/// The setting that a root stands in.
fn key(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Static => "static.roots",
        Purpose::Media => "media.roots",
        Purpose::Internal => "accel.roots",
    }
}

/// What is wrong with two directories of different kinds, if one holds the other. Uploads below a
/// directory that the application may send from are no mistake: they are public anyway.
fn mixed(a: &RootDirectory<'_>, b: &RootDirectory<'_>) -> Option<String> {
    // Of two that are the same, the later section is the one that is not kept.
    let (inner, outer) = if b.real.starts_with(&a.real) {
        (b, a)
    } else if a.real.starts_with(&b.real) {
        (a, b)
    } else {
        return None;
    };
    let (from, to) = (inner.root.purpose, outer.root.purpose);
    let danger = match (from, to) {
        (Purpose::Media, Purpose::Static) => format!(
            "uploads are served below {} as well, as files of the site's own: a page in them acts \
             in its name",
            outer.root.prefix
        ),
        (Purpose::Static, Purpose::Media) => {
            "an upload can take the place of the site's own files, and acts in its name".into()
        }
        (Purpose::Internal, Purpose::Static | Purpose::Media) => format!(
            "what only the application may send can be had below {} without asking it",
            outer.root.prefix
        ),
        (Purpose::Static, Purpose::Internal) => format!(
            "what is in it can be had below {} without asking the application",
            inner.root.prefix
        ),
        (Purpose::Media, Purpose::Internal)
        | (Purpose::Static, Purpose::Static)
        | (Purpose::Media, Purpose::Media)
        | (Purpose::Internal, Purpose::Internal) => return None,
    };
    let relation = if inner.real == outer.real { "is the same as" } else { "is inside of" };
    let advice = "give each a directory of its own";
    Some(format!("{} {relation} {}: {danger}; {advice}", inner.show(), outer.show()))
}

/// The first directory on the way that may not be searched.
fn refusing(path: &Path) -> Option<&Path> {
    let ancestors: Vec<&Path> = path.ancestors().skip(1).collect();
    let mut from_root = ancestors.into_iter().rev().filter(|one| !one.as_os_str().is_empty());
    from_root.find(|ancestor| access(*ancestor, Access::EXEC_OK).is_err())
}

/// The path as the kernel would follow it, as far as it is there.
fn real(directory: &Path) -> PathBuf {
    let absolute = path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let resolved = absolute.ancestors().find_map(|ancestor| {
        let rest = absolute.strip_prefix(ancestor).ok()?;
        let real = fs::canonicalize(ancestor).ok()?;
        Some(if rest.as_os_str().is_empty() { real } else { real.join(rest) })
    });
    resolved.unwrap_or(absolute)
}
