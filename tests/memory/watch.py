"""Samples the memory of the cgroup and of the process during an attack."""

import time
from dataclasses import dataclass, field

from cgroup import Usage

INTERVAL = 0.05
# Reading the mappings of a process stops it for a moment, so they are read less often.
PROCESS_INTERVAL = 0.5


@dataclass
class Memory:
    """One sample: memory of the cgroup, and PSS and anonymous memory of the process."""

    usage: Usage = field(default_factory=Usage)
    pss: int = 0
    anonymous: int = 0


class Watch:
    def __init__(self, server):
        self.server = server
        # The sample with the highest memory of the cgroup, with the highest values of the process.
        self.peak = Memory()
        self.died_at = None
        self.next_process = 0

    def until(self, is_over):
        """Samples until `is_over`, or the process has ended."""
        while not is_over() and self.is_alive():
            self.sample()
            time.sleep(INTERVAL)

    def seconds(self, seconds):
        deadline = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > deadline)

    def is_alive(self):
        if self.died_at is None and not self.server.is_alive():
            self.died_at = time.monotonic()
        return self.died_at is None

    def sample(self):
        usage = self.server.cgroup.usage()
        self.server.cgroup.balance(usage)
        if usage.total > self.peak.usage.total:
            self.peak.usage = usage
        if time.monotonic() >= self.next_process:
            self.next_process = time.monotonic() + PROCESS_INTERVAL
            memory = self.server.memory()
            if memory and memory["Pss"] > self.peak.pss:
                self.peak.pss, self.peak.anonymous = memory["Pss"], memory["Anonymous"]

    def now(self):
        memory = self.server.memory() or {"Pss": 0, "Anonymous": 0}
        return Memory(self.server.cgroup.usage(), memory["Pss"], memory["Anonymous"])
