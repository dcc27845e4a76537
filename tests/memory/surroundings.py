"""The environment of a Sideman under test: a directory with files, and an application."""

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import server
from attacks import LARGE_FILES

# Small files: the one of the probe, and those of the attackers.
SMALL = {"probe.css": 1024, "small.css": 1024}
LARGE = 1 << 20
HERE = Path(__file__).resolve().parent


@contextlib.contextmanager
def work_directory():
    """A directory on the disk of the build, whose page cache is charged to the cgroup."""
    parent = server.REPOSITORY / "target/tmp"
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="memory-", dir=parent) as name:
        work = Path(name)
        for directory in ("static", "media", "spool"):
            (work / directory).mkdir()
        for file, size in SMALL.items():
            (work / "static" / file).write_bytes(b"x" * size)
        # Not compressible, and all different.
        for number in range(LARGE_FILES):
            (work / f"static/large-{number}.bin").write_bytes(os.urandom(LARGE))
        yield work


@contextlib.contextmanager
def application():
    process = subprocess.Popen([sys.executable, HERE / "application.py"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
