# A UDP server for tests of what asks one, in the process of the test.

import asyncio
import os
import socket

_wait_for = asyncio.wait_for


def impatient(divisor=100):
    """From now on who waits for an answer gives up so much sooner: where none is to come."""
    asyncio.wait_for = lambda awaitable, s: _wait_for(awaitable, s / divisor)


class Server:
    """Answers with what answer(question) makes, a list of packets or, with `one`, a packet."""

    def __init__(self, answer, one=False):
        self.answer = (lambda p: [answer(p)]) if one else answer
        self.asked = []

    async def __aenter__(self):
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.setblocking(False)
        for _ in range(50):
            port = 20000 + int.from_bytes(os.urandom(2), "big") % 40000
            try:
                self.s.bind(socket.getaddrinfo("127.0.0.1", port)[0][-1])
                break
            except OSError:
                pass
        self.name = f"127.0.0.1:{port}"
        self.task = asyncio.create_task(self._serve())
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        self.s.close()

    async def heard(self, n):
        """Wait until `n` packets have come; there must be no more."""
        while len(self.asked) < n:
            await asyncio.sleep_ms(1)
        assert len(self.asked) == n

    async def _serve(self):
        while True:
            try:
                packet, self.peer = self.s.recvfrom(2000)
            except OSError:
                await asyncio.sleep_ms(1)
                continue
            self.asked.append(packet)
            for answer in self.answer(packet):
                self.s.sendto(answer, self.peer)
