"""lib/uwebsockets against a plain echo server on loopback, and PyPI's
micropython-async-websocket-client against the same one."""

import base64
import contextlib
import hashlib
import importlib.util
import json
import shutil
import socket
import tempfile
import threading
from pathlib import Path

import bench
from bench import MICROPYTHON, MICROPYTHON32, measurement, micropython
from host.build import ROOT, build

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def shake_hands(stream, lines):
    fields = dict(line.lower().split(b":", 1) for line in lines[1:])
    keys = [
        line.split(b":", 1)[1].strip()
        for line in lines
        if line.lower().startswith(b"sec-websocket-key")
    ]
    accept = base64.b64encode(hashlib.sha1(keys[0] + GUID).digest())
    answer = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade"]
    answer.append(b"Sec-WebSocket-Accept: " + accept)
    if b"sec-websocket-protocol" in fields:
        answer.append(b"Sec-WebSocket-Protocol: " + fields[b"sec-websocket-protocol"])
    stream.sendall(b"\r\n".join(answer) + b"\r\n\r\n")


def taken(connection, size):
    data = connection.recv(size, socket.MSG_WAITALL) if size else b""
    if len(data) < size:
        raise EOFError
    return data


def echo(connection):
    """Shake hands, then send each message back, until the client closes."""
    with connection, contextlib.suppress(EOFError, OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += taken(connection, 1)
        shake_hands(connection, head.split(b"\r\n")[:-2])
        while True:
            op, size = taken(connection, 2)
            size &= 127
            if size == 126:
                size = int.from_bytes(taken(connection, 2), "big")
            data = taken(connection, size + 4)
            key = int.from_bytes((data[:4] * (size // 4 + 1))[:size], "big")
            data = (int.from_bytes(data[4:], "big") ^ key).to_bytes(size, "big")
            length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
            connection.sendall(bytes([op]) + length + data)
            if op == 0x88:
                break


@contextlib.contextmanager
def server():
    """-> the port of an echo server"""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def run():
            with contextlib.suppress(OSError):  # closed: the measurement is over
                while True:
                    connection, _ = listening.accept()
                    threading.Thread(target=echo, args=[connection], daemon=True).start()

        threading.Thread(target=run, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def figures(client, exe, path, heap):
    with server() as port:
        words = [client, str(port)] + ["quick"] * bench.quick
        run = f"import sys; sys.argv.extend({words}); import bench_websocket"
        path = *path, ROOT / "tools/bench/mp"
        said = micropython(run, exe=exe, heap=heap, path=path, timeout=300)
    return json.loads(said)


@measurement
def websocket():
    """By port, ours and theirs: round trips a second of a text message (plain TCP on loopback, the
    peer a thread of this process; the best of some seconds) and us of this machine's CPU for each
    in the client; bytes of heap that a send and a receive allocate, that an open connection keeps
    with its buffers, and that the code takes (both from .mpy files); ms for TCP and handshake. The
    32-bit port's heap is the ESP32's. Theirs looks at its socket every 5 ms, takes no fragments,
    and needs a module `ssl`, which the 32-bit port has not: there an empty one."""
    theirs = Path(importlib.util.find_spec("async_websocket_client").origin).parent
    result = {}
    ports = [p for p in (("64", MICROPYTHON), ("32", MICROPYTHON32)) if shutil.which(p[1])]
    with tempfile.TemporaryDirectory(prefix="pilotwire-bench-") as folder:
        (Path(folder) / theirs.name).symlink_to(theirs)
        for name, exe in ports:
            if name == "32":
                (Path(folder) / "ssl.py").touch()
            result["uwebsockets_" + name] = figures("uwebsockets", exe, [build() / "lib"], "512K")
            result[theirs.name + "_" + name] = figures(theirs.name, exe, [folder], "1M")
    return result
