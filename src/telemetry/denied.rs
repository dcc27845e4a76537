//! Why this process may not use a path: which part of the path refuses it, and who asks. For events alone.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Access, access},
    process::{getegid, geteuid},
};

/// As many links are followed in a path as the kernel follows.
const LINKS: u32 = 40;

/// What is asked of the last part of a path; to pass is asked of all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeniedAccess {
    /// To read a file.
    Read,
    /// To connect to a socket.
    Connect,
}

/// Names the part of the path that refuses, with its mode and owner, and the user of this process.
pub fn describe(path: &Path, wanted: DeniedAccess) -> String {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    let me = format!("this process (uid {uid}, gid {gid})");
    let Some((part, right)) = refusing(path, wanted, LINKS) else {
        return format!(
            "{me} may not use {}, though no mode on the way refuses it: see whether SELinux, AppArmor or \
             a mount option does",
            path.display()
        );
    };
    let about = fs::metadata(&part).map_or_else(
        |_| String::new(),
        |found| {
            let mode = found.mode() & 0o7777;
            format!(" (mode {mode:04o}, owner {}:{})", found.uid(), found.gid())
        },
    );
    let what = if part == path { String::new() } else { format!(" of {}", path.display()) };
    format!("{me} may not {right} {}{about}{what}", part.display())
}

/// The first part of the path that refuses, and what it refuses.
fn refusing(path: &Path, wanted: DeniedAccess, links: u32) -> Option<(PathBuf, &'static str)> {
    let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
    above.reverse();
    for directory in above.into_iter().filter(|directory| !directory.as_os_str().is_empty()) {
        if access(directory, Access::EXEC_OK).is_err() {
            return Some(behind(directory, links).unwrap_or((directory.to_owned(), "pass (x)")));
        }
    }
    let (right, name) = match wanted {
        DeniedAccess::Read => (Access::READ_OK, "read (r)"),
        DeniedAccess::Connect => {
            (Access::WRITE_OK, "connect to, which takes the right to write to (w),")
        }
    };
    if access(path, right).is_ok() {
        return None;
    }
    let target = target(path, links).and_then(|target| refusing(&target, wanted, links - 1));
    Some(target.unwrap_or((path.to_owned(), name)))
}

/// What refuses to pass where a link leads.
fn behind(directory: &Path, links: u32) -> Option<(PathBuf, &'static str)> {
    let target = target(directory, links)?;
    // A name below it, so that the directory itself is one that is passed.
    refusing(&target.join("."), DeniedAccess::Read, links - 1)
        .filter(|(_, right)| *right == "pass (x)")
}

fn target(path: &Path, links: u32) -> Option<PathBuf> {
    if links == 0 {
        return None;
    }
    let target = fs::read_link(path).ok()?;
    Some(path.parent().unwrap_or(Path::new("/")).join(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_no_mode_refuses_is_said_to_be_refused_by_something_else() {
        let text = describe(Path::new("/dev/null"), DeniedAccess::Connect);
        assert!(text.contains("/dev/null") && text.contains("SELinux"), "{text}");
    }

    #[test]
    fn what_is_not_there_is_named_itself() {
        let text = describe(Path::new("/nonexistent-directory/a"), DeniedAccess::Read);
        assert!(text.contains("may not pass (x) /nonexistent-directory of"), "{text}");
    }
}
