"""A project as `django-admin startproject` makes it, with "sideman" in INSTALLED_APPS.

Tests within this process have a project without a file: static files, and nothing else.
"""

import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.error
import urllib.request
from pathlib import Path

import django
from django.conf import settings
from django.core import management

settings.configure(INSTALLED_APPS=["django.contrib.staticfiles"], STATIC_URL="/static/")
django.setup()

# How long a command, or one step of a server, may take on a busy machine.
PATIENCE = 120


class ProjectTest(unittest.TestCase):
    """A test with a project of its own."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.home = Path(directory.name).resolve()
        management.call_command("startproject", "shop", self.home, verbosity=0)
        self.set('INSTALLED_APPS += ["sideman"]')

    def set(self, *lines):
        """Appends lines to settings.py."""
        with open(self.home / "shop/settings.py", "a") as file:
            file.writelines(f"{line}\n" for line in lines)

    def environ(self, variables):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SIDEMAN_", "DJANGO_"))}
        for name in ("PORT", "WEB_CONCURRENCY", "GUNICORN_CMD_ARGS"):
            kept.pop(name, None)
        return {**kept, **variables}

    def run_python(self, *arguments, **variables):
        """Runs Python in the project's directory, and returns how it ended."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.home,
            env=self.environ(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def manage(self, *arguments, **variables):
        """Runs manage.py, and returns what it prints."""
        done = self.run_python("manage.py", *arguments, **variables)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout + done.stderr

    def fails(self, *arguments, **variables):
        """Runs manage.py, which must fail with a message, and returns that."""
        done = self.run_python("manage.py", *arguments, **variables)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertNotIn("Traceback", done.stderr)
        return done.stderr


class Served:
    """A project that `manage.py sideman` serves at a free port."""

    def __init__(self, test, *arguments, cwd=None, **variables):
        self.test = test
        self.lines = queue.Queue()
        self.seen = []
        quick = {"SIDEMAN_ADMIN": "127.0.0.1:0", "SIDEMAN_SHUTDOWN__DELAY": "0s", "SIDEMAN_LOG__ACCESS": "off"}
        self.process = subprocess.Popen(
            [sys.executable, str(test.home / "manage.py"), "sideman", "--bind", "127.0.0.1:0", *arguments],
            cwd=cwd or test.home,
            env=test.environ({**quick, **variables}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        test.addCleanup(self.kill)
        threading.Thread(target=self._read, daemon=True).start()
        address = self.wait_for(r" listening address=(\S+)").group(1)
        self.url = f"http://{address}"
        # Migrations may take longer than requests wait for the application.
        self.wait_for(r" ready after=")

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def wait_for(self, pattern):
        """The first line that matches."""
        while True:
            try:
                line = self.lines.get(timeout=PATIENCE)
            except queue.Empty:
                line = None
            if line is None:
                self.test.fail(f"no line matches {pattern}:\n{''.join(self.seen)}")
            self.seen.append(line)
            if found := re.search(pattern, line):
                return found

    def get(self, path):
        """Returns status, headers and text."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=PATIENCE) as response:
                return response.status, response.headers, response.read().decode()
        except urllib.error.HTTPError as response:
            return response.code, response.headers, response.read().decode()

    def stop(self):
        """Sends SIGTERM, and returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE)

    def kill(self):
        self.process.kill()
        self.process.wait()
