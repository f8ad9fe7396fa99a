"""log.py: levels, the ring buffer, and lines that are too long or not plain."""

from firmware import log

BOTH = True
CHIP = True

printed = []


class Said:
    """Stands in for print in log.py."""

    def __call__(self, *args):
        if len(printed) == 4:  # (many small objects that stay would fragment the heap)
            printed.pop(0)
        printed.append(args)


log.print = Said()
SIZE = len(log._ring)


def lines():
    return log.tail().decode().split("\n")


def test_every_level_says_what_it_should():
    for level in range(4):
        log.level = level
        printed.clear()
        log.error("e")
        log.warning("w")
        log.info("i")
        assert [line[0].split(" ")[1] for line in printed] == list("EWI")[: level + 1], level


def test_a_line_has_seconds_mark_and_text():
    log.warning("Wi-Fi: gone")
    seconds, mark, text = lines()[-2].split(" ", 2)
    assert seconds.isdigit() and (mark, text) == ("W", "Wi-Fi: gone")
    assert printed == [("%s W Wi-Fi: gone" % seconds,)]


def test_nothing_was_said():
    assert log.tail() == b""


def test_the_latest_lines_stay():
    for i in range(1000):
        log.info("line %d" % i)
    tail = lines()
    assert tail[-1] == "" and tail[-2].endswith("line 999")
    numbers = [int(line.split(" ")[-1]) for line in tail[1:-1]]
    assert numbers == list(range(1000 - len(numbers), 1000)) and len(numbers) > SIZE // 20
    assert len(log.tail()) == SIZE


def test_the_ring_is_right_at_every_offset():
    everything = b""
    for i in range(300):
        text = "x" * (i % 37) + str(i)
        log.info(text)
        everything = (everything + (printed[-1][0] + "\n").encode())[-SIZE:]
        assert log.tail() == everything, i


def test_long_lines_are_cut():
    log.error("y" * 5000)
    assert len(printed[0][0]) == 240 and log.tail() == printed[0][0].encode() + b"\n"
    log.error("z" * 239)
    assert len(lines()[-2]) == 240


def test_anything_can_be_said():
    for text in ("", "\n", "\u00e9\u20ac\U0001f50c", "%s %d", "\ud800 lone", "\x1b[2J", 5, None):
        log.error(text)
    assert b"%s %d" in log.tail() and "\u20ac".encode() in log.tail()
    log.error("\u20ac" * 3000)  # 3 bytes a character: more than a third of the ring
    assert len(log.tail()) <= SIZE


def test_a_message_that_is_not_wanted_costs_nothing():
    import micropython

    log.level = 0
    log.info("x")
    micropython.heap_lock()
    try:
        log.warning("x")
        log.info("x")
    finally:
        micropython.heap_unlock()
    assert not printed and not log.tail()
