"""Runs an application server and passes signals on to it. Ends both when the load test is gone, however that ended: it
holds the pipe on stdin open."""

import os
import signal
import subprocess
import sys
import threading

child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)


def watch():
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


for number in (signal.SIGTTIN, signal.SIGTTOU):
    signal.signal(number, lambda number, _: child.send_signal(number))
threading.Thread(target=watch, daemon=True).start()
sys.exit(child.wait())
