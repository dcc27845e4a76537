//! The volumes: files of the site, sockets, and long bodies.

use std::path::Path;

use super::{
    facts::{Container, Mount},
    subject::Subject,
};
use crate::{
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
    let others =
        || subject.deployment.containers.iter().filter(|one| one.name != subject.sideman.name);
    let is_filled = |volume: &str| {
        let is_private =
            subject.deployment.volumes.iter().any(|one| one.name == volume && one.is_private);
        !is_private
            || others()
                .any(|one| one.mounts.iter().any(|mount| mount.volume.as_deref() == Some(volume)))
    };
    let check = |(root, directory): (&Root, &Path)| {
        let prefix = &root.prefix;
        let (shown, name) = (directory.display(), &subject.sideman.name);
        match subject.sideman.mount_of(directory) {
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

fn is_collected<'a>(mut containers: impl Iterator<Item = &'a Container>) -> bool {
    containers.any(|one| one.words().iter().any(|word| word.contains("collectstatic")))
}

/// Sideman never writes to the directories that it serves.
pub(super) fn files_writable(subject: &Subject<'_>) -> Option<Finding> {
    let own = written(subject)?;
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

/// A socket must be on a volume of both containers.
pub(super) fn socket_missing(subject: &Subject<'_>) -> Option<Finding> {
    let [UpstreamTarget::Unix(path)] = subject.targets() else { return None };
    let sideman = subject.sideman;
    subject.application?;
    let mount = sideman.mount_of(path);
    let is_shared = |mount: &Mount| {
        let mut others =
            subject.deployment.containers.iter().filter(|one| one.name != sideman.name);
        mount.volume.is_none()
            || others.any(|one| one.mounts.iter().any(|other| other.volume == mount.volume))
    };
    if mount.is_some_and(is_shared) {
        return None;
    }
    let path = path.display();
    Some(SOCKET_MISSING.finding(
        format!("Sideman cannot reach the application's socket {path}"),
        match mount {
            Some(_) => format!("no other container has the volume at {path} of {}", sideman.name),
            None => format!("{} has no volume at {path}", sideman.name),
        },
        "mount one volume at the directory of the socket, in both containers",
    ))
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
