"""The login page of the admin has its stylesheet, with a hash in the name. Runs in the container of the wheel."""

import re
import urllib.request


def get(path):
    request = urllib.request.Request(f"http://127.0.0.1:8080{path}", headers={"Host": "shop.example"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.headers, response.read().decode()


_, page = get("/admin/login/")
path = re.search(r'<link rel="stylesheet" href="(/static/admin/css/base\.[0-9a-f]{12}\.css)"', page).group(1)
headers, _ = get(path)
assert headers["Cache-Control"] == "public, max-age=31536000, immutable", headers
with open("/proc/1/comm") as name:
    assert name.read().strip() == "sideman", "another program has the process id 1"
