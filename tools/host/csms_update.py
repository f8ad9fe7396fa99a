"""The part of tools/csms for updates: the command, and a small HTTP server for the file."""

import asyncio
import base64
import re
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

from host.csms_profiles import CommandError, find_file
from host.csms_show import reason

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


def sign(data, key):
    """The signature of a file, in base64: by ECDSA in DER, or by RSA as PKCS #1 v1.5."""
    how = (padding.PKCS1v15(),) if hasattr(key, "decrypt") else ()
    how += (hashes.SHA256(),) if how else (ec.ECDSA(hashes.SHA256()),)
    return base64.b64encode(key.sign(data, *how)).decode()


def read_signer(path):
    """-> (the certificates in a PEM file, its private key). Raises CommandError."""
    pem = path.read_bytes()
    try:
        chain = x509.load_pem_x509_certificates(pem)
        key = serialization.load_pem_private_key(pem, None)
    except (TypeError, ValueError):
        raise CommandError(f"{path}: a certificate and its key in PEM are expected") from None
    encoding = serialization.Encoding.PEM
    return b"".join(one.public_bytes(encoding) for one in chain).decode(), key


class Updates:
    """A part of csms_requests.Requests."""

    server = None  # by HTTP or HTTPS
    ftp = None  # (folder, server), by FTP

    async def do_update(self, file, *words):
        usage = "usage: update FILE [minutes] [all] [ftp] [signer=FILE] [install=MINUTES]"
        words, named = list(words), {}
        while words and "=" in words[-1]:
            key, _, value = words.pop().partition("=")
            if key not in ("signer", "install") or key in named:
                raise CommandError(usage)
            named[key] = value
        flags = set()
        while words and words[-1] in {"all", "ftp"} - flags:
            flags.add(words.pop())
        minutes = words or ["0"]
        if len(minutes) > 1 or "install" in named and "signer" not in named:
            raise CommandError(usage)
        when = self._after(minutes[0], "minutes")
        data = Path(find_file(file, self.folder)).read_bytes()
        signed, install = {}, None
        if "signer" in named:
            chain, key = read_signer(find_file(named["signer"], self.folder))
            signed = {"signingCertificate": chain, "signature": sign(data, key)}
            if "install" in named:
                install = self._after(named["install"], "install")
        if "all" in flags:
            stations = list(self.central.stations.values())
            if not stations:
                raise CommandError("no station is connected")
        else:
            stations = [await self.station()]
        url, refused = await self._serve(Path(file).name, data, "ftp" in flags), False
        for station in stations:
            location = url(station.reached)
            said = f"{station.id} fetches {location}"
            id = int(time.time())
            action, payload = self.dialects[station.language].update(
                id, location, when, install, signed, _RETRIES, _PAUSE_s
            )
            answer = await self.request(action, payload, station)
            status = answer.get("status", "")  # (1.6's UpdateFirmware is answered without)
            if status and not status.startswith("Accepted"):
                self.show(f"{action}: {station.id}: {status}{reason(answer)}")
                refused = True
            else:
                self.show(f"{action}: {status}: {said}" if status else f"{action}: {said}")
        return refused

    async def _serve(self, name, data, by_ftp):
        # -> a function that gives the file's URL, for who reaches us by that name.
        if by_ftp:
            from host.csms_ftp import FtpServer  # (seldom wanted, and slow to load)

            if self.ftp is None:
                folder = tempfile.TemporaryDirectory()
                self.ftp = folder, FtpServer(folder.name, self.central.host)
            folder, server = self.ftp
            (Path(folder.name) / name).write_bytes(data)
            return lambda host: f"ftp://{host}:{server.port}/{quote(name)}"
        if self.server is None:
            self.server = FileServer(self.central.host, self.central.ssl)
            await self.server.start()
        path = "/" + quote(name)
        self.server.files[path] = data
        return lambda host: self.server.url(path, host)

    def _after(self, minutes, what):
        try:
            return self.central.now() + timedelta(minutes=float(minutes))
        except (ValueError, OverflowError):
            raise CommandError(f"{what} must be a number") from None
