"""The part of tools/csms for updates: the command, and a small HTTP server for the file."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

from host.csms import format_time
from host.csms_profiles import CommandError, find_file

_HEAD = 8192  # bytes of a request
_PIECE = 4096
_RETRIES, _PAUSE_s = 5, 30


class FileServer:
    """Serves `files` (path -> bytes) by HTTP, with `ssl` (an SSLContext) by HTTPS: GET and HEAD,
    from any byte on.

    `cut`: bytes after which the connections to come break off, one each; `port` is real after
    start(); `asked`: (method, path, first byte) of each request."""

    def __init__(self, host="127.0.0.1", ssl=None):
        self.host, self.port, self.ssl = host, 0, ssl
        self.files, self.cut, self.asked = {}, [], []
        self._server = None

    async def start(self):
        """Listen, if it does not yet. OSError if that cannot be."""
        if self._server is None:
            self._server = await asyncio.start_server(
                self._serve, self.host, self.port, ssl=self.ssl
            )
            self.port = self._server.sockets[0].getsockname()[1]

    def url(self, path, host=None):
        """Of a file, for who reaches us as `host`, as a URL has it."""
        return f"{'https' if self.ssl else 'http'}://{host or self.host}:{self.port}{path}"

    def stop(self):
        """Listen no more; start() goes on at the same port."""
        if self._server:
            self._server.close()
            self._server = None

    async def _serve(self, reader, writer):
        try:
            await self._answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # (who asked has gone, or is no client)
        finally:
            writer.close()

    async def _answer(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1")[:_HEAD]
        method, path, _ = (head.split("\r\n")[0] + "  ").split(" ", 2)
        found = re.search(r"^range: *bytes=(\d+)-", head, re.M | re.I)
        at, data = int(found[1]) if found else 0, self.files.get(path)
        self.asked.append((method, path, at))
        more = ""
        if method not in ("GET", "HEAD") or data is None:
            status, body = "404 Not Found", b"there is no such file\n"
        elif at and at >= len(data):
            status, body = "416 Range Not Satisfiable", b""
            more = f"Content-Range: bytes */{len(data)}\r\n"
        else:
            status, body = "206 Partial Content" if found else "200 OK", data[at:]
            if found:
                more = f"Content-Range: bytes {at}-{len(data) - 1}/{len(data)}\r\n"
        length = f"Content-Length: {len(body)}\r\nAccept-Ranges: bytes\r\nConnection: close\r\n"
        writer.write(f"HTTP/1.1 {status}\r\n{more}{length}\r\n".encode())
        if method == "HEAD":
            body = b""
        elif self.cut:
            body = body[: self.cut.pop(0)]
        for i in range(0, len(body), _PIECE):
            writer.write(body[i : i + _PIECE])
            await writer.drain()
        await writer.drain()


class Updates:
    """A part of csms_requests.Requests."""

    server = None

    async def do_update(self, file, minutes="0", *words):
        try:
            when = self.central.now() + timedelta(minutes=float(minutes))
        except (ValueError, OverflowError):
            raise CommandError("minutes must be a number") from None
        if words not in ((), ("all",)):
            raise CommandError("usage: update FILE [minutes] [all]")
        data = Path(find_file(file, self.folder)).read_bytes()
        if words:
            stations = list(self.central.stations.values())
            if not stations:
                raise CommandError("no station is connected")
        else:
            stations = [await self.station()]
        if self.server is None:
            self.server = FileServer(self.central.host, self.central.ssl)
            await self.server.start()
        path = "/" + quote(Path(file).name)
        self.server.files[path] = data
        for station in stations:
            payload = {
                "location": self.server.url(path, station.reached),
                "retrieveDate": format_time(when),
                "retries": _RETRIES,
                "retryInterval": _PAUSE_s,
            }
            await self.request("UpdateFirmware", payload, station)
            self.show(f"UpdateFirmware: {station.id} fetches {payload['location']}")
