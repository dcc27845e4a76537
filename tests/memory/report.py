"""The result of an attack, as a row of the table and a few lines."""

import json
from dataclasses import dataclass, field

# A healthy program responds within this time in milliseconds, whatever other clients do.
WARN_P99 = 20
# Anonymous memory that may remain after an attack, in bytes.
WARN_REST = 4 << 20

HEADINGS = (
    "attack", "process", "probes", "failed", "p50 ms", "p99 ms", "max ms", "baseline p99",
    "peak", "anon", "shmem", "file", "kernel", "sock", "PSS", "process anon",
    "rest", "rest anon", "rest PSS",
)


@dataclass
class Result:
    name: str
    # The program, if it is not Sideman.
    version: str
    # Memory as watch.Memory: before, at the peak, and 10 s after the end.
    before: object
    peak: object
    rest: object
    # The kernel's peak, which includes the time between samples.
    kernel_peak: int
    kills: int
    overruns: int
    # Seconds after the attack began; None while it runs.
    died_after: float
    exit_status: int
    probes: list
    # Of the server that is not attacked.
    baseline_probes: list
    clients: dict
    counters: dict = field(default_factory=dict)

    def failed_probes(self):
        return [probe for probe in self.probes if probe[3] is not None]

    def percentile(self, share):
        return percentile(self.probes, share)

    def baseline_p99(self):
        return percentile(self.baseline_probes, 0.99)

    def process(self):
        if self.kills:
            return "KILLED" if self.died_after is None else f"KILLED {self.died_after:.1f} s"
        if self.died_after is not None:
            return f"ENDED with {self.exit_status}"
        return f"TOO LARGE ({self.overruns})" if self.overruns else "alive"

    def is_good(self):
        return self.process() == "alive" and not self.failed_probes()

    def row(self):
        peak, rest = self.peak, self.rest
        return [
            f"{self.version} {self.name}".strip(), self.process(), str(len(self.probes)), str(len(self.failed_probes())),
            f"{self.percentile(0.5):.1f}", f"{self.percentile(0.99):.1f}", f"{self.percentile(1):.1f}",
            f"{self.baseline_p99():.1f}",
            *map(mebibytes, (
                max(peak.usage.total, self.kernel_peak), peak.usage.anon, peak.usage.shmem, peak.usage.file,
                peak.usage.kernel, peak.usage.sock, peak.pss, peak.anonymous,
                rest.usage.total, rest.usage.anon, rest.pss)),
        ]

    def lines(self):
        """The results of the attackers' connections, and Sideman's counters."""
        yield f"connections: {named(self.clients.get('connections', {}))}"
        received = mebibytes(self.clients.get("received", 0))
        yield f"responses: {named(self.clients.get('responses', {}))}; {received} MiB received"
        if self.counters:
            yield f"counted: {named(self.counters)}"
        for why, times in sorted(self.failures().items()):
            yield f"FAILED: {len(times)} probes ({why}), from {min(times):.1f} s to {max(times):.1f} s"
        if self.percentile(0.99) > WARN_P99:
            yield (f"warning: p99 of the probe is above {WARN_P99} ms; "
                   f"at the server that nobody attacks it is {self.baseline_p99():.1f} ms")
        left = self.rest.anonymous - self.before.anonymous
        if left > WARN_REST:
            yield f"warning: {mebibytes(left)} MiB more than before are left 10 s after its end"

    def failures(self):
        found = {}
        for begin, path, _, failure in self.failed_probes():
            found.setdefault(f"{path}: {failure}", []).append(begin)
        return found

    def as_json(self):
        return json.dumps(vars(self), default=vars)


def percentile(probes, share):
    """The milliseconds that this share of the probes took at most."""
    times = sorted(probe[2] for probe in probes)
    return times[min(len(times) - 1, int(len(times) * share))] if times else 0


def mebibytes(count):
    return f"{count / (1 << 20):.1f}"


def named(counts):
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"


def print_table(headings, rows):
    """Names to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in [headings, *rows]) for column in range(len(headings))]
    for row in [headings, *rows]:
        cells = [cell.ljust(width) if column < 2 else cell.rjust(width)
                 for column, (cell, width) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip())
