//! The volumes: files of the site, sockets, and long bodies.

use std::path::Path;

use super::{
    facts::{Container, Mount},
    subject::Subject,
};
use crate::{
    command::doctor::server_command::Bind,
    finding::{Check, Finding, Severity},
    plan::{Purpose, Root, SpillDirectory, UpstreamTarget},
};

pub(in crate::command::doctor) static FILES_MISSING: Check = Check {
    id: "files-missing",
    severity: Severity::Error,
    page: "docs/troubleshooting.md#stale-or-missing-static-files",
};
pub(in crate::command::doctor) static FILES_WRITABLE: Check = Check {
    id: "files-writable",
    severity: Severity::Warning,
    page: "config/deploy/README.md#composeyaml",
};
pub(in crate::command::doctor) static SOCKET_MISSING: Check =
    Check { id: "socket-missing", severity: Severity::Error, page: "docs/troubleshooting.md#502" };
pub(in crate::command::doctor) static SPILL_IN_MEMORY: Check =
    Check { id: "spill-in-memory", severity: Severity::Warning, page: "docs/limits.md#memory" };

/// The site's files reach Sideman over a volume that another container fills.
pub(super) fn files_missing(subject: &Subject<'_>) -> Vec<Finding> {
    let (deployment, sideman) = (subject.deployment, subject.sideman);
    // Another image may have the files, and docker copies them into a new volume.
    if !sideman.has_own_image() || sideman.has_more_mounts || deployment.is_partial {
        return Vec::new();
    }
    let others = || deployment.others(&sideman.name);
    let is_filled = |volume: &str| !deployment.is_private(volume) || is_elsewhere(subject, volume);
    let check = |(root, directory): (&Root, &Path)| {
        let prefix = &root.prefix;
        let (shown, name) = (directory.display(), &sideman.name);
        match sideman.mount_of(directory) {
            Some(Mount { volume: Some(volume), .. }) if !is_filled(volume) => Some(FILES_MISSING.finding(
                format!("no container writes the files below {prefix}"),
                format!("{shown} of {name} is on the volume {volume}, which no other container has"),
                format!("mount {volume} in the container that writes these files, at its STATIC_ROOT or MEDIA_ROOT"),
            )),
            Some(_) => None,
            None if root.purpose == Purpose::Static && is_collected(others()) => Some(FILES_MISSING.finding(
                format!("Sideman does not have the files below {prefix}"),
                format!("{name} has no volume at {shown}, and collectstatic runs in another container"),
                format!("mount the volume of that container's STATIC_ROOT in {name}, read-only, at {shown}"),
            )),
            None => None,
        }
    };
    directories(subject).into_iter().filter_map(check).collect()
}

/// Whether another container has a volume, or may have it.
fn is_elsewhere(subject: &Subject<'_>, volume: &str) -> bool {
    let mut others = subject.deployment.others(&subject.sideman.name);
    others.any(|one| one.has_more_mounts || one.has_volume(volume))
}

fn is_collected<'a>(mut containers: impl Iterator<Item = &'a Container>) -> bool {
    containers.any(|one| one.words().iter().any(|word| word.contains("collectstatic")))
}

/// Sideman never writes to the directories that it serves.
pub(super) fn files_writable(subject: &Subject<'_>) -> Option<Finding> {
    let own = written(subject).filter(|_| !subject.sideman.has_more_mounts)?;
    let roots = directories(subject);
    let mounts = roots.iter().filter_map(|(_, directory)| subject.sideman.mount_of(directory));
    let mut writable = mounts.filter(|mount| !mount.is_read_only && !own.starts_with(&mount.path));
    let path = &writable.next()?.path;
    Some(FILES_WRITABLE.finding(
        "Sideman can write to the files that it serves",
        format!("{path} of {} is mounted with write access", subject.sideman.name),
        "mount it read-only",
    ))
}

/// The directory that Sideman writes to.
fn written<'a>(subject: &'a Subject<'_>) -> Option<&'a Path> {
    let plan = subject.settings.plan(&["buffers.directory"])?;
    Some(match &plan.buffers.spill {
        SpillDirectory::Directory(directory) => directory.as_path(),
        SpillDirectory::Auto | SpillDirectory::Memory => Path::new("/tmp"),
    })
}

/// Returns the absolute directories, each with its prefix.
fn directories<'a>(subject: &'a Subject<'_>) -> Vec<(&'a Root, &'a Path)> {
    let keys = ["static.roots", "media.roots", "accel.roots"];
    let Some(plan) = subject.settings.plan(&keys) else { return Vec::new() };
    let roots = plan.files.roots.iter().chain(&plan.media.roots);
    let all = roots.flat_map(|root| root.directories.iter().map(move |one| (root, one.as_path())));
    all.filter(|(_, directory)| directory.is_absolute()).collect()
}

/// A socket must be on a volume of both containers, at the same place.
pub(super) fn socket_missing(subject: &Subject<'_>) -> Option<Finding> {
    let [UpstreamTarget::Unix(path)] = subject.targets() else { return None };
    let (deployment, sideman) = (subject.deployment, subject.sideman);
    let name = &sideman.name;
    let shown = path.display();
    let finding = |seen: String| {
        SOCKET_MISSING.finding(
            format!("Sideman cannot reach the application's socket {shown}"),
            seen,
            "mount one volume at the directory of the socket, in both containers",
        )
    };
    let Some(mount) = sideman.mount_of(path) else {
        // Another image may start the application too.
        let is_certain =
            sideman.has_own_image() && !sideman.has_more_mounts && !deployment.is_partial;
        return is_certain.then(|| finding(format!("{name} has no volume at {shown}")));
    };
    let volume = mount.volume.as_deref()?;
    if deployment.is_private(volume) && !is_elsewhere(subject, volume) {
        return Some(finding(format!("no other container has the volume at {shown} of {name}")));
    }
    let app = subject.application.filter(|app| !app.has_more_mounts)?;
    let binds = app.server()?.binds();
    let is_there = |bind: &Bind| match bind {
        Bind::Tcp { .. } => false,
        // The directory that it is relative to is not known.
        Bind::Unix(own) if !own.starts_with('/') => true,
        Bind::Unix(own) => app.mount_of(Path::new(own)).is_some_and(|other| {
            other.volume == mount.volume && other.rest_of(Path::new(own)) == mount.rest_of(path)
        }),
    };
    if binds.is_empty() || binds.iter().any(is_there) {
        return None;
    }
    let binds: Vec<String> = binds.iter().map(ToString::to_string).collect();
    Some(finding(format!(
        "the command of {} listens on {}, which is not {shown} of {name}",
        app.name,
        binds.join(", ")
    )))
}

/// A file system in memory is no place for bodies that are too long for memory.
pub(super) fn spill_in_memory(subject: &Subject<'_>) -> Option<Finding> {
    let plan = subject.settings.plan(&["buffers.directory"])?;
    let SpillDirectory::Directory(directory) = &plan.buffers.spill else { return None };
    let sideman = subject.sideman;
    let is_in_memory = |path: &&String| directory.starts_with(path);
    let deepest = sideman.in_memory.iter().filter(is_in_memory).max_by_key(|path| path.len())?;
    if sideman.mount_of(directory).is_some_and(|mount| mount.path.len() > deepest.len()) {
        return None;
    }
    Some(SPILL_IN_MEMORY.finding(
        "long bodies count as memory of the container",
        format!("buffers.directory is {}, on the tmpfs {deepest}", directory.display()),
        "mount a volume there, or leave SIDEMAN_BUFFERS__DIRECTORY out",
    ))
}
