"""Variables and commands that follow from a project's settings, without starting anything."""

import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

# Django knows which applications are installed.
import project as _

from sideman import environment, files, processes, server


def project(**values):
    usual = {
        "DEBUG": False,
        "STATIC_URL": "/static/",
        "STATIC_ROOT": Path("/srv/static"),
        "MEDIA_URL": "/",
        "MEDIA_ROOT": "",
        "WSGI_APPLICATION": "shop.wsgi.application",
        "ALLOWED_HOSTS": [".shop.example", "localhost"],
    }
    return SimpleNamespace(**{**usual, **values})


class Machine(server.Machine):
    """A machine with two processors and these modules."""

    def __init__(self, *modules, directory=Path("/nonexistent"), **environ):
        super().__init__(environ=environ, directory=directory, cpus=2)
        object.__setattr__(self, "modules", modules)

    def has_module(self, name):
        return name in self.modules


class Variables(unittest.TestCase):
    def variables(self, environ=None, listen=None, **values):
        return environment.variables(project(**values), environ or {}, listen)

    def test_static_and_media_are_those_of_the_project(self):
        self.assertEqual(self.variables(), {"SIDEMAN_STATIC": "/static/=/srv/static"})
        both = self.variables(MEDIA_URL="/media/", MEDIA_ROOT="/srv/media")
        self.assertEqual(both["SIDEMAN_MEDIA"], "/media/=/srv/media")

    def test_cdn_asks_for_the_path_of_its_url(self):
        found = self.variables(STATIC_URL="https://cdn.example/assets/")
        self.assertEqual(found, {"SIDEMAN_STATIC": "/assets/=/srv/static"})

    def test_url_without_a_path_hides_no_application(self):
        for url in ("/", "https://bucket.example/", "", None):
            self.assertEqual(self.variables(STATIC_URL=url, MEDIA_URL=url, MEDIA_ROOT="/srv/media"), {}, url)

    def test_relative_directory_becomes_absolute(self):
        self.assertEqual(self.variables(STATIC_ROOT="out")["SIDEMAN_STATIC"], f"/static/={Path.cwd()}/out")

    def test_variable_of_the_user_wins(self):
        for name in ("SIDEMAN_STATIC", "SIDEMAN_STATIC_FILE", "SIDEMAN_STATIC__ROOTS", "SIDEMAN_STATIC__ROOTS_FILE"):
            self.assertEqual(self.variables({name: "x"}), {}, name)

    def test_settings_file_of_the_user_wins(self):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write('[static]\nroots = ["/static/=/srv/other"]\n')
            file.flush()
            self.assertEqual(self.variables({"SIDEMAN_CONFIG": file.name}), {})
        # Sideman says what is wrong with the file.
        self.assertIn("SIDEMAN_STATIC", self.variables({"SIDEMAN_CONFIG": "/nonexistent"}))

    def test_debug_listens_on_loopback_only(self):
        self.assertEqual(self.variables(DEBUG=True)["SIDEMAN_LISTEN"], "127.0.0.1:8000")
        for name in ("SIDEMAN_LISTEN", "SIDEMAN_SERVER__LISTEN", "PORT"):
            self.assertNotIn("SIDEMAN_LISTEN", self.variables({name: "80"}, DEBUG=True), name)

    def test_bind_wins(self):
        self.assertEqual(self.variables({"SIDEMAN_LISTEN": "80"}, listen="90")["SIDEMAN_LISTEN"], "90")

    def test_debug_lets_no_browser_keep_files(self):
        self.assertEqual(self.variables(DEBUG=True)["SIDEMAN_STATIC__MAX_AGE"], "0s")
        user = {"SIDEMAN_STATIC__MAX_AGE": "1h"}
        self.assertNotIn("SIDEMAN_STATIC__MAX_AGE", self.variables(user, DEBUG=True))

    def test_health_checks_name_a_host_that_django_allows(self):
        health = {"SIDEMAN_HEALTH__APPLICATION": "/health/"}
        name = "SIDEMAN_HEALTH__APPLICATION_HOST"
        self.assertEqual(self.variables(health)[name], "shop.example")
        for others in ({}, {**health, name: "a"}, {**health, "SIDEMAN_SERVER__ALLOWED_HOSTS": "a"}):
            self.assertNotIn(name, self.variables(others), others)
        self.assertNotIn(name, self.variables(health, ALLOWED_HOSTS=["*"]))

    def test_comma_in_a_directory_is_an_error(self):
        with self.assertRaisesRegex(environment.Unrepresentable, "has a comma in its name"):
            self.variables(STATIC_ROOT="/srv/a,b")


class Command(unittest.TestCase):
    def command(self, machine, **values):
        return server.command(project(**values), machine)[2:]

    def test_wsgi_is_served_by_gunicorn(self):
        command = self.command(Machine("gunicorn", "uvicorn"))
        self.assertEqual(command[:6], ["gunicorn", "shop.wsgi:application", "--workers", "3", "--threads", "4"])

    def test_asgi_is_served_by_uvicorn(self):
        command = self.command(Machine("gunicorn", "uvicorn"), ASGI_APPLICATION="shop.asgi.application")
        self.assertEqual(command, ["uvicorn", "shop.asgi:application", "--no-access-log", "--workers", "3"])

    def test_number_of_the_user_wins(self):
        command = self.command(Machine("gunicorn", WEB_CONCURRENCY="5"))
        self.assertNotIn("--workers", command)
        for name in ("WEB_CONCURRENCY", "UVICORN_WORKERS"):
            machine = Machine("uvicorn", **{name: "5"})
            self.assertNotIn("--workers", self.command(machine, ASGI_APPLICATION="shop.asgi.application"))

    def test_gunicorn_with_settings_of_its_own_gets_no_flag(self):
        alone = ["gunicorn", "shop.wsgi:application"]
        self.assertEqual(self.command(Machine("gunicorn", GUNICORN_CMD_ARGS="--workers 2")), alone)
        with tempfile.TemporaryDirectory() as directory:
            Path(directory, "gunicorn.conf.py").touch()
            self.assertEqual(self.command(Machine("gunicorn", directory=Path(directory))), alone)

    def test_debug_has_one_process_that_reloads(self):
        command = self.command(Machine("gunicorn"), DEBUG=True)
        self.assertEqual(command[2:4], ["--workers", "1"])
        self.assertIn("--reload", command)
        command = self.command(Machine("uvicorn"), DEBUG=True, ASGI_APPLICATION="shop.asgi.application")
        self.assertEqual(command[2:], ["--no-access-log", "--reload"])

    def test_missing_server_is_named_with_its_remedy(self):
        with self.assertRaisesRegex(server.ServerMissing, "gunicorn is not installed.*pip install 'gunicorn'"):
            self.command(Machine("uvicorn"))
        with self.assertRaisesRegex(server.ServerMissing, r"uvicorn is not installed.*'uvicorn\[standard\]'"):
            self.command(Machine("gunicorn"), ASGI_APPLICATION="shop.asgi.application")
        with self.assertRaisesRegex(server.ServerMissing, "neither WSGI_APPLICATION nor ASGI_APPLICATION"):
            self.command(Machine("gunicorn"), WSGI_APPLICATION=None)


class Processes(unittest.TestCase):
    def cpus(self, **contents):
        with tempfile.TemporaryDirectory() as directory:
            cgroup = Path(directory)
            (cgroup / "cpu").mkdir()
            for name, text in contents.items():
                (cgroup / name.replace("__", "/").replace("cpu_", "cpu.")).write_text(text)
            return processes.cpus(cgroup)

    def test_workers_follow_from_processors_within_limits(self):
        found = [processes.workers(cpus) for cpus in (1, 2, 4, 64)]
        self.assertEqual(found, [2, 3, 5, 8])

    def test_limit_of_the_container_counts(self):
        all_of_them = self.cpus()
        self.assertGreaterEqual(all_of_them, 1)
        self.assertEqual(self.cpus(cpu_max="50000 100000\n"), 1)
        self.assertEqual(self.cpus(cpu_max="max 100000\n"), all_of_them)
        self.assertEqual(self.cpus(cpu_max="nonsense"), all_of_them)
        v1 = {"cpu__cpu_cfs_period_us": "100000\n"}
        self.assertEqual(self.cpus(cpu__cpu_cfs_quota_us="100000\n", **v1), 1)
        self.assertEqual(self.cpus(cpu__cpu_cfs_quota_us="-1\n", **v1), all_of_them)


class Directories(unittest.TestCase):
    def test_directory_holds_itself_and_what_is_below(self):
        for outer, inner, expected in [
            ("/a", "/a", True),
            ("/a", "/a/b", True),
            ("/a", "/ab", False),
            ("/a/b", "/a", False),
            ("/a", "/a/../b", False),
        ]:
            self.assertEqual(files.holds(outer, inner), expected, (outer, inner))
