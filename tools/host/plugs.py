"""Where a person or mpremote plugs in to the virtual board: a pty and a TCP port."""

import asyncio
import os
import pty
import select
import tty

_KEPT = 1 << 16  # bytes for somebody who is there but does not read; then the oldest go


class Plugs:
    """A pty with a link to it, and a TCP port on 127.0.0.1. `typed(data)` gets what comes in.

    What goes out goes to all that are plugged in; with nobody there it is lost, as on a wire.
    """

    def __init__(self, typed):
        self.typed = typed
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        os.close(slave)  # so that it can be seen whether anybody has it open
        os.set_blocking(self.master, False)
        self.link = self.server = self.port = None
        self.writers = set()
        self._out = b""
        self._reading = False

    async def open(self, link=None, port=None):
        """Put a symbolic link `link` to the pty, listen on TCP port `port` (0: any)."""
        if link:
            if os.path.islink(link):
                os.unlink(link)
            os.symlink(self.path, link)
            self.link = link
        if port is not None:
            self.server = await asyncio.start_server(self._connected, "127.0.0.1", port)
            self.port = self.server.sockets[0].getsockname()[1]

    def close(self):
        loop = asyncio.get_running_loop()
        loop.remove_reader(self.master)
        loop.remove_writer(self.master)
        os.close(self.master)
        if self.link:
            os.unlink(self.link)
        if self.server:
            self.server.close()
        for writer in self.writers:
            writer.transport.abort()

    def look(self):
        """To be called often: somebody may have opened the pty."""
        if not self._reading and self._open():
            self._reading = True
            asyncio.get_running_loop().add_reader(self.master, self._readable)

    def send(self, data):
        for writer in self.writers:
            writer.write(data)
        if self._open():
            self._out = (self._out + data)[-_KEPT:]
            self._writable()
        else:
            self._out = b""

    def _open(self):
        poll = select.poll()
        poll.register(self.master, 0)
        return not poll.poll(0)  # (it hangs up when nobody has the other side open)

    def _readable(self):
        try:
            self.typed(os.read(self.master, 4096))
        except BlockingIOError:
            pass
        except OSError:  # closed
            self._reading = False
            asyncio.get_running_loop().remove_reader(self.master)

    def _writable(self):
        loop = asyncio.get_running_loop()
        try:
            self._out = self._out[os.write(self.master, self._out) :]
        except BlockingIOError:
            pass
        except OSError:
            self._out = b""
        if self._out:
            loop.add_writer(self.master, self._writable)
        else:
            loop.remove_writer(self.master)

    async def _connected(self, reader, writer):
        for other in self.writers:  # one wire: who comes last has it
            other.transport.abort()
        self.writers = {writer}
        try:
            while data := await reader.read(4096):
                self.typed(data)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()
