"""How many worker processes the application server gets."""

import os
from pathlib import Path

# More processes need more memory than a small host has. WEB_CONCURRENCY sets any other number.
MOST = 8


def workers(cpus):
    """One more than there are processors, so that one that waits for a database or restarts never stops the site."""
    return max(2, min(cpus + 1, MOST))


def cpus(cgroup=Path("/sys/fs/cgroup")):
    """Returns the processors that this process may use, also in a container that has a part of the machine's."""
    available = len(os.sched_getaffinity(0))
    limit = _quota(cgroup)
    return available if limit is None else max(1, min(available, limit))


def _quota(cgroup):
    """The limit of the container in whole processors, by cgroup version 2 or 1; None without one."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (cgroup / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    # `max` in version 2 and -1 in version 1 are no limit.
    if not quota.isdecimal() or not period.isdecimal() or int(period) == 0:
        return None
    return -(-int(quota) // int(period))
