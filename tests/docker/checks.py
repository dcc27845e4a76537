"""Checks of a site behind Sideman: real requests, with Python's standard library only.

Usage: checks.py HOST:PORT USER PASSWORD [CHECK...]: all checks, or those that are named. Ends with status 1
at the first thing that is wrong.
"""

import hashlib
import http.client
import json
import random
import re
import sys
import time
from urllib.parse import urlencode

# Like a load balancer: with the address of the target as Host, which Django would refuse.
FOREIGN = "10.0.3.7:8080"
SITE = "example.test"

address, user, password, *names = sys.argv[1:]
# The file that the check `media` uploads, and `kept` requests again.
KEPT = ("kept.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>\n")


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()
        self.text = self.body.decode("utf-8", "replace")

    def cookies(self):
        """The cookies that it sets, in the form of a request header."""
        found = self.headers.get_all("Set-Cookie") or []
        return "; ".join(cookie.split(";")[0] for cookie in found)


def ask(method, path, body=None, host=SITE, **headers):
    connection = http.client.HTTPConnection(address, timeout=30)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, {"Host": host, **headers})
    try:
        return Answer(connection.getresponse())
    finally:
        connection.close()


def expect(what, found, expected):
    if found != expected:
        sys.exit(f"FAILED: {what}: {found!r}, and not {expected!r}")


def has(what, text, part):
    if part not in (text or ""):
        sys.exit(f"FAILED: {what}: no {part!r} in {text!r}")


def page():
    answer = ask("GET", "/")
    expect("the page's status", answer.status, 200)
    has("the page", answer.text, "It works")
    expect("a request id", len(answer.headers["X-Request-ID"] or ""), 32)
    has("the page", answer.text, '<link rel="stylesheet" href="/static/project/site.')


def static():
    login = ask("GET", "/admin/login/").text
    found = re.search(r'href="(/static/admin/css/base\.[0-9a-f]{12}\.css)"', login)
    expect("a hashed name on the admin's page", bool(found), True)
    path = found.group(1)
    plain = ask("GET", path)
    expect(f"{path}: the status", plain.status, 200)
    expect(f"{path}: the type", plain.headers["Content-Type"], "text/css; charset=utf-8")
    has(f"{path}: Cache-Control", plain.headers["Cache-Control"], "immutable")
    has(f"{path}: Cache-Control", plain.headers["Cache-Control"], "max-age=31536000")
    same = ask("GET", path, If_None_Match="*")
    expect(f"{path}: the status of what the client has", same.status, 304)
    some = ask("GET", path, Range="bytes=0-9")
    expect(f"{path}: ten bytes", (some.status, some.body), (206, plain.body[:10]))
    # Compressed in the background, once it is requested again.
    deadline = time.monotonic() + 30
    answer = ask("GET", path, Accept_Encoding="gzip, br")
    while answer.headers["Content-Encoding"] != "br" and time.monotonic() < deadline:
        time.sleep(0.05)
        answer = ask("GET", path, Accept_Encoding="gzip, br")
    expect(f"{path}: the coding", answer.headers["Content-Encoding"], "br")
    expect(f"{path}: smaller", len(answer.body) < len(plain.body), True)
    expect("the manifest is hidden", ask("GET", "/static/staticfiles.json").status, 404)
    missing = ask("GET", "/static/admin/css/base.000000000000.css")
    expect("a name of another release", missing.status, 404)
    has("which is kept by no cache", missing.headers["Cache-Control"], "no-store")


def submit(path, origin, **headers):
    """Fetches a form and submits it, like a browser."""
    form = ask("GET", path, **headers)
    expect(f"{path}: the form's status", form.status, 200)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form.text).group(1)
    fields = {"username": user, "password": password, "next": "/private/"}
    return ask(
        "POST",
        path,
        urlencode({"csrfmiddlewaretoken": token, **fields}),
        Content_Type="application/x-www-form-urlencoded",
        Cookie=form.cookies(),
        Origin=origin,
        **headers,
    )


def login():
    for path in ("/accounts/login/", "/admin/login/?next=/private/"):
        answer = submit(path, f"http://{SITE}")
        expect(f"{path}: the status", answer.status, 302)
        expect(f"{path}: the way on", answer.headers["Location"], "/private/")
        private = ask("GET", "/private/", Cookie=answer.cookies())
        expect("the private page", (private.status, private.text), (200, f"hello {user}\n"))
    expect("without the cookie", ask("GET", "/private/").status, 302)
    elsewhere = submit("/accounts/login/", "http://evil.test")
    expect("a form from elsewhere", elsewhere.status, 403)


def forged():
    """There is no trusted proxy here, so X-Forwarded-Proto is ignored."""
    answer = ask("GET", "/echo", X_Forwarded_Proto="https", X_Forwarded_For="192.0.2.1")
    seen = json.loads(answer.text)
    expect("forged https", seen["secure"], False)
    expect("a forged client", seen["meta"]["HTTP_X_FORWARDED_FOR"] == "192.0.2.1", False)
    refused = submit("/accounts/login/", f"https://{SITE}", X_Forwarded_Proto="https")
    expect("a form by forged https", refused.status, 403)


def upload():
    body = random.randbytes(20 << 20)
    sent, kind = form("a.bin", body)
    answer = ask("POST", "/upload/", sent, Content_Type=kind)
    expect("the upload's status", answer.status, 200)
    [file] = json.loads(answer.text)["files"]
    expect("the upload's length", file["size"], len(body))
    expect("the upload's contents", file["sha256"], hashlib.sha256(body).hexdigest())
    # Without a length, so in chunks: Django reads no body without Content-Length.
    pieces = iter([body[:70_000], body[70_000:1 << 20]])
    seen = json.loads(ask("POST", "/echo", pieces).text)
    expect("a chunked body's length", (seen["length"], seen["meta"]["CONTENT_LENGTH"]),
           (1 << 20, str(1 << 20)))


def form(name, body):
    """A form with one file, as its body and type."""
    limit = "limit-of-the-parts"
    head = (
        f'--{limit}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode() + body + f"\r\n--{limit}--\r\n".encode(), f"multipart/form-data; boundary={limit}"


def media():
    """An upload is written by the application and served by Sideman."""
    body, kind = form(*KEPT)
    answer = ask("POST", "/keep/", body, Content_Type=kind)
    expect("the status of what is kept", answer.status, 200)
    expect("where it is", json.loads(answer.text)["url"], f"/media/{KEPT[0]}")
    kept()


def kept():
    path = f"/media/{KEPT[0]}"
    answer = ask("GET", path)
    expect(f"{path}: the file", (answer.status, answer.body), (200, KEPT[1]))
    expect(f"{path}: guessing", answer.headers["X-Content-Type-Options"], "nosniff")
    has(f"{path}: the policy", answer.headers["Content-Security-Policy"], "sandbox")
    # The user exists, or existed before: the database is another container.
    login()


def health():
    for path in ("/healthz", "/readyz"):
        answer = ask("GET", path, host=FOREIGN)
        expect(f"{path} for another Host", answer.status, 200)
    expect("Django for another Host", ask("GET", "/", host=FOREIGN).status, 400)


every = (page, static, login, forged, upload, media, health)
for check in [globals()[name] for name in names] or every:
    check()
    print(f"  {check.__name__}: well")
