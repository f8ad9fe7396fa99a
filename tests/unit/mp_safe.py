"""safe.py and drivers/outputs.py: outputs safe whatever fails. The boards: mp_boards.py."""

import sys

import strict_machine
from rig import raises

strict_machine.install()

from firmware import crash, safe
from firmware.drivers import outputs

PWRON_RESET, WDT_RESET = 1, 3
X1, OPEN = (1000, 65535), (5000, 0)


def is_safe(board):
    pins = strict_machine.pins
    for c in board.CONNECTORS:
        assert pins.get(c["contactor"]) == OPEN and pins.get(c["pilot"]) == X1, c
        assert "lock" not in c or pins[c["lock"]["a"]] == pins[c["lock"]["b"]] == ("out", 0), c
        # (it may not move before the main contactor is open)
        assert "phases" not in c or c["phases"]["pin"] not in pins, c


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
    for board in strict_machine.boards():
        everything_on(board)
        outputs.safe(board)
        is_safe(board)
        motors = sum(["lock" in c for c in board.CONNECTORS])
        assert len(strict_machine.log) == 2 * len(board.CONNECTORS) + 2 * motors, board.__name__


def test_contactors_come_first():
    for board in strict_machine.boards():
        strict_machine.log.clear()
        outputs.safe(board)
        order = [entry[0] for entry in strict_machine.log]
        for c in board.CONNECTORS:
            assert order.index(c["contactor"]) < order.index(c["pilot"]), c


def test_one_broken_output_does_not_keep_the_others_from_being_safe():
    for board in strict_machine.boards():
        for c in board.CONNECTORS:
            for broken in (c["contactor"], c["pilot"]):
                strict_machine.broken.clear()
                everything_on(board)
                strict_machine.broken.add(broken)
                e = raises(OSError, outputs.safe, board)
                assert str(broken) in str(e), c
                strict_machine.pins.pop(broken)
                for other in board.CONNECTORS:
                    for use, state in (("contactor", OPEN), ("pilot", X1)):
                        if other[use] != broken:
                            assert strict_machine.pins[other[use]] == state, (other, use)


# safe.now() finds the board


class Files:
    """Stands in for open(): config.json has this text, or is not there."""

    def __init__(self, text):
        self.text = text
        self.interrupts = 0  # by Ctrl-C

    def __call__(self, path, mode="r"):
        import io

        if self.interrupts:
            self.interrupts -= 1
            raise KeyboardInterrupt

        assert path in ("/config.json", "/safe")
        if self.text is None:
            raise OSError(2)
        return io.BytesIO(self.text) if "b" in mode else io.StringIO(self.text)


def board_for(text):
    """The board's name at a boot with this config.json; None: no board is known."""
    safe._board = None
    safe.open = Files(text)
    found = safe.board()
    return found and found.__name__.split(".")[-1]


def test_the_board_of_the_configuration():
    assert board_for('{"board":"wall"}') == "wall"
    assert board_for('{"url":"ws://x","id":"1","board":"reference"}') == "reference"
    for text in ("{}", '{"id":"x"}'):  # the field's default
        assert board_for(text) == "reference", text


def test_without_a_usable_configuration_nothing_is_driven():
    """The pins of another board could be its contactor."""
    for text in (None, "", "{", "[]", "null", "3", '"board"', "garbage", '{"board":5}'):
        assert board_for(text) is None, text
        strict_machine.pins.clear()
        safe.now()
        assert not strict_machine.pins, text


def test_the_board_of_the_boot_is_made_safe_whatever_becomes_of_the_file():
    for text in (None, "{", '{"board":"ee_minimal"}'):
        assert board_for('{"board":"wall"}') == "wall"
        safe.open = Files(text)
        strict_machine.pins.clear()
        safe.now()
        is_safe(__import__("firmware.boards.wall", None, None, ("CONNECTORS",)))


def test_now_makes_the_configured_board_safe():
    for board in strict_machine.boards():
        assert board_for('{"board":"%s"}' % board.__name__.split(".")[-1])
        safe.now()
        is_safe(board)


def test_now_stops_the_tick_first():
    """Before an output is driven: a tick that came after that could close the contactor."""
    assert board_for('{"board":"reference"}') == "reference"
    strict_machine.log.clear()
    safe.now()
    assert strict_machine.log[0] == ("timer", 0, "stopped")
    assert len(strict_machine.log) > 2


def test_an_unknown_board_drives_nothing():
    for name in ("none-such", "5", "reference.x", "__init__"):
        strict_machine.pins.clear()
        assert board_for('{"board":"%s"}' % name) is None
        safe.now()  # config.py has said what is wrong
        assert not strict_machine.pins, name


# Boot


def program(path):
    with open(path) as f:
        return compile(f.read(), path, "exec")


def boot_with(text, cause=WDT_RESET):
    """What boot.py drives, with this in /safe, before it goes on to pick.py."""
    strict_machine.log.clear()
    strict_machine.pins.clear()
    sys.modules["machine"].reset_cause = lambda: cause
    sys.modules["pick"] = None
    exec(program("boot.py"), {"open": text if isinstance(text, Files) else Files(text)})
    return strict_machine.log


def test_boot_py_pulls_low_what_was_driven_before_it_looks_for_anything():
    for board in strict_machine.boards():
        everything_on(board)
        log = boot_with(crash.at_rest(board).encode())
        contactors = [c["contactor"] for c in board.CONNECTORS]
        assert [pin for pin, _, _ in log[: len(contactors)]] == contactors, "contactors first"
        assert all(how == ("out", 0) for how in strict_machine.pins.values()), board.__name__
        for c in board.CONNECTORS:
            motor = [c["lock"][end] for end in ("a", "b")] if "lock" in c else []
            test = [c["residual"]["test"]] if "test" in c.get("residual", {}) else []
            for pin in [c["pilot"]] + motor + test:
                assert strict_machine.pins[pin] == ("out", 0), board.__name__


def test_boot_py_drives_nothing_that_nobody_has_driven():
    text = b"33 27"
    assert boot_with(text) and not boot_with(text, PWRON_RESET)
    for none in (None, b"", b"\n"):
        assert not boot_with(none), none


def test_a_damaged_safe_file_costs_only_what_is_damaged():
    for text in (b"x 33", b"\xff 33 27", b"33 27x", b"33 \0", b"99999999999999990 33", b"-5 33"):
        assert (33, "out", 0) in boot_with(text), text


def test_ctrl_c_does_not_keep_boot_py_from_its_end():
    files = Files(b"33 27")
    files.interrupts = 3
    assert boot_with(files) == [(33, "out", 0), (27, "out", 0)]


def test_boot_leaves_the_outputs_safe_and_never_raises():
    from firmware.boards import reference as board

    assert board_for("{}")
    boot = program("pick.py")
    for broken in ((), (33,), (27,)):
        strict_machine.broken.clear()
        strict_machine.pins.clear()
        strict_machine.broken.update(broken)
        exec(boot, {})
        if not broken:
            is_safe(board)
    assert board_for('{"board":"none-such"}') is None
    exec(boot, {})
