"""Each system check: when it warns, and when it does not."""

import os
import unittest
from unittest import mock

from django.test import override_settings

from project import ProjectTest

from sideman import checks

SCHEME = ("HTTP_X_FORWARDED_PROTO", "https")


class Checks(unittest.TestCase):
    def found(self, **values):
        """The ids that settings without a fault get, but for these values."""
        right = {
            "SECURE_PROXY_SSL_HEADER": SCHEME,
            "ALLOWED_HOSTS": ["shop.example"],
            "STATIC_URL": "/static/",
            "STATIC_ROOT": "/srv/static",
            "MEDIA_URL": "/media/",
            "MEDIA_ROOT": "/srv/media",
        }
        with override_settings(**{**right, **values}):
            warnings = [warning for check in checks.ALWAYS + checks.DEPLOY for warning in check(None)]
        for warning in warnings:
            self.assertTrue(warning.hint.endswith((".", "'")), warning.hint)
        return [warning.id for warning in warnings]

    def test_right_settings_have_no_warning(self):
        self.assertEqual(self.found(), [])

    def test_proxy_header_must_be_set(self):
        self.assertEqual(self.found(SECURE_PROXY_SSL_HEADER=None), ["sideman.W001"])

    def test_redirect_without_proxy_header_is_said_to_loop(self):
        with override_settings(SECURE_PROXY_SSL_HEADER=None, SECURE_SSL_REDIRECT=True):
            self.assertIn("SECURE_SSL_REDIRECT may redirect", checks.proxy_header_is_set(None)[0].msg)

    def test_proxy_header_must_be_one_that_sideman_sends(self):
        for value in [("HTTP_X_FORWARDED_SSL", "on"), ("HTTP_X_FORWARDED_PROTO", "on"), ("HTTP_X_SCHEME", "https")]:
            self.assertEqual(self.found(SECURE_PROXY_SSL_HEADER=value), ["sideman.W002"], value)
        self.assertEqual(self.found(SECURE_PROXY_SSL_HEADER=list(SCHEME)), [])

    def test_forwarded_host_has_no_effect(self):
        self.assertEqual(self.found(USE_X_FORWARDED_HOST=True), ["sideman.W003"])

    def test_trusted_headers_arrive(self):
        variables = {"SIDEMAN_SERVER__TRUSTED_HEADERS": "X-Forwarded-Host, X-Forwarded-Ssl"}
        with mock.patch.dict(os.environ, variables):
            header = ("HTTP_X_FORWARDED_SSL", "on")
            self.assertEqual(self.found(USE_X_FORWARDED_HOST=True, SECURE_PROXY_SSL_HEADER=header), [])

    def test_hosts_must_be_named(self):
        self.assertEqual(self.found(ALLOWED_HOSTS=["shop.example", "*"]), ["sideman.W004"])
        # Django has a check for an empty list.
        self.assertEqual(self.found(ALLOWED_HOSTS=[]), [])

    def test_static_root_must_be_set(self):
        for value in (None, ""):
            self.assertEqual(self.found(STATIC_ROOT=value), ["sideman.W005"])

    def test_static_url_must_have_a_path(self):
        for value in ("/", "https://cdn.example/"):
            self.assertEqual(self.found(STATIC_URL=value), ["sideman.W006"], value)
        self.assertEqual(self.found(STATIC_URL="https://cdn.example/static/"), [])

    def test_files_in_a_bucket_need_neither(self):
        bucket = {"staticfiles": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}
        self.assertEqual(self.found(STORAGES=bucket, STATIC_ROOT=None, STATIC_URL="https://bucket.example/"), [])

    def test_uploads_must_be_apart(self):
        for media in ("/srv/static", "/srv/static/media", "/srv", "/srv/static/../static"):
            self.assertEqual(self.found(MEDIA_ROOT=media), ["sideman.W007"], media)
        self.assertEqual(self.found(MEDIA_ROOT="/srv/static-media"), [])
        self.assertEqual(self.found(MEDIA_ROOT=""), [])


class FreshProject(ProjectTest):
    def test_has_no_false_alarm(self):
        self.assertIn("no issues", self.manage("check"))

    def test_lacks_two_settings_to_be_deployed(self):
        said = self.manage("check", "--deploy", "--tag", "sideman")
        self.assertIn("2 issues", said)
        self.assertIn("sideman.W001", said)
        self.assertIn("sideman.W005", said)

    def test_ready_project_has_no_issue(self):
        self.set(f"SECURE_PROXY_SSL_HEADER = {SCHEME!r}", 'STATIC_ROOT = BASE_DIR / "staticfiles"')
        self.set('MEDIA_ROOT = BASE_DIR / "media"', 'MEDIA_URL = "media/"')
        self.assertIn("no issues", self.manage("check", "--deploy", "--tag", "sideman"))
