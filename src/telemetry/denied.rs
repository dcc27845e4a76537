//! Explains why this process may not use a path: the part of the path that denies access, and the process's user. Used
//! in events only.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Access, access},
    process::{getegid, geteuid},
};

/// Maximum number of links to follow in a path, as in the kernel.
const MAX_LINKS: u32 = 40;

/// The permission that the last part of a path needs. All other parts need search permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeniedAccess {
    /// To read a file.
    Read,
    /// To connect to a socket.
    Connect,
}

/// Names the part of the path that denies access, with its mode and owner, and the user of this process.
pub fn describe(path: &Path, wanted: DeniedAccess) -> String {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    let me = format!("this process (uid {uid}, gid {gid})");
    let Some((part, right)) = refusing(path, wanted, MAX_LINKS) else {
        return format!(
            "{me} may not use {}, although all file modes on the way allow it: check whether SELinux, \
             AppArmor or a mount option denies it",
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

/// Returns the first part of the path that denies access, and the missing permission.
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
            (Access::WRITE_OK, "connect to, which needs write permission (w),")
        }
    };
    if access(path, right).is_ok() {
        return None;
    }
    let target = target(path, links).and_then(|target| refusing(&target, wanted, links - 1));
    Some(target.unwrap_or((path.to_owned(), name)))
}

/// Returns the part that denies access in the target of a link.
fn behind(directory: &Path, links: u32) -> Option<(PathBuf, &'static str)> {
    let target = target(directory, links)?;
    // A name below it also checks search permission for the directory itself.
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
