"""The commands of tools/csms about files of a station, and the server that they come to."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

_STATUS = "DiagnosticsStatusNotification"
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

    async def do_diagnostics(self, url=None):
        station = await self.station()
        if url is None:
            if self.receiver is None:
                self.receiver = Receiver(self.central.host, Path("diagnostics"))
            # (where the station has reached us, it will again)
            location = f"http://{station.reached}:{self.receiver.server_port}/"
        else:
            location = url
        answer = await self.request("GetDiagnostics", {"location": location}, station)
        name = answer.get("fileName")
        self.show(f"GetDiagnostics: {name or 'there is nothing to send'}")
        if not name:
            return True
        since = self.marks[station.id][0]

        def find():
            for way, frame, _ in station.messages[since:]:
                if way == "in" and frame[0] == 2 and len(frame) == 4 and frame[2] == _STATUS:
                    if frame[3].get("status") in ("Uploaded", "UploadFailed"):
                        return frame[3]["status"]
            return None

        status = await self.central.until(find, _WAIT_s)
        where = self.receiver.folder / name if url is None else url
        self.show(f"{status}: {where}" if status == "Uploaded" else status)
        return status != "Uploaded"
