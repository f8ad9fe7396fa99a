"""safe.py, drivers/outputs.py and boards/: outputs safe whatever fails, on pins that can be."""

import os

import strict_machine
from rig import raises

strict_machine.install()

from firmware import safe
from firmware.drivers import outputs

X1, OPEN = (1000, 65535), (5000, 0)
STRAPPING = (0, 2, 5, 12, 15)
UART0_AND_FLASH = (1, 3, 6, 7, 8, 9, 10, 11)


def boards():
    """(name, module) of everything in firmware/boards."""
    out = []
    for name in sorted(os.listdir("firmware/boards")):
        if name.endswith(".py") and name != "__init__.py":
            name = "firmware.boards." + name[:-3]
            out.append((name, __import__(name, None, None, ("CONNECTORS",))))
    assert len(out) >= 2
    return out


def is_safe(board):
    for c in board.CONNECTORS:
        assert strict_machine.pins.get(c["contactor"]) == OPEN, c
        assert strict_machine.pins.get(c["pilot"]) == X1, c


def everything_on(board):
    for c in board.CONNECTORS:
        outputs.Contactor(c["contactor"]).set(True)
        outputs.pilot_pwm(c["pilot"]).duty_u16(17476)
    strict_machine.log.clear()


# Outputs


def test_a_contactor_is_open_from_the_first_moment():
    c = outputs.Contactor(33)
    assert strict_machine.log == [(33, 5000, 0)]
    c.set(True)
    c.set(False)
    assert strict_machine.log[1:] == [(33, 5000, 65535), (33, 5000, 0)]


def test_a_pilot_is_at_x1_from_the_first_moment():
    outputs.pilot_pwm(27)
    assert strict_machine.log == [(27, 1000, 65535)]


def test_safe_drives_every_output_of_every_board():
    for name, board in boards():
        strict_machine.pins.clear()
        everything_on(board)
        outputs.safe(board)
        is_safe(board)
        assert len(strict_machine.log) == 2 * len(board.CONNECTORS), name


def test_contactors_come_first():
    for name, board in boards():
        strict_machine.log.clear()
        outputs.safe(board)
        order = [entry[0] for entry in strict_machine.log]
        for c in board.CONNECTORS:
            assert order.index(c["contactor"]) < order.index(c["pilot"]), name


def test_one_broken_output_does_not_keep_the_others_from_being_safe():
    for name, board in boards():
        for c in board.CONNECTORS:
            for broken in (c["contactor"], c["pilot"]):
                strict_machine.broken.clear()
                everything_on(board)
                strict_machine.broken.add(broken)
                e = raises(OSError, outputs.safe, board)
                assert str(broken) in str(e), name
                strict_machine.pins.pop(broken)
                for other in board.CONNECTORS:
                    for use, state in (("contactor", OPEN), ("pilot", X1)):
                        if other[use] != broken:
                            assert strict_machine.pins[other[use]] == state, (name, use)


# safe.now() finds the board


class Files:
    """Stands in for open(): config.json has this text, or is not there."""

    def __init__(self, text):
        self.text = text

    def __call__(self, path, mode="r"):
        import io

        assert path == "/config.json"
        if self.text is None:
            raise OSError(2)
        return io.StringIO(self.text)


def board_for(text):
    safe.open = Files(text)
    return safe.board()


def test_the_board_of_the_configuration():
    assert board_for('{"board":"wall"}') == "wall"
    assert board_for('{"url":"ws://x","id":"1","board":"reference"}') == "reference"


def test_without_a_usable_configuration_the_default_board():
    for text in (None, "", "{", "{}", "[]", "null", "3", '"board"', "garbage", '{"id":"x"}'):
        assert board_for(text) == "reference", text


def test_now_makes_the_configured_board_safe():
    for name, board in boards():
        strict_machine.pins.clear()
        safe.open = Files('{"board":"%s"}' % name.split(".")[-1])
        safe.now()
        is_safe(board)
    strict_machine.pins.clear()
    safe.open = Files(None)
    safe.now()
    is_safe(__import__("firmware.boards.reference", None, None, ("CONNECTORS",)))


def test_an_unknown_board_drives_nothing():
    for name in ("none-such", "5", "reference.x", "__init__"):
        strict_machine.pins.clear()
        safe.open = Files('{"board":"%s"}' % name)
        safe.now()  # config.py has said what is wrong
        assert not strict_machine.pins, name


# Boards


def test_what_a_board_says():
    for name, board in boards():
        assert 1 <= len(board.CONNECTORS) <= 4, name
        # (above 70 A a burst of drivers/pilot_line.py can miss the low part of a period)
        assert 6000 <= board.MAX_mA <= 70000 and board.PHASES in (1, 3), name
        # the sense pin within the ADC's range (evse.md 3.3) for every level of the pilot
        for volt in (-12, 12):
            assert 50000 < board.SENSE_ZERO_uV + volt * board.SENSE_PER_V_uV < 3100000, name
        for c in board.CONNECTORS:
            assert sorted(c) == ["contactor", "meter", "pilot", "sense"], name
        assert len(set([c["meter"] for c in board.CONNECTORS])) == len(board.CONNECTORS), name
        assert all(1 <= c["meter"] <= 247 for c in board.CONNECTORS), name
        assert sorted(board.METER_UART) == ["de", "id", "rx", "tx"], name


def test_pins_can_do_what_the_board_asks_of_them():
    for name, board in boards():
        used = [board.METER_UART[use] for use in ("tx", "rx", "de")]
        for c in board.CONNECTORS:
            used += [c["pilot"], c["sense"], c["contactor"]]
            assert 32 <= c["sense"] <= 39, "%s: ADC2 is dead while Wi-Fi is on" % name
            for use in ("pilot", "contactor"):
                assert c[use] not in strict_machine.INPUT_ONLY, (name, use)
                assert c[use] not in STRAPPING, (name, use)
        for use in ("tx", "de"):
            assert board.METER_UART[use] not in strict_machine.INPUT_ONLY, (name, use)
        assert len(set(used)) == len(used), "%s: a pin has two uses" % name
        for pin in used:
            assert 0 <= pin <= 39 and pin not in UART0_AND_FLASH, (name, pin)


def test_the_drivers_take_the_pins_of_every_board():
    from firmware.drivers.pilot_line import PilotLine
    from firmware.drivers.sdm630 import Bus

    for _, board in boards():
        strict_machine.pins.clear()
        Bus(**board.METER_UART)
        assert strict_machine.pins[board.METER_UART["de"]] == ("out", 0)
        for c in board.CONNECTORS:
            PilotLine(c["pilot"], c["sense"], board.SENSE_ZERO_uV, board.SENSE_PER_V_uV)
            outputs.Contactor(c["contactor"])
        is_safe(board)


def test_boot_leaves_the_outputs_safe_and_never_raises():
    board = boards()[0][1]
    safe.open = Files(None)
    with open("boot.py") as f:
        boot = compile(f.read(), "boot.py", "exec")
    for broken in ((), (33,), (27,)):
        strict_machine.broken.clear()
        strict_machine.pins.clear()
        strict_machine.broken.update(broken)
        exec(boot, {})
        if not broken:
            is_safe(board)
    safe.open = Files('{"board":"none-such"}')
    exec(boot, {})
