"""A memory cgroup with a limit and without swap, by version 2 of the interface or by version 1.

Version 2 counts the buffers of sockets in the same limit. Version 1 counts them apart, so `balance` lowers the
limit by as much as the sockets hold; what version 2 would have killed is an overrun then. Version 1 knows
nothing of version 2's pressure on sockets, which makes their windows smaller when memory is short.
"""

import errno
import os
import time
from dataclasses import dataclass
from pathlib import Path


class Unavailable(Exception):
    """No memory cgroup can be created here."""


@dataclass
class Usage:
    """Memory of a cgroup in bytes. The total includes the sockets; the kernel can drop `file`, but not `shmem`."""

    total: int = 0
    anon: int = 0
    shmem: int = 0
    file: int = 0
    kernel: int = 0
    sock: int = 0


def create(limit, counts_sockets=True, name="attacked"):
    """A new cgroup. `limit` is in bytes, or None; `counts_sockets` includes sockets in version 1 too."""
    if os.geteuid() != 0:
        raise Unavailable("only root can make a cgroup")
    path, kind = find_hierarchy()
    path /= f"sideman-memory-{os.getpid()}-{name}"
    try:
        path.mkdir()
    except OSError as error:
        raise Unavailable(f"cannot make {path}: {error.strerror}") from error
    try:
        return kind(path, limit, counts_sockets)
    except OSError as error:
        path.rmdir()
        raise Unavailable(f"cannot set the limit of {path}: {error.strerror}") from error


def find_hierarchy():
    """The mount point of the memory controller, and the class for its version."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, kind, options, *_ = line.split()
        if kind == "cgroup" and "memory" in options.split(","):
            return Path(mount), Version1
        if kind == "cgroup2" and "memory" in words(Path(mount) / "cgroup.controllers"):
            enable_for_children(Path(mount))
            return Path(mount), Version2
    raise Unavailable("no mounted cgroup hierarchy has the memory controller")


def enable_for_children(mount):
    control = mount / "cgroup.subtree_control"
    if "memory" not in words(control):
        try:
            control.write_text("+memory")
        except OSError as error:
            raise Unavailable(f"cannot enable the memory controller in {control}: {error.strerror}") from error


def words(file):
    return file.read_text().split() if file.exists() else []


def table(file):
    """A file of lines `NAME NUMBER`."""
    pairs = (line.split() for line in file.read_text().splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}


class Cgroup:
    """The common part of both versions."""

    def __init__(self, path, limit, counts_sockets):
        self.path = path
        self.limit = limit
        self.counts_sockets = counts_sockets
        # Samples in which process and sockets together exceeded the limit; version 1 only.
        self.overruns = 0

    def number(self, name):
        return int((self.path / name).read_text())

    def command(self, command):
        """The command, started within this cgroup, so that all its memory and page cache counts."""
        return ["sh", "-c", 'echo $$ >"$0" && exec "$@"', str(self.path / "cgroup.procs"), *command]

    def processes(self):
        """The ids of the processes in it."""
        return [int(line) for line in (self.path / "cgroup.procs").read_text().split()]

    def balance(self, usage):
        """Applies the limit to the total; version 2 does so by itself."""

    def remove(self):
        """Removes it once its processes have ended, which takes a moment."""
        deadline = time.monotonic() + 5
        while True:
            try:
                self.path.rmdir()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


class Version2(Cgroup):
    def __init__(self, path, limit, counts_sockets):
        super().__init__(path, limit, counts_sockets)
        if limit is not None:
            (path / "memory.max").write_text(str(limit))
        swap = path / "memory.swap.max"
        if swap.exists():
            swap.write_text("0")

    def usage(self):
        stat = table(self.path / "memory.stat")
        # Linux has "kernel" from 5.18 on.
        kernel = stat.get("kernel", sum(stat.get(name, 0) for name in ("kernel_stack", "pagetables", "slab", "percpu")))
        file = stat["file"] - stat["shmem"]
        return Usage(self.number("memory.current"), stat["anon"], stat["shmem"], file, kernel, stat.get("sock", 0))

    def peak(self):
        """The kernel's own peak, or 0 if there is none (before Linux 5.19)."""
        return self.number("memory.peak") if (self.path / "memory.peak").exists() else 0

    def kills(self):
        return table(self.path / "memory.events")["oom_kill"]


class Version1(Cgroup):
    def __init__(self, path, limit, counts_sockets):
        super().__init__(path, limit, counts_sockets)
        # Sockets are counted once a limit is set for them. This one is never reached: at a limit version 1
        # drops received packets, which version 2 does not.
        self.set("memory.kmem.tcp.limit_in_bytes", 1 << 40)
        if limit is not None:
            self.set("memory.limit_in_bytes", limit)
            # Memory and swap together: no swap. Kernels without swap have no such file.
            if (path / "memory.memsw.limit_in_bytes").exists():
                self.set("memory.memsw.limit_in_bytes", limit)

    def set(self, name, number):
        (self.path / name).write_text(str(number))

    def usage(self):
        stat = table(self.path / "memory.stat")
        sock = self.number("memory.kmem.tcp.usage_in_bytes")
        total = self.number("memory.usage_in_bytes") + sock
        file = stat["cache"] - stat["shmem"]
        kernel = self.number("memory.kmem.usage_in_bytes")
        return Usage(total, stat["rss"], stat["shmem"], file, kernel, sock)

    def balance(self, usage):
        if self.limit is None or not self.counts_sockets:
            return
        if usage.total - usage.file > self.limit:
            self.overruns += 1
        try:
            self.set("memory.limit_in_bytes", max(self.limit - usage.sock, 0))
        except OSError as error:
            # The kernel could not free enough at once: the next sample tries again.
            if error.errno != errno.EBUSY:
                raise

    def peak(self):
        """The kernel's own peak, which excludes the sockets."""
        return self.number("memory.max_usage_in_bytes")

    def kills(self):
        return table(self.path / "memory.oom_control")["oom_kill"]
