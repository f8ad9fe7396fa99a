"""boot.py, pick.py, main.py, start.py, crash.py, slots.py: which code runs, whether it runs, and
what is noted of its end. With the flash in RAM at /, as a board has it, and power cuts at each of
its operations; the code in the slots is a stand-in that only knows its version."""

import os
import sys
import vfs

import flash
import images
from images import mpy
from rig import raises

HEAP = "1600K"
BOTH = True
SWEEPS = (
    "test_cuts_nothing_of_the_operation_happens",
    "test_cuts_all_of_it_happens",
    "test_cuts_part_of_it_happens",
)

PWRON, HARD, WDT, SOFT = 1, 2, 3, 5
WATCHDOG_ms = []  # what the firmware has set it to


class Reset(BaseException):
    """The chip starts anew."""


class Pin:
    IN, PULL_UP = 1, 2
    down = False

    def __init__(self, id, mode, pull):
        assert (id, mode, pull) == (0, Pin.IN, Pin.PULL_UP)

    def __call__(self):
        return 0 if Pin.down else 1


class RTC:
    kept = b""

    def memory(self, data=None):
        if data is None:
            return RTC.kept
        RTC.kept = bytes(data)


class Machine:
    PWRON_RESET, HARD_RESET, WDT_RESET, SOFT_RESET = PWRON, HARD, WDT, SOFT
    Pin, RTC = Pin, RTC

    def __init__(self):
        self.cause = PWRON

    def reset_cause(self):
        return self.cause

    def freq(self, Hz):
        assert Hz == 240000000
        raise ValueError("this one has 160 MHz")

    def reset(self):
        raise Reset

    def WDT(self, timeout):
        WATCHDOG_ms.append(timeout)


chip = sys.modules["machine"] = Machine()


class Wlan:
    """Notes whether it is on."""

    WLAN = None
    IF_STA = 0
    on = False
    memory = True

    def __init__(self, interface):
        if not Wlan.memory:
            raise OSError("WiFi Out of Memory")

    def active(self, up):
        Wlan.on = up


Wlan.WLAN = Wlan
sys.modules["network"] = Wlan


class Safe:
    """Stands in for firmware/safe.py: counts, and is interrupted `interrupts` times first."""

    def __init__(self):
        self.calls = self.interrupts = 0
        self.CONNECTORS = ({"button": {"pin": 0}},)

    def board(self):
        return self

    def now(self):
        self.calls += 1
        if self.interrupts:
            self.interrupts -= 1
            raise KeyboardInterrupt


outputs = Safe()

# (all that is needed is loaded before the flash is mounted)
import romfile  # noqa: F401
from firmware import clock  # noqa: F401

sys.modules["firmware.safe"] = sys.modules["firmware"].safe = outputs
from firmware import crash, slots, start
from firmware.network import wifi  # noqa: F401

with open("boot.py") as f:
    BOOT = compile(f.read(), "boot.py", "exec")
with open("pick.py") as f:
    PICK = compile(f.read(), "pick.py", "exec")
with open("main.py") as f:
    MAIN = compile(f.read(), "main.py", "exec")
REAL = {name: sys.modules[name] for name in sys.modules if name.startswith("firmware")}
PATH = ["", ".frozen", "/rom", "/rom/lib", "/lib"]
FILLER = 5000  # bytes: an image has two blocks
SAFE = "def now():\n    pass\n"
START = """
VERSION = %s
from firmware import m0, m1
assert m0.VERSION == m1.VERSION == VERSION
"""


def unmount(path):
    try:
        vfs.umount(path)
    except OSError:
        pass


def mount(chip):
    for path in ("/a", "/b", "/"):
        unmount(path)
    vfs.mount(vfs.VfsLfs2(chip), "/")


def board(blocks=24):
    """A flash at /, empty."""
    chip = flash.Flash(blocks)
    mount(chip)
    os.chdir("/")
    return chip


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def read(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return None


def sources(version):
    """The modules of the firmware, {name: source}."""
    return {
        "m0": "VERSION = %d\n" % version,
        "m1": "VERSION = %d\n" % version + "#" * FILLER,
        "safe": SAFE,
        "start": START % version,
    }


def made(version, **other):
    """An image of it, with other sources or (None) without some of them."""
    modules = sources(version)
    modules.update(other)
    files = {name + ".mpy": mpy(text) for name, text in modules.items() if text is not None}
    return images.image({"firmware": files, "lib": {"x.mpy": mpy("pass")}})


def install(name, version, **other):
    """What a deploy writes into slot `name`."""
    with open("/%s.rom" % name, "wb") as f:
        f.write(made(version, **other))


def install_files(folder, version):
    """The same as files below a folder: as they may lie at /, and as an earlier build had them."""
    os.mkdir(folder + "/firmware")
    os.mkdir(folder + "/lib")
    for name, text in sources(version).items():
        write("%s/firmware/%s.py" % (folder, name), text)


def boot(cause=PWRON):
    """Run boot.py and pick.py; -> the version that main.py would start, or None."""
    chip.cause = cause
    try:
        for _ in range(5):
            space = {}
            forget()
            for path in ("/a", "/b"):
                unmount(path)
            sys.path[:] = PATH
            try:
                sys.modules["pick"] = None  # (it is compiled once)
                exec(BOOT, {})
                exec(PICK, space)
                break
            except Reset:
                chip.cause = HARD
        else:
            raise AssertionError("boot.py resets for ever")
        found = space.get("start")
        return found.VERSION if found else None
    finally:
        forget()
        sys.modules.update(REAL)


def forget():
    for name in [name for name in sys.modules if name.startswith("firmware")]:
        del sys.modules[name]


def write_protect(on):
    # (LittleFS has taken the block device's own methods when it was mounted)
    flash.Flash._happens = (lambda *_: 0) if on else HAPPENS
    flash.Flash._answer = (lambda *_: flash.EIO) if on else ANSWER


HAPPENS, ANSWER = flash.Flash._happens, flash.Flash._answer


def record(text):
    if text is None:
        try:
            os.remove("/slot")
        except OSError:
            pass
    else:
        write("/slot", text)


def two_slots(text=None, second=2, blocks=24):
    """Versions 1 and `second` in the slots, and `text` in the record; -> the flash"""
    chip = board(blocks)
    install("a", 1)
    install("b", second)
    record(text)
    return chip


# Which code runs


def test_the_record_says_which_slot_runs():
    two_slots()
    for text, version in (("a", 1), ("b", 2), ("a b", 1), ("b a\n", 2)):
        for cause in (PWRON, HARD, WDT, SOFT):
            record(text)
            assert boot(cause) == version
            assert read("/slot") == text


def test_only_the_slot_that_runs_is_on_the_path():
    two_slots("b a")
    assert boot() == 2
    assert sys.path == ["/b", "/b/lib/", "", ".frozen", "/lib"]
    # mip takes the first of these
    assert [p for p in sys.path if p[:4] != "/rom" and p.endswith("/lib")] == ["/lib"]


def test_without_a_record_files_at_the_root_run():
    board()
    install_files("", 7)
    assert boot() == 7
    assert "/slot" not in [name for name in os.listdir("/")]


def test_a_trial_ends_after_three_boots_that_nothing_confirmed():
    two_slots("b a 3")
    for left in ("2", "1", "0"):
        RTC.kept = b"2"
        assert boot(HARD) == 2
        assert read("/slot") == "b a " + left
    assert boot(SOFT) == 2 and read("/slot") == "b a 0"  # (mpremote)
    assert RTC.kept == b"2"
    write("/crash", "ValueError: n; 2020-01-01T00:00:09Z, after 9 s, reset cause 1\nmore")
    assert boot(HARD) == 1
    assert read("/slot") == "a"
    assert RTC.kept == b"back", "the crashes of b do not count for a"
    first = "slot b was given up, it is a again: ValueError: n"
    assert read("/crash").split("\n")[:2] == [
        first, "ValueError: n; 2020-01-01T00:00:09Z, after 9 s, reset cause 1"
    ]  # fmt: skip
    assert boot(HARD) == 1
    app, _ = run(lambda: None)
    assert app.last == first, "it is told once"
    app, _ = run(lambda: None, HARD)
    assert app.last == ""


def test_what_a_tool_or_a_person_has_ended_is_no_try():
    """Ctrl-C, maintenance, a soft reset, the watchdog of the REPL, the reset button (a supply that
    dips looks the same): however often, nothing falls back."""
    for cause, kept in (
        (HARD, b"stop"),
        (WDT, b"stop"),
        (PWRON, b"stop"),
        (HARD, b"maintain"),
        (SOFT, b"run 0"),
        (PWRON, b"run 0"),
    ):
        two_slots("b a 3")
        for _ in range(10):
            RTC.kept = kept
            assert boot(cause) == 2
            assert read("/slot") == "b a 3", (cause, kept)


def test_a_stop_excuses_one_start():
    two_slots("b a 3")
    RTC.kept = b"stop"
    for left in ("3", "2", "1", "0"):
        assert boot(HARD) == 2
        assert read("/slot") == "b a " + left
    assert boot(HARD) == 1


def test_every_other_end_is_a_try():
    """What each of them leaves for the next run to tell."""
    for cause, kept, why in (
        (HARD, b"run 0", "it ended without a word"),
        (WDT, b"run 0", "the watchdog ended it, the tick did not come"),
        (HARD, b"1", "it crashed"),
        (HARD, b"0", "it restarted itself"),
        (PWRON, b"", "the power went off"),
        (HARD, b"", "it ended before it ran"),
    ):
        two_slots("b a 3")
        for left in ("2", "1", "0"):
            RTC.kept = kept
            assert boot(cause) == 2
            assert read("/slot") == "b a " + left, (cause, kept)
        RTC.kept = kept
        assert boot(cause) == 1
        assert read("/slot") == "a"
        assert read("/crash") == "slot b was given up, it is a again: %s\n" % why


def test_a_full_flash_falls_back_all_the_same():
    two_slots("b a 0")
    os.mkdir("/crash")  # (it cannot be replaced)
    RTC.kept = b"1"
    assert boot(HARD) == 1
    assert read("/slot") == "a"
    os.rmdir("/crash")


def test_a_confirmed_slot_stays():
    two_slots("b a 3")
    assert boot(HARD) == 2
    crash.clear()
    assert read("/slot") == "b a"
    for _ in range(5):
        assert boot(HARD) == 2
    crash.clear()
    assert read("/slot") == "b a"


def test_code_that_cannot_be_imported_is_left_at_once():
    for broken, why in (
        ({"start": "raise ValueError('incompatible .mpy file')"}, "ValueError: incompatible "),
        ({"start": "1 / 0"}, "ZeroDivisionError: "),
        ({"start": "syntax error"}, "SyntaxError: "),
        ({"safe": None}, "ImportError: "),
    ):
        for trial in ("b a 3", "b a"):
            two_slots(trial)
            install("b", 2, **broken)
            assert boot(HARD) == 1, broken
            assert read("/slot") == "a"
            text = "slot b was given up, it is a again: " + why
            assert read("/crash").startswith(text), read("/crash")
            assert RTC.kept == b"back"


def test_without_any_code_nothing_runs_and_nothing_resets():
    board()
    for text in (None, "", "a", "a b", "b a 3", "nonsense", "a b c", "b a -1", "\0\0"):
        record(text)
        assert boot() is None, text


def test_a_record_that_is_none_does_no_harm():
    two_slots()
    for text in ("b a x", "b a 3 4 5"):
        record(text)
        assert boot(HARD) == 2, text


def test_a_flash_that_takes_no_write_boots():
    two_slots("b a 1")
    write_protect(True)
    assert boot(HARD) == 2
    assert read("/slot") == "b a 1"


def test_pins_that_fail_do_not_keep_boot_from_its_end():
    two_slots("a")
    install("a", 1, safe="def now():\n    raise OSError('pin 33 is broken')\n")
    assert boot() == 1


# Updates


def update(version):
    """What `make deploy` does on the board."""
    name = slots.stage()
    install(name, version)
    slots.switch(name)


def test_an_update_goes_into_the_other_slot():
    two_slots("a b")
    assert boot() == 1
    update(3)
    assert read("/slot") == "b a 3"
    assert boot(HARD) == 3
    crash.clear()
    update(4)
    assert boot(HARD) == 4
    assert read("/slot") == "a b 2"


def test_an_update_before_the_first_one_was_booted():
    """The code that runs is not touched, and does not confirm what has not run."""
    two_slots("a b")
    assert boot() == 1
    update(3)
    crash.clear()
    assert read("/slot") == "b a 3"
    assert slots.stage() == "b"
    assert read("/slot") == "a"
    install("b", 4)
    slots.switch("b")
    assert read("/slot") == "b a 3"
    assert boot(HARD) == 4


def test_nothing_falls_back_to_a_slot_that_is_being_written():
    two_slots("a b")
    assert boot() == 1
    assert slots.stage() == "b"
    assert read("/slot") == "a"
    assert "b.rom" not in os.listdir("/")
    install("a", 1, start="1 / 0")
    assert boot(HARD) is None


def test_files_at_the_root_are_what_the_first_slot_falls_back_to():
    board()
    install_files("", 7)
    assert boot() == 7
    update(8)
    assert read("/slot") == "a rom 3"
    assert boot(HARD) == 8
    for _ in range(3):
        version = boot(HARD)
    assert version == 7 and read("/slot") == "rom"
    assert boot(HARD) == 7


def cuts(text, tear):
    """Power fails at each flash operation of two updates with their trial boots."""
    chip = two_slots(text, 1)
    blank = bytes(chip.data)

    def two_updates():
        assert boot(SOFT) == 1
        for version in (2, 3):
            update(version)
            assert boot(HARD) == version
            crash.clear()

    chip.on()
    two_updates()
    total, done = chip.ops, 0
    seen = {1: 0, 2: 0, 3: 0}
    for cut in range(total):
        chip.restore(blank)
        mount(chip)
        chip.dies_at, chip.tear = cut, tear
        try:
            two_updates()
        except (OSError, AssertionError):
            assert chip.dead
        if not chip.dead:
            continue  # (what LittleFS does depends on where it begins to look for blocks)
        done += 1
        chip.on()
        mount(chip)
        version = boot()
        assert version in seen, (text, tear, cut, version, read("/slot"))
        seen[version] += 1
        for _ in range(4):  # a trial that nobody confirms ends with the code from before
            last = boot(HARD)
            assert last in (version, version - 1), (cut, version, last)
        assert len(read("/slot").split()) < 3
        if cut % 4 == 0:  # (the last boot has put what runs on sys.path)
            update(4)
            assert boot(HARD) == 4, (text, tear, cut)
    print("%s, %d/8 happen: %d cuts of %d, then %r boots" % (text, tear, done, total, seen))
    assert done > 50 and all([n > 5 for n in seen.values()])


def test_cuts_nothing_of_the_operation_happens():
    cuts("a b", 0)


def test_cuts_part_of_it_happens():
    cuts("b", 3)


def test_cuts_all_of_it_happens():
    cuts("b a", 8)


# Images in the two halves of the partition


class Partition:
    TYPE_DATA = 1
    BLOCKS = 7  # an odd number: the halves have 3

    def __init__(self, name="romfs"):
        self.name = name
        self.data = bytearray(b"\xff" * self.BLOCKS * 4096)
        self.bad = None

    def find(self, kind, label):
        return [self] if label == self.name else []

    def ioctl(self, op, arg):
        assert op == 4
        return self.BLOCKS

    def writeblocks(self, block, buf):
        assert len(buf) == 4096
        if block != self.bad:
            self.data[block * 4096 : block * 4096 + 4096] = buf

    def readblocks(self, block, buf, offset):
        at = block * 4096 + offset
        buf[:] = self.data[at : at + len(buf)]


def partition(**options):
    class Esp32:
        pass

    Esp32.Partition = part = Partition(**options)
    sys.modules["esp32"] = Esp32
    return part


def image(size, fill=b"\x5a"):
    from binascii import crc32

    data = b"\xd2\xcd1" + fill * (size - 7)
    return data + crc32(data).to_bytes(4, "little")


def put_image(data):
    with open("/new.romfs", "wb") as f:
        f.write(data)
    return "/new.romfs"


def refused(data, kind, part):
    before = bytes(part.data)
    e = raises(kind, slots.write_rom, put_image(data))
    assert part.data == before, "nothing was written"
    return str(e)


def test_an_image_goes_into_the_half_that_does_not_run():
    board()
    for size in (8, 100, 4096, 4100, 3 * 4096):
        for text, name, at in ((None, "rom2", 3), ("rom", "rom2", 3), ("rom2 rom", "rom", 0)):
            record(text)
            sys.path[:1] = ["/" + (text or "rom").split()[0]]
            part, data = partition(), image(size)
            assert slots.write_rom(put_image(data)) == name
            assert part.data[at * 4096 : at * 4096 + size] == data
            other = 3 - at
            assert part.data[other * 4096 : other * 4096 + 3 * 4096] == b"\xff" * 3 * 4096
            assert read("/slot") == ("rom2" if text == "rom2 rom" else text)


def test_an_image_that_is_not_whole_is_refused():
    board()
    part, data = partition(), image(5000)
    for cut in (0, 1, 3, 4, 4096, 4999):
        assert "not a whole image" in refused(data[:cut], ValueError, part)
    changed = bytearray(data)
    changed[4500] ^= 1
    assert "not a whole image" in refused(changed, ValueError, part)
    assert "half of the partition has 12288" in refused(image(3 * 4096 + 1), ValueError, part)
    assert "no partition" in refused(data, OSError, partition(name="vfs"))


def test_a_block_that_does_not_hold_is_noticed():
    board()
    record("rom rom2")
    part = partition()
    part.bad = 4
    e = raises(OSError, slots.write_rom, put_image(image(9000)))
    assert "block 4" in str(e)
    assert read("/slot") == "rom", "nothing falls back to it"


# Whether it runs, and how it ends


class App:
    """The unit, and what makes it: stands in for firmware/app/build.py."""

    def __init__(self, does, mend=None):
        self.mend = mend  # what is wrong with config.json
        self.link = self.ws = self
        self.online = True
        self.does = does
        self.runs = self.farewells = 0

    def start(self, last):
        assert last == start.last
        self.radio = Wlan.on
        self.runs += 1
        self.kept, self.last = RTC.kept, last
        return (None, self.mend) if self.mend else (self, None)

    async def run(self):
        assert start.unit is self
        assert "firmware.app.build" not in sys.modules, "it costs heap"
        self.does()

    def exit(self, code):  # (of the link's WebSocket)
        assert code == 1001 and outputs.calls  # (they are safe)
        self.farewells += 1


def call(name, *args):
    # (start.py would load it from a slot)
    return getattr(crash, name)(*args)


def stand_in(app):
    root = sys.modules["firmware"]
    sys.modules["firmware.app"] = root.app = root
    sys.modules["firmware.app.build"] = root.build = app
    start.crash = call


def run(does, cause=PWRON, mend=None):
    """Run main.py; -> (App, "reset", "repl" or "interrupted")."""
    app = App(does, mend)
    chip.cause = cause
    outputs.calls = 0
    outputs.interrupts = 0
    WATCHDOG_ms.clear()
    sys.modules.update(REAL)
    stand_in(app)
    try:
        exec(MAIN, {})
        end = "repl"
    except Reset:
        end = "reset"
    except KeyboardInterrupt:
        end = "interrupted"
    if app.runs:
        assert outputs.calls, "outputs safe at the end"
    return app, end


def fails(e):
    def does():
        raise e

    return does


def test_the_radio_has_its_memory_before_the_code():
    """Where config.json names a network; and no memory for it, or no config.json, is no crash."""
    for text, memory, on in (
        (None, True, False),
        ('{"id": "a"}', True, False),
        ('{"ssid": "home"}', True, True),
        ('{"networks": [{"ssid": "home"}]}', True, True),
        ('{"ssid": "home"}', False, False),
    ):
        fresh()
        if text:
            write("/config.json", text)
        Wlan.on, Wlan.memory = False, memory
        app, end = run(fails(SystemExit(0)))
        assert (app.radio, end) == (on, "reset"), text


def fresh():
    board()
    RTC.kept = b""
    Pin.down = False


def test_an_exception_is_noted_and_resets():
    for e in (ValueError("bad"), MemoryError("no room"), OSError(5), SystemExit(KeyError("k"))):
        fresh()
        app, end = run(fails(e))
        assert end == "reset" and app.runs == 1 and start.unit is None
        assert RTC.kept == b"1"
        text = read("/crash")
        e = e.args[0] if isinstance(e, SystemExit) else e
        assert text.startswith("%s: %s; 20" % (type(e).__name__, e)), text
        assert ", reset cause 1\n" in text
        if not isinstance(e, KeyError):  # (that one was never raised itself)
            assert "Traceback" in text and "in does" in text


def test_a_task_that_ended_is_a_crash_too():
    fresh()
    assert run(fails(SystemExit("it ended")))[1] == "reset"
    assert read("/crash").startswith("it ended; ")
    fresh()
    assert run(fails(SystemExit()))[1] == "reset"
    assert read("/crash").startswith("no memory")


def test_a_reset_that_was_asked_for_is_none():
    fresh()
    run(fails(ValueError()))
    assert run(fails(SystemExit(0)))[1] == "reset"
    assert RTC.kept == b"0"
    assert read("/crash").startswith("ValueError")


def test_config_json_that_has_to_be_mended_is_left_to_a_person():
    fresh()
    write("/config.json", "{}")
    assert run(None, mend="config.json: id: is missing")[1] == "repl"
    assert RTC.kept == b"stop" and read("/crash") is None
    assert WATCHDOG_ms == []
    record("b a 2")  # but new code that does not read the old file is given up
    assert run(None, mend="config.json: id: is missing")[1] == "reset"
    assert RTC.kept == b"1"
    assert read("/crash").startswith("config.json: id: is missing; 20")
    os.remove("/config.json")  # no code could read it
    assert run(None, mend="config.json: there is none")[1] == "repl"
    assert RTC.kept == b"stop"


def test_ctrl_c_gives_the_repl_time():
    fresh()
    app, end = run(fails(KeyboardInterrupt()))
    assert end == "interrupted" and app.farewells == 1
    assert RTC.kept == b"stop" and read("/crash") is None
    assert WATCHDOG_ms == [600000]


def test_ctrl_c_again_and_again_leaves_outputs_safe():
    def does():
        outputs.interrupts = 3
        raise KeyboardInterrupt

    fresh()
    assert run(does)[1] == "interrupted"
    assert outputs.calls == 4


def test_outputs_that_fail_are_noted():
    fresh()
    now, outputs.now = outputs.now, fails(OSError("pin 33 is broken"))
    stand_in(App(fails(ValueError())))
    try:
        exec(MAIN, {})
    except Reset:
        pass
    finally:
        outputs.now = now
    assert read("/crash").startswith("OSError: pin 33 is broken; ")


def test_the_third_crash_in_a_row_is_safe_mode():
    fresh()
    for n in (b"1", b"2", b"3"):
        app, end = run(fails(ValueError("n")), HARD)
        assert end == "reset" and app.runs == 1 and RTC.kept == n
    for cause in (HARD, WDT):
        RTC.kept = b"3"
        app, end = run(fails(ValueError("n")), cause)
        assert end == "repl" and not app.runs
    # the next reset leaves it
    app, end = run(fails(SystemExit(0)), HARD)
    assert app.runs == 1
    # on trial boot.py goes back to what ran before
    record("b a 0")
    RTC.kept = b"3"
    app, end = run(fails(ValueError("n")), HARD)
    assert end == "reset" and app.runs == 1 and RTC.kept == b"4"


def test_a_good_run_forgives():
    def does():
        assert RTC.kept == b"run 2"
        crash.clear()
        assert RTC.kept == b"run 0"
        raise ValueError

    fresh()
    RTC.kept = b"2"
    run(does)
    assert RTC.kept == b"1"


def test_what_nobody_could_note():
    """The run ended without Python: found at the next boot."""
    for cause, kept, line in (
        (WDT, b"2", "reset by the watchdog"),
        (HARD, b"2", "it ended without a word"),
        (PWRON, b"1", "the supply dipped"),
    ):
        fresh()
        RTC.kept = b"run 1"
        app, _ = run(lambda: None, cause)
        assert app.kept == b"run " + kept, cause
        assert app.last.startswith(line) and "reset cause %d" % cause in app.last
        assert read("/crash").startswith(line)
    fresh()
    app, _ = run(lambda: None)
    assert (app.kept, app.last) == (b"run 0", "")


def test_how_a_run_began():
    """The reset that was asked for has a word in RTC memory; what nobody asked for has not."""
    power, remote, local, scheduled, watchdog, crashed, update, unknown = range(8)
    for kept, cause, how in (
        (b"", PWRON, power),
        (b"remote 0", HARD, remote),
        (b"local 0", HARD, local),
        (b"scheduled 0", HARD, scheduled),
        (b"update 0", HARD, update),
        (b"crash 0", HARD, crashed),  # (for want of memory)
        (b"run 0", WDT, watchdog),
        (b"run remote 0", WDT, watchdog),
        (b"run remote 0", HARD, crashed),
        (b"1", HARD, crashed),
        (b"remote 0", PWRON, power),
        (b"0", HARD, unknown),
        (b"\xff 0", HARD, unknown),
        (b"stop", SOFT, unknown),
    ):
        fresh()
        if kept == b"1":
            crash.add(ValueError("n"))
        RTC.kept = kept
        began = []
        run(lambda began=began: began.append(crash.how(start.last)), cause)
        assert began == [how], (kept, cause, began)
    RTC.kept = b"remote 0"
    run(fails(SystemExit(0, "scheduled")), HARD)
    assert RTC.kept == b"scheduled 0"
    two_slots("b a 0")  # on trial, who restarts itself has not crashed
    RTC.kept = b"remote 0"
    assert boot(HARD) == 1
    assert read("/crash") == "slot b was given up, it is a again: it restarted itself\n"


def test_the_button_held_is_safe_mode():
    fresh()
    Pin.down = True
    app, end = run(fails(ValueError()))
    assert end == "repl" and not app.runs
    Pin.down = False
    app, end = run(fails(ValueError()))
    assert app.runs


def test_maintenance_is_for_one_boot():
    fresh()
    RTC.kept = b"maintain"
    app, end = run(fails(ValueError()), SOFT)
    assert end == "reset" and not app.runs, "a soft reset leaves the watchdog running"
    assert RTC.kept == b"maintain"
    app, end = run(fails(ValueError()), HARD)
    assert end == "repl" and not app.runs and WATCHDOG_ms == []
    assert RTC.kept == b"stop"
    app, end = run(fails(ValueError()), HARD)
    assert app.runs


def test_strange_memory_does_no_harm():
    for kept in (b"\xff\x00", b"run", b"run x", b"maintain 1", b"x" * 2000, b" "):
        for cause in (PWRON, HARD, WDT, SOFT):
            fresh()
            RTC.kept = kept
            assert run(fails(SystemExit(0)), cause)[0].runs, kept


def test_the_record_is_bounded_and_keeps_the_newest():
    fresh()
    for i in range(20):
        crash.add(ValueError("number %d %s" % (i, "x" * (i % 3) * 400)))
        assert len(read("/crash")) <= 1000
        assert read("/crash").startswith("ValueError: number %d " % i)


def test_a_flash_that_takes_no_record_does_no_harm():
    fresh()
    write_protect(True)
    assert run(fails(ValueError("n")), HARD)[1] == "reset"
    write_protect(False)
    assert RTC.kept == b"run 0", "the next boot counts it, as it does a watchdog reset"
    app, _ = run(lambda: None, HARD)
    assert app.kept == b"run 1" and app.last.startswith("it ended without a word")


def test_an_older_micropython_is_told():
    class Sys:
        class implementation:
            version = (1, 26, 0)

    real = sys.modules.get("sys")
    sys.modules["sys"] = Sys
    try:
        exec(MAIN, {})  # (would reset or run otherwise)
    finally:
        if real:
            sys.modules["sys"] = real
        else:
            del sys.modules["sys"]
