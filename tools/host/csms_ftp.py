"""A server of FTP, in a thread: what a Central System serves updates by to who wants FTP."""

import threading

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

_POLL_s = 0.02


class FtpServer:
    """Serves `folder`: anonymous only reads, who is in `passwords` may do all."""

    def __init__(self, folder, host="127.0.0.1", **passwords):
        authorizer = DummyAuthorizer()
        for user, password in passwords.items():
            authorizer.add_user(user, password, str(folder), perm="elradfmwMT")
        authorizer.add_anonymous(str(folder))
        handler = type("Handler", (FTPHandler,), {"authorizer": authorizer})
        self.server = FTPServer((host, 0), handler, ioloop=IOLoop())
        self.port, self.over = self.server.address[1], False
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while not self.over:
            self.server.serve_forever(timeout=_POLL_s, blocking=False, handle_exit=False)
        self.server.close_all()

    def stop(self):
        self.over = True
        self.thread.join(10)
