"""`manage.py sideman`: Sideman in front of this project, with the settings that the project has already."""

import importlib.util
import os
import shlex
import sys
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from sideman import environment, files, processes, program, server


class Command(BaseCommand):
    help = (
        "Serves this project: Sideman answers for static and media files, and starts gunicorn, or uvicorn for "
        "ASGI_APPLICATION, for everything else. SIDEMAN_ variables override what follows from the settings."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--bind",
            metavar="ADDR",
            help="IP:PORT, a port, or unix:/PATH; default: SIDEMAN_LISTEN, or PORT of the platform, or 0.0.0.0:8080 "
            "(127.0.0.1:8000 with DEBUG)",
        )
        parser.add_argument("--migrate", action="store_true", help="run `migrate` before the application starts")
        parser.add_argument(
            "--collectstatic",
            action="store_true",
            help="run `collectstatic` before the application starts; default: only if STATIC_ROOT is empty",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="print the command and its variables, and start nothing"
        )
        parser.add_argument(
            "command",
            metavar="COMMAND",
            nargs="*",
            help="after --: the application server in place of gunicorn or uvicorn",
        )

    def handle(self, *args, **options):
        try:
            variables = environment.variables(settings, os.environ, options["bind"])
            command = options["command"] or server.command(settings, _machine())
            arguments = [program.find(), "exec"]
        except (environment.Unrepresentable, server.ServerMissing, program.ProgramMissing) as error:
            raise CommandError(str(error)) from error
        for step in _before(options, variables):
            arguments += ["--before", shlex.join([sys.executable, "-m", "django", *step])]
        arguments += ["--", *command]
        variables["PYTHONPATH"] = _python_path(options["pythonpath"])

        if options["dry_run"]:
            words = [f"{name}={shlex.quote(value)}" for name, value in sorted(variables.items())]
            self.stdout.write(" \\\n    ".join([*words, shlex.join(arguments)]))
            return
        sys.stdout.flush()
        sys.stderr.flush()
        # Sideman takes the place of this process, so that signals reach it.
        os.execve(arguments[0], arguments, {**os.environ, **variables})


def _machine():
    return server.Machine(environ=dict(os.environ), directory=Path.cwd(), cpus=processes.cpus())


def _before(options, variables):
    """The commands of Django that run before the application starts, in their order."""
    if options["migrate"]:
        yield ["migrate", "--no-input"]
    # If the user has named the directories, they are the user's to fill.
    if options["collectstatic"] or ("SIDEMAN_STATIC" in variables and files.needs_collecting(settings)):
        yield ["collectstatic", "--no-input"]


def _python_path(given):
    """PYTHONPATH for the children: they find the project wherever they are started."""
    module = os.environ.get("DJANGO_SETTINGS_MODULE", "").partition(".")[0]
    spec = importlib.util.find_spec(module) if module else None
    home = []
    if spec and spec.submodule_search_locations:
        home = [str(Path(next(iter(spec.submodule_search_locations))).parent)]
    elif spec and spec.origin:
        home = [str(Path(spec.origin).parent)]
    paths = [given, *home, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return os.pathsep.join(dict.fromkeys(filter(None, paths)))
