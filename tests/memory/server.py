"""A Sideman process in a cgroup, with the settings of config/deploy/compose.yaml."""

import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
COMPOSE = REPOSITORY / "config/deploy/compose.yaml"
START_SECONDS = 10
# The counters of Sideman's limits.
COUNTERS = re.compile(
    r"^(sideman_(?:errors|client_limits|client_connections_shed|client_timeouts|client_floods"
    r"|client_stalled_streams|accept_errors|panics|buffer_spilled|buffer_paused)_total(?:{.*})?) ([1-9]\S*)$", re.MULTILINE)


def compose_service():
    """The lines of the service sideman."""
    lines = COMPOSE.read_text().splitlines()
    start = lines.index("  sideman:") + 1
    end = next(i for i in range(start, len(lines)) if lines[i] and not lines[i].startswith("    "))
    return lines[start:end]


def compose_environment():
    pattern = re.compile(r'^      (SIDEMAN_\w+): "?([^"#]*?)"?\s*(?:#.*)?$')
    matches = (pattern.match(line) for line in compose_service())
    return {match[1]: match[2] for match in matches if match}


def compose_limit():
    """mem_limit in bytes."""
    match = re.search(r"^    mem_limit: (\d+)m$", "\n".join(compose_service()), re.MULTILINE)
    return int(match[1]) << 20


def binary():
    """The program under test: SIDEMAN_BINARY, or a release build of this tree."""
    if "SIDEMAN_BINARY" in os.environ:
        return Path(os.environ["SIDEMAN_BINARY"]).resolve()
    subprocess.run(["cargo", "build", "--release", "--locked"], cwd=REPOSITORY, check=True)
    return REPOSITORY / os.environ.get("CARGO_TARGET_DIR", "target") / "release/sideman"


def drop_from_page_cache(file):
    """The next cgroup that reads the file is charged for it, like a container on a fresh machine."""
    with open(file, "rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def memory_of(processes):
    """PSS and anonymous memory in bytes; None once all have ended."""
    total = {}
    for process in processes:
        try:
            rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
        except OSError:
            continue
        for name, kilobytes in re.findall(r"^(Pss|Anonymous): +(\d+) kB$", rollup, re.MULTILINE):
            total[name] = total.get(name, 0) + (int(kilobytes) << 10)
    return total or None


class Server:
    """Starts Sideman, and waits until it listens."""

    def __init__(self, program, cgroup, work, application_port, settings, name="attacked"):
        self.cgroup = cgroup
        self.log = work / f"{name}.log"
        # Its own copy: the pages of a program count for the cgroup that reads them first.
        copy = work / f"sideman-{name}"
        if not copy.exists():
            shutil.copy2(program, copy)
        drop_from_page_cache(copy)
        environment = compose_environment() | {
            "SIDEMAN_UPSTREAM": f"http://127.0.0.1:{application_port}",
            "SIDEMAN_STATIC": f"/static/={work}/static",
            "SIDEMAN_MEDIA": f"/media/={work}/media",
            # The volume that is mounted at /tmp in the container.
            "SIDEMAN_BUFFERS__DIRECTORY": f"{work}/spool",
            "SIDEMAN_LISTEN": "127.0.0.1:0",
            "SIDEMAN_ADMIN": "127.0.0.1:0",
        } | settings
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                cgroup.command([str(copy), "run"]), env=environment | {"PATH": os.environ["PATH"]},
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
        # One listener accepts both versions of HTTP.
        self.port = self.http2_port = self.address("listening")
        self.admin_port = self.address("admin listening")
        self.wait_for(" INFO ready")

    def wait_for(self, pattern):
        deadline = time.monotonic() + START_SECONDS
        while not (match := re.search(pattern, self.log.read_text(errors="replace"))):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"sideman did not start:\n{self.log.read_text(errors='replace')}")
            time.sleep(0.01)
        return match

    def address(self, event):
        """The port of a listener, from its event at the start."""
        return int(self.wait_for(rf" INFO {event} address=127\.0\.0\.1:(\d+)")[1])

    def is_alive(self):
        return self.process.poll() is None

    def memory(self):
        return memory_of([self.process.pid])

    def counted(self):
        """Its counters of limits; None once it has ended."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=5) as response:
                text = response.read().decode()
        except OSError:
            return {}
        return {match[1].removeprefix("sideman_"): int(float(match[2])) for match in COUNTERS.finditer(text)}

    def stop(self):
        """Ends it at once: the second signal does not wait for requests."""
        if self.is_alive():
            self.process.send_signal(signal.SIGTERM)
            time.sleep(0.05)
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
