"""`sideman.purge` without a Django project: the requests that it sends, and what it makes of the responses."""

import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer

import sideman
from sideman import caching


class Admin(HTTPServer):
    """Records PURGE requests, and answers each with the next body."""

    def __init__(self, *responses):
        super().__init__(("127.0.0.1", 0), Handler)
        self.responses = list(responses)
        self.requests = []
        self.address = f"127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def end(self):
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    def do_PURGE(self):
        self.server.requests.append((self.path, dict(self.headers)))
        status, body = self.server.responses.pop(0)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Purge(unittest.TestCase):
    def admin(self, *responses):
        admin = Admin(*responses)
        self.addCleanup(admin.end)
        return admin

    def test_urls_tags_and_everything_are_requests_whose_counts_are_added(self):
        two = (200, b'{"purged":2}\n')
        admin = self.admin(two, two, two, two)
        urls = ["https://example.org/blog/?page=2", "http://example.org:8080/blog/*"]
        count = sideman.purge(*urls, tags=["a", "b"], everything=True, soft=True, admin=admin.address)
        self.assertEqual(count, 8)
        paths = [path for path, _ in admin.requests]
        self.assertEqual(paths, ["/blog/?page=2", "/blog/*", "/", "/"])
        hosts = [headers["Host"] for _, headers in admin.requests]
        self.assertEqual(hosts, ["example.org", "example.org:8080", admin.address, admin.address])
        modes = [headers["Sideman-Purge"] for _, headers in admin.requests]
        self.assertEqual(modes, ["soft", "soft", "soft", "all, soft"])
        self.assertEqual(admin.requests[2][1]["Surrogate-Key"], "a b")

    def test_one_tag_may_be_a_text(self):
        admin = self.admin((200, b'{"purged":0}'))
        self.assertEqual(sideman.purge(tags="product-17", admin=admin.address), 0)
        self.assertEqual(admin.requests[0][1]["Surrogate-Key"], "product-17")

    def test_failures_are_errors(self):
        admin = self.admin((403, b"not here\n"), (200, b"hello"))
        for expected in ["the response was 403: not here", "the response was 200: hello"]:
            with self.assertRaisesRegex(sideman.PurgeError, expected):
                sideman.purge(everything=True, admin=admin.address)
        with self.assertRaises(sideman.PurgeError):
            sideman.purge(everything=True, admin="127.0.0.1:1")
        for wrong in ["/blog/", "example.org/blog/", "https://example.org"]:
            with self.assertRaises(ValueError):
                sideman.purge(wrong)
        with self.assertRaises(ValueError):
            sideman.purge(tags=["a b"])

    def test_address_is_that_of_the_settings(self):
        for environ, expected in [
            ({}, "127.0.0.1:9180"),
            ({"SIDEMAN_ADMIN": "10.0.0.1:1"}, "10.0.0.1:1"),
            ({"SIDEMAN_ADMIN__LISTEN": "0.0.0.0:2"}, "127.0.0.1:2"),
            ({"SIDEMAN_ADMIN": "[::]:3"}, "[::1]:3"),
            ({"SIDEMAN_ADMIN": "9181"}, "127.0.0.1:9181"),
        ]:
            self.assertEqual(caching.address_of(environ), expected)
        with self.assertRaises(sideman.PurgeError):
            caching.address_of({"SIDEMAN_ADMIN": "off"})


if __name__ == "__main__":
    unittest.main()
