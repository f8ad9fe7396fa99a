"""Servers of files for tests, in threads: HTTP(S) of the standard library, FTP of pyftpdlib."""

import contextlib
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from host import csms_ftp

FILE = bytes(i * i % 251 for i in range(40_000))


class _Handler(BaseHTTPRequestHandler):
    """GET of FILE as the first element of the path says; PUT and POST keep what comes."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.server.asked.append((self.command, self.path, dict(self.headers)))
        kind = self.path[1:].partition("?")[0]
        at = 0
        if "Range" in self.headers and kind not in ("plain", "close", "chunked"):
            at = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
        if kind in ("loop", "away"):
            self.send_response(302)
            self.send_header("Location", self.server.away if kind == "away" else "/loop")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if kind == "missing":
            return self.send_error(404)
        length = len(FILE) - at + {"long": 100, "short": -100}.get(kind, 0)
        self.send_response(206 if at else 200)
        if at:
            self.send_header("Content-Range", f"bytes {at}-{len(FILE) - 1}/{len(FILE)}")
        if kind == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        elif kind not in ("close", "endless", "torn"):
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.close_connection = True
        with contextlib.suppress(OSError):
            self._body(kind, at)

    def _body(self, kind, at):
        write = self.wfile.write
        if kind == "chunked":
            for i in range(0, len(FILE), 3000):
                piece = FILE[i : i + 3000]
                write(b"%x\r\n%s\r\n" % (len(piece), piece))
            write(b"0\r\n\r\n")
        elif kind == "endless":
            while True:
                write(FILE)
        elif kind == "cut":  # after each KB
            write(FILE[at : at + 1024])
        elif kind == "stall":
            write(FILE[:5000])
            self.server.over.wait(60)
        elif kind in ("reset", "torn"):
            write(FILE[:5000])
            time.sleep(0.2)
            if kind == "reset":
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.server.tear(self.connection)
        elif kind == "slow":
            for i in range(at, len(FILE), 4000):
                write(FILE[i : i + 4000])
                time.sleep(0.05)
        else:
            write(FILE[at:])

    def do_PUT(self):
        self.server.asked.append((self.command, self.path, dict(self.headers)))
        if self.command not in self.server.takes:
            return self.send_error(self.server.refusal)
        self.server.hold.wait(60)
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.files[self.path] = data
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.server.came.set()

    do_POST = do_PUT


class HttpServer(ThreadingHTTPServer):
    """`with HttpServer(context) as server`: `url`, `asked` (method, path, headers), `files` by
    path, `takes`: methods by which they come, to others a `refusal` is the answer; `away`: where
    /away leads. What is put waits for `hold`, which is set, and sets `came`."""

    daemon_threads = True

    def __init__(self, context=None, host="127.0.0.1"):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked, self.files, self.takes, self.away = [], {}, ("PUT", "POST"), ""
        self.refusal = 405
        self.over, self.hold, self.came = [threading.Event() for _ in range(3)]
        self.hold.set()
        self.context = context
        self.url = f"http{'s' if context else ''}://{host}:{self.server_port}/"

    def finish_request(self, request, address):
        if self.context:
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, address)
        if self.context:
            with contextlib.suppress(OSError):
                request.unwrap()

    def tear(self, connection):
        """End TCP without a word of TLS."""
        socket.socket(fileno=connection.detach()).close()

    def handle_error(self, request, address):
        pass  # (who is refused, or goes away, is no error of the server)

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *error):
        self.over.set()
        self.shutdown()
        self.server_close()


class FtpServer(csms_ftp.FtpServer):
    """`with FtpServer(folder) as server`: joe, whose password is "p@ss", may do all in it,
    anonymous only read. `url` is without a user."""

    def __init__(self, folder):
        super().__init__(folder, joe="p@ss")
        self.url = f"ftp://127.0.0.1:{self.port}/"

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stop()
