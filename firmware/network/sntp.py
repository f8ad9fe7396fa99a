"""The time from an NTP server (RFC 4330). (The stock ntptime would hold up the event loop.)"""

import os
import time

from firmware.clock import FAR, PLAUSIBLE

from .dns import ask

_1900_2020_s = 3786825600


async def now(host, resolve):
    """The time as `host` has it ("name" or "name:port", found by resolve(name)): seconds since
    2020, ms (never 0), how many ms ago it was asked (Clock.set). OSError says why it does not."""
    # leap indicator 0, version 4, mode 3: client; then what only who has seen it can repeat
    packet = b"\x23" + bytes(39) + os.urandom(8)
    name, colon, port = host.partition(":")
    address = await resolve(name) + colon + port
    asked_ms = time.ticks_ms()
    t = await ask(address, 123, packet, lambda p: _parse(p, packet, host))
    if t is None:
        raise OSError("NTP: no answer from " + host)
    return t + (time.ticks_diff(time.ticks_ms(), asked_ms),)


def _parse(p, packet, host):
    if len(p) < 48 or p[0] & 7 != 4 or p[24:32] != packet[40:]:
        return None
    if not 0 < p[1] < 16 or p[0] >> 6 == 3:  # (a kiss of death has stratum 0: do not ask again)
        code = bytes([b for b in p[12:16] if 32 < b < 127]).decode()
        raise OSError("NTP: %s knows no time %s" % (host, code))
    # (32 bits of seconds since 1900: after 2036 they begin anew)
    t = (int.from_bytes(p[40:44], "big") - _1900_2020_s) & 0xFFFFFFFF
    if not PLAUSIBLE <= t < FAR:
        raise OSError("NTP: %s is wrong: %d" % (host, t))
    return t, (p[44] << 8 | p[45]) * 1000 >> 16 or 1
