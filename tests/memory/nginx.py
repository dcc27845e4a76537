"""An nginx in a cgroup that does the same work, for comparison: Debian's package with the settings of a careful administrator.

Descriptors and connections are raised, so that what is compared is memory. HTTP/2 without TLS has a listener of
its own: older versions take no HTTP/1 there.
"""

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from server import START_SECONDS, drop_from_page_cache, memory_of

CONFIGURATION = """
worker_processes 2;
worker_rlimit_nofile 20000;
daemon off;
user root;
pid {work}/nginx.pid;
error_log {work}/events.log crit;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    types {{ text/css css; }}
    client_max_body_size 100m;
    # Like server.max_header here.
    large_client_header_buffers 8 16k;
    client_body_temp_path {work}/spool/body;
    proxy_temp_path {work}/spool/proxy;
    fastcgi_temp_path {work}/spool/fastcgi;
    uwsgi_temp_path {work}/spool/uwsgi;
    scgi_temp_path {work}/spool/scgi;
    upstream application {{ server 127.0.0.1:{application_port}; keepalive 16; }}
    server {{
        listen 127.0.0.1:{port};
        listen 127.0.0.1:{http2_port} http2;
        location = /healthz {{ return 200 "ok"; }}
        location /static/ {{ alias {work}/static/; }}
        location / {{
            proxy_pass http://application;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
        }}
    }}
}}
"""


def program():
    """The path of nginx, or None."""
    found = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    return found and Path(found)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Nginx:
    """Starts nginx, and waits until it listens."""

    def __init__(self, binary, cgroup, work, application_port, _settings, _name="attacked"):
        self.cgroup = cgroup
        self.port, self.http2_port = free_port(), free_port()
        drop_from_page_cache(binary)
        configuration = work / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(
            work=work, application_port=application_port, port=self.port, http2_port=self.http2_port))
        self.process = subprocess.Popen(
            cgroup.command([str(binary), "-p", str(work), "-c", str(configuration)]),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while not self.is_listening():
            if not self.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("nginx did not start; try its configuration with nginx -t")
            time.sleep(0.01)

    def is_listening(self):
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def is_alive(self):
        return self.process.poll() is None

    def memory(self):
        """PSS and anonymous memory of all its processes."""
        return memory_of(self.cgroup.processes())

    def counted(self):
        """nginx counts no limits."""
        return {}

    def stop(self):
        if self.is_alive():
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            for process in self.cgroup.processes():
                subprocess.run(["kill", "-9", str(process)], check=False)
            self.process.wait()
