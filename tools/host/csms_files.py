"""The commands of tools/csms about files of a station, and the server that they come to."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from host.csms import V16
from host.csms_profiles import CommandError
from host.csms_show import reason

_STATUS = "DiagnosticsStatusNotification"
_LOG_STATUS = "LogStatusNotification"
_WAIT_s = 300  # for an upload
_MOST = 1 << 24


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_PUT(self):
        name = unquote(self.path).rpartition("/")[2]
        size = self.headers.get("Content-Length", "")
        good = re.fullmatch(r"\w[-\w.]{0,199}", name, re.ASCII)
        if not good or not size.isdecimal() or int(size) > _MOST:
            self.close_connection = True
            return self.send_error(400)
        self.server.folder.mkdir(parents=True, exist_ok=True)
        (self.server.folder / name).write_bytes(self.rfile.read(int(size)))
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()


class Receiver(ThreadingHTTPServer):
    """Takes what is PUT and writes it into `folder`; any name, no path."""

    daemon_threads = True

    def __init__(self, host, folder):
        super().__init__((host, 0), _Handler)
        self.folder = folder
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Files:
    """A part of csms_requests.Requests."""

    receiver = None
    asked = 0  # requests with an id so far: the latest requestId

    async def do_diagnostics(self, url=None):
        if url and "://" not in url:
            raise CommandError("usage: diagnostics [URL]")
        station = await self.station()
        if station.language is not V16:
            return await self.do_log(*([url] if url else []))
        location = self._location(station, url)
        answer = await self.request("GetDiagnostics", {"location": location}, station)
        name = answer.get("fileName")
        self.show(f"GetDiagnostics: {name or 'there is nothing to send'}")
        if not name:
            return True
        ends = ("Uploaded", "UploadFailed")
        return await self._uploaded(station, _STATUS, {}, lambda status: status in ends, name, url)

    async def do_log(self, *words):
        words = list(words)
        security = words[:1] == ["security"]
        del words[: 1 if security else 0]
        url = words[0] if words else None
        if len(words) > 1 or url and "://" not in url:
            raise CommandError("usage: log [security] [URL]")
        station = await self.station()
        id = self.new_id()
        answer = await self.request(
            "GetLog",
            {
                "logType": "SecurityLog" if security else "DiagnosticsLog",
                "requestId": id,
                "log": {"remoteLocation": self._location(station, url)},
            },
            station,
        )
        status, name = answer.get("status"), answer.get("filename")
        self.show(f"GetLog: {status}" + (f", {name}" if name else reason(answer)))
        if status not in ("Accepted", "AcceptedCanceled"):
            return True
        more = {"requestId": id}
        ended = lambda status: status not in (None, "Uploading", "Idle")  # noqa: E731
        return await self._uploaded(station, _LOG_STATUS, more, ended, name or "?", url)

    def new_id(self):
        """The next requestId."""
        self.asked += 1
        return self.asked

    def _location(self, station, url):
        if url is not None:
            return url
        if self.receiver is None:
            self.receiver = Receiver(self.central.host, Path("diagnostics"))
        # (where the station has reached us, it will again)
        return f"http://{station.reached}:{self.receiver.server_port}/"

    async def _uploaded(self, station, action, fields, ended, name, url):
        # True: the upload has failed.
        since = self.marks[station.id][0]

        def find():
            for way, frame, _ in station.messages[since:]:
                if way == "in" and frame[0] == 2 and len(frame) == 4 and frame[2] == action:
                    status = frame[3].get("status")
                    if fields.items() <= frame[3].items() and ended(status):
                        return status
            return None

        async with self.waiting(f"the end of {action}", _WAIT_s):
            status = await self.central.until(find, _WAIT_s)
        where = self.receiver.folder / name if url is None else url
        self.show(f"{status}: {where}" if status == "Uploaded" else status)
        return status != "Uploaded"
