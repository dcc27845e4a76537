//! The memory limit and usage of the process's container, from the kernel (cgroups(7)).

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The mount point of control groups.
const ROOT: &str = "/sys/fs/cgroup";

/// The files of a control group with its memory limit and usage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MemoryGroup {
    /// The limit in bytes: the minimum of this group and all visible groups above it.
    pub(super) limit: u64,
    /// Whether the application uses it too, because Sideman has started it.
    pub(super) is_shared: bool,
    directory: PathBuf,
    version: CgroupVersion,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CgroupVersion {
    One,
    Two,
}

/// Returns the memory limit of this process's container in bytes, if it has one.
pub fn container_memory() -> Option<u64> {
    Some(MemoryGroup::find(false)?.limit)
}

// === impl MemoryGroup ===

impl MemoryGroup {
    /// Returns the group of this process, if it has a limit.
    pub(super) fn find(is_shared: bool) -> Option<Self> {
        let list = fs::read_to_string("/proc/self/cgroup").ok()?;
        Some(Self { is_shared, ..Self::among(&list, Path::new(ROOT))? })
    }

    fn among(list: &str, root: &Path) -> Option<Self> {
        let groups = list.lines().filter_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            if number == "0" && controllers.is_empty() {
                return Some((CgroupVersion::Two, root.to_owned(), path));
            }
            let has_memory = controllers.split(',').any(|one| one == "memory");
            has_memory.then(|| (CgroupVersion::One, root.join("memory"), path))
        });
        let found = groups.filter_map(|(version, root, path)| Self::limited(version, &root, path));
        found.min_by_key(|group| group.limit)
    }

    /// Returns the group at a path, or one above it. In a container the path may belong to another mount; then the root
    /// is the container's own group.
    fn limited(version: CgroupVersion, root: &Path, path: &str) -> Option<Self> {
        let below = root.join(path.trim_start_matches('/'));
        let limits = below.ancestors().take_while(|directory| directory.starts_with(root));
        let limits = limits.filter_map(|directory| {
            let text = fs::read_to_string(directory.join(version.limit_file())).ok()?;
            Some((bytes(&text)?, directory.to_owned()))
        });
        let (limit, directory) = limits.min_by_key(|(limit, _)| *limit)?;
        Some(Self { limit, is_shared: false, directory, version })
    }

    /// Returns the bytes in use that the kernel cannot reclaim by itself: all but the page cache.
    pub(super) fn used(&self) -> Option<u64> {
        let read = |name: &str| fs::read_to_string(self.directory.join(name)).ok();
        let current = bytes(&read(self.version.usage_file())?)?;
        let details = read("memory.stat")?;
        let of = |name: &str| {
            details
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
        };
        // Shared memory, such as memory files, is part of the page cache but cannot be reclaimed.
        let (cache, shared) = match self.version {
            CgroupVersion::Two => (of("file"), of("shmem")),
            CgroupVersion::One => (of("total_cache"), of("total_shmem")),
        };
        let reclaimable = u64::saturating_sub(cache.unwrap_or(0), shared.unwrap_or(0));
        // Version 1 counts TCP memory separately, and only if that is enabled.
        let apart = match self.version {
            CgroupVersion::One => read("memory.kmem.tcp.usage_in_bytes"),
            CgroupVersion::Two => None,
        };
        let apart = apart.and_then(|text| bytes(&text)).unwrap_or(0);
        Some(current.saturating_sub(reclaimable) + apart)
    }
}

// === impl CgroupVersion ===

impl CgroupVersion {
    fn limit_file(self) -> &'static str {
        match self {
            Self::One => "memory.limit_in_bytes",
            Self::Two => "memory.max",
        }
    }

    fn usage_file(self) -> &'static str {
        match self {
            Self::One => "memory.usage_in_bytes",
            Self::Two => "memory.current",
        }
    }
}

/// Reads a number. `max`, and the huge number of version 1, mean no limit.
fn bytes(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|bytes| *bytes < 1 << 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{env, process};

    /// A directory that looks like the kernel's, with these files.
    fn tree(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let root = env::temp_dir().join(format!("sideman-cgroup-{name}-{}", process::id()));
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn the_least_limit_on_the_way_up_counts() {
        let root = tree(
            "two",
            &[
                ("memory.max", "max\n"),
                ("a/memory.max", "67108864\n"),
                ("a/memory.current", "30000000\n"),
                ("a/memory.stat", "anon 1\nfile 20000000\nkernel 5\nshmem 4000000\n"),
                ("a/b/memory.max", "134217728\n"),
            ],
        );
        let group = MemoryGroup::among("0::/a/b\n", &root).unwrap();
        assert_eq!(group.limit, 67_108_864);
        assert_eq!(group.used(), Some(14_000_000));
        assert_eq!(MemoryGroup::among("0::/\n", &root), None);
        // In a container, the group's path is not visible, and the root is the container's group.
        fs::write(root.join("memory.max"), "1000000\n").unwrap();
        assert_eq!(MemoryGroup::among("0::/not/here\n", &root).unwrap().limit, 1_000_000);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn version_one_has_other_names() {
        let root = tree(
            "one",
            &[
                ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ("memory/c/memory.limit_in_bytes", "1048576\n"),
                ("memory/c/memory.usage_in_bytes", "900000\n"),
                ("memory/c/memory.kmem.tcp.usage_in_bytes", "4096\n"),
                ("memory/c/memory.stat", "cache 7\ntotal_cache 300000\ntotal_shmem 100000\n"),
            ],
        );
        let list = "5:cpu,cpuacct:/c\n4:memory:/c\n0::/c\n";
        let group = MemoryGroup::among(list, &root).unwrap();
        assert_eq!((group.limit, group.used()), (1_048_576, Some(704_096)));
        assert_eq!(MemoryGroup::among("4:memory:/\n", &root), None);
        assert_eq!(MemoryGroup::among("", &root), None);
        fs::remove_dir_all(root).unwrap();
    }
}
