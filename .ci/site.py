"""Prepares the pages of the project for mdBook, and checks the built site: see .ci/site."""

import html.parser
import http.server
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.parse
from pathlib import Path, PurePosixPath

INDEX = "docs/README.md"
# The pages of the last part of the table of contents; others that a page links to come after them.
PROJECT = ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "CODE_OF_CONDUCT.md"]
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
PICTURES = {".png", ".svg"}
# Pages with a heading for each name; the first mention of a name in a section of any page becomes a link to it.
REFERENCES = ["docs/settings.md", "docs/errors.md", "docs/metrics.md"]
NAME = re.compile(r"^### `([^`]+)`$", re.MULTILINE)
CODE = re.compile(r"\[[^\]]*\]\([^)]*\)|`([^`]+)`")


def is_external(link):
    return re.match(r"[a-z]+:", link) is not None


def target(page, link):
    """The path that a link of a page leads to, from the project's directory."""
    path = os.path.normpath(PurePosixPath(page).parent / link.split("#")[0])
    if path.startswith(".."):
        raise SystemExit(f"{page}: {link} leads out of the project")
    return path


def links(page, text):
    for link in LINK.findall(FENCE.sub("", text)):
        if not is_external(link) and not link.startswith("#"):
            yield link


def title(page, text):
    heading = re.search(r"^# (.+)$", text, re.MULTILINE)
    return heading.group(1) if heading else page


class Pages:
    """The pages reachable from README.md and docs/, with the other files that they link to."""

    def __init__(self, home):
        self.home = home
        self.texts = {}
        self.files = set()
        for page in ["README.md", INDEX, *PROJECT]:
            self.add(page)
        for path in sorted((home / "docs").rglob("*.md")):
            self.add(path.relative_to(home).as_posix())

        self.names = {name: page for page in REFERENCES for name in NAME.findall(self.texts[page])}

    def add(self, page):
        if page in self.texts:
            return
        text = self.texts[page] = (self.home / page).read_text()
        for link in links(page, text):
            path = target(page, link)
            if not (self.home / path).exists():
                raise SystemExit(f"{page}: {link} does not exist")
            if path.endswith(".md"):
                self.add(path)
            elif (self.home / path).is_dir():
                self.add_directory(path)
            else:
                self.files.add(path)

    def add_directory(self, path):
        """A directory becomes a page with a list of its files."""
        found = [file for file in sorted((self.home / path).rglob("*")) if file.is_file()]
        names = [file.relative_to(self.home / path).as_posix() for file in found]
        self.files.update(f"{path}/{name}" for name in names)
        self.texts[f"{path}/README.md"] = f"# {path}\n\n" + "".join(f"- [{name}]({name})\n" for name in names)

    def rewritten(self, page):
        """The page with its links changed to the files of the site. Pages named README.md become index.html."""

        def link(match):
            link = match.group(1)
            if is_external(link) or link.startswith("#"):
                return match.group(0)
            path, hash_, anchor = link.partition("#")
            whole = target(page, link)
            if f"{whole}/README.md" in self.texts:
                path = f"{path}/index.md"
            elif whole in self.files and PurePosixPath(whole).suffix not in PICTURES:
                path = f"{path}.txt"
            path = re.sub(r"\bREADME\.md$", "index.md", path)
            return f"]({path}{hash_}{anchor})"

        def prose(text):
            return LINK.sub(link, "\n".join(self.linked(page, line, seen) for line in text.split("\n")))

        parts, at, seen = [], 0, set()
        text = self.texts[page]
        for fence in FENCE.finditer(text):
            parts += [prose(text[at : fence.start()]), fence.group(0)]
            at = fence.end()
        return "".join(parts) + prose(text[at:])

    def linked(self, page, line, seen):
        """A line in which names of settings, errors and metrics are links, unless the section has `seen` them."""

        def name(match):
            name = (match.group(1) or "").split("{")[0]
            to = self.names.get(name)
            if to is None or to == page or name in seen:
                return match.group(0)
            seen.add(name)
            path = os.path.relpath(to, PurePosixPath(page).parent)
            return f"[{match.group(0)}]({path}#{name.replace('.', '').lower()})"

        if line.startswith("#"):
            seen.clear()
            return line
        return CODE.sub(name, line)

    def summary(self):
        """The table of contents: the parts of docs/README.md, then the pages about the project."""

        def row(page):
            rows.append(f"- [{title(page, self.texts[page])}]({page})")
            left.discard(page)

        left = set(self.texts) - {"README.md", INDEX}
        rows = ["# Summary", "", "[Sideman](README.md)", f"[Documentation]({INDEX})"]
        for section in self.texts[INDEX].split("\n## ")[1:]:
            pages = dict.fromkeys(target(INDEX, link) for link in links(INDEX, section))
            pages = [page for page in pages if page in left and page.startswith("docs/")]
            if pages:
                rows += ["", f"# {section.splitlines()[0]}", ""]
                for page in pages:
                    row(page)
        missing = [page for page in left if (self.home / page).is_file() and page.startswith("docs/")]
        if missing:
            raise SystemExit(f"{INDEX} does not name {', '.join(sorted(missing))}")
        rows += ["", "# The project", ""]
        for page in PROJECT + sorted(left - set(PROJECT)):
            row(page)
        return "\n".join(rows) + "\n"

    def write(self, source):
        for page in self.texts:
            path = source / page
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.rewritten(page))
        for file in self.files:
            # Browsers show text, and save files of other types.
            name = file if PurePosixPath(file).suffix in PICTURES else f"{file}.txt"
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.home / file, source / name)
        shutil.copytree(self.home / "docs/images", source / "docs/images", dirs_exist_ok=True)
        (source / "SUMMARY.md").write_text(self.summary())
        for name in ["book.toml", "site.css", "tables.js"]:
            shutil.copyfile(self.home / "docs/site" / name, source / name)


class Names(html.parser.HTMLParser):
    """The links and the anchors of a page of the site."""

    def __init__(self, text):
        super().__init__()
        self.refers, self.anchors = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.refers.add(value)
            elif name == "srcset" and value:
                self.refers.update(item.split()[0] for item in value.split(","))
            elif name == "id":
                self.anchors.add(value)


def broken_links(site):
    pages = {path: Names(path.read_text()) for path in site.rglob("*.html")}
    for path, page in pages.items():
        # The page for missing files is shown at any address.
        if path.name in ("404.html", "toc.html"):
            continue
        for link in page.refers:
            if is_external(link):
                continue
            link, _, anchor = urllib.parse.unquote(link).partition("#")
            to = Path(os.path.normpath(path.parent / link)) if link else path
            to = to / "index.html" if to.is_dir() else to
            if not to.is_file():
                yield f"{path.relative_to(site)}: {link} does not exist"
            elif anchor and to in pages and anchor not in pages[to].anchors:
                yield f"{path.relative_to(site)}: {link} has no heading #{anchor}"


# A query, and the page of one of the first three results.
SEARCHES = [
    ["max_body", "docs/settings.html#servermax_body"],
    ["upstream_refused", "docs/errors.html#upstream_refused"],
    ["sideman_queue_length", "docs/metrics.html#sideman_queue_length"],
    ["websocket closes", "docs/troubleshooting.html#websocket-closes-or-does-not-open"],
]
# Loads every page into a frame of each width, one after the other, then searches, and writes the faults.
MEASURE = """<!doctype html><title>measure</title><pre id=result></pre><script>
const pages = %s, searches = %s, widths = [390, 1280];
const found = [];
const load = page => new Promise(loaded => { frame.onload = loaded; frame.src = page; });
const frame = document.body.appendChild(document.createElement("iframe"));
frame.style.height = "800px";
async function measure() {
  for (const width of widths) for (const page of pages) {
    frame.style.width = width + "px";
    await load(page);
    const root = frame.contentDocument;
    const whole = root.documentElement.scrollWidth;
    if (whole > width) found.push(`${page}: ${whole} px wide in a window of ${width}`);
    for (const box of root.querySelectorAll("main .table-wrapper, main img"))
      if (box.scrollWidth > box.clientWidth + 1 || box.getBoundingClientRect().right > width)
        found.push(`${page}: a table or picture of ${box.scrollWidth} px in ${box.clientWidth}, window ${width}: `
          + box.textContent.trim().slice(0, 60).replace(/\\s+/g, " "));
  }
  for (const [query, expected] of searches) {
    await load("index.html?search=" + encodeURIComponent(query));
    let links = [];
    for (let tries = 0; tries < 100 && !links.length; tries++) {
      await new Promise(passed => setTimeout(passed, 20));
      links = [...frame.contentDocument.querySelectorAll("#mdbook-searchresults a")];
    }
    // A result has the words searched for in its query.
    const first = links.slice(0, 3).map(link => link.getAttribute("href").replace(/\\?[^#]*/, ""));
    if (!first.includes(expected)) found.push(`search for ${query}: ${first.join(", ")}`);
  }
  document.getElementById("result").textContent = ["measured", pages.length, ...found].join("\\n");
  await fetch("/done");
}
measure();
</script>"""


def faults_in_chromium(site, chromium):
    """Pages that are wider than a phone or desktop, and searches without their result, found with Chromium."""
    pages = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    pages = [page for page in pages if page not in ("404.html", "toc.html")]
    measure = MEASURE % (pages, SEARCHES)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=site)

        def do_GET(self):
            if self.path not in ("/measure.html", "/done"):
                return super().do_GET()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(measure.encode() if self.path == "/measure.html" else b"")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom"]
        # Virtual time ends when nothing is loaded any more.
        flags += ["--virtual-time-budget=60000", "--window-size=1400,1000"]
        url = f"http://127.0.0.1:{server.server_port}/measure.html"
        # A group of its own, so that the end reaches Chromium's helpers, which hold the pipe open.
        browser = subprocess.Popen([chromium, *flags, url], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                   text=True, start_new_session=True)
        try:
            dom = browser.communicate(timeout=200)[0]
        except subprocess.TimeoutExpired:
            os.killpg(browser.pid, signal.SIGKILL)
            raise SystemExit("Chromium has not measured the pages within 200 s") from None
        server.shutdown()
    result = re.search(r"<pre id=\"?result\"?>(.*?)</pre>", dom, re.DOTALL)
    result = html.unescape(result.group(1)).splitlines() if result else []
    if result[:2] != ["measured", str(len(pages))]:
        raise SystemExit(f"Chromium has not measured all pages: {result}")
    return result[2:]


def main():
    if sys.argv[1] == "prepare":
        Pages(Path(__file__).resolve().parent.parent).write(Path(sys.argv[2]))
        return
    site = Path(sys.argv[2]).resolve()
    faults = sorted(broken_links(site))
    if len(sys.argv) > 3:
        faults += faults_in_chromium(site, sys.argv[3])
    if faults:
        raise SystemExit("\n".join(faults))


if __name__ == "__main__":
    main()
