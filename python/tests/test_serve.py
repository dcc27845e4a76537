"""Projects served for real: Sideman, gunicorn or uvicorn, Django."""

import re

from project import ProjectTest, Served


class Serve(ProjectTest):
    def stylesheet(self, page):
        """The path of the first stylesheet of a page."""
        return re.search(r'<link rel="stylesheet" href="([^"]+)"', page).group(1)

    def test_fresh_project_with_debug(self):
        served = Served(self, "--migrate")
        status, _, page = served.get("/")
        self.assertEqual(status, 200)
        self.assertIn("The install worked successfully!", page)
        status, _, page = served.get("/admin/login/")
        self.assertEqual(status, 200)
        status, headers, text = served.get(self.stylesheet(page))
        self.assertEqual(status, 200)
        self.assertEqual(headers["Content-Type"], "text/css; charset=utf-8")
        self.assertEqual(headers["Cache-Control"], "public, max-age=0")
        self.assertIn("body", text)
        self.assertEqual(served.stop(), 0)

    def deployed(self):
        self.set("DEBUG = False", 'ALLOWED_HOSTS = ["127.0.0.1"]', 'STATIC_ROOT = BASE_DIR / "out"')
        self.set(
            "STORAGES = {",
            '    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},',
            '    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},',
            "}",
        )

    def check_deployed(self, served):
        """The admin has its styles, with a hash in the name, and everything ends with status 0."""
        status, _, page = served.get("/admin/login/")
        self.assertEqual(status, 200, page)
        path = self.stylesheet(page)
        self.assertRegex(path, r"^/static/admin/css/base\.[0-9a-f]{12}\.css$")
        status, headers, _ = served.get(path)
        self.assertEqual(status, 200)
        self.assertEqual(headers["Cache-Control"], "public, max-age=31536000, immutable")
        self.assertEqual(served.get("/missing/")[0], 404)
        self.assertEqual(served.get("/healthz")[0], 200)
        self.assertEqual(served.stop(), 0)

    def test_deployed_project_under_gunicorn(self):
        self.deployed()
        self.set('MEDIA_URL = "media/"', 'MEDIA_ROOT = BASE_DIR / "media"')
        (self.home / "media").mkdir()
        (self.home / "media/note.txt").write_text("uploaded")
        served = Served(self, "--migrate")
        self.assertEqual(served.get("/media/note.txt")[2], "uploaded")
        self.check_deployed(served)

    def test_deployed_project_under_uvicorn(self):
        self.deployed()
        self.set('ASGI_APPLICATION = "shop.asgi.application"')
        self.check_deployed(Served(self, "--migrate"))

    def test_project_is_found_from_another_directory(self):
        self.deployed()
        (self.home / "elsewhere").mkdir()
        self.check_deployed(Served(self, "--migrate", cwd=self.home / "elsewhere"))
