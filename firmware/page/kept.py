"""The history of the page over a restart that was asked for, as /history: its layout and how many
connectors, a byte each; when the latest sample was (s since 2020, 4 bytes, little-endian); the
samples of each, the oldest first. Loaded for that."""

from micropython import const

from firmware import log

_PATH = const("/history")
_LAYOUT = const(1)
_HEAD = const(6)
_SAMPLE = const(3)


def save(unit, history, path=_PATH):
    """Before a restart. Raises nothing."""
    try:
        if unit.clock.known():
            t_s, rings = unit.clock.now() - unit.up_s + history.t_s, history.rings
            with open(path, "wb") as f:
                f.write(bytes((_LAYOUT, len(rings))) + t_s.to_bytes(4, "little"))
                for number in range(len(rings)):
                    for piece in history.pieces(number + 1):
                        f.write(piece)
    except OSError as e:
        log.warning("%s: %s" % (path, e))


def restore(unit, history, path=_PATH):
    """After one: what of it is of the day before now, if the time is known. Raises nothing."""
    try:
        with open(path, "rb") as f:
            head, now_s = f.read(_HEAD), unit.clock.now()
            past_s = now_s - int.from_bytes(head[2:], "little")
            if head[:2] != bytes((_LAYOUT, len(history.rings))) or not unit.clock.known():
                return
            gap = _SAMPLE * (past_s // history.step_s)
            for ring in history.rings:
                if not 0 <= gap < len(ring):
                    return
                data = f.read(len(ring))
                if len(data) == len(ring):
                    ring[: len(ring) - gap] = data[gap:]
            history.t_s = -(past_s % history.step_s)
    except OSError:
        pass  # (there is none)
