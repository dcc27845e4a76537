//! Opens a file that is provably below its directory, whatever names and symbolic links say. The owner chooses which
//! links are followed. If a name cannot lead to a file, the file is missing, and that is not an error.

use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::{
    fs::{
        AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, fstatfs, openat, openat2, readlinkat,
        statat,
    },
    io::Errno,
};

use crate::plan::Symlinks;

/// Set once the kernel or a sandbox has refused `openat2` as unknown.
static WITHOUT_OPENAT2: AtomicBool = AtomicBool::new(false);

/// Non-blocking, so that a FIFO among the files cannot block the thread. A terminal among them never becomes the
/// controlling one.
const READ_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// A directory to look names up in; needs no permission to list it.
const DIRECTORY_FLAGS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// `PATH_MAX` of Linux includes the terminating NUL.
const MAX_PATH_LENGTH: usize = 4095;

/// How often a look-up is tried that renames or a lease disturb. If it never succeeds, that is an error.
const ATTEMPTS: u32 = 64;

/// The maximum number of segments, of a name and of the links on its way, that are examined for a report.
const MAX_SEGMENTS: usize = 256;

/// An open directory. It is opened anew for each look-up, because it may be replaced while the process runs.
#[derive(Debug)]
pub(super) struct OpenDirectory {
    fd: OwnedFd,
    effort: LookupEffort,
}

/// What a name leads to.
#[derive(Debug)]
pub(super) enum Opened {
    /// A file, which may also be a directory or a FIFO.
    File(File),
    Missing,
    /// The policy does not allow the name to lead there. There may be something.
    Refused,
}

/// A symbolic link that is not followed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RefusedLink {
    /// Its name below the directory.
    pub(super) name: Vec<u8>,
    pub(super) target: Vec<u8>,
}

/// How far a look-up may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LookupEffort {
    /// In the kernel's memory only: a look-up that would wait for a disk fails with `WouldBlock`.
    Memory,
    /// To the disk.
    Disk,
}

// === impl OpenDirectory ===

impl OpenDirectory {
    /// Opens a directory of the settings. Links in its own path are followed, such as `current` of a release: the
    /// operator has set that path.
    pub(super) fn open(path: &Path, effort: LookupEffort) -> io::Result<Self> {
        let fd = match effort {
            LookupEffort::Disk => openat(CWD, path, DIRECTORY_FLAGS, Mode::empty())?,
            LookupEffort::Memory => {
                openat2(CWD, path, DIRECTORY_FLAGS, Mode::empty(), ResolveFlags::CACHED)
                    .map_err(would_block)?
            }
        };
        Ok(Self { fd, effort })
    }

    /// Opens a directory of the settings; `None` while there is none.
    pub(super) fn find(path: &Path, effort: LookupEffort) -> io::Result<Option<Self>> {
        match Self::open(path, effort) {
            Ok(directory) => Ok(Some(directory)),
            Err(error) if Errno::from_io_error(&error).is_some_and(is_missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns how far look-ups from here may go.
    pub(super) fn effort(&self) -> LookupEffort {
        self.effort
    }

    /// Whether the kernel can confirm its cached names of this directory without a network. On a network file system,
    /// such a look-up would delay the worker.
    pub(super) fn is_local(&self) -> bool {
        const LOCAL_FILE_SYSTEMS: [u64; 8] = [
            0xef53,      // ext4
            0x5846_5342, // xfs
            0x9123_683e, // btrfs
            0x0102_1994, // tmpfs
            0x794c_7630, // overlay, used by containers
            0xf2f5_2010, // f2fs
            0x7371_7368, // squashfs
            0xe0f5_e1e2, // erofs
        ];
        let kind = fstatfs(&self.fd).ok().and_then(|stat| u64::try_from(stat.f_type).ok());
        kind.is_some_and(|kind| LOCAL_FILE_SYSTEMS.contains(&kind))
    }

    /// Opens what `name` leads to, for reading: a file, but also a directory or a FIFO.
    ///
    /// `None` if there is nothing, or nothing that the policy allows. A name that is absolute, ends with a slash, or
    /// has an empty or dot segment always gives `None`.
    pub(super) fn open_file(&self, name: &[u8], symlinks: Symlinks) -> io::Result<Option<File>> {
        match self.open_name(name, symlinks)? {
            Opened::File(file) => Ok(Some(file)),
            Opened::Missing | Opened::Refused => Ok(None),
        }
    }

    /// Opens what `name` leads to, and distinguishes a refusal by the policy from a missing file.
    pub(super) fn open_name(&self, name: &[u8], symlinks: Symlinks) -> io::Result<Opened> {
        match self.resolve(name, symlinks, READ_FLAGS) {
            Ok(file) => Ok(Opened::File(file.into())),
            // A name that is no directory may be a link that [`walk`] does not follow.
            Err(Errno::XDEV | Errno::LOOP | Errno::NOTDIR) => Ok(Opened::Refused),
            Err(error) if is_missing(error) => Ok(Opened::Missing),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the link on the way to a refused name that the policy does not follow, for a report. Follows names only,
    /// and opens nothing.
    pub(super) fn refused_link(&self, name: &[u8], symlinks: Symlinks) -> Option<RefusedLink> {
        let follows_none = symlinks == Symlinks::Never || WITHOUT_OPENAT2.load(Ordering::Relaxed);
        if symlinks == Symlinks::Anywhere || !is_plain(name) {
            return None;
        }
        let segments = |path: &[u8]| -> Vec<Vec<u8>> {
            path.rsplit(|&byte| byte == b'/').map(<[u8]>::to_vec).collect()
        };
        // The next segment is the last one here.
        let mut ahead = segments(name);
        let mut behind: Vec<Vec<u8>> = Vec::new();
        let mut link = None;
        for _ in 0..MAX_SEGMENTS {
            match ahead.pop()?.as_slice() {
                b"" | b"." => continue,
                // Out of the directory.
                b".." if behind.pop().is_none() => return link,
                b".." => continue,
                segment => behind.push(segment.to_vec()),
            }
            let path = behind.join(&b'/');
            match readlinkat(&self.fd, OsStr::from_bytes(&path), Vec::new()) {
                Ok(target) => {
                    let target = target.into_bytes();
                    let is_absolute = target.starts_with(b"/");
                    behind.pop();
                    ahead.extend(segments(&target));
                    let this = RefusedLink { name: path, target };
                    if is_absolute || follows_none {
                        return Some(this);
                    }
                    link = Some(this);
                }
                // No link.
                Err(Errno::INVAL) => {}
                Err(_) => return None,
            }
        }
        None
    }

    /// Opens a directory below this one, to look names up in.
    pub(super) fn open_directory(
        &self,
        name: &[u8],
        symlinks: Symlinks,
    ) -> io::Result<Option<Self>> {
        let effort = self.effort;
        Ok(found(self.resolve(name, symlinks, DIRECTORY_FLAGS))?.map(|fd| Self { fd, effort }))
    }

    /// Returns the type of the entry of this directory with a name without a slash. A link is not followed.
    pub(super) fn kind(&self, segment: &[u8]) -> io::Result<Option<FileType>> {
        let name = OsStr::from_bytes(segment);
        let found = found(statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW))?;
        Ok(found.map(|stat| FileType::from_raw_mode(stat.st_mode)))
    }

    fn resolve(&self, name: &[u8], symlinks: Symlinks, flags: OFlags) -> Result<OwnedFd, Errno> {
        if !is_plain(name) {
            return Err(Errno::NOENT);
        }
        if self.effort == LookupEffort::Memory {
            // File systems mounted below may be remote, whatever the directory itself is on.
            let resolve = policy(symlinks) | ResolveFlags::CACHED | ResolveFlags::NO_XDEV;
            let name = OsStr::from_bytes(name);
            return openat2(&self.fd, name, flags, Mode::empty(), resolve).map_err(would_block);
        }
        if !WITHOUT_OPENAT2.load(Ordering::Relaxed) {
            match resolve_in_kernel(self.fd.as_fd(), name, symlinks, flags) {
                Err(error @ (Errno::NOSYS | Errno::PERM)) => {
                    // Kernels before 5.6 lack the call, and some seccomp profiles refuse it. A file system may refuse a
                    // single file with an equal error.
                    let probe = openat2(
                        &self.fd,
                        ".",
                        DIRECTORY_FLAGS,
                        Mode::empty(),
                        ResolveFlags::BENEATH,
                    );
                    if probe.is_ok() {
                        return Err(error);
                    }
                    WITHOUT_OPENAT2.store(true, Ordering::Relaxed);
                }
                result => return result,
            }
        }
        match symlinks {
            Symlinks::Within | Symlinks::Never => walk(self.fd.as_fd(), name, flags),
            // Without `openat2`, magic links cannot be recognised.
            Symlinks::Anywhere => openat(&self.fd, OsStr::from_bytes(name), flags, Mode::empty()),
        }
    }
}

fn resolve_in_kernel(
    directory: BorrowedFd<'_>,
    name: &[u8],
    symlinks: Symlinks,
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    let resolve = policy(symlinks);
    let mut result = Err(Errno::AGAIN);
    for _ in 0..ATTEMPTS {
        result = openat2(directory, OsStr::from_bytes(name), flags, Mode::empty(), resolve);
        // A rename raced with the look-up, and openat2(2) says to try again. Or another process holds a lease on the
        // file (open(2)), which it may keep.
        if !matches!(result, Err(Errno::AGAIN | Errno::INTR)) {
            break;
        }
    }
    result
}

fn policy(symlinks: Symlinks) -> ResolveFlags {
    // Links of /proc lead to whatever this process has open, so they are never followed.
    ResolveFlags::NO_MAGICLINKS
        | match symlinks {
            Symlinks::Within => ResolveFlags::BENEATH,
            Symlinks::Never => ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
            Symlinks::Anywhere => ResolveFlags::empty(),
        }
}

/// Converts errors after which memory alone gives no result. The kernel may know too little, be older than 5.12, or not
/// be allowed to tell. Or the name leads out of the directory or into another file system, which are one error, or
/// through a link that is not followed, which is to be reported.
fn would_block(error: Errno) -> Errno {
    match error {
        Errno::INTR | Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::XDEV | Errno::LOOP => {
            Errno::AGAIN
        }
        other => other,
    }
}

/// Opens a name without `openat2`: one component at a time, following no symbolic link at all.
fn walk(directory: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut components = name.split(|&byte| byte == b'/').map(OsStr::from_bytes);
    let last = components.next_back().unwrap_or_default();
    let mut above: Option<OwnedFd> = None;
    for component in components {
        let from = above.as_ref().map_or(directory, AsFd::as_fd);
        above = Some(openat(from, component, DIRECTORY_FLAGS | OFlags::NOFOLLOW, Mode::empty())?);
    }
    let from = above.as_ref().map_or(directory, AsFd::as_fd);
    openat(from, last, flags | OFlags::NOFOLLOW, Mode::empty())
}

/// Whether a name is valid for a look-up under every policy.
fn is_plain(name: &[u8]) -> bool {
    name.len() <= MAX_PATH_LENGTH
        && !name.contains(&0)
        && !name.split(|&byte| byte == b'/').any(|part| matches!(part, b"" | b"." | b".."))
}

fn found<T>(result: Result<T, Errno>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_missing(error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether the name is the cause of an error: it leads to nothing, through a file, out of the directory, in circles or
/// through a link that is not followed, to a socket or a device without a driver, or is too long.
fn is_missing(error: Errno) -> bool {
    matches!(
        error,
        Errno::NOENT
            | Errno::NOTDIR
            | Errno::XDEV
            | Errno::LOOP
            | Errno::NXIO
            | Errno::NODEV
            | Errno::NAMETOOLONG
    )
}

#[cfg(test)]
mod tests;
