"""console/diagnostics.py: what is in the file that leaves, and what is not."""

# ruff: noqa: UP031
import sys

sys.path.insert(1, "tools/sim/esp32")  # (console/status.py wants a network and an esp32)

from firmware import log
from firmware.console import diagnostics


class Clock:
    def __init__(self, now_s):
        self.now_s = now_s

    def now(self):
        return self.now_s

    def known(self):
        return self.now_s > 0


def filled(lines):
    """The log with these lines, as (second of the run, text)."""
    log._ring[:] = bytes(512)
    log._at = 0
    for at, text in lines:
        for byte in b"%d I %s\n" % (at, text.encode()):
            log._ring[log._at] = byte
            log._at = (log._at + 1) % 512


class Ticks:
    """The time since the start, in s."""

    def __init__(self, s):
        self.s = s

    def ticks_ms(self):
        return self.s * 1000 & 0x3FFFFFFF


def lines(clock, now, since=None, until=None):
    diagnostics.time = Ticks(now)
    return [bytes(line).decode() for line in diagnostics._log(clock, since, until)]


def test_the_log_has_its_own_times_where_the_clock_is_known():
    filled([(5, "one"), (65, "two"), (70, "three")])
    t0 = 200000000  # when the run was 100 s old
    said = lines(Clock(t0), 100)
    assert [line.split(" ", 1)[1] for line in said] == ["I one", "I two", "I three"]
    assert said[0] == "2026-05-03T19:31:45Z I one", said
    assert lines(Clock(-5), 100) == ["5 I one", "65 I two", "70 I three"]
    for since, until, expected in (
        (t0 - 95, None, 3), (t0 - 94, None, 2), (t0 - 29, None, 0), (None, t0 - 96, 0),
        (None, t0 - 95, 1), (t0 - 40, t0 - 32, 1), (t0, t0 - 100, 0),
    ):  # fmt: skip
        assert len(lines(Clock(t0), 100, since, until)) == expected, (since, until)
    # Nobody knows which they were: all.
    assert len(lines(Clock(-5), 100, 7, 8)) == 3


def test_ticks_begin_again_after_twelve_days():
    filled([(1073740, "before"), (3, "behind")])
    said = lines(Clock(200000000), 1073741 + 13)  # (right to a second)
    assert said == ["2026-05-03T19:33:07Z I before", "2026-05-03T19:33:11Z I behind"], said


def test_the_oldest_line_is_cut_where_the_ring_is_full():
    filled([(n, "a line that is as long as lines are") for n in range(30)])
    said = lines(Clock(-5), 100)
    assert 8 < len(said) < 13 and said[-1].startswith("29 I a line"), said
    assert all([line.endswith("as lines are") for line in said])


def test_pieces_are_small_and_have_no_users_of_addresses():
    said = [
        "url = ['ws://joe:sec@ret@h/x', 'wss://me@h/', 'http://h/@']",
        b"bytes ftp://a:b@c/",
        "x" * 2000,
        "",
    ] + ["a line"] * 200
    lines_, diagnostics._lines = diagnostics._lines, lambda *args: iter(said)
    try:
        pieces = list(diagnostics.pieces(None, None, None))
    finally:
        diagnostics._lines = lines_
    assert max([len(piece) for piece in pieces]) <= 1024
    text = b"".join(pieces).decode()
    assert text.startswith("url = ['ws://h/x', 'wss://h/', 'http://h/@']\nbytes ftp://c/\nxxx")
    assert text.endswith("a line\n") and text.count("a line\n") == 200
    assert "ret@" not in text and "sec" not in text and "a:b" not in text
