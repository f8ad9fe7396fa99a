"""The wall's page: what a person does to the wall and at the plug, in a browser, beside the unit's
own page (docs/page.md). What it says are the lines of the control port, and control.py answers."""

import asyncio
import io
import json
import socket
from http import HTTPStatus
from http.client import HTTPException, parse_headers
from pathlib import Path

from host.build import ROOT
from host.station.terminal import log
from sim.car import FAULTS
from sim.faults import WALL_FAULTS, unseen

HERE = Path(__file__).parent
FILES = {
    "/": (HERE / "index.html", "text/html; charset=utf-8"),
    "/page.css": (ROOT / "firmware/page/page.css", "text/css"),  # looks as the unit's does
    "/wall.css": (HERE / "wall.css", "text/css"),
    "/wall.js": (HERE / "wall.js", "text/javascript"),
}
HEAD_bytes, BODY_bytes = 8192, 4096
REQUEST_s = 10  # for one to come
ALWAYS = (
    "Content-Security-Policy: default-src 'self'; img-src data:; frame-ancestors 'none'",
    "X-Content-Type-Options: nosniff",
    "Cross-Origin-Resource-Policy: same-origin",
    "Referrer-Policy: no-referrer",
    "Cache-Control: no-store",
    "Connection: close",
)


async def open_pages(station):
    """Say where the unit's own page will be, and serve the wall's; -> its server. Raises OSError:
    the port that was asked for is taken."""
    page, port = [getattr(station.args, name, None) for name in ("page", "wall")]
    if page:
        if taken(page):
            raise OSError(f"--page: port {page} is taken")
        password = station.args.page_password
        log(f"{station.NAME}: page on http://127.0.0.1:{page}, password {password}")
        log(f"{station.NAME}: its token for programs: {station.args.page_token}")
    elif port is None:
        return None
    wall = WallPage(station)
    try:
        server, at = await wall.listen((page + 1) % 65536 if port is None else port)
    except OSError:
        if port is not None:
            raise OSError(f"--wall: port {port} is taken") from None
        server, at = await wall.listen(0)
    log(f"{station.NAME}: wall and car on http://127.0.0.1:{at}")
    return server


def taken(port):
    """True if something listens on this port of 127.0.0.1."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


class Refused(Exception):
    """(status of HTTP, why)"""


class WallPage:
    """Serves it for `station`, on 127.0.0.1. Another site cannot drive it from a browser: `Host`
    has to be this page's, so that none becomes it by DNS, and a POST needs its `Origin`."""

    def __init__(self, station):
        self.station = station
        self.hosts = ()

    async def listen(self, port):
        """-> the server, the port that it has. Raises OSError: it is taken."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", port, limit=HEAD_bytes)
        port = server.sockets[0].getsockname()[1]
        self.hosts = f"127.0.0.1:{port}", f"localhost:{port}"
        return server, port

    async def _serve(self, reader, writer):
        try:
            request = await asyncio.wait_for(self._request(reader), REQUEST_s)
            status, kind, body = 200, *await self._answer(*request)
        except Refused as e:
            status, kind, body = e.args[0], "application/json", said({"error": e.args[1]})
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.TimeoutError):
            return writer.close()
        except (ConnectionError, asyncio.CancelledError):  # (cancelled: the station ends)
            return writer.close()
        lines = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            f"Content-Type: {kind}",
            f"Content-Length: {len(body)}",
            *ALWAYS,
        )
        try:
            writer.write("\r\n".join((*lines, "", "")).encode() + body)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _request(self, reader):
        # -> its method, path and body, of somebody who may
        head = await reader.readuntil(b"\r\n\r\n")
        first, _, rest = head.partition(b"\r\n")
        try:
            method, path, _ = first.decode().split(" ")
            headers = parse_headers(io.BytesIO(rest))
            size = int(headers.get("Content-Length", 0))
        except (ValueError, HTTPException):
            raise Refused(400, "no HTTP/1.1") from None
        host = headers.get("Host", "").lower()
        if host not in self.hosts:
            raise Refused(421, "this page has another address")
        if method not in ("GET", "POST"):
            raise Refused(405, "GET or POST")
        if method == "POST" and headers.get("Origin", "").lower() != f"http://{host}":
            raise Refused(403, "it comes from another site")
        if not 0 <= size <= BODY_bytes:
            raise Refused(413, "too long")
        return method, path, await reader.readexactly(size)

    async def _answer(self, method, path, body):
        # -> kind and bytes
        if (method, path) == ("POST", "/say"):
            return "application/json", said(await self._say(body))
        if method == "GET" and path in FILES:
            file, kind = FILES[path]
            return kind, file.read_bytes()
        looks = {"/about": self.about, "/state": self.state}
        if method != "GET" or path not in looks:
            raise Refused(404, "nothing is there")
        answer = looks[path]()
        return "application/json", said(await answer if asyncio.iscoroutine(answer) else answer)

    async def _say(self, line):
        # A line as on the control port, and what that answers.
        try:
            return await self.station.control.answer(line)
        except ValueError as e:
            return {"error": str(e)}

    def about(self):
        """What does not change: names, and what this board has."""
        station = self.station
        unit, outlets = station.args.unit, station.world.wall.outlets
        page = getattr(station.args, "page", None)
        return {
            "id": unit["id"],
            "board": unit["board"],
            "page": f"http://127.0.0.1:{page}" if page else None,
            "socket": ["proximity" in o.pins for o in outlets],
            "button": ["button" in o.pins for o in outlets],
            "faults": {"the car": FAULTS, "the wall": list(WALL_FAULTS)},
            "unseen": [[n for n in WALL_FAULTS if unseen(n, o.pins)] for o in outlets],
            "reader": station.world.panel.reader is not None,
            "dim": station.world.panel.dims,
            "ssid": unit.get("ssid") or "",
            "help": station.control.HELP,
        }

    async def state(self):
        """What the station says of itself, and what is true at the wall."""
        station = self.station
        return {
            "report": await station.state(),
            "powered": station.powered,
            "speed": station.world.speed,
            "outlets": [
                {
                    "in_car": outlet.car.in_car,
                    "in_socket": outlet.plugged,
                    "wants": outlet.car.wants,
                    "left_Wh": outlet.car.left_Wh,
                    "max_mA": outlet.car.max_mA,
                    "phases": outlet.car.phases,
                    "takes_mA": outlet.car.phase_mA(),
                    "wrong": sorted(outlet.wrong),
                }
                for outlet in station.world.wall.outlets
            ],
        }


def said(values):
    return json.dumps(values).encode()
