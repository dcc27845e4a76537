"""An application of the tests of `sideman exec`: child.py ADDRESS [WORD...], each word is what it does.

ADDRESS is a port, a path, or `nowhere`. Each response has the process id as its body, `/exit/N` ends the process with
status N after its response, `/slow/MS` responds after that time.
"""

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time

address, words = sys.argv[1], sys.argv[2:]


def say(text):
    os.write(2, f"child {os.getpid()}: {text}\n".encode())


def serve(connection):
    with connection:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = connection.recv(65536)
            if not piece:
                return
            head += piece
        path = head.split(b" ")[1].decode()
        if path.startswith("/slow/"):
            time.sleep(int(path.removeprefix("/slow/")) / 1000)
        body = str(os.getpid()).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        if path.startswith("/exit/"):
            os._exit(int(path.removeprefix("/exit/")))


for word in words:
    if word == "ignore-term":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif word == "handle":
        for name in ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGTTIN", "SIGTTOU"):
            signal.signal(getattr(signal, name), lambda number, frame: say(f"got {signal.Signals(number).name}"))
    elif word == "env":
        say("PORT=" + os.environ.get("PORT", ""))
        say(f"descriptors={resource.getrlimit(resource.RLIMIT_NOFILE)[0]}")
        with open("/proc/self/status") as status:
            say("".join(line for line in status if line.startswith("THP_enabled")).strip())
    elif word == "orphan":
        # A process whose parent ends before it: nobody of its own waits for it.
        subprocess.run(["/bin/sh", "-c", "sleep 0.1 & exit 0"], check=True)
    elif word == "worker":
        # A process of the same group that lives on when this one is killed.
        say(f"worker {subprocess.Popen(['/bin/sleep', '60']).pid}")
    elif word == "print":
        def talk():
            while True:
                os.write(1, b"application " + b"x" * 900 + b" end\n")

        threading.Thread(target=talk, daemon=True).start()
    elif word.startswith("exit"):
        sys.exit(int(word.removeprefix("exit")))
    elif word.startswith("signal"):
        os.kill(os.getpid(), int(word.removeprefix("signal")))

if address == "nowhere":
    say("listens nowhere")
    while True:
        signal.pause()

if address.startswith("/"):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
else:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(address)))
listener.listen(128)
say("listens")
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
