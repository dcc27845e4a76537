//! Tests of names that lead out of a root, of odd files, and of how the kernel handles both.

use super::*;
use Symlinks::{Anywhere, Never, Within};
use std::os::unix::{fs::symlink, net::UnixListener};
use std::{fs, io::Read as _, path::PathBuf};

/// A directory `root`, and files outside that must not be opened. Every file's content is its own path, so that a test
/// can tell where an opened file was.
struct TestTree(PathBuf);

impl TestTree {
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

    fn root(&self) -> OpenDirectory {
        OpenDirectory::open(&self.0.join("root"), LookupEffort::Disk).unwrap()
    }

    /// Returns the path of what was opened, if it is a file.
    fn location(&self, opened: io::Result<Option<File>>) -> Option<PathBuf> {
        let mut text = Vec::new();
        opened.ok()??.read_to_end(&mut text).ok()?;
        let location = Path::new(OsStr::from_bytes(&text));
        Some(location.strip_prefix(&self.0).unwrap_or(location).to_owned())
    }
}

impl Drop for TestTree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn walked(root: &OpenDirectory, name: &[u8]) -> io::Result<Option<File>> {
    if !is_plain(name) {
        return Ok(None);
    }
    Ok(found(walk(root.fd.as_fd(), name, READ_FLAGS))?.map(File::from))
}

#[test]
fn each_policy_follows_its_links() {
    let tree = TestTree::new("policy");
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
    // Invalid under every policy.
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
            tree.location(opened)
        };
        assert_eq!(opened(Never).as_deref(), never.map(Path::new), "{name}, never");
        assert_eq!(opened(Within).as_deref(), within.map(Path::new), "{name}, within");
        assert_eq!(opened(Anywhere).as_deref(), anywhere.map(Path::new), "{name}, anywhere");
        let walked = tree.location(walked(&root, name.as_bytes()));
        assert_eq!(walked.as_deref(), never.map(Path::new), "{name}, on foot");
    }
}

#[test]
fn odd_names_are_opened_or_missing() {
    let tree = TestTree::new("odd");
    let longest = [b'x'; 255];
    for name in [&b"\xff\xfe.css"[..], b"a\\b", b"..\\c", b"a\nb", b"...", b" ", &longest] {
        tree.file(Path::new("root").join(OsStr::from_bytes(name)));
        for opened in [tree.root().open_file(name, Within), walked(&tree.root(), name)] {
            assert!(tree.location(opened).is_some(), "{}", name.escape_ascii());
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
    let tree = TestTree::new("special");
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
    let tree = TestTree::new("absent");
    assert!(OpenDirectory::find(&tree.0.join("root/later"), LookupEffort::Disk).unwrap().is_none());
    assert!(OpenDirectory::open(&tree.0.join("later"), LookupEffort::Disk).is_err());
    // A root is the directory that its path leads to, by any links.
    tree.file("root/file");
    symlink("root", tree.0.join("current")).unwrap();
    let current = OpenDirectory::open(&tree.0.join("current"), LookupEffort::Disk).unwrap();
    assert!(tree.location(current.open_file(b"file", Never)).is_some());
}

#[test]
fn a_file_without_permission_is_an_error() {
    let tree = TestTree::new("denied");
    tree.file("root/file");
    let path = tree.0.join("root/file");
    rustix::fs::chmod(&path, Mode::empty()).unwrap();
    // Root may read everything, so the kernel gives the expected result.
    let expected = File::open(&path).map_err(|error| error.kind()).err();
    let opened = tree.root().open_file(b"file", Within).map_err(|error| error.kind()).err();
    assert_eq!(opened, expected);
    assert!(found::<()>(Err(Errno::ACCESS)).is_err(), "no permission is not missing");
}

const PARTS: [&str; 12] = ["a", "b", "c", "a", "b", "c", "a", "b", "c", "..", ".", ""];

/// Random trees with many links, and names with many `..`: every opened file is inside the root.
#[test]
fn a_resolved_path_never_leaves_its_root() {
    let (mut within, mut never, mut escaped) = (0, 0, 0);
    for seed in 0..150 {
        let mut random = fastrand::Rng::with_seed(seed);
        let tree = TestTree::new(&format!("random-{seed}"));
        // The outside has files of these names as well, so that a wrong path finds something.
        for name in ["a", "c", "b/a", "b/c", "b/b/a"] {
            tree.file(name);
        }
        grow(&tree, &mut random);
        let root = tree.root();
        for _ in 0..100 {
            let name = path(&mut random, &PARTS);
            let open = |symlinks| tree.location(root.open_file(name.as_bytes(), symlinks));
            let [opened, strict, free] = [Within, Never, Anywhere].map(open);
            let walked = tree.location(walked(&root, name.as_bytes()));
            for location in [&opened, &strict, &walked].into_iter().flatten() {
                assert!(location.starts_with("root"), "seed {seed}: {name} opens {location:?}");
            }
            assert_eq!(strict, walked, "seed {seed}: {name} by both ways");
            within += usize::from(opened.is_some());
            never += usize::from(strict.is_some());
            escaped += usize::from(free.is_some_and(|location| !location.starts_with("root")));
        }
    }
    // The trees test something: links were followed, and some led outside.
    assert!(never > 100 && within > never + 50 && escaped > 100, "{within} {never} {escaped}");
}

fn grow(tree: &TestTree, random: &mut fastrand::Rng) {
    let root = tree.0.join("root");
    for _ in 0..40 {
        let location = root.join(path(random, &["a", "b", "c"]));
        // A link that would lead outside is not made.
        let real = location.ancestors().find_map(|above| above.canonicalize().ok()).unwrap();
        if !real.starts_with(&root) || location.symlink_metadata().is_ok() {
            continue;
        }
        let above = location.parent().unwrap();
        let _ = match random.u8(..8) {
            0..2 => fs::create_dir_all(&location),
            2..4 => fs::create_dir_all(above).and_then(|()| {
                let real = above.canonicalize()?.join(location.file_name().unwrap());
                fs::write(&real, real.as_os_str().as_bytes())
            }),
            4 => symlink(tree.0.join(path(random, &["a", "b", "root"])), &location),
            _ => symlink(path(random, &["a", "b", "c", "..", "../.."]), &location),
        };
    }
}

fn path(random: &mut fastrand::Rng, parts: &[&str]) -> String {
    let parts = (0..random.usize(1..4)).map(|_| *random.choice(parts).unwrap());
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn cached_lookup_is_refused_on_other_file_systems() {
    let open = |effort| {
        let root = OpenDirectory::open(Path::new("/"), effort).unwrap();
        root.open_file(b"proc/version", Within)
    };
    // The second time, the kernel knows every part of the name.
    for _ in 0..2 {
        assert!(open(LookupEffort::Disk).unwrap().is_some());
        assert_eq!(open(LookupEffort::Memory).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
