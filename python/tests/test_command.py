"""`manage.py sideman --dry-run` in fresh projects: what would be started."""

import shlex
import subprocess
import sys

from project import PATIENCE, ProjectTest

from sideman import program


class DryRun(ProjectTest):
    def dry_run(self, *arguments, **variables):
        """Returns the variables and the words of the command."""
        words = shlex.split(self.manage("sideman", "--dry-run", *arguments, **variables).replace("\\\n", " "))
        start = words.index(program.find())
        return dict(word.split("=", 1) for word in words[:start]), words[start:]

    def before(self, words):
        """The commands of Django that run before the application."""
        found = [words[at + 1] for at, word in enumerate(words) if word == "--before"]
        return [command.removeprefix(f"{shlex.quote(sys.executable)} -m django ") for command in found]

    def test_fresh_project_is_served_from_its_applications(self):
        variables, words = self.dry_run()
        self.assertEqual(self.before(words), [])
        self.assertEqual(words[1:6], ["exec", "--", sys.executable, "-m", "gunicorn"])
        prefix, _, directory = variables["SIDEMAN_STATIC"].partition("=")
        self.assertEqual(prefix, "/static/")
        self.assertTrue(directory.endswith("django/contrib/admin/static"), directory)
        self.assertEqual(variables["PYTHONPATH"], str(self.home))

    def test_directories_of_the_project_come_first(self):
        (self.home / "assets").mkdir()
        (self.home / "logos").mkdir()
        self.set('STATICFILES_DIRS = [BASE_DIR / "assets", ("img", BASE_DIR / "logos"), BASE_DIR / "missing"]')
        static = self.dry_run()[0]["SIDEMAN_STATIC"].split(",")
        self.assertEqual(static[:2], [f"/static/={self.home}/assets", f"/static/img/={self.home}/logos"])
        self.assertEqual(len(static), 3)

    def test_empty_static_root_is_collected_first(self):
        self.set("DEBUG = False", 'ALLOWED_HOSTS = ["localhost"]', 'STATIC_ROOT = BASE_DIR / "out"')
        variables, words = self.dry_run()
        self.assertEqual(variables["SIDEMAN_STATIC"], f"/static/={self.home}/out")
        self.assertEqual(self.before(words), ["collectstatic --no-input"])
        # Only if it is what Sideman serves.
        self.assertEqual(self.before(self.dry_run(SIDEMAN_STATIC="/static/=/srv/static")[1]), [])
        (self.home / "out").mkdir()
        self.assertEqual(self.before(self.dry_run()[1]), ["collectstatic --no-input"])
        (self.home / "out/site.css").touch()
        self.assertEqual(self.before(self.dry_run()[1]), [])

    def test_migrate_comes_first(self):
        words = self.dry_run("--collectstatic", "--migrate")[1]
        self.assertEqual(self.before(words), ["migrate --no-input", "collectstatic --no-input"])

    def test_command_of_the_user_is_passed_on(self):
        command = ["granian", "--interface", "wsgi", "shop.wsgi", "--workers", "3"]
        words = self.dry_run("--migrate", "--", *command)[1]
        self.assertEqual(words[-len(command) - 1 :], ["--", *command])

    def test_script_name_is_part_of_the_path(self):
        self.set('FORCE_SCRIPT_NAME = "/app"')
        self.assertTrue(self.dry_run()[0]["SIDEMAN_STATIC"].startswith("/app/static/="))

    def test_missing_server_is_an_error(self):
        self.set('ASGI_APPLICATION = "shop.asgi.application"')
        # A module of the name that cannot be imported is none.
        (self.home / "sitecustomize.py").write_text("import sys; sys.modules['uvicorn'] = None\n")
        said = self.fails("sideman", "--dry-run", PYTHONPATH=str(self.home))
        self.assertIn("uvicorn is not installed", said)


class Program(ProjectTest):
    def test_is_the_one_of_the_package(self):
        found = program.find()
        self.assertTrue(found.startswith(sys.prefix), found)
        version = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=PATIENCE)
        self.assertIn("sideman", version.stdout)

    def test_environment_need_not_be_on_path(self):
        self.assertIn(program.find(), self.manage("sideman", "--dry-run", PATH="/usr/bin:/bin"))
