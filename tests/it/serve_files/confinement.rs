//! With any links, directories and request paths: every opened file is below the
//! directory.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::Path,
    sync::Arc,
    time::Duration,
};

use proptest::prelude::*;
use sideman::{
    files::{FileContent, FileStore, LoadResult},
    plan::{Cors, FileSettings, Purpose, Root, Symlinks},
};
use tokio::runtime::{Builder, Runtime};

use crate::support::TempDir;

/// An entry of the tree: a file or a link.
#[derive(Clone, Debug)]
enum Thing {
    File(String),
    Link(String, String),
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[abc]", 1 => Just("..".to_owned()), 1 => Just(".".to_owned())]
}

fn path(most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(segment(), 1..=most).prop_map(|segments| segments.join("/"))
}

fn plain(most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec("[abc]", 1..=most).prop_map(|segments| segments.join("/"))
}

fn things() -> impl Strategy<Value = Vec<Thing>> {
    let target = prop_oneof![
        6 => path(4),
        2 => path(3).prop_map(|path| format!("../{path}")),
        1 => path(3).prop_map(|path| format!("TOP/{path}")),
        1 => Just("/etc".to_owned()),
    ];
    let thing = prop_oneof![
        plain(3).prop_map(Thing::File),
        (plain(3), target).prop_map(|(name, target)| Thing::Link(name, target)),
    ];
    prop::collection::vec(thing, 0..12)
}

/// Makes the tree below `top/a`; files are also beside it. Each file contains its own path.
fn make(top: &Path, things: &[Thing]) {
    for name in ["a", "b", "c/a"] {
        fs::create_dir_all(top.join(name)).unwrap();
    }
    for name in ["b/a", "b/b", "c/a/a", "c/b", "secret"] {
        let path = top.join(name);
        fs::write(&path, path.as_os_str().as_bytes()).unwrap();
    }
    // A name may exist already, or lead through a file or a link: then the entry is skipped. Links are made
    // last, so that nothing is created through a link.
    let place = |name: &str| top.join("a").join(name);
    for thing in things {
        let (Thing::File(name) | Thing::Link(name, _)) = thing;
        let _ = fs::create_dir_all(place(name).parent().unwrap());
    }
    for thing in things {
        if let Thing::File(name) = thing {
            let _ = fs::write(place(name), place(name).as_os_str().as_bytes());
        }
    }
    for thing in things {
        let Thing::Link(name, target) = thing else { continue };
        let path = place(name);
        let parent = path.parent().unwrap();
        if fs::canonicalize(parent).is_ok_and(|real| real == parent) {
            let _ = symlink(target.replace("TOP", &top.display().to_string()), path);
        }
    }
}

fn store(directory: &Path, symlinks: Symlinks) -> Arc<FileStore> {
    let root = Root {
        route: None,
        prefix: "/static/".to_owned(),
        directories: vec![directory.to_owned()],
        bucket: None,
        purpose: Purpose::Static,
        index: None,
        max_age: Duration::ZERO,
        caching: Vec::new(),
        cors: Cors::None,
        rate: None,
        signed: None,
    };
    let plan = FileSettings {
        roots: vec![root],
        memory: 1 << 20,
        entries: 100,
        check_interval: Some(Duration::ZERO),
        symlinks,
        write_once: false,
        hash_rate: None,
        compress: false,
        charset: None,
        types: Vec::new(),
    };
    FileStore::new(&plan, Arc::default())
}

/// Every name of up to three segments.
fn plain_names() -> Vec<String> {
    let segments = ["a", "b", "c"].map(str::to_owned);
    let deeper = |above: &[String]| -> Vec<String> {
        above
            .iter()
            .flat_map(|name| segments.each_ref().map(|one| format!("{name}/{one}")))
            .collect()
    };
    let two = deeper(&segments);
    let three = deeper(&two);
    [&segments[..], &two, &three].concat()
}

/// The file that a name leads to, if any.
fn opened(runtime: &Runtime, store: &Arc<FileStore>, name: &[u8]) -> Option<Vec<u8>> {
    match runtime.block_on(Arc::clone(store).find(0, name)).unwrap() {
        LoadResult::File(entry) => match &entry.identity().unwrap().content {
            FileContent::Memory(bytes, _) => Some(bytes.to_vec()),
            FileContent::Disk(..) => panic!("it is small"),
        },
        LoadResult::Directory | LoadResult::Missing => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_file_outside_the_directory_is_opened(
        things in things(),
        odd in prop::collection::vec(path(5), 1..12),
    ) {
        let directory = TempDir::new();
        let top = fs::canonicalize(directory.path()).unwrap();
        make(&top, &things);
        let root = top.join("a");
        let runtime = Builder::new_current_thread().build().unwrap();
        let (within, never) = (store(&root, Symlinks::Within), store(&root, Symlinks::Never));
        for name in plain_names().iter().chain(&odd).map(String::as_bytes) {
            let is_odd = name.split(|&byte| byte == b'/').any(|part| part.starts_with(b"."));
            let real = fs::canonicalize(root.join(OsStr::from_bytes(name)))
                .ok()
                .filter(|real| real.is_file());
            for (store, policy) in [(&within, Symlinks::Within), (&never, Symlinks::Never)] {
                let Some(content) = opened(&runtime, store, name) else { continue };
                let place = Path::new(OsStr::from_bytes(&content));
                let shown = name.escape_ascii();
                prop_assert!(place.starts_with(&root), "{shown} led to {place:?}, {policy:?}");
                prop_assert!(!is_odd, "{shown} was looked up as it stands");
                prop_assert_eq!(Some(place), real.as_deref(), "{}, {:?}", shown, policy);
                if policy == Symlinks::Never {
                    let literal = root.join(OsStr::from_bytes(name));
                    prop_assert_eq!(place, &literal, "{} went through a link", shown);
                }
            }
            // Both find the plain files.
            if let Some(real) = real.filter(|real| !is_odd && *real == root.join(OsStr::from_bytes(name))) {
                for store in [&within, &never] {
                    let content = opened(&runtime, store, name);
                    prop_assert_eq!(content.as_deref(), Some(real.as_os_str().as_bytes()));
                }
            }
        }
    }
}
