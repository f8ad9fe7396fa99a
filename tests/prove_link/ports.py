"""A MicroPython that plays what it gets on its stdin, and answers on its stdout."""

import os
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PORTS = {
    "mp64": os.environ.get("MICROPYTHON") or str(ROOT / ".venv/bin/micropython"),
    "mp32": os.environ.get("MICROPYTHON32") or str(ROOT / "build/micropython32/micropython32"),
    "mpesp": os.environ.get("MICROPYTHON_ESP")
    or str(ROOT / "build/micropython-esp/micropython-esp"),
}
BATCH = 100


class Player:
    """`player` (a script for MicroPython) in a process of its own. Requests and answers are bytes
    behind their length in 4 bytes, little-endian; an empty request ends it."""

    def __init__(self, port, player, *words):
        command = [PORTS[port], "-X", "heapsize=300K", player, *words]
        environment = {k: v for k, v in os.environ.items() if k != "MICROPYPATH"}
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def ask(self, requests):
        """-> an answer for each, in order"""
        data = b"".join(len(r).to_bytes(4, "little") + r for r in requests)
        # (both pipes may be full at the same time)
        writer = threading.Thread(target=self._write, args=[data])
        writer.start()
        answers = [self._read() for _ in requests]
        writer.join()
        return answers

    def _write(self, data):
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # its reader will see that it has ended

    def _read(self):
        size = self._process.stdout.read(4)
        data = self._process.stdout.read(int.from_bytes(size, "little"))
        if len(size) < 4 or len(data) < int.from_bytes(size, "little"):
            sys.exit(f"prove_link: the player ended with {self._process.wait()}: {size + data!r}")
        return data

    def close(self):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
