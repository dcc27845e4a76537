//! Opens a file that provably lies under its root, whatever names and symbolic links say.

use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::{
    fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2},
    io::Errno,
};

/// Set once the kernel or a sandbox has said that it has no `openat2`.
static WITHOUT_OPENAT2: AtomicBool = AtomicBool::new(false);

/// Non-blocking, so that a FIFO among the files can't hold the thread.
const READ: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// Opens `name` below `root` for reading. `name` is relative, without dot segments. Symbolic links
/// are followed as long as they stay below the root.
pub(super) fn open_beneath(root: &Path, name: &[u8]) -> io::Result<File> {
    let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    // Opened anew each time: the directory may be replaced while the process runs.
    let root = openat(CWD, root, directory, Mode::empty())?;
    if WITHOUT_OPENAT2.load(Ordering::Relaxed) {
        return walk(root, name);
    }
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    loop {
        match openat2(&root, OsStr::from_bytes(name), READ, Mode::empty(), resolve) {
            Ok(file) => return Ok(file.into()),
            // A rename raced with the look-up: openat2(2) says to try again.
            Err(Errno::AGAIN | Errno::INTR) => {}
            // Kernels before 5.6 lack the call, some seccomp profiles refuse it.
            Err(Errno::NOSYS | Errno::PERM) => {
                WITHOUT_OPENAT2.store(true, Ordering::Relaxed);
                return walk(root, name);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The same without `openat2`: one component at a time, following no symbolic link at all.
fn walk(root: OwnedFd, name: &[u8]) -> io::Result<File> {
    let mut directory = root;
    let mut components = name.split(|&byte| byte == b'/').peekable();
    while let Some(component) = components.next() {
        if matches!(component, b"" | b"." | b"..") {
            return Err(io::ErrorKind::NotFound.into());
        }
        let component = OsStr::from_bytes(component);
        if components.peek().is_none() {
            let flags = READ | OFlags::NOFOLLOW;
            return Ok(openat(&directory, component, flags, Mode::empty())?.into());
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        directory = openat(&directory, component, flags, Mode::empty())?;
    }
    Err(io::ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink, path::PathBuf};

    struct Tree(PathBuf);

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn tree(name: &str) -> Tree {
        let path = std::env::temp_dir().join(format!("sideman-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("root/dir")).unwrap();
        fs::write(path.join("secret"), "secret").unwrap();
        fs::write(path.join("root/dir/file"), "file").unwrap();
        symlink("dir/file", path.join("root/inside")).unwrap();
        symlink("dir", path.join("root/inside-dir")).unwrap();
        symlink("../secret", path.join("root/outside")).unwrap();
        symlink(path.join("secret"), path.join("root/absolute")).unwrap();
        symlink("..", path.join("root/dir/up")).unwrap();
        symlink("../..", path.join("root/dir/out")).unwrap();
        symlink("loop", path.join("root/loop")).unwrap();
        Tree(path)
    }

    fn read(file: io::Result<File>) -> Option<String> {
        file.ok().and_then(|file| io::read_to_string(file).ok())
    }

    #[test]
    fn links_stay_below_the_root() {
        let tree = tree("open");
        let open = |name: &str| read(open_beneath(&tree.0.join("root"), name.as_bytes()));
        for inside in ["dir/file", "inside", "inside-dir/file", "dir/up/dir/file"] {
            assert_eq!(open(inside).as_deref(), Some("file"), "{inside}");
        }
        for outside in [
            "outside",
            "absolute",
            "dir/out/secret",
            "../secret",
            "/etc/passwd",
            "loop",
            "none",
            "dir/../../secret",
        ] {
            assert_eq!(open(outside), None, "{outside}");
        }
    }

    #[test]
    fn the_walk_follows_no_link() {
        let tree = tree("walk");
        let open = |name: &str| {
            let flags = OFlags::PATH | OFlags::DIRECTORY;
            let root = openat(CWD, tree.0.join("root"), flags, Mode::empty()).unwrap();
            read(walk(root, name.as_bytes()))
        };
        assert_eq!(open("dir/file").as_deref(), Some("file"));
        for refused in [
            "inside",
            "inside-dir/file",
            "outside",
            "absolute",
            "dir/../dir/file",
            "",
            "dir//file",
            "../secret",
            "loop",
        ] {
            assert_eq!(open(refused), None, "{refused}");
        }
    }
}
