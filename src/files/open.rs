//! Opens a file that provably lies under its directory, whatever names and symbolic links say.
//! Which links are followed is the owner's choice; what a name can't lead to is missing, not an error.

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
    fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, fstatfs, openat, openat2, statat},
    io::Errno,
};

use crate::plan::Symlinks;

/// Set once the kernel or a sandbox has said that it has no `openat2`.
static WITHOUT_OPENAT2: AtomicBool = AtomicBool::new(false);

/// Non-blocking, so that a FIFO among the files can't hold the thread; and a terminal among them
/// never becomes ours.
const READ: OFlags =
    OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// A place to look things up from; needs no permission to list it.
const LOOK: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// `PATH_MAX` of Linux counts the NUL behind the name.
const LONGEST: usize = 4095;

/// How often a look-up that renames or a lease disturb is made: one that never rests is an error.
const ATTEMPTS: u32 = 64;

/// A directory as it is now. It is opened anew for each look, because it may be replaced while the
/// process runs.
#[derive(Debug)]
pub(super) struct Directory {
    fd: OwnedFd,
    effort: Effort,
}

/// How far a look may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// Only as far as the kernel's memory reaches: what would wait for a disk fails with `WouldBlock`.
    Memory,
    /// To the disk.
    Disk,
}

// === impl Directory ===

impl Directory {
    /// Opens a directory of the settings. Its own path may lead through links: whoever set it meant
    /// what is there, such as `current` of a release.
    pub(super) fn open(path: &Path, effort: Effort) -> io::Result<Self> {
        let fd = match effort {
            Effort::Disk => openat(CWD, path, LOOK, Mode::empty())?,
            Effort::Memory => openat2(CWD, path, LOOK, Mode::empty(), ResolveFlags::CACHED)
                .map_err(would_block)?,
        };
        Ok(Self { fd, effort })
    }

    /// The same; `None` while there is no such directory.
    pub(super) fn find(path: &Path, effort: Effort) -> io::Result<Option<Self>> {
        match Self::open(path, effort) {
            Ok(directory) => Ok(Some(directory)),
            Err(error) if Errno::from_io_error(&error).is_some_and(is_missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How far looks from here may go.
    pub(super) fn effort(&self) -> Effort {
        self.effort
    }

    /// Whether what the kernel knows of the directory's files costs no network to confirm: those of
    /// a network file system would hold up whoever only wanted to ask memory.
    pub(super) fn is_local(&self) -> bool {
        const LOCAL: [u64; 8] = [
            0xef53,      // ext4
            0x5846_5342, // xfs
            0x9123_683e, // btrfs
            0x0102_1994, // tmpfs
            0x794c_7630, // overlay, a container's own
            0xf2f5_2010, // f2fs
            0x7371_7368, // squashfs
            0xe0f5_e1e2, // erofs
        ];
        let kind = fstatfs(&self.fd).ok().and_then(|stat| u64::try_from(stat.f_type).ok());
        kind.is_some_and(|kind| LOCAL.contains(&kind))
    }

    /// Opens what `name` stands for, for reading: a file, but a directory or a FIFO as well.
    ///
    /// `None` if there is nothing, or nothing that the policy lets the name lead to. A name that is
    /// absolute, ends with a slash, or has an empty or dot segment is nobody's.
    pub(super) fn open_file(&self, name: &[u8], symlinks: Symlinks) -> io::Result<Option<File>> {
        Ok(found(self.resolve(name, symlinks, READ))?.map(File::from))
    }

    /// The same for a directory to look things up from.
    pub(super) fn open_directory(
        &self,
        name: &[u8],
        symlinks: Symlinks,
    ) -> io::Result<Option<Self>> {
        let effort = self.effort;
        Ok(found(self.resolve(name, symlinks, LOOK))?.map(|fd| Self { fd, effort }))
    }

    /// What stands directly in this directory under a name without a slash; a link is not followed.
    pub(super) fn kind(&self, segment: &[u8]) -> io::Result<Option<FileType>> {
        let name = OsStr::from_bytes(segment);
        let found = found(statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW))?;
        Ok(found.map(|stat| FileType::from_raw_mode(stat.st_mode)))
    }

    fn resolve(&self, name: &[u8], symlinks: Symlinks, flags: OFlags) -> Result<OwnedFd, Errno> {
        if !is_plain(name) {
            return Err(Errno::NOENT);
        }
        if self.effort == Effort::Memory {
            // What is mounted below may be a network's, whatever the directory itself is on.
            let resolve = policy(symlinks) | ResolveFlags::CACHED | ResolveFlags::NO_XDEV;
            let name = OsStr::from_bytes(name);
            return openat2(&self.fd, name, flags, Mode::empty(), resolve).map_err(would_block);
        }
        if !WITHOUT_OPENAT2.load(Ordering::Relaxed) {
            match resolve_in_kernel(self.fd.as_fd(), name, symlinks, flags) {
                Err(error @ (Errno::NOSYS | Errno::PERM)) => {
                    // Kernels before 5.6 lack the call, some seccomp profiles refuse it. A file
                    // system may refuse one file with the same word.
                    let probe = openat2(&self.fd, ".", LOOK, Mode::empty(), ResolveFlags::BENEATH);
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
            // Magic links can't be told from others here.
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
        // A rename raced with the look-up, and openat2(2) says to try again; or another process
        // holds a lease on the file (open(2)), which it may keep.
        if !matches!(result, Err(Errno::AGAIN | Errno::INTR)) {
            break;
        }
    }
    result
}

fn policy(symlinks: Symlinks) -> ResolveFlags {
    // Links of /proc lead to whatever this process has open: never.
    ResolveFlags::NO_MAGICLINKS
        | match symlinks {
            Symlinks::Within => ResolveFlags::BENEATH,
            Symlinks::Never => ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
            Symlinks::Anywhere => ResolveFlags::empty(),
        }
}

/// Memory does not tell: the kernel knows too little, is older than 5.12, or is not allowed to say; or
/// the name leads out of the directory or into another file system, which are one error.
fn would_block(error: Errno) -> Errno {
    match error {
        Errno::INTR | Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::XDEV => Errno::AGAIN,
        other => other,
    }
}

/// Without `openat2`: one component at a time, following no symbolic link at all.
fn walk(directory: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut components = name.split(|&byte| byte == b'/').map(OsStr::from_bytes);
    let last = components.next_back().unwrap_or_default();
    let mut above: Option<OwnedFd> = None;
    for component in components {
        let from = above.as_ref().map_or(directory, AsFd::as_fd);
        above = Some(openat(from, component, LOOK | OFlags::NOFOLLOW, Mode::empty())?);
    }
    let from = above.as_ref().map_or(directory, AsFd::as_fd);
    openat(from, last, flags | OFlags::NOFOLLOW, Mode::empty())
}

/// Whether a name can be looked up as it stands, by every policy alike.
fn is_plain(name: &[u8]) -> bool {
    name.len() <= LONGEST
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

/// What is the name's fault: it leads to nothing, through a file, out of the directory, in circles
/// or through a link that is not followed, to a socket or a device without a driver, or is too long.
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
mod tests {
    use super::*;
    use Symlinks::{Anywhere, Never, Within};
    use std::os::unix::{fs::symlink, net::UnixListener};
    use std::{fs, io::Read as _, path::PathBuf};

    /// A directory `root`, and something outside that must not be seen. Every file's content is
    /// its own path, so that what was opened tells where it was.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str) -> Self {
            let name = format!("sideman-open-{name}-{}", std::process::id());
            let path = fs::canonicalize(std::env::temp_dir()).unwrap().join(name);
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(path.join("root")).unwrap();
            Self(path)
        }

        fn file(&self, name: impl AsRef<Path>) {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, path.as_os_str().as_bytes()).unwrap();
        }

        fn root(&self) -> Directory {
            Directory::open(&self.0.join("root"), Effort::Disk).unwrap()
        }

        /// Where what was opened lies, if it is a file.
        fn place(&self, opened: io::Result<Option<File>>) -> Option<PathBuf> {
            let mut text = Vec::new();
            opened.ok()??.read_to_end(&mut text).ok()?;
            let place = Path::new(OsStr::from_bytes(&text));
            Some(place.strip_prefix(&self.0).unwrap_or(place).to_owned())
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn walked(root: &Directory, name: &[u8]) -> io::Result<Option<File>> {
        if !is_plain(name) {
            return Ok(None);
        }
        Ok(found(walk(root.fd.as_fd(), name, READ))?.map(File::from))
    }

    #[test]
    fn each_policy_follows_its_links() {
        let tree = Tree::new("policy");
        tree.file("root/dir/file");
        tree.file("secret");
        let links = format!(
            "inside dir/file, inside-dir dir, dir/up .., outside ../secret, absolute {0}/secret, \
             back ../root/dir/file, absolute-inside {0}/root/dir/file, dir/out ../.., loop loop, \
             dangling x, magic /proc/self/cwd",
            tree.0.display()
        );
        for (name, target) in links.split(", ").filter_map(|link| link.split_once(' ')) {
            symlink(target, tree.0.join("root").join(name)).unwrap();
        }
        let root = tree.root();
        let (file, secret) = (Some("root/dir/file"), Some("secret"));
        let nowhere = ["loop", "dangling", "magic/Cargo.toml", "none", "dir/file/below"];
        // Nobody's names, whatever the policy.
        let refused = ["../secret", "dir/../dir/file", "dir/./file", "dir//file", "/etc/passwd"];
        let odd = ["dir/file/", "dir/", "", ".", "..", "dir/file\0"];
        let none = [&nowhere[..], &refused, &odd].concat();
        for (name, never, within, anywhere) in [
            ("dir/file", file, file, file),
            ("inside", None, file, file),
            ("inside-dir/file", None, file, file),
            ("dir/up/dir/file", None, file, file),
            ("outside", None, None, secret),
            ("absolute", None, None, secret),
            ("dir/out/secret", None, None, secret),
            // They end inside, but only by way of the outside.
            ("back", None, None, file),
            ("absolute-inside", None, None, file),
        ]
        .into_iter()
        .chain(none.into_iter().map(|name| (name, None, None, None)))
        {
            let opened = |symlinks| {
                let opened = root.open_file(name.as_bytes(), symlinks);
                assert!(opened.is_ok(), "{name}: {opened:?}");
                tree.place(opened)
            };
            assert_eq!(opened(Never).as_deref(), never.map(Path::new), "{name}, never");
            assert_eq!(opened(Within).as_deref(), within.map(Path::new), "{name}, within");
            assert_eq!(opened(Anywhere).as_deref(), anywhere.map(Path::new), "{name}, anywhere");
            let walked = tree.place(walked(&root, name.as_bytes()));
            assert_eq!(walked.as_deref(), never.map(Path::new), "{name}, on foot");
        }
    }

    #[test]
    fn odd_names_are_opened_or_missing() {
        let tree = Tree::new("odd");
        let longest = [b'x'; 255];
        for name in [&b"\xff\xfe.css"[..], b"a\\b", b"..\\c", b"a\nb", b"...", b" ", &longest] {
            tree.file(Path::new("root").join(OsStr::from_bytes(name)));
            for opened in [tree.root().open_file(name, Within), walked(&tree.root(), name)] {
                assert!(tree.place(opened).is_some(), "{}", name.escape_ascii());
            }
        }
        let deep = b"d/".repeat(2100);
        for name in [&[b'x'; 256][..], &[b'x'; 5000], &deep[..4095], &deep[..4199]] {
            for opened in [tree.root().open_file(name, Within), walked(&tree.root(), name)] {
                assert!(opened.unwrap().is_none(), "{} bytes", name.len());
            }
        }
    }

    #[test]
    fn what_is_no_file_never_blocks() {
        let tree = Tree::new("special");
        let fifo = tree.0.join("root/fifo");
        rustix::fs::mkfifoat(CWD, &fifo, Mode::RUSR | Mode::WUSR).unwrap();
        let _socket = UnixListener::bind(tree.0.join("root/socket")).unwrap();
        fs::create_dir(tree.0.join("root/dir")).unwrap();
        let opened = tree.root().open_file(b"fifo", Within).unwrap().unwrap();
        assert!(!opened.metadata().unwrap().is_file());
        assert!(tree.root().open_file(b"socket", Within).unwrap().is_none());
        let opened = tree.root().open_file(b"dir", Within).unwrap().unwrap();
        assert!(opened.metadata().unwrap().is_dir());
        assert!(tree.root().open_directory(b"fifo", Within).unwrap().is_none());
    }

    #[test]
    fn a_root_that_is_not_there_has_no_files() {
        let tree = Tree::new("absent");
        assert!(Directory::find(&tree.0.join("root/later"), Effort::Disk).unwrap().is_none());
        assert!(Directory::open(&tree.0.join("later"), Effort::Disk).is_err());
        // A root is what its path leads to, by whichever links.
        tree.file("root/file");
        symlink("root", tree.0.join("current")).unwrap();
        let current = Directory::open(&tree.0.join("current"), Effort::Disk).unwrap();
        assert!(tree.place(current.open_file(b"file", Never)).is_some());
    }

    #[test]
    fn a_file_without_permission_is_an_error() {
        let tree = Tree::new("denied");
        tree.file("root/file");
        let path = tree.0.join("root/file");
        rustix::fs::chmod(&path, Mode::empty()).unwrap();
        // Root may read everything: the kernel is asked what it would say.
        let expected = File::open(&path).map_err(|error| error.kind()).err();
        let opened = tree.root().open_file(b"file", Within).map_err(|error| error.kind()).err();
        assert_eq!(opened, expected);
        assert!(found::<()>(Err(Errno::ACCESS)).is_err(), "no permission is not missing");
    }

    const PARTS: [&str; 12] = ["a", "b", "c", "a", "b", "c", "a", "b", "c", "..", ".", ""];

    /// Trees full of links, names full of turns: whatever opens lies inside.
    #[test]
    fn a_resolved_path_never_leaves_its_root() {
        let (mut within, mut never, mut escaped) = (0, 0, 0);
        for seed in 0..150 {
            let mut random = fastrand::Rng::with_seed(seed);
            let tree = Tree::new(&format!("random-{seed}"));
            // The same names outside, so that a wrong turn finds something.
            for name in ["a", "c", "b/a", "b/c", "b/b/a"] {
                tree.file(name);
            }
            grow(&tree, &mut random);
            let root = tree.root();
            for _ in 0..100 {
                let name = path(&mut random, &PARTS);
                let open = |symlinks| tree.place(root.open_file(name.as_bytes(), symlinks));
                let [opened, strict, free] = [Within, Never, Anywhere].map(open);
                let walked = tree.place(walked(&root, name.as_bytes()));
                for place in [&opened, &strict, &walked].into_iter().flatten() {
                    assert!(place.starts_with("root"), "seed {seed}: {name} opens {place:?}");
                }
                assert_eq!(strict, walked, "seed {seed}: {name} by both ways");
                within += usize::from(opened.is_some());
                never += usize::from(strict.is_some());
                escaped += usize::from(free.is_some_and(|place| !place.starts_with("root")));
            }
        }
        // The trees are worth the name: links were followed, and there were ways out.
        assert!(never > 100 && within > never + 50 && escaped > 100, "{within} {never} {escaped}");
    }

    fn grow(tree: &Tree, random: &mut fastrand::Rng) {
        let root = tree.0.join("root");
        for _ in 0..40 {
            let place = root.join(path(random, &["a", "b", "c"]));
            // What a link would carry outside is not made.
            let real = place.ancestors().find_map(|above| above.canonicalize().ok()).unwrap();
            if !real.starts_with(&root) || place.symlink_metadata().is_ok() {
                continue;
            }
            let above = place.parent().unwrap();
            let _ = match random.u8(..8) {
                0..2 => fs::create_dir_all(&place),
                2..4 => fs::create_dir_all(above).and_then(|()| {
                    let real = above.canonicalize()?.join(place.file_name().unwrap());
                    fs::write(&real, real.as_os_str().as_bytes())
                }),
                4 => symlink(tree.0.join(path(random, &["a", "b", "root"])), &place),
                _ => symlink(path(random, &["a", "b", "c", "..", "../.."]), &place),
            };
        }
    }

    fn path(random: &mut fastrand::Rng, parts: &[&str]) -> String {
        let parts = (0..random.usize(1..4)).map(|_| *random.choice(parts).unwrap());
        parts.collect::<Vec<_>>().join("/")
    }

    #[test]
    fn memory_does_not_tell_of_other_file_systems() {
        let open = |effort| {
            let root = Directory::open(Path::new("/"), effort).unwrap();
            root.open_file(b"proc/version", Within)
        };
        // The second time the kernel knows every part of the name.
        for _ in 0..2 {
            assert!(open(Effort::Disk).unwrap().is_some());
            assert_eq!(open(Effort::Memory).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }
    }
}
