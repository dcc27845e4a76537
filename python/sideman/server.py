"""The application server that serves the project: what is installed, with as many processes as fit the machine."""

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from . import processes

# Threads of each process. A thread that waits for the database costs little; each may hold a connection to it.
THREADS = 4
# Where gunicorn's workers show that they live: in memory, so that a slow disk does not look like a dead worker.
SHARED_MEMORY = Path("/dev/shm")


class ServerMissing(Exception):
    """No application is named, or the server that it needs is not installed."""


@dataclass(frozen=True)
class Machine:
    """What the choice depends on besides the project's settings."""

    environ: dict
    directory: Path
    cpus: int

    def has_module(self, name):
        return find_spec(name) is not None


def command(settings, machine):
    """Returns the command of the server, without an address: `sideman exec` chooses it, and tells the server."""
    if application := getattr(settings, "ASGI_APPLICATION", None):
        _require("uvicorn", "uvicorn[standard]", f"ASGI_APPLICATION = {application!r}", machine)
        return [*_module("uvicorn"), _reference(application), *_uvicorn_flags(settings, machine)]
    if application := settings.WSGI_APPLICATION:
        _require("gunicorn", "gunicorn", f"WSGI_APPLICATION = {application!r}", machine)
        return [*_module("gunicorn"), _reference(application), *_gunicorn_flags(settings, machine)]
    raise ServerMissing(
        "neither WSGI_APPLICATION nor ASGI_APPLICATION is set, so there is nothing to serve: set one, such as "
        "WSGI_APPLICATION = 'project.wsgi.application', or name a command after --"
    )


def _require(module, package, reason, machine):
    if machine.has_module(module):
        return
    raise ServerMissing(
        f"{module} is not installed, and {reason} needs it: run `pip install '{package}'`, or name another server "
        "after --, such as `manage.py sideman -- COMMAND`"
    )


def _module(name):
    # The interpreter of this environment, also if its programs are not on PATH.
    return [sys.executable, "-m", name]


def _reference(application):
    """`project.wsgi.application` as servers write it: `project.wsgi:application`."""
    module, _, name = application.rpartition(".")
    return f"{module}:{name}"


def _gunicorn_flags(settings, machine):
    # Flags would override both.
    if "GUNICORN_CMD_ARGS" in machine.environ or (machine.directory / "gunicorn.conf.py").exists():
        return []
    flags = [*_workers(settings, machine, "WEB_CONCURRENCY"), "--threads", str(THREADS)]
    if SHARED_MEMORY.is_dir():
        flags += ["--worker-tmp-dir", str(SHARED_MEMORY)]
    return [*flags, "--reload"] if settings.DEBUG else flags


def _uvicorn_flags(settings, machine):
    # Sideman writes the access log.
    flags = ["--no-access-log"]
    if settings.DEBUG:
        return [*flags, "--reload"]
    return [*flags, *_workers(settings, machine, "WEB_CONCURRENCY", "UVICORN_WORKERS")]


def _workers(settings, machine, *variables):
    """The flag with the number of processes, unless one of the server's own variables has it."""
    if any(variable in machine.environ for variable in variables):
        return []
    return ["--workers", str(1 if settings.DEBUG else processes.workers(machine.cpus))]
